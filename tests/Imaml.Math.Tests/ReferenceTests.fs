/// Hyper-parameter gradients of other programs, to all the digits that they print: hypertorch's logistic regression with one λ for each weight, and
/// JAXopt's ridge regression of the diabetes data.
module Imaml.Math.Tests.ReferenceTests

open System
open System.IO
open System.Text.Json
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

let private numbers (element: JsonElement) = [| for value in element.EnumerateArray() -> value.GetDouble() |]
let private vector (element: JsonElement) = Vector<float>.Build.DenseOfArray(numbers element)

let private read folder name = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, name))).RootElement

let private loss (make: Matrix<float> -> Vector<float> -> SmoothLoss) (level: string) (problem: JsonElement) =
    let part = problem.GetProperty level
    let rows = [ for row in part.GetProperty("X").EnumerateArray() -> numbers row ]
    make (Matrix<float>.Build.DenseOfRowArrays rows) (vector (part.GetProperty "y"))

let private losses folder name make =
    let problem = read folder name
    struct (loss make "inner" problem, loss make "outer" problem)

let private hypertorch folder =
    let struct (inner, outer) = losses folder "hypertorch-logistic.json" LogisticRegression.loss
    LowerLevels.logLambda OnePerCoordinate (Vector<float>.Build.Dense 20) inner outer

let private diabetes folder =
    let struct (inner, outer) = losses folder "diabetes-ridge.json" LinearRegression.loss
    LowerLevels.logLambda OneForAll (Vector<float>.Build.Dense 10) inner outer

/// x after 100 steps of 0.1 from 0, the last 10 differentiated: L and dL/dλ, as hypertorch's run has them.
let private hypertorchStep (level: KnownLowerLevel) (lambda: Vector<float>) =
    let task = level.Task(lambda.PointwiseLog())
    let rate, steps, kept = 0.1, 100, 10

    let path =
        Array.scan (fun x _ -> x - rate * BilevelTask.innerGradient task task.Theta x) task.Theta [| 1..steps |]

    // Backwards: w ← (I − a(H+Λ))w, and each step's x − a(∇L̂ + Λx) gives −a x∘w.
    let zero = Vector<float>.Build.Dense lambda.Count

    let struct (_, gradient) =
        Seq.fold
            (fun struct (w: Vector<float>, sum: Vector<float>) (x: Vector<float>) ->
                struct (w - rate * (BilevelTask.shiftedHessian task x * w), sum - rate * x.PointwiseMultiply w))
            (struct (task.Outer.Gradient path[steps], zero))
            (Seq.init kept (fun i -> path[steps - 1 - i]))

    struct (task.Outer.Value path[steps], gradient)

/// Algorithm 2 at z by the core's iterative solvers, to rounding.
let private gradient (level: KnownLowerLevel) z =
    let conjugateGradient =
        ConjugateGradientSolver<Vector<float>, float>(LinearSolveOptions.ToTolerance(200, 1e-12))

    let adjoint: IAdjointSolver<Vector<float>, float> = LinearAdjointSolver conjugateGradient
    let inner = NewtonConjugateGradientSolver<Vector<float>, float>(200, 20)

    let thresholds =
        { Thresholds.None with
            InnerGradientNorm = 1e-12
        }

    let found = ImplicitMetaGradient.Compute(space, space, level.Certified, inner, adjoint, thresholds, z)

    struct (found.Gradient, found.Report.OuterLoss)

/// Algorithm 1 with L-BFGS on F(log λ), no coordinate moved by more than `longest`, each step halved while F rises: z, F and ‖∇F‖ once that is at most
/// `tolerance`. F is not convex, and its infimum may be at λ = 0 or ∞.
let private descend (level: KnownLowerLevel) firstRate longest tolerance (start: Vector<float>) =
    let rec shortened (z: Vector<float>) (f: float) (step: Vector<float>) (t: float) =
        let struct (g, value) = gradient level (z + t * step)

        if value <= f || t < 1e-6 then
            struct (z + t * step, g, value)
        else
            shortened z f step (t / 2.0)

    let rec go k (z: Vector<float>) (g: Vector<float>) (f: float) (optimizer: IOuterOptimizer<Vector<float>, float>) =
        if k = 0 || g.L2Norm() <= tolerance then
            struct (z, f, g.L2Norm())
        else
            let struct (next, optimizer) = optimizer.Step(space, g, z)
            let step = next - z
            let struct (z, g, f) = shortened z f step (min 1.0 (longest / step.InfinityNorm()))
            go (k - 1) z g f optimizer

    let struct (g, f) = gradient level start
    go 200 start g f (LbfgsOptimizer<Vector<float>, float>.Start(space, 10, firstRate))

[<Tests>]
let tests =
    testList
        "Reference problems"
        [
            for name, family in [ "hypertorch-logistic", hypertorch; "diabetes-ridge", diabetes ] do
                Needs.reference $"{name}: loss, meta-gradient and gradient in λ at the exact inner solution" (fun folder ->
                    let expected = read folder $"{name}.expected.json"
                    let level = family folder
                    let lambda = if level.OuterDimension = 1 then exp 1.0 else 1.0
                    let z = Vector<float>.Build.Dense(level.OuterDimension, log lambda)
                    let task = level.Task z
                    // Double precision on both sides: a relative 10⁻¹² of numbers that took thousands of operations.
                    let near (expected: Vector<float>) (actual: Vector<float>) =
                        (actual - expected).L2Norm() |> should be (lessThan (1e-12 * (1.0 + expected.L2Norm())))

                    let value = expected.GetProperty("outerLoss").GetDouble()
                    level.Value(z) |> should (equalWithin (1e-13 * value)) value
                    near (vector (expected.GetProperty "metaGradient")) (BilevelTask.exactMetaGradient task)
                    let byLambda = expected.GetProperty "regularizerGradient"

                    let published =
                        if byLambda.ValueKind = JsonValueKind.Array then
                            vector byLambda
                        else
                            Vector<float>.Build.Dense(1, byLambda.GetDouble())

                    let struct (gradient, bound) = level.ExactGradient(z)
                    near (lambda * published) gradient
                    bound.Kind |> should equal BoundKind.Certified
                    // Certified to nine digits or more.
                    bound.Total |> should be (lessThan (1e-9 * gradient.L2Norm())))

            Needs.reference
                "hypertorch: the outer losses that its notebook prints, 100 gradient steps an outer step, the last 10 differentiated"
                (fun folder ->
                    let level = hypertorch folder

                    let published =
                        dict
                            [
                                0, 0.574399
                                10, 0.533768
                                20, 0.361522
                                50, 0.294467
                                100, 0.285354
                                200, 0.281670
                            ]

                    let struct (first, _) = hypertorchStep level (Vector<float>.Build.Dense(20, 1.0))
                    // Printed from single precision.
                    first |> should (equalWithin 1e-7) 0.5743989944658

                    // SGD with rate 1 and momentum 0.9 on λ, kept above 10⁻⁸.
                    let rec run k (lambda: Vector<float>) (velocity: Vector<float>) =
                        let struct (value, gradient) = hypertorchStep level lambda

                        match published.TryGetValue k with
                        | true, printed -> value |> should (equalWithin 0.5000001e-6) printed
                        | _ -> ()

                        if k < 200 then
                            let velocity = 0.9 * velocity + gradient
                            run (k + 1) ((lambda - velocity).PointwiseMaximum 1e-8) velocity

                    run 0 (Vector<float>.Build.Dense(20, 1.0)) (Vector<float>.Build.Dense 20))

            // Another program's optimum is 0.035015. F has more than one: 18 of the λ go to 0 here, from two first steps alike.
            Needs.reference "hypertorch: Algorithm 1 with L-BFGS finds an optimum over log λ below 0.035015" (fun folder ->
                let level = hypertorch folder
                let struct (z, value, size) = descend level 10.0 2.0 5e-6 (Vector<float>.Build.Dense 20)
                size |> should be (lessThanOrEqualTo 5e-6)
                value |> should (equalWithin 1e-6) 0.0321014
                value |> should be (lessThan 0.035015)
                // By dense solves too.
                level.Value(z) |> should (equalWithin 1e-9) value)

            Needs.reference "diabetes: Algorithm 1 with L-BFGS ends at a minimum over log λ" (fun folder ->
                let level = diabetes folder
                let struct (z, value, size) = descend level 1e-3 1.0 1e-9 (Vector<float>.Build.Dense(1, 1.0))
                size |> should be (lessThanOrEqualTo 1e-9)
                let struct (exact, bound) = level.ExactGradient(z)
                // Certified: the derivative in log λ is at most this.
                abs exact[0] + bound.Total |> should be (lessThan 1e-6)
                level.Value(z) |> should (equalWithin 1e-9) value

                for side in [ -0.1; 0.1 ] do
                    level.Value(z + side) |> should be (greaterThan value))
        ]
