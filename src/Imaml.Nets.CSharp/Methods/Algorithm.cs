// The algorithms of `imaml train`, each with the options that it needs and those that it takes; any other is refused.


namespace Imaml.Nets.Methods;

/// <summary>A way to adapt to a task and to learn from it.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="Summary">What it does, in a line.</param>
/// <param name="Needs">Options that must be given, beside those of every run.</param>
/// <param name="Takes">Options that may be given.</param>
public sealed record Algorithm(string Name, string Summary, IReadOnlyList<string> Needs, IReadOnlyList<string> Takes)
{
    /// <summary>Algorithm 2 with gradient descent inside.</summary>
    public const string ImamlGd = "imaml-gd";

    /// <summary>Algorithm 2 with Nesterov's method inside.</summary>
    public const string ImamlNesterov = "imaml-nesterov";

    /// <summary>Algorithm 2 with Polyak's heavy ball inside.</summary>
    public const string ImamlHeavyBall = "imaml-heavy-ball";

    /// <summary>Algorithm 2 with the Hessian-free method inside: Newton directions by conjugate gradients, with a line search.</summary>
    public const string ImamlHf = "imaml-hf";

    /// <summary>MAML, second-order.</summary>
    public const string Maml = "maml";

    /// <summary>Truncated back-propagation.</summary>
    public const string Truncated = "truncated";

    /// <summary>First-order MAML.</summary>
    public const string Fomaml = "fomaml";

    /// <summary>Reptile.</summary>
    public const string Reptile = "reptile";

    /// <summary>Meta-SGD: MAML with learned step sizes.</summary>
    public const string MetaSgd = "meta-sgd";

    internal const string Lambda = "--lambda", NoProximal = "--no-proximal", InnerStepSize = "--inner-step-size", Momentum = "--momentum",
        DirectionSteps = "--direction-steps", CgSteps = "--cg-steps", Truncate = "--truncate", Recompute = "--recompute",
        LearnedStepSizes = "--step-sizes", StepSizeRate = "--step-size-rate", LinearSolver = "--linear-solver", Probes = "--probes",
        NeumannStep = "--neumann-step", Delta = "--delta", DeltaPrime = "--delta-prime", OnNegativeCurvature = "--on-negative-curvature",
        LearnLambda = "--learn-lambda", LambdaRate = "--lambda-rate";

    private static readonly string[] Implicit = [LinearSolver, Probes, NeumannStep, Delta, DeltaPrime, OnNegativeCurvature, LearnLambda, LambdaRate];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Algorithm> All { get; } =
    [
        new(ImamlGd, "implicit gradient, gradient descent inside", [Lambda, CgSteps], [InnerStepSize, .. Implicit]),
        new(ImamlNesterov, "implicit gradient, Nesterov's method inside", [Lambda, CgSteps, InnerStepSize, Momentum], Implicit),
        new(ImamlHeavyBall, "implicit gradient, heavy ball inside", [Lambda, CgSteps, InnerStepSize, Momentum], Implicit),
        new(ImamlHf, "implicit gradient, Hessian-free inside (Newton-CG with a line search)", [Lambda, CgSteps], [DirectionSteps, .. Implicit]),
        new(Maml, "back-propagation through all inner steps", [InnerStepSize], [Lambda, NoProximal, Recompute]),
        new(Truncated, "back-propagation through the last K inner steps", [Lambda, InnerStepSize, Truncate], []),
        new(Fomaml, "first-order MAML: the query gradient after adapting", [], [Lambda, NoProximal, InnerStepSize]),
        new(Reptile, "the way back from the adapted parameters", [], [Lambda, NoProximal, InnerStepSize]),
        new(MetaSgd, "MAML with learned step sizes", [InnerStepSize], [Lambda, NoProximal, Recompute, LearnedStepSizes, StepSizeRate]),
    ];

    /// <summary>Whether the algorithm solves (H + Λ)u = v.</summary>
    public bool IsImplicit => Needs.Contains(CgSteps);

    /// <summary>The algorithm of this name, or null.</summary>
    public static Algorithm? Find(string name) => All.FirstOrDefault(one => one.Name == name);

    /// <summary>Refuses options that are missing, and those that have no part in the algorithm.</summary>
    /// <param name="given">The names of the options that were given.</param>
    /// <exception cref="ArgumentException">One line that names the option.</exception>
    internal void Check(IReadOnlyCollection<string> given)
    {
        foreach (var needed in Needs)
        {
            Require(given.Contains(needed), $"{Name} needs {needed}");
        }

        foreach (var one in given)
        {
            Require(Needs.Contains(one) || Takes.Contains(one), $"{one} has no part in {Name}; leave it out");
        }

        if (Takes.Contains(NoProximal))
        {
            Require(given.Contains(Lambda) || given.Contains(NoProximal), $"{Name} needs {Lambda} for a proximal term, or {NoProximal} for none");
            Require(!given.Contains(Lambda) || !given.Contains(NoProximal), $"{Lambda} and {NoProximal} contradict each other; give one");
            Require(!given.Contains(NoProximal) || given.Contains(InnerStepSize), $"{NoProximal} needs {InnerStepSize}");
        }
    }

    private static void Require(bool holds, string message)
    {
        if (!holds)
        {
            throw new ArgumentException(message);
        }
    }
}
