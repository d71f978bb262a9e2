// How far budgets of inner and linear steps are from the exact meta-gradient d_θL(Alg*(θ)), in double precision: φ* by Newton's method and the
// linear system by its dense matrix where there are few parameters, by MINRES to rounding elsewhere.
//
// The error of g after n inner and k linear steps is split at g(n, ∞), the exact solve at the φ that was reached:
//     total ‖g(n, k) − g*‖,   linear ‖g(n, k) − g(n, ∞)‖ = δ′ (Definition 2),   inner ‖g(n, ∞) − g*‖,   all over ‖g*‖.

using Imaml.Math;
using Imaml.Math.Interop;
using static TorchSharp.torch;

namespace Imaml.Nets.Diagnostics;

/// <summary>The errors of one task at one pair of budgets, relative to ‖g*‖.</summary>
/// <param name="InnerSteps">n, or null for the exact φ*.</param>
/// <param name="CgSteps">k; 0 is g = ∇L(φ), no solve at all.</param>
/// <param name="Total">The exact-solve error (Definition 3).</param>
/// <param name="Linear">δ′ (Definition 2).</param>
/// <param name="Inner">What the inner solve alone leaves.</param>
/// <param name="Estimate">Theorem 1's bound with constants measured at φ; null where it was not asked for, infinite where there is none.</param>
public sealed record BudgetError(int? InnerSteps, int CgSteps, double Total, double Linear, double Inner, double? Estimate);

/// <summary>What became of the search for a task's exact meta-gradient.</summary>
public enum ReferenceStatus
{
    /// <summary>A strict minimiser of G was found to rounding, and g* with it.</summary>
    Found,

    /// <summary>‖∇G‖ stayed above rounding: a kink, or the budget of steps.</summary>
    NotConverged,

    /// <summary>H + λI is not positive definite there: no minimiser.</summary>
    Indefinite,
}

/// <summary>The errors of one task, empty where it has no exact meta-gradient.</summary>
public sealed record TaskErrors(long Episode, ReferenceStatus Status, IReadOnlyList<BudgetError> Errors);

/// <summary>Measures exact-solve errors.</summary>
internal static class ReferenceMeasurement
{
    private const int NewtonSteps = 60, NewtonDirectionSteps = 300, PowerSteps = 10;

    // Newton's method halves no more where ‖∇G‖ is at the level of rounding, some 10⁻¹⁵ of ‖∇G(θ)‖ times d's root.
    private const double InnerTolerance = 1e-11;

    private static readonly TensorCoordinates Coordinates = new();
    private static readonly LinearSolveOptions ToRounding = new(2000, relativeResidual: 1e-12, checkEvery: 1, recomputeResidual: false);

    /// <summary>The inner budgets beside the run's own, and null for φ*.</summary>
    public static IReadOnlyList<int?> InnerBudgets(int own) => [.. new SortedSet<int> { 4, 16, 64, own }.Select(steps => (int?)steps), null];

    /// <summary>The linear budgets beside the run's own.</summary>
    public static IReadOnlyList<int> LinearBudgets(int own) => [.. new SortedSet<int> { 0, 1, 2, 5, 10, 20, own }];

    /// <summary>The errors of every task.</summary>
    public static TaskErrors[] Of(TaskBatch tasks)
    {
        using var scope = NewDisposeScope();
        var space = tasks.Space;
        var (exactPhi, exact, statuses) = Reference(tasks);
        var cells = InnerBudgets(tasks.Options.InnerSteps).SelectMany(inner => Cells(tasks, inner, exactPhi, exact)).ToArray();
        return [.. statuses.Select((status, task) => new TaskErrors(tasks.Episode(task), status, status == ReferenceStatus.Found ? [.. cells.Select(cell => cell[task])] : []))];
    }

    private static (Tensor Phi, Tensor Gradient, ReferenceStatus[] Statuses) Reference(TaskBatch tasks)
    {
        var space = tasks.Space;
        var atTheta = space.Norm(InnerObjective.gradient(space, tasks.Regularizer, tasks.Problem.InnerGradient(tasks.Theta), tasks.Theta, tasks.Theta));
        var enough = space.Multiply(space.Scalar(InnerTolerance), atTheta);
        var start = tasks.Descent(InnerBudgets(tasks.Options.InnerSteps).Max()!.Value).Solve(space, tasks.Regularizer, tasks.Problem, tasks.Theta, tasks.Theta, space.Scalar(0)).Phi;
        var newton = InnerSolvers.NewtonConjugateGradient(space, NewtonSteps, NewtonDirectionSteps).Solve(space, tasks.Regularizer, tasks.Problem, tasks.Theta, start, enough);
        ILinearSolver<Tensor, Tensor> solver = tasks.Parameters <= AssumptionOptions.LargestDense ? new DenseSolver<Tensor, Tensor>(Coordinates) : new MinresSolver<Tensor, Tensor>(ToRounding);
        var result = tasks.ImplicitAt(newton.Phi, solver);
        var (reached, threshold) = (space.Read(result.InnerGradientNorm), space.Read(enough));
        var solves = LinearSolver.read(space, result.Solve);
        return (newton.Phi, result.Gradient, [.. solves.Select((solve, task) =>
            !(reached[task] <= threshold[task]) || solve.Status is SolveStatus.NonFinite or SolveStatus.StepLimit ? ReferenceStatus.NotConverged
            : solve.Status == SolveStatus.NonPositiveCurvature ? ReferenceStatus.Indefinite
            : ReferenceStatus.Found)]);
    }

    /// <summary>One inner budget with every linear one, in their order; one entry per task in each.</summary>
    private static List<BudgetError[]> Cells(TaskBatch tasks, int? inner, Tensor exactPhi, Tensor exact)
    {
        using var scope = NewDisposeScope();
        var (space, options) = (tasks.Space, tasks.Options);
        var phi = inner is { } steps ? tasks.Descent(steps).Solve(space, tasks.Regularizer, tasks.Problem, tasks.Theta, tasks.Theta, space.Scalar(0)).Phi : exactPhi;
        var solved = inner is null ? exact : tasks.ImplicitAt(phi, new MinresSolver<Tensor, Tensor>(ToRounding)).Gradient;
        var innerErrors = space.Read(Direction.relativeDistance(space, solved, exact, exact));
        var cells = new List<BudgetError[]>();
        foreach (var budget in LinearBudgets(options.CgSteps))
        {
            using var one = NewDisposeScope();
            var gradient = (budget == 0 ? tasks.FirstOrderAt(phi) : tasks.ImplicitAt(phi, TaskBatch.ConjugateGradients(budget))).Gradient;
            var total = space.Read(Direction.relativeDistance(space, gradient, exact, exact));
            var linear = space.Read(Direction.relativeDistance(space, gradient, solved, exact));
            var estimates = budget == options.CgSteps ? Estimates(tasks, phi, gradient, exact) : null;
            cells.Add([.. total.Select((error, task) => new BudgetError(inner, budget, error, linear[task], innerErrors[task], estimates?[task]))]);
        }

        return cells;
    }

    /// <summary>Theorem 1 a posteriori with measured constants, over ‖g*‖.</summary>
    private static double[] Estimates(TaskBatch tasks, Tensor phi, Tensor gradient, Tensor exact)
    {
        var space = tasks.Space;
        var constants = EstimatedConstants.At(
            space, Coordinates, tasks.Regularizer, tasks.Problem, new EstimateOptions(largestDense: 0, AssumptionOptions.DefaultLanczosSteps, PowerSteps, reach: 1e-5), tasks.Theta, phi);
        var u = ((IRegularizer<Tensor, Tensor>)tasks.Regularizer).ApplyInverse(space, gradient);
        var bounds = Certificate.ofSolution(space, tasks.Regularizer, tasks.Problem, constants, ArithmeticModule.@double(tasks.Parameters, tasks.Regularizer), tasks.Theta, phi, u);
        var sizes = space.Read(space.Norm(exact));
        return [.. bounds.Select((bound, task) => bound.Total / sizes[task])];
    }
}
