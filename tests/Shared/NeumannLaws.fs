// What the Neumann series must do on every space, apart from the laws of all linear solvers: `NeumannLaws.laws subject`.
module Imaml.Testing.NeumannLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Imaml.Testing.LinearSolverLaws

let private solve subject alpha options matrices b = LinearSolverLaws.solve subject (NeumannSolver(alpha, options)) matrices b

let laws (subject: Subject<'V, 'S>) =
    let law name body = Subject.law subject name body
    let all a = Array.create subject.Tasks a
    let alike = Subject.alike subject
    let diagonal (values: float list) = Matrix<float>.Build.DenseOfDiagonalArray(List.toArray values)

    testList
        $"Neumann series, {subject.Name}"
        [
            Subject.property subject 20 "k terms are [I − (I − αA)ᵏ]A⁻¹b, and leave the residual (I − αA)ᵏb" (fun draw ->
                let random = Random draw.Seed

                let matrices =
                    Array.init subject.Tasks (fun _ -> Spectrum.positiveDefinite random draw.Size draw.Condition)

                let b = Subject.rows subject random draw.Size
                let alpha = 2.0 ** float (random.Next(-3, 1))
                let k = 1 + draw.Size
                let struct (actual, statistics) = solve subject alpha (KrylovLaws.budget k) matrices b

                for task in 0 .. subject.Tasks - 1 do
                    let contraction = Matrix<float>.Build.DenseIdentity draw.Size - alpha * matrices[task]

                    let powers =
                        Seq.scan (fun (r: Vector<float>) _ -> contraction * r) (vector b[task]) (seq { 1..k })
                        |> Seq.toArray

                    let expected = alpha * (powers |> Seq.take k |> Seq.reduce (+))
                    // Every power is a contraction, so its rounding, d of its terms, adds up at most.
                    let bound = 4.0 * float (k * draw.Size) * subject.Epsilon
                    Check.atMost (bound * alpha * float k * euclid b[task]) ((vector actual[task] - expected).L2Norm()) $"uₖ, task {task}"
                    let s = statistics[task]
                    Check.near bound (powers[k].L2Norm() / euclid b[task]) s.RelativeResidual $"‖rₖ‖/‖b‖, task {task}"
                    (s.Status, s.Steps, s.Products) |> should equal (SolveStatus.StepLimit, k, k))

            law "the curvature seen is the least ⟨r, Ar⟩/⟨r, r⟩ of the residuals" (fun () ->
                // By hand, α = 1/2, A = diag(1, 1/2): r₀ = (1, 2) gives 3/5, r₁ = (1/2, 3/2) gives (1/4 + 9/8)/(5/2) = 11/20.
                let struct (_, statistics) =
                    solve subject 0.5 (KrylovLaws.budget 2) (all (diagonal [ 1.0; 0.5 ])) (alike [| 1.0; 2.0 |])

                for s in statistics do
                    Check.near (20.0 * subject.Epsilon) 0.55 s.SmallestCurvature "smallest curvature")

            law "too large a step shows as a residual above 1" (fun () ->
                // |1 − 3·1| = 2, four times.
                let struct (_, statistics) =
                    solve subject 3.0 (KrylovLaws.budget 4) (all (diagonal [ 1.0; 1.0 ])) (alike [| 3.0; 4.0 |])

                for s in statistics do
                    s.Status |> should equal SolveStatus.StepLimit
                    Check.near (160.0 * subject.Epsilon) 16.0 s.RelativeResidual "residual"
                    s.Status.Describe() |> should haveSubstring "diverges")

            law "a series that diverges until the arithmetic overflows is reported, and the answer is finite" (fun () ->
                let struct (actual, statistics) =
                    solve subject 1e3 (KrylovLaws.budget 400) (all (diagonal [ 1.0; 1.0 ])) (alike [| 3.0; 4.0 |])

                for task in 0 .. subject.Tasks - 1 do
                    statistics[task].Status |> should equal SolveStatus.NonFinite
                    actual[task] |> Array.forall Double.IsFinite |> should equal true)

            law "negative curvature is marked, and the terms go on" (fun () ->
                let struct (actual, statistics) =
                    solve subject 0.5 (KrylovLaws.budget 2) (all (diagonal [ 1.0; -1.0 ])) (alike [| 1.0; 2.0 |])
                // ½(b + (I − A/2)b) = (1/2 + 1/4, 1 + 3/2).
                Check.rows (20.0 * subject.Epsilon) (alike [| 0.75; 2.5 |]) actual "u₂"

                for s in statistics do
                    (s.Status, s.Steps) |> should equal (SolveStatus.NonPositiveCurvature, 2)
                    // r₁ = (1/2, 3) gives (1/4 − 9)/(37/4).
                    Check.near (20.0 * subject.Epsilon) (-35.0 / 37.0) s.SmallestCurvature "smallest curvature")

            law "a step that is not positive and finite is refused" (fun () ->
                for alpha in [ 0.0; -1.0; nan; infinity ] do
                    let message =
                        try
                            NeumannSolver<'V, 'S>(alpha, KrylovLaws.budget 1) |> ignore
                            "accepted"
                        with :? ArgumentException as e ->
                            e.Message

                    message
                    |> should haveSubstring $"the step of a Neumann series must be positive and finite, not {alpha}")
        ]
