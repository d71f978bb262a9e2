using Imaml.Math;
using Imaml.Theory;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

namespace Imaml.Cli.Problems;

/// <summary>The lower level of a file at its own z, whatever z it is asked for.</summary>
internal sealed class ParameterLevel(BilevelTask task, IRegularizer<Vector, double> regularizer, IBilevelProblem<Vector, double> problem, KnownPullBack pullBack)
    : ICertifiedLowerLevel<Vector, Vector, double>
{
    /// <inheritdoc/>
    public LowerLevelPoint<Vector, Vector, double> At(Vector z) =>
        new(regularizer, task.Theta, problem, new PullBack<Vector, Vector>((x, u, lambdaU) => pullBack.GradientAt(x, u, lambdaU)));

    /// <inheritdoc/>
    public TaskConstants[] Constants(Vector z) => [BilevelTaskModule.losses(task)];

    /// <inheritdoc/>
    public PullBackBound[] PullBackBounds(Vector z, Vector x, Vector u) => [pullBack.BoundAt(x, u)];
}
