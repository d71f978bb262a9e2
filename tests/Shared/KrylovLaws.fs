// What conjugate gradients must do on every space, as one list of tests: `KrylovLaws.laws subject`.
//
// Tolerances. After k steps the residual of the recurrence and the true one differ by at most about k‖A‖‖u‖ roundings (Greenbaum 1997), so
// u errs relatively by kκε, in its own norm and in the A-norm; ten for the constant, which holds the d roundings of an inner product.
module Imaml.Testing.KrylovLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory

let private matrix (rows: float list list) = Matrix<float>.Build.DenseOfRowArrays(rows |> List.map List.toArray |> List.toArray)

/// A fixed budget: no tolerance, no question asked.
let budget steps =
    {
        MaxSteps = steps
        RelativeResidual = 0.0
        CheckEvery = 0
        RecomputeResidual = false
    }

/// w ↦ Aw with each task's own dense A, by way of rows.
let operator (subject: Subject<'V, 'S>) (matrices: Matrix<float>[]) (w: 'V) =
    Array.map2 (fun (a: Matrix<float>) (row: float[]) -> (a * Vector<float>.Build.DenseOfArray row).ToArray()) matrices (subject.ToRows w)
    |> subject.OfRows

/// Conjugate gradients from 0 on w ↦ apply w.
let conjugateGradients (space: IInnerProductSpace<'V, 'S>) options (apply: 'V -> 'V) b =
    let solver: ILinearSolver<'V, 'S> = ConjugateGradientSolver options
    solver.Solve(space, LinearOperator.Of apply, b, space.Scalar 0.0)

let private solve subject options matrices (b: float[][]) =
    let report = conjugateGradients subject.Space options (operator subject matrices) (subject.OfRows b)

    struct (subject.ToRows report.Solution, report.Read(subject.Space))

let private dense (matrices: Matrix<float>[]) (b: float[][]) =
    Array.map2 (fun (a: Matrix<float>) row -> (a.Cholesky().Solve(Vector<float>.Build.DenseOfArray row)).ToArray()) matrices b

/// Each task's own matrix of condition number up to κ: easy tasks among hard ones.
let private systems (subject: Subject<'V, 'S>) (draw: Draw) =
    let random = Random draw.Seed

    let matrices =
        Array.init subject.Tasks (fun task ->
            Spectrum.positiveDefinite random draw.Size (draw.Condition ** (float (task + 1) / float subject.Tasks)))

    struct (random, matrices, Subject.rows subject random draw.Size)

let private euclid (x: float[]) = Vector<float>.Build.DenseOfArray(x).L2Norm()

let private energy (a: Matrix<float>) (e: float[]) =
    let e = Vector<float>.Build.DenseOfArray e
    sqrt (max 0.0 (e.DotProduct(a * e)))

let private solutions (subject: Subject<'V, 'S>) =
    let property name body = Subject.property subject 30 name body
    let rounding steps condition = 10.0 * float steps * condition * subject.Epsilon

    [
        Subject.law subject "two steps by hand: A = (4 1; 1 3), b = (1, 2)" (fun () ->
            let matrices = Array.create subject.Tasks (matrix [ [ 4.0; 1.0 ]; [ 1.0; 3.0 ] ])
            let b = Subject.alike subject [| 1.0; 2.0 |]
            let struct (first, _) = solve subject (budget 1) matrices b
            let struct (second, statistics) = solve subject (budget 2) matrices b
            // α₀ = 5/20; u₁ = α₀b; r₁ = (−1/2, 1/4); β₀ = 1/16; u₂ = (1/11, 7/11). κ < 2.
            Check.rows (rounding 1 2.0) (Subject.alike subject [| 0.25; 0.5 |]) first "u₁"
            Check.rows (rounding 2 2.0) (Subject.alike subject [| 1.0 / 11.0; 7.0 / 11.0 |]) second "u₂"

            for s in statistics do
                s.Steps |> should equal 2
                Check.near (rounding 2 2.0 * sqrt 5.0) (sqrt 5.0) s.RightHandSideNorm "‖b‖"
                // The eigenvalues are (7 ± √5)/2.
                Check.scalars (rounding 2 2.0 * 5.0) [| (7.0 - sqrt 5.0) / 2.0; (7.0 + sqrt 5.0) / 2.0 |] s.RitzValues "Ritz values"
                // p₀ = b gives 20/5, p₁ = (−7/16, 3/8) gives 44/17: the smaller is the second.
                Check.near (rounding 2 2.0 * 5.0) (44.0 / 17.0) s.SmallestCurvature "smallest curvature")

        property "the solution agrees with the dense solve" (fun draw ->
            let struct (_, matrices, b) = systems subject draw
            // q ≤ 9/11 for κ ≤ 100, and 2·(9/11)¹²⁰ < 10⁻¹⁰; the rest is rounding.
            let steps = 120
            let struct (actual, statistics) = solve subject (budget steps) matrices b
            Check.rows (rounding (3 * draw.Size) draw.Condition + 1e-10) (dense matrices b) actual "A⁻¹b"

            for s in statistics do
                s.Status |> should equal SolveStatus.Converged)

        property "the solution of c·b is c times the solution of b, for tiny and for large c" (fun draw ->
            let struct (_, matrices, b) = systems subject draw
            let struct (expected, _) = solve subject (budget 120) matrices b

            for c in [ 1e-20; 1e-30; 1e20 ] do
                let struct (actual, statistics) =
                    solve subject (budget 120) matrices (b |> Array.map (Array.map (fun value -> c * value)))

                let scaled = expected |> Array.map (Array.map (fun value -> c * value))
                Check.rows (rounding (6 * draw.Size) draw.Condition) scaled actual $"{c}·A⁻¹b"

                for s in statistics do
                    s.Status |> should equal SolveStatus.Converged)

        property "the error after k steps is at most 2((√κ−1)/(√κ+1))ᵏ in the A-norm" (fun draw ->
            let struct (_, matrices, b) = systems subject draw
            let exact = dense matrices b

            for k in 1 .. draw.Size do
                let struct (actual, _) = solve subject (budget k) matrices b

                for task in 0 .. subject.Tasks - 1 do
                    let struct (smallest, largest) = Spectrum.ends matrices[task]
                    let root = sqrt (largest / smallest)
                    let q = (root - 1.0) / (root + 1.0)
                    let measured = energy matrices[task] (Array.map2 (-) actual[task] exact[task])
                    let bound = (2.0 * q ** float k + rounding k (root * root)) * energy matrices[task] exact[task]
                    Check.atMost bound measured $"‖u{k} − u*‖_A, task {task}")

        property "m steps solve a system with m distinct eigenvalues" (fun draw ->
            let random = Random draw.Seed
            let distinct = min draw.Size 3

            let matrices =
                Array.init subject.Tasks (fun _ ->
                    Spectrum.symmetric random (Array.init draw.Size (fun i -> [| 1.0; 2.0; 4.0 |][i % distinct])))

            let b = Subject.rows subject random draw.Size
            let struct (actual, _) = solve subject (budget distinct) matrices b
            // Each step may amplify the rounding of those before it by κ ≤ 4. Stopping one step early errs by about a tenth.
            Check.rows (rounding distinct (4.0 ** float distinct)) (dense matrices b) actual "A⁻¹b")

        property "with one parameter one step is exact" (fun draw ->
            let random = Random draw.Seed
            let curvatures = Array.init subject.Tasks (fun _ -> float (float32 (0.01 + random.NextDouble())))
            let matrices = curvatures |> Array.map (fun c -> Matrix<float>.Build.Dense(1, 1, c))
            let b = Subject.rows subject random 1
            let struct (actual, statistics) = solve subject (budget 1) matrices b
            Check.rows (rounding 1 1.0) (Array.map2 (fun row c -> Array.map (fun value -> value / c) row) b curvatures) actual "b/a"

            for s in statistics do
                s.Steps |> should equal 1)

        property "the residual that is recomputed equals the recurrence's up to rounding" (fun draw ->
            let struct (_, matrices, b) = systems subject draw
            let steps = 1 + draw.Size / 2
            let struct (first, recurrence) = solve subject (budget steps) matrices b

            let struct (second, recomputed) =
                solve
                    subject
                    { budget steps with
                        RecomputeResidual = true
                    }
                    matrices
                    b

            Check.same first second "the solution"

            for task in 0 .. subject.Tasks - 1 do
                // ‖A‖‖u‖ ≤ κ‖b‖
                let tolerance = rounding steps draw.Condition
                Check.near tolerance recurrence[task].RelativeResidual recomputed[task].RelativeResidual $"residual, task {task}"
                let product = matrices[task] * Vector<float>.Build.DenseOfArray second[task]
                let truth = euclid (Array.map2 (-) b[task] (product.ToArray())) / euclid b[task]
                Check.near tolerance truth recomputed[task].RelativeResidual $"true residual, task {task}"
                Check.near (10.0 * subject.Epsilon * euclid b[task]) (euclid b[task]) recomputed[task].RightHandSideNorm "‖b‖")
    ]

let private curvature (subject: Subject<'V, 'S>) =
    let property name body = Subject.property subject 30 name body

    [
        property "after d steps the Ritz values are the eigenvalues" (fun draw ->
            let random = Random draw.Seed
            let d = min draw.Size 3
            let eigenvalues = Array.sub [| 1.0; 2.0; 4.0 |] 0 d
            let matrices = Array.init subject.Tasks (fun _ -> Spectrum.symmetric random eigenvalues)
            // A part along every eigenvector, none small: b = Q(1, ±1, ±1), from the matrix itself.
            let b =
                matrices
                |> Array.map (fun a ->
                    let q = (a.Evd Symmetricity.Symmetric).EigenVectors
                    (q * Vector<float>.Build.Dense(d, 1.0)).ToArray())

            let struct (_, statistics) = solve subject (budget d) matrices b
            // As for m distinct eigenvalues, of numbers up to 4.
            let tolerance = 10.0 * 3.0 * 4.0 ** 3.0 * subject.Epsilon * 4.0

            for s in statistics do
                Check.scalars tolerance eigenvalues s.RitzValues "Ritz values")

        property "Ritz values and the smallest curvature lie within the spectrum" (fun draw ->
            let struct (_, matrices, b) = systems subject draw
            let steps = 1 + draw.Size / 2
            let struct (_, statistics) = solve subject (budget steps) matrices b

            for task in 0 .. subject.Tasks - 1 do
                let struct (smallest, largest) = Spectrum.ends matrices[task]
                // A product rounds by dε‖A‖, and ‖A‖ = 1; the tridiagonal collects that over the steps.
                let tolerance = 10.0 * float (steps * draw.Size) * subject.Epsilon
                let s = statistics[task]
                Check.atMost (s.SmallestCurvature + tolerance) smallest "λ_min against the smallest curvature"
                Check.atMost (largest + tolerance) s.SmallestCurvature "smallest curvature against λ_max"
                s.RitzValues.Length |> should equal s.Steps

                for value in s.RitzValues do
                    Check.atMost (value + tolerance) smallest "λ_min against a Ritz value"
                    Check.atMost (largest + tolerance) value "a Ritz value against λ_max")

        Subject.law subject "a budget far beyond convergence does not make a positive definite A look indefinite" (fun () ->
            // The residual falls by many digits a step, to where its square underflows.
            for size in [ 1e-3; 1.0; 1e3 ] do
                let a = size * matrix [ [ 1.001; 0.0005 ]; [ 0.0005; 0.999 ] ]
                let b = Subject.alike subject [| 1.0; 0.3 |]
                let struct (actual, statistics) = solve subject (budget 200) (Array.create subject.Tasks a) b
                Check.rows (100.0 * subject.Epsilon) (dense (Array.create subject.Tasks a) b) actual "A⁻¹b"

                for s in statistics do
                    s.Status |> should equal SolveStatus.Converged
                    // κ < 1.002, so every curvature is within 0.2 % of the size.
                    Check.near (0.002 * size) size s.SmallestCurvature "smallest curvature"

                    for value in s.RitzValues do
                        Check.near (0.002 * size) size value "Ritz value")
    ]

/// One task of each kind, for batches of mixed difficulty: its matrix, its right-hand side and its outcome with tolerance 10⁻³.
let private kinds =
    let random = Random 7
    let rotated (eigenvalues: float list) = Spectrum.symmetric random (List.toArray eigenvalues)
    let b = [| 1.0; -2.0; 0.5; 1.5 |]

    [|
        struct ("identity", Matrix<float>.Build.DenseIdentity 4, b, SolveStatus.Converged, Some 1)
        struct ("three eigenvalues", rotated [ 1.0; 2.0; 4.0; 4.0 ], b, SolveStatus.Converged, Some 3)
        struct ("zero right-hand side", rotated [ 1.0; 2.0; 3.0; 4.0 ], Array.zeroCreate 4, SolveStatus.ZeroRightHandSide, Some 0)
        struct ("indefinite", -Matrix<float>.Build.DenseIdentity 4, b, SolveStatus.NonPositiveCurvature, Some 0)
        struct ("not a number", Matrix<float>.Build.Dense(4, 4, nan), b, SolveStatus.NonFinite, Some 0)
        struct ("right-hand side not a number", rotated [ 1.0; 2.0; 3.0; 4.0 ], [| 1.0; nan; 0.0; 0.0 |], SolveStatus.NonFinite, Some 0)
        struct ("four eigenvalues", rotated [ 1.0; 20.0; 50.0; 100.0 ], b, SolveStatus.Converged, Some 4)
        struct ("too many steps needed", rotated [ 1.0; 20.0; 50.0; 100.0 ], b, SolveStatus.StepLimit, None)
    |]

let private statuses (subject: Subject<'V, 'S>) =
    let law name body = Subject.law subject name body
    let alike = Subject.alike subject
    let all matrix = Array.create subject.Tasks matrix

    let checking =
        {
            MaxSteps = 6
            RelativeResidual = 1e-3
            CheckEvery = 1
            RecomputeResidual = false
        }

    [
        law "the solution of b = 0 is 0, with that status and no step" (fun () ->
            let struct (actual, statistics) =
                solve subject (budget 3) (all (matrix [ [ 2.0; 1.0 ]; [ 1.0; 2.0 ] ])) (alike [| 0.0; 0.0 |])

            Check.same (alike [| 0.0; 0.0 |]) (actual |> Array.map (Array.map (fun value -> value + 0.0))) "u"

            for s in statistics do
                s.Status |> should equal SolveStatus.ZeroRightHandSide
                s.Steps |> should equal 0
                s.RelativeResidual |> should equal 0.0
                s.RightHandSideNorm |> should equal 0.0
                s.RitzValues |> should be Empty
                s.SmallestCurvature |> should equal infinity)

        law "a negative definite A is reported before any step, and the answer is 0" (fun () ->
            let struct (actual, statistics) =
                solve subject (budget 3) (all (matrix [ [ -1.0; 0.0 ]; [ 0.0; -2.0 ] ])) (alike [| 3.0; 4.0 |])

            Check.rows 0.0 (alike [| 0.0; 0.0 |]) actual "u"

            for s in statistics do
                s.Status |> should equal SolveStatus.NonPositiveCurvature
                s.Steps |> should equal 0
                Check.near (4.0 * subject.Epsilon) 1.0 s.RelativeResidual "residual"
                Check.near (10.0 * subject.Epsilon) (-41.0 / 25.0) s.SmallestCurvature "smallest curvature")

        law "an indefinite A is reported with the curvature met, and the answer is the iterate before" (fun () ->
            // By hand, A = diag(2, −1), b = (2, 1): u₁ = (10/7, 5/7), then p = (30, 120)/49 with curvature −14/17.
            let struct (actual, statistics) =
                solve subject (budget 5) (all (matrix [ [ 2.0; 0.0 ]; [ 0.0; -1.0 ] ])) (alike [| 2.0; 1.0 |])

            Check.rows (40.0 * subject.Epsilon) (alike [| 10.0 / 7.0; 5.0 / 7.0 |]) actual "u₁"

            for s in statistics do
                s.Status |> should equal SolveStatus.NonPositiveCurvature
                s.Steps |> should equal 1
                Check.near (40.0 * subject.Epsilon) (-14.0 / 17.0) s.SmallestCurvature "smallest curvature"
                Check.near (40.0 * subject.Epsilon) (sqrt (180.0 / 49.0) / sqrt 5.0) s.RelativeResidual "residual"
                s.RitzValues.Length |> should equal 1)

        law "a singular A whose null space b touches is reported as non-positive curvature" (fun () ->
            let struct (_, statistics) =
                solve subject (budget 5) (all (matrix [ [ 0.0; 0.0 ]; [ 0.0; 0.0 ] ])) (alike [| 2.0; 1.0 |])

            for s in statistics do
                s.Status |> should equal SolveStatus.NonPositiveCurvature
                s.SmallestCurvature |> should equal 0.0)

        // A = 1·(rotated): the stored A has eigenvalues of the size of its rounding, of either sign, where 0 was meant; a solver that takes one of
        // them for a curvature answers with 10¹⁵‖b‖. What is left of the answer is bounded by LargestGrowth² of the smallest eigenvalue above 0.
        Subject.property subject 60 "a singular A, rotated, is reported, and the answer is the last good iterate" (fun draw ->
            let random = Random draw.Seed
            let d = 1 + 2 * draw.Size

            let matrices =
                Array.init subject.Tasks (fun task ->
                    let regular = Spectrum.spread random (d - 1) (1.0 / draw.Condition) (10.0 ** float (task - 1))
                    Spectrum.symmetric random (Array.append [| 0.0 |] regular))

            let b = Subject.rows subject random d

            let ones =
                DiagonalPreconditioner(
                    subject.Coordinates,
                    subject.OfRows(Subject.alike subject (Array.init d (fun j -> 1.0 + float (j % 3))))
                )

            let solvers: ILinearSolver<'V, 'S> list =
                [
                    ConjugateGradientSolver(budget (3 * d))
                    PreconditionedConjugateGradientSolver(budget (3 * d), ones)
                ]

            for solver in solvers do
                let report =
                    solver.Solve(subject.Space, LinearOperator.Of(operator subject matrices), subject.OfRows b, subject.Space.Scalar 0.0)

                let u = subject.ToRows report.Solution

                for task, s in Array.indexed (report.Read subject.Space) do
                    s.Status |> should equal SolveStatus.NonPositiveCurvature
                    // Its sign is rounding's, its size too.
                    let largest = 10.0 ** float (task - 1)
                    Check.atMost (1e4 * subject.Epsilon * largest + 1e-3 * largest) s.SmallestCurvature "the curvature that is told"
                    let size row = (Vector<float>.Build.DenseOfArray row).L2Norm()
                    Check.atMost (1e10 * size b[task]) (size u[task]) "‖u‖")

        law "a curvature that is zero by hand is reported, with the iterate before" (fun () ->
            let solved (eigenvalues: float list) (b: float list) =
                let a = Matrix<float>.Build.DenseOfDiagonalArray(List.toArray eigenvalues)
                solve subject (budget 8) (all a) (alike (List.toArray b))

            // H = diag(−1, 2) and λ = 1; and a null space at the end of a spectrum.
            for eigenvalues, b in [ [ 0.0; 3.0 ], [ 1.0; 1.0 ]; [ 3.0; 2.0; 1.0; 0.0 ], [ 1.0; 1.0; 1.0; 1.0 ] ] do
                let struct (actual, statistics) = solved eigenvalues b

                for task in 0 .. subject.Tasks - 1 do
                    statistics[task].Status |> should equal SolveStatus.NonPositiveCurvature
                    // Of the size of (1/least)‖b‖, far from 1/ε.
                    Check.atMost 100.0 ((Vector<float>.Build.DenseOfArray actual[task]).L2Norm()) "‖u‖")

        law "a small curvature that is no rounding is solved for, through residuals far above the first" (fun () ->
            // In single precision λ_min is 10³ roundings of the largest.
            let least = 1e3 * subject.Epsilon
            let d = 6
            let random = Random 3

            let a =
                Matrix<float>
                    .Build.DenseOfDiagonalArray(
                        Array.init d (fun j ->
                            if j < 2 then
                                float (float32 least)
                            else
                                1.0 / float (1 <<< j))
                    )

            let struct (actual, statistics) = solve subject (budget 40) (all a) (Subject.rows subject random d)

            for task in 0 .. subject.Tasks - 1 do
                statistics[task].Status |> should not' (equal SolveStatus.NonPositiveCurvature)
                Check.atMost 1e-2 statistics[task].RelativeResidual "the residual"
                Check.atMost infinity actual[task].[0] "u")

        law "an operator that is not finite is reported, and the answer is the last finite iterate" (fun () ->
            let a = matrix [ [ 2.0; 0.0 ]; [ 0.0; 1.0 ] ]

            for bad in [ nan; infinity; -infinity ] do
                for good in 0..1 do
                    let mutable products = 0

                    let apply w =
                        products <- products + 1
                        let product = operator subject (all a) w

                        if products <= good then
                            product
                        else
                            subject.OfRows(subject.ToRows product |> Array.map (fun row -> [| bad; row[1] |]))

                    let report = conjugateGradients subject.Space (budget 4) apply (subject.OfRows(alike [| 2.0; 1.0 |]))
                    // p₀ = b: α₀ = 5/9.
                    let expected =
                        if good = 0 then
                            [| 0.0; 0.0 |]
                        else
                            [| 10.0 / 9.0; 5.0 / 9.0 |]

                    Check.rows (20.0 * subject.Epsilon) (alike expected) (subject.ToRows report.Solution) $"u{good} for {bad}"

                    for s in report.Read(subject.Space) do
                        s.Status |> should equal SolveStatus.NonFinite
                        s.Steps |> should equal good)

        law "a right-hand side that is not finite is reported, and the answer is 0" (fun () ->
            for bad in [ nan; infinity; -infinity ] do
                let struct (actual, statistics) =
                    solve subject (budget 3) (all (matrix [ [ 2.0; 1.0 ]; [ 1.0; 2.0 ] ])) (alike [| bad; 1.0 |])

                Check.rows 0.0 (alike [| 0.0; 0.0 |]) actual "u"

                for s in statistics do
                    s.Status |> should equal SolveStatus.NonFinite
                    s.Steps |> should equal 0)

        law "a task that is done is not moved by further steps" (fun () ->
            let a = all (matrix [ [ 2.0; 1.0 ]; [ 1.0; 3.0 ] ])
            let b = alike [| 1.0; 1.0 |]

            let options steps =
                { budget steps with
                    RelativeResidual = 0.5
                }

            let struct (first, atFirst) = solve subject (options 1) a b
            let struct (tenth, atTenth) = solve subject (options 10) a b
            Check.same first tenth "the solution"
            atTenth |> should equal atFirst

            for s in atTenth do
                s.Status |> should equal SolveStatus.Converged
                s.Steps |> should equal 1)

        law "tasks of mixed difficulty freeze one by one, each with its own status and steps" (fun () ->
            // Every kind at every position, next to every other kind.
            for shift in 0 .. kinds.Length - 1 do
                let kind task = kinds[(task + shift) % (kinds.Length - 1)]
                let matrices = Array.init subject.Tasks (fun task -> let struct (_, a, _, _, _) = kind task in a)
                let b = Array.init subject.Tasks (fun task -> let struct (_, _, b, _, _) = kind task in b)
                let struct (actual, statistics) = solve subject checking matrices b

                for task in 0 .. subject.Tasks - 1 do
                    let struct (name, a, b, status, steps) = kind task
                    let s = statistics[task]
                    Expect.equal s.Status status $"status of {name}"
                    steps |> Option.iter (fun steps -> Expect.equal s.Steps steps $"steps of {name}")

                    if status = SolveStatus.Converged then
                        Check.atMost 1e-3 s.RelativeResidual $"residual of {name}"
                        // ‖u − A⁻¹b‖ ≤ ‖A⁻¹‖·10⁻³‖b‖, and every A here has smallest eigenvalue 1.
                        let exact = (a.Cholesky().Solve(Vector<float>.Build.DenseOfArray b)).ToArray()
                        let rounding = 10.0 * 4.0 * 100.0 * subject.Epsilon * euclid exact
                        Check.atMost (1e-3 * euclid b + rounding) (euclid (Array.map2 (-) actual[task] exact)) $"error of {name}"
                    else
                        Check.rows 0.0 [| [| 0.0; 0.0; 0.0; 0.0 |] |] [| actual[task] |] $"solution of {name}")

        law "the budget that ends before the tolerance is met is reported" (fun () ->
            let struct (_, a, b, _, _) = kinds[kinds.Length - 1]
            let struct (_, statistics) = solve subject { checking with MaxSteps = 2 } (all a) (alike b)

            for s in statistics do
                s.Status |> should equal SolveStatus.StepLimit
                s.Steps |> should equal 2
                s.RelativeResidual |> should be (greaterThan 1e-3))
    ]

let private independence (subject: Subject<'V, 'S>) =
    [
        Subject.property subject 30 "a batch solves each task as it would alone" (fun draw ->
            let struct (_, matrices, b) = systems subject draw

            let options =
                { budget (draw.Size + 2) with
                    RelativeResidual = 1e-3
                }

            let struct (together, statistics) = solve subject options matrices b

            for task in 0 .. subject.Tasks - 1 do
                // Among tasks that are zero, indefinite or not finite: nothing of them may show, not in the last bit.
                for struct (other, right) in
                    [
                        struct (-Matrix<float>.Build.DenseIdentity draw.Size, Array.create draw.Size 1.0)
                        struct (Matrix<float>.Build.Dense(draw.Size, draw.Size, nan), Array.create draw.Size 1.0)
                        struct (Matrix<float>.Build.DenseIdentity draw.Size, Array.zeroCreate draw.Size)
                        struct (Matrix<float>.Build.DenseIdentity draw.Size, Array.create draw.Size infinity)
                    ] do
                    let alone own others = Array.init subject.Tasks (fun i -> if i = task then own else others)
                    let struct (solution, alone) = solve subject options (alone matrices[task] other) (alone b[task] right)
                    Check.same [| together[task] |] [| solution[task] |] $"task {task}"
                    alone[task] |> should equal statistics[task])

        Subject.property subject 30 "a batch takes its tasks' steps on ℝᵈ, one by one" (fun draw ->
            let struct (_, matrices, b) = systems subject draw

            let options =
                { budget (1 + draw.Size / 2) with
                    RelativeResidual = 0.0
                }

            let struct (together, statistics) = solve subject options matrices b

            for task in 0 .. subject.Tasks - 1 do
                let report =
                    conjugateGradients (EuclideanSpace()) options (fun w -> matrices[task] * w) (Vector<float>.Build.DenseOfArray b[task])

                let alone = (report.Read(EuclideanSpace()))[0]
                // Both err from the exact iterate by rounding, which up to here no lost orthogonality has amplified beyond κ a step.
                let tolerance = 20.0 * float options.MaxSteps * draw.Condition * subject.Epsilon * draw.Condition
                Check.rows (min 0.5 tolerance) [| report.Solution.ToArray() |] [| together[task] |] $"task {task}"
                statistics[task].Steps |> should equal alone.Steps)

        Subject.property subject 30 "how often it is asked whether all are done changes nothing" (fun draw ->
            let struct (_, matrices, b) = systems subject draw

            let run every =
                solve
                    subject
                    {
                        MaxSteps = 3 * draw.Size
                        RelativeResidual = 1e-3
                        CheckEvery = every
                        RecomputeResidual = false
                    }
                    matrices
                    b

            let struct (expected, statistics) = run 0

            for every in [ 1; 2; 5; 1000 ] do
                let struct (actual, others) = run every
                Check.same expected actual $"asked every {every} steps"
                others |> should equal statistics)
    ]

/// All laws of conjugate gradients on a space.
let laws (subject: Subject<'V, 'S>) =
    testList
        $"Krylov, {subject.Name}"
        [
            testList "solutions" (solutions subject)
            testList "curvature" (curvature subject)
            testList "statuses" (statuses subject)
            testList "independence" (independence subject)
        ]
