// An adapted classifier as an ONNX model (operator set 17): a convolution with the scaling that follows it in one,
//
//     a·(W ∗ x) + c = (aW) ∗ x + c,      a = γ/s,  c = β − mγ/s,
//
// then the activation and the pooling; the classifier on the flattened image, whose order is channel, row, column as in PyTorch; and softmax.

using System.Runtime.InteropServices;
using System.Text.Json;
using Google.Protobuf;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Onnx;

namespace Imaml.Nets.Prediction;

/// <summary>Writes adapted classifiers as ONNX.</summary>
internal static class OnnxClassifier
{
    private const string Images = "images", Logits = "logits", Probabilities = "probabilities", Count = "n";

    // Operator set 17 came with version 8 of the format: ONNX 1.12, of 2022.
    private const long OperatorSet = 17, FormatVersion = 8;

    /// <summary>The bytes of a file.</summary>
    /// <param name="header">What the classifier is.</param>
    /// <param name="network">Its network, with fixed statistics.</param>
    /// <param name="parameters">Its parameters, [d].</param>
    public static byte[] Bytes(AdaptedHeader header, Network network, float[] parameters)
    {
        var model = new ModelProto
        {
            IrVersion = FormatVersion,
            ProducerName = "imaml",
            ProducerVersion = $"{typeof(OnnxClassifier).Assembly.GetName().Version?.ToString(3)}",
            OpsetImport = { new OperatorSetIdProto { Version = OperatorSet } },
            Graph = Graph(network, parameters, header.Labels.Count),
        };
        foreach (var (key, text) in new[] { ("labels", JsonSerializer.Serialize(header.Labels, RunJson.Options)), ("model", header.Model), ("images", $"{header.Form}") })
        {
            model.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = text });
        }

        return model.ToByteArray();
    }

    private static GraphProto Graph(Network network, float[] parameters, int labels)
    {
        var parts = PyTorchLayout.Of(network).ToDictionary(part => part.Name);
        var graph = new GraphProto { Name = "classifier" };
        var (last, convolutions) = (Images, 0);
        string Weights(string name, IReadOnlyList<long> shape, float[] numbers)
        {
            graph.Initializer.Add(new TensorProto
            {
                Name = name,
                DataType = (int)TensorProto.Types.DataType.Float,
                Dims = { shape },
                RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes(numbers.AsSpan())),
            });
            return name;
        }

        string Stored(string name) => Weights(name, parts[name].Shape, parts[name].Of(parameters));
        void Add(string operation, string output, string[] inputs, params AttributeProto[] attributes)
        {
            graph.Node.Add(new NodeProto { OpType = operation, Name = output, Input = { inputs }, Output = { output }, Attribute = { attributes } });
            last = output;
        }

        foreach (var layer in network.Layers)
        {
            switch (layer)
            {
                case Convolution convolution:
                    var (name, scaling, shape) = ($"conv{++convolutions}", $"norm{convolutions}", convolution.Shape(1));
                    var (weight, scale) = (parts[$"{name}.weight"], parts[$"{scaling}.weight"].Of(parameters));
                    float[] scaled = [.. weight.Of(parameters).Select((w, i) => w * scale[i / shape.Patch])];
                    Add(
                        "Conv", name, [last, Weights(weight.Name, weight.Shape, scaled), Weights($"{name}.bias", [shape.Filters], parts[$"{scaling}.bias"].Of(parameters))],
                        Pair("kernel_shape", shape.Size), Pair("strides", shape.Stride), Numbers("pads", shape.Padding, shape.Padding, shape.Padding, shape.Padding));
                    break;
                case ChannelScaling:
                    break; // In the convolution before it.
                case Rectifier:
                    Add("Relu", $"relu{convolutions}", [last]);
                    break;
                case Softplus:
                    Add("Softplus", $"softplus{convolutions}", [last]);
                    break;
                case MaxPooling pooling:
                    Add("MaxPool", $"pool{convolutions}", [last], Pair("kernel_shape", pooling.Window), Pair("strides", pooling.Window));
                    break;
                case Dense:
                    Add("Flatten", "features", [last]);
                    Add("Gemm", Logits, [last, Stored("classifier.weight"), Stored("classifier.bias")], new AttributeProto { Name = "transB", Type = AttributeProto.Types.AttributeType.Int, I = 1 });
                    break;
                default:
                    throw new ArgumentException($"{layer.GetType().Name} has no counterpart in ONNX");
            }
        }

        Add("Softmax", Probabilities, [last]);
        var input = network.Input;
        graph.Input.Add(Value(Images, input.Channels, input.Height, input.Width));
        graph.Output.Add([Value(Logits, labels), Value(Probabilities, labels)]);
        return graph;
    }

    private static AttributeProto Pair(string name, long number) => Numbers(name, number, number);

    private static AttributeProto Numbers(string name, params long[] numbers) => new() { Name = name, Type = AttributeProto.Types.AttributeType.Ints, Ints = { numbers } };

    /// <summary>A tensor of any number of images.</summary>
    private static ValueInfoProto Value(string name, params long[] shape) => new()
    {
        Name = name,
        Type = new TypeProto
        {
            TensorType = new TypeProto.Types.Tensor
            {
                ElemType = (int)TensorProto.Types.DataType.Float,
                Shape = new TensorShapeProto
                {
                    Dim = { shape.Select(length => new TensorShapeProto.Types.Dimension { DimValue = length }).Prepend(new TensorShapeProto.Types.Dimension { DimParam = Count }) },
                },
            },
        },
    };
}
