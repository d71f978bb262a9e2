/// Networks whose constants are proved on a ball: the constants against what is seen there, rounding against 256 binary digits.
module Imaml.Math.Tests.LocalPerceptronTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Math.Tests.PreciseNumbers
open Imaml.Testing
open Imaml.Theory

let private property name body = Subject.property Subjects.euclidean 20 name body

/// A network [in, hidden, 2] with its examples and labels, its centre and a radius from 0.01 to 1.
let private network (draw: Draw) =
    let random = Random draw.Seed
    let layers = [| random.Next(1, 4); random.Next(1, 5); 2 |]
    let centre = Spectrum.gaussian random (MultilayerPerceptron.parameterCount layers)
    let radius = 10.0 ** (-2.0 * random.NextDouble())
    let x = Spectrum.gaussianMatrix random (random.Next(1, 8)) layers[0]
    let labels = Matrix<float>.Build.Dense(x.RowCount, 1, fun _ _ -> float (random.Next 2))
    struct (layers, x, labels, centre, radius, LocalPerceptron.loss layers centre radius x labels)

/// A point of the ball, its border included but for rounding.
let private within (random: Random) (centre: Vector<float>) radius =
    centre
    + radius * (1.0 - 1e-12) * Math.Sqrt(random.NextDouble()) * Spectrum.direction random centre.Count

let private constants =
    testList
        "Constants"
        [
            property "curvatures lie between the constants in the ball, and the gradient within its bound" (fun draw ->
                let struct (_, _, _, centre, radius, loss) = network draw
                let random = Random(draw.Seed + 1)

                for _ in 1..20 do
                    let phi = within random centre radius
                    let struct (smallest, largest) = Spectrum.ends (loss.Hessian phi)
                    let rounding = 100.0 * Rounding.unit * loss.LargestCurvature
                    Check.atMost (smallest + rounding) loss.SmallestCurvature "the least curvature"
                    Check.atMost (loss.LargestCurvature + rounding) largest "the greatest curvature"
                    Check.atMost loss.GradientBound ((loss.Gradient phi).L2Norm()) "the gradient")

            property "the Hessian is ρ-Lipschitz in the ball, and its derivative τ-Lipschitz" (fun draw ->
                let struct (_, _, _, centre, radius, loss) = network draw
                let random = Random(draw.Seed + 1)

                for _ in 1..20 do
                    let phi, other = within random centre radius, within random centre radius
                    let distance = (phi - other).L2Norm()
                    let rounding = 100.0 * Rounding.unit * loss.LargestCurvature
                    let change = Spectrum.norm (loss.Hessian phi - loss.Hessian other)
                    Check.atMost (loss.HessianLipschitz * distance + rounding) change "‖H(φ) − H(φ′)‖"
                    let middle = loss.Hessian((phi + other) / 2.0)
                    let second = Spectrum.norm (loss.Hessian phi - 2.0 * middle + loss.Hessian other)
                    // h²τ for three points at distance h.
                    let bound = loss.ThirdDerivativeLipschitz * (distance / 2.0) ** 2.0
                    Check.atMost (bound + 4.0 * rounding) second "‖H(φ) − 2H + H(φ′)‖")

            testCase "on a small ball the dense eigenvalues are the constants" (fun () ->
                let layers = [| 2; 3; 2 |]
                let random = Random 3
                let centre = Spectrum.gaussian random 17
                let x = Spectrum.gaussianMatrix random 5 2
                let labels = Matrix<float>.Build.Dense(5, 1, fun i _ -> float (i % 2))
                let loss = LocalPerceptron.loss layers centre 1e-9 x labels
                let struct (smallest, largest) = Spectrum.ends (loss.Hessian centre)
                // ρR is below 10⁻⁶ here, rounding below 10⁻¹⁰.
                Check.near 1e-6 smallest loss.SmallestCurvature "the least curvature"
                Check.near 1e-6 (max largest -smallest) loss.LargestCurvature "the greatest curvature")

            testCase "beyond the ball nothing is a number" (fun () ->
                let struct (_, _, _, centre, radius, loss) = network { Seed = 5; Size = 1; Condition = 1.0 }

                let beyond = centre + 1.01 * radius * Spectrum.direction (Random 1) centre.Count
                loss.Value beyond |> should be NaN
                (loss.Gradient beyond).L2Norm() |> should be NaN
                (loss.HessianProduct beyond centre).L2Norm() |> should be NaN
                (loss.Hessian beyond)[0, 0] |> should be NaN
                loss.Value centre |> Double.IsFinite |> should equal true)

            testCase "a network's task is strongly convex where descent from θ goes" (fun () ->
                for seed in 1..50 do
                    for task in
                        [
                            Family.task Networks seed
                            Family.regularized Networks seed
                            Family.wide Networks seed
                        ] do
                        let c = BilevelTask.constants task
                        c.Kind |> should equal BoundKind.Certified
                        let solution = BilevelTask.exactSolution task task.Theta
                        Check.atMost (LocalPerceptron.radius / 8.0) ((solution - task.Theta).L2Norm()) "the distance to Alg*(θ)"
                        Check.atMost 1e-12 ((BilevelTask.innerGradient task task.Theta solution).L2Norm()) "‖∇G‖ there")
        ]

let private one = Precise.One
let private two = one + one

/// The gradient with 256 digits, layer after layer as MultilayerPerceptron orders it.
let private preciseGradient (layers: int[]) (x: Matrix<float>) (labels: Matrix<float>) (phi: Precise[]) =
    let inputs, hidden, outputs = layers[0], layers[1], layers[2]
    let weight1 i j = phi[i * inputs + j]
    let bias1 i = phi[hidden * inputs + i]
    let start = hidden * (inputs + 1)
    let weight2 k i = phi[start + k * hidden + i]
    let bias2 k = phi[start + outputs * hidden + k]
    let sum count term = Seq.init count term |> Seq.fold (+) Precise.Zero
    let n = precise (float x.RowCount)
    let gradient = Array.create phi.Length Precise.Zero

    for example in 0 .. x.RowCount - 1 do
        let input j = precise x[example, j]

        let a =
            Array.init hidden (fun i ->
                let e = exponential (two * (bias1 i + sum inputs (fun j -> weight1 i j * input j)))
                (e - one) / (e + one))

        let powers =
            Array.init outputs (fun k -> exponential (bias2 k + sum hidden (fun i -> weight2 k i * a[i])))

        let total = Array.fold (+) Precise.Zero powers

        let e =
            Array.init outputs (fun k -> (powers[k] / total - (if float k = labels[example, 0] then one else Precise.Zero)) / n)

        for k in 0 .. outputs - 1 do
            for i in 0 .. hidden - 1 do
                gradient[start + k * hidden + i] <- gradient[start + k * hidden + i] + e[k] * a[i]

            gradient[start + outputs * hidden + k] <- gradient[start + outputs * hidden + k] + e[k]

        for i in 0 .. hidden - 1 do
            let back = (one - a[i] * a[i]) * sum outputs (fun k -> weight2 k i * e[k])

            for j in 0 .. inputs - 1 do
                gradient[i * inputs + j] <- gradient[i * inputs + j] + back * input j

            gradient[hidden * inputs + i] <- gradient[hidden * inputs + i] + back

    gradient

let private rounding =
    testList
        "Rounding"
        [
            property "the gradient and the Hessian's product err by no more than they say" (fun draw ->
                let struct (layers, x, labels, centre, radius, loss) = network draw
                let random = Random(draw.Seed + 1)
                let phi = within random centre radius
                let w = Spectrum.direction random phi.Count
                let at h = Array.map2 (fun p w -> precise p + h * precise w) (phi.ToArray()) (w.ToArray())
                let gradient = preciseGradient layers x labels (at Precise.Zero)
                Check.atMost loss.GradientRounding.Constant (distance (loss.Gradient phi) gradient) "‖∇L̂ as computed − ∇L̂‖"
                // A difference with h = 2⁻⁸⁰ errs by hρ, some 10⁻²².
                let h = precise (2.0 ** -80.0)

                let product =
                    Array.map2 (fun there here -> (there - here) / h) (preciseGradient layers x labels (at h)) gradient

                Check.atMost loss.ProductRounding.Constant (distance (loss.HessianProduct phi w) product) "‖Hw as computed − Hw‖")
        ]

[<Tests>]
let tests = testList "Theory" [ testList "Networks on a ball" [ constants; rounding ] ]
