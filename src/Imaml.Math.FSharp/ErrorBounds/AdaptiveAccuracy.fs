// Algorithm 2 to an accuracy ε that is certified: solve the inner problem, solve the linear system, look at the certificate, and refine
// whichever of the two is in the way.
//
//     φ:  ‖∇G‖ to what L alone requires; where ρ > 0 again from there, once a first linear solve has told ‖u‖
//     u:  (H+Λ)u = v to all that the inner part leaves of ε; after φ has moved, from the last u
//     r = v − (H+Λ)u computed anew, and the certificate (ErrorBound)
//
// The vectors of all tasks move in lock-step; the decisions are taken on the host, for each task from its own norms. A task that is done
// keeps its φ and u to the last bit, so a batch gives every task what it would get alone.

namespace Imaml.Math

/// What AdaptiveAccuracy is asked for.
type AdaptiveOptions =
    {
        /// ε, absolute: ‖g − d_θL(Alg*(θ))‖ ≤ ε for every task.
        Accuracy: float
        /// How many linear solves a task may take, each after a further inner solve where one is needed. Four are seldom needed.
        MaxRounds: int
        /// In which precision the space computes.
        Arithmetic: Arithmetic
    }

[<RequireQualifiedAccess>]
module private Adaptive =

    /// φ and u of every task, and the losses at φ.
    [<NoComparison; NoEquality>]
    type Iterate<'V, 'S> =
        {
            Phi: 'V
            U: 'V
            InnerLoss: 'S
            OuterLoss: 'S
        }

        interface ICarried<'V, 'S, Iterate<'V, 'S>> with
            member s.Carry(vector, scalar) =
                {
                    Phi = vector.Invoke s.Phi
                    U = vector.Invoke s.U
                    InnerLoss = scalar.Invoke s.InnerLoss
                    OuterLoss = scalar.Invoke s.OuterLoss
                }

    /// u, and r = v − (H+Λ)u.
    [<NoComparison; NoEquality>]
    type Solution<'V, 'S> =
        {
            Value: 'V
            Residual: 'V
        }

        interface ICarried<'V, 'S, Solution<'V, 'S>> with
            member s.Carry(vector, _) =
                {
                    Value = vector.Invoke s.Value
                    Residual = vector.Invoke s.Residual
                }

    let mask (space: IInnerProductSpace<'V, 'S>) (which: bool[]) =
        space.PerTask(which |> Array.map (fun chosen -> if chosen then 1.0 else 0.0))

    /// x for the chosen tasks, y for the others, whatever is in the other one.
    let select (space: IInnerProductSpace<'V, 'S>) (which: bool[]) x y =
        let chosen = space.Axpy(mask space which, x, space.Zero x)
        space.Axpy(mask space (Array.map not which), y, chosen)

    let copy (space: IInnerProductSpace<'V, 'S>) x = space.Scale(space.Scalar 1.0, x)

    /// One more linear solve for the tasks of `which`, by the solver's own residual first; r anew and the certificate where they can end.
    let solve
        (space: IInnerProductSpace<'V, 'S>)
        (linearSolver: ILinearSolver<'V, 'S>)
        (operator: ILinearOperator<'V>)
        (v: 'V)
        (which: bool[])
        (progress: TaskProgress[])
        (s: Solution<'V, 'S>)
        =
        let before = progress |> Array.map (fun p -> p.Norms.Residual)
        let targets = progress |> Array.map TaskProgress.linearThreshold
        let busy = Array.map3 (fun chosen (size: float) target -> chosen && size > target) which before targets

        let u =
            if Array.exists id busy then
                // A task whose right-hand side is 0 takes no step.
                let b = space.Axpy(mask space busy, s.Residual, space.Zero s.Residual)
                let report = linearSolver.Solve(space, operator, b, space.PerTask targets)
                let u = space.Axpy(mask space busy, report.Solution, s.Value)
                let steps = space.Read report.Steps
                let products = space.Read report.Products
                let smallest = space.Read report.SmallestCurvature
                let indefinite = space.Read report.Indefinite
                let nonFinite = space.Read report.NonFinite
                let relative = space.Read report.RelativeResidual
                let sizes = space.Read(space.Norm u)

                for task in 0 .. busy.Length - 1 do
                    if busy[task] then
                        progress[task] <-
                            progress[task]
                            |> TaskProgress.solved
                                (int steps[task])
                                (int products[task])
                                smallest[task]
                                (indefinite[task] > 0.5)
                                (nonFinite[task] > 0.5)
                                sizes[task]
                                (relative[task] * before[task])

                u
            else
                copy space s.Value

        for task in 0 .. which.Length - 1 do
            if which[task] && not busy[task] then
                progress[task] <- TaskProgress.solved 0 0 infinity false false progress[task].Norms.Solution before[task] progress[task]

        let ending =
            Array.map2 (fun chosen (p: TaskProgress) -> chosen && p.Running && not (TaskProgress.mustMove p)) which progress

        let r =
            if Array.exists2 (&&) ending busy then
                space.Axpy(space.Scalar -1.0, operator.Apply u, v)
            else
                copy space s.Residual

        let residuals = space.Read(space.Norm r)

        ending
        |> Array.iteri (fun task chosen ->
            if chosen then
                let last = if busy[task] then before[task] else infinity
                progress[task] <- TaskProgress.certified busy[task] last residuals[task] progress[task])

        { Value = u; Residual = r }

    /// An inner solve from the last φ, a linearization there, and linear solves until every task is done or has to move φ.
    let round
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (innerSolver: IInnerSolver<'V, 'S>)
        (linearSolver: ILinearSolver<'V, 'S>)
        (theta: 'V)
        (progress: TaskProgress[])
        (s: Iterate<'V, 'S>)
        =
        let running = progress |> Array.map (fun p -> p.Running)
        let warm = progress |> Array.map (fun p -> p.Work.LinearSteps > 0)
        let thresholds = progress |> Array.map (fun p -> if p.Running then p.Threshold else infinity)
        let inner = innerSolver.Solve(space, regularizer, problem, theta, s.Phi, space.PerTask thresholds)
        let phi = select space running inner.Phi s.Phi
        use linearization = problem.LinearizeInner phi
        let gradient = InnerObjective.gradient space regularizer linearization.Gradient phi theta
        let struct (outerLoss, v) = problem.OuterLossAndGradient phi
        let operator = LinearOperator.ofFunction (InnerObjective.hessianProduct space regularizer linearization)

        let r =
            if Array.exists id warm then
                space.Axpy(space.Scalar -1.0, operator.Apply s.U, v)
            else
                copy space v

        let outcomes = InnerSolver.read space inner
        let gradients = space.Read(space.Norm gradient)
        let phis = space.Read(space.Norm phi)
        let outers = space.Read(space.Norm v)
        let residuals = space.Read(space.Norm r)

        for task in 0 .. progress.Length - 1 do
            if running[task] then
                progress[task] <-
                    TaskProgress.linearized outcomes[task] gradients[task] phis[task] outers[task] residuals[task] warm[task] progress[task]

        let solvable () =
            Array.map2 (fun before (p: TaskProgress) -> before && p.Running && not (TaskProgress.mustMove p)) running progress

        let mutable solution = { Value = s.U; Residual = r }
        let mutable which = progress |> Array.map (fun p -> p.Running)

        while Array.exists id which do
            solution <- Region.advance space (solve space linearSolver operator v which progress) solution
            which <- solvable ()

        for task in 0 .. progress.Length - 1 do
            if progress[task].Running then
                progress[task] <- TaskProgress.move progress[task]

        {
            Phi = phi
            U = solution.Value
            InnerLoss = space.Add(linearization.Loss, space.Scalar 0.0)
            OuterLoss = outerLoss
        }

    /// The result of every task, with what its solves add up to.
    let result (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (progress: TaskProgress[]) (s: Iterate<'V, 'S>) =
        let number (value: TaskProgress -> float) = progress |> Array.map value |> space.PerTask
        let flag (holds: TaskProgress -> bool) = number (fun p -> if holds p then 1.0 else 0.0)

        {
            MetaGradient =
                {
                    Gradient = regularizer.Apply(space, s.U)
                    Inner =
                        {
                            Phi = s.Phi
                            Steps = number (fun p -> float p.Work.InnerSteps)
                            Gradients = number (fun p -> float (p.Work.Gradients - p.Work.OuterGradients))
                            HessianProducts = number (fun p -> float p.InnerProducts)
                            Losses = space.Scalar 0.0
                            Met = flag (fun p -> p.Inner = InnerStatus.Converged)
                            NonFinite = flag (fun p -> p.Inner = InnerStatus.NonFinite)
                            Stalled = flag (fun p -> p.Inner = InnerStatus.Stalled)
                            Reported = true
                        }
                    InnerLoss = s.InnerLoss
                    OuterLoss = s.OuterLoss
                    InnerGradientNorm = number (fun p -> p.Norms.InnerGradient)
                    Solve =
                        {
                            Solution = s.U
                            RightHandSideNorm = number (fun p -> p.Norms.OuterGradient)
                            Steps = number (fun p -> float p.Work.LinearSteps)
                            Products = number (fun p -> float (p.Work.HessianProducts - p.InnerProducts))
                            RelativeResidual =
                                number (fun p ->
                                    if p.Norms.OuterGradient > 0.0 then
                                        p.Norms.Residual / p.Norms.OuterGradient
                                    else
                                        0.0)
                            SmallestCurvature = number (fun p -> p.SmallestCurvature)
                            Met = flag (fun p -> p.Status = ValueSome CertifiedStatus.Met)
                            Indefinite = flag (fun p -> p.SmallestCurvature <= 0.0)
                            NonFinite = flag (fun p -> p.Status = ValueSome CertifiedStatus.NonFinite)
                            Stagnated = space.Scalar 0.0
                            PreconditionerNotPositive = space.Scalar 0.0
                            Coefficients = [||]
                        }
                    // One linearization for each outer gradient.
                    DerivativeGradients = number (fun p -> float p.Work.OuterGradients)
                    DerivativeProducts = space.Scalar 0.0
                    OuterGradients = number (fun p -> float p.Work.OuterGradients)
                }
            Tasks =
                progress
                |> Array.map (fun p ->
                    {
                        Status = p.Status.Value
                        Bound = p.Bound
                        Work = p.Work
                    })
        }

/// Meta-gradients to an accuracy that is certified.
[<AbstractClass; Sealed>]
type AdaptiveAccuracy =

    /// The meta-gradient of every task at θ, to within options.Accuracy where its status is Met; `constants` has one entry for each task.
    ///
    /// `innerSolver` must heed the gradient norm that it is given, and `linearSolver` the residual norm: a fixed budget is spent in each
    /// round whatever the accuracy.
    /// Cost: see each task's Work. Ten synchronisations a round beside the solvers' own. Memory does not depend on the number of rounds.
    static member Compute
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            constants: ErrorConstants[],
            options: AdaptiveOptions,
            theta: 'V
        ) : CertifiedMetaGradient<'V, 'S> =
        if not (options.Accuracy > 0.0 && options.Accuracy < infinity) then
            invalidArg (nameof options) $"the accuracy must be positive and finite, not {options.Accuracy}"

        if options.MaxRounds < 1 then
            invalidArg (nameof options) $"MaxRounds must be at least 1, not {options.MaxRounds}"

        Region.run space (fun () ->
            let sizes = space.Read(space.Norm theta)

            if constants.Length <> sizes.Length then
                invalidArg (nameof constants) $"{constants.Length} tasks' constants for {sizes.Length} tasks"

            let progress =
                Array.map2 (TaskProgress.start options.Arithmetic options.Accuracy options.MaxRounds) sizes constants

            let step = Adaptive.round space regularizer problem innerSolver linearSolver theta progress

            let mutable iterate: Adaptive.Iterate<'V, 'S> =
                {
                    Phi = Adaptive.copy space theta
                    U = space.Zero theta
                    InnerLoss = space.Scalar 0.0
                    OuterLoss = space.Scalar 0.0
                }

            while progress |> Array.exists (fun p -> p.Running) do
                iterate <- Region.advance space step iterate

            Adaptive.result space regularizer progress iterate)
