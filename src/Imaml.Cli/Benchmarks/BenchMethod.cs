// The methods that are timed, in each setting on one objective and one network: L̂(φ) + (λ/2)‖φ − θ‖² with the paper's λ, so that they differ
// only in the inner solver and the meta-gradient.

using Imaml.Nets.Learning;
using Imaml.Nets.Methods;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Benchmarks;

/// <summary>A method of the benchmarks.</summary>
/// <param name="Name">Its name on the command line.</param>
/// <param name="Label">Its name in a figure.</param>
/// <param name="Choose">The method with a number of inner steps and λ.</param>
/// <param name="InnerSteps">Inner steps where they are not the setting's.</param>
internal sealed record BenchMethod(string Name, string Label, Func<int, double, Method> Choose, int? InnerSteps = null)
{
    /// <summary>iMAML with gradient descent, the one that targets are stated for.</summary>
    public const string Imaml = "imaml-gd";

    /// <summary>MAML, and MAML that computes inner iterates again.</summary>
    public const string Maml = "maml", MamlRecompute = "maml-recompute";

    // Stable on an untrained network, whose largest curvature is near 20; the time does not depend on it.
    private const double InnerStepSize = 0.03, Momentum = 0.5;

    // Not given in the paper. One step has five products and a line search: three cost about as much as the other methods' gradients.
    private const int NewtonSteps = 3;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<BenchMethod> All { get; } =
    [
        new(Imaml, "iMAML, gradient descent", (steps, lambda) => Implicit(new Inner.GradientDescent(steps), lambda)),
        new("imaml-hf", "iMAML, Hessian-free", (steps, lambda) => Implicit(new Inner.HessianFree(steps, Inner.HessianFree.PaperDirectionSteps), lambda), NewtonSteps),
        new("imaml-nesterov", "iMAML, Nesterov", (steps, lambda) => Implicit(new Inner.Nesterov(steps, InnerStepSize, Momentum), lambda)),
        new(Maml, "MAML", (steps, lambda) => new Nets.Methods.Maml(Fixed(steps), lambda)),
        new(MamlRecompute, "MAML, recomputing iterates", (steps, lambda) => new Nets.Methods.Maml(Fixed(steps), lambda, Recompute: true)),
        // Of as many products as the implicit methods' solve.
        new("truncated", "truncated back-propagation", (steps, lambda) => new TruncatedMaml(Fixed(steps), lambda, int.Min(Adjoint.PaperSteps, steps))),
        new("fomaml", "first-order MAML", (steps, lambda) => new FirstOrder(new Inner.GradientDescent(steps), lambda)),
        new("reptile", "Reptile", (steps, lambda) => new Reptile(new Inner.GradientDescent(steps), lambda)),
        new("meta-sgd", "Meta-SGD", (steps, lambda) => new MetaSgd(Fixed(steps), lambda)),
    ];

    /// <summary>The method of this name, of which there is one.</summary>
    public static BenchMethod Of(string name) => All.Single(one => one.Name == name);

    /// <summary>A run by this method in a setting.</summary>
    /// <param name="setting">The tasks, the network, λ, and the usual B and number of inner steps.</param>
    /// <param name="metaBatch">B, or null for the setting's.</param>
    /// <param name="innerSteps">Inner steps, or null for the method's or the setting's.</param>
    /// <param name="steps">Meta-steps.</param>
    /// <param name="filters">Filters of each convolution, or null for the network's usual ones.</param>
    public Experiment Experiment(BenchSetting setting, int? metaBatch, int? innerSteps, int steps, int? filters) => new(
        setting.Tasks,
        setting.Network with { Filters = filters ?? setting.Network.Filters },
        Choose(innerSteps ?? InnerSteps ?? setting.InnerSteps, setting.Lambda),
        new Outer.Adam(1e-3, Schedule.Constant),
        new Budget(steps + 1, metaBatch ?? setting.MetaBatch),
        Seed: 1);

    private static ImplicitMaml Implicit(Inner inner, double lambda) => new(inner, lambda, new Adjoint.ConjugateGradients(Adjoint.PaperSteps));

    private static Inner Fixed(int steps) => new Inner.GradientDescent(steps, InnerStepSize);
}
