// A loss with its derivatives and with constants that hold everywhere: what a theorem's assumptions say, as data.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra

/// A convex, three times differentiable loss on ℝᵈ, with bounds on its derivatives that hold at every φ.
[<NoComparison; NoEquality>]
type SmoothLoss =
    {
        Value: Vector<float> -> float
        Gradient: Vector<float> -> Vector<float>
        Hessian: Vector<float> -> Matrix<float>
        /// A lower bound on every eigenvalue of every Hessian.
        SmallestCurvature: float
        /// An upper bound: the gradient's Lipschitz constant, L in Theorem 1.
        LargestCurvature: float
        /// The Hessian's Lipschitz constant, ρ in Theorem 1.
        HessianLipschitz: float
        /// The Lipschitz constant of the third derivative; bounds the truncation error of finite differences.
        ThirdDerivativeLipschitz: float
        /// A bound on ‖∇‖, B in Theorem 1; infinite where there is none.
        GradientBound: float
    }
