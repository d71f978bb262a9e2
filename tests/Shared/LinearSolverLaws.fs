// What every linear solver must do on every space, as one list of tests: `LinearSolverLaws.laws subject`.
//
// Tolerances. Conjugate gradients and the dense solve err relatively by κε for each step or parameter. MINRES and the Neumann series err by
// κ²ε: the former through the recurrence of its directions (Sleijpen, van der Vorst and Modersitzki 2000), the latter because it adds up
// residuals of total length κ‖b‖/‖A‖, each with its rounding. Ten for the constant, which holds the roundings of an inner product.
module Imaml.Testing.LinearSolverLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory

/// A solver under test.
[<NoComparison; NoEquality>]
type Way<'V, 'S> =
    {
        Name: string
        /// For these matrices, of largest eigenvalue at most 1.
        Solver: Matrix<float>[] -> LinearSolveOptions -> ILinearSolver<'V, 'S>
        /// Whether it reports an indefinite A; the others solve it.
        NeedsDefinite: bool
        /// Whether it makes steps, which a budget can end.
        Iterates: bool
        /// The condition number of its instances, from the draw's.
        Condition: float -> float
        /// What a rounding grows to, for the condition number κ.
        Amplification: float -> float
    }

let vector (row: float[]) = Vector<float>.Build.DenseOfArray row
let euclid (x: float[]) = (vector x).L2Norm()
let difference (x: float[]) (y: float[]) = euclid (Array.map2 (-) x y)

let operator (subject: Subject<'V, 'S>) (matrices: Matrix<float>[]) = LinearOperator.Of(KrylovLaws.operator subject matrices)

let jacobi (subject: Subject<'V, 'S>) (matrices: Matrix<float>[]) =
    DiagonalPreconditioner(subject.Coordinates, subject.OfRows(matrices |> Array.map (fun a -> a.Diagonal().ToArray())))

let private ways (subject: Subject<'V, 'S>) =
    let square (kappa: float) = kappa * kappa

    [
        {
            Name = "conjugate gradients"
            Solver = fun _ options -> ConjugateGradientSolver options
            NeedsDefinite = true
            Iterates = true
            Condition = id
            Amplification = id
        }
        {
            Name = "preconditioned conjugate gradients"
            // The diagonal of a matrix that has none of a preconditioner is replaced by ones.
            Solver =
                fun matrices options ->
                    let usable (value: float) =
                        if value > 0.0 && value < infinity then
                            float (float32 value)
                        else
                            1.0

                    let diagonal = matrices |> Array.map (fun a -> (a.Diagonal().Map usable).ToArray())
                    PreconditionedConjugateGradientSolver(options, DiagonalPreconditioner(subject.Coordinates, subject.OfRows diagonal))
            NeedsDefinite = true
            Iterates = true
            Condition = id
            Amplification = id
        }
        {
            Name = "MINRES"
            Solver = fun _ options -> MinresSolver options
            NeedsDefinite = false
            Iterates = true
            Condition = sqrt
            Amplification = square
        }
        {
            Name = "the Neumann series"
            Solver = fun _ options -> NeumannSolver(1.0, options)
            NeedsDefinite = true
            Iterates = true
            Condition = sqrt
            Amplification = square
        }
        {
            Name = "the dense solve"
            Solver = fun _ _ -> DenseSolver subject.Coordinates
            NeedsDefinite = true
            Iterates = false
            Condition = id
            Amplification = id
        }
    ]

/// 0.9²⁴⁰ < 10⁻¹¹ leaves the Neumann series at κ = 10 with an error of 10⁻¹⁰; CG at κ = 100 with 2·(9/11)²⁴⁰.
let enough =
    { KrylovLaws.budget 240 with
        CheckEvery = 10
    }

let tolerance (subject: Subject<'V, 'S>) way (draw: Draw) =
    10.0 * float (3 * draw.Size) * way.Amplification(way.Condition draw.Condition) * subject.Epsilon
    + 1e-10

/// Each task's own matrix of condition number up to κ and largest eigenvalue 1, held exactly by every space; a right-hand side for each.
let private systems (subject: Subject<'V, 'S>) way (draw: Draw) =
    let random = Random draw.Seed
    let kappa = way.Condition draw.Condition

    let matrices =
        Array.init subject.Tasks (fun task ->
            Spectrum.positiveDefinite random draw.Size (kappa ** (float (task + 1) / float subject.Tasks)))

    struct (random, matrices, Subject.rows subject random draw.Size)

let exact (matrices: Matrix<float>[]) (b: float[][]) =
    Array.map2 (fun (a: Matrix<float>) row -> (a.LU().Solve(vector row)).ToArray()) matrices b

let solve (subject: Subject<'V, 'S>) (solver: ILinearSolver<'V, 'S>) matrices (b: float[][]) =
    let space = subject.Space
    let report = solver.Solve(space, operator subject matrices, subject.OfRows b, space.Scalar 0.0)
    struct (subject.ToRows report.Solution, report.Read(space))

/// Done; only the Neumann series may still be on its way to the last digit.
let private healthy way (s: SolveStatistics) =
    if way.Name = "the Neumann series" then
        Expect.isTrue (s.Status = SolveStatus.Converged || s.Status = SolveStatus.StepLimit) $"{s.Status}"
    else
        s.Status |> should equal SolveStatus.Converged

let private solutions (subject: Subject<'V, 'S>) way =
    let space = subject.Space
    let property name body = Subject.property subject 15 name body

    [
        property "the solution agrees with a factorisation" (fun draw ->
            let struct (_, matrices, b) = systems subject way draw
            let struct (actual, statistics) = solve subject (way.Solver matrices enough) matrices b
            Check.rows (tolerance subject way draw) (exact matrices b) actual "A⁻¹b"

            for task in 0 .. subject.Tasks - 1 do
                let s = statistics[task]
                healthy way s
                let struct (smallest, largest) = Spectrum.ends matrices[task]
                let rounding = 10.0 * float (s.Steps + 1) * float draw.Size * subject.Epsilon
                Check.atMost (s.SmallestCurvature + rounding) smallest "λ_min against the smallest curvature"
                Check.atMost (largest + rounding) s.SmallestCurvature "the smallest curvature against λ_max")

        property "the solution of c·b is c times the solution of b, for tiny and for large c" (fun draw ->
            let struct (_, matrices, b) = systems subject way draw
            let solver = way.Solver matrices enough

            for c in [ 1e-20; 1e-30; 1e20 ] do
                let b = b |> Array.map (Array.map (fun value -> c * value))
                let struct (actual, statistics) = solve subject solver matrices b
                Check.rows (tolerance subject way draw) (exact matrices b) actual $"{c}·A⁻¹b"

                for s in statistics do
                    healthy way s)

        property "with one parameter u = b/a" (fun draw ->
            let random = Random draw.Seed
            let curvatures = Array.init subject.Tasks (fun _ -> float (float32 (0.25 + 0.75 * random.NextDouble())))
            let matrices = curvatures |> Array.map (fun c -> Matrix<float>.Build.Dense(1, 1, c))
            let b = Subject.rows subject random 1
            let struct (actual, _) = solve subject (way.Solver matrices enough) matrices b

            Check.rows
                (10.0 * 16.0 * subject.Epsilon + 1e-10)
                (Array.map2 (fun row c -> Array.map (fun x -> x / c) row) b curvatures)
                actual
                "b/a")

        property "a residual norm that is asked for is met by the true residual, and a looser one than ‖b‖ takes no step" (fun draw ->
            let struct (_, matrices, b) = systems subject way draw
            let solver = way.Solver matrices { enough with CheckEvery = 1 }
            // Every second task is content with u = 0.
            let asked =
                b |> Array.mapi (fun task row -> if task % 2 = 1 then 2.0 * euclid row else 0.05 * euclid row)

            let report =
                solver.Solve(space, operator subject matrices, subject.OfRows b, Subject.scalars subject asked)

            let actual = subject.ToRows report.Solution

            report.Read(space)
            |> Array.iteri (fun task s ->
                s.Status |> should equal SolveStatus.Converged
                let truth = difference b[task] ((matrices[task] * vector actual[task]).ToArray())
                // ‖A‖ = 1, and ‖u‖ ≤ κ‖b‖.
                Check.atMost (asked[task] + tolerance subject way draw * draw.Condition * euclid b[task]) truth $"‖b − Au‖, task {task}"

                if task % 2 = 1 then
                    (s.Steps, s.Products) |> should equal (0, 0)
                else
                    s.Steps |> should be (greaterThan 0)))

        property "the residual that is recomputed is the true one" (fun draw ->
            let struct (_, matrices, b) = systems subject way draw

            let few =
                { KrylovLaws.budget (1 + draw.Size / 2) with
                    RecomputeResidual = true
                }

            let struct (actual, statistics) = solve subject (way.Solver matrices few) matrices b

            for task in 0 .. subject.Tasks - 1 do
                let truth = difference b[task] ((matrices[task] * vector actual[task]).ToArray()) / euclid b[task]
                // A product with A, of norm 1, and u: ‖u‖ ≤ κ‖b‖.
                let rounding = 10.0 * float draw.Size * draw.Condition * subject.Epsilon
                Check.near rounding truth statistics[task].RelativeResidual $"residual, task {task}")
    ]

/// Tasks among which another must not change: zero, indefinite, not finite.
let private others (subject: Subject<'V, 'S>) d =
    [
        struct (-Matrix<float>.Build.DenseIdentity d, Array.create d 1.0)
        struct (Matrix<float>.Build.Dense(d, d, nan), Array.create d 1.0)
        struct (Matrix<float>.Build.DenseIdentity d, Array.zeroCreate d)
        struct (Matrix<float>.Build.DenseIdentity d, Array.create d infinity)
    ]

let private independence (subject: Subject<'V, 'S>) way =
    [
        Subject.property subject 15 "a batch solves each task as it would alone" (fun draw ->
            let struct (_, matrices, b) = systems subject way draw

            let options =
                { KrylovLaws.budget (draw.Size + 2) with
                    RelativeResidual = 1e-3
                }

            let struct (together, statistics) = solve subject (way.Solver matrices options) matrices b

            for task in 0 .. subject.Tasks - 1 do
                for struct (other, right) in others subject draw.Size do
                    let beside own others = Array.init subject.Tasks (fun i -> if i = task then own else others)
                    let matrices = beside matrices[task] other

                    let struct (solution, alone) =
                        solve subject (way.Solver matrices options) matrices (beside b[task] right)
                    // Nothing of the others may show, not in the last bit.
                    Check.same [| together[task] |] [| solution[task] |] $"task {task}"
                    alone[task] |> should equal statistics[task])
    ]

let private warmStarts (subject: Subject<'V, 'S>) way =
    let space = subject.Space

    let solveFrom (solver: ILinearSolver<'V, 'S>) matrices (b: float[][]) (start: float[][]) residualNorm =
        let report =
            solver.SolveFrom(space, operator subject matrices, subject.OfRows b, subject.OfRows start, residualNorm)

        struct (subject.ToRows report.Solution, report.Read(space))

    let never () = space.Scalar 0.0

    [
        Subject.property subject 15 "from any start the solution is A⁻¹b" (fun draw ->
            let struct (random, matrices, b) = systems subject way draw
            let start = Subject.rows subject random draw.Size
            let struct (actual, statistics) = solveFrom (way.Solver matrices enough) matrices b start (never ())
            let expected = exact matrices b

            for task in 0 .. subject.Tasks - 1 do
                // The error is relative to what is solved for, A⁻¹b − start, and to both ends.
                let scale = 2.0 * (euclid expected[task] + euclid start[task])
                Check.atMost (tolerance subject way draw * scale) (difference actual[task] expected[task]) $"A⁻¹b, task {task}"

                statistics[task].RightHandSideNorm
                |> Check.near (10.0 * subject.Epsilon * euclid b[task]) (euclid b[task])
                <| "‖b‖")

        Subject.property
            subject
            15
            "tasks that start at the solution, near it, far from it and with b = 0 do not touch each other"
            (fun draw ->
                let random = Random draw.Seed
                // A power of two is solved exactly, so that a start can be the solution to the last bit.
                let matrices = Array.init subject.Tasks (fun _ -> 0.5 * Matrix<float>.Build.DenseIdentity draw.Size)
                let rows = Subject.rows subject random draw.Size

                let b, start =
                    Array.unzip (
                        Array.init subject.Tasks (fun task ->
                            let solution = rows[task]
                            let b = solution |> Array.map (fun value -> value / 2.0)

                            match (task + draw.Seed) % 4 with
                            | 0 -> b, solution
                            | 1 -> b, (solution |> Array.map (fun value -> float (float32 (1.0009765625 * value))))
                            | 2 -> b, (solution |> Array.map (fun value -> value + 4.0))
                            | _ -> Array.zeroCreate draw.Size, solution)
                    )

                let options = { enough with RelativeResidual = 1e-2 }
                let struct (actual, statistics) = solveFrom (way.Solver matrices options) matrices b start (never ())

                for task in 0 .. subject.Tasks - 1 do
                    let s = statistics[task]

                    match (task + draw.Seed) % 4 with
                    | 0 ->
                        Check.same [| start[task] |] [| actual[task] |] "a start that is the solution"
                        (s.Status, s.Steps, s.RelativeResidual) |> should equal (SolveStatus.Converged, 0, 0.0)
                    | 1 when way.Iterates ->
                        // 1/1024 of b is left, less than 1 %.
                        Check.same [| start[task] |] [| actual[task] |] "a start that meets the tolerance"
                        (s.Status, s.Steps, s.Products) |> should equal (SolveStatus.Converged, 0, 1)
                        // The start was rounded to single precision.
                        Check.near (4.0 * 2.0 ** -23.0) (1.0 / 1024.0) s.RelativeResidual "residual"
                    | 1
                    | 2 ->
                        s.Status |> should equal SolveStatus.Converged
                        s.Steps |> should be (greaterThan 0)
                        let bound = 1e-2 * euclid rows[task] + 10.0 * subject.Epsilon * (euclid rows[task] + euclid start[task])
                        Check.atMost bound (difference actual[task] rows[task]) "a start far off"
                    | _ ->
                        Check.rows 0.0 [| Array.zeroCreate draw.Size |] [| actual[task] |] "b = 0"
                        (s.Status, s.Steps, s.RelativeResidual) |> should equal (SolveStatus.ZeroRightHandSide, 0, 0.0))

        Subject.law subject "a start that is not finite is reported" (fun () ->
            let matrices = Array.create subject.Tasks (0.5 * Matrix<float>.Build.DenseIdentity 2)
            let start = Subject.alike subject [| nan; 1.0 |]

            let struct (_, statistics) =
                solveFrom (way.Solver matrices enough) matrices (Subject.alike subject [| 1.0; 1.0 |]) start (never ())

            for s in statistics do
                s.Status |> should equal SolveStatus.NonFinite)
    ]

let private statuses (subject: Subject<'V, 'S>) way =
    let space = subject.Space
    let law name body = Subject.law subject name body
    let alike = Subject.alike subject
    let all a = Array.create subject.Tasks a
    let diagonal (values: float list) = Matrix<float>.Build.DenseOfDiagonalArray(List.toArray values)
    let zeroPlus rows = rows |> Array.map (Array.map (fun value -> value + 0.0))

    [
        law "the solution of b = 0 is 0, with that status and no step" (fun () ->
            let matrices = all (diagonal [ 1.0; 0.5 ])

            let struct (actual, statistics) =
                solve subject (way.Solver matrices enough) matrices (alike [| 0.0; 0.0 |])

            Check.same (alike [| 0.0; 0.0 |]) (zeroPlus actual) "u"

            for s in statistics do
                (s.Status, s.Steps, s.Products) |> should equal (SolveStatus.ZeroRightHandSide, 0, 0)
                (s.RelativeResidual, s.RightHandSideNorm) |> should equal (0.0, 0.0))

        law "an indefinite A is reported by the solvers that need a definite one, and solved by the others" (fun () ->
            let a = Spectrum.symmetric (Random 3) [| -0.5; 0.25; 0.5; 1.0 |]
            let matrices = all a
            let b = alike [| 1.0; -2.0; 0.5; 1.5 |]

            let struct (actual, statistics) =
                solve subject (way.Solver matrices { enough with MaxSteps = 60 }) matrices b

            for s in statistics do
                if way.NeedsDefinite then
                    s.Status |> should equal SolveStatus.NonPositiveCurvature
                    s.SmallestCurvature |> should be (lessThan 0.0)
                    // No Rayleigh quotient is below the smallest eigenvalue.
                    Check.atMost (s.SmallestCurvature + 100.0 * subject.Epsilon) -0.5 "λ_min against the smallest curvature"
                else
                    s.Status |> should equal SolveStatus.Converged

            if not way.NeedsDefinite || not way.Iterates then
                // κ = 4: κ² in place of κ, four parameters, ten for the constant.
                Check.rows (10.0 * 4.0 * 16.0 * subject.Epsilon) (exact matrices b) actual "A⁻¹b")

        law "an operator that is not finite is reported, and the answer is finite" (fun () ->
            // Neither diagonal, which the preconditioned solver solves in one step, nor of largest eigenvalue above 1.
            let matrices = all (Matrix<float>.Build.DenseOfRowArrays [| [| 0.75; 0.25 |]; [| 0.25; 0.5 |] |])

            for bad in [ nan; infinity; -infinity ] do
                for good in 0..1 do
                    let mutable products = 0

                    let apply =
                        LinearOperator.Of(fun w ->
                            products <- products + 1
                            let product = (operator subject matrices).Apply w

                            if products <= good then
                                product
                            else
                                subject.OfRows(subject.ToRows product |> Array.map (fun row -> [| bad; row[1] |])))

                    let solver = way.Solver matrices (KrylovLaws.budget 4)
                    let report = solver.Solve(space, apply, subject.OfRows(alike [| 2.0; 1.0 |]), space.Scalar 0.0)

                    for row in subject.ToRows report.Solution do
                        row |> Array.forall Double.IsFinite |> should equal true

                    for s in report.Read(space) do
                        s.Status |> should equal SolveStatus.NonFinite

                        if way.Iterates then
                            s.Steps |> should equal good)

        law "a right-hand side that is not finite is reported, and the answer is 0" (fun () ->
            for bad in [ nan; infinity; -infinity ] do
                let matrices = all (diagonal [ 1.0; 0.5 ])

                let struct (actual, statistics) =
                    solve subject (way.Solver matrices enough) matrices (alike [| bad; 1.0 |])

                Check.rows 0.0 (alike [| 0.0; 0.0 |]) actual "u"

                for s in statistics do
                    (s.Status, s.Steps) |> should equal (SolveStatus.NonFinite, 0))

        law "the masks agree: what is not finite has met nothing" (fun () ->
            let solver = way.Solver (all (diagonal [ 1.0; 0.5 ])) enough
            let a = operator subject (all (diagonal [ 1.0; 0.5 ]))

            for bad in [ nan; infinity; -infinity ] do
                let b = subject.OfRows(alike [| bad; 1.0 |])
                let good = subject.OfRows(alike [| 1.0; 1.0 |])

                let reports =
                    [
                        solver.Solve(space, a, b, space.Scalar 0.0)
                        solver.SolveFrom(space, a, good, b, space.Scalar 0.0)
                    ]

                for report in reports do
                    space.Read report.Marks.Met |> Array.iter (should equal 0.0)
                    space.Read report.Marks.NonFinite |> Array.iter (should equal 1.0))

        law "a right-hand side whose inverse overflows is solved" (fun () ->
            // 2⁻⁴ of the smallest normal number: it still holds b = tiny·(2, 1) exactly, and u = tiny·(2, 2).
            let tiny =
                if subject.Epsilon < 1e-10 then
                    2.0 ** -1026.0
                else
                    2.0 ** -130.0

            let struct (actual, statistics) =
                solve
                    subject
                    (way.Solver (all (diagonal [ 1.0; 0.5 ])) enough)
                    (all (diagonal [ 1.0; 0.5 ]))
                    (alike [| 2.0 * tiny; tiny |])

            for row in actual do
                for value in row do
                    // The last place of a number below the normal ones is Epsilon of the smallest normal; a few of them for the scalings, and
                    // the Neumann series has 10⁻³ left after its steps.
                    Check.near (1e-3 * 2.0 * tiny + 8.0 * 16.0 * tiny * subject.Epsilon) (2.0 * tiny) value "u"

            for s in statistics do
                healthy way s)

        law "a curvature without a finite step is reported, and the answer is finite" (fun () ->
            // The smallest number there is: 1/⟨p, Ap⟩ overflows.
            let least =
                if subject.Epsilon < 1e-10 then
                    2.0 ** -1074.0
                else
                    2.0 ** -149.0

            let matrices = all (diagonal [ least; least ])
            // Jacobi's preconditioner would be of the same size.
            let solver = way.Solver (all (diagonal [ 1.0; 1.0 ])) (KrylovLaws.budget 3)
            let struct (actual, statistics) = solve subject solver matrices (alike [| 1.0; 0.0 |])

            for row in actual do
                row |> Array.forall Double.IsFinite |> should equal true

            for s in statistics do
                s.Status |> should not' (equal SolveStatus.Converged))

        law "a start whose rounding hides b has not converged" (fun () ->
            let matrices = all (diagonal [ 1.0; 0.5 ])
            let far = alike [| 2.0 / (subject.Epsilon * subject.Epsilon); 1.0 |]
            let solver = way.Solver matrices enough

            let report =
                solver.SolveFrom(
                    space,
                    operator subject matrices,
                    subject.OfRows(alike [| 1.0; 1.0 |]),
                    subject.OfRows far,
                    space.Scalar 0.0
                )

            for s in report.Read(space) do
                s.Status |> should not' (equal SolveStatus.Converged))

        if way.Iterates then
            law "a budget that ends before the tolerance is met is reported, with the residual" (fun () ->
                let matrices = all (Spectrum.symmetric (Random 4) [| 0.1; 0.3; 0.6; 1.0 |])

                let options =
                    { KrylovLaws.budget 2 with
                        RelativeResidual = 1e-3
                    }

                let struct (_, statistics) =
                    solve subject (way.Solver matrices options) matrices (alike [| 1.0; -2.0; 0.5; 1.5 |])

                for s in statistics do
                    (s.Status, s.Steps, s.Products) |> should equal (SolveStatus.StepLimit, 2, 2)
                    s.RelativeResidual |> should be (greaterThan 1e-3))

            law "a tolerance below rounding, met by the recurrence alone, is reported as stagnation with the true residual" (fun () ->
                let a = Spectrum.symmetric (Random 5) [| 0.3; 0.5; 0.7; 1.0 |]
                let matrices = all a
                let b = alike [| 1.0; -2.0; 0.5; 1.5 |]

                let options =
                    { KrylovLaws.budget 240 with
                        RelativeResidual = 1e-17
                    }

                let struct (_, trusting) = solve subject (way.Solver matrices options) matrices b

                for s in trusting do
                    s.Status |> should equal SolveStatus.Converged

                let struct (actual, checking) =
                    solve
                        subject
                        (way.Solver
                            matrices
                            { options with
                                RecomputeResidual = true
                            })
                        matrices
                        b

                for task in 0 .. subject.Tasks - 1 do
                    let s = checking[task]
                    s.Status |> should equal SolveStatus.Stagnated
                    let truth = difference b[task] ((a * vector actual[task]).ToArray()) / euclid b[task]
                    Check.near (100.0 * subject.Epsilon) truth s.RelativeResidual "residual")

            law "a task that is done is not moved by further steps" (fun () ->
                let matrices = all (diagonal [ 1.0; 0.5 ])
                let b = alike [| 1.0; 1.0 |]

                let options steps =
                    { KrylovLaws.budget steps with
                        RelativeResidual = 0.9
                    }

                let struct (first, atFirst) = solve subject (way.Solver matrices (options 1)) matrices b
                let struct (tenth, atTenth) = solve subject (way.Solver matrices (options 10)) matrices b
                Check.same first tenth "the solution"
                // Ritz values are those of the steps that were made.
                atTenth |> should equal atFirst

                for s in atTenth do
                    (s.Status, s.Steps) |> should equal (SolveStatus.Converged, 1))
    ]

/// All laws of linear solvers on a space.
let laws (subject: Subject<'V, 'S>) =
    testList
        $"Linear solvers, {subject.Name}"
        [
            for way in ways subject do
                testList
                    way.Name
                    [
                        testList "solutions" (solutions subject way)
                        testList "independence" (independence subject way)
                        testList "warm starts" (warmStarts subject way)
                        testList "statuses" (statuses subject way)
                    ]
        ]
