// MAML (Finn et al. 2017): the derivative of the iterate itself, by back-propagation through all T inner steps.
//
//     d_θ L(φ_T(θ)) = J_Tᵀ∇L(φ_T)
//
// where, from J₀ = J₋₁ = I, differentiating Momentum.fs's steps in θ gives with Hₜ = H(φₜ), x = φₜ + b(φₜ − φₜ₋₁)
//
//     gradient descent   Jₜ₊₁ = (I − α(Hₜ+Λ))Jₜ + αΛ
//     heavy ball         Jₜ₊₁ = (I − α(Hₜ+Λ))Jₜ + b(Jₜ − Jₜ₋₁) + αΛ
//     Nesterov           Jₜ₊₁ = (I − α(H(x)+Λ))[(1+b)Jₜ − bJₜ₋₁] + αΛ
//
// Heavy ball's gradient is taken at φₜ, so its momentum does not pass through H: the two momenta have different Jacobians. Against
// d_θL(φ_T) this gradient has no error (the paper's approximate-solve error); against d_θL(Alg*(θ)) it has one, like any other.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module Unrolled =

    /// The meta-gradient through a whole path, and the adjoint that came back to its start.
    let internal alongPath
        (memory: PathMemory)
        (path: PathOptions<'V>)
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        : struct (MetaGradient<'V, 'S> * Adjoint<'V, 'S>) =
        let struct (phi, back, recomputed) =
            match memory with
            | EveryIterate ->
                let iterates = InnerPath.follow space regularizer problem path (path.Steps + 1) theta theta
                let before = Array.truncate path.Steps iterates
                let back = BackPropagation.stretch space regularizer problem path theta 0 theta before
                struct (Array.last iterates, back, 0)
            | Recompute ->
                let struct (checkpoints, phi) = Checkpoints.follow space regularizer problem path theta
                let back = Array.foldBack (BackPropagation.recomputing space regularizer problem path theta) checkpoints
                struct (phi, back, Checkpoints.recomputed path.Steps)

        let mutable reached = ValueNone

        let derivative v =
            let adjoint = back (BackPropagation.start space path v)
            reached <- ValueSome adjoint
            BackPropagation.whole space regularizer path adjoint

        let inner = InnerPath.iterate space path.Steps phi

        let result =
            MetaGradient.withoutSolve space regularizer problem theta inner (path.Steps + recomputed) path.Steps derivative

        struct (result, reached.Value)

    /// d_θL(φ_T), in reverse mode, from what `memory` keeps of the path.
    ///
    /// Cost: 2T + 1 gradients, T Hessian–vector products, one outer gradient. Memory grows by one vector for each of the T steps. With
    /// Recompute at most T gradients more, about 2√T vectors (3√T with momentum), and the same numbers.
    let computeKeeping
        (memory: PathMemory)
        (options: UnrolledOptions)
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        : MetaGradient<'V, 'S> =
        let path = InnerPath.ofOptions options

        Region.run space (fun () ->
            let struct (result, _) = alongPath memory path space regularizer problem theta
            result)

    /// The same from all iterates.
    let compute options space regularizer problem (theta: 'V) : MetaGradient<'V, 'S> =
        computeKeeping EveryIterate options space regularizer problem theta

/// MAML as a strategy, in reverse mode.
type UnrolledStrategy<'V, 'S>(options: UnrolledOptions, memory: PathMemory) =
    do InnerPath.check options

    /// Every iterate kept.
    new(options) = UnrolledStrategy(options, EveryIterate)

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) = Unrolled.computeKeeping memory options space regularizer problem theta
