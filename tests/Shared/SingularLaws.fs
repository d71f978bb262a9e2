// What a curvature that is zero to rounding must not do, in any solver, as one list of tests: `SingularLaws.laws subject`.
//
// A = QDQᵀ with one or more exact zeros in D: as stored, A has eigenvalues of the size of its rounding, of either sign, where 0 was meant. b has a
// part of size 1 along every null vector, so that no u leaves a residual below 1, and a solver that takes rounding for curvature answers with
// 10¹⁵‖b‖. What is right may be as long as b's part along the smallest eigenvalue above 0 and what that rounds to: 10¹⁰‖b‖ lies between the two.
module Imaml.Testing.SingularLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory

let private vector (row: float[]) = Vector<float>.Build.DenseOfArray row
let private euclid row = (vector row).L2Norm()
let private identity d = Matrix<float>.Build.DenseIdentity d
let private longest = 1e10

/// Tasks of norm 1 with b, and for each whether it is singular: all are, but the first where there are others.
[<NoComparison; NoEquality>]
type private Instance =
    {
        A: Matrix<float>[]
        B: float[][]
        Singular: bool[]
    }

    member x.Size = x.A[0].RowCount

let private draw (subject: Subject<'V, 'S>) (drawn: Draw) =
    let random = Random drawn.Seed
    let d = max 2 drawn.Size
    let zeros = 1 + random.Next(max 1 (d / 2))

    let task i =
        let singular = subject.Tasks = 1 || i > 0
        let q = Spectrum.orthogonal random d

        let values =
            if singular then
                Array.append (Array.zeroCreate zeros) (Spectrum.spread random (d - zeros) (1.0 / drawn.Condition) 1.0)
            else
                Spectrum.spread random d (1.0 / drawn.Condition) 1.0

        let parts =
            (Spectrum.gaussian random d).MapIndexed(fun j part -> if values[j] = 0.0 then float (sign part) else part)

        let a = q * Matrix<float>.Build.DenseOfDiagonalArray values * q.Transpose()
        struct (singular, (a + a.Transpose()) / 2.0, (q * parts).ToArray())

    let tasks = Array.init subject.Tasks task

    {
        A = tasks |> Array.map (fun struct (_, a, _) -> a)
        B = tasks |> Array.map (fun struct (_, _, b) -> b)
        Singular = tasks |> Array.map (fun struct (singular, _, _) -> singular)
    }

/// The same first task among tasks that are as healthy.
let private healthy (x: Instance) =
    { x with
        A = x.A |> Array.map (fun _ -> x.A[0])
        B = x.B |> Array.map (fun _ -> x.B[0])
    }

let private solve (subject: Subject<'V, 'S>) (solver: ILinearSolver<'V, 'S>) (x: Instance) =
    let space = subject.Space

    let report =
        solver.Solve(space, LinearOperator.Of(KrylovLaws.operator subject x.A), subject.OfRows x.B, space.Scalar 0.0)

    struct (subject.ToRows report.Solution, report.Read space)

let private systems (subject: Subject<'V, 'S>) =
    let toTolerance steps = LinearSolveOptions.ToTolerance(steps, 1e-3)

    let preconditioner d =
        DiagonalPreconditioner(subject.Coordinates, subject.OfRows(Subject.alike subject (Array.init d (fun j -> 1.0 + float (j % 3)))))

    let solvers: (string * (int -> int -> ILinearSolver<'V, 'S>) * SolveStatus list) list =
        [
            "conjugate gradients", (fun _ steps -> ConjugateGradientSolver(toTolerance steps)), [ SolveStatus.NonPositiveCurvature ]
            "preconditioned conjugate gradients",
            (fun d steps -> PreconditionedConjugateGradientSolver(toTolerance steps, preconditioner d)),
            [ SolveStatus.NonPositiveCurvature ]
            "MINRES", (fun _ steps -> MinresSolver(toTolerance steps)), [ SolveStatus.Stagnated ]
            "Neumann series",
            (fun _ steps -> NeumannSolver(1.0, toTolerance steps)),
            [ SolveStatus.StepLimit; SolveStatus.NonPositiveCurvature ]
        ]

    [
        for name, solver, ends in solvers do
            Subject.property
                subject
                300
                $"{name}: a truthful status, an answer of no absurd length, the neighbour's bits untouched"
                (fun drawn ->
                    let x = draw subject drawn
                    let d = x.Size
                    let enough = solver d (4 * d)
                    let struct (u, statistics) = solve subject enough x
                    // A budget may end just after the step that only the next would have called in question.
                    let struct (early, _) = solve subject (solver d (1 + drawn.Seed % (2 * d))) x

                    for task in 0 .. subject.Tasks - 1 do
                        if x.Singular[task] then
                            let status = statistics[task].Status

                            if not (List.contains status ends) then
                                failtest $"{name}: {status}, residual {statistics[task].RelativeResidual}"

                            Check.atMost (longest * euclid x.B[task]) (euclid u[task]) "‖u‖"
                            Check.atMost (longest * euclid x.B[task]) (euclid early[task]) "‖u‖ of a short budget"

                    if not x.Singular[0] then
                        let struct (expected, alone) = solve subject enough (healthy x)
                        Check.same [| expected[0] |] [| u[0] |] "the healthy task's u"
                        statistics[0] |> should equal alone[0])

        Subject.property subject 300 "Ritz values lie within the spectrum, Lanczos's and conjugate gradients'" (fun drawn ->
            let x = draw subject drawn
            let d = x.Size
            let steps = 1 + drawn.Seed % (d + 2)

            let lanczos =
                Lanczos.run subject.Space steps (LinearOperator.Of(KrylovLaws.operator subject x.A)) (subject.OfRows x.B)
                |> Lanczos.read subject.Space

            let struct (_, statistics) = solve subject (ConjugateGradientSolver(KrylovLaws.budget (4 * d))) x
            // As in LanczosLaws.
            let rounding = 10.0 * float (steps * (d + 6)) * subject.Epsilon

            for task in 0 .. subject.Tasks - 1 do
                let struct (smallest, largest) = Spectrum.ends x.A[task]
                Check.atMost (lanczos[task].Smallest + rounding) smallest "λ_min against Lanczos"
                Check.atMost (largest + rounding) lanczos[task].Largest "Lanczos against λ_max"

                if x.Singular[task] then
                    // Zero is not a negative eigenvalue.
                    lanczos[task].NegativeAtLeast |> should equal 0

                // The recurrence rounds by r's growth, 100 at most where steps were not held back.
                let rounding = 1e3 * float (4 * d * d) * subject.Epsilon

                for value in statistics[task].RitzValues do
                    Check.atMost (value + rounding) smallest "λ_min against conjugate gradients"
                    Check.atMost (largest + rounding) value "conjugate gradients against λ_max")
    ]

let private lambda = 0.5

let private users (subject: Subject<'V, 'S>) =
    let space = subject.Space

    [
        Subject.property
            subject
            300
            "Newton–CG goes downhill by steps of no absurd length, and does not say that it has arrived"
            (fun drawn ->
                let x = draw subject drawn
                let d = x.Size

                // G = ½φᵀAφ + bᵀφ, which has no minimum where A is singular.
                let tasks: InnerSolverLaws.Tasks =
                    {
                        A = x.A |> Array.map (fun a -> a - lambda * identity d)
                        B = x.B
                        Quartic = 0.0
                        Lambda = lambda
                        Theta = Subject.alike subject (Array.zeroCreate d)
                        Start = Subject.alike subject (Array.zeroCreate d)
                    }

                let run steps (tasks: InnerSolverLaws.Tasks) =
                    let theta = subject.OfRows tasks.Theta
                    let solver: IInnerSolver<'V, 'S> = NewtonConjugateGradientSolver(steps, 4 * d)

                    solver.Solve(space, ScalarRegularizer lambda, InnerSolverLaws.problem subject tasks, theta, theta, space.Scalar 1e-3)

                // After the first step ∇G is all but a null vector, and G falls along it without end: what further steps do has no right length.
                let once = subject.ToRows (run 1 tasks).Phi
                let made = run 3 tasks
                let phi = subject.ToRows made.Phi
                let statistics = made.Read space

                for task in 0 .. subject.Tasks - 1 do
                    if x.Singular[task] then
                        statistics[task].Status |> should not' (equal InnerStatus.Converged)
                        statistics[task].Status |> should not' (equal InnerStatus.NonFinite)
                        Check.atMost (longest * euclid x.B[task]) (euclid once[task]) "‖φ‖ after a step"
                        // Rounding of G's terms, of the size of ‖φ‖² at most.
                        let room = 100.0 * float d * subject.Epsilon * (1.0 + euclid phi[task] ** 2.0 + euclid x.B[task] ** 2.0)
                        let p = vector phi[task]
                        Check.atMost room (0.5 * p.DotProduct(x.A[task] * p) + (vector x.B[task]).DotProduct p) "G(φ) − G(θ)"

                if not x.Singular[0] then
                    let y = healthy x

                    let alone =
                        run
                            3
                            { tasks with
                                A = y.A |> Array.map (fun a -> a - lambda * identity d)
                                B = y.B
                            }

                    Check.same [| (subject.ToRows alone.Phi)[0] |] [| phi[0] |] "the healthy task's φ")

        Subject.property
            subject
            100
            "a meta-gradient that is used has no absurd length, and that of a solve which ran away is not used"
            (fun drawn ->
                let x = draw subject drawn
                let d = x.Size
                let none = Array.zeroCreate<float> d

                let tasks: MetaGradientLaws.Quadratics =
                    {
                        A = x.A |> Array.map (fun a -> a - lambda * identity d)
                        B = Subject.alike subject none
                        C = x.A |> Array.map (fun _ -> Matrix<float>.Build.Dense(d, d))
                        E = x.B
                        Theta = Subject.alike subject none
                    }

                let compute (solver: ILinearSolver<'V, 'S>) =
                    let start: IInnerSolver<'V, 'S> = DelegateInnerSolver<'V, 'S>(Func<'V, 'V, 'V>(fun theta _ -> theta))

                    let strategy: IMetaGradientStrategy<'V, 'S> = ImplicitStrategy(start, solver, Thresholds.None)
                    strategy.Compute(space, ScalarRegularizer lambda, MetaGradientLaws.problem subject tasks, subject.OfRows tasks.Theta)

                let solvers: ILinearSolver<'V, 'S> list =
                    [
                        ConjugateGradientSolver(KrylovLaws.budget (1 + drawn.Seed % (4 * d)))
                        MinresSolver(KrylovLaws.budget (1 + drawn.Seed % (4 * d)))
                        NeumannSolver(1.0, KrylovLaws.budget 20)
                    ]

                for solver in solvers do
                    let result = compute solver
                    let usable = space.Read(result.Usable space)
                    let g = subject.ToRows result.Gradient

                    for task in 0 .. subject.Tasks - 1 do
                        if usable[task] > 0.5 then
                            Check.atMost (longest * euclid x.B[task]) (euclid g[task]) "‖g‖"
                        else
                            failtest $"{solver.GetType().Name}: not used"

                // |1 − 10³| ≥ 900 for the eigenvalue 1, twenty times.
                let usable = space.Read((compute (NeumannSolver(1e3, KrylovLaws.budget 20))).Usable space)
                usable |> Array.iter (should equal 0.0))
    ]

let private definite (subject: Subject<'V, 'S>) =
    [
        // The residual of conjugate gradients rises to √κ‖b‖ before it falls, and a short budget may end before that; what falls in every step is
        // the energy of the error. Where κ ≤ 1/√ε, half of the digits, no step may be held back.
        Subject.property
            subject
            300
            "on a positive definite A of κ up to 1/√ε every step is part of the answer, and lowers the energy"
            (fun drawn ->
                let random = Random drawn.Seed
                let d = 6 + 6 * (drawn.Size % 2)
                let condition = 0.1 / sqrt subject.Epsilon

                // Half of the eigenvalues in a cluster at the small end, or all spread.
                let values =
                    Array.init subject.Tasks (fun _ ->
                        let clustered = random.Next 2 = 0

                        Array.init d (fun j ->
                            if j = 0 then
                                1.0
                            elif clustered && j < d / 2 then
                                (1.0 + random.NextDouble()) / condition
                            else
                                condition ** -random.NextDouble()))

                let x =
                    {
                        A = values |> Array.map Matrix<float>.Build.DenseOfDiagonalArray
                        B = values |> Array.map (fun _ -> (Spectrum.gaussian random d).ToArray())
                        Singular = Array.create subject.Tasks false
                    }

                let exact = Array.map2 (Array.map2 (/)) x.B values

                let energy task (u: float[]) =
                    sqrt (Seq.sum (Seq.map3 (fun value exact u -> value * (u - exact) * (u - exact)) values[task] exact[task] u))

                let mutable before = Subject.alike subject (Array.zeroCreate d)

                for steps in 1..5 do
                    let struct (u, statistics) = solve subject (ConjugateGradientSolver(KrylovLaws.budget steps)) x

                    for task in 0 .. subject.Tasks - 1 do
                        if statistics[task].Steps = steps then
                            if before[task] = u[task] then
                                failtest $"step {steps} of task {task} was held back"

                            // A product rounds by ε‖A‖‖u‖, which in the energy counts √κ times.
                            let room = 100.0 * float (d * steps) * subject.Epsilon * sqrt condition * euclid u[task]

                            Check.atMost
                                (energy task before[task] + room)
                                (energy task u[task])
                                $"the energy after {steps} steps, task {task}"

                    before <- u)
    ]

/// All laws of curvature that is zero to rounding, on a space.
let laws (subject: Subject<'V, 'S>) = testList $"Singular, {subject.Name}" (systems subject @ users subject @ definite subject)
