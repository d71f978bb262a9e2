// An algorithm as a value: one record for each, with parts that are records too, written as JSON by their kinds. A method validates itself
// and builds its core strategy itself; nothing else changes when one is swapped for another.
//
// A method bound to one value of its learned numbers is Λ, an inner solver and a way to the meta-gradient, as values of the core.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Storage;
using Imaml.Nets.Tensors;
using MathNet.Numerics.LinearAlgebra;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>How a task is adapted to, and how its meta-gradient is made.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(ImplicitMaml), "imaml")]
[JsonDerivedType(typeof(NudgedMaml), "nudged")]
[JsonDerivedType(typeof(ConvexHeadMaml), "head")]
[JsonDerivedType(typeof(Maml), "maml")]
[JsonDerivedType(typeof(MetaSgd), "meta-sgd")]
[JsonDerivedType(typeof(TruncatedMaml), "truncated")]
[JsonDerivedType(typeof(FirstOrder), "fomaml")]
[JsonDerivedType(typeof(Reptile), "reptile")]
[JsonDerivedType(typeof(OwnMethod), "own")]
public abstract record Method
{
    /// <summary>What it is called in tables and messages.</summary>
    [JsonIgnore]
    public abstract string Name { get; }

    /// <summary>Which numbers are learned with θ, or null where none are.</summary>
    [JsonIgnore]
    internal virtual LearnedPart? Learns => null;

    /// <summary>All that is wrong with it; nothing where it can be used.</summary>
    public abstract IEnumerable<Complaint> Complaints();

    /// <summary>Where θ starts, [1, d], from the model's initial parameters.</summary>
    internal virtual Tensor Start(Tensor initial, IReadOnlyList<int> layerSizes) => initial;

    /// <summary>Whether the last layer starts at 0 for every task, so that tasks may have any number of classes.</summary>
    [JsonIgnore]
    internal virtual bool ServesAnyWays => false;

    /// <summary>The method for vectors of one kind. Its vectors belong to the dispose scope that is open.</summary>
    /// <exception cref="ArgumentException">The learned numbers have left the range that the method allows.</exception>
    public abstract BoundMethod Bind(MethodContext context);

    /// <summary>Why no task of a meta-step may have a meta-gradient, and what helps.</summary>
    [JsonIgnore]
    internal virtual string IfNoneIsFinite => $"{SolveStatus.NonFinite.Describe()}; lower the outer rate or the inner step size, or raise λ or the inner steps";

    /// <summary>The same method with another number of inner steps.</summary>
    public abstract Method WithInnerSteps(int steps);

    /// <summary>The method as a prediction uses it: with more inner steps where its classifier is the solution of the inner problem, which training only approximates.</summary>
    internal virtual Method ForPrediction => this;

    /// <summary>Steps of the inner solver, or null where they are not known.</summary>
    [JsonIgnore]
    public abstract int? InnerSteps { get; }

    /// <summary>Those by which it adapts when it is evaluated.</summary>
    [JsonIgnore]
    internal virtual int? EvaluationInnerSteps => InnerSteps;

    /// <summary>λ of the proximal term, or none.</summary>
    private protected static IRegularizer<Tensor, Tensor> Proximal(double? lambda) =>
        lambda is { } one ? new ScalarRegularizer<Tensor, Tensor>(one) : new NoProximalTerm<Tensor, Tensor>();
}

/// <summary>What a method is bound to.</summary>
/// <param name="LayerSizes">Parameters of each layer, in the order of the vector.</param>
/// <param name="Like">A vector of one row for all tasks, [1, d].</param>
/// <param name="Learned">The learned numbers, or null where none are.</param>
/// <param name="Seed">The run's seed, from which random probes are drawn.</param>
/// <param name="FirstTask">The number of the first task in the run, likewise.</param>
public sealed record MethodContext(IReadOnlyList<int> LayerSizes, Tensor Like, Vector<double>? Learned, ulong Seed, ulong FirstTask);

/// <summary>A method of the user's own, which the program that has it builds.</summary>
/// <param name="Name">What result files call it.</param>
[method: JsonConstructor]
public sealed record OwnMethod(string Name) : Method
{
    /// <summary>A method of this name, built by <paramref name="bind"/> for every portion of tasks.</summary>
    public OwnMethod(string name, Func<MethodContext, BoundMethod> bind)
        : this(name) => Build = bind ?? throw new ArgumentNullException(nameof(bind));

    /// <inheritdoc/>
    [JsonPropertyName("name")]
    public override string Name { get; } = Name;

    /// <inheritdoc/>
    public override int? InnerSteps => null;

    [JsonIgnore]
    private Func<MethodContext, BoundMethod>? Build { get; init; }

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() => Rule.Named(Name);

    /// <inheritdoc/>
    public override BoundMethod Bind(MethodContext context) =>
        Build is { } build ? build(context) ?? throw new ArgumentException($"the method {Name} was bound to null") : throw new OwnPartException($"the method {Name}");

    /// <inheritdoc/>
    public override Method WithInnerSteps(int steps) => throw new ArgumentException($"the steps of {Name} are its own; another number cannot be asked for");
}

/// <summary>A part of a run that only the program has which made it.</summary>
/// <param name="part">What it is.</param>
internal sealed class OwnPartException(string part) : ArgumentException($"{part} is not part of Imaml: the program that has it must train and evaluate this run");

/// <summary>A method bound to vectors of one kind.</summary>
/// <param name="regularizer">Λ; NoProximalTerm where there is none.</param>
/// <param name="innerSolver">How it adapts to a task when it is evaluated, and in most methods in training.</param>
/// <param name="strategy">How it makes the meta-gradient.</param>
/// <param name="innerGradientNorm">‖∇G‖ at which the inner solver is done; 0 for its budget alone.</param>
public sealed class BoundMethod(
    IRegularizer<Tensor, Tensor> regularizer,
    IInnerSolver<Tensor, Tensor> innerSolver,
    IMetaGradientStrategy<Tensor, Tensor> strategy,
    double innerGradientNorm = 0)
{
    /// <summary>Λ; NoProximalTerm where there is none.</summary>
    public IRegularizer<Tensor, Tensor> Regularizer { get; } = regularizer;

    /// <summary>The range of the numbers that are learned with θ, or null.</summary>
    public LearnedRange? Learned { get; internal init; }

    /// <summary>How the algorithm adapts to tasks from θ, [B, d], when it is evaluated.</summary>
    public InnerIterate<Tensor, Tensor> Adapt(TensorSpace space, IBilevelProblem<Tensor, Tensor> problem, Tensor theta) =>
        innerSolver.Solve(space, Regularizer, problem, theta, theta, space.Scalar(innerGradientNorm));

    /// <summary>The meta-gradients of every task at θ, [B, d], and those in the learned numbers, where there are any.</summary>
    public MetaGradient<Tensor, Tensor> Compute(TensorSpace space, IBilevelProblem<Tensor, Tensor> problem, Tensor theta) =>
        strategy.Compute(space, Regularizer, problem, theta);
}
