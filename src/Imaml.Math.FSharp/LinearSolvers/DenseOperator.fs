// An operator as dense matrices, one for each task: what small problems are checked against.

namespace Imaml.Math

open MathNet.Numerics.LinearAlgebra

[<RequireQualifiedAccess>]
module DenseOperator =

    /// The largest d that is taken: a task's matrix then has 128 MiB. Beyond it a mistake is likelier than a wish.
    [<Literal>]
    let LargestDimension = 4096

    /// The d × d matrix of every task, column by column from Aeⱼ, for vectors of the kind of `like`.
    ///
    /// Cost: d products, each for all tasks at once; the vectors of one product at a time. Errors: d above LargestDimension.
    let matrices
        (space: IInnerProductSpace<'V, 'S>)
        (coordinates: ICoordinates<'V>)
        (operator: ILinearOperator<'V>)
        (like: 'V)
        : Matrix<float>[] =
        let rows = coordinates.ToRows like
        let d = rows[0].Length

        if d > LargestDimension then
            invalidArg (nameof like) $"a dense matrix is for at most {LargestDimension} parameters, not {d}"

        let unit j = rows |> Array.map (fun _ -> Array.init d (fun i -> if i = j then 1.0 else 0.0))

        let columns =
            Array.init d (fun j ->
                use _ = space.OpenRegion()
                coordinates.ToRows(operator.Apply(coordinates.OfRows(like, unit j))))

        rows
        |> Array.mapi (fun task _ -> Matrix<float>.Build.DenseOfColumnArrays(columns |> Array.map (fun column -> column[task])))
