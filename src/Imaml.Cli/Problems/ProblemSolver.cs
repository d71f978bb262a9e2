// One problem, solved by one method, with all that is known about the answer. Every formula is the core's; here they are only called.

using System.Globalization;
using Imaml.Math;
using Imaml.Theory;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

namespace Imaml.Cli.Problems;

/// <summary>Solves problems.</summary>
internal sealed class ProblemSolver
{
    // Dense matrices of this size take seconds, not minutes.
    private const int DenseLimit = 500;

    // Budgets far beyond what Nesterov and conjugate gradients need at κ = 10⁸; one that ends is reported.
    private const int MostInnerSteps = 1_000_000, MostLinearSteps = 100_000, MostRounds = 20, CheckEvery = 1;

    // Where no constants are known: Hessian-free Newton, which is done in tens of steps or never.
    private const int MostNewtonSteps = 500, MostDirectionSteps = 100;

    private static readonly EstimateOptions Estimate = new(largestDense: DenseLimit, lanczosSteps: 50, powerSteps: 20, reach: 6e-6);

    private static readonly EuclideanSpace Space = new();

    private readonly BilevelTask _task;
    private readonly SolveRequest _request;
    private readonly IRegularizer<Vector, double> _regularizer;
    private readonly IBilevelProblem<Vector, double> _problem;
    private readonly ErrorConstants _constants;
    private readonly Arithmetic _arithmetic;
    private readonly ExactSolution? _exact;
    private readonly Stationarity? _stationarity;

    private ProblemSolver(BilevelTask task, SolveRequest request)
    {
        (_task, _request) = (task, request);
        _regularizer = ProximalModule.regularizer(task.Proximal);
        _problem = BilevelTaskModule.problem(task);
        _constants = BilevelTaskModule.constants(task);
        _arithmetic = ArithmeticModule.@double(task.Theta.Count, _regularizer);
        if (task.Theta.Count > DenseLimit && request.Method is not Method.Exact)
        {
            return;
        }

        var phi = BilevelTaskModule.exactSolution(task, task.Theta);
        _stationarity = StationarityModule.at(task, task.Theta, phi);
        if (_stationarity.IsMinimum)
        {
            _exact = new ExactSolution(
                [.. phi],
                [.. BilevelTaskModule.implicitGradient(task, phi)],
                BilevelTaskModule.jacobian(task, phi).ToRowArrays(),
                Shape(BilevelTaskModule.regularizerGradient(task, phi, BilevelTaskModule.adjoint(task, phi))));
        }
    }

    /// <summary>The answer to a request.</summary>
    /// <exception cref="ArgumentException">The options do not fit the method, or a step size is needed that is not known.</exception>
    public static SolveOutcome Solve(BilevelTask task, SolveRequest request)
    {
        var solver = new ProblemSolver(task, request.Checked());
        return solver._request switch
        {
            { Method: Method.Exact } => solver.Exactly(),
            { Accuracy: { } accuracy } => solver.ToAccuracy(accuracy),
            { Method: Method.Implicit } => solver.ByBudget(),
            _ => solver.ByStrategy(),
        };
    }

    private SolveOutcome Exactly()
    {
        var stationarity = _stationarity!;
        var phi = BilevelTaskModule.exactSolution(_task, _task.Theta);
        var u = BilevelTaskModule.adjoint(_task, phi);
        var (outcome, message) = stationarity switch
        {
            { IsMinimum: true } => (Outcome.Converged, "φ is the minimiser of G to rounding"),
            { SmallestCurvature: <= 0 } => (Outcome.NonPositiveCurvature, SolveStatusModule.describe(SolveStatus.NonPositiveCurvature)),
            _ => (Outcome.Stalled, InnerStatusModule.describe(InnerStatus.Stalled)),
        };
        return Answer(outcome, message, phi, BilevelTaskModule.implicitGradient(_task, phi), stationarity.GradientNorm, Shape(BilevelTaskModule.regularizerGradient(_task, phi, u)), Bound(phi, u), new(0, 0, 0, 0, 0));
    }

    private SolveOutcome ToAccuracy(double accuracy)
    {
        var options = new AdaptiveOptions(accuracy, MostRounds, _arithmetic);
        var inner = AccurateSolver();
        var near = _constants.Kind is BoundKind.None ? inner.Solve(Space, _regularizer, _problem, _task.Theta, _task.Theta, accuracy * _regularizer.SmallestEigenvalue).Phi : _task.Theta;
        var certified = AdaptiveAccuracy.Compute(Space, _regularizer, _problem, inner, LinearSolver(MostLinearSteps, CheckEvery), [Constants(near)], options, _task.Theta);
        var task = certified.Tasks[0];
        var (outcome, message) = task.Status switch
        {
            CertifiedStatus.Met => (Outcome.Converged, CertifiedStatusModule.describe(task.Status)),
            CertifiedStatus.NoConstants => Ended(certified.MetaGradient),
            var status => (status switch
            {
                CertifiedStatus.RoundingLimit => Outcome.RoundingLimit,
                CertifiedStatus.NotStronglyConvex => Outcome.NonPositiveCurvature,
                CertifiedStatus.NonFinite => Outcome.NonFinite,
                _ => Outcome.StepLimit,
            }, CertifiedStatusModule.describe(status)),
        };
        return Implicit(outcome, message, certified.MetaGradient, task.Bound, new(task.Work.Gradients, task.Work.HessianProducts, task.Work.OuterGradients, task.Work.InnerSteps, task.Work.LinearSteps));
    }

    private SolveOutcome ByBudget()
    {
        var result = ImplicitMetaGradient.Compute(Space, _regularizer, _problem, InnerSolver(_request.InnerSteps!.Value, 0), LinearSolver(_request.CgSteps!.Value, 0), Thresholds.none(Space), _task.Theta);
        var (outcome, message) = Ended(result);
        return Implicit(outcome, message, result, Bound(result.Phi, result.Solve.Solution), Counts(result));
    }

    private SolveOutcome ByStrategy()
    {
        var steps = _request.InnerSteps!.Value;
        IMetaGradientStrategy<Vector, double> strategy = _request.Method switch
        {
            Method.Maml => new UnrolledStrategy<Vector, double>(Path(steps)),
            Method.Truncated => new TruncatedStrategy<Vector, double>(Path(steps), _request.Truncate!.Value),
            Method.Fomaml => new FirstOrderStrategy<Vector, double>(InnerSolver(steps, 0), 0),
            Method.Reptile => new ReptileStrategy<Vector, double>(InnerSolver(steps, 0), 0),
            var method => throw new InvalidOperationException($"{method} is no strategy"),
        };
        var result = strategy.Compute(Space, _regularizer, _problem, _task.Theta);
        var (outcome, message) = Ended(result);
        return Answer(outcome, message, result.Phi, result.Gradient, result.InnerGradientNorm, null, ErrorBound.None("only the implicit gradient has a bound"), Counts(result));
    }

    private SolveOutcome Implicit(Outcome outcome, string message, MetaGradient<Vector, double> result, ErrorBound bound, SolveCounts counts)
    {
        var gradient = BilevelTaskModule.regularizerGradient(_task, result.Phi, result.Solve.Solution);
        return Answer(outcome, message, result.Phi, result.Gradient, result.InnerGradientNorm, Shape(gradient), bound, counts);
    }

    private SolveOutcome Answer(Outcome outcome, string message, Vector phi, Vector gradient, double innerGradientNorm, object? regularizerGradient, ErrorBound bound, SolveCounts counts)
    {
        if (outcome is not Outcome.Converged && _stationarity is { SmallestCurvature: <= 0 } indefinite)
        {
            outcome = Outcome.NonPositiveCurvature;
            message = string.Create(CultureInfo.InvariantCulture, $"the smallest eigenvalue of H + Λ is {indefinite.SmallestCurvature:G6}: G has no minimum here; raise λ");
        }

        double? error = _exact is null ? null : (gradient - Vector.Build.DenseOfArray(_exact.MetaGradient)).L2Norm();
        return new SolveOutcome(
            outcome,
            message,
            _request.Method,
            Numbers(phi),
            Numbers(gradient),
            regularizerGradient,
            Number(_task.Inner.Value.Invoke(phi)),
            Number(_task.Outer.Value.Invoke(phi)),
            Number(innerGradientNorm),
            Number(bound.InnerError),
            Number(bound.SolveError),
            Number(bound.Total),
            bound.Kind,
            _exact,
            error is { } number ? Number(number) : null,
            counts);
    }

    private ErrorBound Bound(Vector phi, Vector u) => Certificate.ofSolution(Space, _regularizer, _problem, [Constants(phi)], _arithmetic, _task.Theta, phi, u)[0];

    /// <summary>The task's constants where they are known, else as measured at φ; none where φ has been lost or G does not curve upwards.</summary>
    private ErrorConstants Constants(Vector phi)
    {
        var known = _task.Inner.Kind is BoundKind.Certified && _task.Outer.Kind is BoundKind.Certified;
        return known || !phi.ForAll(double.IsFinite)
            ? _constants
            : EstimatedConstants.At(Space, new EuclideanCoordinates(), _regularizer, _problem, Estimate, _task.Theta, phi)[0];
    }

    /// <summary>The solver that goes as far as it is asked: with the constants Nesterov's method, without them Newton's.</summary>
    private IInnerSolver<Vector, double> AccurateSolver()
    {
        if (_request.StepSize is { } given)
        {
            return new GradientDescentSolver<Vector, double>(StepRule.NewConstantStep(given), MostInnerSteps, CheckEvery);
        }

        if (_constants.Kind is BoundKind.None)
        {
            return new NewtonConjugateGradientSolver<Vector, double>(MostNewtonSteps, System.Math.Min(_task.Theta.Count, MostDirectionSteps));
        }

        var (step, momentum) = MomentumModule.nesterov(_constants.StrongConvexity, _constants.Smoothness);
        return new GradientDescentSolver<Vector, double>(StepRule.NewConstantStep(step), momentum, MostInnerSteps, CheckEvery);
    }

    private ConjugateGradientSolver<Vector, double> LinearSolver(int steps, int checkEvery) =>
        new(new LinearSolveOptions(steps, relativeResidual: 0, checkEvery, recomputeResidual: true));

    private IInnerSolver<Vector, double> InnerSolver(int steps, int checkEvery) =>
        new GradientDescentSolver<Vector, double>(StepSize is { } step ? StepRule.NewConstantStep(step) : StepRule.MeasuredCurvature, steps, checkEvery);

    /// <summary>The path that is differentiated: its step must be a constant.</summary>
    private UnrolledOptions Path(int steps) =>
        new(Momentum.NoMomentum, StepSize ?? throw new ArgumentException($"--method {_request.Method.ToString().ToLowerInvariant()} needs --step-size: no smoothness constant is known for these losses"), steps);

    /// <summary>The step that was asked for, or 1/β.</summary>
    private double? StepSize => _request.StepSize ?? (_constants.Kind is BoundKind.Certified ? 1 / _constants.Smoothness : null);

    private static SolveCounts Counts(MetaGradient<Vector, double> result)
    {
        var cost = MetaGradient.cost(Space, result)[0];
        return new(cost.Gradients, cost.HessianProducts, cost.OuterGradients, (int)result.Inner.Steps, (int)result.Solve.Steps);
    }

    /// <summary>How the two solves ended, the worse of them.</summary>
    private static (Outcome Outcome, string Message) Ended(MetaGradient<Vector, double> result)
    {
        var inner = Imaml.Math.InnerSolver.read(Space, result.Inner)[0].Status;
        var linear = Imaml.Math.LinearSolver.read(Space, result.Solve)[0].Status;
        var finite = result.Gradient.ForAll(double.IsFinite);
        return (inner, linear) switch
        {
            (InnerStatus.NonFinite, _) => (Outcome.NonFinite, InnerStatusModule.describe(inner)),
            (_, SolveStatus.NonFinite) => (Outcome.NonFinite, SolveStatusModule.describe(linear)),
            _ when !finite => (Outcome.NonFinite, InnerStatusModule.describe(InnerStatus.NonFinite)),
            (_, SolveStatus.NonPositiveCurvature) => (Outcome.NonPositiveCurvature, SolveStatusModule.describe(linear)),
            (InnerStatus.Stalled, _) => (Outcome.Stalled, InnerStatusModule.describe(inner)),
            (InnerStatus.Converged, SolveStatus.Converged or SolveStatus.ZeroRightHandSide or SolveStatus.NotMade) => (Outcome.Converged, InnerStatusModule.describe(inner)),
            _ => (Outcome.StepLimit, "the budget of steps that was asked for is spent"),
        };
    }

    private static double? Number(double value) => double.IsFinite(value) ? value : null;

    private static double?[] Numbers(Vector vector) => [.. vector.Select(Number)];

    private static object Shape(ProximalGradient gradient) => gradient switch
    {
        ProximalGradient.Scalar scalar => scalar.value,
        ProximalGradient.Diagonal diagonal => diagonal.values.ToArray(),
        ProximalGradient.Matrix matrix => matrix.matrix.ToRowArrays(),
        _ => throw new InvalidOperationException($"{gradient} is no gradient of a regulariser"),
    };
}
