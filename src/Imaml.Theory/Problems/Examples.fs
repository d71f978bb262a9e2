// What every loss over examples asks of its data.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra

[<RequireQualifiedAccess>]
module internal Examples =

    let private finite (value: float) = Double.IsFinite value

    /// Refuses an empty X, a y of another length, and numbers that are none.
    let check (x: Matrix<float>) (y: Vector<float>) =
        if x.RowCount < 1 || x.ColumnCount < 1 then
            invalidArg (nameof x) $"X is {x.RowCount} × {x.ColumnCount}: at least one example of one number is needed"

        if x.RowCount <> y.Count then
            invalidArg (nameof y) $"X has {x.RowCount} rows, y has {y.Count} numbers"

        if not (Seq.forall finite (x.Enumerate()) && Seq.forall finite (y.Enumerate())) then
            invalidArg (nameof x) "the numbers of X and y must be finite"
