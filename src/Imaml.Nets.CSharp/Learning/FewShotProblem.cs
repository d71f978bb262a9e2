// B few-shot tasks as the bilevel problem of the paper: L̂ is the loss on the support set, L the loss on the query set.

using Imaml.Math;
using Imaml.Nets.Models;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Learning;

/// <summary>Labelled images of B tasks.</summary>
/// <param name="Images">[B, n, H, W, C]</param>
/// <param name="OneHot">[B, n, N], in the type of the parameters.</param>
internal sealed record LabelledImages(Tensor Images, Tensor OneHot)
{
    /// <summary>The support sets of a batch of episodes, in the type of <paramref name="like"/> and where it is.</summary>
    public static LabelledImages Support(EpisodeBatch batch, Tensor like) => From(batch, batch.Support, batch.SupportLabels, like);

    /// <summary>The query sets of a batch of episodes, in the type of <paramref name="like"/> and where it is.</summary>
    public static LabelledImages Query(EpisodeBatch batch, Tensor like) => From(batch, batch.Query, batch.QueryLabels, like);

    private static LabelledImages From(EpisodeBatch batch, float[] pixels, long[] labels, Tensor like)
    {
        ArgumentNullException.ThrowIfNull(like);
        if (labels.Length == 0)
        {
            throw new ArgumentException("a task needs at least one support image and one query image", nameof(batch));
        }

        if (Array.FindIndex(labels, label => label < 0 || label >= batch.Ways) is >= 0 and var wrong)
        {
            throw new ArgumentException($"labels must be 0 to {batch.Ways - 1}, not {labels[wrong]} (number {wrong})", nameof(batch));
        }

        if (pixels.LongLength != labels.LongLength * batch.Height * batch.Width * batch.Channels || labels.Length % batch.Count != 0)
        {
            throw new ArgumentException($"{labels.Length} images of {batch.Height} × {batch.Width} × {batch.Channels} in {batch.Count} tasks have {labels.LongLength * batch.Height * batch.Width * batch.Channels} pixels, not {pixels.LongLength}", nameof(batch));
        }

        using var scope = NewDisposeScope();
        var images = tensor(pixels, ScalarType.Float32, like.device).to_type(like.dtype).view(batch.Count, -1, batch.Height, batch.Width, batch.Channels);
        var oneHot = nn.functional.one_hot(tensor(labels, ScalarType.Int64, like.device), batch.Ways).to_type(like.dtype).view(batch.Count, -1, batch.Ways);
        return new LabelledImages(images.MoveToOuterDisposeScope(), oneHot.MoveToOuterDisposeScope());
    }
}

/// <summary>The support and query losses of B tasks under one network. Tasks are independent of each other, so the Hessian is block-diagonal.</summary>
/// <remarks>The images are put in the layers' order once, in the dispose scope that is open.</remarks>
public sealed class FewShotProblem : IMeasuredProblem, IHeadProblem, IBatchProblem
{
    private readonly Network _network;
    private readonly Tensor _supportLabels, _queryLabels;
    private readonly Tensor _supportImages; // as they were given

    // What the outer loss passes through the network: the query images, and before them, where they give the statistics, the support images.
    private readonly NetworkImages _support, _outer;
    private (Tensor Phi, Tensor QueryLogits)? _known;

    /// <summary>Ends an evaluation of a loss, and with it a solve, by an <see cref="OperationCanceledException"/>.</summary>
    internal CancellationToken Cancel { get; init; }

    /// <summary>The problem of these images.</summary>
    /// <param name="network">The network.</param>
    /// <param name="support">Of L̂.</param>
    /// <param name="query">Of L.</param>
    /// <param name="batchNorm">Whose statistics normalise the query images. L̂ is the same either way.</param>
    internal FewShotProblem(Network network, LabelledImages support, LabelledImages query, BatchNormMode batchNorm = BatchNormMode.Transductive)
    {
        (_network, _supportLabels, _queryLabels, _supportImages, _support) = (network, support.OneHot, query.OneHot, support.Images, network.Arrange(support.Images));
        _outer = batchNorm == BatchNormMode.Inductive
            ? network.Arrange(cat([support.Images, query.Images], 1), support.Images.shape[1])
            : network.Arrange(query.Images);
    }

    /// <summary>The problem of a batch of episodes, for parameters in the type of <paramref name="like"/> and where it is.</summary>
    public FewShotProblem(Network network, EpisodeBatch batch, Tensor like, BatchNormMode batchNorm = BatchNormMode.Transductive)
        : this(
            network ?? throw new ArgumentNullException(nameof(network)),
            LabelledImages.Support(batch ?? throw new ArgumentNullException(nameof(batch)), like),
            LabelledImages.Query(batch, like),
            batchNorm)
    {
    }

    // The same L.
    private FewShotProblem(FewShotProblem whole, LabelledImages support) =>
        (_network, _supportLabels, _queryLabels, _supportImages, _support, _outer, Cancel) =
        (whole._network, support.OneHot, whole._queryLabels, support.Images, whole._network.Arrange(support.Images), whole._outer, whole.Cancel);

    /// <inheritdoc/>
    IBilevelProblem<Tensor, Tensor> IBatchProblem.Batch(int step, int size)
    {
        var count = _supportImages.shape[1];
        if (size >= count)
        {
            return this;
        }

        // The rows are ordered by class; the turns go through the classes.
        var shots = long.Max(1, count / _supportLabels.shape[2]);
        var turns = Enumerable.Range(0, (int)count).OrderBy(row => row % shots).ToArray();
        var rows = tensor([.. Enumerable.Range(0, size).Select(i => (long)turns[((long)step * size + i) % count])], ScalarType.Int64, _supportImages.device);
        return new FewShotProblem(this, new LabelledImages(_supportImages.index_select(1, rows), _supportLabels.index_select(1, rows)));
    }

    /// <inheritdoc/>
    public Tensor InnerLoss(Tensor phi)
    {
        Cancel.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        var pass = _network.Forward(phi, _support);
        return new SoftmaxCrossEntropy(pass.Logits, _supportLabels).Loss().MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor InnerGradient(Tensor phi)
    {
        Cancel.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        var pass = _network.Forward(phi, _support);
        return pass.Backward(new SoftmaxCrossEntropy(pass.Logits, _supportLabels).LogitGradient()).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public ILinearization<Tensor, Tensor> LinearizeInner(Tensor phi)
    {
        Cancel.ThrowIfCancellationRequested();
        return new Linearization(_network, _support, _supportLabels, phi);
    }

    /// <inheritdoc/>
    public (Tensor, Tensor) OuterLossAndGradient(Tensor phi)
    {
        using var scope = NewDisposeScope();
        var pass = _network.Forward(phi, _outer);
        var loss = new SoftmaxCrossEntropy(OfQueries(pass.Logits), _queryLabels);
        var gradient = loss.LogitGradient();
        // L does not depend on the logits of the support images.
        var all = _outer.Reference is { } first ? nn.functional.pad(gradient, [0, 0, first, 0]) : gradient;
        return scope.MoveToOuter(loss.Loss(), pass.Backward(all));
    }

    /// <summary>The logits of the query images under φ, [B, n, N].</summary>
    public Tensor QueryLogits(Tensor phi)
    {
        if (_known is { } known && ReferenceEquals(known.Phi, phi))
        {
            return known.QueryLogits.alias();
        }

        using var scope = NewDisposeScope();
        var pass = _network.Forward(phi, _outer);
        return OfQueries(pass.Logits).MoveToOuterDisposeScope();
    }

    private Tensor OfQueries(Tensor logits) => _outer.Reference is { } first ? logits.narrow(1, first, logits.shape[1] - first) : logits;

    /// <summary>The share of query images that φ classifies correctly, one number per task, on the host; not a number where the logits are not finite.</summary>
    public double[] QueryAccuracy(Tensor phi)
    {
        using var scope = NewDisposeScope();
        return Accuracy(QueryLogits(phi));
    }

    /// <summary>The same of several φ together: the class of the largest mean of their probabilities.</summary>
    internal double[] QueryAccuracy(IReadOnlyList<Tensor> phis)
    {
        using var scope = NewDisposeScope();
        return Accuracy(phis.Select(phi => QueryLogits(phi).softmax(-1)).Aggregate((sum, next) => sum.Plus(next)));
    }

    // Of scores, [B, n, N].
    private double[] Accuracy(Tensor scores)
    {
        var right = scores.argmax(-1).eq(_queryLabels.argmax(-1)).to_type(ScalarType.Float64).mean([1]); // [B]
        return where(scores.flatten(1).isfinite().all(1), right, right.Times(double.NaN)).cpu().data<double>().ToArray();
    }

    /// <inheritdoc/>
    HeadExamples IHeadProblem.SupportExamples(Tensor theta)
    {
        using var scope = NewDisposeScope();
        var examples = HeadExamples.Of(FeaturePass(Weights(theta), _support).Logits, _supportLabels);
        return new HeadExamples(examples.Features.MoveToOuterDisposeScope(), examples.OneHot.MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    HeadFeatures IHeadProblem.Features(Tensor theta)
    {
        var weights = Weights(theta);
        // Where the support images give the statistics one pass has both.
        if (_outer.Reference is { } first)
        {
            var both = FeaturePass(weights, _outer);
            return new HeadFeatures(
                HeadExamples.Of(both.Logits.narrow(1, 0, first), _supportLabels),
                HeadExamples.Of(both.Logits.narrow(1, first, both.Logits.shape[1] - first), _queryLabels),
                (support, query) => both.Backward(cat([support, query], 1)));
        }

        var (inner, outer) = (FeaturePass(weights, _support), FeaturePass(weights, _outer));
        return new HeadFeatures(
            HeadExamples.Of(inner.Logits, _supportLabels),
            HeadExamples.Of(outer.Logits, _queryLabels),
            (support, query) => inner.Backward(support).Add(outer.Backward(query)));
    }

    /// <inheritdoc/>
    void IHeadProblem.Remember(Tensor phi, Tensor queryLogits) => _known = (phi, queryLogits);

    // In one piece, for all passes.
    private Tensor Weights(Tensor theta)
    {
        using var scope = NewDisposeScope();
        return theta.narrow(1, 0, _network.Features.ParameterCount).contiguous().MoveToOuterDisposeScope();
    }

    private NetworkPass FeaturePass(Tensor weights, NetworkImages images) => _network.Features.Forward(weights, _network.OfFeatures(images));

    /// <summary>The network and the loss at φ, with all that a Hessian–vector product reuses.</summary>
    private sealed class Linearization : IGaussNewtonLinearization<Tensor, Tensor>
    {
        private readonly NetworkPass _pass;
        private readonly SoftmaxCrossEntropy _loss;
        private readonly List<Tensor> _owned;

        public Linearization(Network network, NetworkImages images, Tensor oneHot, Tensor phi)
        {
            using var scope = NewDisposeScope();
            _pass = network.Forward(phi, images);
            _loss = new SoftmaxCrossEntropy(_pass.Logits, oneHot);
            (Loss, Gradient) = (_loss.Loss(), _pass.Linearize(_loss.LogitGradient()));
            _owned = [Loss, Gradient, _loss.Kept, .. _pass.Kept];
            _owned.ForEach(tensor => tensor.DetachFromDisposeScope());
        }

        public Tensor Loss { get; }

        public Tensor Gradient { get; }

        public Tensor HessianProduct(Tensor w)
        {
            Check(w);
            using var scope = NewDisposeScope();
            return _pass.TangentBackward(_loss.LogitGradientTangent(_pass.Tangent(w))).MoveToOuterDisposeScope();
        }

        public Tensor GaussNewtonProduct(Tensor w)
        {
            Check(w);
            using var scope = NewDisposeScope();
            return _pass.TransposeProduct(_loss.LogitGradientTangent(_pass.Tangent(w))).MoveToOuterDisposeScope();
        }

        public void Dispose() => _owned.ForEach(tensor => tensor.Dispose());

        private void Check(Tensor w)
        {
            if (!w.shape.AsSpan().SequenceEqual(Gradient.shape) || w.dtype != Gradient.dtype)
            {
                throw new ArgumentException($"a direction must be [{string.Join(", ", Gradient.shape)}] in {Gradient.dtype}, not [{string.Join(", ", w.shape)}] in {w.dtype}", nameof(w));
            }
        }
    }
}
