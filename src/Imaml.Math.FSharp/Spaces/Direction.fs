// How two vectors compare, task by task.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module Direction =

    /// ⟨x, y⟩/(‖x‖‖y‖), and 0 where one of them is 0. Both are scaled to length 1 first, so that no product of norms leaves the range of numbers.
    let cosine (space: IInnerProductSpace<'V, 'S>) (x: 'V) (y: 'V) : 'S =
        use region = space.OpenRegion()
        let unit v = space.Scale(space.DivideOrZero(space.Scalar 1.0, space.Norm v), v)
        region.KeepScalar(space.Inner(unit x, unit y))

    /// ‖x − y‖/‖whole‖, and 0 where the whole is 0.
    let relativeDistance (space: IInnerProductSpace<'V, 'S>) (x: 'V) (y: 'V) (whole: 'V) : 'S =
        use region = space.OpenRegion()
        let difference = space.Norm(space.Axpy(space.Scalar -1.0, y, x))
        region.KeepScalar(space.DivideOrZero(difference, space.Norm whole))
