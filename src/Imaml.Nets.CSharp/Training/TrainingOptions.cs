// Everything that determines a training run's numbers. It is written into every checkpoint and result file; a run is continued only under
// the same options.

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Data;
using Imaml.Nets.Models;

namespace Imaml.Nets.Training;

/// <summary>How the outer step size changes over a run of T meta-steps.</summary>
public enum OuterSchedule
{
    /// <summary>The same at every meta-step.</summary>
    Constant,

    /// <summary>rate·(1 + cos(πt/T))/2: from the rate to zero.</summary>
    Cosine,
}

/// <summary>The options of a meta-training run.</summary>
public sealed record TrainingOptions
{
    /// <summary>Gradient descent inside, conjugate gradients for the meta-gradient.</summary>
    public const string ImamlGd = "imaml-gd";

    /// <summary>The same inner solver, and ∇L(φ) for the meta-gradient: what the implicit term adds is seen beside it.</summary>
    public const string Fomaml = "fomaml";

    // Far above any network or batch of use, far below what overflows an array or a checkpoint.
    private const long LargestArray = 100_000_000;

    /// <summary>The paper's λ for Omniglot.</summary>
    public const double PaperOmniglotLambda = 2.0;

    /// <summary>The paper's number of inner steps for Omniglot 5-way.</summary>
    public const int PaperOmniglotInnerSteps = 16;

    /// <summary>The paper's number of conjugate-gradient steps.</summary>
    public const int PaperCgSteps = 5;

    /// <summary>Name of the data set.</summary>
    public required string Dataset { get; init; }

    /// <summary>Name of the division into training, validation and test classes.</summary>
    public required string Split { get; init; }

    /// <summary>Training characters set aside for validation.</summary>
    public required int ValidationClasses { get; init; }

    /// <summary>N.</summary>
    public required int Ways { get; init; }

    /// <summary>K, support images per class.</summary>
    public required int Shots { get; init; }

    /// <summary>Q, query images per class.</summary>
    public required int Queries { get; init; }

    /// <summary>Which algorithm.</summary>
    public required string Algorithm { get; init; }

    /// <summary>Outer steps.</summary>
    public required int MetaSteps { get; init; }

    /// <summary>B, tasks of one outer step.</summary>
    public required int MetaBatch { get; init; }

    /// <summary>λ.</summary>
    public required double Lambda { get; init; }

    /// <summary>Gradient steps of the inner solver.</summary>
    public required int InnerSteps { get; init; }

    /// <summary>The inner step size, or null to follow the measured curvature.</summary>
    public required double? InnerStepSize { get; init; }

    /// <summary>Conjugate-gradient steps of the meta-gradient.</summary>
    public required int CgSteps { get; init; }

    /// <summary>Adam's step size at the first meta-step.</summary>
    public required double OuterRate { get; init; }

    /// <summary>How Adam's step size changes.</summary>
    public required OuterSchedule OuterSchedule { get; init; }

    /// <summary>Filters of each convolution.</summary>
    public required int Filters { get; init; }

    /// <summary>What follows every normalisation; runs that do not say have rectifiers.</summary>
    public Activation Activation { get; init; }

    /// <summary>Seed of initial parameters and episodes; the division of the classes does not depend on it.</summary>
    public required ulong Seed { get; init; }

    /// <summary>libtorch's threads: sums may round differently with another number.</summary>
    public required int Threads { get; init; }

    /// <summary>The rule of the inner step.</summary>
    [JsonIgnore]
    public StepRule StepRule => InnerStepSize is { } step ? StepRule.NewConstantStep(step) : StepRule.MeasuredCurvature;

    /// <summary>Adam's step size at meta-step <paramref name="step"/>, counted from 0.</summary>
    public double OuterRateAt(int step) => OuterSchedule switch
    {
        OuterSchedule.Constant => OuterRate,
        OuterSchedule.Cosine => OuterRate * (1 + double.Cos(double.Pi * step / MetaSteps)) / 2,
        _ => throw new InvalidOperationException($"no schedule {OuterSchedule}"),
    };

    /// <summary>Refuses what no run can have.</summary>
    /// <exception cref="DataException">An option is out of its range; the message names it, its value and the rule.</exception>
    public void Validate()
    {
        AtLeast(1, MetaSteps, "--meta-steps");
        AtLeast(1, MetaBatch, "--meta-batch");
        AtLeast(1, InnerSteps, "--inner-steps");
        AtLeast(1, CgSteps, "--cg-steps");
        AtLeast(1, Filters, "--filters");
        AtLeast(1, Threads, "--threads");
        AtLeast(2, Ways, "--ways");
        AtLeast(1, Shots, "--shots");
        AtLeast(1, Queries, "--queries");
        AtLeast(0, ValidationClasses, "--validation-classes");
        Positive(Lambda, "--lambda");
        Positive(OuterRate, "--outer-rate");
        if (!Enum.IsDefined(OuterSchedule))
        {
            throw new DataException($"--outer-schedule {OuterSchedule} is not known; it is constant or cosine");
        }

        if (!Enum.IsDefined(Activation))
        {
            throw new DataException($"--activation {Activation} is not known; it is rectifier or softplus");
        }

        // Each of the three convolutions after the first has 9·filters² weights, and a batch is one array.
        AtMost(LargestArray, 27L * Filters * Filters, "--filters", Filters, "weights of the convolutions");
        AtMost(LargestArray, (long)MetaBatch * Ways * long.Max(Shots, Queries) * Glyphs.Size * Glyphs.Size, "--meta-batch", MetaBatch, "pixels of a meta-batch");
        if (InnerStepSize is { } step)
        {
            Positive(step, "--inner-step-size");
        }

        if (Algorithm is not (ImamlGd or Fomaml))
        {
            throw new DataException($"--algorithm {Algorithm} is not known; this version has {ImamlGd} and {Fomaml}");
        }
    }

    /// <summary>The options in which two runs differ, by name with both values; empty where they agree.</summary>
    public IReadOnlyList<string> DifferencesFrom(TrainingOptions other)
    {
        var (mine, theirs) = (ToElement(this), ToElement(other));
        return [.. mine.EnumerateObject().Where(one => one.Value.GetRawText() != theirs.GetProperty(one.Name).GetRawText())
            .Select(one => $"{one.Name} {theirs.GetProperty(one.Name)} → {one.Value}")];
    }

    private static JsonElement ToElement(TrainingOptions options) => JsonSerializer.SerializeToElement(options, RunJson.Options);

    private static void AtLeast(int least, int value, string name)
    {
        if (value < least)
        {
            throw new DataException($"{name} must be at least {least}, not {value}");
        }
    }

    private static void AtMost(long most, long count, string name, int value, string what)
    {
        if (count > most)
        {
            throw new DataException($"{name} {value} makes {count:N0} {what}; the most is {most:N0}");
        }
    }

    private static void Positive(double value, string name)
    {
        if (!(value > 0 && double.IsFinite(value)))
        {
            throw new DataException($"{name} must be positive and finite, not {value.ToString(CultureInfo.InvariantCulture)}");
        }
    }
}
