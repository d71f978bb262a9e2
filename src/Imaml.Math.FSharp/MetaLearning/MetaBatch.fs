// The tasks of an outer step, of Algorithm 1: the chunks that they come in, what a chunk gives to the step, and what is reported of them.

namespace Imaml.Math

open System

/// B ≥ 1 tasks of a meta-batch that are worked on at once: one problem, in the space of B tasks.
[<Sealed>]
type TaskChunk<'V, 'S>(space: IInnerProductSpace<'V, 'S>, problem: IBilevelProblem<'V, 'S>) =
    do
        ArgumentNullException.ThrowIfNull(space, nameof space)
        ArgumentNullException.ThrowIfNull(problem, nameof problem)

    member _.Space = space
    member _.Problem = problem

/// What a chunk of tasks gives to a step: Σ g over its usable tasks, a vector like θ, and a report for each task.
type Contribution<'V, 'S> =
    {
        Sum: 'V
        Tasks: MetaTaskReport[]
    }

    /// How many tasks are in the sum.
    member this.Usable = this.Tasks |> Array.sumBy (fun task -> if task.Usable then 1 else 0)

    interface ICarried<'V, 'S, Contribution<'V, 'S>> with
        member this.Carry(vector, _) =
            { this with
                Sum = vector.Invoke this.Sum
            }

/// One step, from the θ that it started at. Numbers on the host.
type MetaStepReport =
    {
        /// Counted from 1.
        Step: int
        /// Mean of L(φ) over the usable tasks: the estimate of F(θ), exact for the whole family and φ = Alg*(θ). Not a number where no task is.
        OuterLoss: float
        /// ‖mean of g‖; not a number where no task is usable.
        GradientNorm: float
        /// How many tasks are in the mean. With none the step is not made: θ and the optimiser stay as they were.
        Usable: int
        /// Every task of the meta-batch, in its order.
        Tasks: MetaTaskReport[]
    }

    /// How many tasks' inner solves ended so.
    member report.Count(status: InnerStatus) = report.Tasks |> Array.sumBy (fun task -> if task.Inner.Status = status then 1 else 0)

    /// How many tasks' linear solves ended so.
    member report.Count(status: SolveStatus) = report.Tasks |> Array.sumBy (fun task -> if task.Solve.Status = status then 1 else 0)
