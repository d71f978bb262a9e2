// How far budgets of inner and linear steps are from the exact meta-gradient d_θL(Alg*(θ)), in double precision: φ* by long descent and Newton's
// method, and the linear system by its dense matrix where there are few parameters, by MINRES elsewhere.
//
// A rectifier's kinks are an obstacle: where G's minimum lies on one, ∇G jumps there and is nowhere 0, and (H + λI)⁻¹ depends on the side. So the
// reference is the point with the smallest ‖∇G‖ found, which is reported: it is exact where ‖∇G‖ is at the level of rounding, else the best point found.
//
// The error of g after n steps of the run's inner solver and k of its linear solver is split at g(n, ∞), the exact solve at the φ that was reached:
//     total ‖g(n, k) − g*‖,   linear ‖g(n, k) − g(n, ∞)‖ = δ′ (Definition 2),   inner ‖g(n, ∞) − g*‖,   all over ‖g*‖.

using Imaml.Math;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Assumptions;

/// <summary>The errors of one task at one pair of budgets, relative to ‖g*‖.</summary>
/// <param name="InnerSteps">n, or null for the reference φ*, which is exact where its status is.</param>
/// <param name="CgSteps">k, steps of the run's linear solver; 0 is g = ∇L(φ), no solve at all.</param>
/// <param name="Total">The exact-solve error (Definition 3).</param>
/// <param name="Linear">δ′ (Definition 2).</param>
/// <param name="Inner">The error of the inner solve alone.</param>
/// <param name="Estimate">Theorem 1's bound with constants measured at φ; null where it was not asked for, infinite where there is none.</param>
public sealed record BudgetError(int? InnerSteps, int CgSteps, double Total, double Linear, double Inner, double? Estimate);

/// <summary>How good the reference of a task is.</summary>
public enum ReferenceStatus
{
    /// <summary>A strict minimiser of G to rounding, and g* with it.</summary>
    Exact,

    /// <summary>‖∇G‖ stayed above rounding: a kink, or the budget of steps.</summary>
    Approximate,

    /// <summary>H + λI is not positive definite there: no minimiser.</summary>
    Indefinite,
}

/// <summary>The errors of one task against its reference.</summary>
/// <param name="Episode">The task's number.</param>
/// <param name="Status">How good the reference is.</param>
/// <param name="Reached">‖∇G‖ at the reference over ‖∇G(θ)‖.</param>
/// <param name="Errors">For every pair of budgets.</param>
public sealed record TaskErrors(long Episode, ReferenceStatus Status, double Reached, IReadOnlyList<BudgetError> Errors);

/// <summary>Measures exact-solve errors.</summary>
internal static class ReferenceMeasurement
{
    private const int LongDescent = 256, NewtonSteps = 15, NewtonDirectionSteps = 100, PowerSteps = 10;

    // Rounding of ∇G is some 10⁻¹⁶ of ∇G(θ) times the root of d.
    private const double InnerTolerance = 1e-11;

    private static readonly TensorCoordinates Coordinates = new();
    private static readonly LinearSolveOptions ToRounding = new(2000, relativeResidual: 1e-10, checkEvery: 1, recomputeResidual: false);

    /// <summary>The inner budgets, the run's own included, and null for φ*.</summary>
    public static IReadOnlyList<int?> InnerBudgets(int own) => [.. new SortedSet<int> { 4, 16, 64, own }.Select(steps => (int?)steps), null];

    /// <summary>The linear budgets, the run's own included.</summary>
    public static IReadOnlyList<int> LinearBudgets(int own) => [.. new SortedSet<int> { 0, 1, 2, 5, 10, 20, own }];

    /// <summary>The errors of every task.</summary>
    public static TaskErrors[] Of(TaskBatch tasks)
    {
        using var scope = NewDisposeScope();
        var reference = Reference(tasks);
        var cells = InnerBudgets(tasks.Method.Inner.Steps).SelectMany(inner => Cells(tasks, inner, reference.Phi, reference.Gradient)).ToArray();
        return [.. reference.Statuses.Select((status, task) => new TaskErrors(tasks.Episode(task), status, reference.Reached[task], [.. cells.Select(cell => cell[task])]))];
    }

    private static (Tensor Phi, Tensor Gradient, ReferenceStatus[] Statuses, double[] Reached) Reference(TaskBatch tasks)
    {
        var space = tasks.Space;
        Tensor GradientNorm(Tensor phi) => space.Norm(InnerObjective.Gradient(space, tasks.Regularizer, tasks.Problem.InnerGradient(phi), phi, tasks.Theta));
        var atTheta = GradientNorm(tasks.Theta);
        var enough = space.Multiply(space.Scalar(InnerTolerance), atTheta);
        var descent = tasks.Adapted(LongDescent);
        IInnerSolver<Tensor, Tensor> newtonSolver = new NewtonConjugateGradientSolver<Tensor, Tensor>(NewtonSteps, NewtonDirectionSteps);
        var newton = newtonSolver.Solve(space, tasks.Regularizer, tasks.Problem, tasks.Theta, descent, enough).Phi;
        var phi = where(GradientNorm(newton).lt(GradientNorm(descent)), newton, descent);
        ILinearSolver<Tensor, Tensor> solver = tasks.Parameters <= AssumptionOptions.LargestDense ? new DenseSolver<Tensor, Tensor>(Coordinates) : new MinresSolver<Tensor, Tensor>(ToRounding);
        var result = tasks.ImplicitAt(phi, solver);
        var reached = space.Read(space.DivideOrZero(result.InnerGradientNorm, atTheta));
        var statuses = result.Solve.Read(space).Select((solve, task) =>
            solve.Status == SolveStatus.NonPositiveCurvature ? ReferenceStatus.Indefinite
            : reached[task] <= InnerTolerance && solve.Status is SolveStatus.Converged ? ReferenceStatus.Exact
            : ReferenceStatus.Approximate);
        return (phi, result.Gradient, [.. statuses], reached);
    }

    /// <summary>One inner budget with every linear one, in their order; one entry per task in each.</summary>
    private static List<BudgetError[]> Cells(TaskBatch tasks, int? inner, Tensor exactPhi, Tensor exact)
    {
        using var scope = NewDisposeScope();
        var (space, own) = (tasks.Space, tasks.Method.Adjoint.Steps);
        var phi = inner is { } steps ? tasks.Adapted(steps) : exactPhi;
        var solved = inner is null ? exact : tasks.ImplicitAt(phi, new MinresSolver<Tensor, Tensor>(ToRounding)).Gradient;
        var innerErrors = space.Read(Direction.RelativeDistance(space, solved, exact, exact));
        var cells = new List<BudgetError[]>();
        foreach (var budget in LinearBudgets(own))
        {
            using var one = NewDisposeScope();
            var gradient = (budget == 0 ? tasks.FirstOrderAt(phi) : tasks.RunAt(phi, budget)).Gradient;
            var total = space.Read(Direction.RelativeDistance(space, gradient, exact, exact));
            var linear = space.Read(Direction.RelativeDistance(space, gradient, solved, exact));
            var estimates = budget == own ? Estimates(tasks, phi, gradient, exact) : null;
            cells.Add([.. total.Select((error, task) => new BudgetError(inner, budget, error, linear[task], innerErrors[task], estimates?[task]))]);
        }

        return cells;
    }

    /// <summary>Theorem 1 a posteriori with measured constants, over ‖g*‖.</summary>
    private static double[] Estimates(TaskBatch tasks, Tensor phi, Tensor gradient, Tensor exact)
    {
        var space = tasks.Space;
        var options = new EstimateOptions(largestDense: 0, AssumptionOptions.DefaultLanczosSteps, PowerSteps, reach: 1e-5);
        var u = ((IRegularizer<Tensor, Tensor>)tasks.Regularizer).ApplyInverse(space, gradient);
        var bounds = Certificate.Estimate(space, Coordinates, tasks.Regularizer, tasks.Problem, options, tasks.Theta, phi, u);
        var sizes = space.Read(space.Norm(exact));
        return [.. bounds.Select((bound, task) => bound.Total / sizes[task])];
    }
}
