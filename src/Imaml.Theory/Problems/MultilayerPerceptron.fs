// A small network as a loss of its parameters φ: layers [in, hidden…, out], an activation on the hidden layers, linear outputs.
//
//     a₀ = X,   zₗ = aₗ₋₁Wₗᵀ + 1bₗᵀ,   aₗ = f(zₗ),   φ = layer after layer: Wₗ row by row, then bₗ
//
// The gradient is back-propagation, the Hessian–vector product its derivative along w (Pearlmutter 1994, the R-operator): exact, about two
// gradients each. Not convex, and no constant of Theorem 1 is known.
//
// Many rows are taken in blocks: matrices of all of them would not fit the processor's caches, and making them would cost more than the arithmetic.

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

    // The numbers of a matrix, column by column: its own memory where it is dense, which no one may write to.
    let private columns (a: Matrix<float>) : float[] =
        match a.AsColumnMajorArray() with
        | null -> a.ToColumnMajorArray()
        | own -> own

    // The rows of a tall a times the small matrix b(k, j), `inner` × `outer`: MathNet's product copies a, which takes longer than the arithmetic.
    // The terms are added in the same order as there.
    let private multiplied (a: Matrix<float>) inner outer (b: int -> int -> float) : float[] =
        let rows = a.RowCount
        let numbers = columns a
        let result: float[] = Array.zeroCreate (rows * outer)

        for j in 0 .. outer - 1 do
            for k in 0 .. inner - 1 do
                let factor = b k j
                let source, target = k * rows, j * rows

                for i in 0 .. rows - 1 do
                    result[target + i] <- result[target + i] + numbers[source + i] * factor

        result

    // aW
    let private times (a: Matrix<float>) (w: Matrix<float>) =
        Matrix<float>.Build.Dense(a.RowCount, w.ColumnCount, multiplied a w.RowCount w.ColumnCount (fun k j -> w[k, j]))

    // aWᵀ
    let private timesTransposed (a: Matrix<float>) (w: Matrix<float>) =
        Matrix<float>.Build.Dense(a.RowCount, w.RowCount, multiplied a w.ColumnCount w.RowCount (fun k j -> w[j, k]))

    // aWᵀ + 1bᵀ
    let private affine (a: Matrix<float>) (layer: Weights) =
        let z = timesTransposed a layer.W
        let numbers = columns z

        for i in 0 .. numbers.Length - 1 do
            numbers[i] <- numbers[i] + layer.B[i / z.RowCount]

        z

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

    [<Literal>]
    let private MostRows = 1024

    // The mean loss of one block of rows, whose targets are a matrix of the outputs' shape.
    let private ofBlock
        (layers: int[])
        (activation: Activation)
        (output: OutputLoss)
        (x: Matrix<float>)
        (targets: Matrix<float>)
        : SmoothLoss =
        let last = layers.Length - 2
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
                e[l - 1] <- (times e[l] parts[l].W).PointwiseMultiply(z[l - 1].Map(Activation.slope activation))

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
            let back = Array.init z.Length (fun l -> if l = 0 then e[0] else times e[l] parts[l].W)
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
                    rz[l] <- affine a[l] v[l] + timesTransposed ra[l] parts[l].W

                let re = Array.zeroCreate<Matrix<float>> z.Length
                re[last] <- outputCurvature rz[last]

                for l in last .. -1 .. 1 do
                    re[l - 1] <-
                        (times re[l] parts[l].W + times e[l] v[l].W).PointwiseMultiply slopes[l - 1]
                        + back[l].PointwiseMultiply(curvatures[l - 1].PointwiseMultiply rz[l - 1])

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

    // Σ wᵢLᵢ: the mean of all rows, where wᵢ is a block's share of them.
    let private weighted (parts: struct (float * SmoothLoss)[]) : SmoothLoss =
        let struct (_, first) = parts[0]

        let sum scale add (of': SmoothLoss -> 'T) =
            parts |> Array.map (fun struct (share, part) -> scale share (of' part)) |> Array.reduce add

        let vectors (of': SmoothLoss -> Vector<float>) = sum (fun share (v: Vector<float>) -> share * v) (+) of'

        let hessianProduct phi =
            let products = parts |> Array.map (fun struct (share, part) -> struct (share, part.HessianProduct phi))
            fun w -> products |> Array.map (fun struct (share, product) -> share * product w) |> Array.reduce (+)

        { first with
            Value = fun phi -> sum (*) (+) (fun part -> part.Value phi)
            Gradient = fun phi -> vectors (fun part -> part.Gradient phi)
            HessianProduct = hessianProduct
            Hessian = fun phi -> hessianOf first.Dimension (hessianProduct phi)
        }

    /// The mean loss of the network on the rows of X with targets y (see OutputLoss.targets).
    let loss (layers: int[]) (activation: Activation) (output: OutputLoss) (x: Matrix<float>) (y: Matrix<float>) : SmoothLoss =
        check layers x y
        // The caller's numbers may change; the blocks of X are copies.
        let layers, y = Array.copy layers, y.Clone()
        let targets = OutputLoss.targets output layers[layers.Length - 1] y
        let rows = x.RowCount
        let blocks = (rows + MostRows - 1) / MostRows
        let start i = int (int64 rows * int64 i / int64 blocks)

        let parts =
            Array.init blocks (fun i ->
                let from, count = start i, start (i + 1) - start i
                let block (m: Matrix<float>) = m.SubMatrix(from, count, 0, m.ColumnCount)
                struct (float count / float rows, ofBlock layers activation output (block x) (block targets)))

        match parts with
        | [| struct (_, all) |] -> all
        | _ -> weighted parts
