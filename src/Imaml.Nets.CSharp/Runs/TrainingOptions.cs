// Everything that determines a training run's numbers. It is written into every checkpoint and result file; a run is continued only under
// the same options.

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Tasks;
using static Imaml.Nets.Methods.OptionRules;
using OuterSchedule = Imaml.Nets.Methods.OuterSchedule;

namespace Imaml.Nets.Runs;

/// <summary>The options of a meta-training run. What an algorithm has no use for is null.</summary>
public sealed record TrainingOptions
{
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

    /// <summary>λ, or null for no proximal term.</summary>
    public double? Lambda { get; init; }

    /// <summary>Whether the proximal term was left out on purpose.</summary>
    public bool NoProximal { get; init; }

    /// <summary>Steps of the inner solver.</summary>
    public required int InnerSteps { get; init; }

    /// <summary>The inner step size, or null to follow the measured curvature.</summary>
    public double? InnerStepSize { get; init; }

    /// <summary>Steps of the linear solve of the meta-gradient.</summary>
    public int? CgSteps { get; init; }

    /// <summary>What solves (H + Λ)u = v, or null for conjugate gradients.</summary>
    public LinearSolverKind? LinearSolver { get; init; }

    /// <summary>Probes of the diagonal's estimate.</summary>
    public int? Probes { get; init; }

    /// <summary>The step of the Neumann series.</summary>
    public double? NeumannStep { get; init; }

    /// <summary>δ at which the inner solve ends, or null for its budget.</summary>
    public double? Delta { get; init; }

    /// <summary>δ′ at which the linear solve ends, or null for its budget.</summary>
    public double? DeltaPrime { get; init; }

    /// <summary>What is done where H + Λ is not positive definite, or null for nothing.</summary>
    public CurvatureRemedy? OnNegativeCurvature { get; init; }

    /// <summary>What has a learned λ of its own, or null where λ is not learned.</summary>
    public LearnedPer? LearnLambda { get; init; }

    /// <summary>Adam's step size for log λ.</summary>
    public double? LambdaRate { get; init; }

    /// <summary>What an inner step keeps of the one before it.</summary>
    public double? Momentum { get; init; }

    /// <summary>Conjugate-gradient steps of a Newton direction, or null for the paper's.</summary>
    public int? DirectionSteps { get; init; }

    /// <summary>How many of the last inner steps are differentiated.</summary>
    public int? Truncate { get; init; }

    /// <summary>Whether inner iterates are computed a second time in place of being kept.</summary>
    public bool Recompute { get; init; }

    /// <summary>What has a step size of its own, or null for every parameter.</summary>
    public LearnedPer? StepSizes { get; init; }

    /// <summary>Adam's step size for learned step sizes, or null for that of θ.</summary>
    public double? StepSizeRate { get; init; }

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

    /// <summary>Threads that share out the tasks; no number depends on how many there are.</summary>
    public required int Threads { get; init; }

    /// <summary>The rule of the inner step.</summary>
    [JsonIgnore]
    public StepRule StepRule => InnerStepSize is { } step ? StepRule.NewConstantStep(step) : StepRule.MeasuredCurvature;

    /// <summary>The momentum of the inner solver.</summary>
    [JsonIgnore]
    public Momentum InnerMomentum => (Algorithm, Momentum) switch
    {
        (Methods.Algorithm.ImamlNesterov, { } b) => Imaml.Math.Momentum.NewNesterov(b),
        (Methods.Algorithm.ImamlHeavyBall, { } b) => Imaml.Math.Momentum.NewHeavyBall(b),
        _ => Imaml.Math.Momentum.NoMomentum,
    };

    /// <summary>What has a learned number of its own, or null where nothing but θ is learned.</summary>
    [JsonIgnore]
    public LearnedPer? Learns => Algorithm == Methods.Algorithm.MetaSgd ? StepSizes ?? LearnedPer.Parameter : LearnLambda;

    /// <summary>Adam's step size for the learned numbers at meta-step <paramref name="step"/>, counted from 0.</summary>
    public double LearnedRateAt(int step) => (LambdaRate ?? StepSizeRate ?? OuterRate) / OuterRate * OuterRateAt(step);

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
        AtLeast(1, Filters, "--filters");
        AtLeast(1, Threads, "--threads");
        AtLeast(2, Ways, "--ways");
        AtLeast(1, Shots, "--shots");
        AtLeast(1, Queries, "--queries");
        AtLeast(0, ValidationClasses, "--validation-classes");
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
        ValidateMethod();
    }

    private void ValidateMethod()
    {
        var algorithm = Methods.Algorithm.Find(Algorithm)
            ?? throw new ArgumentException($"--algorithm {Algorithm} is not known; this version has {string.Join(", ", Methods.Algorithm.All.Select(one => one.Name))}");
        algorithm.Check([.. Given()]);
        AtLeast(1, CgSteps ?? 1, Methods.Algorithm.CgSteps);
        AtLeast(1, DirectionSteps ?? 1, Methods.Algorithm.DirectionSteps);
        AtLeast(1, Truncate ?? 1, Methods.Algorithm.Truncate);
        Positive(Lambda ?? 1, Methods.Algorithm.Lambda);
        Positive(InnerStepSize ?? 1, Methods.Algorithm.InnerStepSize);
        Positive(StepSizeRate ?? 1, Methods.Algorithm.StepSizeRate);
        if (Momentum is { } b && !(b is >= 0 and < 1))
        {
            throw new DataException($"--momentum must be at least 0 and below 1, not {b.ToString(CultureInfo.InvariantCulture)}");
        }

        if (Truncate > InnerSteps)
        {
            throw new DataException($"--truncate must be at most --inner-steps {InnerSteps}, not {Truncate}");
        }

        AtLeast(1, Probes ?? 1, Methods.Algorithm.Probes);
        Positive(NeumannStep ?? 1, Methods.Algorithm.NeumannStep);
        Positive(Delta ?? 1, Methods.Algorithm.Delta);
        Positive(DeltaPrime ?? 1, Methods.Algorithm.DeltaPrime);
        Positive(LambdaRate ?? 1, Methods.Algorithm.LambdaRate);
        Together(LinearSolver == LinearSolverKind.Pcg, "--linear-solver pcg", Probes is not null, Methods.Algorithm.Probes);
        Together(LinearSolver == LinearSolverKind.Neumann, "--linear-solver neumann", NeumannStep is not null, Methods.Algorithm.NeumannStep);
        Together(LearnLambda is not null, Methods.Algorithm.LearnLambda, LambdaRate is not null, Methods.Algorithm.LambdaRate);
        if (StepSizes == LearnedPer.Task)
        {
            throw new DataException("--step-sizes must be layer or parameter");
        }
    }

    /// <summary>The options of algorithms that were given, by name.</summary>
    private IEnumerable<string> Given()
    {
        (string Name, bool Given)[] all =
        [
            (Methods.Algorithm.Lambda, Lambda is not null), (Methods.Algorithm.NoProximal, NoProximal), (Methods.Algorithm.InnerStepSize, InnerStepSize is not null),
            (Methods.Algorithm.CgSteps, CgSteps is not null), (Methods.Algorithm.Momentum, Momentum is not null), (Methods.Algorithm.DirectionSteps, DirectionSteps is not null),
            (Methods.Algorithm.Truncate, Truncate is not null), (Methods.Algorithm.Recompute, Recompute), (Methods.Algorithm.LearnedStepSizes, StepSizes is not null),
            (Methods.Algorithm.StepSizeRate, StepSizeRate is not null), (Methods.Algorithm.LinearSolver, LinearSolver is not null), (Methods.Algorithm.Probes, Probes is not null),
            (Methods.Algorithm.NeumannStep, NeumannStep is not null), (Methods.Algorithm.Delta, Delta is not null), (Methods.Algorithm.DeltaPrime, DeltaPrime is not null),
            (Methods.Algorithm.OnNegativeCurvature, OnNegativeCurvature is not null), (Methods.Algorithm.LearnLambda, LearnLambda is not null),
            (Methods.Algorithm.LambdaRate, LambdaRate is not null),
        ];
        return all.Where(one => one.Given).Select(one => one.Name);
    }

    /// <summary>The options in which two runs differ, by name with both values; empty where they agree in all that their numbers depend on.</summary>
    public IReadOnlyList<string> DifferencesFrom(TrainingOptions other)
    {
        var (mine, theirs) = (ToElement(this with { Threads = other.Threads }), ToElement(other));
        return [.. mine.EnumerateObject().Where(one => one.Value.GetRawText() != theirs.GetProperty(one.Name).GetRawText())
            .Select(one => $"{one.Name} {theirs.GetProperty(one.Name)} → {one.Value}")];
    }

    private static JsonElement ToElement(TrainingOptions options) => JsonSerializer.SerializeToElement(options, RunJson.Options);
}
