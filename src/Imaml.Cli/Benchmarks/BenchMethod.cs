// The methods that are timed, on one objective and one network: L̂(φ) + (λ/2)‖φ − θ‖² with the paper's λ, so that they differ in how they
// adapt and in how they make the meta-gradient, and in nothing else.

using Imaml.Nets.Methods;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Benchmarks;

/// <summary>A method of the benchmarks.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="Label">What it is called in a figure.</param>
/// <param name="Choose">The options that make it this method, of a run with its number of inner steps.</param>
/// <param name="InnerSteps">Inner steps where they are not the setting's.</param>
internal sealed record BenchMethod(string Name, string Label, Func<TrainingOptions, TrainingOptions> Choose, int? InnerSteps = null)
{
    /// <summary>iMAML with gradient descent, the one that targets are stated for.</summary>
    public const string Imaml = Algorithm.ImamlGd;

    /// <summary>MAML, and MAML that computes inner iterates again.</summary>
    public const string Maml = Algorithm.Maml, MamlRecompute = "maml-recompute";

    // Fixed steps have to be stable on a network that nobody has trained, whose largest curvature is near 20; time depends on neither.
    private const double InnerStepSize = 0.03, Momentum = 0.5;

    // Of as many products as the implicit methods' solve.
    private const int TruncatedSteps = TrainingOptions.PaperCgSteps;

    // The paper does not say. One has five products and a line search: three of them cost about what the other methods' gradients do.
    private const int NewtonSteps = 3;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<BenchMethod> All { get; } =
    [
        new(Imaml, "iMAML, gradient descent", o => o with { CgSteps = TrainingOptions.PaperCgSteps }),
        new(Algorithm.ImamlHf, "iMAML, Hessian-free", o => o with { CgSteps = TrainingOptions.PaperCgSteps }, NewtonSteps),
        new(Algorithm.ImamlNesterov, "iMAML, Nesterov", o => o with { CgSteps = TrainingOptions.PaperCgSteps, InnerStepSize = InnerStepSize, Momentum = Momentum }),
        new(Maml, "MAML", o => o with { InnerStepSize = InnerStepSize }),
        new(MamlRecompute, "MAML, recomputing iterates", o => o with { Algorithm = Algorithm.Maml, InnerStepSize = InnerStepSize, Recompute = true }),
        new(Algorithm.Truncated, "truncated back-propagation", o => o with { InnerStepSize = InnerStepSize, Truncate = int.Min(TruncatedSteps, o.InnerSteps) }),
        new(Algorithm.Fomaml, "first-order MAML", o => o),
        new(Algorithm.Reptile, "Reptile", o => o),
        new(Algorithm.MetaSgd, "Meta-SGD", o => o with { InnerStepSize = InnerStepSize }),
    ];

    /// <summary>The method of this name, of which there is one.</summary>
    public static BenchMethod Of(string name) => All.Single(one => one.Name == name);

    /// <summary>The options of a run by this method on the built-in glyphs.</summary>
    /// <param name="setting">N, K and the usual B and number of inner steps.</param>
    /// <param name="metaBatch">B, or null for the setting's.</param>
    /// <param name="innerSteps">Inner steps, or null for the method's or the setting's.</param>
    /// <param name="steps">Meta-steps.</param>
    /// <param name="filters">Filters of each convolution.</param>
    /// <param name="threads">Threads.</param>
    public TrainingOptions Options(BenchSetting setting, int? metaBatch, int? innerSteps, int steps, int filters, int threads) => Choose(new TrainingOptions
    {
        Dataset = TaskSource.GlyphsName,
        Split = TaskSource.SeededSplit,
        ValidationClasses = 0,
        Ways = setting.Ways,
        Shots = setting.Shots,
        Queries = setting.Shots,
        Algorithm = Name,
        MetaSteps = steps + 1,
        MetaBatch = metaBatch ?? setting.MetaBatch,
        Lambda = TrainingOptions.PaperOmniglotLambda,
        InnerSteps = innerSteps ?? InnerSteps ?? setting.InnerSteps,
        OuterRate = 1e-3,
        OuterSchedule = OuterSchedule.Constant,
        Filters = filters,
        Seed = 1,
        Threads = threads,
    });
}
