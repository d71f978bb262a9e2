// Reverse mode through steps of descent: v ↦ Jᵀv, J the Jacobian of φ_T in θ, one Hessian–vector product a step.
//
// With aₜ the adjoint of φₜ (a_T = v), step t has z̄ = aₜ₊₁ and ȳ = −α(H(yₜ)+Λ)aₜ₊₁, which Pᵀ hands on to φₜ and φₜ₋₁, and it gives θ the
// share αΛaₜ₊₁. So Jᵀv = αΛ Σ aₜ₊₁ over the steps, and what reaches φ₀ = φ₋₁ = θ. Only the iterates are stored: the loss is linearized
// anew at every yₜ, for one more gradient a step, so that a network's activations are held for one step at a time.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module internal BackPropagation =

    /// The adjoint of the iterate reached, what its predecessor has been given already, and Σ aₜ₊₁.
    [<NoComparison; NoEquality>]
    type private Adjoint<'V, 'S> =
        {
            Current: 'V
            Previous: 'V
            Sum: 'V
        }

        interface ICarried<'V, 'S, Adjoint<'V, 'S>> with
            member a.Carry(vector, _) =
                {
                    Current = vector.Invoke a.Current
                    Previous = vector.Invoke a.Previous
                    Sum = vector.Invoke a.Sum
                }

    /// Back through the step that was taken from y.
    let private through
        (space: IInnerProductSpace<'V, 'S>)
        regularizer
        (problem: IBilevelProblem<'V, 'S>)
        (options: UnrolledOptions)
        (y: 'V)
        (adjoint: Adjoint<'V, 'S>)
        : Adjoint<'V, 'S> =
        use linearization = problem.LinearizeInner y
        let product = InnerObjective.hessianProduct space regularizer linearization adjoint.Current
        let yBar = space.Scale(space.Scalar -options.Step, product)
        let struct (phi, previous) = InnerPath.adjointOfPoints space options.Momentum yBar adjoint.Current
        let current = space.Axpy(space.Scalar 1.0, adjoint.Previous, phi)

        {
            Current = current
            Previous = previous
            Sum = space.Axpy(space.Scalar 1.0, current, adjoint.Sum)
        }

    /// αΛ Σ aₜ₊₁ over the last `steps` steps, plus what reaches φ₀ where `toStart`, from the iterates φ_{T−steps} … φ_T.
    ///
    /// Cost: one gradient and one product a step, `toStart` or not; without it the first step needs neither. Five vectors beside the iterates.
    let transpose
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (options: UnrolledOptions)
        (iterates: 'V[])
        (toStart: bool)
        (v: 'V)
        =
        let mutable adjoint: Adjoint<'V, 'S> =
            {
                Current = Mask.copyVector space v
                Previous = space.Zero v
                Sum = Mask.copyVector space v
            }

        let back t adjoint =
            let struct (y, _) = InnerPath.points space options.Momentum iterates[t] iterates[max 0 (t - 1)]
            through space regularizer problem options y adjoint

        for t in iterates.Length - 2 .. -1 .. 1 do
            adjoint <- Region.advance space (back t) adjoint

        let scaled (sum: 'V) = space.Scale(space.Scalar options.Step, regularizer.Apply(space, sum))

        if toStart then
            // The adjoint of φ₀ itself meets no Λ.
            let sum = scaled adjoint.Sum
            let start = back 0 adjoint
            space.Axpy(space.Scalar 1.0, space.Axpy(space.Scalar 1.0, start.Current, start.Previous), sum)
        else
            scaled adjoint.Sum
