/// The inner optimiser may be a black box, even one without derivatives: the implicit meta-gradient at its φ errs by at most δ′ + Cδ.
module Imaml.Math.Tests.BlackBoxTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.Distributions
open MathNet.Numerics.LinearAlgebra
open MathNet.Numerics.Optimization
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

/// G(·, θ) as a black box sees it: values only.
let private objective (problem: IBilevelProblem<Vector<float>, float>) regularizer theta phi =
    InnerObjective.value (EuclideanSpace()) regularizer (problem.InnerLoss phi) phi theta

let private nelderMead =
    InnerSolve<Vector<float>, float>(fun problem regularizer theta start ->
        let value = ObjectiveFunction.Value(Func<_, _>(objective problem regularizer theta))
        (NelderMeadSimplex(1e-12, 20_000)).FindMinimum(value, start).MinimizingPoint)

/// The (1+1) evolution strategy with the one-fifth rule (Rechenberg 1973): one random child, kept where it is better.
let private evolution =
    InnerSolve<Vector<float>, float>(fun problem regularizer theta start ->
        let random = Random 7
        let value = objective problem regularizer theta

        let rec evolve k (parent: Vector<float>) best width =
            if k = 0 then
                parent
            else
                let child =
                    parent + width * Vector<float>.Build.Dense(parent.Count, fun _ -> Normal.Sample(random, 0.0, 1.0))

                let fitness = value child

                if fitness < best then
                    evolve (k - 1) child fitness (1.5 * width)
                else
                    evolve (k - 1) parent best (width * 1.5 ** -0.25)

        evolve 3000 start (value start) 1.0)

/// Tasks of at most three parameters.
let private small family =
    Seq.initInfinite (Family.task family)
    |> Seq.filter (fun task -> task.Theta.Count <= 3)
    |> Seq.take 8
    |> Seq.toList

let private compute solver (task: BilevelTask) =
    ImplicitMetaGradient.Compute(
        EuclideanSpace(),
        Proximal.regularizer task.Proximal,
        BilevelTask.problem task,
        DelegateInnerSolver<Vector<float>, float>(solver: InnerSolve<Vector<float>, float>),
        ConjugateGradientSolver(KrylovLaws.budget 10),
        Thresholds.None,
        task.Theta
    )

[<Tests>]
let tests =
    testList
        "Black box"
        [
            testCase "a black box may overwrite its start and θ: the caller's θ and the meta-gradient are as they were" (fun () ->
                for family in Family.all do
                    let task = (small family).Head
                    let theta = task.Theta.Clone()
                    let exact = BilevelTask.exactSolution task task.Theta
                    let kind = InnerSolve<Vector<float>, float>(fun _ _ _ _ -> exact.Clone())

                    let rude =
                        InnerSolve<Vector<float>, float>(fun _ _ theta start ->
                            exact.CopyTo start
                            theta.Clear()
                            start)

                    let expected, actual = compute kind task, compute rude task
                    task.Theta.ToArray() |> should equal (theta.ToArray())
                    actual.Gradient.ToArray() |> should equal (expected.Gradient.ToArray())
                    actual.InnerGradientNorm |> should equal expected.InnerGradientNorm)

            testCase "a φ of another size than θ is refused" (fun () ->
                let task = (small LogisticRegressions).Head

                let short =
                    InnerSolve<Vector<float>, float>(fun _ _ _ _ -> Vector<float>.Build.Dense(task.Theta.Count + 1))

                Expect.throwsC (fun () -> compute short task |> ignore) (fun e ->
                    e.Message
                    |> should haveSubstring $"a φ of {task.Theta.Count + 1} coordinates for a θ of {task.Theta.Count}"))

            for family in Family.all do
                for name, solver in [ "Nelder and Mead's simplex", nelderMead; "an evolution strategy", evolution ] do
                    testCase $"the meta-gradient at the φ of {name} errs by at most δ′ + Cδ, {Family.name family}" (fun () ->
                        for task in small family do
                            let result = compute solver task
                            let c = BilevelTask.constants task
                            let exact = BilevelTask.exactSolution task task.Theta
                            let delta = (result.Phi - exact).L2Norm()
                            let deltaPrime = (result.Gradient - BilevelTask.implicitGradient task result.Phi).L2Norm()
                            let error = (result.Gradient - BilevelTask.exactMetaGradient task).L2Norm()
                            // Rounding of the two dense solves that are compared with: κ roundings of ‖v‖λ/µ each.
                            let v = (task.Outer.Gradient result.Phi).L2Norm()

                            let rounding =
                                20.0 * 2.0 ** -52.0 * c.Condition * c.Contraction * (v + c.OuterSmoothness * exact.L2Norm())

                            Check.atMost (deltaPrime + c.InnerErrorFactor * delta + rounding) error "the error"
                            // It is a solution, though not an exact one: the bound says something, and does not hold by chance.
                            let before = (task.Theta - exact).L2Norm()
                            Check.atMost (1e-3 * before + 1e-6) delta "δ"
                            delta |> should be (greaterThan 0.0)
                            // What is known of it on the spot: δ ≤ ‖∇G‖/µ.
                            let known = result.InnerGradientNorm / c.StrongConvexity
                            Check.atMost (known + 1e-12 * (1.0 + exact.L2Norm()) * c.Condition) delta "δ against ‖∇G‖/µ")

            testCase "a black box that gives a saddle of a nudged objective, which bends down across the way to it, is refused" (fun () ->
                // The stationary point of a quadratic, be it a minimum or not.
                let stationary =
                    DelegateInnerSolver<Vector<float>, float>(fun problem regularizer theta start ->
                        let space = EuclideanSpace()
                        use at = problem.LinearizeInner start

                        let columns =
                            [
                                for j in 0 .. start.Count - 1 do
                                    let unit = Vector<float>.Build.Dense(start.Count, fun i -> if i = j then 1.0 else 0.0)
                                    at.HessianProduct unit + regularizer.Apply(space, unit)
                            ]

                        start
                        - Matrix<float>
                            .Build.DenseOfColumnVectors(columns)
                            .LU()
                            .Solve(at.Gradient + regularizer.Apply(space, start - theta)))

                let diagonal (values: float list) = Matrix<float>.Build.DenseOfDiagonalArray(List.toArray values)
                let vector (values: float list) = Vector<float>.Build.DenseOfEnumerable values

                // L̂ − βL with λ = 1 has curvature 1 − 100β along the second axis, and hardly moves along it.
                let task =
                    BilevelTask.create
                        (Quadratic.loss (diagonal [ 0.0; 0.0 ]) (vector [ 0.0; 0.0 ]) 0.0)
                        (Quadratic.loss (diagonal [ 0.0; 100.0 ]) (vector [ 3.0; 1.0 ]) 0.0)
                        (Proximal.Scalar 1.0)
                        (vector [ 0.0; 0.0 ])

                let at difference beta =
                    NudgedStrategy(stationary, difference, beta, 1e-10)
                        .ComputeBoth(EuclideanSpace(), ScalarRegularizer 1.0, BilevelTask.problem task, task.Theta)
                        .Result

                for difference in [ NudgedDifference.Symmetric; NudgedDifference.FourPoint ] do
                    let refused = at difference 0.1
                    refused.Usable(EuclideanSpace()) |> should equal 0.0
                    refused.NegativeCurvature |> should equal 1.0
                    let used = at difference 0.001
                    used.Usable(EuclideanSpace()) |> should equal 1.0

                    (used.Gradient - BilevelTask.exactMetaGradient task).L2Norm() |> should be (lessThan 0.02))

            testCase "the best nudge has the smallest bound, and the largest is where a nudged problem ceases to be convex" (fun () ->
                for difference, times in
                    [
                        NudgedDifference.OneSided, 1.0
                        NudgedDifference.Symmetric, 1.0
                        NudgedDifference.FourPoint, 2.0
                    ] do
                    let bound beta = Nudge.ErrorBound(difference, beta, 3.0, 1e-6, 5.0)
                    let best = Nudge.Best(difference, 1e-6, 5.0)

                    for other in [ 0.5; 0.99; 1.01; 2.0 ] do
                        Expect.isGreaterThan (bound (other * best)) (bound best) $"{difference}: {other} of the best"

                    // G + kβL is as convex as µ − kβ‖∇²L‖, k up to 2 for four points.
                    Check.near 1e-15 0.0 (2.0 - times * 8.0 * Nudge.Largest(difference, 2.0, 8.0)) $"{difference}: µ − kβL")

            testCase "a black box that returns nothing is refused" (fun () ->
                let nothing = InnerSolve<Vector<float>, float>(fun _ _ _ _ -> Unchecked.defaultof<Vector<float>>)

                (fun () -> compute nothing (List.head (small Quadratics)) |> ignore)
                |> should throw typeof<InvalidOperationException>)
        ]
