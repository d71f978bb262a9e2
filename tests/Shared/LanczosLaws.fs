// What Lanczos's method must do on every space, against dense eigenvalues: `LanczosLaws.laws subject`.
//
// Tolerances. A product errs by dε‖A‖, and so does each of the j steps that make a vector orthogonal; k of them add up to 10kdε‖A‖ with ten
// for the constants. ‖A‖ is 1 where nothing else is said.
module Imaml.Testing.LanczosLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory

let private vector (row: float[]) = Vector<float>.Build.DenseOfArray row

let private run (subject: Subject<'V, 'S>) steps matrices (start: float[][]) =
    Lanczos.run subject.Space steps (LinearOperator.Of(KrylovLaws.operator subject matrices)) (subject.OfRows start)

let private spectra subject steps matrices start = run subject steps matrices start |> Lanczos.read subject.Space

/// Symmetric, of norm 1 where d ≥ 2, with eigenvalues of both signs that are 1/d apart at least.
let private indefinite (random: Random) d =
    Array.init d (fun i -> -0.75 + (1.75 * float i + 0.25 * random.NextDouble()) / float d)
    |> Array.mapi (fun i value -> if i = d - 1 && d > 1 then 1.0 else value)
    |> Spectrum.symmetric random

let private systems (subject: Subject<'V, 'S>) (draw: Draw) =
    let random = Random draw.Seed
    struct (random, Array.init subject.Tasks (fun _ -> indefinite random draw.Size), Subject.rows subject random draw.Size)

let private eigenvalues (a: Matrix<float>) =
    let system = Eigensystem.Of a
    (system.Scale * system.ScaledValues).ToArray()

let private nearest (values: float[]) (value: float) = values |> Array.map (fun other -> abs (other - value)) |> Array.min

let private statements (subject: Subject<'V, 'S>) =
    let property name body = Subject.property subject 20 name body
    let rounding steps d = 10.0 * float (steps * (d + 6)) * subject.Epsilon

    [
        Subject.law subject "one and two steps by hand: A = diag(1, −1), start (2, 1)" (fun () ->
            let matrices = Array.create subject.Tasks (Matrix<float>.Build.DenseOfDiagonalArray [| 1.0; -1.0 |])
            let start = Subject.alike subject [| 2.0; 1.0 |]
            // q = (2, 1)/√5: α = 3/5, and Aq − αq = (4, −8)/(5√5) has length 4/5.
            for s in spectra subject 1 matrices start do
                Check.scalars (rounding 1 2) [| 0.6 |] s.Values "d"
                Check.scalars (rounding 1 2) [| 0.8 |] s.Residuals "|βs|"
                s.Invariant |> should equal false

            for s in spectra subject 2 matrices start do
                Check.scalars (rounding 2 2) [| -1.0; 1.0 |] s.Values "d"
                Check.scalars (rounding 2 2) [| 0.0; 0.0 |] s.Residuals "|βs|"
                s.Invariant |> should equal true)

        property "within its residual of every Ritz value lies an eigenvalue" (fun draw ->
            let struct (_, matrices, start) = systems subject draw

            for k in 1 .. draw.Size do
                let found = spectra subject k matrices start

                for task in 0 .. subject.Tasks - 1 do
                    let values = eigenvalues matrices[task]

                    (found[task].Values, found[task].Residuals)
                    ||> Array.iter2 (fun value residual ->
                        Check.atMost
                            (residual + rounding k draw.Size)
                            (nearest values value)
                            $"the nearest eigenvalue, {k} steps, task {task}"))

        property "Ritz values lie inside the spectrum, and interlace: no more of them are below a number than eigenvalues" (fun draw ->
            let struct (random, matrices, start) = systems subject draw

            for k in 1 .. draw.Size do
                let found = spectra subject k matrices start

                for task in 0 .. subject.Tasks - 1 do
                    let values = eigenvalues matrices[task]
                    let bound = rounding k draw.Size
                    Check.atMost (found[task].Smallest + bound) (Array.min values) "λ_min"
                    Check.atMost (Array.max values + bound) found[task].Largest "max d"
                    let number = 2.0 * random.NextDouble() - 1.0
                    let below = values |> Array.filter (fun value -> value < number + bound) |> Array.length
                    found[task].CountBelow number |> should be (lessThanOrEqualTo below)
                    let negative = values |> Array.filter (fun value -> value < 0.0) |> Array.length
                    found[task].NegativeAtLeast |> should be (lessThanOrEqualTo negative))

        property "d steps find every eigenvalue of a spectrum without multiples" (fun draw ->
            let struct (_, matrices, start) = systems subject draw
            let found = spectra subject draw.Size matrices start

            for task in 0 .. subject.Tasks - 1 do
                let values = eigenvalues matrices[task]
                Check.scalars (rounding draw.Size draw.Size) values found[task].Values $"eigenvalues, task {task}"

                found[task].NegativeAtLeast
                |> should equal (values |> Array.filter (fun value -> value < 0.0) |> Array.length))

        property "no step is made beyond the whole space" (fun draw ->
            let struct (_, matrices, start) = systems subject draw
            let found = spectra subject (draw.Size + 4) matrices start

            for task in 0 .. subject.Tasks - 1 do
                found[task].Steps |> should equal draw.Size
                found[task].Invariant |> should equal true
                Check.scalars (rounding draw.Size draw.Size) (eigenvalues matrices[task]) found[task].Values $"eigenvalues, task {task}")

        property "a Ritz vector has length 1, curvature d and residual |βs|" (fun draw ->
            let struct (random, matrices, start) = systems subject draw
            let k = 1 + random.Next draw.Size
            let report = run subject k matrices start
            let found = Lanczos.read subject.Space report
            let bound = rounding k draw.Size

            for j in 0 .. k - 1 do
                let rows =
                    subject.ToRows(Lanczos.vector subject.Space report (found |> Array.map (fun s -> s.Vectors[j])))

                for task in 0 .. subject.Tasks - 1 do
                    let y = vector rows[task]
                    let s = found[task]
                    Check.near bound 1.0 (y.L2Norm()) "‖y‖"
                    Check.near bound s.Values[j] (y.DotProduct(matrices[task] * y)) "⟨y, Ay⟩"
                    Check.near bound s.Residuals[j] ((matrices[task] * y - s.Values[j] * y).L2Norm()) "‖Ay − dy‖")

        Subject.law subject "the basis stays orthonormal where eigenvalues converge early, and shows no eigenvalue twice" (fun () ->
            // The recurrence alone loses orthogonality once the ends have converged, and then finds them again.
            let random = Random 5
            let d = 60

            let values =
                Array.init d (fun i ->
                    if i = 0 then -1.0
                    elif i = 1 then 1.0
                    else 1e-3 * random.NextDouble())

            let matrices = Array.init subject.Tasks (fun _ -> Spectrum.symmetric random values)
            let k = 30
            let report = run subject k matrices (Subject.rows subject random d)
            let basis = report.Basis |> Array.map subject.ToRows

            for task in 0 .. subject.Tasks - 1 do
                let q = Matrix<float>.Build.DenseOfColumnVectors(basis |> Array.map (fun rows -> vector rows[task]))
                let gram = q.TransposeThisAndMultiply q - Matrix<float>.Build.DenseIdentity k
                // The vectors of the middle are 1000 times shorter before they are made orthogonal.
                Check.atMost (rounding k d) (gram.L2Norm()) $"‖QᵀQ − I‖, task {task}"

            for s in Lanczos.read subject.Space report do
                (s.Values |> Array.filter (fun value -> abs value > 0.5)).Length |> should equal 2)
    ]

let private ends (subject: Subject<'V, 'S>) =
    let law name body = Subject.law subject name body
    let all a = Array.create subject.Tasks a
    let alike = Subject.alike subject
    let diagonal (values: float list) = Matrix<float>.Build.DenseOfDiagonalArray(List.toArray values)

    [
        law "an eigenvector is an invariant space: one step, and its eigenvalue" (fun () ->
            for s in spectra subject 3 (all (diagonal [ 2.0; -3.0; 1.0 ])) (alike [| 0.0; 5.0; 0.0 |]) do
                (s.Steps, s.Invariant, s.NonFinite) |> should equal (1, true, false)
                s.Values |> should equal [| -3.0 |]
                s.Residuals |> should equal [| 0.0 |]
                s.NegativeAtLeast |> should equal 1)

        law "an eigenvalue 0 does not count as negative, whatever its rounding" (fun () ->
            for s in spectra subject 3 (all (diagonal [ 0.0; -3.0; 1.0 ])) (alike [| 1.0; 2.0; -3.0 |]) do
                Check.scalars (100.0 * 3.0 * subject.Epsilon) [| -3.0; 0.0; 1.0 |] s.Values "d"
                s.NegativeAtLeast |> should equal 1
                s.CountBelow 0.5 |> should equal 2)

        law "a multiple of the identity has one eigenvalue" (fun () ->
            for s in spectra subject 4 (all (diagonal [ 0.5; 0.5; 0.5; 0.5 ])) (alike [| 1.0; -2.0; 3.0; 0.25 |]) do
                s.Invariant |> should equal true

                for value in s.Values do
                    Check.near (200.0 * subject.Epsilon) 0.5 value "d")

        law "from 0 no step is made" (fun () ->
            for s in spectra subject 3 (all (diagonal [ 2.0; 1.0 ])) (alike [| 0.0; 0.0 |]) do
                (s.Steps, s.Values.Length, s.NonFinite, s.NegativeAtLeast) |> should equal (0, 0, false, 0)
                Double.IsNaN s.Smallest |> should equal true
                s.Missed(2, 0.01) |> should equal infinity)

        law "a start or a product that is not finite is reported, and the values are those of the steps before" (fun () ->
            for bad in [ nan; infinity; -infinity ] do
                for s in spectra subject 3 (all (diagonal [ 2.0; 1.0 ])) (alike [| bad; 1.0 |]) do
                    (s.Steps, s.NonFinite) |> should equal (0, true)

                let mutable products = 0

                let operator =
                    LinearOperator.Of(fun w ->
                        products <- products + 1
                        let rows = subject.ToRows(KrylovLaws.operator subject (all (diagonal [ 1.0; -1.0; 0.5 ])) w)
                        subject.OfRows(rows |> Array.map (fun row -> if products = 2 then [| bad; row[1]; row[2] |] else row)))

                let report = Lanczos.run subject.Space 3 operator (subject.OfRows(alike [| 2.0; 1.0; 0.0 |]))

                for s in Lanczos.read subject.Space report do
                    (s.Steps, s.NonFinite, s.Invariant) |> should equal (1, true, false)
                    Check.scalars (100.0 * subject.Epsilon) [| 0.6 |] s.Values "d"
                    Check.scalars (100.0 * subject.Epsilon) [| 0.8 |] s.Residuals "|βs|")

        Subject.property subject 10 "a batch finds for each task what it would find alone" (fun draw ->
            let struct (_, matrices, start) = systems subject draw
            let k = draw.Size + 2
            let together = spectra subject k matrices start
            let identity = Matrix<float>.Build.DenseIdentity draw.Size

            for task in 0 .. subject.Tasks - 1 do
                for struct (other, from) in
                    [
                        struct (Matrix<float>.Build.Dense(draw.Size, draw.Size, nan), Array.create draw.Size 1.0)
                        struct (identity, Array.zeroCreate draw.Size)
                        struct (identity, Array.create draw.Size infinity)
                        struct (identity, Array.create draw.Size 1.0)
                    ] do
                    let beside own others = Array.init subject.Tasks (fun i -> if i = task then own else others)
                    let alone = spectra subject k (beside matrices[task] other) (beside start[task] from)

                    Check.same
                        [| together[task].Values; together[task].Residuals |]
                        [| alone[task].Values; alone[task].Residuals |]
                        $"task {task}")

        law "fewer steps than one are refused" (fun () ->
            (fun () -> spectra subject 0 (all (diagonal [ 1.0 ])) (alike [| 1.0 |]) |> ignore)
            |> should throw typeof<ArgumentException>)
    ]

let laws (subject: Subject<'V, 'S>) = testList $"Lanczos, {subject.Name}" (statements subject @ ends subject)
