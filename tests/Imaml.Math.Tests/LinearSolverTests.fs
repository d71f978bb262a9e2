/// The linear solvers in double precision and on larger systems, and what their steps cost.
module Imaml.Math.Tests.LinearSolverTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private space = EuclideanSpace()
let private rounding = 2.0 ** -53.0

let private solve (solver: ILinearSolver<Vector<float>, float>) (a: Matrix<float>) b =
    let report = solver.Solve(space, LinearOperator.Of(fun w -> a * w), b, 0.0)
    struct (report.Solution, (report.Read(space))[0])

let private jacobi (a: Matrix<float>) = DiagonalPreconditioner(EuclideanCoordinates(), a.Diagonal())

/// At most 20√κ steps, by when 2((√κ−1)/(√κ+1))ᵏ < 2e⁻⁴⁰, also where rounding has cost orthogonality.
let private within condition =
    { KrylovLaws.budget (20 + int (20.0 * sqrt condition)) with
        CheckEvery = 10
    }

/// A system whose solution is known, d from 1 to 200 and κ from 1 to 100 to this power.
let private systemOf (power: float) (draw: Draw) =
    let random = Random draw.Seed
    let d = random.Next(1, 201)
    let condition = draw.Condition ** power
    let a = Spectrum.positiveDefinite random d condition
    struct (random, d, condition, a, Spectrum.gaussian random d)

let private system draw = systemOf 3.0 draw

let private accuracy =
    let property name body = Subject.property Subjects.euclidean 20 name body

    /// The residual that is asked for is the true one, so the error is at most ‖A⁻¹‖ times it, and the dense solve's dκ roundings.
    let meetsItsTolerance name power (solver: Matrix<float> -> LinearSolveOptions -> ILinearSolver<Vector<float>, float>) =
        property $"{name}: a relative residual of 10⁻⁷ is met, and the error is at most ‖A⁻¹‖ times it" (fun draw ->
            let struct (_, d, condition, a, b) = systemOf power draw

            let options =
                { within condition with
                    RelativeResidual = 1e-7
                    RecomputeResidual = true
                }

            let struct (actual, s) = solve (solver a options) a b
            s.Status |> should equal SolveStatus.Converged
            Check.atMost 1e-7 ((b - a * actual).L2Norm() / b.L2Norm() - float (10 * d) * condition * rounding) "residual"
            let exact = a.Cholesky().Solve b
            let error = (1e-7 + float (10 * d) * condition * rounding) * condition * b.L2Norm()
            Check.atMost error ((actual - exact).L2Norm()) "error")

    testList
        "κ up to 10⁶, d up to 200"
        [
            meetsItsTolerance "conjugate gradients" 3.0 (fun _ options -> ConjugateGradientSolver options)
            meetsItsTolerance "preconditioned conjugate gradients" 3.0 (fun a options ->
                PreconditionedConjugateGradientSolver(options, jacobi a))
            // MINRES reaches residuals of κ²ε, so κ ≤ 10⁴ here.
            meetsItsTolerance "MINRES" 2.0 (fun _ options -> MinresSolver options)
            meetsItsTolerance "the dense solve" 3.0 (fun _ _ -> DenseSolver(EuclideanCoordinates()))

            property "preconditioned conjugate gradients agree with the exact solution" (fun draw ->
                let struct (_, d, condition, a, exact) = system draw

                let struct (actual, s) =
                    solve (PreconditionedConjugateGradientSolver(within condition, jacobi a)) a (a * exact)
                // As for plain conjugate gradients, and kκ roundings in the A-norm are at most √κ more in the other.
                let tolerance = 10.0 * float (s.Steps + d) * condition * sqrt condition * rounding
                Check.atMost (tolerance * exact.L2Norm()) ((actual - exact).L2Norm()) "A⁻¹b")

            property "the dense solve agrees with the exact solution, and knows the smallest eigenvalue" (fun draw ->
                let struct (random, d, condition, _, exact) = system draw
                let eigenvalues = Spectrum.spread random d (1.0 / condition) 1.0
                // Every second eigenvalue is negative where the draw says so: neither is the other's special case.
                let signed =
                    eigenvalues |> Array.mapi (fun i value -> if draw.Seed % 2 = 0 && i % 2 = 0 then -value else value)

                let a = Spectrum.symmetric random signed
                let struct (actual, s) = solve (DenseSolver(EuclideanCoordinates())) a (a * exact)
                Check.atMost (10.0 * float d * condition * rounding * exact.L2Norm()) ((actual - exact).L2Norm()) "A⁻¹b"
                Check.near (10.0 * float d * rounding) (Array.min signed) s.SmallestCurvature "smallest eigenvalue"

                s.Status
                |> should
                    equal
                    (if Array.min signed < 0.0 then
                         SolveStatus.NonPositiveCurvature
                     else
                         SolveStatus.Converged)

                (s.Steps, s.Products) |> should equal (1, d + 1))

            property "MINRES agrees with the dense solve on indefinite systems up to κ = 10⁴" (fun draw ->
                let random = Random draw.Seed
                let d = random.Next(1, 201)
                let condition = draw.Condition ** 2.0

                let a =
                    Spectrum.spread random d (1.0 / condition) 1.0
                    |> Array.mapi (fun i value -> if i % 2 = 0 then -value else value)
                    |> Spectrum.symmetric random

                let b = Spectrum.gaussian random d

                let options =
                    { KrylovLaws.budget 20000 with
                        RelativeResidual = 1e-9
                        CheckEvery = 10
                        RecomputeResidual = true
                    }

                let struct (actual, s) = solve (MinresSolver options) a b
                s.Status |> should equal SolveStatus.Converged
                let exact = a.LU().Solve b
                Check.atMost ((1e-9 + float (10 * d) * condition * rounding) * condition * b.L2Norm()) ((actual - exact).L2Norm()) "A⁻¹b")

            property "the Neumann series falls by 1 − 1/κ a term, and reaches the dense solve" (fun draw ->
                let random = Random draw.Seed
                let d = random.Next(1, 51)
                let condition = draw.Condition
                let a = Spectrum.positiveDefinite random d condition
                let exact = Spectrum.gaussian random d
                let b = a * exact

                for terms in [ 10; 1 + int (30.0 * condition) ] do
                    let struct (actual, _) = solve (NeumannSolver(1.0, KrylovLaws.budget terms)) a b
                    let left = (1.0 - 1.0 / condition) ** float terms
                    let tolerance = left + 10.0 * float d * condition * condition * rounding
                    Check.atMost (tolerance * exact.L2Norm()) ((actual - exact).L2Norm()) $"error after {terms} terms")
        ]

/// What a step costs: allocated vectors, passes over vectors, synchronisations.
let private cost (solver: Subject<Counted<Matrix<float>>, Counted<float[]>> -> LinearSolveOptions -> ILinearSolver<_, _>) steps =
    let counting = CountingSpace(BatchedRowsSpace 2)

    let subject = Subjects.counted counting 2
    use _ = (counting :> IInnerProductSpace<_, _>).OpenRegion()
    let random = Random 3
    // Larger than the number of steps, so that none of them is after the end.
    let matrices = Array.init 2 (fun _ -> Spectrum.positiveDefinite random 60 1e4)
    let b = subject.OfRows(Subject.rows subject random 60)
    let solver = solver subject (KrylovLaws.budget steps)
    let before = counting.Vectors
    counting.Reset()
    let mutable products = 0

    let operator =
        LinearOperator.Of(fun w ->
            products <- products + 1
            KrylovLaws.operator subject matrices w)

    solver.Solve(counting, operator, b, (counting :> IInnerProductSpace<_, _>).Scalar 0.0) |> ignore

    {|
        Most = counting.MostVectors - before
        Left = counting.Vectors - before
        Passes = counting.Operations
        Looks = counting.Synchronisations
        Products = products
    |}

let private costs =
    let solvers
        : struct (string * int * int * (Subject<Counted<Matrix<float>>, Counted<float[]>> -> LinearSolveOptions -> ILinearSolver<_, _>)) list =
        [
            // ⟨p, Ap⟩, ⟨p, p⟩, ⟨r, r⟩ and three axpys; p, r, x, Ap and the new p, r, x.
            struct ("conjugate gradients", 7, 9, (fun _ options -> ConjugateGradientSolver options))
            // The same, and ⟨r, z⟩ and z.
            struct ("preconditioned conjugate gradients",
                    9,
                    10,
                    (fun subject options ->
                        let ones =
                            DiagonalPreconditioner(subject.Coordinates, subject.OfRows(Subject.alike subject (Array.create 60 1.0)))

                        PreconditionedConjugateGradientSolver(options, ones)))
            // Five axpys, two products with a number, an inner product and a norm; five vectors, Av, its two corrections, and the new w, x and v.
            struct ("MINRES", 10, 13, (fun _ options -> MinresSolver options))
            // Two axpys and two inner products; r, x, Ar and the new r and x.
            struct ("the Neumann series", 4, 5, (fun _ options -> NeumannSolver(0.5, options)))
        ]

    testList
        "cost"
        [
            for struct (name, passes, vectors, solver) in solvers do
                testCase
                    $"{name}: one product and {passes} passes over vectors a step, at most {vectors} vectors besides b, and no look at a number"
                    (fun () ->
                        let ten, twenty = cost solver 10, cost solver 20
                        (ten.Products, twenty.Products) |> should equal (10, 20)
                        (twenty.Passes - ten.Passes) |> should equal (10 * passes)
                        (ten.Most, twenty.Most) |> should equal (vectors, vectors)
                        // The solution.
                        twenty.Left |> should equal 1
                        twenty.Looks |> should equal 0)
        ]

let private refusals =
    let refused rule body =
        let message =
            try
                body () |> ignore
                "accepted"
            with :? ArgumentException as e ->
                e.Message

        message |> should haveSubstring rule

    testList
        "refusals"
        [
            testCase "every iterative solver refuses impossible options when it is made" (fun () ->
                let ones = jacobi (Matrix<float>.Build.DenseIdentity 2)
                let none = KrylovLaws.budget 0
                let rule = "MaxSteps must be at least 1, not 0"
                refused rule (fun () -> ConjugateGradientSolver<Vector<float>, float> none |> box)
                refused rule (fun () -> PreconditionedConjugateGradientSolver<Vector<float>, float>(none, ones) |> box)
                refused rule (fun () -> MinresSolver<Vector<float>, float> none |> box)
                refused rule (fun () -> NeumannSolver<Vector<float>, float>(1.0, none) |> box))

            testCase "a dense matrix beyond the limit is refused with the number and the rule" (fun () ->
                let d = LinearOperator.LargestDimension + 1
                let b = Vector<float>.Build.Dense(d, 1.0)
                let identity = LinearOperator.Of id

                refused $"a dense matrix is for at most {d - 1} parameters, not {d}" (fun () ->
                    (DenseSolver(EuclideanCoordinates()) :> ILinearSolver<_, _>).Solve(space, identity, b, 0.0)))

            testCase "an operator that is not symmetric is seen in the dense solve's residual" (fun () ->
                let a = Matrix<float>.Build.DenseOfRowArrays [| [| 2.0; 1.0 |]; [| 0.0; 2.0 |] |]

                let struct (_, s) =
                    solve (DenseSolver(EuclideanCoordinates())) a (Vector<float>.Build.DenseOfArray [| 1.0; 2.0 |])

                s.Status |> should equal SolveStatus.Stagnated)

            testCase "a singular A is no more than positive semi-definite, whatever rounding says, and b in its range is solved" (fun () ->
                for seed in 1..20 do
                    let random = Random seed
                    let a = Spectrum.symmetric random [| 0.0; 0.5; 1.0 |]
                    let wanted = a * Spectrum.gaussian random 3
                    let struct (actual, s) = solve (DenseSolver(EuclideanCoordinates())) a (a * wanted)
                    s.Status |> should equal SolveStatus.NonPositiveCurvature
                    // κ = 2 on the range.
                    Check.atMost (60.0 * rounding * wanted.L2Norm()) ((actual - wanted).L2Norm()) "A⁺b"
                    Check.atMost (60.0 * rounding) s.RelativeResidual "residual")
        ]

[<Tests>]
let tests = testList "Solvers" [ accuracy; costs; refusals ]
