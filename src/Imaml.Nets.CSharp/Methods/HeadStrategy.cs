// Between a network's parameters and its head: φ = (w, W). The head's problem is solved in W, in double precision, by any strategy of the core; what it
// gives is pulled back to the features' weights by one pass.

using Imaml.Math;
using Imaml.Nets.Models;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>θ = (w, W₀), split.</summary>
internal static class HeadParameters
{
    /// <summary>The problem, if it is one of features with a head.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public static IHeadProblem Problem(IBilevelProblem<Tensor, Tensor> problem) =>
        problem as IHeadProblem ?? throw new ArgumentException("the method head needs a network of layers whose last one is dense", nameof(problem));

    /// <summary>W₀, [B, (I + 1)·N], in double precision.</summary>
    public static Tensor Head(Tensor theta, int size)
    {
        using var scope = NewDisposeScope();
        return theta.narrow(1, theta.shape[1] - size, size).to_type(ScalarType.Float64).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>(w, W) in θ's type.</summary>
    public static Tensor With(Tensor theta, Tensor head)
    {
        using var scope = NewDisposeScope();
        return cat([theta.narrow(1, 0, theta.shape[1] - head.shape[1]), head.to_type(theta.dtype)], 1).MoveToOuterDisposeScope();
    }
}

/// <summary>Adapts the head, from support features alone.</summary>
/// <param name="loss">ℓ.</param>
/// <param name="size">Numbers of a head, (I + 1)·N.</param>
/// <param name="solver">Solves for W.</param>
internal sealed class HeadSolver(HeadLoss loss, int size, IInnerSolver<Tensor, Tensor> solver) : IInnerSolver<Tensor, Tensor>
{
    /// <inheritdoc/>
    public InnerIterate<Tensor, Tensor> Solve(
        IInnerProductSpace<Tensor, Tensor> space, IRegularizer<Tensor, Tensor> regularizer, IBilevelProblem<Tensor, Tensor> problem, Tensor theta, Tensor start, Tensor gradientNorm)
    {
        using var scope = NewDisposeScope();
        var centre = HeadParameters.Head(theta, size);
        var heads = new HeadTasks(loss, HeadParameters.Problem(problem).SupportExamples(theta), null);
        var found = solver.Solve(new TensorSpace((int)centre.shape[0], centre), regularizer, heads, centre, centre, gradientNorm);
        return new InnerIterate<Tensor, Tensor>(HeadParameters.With(theta, found.Phi).MoveToOuterDisposeScope(), found.Marks.Carry(Out), found.Counts.Carry(Out), found.Reported);

        Tensor Out(Tensor scalar) => scalar.to_type(theta.dtype).MoveToOuterDisposeScope();
    }
}

/// <summary>The meta-gradient in w and W₀ from that of the head.</summary>
/// <param name="loss">ℓ.</param>
/// <param name="size">Numbers of a head, (I + 1)·N.</param>
/// <param name="learnsStart">Whether W₀ is learned; otherwise its gradient is omitted.</param>
/// <param name="strategy">Of the head's problem, for thresholds. Its solve's solution is u of (H + λ)u = ∇L(W).</param>
/// <param name="accuracy">ε, a bound on the relative error in the features that the thresholds are lowered for until it is certified; null for thresholds near rounding.</param>
internal sealed class HeadStrategy(HeadLoss loss, int size, bool learnsStart, Func<Thresholds, IMetaGradientStrategy<Tensor, Tensor>> strategy, double? accuracy) : IMetaGradientStrategy<Tensor, Tensor>
{
    /// <summary>‖∇G‖ and the adjoint's residual: far below the rounding of float32 features, far above that of double precision.</summary>
    public const double Enough = 1e-9;

    // Where no lower threshold can be reached.
    private const double Lowest = 1e-14;

    /// <inheritdoc/>
    public MetaGradient<Tensor, Tensor> Compute(
        IInnerProductSpace<Tensor, Tensor> space, IRegularizer<Tensor, Tensor> regularizer, IBilevelProblem<Tensor, Tensor> problem, Tensor theta)
    {
        using var scope = NewDisposeScope();
        var network = HeadParameters.Problem(problem);
        var features = network.Features(theta);
        var heads = new HeadTasks(loss, features.Support, features.Query);
        var centre = HeadParameters.Head(theta, size);
        var inHead = new TensorSpace((int)centre.shape[0], centre);
        var (head, ofFeatures, certified) = Solved(inHead, regularizer, heads, centre);
        var gradient = cat([features.Backward(OfNetwork(ofFeatures.Support), OfNetwork(ofFeatures.Query)), learnsStart ? head.Gradient.to_type(theta.dtype) : zeros([theta.shape[0], size], theta.dtype, theta.device)], 1);
        var phi = HeadParameters.With(theta, head.Phi).MoveToOuterDisposeScope();
        network.Remember(phi, Out(heads.QueryLogits(head.Phi)));
        var solve = head.Solve;
        return new MetaGradient<Tensor, Tensor>(
            gradient.MoveToOuterDisposeScope(),
            new InnerIterate<Tensor, Tensor>(phi, head.Inner.Marks.Carry(Out), head.Inner.Counts.Carry(Out), head.Inner.Reported),
            Out(head.InnerLoss),
            Out(head.OuterLoss),
            Out(head.InnerGradientNorm),
            new LinearSolveReport<Tensor, Tensor>(
                Out(solve.Solution), Out(solve.RightHandSideNorm), solve.Counts.Carry(Out), Out(solve.RelativeResidual), Out(solve.SmallestCurvature), Judged(inHead, solve.Marks, certified).Carry(Out), Out(solve.PreconditionerNotPositive), []),
            Out(head.NegativeCurvature),
            Out(head.Raised),
            Out(head.DerivativeGradients),
            Out(head.DerivativeProducts),
            Out(head.OuterGradients),
            head.Learned,
            head.LearnedRounding,
            certified);

        // The constant feature has no weights before it.
        Tensor OfNetwork(Tensor ofFeatures) => ofFeatures.narrow(2, 0, ofFeatures.shape[2] - 1).to_type(theta.dtype).contiguous();
        Tensor Out(Tensor one) => one.to_type(theta.dtype).MoveToOuterDisposeScope();
    }

    // The bounds are about linear in the thresholds. Newton's method is quadratic near the solution: an accuracy that is exact for float32 costs only one or
    // two steps more than a loose threshold, and is enough for a usual ε in one round.
    private (MetaGradient<Tensor, Tensor> Head, (Tensor Support, Tensor Query) OfFeatures, double[] Certified) Solved(
        TensorSpace space, IRegularizer<Tensor, Tensor> regularizer, HeadTasks heads, Tensor centre)
    {
        MetaGradient<Tensor, Tensor>? before = null;
        for (var threshold = accuracy is { } asked ? double.Min(Enough, 0.01 * asked) : Enough; ;)
        {
            var round = strategy(new Thresholds(threshold, threshold)).Compute(space, regularizer, heads, centre);
            var head = before is null ? round : round.WithCostOf(space, before);
            var (phi, u) = (head.Phi, head.Solve.Solution);
            var ofFeatures = heads.FeatureGradient(phi, u);
            var certified = heads.Measure(HeadAdjointSolver.Lambda(regularizer), centre, phi, u, ofFeatures).Select(norms => HeadCertificate.Of(norms).RelativeError).ToArray();
            var excess = certified.Max() / accuracy ?? 0;
            if (excess <= 1 || threshold <= Lowest)
            {
                return (head, ofFeatures, certified);
            }

            (before, threshold) = (head, double.Max(Lowest, threshold / double.Min(2 * excess, 1e3)));
        }
    }

    // A task that has not reached the accuracy is not reported as converged, even where its solves have reached their thresholds.
    private Marks<Tensor> Judged(TensorSpace space, Marks<Tensor> marks, double[] certified)
    {
        var met = space.PerTask([.. certified.Select(bound => accuracy is null || bound <= accuracy ? 1.0 : 0.0)]);
        return marks.Where(space, met, new Marks<Tensor>(space.Scalar(0), marks.NonFinite, space.Scalar(1), marks.Indefinite));
    }
}
