/// Losses of weighted examples: derivatives by differences, and constants that are attained.
module Imaml.Math.Tests.ExampleLossTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Testing
open Imaml.Theory

let private vector (numbers: float seq) = Vector<float>.Build.DenseOfEnumerable numbers

let private links = [ Link.Squares; Link.Logistic; Link.Softmax 2; Link.Softmax 4 ]

let private random link seed =
    let random = Random seed
    let n, p = random.Next(1, 9), random.Next(1, 5)
    let x = Spectrum.gaussianMatrix random n p
    let labels = ExampleLoss.outputs link |> max 2

    let y =
        match link with
        | Link.Squares -> Spectrum.gaussian random n
        | _ -> vector (Seq.init n (fun _ -> float (random.Next labels)))

    let weights = vector (Seq.init n (fun _ -> random.NextDouble()))
    let loss = ExampleLoss.weighted link weights x y
    struct (random, loss, x, y, weights, Spectrum.gaussian random loss.Dimension)

/// One example of length a, at 0.
let private one link (a: float) = ExampleLoss.weighted link (vector [ 1.0 ]) (Matrix<float>.Build.Dense(1, 1, a)) (vector [ 0.0 ])

let private largest (loss: SmoothLoss) phi =
    let struct (_, most) = Spectrum.ends (loss.Hessian phi)
    most

[<Tests>]
let tests =
    testList
        "Losses of examples"
        [
            for link in links do
                testCase $"{link}: the gradient is the difference quotient of the value, the product that of the gradient" (fun () ->
                    for seed in 1..20 do
                        let struct (random, loss, _, _, _, phi) = random link seed
                        let w = Spectrum.direction random phi.Count
                        let h = 1e-4
                        let value = (loss.Value(phi + h * w) - loss.Value(phi - h * w)) / (2.0 * h)
                        // h²/6 of a third derivative of at most ρ, and 10⁻¹⁶ of values of size 10 over h.
                        let c = loss.HessianLipschitz + loss.ThirdDerivativeLipschitz + 1.0
                        abs (value - w.DotProduct(loss.Gradient phi)) |> should be (lessThan (h * h * c + 1e-10 / h))
                        let gradient = (loss.Gradient(phi + h * w) - loss.Gradient(phi - h * w)) / (2.0 * h)
                        (gradient - loss.HessianProduct phi w).L2Norm() |> should be (lessThan (h * h * c + 1e-10))

                        (loss.Hessian phi * w - loss.HessianProduct phi w).L2Norm()
                        |> should be (lessThan (1e-13 * (1.0 + loss.LargestCurvature))))

                testCase $"{link}: weights scale the examples" (fun () ->
                    let struct (_, loss, x, y, weights, phi) = random link 7

                    let alone i =
                        ExampleLoss.weighted link (vector [ 1.0 ]) (x.SubMatrix(i, 1, 0, x.ColumnCount)) (y.SubVector(i, 1))

                    let mean f =
                        Seq.init y.Count (fun i -> weights[i] * (f (alone i): float))
                        |> Seq.sum
                        |> fun sum -> sum / float y.Count

                    loss.Value phi
                    |> should (equalWithin (1e-13 * (1.0 + abs (loss.Value phi)))) (mean (fun one -> one.Value phi)))

                testCase $"{link}: every Hessian is within the constants, ∇ within its bound" (fun () ->
                    for seed in 1..50 do
                        let struct (random, loss, _, _, _, phi) = random link seed
                        let phi = 3.0 * phi
                        let struct (smallest, most) = Spectrum.ends (loss.Hessian phi)
                        let room = 1e-13 * (1.0 + loss.LargestCurvature)
                        smallest |> should be (greaterThanOrEqualTo (loss.SmallestCurvature - room))
                        most |> should be (lessThanOrEqualTo (loss.LargestCurvature + room))
                        (loss.Gradient phi).L2Norm() |> should be (lessThanOrEqualTo (loss.GradientBound + room))
                        let other = phi + 0.3 * Spectrum.direction random phi.Count
                        let change = Spectrum.norm (loss.Hessian phi - loss.Hessian other)
                        change |> should be (lessThanOrEqualTo (0.3 * loss.HessianLipschitz + room)))

            testCase "softmax of two classes is the logistic loss of their difference, and one class has no loss" (fun () ->
                let struct (_, _, x, _, weights, _) = random (Link.Softmax 2) 3
                let y = vector (Seq.init x.RowCount (fun i -> float (i % 2)))
                let two = ExampleLoss.weighted (Link.Softmax 2) weights x y
                let logistic = ExampleLoss.weighted Link.Logistic weights x y
                let phi = Spectrum.gaussian (Random 5) (2 * x.ColumnCount)
                let difference = phi.SubVector(x.ColumnCount, x.ColumnCount) - phi.SubVector(0, x.ColumnCount)
                two.Value phi |> should (equalWithin 1e-13) (logistic.Value difference)
                (fun () -> SoftmaxRegression.loss 1 x y |> ignore) |> should throw typeof<ArgumentException>
                (fun () -> SoftmaxRegression.loss 2 x (y + 0.5) |> ignore) |> should throw typeof<ArgumentException>)

            testCase "weights of 1 and logistic: the values and constants of logistic regression" (fun () ->
                let struct (_, _, x, y, _, phi) = random Link.Logistic 11

                let a, b =
                    LogisticRegression.loss x y, ExampleLoss.weighted Link.Logistic (Vector<float>.Build.Dense(y.Count, 1.0)) x y

                b.Value phi |> should (equalWithin 1e-14) (a.Value phi)
                b.LargestCurvature |> should (equalWithin (1e-12 * a.LargestCurvature)) a.LargestCurvature
                b.HessianLipschitz |> should (equalWithin (1e-12 * a.HessianLipschitz)) a.HessianLipschitz)

            testCase
                "softmax: the curvature ½a² is attained at p = (½, ½), the Hessian's Lipschitz constant √2a³/(3√3) at σ = ½ ± 1/√12"
                (fun () ->
                    let a = 1.7
                    let loss = one (Link.Softmax 2) a
                    largest loss (vector [ 0.0; 0.0 ]) / loss.LargestCurvature |> should (equalWithin 1e-9) 1.0
                    let sigma = 0.5 + 1.0 / sqrt 12.0
                    let z = log (sigma / (1.0 - sigma)) / a
                    // Along (1, −1)/√2 the logits' difference moves by √2a a unit.
                    let at t = vector [ z / 2.0 + t / sqrt 2.0; -z / 2.0 - t / sqrt 2.0 ]
                    let h = 1e-4
                    let slope = Spectrum.norm (loss.Hessian(at h) - loss.Hessian(at -h)) / (2.0 * h)
                    // Less by h² of the fifth derivative.
                    slope / loss.HessianLipschitz |> should (equalWithin 1e-6) 1.0)

            testCase "softmax: far logits neither overflow nor lose the loss" (fun () ->
                let loss = one (Link.Softmax 3) 1.0
                let phi = vector [ -800.0; 800.0; 0.0 ]
                loss.Value phi |> should (equalWithin 1e-9) 1600.0
                loss.Gradient phi |> should equal (vector [ -1.0; 1.0; 0.0 ]))
        ]
