// How inner and linear solves ended, in words. A planned budget of steps is reported as such: without a tolerance, its last step is the normal end.

using System.Globalization;
using System.Text.Json;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Methods;
using Imaml.Nets.Runs;

namespace Imaml.Cli;

/// <summary>Words for counts of statuses.</summary>
internal static class SolveWords
{
    /// <summary>The inner solves: <c>12 used the budget of 4 steps, 1 non finite</c>.</summary>
    /// <param name="counts">Solves by status.</param>
    /// <param name="method">The method that made them, where it is known.</param>
    public static string Inner(IReadOnlyDictionary<InnerStatus, int> counts, Method? method) =>
        Inner(counts, method, method?.InnerSteps);

    /// <summary>Those of an evaluation by the method as it was trained.</summary>
    /// <inheritdoc cref="Inner(IReadOnlyDictionary{InnerStatus, int}, Method?)" path="/param"/>
    public static string Evaluation(IReadOnlyDictionary<InnerStatus, int> counts, Method? method) =>
        Inner(counts, method, method?.EvaluationInnerSteps);

    /// <summary>Those of a result, which may be of other steps.</summary>
    public static string Evaluation(EvaluationResult result) => Inner(result.Inner, result.Experiment.Method, result.InnerSteps);

    private static string Inner(IReadOnlyDictionary<InnerStatus, int> counts, Method? method, int? steps) =>
        Words(counts, InnerStatus.StepLimit, Budget(steps, method is ImplicitMaml { Delta: not null }, "δ"));

    /// <summary>The linear solves, likewise.</summary>
    /// <inheritdoc cref="Inner(IReadOnlyDictionary{InnerStatus, int}, Method?)" path="/param"/>
    public static string Linear(IReadOnlyDictionary<SolveStatus, int> counts, Method? method) =>
        Words(counts, SolveStatus.StepLimit, Budget((method as ImplicitMaml)?.Adjoint.Steps, method is ImplicitMaml { DeltaPrime: not null }, "δ′"));

    /// <summary>Both.</summary>
    /// <inheritdoc cref="Inner(IReadOnlyDictionary{InnerStatus, int}, Method?)" path="/param"/>
    public static string Both(TaskStatuses counts, Method? method) => $"inner solves: {Inner(counts.Inner, method)}; linear solves: {Linear(counts.Linear, method)}";

    /// <summary>A status: <c>non positive curvature</c>.</summary>
    public static string Of<T>(T status)
        where T : struct, Enum => JsonNamingPolicy.KebabCaseLower.ConvertName(status.ToString()).Replace('-', ' ');

    // Without a tolerance the budget is the plan; with one it is the limit that came first.
    private static string Budget(int? steps, bool tolerance, string symbol)
    {
        var number = steps is { } one ? string.Create(CultureInfo.InvariantCulture, $"{one} step{(one == 1 ? "" : "s")}") : null;
        return tolerance ? $"reached the limit{(number is null ? "" : $" of {number}")} before {symbol}" : number is null ? "used their budget of steps" : $"used the budget of {number}";
    }

    private static string Words<T>(IReadOnlyDictionary<T, int> counts, T stepLimit, string budget)
        where T : struct, Enum =>
        string.Join(", ", counts.OrderBy(one => one.Key).Select(one => $"{one.Value.ToString("N0", CultureInfo.InvariantCulture)} {(EqualityComparer<T>.Default.Equals(one.Key, stepLimit) ? budget : Of(one.Key))}"));
}
