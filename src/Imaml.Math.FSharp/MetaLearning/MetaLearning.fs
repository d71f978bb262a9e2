// Algorithm 1: θ moved one meta-batch at a time, as a fold.
//
//     for every task i of the meta-batch: gᵢ ≈ d_θLᵢ(Alg*ᵢ(θ)) by a strategy;   θ ← outer step against (1/M) Σ gᵢ
//
// A strategy that is exact makes this stochastic gradient descent on F (1). A meta-batch is an array of problems, each on vectors like θ; on
// a space of B tasks B runs of the algorithm go side by side, each with its own θ and its own tasks.

namespace Imaml.Math

/// θ with its optimiser between two steps: all that Algorithm 1 carries.
type MetaLearningState<'V, 'S> =
    {
        /// Steps made.
        Steps: int
        Theta: 'V
        Optimizer: IOuterOptimizer<'V, 'S>
    }

    interface ICarried<'V, 'S, MetaLearningState<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Steps = this.Steps
                Theta = vector.Invoke this.Theta
                Optimizer = this.Optimizer.Carry(vector, scalar)
            }

[<RequireQualifiedAccess>]
module MetaLearning =

    /// Before the first step.
    let start (optimizer: IOuterOptimizer<'V, 'S>) (theta: 'V) =
        {
            Steps = 0
            Theta = theta
            Optimizer = optimizer
        }

    /// Σgᵢ over the tasks whose gᵢ is usable, their number, and every task's report. Of a task nothing outlives its turn but gᵢ in the sum.
    let private sum
        (space: IInnerProductSpace<'V, 'S>)
        (strategy: IMetaGradientStrategy<'V, 'S>)
        regularizer
        (batch: IBilevelProblem<'V, 'S>[])
        (theta: 'V)
        =
        let mutable total = space.Zero theta
        let mutable count = space.Scalar 0.0

        let reports =
            [|
                for problem in batch do
                    use region = space.OpenRegion()
                    region.AdoptVector total |> ignore
                    region.AdoptScalar count |> ignore
                    let result = strategy.Compute(space, regularizer, problem, theta)
                    let usable = result.Usable space
                    total <- region.KeepVector(space.Axpy(usable, result.Gradient, total))
                    count <- region.KeepScalar(space.Add(count, usable))
                    MetaLearningReport.ofTask space result
            |]

        struct (total, count, reports)

    /// One step. The state given stays as it is, and can be stepped from again.
    ///
    /// Cost: the strategy's for every task, one at a time: memory does not grow with the meta-batch. Reads the reports, so a device is waited
    /// for once a task.
    let step
        (space: IInnerProductSpace<'V, 'S>)
        (strategy: IMetaGradientStrategy<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (batch: IBilevelProblem<'V, 'S>[])
        (state: MetaLearningState<'V, 'S>)
        : struct (MetaLearningState<'V, 'S> * MetaStepReport) =
        if batch.Length = 0 then
            invalidArg (nameof batch) "a meta-batch must hold at least 1 task, not 0"

        use region = space.OpenRegion()
        let struct (total, count, tasks) = sum space strategy regularizer batch state.Theta
        let mean = space.Scale(space.DivideOrZero(space.Scalar 1.0, count), total)
        let report = MetaLearningReport.ofStep space (state.Steps + 1) mean tasks
        let struct (theta, optimizer) = state.Optimizer.Step(space, mean, state.Theta)

        let next: MetaLearningState<'V, 'S> =
            {
                Steps = state.Steps + 1
                Theta = theta
                Optimizer = optimizer
            }

        struct (Region.keep region next, report)

    /// Every state after the start with the report of the step that led to it, made as they are asked for: the sequence may be infinite.
    /// All states live on, in the region that is open when they are asked for.
    let states
        (space: IInnerProductSpace<'V, 'S>)
        (strategy: IMetaGradientStrategy<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (batches: IBilevelProblem<'V, 'S>[] seq)
        (start: MetaLearningState<'V, 'S>)
        : struct (MetaLearningState<'V, 'S> * MetaStepReport) seq =
        seq {
            let mutable state = start

            for batch in batches do
                let struct (next, report) = step space strategy regularizer batch state
                state <- next
                struct (next, report)
        }

    /// The last state, and the report of every step. A state dies when the next one is made, so memory is flat in the number of steps; the
    /// start is the caller's and lives on.
    let run
        (space: IInnerProductSpace<'V, 'S>)
        (strategy: IMetaGradientStrategy<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (batches: IBilevelProblem<'V, 'S>[] seq)
        (start: MetaLearningState<'V, 'S>)
        : struct (MetaLearningState<'V, 'S> * MetaStepReport[]) =
        let reports = ResizeArray()
        let mutable state = start

        for batch in batches do
            use region = space.OpenRegion()

            if state.Steps > start.Steps then
                Region.adopt region state

            let struct (next, report) = step space strategy regularizer batch state
            state <- Region.keep region next
            reports.Add report

        struct (state, reports.ToArray())
