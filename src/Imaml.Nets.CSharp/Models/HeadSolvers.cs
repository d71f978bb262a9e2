// Algorithm 2's two solves for linear heads, in the span of the examples: on the host, in double precision, where r·N numbers are few (ExampleSpace).
// Chunks of a meta-batch share out the threads already; a device has one chunk at a time, whose tasks are then solved side by side.

using Imaml.Math;
using Imaml.Nets.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Newton's method from W₀, of which every iterate is W₀ + QV.</summary>
/// <param name="maxSteps">Newton steps at most.</param>
internal sealed class HeadNewtonSolver(int maxSteps) : IInnerSolver<Tensor, Tensor>
{
    /// <summary>W* for the centre W₀ = <paramref name="theta"/>, where it starts too.</summary>
    public InnerIterate<Tensor, Tensor> Solve(
        IInnerProductSpace<Tensor, Tensor> space, IRegularizer<Tensor, Tensor> regularizer, IBilevelProblem<Tensor, Tensor> problem, Tensor theta, Tensor start, Tensor gradientNorm)
    {
        using var scope = NewDisposeScope();
        var heads = (HeadTasks)problem;
        var (span, tasks) = (heads.Span, heads.Span.Tasks(HeadAdjointSolver.Lambda(regularizer)));
        var (starts, enough) = (ExampleSpan.Rows(heads.SupportLogits(theta)), space.Read(gradientNorm));
        var solutions = HeadAdjointSolver.Each(tasks.Length, theta, task => tasks[task].Minimise(starts[task], enough[task], maxSteps));
        Tensor PerTask(Func<HeadSolution, double> of) => space.PerTask([.. solutions.Select(of)]);
        Tensor Where(InnerStatus status) => PerTask(one => one.Status == status ? 1 : 0);
        var phi = theta.Plus(span.Weights(solutions.Select(one => one.Weights)));
        ICarried<Tensor, Tensor, InnerIterate<Tensor, Tensor>> found = new InnerIterate<Tensor, Tensor>(
            phi,
            new Marks<Tensor>(Where(InnerStatus.Converged), Where(InnerStatus.NonFinite), Where(InnerStatus.Stalled), space.Scalar(0)),
            new Counts<Tensor>(PerTask(one => one.Steps), PerTask(one => one.Products), PerTask(one => one.Steps + 1), space.Scalar(0)),
            true);
        return found.Carry(tensor => tensor.MoveToOuterDisposeScope(), tensor => tensor.MoveToOuterDisposeScope());
    }
}

/// <summary>u = v/λ + Q(s − Qᵀv/λ), s by conjugate gradients, to a residual or to the level of rounding.</summary>
internal sealed class HeadAdjointSolver : IAdjointSolver<Tensor, Tensor>
{
    /// <inheritdoc/>
    public AdjointSolve<Tensor, Tensor> Solve(
        IInnerProductSpace<Tensor, Tensor> space, IRegularizer<Tensor, Tensor> regularizer, ILinearization<Tensor, Tensor> linearization, Tensor v, Tensor residualNorm)
    {
        using var scope = NewDisposeScope();
        var at = (HeadTasks.Linearization)linearization;
        var lambda = Lambda(regularizer);
        var (span, tasks) = (at.Heads.Span, at.Heads.Span.Tasks(lambda));
        var (logits, ofV, enough) = (ExampleSpan.Rows(at.Logits), span.RowsOf(v), space.Read(residualNorm));
        var systems = Each(tasks.Length, v, task => tasks[task].Adjoint(logits[task], ofV[task], enough[task]));
        var u = v.DividedBy(lambda).Plus(span.Weights(systems.Select((one, task) => one.Solution.Select((s, i) => s - (ofV[task][i] / lambda)).ToArray())));
        var product = at.HessianProduct(u).PlusMultiple(lambda, u);
        var (size, residual) = (space.Norm(v), space.Norm(v.PlusMultiple(-1, product)));
        var products = space.PerTask([.. systems.Select(one => (double)one.Products)]);
        var met = space.Select(space.Exceeds(residual, residualNorm), space.Scalar(0), space.Scalar(1));
        var report = new LinearSolveReport<Tensor, Tensor>(
            u,
            size,
            new Counts<Tensor>(products, products, space.Scalar(0), space.Scalar(0)),
            space.DivideOrZero(residual, size),
            space.DivideOrZero(space.Inner(u, product), space.Inner(u, u)),
            new Marks<Tensor>(met, space.Select(residual.isfinite().to_type(residual.dtype), space.Scalar(0), space.Scalar(1)), space.Select(met, space.Scalar(0), space.Scalar(1)), space.Scalar(0)),
            space.Scalar(0),
            []);
        ICarried<Tensor, Tensor, AdjointSolve<Tensor, Tensor>> solve = AdjointSolve.OfReport(space, regularizer, report);
        return solve.Carry(tensor => tensor.MoveToOuterDisposeScope(), tensor => tensor.MoveToOuterDisposeScope());
    }

    /// <summary>λ of Λ = λI, the proximal term of heads.</summary>
    internal static double Lambda(IRegularizer<Tensor, Tensor> regularizer) =>
        regularizer is ScalarRegularizer<Tensor, Tensor> scalar ? scalar.Lambda : throw new ArgumentException("a head needs one λ for all its weights", nameof(regularizer));

    /// <summary>The results of every task, side by side where tasks come from a device.</summary>
    internal static T[] Each<T>(int tasks, Tensor like, Func<int, T> work)
    {
        var results = new T[tasks];
        if (like.device_type == DeviceType.CPU)
        {
            for (var task = 0; task < tasks; task++)
            {
                results[task] = work(task);
            }
        }
        else
        {
            Parallel.For(0, tasks, task => results[task] = work(task));
        }

        return results;
    }
}
