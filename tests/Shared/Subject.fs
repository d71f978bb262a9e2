// A space under test, and the random instances that its laws are checked on.
namespace Imaml.Testing

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Imaml.Math

/// What a random instance is made from, so that a failure replays: a seed, a number of parameters and a condition number.
type Draw =
    {
        Seed: int
        Size: int
        Condition: float
    }

/// FsCheck's generator of draws: sizes from 1 to 12, condition numbers from 1 to 100, where single precision still has digits to show.
type DrawGenerator =
    static member Draw() : Arbitrary<Draw> =
        gen {
            let! seed = Gen.choose (0, 1_000_000)
            let! size = Gen.choose (1, 12)
            let! decade = Gen.choose (0, 20)

            return
                {
                    Seed = seed
                    Size = size
                    Condition = 10.0 ** (float decade / 10.0)
                }
        }
        |> Arb.fromGen

/// A space with the way into it and out of it. A vector is B rows of d numbers, B the number of tasks.
[<NoComparison; NoEquality>]
type Subject<'V, 'S> =
    {
        Name: string
        Space: IInnerProductSpace<'V, 'S>
        Tasks: int
        /// The space of another number of tasks over the same kind of vectors; θ is in that of 1.
        OfTasks: int -> IInnerProductSpace<'V, 'S>
        /// The largest number that OfTasks takes.
        MostTasks: int
        /// The distance from 1 to the next number: 2⁻⁵² in double, 2⁻²³ in single precision.
        Epsilon: float
        /// Makes a vector in the region that is open.
        OfRows: float[][] -> 'V
        /// Reads a vector; fails where it has been freed.
        ToRows: 'V -> float[][]
        Coordinates: ICoordinates<'V>
        /// Whether a vector can still be read, for spaces that free vectors themselves.
        Alive: ('V -> bool) option
        /// How many like spaces share the draws of a law, where each operation takes long: each makes that part of them. IMAML_DRAWS gives each its number.
        Sharing: int
    }

[<RequireQualifiedAccess>]
module Subject =

    /// Runs a test's body in a region, so that it leaves nothing behind.
    let within (subject: Subject<'V, 'S>) (body: unit -> unit) =
        use _ = subject.Space.OpenRegion()
        body ()

    /// A law: a statement that is checked once.
    let law (subject: Subject<'V, 'S>) name body = testCase name (fun () -> within subject body)

    /// A law that is checked on random draws.
    let property (subject: Subject<'V, 'S>) draws name (body: Draw -> unit) =
        let config =
            { Draws.times ((draws + subject.Sharing - 1) / subject.Sharing) with
                arbitrary = [ typeof<DrawGenerator> ]
            }

        testPropertyWithConfig config name (fun draw -> within subject (fun () -> body draw))

    /// The subject with another number of tasks.
    let sized tasks (subject: Subject<'V, 'S>) =
        { subject with
            Space = subject.OfTasks tasks
            Tasks = tasks
        }

    /// The same row for every task.
    let alike (subject: Subject<'V, 'S>) (row: float[]) = Array.init subject.Tasks (fun _ -> Array.copy row)

    /// One scalar for each task: the first coordinates of a vector, as an inner product with e₁.
    let scalars (subject: Subject<'V, 'S>) (values: float[]) =
        subject.Space.Inner(subject.OfRows(values |> Array.map Array.singleton), subject.OfRows(alike subject [| 1.0 |]))

    /// B rows of d standard normal numbers, rounded to single precision so that every space holds them exactly.
    let rows (subject: Subject<'V, 'S>) (random: Random) d =
        Array.init subject.Tasks (fun _ ->
            Array.init d (fun _ -> float (float32 (MathNet.Numerics.Distributions.Normal.Sample(random, 0.0, 1.0)))))

/// Comparisons of rows whose message names the task.
[<RequireQualifiedAccess>]
module Check =

    let private euclid (x: float[]) = sqrt (Array.sumBy (fun value -> value * value) x)

    /// |actual − expected| ≤ tolerance
    let near (tolerance: float) (expected: float) (actual: float) (what: string) =
        if not (abs (actual - expected) <= tolerance) then
            failtest $"{what}: {actual} is not within {tolerance} of {expected}"

    /// measured ≤ bound
    let atMost (bound: float) (measured: float) (what: string) =
        if not (measured <= bound) then
            failtest $"{what}: {measured} exceeds {bound}"

    /// Number by number.
    let scalars (tolerance: float) (expected: float[]) (actual: float[]) what =
        Expect.equal actual.Length expected.Length what
        Array.iteri2 (fun task e a -> near tolerance e a $"{what}, task {task}") expected actual

    /// ‖actual − expected‖ ≤ tolerance·‖expected‖ in every row.
    let rows (tolerance: float) (expected: float[][]) (actual: float[][]) what =
        Expect.equal actual.Length expected.Length what

        Array.iteri2
            (fun task (e: float[]) (a: float[]) ->
                Expect.equal a.Length e.Length what
                atMost (tolerance * euclid e) (euclid (Array.map2 (-) a e)) $"{what}, relative error of task {task} times ‖expected‖")
            expected
            actual

    /// Equal to the last bit, not-a-number equal to itself.
    let same (expected: float[][]) (actual: float[][]) what =
        let bits = Array.map (Array.map BitConverter.DoubleToInt64Bits)

        if bits expected <> bits actual then
            failtest $"{what}: %A{actual} is not exactly %A{expected}"
