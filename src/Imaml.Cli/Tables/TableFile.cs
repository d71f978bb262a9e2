// The state of a table: its cells, and any two methods of a setting on the same episodes.

using Imaml.Nets.Models;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Tables;

/// <summary>Two methods of a setting on the same test episodes.</summary>
/// <param name="Setting">The setting.</param>
/// <param name="First">The first method.</param>
/// <param name="Second">The second.</param>
/// <param name="Seed">The seed of both runs.</param>
/// <param name="BatchNormalization">Whose statistics normalise the query images.</param>
/// <param name="Difference">The first one's accuracy minus the second one's.</param>
/// <param name="FirstSeconds">Seconds of training of the first, as the budget counts them: cells may have been given different budgets.</param>
/// <param name="SecondSeconds">Of the second.</param>
internal sealed record MethodComparison(
    string Setting, string First, string Second, ulong Seed, BatchNormMode BatchNormalization, PairedDifference Difference, double FirstSeconds = 0, double SecondSeconds = 0);

/// <summary>An accuracy over seeds, or over the episodes of one.</summary>
/// <param name="Accuracy">The mean.</param>
/// <param name="HalfWidth95">Half its 95 % interval over seeds, or over the episodes of one, as <see cref="Evaluation.HalfWidth95"/> has it.</param>
/// <param name="Seeds">Seeds that are tested.</param>
internal sealed record CellAccuracy(double Accuracy, double HalfWidth95, int Seeds)
{
    /// <summary>That of these tests; null where there is none.</summary>
    public static CellAccuracy? Of(IEnumerable<CellTest?> ofSeeds)
    {
        CellTest[] tests = [.. ofSeeds.OfType<CellTest>()];
        if (tests.Length < 2)
        {
            return tests is [var one] ? new CellAccuracy(one.Accuracy, one.HalfWidth95, 1) : null;
        }

        var (mean, halfWidth) = Evaluation.Interval([.. tests.Select(one => one.Accuracy)]);
        return new CellAccuracy(mean, halfWidth, tests.Length);
    }
}

/// <summary>A cell over its seeds.</summary>
/// <param name="Setting">The column.</param>
/// <param name="Method">The row.</param>
/// <param name="Preset">The preset that its experiment comes from.</param>
/// <param name="Note">What the experiment follows, and where it departs from it.</param>
/// <param name="Published">The paper's figure.</param>
/// <param name="Runs">One a seed.</param>
internal sealed record CellSummary(string Setting, string Method, string Preset, string? Note, PublishedAccuracy? Published, IReadOnlyList<CellResult> Runs)
{
    /// <summary>With the query images' statistics, as published accuracies are made.</summary>
    public CellAccuracy? Transductive => CellAccuracy.Of(Runs.Select(run => run.Transductive));

    /// <summary>With the support images' statistics.</summary>
    public CellAccuracy? Inductive => CellAccuracy.Of(Runs.Select(run => run.Inductive));
}

/// <summary>The result file.</summary>
/// <param name="Table">Its name.</param>
/// <param name="Title">Its title.</param>
/// <param name="BudgetSeconds">Seconds of training that finish a run.</param>
/// <param name="Scale">What the cells are trained with.</param>
/// <param name="Episodes">Test episodes of a run, the same for all methods of a setting.</param>
/// <param name="Provenance">Program and machine that wrote the file; each run names its own.</param>
/// <param name="Cells">The cells.</param>
/// <param name="Comparisons">All pairs of methods that are measured.</param>
internal sealed record TableFile(
    string Table, string Title, double BudgetSeconds, Scale Scale, int Episodes, Provenance Provenance, IReadOnlyList<CellSummary> Cells, IReadOnlyList<MethodComparison> Comparisons)
{
    /// <summary>Reads what there is of a table's cells.</summary>
    public static TableFile Read(PublishedTable table, IReadOnlyList<TableCell> cells, Scale scale, IReadOnlyList<ulong> seeds, string root, double budget, int episodes, Provenance provenance)
    {
        CellSummary[] summaries =
        [
            .. cells.Select(cell => new CellSummary(
                cell.Setting, cell.Method, cell.Preset, cell.Experiment(scale, seeds[0]).Note, cell.Published, [.. seeds.Select(seed => CellResult.Read(cell, scale, seed, root, budget, episodes))])),
        ];
        return new TableFile(table.Name, table.Title, budget, scale, episodes, provenance, summaries, [.. Pairs(summaries, seeds)]);
    }

    private static IEnumerable<MethodComparison> Pairs(IReadOnlyList<CellSummary> cells, IReadOnlyList<ulong> seeds) =>
        from first in cells.Index()
        from second in cells.Skip(first.Index + 1)
        where first.Item.Setting == second.Setting
        from seed in seeds.Index()
        from mode in Enum.GetValues<BatchNormMode>()
        let one = first.Item.Runs[seed.Index]
        let other = second.Runs[seed.Index]
        let a = TestOf(one, mode)
        let b = TestOf(other, mode)
        where a is { NotFinite: 0 } && b is { NotFinite: 0 } && a.Tasks == b.Tasks
        select new MethodComparison(first.Item.Setting, first.Item.Method, second.Method, seed.Item, mode, PairedDifference.Of(a.PerEpisode, b.PerEpisode), one.ComputeSeconds, other.ComputeSeconds);

    private static CellTest? TestOf(CellResult run, BatchNormMode mode) => mode == BatchNormMode.Inductive ? run.Inductive : run.Transductive;
}
