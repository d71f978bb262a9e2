// One problem, solved by one method, with all that is known about the answer. The formulas are those of Imaml.Math, except for the rounding of differences and means that are computed here.

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

    // Of the search for an accuracy.
    private const int MostRounds = 20;

    private static readonly EstimateOptions Estimates = new(largestDense: DenseLimit, lanczosSteps: 50, powerSteps: 20, reach: 6e-6);

    private static readonly IInnerProductSpace<Vector, double> Space = new EuclideanSpace();

    private static readonly ICoordinates<Vector> Coordinates = new EuclideanCoordinates();

    private static readonly (Outcome Outcome, string Message) Diverged = (Outcome.Diverged, "G is larger at φ than at θ, where the inner solver started: lower its step, or raise λ");

    private readonly BilevelTask _task;
    private readonly OuterParameters? _parameters;
    private readonly OwnAnswer? _answer;
    private readonly SolveRequest _request;
    private readonly IRegularizer<Vector, double> _regularizer;
    private readonly IBilevelProblem<Vector, double> _problem;
    private readonly ErrorConstants _constants;
    private readonly SolverChoice _solvers;
    private readonly DenseSolution? _dense;

    private ProblemSolver(Problem problem, SolveRequest request, CancellationToken stop)
    {
        var task = problem.Task;
        (_task, _parameters, _answer, _request) = (task, problem.Parameters, problem.Answer, request);
        _regularizer = ProximalModule.regularizer(task.Proximal);
        _problem = new InterruptibleProblem<Vector, double>(BilevelTaskModule.problem(task), stop);
        _constants = BilevelTaskModule.constants(task);
        _solvers = new SolverChoice(request, _constants, task.Theta.Count);
        _dense = Small || request.Method is Method.Exact ? DenseSolution.Of(task) : null;
    }

    /// <summary>The answer to a request.</summary>
    /// <exception cref="ArgumentException">The options do not fit the method, or a step size is needed that is not known.</exception>
    /// <exception cref="OperationCanceledException">The user asked the program to stop.</exception>
    public static SolveOutcome Solve(Problem problem, SolveRequest request, CancellationToken stop)
    {
        var solver = new ProblemSolver(problem, request.Checked(), stop);
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
        var dense = _dense!;
        var phi = dense.Phi;
        if (!dense.IsFinite)
        {
            return Answer(Overflowed(phi, dense.Stationarity?.GradientNorm ?? double.NaN));
        }

        var stationarity = dense.Stationarity!;
        if (!dense.IsSolved)
        {
            return Answer(Overflowed(phi, stationarity.GradientNorm) with { Outcome = Outcome.NonPositiveCurvature, Message = SolveStatus.NonPositiveCurvature.Describe() });
        }

        var bound = Bound(phi, dense.U!);
        var (outcome, message) = stationarity switch
        {
            { IsMinimum: true } when bound.Kind is BoundKind.None && !bound.IsRefuted && !(bound.Constants.StrongConvexity <= 0) =>
                (Outcome.NonFinite, "what the error bound is made of overflows: nothing is known of g"),
            { IsMinimum: true } when bound.Kind is BoundKind.None => (Outcome.RoundingLimit, "H + Λ is so nearly singular that double precision bounds no error"),
            { IsMinimum: true } => (Outcome.Converged, "φ is the minimiser of G as far as its gradient shows; the error bound states the accuracy"),
            { SmallestCurvature: <= 0 } => (Outcome.NonPositiveCurvature, SolveStatus.NonPositiveCurvature.Describe()),
            _ => (Outcome.Stalled, InnerStatus.Stalled.Describe()),
        };
        return Answer(new(outcome, message, phi, dense.Gradient!, stationarity.GradientNorm, ByLambda(dense.ByLambda!, phi, bound), SolveBound.Of(bound), null, SolveCounts.None, dense.U));
    }

    private SolveOutcome ToAccuracy(double accuracy)
    {
        var options = new AdaptiveOptions(accuracy, MostRounds);
        var (inner, linear) = (_solvers.AccurateInner, _solvers.AccurateLinear);
        var certified = (Known, _parameters) switch
        {
            (true, { } parameters) => ForParameters(parameters, inner, linear, options),
            (true, null) => AdaptiveAccuracy.Compute(Space, _regularizer, _problem, inner, linear, [BilevelTaskModule.losses(_task)], options, _task.Theta),
            _ => AdaptiveAccuracy.Estimate(Space, Coordinates, _regularizer, _problem, inner, linear, Estimates, options, _task.Theta),
        };
        var task = certified.Tasks[0];
        var (outcome, message) = task.Status switch
        {
            CertifiedStatus.NonFinite => (Outcome.NonFinite, task.Status.Describe()),
            // Proved constants hold for every φ. Measured ones hold only near this φ, so after a divergence their bound is not used.
            _ when !Known && HasDiverged(certified.MetaGradient.Phi) => Diverged,
            CertifiedStatus.BudgetSpent when HasDiverged(certified.MetaGradient.Phi) => Diverged,
            CertifiedStatus.BudgetSpent when certified.MetaGradient.Inner.Read(Space)[0].Status is InnerStatus.Stalled => (Outcome.Stalled, InnerStatus.Stalled.Describe()),
            CertifiedStatus.Met => (Outcome.Converged, task.Status.Describe()),
            // Without a bound, Converged only means that the solvers reached their own thresholds: that is not an accuracy.
            CertifiedStatus.NoConstants when Ended(certified.MetaGradient) is { Outcome: not Outcome.Converged } ended => ended,
            var status => (status switch
            {
                CertifiedStatus.RoundingLimit => Outcome.RoundingLimit,
                CertifiedStatus.NotStronglyConvex => Outcome.NonPositiveCurvature,
                CertifiedStatus.ConstantsRefuted => Outcome.ConstantsRefuted,
                _ => Outcome.StepLimit,
            }, status switch
            {
                CertifiedStatus.RoundingLimit => "the accuracy is below what double precision can certify: ask for no less than the bound, or raise λ",
                CertifiedStatus.BudgetSpent when certified.MetaGradient.Inner.Read(Space)[0].Status is not InnerStatus.StepLimit => "no further step made the bound smaller before it reached the accuracy: ask for no less than the bound, or raise λ",
                _ => status.Describe(),
            }),
        };
        // In the adaptive search the certificate decides when a linear solve ends: the solve has no status of its own.
        var solve = LinearSolve(certified.MetaGradient) with { Status = null };
        var counts = new SolveCounts(task.Work.Gradients, task.Work.HessianProducts, task.Work.OuterGradients, task.Work.InnerSteps, task.Work.LinearSteps);
        return Answer(Found(outcome, message, certified.MetaGradient, ByLambda(certified.MetaGradient, task.Bound), SolveBound.Of(task.Bound), solve, counts));
    }

    /// <summary>To an accuracy of ∇F(z), in the form of one of g.</summary>
    private CertifiedMetaGradient<Vector, double> ForParameters(OuterParameters parameters, IInnerSolver<Vector, double> inner, ILinearSolver<Vector, double> linear, AdaptiveOptions options)
    {
        var level = new ParameterLevel(_task, _regularizer, _problem, parameters.PullBack);
        // The file's z is the only one.
        var found = AdaptiveLowerLevel.Compute(Space, Space, level, inner, linear, options, _task.Theta);
        return new(found.Gradient.Report, [new CertifiedTask(found.Statuses[0], found.Bounds[0].Lower, found.Works[0])]);
    }

    private SolveOutcome ByBudget()
    {
        var result = ImplicitMetaGradient.Compute(Space, _regularizer, _problem, _solvers.Inner(_request.InnerSteps!.Value), SolverChoice.Linear(_request.CgSteps!.Value), Thresholds.None, _task.Theta);
        var (outcome, message) = Ended(result);
        var certificate = result.IsFinite(Space) > 0.5 ? Bound(result.Phi, result.Solve.Solution) : null;
        var bound = certificate is null ? SolveBound.None("something is not finite", _constants) : SolveBound.Of(certificate);
        return Answer(Found(outcome, message, result, ByLambda(result, certificate), bound, LinearSolve(result), Counts(result)));
    }

    private SolveOutcome ByStrategy()
    {
        var steps = _request.InnerSteps!.Value;
        IMetaGradientStrategy<Vector, double> strategy = _request.Method switch
        {
            Method.Maml => new UnrolledStrategy<Vector, double>(_solvers.Path(steps)),
            Method.Truncated => new TruncatedStrategy<Vector, double>(_solvers.Path(steps), _request.Truncate!.Value),
            Method.Fomaml => new FirstOrderStrategy<Vector, double>(_solvers.Inner(steps), 0),
            Method.Reptile => new ReptileStrategy<Vector, double>(_solvers.Inner(steps), 0),
            var method => throw new InvalidOperationException($"{method} is not a strategy"),
        };
        var result = strategy.Compute(Space, _regularizer, _problem, _task.Theta);
        var (outcome, message) = Ended(result);
        var bound = SolveBound.None("only implicit and exact have one; the distance to the exact meta-gradient is the true error, where there is a dense solution", Constants(result.Phi));
        return Answer(Found(outcome, message, result, null, bound, null, Counts(result)));
    }

    private static Finding Found(Outcome outcome, string message, MetaGradient<Vector, double> result, LambdaGradient? byLambda, SolveBound bound, LinearSolve? linear, SolveCounts counts) =>
        new(
            outcome,
            message,
            result.Phi,
            result.Gradient,
            result.InnerGradientNorm,
            byLambda,
            bound,
            linear,
            byLambda is null ? counts : counts with
            {
                // dL/dΛ linearizes once more at φ.
                Gradients = counts.Gradients + 1,
                HessianProducts = counts.HessianProducts + byLambda.Products,
            },
            linear is null ? null : result.Solve.Solution);

    private Finding Overflowed(Vector phi, double gradientNorm)
    {
        var nothing = Vector.Build.Dense(phi.Count, double.NaN);
        return new(Outcome.NonFinite, Finding.Overflow, phi, nothing, gradientNorm, null, SolveBound.None("something is not finite", _constants), null, SolveCounts.None);
    }

    private SolveOutcome Answer(Finding found)
    {
        var phi = found.Phi;
        var dense = Small ? _dense!.OrLower(phi) : _dense;
        var exact = Small && dense!.IsMinimum ? dense : null;
        var exactBound = exact is null ? null : Bound(exact.Phi, exact.U!);
        found = found.Judged(_dense, exact, exactBound);

        // The search ends with u = 0 where the inner solver never came close enough for a linear solve. With parameters the accuracy is that of their gradient, for
        // which u = 0 may be enough.
        var solved = _request.Accuracy is null || found.Counts.LinearSteps > 0 || found.Bound.SolveError <= _request.Accuracy || (_parameters is not null && found.Outcome is Outcome.Converged);
        var message = found.Message + (solved ? "" : "; g was not computed, since no bound on φ was close enough to the accuracy");
        var bound = solved ? found.Bound : SolveBound.None("g was not computed", found.Bound.Constants);
        return new SolveOutcome(
            found.Outcome,
            message,
            _request.Method,
            phi.Count,
            _request.Accuracy,
            _solvers.StepSize,
            FiniteNumbers.Of(phi),
            solved ? FiniteNumbers.Of(found.Gradient) : new double?[phi.Count],
            solved && found.ByLambda is { } byLambda ? FiniteNumbers.Of(byLambda.Gradient) : null,
            found.ByLambda is { } bounded && bound.Kind is not BoundKind.None ? FiniteNumbers.Of(bounded.ErrorBound) : null,
            FiniteNumbers.Of(_task.Inner.Value.Invoke(phi)),
            FiniteNumbers.Of(_task.Outer.Value.Invoke(phi)),
            FiniteNumbers.Of(found.InnerGradientNorm),
            FiniteNumbers.Of(bound.InnerError),
            FiniteNumbers.Of(bound.SolveError),
            FiniteNumbers.Of(bound.Total),
            FiniteNumbers.Of(bound.Rounding),
            bound.Kind,
            bound.Reason is { Length: > 0 } reason ? reason : null,
            TheoremConstants.Of(bound.Constants),
            found.LinearSolve,
            exact?.Report(exactBound!.Total),
            exact is null || !solved ? null : FiniteNumbers.Of(Space.Norm(found.Gradient - exact.Gradient!)),
            found.Counts,
            _parameters is null ? null : Judge.Parameters(found.Phi, solved ? found.Solution : null, solved ? "only implicit and exact solve a linear system" : "no linear system was solved", found.Bound, exact, exactBound),
            _answer is null ? null : Judge.Answer(_answer, exact, exactBound));
    }

    private AnswerJudge Judge => new(_task, _regularizer, _problem, _parameters, Bound);

    /// <summary>dL/dΛ by conjugate gradients; null where φ or u is not finite.</summary>
    private LambdaGradient? ByLambda(MetaGradient<Vector, double> result, Certificate? certificate)
    {
        if (certificate is null || !result.Phi.ForAll(double.IsFinite) || !result.Solve.Solution.ForAll(double.IsFinite))
        {
            return null;
        }

        return ByLambda(BilevelTaskModule.refinedRegularizerGradient(_task, _problem, _solvers.Refining, result), result.Phi, certificate);
    }

    private LambdaGradient ByLambda(RegularizerGradient<Vector, double, ProximalGradient> gradient, Vector phi, Certificate certificate) =>
        new(gradient.Gradient, RegularizerGradientBound.Of(Space, _regularizer, [certificate], _task.Theta, phi, gradient)[0].Total, (int)gradient.Products);

    private bool Small => _task.Theta.Count <= DenseLimit;

    private bool Known => _task.Inner.Kind is BoundKind.Certified && _task.Outer.Kind is BoundKind.Certified;

    /// <summary>The task's constants where they are known, else as measured at φ; none where φ is not finite or G is not convex there.</summary>
    private ErrorConstants Constants(Vector phi) =>
        Known || !phi.ForAll(double.IsFinite)
            ? _constants
            : EstimatedConstants.At(Space, Coordinates, _regularizer, _problem, Estimates, _task.Theta, phi)[0];

    /// <summary>The bound for this φ and u, with constants that are known, or measured here.</summary>
    private Certificate Bound(Vector phi, Vector u) => Known
        ? Certificate.OfSolution(Space, _regularizer, _problem, [BilevelTaskModule.losses(_task)], _task.Theta, phi, u)[0]
        : Certificate.Estimate(Space, Coordinates, _regularizer, _problem, Estimates, _task.Theta, phi, u)[0];

    private static SolveCounts Counts(MetaGradient<Vector, double> result)
    {
        var cost = result.Cost(Space)[0];
        return new(cost.Gradients, cost.HessianProducts, cost.OuterGradients, (int)result.Inner.Counts.Steps, (int)result.Solve.Counts.Steps);
    }

    private bool HasDiverged(Vector phi) => StationarityModule.hasDiverged(_task, _task.Theta, phi);

    /// <summary>How the two solves ended, the worse of them.</summary>
    private (Outcome Outcome, string Message) Ended(MetaGradient<Vector, double> result)
    {
        var inner = result.Inner.Read(Space)[0].Status;
        var linear = result.Solve.Read(Space)[0].Status;
        var finite = result.Gradient.ForAll(double.IsFinite);
        return (inner, linear) switch
        {
            (InnerStatus.NonFinite, _) => (Outcome.NonFinite, inner.Describe()),
            (_, SolveStatus.NonFinite) => (Outcome.NonFinite, linear.Describe()),
            _ when !finite => (Outcome.NonFinite, "numbers overflow: g is not finite"),
            _ when HasDiverged(result.Phi) => Diverged,
            (_, SolveStatus.NonPositiveCurvature) => (Outcome.NonPositiveCurvature, linear.Describe()),
            (InnerStatus.Stalled, _) => (Outcome.Stalled, inner.Describe()),
            (InnerStatus.Converged, SolveStatus.Converged or SolveStatus.ZeroRightHandSide or SolveStatus.NotMade) => (Outcome.Converged, inner.Describe()),
            _ => (Outcome.StepLimit, _request.InnerSteps is { } steps
                ? $"the budget of {Steps(steps, "inner")}{(_request.CgSteps is { } linearSteps ? $" and {Steps(linearSteps, "linear")}" : "")} was used"
                : "the solvers' own budgets of steps were used"),
        };
    }

    private static string Steps(int number, string kind) => $"{number} {kind} step{(number == 1 ? "" : "s")}";

    private static LinearSolve LinearSolve(MetaGradient<Vector, double> result)
    {
        var solve = result.Solve.Read(Space)[0];
        var ritz = solve.RitzValues;
        return new(
            solve.Status,
            FiniteNumbers.Of(solve.RelativeResidual),
            FiniteNumbers.Of(solve.SmallestCurvature),
            ritz.Length == 0 ? null : FiniteNumbers.Of(ritz[0]),
            ritz.Length == 0 ? null : FiniteNumbers.Of(ritz[^1]));
    }
}
