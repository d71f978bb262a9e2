// A network by the processor's kernels (Kernels/Stage.cs): convolutions each followed by a normalisation and a rectifier, max-pooling, and a dense
// layer at the end, or none: then what goes out are features. The images do not change, so the first convolution's patches of them are made once, and it is a product with these.

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Imaml.Nets.Kernels;
using Imaml.Nets.LibTorch;
using TorchSharp;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>The stages of a network for a number of images.</summary>
internal sealed class ProcessorNetwork
{
    private readonly Convolution _first;

    private ProcessorNetwork(Convolution first, Stage[] stages, int images)
    {
        (_first, Stages, Images) = (first, stages, images);
        Parameters = StagePlaces.Of(stages, stage => stage.Parameters);
        Outputs = StagePlaces.Of(stages, stage => stage.Outputs);
        TwoOutputs = StagePlaces.InTurns(stages, stage => stage.Outputs);
        Kept = StagePlaces.Of(stages, stage => stage.Kept);
        Scratch = stages.Max(stage => stage.Scratch);
    }

    public IReadOnlyList<Stage> Stages { get; }

    /// <summary>n.</summary>
    public int Images { get; }

    /// <summary>The stages' parts of a task's parameters.</summary>
    public StagePlaces Parameters { get; }

    /// <summary>The same of what goes out of them.</summary>
    public StagePlaces Outputs { get; }

    /// <summary>The same where no more than two stages' are needed at a time: they lie where those two stages before them did.</summary>
    public StagePlaces TwoOutputs { get; }

    /// <summary>The same of what they keep.</summary>
    public StagePlaces Kept { get; }

    /// <summary>Numbers that any of them needs while it works.</summary>
    public int Scratch { get; }

    /// <summary>Numbers of the largest tensor of a task's pass that grows in proportion to its images.</summary>
    public long LargestTensor => long.Max(long.Max(Outputs.Count, Kept.Count), long.Max(Patches(), TwoOutputs.Count));

    /// <summary>Bytes of all tensors that do, with what products need.</summary>
    public long Bytes => sizeof(float) * (Patches() + (3L * Outputs.Count) + Kept.Count + TwoOutputs.Count);

    private long Patches() => _first.Shape(Images) is var shape ? (long)Images * shape.OutputHeight * shape.OutputWidth * shape.Patch : 0;

    /// <summary>Whether the kernels take images like these: float32, in the processor's memory.</summary>
    public static bool IsFor(Tensor images) => images.device_type == DeviceType.CPU && images.dtype == ScalarType.Float32;

    /// <summary>The stages of its layers by the widest registers that there are; null where the kernels do not support them.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">n.</param>
    /// <param name="reference">How many of the images give the statistics.</param>
    public static ProcessorNetwork? Create(Network network, int images, int reference) =>
        (Vector512.IsHardwareAccelerated ? Of<Lanes16>(network, images, reference) : null)
        ?? (Vector256.IsHardwareAccelerated ? Of<Lanes8>(network, images, reference) : null);

    /// <summary>The same by registers of one width.</summary>
    internal static ProcessorNetwork? Of<V>(Network network, int images, int reference)
        where V : struct, ILanes<V>
    {
        var layers = network.Layers;
        if (layers is not [Convolution first, ..])
        {
            return null;
        }

        var stages = new List<Stage>();
        var shape = network.Input;
        for (var i = 0; i < layers.Count; i++)
        {
            var rows = images * shape.Height * shape.Width;
            switch (layers[i])
            {
                case Convolution { BiasOfConvolution: Bias.NormalizedAway } convolution when layers.ElementAtOrDefault(i + 1) is BatchNormalization:
                    var places = i == 0 ? convolution.OfPatches(images) : convolution.Shape(images);
                    if (!ConvolutionStage<V>.Serves(places))
                    {
                        return null;
                    }

                    stages.Add(new ConvolutionStage<V>(places));
                    break;
                case BatchNormalization when layers.ElementAtOrDefault(i + 1) is Rectifier && NormalizationStage<V>.Serves(shape.Channels):
                    stages.Add(new NormalizationStage<V>(rows, shape.Channels, reference * shape.Height * shape.Width, BatchNormalization.Epsilon));
                    i++;
                    break;
                case MaxPooling pooling when PoolingStage<V>.Serves(shape.Channels):
                    stages.Add(new PoolingStage<V>(images, shape.Height, shape.Width, shape.Channels, pooling.Window));
                    break;
                case Dense dense when i == layers.Count - 1 && DenseStage<V>.Serves(shape.Count):
                    stages.Add(new DenseStage<V>(images, shape.Count, dense.OutputShape.Channels));
                    break;
                default:
                    return null;
            }

            shape = layers[i].OutputShape;
        }

        return new ProcessorNetwork(first, [.. stages], images);
    }

    /// <summary>The patches that the first convolution sees, [B, n, H', W', k·k·C], zeros where they go beyond the image.</summary>
    /// <param name="images">[B, n, H, W, C]</param>
    public Tensor Patches(Tensor images)
    {
        using var scope = NewDisposeScope();
        var shape = _first.Shape((int)(images.shape[0] * images.shape[1]));
        var patches = LargeBlocks.Make(images.shape[0], Images, shape.OutputHeight, shape.OutputWidth, shape.Patch);
        Numbers(patches).Clear();
        shape.CopyPatches(Numbers(images.contiguous()), Numbers(patches));
        return patches.MoveToOuterDisposeScope();
    }

    /// <summary>The numbers of a tensor without gaps.</summary>
    public static Span<float> Numbers(Tensor x) => MemoryMarshal.Cast<byte, float>(x.bytes);
}

/// <summary>Where the parts of a network's stages are in the numbers of a task.</summary>
/// <param name="Starts">Of each stage.</param>
/// <param name="Lengths">Of each stage.</param>
/// <param name="Count">Numbers of a task.</param>
internal sealed record StagePlaces(int[] Starts, int[] Lengths, int Count)
{
    /// <summary>One after another.</summary>
    public static StagePlaces Of(IReadOnlyList<Stage> stages, Func<Stage, int> count)
    {
        int[] lengths = [.. stages.Select(count)];
        return new StagePlaces([.. lengths.Index().Select(one => lengths.Take(one.Index).Sum())], lengths, lengths.Sum());
    }

    /// <summary>The first and the third in one place, the second and the fourth in another.</summary>
    public static StagePlaces InTurns(IReadOnlyList<Stage> stages, Func<Stage, int> count)
    {
        int[] lengths = [.. stages.Select(count)];
        var longest = lengths.Max();
        return new StagePlaces([.. lengths.Index().Select(one => one.Index % 2 * longest)], lengths, 2 * longest);
    }

    /// <summary>A stage's part of the numbers of a task, out of those of all tasks.</summary>
    public Span<float> Part(Span<float> all, int task, int stage) => all.Slice((task * Count) + Starts[stage], Lengths[stage]);
}
