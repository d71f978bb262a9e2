// The linear half of AdaptiveAccuracy: (H+Λ)d = r from the last residual r, u + d, and r anew where a task can end with it.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module internal RefinedSolve =

    /// One more linear solve for the tasks of `which`, by the solver's own residual first; r anew and the certificate where they can end.
    let run
        (space: IInnerProductSpace<'V, 'S>)
        (linearSolver: ILinearSolver<'V, 'S>)
        (operator: ILinearOperator<'V>)
        (v: 'V)
        (which: bool[])
        (progress: TaskProgress[])
        (s: RefinedSolution<'V, 'S>)
        =
        let before = progress |> Array.map (fun p -> p.Norms.Residual)
        let targets = progress |> Array.map TaskProgress.linearThreshold
        let busy = Array.map3 (fun chosen (size: float) target -> chosen && size > target) which before targets

        let u =
            if Array.exists id busy then
                // A task whose right-hand side is 0 takes no step.
                let b = TaskMask.keep space busy s.Residual
                let report = linearSolver.Solve(space, operator, b, space.PerTask targets)
                let u = space.Axpy(TaskMask.ofTasks space busy, report.Solution, s.Value)
                let steps = space.Read report.Counts.Steps
                let products = space.Read report.Counts.Products
                let smallest = space.Read report.SmallestCurvature
                let nonFinite = space.Read report.Marks.NonFinite
                let relative = space.Read report.RelativeResidual
                let sizes = space.Read(space.Norm u)

                for task in 0 .. busy.Length - 1 do
                    if busy[task] then
                        progress[task] <-
                            progress[task]
                            |> TaskEvidence.solved
                                (int steps[task])
                                (int products[task])
                                smallest[task]
                                // A curvature that is zero to rounding refutes no constants.
                                (smallest[task] <= 0.0)
                                (nonFinite[task] > 0.5)
                                sizes[task]
                                (relative[task] * before[task])

                u
            else
                Mask.copyVector space s.Value

        for task in 0 .. which.Length - 1 do
            if which[task] && not busy[task] then
                progress[task] <- TaskEvidence.solved 0 0 infinity false false progress[task].Norms.Solution before[task] progress[task]

        let ending =
            Array.map2 (fun chosen (p: TaskProgress) -> chosen && p.Running && not (TaskProgress.mustMove p)) which progress

        let r =
            if Array.exists2 (&&) ending busy then
                space.Axpy(space.Scalar -1.0, operator.Apply u, v)
            else
                Mask.copyVector space s.Residual

        let residuals = space.Read(space.Norm r)

        ending
        |> Array.iteri (fun task chosen ->
            if chosen then
                let last = if busy[task] then before[task] else infinity
                progress[task] <- TaskEvidence.certified busy[task] last residuals[task] progress[task])

        { Value = u; Residual = r }
