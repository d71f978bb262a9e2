// One problem, solved by one method, with all that is known about the answer. Every formula is the core's; here they are only called.

using System.Globalization;
using Imaml.Math;
using Imaml.Nets.Assumptions;
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

    // Beyond it Nesterov's method would need millions of steps.
    private const double MostCondition = 1e9;

    // Then, and where no constants are known: Hessian-free Newton, which is done in tens of steps or never.
    private const int MostNewtonSteps = 500, MostDirectionSteps = 100;

    private static readonly EstimateOptions Estimate = new(largestDense: DenseLimit, lanczosSteps: 50, powerSteps: 20, reach: 6e-6);

    private static readonly IInnerProductSpace<Vector, double> Space = new EuclideanSpace();

    private readonly BilevelTask _task;
    private readonly SolveRequest _request;
    private readonly IRegularizer<Vector, double> _regularizer;
    private readonly IBilevelProblem<Vector, double> _problem;
    private readonly ErrorConstants _constants;
    private readonly Arithmetic _arithmetic;
    private readonly Vector? _minimizer;
    private readonly ExactSolution? _exact;
    private readonly Stationarity? _stationarity;

    private ProblemSolver(BilevelTask task, SolveRequest request, CancellationToken stop)
    {
        (_task, _request) = (task, request);
        _regularizer = ProximalModule.regularizer(task.Proximal);
        _problem = new InterruptibleProblem<Vector, double>(BilevelTaskModule.problem(task), stop);
        _constants = BilevelTaskModule.constants(task);
        _arithmetic = ArithmeticModule.@double(task.Theta.Count, _regularizer);
        var small = task.Theta.Count <= DenseLimit;
        if (!small && request.Method is not Method.Exact)
        {
            return;
        }

        _minimizer = BilevelTaskModule.exactSolution(task, task.Theta);
        _stationarity = StationarityModule.at(task, task.Theta, _minimizer);
        if (small && _stationarity.IsMinimum)
        {
            var u = BilevelTaskModule.adjoint(task, _minimizer);
            _exact = new ExactSolution(
                FiniteNumbers.Of(_minimizer),
                FiniteNumbers.Of(BilevelTaskModule.implicitGradient(task, _minimizer)),
                FiniteNumbers.Of(BilevelTaskModule.jacobian(task, _minimizer)),
                FiniteNumbers.Of(BilevelTaskModule.regularizerGradient(task, _minimizer, u)),
                FiniteNumbers.Of(Bound(Constants(_minimizer), _minimizer, u).Total));
        }
    }

    /// <summary>The answer to a request.</summary>
    /// <exception cref="ArgumentException">The options do not fit the method, or a step size is needed that is not known.</exception>
    /// <exception cref="OperationCanceledException">The user asked the program to stop.</exception>
    public static SolveOutcome Solve(BilevelTask task, SolveRequest request, CancellationToken stop)
    {
        var solver = new ProblemSolver(task, request.Checked(), stop);
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
        var (phi, stationarity) = (_minimizer!, _stationarity!);
        var u = BilevelTaskModule.adjoint(_task, phi);
        var (outcome, message) = stationarity switch
        {
            { IsMinimum: true } => (Outcome.Converged, "φ is the minimiser of G as nearly as its gradient can tell; the error bound says what that is worth"),
            _ when !phi.ForAll(double.IsFinite) || !double.IsFinite(stationarity.GradientNorm) => (Outcome.NonFinite, "G, or its gradient, is not finite where the dense solve ended"),
            { SmallestCurvature: <= 0 } => (Outcome.NonPositiveCurvature, SolveStatusModule.describe(SolveStatus.NonPositiveCurvature)),
            _ => (Outcome.Stalled, InnerStatus.Stalled.Describe()),
        };
        var constants = Constants(phi);
        return Answer(new(outcome, message, phi, BilevelTaskModule.implicitGradient(_task, phi), stationarity.GradientNorm, u, Bound(constants, phi, u), constants, null, SolveCounts.None));
    }

    private SolveOutcome ToAccuracy(double accuracy)
    {
        var options = new AdaptiveOptions(accuracy, MostRounds, _arithmetic);
        var inner = AccurateSolver();
        var near = Known ? _task.Theta : inner.Solve(Space, _regularizer, _problem, _task.Theta, _task.Theta, accuracy * _regularizer.SmallestEigenvalue).Phi;
        var constants = Constants(near);
        var certified = AdaptiveAccuracy.Compute(Space, _regularizer, _problem, inner, LinearSolver(MostLinearSteps, CheckEvery), [constants], options, _task.Theta);
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
        // The adaptive search judges its linear solves by the certificate: they have no status of their own.
        var linear = LinearSolve(certified.MetaGradient) with { Status = null };
        var counts = new SolveCounts(task.Work.Gradients, task.Work.HessianProducts, task.Work.OuterGradients, task.Work.InnerSteps, task.Work.LinearSteps);
        return Answer(Found(outcome, message, certified.MetaGradient, certified.MetaGradient.Solve.Solution, task.Bound, constants, linear, counts));
    }

    private SolveOutcome ByBudget()
    {
        var result = ImplicitMetaGradient.Compute(Space, _regularizer, _problem, InnerSolver(_request.InnerSteps!.Value), LinearSolver(_request.CgSteps!.Value, 0), Thresholds.none(Space), _task.Theta);
        var (outcome, message) = Ended(result);
        var constants = Constants(result.Phi);
        var u = result.Solve.Solution;
        return Answer(Found(outcome, message, result, u, Bound(constants, result.Phi, u), constants, LinearSolve(result), Counts(result)));
    }

    private SolveOutcome ByStrategy()
    {
        var steps = _request.InnerSteps!.Value;
        IMetaGradientStrategy<Vector, double> strategy = _request.Method switch
        {
            Method.Maml => new UnrolledStrategy<Vector, double>(Path(steps)),
            Method.Truncated => new TruncatedStrategy<Vector, double>(Path(steps), _request.Truncate!.Value),
            Method.Fomaml => new FirstOrderStrategy<Vector, double>(InnerSolver(steps), 0),
            Method.Reptile => new ReptileStrategy<Vector, double>(InnerSolver(steps), 0),
            var method => throw new InvalidOperationException($"{method} is no strategy"),
        };
        var result = strategy.Compute(Space, _regularizer, _problem, _task.Theta);
        var (outcome, message) = Ended(result);
        var bound = ErrorBound.None("only implicit and exact have one; the distance to the exact meta-gradient is the true error, where there is a dense solution");
        return Answer(Found(outcome, message, result, null, bound, Constants(result.Phi), null, Counts(result)));
    }

    private static Finding Found(Outcome outcome, string message, MetaGradient<Vector, double> result, Vector? u, ErrorBound bound, ErrorConstants constants, LinearSolve? linear, SolveCounts counts) =>
        new(outcome, message, result.Phi, result.Gradient, result.InnerGradientNorm, u, bound, constants, linear, counts);

    private SolveOutcome Answer(Finding found)
    {
        var (outcome, message) = (found.Outcome, found.Message);
        if (outcome is not (Outcome.Converged or Outcome.RoundingLimit) && _stationarity is { SmallestCurvature: <= 0 and > double.NegativeInfinity } indefinite)
        {
            outcome = Outcome.NonPositiveCurvature;
            message = string.Create(CultureInfo.InvariantCulture, $"the smallest eigenvalue of H + Λ is {indefinite.SmallestCurvature:G6} where Newton's method ended: no minimum of G is known; raise λ");
        }

        // The search ends with u = 0 where the inner solve never came near enough for a linear one.
        var solved = _request.Accuracy is null || found.Counts.LinearSteps > 0 || found.Bound.SolveError <= _request.Accuracy;
        message += solved ? "" : "; g was not computed, as φ never came near enough";
        var phi = found.Phi;
        return new SolveOutcome(
            outcome,
            message,
            _request.Method,
            phi.Count,
            _request.Accuracy,
            StepSize,
            FiniteNumbers.Of(phi),
            solved ? FiniteNumbers.Of(found.Gradient) : new double?[phi.Count],
            solved && found.U is { } u ? FiniteNumbers.Of(BilevelTaskModule.regularizerGradient(_task, phi, u)) : null,
            FiniteNumbers.Of(_task.Inner.Value.Invoke(phi)),
            FiniteNumbers.Of(_task.Outer.Value.Invoke(phi)),
            FiniteNumbers.Of(found.InnerGradientNorm),
            FiniteNumbers.Of(found.Bound.InnerError),
            FiniteNumbers.Of(found.Bound.SolveError),
            FiniteNumbers.Of(found.Bound.Total),
            FiniteNumbers.Of(found.Bound.Rounding),
            found.Bound.Kind,
            found.Bound.Reason is { Length: > 0 } reason ? reason : null,
            TheoremConstants.Of(found.Constants),
            found.LinearSolve,
            _exact,
            _exact is null || !solved ? null : FiniteNumbers.Of(Space.Norm(found.Gradient - BilevelTaskModule.implicitGradient(_task, _minimizer!))),
            found.Counts);
    }

    private ErrorBound Bound(ErrorConstants constants, Vector phi, Vector u) => Certificate.ofSolution(Space, _regularizer, _problem, [constants], _arithmetic, _task.Theta, phi, u)[0];

    private bool Known => _task.Inner.Kind is BoundKind.Certified && _task.Outer.Kind is BoundKind.Certified;

    /// <summary>Whether Nesterov's method can be used: 0 &lt; µ, β is known, and κ is within its steps. The outer loss has no part in it.</summary>
    private bool Accelerated => _constants.StrongConvexity > 0 && _constants.Condition <= MostCondition;

    /// <summary>The task's constants where they are known, else as measured at φ; none where φ has been lost or G does not curve upwards.</summary>
    private ErrorConstants Constants(Vector phi) =>
        Known || !phi.ForAll(double.IsFinite)
            ? _constants
            : EstimatedConstants.At(Space, new EuclideanCoordinates(), _regularizer, _problem, Estimate, _task.Theta, phi)[0];

    /// <summary>The solver that goes as far as it is asked: with the constants Nesterov's method, without them Newton's.</summary>
    private IInnerSolver<Vector, double> AccurateSolver()
    {
        if (_request.StepSize is { } given)
        {
            return new GradientDescentSolver<Vector, double>(StepRule.NewConstantStep(given), MostInnerSteps, CheckEvery);
        }

        if (!Accelerated)
        {
            return new NewtonConjugateGradientSolver<Vector, double>(MostNewtonSteps, System.Math.Min(_task.Theta.Count, MostDirectionSteps));
        }

        var (step, momentum) = Momentum.NesterovFor(_constants.StrongConvexity, _constants.Smoothness);
        return new GradientDescentSolver<Vector, double>(StepRule.NewConstantStep(step), momentum, MostInnerSteps, CheckEvery);
    }

    private ConjugateGradientSolver<Vector, double> LinearSolver(int steps, int checkEvery) =>
        new(new LinearSolveOptions(steps, relativeResidual: 0, checkEvery, recomputeResidual: true));

    private GradientDescentSolver<Vector, double> InnerSolver(int steps) =>
        new(StepSize is { } step ? StepRule.NewConstantStep(step) : StepRule.MeasuredCurvature, steps);

    /// <summary>The path that is differentiated: its step must be a constant.</summary>
    private UnrolledOptions Path(int steps) =>
        new(Momentum.NoMomentum, StepSize ?? throw new ArgumentException($"--method {_request.Method.ToString().ToLowerInvariant()} needs --step-size: no smoothness constant β is known for this inner loss"), steps);

    /// <summary>The constant step of the inner solver: what was asked for, or 1/β; none where it measures its own, is Newton's method, or has no steps.</summary>
    private double? StepSize =>
        _request.StepSize ?? (
            _request.Method is Method.Exact || (_request.Accuracy is not null && !Accelerated) || !double.IsFinite(_constants.Smoothness) ? null
            : 1 / _constants.Smoothness);

    private static SolveCounts Counts(MetaGradient<Vector, double> result)
    {
        var cost = MetaGradient.cost(Space, result)[0];
        return new(cost.Gradients, cost.HessianProducts, cost.OuterGradients, (int)result.Inner.Counts.Steps, (int)result.Solve.Steps);
    }

    /// <summary>How the two solves ended, the worse of them.</summary>
    private (Outcome Outcome, string Message) Ended(MetaGradient<Vector, double> result)
    {
        var inner = result.Inner.Read(Space)[0].Status;
        var linear = Imaml.Math.LinearSolver.read(Space, result.Solve)[0].Status;
        var finite = result.Gradient.ForAll(double.IsFinite);
        return (inner, linear) switch
        {
            (InnerStatus.NonFinite, _) => (Outcome.NonFinite, inner.Describe()),
            (_, SolveStatus.NonFinite) => (Outcome.NonFinite, SolveStatusModule.describe(linear)),
            _ when !finite => (Outcome.NonFinite, InnerStatus.NonFinite.Describe()),
            _ when StationarityModule.hasDiverged(_task, _task.Theta, result.Phi) => (Outcome.Diverged, "G is larger at φ than at θ, where the inner solver started: lower its step, or raise λ"),
            (_, SolveStatus.NonPositiveCurvature) => (Outcome.NonPositiveCurvature, SolveStatusModule.describe(linear)),
            (InnerStatus.Stalled, _) => (Outcome.Stalled, inner.Describe()),
            (InnerStatus.Converged, SolveStatus.Converged or SolveStatus.ZeroRightHandSide or SolveStatus.NotMade) => (Outcome.Converged, inner.Describe()),
            _ => (Outcome.StepLimit, "the budget of steps that was asked for is spent"),
        };
    }

    private static LinearSolve LinearSolve(MetaGradient<Vector, double> result)
    {
        var solve = Imaml.Math.LinearSolver.read(Space, result.Solve)[0];
        var ritz = solve.RitzValues;
        return new(
            solve.Status,
            FiniteNumbers.Of(solve.RelativeResidual),
            FiniteNumbers.Of(solve.SmallestCurvature),
            ritz.Length == 0 ? null : FiniteNumbers.Of(ritz[0]),
            ritz.Length == 0 ? null : FiniteNumbers.Of(ritz[^1]));
    }

    /// <summary>What a method found, before it is put into words and numbers that JSON has.</summary>
    private sealed record Finding(
        Outcome Outcome, string Message, Vector Phi, Vector Gradient, double InnerGradientNorm, Vector? U, ErrorBound Bound, ErrorConstants Constants, LinearSolve? LinearSolve, SolveCounts Counts);
}
