// L(φ) = ½φᵀAφ + bᵀφ + c: constant Hessian, so ρ = 0 and everything about the inner problem is a linear solve.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra

[<RequireQualifiedAccess>]
module Quadratic =

    /// ½φᵀAφ + bᵀφ + c with A symmetric (checked) and positive semi-definite (not checked).
    let loss (a: Matrix<float>) (b: Vector<float>) (c: float) : SmoothLoss =
        if not (a.IsSymmetric()) then
            invalidArg (nameof a) "the matrix of a quadratic must be symmetric"

        let struct (smallest, largest) = Spectrum.ends a

        {
            Value = fun phi -> 0.5 * phi.DotProduct(a * phi) + b.DotProduct phi + c
            Gradient = fun phi -> a * phi + b
            Hessian = fun _ -> a
            SmallestCurvature = smallest
            LargestCurvature = largest
            HessianLipschitz = 0.0
            ThirdDerivativeLipschitz = 0.0
            GradientBound = infinity
        }

    /// A random one with largest eigenvalue 1 and condition number κ.
    let random random d condition = loss (Spectrum.positiveDefinite random d condition) (Spectrum.gaussian random d) 0.0
