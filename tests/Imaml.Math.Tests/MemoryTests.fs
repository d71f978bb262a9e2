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

/// Runs a body in a region of a fresh space of mortal values: what is alive before and after it, and the most alive meanwhile.
let private count (body: Subject<Tracked<Matrix<float>>, Tracked<float[]>> -> MetaGradientLaws.Quadratics -> unit) =
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

        ConjugateGradient.solve subject.Space (KrylovLaws.budget steps) (KrylovLaws.operator subject quadratics.A) b
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
            Thresholds.none subject.Space,
            subject.OfRows quadratics.Theta
        )
        |> ignore)

[<Tests>]
let tests =
    testList
        "Memory"
        [
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
                        ConjugateGradient.solve
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

                (fun () -> subject.Space.Norm escaped |> ignore) |> should throw typeof<AssertException>)
        ]
