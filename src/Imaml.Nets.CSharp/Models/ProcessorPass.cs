// A pass by the processor's kernels, task after task. All that it computes lies in a few tensors, whose sizes depend on the network and the images
// alone: the next pass gets the memory that the last one freed, and no inner step takes new memory.

using Imaml.Nets.Kernels;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>A network at one point, by the processor's kernels.</summary>
internal sealed class ProcessorPass : NetworkPass
{
    private readonly ProcessorNetwork _network;
    private readonly Tensor _parameters;

    // Not a tensor of its own by detach: the memory is lent again once this one is disposed (LargeBlocks).
    private readonly Tensor _images;
    private readonly bool _ownsImages;
    private readonly int _tasks;

    // Of every task, stage by stage: what goes out, and what is kept; for products ∂loss by what goes out, and how what goes out changes in a direction.
    private readonly Tensor _values, _kept;
    private Tensor? _gradients, _valueTangents, _direction;

    // Of the task and the stage that are at work.
    private readonly Tensor _scratch, _twoGradients;

    /// <summary>The forward pass.</summary>
    /// <param name="network">The stages.</param>
    /// <param name="parameters">[B, d]</param>
    /// <param name="images">Images of these stages.</param>
    /// <param name="ownsImages">Whether they belong to what is kept.</param>
    public ProcessorPass(ProcessorNetwork network, Tensor parameters, NetworkImages images, bool ownsImages)
        : base(empty([images.Tasks, network.Images, network.Stages[^1].Outputs / network.Images], ScalarType.Float32, CPU))
    {
        (_network, _tasks, _ownsImages) = (network, (int)images.Tasks, ownsImages);
        (_parameters, _images) = (InOnePiece(parameters), images.Values);
        (_values, _kept) = (LargeBlocks.Make(_tasks * network.Outputs.Count), LargeBlocks.Make(_tasks * network.Kept.Count));
        (_scratch, _twoGradients) = (LargeBlocks.Make(network.Scratch), LargeBlocks.Make(network.TwoOutputs.Count));
        Span<float> w = Numbers(_parameters), x = Numbers(_images), logits = Numbers(Logits), values = Numbers(_values), kept = Numbers(_kept), scratch = Numbers(_scratch);
        for (var task = 0; task < _tasks; task++)
        {
            for (var i = 0; i < network.Stages.Count; i++)
            {
                network.Stages[i].Forward(Point(w, x, values, kept, scratch, task, i), network.Outputs.Part(values, task, i));
            }

            Last(network.Outputs, values, task).CopyTo(OfTask(logits, task));
        }
    }

    /// <inheritdoc/>
    public override IEnumerable<Tensor> Kept =>
        new[] { _ownsImages ? _images : null, _parameters, Logits, _values, _kept, _scratch, _twoGradients, _gradients, _valueTangents }.OfType<Tensor>();

    /// <inheritdoc/>
    public override Tensor Backward(Tensor logitGradient) => Pull(logitGradient, _network.TwoOutputs, _twoGradients, _kept);

    /// <inheritdoc/>
    public override Tensor Linearize(Tensor logitGradient)
    {
        (_gradients, _valueTangents) = (LargeBlocks.Make(_tasks * _network.Outputs.Count), LargeBlocks.Make(_tasks * _network.Outputs.Count));
        return Pull(logitGradient, _network.Outputs, _gradients, _kept);
    }

    /// <inheritdoc/>
    public override Tensor TransposeProduct(Tensor logits)
    {
        using var scope = NewDisposeScope();
        // What Linearize left for the products stays.
        return Pull(logits, _network.TwoOutputs, _twoGradients, _kept.clone()).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor Tangent(Tensor w)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        _direction = InOnePiece(w).MoveToOuterDisposeScope();
        var tangent = empty_like(Logits);
        Span<float> parameters = Numbers(_parameters), x = Numbers(_images), direction = Numbers(_direction), logits = Numbers(tangent);
        Span<float> values = Numbers(_values), kept = Numbers(_kept), scratch = Numbers(_scratch), moved = Numbers(_valueTangents!);
        for (var task = 0; task < _tasks; task++)
        {
            for (var i = 0; i < _network.Stages.Count; i++)
            {
                _network.Stages[i].Tangent(Point(parameters, x, values, kept, scratch, task, i), Along(direction, moved, task, i), _network.Outputs.Part(moved, task, i));
            }

            Last(_network.Outputs, moved, task).CopyTo(OfTask(logits, task));
        }

        return tangent.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor TangentBackward(Tensor logitGradientTangent)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        var result = empty_like(_parameters);
        Span<float> parameters = Numbers(_parameters), x = Numbers(_images), direction = Numbers(_direction!), given = Numbers(InOnePiece(logitGradientTangent)), all = Numbers(result);
        Span<float> values = Numbers(_values), kept = Numbers(_kept), scratch = Numbers(_scratch), gradients = Numbers(_gradients!), moved = Numbers(_valueTangents!), two = Numbers(_twoGradients);
        for (var task = 0; task < _tasks; task++)
        {
            OfTask(given, task).CopyTo(Last(_network.TwoOutputs, two, 0));
            for (var i = _network.Stages.Count - 1; i >= 0; i--)
            {
                _network.Stages[i].TangentBackward(
                    Point(parameters, x, values, kept, scratch, task, i),
                    Along(direction, moved, task, i),
                    _network.Outputs.Part(gradients, task, i),
                    _network.TwoOutputs.Part(two, 0, i),
                    _network.Parameters.Part(all, task, i),
                    Before(_network.TwoOutputs, two, 0, i));
            }
        }

        return result.MoveToOuterDisposeScope();
    }

    // Where the gradients are of all tasks, or of one at a time.
    private Tensor Pull(Tensor logitGradient, StagePlaces places, Tensor gradientRoom, Tensor keptRoom)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        var result = empty_like(_parameters);
        Span<float> parameters = Numbers(_parameters), x = Numbers(_images), given = Numbers(InOnePiece(logitGradient)), all = Numbers(result);
        Span<float> values = Numbers(_values), kept = Numbers(keptRoom), scratch = Numbers(_scratch), gradients = Numbers(gradientRoom);
        for (var task = 0; task < _tasks; task++)
        {
            var at = ReferenceEquals(places, _network.Outputs) ? task : 0;
            OfTask(given, task).CopyTo(Last(places, gradients, at));
            for (var i = _network.Stages.Count - 1; i >= 0; i--)
            {
                _network.Stages[i].Backward(
                    Point(parameters, x, values, kept, scratch, task, i), places.Part(gradients, at, i), _network.Parameters.Part(all, task, i), Before(places, gradients, at, i));
            }
        }

        return result.MoveToOuterDisposeScope();
    }

    private StagePoint Point(Span<float> parameters, Span<float> images, Span<float> values, Span<float> kept, Span<float> scratch, int task, int stage) =>
        new(_network.Parameters.Part(parameters, task, stage), stage == 0 ? OfTask(images, task) : Before(_network.Outputs, values, task, stage), _network.Kept.Part(kept, task, stage), scratch);

    private StageDirection Along(Span<float> direction, Span<float> moved, int task, int stage) => new(_network.Parameters.Part(direction, task, stage), Before(_network.Outputs, moved, task, stage));

    /// <summary>A task's numbers of the stage before; none of the images, which do not change.</summary>
    private static Span<float> Before(StagePlaces places, Span<float> all, int task, int stage) => stage == 0 ? [] : places.Part(all, task, stage - 1);

    /// <summary>A task's numbers of the last stage.</summary>
    private Span<float> Last(StagePlaces places, Span<float> all, int task) => places.Part(all, task, _network.Stages.Count - 1);

    private Span<float> OfTask(Span<float> all, int task) => all.Slice(task * (all.Length / _tasks), all.Length / _tasks);

    private static Tensor InOnePiece(Tensor x)
    {
        using var scope = NewDisposeScope();
        return x.detach().contiguous().MoveToOuterDisposeScope();
    }

    private static Span<float> Numbers(Tensor x) => ProcessorNetwork.Numbers(x);
}
