using Expecto;
using Imaml.Math;
using MathNet.Numerics.LinearAlgebra;
using static Imaml.Interop.Tests.Check;
using static Imaml.Interop.Tests.Quadratic;

namespace Imaml.Interop.Tests;

/// <summary>The core's interfaces, implemented by a user in C#.</summary>
public static class OwnTypesTests
{
    /// <summary>A solver that has the exact solution: M's dense inverse, reported as one product.</summary>
    private sealed class Direct : ILinearSolver<Vector<double>, double>
    {
        public LinearSolveReport<Vector<double>, double> Solve(
            IInnerProductSpace<Vector<double>, double> space, ILinearOperator<Vector<double>> @operator, Vector<double> b, double residualNorm)
        {
            var columns = new[] { @operator.Apply(Of(1.0, 0.0)), @operator.Apply(Of(0.0, 1.0)) };
            var solution = Matrix<double>.Build.DenseOfColumnVectors(columns).Solve(b);
            var residual = space.DivideOrZero(space.Norm(b - @operator.Apply(solution)), space.Norm(b));
            return LinearSolver.Report(
                space, solution, space.Norm(b), steps: 1.0, products: 3.0, relativeResidual: residual, met: residual < 1e-12 ? 1.0 : 0.0);
        }

        public LinearSolveReport<Vector<double>, double> SolveFrom(
            IInnerProductSpace<Vector<double>, double> space, ILinearOperator<Vector<double>> @operator, Vector<double> b, Vector<double> start,
            double residualNorm) => Solve(space, @operator, b, residualNorm);
    }

    /// <summary>One Newton step from the start, exact for a quadratic, with a report of its own.</summary>
    private sealed class Newton : IInnerSolver<Vector<double>, double>
    {
        public InnerIterate<Vector<double>, double> Solve(
            IInnerProductSpace<Vector<double>, double> space, IRegularizer<Vector<double>, double> regularizer,
            IBilevelProblem<Vector<double>, double> problem, Vector<double> theta, Vector<double> start, double gradientNorm)
        {
            using var linearization = problem.LinearizeInner(start);
            var gradient = linearization.Gradient + regularizer.Apply(space, start - theta);
            var step = new Direct().Solve(space, AdjointSolve.Operator(space, regularizer, linearization), gradient, 0.0);
            return new(
                phi: start - step.Solution,
                marks: new Marks<double>(met: 1.0, nonFinite: 0.0, stagnated: 0.0, indefinite: 0.0),
                counts: new Counts<double>(steps: 1.0, products: step.Counts.Products, gradients: 1.0, losses: 0.0),
                reported: true);
        }
    }

    private sealed class Silent : IInnerSolver<Vector<double>, double>
    {
        public InnerIterate<Vector<double>, double> Solve(
            IInnerProductSpace<Vector<double>, double> space, IRegularizer<Vector<double>, double> regularizer,
            IBilevelProblem<Vector<double>, double> problem, Vector<double> theta, Vector<double> start, double gradientNorm) =>
            InnerSolver.BlackBox(space, Phi);
    }

    /// <summary>Λ = diag(1, 4).</summary>
    private sealed class OneAndFour : IRegularizer<Vector<double>, double>
    {
        public double SmallestEigenvalue => 1.0;

        public double LargestEigenvalue => 4.0;

        public Vector<double> Apply(IInnerProductSpace<Vector<double>, double> space, Vector<double> w) => Of(w[0], 4.0 * w[1]);

        public Vector<double> ApplyInverse(IInnerProductSpace<Vector<double>, double> space, Vector<double> w) => Of(w[0], w[1] / 4.0);
    }

    /// <summary>θ ← θ − ηg and a count of its steps.</summary>
    private sealed record Counted(int Steps, double Rate) : IOuterOptimizer<Vector<double>, double>
    {
        public (Vector<double>, IOuterOptimizer<Vector<double>, double>) Step(
            IInnerProductSpace<Vector<double>, double> space, Vector<double> gradient, Vector<double> theta) =>
            (space.Axpy(-Rate, gradient, theta), this with { Steps = Steps + 1 });

        public OptimizerState<Vector<double>> State(IInnerProductSpace<Vector<double>, double> space) => OptimizerState<Vector<double>>.OfSteps(Steps);

        public IOuterOptimizer<Vector<double>, double> Restore(IInnerProductSpace<Vector<double>, double> space, OptimizerState<Vector<double>> state) =>
            this with { Steps = state.Steps };

        public IOuterOptimizer<Vector<double>, double> Carry(Func<Vector<double>, Vector<double>> vector, Func<double, double> scalar) => this;
    }

    private static void OwnSpace()
    {
        var space = new ArraySpace();
        double[] Times(Matrix<double> a, double[] x) => [.. a * Of(x)];
        var problem = BilevelProblem.FromDelegates<double[], double>(
            phi => Problem.InnerLoss(Of(phi)),
            phi => [.. Problem.InnerGradient(Of(phi))],
            (_, w) => Times(H, w),
            phi => Problem.OuterLossAndGradient(Of(phi)).Item1,
            phi => [.. Of(phi) - Target]);
        var result = ImplicitMetaGradient.Compute(
            space, new ScalarRegularizer<double[], double>(Lambda), problem, new GradientDescentSolver<double[], double>(StepRule.NewConstantStep(1.0 / Beta), 40),
            new ConjugateGradientSolver<double[], double>(LinearSolveOptions.FixedBudget(2)), [.. Theta]);
        Close(Of(result.Gradient), G, "g");
        Close(Of(result.Solve.Read(space)[0].RitzValues), Of(Mu, Beta), "Ritz values");
    }

    private static void OwnRegularizer()
    {
        var lambda = Matrix<double>.Build.DenseOfDiagonalArray([1.0, 4.0]);
        var inverse = (H + lambda).Inverse();
        var phi = inverse * (C + (lambda * Theta));
        var result = ImplicitMetaGradient.Compute(Space, new OneAndFour(), Problem, new ExactInnerSolver<Vector<double>, double>(Coordinates, 10), Linear, Theta);
        Close(result.Gradient, lambda * inverse * (phi - Target), "Λ(H + Λ)⁻¹v");
    }

    /// <summary>Table 1's columns, from the code that runs: gradients and products are counted, and memory is flat in the steps.</summary>
    private static void Counting()
    {
        (int Vectors, WorkCount Work, WorkCount Reported) Run(int steps)
        {
            var counting = new CountingSpace<Vector<double>, double>(Space);
            var problem = new CountingProblem<Vector<double>, double>(counting, Problem);
            var regularizer = new ScalarRegularizer<Counted<Vector<double>>, Counted<double>>(Lambda);
            var inner = new GradientDescentSolver<Counted<Vector<double>>, Counted<double>>(StepRule.NewConstantStep(0.1), steps);
            var theta = counting.Track(Theta);
            counting.Reset();
            var result = ImplicitMetaGradient.Compute(counting, regularizer, problem, inner, new ConjugateGradientSolver<Counted<Vector<double>>, Counted<double>>(LinearSolveOptions.FixedBudget(2)), theta);
            var work = problem.Count;
            return (counting.MostVectors, work, result.Cost(counting)[0]);
        }

        var (few, work, reported) = Run(4);
        Equal((work.Gradients, work.HessianProducts, work.OuterGradients), (5, 2, 1), "what was asked of the problem");
        Equal((reported.Gradients, reported.HessianProducts, reported.OuterGradients), (5, 2, 1), "what the report says");
        Equal(Run(64).Vectors, few, "vectors that live at most");
    }

    [Tests]
    public static readonly Test Statements = List(
        "A user's own",
        Statement("linear and inner solver serve Algorithm 2", () =>
        {
            var result = ImplicitMetaGradient.Compute(Space, Proximal, Problem, new Newton(), new Direct(), Theta);
            Close(result.Gradient, G, "g");
            Equal(result.Solve.Read(Space)[0].Status, SolveStatus.Converged, "status");
            Equal(result.Inner.Read(Space)[0].Status, InnerStatus.Converged, "status");
            Equal(result.Cost(Space)[0].HessianProducts, 6, "three products each");
            var silent = ImplicitMetaGradient.Compute(Space, Proximal, Problem, new Silent(), new Direct(), Theta);
            Close(silent.Gradient, G, "g");
            Equal(silent.Inner.Read(Space)[0].Status, InnerStatus.NotReported, "status");
        }),
        Statement("regulariser serves Algorithm 2", OwnRegularizer),
        Statement("space runs Algorithm 2 as MathNet's does", OwnSpace),
        Statement("outer optimiser serves Algorithm 1", () =>
        {
            var strategy = new ImplicitStrategy<Vector<double>, double>(Inner, Linear, Thresholds.None);
            var batches = Enumerable.Repeat(MetaLearning.Chunks(Space, [Problem]), 2);
            var (state, _) = MetaLearning.Run(Space, strategy, Proximal, batches, MetaLearning.Start(new Counted(0, 0.5), Theta));
            var (same, _) = MetaLearning.Run(
                Space, strategy, Proximal, batches, MetaLearning.Start(new GradientDescentOptimizer<Vector<double>, double>(0.5), Theta));
            Equal(((Counted)state.Optimizer).Steps, 2, "steps");
            Close(state.Theta, same.Theta, "θ");
        }),
        Statement("counts of Algorithm 2 are those of Table 1, and its memory is flat", Counting));
}
