// A linear map by its action alone: all that the mathematics ever knows of H + Λ, of a preconditioner, or of Lemma 1's Jacobian.

namespace Imaml.Math

/// w ↦ Aw. For B tasks the map is block-diagonal: each task has its own block.
type ILinearOperator<'V> =
    /// Aw
    abstract Apply: w: 'V -> 'V

[<RequireQualifiedAccess>]
module LinearOperator =

    /// The operator of a function.
    let ofFunction (apply: 'V -> 'V) =
        { new ILinearOperator<'V> with
            member _.Apply w = apply w
        }
