// What one step of Algorithm 1 tells: how well θ does, and whether its meta-gradients can be trusted. Numbers on the host.

namespace Imaml.Math

/// One task of a meta-batch.
type MetaTaskReport =
    {
        /// L(φ)
        OuterLoss: float
        /// L̂(φ)
        InnerLoss: float
        /// ‖g‖. A task whose g is not finite, or whose solve was NonFinite, is left out of the mean.
        MetaGradientNorm: float
        /// ‖∇G(φ, θ)‖
        InnerGradientNorm: float
        Inner: InnerStatistics
        Solve: SolveStatistics
        Cost: WorkCount
    }

/// One step, from the θ that it started at. On a space of B tasks every array has one entry for each of the B runs.
type MetaStepReport =
    {
        /// Counted from 1.
        Step: int
        /// Mean of L(φ) over the tasks that have a part in the mean of g: the estimate of F(θ), exact for the whole family and φ = Alg*(θ).
        OuterLoss: float[]
        /// ‖mean of g‖
        GradientNorm: float[]
        /// How many tasks of the meta-batch had a finite meta-gradient, made of finite numbers (no solve NonFinite); the others have no part in
        /// the mean. With none of them g is 0.
        FiniteTasks: int[]
        /// By task of the meta-batch, and by run.
        Tasks: MetaTaskReport[][]
    }

[<RequireQualifiedAccess>]
module internal MetaLearningReport =

    let ofTask (space: IInnerProductSpace<'V, 'S>) (result: MetaGradient<'V, 'S>) =
        let outer = space.Read result.OuterLoss
        let inner = space.Read result.InnerLoss
        let norms = space.Read(space.Norm result.Gradient)
        let innerNorms = space.Read result.InnerGradientNorm
        let inners = InnerSolver.read space result.Inner
        let solves = result.Solve.Read space
        let costs = result.Cost space

        Array.init outer.Length (fun run ->
            {
                OuterLoss = outer[run]
                InnerLoss = inner[run]
                MetaGradientNorm = norms[run]
                InnerGradientNorm = innerNorms[run]
                Inner = inners[run]
                Solve = solves[run]
                Cost = costs[run]
            })

    /// Whether the task has a part in the mean.
    let private usable (task: MetaTaskReport) = System.Double.IsFinite task.MetaGradientNorm && task.Solve.Status <> SolveStatus.NonFinite

    let ofStep (space: IInnerProductSpace<'V, 'S>) step (gradient: 'V) (tasks: MetaTaskReport[][]) =
        let counted run = tasks |> Array.map (fun (task: MetaTaskReport[]) -> task[run]) |> Array.filter usable

        let norms = space.Read(space.Norm gradient)
        let runs = Array.init norms.Length counted

        {
            Step = step
            OuterLoss =
                runs
                |> Array.map (fun run ->
                    if run.Length = 0 then
                        nan
                    else
                        run |> Array.averageBy _.OuterLoss)
            GradientNorm = norms
            FiniteTasks = runs |> Array.map Array.length
            Tasks = tasks
        }
