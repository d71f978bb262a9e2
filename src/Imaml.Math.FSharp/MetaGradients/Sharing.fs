// Numbers that are learned beside θ and shared by coordinates: one for all of them, one for each layer, one for each.
//
// They live on the host, p of them in double precision; a vector of the space repeats each for its coordinates, and a gradient in the vector
// adds up over them, which is the transpose of repeating.

namespace Imaml.Math

open System

/// Which coordinates of a vector share a learned number.
type Sharing =
    | OneForAll
    /// Layers are consecutive coordinates, this many each.
    | OnePerLayer of sizes: int[]
    | OnePerCoordinate

[<RequireQualifiedAccess>]
module Sharing =

    /// p, for vectors of d coordinates. Errors: layers that do not add up to d coordinates, or one of none.
    let count (sharing: Sharing) (d: int) =
        match sharing with
        | OneForAll -> 1
        | OnePerCoordinate -> d
        | OnePerLayer sizes ->
            if Array.exists (fun size -> size < 1) sizes || Array.sum sizes <> d then
                let said = String.Join(" + ", sizes)
                invalidArg (nameof sharing) $"layers of {said} coordinates must be at least 1 each and add up to {d}"

            sizes.Length

    /// d numbers from p.
    let internal expand (sharing: Sharing) (d: int) (numbers: float[]) =
        let p = count sharing d

        if numbers.Length <> p then
            invalidArg (nameof numbers) $"{p} learned numbers are needed, not {numbers.Length}"

        match sharing with
        | OneForAll -> Array.create d numbers[0]
        | OnePerCoordinate -> Array.copy numbers
        | OnePerLayer sizes -> Array.map2 Array.create sizes numbers |> Array.concat

    /// p sums from d numbers.
    let internal total (sharing: Sharing) (row: float[]) =
        match sharing with
        | OneForAll -> [| Array.sum row |]
        | OnePerCoordinate -> row
        | OnePerLayer sizes ->
            let starts = Array.scan (+) 0 sizes
            sizes |> Array.mapi (fun layer size -> Array.sum (Array.sub row starts[layer] size))

    /// The vector that repeats each number for its coordinates, of the kind of `like`.
    let vector (coordinates: ICoordinates<'V>) (sharing: Sharing) (like: 'V) (numbers: float[]) : 'V =
        let rows = coordinates.ToRows like
        let row = expand sharing rows[0].Length numbers
        coordinates.OfRows(like, Array.create rows.Length row)

    /// For every task, the gradient in the p numbers from that in the vector. On a device this waits for it.
    let gradient (coordinates: ICoordinates<'V>) (sharing: Sharing) (ofVector: 'V) : float[][] =
        coordinates.ToRows ofVector |> Array.map (total sharing)
