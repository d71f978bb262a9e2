/// Memory and synchronisation: what the paper claims of Algorithm 2, counted on the code that runs.
module Imaml.Math.Tests.MemoryTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private tasks = 2
let private size = 6

let private quadratics (subject: Subject<'V, 'S>) : MetaGradientLaws.Quadratics =
    let random = Random 3
    let matrices () = Array.init tasks (fun _ -> Spectrum.positiveDefinite random size 50.0)
    let rows () = Subject.rows subject random size

    {
        A = matrices ()
        B = rows ()
        C = matrices ()
        E = rows ()
        Theta = rows ()
    }

/// Runs a body in a region of a new space of counted values: how many are allocated before and after it, and the largest number meanwhile.
let private count (body: Subject<Counted<Matrix<float>>, Counted<float[]>> -> MetaGradientLaws.Quadratics -> unit) =
    let struct (space, subject) = Subjects.tracked (Subjects.batched tasks)
    let quadratics = quadratics subject
    use _ = (space :> IInnerProductSpace<_, _>).OpenRegion()
    space.Reset()
    let before = space.Vectors
    body subject quadratics

    {|
        Left = space.Vectors - before
        Most = space.MostVectors - before
        Synchronisations = space.Synchronisations
    |}

let private linear steps =
    count (fun subject quadratics ->
        let b = subject.OfRows quadratics.B

        KrylovLaws.conjugateGradients subject.Space (KrylovLaws.budget steps) (KrylovLaws.operator subject quadratics.A) b
        |> ignore)

let private inner rule steps =
    count (fun subject quadratics ->
        let theta = subject.OfRows quadratics.Theta

        let problem = MetaGradientLaws.problem subject quadratics
        let never = subject.Space.Scalar 0.0

        GradientDescent.solve rule steps 0 subject.Space (ScalarRegularizer 0.5) problem theta theta never
        |> ignore)

let private whole innerSteps linearSteps =
    count (fun subject quadratics ->
        ImplicitMetaGradient.Compute(
            subject.Space,
            ScalarRegularizer 0.5,
            MetaGradientLaws.problem subject quadratics,
            GradientDescentSolver(MeasuredCurvature, innerSteps),
            ConjugateGradientSolver(KrylovLaws.budget linearSteps),
            Thresholds.None,
            subject.OfRows quadratics.Theta
        )
        |> ignore)

let private path momentum steps : UnrolledOptions =
    {
        Momentum = momentum
        Step = 0.1
        Steps = steps
    }

/// One meta-gradient by a strategy that the space's kind of vectors decides.
let private derivative
    (strategy: Subject<Counted<Matrix<float>>, Counted<float[]>> -> IMetaGradientStrategy<Counted<Matrix<float>>, Counted<float[]>>)
    =
    count (fun subject quadratics ->
        let theta = subject.OfRows quadratics.Theta

        (strategy subject).Compute(subject.Space, ScalarRegularizer 0.5, MetaGradientLaws.problem subject quadratics, theta)
        |> ignore)

let private differentiated =
    testList
        "of differentiated paths"
        [
            for name, momentum in
                [
                    "gradient descent", NoMomentum
                    "heavy ball", HeavyBall 0.5
                    "Nesterov", Nesterov 0.5
                ] do
                testCase $"reverse mode holds one vector more for every inner step, {name}" (fun () ->
                    let most steps = (derivative (fun _ -> UnrolledStrategy(path momentum steps))).Most
                    most 60 - most 20 |> should equal 40
                    // θ; the meta-gradient, φ and v.
                    (derivative (fun _ -> UnrolledStrategy(path momentum 60))).Left |> should equal 4)

                testCase $"recomputed, 2√T vectors, 3√T with momentum, {name}" (fun () ->
                    let most steps = (derivative (fun _ -> UnrolledStrategy(path momentum steps, Recompute))).Most
                    // From √T = 10 to 20: ten checkpoints more, two vectors each with momentum, and a stretch that is ten longer.
                    let vectors = if momentum = NoMomentum then 2 else 3
                    most 400 - most 100 |> should equal (vectors * 10)

                    (derivative (fun _ -> UnrolledStrategy(path momentum 100, Recompute))).Left |> should equal 4)

                testCase $"truncated, one vector more for every step it goes back, however many steps were made, {name}" (fun () ->
                    let most steps last = (derivative (fun _ -> TruncatedStrategy(path momentum steps, last))).Most
                    most 60 30 - most 60 10 |> should equal 20
                    most 100 30 |> should equal (most 60 30)
                    (derivative (fun _ -> TruncatedStrategy(path momentum 60, 30))).Left |> should equal 4)

                testCase $"forward mode, as many for 100 steps as for 3, {name}" (fun () ->
                    let forward steps =
                        derivative (fun subject -> ForwardModeStrategy(StrategyLaws.coordinates subject, path momentum steps))

                    (forward 100).Most |> should equal (forward 3).Most
                    (forward 100).Left |> should equal 4)

            testCase "first-order methods, as many for 100 steps as for 3" (fun () ->
                let fomaml steps = derivative (fun subject -> FirstOrderStrategy(GradientDescentSolver(ConstantStep 0.1, steps), 0.0))

                (fomaml 100).Most |> should equal (fomaml 3).Most
                // θ; φ, and v, which is g and the solution of no solve.
                (fomaml 100).Left |> should equal 3)

            testCase "no strategy looks at a number" (fun () ->
                (derivative (fun _ -> UnrolledStrategy(path (Nesterov 0.5) 9))).Synchronisations |> should equal 0

                (derivative (fun _ -> UnrolledStrategy(path (Nesterov 0.5) 9, Recompute))).Synchronisations
                |> should equal 0

                (derivative (fun _ -> TruncatedStrategy(path (Nesterov 0.5) 9, 4))).Synchronisations
                |> should equal 0)
        ]

let private metaLearning steps tasks =
    count (fun subject quadratics ->
        let meta = subject.OfTasks 1
        let theta = subject.OfRows [| quadratics.Theta[0] |]

        let adam =
            AdamOptimizer.Start(meta, StrategyLaws.coordinates subject, AdamOptions.Authors, ConstantRate 0.1, theta)

        let batch =
            MetaLearning.chunks subject.Space (Array.create tasks (MetaGradientLaws.problem subject quadratics))

        MetaLearning.run
            meta
            (UnrolledStrategy(path NoMomentum 4))
            (ScalarRegularizer 0.5)
            (Seq.replicate steps batch)
            (MetaLearning.start adam theta)
        |> ignore)

[<Tests>]
let tests =
    testList
        "Memory"
        [
            differentiated

            testCase
                "Algorithm 1 holds as many vectors after 30 steps of 6 tasks as after 3 of 2, and leaves θ and Adam's moments"
                (fun () ->
                    (metaLearning 30 6).Most |> should equal (metaLearning 3 2).Most
                    // θ₀ and two zeros; θ and two moments.
                    (metaLearning 30 6).Left |> should equal 6)

            testCase "conjugate gradients hold as many vectors after 100 steps as after 3, and leave one behind" (fun () ->
                (linear 100).Most |> should equal (linear 3).Most
                // b, and the solution.
                (linear 100).Left |> should equal 2)

            testCase "gradient descent holds as many vectors after 100 steps as after 3, and leaves one behind" (fun () ->
                for rule in [ ConstantStep 0.1; MeasuredCurvature ] do
                    (inner rule 100).Most |> should equal (inner rule 3).Most
                    // θ and φ.
                    (inner rule 100).Left |> should equal 2)

            testCase "Algorithm 2 holds as many vectors for 64 inner and 40 CG steps as for 4 and 3, and leaves its report" (fun () ->
                (whole 64 40).Most |> should equal (whole 4 3).Most
                // θ; the meta-gradient, φ and u.
                (whole 64 40).Left |> should equal 4)

            testCase "a fixed budget is solved without looking at a number" (fun () ->
                (linear 20).Synchronisations |> should equal 0
                (inner MeasuredCurvature 20).Synchronisations |> should equal 0
                (whole 20 20).Synchronisations |> should equal 0)

            testCase "a solve that is asked every third step looks once every third step" (fun () ->
                let counted =
                    count (fun subject quadratics ->
                        let options =
                            { KrylovLaws.budget 10 with
                                CheckEvery = 3
                            }

                        // Never done: the tolerance is 0, and six steps do not exhaust it.
                        KrylovLaws.conjugateGradients
                            subject.Space
                            { options with MaxSteps = 5 }
                            (KrylovLaws.operator subject quadratics.A)
                            (subject.OfRows quadratics.B)
                        |> ignore)

                counted.Synchronisations |> should equal 1)

            testCase "the use of a vector after its region has closed fails" (fun () ->
                let struct (_, subject) = Subjects.tracked (Subjects.batched tasks)

                let escaped =
                    use _ = subject.Space.OpenRegion()
                    subject.OfRows(Subject.alike subject [| 1.0 |])

                (fun () -> subject.Space.Norm escaped |> ignore) |> should throw typeof<InvalidOperationException>)
        ]
