/// What the inner solvers cost, counted on the code that runs: derivatives, vectors, passes over them, and synchronisations.
module Imaml.Math.Tests.InnerCostTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

type private V = Counted<Vector<float>>
type private S = Counted<float>

let private coordinates (space: CountingSpace<Vector<float>, float>) =
    let inner = EuclideanCoordinates() :> ICoordinates<Vector<float>>

    { new ICoordinates<V> with
        member _.Combine(a, x, b, y) = space.Track(inner.Combine(a, x.Value, b, y.Value))
        member _.Product(x, y) = space.Track(inner.Product(x.Value, y.Value))
        member _.Quotient(x, y) = space.Track(inner.Quotient(x.Value, y.Value))
        member _.DivideByRoot(x, y, epsilon) = space.Track(inner.DivideByRoot(x.Value, y.Value, epsilon))
        member _.ToRows x = inner.ToRows x.Value
        member _.OfRows(like, rows) = space.Track(inner.OfRows(like.Value, rows))
    }

/// A solver with a budget of steps, on the counting space that it is to run on.
let private solvers: (string * (CountingSpace<Vector<float>, float> -> int -> IInnerSolver<V, S>)) list =
    [
        for momentum in [ NoMomentum; HeavyBall 0.5; Nesterov 0.5 ] do
            $"constant step, {momentum}", (fun _ steps -> GradientDescentSolver(ConstantStep 0.5, momentum, steps, 1))
        "measured steps", (fun _ steps -> GradientDescentSolver(MeasuredCurvature, steps, 1))
        "Newton-CG", (fun _ steps -> NewtonConjugateGradientSolver(steps, 2))
        "L-BFGS", (fun _ steps -> LbfgsSolver(steps, 3))
        "exact", (fun space steps -> ExactInnerSolver(coordinates space, steps))
    ]

/// Runs a solver on a task: the iterate's statistics, the derivatives asked for, and the space that counted.
let private run (make: CountingSpace<Vector<float>, float> -> IInnerSolver<V, S>) gradientNorm (task: BilevelTask) =
    let counting = CountingSpace<Vector<float>, float>(EuclideanSpace())
    let space = counting :> IInnerProductSpace<V, S>
    let problem = CountingProblem<_, _>(counting, BilevelTask.problem task)
    use _ = space.OpenRegion()
    let theta = counting.Track task.Theta
    let norm = space.Scalar gradientNorm
    counting.Reset()
    let before = counting.Vectors
    // The families' Λ is λI.
    let struct (lambda, _) = Proximal.enclosure task.Proximal
    let iterate = (make counting).Solve(space, ScalarRegularizer lambda, problem, theta, theta, norm)

    let counted =
        {|
            Count = problem.Count
            Left = counting.Vectors - before
            Most = counting.MostVectors - before
            Operations = counting.Operations
            Synchronisations = counting.Synchronisations
        |}

    struct ((iterate.Read space)[0], counted)

/// Far from solved after a hundred steps of any method but the exact one: 60 parameters, κ of 10⁶.
let private hard =
    let random = Random 2

    {
        Inner = Quadratic.random random 60 1e9
        Outer = Quadratic.random random 60 10.0
        Proximal = Proximal.Scalar 1e-6
        Theta = Spectrum.gaussian random 60
    }

[<Tests>]
let tests =
    testList
        "Inner cost"
        [
            for name, make in solvers do
                testCase $"the counts that a solver reports are the derivatives that were evaluated, {name}" (fun () ->
                    for family in Family.all do
                        for seed in 1..5 do
                            let task = Family.task family seed
                            let first = (BilevelTask.innerGradient task task.Theta task.Theta).L2Norm()

                            // Cut short, solved, and, where the solver can, solved to rounding.
                            for steps, norm in [ 3, 0.0; 100, 1e-6 * first; 30, 0.0 ] do
                                let struct (s, counted) = run (fun space -> make space steps) norm task
                                s.Gradients |> should equal counted.Count.Gradients
                                s.HessianProducts |> should equal counted.Count.HessianProducts
                                s.Losses |> should equal counted.Count.Losses)

                testCase $"as many vectors live after 90 steps as after 12, and one is left, {name}" (fun () ->
                    let struct (_, few) = run (fun space -> make space 12) 0.0 hard
                    let struct (_, many) = run (fun space -> make space 90) 0.0 hard
                    many.Most |> should equal few.Most
                    // φ
                    many.Left |> should equal 1)

            for momentum in [ NoMomentum; HeavyBall 0.5; Nesterov 0.5 ] do
                testCase $"a fixed budget of gradient descent looks at no number, {momentum}" (fun () ->
                    let solver _ = GradientDescentSolver<V, S>(ConstantStep 0.5, momentum, 20, 0) :> IInnerSolver<V, S>
                    let struct (s, counted) = run solver 1.0 hard
                    counted.Synchronisations |> should equal 0
                    struct (s.Steps, s.Gradients) |> should equal (struct (20, 20)))

            testCase "without momentum a step is four passes over vectors, with momentum two or three more and one vector" (fun () ->
                let cost momentum steps =
                    let solver _ = GradientDescentSolver<V, S>(ConstantStep 0.5, momentum, steps, 0) :> IInnerSolver<V, S>
                    let struct (_, counted) = run solver 0.0 hard
                    counted

                // φ − θ, Λ(φ − θ), their sum with ∇L̂, and the step; at the end one norm.
                (cost NoMomentum 20).Operations |> should equal (4 * 20 + 1)

                for momentum in [ HeavyBall 0.5; Nesterov 0.5 ] do
                    // φ − φₖ₋₁, its multiple, and φ kept as the next φₖ₋₁.
                    Check.atMost (7.0 * 20.0 + 1.0) (float (cost momentum 20).Operations) "passes")

            testCase "measured steps are three passes more: the change of the gradient and two inner products" (fun () ->
                let solver steps _ = GradientDescentSolver<V, S>(MeasuredCurvature, steps, 0) :> IInnerSolver<V, S>
                let struct (_, few) = run (solver 20) 0.0 hard
                let struct (_, many) = run (solver 40) 0.0 hard
                many.Operations - few.Operations |> should equal (7 * 20))
        ]
