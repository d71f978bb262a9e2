/// The convex head: solved in the span of its examples as in W, and its meta-gradient in the features.
module Imaml.Math.Tests.HeadTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing

let private space = EuclideanSpace()

type private Drawn =
    {
        Head: ConvexHead
        Lambda: float
        Centre: Vector<float>
    }

    member this.Problem: IBilevelProblem<Vector<float>, float> = this.Head
    member this.Regularizer: IRegularizer<Vector<float>, float> = ScalarRegularizer this.Lambda

let private normal (random: Random) = sqrt (-2.0 * log (1.0 - random.NextDouble())) * cos (2.0 * Math.PI * random.NextDouble())

let private matrix (random: Random) rows columns = Matrix<float>.Build.Dense(rows, columns, fun _ _ -> normal random)

/// A task by its seed: more features than examples or fewer, a constant feature, sometimes an example twice; λ from 1/30 to 30.
let private drawn (loss: HeadLoss) (seed: int) : Drawn =
    let random = Random seed
    let n, m, p, classes = random.Next(1, 9), random.Next(1, 7), random.Next(1, 12), random.Next(2, 5)

    let features rows = (matrix random rows p).Append(Matrix<float>.Build.Dense(rows, 1, 1.0))

    let labels rows =
        let given = Array.init rows (fun _ -> random.Next classes)
        Matrix<float>.Build.Dense(rows, classes, fun i c -> if given[i] = c then 1.0 else 0.0)

    let support = features n

    if random.Next 3 = 0 then
        support.SetRow(n - 1, support.Row 0)

    {
        Head = ConvexHead(loss, support, labels n, features m, labels m)
        Lambda = 30.0 ** (2.0 * random.NextDouble() - 1.0)
        Centre = Vector<float>.Build.Dense((p + 1) * classes, fun _ -> normal random)
    }

/// The same task with other features and another centre.
let private moved (x: Drawn) (t: float) (support: Matrix<float>) (query: Matrix<float>) (centre: Vector<float>) =
    let h = x.Head

    { x with
        Head = ConvexHead(h.Loss, h.Support + t * support, h.Labels, h.Query + t * query, h.QueryLabels)
        Centre = x.Centre + t * centre
    }

let private solve (x: Drawn) =
    let struct (w, solution) = x.Head.Solve(x.Lambda, x.Centre, 0.0, 100)
    struct (w, solution)

let private outer (x: Drawn) =
    let struct (w, _) = solve x
    let struct (value, _) = x.Problem.OuterLossAndGradient w
    value

/// H + λ, column by column.
let private system (x: Drawn) (w: Vector<float>) =
    use at = x.Problem.LinearizeInner w
    let d = w.Count

    Matrix<float>
        .Build
        .DenseOfColumnVectors(Array.init d (fun j -> at.HessianProduct(Vector<float>.Build.Dense(d, fun i -> if i = j then 1.0 else 0.0))))
    + x.Lambda * Matrix<float>.Build.DenseIdentity d

/// Rounding of products of matrices with tens of columns: a hundred units of what is added up.
let private rounding (x: Drawn) (w: Vector<float>) =
    let size = x.Head.Support.FrobeniusNorm()

    100.0
    * 2.0 ** -52.0
    * (size * (1.0 + size * w.L2Norm()) + x.Lambda * (w.L2Norm() + x.Centre.L2Norm()))

let private losses = [ HeadLoss.CrossEntropy; HeadLoss.Squares ]

let private each name count (body: HeadLoss -> int -> unit) =
    losses
    |> List.map (fun loss -> testPropertyWithConfig (Draws.times count) $"{name} ({loss})" (fun (seed: int) -> body loss seed))

[<Tests>]
let tests =
    testList
        "Convex head"
        [
            yield!
                each "∇L̂ and ∇²L̂w are the derivatives of L̂ and ∇L̂" 30 (fun loss seed ->
                    let x = drawn loss seed
                    let direction = (matrix (Random(seed + 1)) x.Centre.Count 1).Column 0
                    let h = 1e-5 / direction.L2Norm()
                    let at t = x.Centre + t * direction
                    use there = x.Problem.LinearizeInner x.Centre
                    // The third derivative along hw is at most (‖X‖‖hw‖)³, of the gradient ‖X‖ times that again; rounding is divided by h.
                    let size = x.Head.Support.FrobeniusNorm()
                    let stretch = 1.0 + size * direction.L2Norm()
                    let allowed = stretch ** 4.0 * h * h + 4.0 * rounding x x.Centre / h
                    let slope = (x.Problem.InnerLoss(at h) - x.Problem.InnerLoss(at -h)) / (2.0 * h)
                    abs (slope - there.Gradient * direction) |> should be (lessThan allowed)
                    let change = (x.Problem.InnerGradient(at h) - x.Problem.InnerGradient(at -h)) / (2.0 * h)
                    (change - there.HessianProduct direction).L2Norm() |> should be (lessThan allowed))

            yield!
                each "the solution in the span of the examples is the minimiser in W: ∇G = 0 to rounding" 200 (fun loss seed ->
                    let x = drawn loss seed
                    let struct (w, solution) = solve x
                    let gradient = InnerObjective.gradient space x.Regularizer (x.Problem.InnerGradient w) w x.Centre
                    gradient.L2Norm() |> should be (lessThan (rounding x w))
                    // To rounding: no threshold was asked for but 0.
                    [ InnerStatus.Stalled; InnerStatus.Converged ] |> should contain solution.Status)

            yield!
                each "the adjoint in the span of the examples solves (H + λ)u = ∇L in W" 200 (fun loss seed ->
                    let x = drawn loss seed
                    let struct (w, _) = solve x
                    let struct (u, _) = x.Head.Adjoint(x.Lambda, w, 0.0)
                    let struct (_, v) = x.Problem.OuterLossAndGradient w
                    let exact = (system x w).Solve v
                    // ‖u − exact‖ ≤ ‖residual‖/λ, the residual rounding of (H + λ)u; H is at most ‖X‖²/n.
                    let size = x.Head.Support.FrobeniusNorm()
                    let allowed = 100.0 * 2.0 ** -52.0 * (size * size + x.Lambda) / x.Lambda * (v.L2Norm() / x.Lambda + 1.0)
                    (u - exact).L2Norm() |> should be (lessThan allowed))

            yield!
                each "the meta-gradient in the features, in W₀ and in λ is the slope of L(W*)" 60 (fun loss seed ->
                    let x = drawn loss seed
                    let random = Random(seed + 2)
                    let h = x.Head
                    let support = matrix random h.Support.RowCount h.Support.ColumnCount
                    let query = matrix random h.Query.RowCount h.Query.ColumnCount
                    let centre = (matrix random x.Centre.Count 1).Column 0
                    let struct (w, _) = solve x
                    let struct (u, _) = h.Adjoint(x.Lambda, w, 0.0)
                    let inFeatures = h.FeatureGradient(w, u)
                    let along (a: Matrix<float>) (b: Matrix<float>) = (a.PointwiseMultiply b).RowSums().Sum()

                    let slope = along inFeatures.Support support + along inFeatures.Query query + x.Lambda * (u * centre)
                    // Richardson's extrapolation of central differences: errs by t⁴ of the fifth derivative, which the sizes here keep far below
                    // 10⁵ of the terms; rounding over t.
                    let difference t = (outer (moved x t support query centre) - outer (moved x -t support query centre)) / (2.0 * t)

                    let t = 1e-3 / (support.FrobeniusNorm() + query.FrobeniusNorm() + centre.L2Norm())
                    let found = (4.0 * difference (t / 2.0) - difference t) / 3.0

                    let terms =
                        inFeatures.Support.FrobeniusNorm() * support.FrobeniusNorm()
                        + inFeatures.Query.FrobeniusNorm() * query.FrobeniusNorm()
                        + x.Lambda * u.L2Norm() * centre.L2Norm()
                        + 1.0

                    abs (found - slope) |> should be (lessThan (1e-6 * terms))

                    let regularizer: ILearnableRegularizer<Vector<float>, float, float> = ScalarRegularizer x.Lambda
                    let inLambda = regularizer.ParameterGradient(space, w - x.Centre, u)
                    let s = 1e-4 * x.Lambda
                    let ofLambda s = outer { x with Lambda = x.Lambda + s }

                    let inner =
                        (4.0 * (ofLambda (s / 2.0) - ofLambda (-s / 2.0)) / s - (ofLambda s - ofLambda -s) / (2.0 * s))
                        / 3.0

                    abs (inner - inLambda)
                    |> should be (lessThan (1e-6 * (u.L2Norm() * (w - x.Centre).L2Norm() + 1.0 / x.Lambda))))

            testPropertyWithConfig (Draws.times 50) "ridge: W* solves (XᵀX/n + λ)W = XᵀY/n + λW₀" (fun (seed: int) ->
                let x = drawn HeadLoss.Squares seed
                let struct (w, solution) = solve x
                let n = float x.Head.Support.RowCount
                let p, classes = x.Head.Support.ColumnCount, x.Head.Labels.ColumnCount

                let left =
                    x.Head.Support.TransposeThisAndMultiply x.Head.Support / n
                    + x.Lambda * Matrix<float>.Build.DenseIdentity p

                let centre = Matrix<float>.Build.DenseOfRowMajor(p, classes, x.Centre)
                let right = x.Head.Support.TransposeThisAndMultiply x.Head.Labels / n + x.Lambda * centre
                let exact = Vector<float>.Build.Dense((left.Solve right).ToRowMajorArray())
                (w - exact).L2Norm() |> should be (lessThan (rounding x w / x.Lambda))
                // A quadratic needs one step; a second one may still gain from rounding.
                solution.Steps |> should be (lessThan 4))

            testCase "a threshold ends the solve there, with its status" (fun () ->
                let x = drawn HeadLoss.CrossEntropy 5
                let struct (w, solution) = x.Head.Solve(x.Lambda, x.Centre, 1e-3, 100)
                let gradient = InnerObjective.gradient space x.Regularizer (x.Problem.InnerGradient w) w x.Centre
                solution.Status |> should equal InnerStatus.Converged
                gradient.L2Norm() |> should be (lessThan (1e-3 + rounding x w))
                let struct (_, none) = x.Head.Solve(x.Lambda, x.Centre, 0.0, 0)
                none.Status |> should equal InnerStatus.StepLimit
                none.Steps |> should equal 0)

            testCase "no query gradient, no adjoint; and a feature that is not a number is said" (fun () ->
                let x = drawn HeadLoss.CrossEntropy 7
                let h = x.Head
                let nothing = Matrix<float>.Build.Dense(h.Query.RowCount, h.Query.ColumnCount)
                let struct (w, _) = solve x

                let struct (u, system) =
                    ConvexHead(h.Loss, h.Support, h.Labels, nothing, h.QueryLabels).Adjoint(x.Lambda, w, 0.0)

                u.L2Norm() |> should equal 0.0
                system.Products |> should equal 0
                let broken = h.Support.Clone()
                broken[0, 0] <- nan

                let struct (_, solution) =
                    ConvexHead(h.Loss, broken, h.Labels, h.Query, h.QueryLabels).Solve(x.Lambda, x.Centre, 0.0, 100)

                solution.Status |> should equal InnerStatus.NonFinite)

            testCase "Algorithm 2 on the head by conjugate gradients in W finds the same meta-gradient" (fun () ->
                let x = drawn HeadLoss.CrossEntropy 11
                let struct (w, _) = solve x
                let struct (u, _) = x.Head.Adjoint(x.Lambda, w, 0.0)
                let inner: IInnerSolver<Vector<float>, float> = NewtonConjugateGradientSolver(100, 100)

                let linear: ILinearSolver<Vector<float>, float> =
                    ConjugateGradientSolver
                        {
                            MaxSteps = 200
                            RelativeResidual = 1e-13
                            CheckEvery = 1
                            RecomputeResidual = false
                        }

                let result = ImplicitMetaGradient.Compute(space, x.Regularizer, x.Problem, inner, linear, x.Centre)
                (result.Gradient - x.Lambda * u).L2Norm() |> should be (lessThan (1e-7 * x.Lambda * u.L2Norm())))

            testCase
                "the certificate bounds the error of early ends, tells what is not finite, and is near rounding for exact solves"
                (fun () ->
                    for seed in 1..40 do
                        let x = drawn HeadLoss.CrossEntropy seed

                        let certified threshold =
                            let struct (w, _) = x.Head.Solve(x.Lambda, x.Centre, threshold, 100)
                            let struct (u, _) = x.Head.Adjoint(x.Lambda, w, threshold)

                            struct (HeadCertificate.Of(x.Head.Measure(x.Lambda, x.Centre, w, u)), x.Head.FeatureGradient(w, u), w)

                        let struct (exact, reference, best) = certified 0.0
                        let struct (early, gradient, w) = certified 0.1
                        let error = (gradient.Query - reference.Query).FrobeniusNorm()
                        error |> should be (lessThanOrEqualTo (early.FeatureError + exact.FeatureError))
                        (w - best).L2Norm() |> should be (lessThanOrEqualTo (early.InnerError + exact.InnerError))
                        // Rounding of some tens of operations, magnified by (1 + ‖X‖²)²(1 + ‖W‖)²/λ² at most.
                        let size = (1.0 + x.Head.Support.FrobeniusNorm() + x.Head.Query.FrobeniusNorm()) ** 4.0
                        let magnified = 1e-12 * size * (1.0 + best.L2Norm()) ** 2.0 / min 1.0 (x.Lambda ** 3.0)
                        exact.FeatureError |> should be (lessThan magnified)

                    let x = drawn HeadLoss.CrossEntropy 3
                    let broken = x.Head.Measure(x.Lambda, x.Centre, nan * x.Centre, x.Centre)
                    (HeadCertificate.Of broken).FeatureError |> should equal infinity
                    (HeadCertificate.Of broken).RelativeError |> should equal infinity)

            testCase "the relative error is that of the features whose gradient is used: a bias does not hide it" (fun () ->
                // Three features of about 10⁻⁶ and the constant: nearly all of the gradient is in the constant's column.
                for loss in [ HeadLoss.CrossEntropy; HeadLoss.Squares ] do
                    let random = Random 5

                    let features rows = (1e-6 * matrix random rows 3).Append(Matrix<float>.Build.Dense(rows, 1, 1.0))

                    let labels (classes: int list) =
                        Matrix<float>.Build.Dense(classes.Length, 2, fun i c -> if classes[i] = c then 1.0 else 0.0)

                    let head = ConvexHead(loss, features 4, labels [ 0; 0; 0; 1 ], features 4, labels [ 0; 1; 0; 1 ])

                    let centre = Vector<float>.Build.Dense 8

                    let at threshold =
                        let struct (w, _) = head.Solve(0.1, centre, threshold, 100)
                        let struct (u, _) = head.Adjoint(0.1, w, threshold)
                        let gradient = head.FeatureGradient(w, u)
                        let used (one: Matrix<float>) = one.SubMatrix(0, one.RowCount, 0, 3)
                        (used gradient.Support).Stack(used gradient.Query), HeadCertificate.Of(head.Measure(0.1, centre, w, u, 3))

                    let exact, _ = at 0.0
                    let early, certificate = at 1e-5

                    // The exact one's own error is far below.
                    (early - exact).FrobeniusNorm()
                    |> should be (lessThanOrEqualTo (1.01 * certificate.RelativeError * exact.FrobeniusNorm())))

            testCase "λ and sizes that cannot be are errors" (fun () ->
                (fun () -> ExampleSpace(HeadLoss.CrossEntropy, [| 1.0 |], [| 1.0; 0.0 |], 2, 0.0) |> ignore)
                |> should throw typeof<ArgumentException>

                (fun () -> ExampleSpace(HeadLoss.CrossEntropy, [| 1.0; 2.0; 3.0 |], [| 1.0; 0.0; 0.0; 1.0 |], 2, 1.0) |> ignore)
                |> should throw typeof<ArgumentException>)
        ]
