// Statements about scalars as scalars: 1 where they hold, 0 elsewhere. With them an iteration decides for each task without a branch.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module internal Mask =

    /// 1 where the mask is 0.
    let complement (space: IInnerProductSpace<'V, 'S>) mask = space.Exceeds(space.Scalar 1.0, mask)

    /// 1 where the scalar is a finite number: neither comparison holds of one that is not a number.
    let finite (space: IInnerProductSpace<'V, 'S>) a =
        space.Multiply(space.Exceeds(a, space.Scalar -infinity), space.Exceeds(space.Scalar infinity, a))

    /// The larger of two scalars; b where one of them is not a number.
    let larger (space: IInnerProductSpace<'V, 'S>) a b = space.Select(space.Exceeds(a, b), a, b)

    /// The scalar where it is above 0, else 0: a tolerance that is not a number asks for nothing, and no comparison with it would say so.
    let tolerance (space: IInnerProductSpace<'V, 'S>) a =
        let none = space.Scalar 0.0
        space.Select(space.Exceeds(a, none), a, none)

    /// The vector x where the mask is 1, y where it is 0, even where the other is not finite.
    let select (space: IInnerProductSpace<'V, 'S>) mask (x: 'V) (y: 'V) =
        space.Axpy(complement space mask, y, space.Axpy(mask, x, space.Zero x))

    /// The scalar where the mask is 1, 0 where it is 0.
    let keep (space: IInnerProductSpace<'V, 'S>) mask a = space.Select(mask, a, space.Scalar 0.0)

    /// The scalar as a value of its own.
    let copy (space: IInnerProductSpace<'V, 'S>) a = space.Add(a, space.Scalar 0.0)

    /// The vector as a value of its own.
    let copyVector (space: IInnerProductSpace<'V, 'S>) (x: 'V) = space.Axpy(space.Scalar 0.0, x, x)

    /// The distance from 1 to the next number of the space, 2⁻⁵² in double and 2⁻²³ in single precision: 1 + 2⁻⁴⁰ tells them apart.
    let epsilon (space: IInnerProductSpace<'V, 'S>) =
        let one = space.Scalar 1.0
        let double = space.Exceeds(space.Add(one, space.Scalar(2.0 ** -40.0)), one)
        space.Select(double, space.Scalar(2.0 ** -52.0), space.Scalar(2.0 ** -23.0))
