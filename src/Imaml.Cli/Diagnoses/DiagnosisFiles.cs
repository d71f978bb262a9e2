// The results of a diagnosis as files.
//
//     diagnosis.json            options, program and machine, and order statistics for every state
//     state-T.json              all figures of the state after T meta-steps (StateFiles.cs)
//     diagnosis-tasks.csv       a line for every state and task
//     diagnosis-errors.csv      a line for every state and pair of budgets: errors against the exact meta-gradient
//     diagnosis-curvature.*     the spectrum's ends along training, PNG, SVG and PDF
//     diagnosis-gradients.*     cosines and errors along training, PNG, SVG and PDF

using System.Globalization;
using System.Text;
using Imaml.Cli.Plots;
using Imaml.Nets.Assumptions;
using Imaml.Nets.Methods;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;

namespace Imaml.Cli.Diagnoses;

/// <summary>Writes a diagnosis.</summary>
internal static class DiagnosisFiles
{
    /// <summary>Writes every file in one piece.</summary>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public static void Write(string folder, AssumptionReport report, IReadOnlyList<StateAssumptions> states)
    {
        var method = (ImplicitMaml)report.Training.Method;
        foreach (var (name, panels) in DiagnosisFigures.All(report.States, method.Inner.Steps, method.Adjoint.Steps))
        {
            foreach (var (ending, content) in Figure.Files(panels))
            {
                AtomicFile.Write(Path.Combine(folder, name + ending), content);
            }
        }

        WriteLines(Path.Combine(folder, "diagnosis-tasks.csv"), TaskLines(states));
        WriteLines(Path.Combine(folder, "diagnosis-errors.csv"), ErrorLines(report));
        RunFolder.WriteJson(Path.Combine(folder, "diagnosis.json"), report);
    }

    private static IEnumerable<string> TaskLines(IEnumerable<StateAssumptions> states)
    {
        string[] point = ["smallest", "smallestResidual", "largest", "largestResidual", "missed", "negative", "condition", "gradientNorm"];
        string[] pairs = ["implicitFirstOrder", "implicitUnrolled", "firstOrderUnrolled", "implicitConverged", "firstOrderConverged"];
        yield return string.Join(',', [
            "metaStep", "episode", "accuracy", "displacement", "cgResidual",
            .. point.Select(name => $"theta.{name}"), .. point.Select(name => $"phi.{name}"),
            .. pairs.Select(name => $"{name}.cosine"), .. pairs.Select(name => $"{name}.distance")]);
        foreach (var state in states)
        {
            foreach (var task in state.Tasks)
            {
                Agreement[] agreements = [
                    task.Gradients.ImplicitFirstOrder, task.Gradients.ImplicitUnrolled, task.Gradients.FirstOrderUnrolled, task.Gradients.ImplicitConverged, task.Gradients.FirstOrderConverged];
                yield return Line([
                    state.MetaStep, task.Episode, task.Accuracy, task.Displacement, task.CgResidual, .. Point(task.Theta), .. Point(task.Phi),
                    .. agreements.Select(pair => pair.Cosine), .. agreements.Select(pair => pair.Distance)]);
            }
        }
    }

    private static double[] Point(PointCurvature point) =>
        [point.Smallest, point.SmallestResidual, point.Largest, point.LargestResidual, point.Missed, point.Negative, point.Condition, point.GradientNorm];

    private static IEnumerable<string> ErrorLines(AssumptionReport report)
    {
        string[] errors = ["total", "linear", "inner", "estimate"], ranks = ["median", "tenth", "ninetyHundredths"];
        yield return string.Join(',', ["metaStep", "innerSteps", "cgSteps", "tasks", .. errors.SelectMany(error => ranks.Select(rank => $"{error}.{rank}"))]);
        foreach (var state in report.States)
        {
            foreach (var cell in state.Reference.Errors)
            {
                var inner = cell.InnerSteps?.ToString(CultureInfo.InvariantCulture) ?? "exact";
                var figures = ((Quantiles?[])[cell.Total, cell.Linear, cell.Inner, cell.Estimate]).SelectMany(figure => figure is null ? ["", "", ""] : new[] { figure.Median, figure.Tenth, figure.NinetyHundredths }.Select(Number));
                yield return string.Join(',', [$"{state.MetaStep}", inner, $"{cell.CgSteps}", $"{state.Reference.Tasks}", .. figures]);
            }
        }
    }

    private static string Line(IEnumerable<double> numbers) => string.Join(',', numbers.Select(Number));

    // Six digits: further ones depend on a task's rounding.
    private static string Number(double value) => value.ToString("G6", CultureInfo.InvariantCulture);

    private static void WriteLines(string path, IEnumerable<string> lines) => AtomicFile.Write(path, Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n"))));
}
