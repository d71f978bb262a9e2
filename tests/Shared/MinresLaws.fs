// What MINRES must do on every space, apart from the laws of all linear solvers: `MinresLaws.laws subject`.
module Imaml.Testing.MinresLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Imaml.Testing.LinearSolverLaws

let private solve subject options matrices b = LinearSolverLaws.solve subject (MinresSolver options) matrices b

/// Eigenvalues of both signs between 1/κ and 1 in size.
let private indefinite (random: Random) d (kappa: float) =
    Spectrum.symmetric
        random
        (Spectrum.spread random d (1.0 / kappa) 1.0
         |> Array.mapi (fun i value -> if i % 2 = 0 then -value else value))

let private residual (a: Matrix<float>) (b: float[]) (u: float[]) = (vector b - a * vector u).L2Norm()

/// The smallest ‖b − Au‖ over the span of b, Ab, … Aᵏ⁻¹b, by a dense least-squares problem in an orthonormal basis.
let private leastResidual (a: Matrix<float>) (b: float[]) k =
    let basis = ResizeArray [ (vector b).Normalize 2.0 ]

    while basis.Count < k do
        // Orthogonalised twice, which is enough.
        let project (w: Vector<float>) = Seq.fold (fun (w: Vector<float>) (v: Vector<float>) -> w - v.DotProduct w * v) w basis
        basis.Add((project (project (a * basis[basis.Count - 1]))).Normalize 2.0)

    let image = a * Matrix<float>.Build.DenseOfColumnVectors basis
    (vector b - image * image.QR().Solve(vector b)).L2Norm()

let laws (subject: Subject<'V, 'S>) =
    let law name body = Subject.law subject name body
    let property name body = Subject.property subject 20 name body
    let all a = Array.create subject.Tasks a
    let alike = Subject.alike subject

    testList
        $"MINRES, {subject.Name}"
        [
            law "one and two steps by hand: A = diag(1, −1), b = (2, 1)" (fun () ->
                let a = Matrix<float>.Build.DenseOfDiagonalArray [| 1.0; -1.0 |]
                let b = alike [| 2.0; 1.0 |]
                let struct (first, one) = solve subject (KrylovLaws.budget 1) (all a) b
                let struct (second, two) = solve subject (KrylovLaws.budget 2) (all a) b
                // u₁ = tb with t = ⟨Ab, b⟩/⟨Ab, Ab⟩ = 3/5, r₁ = (4/5, 8/5); u₂ = (2, −1).
                Check.rows (20.0 * subject.Epsilon) (alike [| 1.2; 0.6 |]) first "u₁"
                Check.rows (20.0 * subject.Epsilon) (alike [| 2.0; -1.0 |]) second "u₂"

                for s in one do
                    Check.near (20.0 * subject.Epsilon) 0.8 s.RelativeResidual "‖r₁‖/‖b‖"
                    // α₁ = ⟨b, Ab⟩/⟨b, b⟩
                    Check.near (20.0 * subject.Epsilon) 0.6 s.SmallestCurvature "α₁"

                for s in two do
                    Check.near (20.0 * subject.Epsilon) 0.0 s.RelativeResidual "‖r₂‖/‖b‖"
                    // The trace is 0, so α₂ = −α₁.
                    Check.near (20.0 * subject.Epsilon) -0.6 s.SmallestCurvature "α₂"
                    s.RitzValues |> should be Empty)

            property "an indefinite A is solved, and its negative curvature is seen" (fun draw ->
                let random = Random draw.Seed
                let kappa = sqrt draw.Condition
                let matrices = Array.init subject.Tasks (fun _ -> indefinite random draw.Size kappa)
                let b = Subject.rows subject random draw.Size
                // Two steps for each of CG's on A², whose condition number is κ² ≤ 100.
                let struct (actual, statistics) = solve subject enough matrices b
                let bound = 10.0 * float (3 * draw.Size) * kappa * kappa * subject.Epsilon
                Check.rows (bound + 1e-10) (exact matrices b) actual "A⁻¹b"

                for task in 0 .. subject.Tasks - 1 do
                    let s = statistics[task]
                    s.Status |> should equal SolveStatus.Converged
                    let struct (smallest, _) = Spectrum.ends matrices[task]
                    Check.atMost (s.SmallestCurvature + bound) smallest "λ_min against the smallest curvature"
                    // The αⱼ of d orthonormal vectors add up to the trace, so the smallest is at most its mean.
                    let mean = matrices[task].Trace() / float draw.Size

                    let quotient =
                        (vector b[task]).DotProduct(matrices[task] * vector b[task])
                        / (vector b[task]).DotProduct(vector b[task])

                    Check.atMost (quotient + bound) s.SmallestCurvature "the smallest curvature against ⟨b, Ab⟩/⟨b, b⟩"

                    if draw.Size <= 2 then
                        Check.atMost (mean + bound) s.SmallestCurvature "the smallest curvature against the mean eigenvalue")

            property "after k steps the residual is the smallest in the Krylov space, and the one reported" (fun draw ->
                let random = Random draw.Seed
                let kappa = sqrt draw.Condition
                let d = draw.Size + 2
                let matrices = Array.init subject.Tasks (fun _ -> indefinite random d kappa)
                let b = Subject.rows subject random d

                for k in 1 .. min 5 (d - 1) do
                    let struct (actual, statistics) = solve subject (KrylovLaws.budget k) matrices b

                    for task in 0 .. subject.Tasks - 1 do
                        // As for the solution, over k steps; ‖A‖ = 1.
                        let bound = 10.0 * float (k * d) * kappa * kappa * subject.Epsilon * euclid b[task]
                        let measured = residual matrices[task] b[task] actual[task]
                        Check.near bound (leastResidual matrices[task] b[task] k) measured $"‖r{k}‖, task {task}"
                        Check.near (bound / euclid b[task]) (measured / euclid b[task]) statistics[task].RelativeResidual "reported"
                        statistics[task].Steps |> should equal k)

            property "m steps solve a system with m distinct eigenvalues, of either sign" (fun draw ->
                let random = Random draw.Seed
                let distinct = min draw.Size 3

                let matrices =
                    Array.init subject.Tasks (fun _ ->
                        Spectrum.symmetric random (Array.init draw.Size (fun i -> [| 1.0; -2.0; 4.0 |][i % distinct])))

                let b = Subject.rows subject random draw.Size
                let struct (actual, _) = solve subject (KrylovLaws.budget distinct) matrices b
                // Each step may amplify the rounding of those before it by κ ≤ 4.
                Check.rows (10.0 * float distinct * 4.0 ** float (distinct + 1) * subject.Epsilon) (exact matrices b) actual "A⁻¹b")

            property "a singular A is solved where b is in its range, with u in the range too" (fun draw ->
                let random = Random draw.Seed
                let d = draw.Size + 1

                let values =
                    Array.init d (fun i ->
                        if i = 0 then 0.0
                        elif i % 2 = 0 then 1.0
                        else -0.5)

                let matrices = Array.init subject.Tasks (fun _ -> Spectrum.symmetric random values)
                let wanted = Subject.rows subject random d
                let image w = Array.map2 (fun (a: Matrix<float>) row -> (a * vector row).ToArray()) matrices w
                let b = image wanted

                let options =
                    { enough with
                        RelativeResidual = 1e4 * subject.Epsilon
                    }

                let struct (actual, statistics) = solve subject options matrices b

                for task in 0 .. subject.Tasks - 1 do
                    statistics[task].Status |> should equal SolveStatus.Converged
                    // On the range A² ⪰ 1/4, and for these eigenvalues 2A² − A = 1 there.
                    let a = matrices[task]
                    let minimal = ((2.0 * a * a - a) * vector wanted[task]).ToArray()
                    Check.atMost (4e4 * subject.Epsilon * (1.0 + euclid minimal)) (difference actual[task] minimal) $"A⁺b, task {task}")

            law "a singular A whose range b is not in is reported, with the smallest residual" (fun () ->
                let q = Spectrum.orthogonal (Random 9) 3
                let a = q * Matrix<float>.Build.DenseOfDiagonalArray [| 1.0; -0.5; 0.0 |] * q.Transpose()
                let b = (q * vector [| 2.0; 1.0; 2.0 |]).ToArray()
                let options = { enough with RelativeResidual = 1e-3 }
                let struct (actual, statistics) = solve subject options (all ((a + a.Transpose()) / 2.0)) (alike b)

                for task in 0 .. subject.Tasks - 1 do
                    let s = statistics[task]
                    s.Status |> should equal SolveStatus.Stagnated
                    // The part of length 2 out of 3 stays.
                    Check.near (1000.0 * subject.Epsilon) (2.0 / 3.0) s.RelativeResidual "residual"
                    actual[task] |> Array.forall Double.IsFinite |> should equal true)

            Subject.property
                subject
                1000
                "in up to fourteen dimensions a singular A leaves the smallest residual, and a u of no absurd length"
                (fun draw ->
                    let random = Random draw.Seed
                    let d = draw.Size + 2
                    // Distinct eigenvalues 0, 1/d … 1 of either sign: the Krylov space has d dimensions, and its last holds the null vector.
                    let values = Array.init d (fun i -> (if i % 2 = 0 then 1.0 else -1.0) * float i / float d)
                    let q = Spectrum.orthogonal random d
                    let a = q * Matrix<float>.Build.DenseOfDiagonalArray values * q.Transpose()
                    // A part of size 1 outside A's range, and one of size 1 along every other eigenvector.
                    let b = (q * Vector<float>.Build.Dense(d, 1.0)).ToArray()

                    let options =
                        { enough with
                            MaxSteps = 4 * d
                            CheckEvery = 1
                        }

                    let struct (actual, statistics) = solve subject options (all ((a + a.Transpose()) / 2.0)) (alike b)

                    for task in 0 .. subject.Tasks - 1 do
                        statistics[task].Status |> should equal SolveStatus.Stagnated
                        // A step may leave noise of a hundredth of the residual, and b rounds: ‖b‖ = √d.
                        let measured = residual a b actual[task]
                        Check.atMost (1.02 + 1000.0 * float d * subject.Epsilon) measured "residual")

            law "A = 0 is reported, and the answer is 0" (fun () ->
                let struct (actual, statistics) =
                    solve subject (KrylovLaws.budget 3) (all (Matrix<float>.Build.Dense(2, 2))) (alike [| 3.0; 4.0 |])

                Check.rows 0.0 (alike [| 0.0; 0.0 |]) actual "u"

                for s in statistics do
                    (s.Status, s.Steps) |> should equal (SolveStatus.Stagnated, 0)
                    Check.near (4.0 * subject.Epsilon) 1.0 s.RelativeResidual "residual")
        ]
