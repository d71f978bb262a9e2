// What preconditioning must do on every space, apart from the laws of all linear solvers: `PreconditionerLaws.laws subject`.
module Imaml.Testing.PreconditionerLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Imaml.Testing.LinearSolverLaws

let laws (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let law name body = Subject.law subject name body
    let property name body = Subject.property subject 20 name body
    let all a = Array.create subject.Tasks a
    let alike = Subject.alike subject
    let diagonal (values: float list) = Matrix<float>.Build.DenseOfDiagonalArray(List.toArray values)

    let solve options (inverse: ILinearOperator<'V>) matrices b =
        LinearSolverLaws.solve subject (PreconditionedConjugateGradientSolver(options, inverse)) matrices b

    let systems (draw: Draw) =
        let random = Random draw.Seed

        let matrices =
            Array.init subject.Tasks (fun _ -> Spectrum.positiveDefinite random draw.Size draw.Condition)

        struct (random, matrices, Subject.rows subject random draw.Size)

    testList
        $"Preconditioning, {subject.Name}"
        [
            property "the identity as preconditioner changes nothing, to the last bit" (fun draw ->
                let struct (_, matrices, b) = systems draw
                let options = KrylovLaws.budget (1 + draw.Size / 2)

                let ones =
                    DiagonalPreconditioner(subject.Coordinates, subject.OfRows(alike (Array.create draw.Size 1.0)))

                let struct (expected, plain) =
                    LinearSolverLaws.solve subject (ConjugateGradientSolver options) matrices b

                let struct (actual, preconditioned) = solve options ones matrices b
                Check.same expected actual "u"
                preconditioned |> should equal (plain |> Array.map (fun s -> { s with RitzValues = [||] })))

            property "the scale of the preconditioner does not matter" (fun draw ->
                let struct (_, matrices, b) = systems draw
                let options = KrylovLaws.budget (1 + draw.Size / 2)

                let by (scale: float) =
                    DiagonalPreconditioner(
                        subject.Coordinates,
                        subject.OfRows(matrices |> Array.map (fun (a: Matrix<float>) -> (scale * a.Diagonal()).ToArray()))
                    )

                let struct (expected, first) = solve options (by 1.0) matrices b
                // A power of two only moves exponents.
                let struct (actual, second) = solve options (by 1024.0) matrices b
                Check.same expected actual "u"
                second |> Array.map _.RelativeResidual |> should equal (first |> Array.map _.RelativeResidual))

            property "A itself as preconditioner solves in one step" (fun draw ->
                let struct (_, matrices, b) = systems draw

                let inverse =
                    operator subject (matrices |> Array.map (fun a -> let inverse = a.Inverse() in (inverse + inverse.Transpose()) / 2.0))

                let struct (actual, _) = solve (KrylovLaws.budget 1) inverse matrices b
                // The inverse errs by dκ roundings, and so does the product that makes α.
                Check.rows (20.0 * float draw.Size * draw.Condition * subject.Epsilon) (exact matrices b) actual "A⁻¹b")

            law
                "Jacobi's preconditioner solves a diagonal system of any scale in one step, where plain conjugate gradients do not"
                (fun () ->
                    let a = diagonal [ 1.0; 1e-2; 1e-4; 1e4 ]
                    let b = alike [| 1.0; 1.0; 1.0; 1.0 |]

                    let one =
                        { KrylovLaws.budget 1 with
                            RelativeResidual = 1e-3
                        }

                    let struct (actual, statistics) = solve one (jacobi subject (all a)) (all a) b
                    Check.rows (20.0 * subject.Epsilon) (exact (all a) b) actual "A⁻¹b"
                    let struct (_, plain) = LinearSolverLaws.solve subject (ConjugateGradientSolver one) (all a) b

                    for task in 0 .. subject.Tasks - 1 do
                        (statistics[task].Status, statistics[task].Steps) |> should equal (SolveStatus.Converged, 1)
                        plain[task].Status |> should equal SolveStatus.StepLimit)

            property "the tolerance is met by ‖b − Au‖, whatever norm the preconditioner has" (fun draw ->
                let struct (random, matrices, b) = systems draw
                let weights = Array.init draw.Size (fun _ -> 2.0 ** float (random.Next(-6, 7)))
                let inverse = DiagonalPreconditioner(subject.Coordinates, subject.OfRows(alike weights))

                let options =
                    { enough with
                        RelativeResidual = 1e-2
                        CheckEvery = 1
                    }

                let struct (actual, statistics) = solve options inverse matrices b

                for task in 0 .. subject.Tasks - 1 do
                    let s = statistics[task]
                    s.Status |> should equal SolveStatus.Converged
                    let truth = difference b[task] ((matrices[task] * vector actual[task]).ToArray()) / euclid b[task]
                    // The recurrence's gap to the truth: a rounding of ‖A‖‖u‖ ≤ κ‖b‖ a step.
                    let gap = 10.0 * float (s.Steps * draw.Size) * draw.Condition * subject.Epsilon
                    Check.near gap truth s.RelativeResidual $"residual, task {task}"
                    Check.atMost 1e-2 s.RelativeResidual "tolerance"

                    // One step fewer was not enough.
                    if s.Steps > 1 then
                        let struct (_, before) = solve { options with MaxSteps = s.Steps - 1 } inverse matrices b
                        before[task].RelativeResidual |> should be (greaterThan 1e-2))

            law "a preconditioner that is not positive definite is reported, and the answer is the iterate before" (fun () ->
                let a = all (diagonal [ 1.0; 0.5 ])
                let negative = operator subject (all (diagonal [ -1.0; -1.0 ]))
                let struct (actual, statistics) = solve (KrylovLaws.budget 3) negative a (alike [| 3.0; 4.0 |])
                Check.rows 0.0 (alike [| 0.0; 0.0 |]) actual "u"

                for s in statistics do
                    (s.Status, s.Steps, s.Products) |> should equal (SolveStatus.PreconditionerNotPositive, 0, 0)
                    Check.near (4.0 * subject.Epsilon) 1.0 s.RelativeResidual "residual"

                // By hand, M⁻¹ = diag(2, −1), b = (1, 1)/…: z = (2, −1), ρ = 1, ⟨z, Az⟩ = 9/2, α = 2/9, r = (5/9, 10/9), ⟨r, z⟩ = −50/81.
                let indefinite = operator subject (all (diagonal [ 2.0; -1.0 ]))
                let struct (actual, statistics) = solve (KrylovLaws.budget 3) indefinite a (alike [| 1.0; 1.0 |])
                Check.rows (20.0 * subject.Epsilon) (alike [| 4.0 / 9.0; -2.0 / 9.0 |]) actual "u₁"

                for s in statistics do
                    (s.Status, s.Steps, s.Products) |> should equal (SolveStatus.PreconditionerNotPositive, 1, 1))

            law "a preconditioner that is not finite is reported, and the answer is the iterate before" (fun () ->
                for bad in [ nan; infinity ] do
                    let broken = LinearOperator.Of(fun _ -> subject.OfRows(alike [| bad; 1.0 |]))

                    let struct (actual, statistics) =
                        solve (KrylovLaws.budget 3) broken (all (diagonal [ 1.0; 0.5 ])) (alike [| 3.0; 4.0 |])

                    Check.rows 0.0 (alike [| 0.0; 0.0 |]) actual "u"

                    for s in statistics do
                        (s.Status, s.Steps) |> should equal (SolveStatus.NonFinite, 0))

            law "the preconditioner's scale does not matter, not even where its squares leave the range of numbers" (fun () ->
                // By hand: A = diag(8, 4, 2, 1) and M⁻¹ = scale/(A + 1), each task with its own scale.
                let a = [| 8.0; 4.0; 2.0; 1.0 |]
                let matrices = all (Matrix<float>.Build.DenseOfDiagonalArray a)
                let b = alike [| 1.0; -2.0; 3.0; 4.0 |]

                let options =
                    { KrylovLaws.budget 20 with
                        RelativeResidual = 1e-5
                        CheckEvery = 1
                    }

                let solved (scales: float[]) =
                    let diagonal = scales |> Array.map (fun scale -> a |> Array.map (fun value -> (value + 1.0) / scale))
                    solve options (DiagonalPreconditioner(subject.Coordinates, subject.OfRows diagonal)) matrices b

                let struct (expected, ordinary) = solved (Array.create subject.Tasks 1.0)

                for scale in [ 1e-30; 1e-20; 1e-10; 1e10; 1e20; 1e30 ] do
                    let scales = Array.init subject.Tasks (fun task -> if task = 1 then 1.0 / scale else scale)
                    let struct (actual, statistics) = solved scales
                    // The scale rounds the preconditioner's entries, which moves the iterates by as much.
                    Check.rows 2e-5 expected actual $"u, {scale}"

                    for task in 0 .. subject.Tasks - 1 do
                        statistics[task].Status |> should equal SolveStatus.Converged
                        statistics[task].Steps |> should equal ordinary[task].Steps)

            law "a scale at the end of single precision's range, and a batch that mixes scales, change nothing but rounding" (fun () ->
                // As an operator: the diagonal (A + 1)/scale would itself overflow.
                let a = [| 8.0; 4.0; 2.0; 1.0 |]
                let matrices = all (Matrix<float>.Build.DenseOfDiagonalArray a)
                let b = alike [| 1.0; -2.0; 3.0; 4.0 |]

                let options =
                    { KrylovLaws.budget 20 with
                        RelativeResidual = 1e-3
                        CheckEvery = 1
                    }

                let solved (scales: float[]) =
                    let inverse =
                        LinearOperator.Of(fun w ->
                            subject.ToRows w
                            |> Array.map2 (fun scale row -> Array.map2 (fun value w -> scale / (value + 1.0) * w) a row) scales
                            |> subject.OfRows)

                    solve options inverse matrices b

                let struct (expected, ordinary) = solved (Array.create subject.Tasks 1.0)
                let each = [| 1e-38; 1.0; 1e37; 1e-20; 1e20 |]

                for shift in 0 .. each.Length - 1 do
                    let scales = Array.init subject.Tasks (fun task -> each[(task + shift) % each.Length])
                    let struct (actual, statistics) = solved scales
                    // Both are within the tolerance of the solution; κ = 8.
                    Check.rows 2e-2 expected actual $"u, {scales}"

                    for task in 0 .. subject.Tasks - 1 do
                        statistics[task].Status |> should equal SolveStatus.Converged
                        statistics[task].Steps |> should equal ordinary[task].Steps)

            property "the diagonal of an operator is the one of its matrices" (fun draw ->
                let struct (_, matrices, b) = systems draw

                let actual =
                    LinearOperator.Diagonal(space, subject.Coordinates, (operator subject matrices), (subject.OfRows b))

                Check.rows
                    (2.0 * subject.Epsilon)
                    (matrices |> Array.map (fun a -> a.Diagonal().ToArray()))
                    (subject.ToRows actual)
                    "diagonal")

            law "a diagonal that is not positive and finite is refused" (fun () ->
                for value in [ 0.0; -1.0; nan; infinity ] do
                    let message =
                        try
                            DiagonalPreconditioner(subject.Coordinates, subject.OfRows(alike [| 1.0; value |])) |> ignore
                            "accepted"
                        with :? ArgumentException as e ->
                            e.Message

                    message
                    |> should haveSubstring $"a preconditioner's diagonal must be positive and finite, not {value}")
        ]
