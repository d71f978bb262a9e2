// A small network as a loss of its parameters φ: layers [in, hidden…, out], an activation on the hidden layers, linear outputs.
//
//     a₀ = X,   zₗ = aₗ₋₁Wₗᵀ + 1bₗᵀ,   aₗ = f(zₗ),   φ = layer after layer: Wₗ row by row, then bₗ
//
// The gradient is back-propagation, the Hessian–vector product its derivative along w (Pearlmutter 1994, the R-operator): exact, about two
// gradients each. Not convex, and no constant of Theorem 1 is known.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module MultilayerPerceptron =

    /// What one layer has of φ, or of a direction.
    [<NoComparison; NoEquality>]
    type private Weights = { W: Matrix<float>; B: Vector<float> }

    /// The number of parameters: Σ out·in + out.
    let parameterCount (layers: int[]) = layers |> Array.pairwise |> Array.sumBy (fun (inputs, outputs) -> outputs * inputs + outputs)

    let private split (layers: int[]) (phi: Vector<float>) =
        if phi.Count <> parameterCount layers then
            invalidArg (nameof phi) $"the network has {parameterCount layers} parameters, not {phi.Count}"

        let numbers = phi.ToArray()
        let mutable start = 0

        [|
            for inputs, outputs in Array.pairwise layers do
                let count = outputs * inputs

                {
                    W = Matrix<float>.Build.DenseOfRowMajor(outputs, inputs, numbers[start .. start + count - 1])
                    B = Vector<float>.Build.DenseOfArray numbers[start + count .. start + count + outputs - 1]
                }

                start <- start + count + outputs
        |]

    let private join (parts: Weights[]) =
        Vector<float>.Build.DenseOfArray(parts |> Array.collect (fun part -> Array.append (part.W.ToRowMajorArray()) (part.B.ToArray())))

    // aWᵀ + 1bᵀ
    let private affine (a: Matrix<float>) (layer: Weights) =
        (a.TransposeAndMultiply layer.W).MapIndexed(fun _ j value -> value + layer.B[j])

    // The gradient by a layer whose input was a, from the derivative e by its z.
    let private byLayer (e: Matrix<float>) (a: Matrix<float>) =
        {
            W = e.TransposeThisAndMultiply a
            B = e.ColumnSums()
        }

    let private hessianOf dimension (product: Vector<float> -> Vector<float>) =
        let columns =
            [
                for j in 0 .. dimension - 1 -> product (Vector<float>.Build.Dense(dimension, fun i -> if i = j then 1.0 else 0.0))
            ]

        let h = Matrix<float>.Build.DenseOfColumnVectors columns
        (h + h.Transpose()) / 2.0

    let private check (layers: int[]) (x: Matrix<float>) (y: Matrix<float>) =
        if layers.Length < 2 || Array.exists (fun width -> width < 1) layers then
            invalidArg
                (nameof layers)
                $"the layers must be at least 2 widths of at least 1 ([in, hidden…, out]), not %A{List.ofArray layers}"

        if x.ColumnCount <> layers[0] then
            invalidArg (nameof x) $"X has {x.ColumnCount} columns, the network {layers[0]} inputs"

        Examples.check x (y.Column 0)

        if y.RowCount <> x.RowCount then
            invalidArg (nameof y) $"X has {x.RowCount} rows, y has {y.RowCount}"

    /// The mean loss of the network on the rows of X with targets y (see OutputLoss.targets).
    let loss (layers: int[]) (activation: Activation) (output: OutputLoss) (x: Matrix<float>) (y: Matrix<float>) : SmoothLoss =
        check layers x y
        // The caller's numbers may change.
        let layers, x, y = Array.copy layers, x.Clone(), y.Clone()
        let last = layers.Length - 2
        let targets = OutputLoss.targets output layers[layers.Length - 1] y
        let dimension = parameterCount layers

        // zₗ of every layer.
        let preactivations (parts: Weights[]) =
            let z = Array.zeroCreate<Matrix<float>> parts.Length
            z[0] <- affine x parts[0]

            for l in 1..last do
                z[l] <- affine (z[l - 1].Map(Activation.value activation)) parts[l]

            z

        // The input of every layer, a₀ … a_{last}.
        let inputs (z: Matrix<float>[]) =
            Array.init z.Length (fun l ->
                if l = 0 then
                    x
                else
                    z[l - 1].Map(Activation.value activation))

        // The derivatives by every zₗ, from the last to the first.
        let backward (parts: Weights[]) (z: Matrix<float>[]) =
            let e = Array.zeroCreate<Matrix<float>> z.Length
            e[last] <- OutputLoss.gradient output z[last] targets

            for l in last .. -1 .. 1 do
                e[l - 1] <- (e[l] * parts[l].W).PointwiseMultiply(z[l - 1].Map(Activation.slope activation))

            e

        let gradient phi =
            let parts = split layers phi
            let z = preactivations parts
            join (Array.map2 byLayer (backward parts z) (inputs z))

        let hessianProduct phi =
            let parts = split layers phi
            let z = preactivations parts
            let a = inputs z
            let e = backward parts z
            let slopes = z |> Array.map (fun z -> z.Map(Activation.slope activation))
            let curvatures = z |> Array.map (fun z -> z.Map(Activation.curvature activation))
            let outputCurvature = OutputLoss.curvature output z[last]

            fun (w: Vector<float>) ->
                let v = split layers w
                // Rzₗ and Raₗ₋₁; Ra₀ = 0, so that the first layer has no term in it.
                let rz = Array.zeroCreate<Matrix<float>> z.Length
                let ra = Array.zeroCreate<Matrix<float>> z.Length
                ra[0] <- Matrix<float>.Build.Dense(x.RowCount, x.ColumnCount)
                rz[0] <- affine x v[0]

                for l in 1..last do
                    ra[l] <- slopes[l - 1].PointwiseMultiply rz[l - 1]
                    rz[l] <- affine a[l] v[l] + ra[l].TransposeAndMultiply parts[l].W

                let re = Array.zeroCreate<Matrix<float>> z.Length
                re[last] <- outputCurvature rz[last]

                for l in last .. -1 .. 1 do
                    re[l - 1] <-
                        (re[l] * parts[l].W + e[l] * v[l].W).PointwiseMultiply slopes[l - 1]
                        + (e[l] * parts[l].W).PointwiseMultiply(curvatures[l - 1].PointwiseMultiply rz[l - 1])

                join
                    [|
                        for l in 0..last do
                            {
                                W = re[l].TransposeThisAndMultiply a[l] + e[l].TransposeThisAndMultiply ra[l]
                                B = re[l].ColumnSums()
                            }
                    |]

        {
            Dimension = dimension
            Value = fun phi -> OutputLoss.value output (Array.last (preactivations (split layers phi))) targets
            Gradient = gradient
            HessianProduct = hessianProduct
            Hessian = fun phi -> hessianOf dimension (hessianProduct phi)
            Constants = LossConstants.Unknown
            ThirdDerivativeLipschitz = infinity
        }
