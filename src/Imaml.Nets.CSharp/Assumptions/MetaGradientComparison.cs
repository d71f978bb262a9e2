// Four meta-gradients at one θ and φ, and how their directions agree: for each task, for the mean of a meta-batch, for the mean of all.

using Imaml.Math;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Assumptions;

/// <summary>How two meta-gradients compare.</summary>
/// <param name="Cosine">Of the angle between them.</param>
/// <param name="Distance">‖x − y‖/‖y‖.</param>
public sealed record Agreement(double Cosine, double Distance);

/// <summary>The meta-gradients of one task, or of a mean, compared.</summary>
/// <param name="ImplicitFirstOrder">x as the run computes it, y = ∇L(φ).</param>
/// <param name="ImplicitUnrolled">x as the run computes it, y back-propagated through the same inner steps.</param>
/// <param name="FirstOrderUnrolled">x = ∇L(φ), y back-propagated.</param>
/// <param name="ImplicitConverged">x as the run computes it, y with (H + λI)u = ∇L(φ) solved to rounding: δ′ relative to g.</param>
/// <param name="FirstOrderConverged">x = ∇L(φ), y with the system solved.</param>
public sealed record Agreements(Agreement ImplicitFirstOrder, Agreement ImplicitUnrolled, Agreement FirstOrderUnrolled, Agreement ImplicitConverged, Agreement FirstOrderConverged);

/// <summary>The meta-gradients of B tasks, [B, d] each, or their mean.</summary>
internal sealed record MetaGradients(Tensor Implicit, Tensor FirstOrder, Tensor Unrolled, Tensor Converged)
{
    private static readonly LinearSolveOptions ToRounding = new(1000, relativeResidual: 1e-10, checkEvery: 1, recomputeResidual: false);

    /// <summary>Those of every task after the run's inner solve, whose result is given with them.</summary>
    public static (MetaGradients Gradients, MetaGradient<Tensor, Tensor> Run, InnerStatus[] Inner) Of(TaskBatch tasks)
    {
        using var scope = NewDisposeScope();
        var run = tasks.Run();
        IMetaGradientStrategy<Tensor, Tensor> descent = new UnrolledDescentStrategy<Tensor, Tensor>(tasks.StepRule, tasks.Method.Inner.Steps);
        var unrolled = descent.Compute(tasks.Space, tasks.Regularizer, tasks.Problem, tasks.Theta);
        var converged = tasks.ImplicitAt(run.Phi, new MinresSolver<Tensor, Tensor>(ToRounding));
        var firstOrder = tasks.FirstOrderAt(run.Phi);
        Tensor[] kept = [run.Gradient, firstOrder.Gradient, unrolled.Gradient, converged.Gradient, run.Phi, run.InnerGradientNorm, run.Solve.RelativeResidual];
        InnerStatus[] inner = [.. run.Inner.Read(tasks.Space).Select(one => one.Status)];
        Array.ForEach(kept, tensor => tensor.MoveToOuterDisposeScope());
        return (new MetaGradients(run.Gradient, firstOrder.Gradient, unrolled.Gradient, converged.Gradient), run, inner);
    }

    /// <summary>The sums over the tasks, [1, d], added to what is there already.</summary>
    public MetaGradients SumWith(MetaGradients? before)
    {
        using var scope = NewDisposeScope();
        Tensor Sum(Func<MetaGradients, Tensor> part)
        {
            var mine = part(this).sum([0], keepdim: true);
            return before is null ? mine : part(before).Plus(mine);
        }

        var sums = new MetaGradients(Sum(one => one.Implicit), Sum(one => one.FirstOrder), Sum(one => one.Unrolled), Sum(one => one.Converged));
        Array.ForEach((Tensor[])[sums.Implicit, sums.FirstOrder, sums.Unrolled, sums.Converged], tensor => tensor.MoveToOuterDisposeScope());
        return sums;
    }

    /// <summary>The comparisons, one for each row.</summary>
    public Agreements[] Compare()
    {
        using var scope = NewDisposeScope();
        var rows = (int)Implicit.shape[0];
        var space = new TensorSpace(rows, Implicit);
        Agreement[] Pair(Tensor x, Tensor y)
        {
            var (cosines, distances) = (space.Read(Direction.Cosine(space, x, y)), space.Read(Direction.RelativeDistance(space, x, y, y)));
            return [.. cosines.Zip(distances, (cosine, distance) => new Agreement(cosine, distance))];
        }

        var pairs = (Agreement[][])[Pair(Implicit, FirstOrder), Pair(Implicit, Unrolled), Pair(FirstOrder, Unrolled), Pair(Implicit, Converged), Pair(FirstOrder, Converged)];
        return [.. Enumerable.Range(0, rows).Select(row => new Agreements(pairs[0][row], pairs[1][row], pairs[2][row], pairs[3][row], pairs[4][row]))];
    }
}
