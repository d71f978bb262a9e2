// What is learned on tasks: parameters with a loss for every task. The network of layers is one (ImageClassifier); losses written in libtorch's
// operations are another (AutogradProblem).

using Imaml.Math;
using Imaml.Nets.Tasks;
using static TorchSharp.torch;

namespace Imaml.Nets.Learning;

/// <summary>A parametric model of tasks.</summary>
/// <typeparam name="TTasks">B tasks, as their <see cref="ITaskSource{TTasks}"/> gives them.</typeparam>
public interface IModel<in TTasks>
{
    /// <summary>How many parameters each layer has, in the order of the parameter vector; they add up to d.</summary>
    IReadOnlyList<int> LayerSizes { get; }

    /// <summary>Whether its problems are <see cref="IMeasuredProblem"/>s, measured by their accuracy; otherwise they are measured by their outer loss.</summary>
    bool Classifies => false;

    /// <summary>New meta-parameters, [d], in float32 on the processor; random numbers come from the generator alone.</summary>
    Tensor InitialParameters(Generator generator);

    /// <summary>
    /// The losses of B tasks as functions of parameters [B, d], the loss of a task a function of its own row alone. Called from several threads; what
    /// it makes belongs to the dispose scope that is open.
    /// </summary>
    /// <param name="tasks">The tasks.</param>
    /// <param name="like">Parameters, whose type and device the losses must have.</param>
    IBilevelProblem<Tensor, Tensor> Problem(TTasks tasks, Tensor like);
}

/// <summary>A problem that measures φ by something else than its outer loss.</summary>
public interface IMeasuredProblem : IBilevelProblem<Tensor, Tensor>
{
    /// <summary>How good φ is on the query sets: accuracy, one number per task, on the host.</summary>
    double[] QueryAccuracy(Tensor phi);
}

/// <summary>Tasks with the model that is trained on them: all that a meta-learner uses of either.</summary>
public abstract class LearningProblem
{
    private LearningProblem(string identity, string metric, int supportExamples, IReadOnlyList<int> layerSizes, string? layers) =>
        (Identity, Metric, SupportExamples, LayerSizes, ParameterCount, Layers) = (identity, metric, int.Max(1, supportExamples), layerSizes, layerSizes.Sum(), layers);

    /// <summary>What <see cref="Measure"/> can be: the share of query examples that are right, or the outer loss.</summary>
    public const string Accuracy = "accuracy", Loss = "loss";

    /// <summary>What determines the tasks.</summary>
    public string Identity { get; }

    /// <summary>What <see cref="Measure"/> is for this model.</summary>
    public string Metric { get; }

    /// <summary>Examples that a task is adapted to.</summary>
    public int SupportExamples { get; }

    /// <summary>Parameters of each layer.</summary>
    public IReadOnlyList<int> LayerSizes { get; }

    /// <summary>d.</summary>
    public int ParameterCount { get; }

    /// <summary>The layers of a network of layers, or null where the model is another.</summary>
    internal string? Layers { get; }

    /// <summary>Binds tasks to a model of them.</summary>
    /// <exception cref="ArgumentException">The tasks have no identity, or the model no layers.</exception>
    public static LearningProblem Of<TTasks>(ITaskSource<TTasks> tasks, IModel<TTasks> model)
    {
        ArgumentNullException.ThrowIfNull(tasks);
        ArgumentNullException.ThrowIfNull(model);
        if (tasks.Identity is null)
        {
            throw new ArgumentException("the tasks' Identity must not be null", nameof(tasks));
        }

        return model.LayerSizes is { Count: > 0 } sizes && sizes.All(size => size > 0)
            ? new Bound<TTasks>(tasks, model)
            : throw new ArgumentException("the model's LayerSizes must be at least one, each at least 1", nameof(model));
    }

    /// <summary>Whether there are tasks of a part.</summary>
    public abstract bool Has(ClassPart part);

    /// <summary>New meta-parameters by a seed, [d].</summary>
    public abstract Tensor InitialParameters(ulong seed);

    /// <summary>The tasks of a range as a bilevel problem on parameters like these. It belongs to the dispose scope that is open.</summary>
    public abstract IBilevelProblem<Tensor, Tensor> Problem(TaskRange range, Tensor like);

    /// <summary>What is reported of φ for every task, on the host: its accuracy, or where it has none the outer loss.</summary>
    public static double[] Measure(IBilevelProblem<Tensor, Tensor> problem, Tensor phi)
    {
        if (problem is IMeasuredProblem measured)
        {
            return AccuracyOf(measured, phi);
        }

        using var scope = NewDisposeScope();
        return problem.OuterLossAndGradient(phi).Item1.to_type(ScalarType.Float64).cpu().data<double>().ToArray();
    }

    /// <summary>The accuracies that a problem returns, one for each task.</summary>
    /// <exception cref="ArgumentException">It does not return one share for each task.</exception>
    internal static double[] AccuracyOf(IMeasuredProblem problem, Tensor phi)
    {
        var shares = problem.QueryAccuracy(phi);
        return shares is not null && shares.Length == phi.shape[0] && !Array.Exists(shares, share => share is < 0 or > 1)
            ? shares
            : throw new ArgumentException($"QueryAccuracy must give {phi.shape[0]} shares from 0 to 1, one for each task, not {(shares is null ? "null" : $"[{string.Join(", ", shares.Take(5))}]")}");
    }

    private sealed class Bound<TTasks>(ITaskSource<TTasks> tasks, IModel<TTasks> model)
        : LearningProblem(tasks.Identity, model.Classifies ? Accuracy : Loss, tasks.SupportExamples, model.LayerSizes, (model as ImageClassifier)?.Network.Description)
    {
        public override bool Has(ClassPart part) => tasks.Has(part);

        public override Tensor InitialParameters(ulong seed)
        {
            using var generator = new Generator(seed, CPU);
            return model.InitialParameters(generator) ?? throw new ArgumentException("the model's InitialParameters gave null");
        }

        public override IBilevelProblem<Tensor, Tensor> Problem(TaskRange range, Tensor like)
        {
            var problem = model.Problem(tasks.Take(range), like) ?? throw new ArgumentException("the model's Problem gave null");
            return problem is IMeasuredProblem == model.Classifies
                ? problem
                : throw new ArgumentException($"the model's Classifies is {model.Classifies}, but its problems are {(model.Classifies ? "not " : "")}measured by accuracy (IMeasuredProblem)");
        }
    }
}
