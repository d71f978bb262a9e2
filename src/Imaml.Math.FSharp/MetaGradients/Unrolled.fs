// MAML (Finn et al. 2017): the derivative of the iterate itself, by back-propagation through the inner steps.
//
//     d_θ L(φ_T(θ)) = J_Tᵀ∇L(φ_T)
//
// where, from J₀ = J₋₁ = I, differentiating DescentStep.fs's steps in θ gives with Hₜ = H(φₜ), x = φₜ + b(φₜ − φₜ₋₁)
//
//     gradient descent   Jₜ₊₁ = (I − α(Hₜ+Λ))Jₜ + αΛ
//     heavy ball         Jₜ₊₁ = (I − α(Hₜ+Λ))Jₜ + b(Jₜ − Jₜ₋₁) + αΛ
//     Nesterov           Jₜ₊₁ = (I − α(H(x)+Λ))[(1+b)Jₜ − bJₜ₋₁] + αΛ
//
// Heavy ball's gradient is taken at φₜ, so its momentum does not pass through H: the two momenta have different Jacobians. Against
// d_θL(φ_T) this gradient has no error (the paper's approximate-solve error); against d_θL(Alg*(θ)) it has one, like any other.
//
// Reverse mode, v ↦ Jᵀv: with aₜ the adjoint of φₜ (a_T = v), step t has z̄ = aₜ₊₁ and ȳ = −(H(yₜ)+Λ)Saₜ₊₁, which Pᵀ passes on to φₜ and
// φₜ₋₁, and it gives θ the share ΛSaₜ₊₁. So Jᵀv = ΛS Σ aₜ₊₁ over the steps, and what reaches φ₀ = φ₋₁ = θ. Only the iterates are stored: the
// loss is linearized anew at every yₜ, for one more gradient a step, so that a network's activations are held for one step at a time. Where
// S = diag(α), the same gradient gives the derivative in the step sizes: −Σ ∇G(yₜ, θ)∘aₜ₊₁.
//
// Truncated back-propagation (Shaban et al. 2019) goes through the last K of T steps only, φ_{T−K} being taken for a constant. Where H is
// constant and the steps are gradient descent's, with M = H + Λ it is the K-term Neumann series of the implicit gradient,
//
//     g = αΛ Σₖ₌₀ᴷ⁻¹ (I − αM)ᵏ v = ΛM⁻¹[I − (I − αM)ᴷ]v,
//
// which is off ΛM⁻¹v by at most (‖Λ‖/µ)(1 − αµ)ᴷ‖v‖ for α ≤ 1/β (Table 1: K of order κ log(1/ε)). K = T is not MAML: θ as the start of the
// path is a constant too, and (I − αM)ᵀv, what reaches it, is omitted.

namespace Imaml.Math

open System

/// The adjoint of the iterate reached, what its predecessor has been given already, Σ aₜ₊₁, and the derivative in the step sizes.
[<NoComparison; NoEquality>]
type internal Adjoint<'V, 'S> =
    {
        Current: 'V
        Previous: 'V
        Sum: 'V
        /// Nothing for one step size, which is not learned.
        StepSizes: 'V voption
    }

    interface ICarried<'V, 'S, Adjoint<'V, 'S>> with
        member a.Carry(vector, _) =
            {
                Current = vector.Invoke a.Current
                Previous = vector.Invoke a.Previous
                Sum = vector.Invoke a.Sum
                StepSizes = ValueOption.map vector.Invoke a.StepSizes
            }

[<RequireQualifiedAccess>]
module internal BackPropagation =

    /// At the end of the path, from v = ∇L(φ_T).
    let start (space: IInnerProductSpace<'V, 'S>) (path: PathOptions<'V>) (v: 'V) : Adjoint<'V, 'S> =
        {
            Current = Mask.copyVector space v
            Previous = space.Zero v
            Sum = Mask.copyVector space v
            StepSizes =
                match path.Sizes with
                | OneStepSize _ -> ValueNone
                | StepSizeVector _ -> ValueSome(space.Zero v)
        }

    /// Back through step t, that was taken from y. The adjoint of φ₀ is not multiplied by Λ, and is not in the sum.
    let private through
        (space: IInnerProductSpace<'V, 'S>)
        regularizer
        (problem: IBilevelProblem<'V, 'S>)
        (path: PathOptions<'V>)
        (theta: 'V)
        (t: int)
        (y: 'V)
        (adjoint: Adjoint<'V, 'S>)
        : Adjoint<'V, 'S> =
        use linearization = problem.LinearizeInner y

        let backwards =
            space.Scale(space.Scalar -1.0, Descent.apply space (InnerPath.sizes space path) adjoint.Current)

        let yBar = InnerObjective.hessianProduct space regularizer linearization backwards
        let struct (phi, previous) = Descent.adjointOfPoints space path.Momentum yBar adjoint.Current
        let current = space.Axpy(space.Scalar 1.0, adjoint.Previous, phi)

        let stepSizes =
            match path.Sizes, adjoint.StepSizes with
            | StepSizeVector(coordinates, _), ValueSome sum ->
                let gradient = InnerObjective.gradient space regularizer linearization.Gradient y theta
                ValueSome(space.Axpy(space.Scalar -1.0, coordinates.Product(gradient, adjoint.Current), sum))
            | _ -> ValueNone

        {
            Current = current
            Previous = previous
            Sum =
                if t = 0 then
                    Mask.copyVector space adjoint.Sum
                else
                    space.Axpy(space.Scalar 1.0, current, adjoint.Sum)
            StepSizes = stepSizes
        }

    /// Back through the steps that were taken from `iterates`, φₜ for t = first, first + 1, …; `before` is the iterate before them.
    ///
    /// Cost: one gradient and one product a step; a few vectors apart from the iterates.
    let stretch space regularizer problem (path: PathOptions<'V>) (theta: 'V) (first: int) (before: 'V) (iterates: 'V[]) adjoint =
        let mutable adjoint: Adjoint<'V, 'S> = adjoint

        for i in iterates.Length - 1 .. -1 .. 0 do
            let back adjoint =
                let previous = if i = 0 then before else iterates[i - 1]
                let y = InnerPath.point space path iterates[i] previous
                through space regularizer problem path theta (first + i) y adjoint

            adjoint <- Region.advance space back adjoint

        adjoint

    /// Back through the stretch after a checkpoint; only the adjoint is kept of it.
    let recomputing space regularizer problem path (theta: 'V) (checkpoint: Checkpoint<'V>) (adjoint: Adjoint<'V, 'S>) =
        let back adjoint =
            let iterates = Checkpoints.stretch space regularizer problem path theta checkpoint
            stretch space regularizer problem path theta checkpoint.Step checkpoint.Previous iterates adjoint

        Region.advance space back adjoint

    /// ΛS Σ aₜ₊₁: the share of θ through the proximal term.
    let share (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (path: PathOptions<'V>) (adjoint: Adjoint<'V, 'S>) =
        regularizer.Apply(space, Descent.apply space (InnerPath.sizes space path) adjoint.Sum)

    /// That, and what reached φ₀ = φ₋₁ = θ.
    let whole (space: IInnerProductSpace<'V, 'S>) regularizer path (adjoint: Adjoint<'V, 'S>) =
        let atStart = space.Axpy(space.Scalar 1.0, adjoint.Current, adjoint.Previous)
        space.Axpy(space.Scalar 1.0, atStart, share space regularizer path adjoint)

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
    [<CompiledName("ComputeKeeping")>]
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
    [<CompiledName("Compute")>]
    let compute options space regularizer problem (theta: 'V) : MetaGradient<'V, 'S> =
        computeKeeping EveryIterate options space regularizer problem theta

/// MAML as a strategy, in reverse mode.
type UnrolledStrategy<'V, 'S>(options: UnrolledOptions, memory: PathMemory) =
    do
        ArgumentNullException.ThrowIfNull(options, nameof options)

        InnerPath.check options

    /// Every iterate kept.
    new(options) = UnrolledStrategy(options, EveryIterate)

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) = Unrolled.computeKeeping memory options space regularizer problem theta

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
    [<CompiledName("Compute")>]
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
    do
        ArgumentNullException.ThrowIfNull(options, nameof options)

        Truncated.check options lastSteps

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) = Truncated.compute options lastSteps space regularizer problem theta
