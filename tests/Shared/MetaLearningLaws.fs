// What Algorithm 1 must do on every space, as one list of tests: `MetaLearningLaws.laws subject`.
//
// θ is one vector, and a meta-batch three chunks of B quadratic tasks, λ = 1, every inner solution and meta-gradient exact:
// φᵢ*(θ) = Jᵢθ − Mᵢ⁻¹bᵢ with Jᵢ = Mᵢ⁻¹, so that F(θ), the mean of Lᵢ(φᵢ*(θ)) over all 3B tasks, is a quadratic with Hessian Q, the mean of
// JᵢCᵢJᵢ, and slope q, the mean of Jᵢ(eᵢ − CᵢMᵢ⁻¹bᵢ), at 0; its minimiser solves Qθ = −q.
//
// Tolerances. d ≤ 4 and κ(M) ≤ 2, so ten steps of conjugate gradients leave rounding alone: φ and g err by 100(d+6)ε of their terms.
module Imaml.Testing.MetaLearningLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing.MetaGradientLaws

let private vector (row: float[]) = Vector<float>.Build.DenseOfArray row

/// φ* of a quadratic task by one Newton step.
let newton () =
    { new IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, gradientNorm) =
            Region.run space (fun () ->
                use linearization = problem.LinearizeInner start
                let hessian = LinearOperator.Of(InnerObjective.hessianProduct space regularizer linearization)
                let gradient = InnerObjective.gradient space regularizer linearization.Gradient start theta
                let solver = ConjugateGradientSolver<'V, 'S>(KrylovLaws.budget 10) :> ILinearSolver<'V, 'S>
                let solve = solver.Solve(space, hessian, gradient, gradientNorm)
                InnerSolver.blackBox space (space.Axpy(space.Scalar -1.0, solve.Solution, start)))
    }

/// By fixed budgets, for chunks of any size.
let private exact (_: Subject<'V, 'S>) : IMetaGradientStrategy<'V, 'S> =
    { new IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) =
            let solver = ConjugateGradientSolver<'V, 'S>(KrylovLaws.budget 10)
            ImplicitMetaGradient.Compute(space, regularizer, problem, newton (), solver, Thresholds.None, theta)
    }

/// Three chunks of tasks, θ₀, and F: its Hessian Q and its slope q at 0.
[<NoComparison; NoEquality>]
type private Family<'V, 'S> =
    {
        Tasks: Quadratics[]
        Batch: TaskChunk<'V, 'S>[]
        /// The space of θ.
        Meta: IInnerProductSpace<'V, 'S>
        Start: Vector<float>
        Theta: 'V
        Q: Matrix<float>
        Slope: Vector<float>
    }

    member f.Minimiser: Vector<float> = -f.Q.Cholesky().Solve f.Slope
    member f.Count = f.Tasks |> Array.sumBy _.Tasks

/// A chunk of as many tasks as there are rows.
let private chunk (subject: Subject<'V, 'S>) (tasks: Quadratics) : TaskChunk<'V, 'S> =
    let subject = Subject.sized tasks.Tasks subject
    TaskChunk(subject.Space, problem subject tasks)

let private ofTasks (subject: Subject<'V, 'S>) (tasks: Quadratics[]) =
    let all = [| for task in tasks -> Array.init task.Tasks (fun i -> struct (task, i)) |] |> Array.concat
    let mean (value: Quadratics -> int -> 'T) = all |> Array.map (fun struct (task, i) -> value task i)

    let inverse (task: Quadratics) i = (task.A[i] + Matrix<float>.Build.DenseIdentity task.Size).Inverse()
    let q = mean (fun task i -> inverse task i * task.C[i] * inverse task i) |> Array.reduce (+)

    let slopes =
        mean (fun task i -> inverse task i * (vector task.E[i] - task.C[i] * (inverse task i * vector task.B[i])))

    {
        Tasks = tasks
        Batch = tasks |> Array.map (chunk subject)
        Meta = subject.OfTasks 1
        Start = vector tasks[0].Theta[0]
        Theta = subject.OfRows [| tasks[0].Theta[0] |]
        Q = (q + q.Transpose()) / (2.0 * float all.Length)
        Slope = Array.reduce (+) slopes / float all.Length
    }

let private drawn (subject: Subject<'V, 'S>) (drawn: Draw) =
    Array.init 3 (fun i ->
        let struct (_, tasks: Quadratics) =
            draw
                subject
                { drawn with
                    Seed = drawn.Seed + i
                    Size = 1 + drawn.Size % 4
                }

        tasks)

let private family subject draw = drawn subject draw |> ofTasks subject

let private run (subject: Subject<'V, 'S>) (optimizer: IOuterOptimizer<'V, 'S>) steps (f: Family<'V, 'S>) =
    MetaLearning.run f.Meta (exact subject) (ScalarRegularizer 1.0) (Seq.replicate steps f.Batch) (MetaLearning.start optimizer f.Theta)

let private row (subject: Subject<'V, 'S>) (theta: 'V) = vector (Array.exactlyOne (subject.ToRows theta))

/// The roundings of φ, g and F, by the size of their terms.
let private rounding (subject: Subject<'V, 'S>) (f: Family<'V, 'S>) =
    let largest (rows: float[][]) = rows |> Array.map (fun row -> (vector row).L2Norm()) |> Array.max

    let terms =
        1.0
        + f.Start.L2Norm()
        + (f.Tasks |> Array.map (fun task -> largest task.B + largest task.E) |> Array.max)

    100.0 * float (f.Tasks[0].Size + 6) * subject.Epsilon * terms

/// L_F.
let private smoothness (f: Family<'V, 'S>) =
    let struct (_, top) = Imaml.Theory.Spectrum.ends f.Q
    top

let private descent (subject: Subject<'V, 'S>) =
    let property name body = Subject.property subject 4 name body

    [
        property "with exact meta-gradients a step 1/L_F lowers F by at least ‖∇F‖²/(2L_F)" (fun drawn ->
            let f = family subject drawn
            let smoothness = smoothness f
            let struct (_, reports) = run subject (GradientDescentOptimizer(1.0 / smoothness)) 12 f

            for before, after in Array.pairwise reports do
                let promised = before.OuterLoss - before.GradientNorm ** 2.0 / (2.0 * smoothness)
                // F is of the size of its terms squared, and ‖∇F‖² rounds by as much.
                let size = 1.0 + abs before.OuterLoss + f.Start.L2Norm() ** 2.0
                Check.atMost (promised + 10.0 * rounding subject f * size * (1.0 + 1.0 / smoothness)) after.OuterLoss "F")

        property "‖θ − θ*‖ falls by 1 − µ_F/L_F a step, θ* the minimiser in closed form" (fun drawn ->
            let f = family subject drawn
            let smoothness = smoothness f
            let steps = 40
            let struct (state, reports) = run subject (GradientDescentOptimizer(1.0 / smoothness)) steps f
            state.Steps |> should equal steps
            Expect.equal (reports |> Array.map _.Step) [| 1..steps |] "steps"
            let struct (strong, _) = Imaml.Theory.Spectrum.ends f.Q
            let minimiser = f.Minimiser
            // A gradient that errs by e moves the limit by e/µ_F.
            let bound =
                (1.0 - strong / smoothness) ** float steps * (f.Start - minimiser).L2Norm()
                + rounding subject f * (1.0 + minimiser.L2Norm()) / strong

            Check.atMost bound ((row subject state.Theta - minimiser).L2Norm()) "θ")

        // φ* = θ/2 for L̂ = ½φ², λ = 1, and L = ½(φ − t)², so F's minimiser is twice the mean of the targets; of targets that cancel, 0.
        Subject.law subject "tasks that pull θ to both sides share it: targets +1 and −1 drive it to 0" (fun () ->
            let chunks =
                if subject.Tasks > 1 then
                    [|
                        Array.init subject.Tasks (fun i -> [| 1.0; -1.0; 0.0 |][if i < 2 then i else 2])
                    |]
                else
                    [| [| 1.0 |]; [| -1.0 |] |]

            let ones n = Array.init n (fun _ -> Matrix<float>.Build.DenseIdentity 1)

            let f =
                chunks
                |> Array.map (fun targets ->
                    {
                        A = ones targets.Length
                        B = targets |> Array.map (fun _ -> [| 0.0 |])
                        C = ones targets.Length
                        E = targets |> Array.map (fun target -> [| -target |])
                        Theta = targets |> Array.map (fun _ -> [| 3.0 |])
                    })
                |> ofTasks subject

            // Q = ¼: a step of rate 2 halves θ, and 3·2⁻⁶⁰ is left of 3, or rounding of the terms at the end.
            let struct (state, reports) = run subject (GradientDescentOptimizer 2.0) 60 f
            Check.atMost (rounding subject f) ((row subject state.Theta).L2Norm()) "θ"
            let last = Array.last reports
            Expect.equal last.Usable f.Count "tasks in the mean"
            Check.near (rounding subject f) 0.0 last.OuterLoss "F(0), without the constants ½t²")
    ]

/// θ after a step on six tasks that are divided into chunks of these sizes.
let private divided (subject: Subject<'V, 'S>) strategy (tasks: Quadratics[]) (theta: 'V) (sizes: int list) =
    let rows = tasks |> Array.collect (fun task -> Array.init task.Tasks (fun i -> struct (task, i)))

    let part (first, count) =
        let mine = rows[first .. first + count - 1]
        let each value = mine |> Array.map (fun struct (task: Quadratics, i) -> (value task: 'T[])[i])

        chunk
            subject
            {
                A = each _.A
                B = each _.B
                C = each _.C
                E = each _.E
                Theta = each _.Theta
            }

    let firsts = List.scan (+) 0 sizes
    let batch = List.zip (List.take sizes.Length firsts) sizes |> List.map part |> List.toArray
    let start = MetaLearning.start (GradientDescentOptimizer 0.5) theta
    let meta = subject.OfTasks 1
    let regularizer = ScalarRegularizer<'V, 'S> 1.0
    let struct (state, report) = MetaLearning.step meta strategy regularizer batch start
    let parts = batch |> Array.map (fun chunk -> MetaLearning.contribution strategy regularizer chunk theta)
    let struct (again, _) = MetaLearning.next meta parts start
    Check.same (subject.ToRows state.Theta) (subject.ToRows again.Theta) "the parts and the step that they make"
    struct (subject.ToRows state.Theta, report)

let private divisions (subject: Subject<'V, 'S>) =
    [
        [ 1; 1; 1; 1; 1; 1 ]
        [ 6 ]
        [ 2; 4 ]
        [ 4; 2 ]
        [ 3; 3 ]
        [ 1; 5 ]
        [ 3; 1; 2 ]
    ]
    |> List.filter (List.forall (fun size -> size <= subject.MostTasks))

let private sharing (subject: Subject<'V, 'S>) =
    /// Six tasks, whatever the space holds at once.
    let six (draw: Draw) =
        let subject = Subject.sized (min 2 subject.MostTasks) subject

        Array.append (drawn subject draw) (drawn subject { draw with Seed = draw.Seed + 3 })
        |> Array.truncate (6 / subject.Tasks)

    [
        Subject.property subject 4 "any division of the tasks into chunks gives the same θ and the same reports, to rounding" (fun draw ->
            let tasks = six draw
            let f = ofTasks subject tasks
            let struct (expected, first) = divided subject (exact subject) tasks f.Theta [ 1; 1; 1; 1; 1; 1 ]

            for sizes in divisions subject do
                let struct (theta, report) = divided subject (exact subject) tasks f.Theta sizes
                // Lock-step gives every task what it would get alone, but for the order of a sum; then six terms in another order.
                Check.atMost (rounding subject f) ((vector theta[0] - vector expected[0]).L2Norm()) $"θ, chunks of %A{sizes}"
                Expect.equal report.Tasks.Length 6 "tasks"
                Expect.equal report.Usable 6 "tasks in the mean"

                Array.iter2
                    (fun (e: MetaTaskReport) (a: MetaTaskReport) ->
                        Check.near (rounding subject f * (1.0 + abs e.OuterLoss)) e.OuterLoss a.OuterLoss $"L, chunks of %A{sizes}")
                    first.Tasks
                    report.Tasks)

        // FOMAML's gradient of whole numbers, whose sums are exact; one division, and one product by ½, round alike.
        Subject.law subject "on numbers that add up exactly, any division gives the same bits" (fun () ->
            let whole (random: Random) = Array.init 3 (fun _ -> float (random.Next(-50, 50)))
            let random = Random 11
            let n = min 2 subject.MostTasks

            let tasks =
                Array.init (6 / n) (fun _ ->
                    {
                        A = Array.init n (fun _ -> Matrix<float>.Build.DenseIdentity 3)
                        B = Array.init n (fun _ -> whole random)
                        C = Array.init n (fun _ -> Matrix<float>.Build.DenseIdentity 3)
                        E = Array.init n (fun _ -> whole random)
                        Theta = Array.init n (fun _ -> [| 0.0; 4.0; -8.0 |])
                    })

            let stay = DelegateInnerSolver<'V, 'S>(Func<'V, 'V, 'V>(fun theta _ -> theta))
            let fomaml = FirstOrderStrategy(stay, 0.0) :> IMetaGradientStrategy<'V, 'S>
            let theta = subject.OfRows [| tasks[0].Theta[0] |]
            let struct (expected, _) = divided subject fomaml tasks theta [ 1; 1; 1; 1; 1; 1 ]

            for sizes in divisions subject do
                let struct (actual, _) = divided subject fomaml tasks theta sizes
                Check.same expected actual $"θ, chunks of %A{sizes}")
    ]

let private fold (subject: Subject<'V, 'S>) =
    let regularizer = ScalarRegularizer<'V, 'S> 1.0
    let step (f: Family<'V, 'S>) = MetaLearning.step f.Meta (exact subject) regularizer f.Batch

    let alone (f: Family<'V, 'S>) (chunk: TaskChunk<'V, 'S>) =
        (exact subject).Compute(chunk.Space, regularizer, chunk.Problem, chunk.Space.Spread f.Theta)

    /// The tasks with this e in the second chunk, for the tasks that `broken` chooses.
    let withSlope (f: Family<'V, 'S>) value broken =
        { f.Tasks[1] with
            E = f.Tasks[1].E |> Array.mapi (fun i row -> if broken i then Array.map (fun _ -> value) row else row)
        }

    [
        Subject.property subject 5 "the step is against the mean of the tasks' meta-gradients, which is ∇F = Qθ + q" (fun drawn ->
            let f = family subject drawn
            let struct (state, report) = step f (MetaLearning.start (GradientDescentOptimizer 1.0) f.Theta)
            let moved = f.Start - row subject state.Theta

            let each =
                f.Batch |> Array.collect (fun chunk -> subject.ToRows (alone f chunk).Gradient) |> Array.map vector

            Expect.equal report.Usable f.Count "tasks in the mean"
            let mean = Array.reduce (+) each / float each.Length
            Check.atMost (rounding subject f) ((moved - mean).L2Norm()) "mean"
            let slope = f.Q * f.Start + f.Slope
            Check.atMost (rounding subject f) ((moved - slope).L2Norm()) "∇F"
            Check.near (rounding subject f) (slope.L2Norm()) report.GradientNorm "‖∇F‖")

        Subject.law subject "the report has the losses and statuses of every task, counts them, and has F as their mean" (fun () ->
            let f = family subject { Seed = 3; Size = 3; Condition = 10.0 }
            let struct (_, report) = step f (MetaLearning.start (GradientDescentOptimizer 0.5) f.Theta)
            report.Tasks.Length |> should equal f.Count
            Expect.equal (report.Count InnerStatus.NotReported) f.Count "inner statuses"
            Expect.equal (report.Count InnerStatus.Converged) 0 "inner statuses"
            let solved = [ for status in Enum.GetValues<SolveStatus>() -> report.Count status ]
            Expect.equal (List.sum solved) f.Count "solve statuses"
            Check.near (4.0 * subject.Epsilon * abs report.OuterLoss) (report.Tasks |> Array.averageBy _.OuterLoss) report.OuterLoss "F"

            f.Batch
            |> Array.iteri (fun i chunk ->
                let result = alone f chunk

                for j in 0 .. subject.Tasks - 1 do
                    let task = report.Tasks[i * subject.Tasks + j]
                    Expect.equal task.Solve (result.Solve.Read(chunk.Space)).[j] "the solve"
                    Expect.equal task.Inner (result.Inner.Read chunk.Space).[j] "the inner solve"
                    Expect.equal task.Cost (result.Cost(chunk.Space)).[j] "the cost"
                    Expect.isFalse task.NegativeCurvature "negative curvature"
                    Expect.equal task.Raised 1.0 "raised"
                    Expect.isEmpty task.Learned "nothing is learned with θ"

                    Expect.equal
                        [|
                            task.OuterLoss
                            task.InnerLoss
                            task.InnerGradientNorm
                            task.MetaGradientNorm
                        |]
                        [|
                            (chunk.Space.Read result.OuterLoss).[j]
                            (chunk.Space.Read result.InnerLoss).[j]
                            (chunk.Space.Read result.InnerGradientNorm).[j]
                            (chunk.Space.Read(chunk.Space.Norm result.Gradient)).[j]
                        |]
                        "L, L̂, ‖∇G‖, ‖g‖"))

        Subject.law subject "a task whose meta-gradient is not finite has no part in the mean, and is counted" (fun () ->
            let f = family subject { Seed = 3; Size = 3; Condition = 10.0 }
            let fomaml = FirstOrderStrategy(newton (), 0.0) :> IMetaGradientStrategy<'V, 'S>
            let start = MetaLearning.start (GradientDescentOptimizer 0.5) f.Theta
            let run batch = MetaLearning.step f.Meta fomaml regularizer batch start

            for value in [ nan; infinity ] do
                let struct (expected, _) = run [| f.Batch[0]; f.Batch[2] |]

                let struct (actual, report) =
                    run [| f.Batch[0]; chunk subject (withSlope f value (fun _ -> true)); f.Batch[2] |]

                Check.same (subject.ToRows expected.Theta) (subject.ToRows actual.Theta) "θ"
                Expect.equal report.Usable (2 * subject.Tasks) "tasks in the mean"
                // One task of a chunk: the others' sum is as it would be without it.
                let struct (_, report) =
                    run [| f.Batch[0]; chunk subject (withSlope f value (fun i -> i = 0)); f.Batch[2] |]

                Expect.equal report.Usable (f.Count - 1) "all tasks but one"
                Expect.isTrue (Double.IsFinite report.GradientNorm && Double.IsFinite report.OuterLoss) "‖g‖ and F"
                Expect.equal (report.Tasks |> Array.map _.Usable) (Array.init f.Count (fun i -> i <> subject.Tasks)) "which are usable"
                let struct (none, report) = run [| chunk subject (withSlope f value (fun _ -> true)) |]
                Check.same (subject.ToRows f.Theta) (subject.ToRows none.Theta) "θ where no task has a finite meta-gradient"
                Expect.equal (report.Usable, report.Step, none.Steps) (0, 1, 0) "the step is not made"
                Expect.isTrue (Double.IsNaN report.OuterLoss && Double.IsNaN report.GradientNorm) "F is not known")

        Subject.law subject "where no task is usable, an optimiser with momentum does not move θ either" (fun () ->
            let f = family subject { Seed = 3; Size = 3; Condition = 10.0 }

            let adam =
                AdamOptimizer.Start(f.Meta, StrategyLaws.coordinates subject, AdamOptions.Authors, ConstantRate 0.125, f.Theta)

            let struct (moving, _) = step f (MetaLearning.start adam f.Theta)
            let broken = [| chunk subject (withSlope f nan (fun _ -> true)) |]
            let struct (stopped, report) = MetaLearning.step f.Meta (exact subject) regularizer broken moving
            Expect.equal report.Usable 0 "no task in the mean"
            Check.same (subject.ToRows moving.Theta) (subject.ToRows stopped.Theta) "θ"
            Expect.equal (stopped.Optimizer.State f.Meta).Steps 1 "Adam's steps"
            // And goes on as if the meta-batch had not been.
            let struct (expected, _) = step f moving
            let struct (actual, _) = step f stopped
            Check.same (subject.ToRows expected.Theta) (subject.ToRows actual.Theta) "θ of the next step")

        Subject.law subject "a task whose solve meets what is not finite has no part in the mean, though its g is finite" (fun () ->
            let f = family subject { Seed = 3; Size = 3; Condition = 10.0 }

            // A slope at φ that is finite, but no product with the Hessian.
            let brokenProducts =
                let healthy = f.Batch[1].Problem

                TaskChunk(
                    f.Batch[1].Space,
                    { new IBilevelProblem<'V, 'S> with
                        member _.InnerLoss phi = healthy.InnerLoss phi
                        member _.InnerGradient phi = healthy.InnerGradient phi
                        member _.OuterLossAndGradient phi = healthy.OuterLossAndGradient phi

                        member _.LinearizeInner phi =
                            let linearization = healthy.LinearizeInner phi

                            { new ILinearization<'V, 'S> with
                                member _.Loss = linearization.Loss
                                member _.Gradient = linearization.Gradient

                                member _.HessianProduct w = subject.OfRows(subject.ToRows w |> Array.map (Array.map (fun _ -> nan)))

                                member _.Dispose() = linearization.Dispose()
                            }
                    }
                )

            let brokenSlope = chunk subject (withSlope f nan (fun _ -> true))
            let solver = GradientDescentSolver<'V, 'S>(ConstantStep 0.125, 5)

            let implicit: IMetaGradientStrategy<'V, 'S> =
                ImplicitStrategy(solver, ConjugateGradientSolver(KrylovLaws.budget 10), Thresholds.None)

            let start = MetaLearning.start (GradientDescentOptimizer 0.5) f.Theta
            let run batch = MetaLearning.step f.Meta implicit regularizer batch start
            let struct (expected, _) = run [| f.Batch[0]; f.Batch[2] |]

            for broken in [ brokenProducts; brokenSlope ] do
                let struct (actual, report) = run [| f.Batch[0]; broken; f.Batch[2] |]
                Check.same (subject.ToRows expected.Theta) (subject.ToRows actual.Theta) "θ"
                Expect.equal report.Usable (2 * subject.Tasks) "tasks in the mean"
                Expect.equal (report.Count SolveStatus.NonFinite) subject.Tasks "non-finite solves"
                Expect.isTrue (Double.IsFinite report.OuterLoss) "F")

        Subject.law
            subject
            "no strategy's g is used where φ is not finite, though g is: not-a-number in the data, a linear outer loss"
            (fun () ->
                let coordinates = StrategyLaws.coordinates subject
                let rows value = Subject.alike subject [| value; 0.5 |]

                let path: UnrolledOptions =
                    {
                        Momentum = NoMomentum
                        Step = 0.125
                        Steps = 4
                    }

                let sizes () = StepSizeOptions(coordinates, subject.OfRows(rows 0.125), 4)
                let descent = GradientDescentSolver<'V, 'S>(ConstantStep 0.125, 4)

                let strategies: IMetaGradientStrategy<'V, 'S> list =
                    [
                        exact subject
                        UnrolledStrategy path
                        UnrolledStrategy { path with Momentum = HeavyBall 0.5 }
                        UnrolledStrategy({ path with Momentum = Nesterov 0.5 }, Recompute)
                        UnrolledDescentStrategy(ConstantStep 0.125, 4)
                        UnrolledDescentStrategy(MeasuredCurvature, 4)
                        ForwardModeStrategy(coordinates, path)
                        TruncatedStrategy(path, 2)
                        MetaSgdStrategy(sizes (), EveryIterate)
                        FirstOrderStrategy(descent, 0.0)
                        ReptileStrategy(descent, 0.0)
                    ]

                let theta = subject.OfRows [| [| 1.0; 1.0 |] |]
                let start = MetaLearning.start (GradientDescentOptimizer 0.5) theta

                for strategy in strategies do
                    for bad in [ nan; infinity ] do
                        let what = $"{strategy.GetType().Name}, {bad}"
                        let batch = [| TaskChunk(subject.Space, InnerSolverLaws.linear subject (rows bad) 0.0) |]
                        let struct (state, report) = MetaLearning.step (subject.OfTasks 1) strategy regularizer batch start
                        Expect.equal report.Usable 0 what
                        // The exact strategy's black box goes nowhere from an infinite slope, to a φ that is finite.
                        let lost = report.Count InnerStatus.NonFinite
                        Expect.isTrue (lost = subject.Tasks || lost = 0 && Object.ReferenceEquals(strategy, strategies[0])) what
                        Check.same (subject.ToRows theta) (subject.ToRows state.Theta) what)

        Subject.law subject "a state can be stepped from twice, and the fold makes the states of the sequence" (fun () ->
            let f = family subject { Seed = 5; Size = 3; Condition = 10.0 }

            let adam =
                AdamOptimizer.Start(f.Meta, StrategyLaws.coordinates subject, AdamOptions.Authors, ConstantRate 0.125, f.Theta)

            let start = MetaLearning.start adam f.Theta
            let theta struct (state: MetaLearningState<'V, 'S>, _: MetaStepReport) = subject.ToRows state.Theta
            let struct (first, _) = step f start
            Check.same (theta (step f start)) (subject.ToRows first.Theta) "θ₁ again"
            Check.same (theta (step f first)) (theta (step f first)) "θ₂ again"
            let forever = Seq.initInfinite (fun _ -> f.Batch)

            let states =
                MetaLearning.states f.Meta (exact subject) regularizer forever start |> Seq.take 4 |> Seq.toArray

            let struct (last, reports) = run subject adam 4 f
            Check.same (theta states[3]) (subject.ToRows last.Theta) "θ₄"
            Check.same (theta states[0]) (subject.ToRows first.Theta) "θ₁ in the sequence"

            Expect.equal
                (reports |> Array.map _.GradientNorm)
                (states |> Array.map (fun struct (_, report) -> report.GradientNorm))
                "reports")

        Subject.law subject "an optimiser that is restored makes the same steps to the last bit" (fun () ->
            let f = family subject { Seed = 5; Size = 3; Condition = 10.0 }
            let coordinates = StrategyLaws.coordinates subject

            let optimizers: IOuterOptimizer<'V, 'S> list =
                [
                    GradientDescentOptimizer(CosineRate(0.5, 7))
                    AdamOptimizer.Start(f.Meta, coordinates, AdamOptions.Authors, CosineRate(0.125, 7), f.Theta)
                    LbfgsOptimizer.Start(f.Meta, 2, 0.25)
                    AveragingOptimizer.Start(GradientDescentOptimizer 0.5, 3.0)
                ]

            let average (state: OptimizerState<'V>) =
                if AveragingOptimizer<'V, 'S>.HasAverage state then
                    [ AveragingOptimizer<'V, 'S>.AverageOf state ]
                else
                    []

            let advance steps state =
                MetaLearning.states f.Meta (exact subject) regularizer (Seq.replicate steps f.Batch) state
                |> Seq.map (fun struct (state, _) -> state)
                |> Seq.toArray

            for fresh in optimizers do
                let start = MetaLearning.start fresh f.Theta
                let states = Array.append [| start |] (advance 6 start)

                for before in 0..4 do
                    let state = states[before]
                    let written = state.Optimizer.State f.Meta
                    Expect.equal written.Steps before "steps"
                    // As a file has them: names, numbers and rows.
                    let read: OptimizerState<'V> =
                        { written with
                            Vectors =
                                written.Vectors
                                |> Array.map (fun struct (name, value) -> struct (name, subject.OfRows(subject.ToRows value)))
                        }

                    let restored =
                        { state with
                            Optimizer = fresh.Restore(f.Meta, read)
                        }

                    let expected, actual = states[before + 2], Array.last (advance 2 restored)
                    Check.same (subject.ToRows expected.Theta) (subject.ToRows actual.Theta) $"θ after {before} steps and two"

                    for expected, actual in List.zip (average (expected.Optimizer.State f.Meta)) (average (actual.Optimizer.State f.Meta)) do
                        Check.same (subject.ToRows expected) (subject.ToRows actual) "θ̄")

        // The weight of θᵢ in θ̄ after T steps is wᵢ(1 − wᵢ₊₁)…(1 − w_T); of γ = 0, 1/T. Each of T axpbys rounds by 4ε of the largest θ.
        Subject.property subject 4 "averaging moves nothing, and θ̄ is the mean of the iterates by its weights" (fun drawn ->
            let f = family subject drawn
            let steps = 6
            let optimizer = GradientDescentOptimizer(1.0 / smoothness f)

            for gamma in [ 0.0; 2.5 ] do
                let states =
                    MetaLearning.states
                        f.Meta
                        (exact subject)
                        regularizer
                        (Seq.replicate steps f.Batch)
                        (MetaLearning.start (AveragingOptimizer.Start(optimizer, gamma)) f.Theta)
                    |> Seq.map (fun struct (state, _) -> state)
                    |> Seq.toArray

                let struct (plain, _) = run subject optimizer steps f
                Check.same (subject.ToRows plain.Theta) (subject.ToRows (Array.last states).Theta) "θ"
                let weight i = (gamma + 1.0) / (gamma + float i)

                let weights =
                    [
                        for i in 1..steps -> Seq.fold (fun w j -> w * (1.0 - weight j)) (weight i) (seq { i + 1 .. steps })
                    ]

                let expected =
                    states
                    |> Seq.map (fun state -> row subject state.Theta)
                    |> Seq.map2 (fun w theta -> w * theta) weights
                    |> Seq.reduce (+)

                let largest = states |> Array.map (fun state -> (row subject state.Theta).L2Norm()) |> Array.max

                let average = AveragingOptimizer<'V, 'S>.AverageOf((Array.last states).Optimizer.State f.Meta)
                Check.atMost (4.0 * float steps * subject.Epsilon * largest) ((row subject average - expected).L2Norm()) "θ̄")

        Subject.law subject "a state is refused by another kind of optimiser" (fun () ->
            let f = family subject { Seed = 5; Size = 3; Condition = 10.0 }
            let coordinates = StrategyLaws.coordinates subject

            let adam: IOuterOptimizer<'V, 'S> =
                AdamOptimizer.Start(f.Meta, coordinates, AdamOptions.Authors, ConstantRate 0.125, f.Theta)

            let descent: IOuterOptimizer<'V, 'S> = GradientDescentOptimizer 0.5
            let lbfgs: IOuterOptimizer<'V, 'S> = LbfgsOptimizer.Start(f.Meta, 2, 0.25)
            let averaging: IOuterOptimizer<'V, 'S> = AveragingOptimizer.Start(descent, 3.0)
            let struct (stepped, _) = run subject descent 1 f

            for kind, other in
                [
                    adam, descent
                    adam, lbfgs
                    lbfgs, adam
                    lbfgs, descent
                    averaging, stepped.Optimizer
                ] do
                (fun () -> kind.Restore(f.Meta, other.State f.Meta) |> ignore)
                |> should throw typeof<ArgumentException>

            for gamma in [ -1.0; nan; infinity ] do
                (fun () -> AveragingOptimizer.Start(descent, gamma) |> ignore)
                |> should throw typeof<ArgumentException>)

        Subject.law subject "every task's gradient in what is learned with θ is handed on: step sizes, log λ" (fun () ->
            let f = family subject { Seed = 5; Size = 2; Condition = 10.0 }
            let coordinates = StrategyLaws.coordinates subject
            let chunk = f.Batch[0]
            let theta () = chunk.Space.Spread f.Theta
            let learned strategy regularizer = (MetaLearning.contribution strategy regularizer chunk f.Theta).Tasks |> Array.map _.Learned

            // α of three coordinates, the last two of which share one.
            let options =
                StepSizeOptions(coordinates, subject.OfRows(Subject.alike subject [| 0.125; 0.25; 0.25 |]), 3)

            let sharing = OnePerLayer [| 1; 2 |]

            let both =
                MetaSgdStrategy(options, EveryIterate).ComputeBoth(chunk.Space, regularizer, chunk.Problem, theta ())

            Check.same
                (sharing.Gradient(coordinates, both.StepSizes))
                (learned (MetaSgdStrategy(options, EveryIterate, sharing)) regularizer)
                "step sizes"

            let lambda = LearnedRegularizer(coordinates, sharing, theta (), [| 0.5; -0.5 |])
            let result = (exact subject).Compute(chunk.Space, lambda.Regularizer, chunk.Problem, theta ())
            let learning = LearnedRegularizerStrategy(exact subject, lambda)
            Check.same (lambda.LogGradient(chunk.Space, result, theta ())) (learned learning lambda.Regularizer) "log λ"

            (fun () -> learned learning regularizer |> ignore) |> should throw typeof<ArgumentException>)

        Subject.law subject "learned numbers move against the mean of the usable tasks' gradients in them" (fun () ->
            let f = family subject { Seed = 5; Size = 3; Condition = 10.0 }
            // Its gradient in two learned numbers is (L(φ), 1) for every task.
            let learning (strategy: IMetaGradientStrategy<'V, 'S>) =
                { new IMetaGradientStrategy<'V, 'S> with
                    member _.Compute(space, regularizer, problem, theta) =
                        let result = strategy.Compute(space, regularizer, problem, theta)

                        { result with
                            Learned = space.Read result.OuterLoss |> Array.map (fun loss -> [| loss; 1.0 |])
                        }
                }

            let start =
                { MetaLearning.start (GradientDescentOptimizer 0.5) f.Theta with
                    Learned = LearnedNumbers(vector [| 1.0; 2.0 |], GradientDescentOptimizer 0.25)
                }

            let batch = [| f.Batch[0]; chunk subject (withSlope f nan (fun i -> i = 0)) |]
            let struct (state, report) = MetaLearning.step f.Meta (learning (exact subject)) regularizer batch start
            Expect.equal report.Usable (2 * subject.Tasks - 1) "all tasks but one"
            let expected = [| 1.0 - 0.25 * report.OuterLoss; 2.0 - 0.25 |]

            match state.Learned with
            | null -> failtest "the learned numbers are lost"
            | learned ->
                Check.rows (4.0 * float report.Usable * 2.0 ** -52.0) [| expected |] [| learned.Numbers.ToArray() |] "learned numbers")

        Subject.law subject "an empty meta-batch, a θ of several rows and a rate that is not positive and finite are refused" (fun () ->
            let f = family subject { Seed = 5; Size = 3; Condition = 10.0 }
            let start = MetaLearning.start (GradientDescentOptimizer 0.5) f.Theta

            (fun () -> MetaLearning.step f.Meta (exact subject) regularizer [||] start |> ignore)
            |> should throw typeof<ArgumentException>

            (fun () -> MetaLearning.next f.Meta [||] start |> ignore) |> should throw typeof<ArgumentException>

            if subject.MostTasks > 1 then
                let rows = subject.OfRows [| f.Start.ToArray(); f.Start.ToArray() |]

                (fun () -> step f (MetaLearning.start (GradientDescentOptimizer 0.5) rows) |> ignore)
                |> should throw typeof<ArgumentException>

                (fun () -> MetaLearning.step (subject.OfTasks 2) (exact subject) regularizer f.Batch start |> ignore)
                |> should throw typeof<ArgumentException>

            for rate in [ 0.0; -1.0; nan; infinity ] do
                (fun () -> GradientDescentOptimizer<'V, 'S> rate |> ignore)
                |> should throw typeof<ArgumentException>)
    ]

/// Outer optimisers that take many steps: for one space.
let optimizers (subject: Subject<'V, 'S>) =
    [
        Subject.property subject 10 "Adam comes within ten of its steps of the minimiser" (fun drawn ->
            let f = family subject drawn
            // Tasks whose F is well conditioned: C = I.
            let f =
                f.Tasks
                |> Array.map (fun task ->
                    { task with
                        C = task.C |> Array.map (fun c -> Matrix<float>.Build.DenseIdentity c.RowCount)
                    })
                |> ofTasks subject

            let rate = 2.0 ** -5.0
            let coordinates = StrategyLaws.coordinates subject
            let adam = AdamOptimizer.Start(f.Meta, coordinates, AdamOptions.Authors, ConstantRate rate, f.Theta)
            let struct (state, _) = run subject adam 400 f
            Check.atMost (10.0 * rate * sqrt (float f.Tasks[0].Size)) ((row subject state.Theta - f.Minimiser).L2Norm()) "θ")

        Subject.property subject 10 "L-BFGS with d pairs reaches the minimiser in closed form, from a first step 1/L_F" (fun drawn ->
            let f = family subject drawn
            let lbfgs = LbfgsOptimizer.Start(f.Meta, 4, 1.0 / smoothness f)
            let struct (state, _) = run subject lbfgs 60 f
            let struct (strong, _) = Imaml.Theory.Spectrum.ends f.Q
            let minimiser = f.Minimiser
            // A gradient that errs by e moves the limit by e/µ_F.
            Check.atMost (rounding subject f * (1.0 + minimiser.L2Norm()) / strong) ((row subject state.Theta - minimiser).L2Norm()) "θ")

        testCase "a cosine schedule falls from its rate to 0 over its steps, and ends there" (fun () ->
            let schedule = OuterSchedule.Cosine(0.5, 8)
            schedule.At 0 |> should equal 0.5
            Check.near 1e-16 0.25 (schedule.At 4) "half way"
            Expect.isTrue ([ 0..7 ] |> List.map schedule.At |> List.pairwise |> List.forall (fun (a, b) -> a > b && b > 0.0)) "falling"
            (OuterSchedule.Constant 0.5).At 1_000_000 |> should equal 0.5

            for wrong in
                [
                    fun () -> schedule.At 8 |> ignore
                    fun () -> schedule.At -1 |> ignore
                    fun () -> OuterSchedule.Cosine(0.5, 0) |> ignore
                    fun () -> OuterSchedule.Constant nan |> ignore
                ] do
                wrong |> should throw typeof<ArgumentException>)
    ]

/// All laws of Algorithm 1 on a space.
let laws (subject: Subject<'V, 'S>) =
    testList
        $"Meta-learning, {subject.Name}"
        [
            testList "descent" (descent subject)
            testList "one θ" (sharing subject)
            testList "the fold" (fold subject)
        ]
