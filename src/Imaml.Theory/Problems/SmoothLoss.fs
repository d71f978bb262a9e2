// A loss with its derivatives and with constants that hold everywhere: what a theorem's assumptions say, as data.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// A three times differentiable loss on ℝᵈ, with what is proved of its derivatives at every φ.
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
        /// What is proved of it everywhere, rounding of the data that it is computed from included; LossConstants.Unknown where nothing is.
        Constants: LossConstants
        /// The Lipschitz constant of the third derivative; bounds the truncation error of finite differences.
        ThirdDerivativeLipschitz: float
    }

    /// Certified where the constants are proved.
    member l.Kind = l.Constants.Kind
    /// A lower bound on every eigenvalue of every Hessian.
    member l.SmallestCurvature = l.Constants.SmallestCurvature
    /// An upper bound on their absolute values: the gradient's Lipschitz constant, L in Theorem 1.
    member l.LargestCurvature = l.Constants.Smoothness
    /// The Hessian's Lipschitz constant, ρ in Theorem 1.
    member l.HessianLipschitz = l.Constants.HessianLipschitz
    /// A bound on ‖∇‖, B in Theorem 1; infinite where there is none.
    member l.GradientBound = l.Constants.GradientBound
    /// ‖Gradient φ − ∇L(φ)‖ is at most this at ‖φ‖.
    member l.GradientRounding = l.Constants.GradientRounding
    /// ‖HessianProduct φ w − ∇²L(φ)w‖ is at most this at ‖φ‖, times ‖w‖.
    member l.ProductRounding = l.Constants.ProductRounding

[<RequireQualifiedAccess>]
module internal Proved =

    /// An upper bound as it was computed; what has overflowed in between is not known.
    let most x = if Double.IsNaN x then infinity else x

    /// The constants as they were computed, likewise.
    let constants smallest largest hessianLipschitz gradientBound (gradientRounding: AffineBound) (productRounding: AffineBound) =
        let known (bound: AffineBound) =
            {
                Constant = most bound.Constant
                Slope = most bound.Slope
            }

        LossConstants.Proved(
            (if Double.IsNaN smallest then
                 -infinity
             else
                 min smallest Double.MaxValue),
            most largest,
            most hessianLipschitz,
            most gradientBound,
            known gradientRounding,
            known productRounding
        )

[<RequireQualifiedAccess>]
module SmoothLoss =

    /// L(φ) + bᵀφ: the Hessian stays. `b` as computed is known to `uncertainty`; adding it rounds ∇L + b once, ‖∇L‖ ≤ ‖∇L(0)‖ + max|m|, |M| ‖φ‖.
    let plusLinear (b: Vector<float>) (uncertainty: float) (loss: SmoothLoss) : SmoothLoss =
        if b.Count <> loss.Dimension then
            invalidArg (nameof b) $"b has {b.Count} numbers, the loss {loss.Dimension} parameters"

        let c = loss.Constants
        let known = c.GradientRounding
        let slope = Rounding.norm (loss.Gradient(Vector<float>.Build.Dense loss.Dimension)) + known.Constant

        { loss with
            Value = fun phi -> loss.Value phi + b.DotProduct phi
            Gradient = fun phi -> loss.Gradient phi + b
            Constants =
                if c.Kind = BoundKind.None then
                    c
                else
                    Proved.constants
                        c.SmallestCurvature
                        c.LargestCurvature
                        c.HessianLipschitz
                        (c.GradientBound +^ Rounding.norm b +^ uncertainty)
                        {
                            Constant = Rounding.above 6 (known.Constant +^ uncertainty +^ 2.0 * Rounding.unit *^ (slope +^ Rounding.norm b))
                            Slope = Rounding.above 4 (known.Slope +^ 2.0 * Rounding.unit *^ c.Smoothness)
                        }
                        c.ProductRounding
        }
