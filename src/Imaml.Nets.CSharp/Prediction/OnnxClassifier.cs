// An adapted classifier as an ONNX model (operator set 17): a convolution with the scaling that follows it in one,
//
//     a·(W ∗ x + b) + c = (aW) ∗ x + (ab + c),      a = γ/s,  c = β − mγ/s,
//
// where b = 0 for a bias that the normalisation removes; then the activation and the pooling; the classifier on the flattened image, whose order is channel, row, column as in PyTorch; and softmax.

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
        if (network.Layers[^1] is not Dense)
        {
            throw new ArgumentException("a network whose last layer is not dense cannot be written as ONNX");
        }

        var parts = PyTorchLayout.Of(network).ToDictionary(part => part.Name);
        var graph = new GraphProto { Name = "classifier" };
        var (last, convolutions, normalizations) = (Images, 0, 0);
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

        float[] Numbers(string name) => parts[name].Of(parameters);
        string Stored(string name) => Weights(name, parts[name].Shape, parts[name].Of(parameters));
        void Add(string operation, string output, string[] inputs, params AttributeProto[] attributes)
        {
            graph.Node.Add(new NodeProto { OpType = operation, Name = output, Input = { inputs }, Output = { output }, Attribute = { attributes } });
            last = output;
        }

        for (var i = 0; i < network.Layers.Count; i++)
        {
            switch (network.Layers[i])
            {
                case Convolution convolution:
                    var (name, shape) = ($"conv{++convolutions}", convolution.Shape(1));
                    var weights = Numbers($"{name}.weight");
                    var bias = convolution.BiasOfConvolution == Bias.Added ? Numbers($"{name}.bias") : new float[shape.Filters];
                    if (i + 1 < network.Layers.Count && network.Layers[i + 1] is ChannelScaling)
                    {
                        var scaling = $"norm{++normalizations}";
                        var (a, c) = (Numbers($"{scaling}.weight"), Numbers($"{scaling}.bias"));
                        weights = [.. weights.Select((w, k) => w * a[k / shape.Patch])];
                        bias = [.. bias.Select((b, k) => a[k] * b + c[k])];
                        i++;
                    }

                    Add(
                        "Conv", name, [last, Weights($"{name}.weight", parts[$"{name}.weight"].Shape, weights), Weights($"{name}.bias", [shape.Filters], bias)],
                        Pair("kernel_shape", shape.Size), Pair("strides", shape.Stride), Integers("pads", shape.Padding, shape.Padding, shape.Padding, shape.Padding));
                    break;
                case ChannelScaling alone:
                    var norm = $"norm{++normalizations}";
                    string Channels(string part) => Weights($"{norm}.{part}", [alone.OutputShape.Channels, 1, 1], Numbers($"{norm}.{part}"));
                    Add("Mul", $"{norm}.scaled", [last, Channels("weight")]);
                    Add("Add", norm, [last, Channels("bias")]);
                    break;
                case Rectifier:
                    Add("Relu", $"relu{i}", [last]);
                    break;
                case Softplus:
                    Add("Softplus", $"softplus{i}", [last]);
                    break;
                case MaxPooling pooling:
                    Add("MaxPool", $"pool{i}", [last], Pair("kernel_shape", pooling.Window), Pair("strides", pooling.Window));
                    break;
                case Dense:
                    Add("Flatten", "features", [last]);
                    Add("Gemm", Logits, [last, Stored("classifier.weight"), Stored("classifier.bias")], new AttributeProto { Name = "transB", Type = AttributeProto.Types.AttributeType.Int, I = 1 });
                    break;
                case var layer:
                    throw new ArgumentException($"{layer.GetType().Name} has no counterpart in ONNX");
            }
        }

        Add("Softmax", Probabilities, [last]);
        var input = network.Input;
        graph.Input.Add(Value(Images, input.Channels, input.Height, input.Width));
        graph.Output.Add([Value(Logits, labels), Value(Probabilities, labels)]);
        return graph;
    }

    private static AttributeProto Pair(string name, long number) => Integers(name, number, number);

    private static AttributeProto Integers(string name, params long[] numbers) => new() { Name = name, Type = AttributeProto.Types.AttributeType.Ints, Ints = { numbers } };

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
