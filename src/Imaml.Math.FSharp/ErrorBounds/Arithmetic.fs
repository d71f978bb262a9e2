// Rounding by the standard model (Higham 2002, sections 2.2 and 3.1): every operation is exact up to a factor 1 + e with |e| ≤ u, and up to
// the smallest normal number where it underflows. So a sum of n products errs by at most γₙ = nu/(1 − nu) of the sum of their sizes, in
// whatever order a library adds them.

namespace Imaml.Math

/// The arithmetic in which a task's vectors are computed, and how many numbers such a vector has.
type Arithmetic =
    {
        /// u: 2⁻⁵³ in double precision, 2⁻²⁴ in single.
        UnitRoundoff: float
        /// 2⁻¹⁰²² in double precision, 2⁻¹²⁶ in single: what an operation may lose beside its rounding where its result underflows.
        SmallestNormal: float
        /// d, the number of parameters.
        Parameters: int
        /// ‖Λw as computed − Λw‖ is at most this multiple of ‖Λ‖‖w‖.
        RegularizerRounding: float
    }

    /// γₙ = nu/(1 − nu); infinite where nu ≥ 1.
    member a.Gamma(n: int) =
        let product = float n * a.UnitRoundoff

        if product < 1.0 then
            product / (1.0 - product)
        else
            infinity

    /// What underflow may add to a product of a d × d matrix with a vector: less than the smallest normal number for each of its d² products
    /// and sums, so 2d√d of them in the norm.
    member a.Underflow = 2.0 * float a.Parameters * sqrt (float a.Parameters) * a.SmallestNormal

    /// ‖x‖ is at most this, where the computed norm is `norm`: a scaling, d squares, their sum, a root and a factor.
    member a.NormAtMost(norm: float) =
        let gamma = a.Gamma(a.Parameters + 8)
        if gamma < 1.0 then norm / (1.0 - gamma) else infinity

[<RequireQualifiedAccess>]
module Arithmetic =

    let private create unitRoundoff smallestNormal parameters (regularizer: IRegularizer<'V, 'S>) =
        if parameters < 1 then
            invalidArg (nameof parameters) $"the number of parameters must be at least 1, not {parameters}"

        let a =
            {
                UnitRoundoff = unitRoundoff
                SmallestNormal = smallestNormal
                Parameters = parameters
                RegularizerRounding = 0.0
            }

        let rounding =
            match regularizer with
            // One product for each coordinate, and λ itself rounded to the space's precision.
            | :? ScalarRegularizer<'V, 'S>
            | :? DiagonalRegularizer<'V, 'S>
            | :? LayerwiseRegularizer<'V, 'S> -> a.Gamma 2
            // Inner products of d terms, the entries rounded to the space's precision: γ_{d+1}|Λ||w|, and ‖|Λ|‖ ≤ ‖Λ‖_F ≤ √d‖Λ‖.
            | _ -> a.Gamma(parameters + 1) * sqrt (float parameters)

        { a with
            RegularizerRounding = rounding
        }

    /// Double precision, d parameters and this Λ. A Λ that is no class of the library's is taken to be applied as a d × d matrix.
    let double parameters regularizer = create (2.0 ** -53.0) (2.0 ** -1022.0) parameters regularizer

    /// Single precision, d parameters and this Λ. Not for tensor cores that round the factors of a product further.
    let single parameters regularizer = create (2.0 ** -24.0) (2.0 ** -126.0) parameters regularizer
