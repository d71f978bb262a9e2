// The page of `imaml report`: one file without links, that a browser opens offline. Its policy allows no connection and no script but its own, so that
// no text in a run's files can run as a script.

using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Reports;

/// <summary>Writes pages.</summary>
internal static class ReportPage
{
    private const int NamesInTitle = 3;

    // Strict JSON, with < > & escaped: it stands in the page itself.
    private static readonly JsonSerializerOptions Data = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>The page.</summary>
    public static string Render(IReadOnlyList<RunContents> runs)
    {
        var names = Names(runs);
        var (script, style, charts) = (Resource("report.js"), Resource("report.css"), ReportChart.Of(runs, names));
        var trusted = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script)));
        return Html.Of(
            $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{new Html(trusted)}'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{(runs.Count <= NamesInTitle ? string.Join(", ", names) : $"{runs.Count} runs")} – imaml report</title>
            <style>{new Html(style)}</style>
            </head>
            <body>
            <header><h1>{(runs.Count == 1 ? names[0] : $"{runs.Count} runs")}</h1><p>{string.Join(" · ", runs.Select(run => run.Tasks).Distinct())}</p></header>
            <main>
            {Overview(runs, names)}
            {Charts(charts)}
            {Statuses(runs, names)}
            {Evaluations(runs, names)}
            {Comparisons(runs, names)}
            {Options(runs, names)}
            {Origins(runs, names)}
            </main>
            <script type="application/json" id="report-data">{new Html(JsonSerializer.Serialize(charts, Data))}</script>
            <script>{new Html(script)}</script>
            </body>
            </html>

            """).Markup;
    }

    /// <summary>A different name for each run: its folder's, or as much of the path as differs.</summary>
    public static IReadOnlyList<string> Names(IReadOnlyList<RunContents> runs)
    {
        string[][] paths = [.. runs.Select(run => run.Folder.FolderPath.Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))];
        for (var parts = 1; ; parts++)
        {
            string[] names = [.. paths.Select(path => string.Join('/', path.TakeLast(parts)))];
            if (names.Distinct(StringComparer.Ordinal).Count() == names.Length || parts >= paths.Max(path => path.Length))
            {
                return names;
            }
        }
    }

    private static Html Overview(IReadOnlyList<RunContents> runs, IReadOnlyList<string> names) => Section("Runs", Html.Join([
        Table(
            ["run", "state", "method", "tasks", "meta-steps", "best validation", "at", "training", "a task"],
            runs.Select((run, i) => (Html[])[
                Html.Of($"<span class=\"key\" data-run=\"{i}\"></span>{names[i]}"), Text(run.State), Text(run.Method), Text(run.Tasks), Number(run.MetaStep, run.MetaSteps),
                run.Best is { } best ? Text(Value(best.Value, best.HalfWidth95, run.Classifies) + (best.Averaged ? ", averaged" : "")) : Text("none"),
                Text(run.Best is { } at ? $"{at.MetaStep}" : ""), Text(run.Seconds > 0 ? Terminal.Duration(TimeSpan.FromSeconds(run.Seconds)) : ""), Text(SecondsPerTask(run)),
            ])),
        Notes(runs, names),
    ]));

    private static Html Notes(IReadOnlyList<RunContents> runs, IReadOnlyList<string> names)
    {
        Html[] notes = [.. runs.Zip(names).Where(one => one.First.Experiment?.Note is { Length: > 0 }).Select(one => Html.Of($"<p class=\"note\"><b>{one.Second}</b>: {one.First.Experiment!.Note}</p>\n"))];
        return notes.Length <= 1 ? Html.Join(notes) : Details("Notes of the experiments", Html.Join(notes));
    }

    private static Html Number(int made, int all) => Text(string.Create(CultureInfo.InvariantCulture, $"{made:N0}{(all > 0 ? $" of {all.ToString("N0", CultureInfo.InvariantCulture)}" : "")}"));

    private static string SecondsPerTask(RunContents run) =>
        run.Seconds > 0 && run.MetaStep > 0 && run.Experiment is { } experiment
            ? string.Create(CultureInfo.InvariantCulture, $"{run.Seconds / ((double)run.MetaStep * experiment.Budget.MetaBatch):F4}\u00a0s")
            : "";

    private static Html Charts(IReadOnlyList<ReportChart> charts) => charts.Count == 0
        ? Section("Curves", Html.Of($"<p>There is no curve: no run has validated or logged a meta-step yet.</p>"))
        : Section("Curves", Html.Of(
            $"""
            <p class="help">Drag over a curve to zoom in, double-click or press 0 to see all of it; arrow keys move, + and − zoom. Click a name to hide its curve. The bands are 95 % intervals over the validation episodes.
            Long logs are thinned: a point then stands for several meta-steps, with the mean of losses and accuracies and the largest of norms, residuals and curvatures.</p>
            <fieldset class="axis"><legend>horizontal axis</legend><label><input type="radio" name="axis" value="step" checked> meta-steps</label> <label><input type="radio" name="axis" value="seconds"> minutes of training</label></fieldset>
            <noscript><p>The curves are drawn by the page's own script, which is switched off; the numbers are in the tables.</p></noscript>
            {charts.Select((chart, i) => Html.Of($"<figure class=\"chart\" id=\"chart-{i}\"><figcaption>{chart.Title}</figcaption></figure>"))}
            {charts.Where(chart => chart.Series.Any(series => series.HalfWidth is not null)).Select(ValidationTable)}
            """));

    private static Html ValidationTable(ReportChart chart)
    {
        int[] steps = [.. chart.Series.SelectMany(series => series.Step).Distinct().Order()];
        Html Cell(ReportSeries series, int step) => Array.IndexOf(series.Step, step) is var at and >= 0
            ? Text(series.Value[at] is { } value ? Value(value, series.HalfWidth![at] ?? double.NaN, chart.Percent) : "not finite")
            : default;
        return Details($"{chart.Title}: the numbers", Table(["meta-step", .. chart.Series.Select(series => series.Name)], steps.Select(step => (Html[])[Text($"{step}"), .. chart.Series.Select(series => Cell(series, step))])));
    }

    private static Html Statuses(IReadOnlyList<RunContents> runs, IReadOnlyList<string> names)
    {
        var rows = runs.SelectMany((run, i) =>
        {
            var found = new List<Html[]>();
            if (run.Ended is { } ended)
            {
                found.Add([Text(names[i]), Text("inner solves, training"), Bar(ended.Inner), Text(SolveWords.Inner(ended.Inner, run.Experiment?.Method))]);
                found.Add([Text(names[i]), Text("linear solves, training"), Bar(ended.Linear), Text(SolveWords.Linear(ended.Linear, run.Experiment?.Method))]);
            }

            if (run.Curve is [.., { Inner: { } last } line])
            {
                found.Add([Text(names[i]), Text($"inner solves, validation at {line.MetaStep}"), Bar(last), Text(SolveWords.Evaluation(last, run.Experiment?.Method))]);
            }

            return found;
        }).ToArray();
        return rows.Length == 0 ? default : Section("How the solves ended", Html.Of(
            $"""
            {Table(["run", "solves", "", "ended"], rows)}
            <p class="help">A fixed budget of steps ends every solve at its last step: that is its plan. What needs a look is another colour: non-positive curvature (orange), stagnation (yellow), and what is not finite (red).</p>
            """));
    }

    private static Html Bar<T>(IReadOnlyDictionary<T, int> counts)
        where T : struct, Enum
    {
        var all = counts.Values.Sum(count => (double)count);
        return Html.Of($"<span class=\"bar\">{counts.OrderBy(one => one.Key).Where(one => one.Value > 0).Select(one => Html.Of($"<span class=\"s-{SolveWords.Of(one.Key).Replace(' ', '-')}\" style=\"width:{100 * one.Value / all:F3}%\" title=\"{one.Value} {SolveWords.Of(one.Key)}\"></span>"))}</span>");
    }

    private static Html Evaluations(IReadOnlyList<RunContents> runs, IReadOnlyList<string> names)
    {
        var all = runs.SelectMany((run, i) => run.Evaluations.Select(one => (Run: names[i], File: one.Name, one.Result))).ToArray();
        var evaluations = all.Select(one => (Html[])[
            Text(one.Run), Text(Episodes(one.Result)), Text(State(one.Result)), Text(one.Result.BatchNormalization?.ToString().ToLowerInvariant() ?? ""),
            Text(one.Result.NotFinite > 0 ? $"none: {one.Result.NotFinite} episodes are not finite" : Value(one.Result.Accuracy ?? one.Result.Loss ?? double.NaN, one.Result.HalfWidth95, one.Result.Accuracy is not null)),
            Text(SolveWords.Evaluation(one.Result)), Text(one.File),
        ]);
        var baselines = all.SelectMany(one => (one.Result.Baselines ?? []).Select(baseline => (Html[])[
            Text(one.Run), Text(Episodes(one.Result)), Text(baseline.Name), Text(Value(baseline.Accuracy, baseline.HalfWidth95, percent: true)), .. Difference(baseline.Difference)])).ToArray();
        return all.Length == 0 ? default : Section("Evaluations", Html.Of(
            $"""
            {Table(["run", "episodes", "state", "batch normalisation", "accuracy", "inner solves", "file"], evaluations)}
            {(baselines.Length == 0 ? default : Table(["run", "episodes", "compared with", "its accuracy", .. DifferenceHeads], baselines))}
            """));
    }

    private static readonly string[] DifferenceHeads = ["difference", "better in", "worse in", "sign test p"];

    private static Html Comparisons(IReadOnlyList<RunContents> runs, IReadOnlyList<string> names)
    {
        if (runs.Count < 2)
        {
            return default;
        }

        var found = EpisodeComparison.Of(runs);
        string NameOf(RunContents run) => names[runs.Index().First(one => ReferenceEquals(one.Item, run)).Index];
        return Section("Runs compared, episode by episode", found.Count == 0
            ? Html.Of($"<p>No two runs were evaluated on the same episodes: the same part, seed, number, ways, shots and query images, in the same batch normalisation. <code>imaml evaluate RUN</code> with the same options does it.</p>")
            : Html.Of(
                $"""
                {Table(["first", "second", "episodes", "batch normalisation", .. DifferenceHeads], found.Select(one => (Html[])[
                    Text($"{NameOf(one.First)}, {State(one.FirstEvaluation.Result)}"), Text($"{NameOf(one.Second)}, {State(one.SecondEvaluation.Result)}"), Text(Episodes(one.FirstEvaluation.Result)),
                    Text(one.FirstEvaluation.Result.BatchNormalization?.ToString().ToLowerInvariant() ?? ""), .. Difference(one.Difference)]))}
                <p class="help">The difference is the first run's accuracy minus the second one's, with its 95 % interval over the episodes; p is the exact two-sided sign test of the episodes in which they differ{(found.Count > 1 ? $", not corrected for the number of comparisons ({found.Count})" : "")}. Each run has one training seed: the interval is not over trainings.</p>
                """));
    }

    private static Html[] Difference(PairedDifference one) =>
        [Text(Value(one.Mean, one.HalfWidth95, percent: true, signed: true)), Text($"{one.Better}"), Text($"{one.Worse}"), Text(one.SignTest < 1e-4 ? "< 0.0001" : one.SignTest.ToString("F4", CultureInfo.InvariantCulture))];

    private static string Episodes(EvaluationResult one) =>
        $"{one.Episodes.ToString("N0", CultureInfo.InvariantCulture)} {one.Part.ToString().ToLowerInvariant()}, seed {one.EpisodeSeed}{(one.Ways is { } ways ? $", {ways}-way {one.Shots}-shot {one.Queries} queries" : "")}";

    private static string State(EvaluationResult one) => $"{one.State} state, {one.MetaStep} meta-steps";

    private static Html Options(IReadOnlyList<RunContents> runs, IReadOnlyList<string> names)
    {
        // Notes are under the table of the runs.
        var rows = OptionRow.Of([.. runs.Select(run => run.Description)]).Where(row => row.Path != "note").ToArray();
        return Section("Options", Html.Of(
            $"""
            {(runs.Count > 1 ? Html.Of($"<p class=\"help\">{rows.Count(row => row.Differs)} of {rows.Length} options differ; they are marked.</p>") : default)}
            <div class="wide options"><table><thead><tr><th>option</th>{names.Select(name => Html.Of($"<th>{name}</th>"))}</tr></thead><tbody>
            {rows.Select(row => Html.Of($"<tr{new Html(row.Differs ? " class=\"differs\"" : "")}><td><code>{row.Path}</code>{(row.Differs ? " ≠" : "")}</td>{row.Values.Select(value => Html.Of($"<td>{value ?? "not there"}</td>"))}</tr>\n"))}
            </tbody></table></div>
            """));
    }

    private static Html Origins(IReadOnlyList<RunContents> runs, IReadOnlyList<string> names) => Section("Where the numbers come from", Html.Join(runs.Select((run, i) => Html.Of(
        $"""
        <h3>{names[i]}</h3>
        <p class="path"><code>{run.Folder.FolderPath}</code></p>
        {Table(["what", "value"], Facts(run).Select(one => (Html[])[Text(one.What), Text(one.Value)]))}
        {(run.Origin?.Manifest is { } manifest ? Classes(manifest) : default)}
        """))));

    private static IEnumerable<(string What, string Value)> Facts(RunContents run)
    {
        if (run.Origin is { } origin)
        {
            yield return ("tasks", origin.Tasks);
            if (origin.Manifest is { } split)
            {
                yield return ("classes", $"{split.Train.Count} for training, {split.Validation.Count} for validation, {split.Test.Count} for tests; split {split.Name}, rotations {split.Rotations}");
                yield return ("hash of the classes", split.Hash);
            }
        }

        foreach (var (what, one) in new[] { ("begun", run.Origin?.Provenance), ("finished", run.Summary?.Provenance) })
        {
            if (one is not null)
            {
                yield return ($"{what} by", $"imaml {one.Version}, {one.Runtime}, libtorch {one.LibTorch}");
                yield return ($"{what} on", $"{one.Machine}; {one.System}; {one.Device}");
            }
        }

        if (run.Summary is { } cost)
        {
            yield return ("cost", string.Create(
                CultureInfo.InvariantCulture, $"{cost.Tasks:N0} tasks in {cost.Seconds:F0} s ({cost.SecondsPerTask:F4} s a task{(cost.Threads > 0 ? $", {cost.Threads} {(cost.Threads == 1 ? "thread" : "threads")}" : "")}), peak memory {cost.PeakResidentBytes / 1048576.0:F0} MiB"));
        }

        if (run.Log.Points is { Count: > 0 } points && points.All(point => point.Step.HessianProducts is not null))
        {
            yield return ("operations", string.Create(
                CultureInfo.InvariantCulture, $"{points.Sum(point => point.Step.Gradients ?? 0):N0} gradients, {points.Sum(point => point.Step.HessianProducts ?? 0):N0} Hessian–vector products"));
        }

        if (run.NotRead.Count > 0)
        {
            yield return (RunContents.NotReadText, string.Join(", ", run.NotRead));
        }
    }

    private static Html Classes(ClassSplit split) => Html.Join(new[] { ("training", split.Train), ("validation", split.Validation), ("test", split.Test) }
        .Where(part => part.Item2.Count > 0)
        .Select(part => Details($"{part.Item2.Count} classes for {part.Item1}", Html.Of($"<p class=\"classes\">{string.Join(", ", part.Item2)}</p>"))));

    private static string Value(double value, double halfWidth, bool percent, bool signed = false)
    {
        if (!double.IsFinite(value))
        {
            return "not finite";
        }

        string Text(double number) => percent ? (100 * number).ToString("F2", CultureInfo.InvariantCulture) : number.ToString("G5", CultureInfo.InvariantCulture);
        return $"{(signed && value > 0 ? "+" : "")}{Text(value)}{(double.IsFinite(halfWidth) ? $" ± {Text(halfWidth)}" : "")}{(percent ? " %" : "")}";
    }

    private static Html Text(string? text) => Html.Of($"{text}");

    private static Html Section(string title, Html content) => Html.Of($"<section><h2>{title}</h2>\n{content}\n</section>");

    private static Html Details(string title, Html content) => Html.Of($"<details><summary>{title}</summary>{content}</details>");

    private static Html Table(IEnumerable<string> heads, IEnumerable<Html[]> rows) => Html.Of(
        $"<div class=\"wide\"><table><thead><tr>{heads.Select(head => Html.Of($"<th>{head}</th>"))}</tr></thead><tbody>\n{rows.Select(row => Html.Of($"<tr>{row.Select(cell => Html.Of($"<td>{cell}</td>"))}</tr>\n"))}</tbody></table></div>");

    private static string Resource(string name)
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
