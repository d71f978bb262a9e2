// Which solvers answer a request, and with which step: from what was asked for, and from the task's constants where they are known.

using Imaml.Math;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

namespace Imaml.Cli.Problems;

/// <summary>The solvers of one request.</summary>
/// <param name="request">What was asked for.</param>
/// <param name="constants">The task's, as far as they are known.</param>
/// <param name="size">Length of θ.</param>
internal sealed class SolverChoice(SolveRequest request, ErrorConstants constants, int size)
{
    // Budgets far beyond what Nesterov and conjugate gradients need at κ = 10⁸; a budget that is used up is reported.
    private const int MostInnerSteps = 1_000_000, MostLinearSteps = 100_000, CheckEvery = 1;

    // Beyond it Nesterov's method would need millions of steps.
    private const double MostCondition = 1e9;

    // Then, and where no constants are known: Hessian-free Newton, which converges in tens of steps or not at all.
    private const int MostNewtonSteps = 500, MostDirectionSteps = 100;

    // Of the Newton step that dL/dΛ is refined by: all digits but two.
    private const double NewtonStepResidual = 1e-14;

    /// <summary>The inner solver for a required accuracy: with the constants Nesterov's method, without them Newton's.</summary>
    public IInnerSolver<Vector, double> AccurateInner
    {
        get
        {
            if (request.StepSize is { } given)
            {
                return new GradientDescentSolver<Vector, double>(StepRule.NewConstantStep(given), MostInnerSteps, CheckEvery);
            }

            if (!Accelerated)
            {
                return new NewtonConjugateGradientSolver<Vector, double>(MostNewtonSteps, int.Min(size, MostDirectionSteps));
            }

            var (step, momentum) = Momentum.NesterovFor(constants.StrongConvexity, constants.Smoothness);
            return new GradientDescentSolver<Vector, double>(StepRule.NewConstantStep(step), momentum, MostInnerSteps, CheckEvery);
        }
    }

    /// <summary>The linear solver for a required accuracy.</summary>
    public ILinearSolver<Vector, double> AccurateLinear => ConjugateGradients(MostLinearSteps, CheckEvery);

    /// <summary>Of the Newton step that dL/dΛ is refined by.</summary>
    public ILinearSolver<Vector, double> Refining => new ConjugateGradientSolver<Vector, double>(LinearSolveOptions.ToTolerance(int.Min(MostLinearSteps, 20 * size), NewtonStepResidual));

    /// <summary>The inner solver of so many steps.</summary>
    public IInnerSolver<Vector, double> Inner(int steps) =>
        new GradientDescentSolver<Vector, double>(StepSize is { } step ? StepRule.NewConstantStep(step) : StepRule.MeasuredCurvature, steps);

    /// <summary>The linear solver of so many steps.</summary>
    public static ILinearSolver<Vector, double> Linear(int steps) => ConjugateGradients(steps, 0);

    /// <summary>The path of so many steps that is differentiated: its step must be a constant.</summary>
    /// <exception cref="ArgumentException">None is known.</exception>
    public UnrolledOptions Path(int steps) =>
        new(Momentum.NoMomentum, StepSize ?? throw new ArgumentException($"--method {request.Method.ToString().ToLowerInvariant()} needs --step-size: no smoothness constant β is known for this inner loss, or 1/β overflows"), steps);

    /// <summary>The constant step of the inner solver: what was asked for, or 1/β; none where it measures its own, is Newton's method, or has no steps.</summary>
    public double? StepSize =>
        request.StepSize ?? (
            request.Method is Method.Exact || (request.Accuracy is not null && !Accelerated) || !double.IsFinite(1 / constants.Smoothness) || !double.IsFinite(constants.Smoothness) ? null
            : 1 / constants.Smoothness);

    /// <summary>Whether Nesterov's method can be used: 0 &lt; µ, β is known, and κ is within its steps. The outer loss does not matter for it.</summary>
    private bool Accelerated => constants.StrongConvexity > 0 && constants.Condition <= MostCondition && double.IsFinite(1 / constants.Smoothness);

    private static ConjugateGradientSolver<Vector, double> ConjugateGradients(int steps, int checkEvery) =>
        new(new LinearSolveOptions(steps, relativeResidual: 0, checkEvery, recomputeResidual: true));
}
