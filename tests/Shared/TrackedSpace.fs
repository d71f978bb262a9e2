// A space that kills its vectors as a native one does: over any space, every value made while a region is open is dead once it closes,
// unless it was kept, and the use of a dead value fails the test. So the region discipline of the mathematics is checked without a device.
namespace Imaml.Testing

open System
open System.Collections.Generic
open System.Threading
open Expecto
open Imaml.Math

/// A value that knows whether it is still alive.
[<AllowNullLiteral>]
type Tracked<'T>(value: 'T, what: string, died: unit -> unit) =
    let mutable alive = true
    /// The region whose end is this value's end.
    member val internal Owner: HashSet<IMortal> | null = null with get, set
    member _.Alive = alive

    member _.Value =
        if alive then
            value
        else
            failtest $"a {what} was used after the region that it was made in had closed"

    interface IMortal with
        member this.Die() =
            if alive then
                alive <- false
                this.Owner <- null
                died ()

        member this.Home
            with get () = this.Owner
            and set owner = this.Owner <- owner

/// What a region can own.
and [<AllowNullLiteral>] IMortal =
    abstract Die: unit -> unit
    abstract Home: HashSet<IMortal> | null with get, set

/// Any space with mortal values. Regions nest within a thread, as TorchSharp's do; counts are per thread too.
type TrackedSpace<'V, 'S>(space: IInnerProductSpace<'V, 'S>) =
    let regions = new ThreadLocal<Stack<HashSet<IMortal>>>(fun () -> Stack())
    let vectors = new ThreadLocal<int>()
    let scalars = new ThreadLocal<int>()
    let mostVectors = new ThreadLocal<int>()
    let mostScalars = new ThreadLocal<int>()
    let synchronisations = new ThreadLocal<int>()

    let own (mortal: IMortal) =
        match regions.Value.TryPeek() with
        | true, region ->
            region.Add mortal |> ignore
            mortal.Home <- region
        | _ -> ()

    let vector x =
        vectors.Value <- vectors.Value + 1
        mostVectors.Value <- max mostVectors.Value vectors.Value
        let tracked = Tracked<'V>(x, "vector", (fun () -> vectors.Value <- vectors.Value - 1))
        own tracked
        tracked

    let scalar x =
        scalars.Value <- scalars.Value + 1
        mostScalars.Value <- max mostScalars.Value scalars.Value
        let tracked = Tracked<'S>(x, "scalar", (fun () -> scalars.Value <- scalars.Value - 1))
        own tracked
        tracked

    let move (mortal: IMortal) (target: HashSet<IMortal> | null) =
        match mortal.Home with
        | null -> ()
        | home -> home.Remove mortal |> ignore

        match target with
        | null -> mortal.Home <- null
        | target ->
            target.Add mortal |> ignore
            mortal.Home <- target

    let open' () =
        let around: HashSet<IMortal> | null =
            match regions.Value.TryPeek() with
            | true, region -> region
            | _ -> null

        let own = HashSet<IMortal>(HashIdentity.Reference)
        regions.Value.Push own

        // Only what dies with this region moves out of it.
        let keep (mortal: IMortal) =
            if Object.ReferenceEquals(mortal.Home, own) then
                move mortal around

        { new IRegion<Tracked<'V>, Tracked<'S>> with
            member _.KeepVector x =
                x.Value |> ignore
                keep x
                x

            member _.KeepScalar x =
                x.Value |> ignore
                keep x
                x

            member _.AdoptVector x =
                x.Value |> ignore
                move x own
                x

            member _.AdoptScalar x =
                x.Value |> ignore
                move x own
                x

            member _.Dispose() =
                if not (Object.ReferenceEquals(regions.Value.Pop(), own)) then
                    failtest "regions were not closed in the order opposite to their opening"

                for mortal in Seq.toArray own do
                    mortal.Die()
        }

    /// A vector of the space underneath, made in the region that is open.
    member _.Track x = vector x
    /// How many vectors live now, and how many lived at most since Reset.
    member _.Vectors = vectors.Value
    member _.Scalars = scalars.Value
    member _.MostVectors = mostVectors.Value
    member _.MostScalars = mostScalars.Value
    /// How often Any or Read was asked since Reset.
    member _.Synchronisations = synchronisations.Value

    member _.Reset() =
        mostVectors.Value <- vectors.Value
        mostScalars.Value <- scalars.Value
        synchronisations.Value <- 0

    interface IInnerProductSpace<Tracked<'V>, Tracked<'S>> with
        member _.Zero like = vector (space.Zero like.Value)
        member _.Scale(a, x) = vector (space.Scale(a.Value, x.Value))
        member _.Axpy(a, x, y) = vector (space.Axpy(a.Value, x.Value, y.Value))
        member _.Inner(x, y) = scalar (space.Inner(x.Value, y.Value))
        member _.Norm x = scalar (space.Norm x.Value)
        member _.Scalar a = scalar (space.Scalar a)
        member _.PerTask a = scalar (space.PerTask a)
        member _.Add(a, b) = scalar (space.Add(a.Value, b.Value))
        member _.Multiply(a, b) = scalar (space.Multiply(a.Value, b.Value))
        member _.DivideOrZero(a, b) = scalar (space.DivideOrZero(a.Value, b.Value))
        member _.SquareRoot a = scalar (space.SquareRoot a.Value)
        member _.Exceeds(a, b) = scalar (space.Exceeds(a.Value, b.Value))
        member _.Select(mask, a, b) = scalar (space.Select(mask.Value, a.Value, b.Value))

        member _.Any mask =
            synchronisations.Value <- synchronisations.Value + 1
            space.Any mask.Value

        member _.Read a =
            synchronisations.Value <- synchronisations.Value + 1
            space.Read a.Value

        member _.OpenRegion() = open' ()
