// imaml reproduce table1: the cost of each method, as measured slopes next to the paper's O(·). The experiment is in Imaml.Theory; this
// command prints, draws and writes it.

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Results;
using Imaml.Nets.Runs;
using Imaml.Theory;
using Spectre.Console;

namespace Imaml.Cli.Commands;

/// <summary>The result file; single points are in the CSV next to it.</summary>
/// <param name="Problems">Random problems, each solved by every method.</param>
/// <param name="Seed">Of the first problem; the next have the next seeds.</param>
/// <param name="Dimension">d.</param>
/// <param name="Accuracy">r = δ/D where κ varies.</param>
/// <param name="Condition">κ where r varies.</param>
/// <param name="Provenance">The program and the machine.</param>
/// <param name="Rows">The table.</param>
/// <param name="Claims">The table's statements, checked.</param>
internal sealed record Table1File(int Problems, int Seed, int Dimension, double Accuracy, double Condition, Provenance Provenance, IReadOnlyList<Table1Row> Rows, IReadOnlyList<LedgerEntry> Claims);

internal static class Table1Command
{
    public static Command Create(CancellationToken stop)
    {
        var output = SharedOptions.Folder(new Option<string>("--out") { Description = "Folder for the figure and numbers", HelpName = "DIR", DefaultValueFactory = _ => "imaml-table1" });
        var seed = SharedOptions.AtLeast(new Option<int>("--seed") { Description = "Seed of the problems", HelpName = "S", DefaultValueFactory = _ => 1 }, 0);
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table" };
        var command = new Command("table1", "Table 1: compute and memory of the four methods, as slopes measured on the code that runs") { output, seed, json };
        command.SetAction(parsed =>
        {
            return Run(parsed.GetValue(seed), parsed.GetRequiredValue(output), parsed.GetValue(json), stop);
        });
        return command;
    }

    private static int Run(int seed, string output, bool json, CancellationToken stop)
    {
        using var folder = new ResultFolder(output);
        var problems = Table1.Count(Extent.Full);
        var result = ProgressBar.Run($"{problems} problems", progress => Measure(problems, seed, progress, stop));
        var claims = Table1Claims.ofResult(result).Select(claim => ClaimModule.check(Extent.Quick, claim)).ToArray();
        var file = new Table1File(
            problems, seed, result.Dimension, result.Accuracy, Table1.Condition, Provenance.WithoutLibTorch(), result.Rows, [.. claims.Select(LedgerEntry.Of)]);
        Draw(folder, file, result.Points);
        folder.Write("table1.csv", Points(result));
        folder.Write("table1.md", Table1Report.Markdown(file, claims));
        folder.WriteJson("table1.json", file);
        if (json)
        {
            Terminal.Document(JsonSerializer.Serialize(file, RunJson.Indented));
        }
        else
        {
            Table1Report.Print(file);
            LedgerReport.Print(claims);
        }

        return LedgerReport.Verdict(claims);
    }

    /// <summary>Draws the figure again from table1.json and table1.csv.</summary>
    public static void Redraw(ResultFolder folder)
    {
        int Whole(string cell) => int.Parse(cell, CultureInfo.InvariantCulture);
        var file = folder.ReadJson<Table1File>("table1.json");
        var points = Csv.Rows(folder.Read("table1.csv")).Select(row => new Table1Point(
            Enum.Parse<Table1Method>(row["method"], ignoreCase: true),
            Whole(row["problem_seed"]),
            Csv.Number(row["condition"]),
            Csv.Number(row["accuracy"]),
            Whole(row["inner_steps"]),
            Whole(row["kept_steps"]),
            Whole(row["cg_steps"]),
            Whole(row["gradients"]),
            Whole(row["hessian_products"]),
            Whole(row["vectors"]),
            Csv.Number(row["inner_error"]),
            Csv.Number(row["error"]),
            exactSolveError: double.NaN,
            Csv.Number(row["error_bound"])));
        Draw(folder, file, [.. points.Where(point => point.Accuracy == file.Accuracy)]);
    }

    private static void Draw(ResultFolder folder, Table1File file, IReadOnlyList<Table1Point> points) => folder.WriteFigure("table1", Table1Plots.Panels(file.Accuracy, file.Rows, points));

    private static Table1Result Measure(int problems, int seed, IProgress<double> progress, CancellationToken stop)
    {
        var points = new List<Table1Point[]>();
        foreach (var problem in Table1.Measure(Extent.Full, seed))
        {
            points.Add(problem);
            progress.Report((double)points.Count / problems);
            stop.ThrowIfCancellationRequested();
        }

        return Table1.Summarize(seed, points);
    }

    private static string Points(Table1Result result) => Csv.Of(
        ["method", "problem_seed", "condition", "accuracy", "inner_steps", "kept_steps", "cg_steps", "gradients", "hessian_products", "vectors", "inner_error", "error", "error_bound"],
        result.Points.Union(result.AccuracyPoints).Select(p => new object[]
        {
            JsonNamingPolicy.CamelCase.ConvertName(p.Method.ToString()), p.Seed, p.Condition, p.Accuracy, p.Steps, p.KeptSteps, p.LinearSteps, p.Gradients, p.HessianProducts, p.Vectors, p.InnerError, p.Error, p.ErrorBound,
        }));
}
