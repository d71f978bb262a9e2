// A pass by the processor's kernels, task after task. All that it computes lies in a few tensors, whose sizes depend on the network and the images
// alone: the allocator gives the next pass what the last one gave back, and no inner step takes new memory.

using Imaml.Nets.Kernels;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>A network at one point, by the processor's kernels.</summary>
internal sealed class ProcessorPass : NetworkPass
{
    private readonly ProcessorNetwork _network;
    private readonly Tensor _parameters, _images;
    private readonly int _tasks;

    // Of every task, stage by stage: what goes out and ∂loss by it, and what is kept; for products, how the first two change in a direction.
    private readonly Tensor _values, _gradients, _kept;
    private Tensor? _valueTangents, _gradientTangents, _direction;

    /// <summary>The forward pass.</summary>
    /// <param name="network">The stages.</param>
    /// <param name="parameters">[B, d]</param>
    /// <param name="images">Images of these stages.</param>
    public ProcessorPass(ProcessorNetwork network, Tensor parameters, NetworkImages images)
        : base(empty([images.Tasks, network.Images, network.Stages[^1].Outputs / network.Images], ScalarType.Float32, CPU))
    {
        (_network, _tasks) = (network, (int)images.Tasks);
        (_parameters, _images) = (InOnePiece(parameters), images.Values.detach());
        (_values, _gradients, _kept) = (Room(network.Outputs), Room(network.Outputs), Room(network.Kept));
        Span<float> w = Numbers(_parameters), x = Numbers(_images), logits = Numbers(Logits), values = Numbers(_values), kept = Numbers(_kept);
        for (var task = 0; task < _tasks; task++)
        {
            for (var i = 0; i < network.Stages.Count; i++)
            {
                network.Stages[i].Forward(Point(w, x, values, kept, task, i), network.Outputs.Part(values, task, i));
            }

            Logit(values, task).CopyTo(OfTask(logits, task));
        }
    }

    /// <inheritdoc/>
    public override IEnumerable<Tensor> Kept =>
        new[] { _parameters, _images, Logits, _values, _gradients, _kept, _valueTangents, _gradientTangents }.OfType<Tensor>();

    /// <inheritdoc/>
    public override Tensor Backward(Tensor logitGradient) => Pull(logitGradient, _gradients, _kept);

    /// <inheritdoc/>
    public override Tensor TransposeProduct(Tensor logits)
    {
        using var scope = NewDisposeScope();
        // What Backward left for the products stays.
        return Pull(logits, _gradientTangents!, _kept.clone()).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override void PrepareProducts() => (_valueTangents, _gradientTangents) = (Room(_network.Outputs), Room(_network.Outputs));

    /// <inheritdoc/>
    public override Tensor Tangent(Tensor w)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        _direction = InOnePiece(w).MoveToOuterDisposeScope();
        var tangent = empty_like(Logits);
        Span<float> parameters = Numbers(_parameters), x = Numbers(_images), direction = Numbers(_direction), logits = Numbers(tangent);
        Span<float> values = Numbers(_values), kept = Numbers(_kept), moved = Numbers(_valueTangents!);
        for (var task = 0; task < _tasks; task++)
        {
            for (var i = 0; i < _network.Stages.Count; i++)
            {
                _network.Stages[i].Tangent(Point(parameters, x, values, kept, task, i), Along(direction, moved, task, i), _network.Outputs.Part(moved, task, i));
            }

            Logit(moved, task).CopyTo(OfTask(logits, task));
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
        Span<float> values = Numbers(_values), kept = Numbers(_kept), gradients = Numbers(_gradients), moved = Numbers(_valueTangents!), movedGradients = Numbers(_gradientTangents!);
        for (var task = 0; task < _tasks; task++)
        {
            OfTask(given, task).CopyTo(Logit(movedGradients, task));
            for (var i = _network.Stages.Count - 1; i >= 0; i--)
            {
                _network.Stages[i].TangentBackward(
                    Point(parameters, x, values, kept, task, i),
                    Along(direction, moved, task, i),
                    _network.Outputs.Part(gradients, task, i),
                    _network.Outputs.Part(movedGradients, task, i),
                    _network.Parameters.Part(all, task, i),
                    Before(movedGradients, task, i));
            }
        }

        return result.MoveToOuterDisposeScope();
    }

    private Tensor Pull(Tensor logitGradient, Tensor gradientRoom, Tensor keptRoom)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        var result = empty_like(_parameters);
        Span<float> parameters = Numbers(_parameters), x = Numbers(_images), given = Numbers(InOnePiece(logitGradient)), all = Numbers(result);
        Span<float> values = Numbers(_values), kept = Numbers(keptRoom), gradients = Numbers(gradientRoom);
        for (var task = 0; task < _tasks; task++)
        {
            OfTask(given, task).CopyTo(Logit(gradients, task));
            for (var i = _network.Stages.Count - 1; i >= 0; i--)
            {
                _network.Stages[i].Backward(
                    Point(parameters, x, values, kept, task, i), _network.Outputs.Part(gradients, task, i), _network.Parameters.Part(all, task, i), Before(gradients, task, i));
            }
        }

        return result.MoveToOuterDisposeScope();
    }

    private StagePoint Point(Span<float> parameters, Span<float> images, Span<float> values, Span<float> kept, int task, int stage) =>
        new(_network.Parameters.Part(parameters, task, stage), stage == 0 ? OfTask(images, task) : Before(values, task, stage), _network.Kept.Part(kept, task, stage));

    private StageDirection Along(Span<float> direction, Span<float> moved, int task, int stage) => new(_network.Parameters.Part(direction, task, stage), Before(moved, task, stage));

    /// <summary>A task's numbers of the stage before; none of the images, which do not change.</summary>
    private Span<float> Before(Span<float> all, int task, int stage) => stage == 0 ? [] : _network.Outputs.Part(all, task, stage - 1);

    /// <summary>A task's numbers of the last stage.</summary>
    private Span<float> Logit(Span<float> all, int task) => _network.Outputs.Part(all, task, _network.Stages.Count - 1);

    private Span<float> OfTask(Span<float> all, int task) => all.Slice(task * (all.Length / _tasks), all.Length / _tasks);

    private Tensor Room(StagePlaces places) => empty(_tasks * places.Count, ScalarType.Float32, CPU);

    private static Tensor InOnePiece(Tensor x)
    {
        using var scope = NewDisposeScope();
        return x.detach().contiguous().MoveToOuterDisposeScope();
    }

    private static Span<float> Numbers(Tensor x) => ProcessorNetwork.Numbers(x);
}
