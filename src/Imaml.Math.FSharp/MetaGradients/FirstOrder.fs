// The methods that use no second derivative, after any inner solver.
//
//     FOMAML    g = ∇L(φ)        Algorithm 2 with A taken for I: no step of the linear solve            (Finn et al. 2017)
//     Reptile   g = θ − φ        from φ to θ; the query set is not used                                 (Nichol et al. 2018)
//
// Reptile's authors adapt by Adam without momentum, and never reset it: its second moments v are carried from task to task, and the step of a
// coordinate is its gradient relative to those of earlier tasks. For tasks that are worked on together, v is carried from meta-batch to meta-batch:
//
//     v ← v − (1/M) Σ (v − vᵢ) = (1/M) Σ vᵢ,   vᵢ the second moments after task i's descent from v
//
// which is a step against a gradient v − vᵢ in a number that is learned with θ.
//
// At the exact φ* the proximal term gives Reptile an objective: Λ(θ − φ*) = ∇L̂(φ*) is the gradient in θ of min_φ G(φ, θ), the Moreau envelope
// of the training loss, so that Reptile is gradient descent on it, preconditioned by Λ⁻¹.

namespace Imaml.Math

open System

[<RequireQualifiedAccess>]
module internal FirstOrder =

    let compute
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (innerSolver: IInnerSolver<'V, 'S>)
        (innerGradientNorm: float)
        (theta: 'V)
        (direction: 'V -> 'V -> 'V)
        =
        Region.run space (fun () ->
            let inner = innerSolver.Solve(space, regularizer, problem, theta, theta, space.Scalar innerGradientNorm)
            MetaGradient.withoutSolve space regularizer problem theta inner 0 0 (direction inner.Phi))

/// FOMAML: g = ∇L(φ). The inner solve is done where ‖∇G(φ, θ)‖ ≤ innerGradientNorm; 0 is a fixed budget.
///
/// Cost: the inner solve, one linearization for the report, one outer gradient.
type FirstOrderStrategy<'V, 'S>(innerSolver: IInnerSolver<'V, 'S>, innerGradientNorm: float) =
    do
        ArgumentNullException.ThrowIfNull(innerSolver, nameof innerSolver)

        MetaGradient.requireThreshold (nameof innerGradientNorm) innerGradientNorm

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) =
            FirstOrder.compute space regularizer problem innerSolver innerGradientNorm theta (fun _ v -> v)

/// Reptile: g = θ − φ. The inner solve is done where ‖∇G(φ, θ)‖ ≤ innerGradientNorm; 0 is a fixed budget.
///
/// Cost: the inner solve; one linearization and one outer gradient, for the report alone.
type ReptileStrategy<'V, 'S>(innerSolver: IInnerSolver<'V, 'S>, innerGradientNorm: float) =
    do
        ArgumentNullException.ThrowIfNull(innerSolver, nameof innerSolver)

        MetaGradient.requireThreshold (nameof innerGradientNorm) innerGradientNorm

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) =
            FirstOrder.compute space regularizer problem innerSolver innerGradientNorm theta (fun phi _ ->
                space.Axpy(space.Scalar -1.0, phi, theta))

/// Reptile by Adam whose second moments are kept (AdamSolver.Keeping; none before the first meta-batch): g = θ − φ, and MetaGradient.Learned is
/// v − vᵢ, a number for each coordinate, for steps of 1.
///
/// Cost: that of ReptileStrategy; a device is waited for.
type ReptileKeepingMomentsStrategy<'V, 'S>(solver: AdamSolver<'V, 'S>) =
    do ArgumentNullException.ThrowIfNull(solver, nameof solver)

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) =
            use region = space.OpenRegion()
            let struct (inner, moments) = solver.Descend(space, regularizer, problem, theta, theta)
            let minus x y = space.Axpy(space.Scalar -1.0, x, y)

            let result =
                MetaGradient.withoutSolve space regularizer problem theta inner 0 0 (fun _ -> minus inner.Phi theta)

            { Region.keep region result with
                Learned = solver.Coordinates.ToRows(minus moments (solver.Kept(space, theta)))
            }
