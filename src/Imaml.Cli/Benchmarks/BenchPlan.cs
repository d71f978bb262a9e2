// Which measurements a benchmark takes: in every setting one gradient, then every method, and iMAML with one and with a hundred inner steps,
// to compare their memory.

using Imaml.Nets.Cost;

namespace Imaml.Cli.Benchmarks;

/// <summary>One measurement to be taken.</summary>
/// <param name="Setting">The setting.</param>
/// <param name="Method">The method's name, or that of the gradient.</param>
/// <param name="Request">What its process is asked for.</param>
internal sealed record BenchPlan(BenchSetting Setting, string Method, MeasurementRequest Request)
{
    /// <summary>The numbers of inner steps between which iMAML's memory is compared.</summary>
    public const int FewestInnerSteps = 1, MostInnerSteps = 100;

    /// <summary>All of them, in the order of the report.</summary>
    public static IReadOnlyList<BenchPlan> Of(BenchOptions options) => [.. options.Settings.Select(BenchSetting.Of).SelectMany(setting => Of(options, setting))];

    private static IEnumerable<BenchPlan> Of(BenchOptions options, BenchSetting setting)
    {
        BenchPlan Plan(string name, string method, MeasuredWork work, int? innerSteps, int steps)
        {
            var run = BenchMethod.Of(method).Experiment(setting, options.MetaBatch, innerSteps, steps, options.Filters);
            return new BenchPlan(setting, name, new MeasurementRequest(run, options.Threads, work, steps, options.Device, options.Tf32));
        }

        yield return Plan(BenchRow.Gradient, BenchMethod.Imaml, MeasuredWork.Gradient, options.InnerSteps, options.Steps);
        foreach (var method in options.Methods)
        {
            yield return Plan(method, method, MeasuredWork.MetaStep, options.InnerSteps, options.Steps);
        }

        if (options.Methods.Contains(BenchMethod.Imaml))
        {
            // For their memory: one repetition is enough.
            yield return Plan(BenchMethod.Imaml, BenchMethod.Imaml, MeasuredWork.MetaStep, FewestInnerSteps, 1);
            yield return Plan(BenchMethod.Imaml, BenchMethod.Imaml, MeasuredWork.MetaStep, MostInnerSteps, 1);
        }
    }
}
