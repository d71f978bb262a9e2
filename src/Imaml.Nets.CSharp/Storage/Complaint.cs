// What is wrong with an experiment: every fault at once, each with the field that it is in. Fields are named as in an experiment file
// (method.inner.steps); other callers, such as a command line with options, use names of their own.

using System.Globalization;

namespace Imaml.Nets.Storage;

/// <summary>One fault of an experiment or of a part of it.</summary>
/// <param name="Field">Where: the path of the field from the part that reports it.</param>
/// <param name="Rule">What is wrong, after the field's name: <c>must be at least 1, not 0</c>.</param>
public sealed record Complaint(string Field, string Rule)
{
    internal Complaint(string field, string rule, ComplaintKind kind)
        : this(field, rule) => Kind = kind;

    /// <summary>What kind of fault it is, for callers that use names of their own.</summary>
    internal ComplaintKind Kind { get; }

    /// <summary>Field and rule on one line: a long name from a file is cut, and control characters are question marks.</summary>
    public override string ToString() => string.Concat($"{Storage.Rule.Printed(Field)} {Rule}".Select(one => char.IsControl(one) ? '?' : one));

    internal Complaint In(string part) => this with { Field = $"{part}.{Field}" };
}

/// <summary>What kind of fault a complaint is about.</summary>
internal enum ComplaintKind
{
    /// <summary>A value that is not allowed.</summary>
    Invalid,

    /// <summary>A field that is needed and not there.</summary>
    Missing,

    /// <summary>A field that its part does not have.</summary>
    Unknown,
}

/// <summary>An experiment that cannot be run, with all its faults.</summary>
/// <param name="complaints">The faults, at least one.</param>
/// <param name="origin">The file that it was read from, or null.</param>
public sealed class ExperimentException(IReadOnlyList<Complaint> complaints, string? origin = null)
    : ArgumentException($"{(origin is null ? "" : $"{origin}: ")}{string.Join("; ", complaints)}")
{
    /// <summary>The file that it was read from, or null.</summary>
    public string? Origin { get; } = origin;

    /// <summary>The faults.</summary>
    public IReadOnlyList<Complaint> Complaints { get; } = complaints;
}

/// <summary>The rules that single numbers obey.</summary>
internal static class Rule
{
    public static IEnumerable<Complaint> AtLeast(int least, int value, string field) =>
        value >= least ? [] : [new Complaint(field, $"must be at least {least}, not {value}")];

    /// <summary>The upper limit of every number of steps: far more than any method makes use of, few enough to end.</summary>
    public const int MostSteps = 100_000;

    public static IEnumerable<Complaint> Steps(int value, string field) =>
        value <= MostSteps ? AtLeast(1, value, field) : [new Complaint(field, $"must be at most {MostSteps}, not {value}")];

    /// <summary>What is wrong with a part, or that there is none.</summary>
    public static IEnumerable<Complaint> Part<T>(T? part, string field, Func<T, IEnumerable<Complaint>> complaints)
        where T : class => part is null ? [new Complaint(field, "is missing", ComplaintKind.Missing)] : complaints(part).Select(one => one.In(field));

    public static IEnumerable<Complaint> Named(string? name) =>
        name is { Length: > 0 } ? [] : [new Complaint("name", name is null ? "is missing" : "must not be empty", name is null ? ComplaintKind.Missing : ComplaintKind.Invalid)];

    public static IEnumerable<Complaint> AtMost(long most, double count, string field, int value, string what) =>
        count <= most ? [] : [new Complaint(field, $"{value} makes {count:N0} {what}; the upper limit is {most:N0}")];

    // Below it single precision loses digits, and soon all of them.
    private const double SmallestPositive = 1.2e-38;

    public static IEnumerable<Complaint> Positive(double? value, string field) =>
        value is null or >= SmallestPositive and <= float.MaxValue ? []
        : value is > 0 and < SmallestPositive ? [new Complaint(field, $"must be at least {Text(SmallestPositive)}, about the smallest number of single precision, not {Text(value.Value)}")]
        : [new Complaint(field, value is > 0 and < double.PositiveInfinity ? $"must be at most {Text(float.MaxValue)}, the largest number of single precision, not {Text(value.Value)}" : $"must be positive and finite, not {Text(value.Value)}")];

    public static IEnumerable<Complaint> NotNegative(double? value, string field) =>
        value is null or >= 0 and < double.PositiveInfinity ? [] : [new Complaint(field, $"must be at least 0 and finite, not {Text(value.Value)}")];

    public static IEnumerable<Complaint> Defined<T>(T value, string field)
        where T : struct, Enum => Enum.IsDefined(value) ? [] : [new Complaint(field, $"must be one of {string.Join(", ", Enum.GetNames<T>())}")];

    public static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>The upper limit of a description in messages, of tasks or layers; that of a name is lower.</summary>
    public const int Description = 200;

    /// <summary>A text from a file, for a message: on one line, and short.</summary>
    public static string Printed(string text, int longest = 80) =>
        string.Concat(text.Take(longest).Select(one => char.IsControl(one) || char.IsSurrogate(one) ? '?' : one)) + (text.Length > longest ? "…" : "");
}
