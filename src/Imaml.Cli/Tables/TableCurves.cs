// The cells of a table along their training: the error on validation classes against time and against tasks, one figure a setting.

using Imaml.Cli.Plots;
using Imaml.Cli.Results;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Tables;

/// <summary>Draws a table's runs.</summary>
internal static class TableCurves
{
    /// <summary>Draws the figures again from the file of a table.</summary>
    /// <exception cref="FormatException">A point of a curve is none.</exception>
    public static void Redraw(ResultFolder folder, string table)
    {
        var file = folder.ReadJson<TableFile>($"{table}.json");
        if (file.Cells.SelectMany(cell => cell.Runs).FirstOrDefault(run => !run.Curve.All(point => point.Tasks > 0 && RunSeconds.AreSound(point.ComputeSeconds) && CurveLine.IsShare(point.Accuracy))) is { } odd)
        {
            throw new FormatException($"the curve of {odd.Cell}, seed {odd.Seed}, has a point that no validation can have");
        }

        Draw(folder, file);
    }

    /// <summary>Writes a figure for each setting with a run that has validated.</summary>
    public static void Draw(ResultFolder folder, TableFile file)
    {
        foreach (var setting in file.Cells.GroupBy(cell => cell.Setting))
        {
            (string Method, IReadOnlyList<CurvePoint> Curve)[] runs = [.. setting.SelectMany(cell => cell.Runs.Where(run => run.Curve.Count > 0).Select(run => (cell.Method, run.Curve)))];
            if (runs.Length > 0)
            {
                folder.WriteFigure($"{file.Table}-{setting.Key}", Panels(setting.Key, runs));
            }
        }
    }

    private static PlotPanel[] Panels(string setting, IReadOnlyList<(string Method, IReadOnlyList<CurvePoint> Curve)> runs)
    {
        PlotPanel Panel(string title, string x, Func<CurvePoint, double> place) => new(
            title,
            new PlotAxis(x, Plots.Scale.Logarithmic),
            new PlotAxis("error on validation classes, %", Plots.Scale.Logarithmic),
            [.. runs.Select(run => new PlotCurve(run.Method, PlotStyle.Methods[run.Method], [.. run.Curve.Select(place)], [.. run.Curve.Select(point => 100 * (1 - point.Accuracy))]))]);
        return [Panel($"{setting}: at equal time", "seconds of training", point => point.ComputeSeconds), Panel($"{setting}: at an equal number of tasks", "tasks", point => point.Tasks)];
    }
}
