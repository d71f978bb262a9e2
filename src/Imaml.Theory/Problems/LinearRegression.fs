// The linear regression of Fig. 2(a): L(φ) = ‖Xφ − y‖²/(2n), a quadratic with Hessian XᵀX/n.
//
// Rounding: r = Xφ − y as computed errs by at most γ_{d+1}|X||φ| + u|y|, and Xᵀr/n by γ_{n+2} of |X|ᵀ|r| more, together at most
// γ_{n+d+3}(|X|ᵀ|X||φ| + |X|ᵀ|y|)/n; without y the same of the product.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module LinearRegression =

    /// ‖Xφ − y‖²/(2n) for the n rows of X.
    let loss (x: Matrix<float>) (y: Vector<float>) : SmoothLoss =
        Examples.check x y
        // The caller's numbers may change.
        let x, y = x.Clone(), y.Clone()
        let n = float x.RowCount
        let struct (smallest, largest) = Eigenvalues.gramEnclosure x

        let gram =
            lazy
                (let product = x.TransposeThisAndMultiply x / n
                 (product + product.Transpose()) / 2.0)

        let entries = Rounding.absoluteNorm x
        let targets = Rounding.norm ((x.Map abs).TransposeThisAndMultiply(y.Map abs))
        let rounding size = Rounding.above (x.RowCount + 8) (Rounding.gamma (x.RowCount + x.ColumnCount + 3) *^ size /^ n)

        {
            Dimension = x.ColumnCount
            Value =
                fun phi ->
                    let r = x * phi - y
                    r.DotProduct r / (2.0 * n)
            Gradient = fun phi -> x.TransposeThisAndMultiply(x * phi - y) / n
            HessianProduct = fun _ w -> x.TransposeThisAndMultiply(x * w) / n
            Hessian = fun _ -> gram.Value.Clone()
            Constants =
                Proved.constants
                    smallest
                    largest
                    0.0
                    infinity
                    {
                        Constant = rounding targets
                        Slope = rounding (entries *^ entries)
                    }
                    {
                        Constant = rounding (entries *^ entries)
                        Slope = 0.0
                    }
            ThirdDerivativeLipschitz = 0.0
        }

    /// The losses on a support and on a query set of a random task: y = Xw + noise, inputs with standard deviations from 1 down to 1/√κ.
    let random random support query d (condition: float) =
        let weights = Spectrum.gaussian random d
        let scales = Spectrum.spread random d (1.0 / sqrt condition) 1.0

        let examples n =
            let x = Spectrum.gaussianMatrix random n d * Matrix<float>.Build.DenseOfDiagonalArray scales
            loss x (x * weights + 0.1 * Spectrum.gaussian random n)

        struct (examples support, examples query)
