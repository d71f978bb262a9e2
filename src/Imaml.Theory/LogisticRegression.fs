// Logistic regression: L(φ) = mean of log(1 + e^zᵢ) − yᵢzᵢ with zᵢ = xᵢᵀφ and yᵢ ∈ {0, 1}. Convex, with every constant of Theorem 1.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra

[<RequireQualifiedAccess>]
module LogisticRegression =

    let private sigmoid z =
        if z >= 0.0 then
            1.0 / (1.0 + exp -z)
        else
            exp z / (1.0 + exp z)

    let private softplus z = max z 0.0 + Math.Log(1.0 + exp -(abs z))

    /// The mean logistic loss of the n rows of X with labels y ∈ {0, 1}.
    ///
    /// The constants, with σ the sigmoid and Λ the largest eigenvalue of XᵀX/n:
    /// ∇L = Xᵀ(σ(z) − y)/n, so ‖∇L‖ ≤ mean ‖xᵢ‖, since |σ − y| ≤ 1;
    /// ∇²L = Xᵀdiag(σ′)X/n with 0 &lt; σ′ ≤ 1/4, so its eigenvalues are in [0, Λ/4];
    /// |σ″| ≤ 1/(6√3), attained at σ = ½ ± 1/√12, and |zᵢ − zᵢ′| ≤ ‖xᵢ‖‖φ − φ′‖, so ρ ≤ max ‖xᵢ‖ Λ/(6√3);
    /// |σ‴| = σ′|1 − 6σ′| ≤ 1/8, so the third derivative's constant is at most max ‖xᵢ‖² Λ/8.
    let loss (x: Matrix<float>) (y: Vector<float>) : SmoothLoss =
        if x.RowCount <> y.Count then
            invalidArg (nameof y) $"X has {x.RowCount} rows, y has {y.Count} labels"

        if y.Exists(fun label -> label <> 0.0 && label <> 1.0) then
            invalidArg (nameof y) "labels must be 0 or 1"

        let n = float x.RowCount
        let lengths = Array.init x.RowCount (fun i -> (x.Row i).L2Norm())
        let longest = Array.max lengths
        let gram = x.TransposeThisAndMultiply x / n
        let struct (_, top) = Spectrum.ends ((gram + gram.Transpose()) / 2.0)

        {
            Value =
                fun phi ->
                    let z = x * phi
                    (z.Map softplus - z.PointwiseMultiply y).Sum() / n
            Gradient = fun phi -> x.TransposeThisAndMultiply((x * phi).Map sigmoid - y) / n
            Hessian =
                fun phi ->
                    let weights = (x * phi).Map(fun z -> sigmoid z * sigmoid -z / n)
                    let h = x.TransposeThisAndMultiply(Matrix<float>.Build.DiagonalOfDiagonalVector weights * x)
                    (h + h.Transpose()) / 2.0
            SmallestCurvature = 0.0
            LargestCurvature = top / 4.0
            HessianLipschitz = longest * top / (6.0 * sqrt 3.0)
            ThirdDerivativeLipschitz = longest * longest * top / 8.0
            GradientBound = Array.average lengths
        }

    /// The losses on a support and on a query set of a random task: labels drawn from the logistic model of random weights.
    let random (random: Random) support query d =
        let weights = 2.0 * Spectrum.gaussian random d

        let examples n =
            let x = Spectrum.gaussianMatrix random n d / sqrt (float d)
            loss x ((x * weights).Map((fun z -> if random.NextDouble() < sigmoid z then 1.0 else 0.0), Zeros.Include))

        struct (examples support, examples query)
