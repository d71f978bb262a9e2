// One search of AdaptiveAccuracy: rounds of an inner solve, a linearization and linear solves on the vectors of all tasks, in lock-step. The decisions
// are taken on the host, for each task from its own norms (AdaptiveTask). A task that is done keeps its φ and u to the last bit, so a batch gives every
// task what it would get alone.

namespace Imaml.Math

/// φ and u of every task, and the losses at φ.
[<NoComparison; NoEquality>]
type internal AdaptiveIterate<'V, 'S> =
    {
        Phi: 'V
        U: 'V
        InnerLoss: 'S
        OuterLoss: 'S
    }

    interface ICarried<'V, 'S, AdaptiveIterate<'V, 'S>> with
        member s.Carry(vector, scalar) =
            {
                Phi = vector.Invoke s.Phi
                U = vector.Invoke s.U
                InnerLoss = scalar.Invoke s.InnerLoss
                OuterLoss = scalar.Invoke s.OuterLoss
            }

/// u, and r = v − (H+Λ)u.
[<NoComparison; NoEquality>]
type private RefinedSolution<'V, 'S> =
    {
        Value: 'V
        Residual: 'V
    }

    interface ICarried<'V, 'S, RefinedSolution<'V, 'S>> with
        member s.Carry(vector, _) =
            {
                Value = vector.Invoke s.Value
                Residual = vector.Invoke s.Residual
            }

/// The search: its solvers, what its constants are measured with, where they are, how the precision of vectors is found where θ = 0 did not show
/// it, and the state of the tasks.
type internal AdaptiveSearch<'V, 'S>
    (
        space: IInnerProductSpace<'V, 'S>,
        regularizer: IRegularizer<'V, 'S>,
        problem: IBilevelProblem<'V, 'S>,
        innerSolver: IInnerSolver<'V, 'S>,
        linearSolver: ILinearSolver<'V, 'S>,
        measure: ('V -> ILinearization<'V, 'S> -> 'V -> Estimate[]) voption,
        arithmeticOf: ('V[] -> Arithmetic) voption,
        theta: 'V,
        tasks: AdaptiveTask[]
    ) =

    let flags (which: bool[]) = space.PerTask(which |> Array.map (fun chosen -> if chosen then 1.0 else 0.0))

    // (H+Λ)d = r from the last residual r and u + d for the tasks of `which`; r anew and the certificate where they can end with it.
    let refine (operator: ILinearOperator<'V>) (v: 'V) (which: bool[]) (last: RefinedSolution<'V, 'S>) =
        let before = tasks |> Array.map (fun p -> p.Norms.Residual)
        let targets = tasks |> Array.map AdaptiveTask.linearThreshold
        let busy = Array.map3 (fun chosen (size: float) target -> chosen && size > target) which before targets

        let u =
            if Array.exists id busy then
                // A task whose right-hand side is 0 takes no step.
                let b = space.Axpy(flags busy, last.Residual, space.Zero last.Residual)
                let report = linearSolver.Solve(space, operator, b, space.PerTask targets)
                let u = space.Axpy(flags busy, report.Solution, last.Value)
                let steps = space.Read report.Counts.Steps
                let products = space.Read report.Counts.Products
                let smallest = space.Read report.SmallestCurvature
                let nonFinite = space.Read report.Marks.NonFinite
                let relative = space.Read report.RelativeResidual
                let sizes = space.Read(space.Norm u)
                let ritz = report.SmallestRitzValues(space, busy.Length)

                for task in 0 .. busy.Length - 1 do
                    if busy[task] then
                        tasks[task] <-
                            tasks[task]
                            |> AdaptiveTask.solved
                                (int steps[task])
                                (int products[task])
                                smallest[task]
                                ritz[task]
                                (nonFinite[task] > 0.5)
                                sizes[task]
                                (relative[task] * before[task])

                u
            else
                Mask.copyVector space last.Value

        for task in 0 .. which.Length - 1 do
            if which[task] && not busy[task] then
                tasks[task] <- AdaptiveTask.solved 0 0 infinity infinity false tasks[task].Norms.Solution before[task] tasks[task]

        let ending =
            Array.map2 (fun chosen (p: AdaptiveTask) -> chosen && p.Running && not (AdaptiveTask.mustMove p)) which tasks

        let struct (r, curvatures) =
            if Array.exists2 (&&) ending busy then
                let product = operator.Apply u
                struct (space.Axpy(space.Scalar -1.0, product, v), MeasuredNorms.curvatureAlong space u product)
            else
                struct (Mask.copyVector space last.Residual, Array.create which.Length infinity)

        let residuals = space.Read(space.Norm r)

        ending
        |> Array.iteri (fun task chosen ->
            if chosen then
                let last = if busy[task] then before[task] else infinity
                let curvature = if busy[task] then curvatures[task] else infinity
                tasks[task] <- AdaptiveTask.certified busy[task] last residuals[task] curvature tasks[task])

        { Value = u; Residual = r }

    /// One round: an inner solve from the last φ, a linearization there, and linear solves until every task is done or has to move φ.
    member _.Round(last: AdaptiveIterate<'V, 'S>) =
        let running = tasks |> Array.map (fun p -> p.Running)
        let warm = tasks |> Array.map (fun p -> p.Work.LinearSteps > 0)
        let thresholds = tasks |> Array.map (fun p -> if p.Running then p.Threshold else infinity)

        let inner = innerSolver.Solve(space, regularizer, problem, theta, last.Phi, space.PerTask thresholds)

        let phi = Mask.select space (flags running) inner.Phi last.Phi
        use linearization = problem.LinearizeInner phi
        let gradient = InnerObjective.gradient space regularizer linearization.Gradient phi theta
        let struct (outerLoss, v) = problem.OuterLossAndGradient phi

        let operator = AdjointSolve.operator space regularizer linearization

        let r =
            if Array.exists id warm then
                space.Axpy(space.Scalar -1.0, operator.Apply last.U, v)
            else
                Mask.copyVector space v

        match arithmeticOf with
        | ValueSome arithmetic ->
            let arithmetic = arithmetic [| phi; gradient; v |]

            for task in 0 .. tasks.Length - 1 do
                tasks[task] <-
                    { tasks[task] with
                        Arithmetic = arithmetic
                    }
        | ValueNone -> ()

        let outcomes = inner.Read space
        let gradients = space.Read(space.Norm gradient)
        let phis = space.Read(space.Norm phi)
        let outers = space.Read(space.Norm v)
        let residuals = space.Read(space.Norm r)

        for task in 0 .. tasks.Length - 1 do
            if running[task] then
                tasks[task] <-
                    AdaptiveTask.linearized outcomes[task] gradients[task] phis[task] outers[task] residuals[task] warm[task] tasks[task]

        match measure with
        | ValueSome estimate when tasks |> Array.exists (fun p -> p.Running) ->
            estimate phi linearization v
            |> Array.iteri (fun task measured ->
                if tasks[task].Running then
                    tasks[task] <- AdaptiveTask.measured measured tasks[task])
        | _ -> ()

        let solvable () =
            Array.map2 (fun before (p: AdaptiveTask) -> before && p.Running && not (AdaptiveTask.mustMove p)) running tasks

        let mutable solution = { Value = last.U; Residual = r }
        let mutable which = tasks |> Array.map (fun p -> p.Running)

        while Array.exists id which do
            let chosen = which
            solution <- Region.advance space (refine operator v chosen) solution
            which <- solvable ()

        for task in 0 .. tasks.Length - 1 do
            if tasks[task].Running then
                tasks[task] <- AdaptiveTask.move tasks[task]

        {
            Phi = phi
            U = solution.Value
            InnerLoss = Mask.copy space linearization.Loss
            OuterLoss = outerLoss
        }

    /// The last iterate with what each task's solves add up to, as if one solve of each kind had been made.
    member _.Result(last: AdaptiveIterate<'V, 'S>) : CertifiedMetaGradient<'V, 'S> =
        let number (value: AdaptiveTask -> float) = tasks |> Array.map value |> space.PerTask
        let count (value: AdaptiveTask -> int) = number (value >> float)
        let flag (holds: AdaptiveTask -> bool) = number (fun p -> if holds p then 1.0 else 0.0)
        let ended status (p: AdaptiveTask) = p.Status = ValueSome status

        let metaGradient =
            {
                Gradient = regularizer.Apply(space, last.U)
                Inner =
                    {
                        Phi = last.Phi
                        Counts =
                            {
                                Steps = count (fun p -> p.Work.InnerSteps)
                                Gradients = count (fun p -> p.InnerGradients)
                                Products = count (fun p -> p.InnerProducts)
                                Losses = count (fun p -> p.InnerLosses)
                            }
                        Marks =
                            {
                                Met = flag (fun p -> p.Inner = InnerStatus.Converged)
                                NonFinite = flag (fun p -> p.Inner = InnerStatus.NonFinite)
                                Stagnated = flag (fun p -> p.Inner = InnerStatus.Stalled)
                                Indefinite = flag (fun p -> p.Inner = InnerStatus.NonPositiveCurvature)
                            }
                        Reported = tasks |> Array.forall (fun p -> p.Inner <> InnerStatus.NotReported)
                    }
                InnerLoss = last.InnerLoss
                OuterLoss = last.OuterLoss
                InnerGradientNorm = number (fun p -> p.Norms.InnerGradient)
                Solve =
                    { LinearSolver.blank space last.U (number (fun p -> p.Norms.OuterGradient)) with
                        Counts =
                            { Counts<'S>.Zero space with
                                Steps = count (fun p -> p.Work.LinearSteps)
                                Products = count (fun p -> p.Work.HessianProducts - p.InnerProducts - p.MeasuredProducts)
                            }
                        RelativeResidual =
                            number (fun p ->
                                if p.Norms.OuterGradient > 0.0 then
                                    p.Norms.Residual / p.Norms.OuterGradient
                                else
                                    0.0)
                        SmallestCurvature = number (fun p -> p.Norms.Curvature)
                        Marks =
                            { Marks<'S>.None space with
                                Met = flag (ended CertifiedStatus.Met)
                                Indefinite = flag (fun p -> p.Norms.Curvature <= 0.0)
                                NonFinite = flag (ended CertifiedStatus.NonFinite)
                            }
                    }
                NegativeCurvature = flag (fun p -> p.Norms.Curvature <= 0.0)
                Raised = space.Scalar 1.0
                DerivativeGradients = count (fun p -> p.Work.Gradients - p.InnerGradients)
                DerivativeProducts = count (fun p -> p.MeasuredProducts)
                OuterGradients = count (fun p -> p.Work.OuterGradients)
                Learned = [||]
                LearnedRounding = [||]
                Certified = [||]
            }
            |> MetaGradient.refused space

        let finite = space.Read(metaGradient.IsFinite space)

        {
            MetaGradient = metaGradient
            Tasks =
                tasks
                |> Array.mapi (fun task p ->
                    // What is made of the last iterate, g and the losses, may not be finite where all norms are.
                    let p =
                        if finite[task] > 0.5 then
                            p
                        else
                            AdaptiveTask.endedWithout CertifiedStatus.NonFinite p

                    {
                        Status = p.Status.Value
                        Bound = p.Bound
                        Work = p.Work
                    })
        }
