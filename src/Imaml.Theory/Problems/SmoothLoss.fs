// A loss with its derivatives and with constants that hold everywhere: what a theorem's assumptions say, as data.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// A three times differentiable loss on ℝᵈ, with bounds on its derivatives that hold at every φ.
[<NoComparison; NoEquality>]
type SmoothLoss =
    {
        /// d
        Dimension: int
        Value: Vector<float> -> float
        Gradient: Vector<float> -> Vector<float>
        /// φ ↦ w ↦ ∇²L(φ)w, without a dense Hessian where the loss has examples. What depends on φ alone is computed when φ is given.
        HessianProduct: Vector<float> -> Vector<float> -> Vector<float>
        Hessian: Vector<float> -> Matrix<float>
        /// Certified where the constants below are proved, rounding of the data that they are computed from included; None where no constants
        /// are known, and they stand at −∞ (the least curvature) and ∞ (all others).
        Kind: BoundKind
        /// A lower bound on every eigenvalue of every Hessian.
        SmallestCurvature: float
        /// An upper bound on their absolute values: the gradient's Lipschitz constant, L in Theorem 1.
        LargestCurvature: float
        /// The Hessian's Lipschitz constant, ρ in Theorem 1.
        HessianLipschitz: float
        /// The Lipschitz constant of the third derivative; bounds the truncation error of finite differences.
        ThirdDerivativeLipschitz: float
        /// A bound on ‖∇‖, B in Theorem 1; infinite where there is none.
        GradientBound: float
        /// ‖Gradient φ − ∇L(φ)‖ is at most this at ‖φ‖.
        GradientRounding: AffineBound
        /// ‖HessianProduct φ w − ∇²L(φ)w‖ is at most this at ‖φ‖, times ‖w‖.
        ProductRounding: AffineBound
    }
