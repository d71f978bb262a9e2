/// Conjugate gradients on MathNet vectors: the checks that need double precision, or no space at all.
module Imaml.Math.Tests.KrylovTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private space = EuclideanSpace()

let private solve options (a: Matrix<float>) b =
    let report = KrylovLaws.conjugateGradients space options (fun w -> a * w) b
    struct (report.Solution, (report.Read(space))[0])

/// The message of the ArgumentException that a body throws.
let private complaint body =
    try
        body ()
        failtest "nothing was thrown"
    with :? ArgumentException as e ->
        e.Message

[<Tests>]
let tests =
    testList
        "Krylov"
        [
            Subject.property Subjects.euclidean 60 "the solution agrees with the dense solve for κ up to 10⁶ and d up to 200" (fun draw ->
                let random = Random draw.Seed
                let d = random.Next(1, 201)
                let condition = draw.Condition ** 3.0
                let a = Spectrum.positiveDefinite random d condition
                let exact = Spectrum.gaussian random d
                // q = (√κ−1)/(√κ+1) ≈ 1 − 2/√κ: 20√κ steps leave 2e⁻⁴⁰, also where rounding has cost orthogonality.
                let steps = 20 + int (20.0 * sqrt condition)

                let struct (actual, s) =
                    solve
                        { KrylovLaws.budget steps with
                            RelativeResidual = 1e-16
                            CheckEvery = 10
                        }
                        a
                        (a * exact)

                s.Status |> should equal SolveStatus.Converged
                // The gap between the recurrence's residual and the true one is about √k‖A‖‖u‖ roundings of a d-term product.
                let bound = 10.0 * float (d + s.Steps) * condition * 2.0 ** -53.0
                Check.atMost bound ((actual - exact).L2Norm() / exact.L2Norm()) "relative error")

            testCase "a fixed budget of steps is spent, and its end is no convergence" (fun () ->
                let random = Random 11
                let a = Spectrum.positiveDefinite random 30 1e4
                let struct (_, s) = solve (KrylovLaws.budget 5) a (Spectrum.gaussian random 30)
                s.Status |> should equal SolveStatus.StepLimit
                s.Steps |> should equal 5
                s.RitzValues.Length |> should equal 5)

            testCase "the residual is ‖b − Au‖/‖b‖" (fun () ->
                let random = Random 12
                let a = Spectrum.positiveDefinite random 30 1e2
                let b = Spectrum.gaussian random 30
                let struct (u, s) = solve (KrylovLaws.budget 5) a b
                // 5 steps of d-term products at ‖A‖ = 1 and ‖u‖ ≤ κ‖b‖.
                Check.near (5.0 * 30.0 * 1e2 * 2.0 ** -52.0) ((b - a * u).L2Norm() / b.L2Norm()) s.RelativeResidual "residual"
                Check.near (30.0 * 2.0 ** -52.0 * b.L2Norm()) (b.L2Norm()) s.RightHandSideNorm "‖b‖")

            testCase "Ritz values do not depend on the length of b" (fun () ->
                let random = Random 13
                let a = Spectrum.positiveDefinite random 10 10.0
                let b = Spectrum.gaussian random 10
                let struct (_, first) = solve (KrylovLaws.budget 4) a b
                let struct (_, second) = solve (KrylovLaws.budget 4) a (1e-200 * b)
                // Four steps, each with its rounding amplified by κ = 10 at most.
                Check.scalars (10.0 * 1e4 * 2.0 ** -52.0) first.RitzValues second.RitzValues "Ritz values")

            testCase "an operator that is no longer symmetric is not mistaken for a task that is done" (fun () ->
                // Almost no curvature along b, and a product that is huge across it: the residual explodes.
                let a = Matrix<float>.Build.DenseOfRowArrays [| [| 1e-300; 0.0 |]; [| 1e10; 1.0 |] |]
                let struct (u, s) = solve (KrylovLaws.budget 20) a (Vector<float>.Build.DenseOfArray [| 1.0; 0.0 |])
                s.Status |> should equal SolveStatus.NonFinite
                u.ToArray() |> Array.forall Double.IsFinite |> should equal true)

            testCase "impossible options are refused with the number and the rule" (fun () ->
                let refused options =
                    complaint (fun () -> solve options (Matrix<float>.Build.DenseIdentity 2) (Vector<float>.Build.Dense(2, 1.0)) |> ignore)

                let fine = KrylovLaws.budget 1

                for steps in [ 0; -3 ] do
                    refused { fine with MaxSteps = steps }
                    |> should haveSubstring $"MaxSteps must be at least 1, not {steps}"

                for residual in [ -1e-3; 1.0; nan; infinity ] do
                    refused
                        { fine with
                            RelativeResidual = residual
                        }
                    |> should haveSubstring $"RelativeResidual must be in [0, 1), not {residual}"

                refused { fine with CheckEvery = -1 }
                |> should haveSubstring "CheckEvery must be at least 0, not -1")

            testCase "every status is explained, and a number that is none is refused" (fun () ->
                for status in Enum.GetValues<SolveStatus>() do
                    status.Describe() |> String.length |> should be (greaterThan 20)

                complaint (fun () -> (enum<SolveStatus> 99).Describe() |> ignore) |> should haveSubstring "99")

            testCase "the Ritz value of one step is the inverse of its step size" (fun () ->
                RitzValues.ofSteps [| struct (0.25, 0.0625) |] |> should equal [| 4.0 |]
                RitzValues.ofSteps [||] |> should be Empty)

            Subject.property Subjects.euclidean 30 "bisection finds the eigenvalues of a tridiagonal matrix" (fun draw ->
                let random = Random draw.Seed
                let n = random.Next(1, 40)
                let diagonal = (Spectrum.gaussian random n).ToArray()
                // Some couplings are zero: the matrix falls apart.
                let couplings = Array.init (n - 1) (fun i -> if i % 5 = 4 then 0.0 else random.NextDouble())

                let dense =
                    Matrix<float>
                        .Build.Dense(
                            n,
                            n,
                            (fun i j ->
                                if i = j then diagonal[i]
                                elif abs (i - j) = 1 then couplings[min i j]
                                else 0.0)
                        )

                let expected = (dense.Evd Symmetricity.Symmetric).EigenValues.Map(fun value -> value.Real).ToArray()
                // Both err by a few n roundings of the norm, which is below 6.
                Check.scalars
                    (10.0 * float n * 6.0 * 2.0 ** -53.0)
                    (Array.sort expected)
                    (Tridiagonal.eigenvalues diagonal couplings)
                    "eigenvalues")

            testCase "bisection ends on every matrix: equal, zero and infinite entries" (fun () ->
                Tridiagonal.eigenvalues [| 2.0; 2.0; 2.0 |] [| 0.0; 0.0 |] |> should equal [| 2.0; 2.0; 2.0 |]
                Tridiagonal.eigenvalues [| 0.0; 0.0 |] [| 0.0 |] |> should equal [| 0.0; 0.0 |]
                (Tridiagonal.eigenvalues [| nan; 1.0 |] [| infinity |]).Length |> should equal 2)

            testCase "a batch of no tasks is refused" (fun () ->
                complaint (fun () -> BatchedRowsSpace 0 |> ignore)
                |> should haveSubstring "the number of tasks must be at least 1, not 0")
        ]
