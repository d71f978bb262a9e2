// What every way to a meta-gradient returns, whether it can be used, and what it cost, task by task, in the units of Table 1.

namespace Imaml.Math

/// A meta-gradient with what it was made of. Scalars are per task.
type MetaGradient<'V, 'S> =
    {
        /// g ≈ d_θ L(Alg*(θ))
        Gradient: 'V
        /// φ ≈ Alg*(θ), and how it was found.
        Inner: InnerIterate<'V, 'S>
        /// L̂(φ)
        InnerLoss: 'S
        /// L(φ)
        OuterLoss: 'S
        /// ‖∇_φ G(φ, θ)‖; divided by G's strong convexity constant it bounds δ.
        InnerGradientNorm: 'S
        /// The solve of (H + Λ)u = v; its solution is v itself, and its status NotMade, where the method makes none. NonFinite where anything
        /// that the meta-gradient was made of, or it itself, is not finite.
        Solve: LinearSolveReport<'V, 'S>
        /// 1 where H + Λ was seen not to be positive definite, even where a remedy was used.
        NegativeCurvature: 'S
        /// What Λ was multiplied by in the solve to make H + Λ positive definite; 1 where it was left as it is.
        Raised: 'S
        /// Evaluations of ∇L̂ after the inner solve, or along it to differentiate it; a linearization counts as one.
        DerivativeGradients: 'S
        /// Products with H that differentiate the inner solve's path; the linear solve's are in its report.
        DerivativeProducts: 'S
        /// Evaluations of ∇L.
        OuterGradients: 'S
        /// For every task, the gradient in the numbers that are learned with θ, on the host; empty where none is learned.
        Learned: float[][]
        /// For every task, what rounding alone may be of Learned, as the Euclidean norm of its numbers; empty where that is not bounded.
        LearnedRounding: float[]
        /// For every task, a certified bound on a relative error of the meta-gradient; empty where the method has none. The method
        /// defines which error.
        Certified: float[]
    }

    /// φ ≈ Alg*(θ)
    member result.Phi = result.Inner.Phi

    /// The cost of every task, on the host, by the method's own counts: products are the inner solver's, the linear solve's and those that
    /// differentiate the path. A black-box inner solver adds nothing that is known. On a device this waits for it.
    member result.Cost(space: IInnerProductSpace<'V, 'S>) : WorkCount[] =
        let sum a b = space.Read(space.Add(a, b))
        let gradients = sum result.Inner.Counts.Gradients result.DerivativeGradients

        let products =
            sum (space.Add(result.Inner.Counts.Products, result.DerivativeProducts)) result.Solve.Counts.Products

        let losses = space.Read result.Inner.Counts.Losses
        let outer = space.Read result.OuterGradients

        Array.init outer.Length (fun task ->
            {
                Gradients = int gradients[task]
                HessianProducts = int products[task]
                Losses = int losses[task]
                OuterGradients = int outer[task]
            })

    /// The same, with the cost of an attempt before it on top of its own.
    member result.WithCostOf(space: IInnerProductSpace<'V, 'S>, before: MetaGradient<'V, 'S>) : MetaGradient<'V, 'S> =
        let add a b = space.Add(a, b)

        { result with
            Inner =
                { result.Inner with
                    Counts = result.Inner.Counts.Plus(space, before.Inner.Counts)
                }
            Solve =
                { result.Solve with
                    Counts = result.Solve.Counts.Plus(space, before.Solve.Counts)
                }
            DerivativeGradients = add result.DerivativeGradients before.DerivativeGradients
            DerivativeProducts = add result.DerivativeProducts before.DerivativeProducts
            OuterGradients = add result.OuterGradients before.OuterGradients
        }

    /// 1 where a task's meta-gradient is finite, and so is everything that it was made of: φ, the losses, ∇G, the products of the solve. Does not
    /// wait for the device.
    member result.IsFinite(space: IInnerProductSpace<'V, 'S>) : 'S =
        let none mark = Mask.complement space (space.Exceeds(mark, space.Scalar 0.0))
        let both a b = space.Multiply(a, b)

        none result.Inner.Marks.NonFinite
        |> both (none result.Solve.Marks.NonFinite)
        |> both (Mask.finite space result.Solve.RightHandSideNorm)
        |> both (Mask.finite space (space.Norm result.Gradient))

    /// 1 where a task's meta-gradient may enter the mean of a meta-batch (Algorithm 1): it is finite, and the solve, from u = 0, did not diverge
    /// from its right-hand side. Does not wait for the device.
    ///
    /// A solve that diverged has a residual above ‖v‖/√ε: u = 0 leaves ‖v‖, and conjugate gradients that stop at a curvature of zero to rounding stay
    /// below √κ‖v‖. A solve that goes on from another u may leave more where v is near 0.
    member result.Usable(space: IInnerProductSpace<'V, 'S>) : 'S =
        let both a b = space.Multiply(a, b)
        let residual = result.Solve.RelativeResidual
        let largest = space.DivideOrZero(space.Scalar 1.0, space.SquareRoot(Mask.epsilon space))
        // Infinite where no solve was made.
        let runaway = both (Mask.finite space residual) (space.Exceeds(residual, largest))

        both (Mask.complement space runaway) (result.IsFinite space)

    /// Every task's numbers and how its solves ended, on the host. On a device this waits for it.
    member result.Read(space: IInnerProductSpace<'V, 'S>) : MetaTaskReport[] =
        use _ = space.OpenRegion()
        let usable = space.Read(result.Usable space)
        let outer = space.Read result.OuterLoss
        let inner = space.Read result.InnerLoss
        let norms = space.Read(space.Norm result.Gradient)
        let innerNorms = space.Read result.InnerGradientNorm
        let negative = space.Read result.NegativeCurvature
        let raised = space.Read result.Raised
        let inners = result.Inner.Read space
        let solves = result.Solve.Read space
        let costs = result.Cost space

        Array.init usable.Length (fun task ->
            {
                Usable = usable[task] > 0.5
                OuterLoss = outer[task]
                InnerLoss = inner[task]
                MetaGradientNorm = norms[task]
                InnerGradientNorm = innerNorms[task]
                NegativeCurvature = negative[task] > 0.5
                Raised = raised[task]
                Inner = inners[task]
                Solve = solves[task]
                Cost = costs[task]
                Learned =
                    if result.Learned.Length = 0 then
                        [||]
                    else
                        result.Learned[task]
                Certified =
                    if result.Certified.Length = 0 then
                        nan
                    else
                        result.Certified[task]
            })

    interface ICarried<'V, 'S, MetaGradient<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Gradient = vector.Invoke this.Gradient
                Inner = (this.Inner :> ICarried<_, _, _>).Carry(vector, scalar)
                InnerLoss = scalar.Invoke this.InnerLoss
                OuterLoss = scalar.Invoke this.OuterLoss
                InnerGradientNorm = scalar.Invoke this.InnerGradientNorm
                Solve = (this.Solve :> ICarried<_, _, _>).Carry(vector, scalar)
                NegativeCurvature = scalar.Invoke this.NegativeCurvature
                Raised = scalar.Invoke this.Raised
                DerivativeGradients = scalar.Invoke this.DerivativeGradients
                DerivativeProducts = scalar.Invoke this.DerivativeProducts
                OuterGradients = scalar.Invoke this.OuterGradients
                Learned = this.Learned
                LearnedRounding = this.LearnedRounding
                Certified = this.Certified
            }

/// A way to a meta-gradient: implicit, unrolled, truncated, first-order or Reptile. Nothing else changes when one is swapped for another.
type IMetaGradientStrategy<'V, 'S> =
    /// The meta-gradient of every task at θ.
    abstract Compute:
        space: IInnerProductSpace<'V, 'S> * regularizer: IRegularizer<'V, 'S> * problem: IBilevelProblem<'V, 'S> * theta: 'V ->
            MetaGradient<'V, 'S>

[<RequireQualifiedAccess>]
module internal MetaGradient =

    /// The meta-gradient with marks that agree with its numbers: where φ, L̂ or ∇G is not finite, the inner solve has not
    /// reached a tolerance, whatever its solver reports, and no linear solve there is valid; where only L or g is not finite, the linear solve is
    /// marked.
    let judged (space: IInnerProductSpace<'V, 'S>) (result: MetaGradient<'V, 'S>) : MetaGradient<'V, 'S> =
        let both a b = space.Multiply(a, b)

        let inner =
            Mask.finite space (space.Norm result.Phi)
            |> both (Mask.finite space result.InnerLoss)
            |> both (Mask.finite space result.InnerGradientNorm)

        let all =
            Mask.finite space result.OuterLoss
            |> both (Mask.finite space (space.Norm result.Gradient))
            |> both inner

        { result with
            Inner =
                { result.Inner with
                    Marks = result.Inner.Marks.Judged(space, inner)
                }
            Solve =
                { result.Solve with
                    Marks = result.Solve.Marks.Judged(space, all)
                }
        }

    /// Refuses a threshold that every point reaches, or none.
    let requireThreshold (name: string) (value: float) =
        if not (value >= 0.0 && value < infinity) then
            invalidArg name $"{name} must be at least 0 and finite, not {value}"

    /// Refuses an outer gradient that has not as many numbers as θ: no other operation would see that.
    let requireShape (space: IInnerProductSpace<'V, 'S>) (theta: 'V) (v: 'V) =
        let d = space.Dimension theta

        if space.Dimension v <> d then
            invalidArg "problem" $"∇L has {space.Dimension v} numbers, and θ {d}"

    /// w, not a number where the linear solve was not finite: what is made of its last finite iterate, 0 where none was made, is not a gradient.
    let numberIf (space: IInnerProductSpace<'W, 'S>) (solve: Marks<'S>) (w: 'W) =
        let broken = space.Exceeds(solve.NonFinite, space.Scalar 0.0)
        space.Scale(space.Select(broken, space.Scalar nan, space.Scalar 1.0), w)

    /// The judged meta-gradient, g not a number where its linear solve was not finite.
    let refused (space: IInnerProductSpace<'V, 'S>) (result: MetaGradient<'V, 'S>) : MetaGradient<'V, 'S> =
        let result = judged space result

        { result with
            Gradient = numberIf space result.Solve.Marks result.Gradient
        }

    /// The meta-gradient of a method that solves no linear system: g from v = ∇L(φ), made by `derivative` at the cost of this many
    /// gradients and products. One linearization at φ gives its losses and ‖∇G‖.
    let withoutSolve
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (inner: InnerIterate<'V, 'S>)
        (gradients: int)
        (products: int)
        (derivative: 'V -> 'V)
        : MetaGradient<'V, 'S> =
        let struct (innerLoss, innerGradientNorm) =
            use linearization = problem.LinearizeInner inner.Phi
            let gradient = InnerObjective.gradient space regularizer linearization.Gradient inner.Phi theta
            struct (Mask.copy space linearization.Loss, space.Norm gradient)

        let struct (outerLoss, v) = problem.OuterLossAndGradient inner.Phi
        requireShape space theta v

        {
            Gradient = derivative v
            Inner = inner
            InnerLoss = innerLoss
            OuterLoss = outerLoss
            InnerGradientNorm = innerGradientNorm
            Solve = LinearSolver.none space v
            NegativeCurvature = space.Scalar 0.0
            Raised = space.Scalar 1.0
            DerivativeGradients = space.Scalar(float (gradients + 1))
            DerivativeProducts = space.Scalar(float products)
            OuterGradients = space.Scalar 1.0
            Learned = [||]
            LearnedRounding = [||]
            Certified = [||]
        }
        |> judged space
