// L(φ) = ½φᵀAφ + bᵀφ + c: constant Hessian, so ρ = 0 and everything about the inner problem is a linear solve.
//
// Rounding: Aφ as computed errs by at most γ_d|A||φ| in every coordinate, adding b by one more rounding of |A||φ| + |b|, together
// γ_{d+1}|A||φ| + u|b|.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Quadratic =

    /// ½φᵀAφ + bᵀφ + c with A symmetric (checked), definite or not.
    let loss (a: Matrix<float>) (b: Vector<float>) (c: float) : SmoothLoss =
        if a.RowCount <> a.ColumnCount || a.RowCount <> b.Count then
            invalidArg (nameof b) $"A is {a.RowCount} × {a.ColumnCount}, b has {b.Count} numbers: A must be square, and b as long"

        if not (Seq.forall Double.IsFinite (a.Enumerate()) && Seq.forall Double.IsFinite (b.Enumerate())) then
            invalidArg (nameof a) "the numbers of a quadratic must be finite"

        if not (a.IsSymmetric()) then
            invalidArg (nameof a) "the matrix of a quadratic must be symmetric"

        // The caller's numbers may change.
        let a, b = a.Clone(), b.Clone()
        let struct (smallest, largest) = Eigenvalues.enclosure a
        let entries = Rounding.absoluteNorm a

        {
            Dimension = b.Count
            Value = fun phi -> 0.5 * phi.DotProduct(a * phi) + b.DotProduct phi + c
            Gradient = fun phi -> a * phi + b
            HessianProduct = fun _ w -> a * w
            Hessian = fun _ -> a.Clone()
            Constants =
                Proved.constants
                    smallest
                    largest
                    0.0
                    infinity
                    {
                        Constant = Rounding.unit *^ Rounding.norm b
                        Slope = Rounding.above 4 (Rounding.gamma (b.Count + 1) *^ entries)
                    }
                    {
                        Constant = Rounding.above 4 (Rounding.gamma b.Count *^ entries)
                        Slope = 0.0
                    }
            ThirdDerivativeLipschitz = 0.0
        }

    /// A random one with largest eigenvalue 1 and condition number κ.
    let random random d condition = loss (Spectrum.positiveDefinite random d condition) (Spectrum.gaussian random d) 0.0
