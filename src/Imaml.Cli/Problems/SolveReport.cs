// The answer of `imaml solve` for people.

using System.Globalization;
using Imaml.Math;

namespace Imaml.Cli.Problems;

/// <summary>Prints answers.</summary>
internal static class SolveReport
{
    private const int Shown = 8;

    /// <summary>Writes the answer to the output stream.</summary>
    public static void Print(Problem problem, SolveOutcome outcome) => TextTable.PrintFacts(Rows(problem, outcome));

    /// <summary>Writes the answers of several tasks, and their mean.</summary>
    public static void Print(IReadOnlyList<Problem> problems, MeanOutcome mean)
    {
        for (var i = 0; i < problems.Count; i++)
        {
            TextTable.PrintFacts(Rows(problems[i], mean.Tasks[i]).Prepend(("task", $"{i + 1} of {problems.Count}")));
            Terminal.Line("");
        }

        TextTable.PrintFacts(Mean(problems.Count, mean));
    }

    private static IEnumerable<(string Name, string Value)> Mean(int count, MeanOutcome mean)
    {
        yield return ("mean", $"of {Count(count, "task")}");
        yield return ("outer loss", Number(mean.OuterLoss));
        yield return ("meta-gradient", mean.MetaGradient is { } gradient ? Vector(gradient) : "not computed for every task");
        yield return ("its error bound", Bound(mean.BoundKind, mean.ErrorBound, "not every task has one"));
        if (mean.Tasks[0].Parameters is not null)
        {
            yield return ("in the parameters", mean.ParameterGradient is { } byParameters ? Vector(byParameters) : "not computed for every task");
            yield return ("its error bound", Bound(mean.ParameterBoundKind, mean.ParameterErrorBound, "not every task has one"));
        }
    }

    /// <summary>The lines of the report, each with its name.</summary>
    public static IEnumerable<(string Name, string Value)> Rows(Problem problem, SolveOutcome outcome)
    {
        yield return ("problem", $"{problem.InnerKind} / {problem.OuterKind}, d = {outcome.Dimension}, Λ {problem.RegularizerKind}");
        yield return ("method", Method(outcome));
        yield return ("status", $"{Words(outcome.Status)}: {outcome.Message}");
        yield return ("φ", Vector(outcome.Phi));
        yield return ("meta-gradient g", outcome.MetaGradient.All(value => value is null) ? "not computed" : Vector(outcome.MetaGradient));
        yield return ("dL/dΛ", outcome.RegularizerGradient is { } gradient ? Shape(gradient) : outcome.Method is Problems.Method.Implicit or Problems.Method.Exact ? "not computed" : "not computed: only implicit and exact solve (H+Λ)u = ∇L(φ)");
        if (outcome.RegularizerGradient is not null)
        {
            yield return ("its error bound", outcome.RegularizerGradientBound is { } byLambda ? $"{Number(byLambda)}, {Words(outcome.BoundKind)}" : "none");
        }

        yield return ("losses", $"inner {Number(outcome.InnerLoss)}, outer {Number(outcome.OuterLoss)}");
        yield return ("‖∇G(φ, θ)‖", Number(outcome.InnerGradientNorm));
        yield return ("constants", Constants(outcome.Constants));
        if (outcome.LinearSolve is { } solve)
        {
            yield return ("linear solve", Linear(solve));
        }

        yield return ("error bound", Bound(outcome));
        yield return ("true error", outcome switch
        {
            { Method: Problems.Method.Exact } => "this is the dense solve that others are measured against",
            { Error: { } error } => $"{Number(error)}, against dense solves{(outcome.Exact?.ErrorBound is { } bound ? $", themselves within {Number(bound)}" : "")}",
            { Exact: not null } => "not known: g was not computed",
            _ => "not known: no dense solution",
        });
        if (outcome.Exact is { } exact)
        {
            yield return ("exact φ", Vector(exact.Phi));
            yield return ("exact g", Vector(exact.MetaGradient));
            if (exact.RegularizerGradient is { } exactGradient)
            {
                yield return ("exact dL/dΛ", Shape(exactGradient));
            }
        }

        foreach (var row in outcome.Parameters is { } parameters ? Parameters(parameters) : [])
        {
            yield return row;
        }

        foreach (var row in outcome.Answer is { } answer ? Answer(answer) : [])
        {
            yield return row;
        }

        yield return ("cost", Cost(outcome.Counts));
    }

    private static IEnumerable<(string Name, string Value)> Parameters(ParameterOutcome parameters)
    {
        yield return ("parameters", parameters.Kind);
        yield return ("gradient in them", parameters.Gradient is { } gradient ? Vector(gradient) : "not computed");
        yield return ("its error bound", Bound(parameters.BoundKind, parameters.ErrorBound, parameters.BoundReason));
        yield return ("its true error", True(parameters));
        if (parameters.Exact is { } exact)
        {
            yield return ("exact gradient", Vector(exact));
        }
    }

    private static IEnumerable<(string Name, string Value)> Answer(AnswerOutcome answer)
    {
        yield return ("your ‖∇G(φ, θ)‖", Number(answer.InnerGradientNorm));
        yield return ("your φ", $"{(answer.BoundKind is BoundKind.None ? "no bound on its error" : $"error at most {Number(answer.InnerError)}, {Words(answer.BoundKind)}")}{(answer.PhiError is { } distance ? $"; true error {Number(distance)}" : "")}");
        yield return ("your gradient", $"error bound {Bound(answer.BoundKind, answer.ErrorBound, answer.BoundReason)}{(answer.Error is { } error ? $"; true error {Number(error)}" : "")}");
    }

    private static string Bound(BoundKind kind, double? total, string? reason) => kind is BoundKind.None ? $"none: {reason}" : $"{Number(total)}, {Words(kind)}";

    private static string True(ParameterOutcome parameters) => parameters switch
    {
        { Error: { } error } => $"{Number(error)}, against dense solves{(parameters.ExactErrorBound is { } bound ? $", themselves within {Number(bound)}" : "")}",
        { Exact: not null } => "not known: the gradient was not computed",
        _ => "not known: no dense solution",
    };

    private static string Method(SolveOutcome outcome) =>
        Words(outcome.Method)
        + (outcome.Accuracy is { } accuracy ? $", to accuracy {Number(accuracy)}" : "")
        + (outcome.StepSize is { } step ? $", step {Number(step)}" : "");

    private static string Constants(TheoremConstants c) =>
        $"{Words(c.Kind)}: µ {Known(c.StrongConvexity)}, β {Known(c.Smoothness)}, κ {Known(c.Condition)}, L {Known(c.OuterSmoothness)}, ρ {Known(c.HessianLipschitz)}";

    private static string Linear(LinearSolve solve) =>
        (solve.Status is { } status ? $"{Words(status)}, " : "")
        + $"relative residual {Number(solve.RelativeResidual)}, smallest curvature {Known(solve.SmallestCurvature)}"
        + (solve.SmallestRitzValue is { } smallest ? $", Ritz values {Number(smallest)} to {Number(solve.LargestRitzValue)}" : "");

    private static string Bound(SolveOutcome outcome) =>
        outcome.BoundKind is BoundKind.None
            ? $"none: {outcome.BoundReason}"
            : $"{Number(outcome.ErrorBound)}, {Words(outcome.BoundKind)} (δ ≤ {Number(outcome.InnerError)}, δ′ ≤ {Number(outcome.SolveError)}, rounding {Number(outcome.RoundingError)})";

    private static string Cost(SolveCounts counts) =>
        counts == SolveCounts.None
            ? "dense solves"
            : $"{Count(counts.Gradients, "gradient")}, {Count(counts.HessianProducts, "Hessian–vector product")}, {Count(counts.OuterGradients, "outer gradient")} ({Count(counts.InnerSteps, "inner step")}, {Count(counts.LinearSteps, "linear step")})";

    private static string Count(int number, string what) => string.Create(CultureInfo.InvariantCulture, $"{number} {what}{(number == 1 ? "" : "s")}");

    // As in JSON, but with spaces: step limit, non positive curvature.
    private static string Words(Enum value) => string.Concat(value.ToString().Select((c, i) => i > 0 && char.IsUpper(c) ? $" {char.ToLowerInvariant(c)}" : $"{char.ToLowerInvariant(c)}"));

    private static string Number(double? value) => value is { } number ? number.ToString("G6", CultureInfo.InvariantCulture) : "not finite";

    private static string Known(double? value) => value is null ? "not known" : Number(value);

    private static string Vector(IReadOnlyList<double?> values) =>
        $"({string.Join(", ", values.Take(Shown).Select(Number))}{(values.Count > Shown ? $", … {values.Count - Shown} more" : "")})";

    private static string Shape(object gradient) => gradient switch
    {
        double number => Number(number),
        double?[] values => Vector(values),
        double?[][] rows => string.Join("\n", rows.Take(Shown).Select(Vector)) + (rows.Length > Shown ? $"\n… {rows.Length - Shown} more rows" : ""),
        _ => throw new InvalidOperationException($"{gradient} is not a gradient of a regulariser"),
    };
}
