// A loss of a linear model's outputs, each example with a weight in [0, 1] that is known to a relative γ₆, as a sigmoid is:
//
//     L(W) = (1/n) Σ wᵢ ℓᵢ(zᵢ),   zᵢ = Wᵀaᵢ ∈ ℝᴺ,     φ = (W₁, …, W_N), column after column of W [p × N]
//     ∇L = Aᵀdiag(w)R/n,   rᵢ = ∇ℓᵢ(zᵢ);     ∇²L[V] = Aᵀdiag(w)T/n,   tᵢ = ∇²ℓᵢ(zᵢ) Vᵀaᵢ
//
// The constants, with 0 ⪯ ∇²ℓ ⪯ c₂I, ∇²ℓ c₃-Lipschitz, ‖r‖ ≤ b, and top the largest eigenvalue of Aᵀdiag(w)A/n: 0 ⪯ ∇²L ⪯ c₂·top,
// ρ ≤ c₃·max‖aᵢ‖·top, ‖∇L‖ ≤ b·mean wᵢ‖aᵢ‖.
//
//     squares       ½(z − y)²                c₂ = 1    c₃ = 0          b = ∞
//     logistic      log(1 + eᶻ) − yz         c₂ = ¼    c₃ = 1/(6√3)    b = 1
//     softmax       log Σ eᶻ − z_y           c₂ = ½    c₃ = √2/(3√3)   b = √2
//
// Softmax: ∇²ℓ = diag(p) − ppᵀ is the covariance of one draw of p, and the third derivative along h the third central moment of h_j, j ~ p, whose range
// is at most √2‖h‖: a variable of range R has variance at most R²/4 and third moment at most R³/(6√3).
//
// Rounding, 6 more for the weights, e = ‖|A|‖: zᵢ errs by γ_p|aᵢ||W|, so rᵢ by c₂ of that and by what the link rounds, E in all; the product Aᵀ(…) by γ_{n+3}e‖R‖ more, and diag(w)
// and 1/n are in it. A softmax as computed, eʲ = exp(zⱼ − max) over their sum, errs by at most γ_{3N+10} in the sum of its entries: exp of a rounded
// difference −D by the relative uD, of which e^{−D}D ≤ 1/e is left. diag(p) − ppᵀ errs by three times that, its product with t by 2γ_{N+3}‖t‖.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// How a linear model's output is compared with its target.
[<RequireQualifiedAccess>]
type Link =
    /// ½(z − y)², y a number.
    | Squares
    /// log(1 + eᶻ) − yz, y 0 or 1.
    | Logistic
    /// log Σ eᶻ − z_y, y a class from 0 to classes − 1.
    | Softmax of classes: int

[<RequireQualifiedAccess>]
module ExampleLoss =

    /// N, the outputs of the linear model.
    let outputs link =
        match link with
        | Link.Squares
        | Link.Logistic -> 1
        | Link.Softmax classes -> classes

    /// c₂, at least.
    let internal curvature link =
        match link with
        | Link.Squares -> 1.0
        | Link.Logistic -> 0.25
        | Link.Softmax _ -> 0.5

    let private third link =
        match link with
        | Link.Squares -> 0.0
        | Link.Logistic -> Rounding.above 3 (1.0 / (6.0 * sqrt 3.0))
        | Link.Softmax _ -> Rounding.above 5 (sqrt 2.0 / (3.0 * sqrt 3.0))

    // What computing rᵢ from zᵢ rounds, apart from the size of rᵢ of squares, which is in the sums' counts.
    let internal linkRounding link =
        match link with
        | Link.Squares -> 0.0
        | Link.Logistic -> Rounding.gamma 8
        | Link.Softmax classes -> Rounding.gamma (3 * classes + 12)

    let private softmax (z: Vector<float>) =
        let powers = (z - z.Maximum()).PointwiseExp()
        powers / powers.Sum()

    let private value link (z: Vector<float>) (y: float) =
        match link with
        | Link.Squares -> 0.5 * (z[0] - y) * (z[0] - y)
        | Link.Logistic -> LogisticFunction.softplus z[0] - y * z[0]
        | Link.Softmax _ ->
            let most = z.Maximum()
            most - z[int y] + log ((z - most).PointwiseExp().Sum())

    let private residual link (z: Vector<float>) (y: float) =
        match link with
        | Link.Squares -> z - y
        | Link.Logistic -> z.Map(fun z -> LogisticFunction.sigmoid z - y)
        | Link.Softmax _ ->
            let p = softmax z
            p[int y] <- p[int y] - 1.0
            p

    // z ↦ t ↦ ∇²ℓ t
    let private second link (z: Vector<float>) : Vector<float> -> Vector<float> =
        match link with
        | Link.Squares -> id
        | Link.Logistic ->
            let slope = LogisticFunction.sigmoid z[0] * LogisticFunction.sigmoid -z[0]
            fun t -> slope * t
        | Link.Softmax _ ->
            let p = softmax z
            fun t -> p.PointwiseMultiply(t - p.DotProduct t)

    let private check link (weights: Vector<float>) (a: Matrix<float>) (y: Vector<float>) =
        Examples.check a y

        if weights.Count <> y.Count then
            invalidArg (nameof weights) $"{weights.Count} weights for {y.Count} examples"

        if weights.Exists(fun w -> not (w >= 0.0 && w <= 1.0)) then
            invalidArg (nameof weights) "a weight must be from 0 to 1"

        match link with
        | Link.Squares -> ()
        | Link.Logistic ->
            if y.Exists(fun label -> label <> 0.0 && label <> 1.0) then
                invalidArg (nameof y) "labels must be 0 or 1"
        | Link.Softmax classes ->
            if classes < 2 then
                invalidArg (nameof link) $"softmax regression needs at least 2 classes, not {classes}"

            if y.Exists(fun label -> not (label >= 0.0 && label < float classes && label = Math.Floor label)) then
                invalidArg (nameof y) $"a class must be a whole number from 0 to {classes - 1}"

    /// W [p × N] of φ.
    let internal unflatten link (p: int) (phi: Vector<float>) = Matrix<float>.Build.DenseOfColumnMajor(p, outputs link, phi.ToArray())

    /// R [n × N]: rᵢ = ∇ℓᵢ(Wᵀaᵢ) of every example.
    let internal residuals link (a: Matrix<float>) (y: Vector<float>) (phi: Vector<float>) =
        let z = a * unflatten link a.ColumnCount phi
        Matrix<float>.Build.DenseOfRowVectors [ for i, row in z.EnumerateRowsIndexed() -> residual link row y[i] ]

    /// (1/n) Σ wᵢℓᵢ over the n rows of A.
    /// Errors: weights outside of [0, 1]; labels that are not the link's; numbers of other counts.
    let weighted link (weights: Vector<float>) (a: Matrix<float>) (y: Vector<float>) : SmoothLoss =
        check link weights a y
        // The caller's numbers may change.
        let a, y, weights = a.Clone(), y.Clone(), weights.Clone()
        let struct (rows, p, outs) = struct (a.RowCount, a.ColumnCount, outputs link)
        let n = float rows
        let lengths = Array.init rows (fun i -> Rounding.norm (a.Row i))
        let longest = Array.max lengths

        let scaled =
            Matrix<float>.Build.DenseOfRowVectors [ for i, row in a.EnumerateRowsIndexed() -> sqrt weights[i] * row ]

        let entries = Rounding.absoluteNorm a

        let struct (smallest, top) =
            let struct (least, most) = Eigenvalues.gramEnclosure scaled
            // Two roundings of each row, and the weights'.
            let room = Rounding.above 6 (Rounding.gamma 12 *^ entries *^ entries /^ n)
            struct (max 0.0 (Rounding.sumBelow least -room), Rounding.sumAbove most room)

        let c2, c3 = curvature link, third link
        // Aᵀdiag(w)M/n
        let weigh (m: Matrix<float>) = a.TransposeThisAndMultiply(m.MapIndexed(fun i _ number -> weights[i] * number)) / n
        let flat (m: Matrix<float>) = Vector<float>.Build.DenseOfArray(m.ToColumnMajorArray())

        let outputsAt (phi: Vector<float>) = a * unflatten link p phi

        // ‖R‖ ≤ reach + slope‖W‖
        let struct (reach, slope) =
            match link with
            | Link.Squares -> struct (Rounding.norm y, entries)
            | Link.Logistic -> struct (sqrt n, 0.0)
            | Link.Softmax _ -> struct (Rounding.above 2 (sqrt 2.0 * sqrt n), 0.0)

        let gradientBound =
            match link with
            | Link.Squares -> infinity
            | Link.Logistic
            | Link.Softmax _ ->
                let each = if link = Link.Logistic then 1.0 else sqrt 2.0
                Rounding.above (rows + 14) (each *^ (Array.map2 ( *^ ) lengths (weights.ToArray()) |> Array.average))

        let above = Rounding.above (rows + 12)
        let sums = Rounding.gamma (rows + 11)
        let square = entries *^ entries /^ n
        let curvatureRounding = 3.0 * linkRounding link + 2.0 * Rounding.gamma (outs + 3)

        {
            Dimension = p * outs
            Value =
                fun phi ->
                    let z = outputsAt phi
                    Seq.sum [ for i in 0 .. rows - 1 -> weights[i] * value link (z.Row i) y[i] ] / n
            Gradient = fun phi -> residuals link a y phi |> weigh |> flat
            HessianProduct =
                fun phi ->
                    let z = outputsAt phi
                    let seconds = Array.init rows (fun i -> second link (z.Row i))

                    fun w ->
                        let t = outputsAt w

                        Matrix<float>.Build.DenseOfRowVectors [ for i in 0 .. rows - 1 -> seconds[i](t.Row i) ]
                        |> weigh
                        |> flat
            Hessian =
                fun phi ->
                    let z = outputsAt phi
                    let unit j = Vector<float>.Build.Dense(outs, fun k -> if j = k then 1.0 else 0.0)
                    let seconds = Array.init rows (fun i -> second link (z.Row i))

                    let block j k =
                        let curvings = seconds |> Array.map (fun second -> (second (unit k)).At j)
                        a.TransposeThisAndMultiply(a.MapIndexed(fun i _ value -> weights[i] * curvings[i] * value / n))

                    let h = Matrix<float>.Build.DenseOfMatrixArray(Array2D.init outs outs block)

                    (h + h.Transpose()) / 2.0
            Constants =
                Proved.constants
                    (if link = Link.Squares then smallest else 0.0)
                    (c2 *^ top)
                    (longest *^ top *^ c3)
                    gradientBound
                    {
                        Constant = above (entries /^ n *^ (sums *^ reach +^ (1.0 + sums) * linkRounding link * sqrt n))
                        Slope = above (entries /^ n *^ (sums *^ slope +^ (1.0 + sums) * c2 * Rounding.gamma (p + 1) *^ entries))
                    }
                    {
                        Constant = above (square *^ (Rounding.gamma (rows + p + 12) + (1.0 + sums) * curvatureRounding))
                        Slope = above ((1.0 + sums) * c3 * Rounding.gamma (p + 1) *^ longest *^ square)
                    }
            ThirdDerivativeLipschitz =
                match link with
                | Link.Squares -> 0.0
                | Link.Logistic -> longest *^ longest *^ top /^ 8.0
                // The fourth cumulant of a range of √2: at most R⁴/12 and 3R⁴/16.
                | Link.Softmax _ -> longest *^ longest *^ top *^ 0.75
        }
