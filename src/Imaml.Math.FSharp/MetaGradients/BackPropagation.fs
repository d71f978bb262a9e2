// Reverse mode through steps of descent: v ↦ Jᵀv, J the Jacobian of φ_T in θ, one Hessian–vector product a step.
//
// With aₜ the adjoint of φₜ (a_T = v), step t has z̄ = aₜ₊₁ and ȳ = −(H(yₜ)+Λ)Saₜ₊₁, which Pᵀ hands on to φₜ and φₜ₋₁, and it gives θ the
// share ΛSaₜ₊₁. So Jᵀv = ΛS Σ aₜ₊₁ over the steps, and what reaches φ₀ = φ₋₁ = θ. Only the iterates are stored: the loss is linearized
// anew at every yₜ, for one more gradient a step, so that a network's activations are held for one step at a time. Where S = diag(α), the
// same gradient gives the derivative in the step sizes: −Σ ∇G(yₜ, θ)∘aₜ₊₁.

namespace Imaml.Math

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

    /// Back through step t, that was taken from y. The adjoint of φ₀ meets no Λ, and has no part in the sum.
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
        let backwards = space.Scale(space.Scalar -1.0, StepSizes.apply space path.Sizes adjoint.Current)
        let yBar = InnerObjective.hessianProduct space regularizer linearization backwards
        let struct (phi, previous) = InnerPath.adjointOfPoints space path.Momentum yBar adjoint.Current
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
    /// Cost: one gradient and one product a step; a few vectors beside the iterates.
    let stretch space regularizer problem (path: PathOptions<'V>) (theta: 'V) (first: int) (before: 'V) (iterates: 'V[]) adjoint =
        let mutable adjoint: Adjoint<'V, 'S> = adjoint

        for i in iterates.Length - 1 .. -1 .. 0 do
            let back adjoint =
                let previous = if i = 0 then before else iterates[i - 1]
                let struct (y, _) = InnerPath.points space path.Momentum iterates[i] previous
                through space regularizer problem path theta (first + i) y adjoint

            adjoint <- Region.advance space back adjoint

        adjoint

    /// Back through the stretch after a checkpoint, of which nothing outlives it but the adjoint.
    let recomputing space regularizer problem path (theta: 'V) (checkpoint: Checkpoint<'V>) (adjoint: Adjoint<'V, 'S>) =
        let back adjoint =
            let iterates = Checkpoints.stretch space regularizer problem path theta checkpoint
            stretch space regularizer problem path theta checkpoint.Step checkpoint.Previous iterates adjoint

        Region.advance space back adjoint

    /// ΛS Σ aₜ₊₁: what θ is given by the pull towards it.
    let share (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (path: PathOptions<'V>) (adjoint: Adjoint<'V, 'S>) =
        regularizer.Apply(space, StepSizes.apply space path.Sizes adjoint.Sum)

    /// That, and what reached φ₀ = φ₋₁ = θ.
    let whole (space: IInnerProductSpace<'V, 'S>) regularizer path (adjoint: Adjoint<'V, 'S>) =
        let atStart = space.Axpy(space.Scalar 1.0, adjoint.Current, adjoint.Previous)
        space.Axpy(space.Scalar 1.0, atStart, share space regularizer path adjoint)
