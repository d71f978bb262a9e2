// The answer of `imaml solve` for people.

using System.Globalization;
using Imaml.Math;
using Spectre.Console;

namespace Imaml.Cli.Problems;

/// <summary>Prints answers.</summary>
internal static class SolveReport
{
    private const int Shown = 8;

    /// <summary>Writes the answer to the output stream.</summary>
    public static void Print(Problem problem, SolveOutcome outcome)
    {
        var table = new Table { Border = TableBorder.None, ShowHeaders = false };
        table.AddColumn(new TableColumn("").NoWrap());
        table.AddColumn(new TableColumn(""));
        void Row(string name, string value) => table.AddRow(Markup.Escape(name), Markup.Escape(value));

        Row("problem", $"{problem.InnerKind} / {problem.OuterKind}, d = {problem.Task.Theta.Count}, Λ {problem.RegularizerKind}");
        Row("method", outcome.Method.ToString().ToLowerInvariant());
        Row("status", outcome.Message);
        Row("φ", Vector(outcome.Phi));
        Row("meta-gradient g", Vector(outcome.MetaGradient));
        if (outcome.RegularizerGradient is { } gradient)
        {
            Row("dL/dΛ", Shape(gradient));
        }

        Row("losses", $"inner {Number(outcome.InnerLoss)}, outer {Number(outcome.OuterLoss)}");
        Row("‖∇G(φ, θ)‖", Number(outcome.InnerGradientNorm));
        Row("error bound", outcome.BoundKind is BoundKind.None ? "none" : $"{Number(outcome.ErrorBound)}, {outcome.BoundKind.ToString().ToLowerInvariant()} (δ ≤ {Number(outcome.InnerError)}, δ′ ≤ {Number(outcome.SolveError)})");
        Row("true error", outcome.Error is { } error ? $"{Number(error)}, against dense solves" : "not known: no dense solution");
        if (outcome.Exact is { } exact)
        {
            Row("exact g", Vector([.. exact.MetaGradient]));
        }

        var counts = outcome.Counts;
        Row("cost", $"{counts.Gradients} gradients, {counts.HessianProducts} Hessian–vector products, {counts.OuterGradients} outer gradients ({counts.InnerSteps} inner steps, {counts.LinearSteps} linear steps)");
        Terminal.Out.Write(table);
    }

    private static string Number(double? value) => value is { } number ? number.ToString("G6", CultureInfo.InvariantCulture) : "not finite";

    private static string Vector(IReadOnlyList<double?> values) =>
        $"({string.Join(", ", values.Take(Shown).Select(Number))}{(values.Count > Shown ? $", … {values.Count - Shown} more" : "")})";

    private static string Shape(object gradient) => gradient switch
    {
        double number => Number(number),
        double[] values => Vector([.. values]),
        double[][] rows => string.Join("\n", rows.Take(Shown).Select(row => Vector([.. row]))),
        _ => throw new InvalidOperationException($"{gradient} is no gradient of a regulariser"),
    };
}
