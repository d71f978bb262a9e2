// Algorithm 1: θ, one vector, moved one meta-batch at a time, as a fold.
//
//     for every task i of the meta-batch: gᵢ ≈ d_θLᵢ(Alg*ᵢ(θ)) by a strategy;   θ ← outer step against (1/M) Σ gᵢ
//
// A meta-batch is an array of chunks, each of B tasks that are worked on at once in a space of their own. `contribution` is a chunk's part of
// the sum; a host may compute chunks on threads. `next` takes the parts in order and makes the step. The mean is over all usable tasks of
// all chunks, so how the tasks are divided into chunks changes nothing but rounding. A strategy that is exact makes this stochastic
// gradient descent on F (1).

namespace Imaml.Math

open System

open MathNet.Numerics.LinearAlgebra

/// Numbers that are learned with θ, log λ or step sizes, with the optimiser that moves them. On the host.
[<Sealed>]
type LearnedNumbers(numbers: Vector<float>, optimizer: IOuterOptimizer<Vector<float>, float>) =
    do
        ArgumentNullException.ThrowIfNull(numbers, nameof numbers)
        ArgumentNullException.ThrowIfNull(optimizer, nameof optimizer)

    member _.Numbers = numbers
    member _.Optimizer = optimizer

    /// After one step against the mean gradient.
    member _.Step(gradient: Vector<float>) =
        let struct (numbers, optimizer) = optimizer.Step(EuclideanSpace(), gradient, numbers)
        LearnedNumbers(numbers, optimizer)

/// θ with its optimiser between two steps: all that Algorithm 1 carries.
type MetaLearningState<'V, 'S> =
    {
        /// Steps made.
        Steps: int
        /// One vector, of the space of one task.
        Theta: 'V
        Optimizer: IOuterOptimizer<'V, 'S>
        /// What is learned with θ, or null. The caller makes the next step's strategy and Λ of it.
        Learned: LearnedNumbers | null
    }

    interface ICarried<'V, 'S, MetaLearningState<'V, 'S>> with
        member this.Carry(vector, scalar) =
            { this with
                Theta = vector.Invoke this.Theta
                Optimizer = this.Optimizer.Carry(vector, scalar)
            }

[<RequireQualifiedAccess>]
module MetaLearning =

    /// Before the first step; nothing is learned but θ.
    [<CompiledName("Start")>]
    let start (optimizer: IOuterOptimizer<'V, 'S>) (theta: 'V) : MetaLearningState<'V, 'S> =
        {
            Steps = 0
            Theta = theta
            Optimizer = optimizer
            Learned = null
        }

    /// A meta-batch of problems of one space, each a chunk of its own.
    [<CompiledName("Chunks")>]
    let chunks (space: IInnerProductSpace<'V, 'S>) (problems: IBilevelProblem<'V, 'S>[]) : TaskChunk<'V, 'S>[] =
        problems |> Array.map (fun problem -> TaskChunk(space, problem))

    /// A chunk's part from its meta-gradients: for a host that reads them too. Reads the reports, so a device is waited for.
    [<CompiledName("ContributionOf")>]
    let contributionOf (space: IInnerProductSpace<'V, 'S>) (result: MetaGradient<'V, 'S>) : Contribution<'V, 'S> =
        Region.run space (fun () ->
            {
                Sum = space.Gather(result.Usable space, result.Gradient)
                Tasks = result.Read space
            })

    /// A chunk's part of the step at θ. Only the sum is kept; chunks may be computed in parallel.
    ///
    /// Cost: the strategy's, once for all tasks of the chunk. On a device this waits for it.
    [<CompiledName("Contribute")>]
    let contribution
        (strategy: IMetaGradientStrategy<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (chunk: TaskChunk<'V, 'S>)
        (theta: 'V)
        : Contribution<'V, 'S> =
        let space = chunk.Space

        Region.run space (fun () -> strategy.Compute(space, regularizer, chunk.Problem, space.Spread theta) |> contributionOf space)

    let private checkMeta (space: IInnerProductSpace<'V, 'S>) =
        let tasks = (space.Read(space.Scalar 0.0)).Length

        if tasks <> 1 then
            invalidArg (nameof space) $"θ is one vector: its space must be that of 1 task, not of {tasks}"

    /// The parts of two chunks together, the first one's tasks first. `space` is that of one task. Cost: one axpy.
    [<CompiledName("Add")>]
    let add (space: IInnerProductSpace<'V, 'S>) (first: Contribution<'V, 'S>) (second: Contribution<'V, 'S>) : Contribution<'V, 'S> =
        {
            Sum = space.Axpy(space.Scalar 1.0, second.Sum, first.Sum)
            Tasks = Array.append first.Tasks second.Tasks
        }

    let private stepLearned (tasks: MetaTaskReport[]) (learned: LearnedNumbers) =
        let gradients = tasks |> Array.map (fun task -> Vector<float>.Build.DenseOfArray task.Learned)
        learned.Step(Array.reduce (+) gradients / float gradients.Length)

    /// The step from the sum of all parts.
    let private finish (space: IInnerProductSpace<'V, 'S>) (total: Contribution<'V, 'S>) (state: MetaLearningState<'V, 'S>) =
        let used = total.Tasks |> Array.filter _.Usable

        let report: MetaStepReport =
            {
                Step = state.Steps + 1
                OuterLoss = nan
                GradientNorm = nan
                Usable = used.Length
                Tasks = total.Tasks
            }

        if used.Length = 0 then
            struct (state, report)
        else
            let mean = space.Divide(total.Sum, float used.Length)
            let struct (theta, optimizer) = state.Optimizer.Step(space, mean, state.Theta)

            struct ({
                        Steps = state.Steps + 1
                        Theta = theta
                        Optimizer = optimizer
                        Learned =
                            match state.Learned with
                            | null -> null
                            | learned -> stepLearned used learned
                    },
                    { report with
                        OuterLoss = used |> Array.averageBy _.OuterLoss
                        GradientNorm = (space.Read(space.Norm mean))[0]
                    })

    /// The step that the chunks' parts make, added in their order; the state given stays as it is, and can be stepped from again. `space` is
    /// that of one task. Where no task is usable the state is returned as it was.
    ///
    /// Errors: no chunk. Cost: one axpy a chunk, and the optimiser's.
    [<CompiledName("Next")>]
    let next
        (space: IInnerProductSpace<'V, 'S>)
        (contributions: Contribution<'V, 'S>[])
        (state: MetaLearningState<'V, 'S>)
        : struct (MetaLearningState<'V, 'S> * MetaStepReport) =
        if contributions.Length = 0 then
            invalidArg (nameof contributions) "a meta-batch must hold at least 1 task, not 0"

        checkMeta space

        use region = space.OpenRegion()
        let struct (next, report) = finish space (Array.reduce (add space) contributions) state
        struct (Region.keep region next, report)

    /// One step on a meta-batch: `contribution` of every chunk, then `next`.
    ///
    /// Errors: an empty meta-batch. Cost: the strategy's for every chunk, one at a time: memory does not grow with their number.
    [<CompiledName("Step")>]
    let step
        (space: IInnerProductSpace<'V, 'S>)
        (strategy: IMetaGradientStrategy<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (batch: TaskChunk<'V, 'S>[])
        (state: MetaLearningState<'V, 'S>)
        : struct (MetaLearningState<'V, 'S> * MetaStepReport) =
        if batch.Length = 0 then
            invalidArg (nameof batch) "a meta-batch must hold at least 1 task, not 0"

        checkMeta space

        use region = space.OpenRegion()
        let part chunk = contribution strategy regularizer chunk state.Theta
        let mutable total = part batch[0]

        for i in 1 .. batch.Length - 1 do
            total <- Region.advance space (fun total -> add space total (part batch[i])) total

        let struct (next, report) = finish space total state
        struct (Region.keep region next, report)

    /// Every state after the start with the report of the step that led to it, computed on demand: the sequence may be infinite.
    /// All states are kept, in the region that is open when they are requested. If requested twice, they are computed twice.
    [<CompiledName("States")>]
    let states
        (space: IInnerProductSpace<'V, 'S>)
        (strategy: IMetaGradientStrategy<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (batches: TaskChunk<'V, 'S>[] seq)
        (start: MetaLearningState<'V, 'S>)
        : struct (MetaLearningState<'V, 'S> * MetaStepReport) seq =
        seq {
            let mutable state = start

            for batch in batches do
                let struct (next, report) = step space strategy regularizer batch state
                state <- next
                struct (next, report)
        }

    /// The last state, and the report of every step. A state is freed when the next one is made, so memory does not grow with the number of
    /// steps; the start is the caller's and is kept.
    [<CompiledName("Run")>]
    let run
        (space: IInnerProductSpace<'V, 'S>)
        (strategy: IMetaGradientStrategy<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (batches: TaskChunk<'V, 'S>[] seq)
        (start: MetaLearningState<'V, 'S>)
        : struct (MetaLearningState<'V, 'S> * MetaStepReport[]) =
        let reports = ResizeArray()
        // Copies, which may be freed: an optimiser passes values that do not change on to the next one.
        let mutable state =
            (start :> ICarried<'V, 'S, MetaLearningState<'V, 'S>>).Carry(Mask.copyVector space, Mask.copy space)

        for batch in batches do
            use region = space.OpenRegion()
            Region.adopt region state
            let struct (next, report) = step space strategy regularizer batch state
            state <- Region.keep region next
            reports.Add report

        struct (state, reports.ToArray())
