// Linear heads of B tasks on features that a network has given: the bilevel problem in the heads' weights, in double precision, and its gradient in the
// features. The formulas are those of the core's ConvexHead, for B tasks in libtorch's operations.

using Imaml.Math;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Features and labels of B tasks.</summary>
/// <param name="Features">[B, n, p], with a constant feature for the bias.</param>
/// <param name="OneHot">[B, n, N], in the same type.</param>
internal sealed record HeadExamples(Tensor Features, Tensor OneHot)
{
    /// <summary>The features of a pass, [B, n, I] with I = p − 1, in double precision.</summary>
    public static HeadExamples Of(Tensor features, Tensor oneHot)
    {
        using var scope = NewDisposeScope();
        var x = features.to_type(ScalarType.Float64);
        var constant = ones([x.shape[0], x.shape[1], 1], ScalarType.Float64, x.device);
        return new HeadExamples(cat([x, constant], -1).MoveToOuterDisposeScope(), oneHot.to_type(ScalarType.Float64).MoveToOuterDisposeScope());
    }
}

/// <summary>B tasks in the span of their examples, X = LQᵀ. Its tensor is in the scope that is open. On a device this waits for it.</summary>
internal sealed class ExampleSpan
{
    private readonly HeadLoss _loss;
    private readonly double[][] _features, _labels;
    private readonly Tensor _basis; // Q, [B, p, r]

    /// <param name="loss">ℓ.</param>
    /// <param name="examples">X and Y.</param>
    public ExampleSpan(HeadLoss loss, HeadExamples examples)
    {
        using var scope = NewDisposeScope();
        var x = examples.Features.transpose(1, 2); // [B, p, n]
        // With as many examples as features or more, Q = I.
        var (q, r) = x.shape[2] < x.shape[1] ? linalg.qr(x, linalg.QRMode.Reduced) : (eye(x.shape[1], dtype: x.dtype, device: x.device).expand(x.shape[0], -1, -1), x);
        (_loss, Classes, _features, _labels, _basis) = (loss, (int)examples.OneHot.shape[2], Rows(r.transpose(1, 2)), Rows(examples.OneHot), q.MoveToOuterDisposeScope());
    }

    /// <summary>N.</summary>
    public int Classes { get; }

    /// <summary>Each task with its features L.</summary>
    public ExampleSpace[] Tasks(double lambda) => [.. _features.Zip(_labels, (l, y) => new ExampleSpace(_loss, l, y, Classes, lambda))];

    /// <summary>QᵀW of weights [B, p·N], one row for each task, on the host.</summary>
    public double[][] RowsOf(Tensor weights)
    {
        using var scope = NewDisposeScope();
        return Rows(_basis.transpose(1, 2).bmm(weights.view(weights.shape[0], -1, Classes)));
    }

    /// <summary>QV as weights, [B, p·N], of such rows.</summary>
    public Tensor Weights(IEnumerable<double[]> rows)
    {
        using var scope = NewDisposeScope();
        return _basis.bmm(new TensorCoordinates().OfRows(_basis, [.. rows]).view(_basis.shape[0], -1, Classes)).flatten(1).MoveToOuterDisposeScope();
    }

    /// <summary>[B, n, N] on the host, one row for each task.</summary>
    public static double[][] Rows(Tensor x)
    {
        using var scope = NewDisposeScope();
        return new TensorCoordinates().ToRows(x.flatten(1));
    }
}

/// <summary>L̂(W) on support features and L(W) on query features; W is [B, p·N], for every task p × N row by row, as in <see cref="Dense"/>.</summary>
/// <param name="loss">ℓ of the support examples; the query loss is the cross-entropy.</param>
/// <param name="support">Of L̂.</param>
/// <param name="query">Of L; null where L is not used.</param>
internal sealed class HeadTasks(HeadLoss loss, HeadExamples support, HeadExamples? query) : IBilevelProblem<Tensor, Tensor>
{
    private readonly HeadExamples _support = support;

    /// <summary>The tasks in the span of their support examples.</summary>
    public ExampleSpan Span { get; } = new(loss, support);

    /// <inheritdoc/>
    public Tensor InnerLoss(Tensor phi)
    {
        using var scope = NewDisposeScope();
        return OfSupport(phi).Loss().MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor InnerGradient(Tensor phi)
    {
        using var scope = NewDisposeScope();
        return Pulled(_support, OfSupport(phi).LogitGradient()).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public ILinearization<Tensor, Tensor> LinearizeInner(Tensor phi) => new Linearization(this, phi);

    /// <inheritdoc/>
    public (Tensor, Tensor) OuterLossAndGradient(Tensor phi)
    {
        using var scope = NewDisposeScope();
        var outer = new SoftmaxCrossEntropy(QueryLogits(phi), Query.OneHot);
        return scope.MoveToOuter(outer.Loss(), Pulled(Query, outer.LogitGradient()));
    }

    /// <summary>X_qW, [B, m, N].</summary>
    public Tensor QueryLogits(Tensor phi) => Logits(Query, phi);

    /// <summary>XW, [B, n, N].</summary>
    public Tensor SupportLogits(Tensor phi) => Logits(_support, phi);

    /// <summary>∂_z f − Cᵀu in the support features, −(Euᵀ + TWᵀ), [B, n, p], and in the query features, RWᵀ, [B, m, p].</summary>
    public (Tensor Support, Tensor Query) FeatureGradient(Tensor phi, Tensor u)
    {
        using var scope = NewDisposeScope();
        var (w, v) = (Matrix(phi).transpose(1, 2), Matrix(u).transpose(1, 2)); // [B, N, p]
        var inner = OfSupport(phi);
        var tangent = inner.LogitGradientTangent(SupportLogits(u)); // T, [B, n, N]
        var residual = new SoftmaxCrossEntropy(QueryLogits(phi), Query.OneHot).LogitGradient(); // R, [B, m, N]
        return scope.MoveToOuter(inner.LogitGradient().bmm(v).Plus(tangent.bmm(w)).neg(), residual.bmm(w));
    }

    /// <summary>What the certificates of these weights W and u are made of, for λ and the centre W₀. On a device this waits for it.</summary>
    /// <param name="lambda">λ.</param>
    /// <param name="centre">W₀.</param>
    /// <param name="phi">W.</param>
    /// <param name="u">u.</param>
    /// <param name="gradient">The gradient in the features, by <see cref="FeatureGradient"/>.</param>
    public HeadNorms[] Measure(double lambda, Tensor centre, Tensor phi, Tensor u, (Tensor Support, Tensor Query) gradient)
    {
        using var scope = NewDisposeScope();
        var inner = OfSupport(phi);
        var outer = new SoftmaxCrossEntropy(QueryLogits(phi), Query.OneHot);
        var (e, r) = (inner.LogitGradient(), outer.LogitGradient());
        var slope = Pulled(_support, e).PlusMultiple(lambda, phi.PlusMultiple(-1, centre));
        var v = Pulled(Query, r);
        var product = Pulled(_support, inner.LogitGradientTangent(SupportLogits(u))).PlusMultiple(lambda, u);
        static Tensor Squares(HeadExamples examples) => examples.Features.mul(examples.Features).sum(-1); // [B, n]
        static Tensor Sum(Tensor x) => x.sum([1], keepdim: true); // [B, 1]
        var (squares, ofQueries, curvatures, atQueries) = (Squares(_support), Squares(Query), inner.Curvatures(), outer.Curvatures());
        var (weighted, weightedQueries) = (curvatures.mul(squares), atQueries.mul(ofQueries));
        var (curvature, queryCurvature) = (Sum(weighted), Sum(weightedQueries));
        // The gradient in the constant feature is not used.
        static Tensor OfNetwork(Tensor gradient) => gradient.narrow(2, 0, gradient.shape[2] - 1);
        static Tensor Square(Tensor x) => x.mul(x).flatten(1).sum([1], keepdim: true); // [B, 1]
        var numbers = cat(
            [
                Sum(squares), squares.amax([1], keepdim: true), Sum(curvatures.mul(weighted)), curvature.mul(curvature),
                Sum(ofQueries), ofQueries.amax([1], keepdim: true), Sum(atQueries.mul(weightedQueries)), queryCurvature.mul(queryCurvature),
                Square(phi), Square(centre), Square(u), Square(slope), Square(v),
                Square(v.PlusMultiple(-1, product)), Square(e), Square(r), Square(OfNetwork(gradient.Support)).Plus(Square(OfNetwork(gradient.Query))),
            ],
            1).sqrt();
        return
        [
            .. new TensorCoordinates().ToRows(numbers).Select(x => new HeadNorms(
                loss, lambda, (int)e.shape[1], (int)r.shape[1], (int)_support.Features.shape[2], (int)e.shape[2],
                x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9], x[10], x[11], x[12], x[13], x[14], x[15], x[16])),
        ];
    }

    private HeadExamples Query => query ?? throw new InvalidOperationException("these heads have no query examples");

    private ILogitLoss OfSupport(Tensor phi) => LossOf(SupportLogits(phi));

    private ILogitLoss LossOf(Tensor logits) => loss == HeadLoss.CrossEntropy ? new SoftmaxCrossEntropy(logits, _support.OneHot) : new SquaredDistance(logits, _support.OneHot);

    private Tensor Logits(HeadExamples examples, Tensor phi) => examples.Features.bmm(Matrix(phi));

    private Tensor Pulled(HeadExamples examples, Tensor ofLogits) => examples.Features.transpose(1, 2).bmm(ofLogits).flatten(1);

    private Tensor Matrix(Tensor phi) => phi.view(phi.shape[0], _support.Features.shape[2], _support.OneHot.shape[2]);

    /// <summary>L̂ at a W.</summary>
    internal sealed class Linearization : ILinearization<Tensor, Tensor>
    {
        private readonly ILogitLoss _loss;
        private readonly List<Tensor> _owned;

        public Linearization(HeadTasks heads, Tensor phi)
        {
            using var scope = NewDisposeScope();
            (Heads, Logits) = (heads, heads.SupportLogits(phi));
            _loss = heads.LossOf(Logits);
            (Loss, Gradient) = (_loss.Loss(), heads.Pulled(heads._support, _loss.LogitGradient()));
            _owned = [Logits, Loss, Gradient, _loss.Kept];
            _owned.ForEach(tensor => tensor.DetachFromDisposeScope());
        }

        public HeadTasks Heads { get; }

        /// <summary>XW, [B, n, N].</summary>
        public Tensor Logits { get; }

        public Tensor Loss { get; }

        public Tensor Gradient { get; }

        public Tensor HessianProduct(Tensor w)
        {
            using var scope = NewDisposeScope();
            return Heads.Pulled(Heads._support, _loss.LogitGradientTangent(Heads.SupportLogits(w))).MoveToOuterDisposeScope();
        }

        public void Dispose() => _owned.ForEach(tensor => tensor.Dispose());
    }
}
