// The project's targets of the numbers: for two threads on two cores, and for the settings' own networks and meta-batches. None is a time: that depends on the
// machine, so times are compared between programs that were measured in one sitting.

namespace Imaml.Cli.Benchmarks;

/// <summary>A target and the measured number.</summary>
/// <param name="Quantity">The quantity.</param>
/// <param name="Setting">Where; the worst one where the target is stated for all.</param>
/// <param name="Measured">The number.</param>
/// <param name="Must">What it must be.</param>
/// <param name="Aim">What it should be.</param>
/// <param name="AtMost">Whether smaller is better.</param>
internal sealed record BenchTarget(string Quantity, string Setting, double Measured, double Must, double Aim, bool AtMost)
{
    private const int Threads = 2;
    private const double Mebi = 1 << 20;

    /// <summary>Whether the number reaches the aim, the limit, or neither.</summary>
    public string Verdict => Within(Aim) ? "aim" : Within(Must) ? "must" : "missed";

    /// <summary>The targets that apply to these rows: none to rows of another network, meta-batch or number of threads, or of networks that did not stay finite.</summary>
    public static IReadOnlyList<BenchTarget> Of(IReadOnlyList<BenchRow> all)
    {
        BenchRow[] rows = [.. all.Where(row => row.Finite && row.Experiment.Network == BenchSetting.Of(row.Setting).Network && row.Threads == Threads && row.Experiment.Budget.MetaBatch == BenchSetting.Of(row.Setting).MetaBatch)];
        IEnumerable<BenchRow> Usual(string? setting = null) => rows.Where(row =>
            row.Method == BenchMethod.Imaml && (setting ?? row.Setting) == row.Setting && row.InnerSteps == BenchSetting.Of(row.Setting).InnerSteps);
        BenchRow? Find(string setting, string method, int innerSteps) =>
            rows.FirstOrDefault(row => row.Setting == setting && row.Method == method && row.InnerSteps == innerSteps);

        var memory = rows.Where(row => row.Method == BenchMethod.Imaml && row.InnerSteps == BenchPlan.MostInnerSteps)
            .Select(most => (most.Setting, (double?)most.PeakBytes / Find(most.Setting, BenchMethod.Imaml, BenchPlan.FewestInnerSteps)?.PeakBytes));
        var products = rows.Where(row => row.Method == BenchRow.HessianProduct)
            .Select(product => (product.Setting, product.SecondsPerTask / rows.FirstOrDefault(row => row.Method == BenchRow.Gradient && row.Setting == product.Setting)?.SecondsPerTask));
        BenchTarget? Fraction(string setting, double must, double aim) =>
            Worst("iMAML, fraction of the matrix-multiply rate", Usual(setting).Select(row => (row.Setting, (double?)row.FractionOfMatrixMultiply)), must, aim, atMost: false);
        BenchTarget?[] targets =
        [
            Fraction("5w1s", 0.45, 0.60),
            Fraction(BenchSetting.Largest, 0.70, 0.85),
            Fraction(BenchSetting.MiniImageNet, 0.60, 0.80),
            Worst("iMAML, peak memory over the process before, MiB a thread", Usual("5w1s").Select(row => (row.Setting, row.PeakBytes / Mebi / row.Threads)), 45, 25),
            Worst($"iMAML, peak memory with {BenchPlan.MostInnerSteps} inner steps over that with {BenchPlan.FewestInnerSteps}", memory, 1.05, 1.02),
            Worst("iMAML, peak memory over that of one gradient", Usual().Select(row => (row.Setting, row.PeakOverGradient)), 4, 2.5),
            Worst("Hessian–vector product over gradient, time", products, 3, 2.2),
        ];
        return [.. targets.OfType<BenchTarget>()];
    }

    private static BenchTarget? Worst(string quantity, IEnumerable<(string Setting, double? Value)> measured, double must, double aim, bool atMost = true)
    {
        var known = measured.Where(one => one.Value is not null).ToArray();
        if (known is [])
        {
            return null;
        }

        var (setting, value) = atMost ? known.MaxBy(one => one.Value) : known.MinBy(one => one.Value);
        return new BenchTarget(quantity, setting, value!.Value, must, aim, atMost);
    }

    private bool Within(double limit) => AtMost ? Measured <= limit : Measured >= limit;
}
