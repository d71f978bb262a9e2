/// Small networks as losses: derivatives against differences, and against the losses in closed form that the smallest networks are.
module Imaml.Math.Tests.PerceptronTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private activations = [ Activation.Tanh; Activation.Relu; Activation.Softplus; Activation.Identity ]

let private outputs = [ OutputLoss.CrossEntropy; OutputLoss.MeanSquaredError ]

let private network (random: Random) activation output =
    let widths = [| random.Next(1, 5); random.Next(1, 6); random.Next(1, 5); random.Next(2, 4) |]

    let layers =
        if random.Next 3 = 0 then
            [| widths[0]; widths[3] |]
        else
            widths

    let n = random.Next(1, 12)
    let x = Spectrum.gaussianMatrix random n layers[0]

    let y =
        match output with
        | OutputLoss.CrossEntropy -> Matrix<float>.Build.Dense(n, 1, fun _ _ -> float (random.Next widths[3]))
        | OutputLoss.MeanSquaredError -> Spectrum.gaussianMatrix random n widths[3]

    MultilayerPerceptron.loss layers activation output x y

let private each (draw: Draw) body =
    for activation in activations do
        for output in outputs do
            let random = Random draw.Seed
            body random (network random activation output) $"{activation}, {output}"

let private property name body = Subject.property Subjects.euclidean 30 name body

/// A central difference of f at 0 with step h and h/2: where the leading term h²f‴/6 rules, the second errs by a third of their difference.
/// `size` is that of the terms of f, each of some fifty roundings.
let private difference (f: float -> Vector<float>) (size: float) =
    let h = 2.0 ** -13.0
    let central h = (f h - f -h) / (2.0 * h)
    let fine = central (h / 2.0)
    struct (fine, (central h - fine).L2Norm() + 50.0 * 2.0 ** -53.0 * size / (h / 2.0))

let private one (value: float) = Vector<float>.Build.Dense(1, value)

let private derivatives =
    testList
        "Derivatives"
        [
            property "the gradient is the derivative of the value" (fun draw ->
                each draw (fun random loss name ->
                    let phi, w = Spectrum.gaussian random loss.Dimension, Spectrum.direction random loss.Dimension
                    let size = loss.Value phi + (loss.Gradient phi).L2Norm() * phi.L2Norm() + 1.0
                    let struct (measured, tolerance) = difference (fun h -> one (loss.Value(phi + h * w))) size
                    Check.near tolerance measured[0] ((loss.Gradient phi).DotProduct w) name))

            property "the Hessian's product is the derivative of the gradient" (fun draw ->
                each draw (fun random loss name ->
                    let phi, w = Spectrum.gaussian random loss.Dimension, Spectrum.direction random loss.Dimension
                    let size = (loss.Gradient phi).L2Norm() + (loss.Hessian phi).FrobeniusNorm() * phi.L2Norm() + 1.0
                    let struct (measured, tolerance) = difference (fun h -> loss.Gradient(phi + h * w)) size
                    Check.atMost tolerance ((loss.HessianProduct phi w - measured).L2Norm()) name))

            property "the Hessian is symmetric, and the matrix of the products" (fun draw ->
                each draw (fun random loss name ->
                    let phi = Spectrum.gaussian random loss.Dimension
                    let product = loss.HessianProduct phi
                    let v, w = Spectrum.gaussian random loss.Dimension, Spectrum.gaussian random loss.Dimension
                    let size = (loss.Hessian phi).FrobeniusNorm() + (loss.Gradient phi).L2Norm() + 1.0
                    // Four matrix products of up to a dozen terms each way, of numbers about 1 that may cancel.
                    let tolerance = 200.0 * 2.0 ** -53.0 * size * v.L2Norm() * w.L2Norm()
                    Check.near tolerance (v.DotProduct(product w)) (w.DotProduct(product v)) $"{name}: symmetry"
                    (loss.Hessian phi).IsSymmetric() |> should equal true
                    Check.atMost tolerance ((loss.Hessian phi * w - product w).L2Norm() * v.L2Norm()) $"{name}: dense"))

            testCase "activations have the derivatives that they claim" (fun () ->
                for activation in activations do
                    for z in [ -3.0; -0.7; 0.4; 2.5 ] do
                        let struct (slope, tolerance) = difference (fun h -> one (Activation.value activation (z + h))) 5.0
                        Check.near tolerance slope[0] (Activation.slope activation z) $"{activation}′({z})"
                        let struct (curvature, tolerance) = difference (fun h -> one (Activation.slope activation (z + h))) 5.0
                        Check.near tolerance curvature[0] (Activation.curvature activation z) $"{activation}″({z})")
        ]

// [X 1], the inputs of a layer with a bias.
let private withOnes (x: Matrix<float>) = x.Append(Matrix<float>.Build.Dense(x.RowCount, 1, 1.0))

let private near (expected: float) actual what = Check.near (1e-13 * (1.0 + abs expected)) expected actual what

let private alike (expected: Vector<float>) (actual: Vector<float>) what =
    Check.atMost (1e-13 * (1.0 + expected.L2Norm())) ((expected - actual).L2Norm()) what

let private closedForms =
    testList
        "Closed forms"
        [
            property "one layer under mean squared error is twice least squares" (fun draw ->
                let random = Random draw.Seed
                let n, d = random.Next(1, 20), random.Next(1, 8)
                let x, y = Spectrum.gaussianMatrix random n d, Spectrum.gaussian random n
                let squares = LinearRegression.loss (withOnes x) y

                for activation in activations do
                    // The activation is of hidden layers only: none here.
                    let loss =
                        MultilayerPerceptron.loss [| d; 1 |] activation OutputLoss.MeanSquaredError x (y.ToColumnMatrix())

                    let phi, w = Spectrum.gaussian random (d + 1), Spectrum.gaussian random (d + 1)
                    near (2.0 * squares.Value phi) (loss.Value phi) "value"
                    alike (2.0 * squares.Gradient phi) (loss.Gradient phi) "gradient"
                    alike (2.0 * squares.HessianProduct phi w) (loss.HessianProduct phi w) "product"
                    alike (2.0 * squares.Hessian phi * w) (loss.Hessian phi * w) "Hessian")

            property "several outputs under mean squared error are averaged" (fun draw ->
                let random = Random draw.Seed
                let n, d = random.Next(1, 20), random.Next(1, 8)
                let x, y = Spectrum.gaussianMatrix random n d, Spectrum.gaussianMatrix random n 2
                let loss = MultilayerPerceptron.loss [| d; 2 |] Activation.Tanh OutputLoss.MeanSquaredError x y
                let phi = Spectrum.gaussian random (2 * d + 2)

                let single output =
                    let part =
                        Vector<float>.Build.Dense(d + 1, fun j -> if j < d then phi[output * d + j] else phi[2 * d + output])

                    2.0 * (LinearRegression.loss (withOnes x) (y.Column output)).Value part

                near ((single 0 + single 1) / 2.0) (loss.Value phi) "value")

            property "one layer of two classes is logistic regression of the difference of its outputs" (fun draw ->
                let random = Random draw.Seed
                let n, d = random.Next(1, 20), random.Next(1, 8)
                let x = Spectrum.gaussianMatrix random n d
                let y = Vector<float>.Build.Dense(n, fun _ -> float (random.Next 2))
                let logistic = LogisticRegression.loss (withOnes x) y

                let loss =
                    MultilayerPerceptron.loss [| d; 2 |] Activation.Relu OutputLoss.CrossEntropy x (y.ToColumnMatrix())

                let phi, w = Spectrum.gaussian random (2 * d + 2), Spectrum.gaussian random (2 * d + 2)

                // (W₁ − W₀, b₁ − b₀), and its adjoint.
                let contrast (phi: Vector<float>) =
                    Vector<float>
                        .Build.Dense(
                            d + 1,
                            fun j ->
                                if j < d then
                                    phi[d + j] - phi[j]
                                else
                                    phi[2 * d + 1] - phi[2 * d]
                        )

                let spread (g: Vector<float>) =
                    Vector<float>
                        .Build.Dense(
                            2 * d + 2,
                            fun j ->
                                if j < d then -g[j]
                                elif j < 2 * d then g[j - d]
                                elif j = 2 * d then -g[d]
                                else g[d]
                        )

                near (logistic.Value(contrast phi)) (loss.Value phi) "value"
                alike (spread (logistic.Gradient(contrast phi))) (loss.Gradient phi) "gradient"
                alike (spread (logistic.HessianProduct (contrast phi) (contrast w))) (loss.HessianProduct phi w) "product")

            testCase "the loss of many rows, and its derivatives, are the means of those of single rows" (fun () ->
                let random = Random 5
                let layers = [| 2; 3; 2 |]
                let n = 2_100
                let x = Spectrum.gaussianMatrix random n 2
                let phi, w = Spectrum.gaussian random 17, Spectrum.gaussian random 17

                for output in outputs do
                    let y =
                        match output with
                        | OutputLoss.CrossEntropy -> Matrix<float>.Build.Dense(n, 1, fun _ _ -> float (random.Next 2))
                        | OutputLoss.MeanSquaredError -> Spectrum.gaussianMatrix random n 2

                    let row (m: Matrix<float>) i = m.SubMatrix(i, 1, 0, m.ColumnCount)
                    let all = MultilayerPerceptron.loss layers Activation.Tanh output x y

                    let single =
                        Array.init n (fun i -> MultilayerPerceptron.loss layers Activation.Tanh output (row x i) (row y i))
                    // 2100 terms of either sign round by less than 10⁻¹² of their mean size, which is about 1.
                    near (single |> Array.averageBy (fun one -> one.Value phi)) (all.Value phi) $"{output}: L"

                    let mean (of': SmoothLoss -> Vector<float>) = (single |> Array.map of' |> Array.reduce (+)) / float n

                    alike (mean (fun one -> one.Gradient phi)) (all.Gradient phi) $"{output}: ∇L"
                    alike (mean (fun one -> one.HessianProduct phi w)) (all.HessianProduct phi w) $"{output}: ∇²L·w"
                    let dense = all.Hessian phi
                    alike (all.HessianProduct phi w) (dense * w) $"{output}: ∇²L")

            testCase "parameters are layer after layer, weights by output and then biases" (fun () ->
                let x = Matrix<float>.Build.DenseOfRowArrays [| [| 1.0; 1.0 |] |]

                let loss =
                    MultilayerPerceptron.loss [| 2; 2; 1 |] Activation.Relu OutputLoss.MeanSquaredError x (Matrix<float>.Build.Dense(1, 1))

                // z = (1 + 2 + ½, 3 + 4 − 1) = (3.5, 6), output 3.5 − 2·6 + ¼ = −8.25.
                let phi = Vector<float>.Build.DenseOfArray [| 1.0; 2.0; 3.0; 4.0; 0.5; -1.0; 1.0; -2.0; 0.25 |]
                loss.Value phi |> should equal (8.25 * 8.25)
                loss.Dimension |> should equal 9
                MultilayerPerceptron.parameterCount [| 3; 5; 4; 2 |] |> should equal (15 + 5 + 20 + 4 + 8 + 2))

            testCase "rows with a single 1 are the same labels" (fun () ->
                let random = Random 4
                let x = Spectrum.gaussianMatrix random 4 2
                let labels = [| 2; 0; 1; 2 |]
                let of' y = MultilayerPerceptron.loss [| 2; 3; 3 |] Activation.Tanh OutputLoss.CrossEntropy x y
                let indices = of' (Matrix<float>.Build.Dense(4, 1, fun i _ -> float labels[i]))
                let rows = of' (Matrix<float>.Build.Dense(4, 3, fun i j -> if labels[i] = j then 1.0 else 0.0))
                let phi = Spectrum.gaussian random indices.Dimension
                indices.Gradient phi |> should equal (rows.Gradient phi))

            testCase "outputs far apart overflow nothing" (fun () ->
                let x = Matrix<float>.Build.Dense(1, 1, 1.0)

                let loss =
                    MultilayerPerceptron.loss [| 1; 2 |] Activation.Tanh OutputLoss.CrossEntropy x (Matrix<float>.Build.Dense(1, 1))

                let phi = Vector<float>.Build.DenseOfArray [| -1000.0; 1000.0; 0.0; 0.0 |]
                loss.Value phi |> should equal 2000.0
                loss.Gradient phi |> should equal (Vector<float>.Build.DenseOfArray [| -1.0; 1.0; -1.0; 1.0 |])
                (loss.HessianProduct phi phi).L2Norm() |> should equal 0.0)

            testCase "no constant is known of a network" (fun () ->
                let loss = network (Random 1) Activation.Tanh OutputLoss.CrossEntropy
                loss.Kind |> should equal BoundKind.None
                loss.SmallestCurvature |> should equal -infinity
                loss.LargestCurvature |> should equal infinity
                loss.GradientRounding.At 0.0 |> should equal infinity)

            testCase "shapes, layers and labels that do not fit are refused" (fun () ->
                let x = Matrix<float>.Build.Dense(2, 3, 1.0)
                let column values = (Vector<float>.Build.DenseOfArray values).ToColumnMatrix()

                let refused layers output (y: Matrix<float>) =
                    (fun () -> MultilayerPerceptron.loss layers Activation.Tanh output x y |> ignore)
                    |> should throw typeof<ArgumentException>

                refused [| 3 |] OutputLoss.MeanSquaredError (column [| 0.0; 0.0 |])
                refused [| 3; 0; 1 |] OutputLoss.MeanSquaredError (column [| 0.0; 0.0 |])
                refused [| 2; 1 |] OutputLoss.MeanSquaredError (column [| 0.0; 0.0 |])
                refused [| 3; 1 |] OutputLoss.MeanSquaredError (column [| 0.0; 0.0; 0.0 |])
                refused [| 3; 2 |] OutputLoss.MeanSquaredError (column [| 0.0; 0.0 |])
                refused [| 3; 1 |] OutputLoss.MeanSquaredError (column [| 0.0; nan |])
                refused [| 3; 1 |] OutputLoss.CrossEntropy (column [| 0.0; 0.0 |])
                refused [| 3; 2 |] OutputLoss.CrossEntropy (column [| 0.0; 2.0 |])
                refused [| 3; 2 |] OutputLoss.CrossEntropy (column [| 0.0; 0.5 |])
                refused [| 3; 2 |] OutputLoss.CrossEntropy (column [| 0.0; -1.0 |])
                refused [| 3; 2 |] OutputLoss.CrossEntropy (Matrix<float>.Build.Dense(2, 2, 1.0))
                refused [| 3; 2 |] OutputLoss.CrossEntropy (Matrix<float>.Build.Dense(2, 3))

                let loss =
                    MultilayerPerceptron.loss [| 3; 1 |] Activation.Tanh OutputLoss.MeanSquaredError x (column [| 0.0; 0.0 |])

                (fun () -> loss.Gradient(Vector<float>.Build.Dense 3) |> ignore)
                |> should throw typeof<ArgumentException>)
        ]

[<Tests>]
let tests = testList "Theory" [ testList "Networks" [ derivatives; closedForms ] ]
