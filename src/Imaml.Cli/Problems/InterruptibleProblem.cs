using Imaml.Math;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

namespace Imaml.Cli.Problems;

/// <summary>A problem whose gradients end with an <see cref="OperationCanceledException"/> once the user asks the program to stop: an inner solver may take a million.</summary>
internal sealed class InterruptibleProblem(IBilevelProblem<Vector, double> problem, CancellationToken stop) : IBilevelProblem<Vector, double>
{
    public double InnerLoss(Vector phi)
    {
        stop.ThrowIfCancellationRequested();
        return problem.InnerLoss(phi);
    }

    public Vector InnerGradient(Vector phi)
    {
        stop.ThrowIfCancellationRequested();
        return problem.InnerGradient(phi);
    }

    public ILinearization<Vector, double> LinearizeInner(Vector phi)
    {
        stop.ThrowIfCancellationRequested();
        return problem.LinearizeInner(phi);
    }

    public (double, Vector) OuterLossAndGradient(Vector phi)
    {
        stop.ThrowIfCancellationRequested();
        return problem.OuterLossAndGradient(phi);
    }
}
