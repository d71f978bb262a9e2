// What k steps of Lanczos's method know of one task's A: its Ritz values, how far each may be from an eigenvalue, and how much of the
// spectrum's ends a random start can have missed.
//
// From a start drawn uniformly from the unit sphere of ℝᵈ, k steps leave, but for a chance of at most 1.648√d·e^(−√ε(2k−1)),
//
//     λ_max − max d ≤ ε(λ_max − λ_min)                            (Kuczyński and Woźniakowski 1992, theorem 4.2; A − λ_min I for their A)
//
// and the same of −A. With both, λ_max − λ_min ≤ (max d − min d)/(1 − 2ε), so neither end is farther out than ε/(1 − 2ε)(max d − min d).

namespace Imaml.Math

open MathNet.Numerics.LinearAlgebra

/// The Ritz values of one task. Empty where no step was made.
[<Sealed>]
type RitzSpectrum private (epsilon: float, values: float[], residuals: float[], vectors: float[][], invariant: bool, nonFinite: bool) =
    /// k, the steps that were made.
    member _.Steps = values.Length
    /// d₁ ≤ … ≤ d_k
    member _.Values = values
    /// |β_k s_kj|: within it of d_j lies an eigenvalue.
    member _.Residuals = residuals
    /// s_j, the coordinates of the Ritz vectors in Lanczos's basis.
    member _.Vectors = vectors
    /// Whether the space is invariant, so that the Ritz values are eigenvalues to rounding. They need not be all.
    member _.Invariant = invariant
    /// Whether a product or the start was not finite; the values are those of the steps before.
    member _.NonFinite = nonFinite
    /// The smallest Ritz value, at least λ_min; not a number where no step was made.
    member _.Smallest = if values.Length = 0 then nan else values[0]
    /// The largest Ritz value, at most λ_max; not a number where no step was made.
    member _.Largest = if values.Length = 0 then nan else values[values.Length - 1]

    /// How many eigenvalues are at least below `number`: as many as Ritz values are.
    member _.CountBelow(number: float) = values |> Array.filter (fun value -> value < number) |> Array.length

    /// How many eigenvalues are at least negative, beyond rounding: below −√ε of the largest in size, ε the space's.
    member this.NegativeAtLeast =
        if values.Length = 0 then
            0
        else
            this.CountBelow(-(sqrt epsilon) * max (abs this.Smallest) (abs this.Largest))

    /// By how much λ_min may be below Smallest and λ_max above Largest, but for a chance of `failure`, where the start was uniform on the
    /// sphere of ℝᵈ; infinite where k steps cannot tell. Errors: d below 1, a chance outside (0, 1).
    member this.Missed(dimension: int, failure: float) : float =
        if dimension < 1 then
            invalidArg (nameof dimension) $"the dimension must be at least 1, not {dimension}"

        if not (failure > 0.0 && failure < 1.0) then
            invalidArg (nameof failure) $"a chance of failure is between 0 and 1, not {failure}"

        if values.Length = 0 then
            infinity
        else
            // Half of the chance for either end.
            let root = log (2.0 * 1.648 * sqrt (float dimension) / failure) / float (2 * values.Length - 1)
            let share = root * root

            if share < 0.5 then
                share / (1.0 - 2.0 * share) * (this.Largest - this.Smallest)
            else
                infinity

    /// Of T with this diagonal and off-diagonal β₁ … β_k, the last of which couples the space to the rest.
    static member internal Of(epsilon: float, diagonal: float[], offDiagonal: float[], invariant: bool, nonFinite: bool) : RitzSpectrum =
        let k = diagonal.Length

        if k = 0 then
            RitzSpectrum(epsilon, [||], [||], [||], invariant, nonFinite)
        else
            let entry i j =
                if i = j then diagonal[i]
                elif abs (i - j) = 1 then offDiagonal[min i j]
                else 0.0

            let system = Eigensystem.Of(Matrix<float>.Build.Dense(k, k, entry))
            let vectors = system.Vectors.ToColumnArrays()

            RitzSpectrum(
                epsilon,
                (system.Scale * system.ScaledValues).ToArray(),
                vectors |> Array.map (fun s -> abs (offDiagonal[k - 1] * s[k - 1])),
                vectors,
                invariant,
                nonFinite
            )
