/// What is not a number, lies beyond the range of numbers, or was refuted is reported as that: it is neither certified nor converged.
module Imaml.Math.Tests.OutcomeTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Math.Tests.SinglePrecision

let private vector (x: float list) = Vector<float>.Build.DenseOfEnumerable x
let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

/// L̂ = ½φᵀDφ with D = diag d, and L with this value and gradient.
let private problem (d: float list) (outerLoss: Vector<float> -> float) (outerGradient: Vector<float> -> Vector<float>) =
    let d = vector d
    let product (w: Vector<float>) = d.PointwiseMultiply w

    BilevelProblem.FromDelegates((fun phi -> 0.5 * (phi * product phi)), product, (fun _ w -> product w), outerLoss, outerGradient)

/// Of a quadratic with H between m and h, and L = ½‖φ‖².
let private constants m h =
    let exact = AffineBound.Zero
    let loss least most = LossConstants.Proved(least, most, 0.0, infinity, exact, exact)
    [| TaskConstants(loss m h, loss 1.0 1.0) |]

let private half (phi: Vector<float>) = 0.5 * (phi * phi)

let private conjugateGradients () =
    ConjugateGradientSolver(LinearSolveOptions.ToTolerance(20, 1e-12)) :> ILinearSolver<Vector<float>, float>

let private newton () = NewtonConjugateGradientSolver(20, 5) :> IInnerSolver<Vector<float>, float>

let private certificate lambda constants problem inner theta =
    let regularizer = ScalarRegularizer lambda

    let result =
        ImplicitMetaGradient.Compute(space, regularizer, problem, inner, conjugateGradients (), theta)

    result, (Certificate.OfResult(space, regularizer, problem, constants, theta, result))[0]

let private certified =
    testList
        "no bound"
        [
            testCase "of a meta-gradient that is not finite: an outer loss of ∞" (fun () ->
                let infinite = problem [ 1.0 ] (fun _ -> infinity) id
                let result, bound = certificate 1.0 (constants 1.0 1.0) infinite (newton ()) (vector [ 2.0 ])
                result.Gradient[0] |> Double.IsNaN |> should equal true
                bound.Kind |> should equal BoundKind.None

                let options = { Accuracy = 1e-3; MaxRounds = 4 }

                let adaptive =
                    AdaptiveAccuracy.Compute(
                        space,
                        ScalarRegularizer 1.0,
                        infinite,
                        newton (),
                        conjugateGradients (),
                        constants 1.0 1.0,
                        options,
                        vector [ 2.0 ]
                    )

                adaptive.Tasks[0].Status |> should equal CertifiedStatus.NonFinite
                adaptive.Tasks[0].Bound.Kind |> should equal BoundKind.None
                adaptive.MetaGradient.Gradient[0] |> Double.IsNaN |> should equal true)

            testCase "where the solve itself has seen that the constants are wrong, with a remedy or without" (fun () ->
                // H + Λ = diag(−2, −4), and µ = 0.5 is claimed; at φ = θ = 0 nothing else shows it.
                let concave = problem [ -3.0; -5.0 ] (fun phi -> phi[0] + phi[1]) (fun _ -> vector [ 1.0; 1.0 ])
                let regularizer = ScalarRegularizer 1.0
                let stay = DelegateInnerSolver(fun _ _ _ theta -> theta) :> IInnerSolver<Vector<float>, float>
                let options = LinearSolveOptions.ToTolerance(5, 1e-12)

                for remedy in [ Truncate; RaiseLambda; SolveIndefinite ] do
                    let solver =
                        RemediedSolver(LinearAdjointSolver(conjugateGradients ()), remedy, options) :> IAdjointSolver<Vector<float>, float>

                    let theta = vector [ 0.0; 0.0 ]

                    let result =
                        ImplicitMetaGradient.Compute(space, regularizer, concave, stay, solver, Thresholds.None, theta)

                    let bound = (Certificate.OfResult(space, regularizer, concave, constants -0.5 0.0, theta, result))[0]
                    bound.IsRefuted |> should equal true
                    bound.Kind |> should equal BoundKind.None)

            testCase "of a general lower level whose gradient is not finite, or whose curvature is not positive" (fun () ->
                let lower (problem: IBilevelProblem<Vector<float>, float>) (m, h) pullBack =
                    { new ICertifiedLowerLevel<Vector<float>, Vector<float>, float> with
                        member _.At z =
                            {
                                Regularizer = ScalarRegularizer 1.0
                                Centre = z
                                Problem = problem
                                PullBack = PullBack(fun _ _ lambdaU -> pullBack lambdaU)
                            }

                        member _.Constants _ = constants m h
                        member _.PullBackBounds(_, _, _) = [| PullBackBound.Proved(0.0, 1.0, 0.0, 0.0) |]
                    }

                let run level inner =
                    AdaptiveLowerLevel.Compute(
                        space,
                        space,
                        level,
                        inner,
                        conjugateGradients (),
                        { Accuracy = 1e-3; MaxRounds = 3 },
                        vector [ 0.3; 0.4 ]
                    )

                let broken = run (lower (problem [ 1.0; 1.0 ] half id) (1.0, 1.0) (fun g -> nan * g)) (newton ())
                broken.Statuses[0] |> should equal CertifiedStatus.NonFinite
                broken.Bounds[0].Kind |> should equal BoundKind.None

                let concave =
                    run (lower (problem [ -3.0; -5.0 ] half id) (-0.5, 0.0) id) (GradientDescentSolver(ConstantStep 0.1, NoMomentum, 1, 0))

                concave.Bounds[0].Kind |> should equal BoundKind.None)

            testCase "with a Λ below the normal numbers of the vectors, whose rounding is not relative" (fun () ->
                let single = 2.0 ** -23.0

                for lambda, bounded in [ 1e-50, false; 3e-44, false; 1e-30, true; 1.0, true; 1e39, false ] do
                    let arithmetic =
                        Arithmetic.In(single, 2, (ScalarRegularizer lambda: IRegularizer<Matrix<float>, float[]>))

                    (arithmetic.RegularizerRounding < infinity) |> should equal bounded

                (Arithmetic.In(2.0 ** -52.0, 2, (ScalarRegularizer 1e-50: IRegularizer<Vector<float>, float>))).RegularizerRounding
                |> should be (lessThan 1e-14))
        ]

let private solved =
    testList
        "no convergence"
        [
            testCase "where u underflows, in double and in single precision" (fun () ->
                let options = LinearSolveOptions.ToTolerance(5, 1e-6)

                let solvers: (ILinearSolver<Vector<float>, float>) list =
                    [
                        ConjugateGradientSolver options
                        MinresSolver options
                        DenseSolver(EuclideanCoordinates())
                    ]

                for solver in solvers do
                    let solve (lambda: float) (v: float) =
                        solver.Solve(space, LinearOperator.Of(fun (w: Vector<float>) -> lambda * w), vector [ v; v ], 0.0)

                    // 1e-392 is no double; 1e-200 is one.
                    let lost = solve 1e142 1e-250
                    lost.Marks.Met |> should equal 0.0
                    lost.Marks.Stagnated |> should equal 1.0
                    lost.RelativeResidual |> should equal 1.0
                    (solve 1e50 1e-150).Marks.Met |> should equal 1.0

                let rows = SinglePrecisionSpace 1 :> IInnerProductSpace<Matrix<float>, float[]>
                let row (x: float) = Matrix<float>.Build.Dense(1, 2, float (float32 x))

                let single: (ILinearSolver<Matrix<float>, float[]>) list =
                    [ ConjugateGradientSolver options; MinresSolver options ]

                for solver in single do
                    let solve (lambda: float) v =
                        let apply w = rows.Scale(rows.Scalar lambda, w)
                        (solver.Solve(rows, LinearOperator.Of apply, row v, [| 0.0 |])).Marks.Met[0]

                    solve 1e15 1e-31 |> should equal 0.0
                    solve 1e15 1e-10 |> should equal 1.0)

            testCase "of MINRES at a scale where squares of A's entries leave the range: it has what it has at scale 1" (fun () ->
                let rows = SinglePrecisionSpace 1 :> IInnerProductSpace<Matrix<float>, float[]>
                let diagonal = Matrix<float>.Build.DenseOfRowArrays [| [| 2.0; 3.0; 7.0; 1.0 |] |]
                let b = Matrix<float>.Build.Dense(1, 4, 1.0)

                let solver =
                    MinresSolver(LinearSolveOptions.ToTolerance(4, 1e-6)) :> ILinearSolver<Matrix<float>, float[]>

                for scale in [ 1.0; 1e-22; 1e-30; 1e22; 1e30 ] do
                    let scaled = rows.Scale(rows.Scalar scale, diagonal)
                    let apply (w: Matrix<float>) = rows.Axpy(rows.Scalar 1.0, scaled.PointwiseMultiply w, rows.Zero w)
                    let report = solver.Solve(rows, LinearOperator.Of apply, b, [| 0.0 |])
                    report.Marks.Met[0] |> should equal 1.0
                    // The tolerance, and a few roundings of single precision times the condition number 7.
                    let residual = (b - apply report.Solution).FrobeniusNorm() / b.FrobeniusNorm()
                    residual |> should be (lessThan 1e-5)

                let double =
                    MinresSolver(LinearSolveOptions.ToTolerance(4, 1e-12)) :> ILinearSolver<Vector<float>, float>

                for scale in [ 1e-160; 1e-250; 1e155; 1e250 ] do
                    let d = vector [ 2.0; 3.0; 7.0; 1.0 ]
                    let apply (w: Vector<float>) = scale * d.PointwiseMultiply w
                    let ones = vector [ 1.0; 1.0; 1.0; 1.0 ]
                    let report = double.Solve(space, LinearOperator.Of apply, ones, 0.0)
                    (ones - apply report.Solution).L2Norm() |> should be (lessThan 1e-11))
        ]

let private refused =
    testList
        "refused"
        [
            testCase "a matrix Λ that is singular to rounding, at any scale" (fun () ->
                for seed in 1..30 do
                    let factor = Matrix<float>.Build.Random(3, 2, seed)
                    let singular = factor * factor.Transpose()

                    for exponent in [ 0; -330; -560; -900; 330 ] do
                        Expect.throwsT<ArgumentException>
                            (fun () -> MatrixRegularizer(2.0 ** float exponent * singular) |> ignore)
                            $"seed {seed}, scale 2^{exponent}")

            testCase "an outer gradient of another length than θ, and thresholds that every point reaches" (fun () ->
                let theta = vector [ 1.0; 2.0 ]
                let wrong = problem [ 1.0; 1.0 ] half (fun _ -> vector [ 1.0; 2.0; 3.0 ])

                let strategies: IMetaGradientStrategy<Vector<float>, float> list =
                    [
                        FirstOrderStrategy(newton (), 0.0)
                        ImplicitStrategy(newton (), LinearAdjointSolver(conjugateGradients ()), Thresholds.None)
                    ]

                for strategy in strategies do
                    Expect.throwsC (fun () -> strategy.Compute(space, ScalarRegularizer 1.0, wrong, theta) |> ignore) (fun e ->
                        e.Message |> should haveSubstring "∇L has 3 numbers, and θ 2")

                for norm in [ nan; -1.0; infinity ] do
                    Expect.throwsT<ArgumentException>
                        (fun () -> FirstOrderStrategy<Vector<float>, float>(newton (), norm) |> ignore)
                        $"{norm}"

                    let thresholds =
                        { Thresholds.None with
                            LinearResidualNorm = norm
                        }

                    let strategy: IMetaGradientStrategy<Vector<float>, float> =
                        ImplicitStrategy(newton (), LinearAdjointSolver(conjugateGradients ()), thresholds)

                    Expect.throwsT<ArgumentException>
                        (fun () -> strategy.Compute(space, ScalarRegularizer 1.0, problem [ 1.0; 1.0 ] half id, theta) |> ignore)
                        $"{norm}")

            testCase "another number of rows than the space has tasks" (fun () ->
                let rows = BatchedRowsSpace 2 :> IInnerProductSpace<Matrix<float>, float[]>
                let three = Matrix<float>.Build.Dense(3, 4)
                let two = [| 1.0; 1.0 |]

                let uses: (unit -> obj) list =
                    [
                        fun () -> rows.Norm three
                        fun () -> rows.Inner(three, three)
                        fun () -> rows.Scale(two, three)
                        fun () -> rows.Axpy(two, three, three)
                        fun () -> rows.Gather(two, three)
                    ]

                for using in uses do
                    Expect.throwsC (using >> ignore) (fun e -> e.Message |> should haveSubstring "matrices of 2 rows"))

            testCase "null, by name, in every constructor of solvers and strategies" (fun () ->
                Expect.throwsT<ArgumentNullException>
                    (fun () -> ConjugateGradientSolver<Vector<float>, float>(Unchecked.defaultof<_>) |> ignore)
                    "options"

                Expect.throwsT<ArgumentNullException>
                    (fun () -> LinearAdjointSolver<Vector<float>, float>(Unchecked.defaultof<_>) |> ignore)
                    "solver"

                Expect.throwsT<ArgumentNullException>
                    (fun () -> FirstOrderStrategy<Vector<float>, float>(Unchecked.defaultof<_>, 0.0) |> ignore)
                    "inner"

                Expect.throwsT<ArgumentNullException>
                    (fun () -> DenseSolver<Vector<float>, float>(Unchecked.defaultof<_>) |> ignore)
                    "coordinates")
        ]

/// A function that works in place, or returns one vector at every call, changes nothing of what it was given or has returned.
let private delegates =
    testCase "delegates that work in place or return one buffer give what others give" (fun () ->
        let buffer = vector [ 0.0; 0.0 ]
        let target = vector [ 1.0; -1.0 ]

        let into (x: Vector<float>) (result: Vector<float>) =
            x.CopyTo result
            result

        let careful =
            BilevelProblem.FromDelegates(
                (fun (phi: Vector<float>) -> half (phi - target)),
                (fun phi -> phi - target),
                (fun _ w -> w),
                half,
                id
            )

        let careless =
            BilevelProblem.FromDelegates(
                (fun (phi: Vector<float>) -> half (phi - target)),
                (fun (phi: Vector<float>) ->
                    phi.Subtract(target, phi)
                    phi),
                (fun _ (w: Vector<float>) ->
                    w.Multiply(1.0, w)
                    w),
                half,
                (fun phi -> into phi buffer)
            )

        let strategies: IMetaGradientStrategy<Vector<float>, float> list =
            [
                FirstOrderStrategy(GradientDescentSolver(ConstantStep 0.3, NoMomentum, 3, 0), 0.0)
                ImplicitStrategy(newton (), LinearAdjointSolver(conjugateGradients ()), Thresholds.None)
            ]

        for strategy in strategies do
            let theta = vector [ 5.0; 7.0 ]
            let gradient problem = (strategy.Compute(space, ScalarRegularizer 1.0, problem, theta)).Gradient
            let first = gradient careless
            gradient careful |> should equal first
            theta |> should equal (vector [ 5.0; 7.0 ])
            buffer.Clear()
            gradient careful |> should equal first)

[<Tests>]
let tests = testList "Outcomes" [ certified; solved; refused; delegates ]
