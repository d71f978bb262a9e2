// What Algorithm 1 must do on every space, as one list of tests: `MetaLearningLaws.laws subject`.
//
// A meta-batch of three quadratic tasks, λ = 1, every inner solution and meta-gradient exact: φᵢ*(θ) = Jᵢθ − Mᵢ⁻¹bᵢ with Jᵢ = Mᵢ⁻¹, so that
// F(θ) = ⅓ Σ Lᵢ(φᵢ*(θ)) is a quadratic with Hessian Q = ⅓ Σ JᵢCᵢJᵢ and slope q = ⅓ Σ Jᵢ(eᵢ − CᵢMᵢ⁻¹bᵢ) at 0, and its minimiser solves Qθ = −q.
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

let private exact (subject: Subject<'V, 'S>) : IMetaGradientStrategy<'V, 'S> =
    ImplicitStrategy(newton (), ConjugateGradientSolver(KrylovLaws.budget 10), Thresholds.none subject.Space)

/// Three tasks for each run, θ₀, and F of every run: its Hessian Q and its slope q at 0.
[<NoComparison; NoEquality>]
type private Family<'V, 'S> =
    {
        Tasks: Quadratics[]
        Batch: IBilevelProblem<'V, 'S>[]
        Theta: 'V
        Q: Matrix<float>[]
        Slope: Vector<float>[]
    }

    member f.Minimiser run : Vector<float> = -f.Q[run].Cholesky().Solve f.Slope[run]

let private ofTasks (subject: Subject<'V, 'S>) (tasks: Quadratics[]) =
    let mean (value: Quadratics -> int -> 'T) (sum: 'T seq -> 'T) =
        Array.init subject.Tasks (fun run -> sum (tasks |> Seq.map (fun task -> value task run)))

    let inverse (task: Quadratics) run = (task.A[run] + Matrix<float>.Build.DenseIdentity task.Size).Inverse()

    {
        Tasks = tasks
        Batch = tasks |> Array.map (problem subject)
        Theta = subject.OfRows tasks[0].Theta
        Q =
            mean (fun task run -> inverse task run * task.C[run] * inverse task run) (fun all ->
                let sum = Seq.reduce (+) all
                (sum + sum.Transpose()) / (2.0 * float tasks.Length))
        Slope =
            mean
                (fun task run -> inverse task run * (vector task.E[run] - task.C[run] * (inverse task run * vector task.B[run])))
                (fun all -> Seq.reduce (+) all / float tasks.Length)
    }

let private family (subject: Subject<'V, 'S>) (drawn: Draw) =
    Array.init 3 (fun i ->
        let struct (_, tasks: Quadratics) =
            draw
                subject
                { drawn with
                    Seed = drawn.Seed + i
                    Size = 1 + drawn.Size % 4
                }

        tasks)
    |> ofTasks subject

let private run (subject: Subject<'V, 'S>) (optimizer: IOuterOptimizer<'V, 'S>) steps (f: Family<'V, 'S>) =
    MetaLearning.run
        subject.Space
        (exact subject)
        (ScalarRegularizer 1.0)
        (Seq.replicate steps f.Batch)
        (MetaLearning.start optimizer f.Theta)

/// The roundings of φ, g and F, by the size of their terms.
let private rounding (subject: Subject<'V, 'S>) (f: Family<'V, 'S>) =
    let largest (rows: float[][]) = rows |> Array.map (fun row -> (vector row).L2Norm()) |> Array.max

    let terms =
        1.0
        + largest f.Tasks[0].Theta
        + (f.Tasks |> Array.map (fun task -> largest task.B + largest task.E) |> Array.max)

    100.0 * float (f.Tasks[0].Size + 6) * subject.Epsilon * terms

/// L_F of the run where it is largest.
let private smoothness (f: Family<'V, 'S>) =
    f.Q |> Array.map (fun q -> let struct (_, top) = Imaml.Theory.Spectrum.ends q in top) |> Array.max

let private descent (subject: Subject<'V, 'S>) =
    let property name body = Subject.property subject 4 name body

    [
        property "with exact meta-gradients a step 1/L_F lowers F by at least ‖∇F‖²/(2L_F)" (fun drawn ->
            let f = family subject drawn
            let smoothness = smoothness f
            let struct (_, reports) = run subject (GradientDescentOptimizer(1.0 / smoothness)) 12 f

            for before, after in Array.pairwise reports do
                for i in 0 .. subject.Tasks - 1 do
                    let promised = before.OuterLoss[i] - before.GradientNorm[i] ** 2.0 / (2.0 * smoothness)
                    // F is of the size of its terms squared, and ‖∇F‖² rounds by as much.
                    let size = 1.0 + abs before.OuterLoss[i] + (vector f.Tasks[0].Theta[i]).L2Norm() ** 2.0
                    Check.atMost (promised + 10.0 * rounding subject f * size * (1.0 + 1.0 / smoothness)) after.OuterLoss[i] $"F, run {i}")

        property "‖θ − θ*‖ falls by 1 − µ_F/L_F a step, θ* the minimiser in closed form" (fun drawn ->
            let f = family subject drawn
            let smoothness = smoothness f
            let steps = 40
            let struct (state, reports) = run subject (GradientDescentOptimizer(1.0 / smoothness)) steps f
            let theta = subject.ToRows state.Theta
            state.Steps |> should equal steps
            Expect.equal (reports |> Array.map _.Step) [| 1..steps |] "steps"

            for i in 0 .. subject.Tasks - 1 do
                let struct (strong, _) = Imaml.Theory.Spectrum.ends f.Q[i]
                let minimiser = f.Minimiser i
                let before = (vector f.Tasks[0].Theta[i] - minimiser).L2Norm()
                // A gradient that errs by e moves the limit by e/µ_F.
                let bound =
                    (1.0 - strong / smoothness) ** float steps * before
                    + rounding subject f * (1.0 + minimiser.L2Norm()) / strong

                Check.atMost bound ((vector theta[i] - minimiser).L2Norm()) $"θ, run {i}")
    ]

let private fold (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let regularizer = ScalarRegularizer<'V, 'S> 1.0
    let step (f: Family<'V, 'S>) = MetaLearning.step space (exact subject) regularizer f.Batch
    let gradient (f: Family<'V, 'S>) i = (exact subject).Compute(space, regularizer, f.Batch[i], f.Theta).Gradient

    [
        Subject.property subject 5 "the step is against the mean of the tasks' meta-gradients, which is ∇F = Qθ + q" (fun drawn ->
            let f = family subject drawn
            let struct (state, report) = step f (MetaLearning.start (GradientDescentOptimizer 1.0) f.Theta)
            let moved = subject.ToRows(space.Axpy(space.Scalar -1.0, state.Theta, f.Theta))
            let each = Array.init 3 (fun i -> subject.ToRows(gradient f i))
            Expect.equal report.FiniteTasks (Array.create subject.Tasks 3) "tasks in the mean"

            for i in 0 .. subject.Tasks - 1 do
                let mean = (vector each[0].[i] + vector each[1].[i] + vector each[2].[i]) / 3.0
                Check.atMost (rounding subject f) ((vector moved[i] - mean).L2Norm()) $"mean, run {i}"
                let slope = f.Q[i] * vector f.Tasks[0].Theta[i] + f.Slope[i]
                Check.atMost (rounding subject f) ((vector moved[i] - slope).L2Norm()) $"∇F, run {i}"
                Check.near (rounding subject f) (slope.L2Norm()) report.GradientNorm[i] $"‖∇F‖, run {i}")

        Subject.law subject "the report has the losses and statuses of every task, and F as their mean" (fun () ->
            let f = family subject { Seed = 3; Size = 3; Condition = 10.0 }
            let struct (_, report) = step f (MetaLearning.start (GradientDescentOptimizer 0.5) f.Theta)
            report.Tasks.Length |> should equal 3

            let alone =
                f.Batch |> Array.map (fun problem -> (exact subject).Compute(space, regularizer, problem, f.Theta))

            for i in 0 .. subject.Tasks - 1 do
                let tasks = report.Tasks |> Array.map (fun task -> task[i])
                Check.near (4.0 * subject.Epsilon * abs report.OuterLoss[i]) (tasks |> Array.averageBy _.OuterLoss) report.OuterLoss[i] "F"

                Array.iter2
                    (fun (task: MetaTaskReport) (result: MetaGradient<'V, 'S>) ->
                        Expect.equal task.Solve (result.Solve.Read(space)).[i] "the solve"
                        Expect.equal task.Inner (InnerSolver.read space result.Inner).[i] "the inner solve"
                        Expect.equal task.Cost (result.Cost(space)).[i] "the cost"

                        Expect.equal
                            [|
                                task.OuterLoss
                                task.InnerLoss
                                task.InnerGradientNorm
                                task.MetaGradientNorm
                            |]
                            [|
                                (space.Read result.OuterLoss).[i]
                                (space.Read result.InnerLoss).[i]
                                (space.Read result.InnerGradientNorm).[i]
                                (space.Read(space.Norm result.Gradient)).[i]
                            |]
                            "L, L̂, ‖∇G‖, ‖g‖")
                    tasks
                    alone)

        Subject.law subject "a task whose meta-gradient is not finite has no part in the mean, and is counted" (fun () ->
            let f = family subject { Seed = 3; Size = 3; Condition = 10.0 }

            let broken =
                { f.Tasks[1] with
                    E = f.Tasks[1].E |> Array.map (Array.map (fun _ -> nan))
                }

            let fomaml = FirstOrderStrategy(newton (), space.Scalar 0.0) :> IMetaGradientStrategy<'V, 'S>
            let start = MetaLearning.start (GradientDescentOptimizer 0.5) f.Theta
            let run batch = MetaLearning.step space fomaml regularizer batch start
            let struct (expected, _) = run [| f.Batch[0]; f.Batch[2] |]
            let struct (actual, report) = run [| f.Batch[0]; problem subject broken; f.Batch[2] |]
            Check.same (subject.ToRows expected.Theta) (subject.ToRows actual.Theta) "θ"
            Expect.equal report.FiniteTasks (Array.create subject.Tasks 2) "tasks in the mean"
            let struct (none, report) = run [| problem subject broken |]
            Check.same (subject.ToRows f.Theta) (subject.ToRows none.Theta) "θ where no task has a finite meta-gradient"
            Expect.equal report.FiniteTasks (Array.create subject.Tasks 0) "no task in the mean"
            Expect.equal report.GradientNorm (Array.create subject.Tasks 0.0) "‖g‖"
            Expect.isTrue (report.OuterLoss |> Array.forall Double.IsNaN) "F is not known")

        Subject.law subject "a task whose solve meets what is not finite has no part in the mean, though its g is finite" (fun () ->
            let f = family subject { Seed = 3; Size = 3; Condition = 10.0 }

            // A slope at φ that is finite, but no product with the Hessian.
            let brokenProducts =
                let healthy = f.Batch[1]

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

            let brokenSlope =
                problem
                    subject
                    { f.Tasks[1] with
                        E = f.Tasks[1].E |> Array.map (Array.map (fun _ -> nan))
                    }

            let solver = GradientDescentSolver<'V, 'S>(ConstantStep 0.125, 5)

            let implicit: IMetaGradientStrategy<'V, 'S> =
                ImplicitStrategy(solver, ConjugateGradientSolver(KrylovLaws.budget 10), Thresholds.none space)

            let start = MetaLearning.start (GradientDescentOptimizer 0.5) f.Theta
            let run batch = MetaLearning.step space implicit regularizer batch start
            let struct (expected, _) = run [| f.Batch[0]; f.Batch[2] |]

            for broken in [ brokenProducts; brokenSlope ] do
                let struct (actual, report) = run [| f.Batch[0]; broken; f.Batch[2] |]
                Check.same (subject.ToRows expected.Theta) (subject.ToRows actual.Theta) "θ"
                Expect.equal report.FiniteTasks (Array.create subject.Tasks 2) "tasks in the mean"
                Expect.isTrue (report.OuterLoss |> Array.forall Double.IsFinite) "F")

        Subject.law subject "a state can be stepped from twice, and the fold makes the states of the sequence" (fun () ->
            let f = family subject { Seed = 5; Size = 3; Condition = 10.0 }
            let coordinates = StrategyLaws.coordinates subject
            let adam = AdamOptimizer.Start(space, coordinates, AdamOptions.Authors, 0.125, f.Theta)
            let start = MetaLearning.start adam f.Theta
            let theta struct (state: MetaLearningState<'V, 'S>, _: MetaStepReport) = subject.ToRows state.Theta
            let struct (first, _) = step f start
            Check.same (theta (step f start)) (subject.ToRows first.Theta) "θ₁ again"
            Check.same (theta (step f first)) (theta (step f first)) "θ₂ again"
            let forever = Seq.initInfinite (fun _ -> f.Batch)

            let states =
                MetaLearning.states space (exact subject) regularizer forever start |> Seq.take 4 |> Seq.toArray

            let struct (last, reports) = run subject adam 4 f
            Check.same (theta states[3]) (subject.ToRows last.Theta) "θ₄"
            Check.same (theta states[0]) (subject.ToRows first.Theta) "θ₁ in the sequence"

            Expect.equal
                (reports |> Array.map _.GradientNorm)
                (states |> Array.map (fun struct (_, report) -> report.GradientNorm))
                "reports")

        Subject.law subject "an empty meta-batch and a rate that is not positive and finite are refused" (fun () ->
            let f = family subject { Seed = 5; Size = 3; Condition = 10.0 }
            let start = MetaLearning.start (GradientDescentOptimizer 0.5) f.Theta

            (fun () -> MetaLearning.step space (exact subject) regularizer [||] start |> ignore)
            |> should throw typeof<ArgumentException>

            for rate in [ 0.0; -1.0; nan; infinity ] do
                (fun () -> GradientDescentOptimizer<'V, 'S> rate |> ignore)
                |> should throw typeof<ArgumentException>)

        Subject.law subject "runs go side by side as they would alone" (fun () ->
            let f = family subject { Seed = 8; Size = 3; Condition = 10.0 }
            let struct (together, _) = run subject (GradientDescentOptimizer 0.5) 3 f
            let together = subject.ToRows together.Theta

            for i in 0 .. subject.Tasks - 1 do
                for other in [ 1e6; 0.0; nan ] do
                    let others =
                        f.Tasks
                        |> Array.map (fun task ->
                            let replace j matrix =
                                if j = i then
                                    matrix
                                else
                                    Matrix<float>.Build.DenseDiagonal(task.Size, other)

                            { task with
                                A = Array.mapi replace task.A
                            })

                    let f =
                        { f with
                            Batch = others |> Array.map (problem subject)
                        }

                    let struct (alone, _) = run subject (GradientDescentOptimizer 0.5) 3 f
                    Check.same [| together[i] |] [| (subject.ToRows alone.Theta)[i] |] $"θ, run {i}")
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
            let adam = AdamOptimizer.Start(subject.Space, coordinates, AdamOptions.Authors, rate, f.Theta)
            let struct (state, _) = run subject adam 400 f

            for i in 0 .. subject.Tasks - 1 do
                let distance = (vector (subject.ToRows state.Theta).[i] - f.Minimiser i).L2Norm()
                Check.atMost (10.0 * rate * sqrt (float f.Tasks[0].Size)) distance $"θ, run {i}")

        Subject.property subject 10 "L-BFGS with d pairs reaches the minimiser in closed form, from a first step 1/L_F" (fun drawn ->
            let f = family subject drawn
            let lbfgs = LbfgsOptimizer.Start(subject.Space, 4, 1.0 / smoothness f)
            let struct (state, _) = run subject lbfgs 60 f

            for i in 0 .. subject.Tasks - 1 do
                let struct (strong, _) = Imaml.Theory.Spectrum.ends f.Q[i]
                let minimiser = f.Minimiser i
                let distance = (vector (subject.ToRows state.Theta).[i] - minimiser).L2Norm()
                // A gradient that errs by e moves the limit by e/µ_F.
                Check.atMost (rounding subject f * (1.0 + minimiser.L2Norm()) / strong) distance $"θ, run {i}")
    ]

/// All laws of Algorithm 1 on a space.
let laws (subject: Subject<'V, 'S>) =
    testList $"Meta-learning, {subject.Name}" [ testList "descent" (descent subject); testList "the fold" (fold subject) ]
