// Truncated back-propagation (Shaban et al. 2019): through the last K of T inner steps only, φ_{T−K} being taken for a constant.
//
// Where H is constant and the steps are gradient descent's, with M = H + Λ it is the K-term Neumann series of the implicit gradient,
//
//     g = αΛ Σₖ₌₀ᴷ⁻¹ (I − αM)ᵏ v = ΛM⁻¹[I − (I − αM)ᴷ]v,
//
// which is off ΛM⁻¹v by at most (‖Λ‖/µ)(1 − αµ)ᴷ‖v‖ for α ≤ 1/β (Table 1: K of order κ log(1/ε)). K = T is not MAML: θ as the start of the
// path is a constant too, and (I − αM)ᵀv, what reaches it, is left out.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module Truncated =

    let internal check (options: UnrolledOptions) lastSteps =
        InnerPath.check options

        if not (lastSteps >= 1 && lastSteps <= options.Steps) then
            invalidArg
                (nameof lastSteps)
                $"the steps that are differentiated must be from 1 to the number of inner steps {options.Steps}, not {lastSteps}"

    /// αΛ Σ aₜ₊₁ over the last `lastSteps` = K steps.
    ///
    /// Errors: Λ = 0, for which it would be 0. Cost: T + K gradients, K − 1 Hessian–vector products, one outer gradient. Memory grows by one vector for each of the K steps.
    let compute
        (options: UnrolledOptions)
        (lastSteps: int)
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        : MetaGradient<'V, 'S> =
        check options lastSteps
        Regularizer.requireProximalTerm regularizer "truncated back-propagation, in which θ acts through the pull towards it alone,"
        let path = InnerPath.ofOptions options

        Region.run space (fun () ->
            let iterates = InnerPath.follow space regularizer problem path (lastSteps + 1) theta theta
            let inner = InnerPath.iterate space path.Steps (Array.last iterates)
            // The first of the K steps gives its share, and is not gone back through.
            let first = path.Steps - lastSteps + 1

            let derivative v =
                BackPropagation.start space path v
                |> BackPropagation.stretch space regularizer problem path theta first iterates[0] iterates[1 .. lastSteps - 1]
                |> BackPropagation.share space regularizer path

            MetaGradient.withoutSolve space regularizer problem theta inner (lastSteps - 1) (lastSteps - 1) derivative)

/// Truncated back-propagation as a strategy: through the last `lastSteps` of the inner steps.
type TruncatedStrategy<'V, 'S>(options: UnrolledOptions, lastSteps: int) =
    do Truncated.check options lastSteps

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) = Truncated.compute options lastSteps space regularizer problem theta
