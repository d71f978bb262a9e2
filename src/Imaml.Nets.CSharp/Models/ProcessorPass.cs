// A pass by the processor's kernels, task after task. All that it computes lies in arrays of one size for a network and a number of images, which
// go from pass to pass through a pool: no inner step takes new memory.

using System.Buffers;
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
    private readonly List<float[]> _rented = [];

    // Of every task, stage by stage: what goes out and ∂loss by it, and what is kept. In a direction: how the first two change.
    private readonly float[] _values, _gradients, _kept;
    private float[]? _valueTangents, _gradientTangents;
    private Tensor? _direction;

    /// <summary>The forward pass.</summary>
    /// <param name="network">The stages.</param>
    /// <param name="parameters">[B, d]</param>
    /// <param name="images">Images of these stages.</param>
    public ProcessorPass(ProcessorNetwork network, Tensor parameters, NetworkImages images)
        : base(empty([images.Tasks, network.Images, network.Stages[^1].Outputs / network.Images], ScalarType.Float32, CPU))
    {
        (_network, _tasks) = (network, (int)images.Tasks);
        (_parameters, _images) = (InOnePiece(parameters), images.Values.detach());
        (_values, _gradients, _kept) = (Rent(network.Outputs), Rent(network.Outputs), Rent(network.Kept));
        Span<float> w = Numbers(_parameters), x = Numbers(_images), logits = Numbers(Logits);
        for (var task = 0; task < _tasks; task++)
        {
            for (var i = 0; i < network.Stages.Count; i++)
            {
                network.Stages[i].Forward(Point(w, x, _kept, task, i), network.Outputs.Part(_values, task, i));
            }

            Logit(_values, task).CopyTo(OfTask(logits, task));
        }
    }

    /// <inheritdoc/>
    public override IEnumerable<Tensor> Kept => [_parameters, _images, Logits];

    /// <inheritdoc/>
    public override Tensor Backward(Tensor logitGradient) => Pull(logitGradient, _gradients, _kept);

    /// <inheritdoc/>
    public override Tensor TransposeProduct(Tensor logits)
    {
        // What Backward left for the products stays.
        var kept = Rent(_network.Kept);
        _kept.CopyTo(kept, 0);
        return Pull(logits, _gradientTangents ??= Rent(_network.Outputs), kept);
    }

    /// <inheritdoc/>
    public override void PrepareProducts()
    {
    }

    /// <inheritdoc/>
    public override Tensor Tangent(Tensor w)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        _direction = InOnePiece(w).MoveToOuterDisposeScope();
        _valueTangents ??= Rent(_network.Outputs);
        var tangent = empty_like(Logits);
        Span<float> parameters = Numbers(_parameters), x = Numbers(_images), direction = Numbers(_direction), logits = Numbers(tangent);
        for (var task = 0; task < _tasks; task++)
        {
            for (var i = 0; i < _network.Stages.Count; i++)
            {
                _network.Stages[i].Tangent(Point(parameters, x, _kept, task, i), Along(direction, task, i), _network.Outputs.Part(_valueTangents, task, i));
            }

            Logit(_valueTangents, task).CopyTo(OfTask(logits, task));
        }

        return tangent.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor TangentBackward(Tensor logitGradientTangent)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        _gradientTangents ??= Rent(_network.Outputs);
        var result = empty_like(_parameters);
        Span<float> parameters = Numbers(_parameters), x = Numbers(_images), direction = Numbers(_direction!), given = Numbers(InOnePiece(logitGradientTangent)), all = Numbers(result);
        for (var task = 0; task < _tasks; task++)
        {
            OfTask(given, task).CopyTo(Logit(_gradientTangents, task));
            for (var i = _network.Stages.Count - 1; i >= 0; i--)
            {
                _network.Stages[i].TangentBackward(
                    Point(parameters, x, _kept, task, i),
                    Along(direction, task, i),
                    _network.Outputs.Part(_gradients, task, i),
                    _network.Outputs.Part(_gradientTangents, task, i),
                    _network.Parameters.Part(all, task, i),
                    Before(_gradientTangents, task, i));
            }
        }

        return result.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _rented.ForEach(array => ArrayPool<float>.Shared.Return(array));
        _rented.Clear();
    }

    private Tensor Pull(Tensor logitGradient, float[] gradients, float[] kept)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        var result = empty_like(_parameters);
        Span<float> parameters = Numbers(_parameters), x = Numbers(_images), given = Numbers(InOnePiece(logitGradient)), all = Numbers(result);
        for (var task = 0; task < _tasks; task++)
        {
            OfTask(given, task).CopyTo(Logit(gradients, task));
            for (var i = _network.Stages.Count - 1; i >= 0; i--)
            {
                _network.Stages[i].Backward(
                    Point(parameters, x, kept, task, i), _network.Outputs.Part(gradients, task, i), _network.Parameters.Part(all, task, i), Before(gradients, task, i));
            }
        }

        return result.MoveToOuterDisposeScope();
    }

    private StagePoint Point(Span<float> parameters, Span<float> images, float[] kept, int task, int stage) =>
        new(_network.Parameters.Part(parameters, task, stage), stage == 0 ? OfTask(images, task) : Before(_values, task, stage), _network.Kept.Part(kept, task, stage));

    private StageDirection Along(Span<float> direction, int task, int stage) => new(_network.Parameters.Part(direction, task, stage), Before(_valueTangents!, task, stage));

    /// <summary>A task's numbers of the stage before; none of the images, which do not change.</summary>
    private Span<float> Before(float[] all, int task, int stage) => stage == 0 ? [] : _network.Outputs.Part(all, task, stage - 1);

    /// <summary>A task's numbers of the last stage.</summary>
    private Span<float> Logit(float[] all, int task) => _network.Outputs.Part(all, task, _network.Stages.Count - 1);

    private Span<float> OfTask(Span<float> all, int task) => all.Slice(task * (all.Length / _tasks), all.Length / _tasks);

    private float[] Rent(StagePlaces places)
    {
        var array = ArrayPool<float>.Shared.Rent(_tasks * places.Count);
        _rented.Add(array);
        return array;
    }

    private static Tensor InOnePiece(Tensor x)
    {
        using var scope = NewDisposeScope();
        return x.detach().contiguous().MoveToOuterDisposeScope();
    }

    private static Span<float> Numbers(Tensor x) => ProcessorNetwork.Numbers(x);
}
