// The instances of a check: so many seeds of every family, more of them where there is time.

namespace Imaml.Theory

open System

[<RequireQualifiedAccess>]
module Instances =

    /// The count for this extent.
    let count (quick: int) (full: int) (extent: Extent) = if extent = Extent.Full then full else quick

    /// Seeds first, first + 1, … of a family each, as many as the count.
    let seeds (first: int) (families: Family list) (count: Extent -> int) (extent: Extent) =
        [
            for family in families do
                for seed in first .. first + count extent - 1 -> struct (family, seed)
        ]

    /// A measurement that several claims read, made once for each extent; of many, a cached sequence is made as it is read.
    let shared (measure: Extent -> 'T) =
        let quick = lazy (measure Extent.Quick)
        let full = lazy (measure Extent.Full)

        fun extent -> if extent = Extent.Full then full.Value else quick.Value

    /// The instances of a claim or a violation.
    let from (instances: Extent -> Instance seq) : Func<Extent, Instance seq> = Func<_, _> instances

    /// One margin for each seed of each family, but for those on which there is nothing to measure.
    let eachMeasured first (families: Family list) count (check: Family -> int -> float voption) =
        from (fun extent ->
            seeds first families count extent
            |> Seq.choose (fun struct (family, seed) ->
                check family seed
                |> ValueOption.map (fun margin ->
                    {
                        Name = $"{Family.name family}, seed {seed}"
                        Margin = margin
                    })
                |> ValueOption.toOption))

    /// One margin for each seed of each family.
    let each first families count (check: Family -> int -> float) =
        eachMeasured first families count (fun family seed -> ValueSome(check family seed))

    /// One margin for each seed.
    let numbered first count (check: int -> float) =
        from (fun extent ->
            Seq.init (count extent) (fun i ->
                {
                    Name = $"seed {first + i}"
                    Margin = check (first + i)
                }))

    /// The instances of one, and then those of the other.
    let andThen (second: Func<Extent, Instance seq>) (first: Func<Extent, Instance seq>) =
        from (fun extent -> Seq.append (first.Invoke extent) (second.Invoke extent))

    /// The names of the families, for the ledger.
    let names (families: Family list) = families |> List.map Family.name |> String.concat ", "
