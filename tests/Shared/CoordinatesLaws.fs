// What every ICoordinates must do, as one list of tests: `CoordinatesLaws.laws subject`. One rounding for each operation on a coordinate.
module Imaml.Testing.CoordinatesLaws

open System
open Expecto
open Imaml.Math

let laws (subject: Subject<'V, 'S>) =
    let coordinates = subject.Coordinates

    let property name (body: Random -> float[][] -> float[][] -> unit) =
        Subject.property subject 20 name (fun draw ->
            let random = Random draw.Seed
            body random (Subject.rows subject random draw.Size) (Subject.rows subject random draw.Size))

    let pairwise (f: float -> float -> float) (x: float[][]) (y: float[][]) = Array.map2 (Array.map2 f) x y
    let positive (x: float[][]) = x |> Array.map (Array.map (fun value -> float (float32 (0.5 + abs value))))

    testList
        $"Coordinates, {subject.Name}"
        [
            property "a vector is what its rows say, and says it" (fun _ x y ->
                let made = coordinates.OfRows(subject.OfRows y, x)
                Check.same x (subject.ToRows made) "OfRows"
                Check.same x (coordinates.ToRows made) "ToRows")

            property "products and quotients are taken coordinate by coordinate" (fun _ x y ->
                let y = positive y
                let product = coordinates.Product(subject.OfRows x, subject.OfRows y)
                let quotient = coordinates.Quotient(subject.OfRows x, subject.OfRows y)
                Check.rows subject.Epsilon (pairwise (fun x y -> x * y) x y) (subject.ToRows product) "xᵢyᵢ"
                Check.rows subject.Epsilon (pairwise (fun x y -> x / y) x y) (subject.ToRows quotient) "xᵢ/yᵢ")

            property "a combination is a·x + b·y" (fun _ x y ->
                let actual = subject.ToRows(coordinates.Combine(0.75, subject.OfRows x, -1.5, subject.OfRows y))
                // Three roundings, of terms at most this large.
                pairwise (fun x y -> 0.75 * x - 1.5 * y) x y
                |> Array.iteri (fun task row ->
                    row
                    |> Array.iteri (fun j expected ->
                        let terms = 0.75 * abs (x[task][j]) + 1.5 * abs (y[task][j])
                        Check.near (3.0 * subject.Epsilon * terms) expected (actual[task][j]) $"task {task}, coordinate {j}")))

            property "division by a root is x/(√y + ε)" (fun _ x y ->
                let y = positive y
                let actual = coordinates.DivideByRoot(subject.OfRows x, subject.OfRows y, 0.125)
                Check.rows (4.0 * subject.Epsilon) (pairwise (fun x y -> x / (sqrt y + 0.125)) x y) (subject.ToRows actual) "x/(√y + ε)")
        ]
