// The operations on vectors, of which the algorithms use no others.
//
// Every algorithm of the paper is written once over IInnerProductSpace: with MathNet vectors it is checked against dense solves,
// with tensors of network parameters it runs on B tasks at once. Scalars are a type parameter 'S because a batch has one number
// per task; an algorithm never branches on a scalar, so B tasks run in lock-step and each gets exactly what it would get alone.

namespace Imaml.Math

open System

/// Values made while a region is open are freed when it closes, unless kept. A space whose values the garbage collector frees does nothing.
type IRegion<'V, 'S> =
    inherit IDisposable
    /// Moves a vector to the surrounding region, so that it is not freed with this one. Keeping a vector twice is keeping it once.
    abstract KeepVector: 'V -> 'V
    abstract KeepScalar: 'S -> 'S
    /// Frees a vector of a surrounding region with this one, unless it is kept afterwards.
    abstract AdoptVector: 'V -> 'V
    abstract AdoptScalar: 'S -> 'S

/// A real inner-product space, or B of them worked on at once.
///
/// 'V is a vector (or B vectors, one per task) and 'S a real number (or one per task). Masks are scalars that are 1 where a statement
/// holds and 0 elsewhere. All operations are pure: no argument changes.
type IInnerProductSpace<'V, 'S> =
    /// The zero vector of the shape of `like`.
    abstract Zero: like: 'V -> 'V
    /// d, how many numbers a vector of the kind of `like` has for each task. What rounding can do depends on it.
    abstract Dimension: like: 'V -> int
    /// a·x
    abstract Scale: a: 'S * x: 'V -> 'V
    /// a·x + y, and exactly y where a = 0, even where x is not finite: this is how a finished task is frozen.
    abstract Axpy: a: 'S * x: 'V * y: 'V -> 'V
    /// ⟨x, y⟩
    abstract Inner: x: 'V * y: 'V -> 'S
    /// ‖x‖, without underflow or overflow where the norm itself can be represented.
    abstract Norm: x: 'V -> 'S
    /// The same number for every task.
    abstract Scalar: float -> 'S
    /// One number for each task, in the order of Read.
    abstract PerTask: float[] -> 'S
    abstract Add: 'S * 'S -> 'S
    abstract Multiply: 'S * 'S -> 'S
    /// √a for a ≥ 0.
    abstract SquareRoot: 'S -> 'S
    /// numerator / denominator, and 0 where the denominator is not greater than 0 (so also where it is not a number).
    abstract DivideOrZero: numerator: 'S * denominator: 'S -> 'S
    /// 1 where a > b, else 0 (also where one of them is not a number).
    abstract Exceeds: a: 'S * b: 'S -> 'S
    /// a where the mask is 1, b where it is 0.
    abstract Select: mask: 'S * a: 'S * b: 'S -> 'S
    /// True if the mask is 1 for any task. On a device this waits for it: the only member that an iteration may call to read numbers.
    abstract Any: mask: 'S -> bool
    /// The number of each task, for reports once an iteration is over. On a device this waits for it.
    abstract Read: 'S -> float[]
    /// One vector θ, of the space of one task, for every task of this space. It may share θ's memory, but is freed separately.
    abstract Spread: theta: 'V -> 'V
    /// Σ x over the tasks where the mask is 1: one vector, of the space of one task. A task where the mask is 0 adds 0, even where its x is
    /// not finite.
    abstract Gather: mask: 'S * x: 'V -> 'V
    /// x/divisor by one division a coordinate: what makes a mean of a sum.
    abstract Divide: x: 'V * divisor: float -> 'V
    abstract OpenRegion: unit -> IRegion<'V, 'S>

/// What a space may offer in one pass over its vectors. Without it the same is made of the space's other operations.
type IFusedOperations<'V, 'S> =
    /// z + a(x − y)
    abstract AddMultipleOfDifference: a: float * x: 'V * y: 'V * z: 'V -> 'V
    /// ⟨x − y, x − y⟩
    abstract SquaredDistance: x: 'V * y: 'V -> 'S

[<RequireQualifiedAccess>]
module internal Fused =

    /// z + a(x − y)
    let addMultipleOfDifference (space: IInnerProductSpace<'V, 'S>) (a: float) (x: 'V) (y: 'V) (z: 'V) : 'V =
        match space with
        | :? IFusedOperations<'V, 'S> as fused -> fused.AddMultipleOfDifference(a, x, y, z)
        | _ -> space.Axpy(space.Scalar 1.0, z, space.Scale(space.Scalar a, space.Axpy(space.Scalar -1.0, y, x)))

    /// ⟨x − y, x − y⟩
    let squaredDistance (space: IInnerProductSpace<'V, 'S>) (x: 'V) (y: 'V) : 'S =
        match space with
        | :? IFusedOperations<'V, 'S> as fused -> fused.SquaredDistance(x, y)
        | _ ->
            let difference = space.Axpy(space.Scalar -1.0, y, x)
            space.Inner(difference, difference)

/// What works coordinate by coordinate needs of a vector. All operations are pure.
type ICoordinates<'V> =
    /// a·x + b·y
    abstract Combine: a: float * x: 'V * b: float * y: 'V -> 'V
    /// xᵢyᵢ
    abstract Product: x: 'V * y: 'V -> 'V
    /// xᵢ / yᵢ
    abstract Quotient: x: 'V * y: 'V -> 'V
    /// xᵢ / (√yᵢ + epsilon)
    abstract DivideByRoot: x: 'V * y: 'V * epsilon: float -> 'V
    /// The d coordinates of each task, on the host. On a device this waits for it.
    abstract ToRows: x: 'V -> float[][]
    /// A vector of the kind of `like` from the d coordinates of each task.
    abstract OfRows: like: 'V * rows: float[][] -> 'V

/// The state of an iteration, whose values can be handed from one region to the next.
type ICarried<'V, 'S, 'State> =
    /// Applies the functions to every vector and every scalar of the state.
    abstract Carry: vector: Func<'V, 'V> * scalar: Func<'S, 'S> -> 'State

[<RequireQualifiedAccess>]
module Region =

    /// The state, kept: it is not freed with the region.
    let internal keep (region: IRegion<'V, 'S>) (state: 'State :> ICarried<'V, 'S, 'State>) : 'State =
        state.Carry(Func<_, _>(fun x -> region.KeepVector x), Func<_, _>(fun x -> region.KeepScalar x))

    /// Frees the state with the region.
    let internal adopt (region: IRegion<'V, 'S>) (state: 'State :> ICarried<'V, 'S, 'State>) =
        state.Carry(Func<_, _>(fun x -> region.AdoptVector x), Func<_, _>(fun x -> region.AdoptScalar x))
        |> ignore

    /// Runs `body` in a region of its own; of what it made only the result is kept.
    let run (space: IInnerProductSpace<'V, 'S>) (body: unit -> 'R :> ICarried<'V, 'S, 'R>) : 'R =
        use region = space.OpenRegion()
        keep region (body ())

    /// One step of an iteration: the old state is freed, and only the new one is kept. So memory does not grow with the number of steps.
    let advance (space: IInnerProductSpace<'V, 'S>) (step: 'State -> 'State) (state: 'State :> ICarried<'V, 'S, 'State>) : 'State =
        use region = space.OpenRegion()
        adopt region state
        keep region (step state)

/// Statements about scalars as scalars: 1 where they hold, 0 elsewhere. With them an iteration decides for each task without a branch.
[<RequireQualifiedAccess>]
module internal Mask =

    /// 1 where the mask is 0.
    let complement (space: IInnerProductSpace<'V, 'S>) mask = space.Exceeds(space.Scalar 1.0, mask)

    /// 1 where the scalar is a finite number: neither comparison holds of one that is not a number.
    let finite (space: IInnerProductSpace<'V, 'S>) a =
        space.Multiply(space.Exceeds(a, space.Scalar -infinity), space.Exceeds(space.Scalar infinity, a))

    /// The larger of two scalars; b where one of them is not a number.
    let larger (space: IInnerProductSpace<'V, 'S>) a b = space.Select(space.Exceeds(a, b), a, b)

    /// |a|
    let absolute (space: IInnerProductSpace<'V, 'S>) a = larger space a (space.Multiply(space.Scalar -1.0, a))

    /// The scalar where it is above 0, else 0: a tolerance that is NaN becomes 0, which sets no threshold.
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

    /// The vector as a value of its own, which may be overwritten: an axpy with 0 may be its y itself.
    let copyVector (space: IInnerProductSpace<'V, 'S>) (x: 'V) = space.Scale(space.Scalar 1.0, x)

    /// The distance from 1 to the next number of the space, 2⁻⁵² in double and 2⁻²³ in single precision: 1 + 2⁻⁴⁰ distinguishes them.
    let epsilon (space: IInnerProductSpace<'V, 'S>) =
        let one = space.Scalar 1.0
        let double = space.Exceeds(space.Add(one, space.Scalar(2.0 ** -40.0)), one)
        space.Select(double, space.Scalar(2.0 ** -52.0), space.Scalar(2.0 ** -23.0))

    /// The same of the space's vectors, as a number: a space may compute its scalars in double precision and its vectors in single. x + 2⁻⁴⁰x is x in
    /// single precision. Any x shows it that is not 0 or nearly 0; for those the precision of the scalars is taken.
    /// Cost: two norms of each vector, which wait for a device.
    let epsilonOf (space: IInnerProductSpace<'V, 'S>) (vectors: 'V[]) : float =
        use _ = space.OpenRegion()

        let single (x: 'V) =
            let more = space.Axpy(space.Scalar(2.0 ** -40.0), x, x)
            let lost = space.Read(space.Norm(space.Axpy(space.Scalar -1.0, x, more))) |> Array.map ((=) 0.0)
            // Below 2⁻⁹⁰⁰ there is no single precision, and in double 2⁻⁴⁰x may underflow.
            Array.exists2 (fun size lost -> size > 2.0 ** -900.0 && lost) (space.Read(space.Norm x)) lost

        if Array.exists single vectors then
            2.0 ** -23.0
        else
            (space.Read(epsilon space))[0]

/// How two vectors compare, task by task.
[<RequireQualifiedAccess>]
module Direction =

    /// ⟨x, y⟩/(‖x‖‖y‖), and 0 where one of them is 0. Both are scaled to length 1 first, so that no product of norms leaves the range of numbers.
    [<CompiledName("Cosine")>]
    let cosine (space: IInnerProductSpace<'V, 'S>) (x: 'V) (y: 'V) : 'S =
        use region = space.OpenRegion()
        let unit v = space.Scale(space.DivideOrZero(space.Scalar 1.0, space.Norm v), v)
        region.KeepScalar(space.Inner(unit x, unit y))

    /// ‖x − y‖/‖whole‖, and 0 where the whole is 0.
    [<CompiledName("RelativeDistance")>]
    let relativeDistance (space: IInnerProductSpace<'V, 'S>) (x: 'V) (y: 'V) (whole: 'V) : 'S =
        use region = space.OpenRegion()
        let difference = space.Norm(space.Axpy(space.Scalar -1.0, y, x))
        region.KeepScalar(space.DivideOrZero(difference, space.Norm whole))
