// What rounding may do in the arithmetic of a space (Higham 2002, sections 2.2 and 3.1): the terms that certificates add to their bounds.

namespace Imaml.Math

open System

/// The arithmetic in which a task's vectors are computed: an operation is exact up to a factor 1 + e, |e| ≤ u, and up to the smallest normal
/// number where it underflows. So a sum of n products errs by at most γₙ = nu/(1 − nu) of the sum of their sizes, in whatever order.
type internal Arithmetic =
    {
        /// u: 2⁻⁵³ in double precision, 2⁻²⁴ in single.
        UnitRoundoff: float
        /// 2⁻¹⁰²² in double precision, 2⁻¹²⁶ in single: what an operation may lose apart from its rounding where its result underflows.
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
            product /^ Math.BitDecrement(1.0 - product)
        else
            infinity

    /// What underflow may add to a product of a d × d matrix with a vector: less than the smallest normal number for each of its d² products
    /// and sums, so 2d√d of them in the norm.
    member a.Underflow = 2.0 * float a.Parameters * sqrt (float a.Parameters) * a.SmallestNormal

    /// ‖x‖ is at most this, where the computed norm is `norm`: a scaling, d squares, their sum, a root and a factor; and a distance of subnormal
    /// numbers, where it is one.
    member a.NormAtMost(norm: float) =
        let gamma = a.Gamma(a.Parameters + 8)

        if norm = 0.0 then
            0.0
        elif gamma < 1.0 then
            norm /^ Math.BitDecrement(1.0 - gamma) +^ 2.0 * a.UnitRoundoff * a.SmallestNormal
        else
            infinity

    /// That of numbers with this distance from 1 to the next one, d parameters and this Λ; a Λ of a class that is not the library's is taken to be
    /// applied as a d × d matrix. Not for tensor cores that round the factors of a product further.
    static member In(epsilon: float, parameters: int, regularizer: IRegularizer<'V, 'S>) =
        let a =
            {
                UnitRoundoff = epsilon / 2.0
                SmallestNormal = if epsilon < 1e-10 then 2.0 ** -1022.0 else 2.0 ** -126.0
                Parameters = parameters
                RegularizerRounding = 0.0
            }

        let largest =
            if epsilon < 1e-10 then
                Double.MaxValue
            else
                float Single.MaxValue

        let rounding =
            match regularizer with
            // Rounding of λ is not relative below the normal numbers.
            | _ when not (regularizer.SmallestEigenvalue >= a.SmallestNormal && regularizer.LargestEigenvalue <= largest) -> infinity
            // One product for each coordinate, and λ itself: rounded to the space's precision, and where it is an exponential, that to 2u.
            | :? ScalarRegularizer<'V, 'S>
            | :? DiagonalRegularizer<'V, 'S>
            | :? LayerwiseRegularizer<'V, 'S> -> a.Gamma 4
            // Inner products of d terms, the entries rounded to the space's precision: γ_{d+1}|Λ||w|, and ‖|Λ|‖ ≤ ‖Λ‖_F ≤ √d‖Λ‖.
            | _ -> a.Gamma(a.Parameters + 1) * sqrt (float a.Parameters)

        { a with
            RegularizerRounding = rounding
        }

    /// That of the space for these vectors, at least one, and this Λ; of vectors that are all 0 it is that of the scalars.
    static member Of(space: IInnerProductSpace<'V, 'S>, regularizer: IRegularizer<'V, 'S>, vectors: 'V[]) =
        Arithmetic.In(Mask.epsilonOf space vectors, space.Dimension vectors[0], regularizer)
