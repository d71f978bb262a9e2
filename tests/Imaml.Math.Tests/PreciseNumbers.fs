/// Numbers with 256 binary digits after the point, on which a formula in double precision is checked: sums and products of doubles are exact,
/// quotients and exponentials right to some 2⁻²⁴⁰.
module Imaml.Math.Tests.PreciseNumbers

open System
open System.Numerics
open MathNet.Numerics.LinearAlgebra

let private digits = 256

/// value·2⁻²⁵⁶
[<Struct; CustomEquality; CustomComparison>]
type Precise =
    {
        Value: BigInteger
    }

    static member Zero = { Value = BigInteger.Zero }
    static member One = { Value = BigInteger.One <<< digits }
    static member (+)(a, b) = { Value = a.Value + b.Value }
    static member (-)(a, b) = { Value = a.Value - b.Value }
    static member (~-) a = { Value = -a.Value }

    static member (*)(a, b) =
        {
            Value = (a.Value * b.Value) >>> digits
        }

    static member (/)(a, b) =
        {
            Value = (a.Value <<< digits) / b.Value
        }

    override a.Equals other = other :? Precise && (other :?> Precise).Value = a.Value
    override a.GetHashCode() = a.Value.GetHashCode()

    interface IComparable with
        member a.CompareTo other = compare a.Value (other :?> Precise).Value

/// Exact for a double between 2⁻²⁰⁰ and 2²⁰⁰ in size, or 0.
let precise (x: float) : Precise =
    if x = 0.0 then
        Precise.Zero
    else
        let exponent = Math.ILogB x - 52
        let significand = BigInteger(Math.ScaleB(x, -exponent))

        if exponent + digits < 0 then
            invalidArg (nameof x) $"{x} is too small"

        {
            Value = significand <<< (exponent + digits)
        }

/// The nearest double, or nearly.
let toFloat (x: Precise) =
    let excess = int (x.Value.GetBitLength()) - 64

    if excess > 0 then
        Math.ScaleB(float (x.Value >>> excess), excess - digits)
    else
        Math.ScaleB(float x.Value, -digits)

/// eˣ, by halving x until Taylor's series is short.
let exponential (x: Precise) =
    let halvings = 12 + max 0 (int (x.Value.GetBitLength()) - digits)
    let small = { Value = x.Value >>> halvings }

    let rec series k term sum =
        if term = Precise.Zero then
            sum
        else
            let next = term * small / precise (float k)
            series (k + 1) next (sum + next)

    let mutable result = series 1 Precise.One Precise.One

    for _ in 1..halvings do
        result <- result * result

    result

/// 1/(1 + e⁻ˣ)
let sigmoid (x: Precise) = Precise.One / (Precise.One + exponential -x)

/// aᵀb
let dot (a: Precise[]) (b: Precise[]) = Array.fold2 (fun sum x y -> sum + x * y) Precise.Zero a b

let vector (x: Vector<float>) = x.ToArray() |> Array.map precise
let matrix (a: Matrix<float>) = a.ToRowArrays() |> Array.map (Array.map precise)
let transpose (a: Precise[][]) = Array.init a[0].Length (fun j -> a |> Array.map (fun row -> row[j]))
let times (a: Precise[][]) (x: Precise[]) = a |> Array.map (fun row -> dot row x)

/// ‖computed − exact‖
let distance (computed: Vector<float>) (exact: Precise[]) =
    let differences = Array.map2 (fun c e -> toFloat (precise c - e)) (computed.ToArray()) exact
    (Vector<float>.Build.DenseOfArray differences).L2Norm()
