// The linear regression of Fig. 2(a): L(φ) = ‖Xφ − y‖²/(2n), a quadratic with A = XᵀX/n, b = −Xᵀy/n, c = ‖y‖²/(2n).

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra

[<RequireQualifiedAccess>]
module LinearRegression =

    /// ‖Xφ − y‖²/(2n) for the n rows of X.
    let loss (x: Matrix<float>) (y: Vector<float>) : SmoothLoss =
        if x.RowCount <> y.Count then
            invalidArg (nameof y) $"X has {x.RowCount} rows, y has {y.Count} numbers"

        let n = float x.RowCount
        let gram = x.TransposeThisAndMultiply x / n

        let quadratic =
            Quadratic.loss ((gram + gram.Transpose()) / 2.0) (-(x.TransposeThisAndMultiply y) / n) 0.0

        { quadratic with
            Value = fun phi -> (x * phi - y).DotProduct(x * phi - y) / (2.0 * n)
            // XᵀX ⪰ 0, whatever rounding says of its smallest eigenvalue.
            SmallestCurvature = max 0.0 quadratic.SmallestCurvature
        }

    /// The losses on a support and on a query set of a random task: y = Xw + noise, inputs with standard deviations from 1 down to 1/√κ.
    let random random support query d (condition: float) =
        let weights = Spectrum.gaussian random d
        let scales = Spectrum.spread random d (1.0 / sqrt condition) 1.0

        let examples n =
            let x = Spectrum.gaussianMatrix random n d * Matrix<float>.Build.DenseOfDiagonalArray scales
            loss x (x * weights + 0.1 * Spectrum.gaussian random n)

        struct (examples support, examples query)
