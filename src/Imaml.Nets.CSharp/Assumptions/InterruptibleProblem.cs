using Imaml.Math;

namespace Imaml.Nets.Assumptions;

/// <summary>A problem whose every evaluation ends with an <see cref="OperationCanceledException"/> once the user asks the program to stop: a solver may take a million.</summary>
internal sealed class InterruptibleProblem<TVector, TScalar>(IBilevelProblem<TVector, TScalar> problem, CancellationToken stop) : IBilevelProblem<TVector, TScalar>
{
    /// <inheritdoc/>
    public TScalar InnerLoss(TVector phi)
    {
        stop.ThrowIfCancellationRequested();
        return problem.InnerLoss(phi);
    }

    /// <inheritdoc/>
    public TVector InnerGradient(TVector phi)
    {
        stop.ThrowIfCancellationRequested();
        return problem.InnerGradient(phi);
    }

    /// <inheritdoc/>
    public ILinearization<TVector, TScalar> LinearizeInner(TVector phi)
    {
        stop.ThrowIfCancellationRequested();
        return new Linearization(problem.LinearizeInner(phi), stop);
    }

    /// <inheritdoc/>
    public (TScalar, TVector) OuterLossAndGradient(TVector phi)
    {
        stop.ThrowIfCancellationRequested();
        return problem.OuterLossAndGradient(phi);
    }

    private sealed class Linearization(ILinearization<TVector, TScalar> linearization, CancellationToken stop) : ILinearization<TVector, TScalar>
    {
        public TScalar Loss => linearization.Loss;

        public TVector Gradient => linearization.Gradient;

        public TVector HessianProduct(TVector w)
        {
            stop.ThrowIfCancellationRequested();
            return linearization.HessianProduct(w);
        }

        public void Dispose() => linearization.Dispose();
    }
}
