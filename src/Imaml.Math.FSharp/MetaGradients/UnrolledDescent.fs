// MAML through the very steps that gradient descent took, of whatever lengths: for comparison with the implicit gradient after them.
//
//     φₜ₊₁ = φₜ − αₜ∇G(φₜ, θ),   φ₀ = θ,     Jₜ₊₁ = (I − αₜ(Hₜ+Λ))Jₜ + αₜΛ
//
// The lengths αₜ that StepRule measures depend on θ too. They are held fixed here, so J is the derivative of the iteration with the steps
// that were taken, and on a quadratic J = A⁻¹ + Πₜ(I − αₜM)(I − A⁻¹) with M = H + Λ and A⁻¹ = M⁻¹Λ. With a constant step it is Unrolled.fs.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module UnrolledDescent =

    /// φ₀ … φ_T and α₀ … α_{T−1}, in the region that is open.
    let private follow (space: IInnerProductSpace<'V, 'S>) regularizer (problem: IBilevelProblem<'V, 'S>) rule steps (theta: 'V) =
        let iterates = ResizeArray [ theta ]
        let lengths = ResizeArray()
        let all = space.Scalar 1.0
        let gradientAt phi = InnerObjective.gradient space regularizer (problem.InnerGradient phi) phi theta
        let mutable last = ValueNone

        for _ in 1..steps do
            use region = space.OpenRegion()
            let phi = iterates[iterates.Count - 1]
            let before = last

            let choose gradient =
                let length =
                    match rule, before with
                    | ConstantStep length, _ -> space.Scalar length
                    | MeasuredCurvature, ValueSome before -> Descent.measured space lengths[lengths.Count - 1] before gradient
                    | MeasuredCurvature, ValueNone ->
                        use linearization = problem.LinearizeInner phi
                        Descent.cauchy space regularizer linearization gradient

                {
                    Moving = all
                    Sizes = SizePerTask length
                    Decision = length
                }

            let struct (next, gradient, length) = Descent.step space NoMomentum all gradientAt choose phi phi
            last <- ValueSome(region.KeepVector gradient)
            lengths.Add(region.KeepScalar length)
            iterates.Add(region.KeepVector next)

        struct (iterates.ToArray(), lengths.ToArray())

    /// aₜ = (I − αₜ(Hₜ+Λ))aₜ₊₁, and Σ αₜΛaₜ₊₁ with it.
    [<NoComparison; NoEquality>]
    type private Adjoint<'V, 'S> =
        {
            Current: 'V
            Sum: 'V
        }

        interface ICarried<'V, 'S, Adjoint<'V, 'S>> with
            member a.Carry(vector, _) =
                {
                    Current = vector.Invoke a.Current
                    Sum = vector.Invoke a.Sum
                }

    let private through
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        phi
        length
        a
        =
        use linearization = problem.LinearizeInner phi
        let product = InnerObjective.hessianProduct space regularizer linearization a.Current

        {
            Current = space.Axpy(space.Multiply(space.Scalar -1.0, length), product, a.Current)
            Sum = space.Axpy(length, regularizer.Apply(space, a.Current), a.Sum)
        }

    /// J_Tᵀ∇L(φ_T) after `steps` steps by `rule`, whose φ_T is that of GradientDescent to rounding.
    ///
    /// Cost: 2T + 1 gradients, T Hessian–vector products and one more for MeasuredCurvature, one outer gradient. Memory grows by two vectors
    /// for each of the T steps. Errors: steps below 1, a constant step that is not positive and finite.
    [<CompiledName("Compute")>]
    let compute
        (rule: StepRule)
        (steps: int)
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        : MetaGradient<'V, 'S> =
        GradientDescent.check rule NoMomentum steps 0

        Region.run space (fun () ->
            let struct (iterates, lengths) = follow space regularizer problem rule steps theta

            let inner = InnerPath.iterate space steps iterates[steps]

            let derivative v =
                let mutable adjoint =
                    {
                        Current = Mask.copyVector space v
                        Sum = space.Zero v
                    }

                for t in steps - 1 .. -1 .. 0 do
                    adjoint <- Region.advance space (through space regularizer problem iterates[t] lengths[t]) adjoint

                // φ₀ is θ.
                space.Axpy(space.Scalar 1.0, adjoint.Current, adjoint.Sum)

            MetaGradient.withoutSolve space regularizer problem theta inner steps steps derivative)

/// Back-propagation through the steps of a rule as a strategy.
type UnrolledDescentStrategy<'V, 'S>(rule: StepRule, steps: int) =
    do GradientDescent.check rule NoMomentum steps 0

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) = UnrolledDescent.compute rule steps space regularizer problem theta
