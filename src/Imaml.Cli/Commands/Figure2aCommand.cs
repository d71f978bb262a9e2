// imaml reproduce fig2a: the errors of MAML's and iMAML's meta-gradients against the exact one. The experiment is in Imaml.Theory; this
// command draws and writes it.

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Results;
using Imaml.Nets.Runs;
using Imaml.Theory;

namespace Imaml.Cli.Commands;

/// <summary>The options and the fixed parameters.</summary>
internal sealed record Figure2aOptions(int Problems, int Seed, int Parameters, int SupportExamples, int QueryExamples, double InputCondition, double Condition, IReadOnlyList<int> InnerSteps);

/// <summary>Medians over the problems, and the band from the 10 % to the 90 % quantile.</summary>
internal sealed record Figure2aSummary(Figure2aMethod Method, IReadOnlyList<int> InnerSteps, IReadOnlyList<int> Work, IReadOnlyList<double> Median, IReadOnlyList<double> Low, IReadOnlyList<double> High);

/// <summary>One error over another after a number of inner steps: the median over the problems and the band.</summary>
internal sealed record Figure2aRatio(int InnerSteps, double Median, double Low, double High);

/// <summary>A method in two numbers, of the median exact-solve error over the problems.</summary>
/// <param name="Method">The method.</param>
/// <param name="Final">The error at the largest number of inner steps.</param>
/// <param name="WorkToThousandth">Gradients and products at the first point of the figure with an error of at most 10⁻³; null where there is none.</param>
internal sealed record Figure2aReached(Figure2aMethod Method, double Final, int? WorkToThousandth);

/// <summary>The result file; single points are in the CSV next to it.</summary>
/// <param name="Options">The experiment.</param>
/// <param name="Provenance">The program and the machine.</param>
/// <param name="Nearer">On how many pairs of a problem and a number of inner steps iMAML with 5 CG steps is nearer than MAML.</param>
/// <param name="Pairs">Of how many, where MAML's error is above rounding.</param>
/// <param name="LargestRatio">The largest median of <paramref name="Ratio"/>.</param>
/// <param name="Ratio">The exact-solve error of iMAML with 5 CG steps over MAML's on the same problem.</param>
/// <param name="Methods">Each method in two numbers.</param>
/// <param name="Claims">The paper's statements about the figure, checked.</param>
/// <param name="ExactSolveError">Relative.</param>
/// <param name="ApproximateSolveError">Relative.</param>
internal sealed record Figure2aFile(
    Figure2aOptions Options,
    Provenance Provenance,
    int Nearer,
    int Pairs,
    double LargestRatio,
    IReadOnlyList<Figure2aRatio> Ratio,
    IReadOnlyList<Figure2aReached> Methods,
    IReadOnlyList<LedgerEntry> Claims,
    IReadOnlyList<Figure2aSummary> ExactSolveError,
    IReadOnlyList<Figure2aSummary> ApproximateSolveError);

internal static class Figure2aCommand
{
    private const int DefaultProblems = 24;

    public static Command Create(CancellationToken stop)
    {
        var output = SharedOptions.Folder(new Option<string>("--out") { Description = "Folder for the figures and numbers", HelpName = "DIR", DefaultValueFactory = _ => "imaml-fig2a" });
        var problems = SharedOptions.AtLeast(new Option<int>("--problems") { Description = "Random problems", HelpName = "n", DefaultValueFactory = _ => DefaultProblems }, 1);
        var seed = SharedOptions.AtLeast(new Option<int>("--seed") { Description = "Seed of the problems", HelpName = "S", DefaultValueFactory = _ => 1 }, 0);
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table" };
        var command = new Command("fig2a", "Figure 2(a): the error of MAML's and iMAML's meta-gradients on ill-conditioned linear regressions") { output, problems, seed, json };
        command.SetAction(parsed =>
        {
            return Run(parsed.GetValue(problems), parsed.GetValue(seed), parsed.GetRequiredValue(output), parsed.GetValue(json), stop);
        });
        return command;
    }

    private static int Run(int problems, int seed, string output, bool json, CancellationToken stop)
    {
        using var folder = new ResultFolder(output);
        var points = ProgressBar.Run($"{problems} problems", progress => Measure(problems, seed, progress, stop));
        var claims = Figure2aClaims.ofPoints(points).Select(claim => ClaimModule.check(Extent.Quick, claim)).ToArray();
        var file = File(problems, seed, points, claims);
        Draw(folder, points);
        folder.Write("fig2a.csv", Table(points));
        folder.WriteJson("fig2a.json", file);
        if (json)
        {
            Terminal.Document(JsonSerializer.Serialize(file, RunJson.Indented));
        }
        else
        {
            LedgerReport.Print(claims);
            Terminal.Line($"iMAML with 5 CG steps is nearer than MAML on {file.Nearer} of {file.Pairs} pairs of a problem and a number of inner steps where MAML's error is above rounding");
        }

        return LedgerReport.Verdict(claims);
    }

    /// <summary>Draws the figures again from fig2a.csv.</summary>
    public static void Redraw(ResultFolder folder) => Draw(folder, [
        .. Csv.Rows(folder.Read("fig2a.csv")).Select(row => new Figure2aPoint(
            int.Parse(row["problem"], CultureInfo.InvariantCulture),
            int.Parse(row["problem_seed"], CultureInfo.InvariantCulture),
            Enum.Parse<Figure2aMethod>(row["method"], ignoreCase: true),
            int.Parse(row["inner_steps"], CultureInfo.InvariantCulture),
            Csv.Number(row["exact_solve_error"]),
            Csv.Number(row["approximate_solve_error"]),
            Csv.Number(row["certificate"]),
            Csv.Number(row["exact_rounding"]),
            int.Parse(row["gradients"], CultureInfo.InvariantCulture),
            int.Parse(row["hessian_products"], CultureInfo.InvariantCulture)))]);

    private static void Draw(ResultFolder folder, IReadOnlyList<Figure2aPoint> points)
    {
        foreach (var (name, panels) in new Figure2aPlots(points).All())
        {
            folder.WriteFigure(name, panels);
        }
    }

    private static Figure2aPoint[] Measure(int problems, int seed, IProgress<double> progress, CancellationToken stop)
    {
        var points = new List<Figure2aPoint>();
        foreach (var (number, problemSeed) in Figure2a.problemSeeds(seed, problems).Index())
        {
            stop.ThrowIfCancellationRequested();
            points.AddRange(Figure2a.problem(number, problemSeed));
            progress.Report((number + 1.0) / problems);
        }

        return [.. points];
    }

    private static Figure2aFile File(int problems, int seed, Figure2aPoint[] points, CheckedClaim[] claims)
    {
        var options = new Figure2aOptions(
            problems, seed, Figure2aProblem.dimension, Figure2aProblem.supportExamples, Figure2aProblem.queryExamples, Figure2aProblem.inputCondition, Figure2aProblem.condition, Figure2a.innerSteps);
        var (nearer, pairs) = Figure2aClaims.pairs(points);
        var ratio = Figure2aClaims.ratio(points);
        Figure2aSummary[] exact = [.. Summaries(points, p => p.ExactSolveError)];
        return new Figure2aFile(
            options,
            Provenance.WithoutLibTorch(),
            nearer,
            pairs,
            ratio.Median.Max(),
            [.. ratio.InnerSteps.Select((steps, i) => new Figure2aRatio(steps, ratio.Median[i], ratio.Low[i], ratio.High[i]))],
            [.. exact.Select(Reached)],
            [.. claims.Select(LedgerEntry.Of)],
            exact,
            [.. Summaries(points, p => p.ApproximateSolveError)]);
    }

    private static Figure2aReached Reached(Figure2aSummary curve)
    {
        const double Thousandth = 1e-3;
        var at = curve.Median.Index().Where(one => one.Item <= Thousandth).Select(one => (int?)one.Index).FirstOrDefault();
        return new Figure2aReached(curve.Method, curve.Median[^1], at is { } first ? curve.Work[first] : null);
    }

    private static IEnumerable<Figure2aSummary> Summaries(Figure2aPoint[] points, Func<Figure2aPoint, double> quantity) =>
        Figure2a.methods.Select(method => Figure2aClaims.curve(points, method, quantity))
            .Select(curve => new Figure2aSummary(curve.Method, curve.InnerSteps, curve.Work, curve.Median, curve.Low, curve.High));

    private static string Table(Figure2aPoint[] points) => Csv.Of(
        ["problem", "problem_seed", "method", "inner_steps", "exact_solve_error", "approximate_solve_error", "certificate", "gradients", "hessian_products", "exact_rounding"],
        points.Select(p => new object[]
        {
            p.Problem, p.ProblemSeed, JsonNamingPolicy.CamelCase.ConvertName(p.Method.ToString()), p.InnerSteps, p.ExactSolveError, p.ApproximateSolveError, p.Certificate, p.Gradients, p.HessianProducts, p.ExactRounding,
        }));
}
