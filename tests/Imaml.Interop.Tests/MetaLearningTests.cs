using Expecto;
using Imaml.Math;
using MathNet.Numerics.LinearAlgebra;
using static Imaml.Interop.Tests.Check;
using static Imaml.Interop.Tests.Quadratic;

namespace Imaml.Interop.Tests;

/// <summary>
/// Algorithm 1 on one task: F(θ) = ½‖φ*(θ) − t‖² is least, 0, where φ*(θ) = t, which is θ* = (Mt − c)/λ = (3/2, 1); ∇²F = J² has the
/// eigenvalues (λ/µ)² = 0.35 and (λ/β)² = 0.13.
/// </summary>
public static class MetaLearningTests
{
    private static readonly Vector<double> Best = Of(1.5, 1.0);
    private static readonly IMetaGradientStrategy<Vector<double>, double> Strategy = new ImplicitStrategy<Vector<double>, double>(Inner, Linear, Thresholds.None);

    private static IEnumerable<TaskChunk<Vector<double>, double>[]> Batches(int steps) =>
        Enumerable.Repeat(MetaLearning.Chunks(Space, [Problem]), steps);

    private static GradientDescentOptimizer<Vector<double>, double> Descent(double rate) => new(rate);

    private static (Vector<double> Theta, MetaStepReport[] Reports) Run(IOuterOptimizer<Vector<double>, double> optimizer, int steps)
    {
        var (state, reports) = MetaLearning.Run(Space, Strategy, Proximal, Batches(steps), MetaLearning.Start(optimizer, Theta));
        Equal(state.Steps, steps, "steps");
        Equal(reports.Length, steps, "reports");
        return (state.Theta, reports);
    }

    private static void GradientDescent()
    {
        // η = µ²/λ² contracts by 1 − (µ/β)² = 0.64 a step: 10⁻²³ after 120.
        var (theta, reports) = Run(Descent(Mu * Mu / (Lambda * Lambda)), 120);
        Close(theta, Best, "θ");
        Close(reports[0].OuterLoss, 0.5 * (V * V), "F(θ₀)");
        Close(reports[0].GradientNorm, G.L2Norm(), "‖∇F(θ₀)‖");
        Equal(reports[0].Tasks[0].Cost.HessianProducts, 2, "products of the first task");
        That(reports[^1].OuterLoss < 1e-24, "F is 0 in the end");
        Refuses(() => Descent(0.0), "0", "must be positive");
    }

    private static void Sequence()
    {
        var start = MetaLearning.Start(Descent(1.0), Theta);
        var (next, report) = MetaLearning.Step(Space, Strategy, Proximal, MetaLearning.Chunks(Space, [Problem]), start);
        Close(next.Theta, Theta - G, "θ − ηg");
        Equal(report.Step, 1, "step");
        Equal(start.Theta, Theta, "the state given stays as it is");
        // Infinitely many meta-batches, of which three are asked for.
        static IEnumerable<TaskChunk<Vector<double>, double>[]> Forever()
        {
            while (true)
            {
                yield return MetaLearning.Chunks(Space, [Problem]);
            }
        }

        var states = MetaLearning.States(Space, Strategy, Proximal, Forever(), start).Take(3).ToList();
        Equal(states[0].Item1.Theta, next.Theta, "the first state");
        Equal(states[2].Item1.Theta, Run(Descent(1.0), 3).Theta, "the third state");
        Refuses(() => MetaLearning.Step(Space, Strategy, Proximal, [], start), "0", "at least 1 task");
    }

    [Tests]
    public static readonly Test Statements = List(
        "Algorithm 1",
        Statement("gradient descent finds the θ whose φ* is the target", GradientDescent),
        Statement("L-BFGS finds it in fewer steps", () => Close(Run(LbfgsOptimizer<Vector<double>, double>.Start(Space, 5, 1.0), 30).Theta, Best, "θ")),
        Statement("Adam's first step is η in every coordinate", () =>
        {
            // m̂/(√v̂ + ε) = sign g, but for ε/|g| = 10⁻⁸/0.2.
            var (theta, _) = Run(AdamOptimizer<Vector<double>, double>.Start(Space, Coordinates, AdamOptions.Authors, OuterSchedule.Constant(0.1), Theta), 1);
            Close(theta, Theta + Of(0.1, -0.1), "θ", 1e-8);
        }),
        Statement("steps, states and a run are the same", Sequence));
}
