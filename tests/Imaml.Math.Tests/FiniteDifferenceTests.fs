/// Central differences, the check of the other derivatives: exact where they must be, and wrong by exactly what the formula says.
module Imaml.Math.Tests.FiniteDifferenceTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private space = EuclideanSpace()
let private coordinates = EuclideanCoordinates()
let private rounding = 2.0 ** -53.0

[<Tests>]
let tests =
    testList
        "Finite differences"
        [
            Subject.property Subjects.euclidean 50 "of a quadratic they are its gradient, but for rounding" (fun draw ->
                let random = Random draw.Seed
                let loss = Quadratic.random random draw.Size draw.Condition
                let x = Spectrum.gaussian random draw.Size
                let h = 1e-3
                let actual = FiniteDifferences.Gradient(space, coordinates, h, loss.Value, x)
                // Each value rounds by d terms of at most ‖x‖² and ‖b‖‖x‖; the difference divides two of them by 2h.
                let b = loss.Gradient(Vector<float>.Build.Dense draw.Size)
                let size = x.L2Norm() + h
                let terms = 4.0 * float (draw.Size + 2) * rounding * (size * size + b.L2Norm() * size)
                Check.atMost (sqrt (float draw.Size) * terms / h) ((actual - loss.Gradient x).L2Norm()) "error of the gradient")

            testCase "of x³ they err by h²: a sixth of the third derivative 6" (fun () ->
                for x in [ -2.0; 0.0; 0.5; 3.0 ] do
                    let at = Vector<float>.Build.Dense(1, x)
                    let cube (v: Vector<float>) = v[0] ** 3.0
                    let h = 0.125
                    let slope = FiniteDifferences.Gradient(space, coordinates, h, cube, at)[0]
                    Check.near 1e-12 (3.0 * x * x + h * h) slope $"slope at {x}")

            Subject.property Subjects.euclidean 50 "along a direction they are the gradient's part along it" (fun draw ->
                let random = Random draw.Seed
                let loss = Quadratic.random random draw.Size draw.Condition
                let x = Spectrum.gaussian random draw.Size
                let direction = Spectrum.direction random draw.Size
                let h = 1e-3
                let actual = FiniteDifferences.Directional(space, h, loss.Value, x, direction)
                let size = x.L2Norm() + h
                let b = loss.Gradient(Vector<float>.Build.Dense draw.Size)
                let terms = 4.0 * float (draw.Size + 2) * rounding * (size * size + b.L2Norm() * size)
                Check.near (terms / h) ((loss.Gradient x).DotProduct direction) actual "slope")

            testCase "a batch differentiates every task's own function" (fun () ->
                let batch = BatchedRowsSpace 2
                let x = Matrix<float>.Build.DenseOfRowArrays([| 1.0; 2.0 |], [| 3.0; 4.0 |])
                // f(x) = x₁x₂ in the first task, x₁ + 10x₂ in the second.
                let f (x: Matrix<float>) = [| x[0, 0] * x[0, 1]; x[1, 0] + 10.0 * x[1, 1] |]

                let expected = Matrix<float>.Build.DenseOfRowArrays([| 2.0; 1.0 |], [| 1.0; 10.0 |])

                let actual = FiniteDifferences.Gradient(batch, BatchedRowsCoordinates(), 0.125, f, x)
                Check.atMost 1e-12 ((actual - expected).FrobeniusNorm()) "error")

            testCase "a step that is not positive and finite is refused" (fun () ->
                for step in [ 0.0; -1e-3; nan; infinity ] do
                    let message =
                        try
                            let x = Vector<float>.Build.Dense 1
                            FiniteDifferences.Directional(space, step, (fun v -> v[0]), x, x) |> ignore
                            "accepted"
                        with :? ArgumentException as e ->
                            e.Message

                    message
                    |> should haveSubstring $"the step of a finite difference must be positive and finite, not {step}")
        ]
