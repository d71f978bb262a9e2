// The step sizes of an inner path as a symmetric operator S: one α for all coordinates, or one for each (Meta-SGD; one for each layer is
// the special case that repeats itself).

namespace Imaml.Math

/// S = αI or diag(α).
[<NoComparison; NoEquality>]
type internal StepSizes<'V> =
    | OneStepSize of alpha: float
    | StepSizeVector of coordinates: ICoordinates<'V> * alpha: 'V

[<RequireQualifiedAccess>]
module internal StepSizes =

    let check (alpha: float) =
        if not (alpha > 0.0 && alpha < infinity) then
            invalidArg (nameof alpha) $"a constant step must be positive and finite, not {alpha}"

    /// Errors: an entry that is not finite. Meta-SGD's sizes may be of any sign: they are a direction as well as a length.
    let ofVector (coordinates: ICoordinates<'V>) (alpha: 'V) =
        for row in coordinates.ToRows alpha do
            for value in row do
                if not (System.Double.IsFinite value) then
                    invalidArg (nameof alpha) $"step sizes must be finite, not {value}"

        StepSizeVector(coordinates, alpha)

    /// z − Sg
    let move (space: IInnerProductSpace<'V, 'S>) sizes (z: 'V) (gradient: 'V) =
        match sizes with
        | OneStepSize alpha -> space.Axpy(space.Scalar -alpha, gradient, z)
        | StepSizeVector(coordinates, alpha) -> space.Axpy(space.Scalar -1.0, coordinates.Product(gradient, alpha), z)

    /// Sw
    let apply (space: IInnerProductSpace<'V, 'S>) sizes (w: 'V) =
        match sizes with
        | OneStepSize alpha -> space.Scale(space.Scalar alpha, w)
        | StepSizeVector(coordinates, alpha) -> coordinates.Product(w, alpha)
