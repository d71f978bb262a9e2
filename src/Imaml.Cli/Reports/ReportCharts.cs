// The curves of a report, as the data that its script draws.

using Imaml.Nets.Learning;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Reports;

/// <summary>One curve: all arrays are as long, and null is a number that is missing or not finite.</summary>
/// <param name="Name">The run, and what is drawn of it.</param>
/// <param name="Run">The run's number, which chooses colour and marker.</param>
/// <param name="Dashed">Whether it is the run's second curve.</param>
/// <param name="Step">Meta-steps.</param>
/// <param name="Seconds">Seconds of training.</param>
/// <param name="Value">The values.</param>
/// <param name="HalfWidth">Half the 95 % intervals, where there are any.</param>
internal sealed record ReportSeries(string Name, int Run, bool Dashed, int[] Step, double?[] Seconds, double?[] Value, double?[]? HalfWidth = null);

/// <summary>One diagram.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Percent">Whether values are fractions, shown in per cent.</param>
/// <param name="Logarithmic">Whether the axis of values is logarithmic at first.</param>
/// <param name="Series">The curves.</param>
internal sealed record ReportChart(string Title, bool Percent, bool Logarithmic, IReadOnlyList<ReportSeries> Series)
{
    /// <summary>The diagrams of runs, those with something to draw.</summary>
    public static IReadOnlyList<ReportChart> Of(IReadOnlyList<RunContents> runs, IReadOnlyList<string> names)
    {
        (RunContents Run, string Name, int Number)[] all = [.. runs.Select((run, i) => (run, names[i], i))];
        ReportChart Validation(string title, bool accuracy) => new(title, accuracy, false, [.. all.Where(one => one.Run.Classifies == accuracy).SelectMany(one => Validations(one.Run, one.Name, one.Number))]);
        ReportChart OfLog(string title, bool percent, bool logarithmic, Func<StepReport, double> of, Func<CurveLine, double>? orOfCurve = null, Func<StepReport, double>? second = null, string secondName = "") =>
            new(title, percent, logarithmic, [.. all.SelectMany(one => Training(one.Run, one.Name, one.Number, of, orOfCurve, second, secondName))]);
        ReportChart[] charts =
        [
            Validation("Validation accuracy", accuracy: true),
            Validation("Validation loss", accuracy: false),
            OfLog("Query loss L(φ), and dashed support loss L̂(φ), means of training tasks", false, false, step => step.OuterLoss, second: step => step.InnerLoss, secondName: "support loss"),
            OfLog("Accuracy on training tasks", true, false, step => step.OuterAccuracy),
            OfLog("Curvature h_max of the support loss, largest of the tasks", false, false, step => step.LargestCurvature, line => line.LargestCurvature),
            OfLog("Inner gradient norm ‖∇G(φ)‖, largest of the tasks", false, true, step => step.InnerGradientNorm, line => line.InnerGradientNorm),
            OfLog("Relative residual of the linear solve, largest of the tasks", false, true, step => step.CgResidual, line => line.CgResidual),
            OfLog("Certified relative error of the meta-gradient in the features, largest of the tasks", false, true, step => step.CertifiedError ?? double.NaN),
            OfLog("Meta-gradient norm ‖g‖", false, true, step => step.MetaGradientNorm),
            OfLog("Tasks with non-positive curvature, for each point of the curve", false, false, step => step.NonPositiveCurvature, line => line.NonPositiveCurvature),
            OfLog("Learned values, smallest, and dashed largest", false, true, step => step.Learned?.Smallest ?? double.NaN, second: step => step.Learned?.Largest ?? double.NaN, secondName: "largest"),
        ];
        return [.. charts.Where(chart => chart.Series.Count > 0)];
    }

    private static IEnumerable<ReportSeries> Validations(RunContents run, string name, int number)
    {
        ReportSeries Series(string what, bool dashed, Func<CurveLine, double?> value, Func<CurveLine, double?> halfWidth) => new(
            what, number, dashed, [.. run.Curve.Select(line => line.MetaStep)], [.. run.Curve.Select(line => Finite(line.Seconds))],
            [.. run.Curve.Select(line => Finite(value(line)))], [.. run.Curve.Select(line => Finite(halfWidth(line)))]);
        if (run.Curve.Count > 0)
        {
            yield return Series(name, false, line => line.Accuracy ?? line.Loss, line => line.HalfWidth95);
        }

        if (run.Curve.Any(line => line.Averaged is not null))
        {
            yield return Series($"{name}, averaged", true, line => line.Averaged, line => line.AveragedHalfWidth95);
        }
    }

    // Where there is no log, the curve has the worst since the validation before.
    private static IEnumerable<ReportSeries> Training(
        RunContents run, string name, int number, Func<StepReport, double> of, Func<CurveLine, double>? orOfCurve, Func<StepReport, double>? second, string secondName)
    {
        var points = run.Log.Points;
        ReportSeries Series(string what, bool dashed, Func<StepReport, double> value) => new(
            what, number, dashed, [.. points.Select(point => point.MetaStep)], [.. points.Select(point => Finite(point.Seconds))], [.. points.Select(point => Finite(value(point.Step)))]);
        ReportSeries[] found = points.Count > 0
            ? [Series(name, false, of), .. second is null ? [] : new[] { Series($"{name}, {secondName}", true, second) }]
            : orOfCurve is null ? []
            : [new ReportSeries(name, number, false, [.. run.Curve.Select(line => line.MetaStep)], [.. run.Curve.Select(line => Finite(line.Seconds))], [.. run.Curve.Select(line => Finite(orOfCurve(line)))])];
        return found.Where(series => series.Value.Any(value => value is not null && value != 0));
    }

    private static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;
}
