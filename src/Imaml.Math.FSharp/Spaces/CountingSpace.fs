// A space that counts: Table 1's memory column, counted while the code runs.
//
// Over any space, a value made while a region is open counts as freed once the region closes, unless it was kept. So the vectors that are
// allocated are those that an implementation with its own memory would hold, and the use of a freed value is an error: the use of regions is
// checked without a device.

namespace Imaml.Math

open System
open System.Collections.Generic
open System.Threading

/// What a region can own.
[<AllowNullLiteral>]
type internal IMortal =
    abstract Die: unit -> unit
    abstract Home: HashSet<IMortal> | null with get, set

/// A value with a record of whether it has been freed.
type Counted<'T> internal (value: 'T, what: string, died: unit -> unit) =
    let mutable alive = true
    let mutable home: HashSet<IMortal> | null = null

    /// False once the region that the value was made in has closed without keeping it.
    member _.Alive = alive

    /// The value of the space underneath. Throws InvalidOperationException where it has been freed.
    member _.Value =
        if alive then
            value
        else
            raise (InvalidOperationException $"a {what} was used after the region that it was made in had closed")

    interface IMortal with
        member _.Die() =
            if alive then
                alive <- false
                home <- null
                died ()

        member _.Home
            with get () = home
            and set owner = home <- owner

/// The number of values that are allocated now, and the largest such number.
type private Population() =
    let mutable living = 0
    let mutable most = 0
    member _.Living = living
    member _.Most = most

    member _.Born() =
        living <- living + 1
        most <- max most living

    member _.Died() = living <- living - 1
    member _.Reset() = most <- living

/// What is shared by counting spaces that work on the same values: the regions that are open, and the counters. All of it is per thread.
type private Census() =
    member val Regions = new ThreadLocal<Stack<HashSet<IMortal>>>(fun () -> Stack())
    member val Vectors = new ThreadLocal<Population>(fun () -> Population())
    member val Scalars = new ThreadLocal<Population>(fun () -> Population())
    member val Operations = new ThreadLocal<int>()
    member val Synchronisations = new ThreadLocal<int>()

/// Any space, with values that are counted and freed. Regions nest within a thread, as TorchSharp's do; counts are per thread too.
type CountingSpace<'V, 'S> private (space: IInnerProductSpace<'V, 'S>, census: Census) =
    let regions = census.Regions
    let vectors = census.Vectors
    let scalars = census.Scalars
    let operations = census.Operations
    let synchronisations = census.Synchronisations

    let own (mortal: IMortal) =
        match regions.Value.TryPeek() with
        | true, region ->
            region.Add mortal |> ignore
            mortal.Home <- region
        | _ -> ()

    let born (population: ThreadLocal<Population>) what (value: 'T) =
        population.Value.Born()
        let counted = Counted<'T>(value, what, (fun () -> population.Value.Died()))
        own counted
        counted

    let vector x = born vectors "vector" x
    let scalar x = born scalars "scalar" x

    let made x =
        operations.Value <- operations.Value + 1
        vector x

    let looked x =
        synchronisations.Value <- synchronisations.Value + 1
        x

    let move (mortal: IMortal) (target: HashSet<IMortal> | null) =
        match mortal.Home with
        | null -> ()
        | home -> home.Remove mortal |> ignore

        match target with
        | null -> mortal.Home <- null
        | target ->
            target.Add mortal |> ignore
            mortal.Home <- target

    let openRegion () =
        let around: HashSet<IMortal> | null =
            match regions.Value.TryPeek() with
            | true, region -> region
            | _ -> null

        let own = HashSet<IMortal>(HashIdentity.Reference)
        regions.Value.Push own

        // Only values that are freed with this region are moved out of it.
        let keep (x: Counted<'T>) =
            x.Value |> ignore

            if Object.ReferenceEquals((x :> IMortal).Home, own) then
                move x around

            x

        let adopt (x: Counted<'T>) =
            x.Value |> ignore
            move x own
            x

        { new IRegion<Counted<'V>, Counted<'S>> with
            member _.KeepVector x = keep x
            member _.KeepScalar x = keep x
            member _.AdoptVector x = adopt x
            member _.AdoptScalar x = adopt x

            member _.Dispose() =
                if not (Object.ReferenceEquals(regions.Value.Pop(), own)) then
                    raise (InvalidOperationException "regions were not closed in the order opposite to their opening")

                for mortal in Seq.toArray own do
                    mortal.Die()
        }

    new(space) = CountingSpace<'V, 'S>(space, Census())

    /// A space of another number of tasks over the same kind of values, counted together with this one: its regions nest with these.
    member _.Beside(other: IInnerProductSpace<'V, 'S>) = CountingSpace<'V, 'S>(other, census)

    /// A vector of the space underneath, made in the region that is open.
    member _.Track x = vector x
    /// A scalar of the space underneath, made in the region that is open.
    member _.TrackScalar x = scalar x
    /// How many vectors are allocated now.
    member _.Vectors = vectors.Value.Living
    member _.Scalars = scalars.Value.Living
    /// The largest number of vectors that were allocated at one time since Reset.
    member _.MostVectors = vectors.Value.Most
    /// How many passes over vectors were made since Reset: each product with a scalar, axpy, inner product and norm is one.
    member _.Operations = operations.Value
    /// How often Any or Read was called since Reset.
    member _.Synchronisations = synchronisations.Value

    /// Restarts the counters; allocated values are kept.
    member _.Reset() =
        vectors.Value.Reset()
        scalars.Value.Reset()
        operations.Value <- 0
        synchronisations.Value <- 0

    interface IInnerProductSpace<Counted<'V>, Counted<'S>> with
        member _.Zero like = vector (space.Zero like.Value)
        member _.Dimension like = space.Dimension like.Value
        member _.Scale(a, x) = made (space.Scale(a.Value, x.Value))
        member _.Axpy(a, x, y) = made (space.Axpy(a.Value, x.Value, y.Value))

        member _.Inner(x, y) =
            operations.Value <- operations.Value + 1
            scalar (space.Inner(x.Value, y.Value))

        member _.Norm x =
            operations.Value <- operations.Value + 1
            scalar (space.Norm x.Value)

        member _.Scalar a = scalar (space.Scalar a)
        member _.PerTask a = scalar (space.PerTask a)
        member _.Add(a, b) = scalar (space.Add(a.Value, b.Value))
        member _.Multiply(a, b) = scalar (space.Multiply(a.Value, b.Value))
        member _.DivideOrZero(a, b) = scalar (space.DivideOrZero(a.Value, b.Value))
        member _.SquareRoot a = scalar (space.SquareRoot a.Value)
        member _.Exceeds(a, b) = scalar (space.Exceeds(a.Value, b.Value))
        member _.Select(mask, a, b) = scalar (space.Select(mask.Value, a.Value, b.Value))
        member _.Any mask = looked (space.Any mask.Value)
        member _.Read a = looked (space.Read a.Value)
        member _.Spread theta = vector (space.Spread theta.Value)
        member _.Gather(mask, x) = made (space.Gather(mask.Value, x.Value))
        member _.Divide(x, divisor) = made (space.Divide(x.Value, divisor))
        member _.OpenRegion() = openRegion ()
