// Logistic regression: L(φ) = mean of log(1 + e^zᵢ) − yᵢzᵢ with zᵢ = xᵢᵀφ and yᵢ ∈ {0, 1}. Convex, with every constant of Theorem 1.
//
// The constants, with σ the sigmoid and Λ the largest eigenvalue of XᵀX/n:
// ∇L = Xᵀ(σ(z) − y)/n, so ‖∇L‖ ≤ mean ‖xᵢ‖, since |σ − y| ≤ 1;
// ∇²L = Xᵀdiag(σ′)X/n with 0 < σ′ ≤ 1/4, so its eigenvalues are in [0, Λ/4];
// |σ″| ≤ 1/(6√3), attained at σ = ½ ± 1/√12, and |zᵢ − zᵢ′| ≤ ‖xᵢ‖‖φ − φ′‖, so ρ ≤ max ‖xᵢ‖ Λ/(6√3);
// |σ‴| = σ′|1 − 6σ′| ≤ 1/8, so the third derivative's constant is at most max ‖xᵢ‖² Λ/8.
//
// Rounding, with ẑ as computed, |ẑ − z| ≤ γ_d|X||φ|, and σ to a relative γ₆:
// r = σ − y errs by at most ¼γ_d|X||φ| + γ₇, |r| ≤ 1, and Xᵀr/n by γ_{n+2} of |X|ᵀ|r| more, together at most
// ¼γ_{n+d+2}|X|ᵀ|X||φ|/n + γ_{n+9}|X|ᵀ1/n;
// σ′ errs by at most γ₁₃σ′ at ẑ and γ_d|X||φ|/(6√3) for ẑ, s = Xw by γ_d|X||w|, so the product Xᵀ(σ′s)/n by at most
// ¼γ_{n+d+16}|X|ᵀ|X||w|/n + (1 + γ_{n+d+16})γ_d max ‖xᵢ‖‖φ‖ |X|ᵀ|X||w|/(6√3 n).

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module LogisticRegression =

    // At least 1/(6√3).
    let private thirdDerivative = Rounding.above 3 (1.0 / (6.0 * sqrt 3.0))

    /// The mean logistic loss of the n rows of X with labels y ∈ {0, 1}.
    let loss (x: Matrix<float>) (y: Vector<float>) : SmoothLoss =
        Examples.check x y

        if y.Exists(fun label -> label <> 0.0 && label <> 1.0) then
            invalidArg (nameof y) "labels must be 0 or 1"

        // The caller's numbers may change.
        let x, y = x.Clone(), y.Clone()
        let n = float x.RowCount
        let d = x.ColumnCount
        let lengths = Array.init x.RowCount (fun i -> Rounding.norm (x.Row i))
        let longest = Array.max lengths
        let struct (_, top) = Eigenvalues.gramEnclosure x
        let entries = Rounding.absoluteNorm x
        let square = entries *^ entries /^ n
        let above = Rounding.above (x.RowCount + 8)
        let slope (z: Vector<float>) = z.Map(fun z -> LogisticFunction.sigmoid z * LogisticFunction.sigmoid -z)

        {
            Dimension = d
            Value =
                fun phi ->
                    let z = x * phi
                    (z.Map LogisticFunction.softplus - z.PointwiseMultiply y).Sum() / n
            Gradient = fun phi -> x.TransposeThisAndMultiply((x * phi).Map LogisticFunction.sigmoid - y) / n
            HessianProduct =
                fun phi ->
                    let weights = slope (x * phi)
                    fun w -> x.TransposeThisAndMultiply(weights.PointwiseMultiply(x * w)) / n
            Hessian =
                fun phi ->
                    let weights = slope (x * phi) / n
                    let h = x.TransposeThisAndMultiply(Matrix<float>.Build.DiagonalOfDiagonalVector weights * x)
                    (h + h.Transpose()) / 2.0
            Constants =
                Proved.constants
                    0.0
                    (top /^ 4.0)
                    (longest *^ top *^ thirdDerivative)
                    (above (Array.average lengths))
                    {
                        Constant = above (Rounding.gamma (x.RowCount + 9) *^ Rounding.norm (x.ColumnAbsoluteSums()) /^ n)
                        Slope = above (Rounding.gamma (x.RowCount + d + 2) *^ square /^ 4.0)
                    }
                    {
                        Constant = above (Rounding.gamma (x.RowCount + d + 16) *^ square /^ 4.0)
                        Slope =
                            let forZ = (1.0 + Rounding.gamma (x.RowCount + d + 16)) *^ Rounding.gamma d *^ longest
                            above (forZ *^ thirdDerivative *^ square)
                    }
            ThirdDerivativeLipschitz = longest *^ longest *^ top /^ 8.0
        }

    /// The losses on a support and on a query set of a random task: labels drawn from the logistic model of random weights.
    let random (random: Random) support query d =
        let weights = 2.0 * Spectrum.gaussian random d

        let label z =
            if random.NextDouble() < LogisticFunction.sigmoid z then
                1.0
            else
                0.0

        let examples n =
            let x = Spectrum.gaussianMatrix random n d / sqrt (float d)
            loss x ((x * weights).Map(label, Zeros.Include))

        struct (examples support, examples query)
