// The standard model of floating-point arithmetic (Higham, Accuracy and Stability of Numerical Algorithms, chapters 2 and 3):
//
//     fl(a ∘ b) = (a ∘ b)(1 + δ), |δ| ≤ u = 2⁻⁵³,    so that n roundings in a row make at most γₙ = nu/(1 − nu),
//
// and a sum of n products errs by at most γₙΣ|aᵢ||bᵢ| in whatever order it is added up. γ grows as a sum does: γ_m + γ_n + γ_mγ_n ≤ γ_{m+n}.
// The model holds where nothing over- or underflows; an overflow makes a bound infinite, norms are taken of scaled numbers, and products and quotients
// of bounds are rounded upwards (+^, *^, /^ of the core's Outward), so that one that underflows stays a bound.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Rounding =

    /// u, half the distance from 1 to the next number.
    let unit = 2.0 ** -53.0

    /// γₙ = nu/(1 − nu)
    let gamma (n: int) =
        let nu = float n * unit
        nu / (1.0 - nu)

    /// At least x ≥ 0, from x as computed out of numbers ≥ 0 with at most n roundings in a row: x ≤ x̂/(1 − γₙ) ≤ x̂(1 + γ₂ₙ).
    let above (n: int) (computed: float) = computed *^ (1.0 + gamma (2 * n + 4))

    /// The smallest number that is at least a + b.
    let sumAbove (a: float) (b: float) = Outward.sumAbove a b

    /// The largest number that is at most a + b.
    let sumBelow (a: float) (b: float) = Outward.sumBelow a b

    /// At least ‖x‖.
    let norm (x: Vector<float>) =
        let largest = x.InfinityNorm()

        if largest = 0.0 || largest = infinity then
            largest
        else
            above (x.Count + 4) (largest *^ (x / largest).L2Norm())

    /// At least ‖X‖_F, in one pass: MathNet's own forms XXᵀ, n × n numbers for n rows. Two roundings for each square, and the sum's.
    let frobenius (x: Matrix<float>) =
        let largest = x.Enumerate() |> Seq.fold (fun most value -> max most (abs value)) 0.0

        if largest = 0.0 || largest = infinity then
            largest
        else
            let sum = x.Enumerate() |> Seq.fold (fun sum value -> sum + (value / largest) * (value / largest)) 0.0

            let roundings = float x.RowCount * float x.ColumnCount + 8.0
            largest *^ sqrt sum *^ (1.0 + 2.0 * roundings * unit / (1.0 - 2.0 * roundings * unit))

    /// At least ‖|X|‖₂, the norm of the matrix of absolute values, which is what rounding sees: min(‖X‖_F, √(‖X‖₁‖X‖_∞)).
    let absoluteNorm (x: Matrix<float>) =
        min (frobenius x) (above (x.RowCount + x.ColumnCount + 3) (sqrt (x.L1Norm()) *^ sqrt (x.InfinityNorm())))
