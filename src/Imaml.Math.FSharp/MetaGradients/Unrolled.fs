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

    /// d_θL(φ_T), in reverse mode.
    ///
    /// Cost: 2T + 1 gradients, T Hessian–vector products, one outer gradient. Memory grows by one vector for each of the T steps.
    let compute
        (options: UnrolledOptions)
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        : MetaGradient<'V, 'S> =
        InnerPath.check options

        Region.run space (fun () ->
            let iterates = InnerPath.follow space regularizer problem options (options.Steps + 1) theta
            let inner = InnerPath.iterate space options (Array.last iterates)

            BackPropagation.transpose space regularizer problem options iterates true
            |> MetaGradient.withoutSolve space regularizer problem theta inner options.Steps options.Steps)

/// MAML as a strategy, in reverse mode.
type UnrolledStrategy<'V, 'S>(options: UnrolledOptions) =
    do InnerPath.check options

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) = Unrolled.compute options space regularizer problem theta
