// One round of AdaptiveAccuracy: an inner solve, a linearization at its φ, and linear solves there.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module internal AdaptiveRound =

    /// An inner solve from the last φ, a linearization there, and linear solves until every task is done or has to move φ.
    let run
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (innerSolver: IInnerSolver<'V, 'S>)
        (linearSolver: ILinearSolver<'V, 'S>)
        (theta: 'V)
        (progress: TaskProgress[])
        (s: AdaptiveIterate<'V, 'S>)
        =
        let running = progress |> Array.map (fun p -> p.Running)
        let warm = progress |> Array.map (fun p -> p.Work.LinearSteps > 0)
        let thresholds = progress |> Array.map (fun p -> if p.Running then p.Threshold else infinity)
        let inner = innerSolver.Solve(space, regularizer, problem, theta, s.Phi, space.PerTask thresholds)
        let phi = Mask.select space (TaskMask.ofTasks space running) inner.Phi s.Phi
        use linearization = problem.LinearizeInner phi
        let gradient = InnerObjective.gradient space regularizer linearization.Gradient phi theta
        let struct (outerLoss, v) = problem.OuterLossAndGradient phi
        let operator = LinearOperator.ofFunction (InnerObjective.hessianProduct space regularizer linearization)

        let r =
            if Array.exists id warm then
                space.Axpy(space.Scalar -1.0, operator.Apply s.U, v)
            else
                Mask.copyVector space v

        let outcomes = inner.Read space
        let gradients = space.Read(space.Norm gradient)
        let phis = space.Read(space.Norm phi)
        let outers = space.Read(space.Norm v)
        let residuals = space.Read(space.Norm r)

        for task in 0 .. progress.Length - 1 do
            if running[task] then
                progress[task] <-
                    TaskEvidence.linearized outcomes[task] gradients[task] phis[task] outers[task] residuals[task] warm[task] progress[task]

        let solvable () =
            Array.map2 (fun before (p: TaskProgress) -> before && p.Running && not (TaskProgress.mustMove p)) running progress

        let mutable solution = { Value = s.U; Residual = r }
        let mutable which = progress |> Array.map (fun p -> p.Running)

        while Array.exists id which do
            solution <- Region.advance space (RefinedSolve.run space linearSolver operator v which progress) solution
            which <- solvable ()

        for task in 0 .. progress.Length - 1 do
            if progress[task].Running then
                progress[task] <- TaskProgress.move progress[task]

        {
            Phi = phi
            U = solution.Value
            InnerLoss = Mask.copy space linearization.Loss
            OuterLoss = outerLoss
        }
