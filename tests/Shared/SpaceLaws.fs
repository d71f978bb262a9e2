// What every IInnerProductSpace must do, as one list of tests: `SpaceLaws.laws subject`.
//
// ε is the space's machine epsilon, twice the error of one rounding. A sum of d products errs by at most d roundings of the sum of the
// products' sizes, whatever the order, so dε covers it twice.
module Imaml.Testing.SpaceLaws

open System
open Expecto
open FsUnit
open Imaml.Math

/// The state of an iteration with one vector and one scalar.
[<NoComparison; NoEquality>]
type private Carried<'V, 'S> =
    {
        Vector: 'V
        Number: 'S
    }

    interface ICarried<'V, 'S, Carried<'V, 'S>> with
        member s.Carry(vector, scalar) =
            {
                Vector = vector.Invoke s.Vector
                Number = scalar.Invoke s.Number
            }

let private algebra (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let law name body = Subject.law subject name body
    let property name body = Subject.property subject 30 name body
    let perTask f = Array.init subject.Tasks f
    let ofRows, toRows = subject.OfRows, subject.ToRows

    let draw2 (draw: Draw) =
        let random = Random draw.Seed
        let x, y = Subject.rows subject random draw.Size, Subject.rows subject random draw.Size
        struct (random, x, y)

    let dots (x: float[][]) (y: float[][]) = Array.map2 (fun a b -> Array.fold2 (fun sum p q -> sum + p * q) 0.0 a b) x y

    let sizes (x: float[][]) (y: float[][]) = dots (Array.map (Array.map abs) x) (Array.map (Array.map abs) y)

    [
        property "a vector is what it was made from" (fun draw ->
            let struct (_, x, _) = draw2 draw
            Check.same x (toRows (ofRows x)) "rows")

        property "zero is the vector of zeros" (fun draw ->
            let struct (_, x, _) = draw2 draw
            Check.same (x |> Array.map (Array.map (fun _ -> 0.0))) (toRows (space.Zero(ofRows x))) "Zero")

        property "scaling multiplies each task by its own number" (fun draw ->
            let struct (random, x, _) = draw2 draw
            let a = Subject.rows subject random 1 |> Array.map Array.head
            let expected = Array.map2 (fun a row -> Array.map (fun value -> a * value) row) a x
            // One rounding a coordinate.
            Check.rows subject.Epsilon expected (toRows (space.Scale(Subject.scalars subject a, ofRows x))) "Scale")

        property "what a space does in one pass is what its operations make one after another" (fun draw ->
            match space with
            | :? IFusedOperations<'V, 'S> as fused ->
                let struct (_, x, y) = draw2 draw
                let struct (_, z, _) = draw2 { draw with Seed = draw.Seed + 1 }
                let a = 1.5
                let sum x y z = z + a * (x - y)
                let expected = Array.map3 (Array.map3 sum) x y z
                // Three roundings, of z and of a multiple of x and y.
                let tolerance = 3.0 * subject.Epsilon * (2.0 * a + 1.0)
                let largest = [ x; y; z ] |> Seq.collect Seq.concat |> Seq.map abs |> Seq.fold max 0.0
                let actual = toRows (fused.AddMultipleOfDifference(a, ofRows x, ofRows y, ofRows z))

                Array.iter2 (Array.iter2 (fun e v -> Check.atMost (tolerance * largest) (abs (e - v)) "z + a(x − y)")) expected actual
                let difference = Array.map2 (Array.map2 (-)) x y
                // One rounding of each difference, and dε of the sum, see above.
                let bound = (float draw.Size + 2.0) * subject.Epsilon

                (dots difference difference, space.Read(fused.SquaredDistance(ofRows x, ofRows y)))
                ||> Array.iter2 (fun e v -> Check.atMost (bound * e) (abs (e - v)) "‖x − y‖²")
            | _ -> ())

        property "axpy is a·x + y with each task's own a" (fun draw ->
            let struct (random, x, y) = draw2 draw
            let a = Subject.rows subject random 1 |> Array.map Array.head
            let actual = toRows (space.Axpy(Subject.scalars subject a, ofRows x, ofRows y))

            for task in 0 .. subject.Tasks - 1 do
                for j in 0 .. draw.Size - 1 do
                    let product = a[task] * x[task][j]
                    // Two roundings, of numbers at most this large.
                    let tolerance = subject.Epsilon * (abs product + abs (y[task][j]))
                    Check.near tolerance (product + y[task][j]) (actual[task][j]) $"Axpy, task {task}, coordinate {j}")

        property "axpy with the same a for all tasks is a·x + y" (fun draw ->
            let struct (random, x, y) = draw2 draw
            let a = random.NextDouble() - 0.5
            let actual = toRows (space.Axpy(space.Scalar a, ofRows x, ofRows y))

            for task in 0 .. subject.Tasks - 1 do
                for j in 0 .. draw.Size - 1 do
                    let product = a * x[task][j]
                    // a itself is rounded too.
                    let tolerance = 2.0 * subject.Epsilon * (abs product + abs (y[task][j]))
                    Check.near tolerance (product + y[task][j]) (actual[task][j]) $"Axpy, task {task}, coordinate {j}")

        law "axpy with a = 0 returns y exactly, even where x is not finite" (fun () ->
            let x = ofRows (Subject.alike subject [| nan; infinity; -infinity; 1.0 |])
            let y = Subject.alike subject [| 1.0; -2.0; 0.1f |> float; -0.0 |]
            Check.same y (toRows (space.Axpy(space.Scalar 0.0, x, ofRows y))) "one 0 for all"
            let zeros = Subject.scalars subject (perTask (fun _ -> 0.0))
            Check.same y (toRows (space.Axpy(zeros, x, ofRows y))) "a 0 for each")

        law "axpy freezes some tasks and moves the others" (fun () ->
            let a = perTask (fun task -> if task % 2 = 0 then 0.0 else 2.0)
            let x = perTask (fun task -> if task % 2 = 0 then [| nan; infinity |] else [| 1.0; 3.0 |])
            let y = Subject.alike subject [| 5.0; 7.0 |]
            let expected = perTask (fun task -> if task % 2 = 0 then y[task] else [| 7.0; 13.0 |])
            Check.same expected (toRows (space.Axpy(Subject.scalars subject a, ofRows x, ofRows y))) "Axpy")

        property "the inner product is each task's sum of products" (fun draw ->
            let struct (_, x, y) = draw2 draw
            let actual = space.Read(space.Inner(ofRows x, ofRows y))
            let bounds = sizes x y |> Array.map (fun size -> float draw.Size * subject.Epsilon * size)

            Array.iteri2 (fun task e a -> Check.near bounds[task] e a $"Inner, task {task}") (dots x y) actual)

        property "the inner product is symmetric to the last bit" (fun draw ->
            let struct (_, x, y) = draw2 draw
            let forward = space.Read(space.Inner(ofRows x, ofRows y))
            Check.same [| forward |] [| space.Read(space.Inner(ofRows y, ofRows x)) |] "⟨y, x⟩")

        property "the inner product is linear in its first argument" (fun draw ->
            let struct (random, x, y) = draw2 draw
            let z = Subject.rows subject random draw.Size
            let a = Subject.rows subject random 1 |> Array.map Array.head
            let scalar = Subject.scalars subject a
            let left = space.Read(space.Inner(space.Axpy(scalar, ofRows x, ofRows y), ofRows z))

            let right =
                space.Read(space.Add(space.Multiply(scalar, space.Inner(ofRows x, ofRows z)), space.Inner(ofRows y, ofRows z)))

            // d + 2 roundings on each side, of terms at most this large.
            let bounds =
                Array.map3 (fun a p q -> 2.0 * float (draw.Size + 2) * subject.Epsilon * (abs a * p + q)) a (sizes x z) (sizes y z)

            Array.iteri2 (fun task e a -> Check.near bounds[task] e a $"⟨a·x + y, z⟩, task {task}") right left)

        property "⟨x, x⟩ is positive for x ≠ 0" (fun draw ->
            let struct (_, x, _) = draw2 draw

            let x =
                x
                |> Array.map (fun row ->
                    if Array.forall ((=) 0.0) row then
                        Array.map (fun _ -> 1.0) row
                    else
                        row)

            space.Read(space.Inner(ofRows x, ofRows x)) |> Array.iter (should be (greaterThan 0.0)))

        law "⟨0, 0⟩ is 0" (fun () ->
            let zero = space.Zero(ofRows (Subject.alike subject [| 1.0; 2.0 |]))
            space.Read(space.Inner(zero, zero)) |> should equal (perTask (fun _ -> 0.0)))

        property "no operation changes its arguments" (fun draw ->
            let struct (_, x, y) = draw2 draw
            let vx, vy = ofRows x, ofRows y
            let a = perTask (fun task -> float task + 2.0)
            let scalar = Subject.scalars subject a
            space.Axpy(scalar, vx, vy) |> ignore
            space.Axpy(space.Scalar 0.0, vx, vy) |> ignore
            space.Scale(scalar, vx) |> ignore
            space.Inner(vx, vy) |> ignore
            space.Norm vx |> ignore
            space.Zero vx |> ignore
            space.Add(scalar, scalar) |> ignore
            space.Multiply(scalar, scalar) |> ignore
            space.DivideOrZero(scalar, scalar) |> ignore
            space.Select(space.Exceeds(scalar, scalar), scalar, scalar) |> ignore
            Check.same x (toRows vx) "x"
            Check.same y (toRows vy) "y"
            space.Read scalar |> should equal a)
    ]

let private norms (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let norm rows = space.Read(space.Norm(subject.OfRows rows))
    let perTask f = Array.init subject.Tasks f

    [
        Subject.property subject 30 "the norm is the root of ⟨x, x⟩" (fun draw ->
            let x = Subject.rows subject (Random draw.Seed) draw.Size
            let expected = x |> Array.map (fun row -> sqrt (Array.sumBy (fun value -> value * value) row))
            // d roundings of the sum, halved by the root, and four for the two scalings, the root and the division.
            let tolerance = float (draw.Size + 4) * subject.Epsilon
            Array.iteri2 (fun task e a -> Check.near (tolerance * e) e a $"Norm, task {task}") expected (norm x))

        Subject.law subject "the norm neither underflows nor overflows where it can be represented" (fun () ->
            // 3-4-5 at sizes whose squares single precision cannot hold.
            for size in [ 1e-20; 1e-30; 1e20; 1e30 ] do
                Check.scalars
                    (6.0 * subject.Epsilon * 5.0 * size)
                    (perTask (fun _ -> 5.0 * size))
                    (norm (Subject.alike subject [| 3.0 * size; 4.0 * size |]))
                    $"‖({3.0 * size}, {4.0 * size})‖")

        Subject.law subject "the norm of 0 is 0, of an infinite vector infinite, and of one with NaN not a number" (fun () ->
            norm (Subject.alike subject [| 0.0; 0.0 |]) |> should equal (perTask (fun _ -> 0.0))

            for row in [ [| infinity; 1.0 |]; [| -infinity; 0.0 |] ] do
                norm (Subject.alike subject row) |> should equal (perTask (fun _ -> infinity))

            norm (Subject.alike subject [| nan; 1.0 |]) |> Array.iter (should be NaN))

        Subject.law subject "a task's norm does not see the other tasks" (fun () ->
            let rows = perTask (fun task -> if task % 2 = 0 then [| 3.0; 4.0 |] else [| nan; infinity |])

            norm rows
            |> Array.iteri (fun task value ->
                if task % 2 = 0 then
                    Check.near (6.0 * subject.Epsilon * 5.0) 5.0 value $"Norm, task {task}"))
    ]

/// One vector θ and the B vectors of a space.
let private between (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let one = subject.OfTasks 1
    let perTask f = Array.init subject.Tasks f
    let law name body = Subject.law subject name body
    // Whole numbers: their sums are exact.
    let whole (draw: Draw) tasks =
        let random = Random draw.Seed
        Array.init tasks (fun _ -> Array.init draw.Size (fun _ -> float (random.Next(-99, 100))))

    let total mask (rows: float[][]) =
        [|
            Array.init rows[0].Length (fun j -> Seq.sum (Seq.map2 (fun m (row: float[]) -> if m > 0.5 then row[j] else 0.0) mask rows))
        |]

    [
        Subject.property subject 10 "Spread gives every task the vector, to the last bit" (fun draw ->
            let theta = Subject.rows subject (Random draw.Seed) draw.Size |> Array.truncate 1
            Check.same (perTask (fun _ -> theta[0])) (subject.ToRows(space.Spread(subject.OfRows theta))) "Spread")

        Subject.property subject 10 "Gather adds up the tasks that the mask chooses" (fun draw ->
            let x = whole draw subject.Tasks

            for chosen in 0 .. (1 <<< min 3 subject.Tasks) - 1 do
                let mask = perTask (fun i -> if chosen &&& (1 <<< i) > 0 then 1.0 else 0.0)
                Check.same (total mask x) (subject.ToRows(space.Gather(Subject.scalars subject mask, subject.OfRows x))) "Gather"

            for shared in [ 0.0; 1.0 ] do
                let expected = total (perTask (fun _ -> shared)) x
                Check.same expected (subject.ToRows(space.Gather(space.Scalar shared, subject.OfRows x))) "Gather, one mask for all")

        law "Gather takes nothing of a task whose mask is 0, even where it is not finite" (fun () ->
            for broken in [ nan; infinity; -infinity ] do
                for bad in 0 .. subject.Tasks - 1 do
                    let x = perTask (fun i -> if i = bad then [| broken; 1.0 |] else [| 2.0; 3.0 |])
                    let mask = perTask (fun i -> if i = bad then 0.0 else 1.0)
                    let actual = space.Gather(Subject.scalars subject mask, subject.OfRows x)
                    Check.same (total mask x) (subject.ToRows actual) $"Gather, task {bad} is {broken}"

            let x = Subject.alike subject [| nan; infinity |]
            Check.same [| [| 0.0; 0.0 |] |] (subject.ToRows(space.Gather(space.Scalar 0.0, subject.OfRows x))) "no task")

        Subject.property subject 10 "⟨Spread θ, x⟩, summed over the tasks, is ⟨θ, Gather x⟩: each map is the other's transpose" (fun draw ->
            let theta, x = whole draw 1, whole { draw with Seed = draw.Seed + 1 } subject.Tasks
            let each = space.Read(space.Inner(space.Spread(subject.OfRows theta), subject.OfRows x))

            let together =
                one.Read(one.Inner(subject.OfRows theta, space.Gather(space.Scalar 1.0, subject.OfRows x)))

            together[0] |> should equal (Array.sum each))

        Subject.property subject 10 "Divide divides every coordinate, rounding once" (fun draw ->
            let x = Subject.rows subject (Random draw.Seed) draw.Size

            for divisor in [ 1.0; 2.0; 3.0; 7.0 ] do
                let expected = x |> Array.map (Array.map (fun value -> value / divisor))
                let actual = subject.ToRows(space.Divide(subject.OfRows x, divisor))
                // Twice the error of one rounding; none of a power of two.
                Check.rows (if divisor < 3.0 then 0.0 else subject.Epsilon) expected actual $"Divide by {divisor}")

        law "a vector survives what was spread from it, and a sum what it was gathered from" (fun () ->
            let theta = subject.OfRows [| [| 3.0; 4.0 |] |]
            let x = subject.OfRows(Subject.alike subject [| 1.0; 2.0 |])

            let sum =
                use outer = space.OpenRegion()

                (use region = space.OpenRegion()
                 region.AdoptVector(space.Spread theta) |> ignore
                 region.AdoptVector x |> ignore
                 region.KeepVector(space.Gather(space.Scalar 1.0, x)))
                |> outer.KeepVector

            Check.same [| [| 3.0; 4.0 |] |] (subject.ToRows theta) "θ"
            Check.same [| [| float subject.Tasks; 2.0 * float subject.Tasks |] |] (subject.ToRows sum) "the sum")
    ]

let private scalars (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let perTask f = Array.init subject.Tasks f
    let law name body = Subject.law subject name body
    let each value = perTask (fun _ -> value)
    let made value = Subject.scalars subject (each value)

    [
        law "Scalar gives every task the number, and Read returns it" (fun () ->
            for number in [ 0.0; 1.0; -2.5; infinity; -infinity ] do
                space.Read(space.Scalar number) |> should equal (each number)

            space.Read(space.Scalar nan) |> Array.iter (should be NaN))

        law "Read returns each task's own number" (fun () ->
            let values = perTask (fun task -> float (task + 1) / 4.0)
            space.Read(Subject.scalars subject values) |> should equal values)

        law "Add and Multiply work task by task, also with a number shared by all" (fun () ->
            let values = perTask (fun task -> float (task + 1))
            let own = Subject.scalars subject values
            space.Read(space.Add(own, own)) |> should equal (values |> Array.map (fun v -> v + v))
            space.Read(space.Multiply(own, own)) |> should equal (values |> Array.map (fun v -> v * v))

            space.Read(space.Add(space.Scalar 0.5, own))
            |> should equal (values |> Array.map (fun v -> 0.5 + v))

            space.Read(space.Multiply(own, space.Scalar 0.5))
            |> should equal (values |> Array.map (fun v -> v * 0.5))

            space.Read(space.Add(space.Scalar 0.5, space.Scalar 0.25)) |> should equal (each 0.75))

        law "SquareRoot is the root of each task's own number" (fun () ->
            for shared in [ true; false ] do
                let make = if shared then space.Scalar else made

                for root in [ 0.0; 0.5; 3.0; infinity ] do
                    space.Read(space.SquareRoot(make (root * root))) |> should equal (each root)

            let values = perTask (fun task -> float (task + 1))
            let squares = Subject.scalars subject (values |> Array.map (fun v -> v * v))
            space.Read(space.SquareRoot squares) |> should equal values)

        law "DivideOrZero divides where the denominator is positive" (fun () ->
            for shared in [ true; false ] do
                let make = if shared then space.Scalar else made
                space.Read(space.DivideOrZero(make 3.0, make 4.0)) |> should equal (each 0.75)
                space.Read(space.DivideOrZero(make -3.0, make 4.0)) |> should equal (each -0.75)
                space.Read(space.DivideOrZero(make 3.0, make infinity)) |> should equal (each 0.0))

        law "DivideOrZero is 0 where the denominator is 0, negative or not a number, whatever the numerator" (fun () ->
            for shared in [ true; false ] do
                let make = if shared then space.Scalar else made

                for denominator in [ 0.0; -0.0; -4.0; -infinity; nan ] do
                    for numerator in [ 3.0; 0.0; -3.0; infinity; nan ] do
                        space.Read(space.DivideOrZero(make numerator, make denominator))
                        |> Array.map abs
                        |> should equal (each 0.0))

        law "Exceeds is 1 where a > b and 0 elsewhere, infinities included, NaN exceeding nothing" (fun () ->
            for shared in [ true; false ] do
                let make = if shared then space.Scalar else made

                for a in [ 0.0; 1.0; -1.0; infinity; -infinity; nan ] do
                    for b in [ 0.0; 1.0; -1.0; infinity; -infinity; nan ] do
                        space.Read(space.Exceeds(make a, make b)) |> should equal (each (if a > b then 1.0 else 0.0)))

        law "Select takes a where the mask is 1 and b where it is 0, and nothing of the other" (fun () ->
            let mask = perTask (fun task -> if task % 2 = 0 then 1.0 else 0.0)
            let own = Subject.scalars subject mask
            let expected = mask |> Array.map (fun m -> if m = 1.0 then 2.0 else 3.0)
            space.Read(space.Select(own, space.Scalar 2.0, space.Scalar 3.0)) |> should equal expected

            for other in [ nan; infinity ] do
                let a = Subject.scalars subject (mask |> Array.map (fun m -> if m = 1.0 then 2.0 else other))
                let b = Subject.scalars subject (mask |> Array.map (fun m -> if m = 1.0 then other else 3.0))
                space.Read(space.Select(own, a, b)) |> should equal expected)

        law "Any asks whether the mask is 1 for any task" (fun () ->
            space.Any(space.Scalar 0.0) |> should equal false
            space.Any(space.Scalar 1.0) |> should equal true
            space.Any(made 0.0) |> should equal false

            for task in 0 .. subject.Tasks - 1 do
                space.Any(Subject.scalars subject (perTask (fun i -> if i = task then 1.0 else 0.0)))
                |> should equal true)
    ]

let private regions (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let law name body = Subject.law subject name body
    let made value = subject.OfRows(Subject.alike subject [| value; 2.0 |])
    let readable value vector = Check.same (Subject.alike subject [| value; 2.0 |]) (subject.ToRows vector) "the vector"

    let inside (body: IRegion<'V, 'S> -> 'R) =
        use region = space.OpenRegion()
        body region

    let dead vector =
        match subject.Alive with
        | Some alive when alive vector -> failtest "the vector should have died with its region"
        | _ -> ()

    [
        law "what a region made dies with it, and a vector from around it does not" (fun () ->
            let outer = made 1.0

            let inner = inside (fun _ -> space.Scale(space.Scalar 2.0, outer))

            dead inner
            readable 1.0 outer)

        law "a kept vector and a kept scalar outlive their region, in the region around it" (fun () ->
            let kept =
                inside (fun _ ->
                    let struct (vector, scalar) =
                        inside (fun region -> struct (region.KeepVector(made 3.0), region.KeepScalar(space.Norm(made 3.0))))

                    readable 3.0 vector
                    space.Read scalar |> Array.iter (should be (greaterThan 3.0))
                    vector)

            dead kept)

        law "keeping a vector twice is keeping it once" (fun () ->
            let kept =
                inside (fun _ ->
                    let kept = inside (fun region -> region.KeepVector(region.KeepVector(made 3.0)))
                    readable 3.0 kept
                    kept)

            dead kept)

        law "an adopted vector dies with the region that adopted it" (fun () ->
            let vector = made 3.0

            inside (fun region -> region.AdoptVector vector |> ignore)

            dead vector)

        law "an adopted vector can be kept afterwards" (fun () ->
            let vector = made 3.0

            inside (fun region -> region.AdoptVector(region.AdoptVector vector) |> region.KeepVector |> ignore)

            readable 3.0 vector)

        law "keeping a vector that lives longer already does not shorten its life" (fun () ->
            let vector = made 3.0

            inside (fun _ -> inside (fun region -> region.KeepVector vector |> ignore))

            readable 3.0 vector)

        law "the result of axpy with a = 0 is a value of its own: y survives it" (fun () ->
            for zero in [ space.Scalar 0.0; Subject.scalars subject (Array.zeroCreate subject.Tasks) ] do
                let y = made 3.0

                inside (fun region -> region.AdoptVector(space.Axpy(zero, made nan, y)) |> ignore)

                readable 3.0 y)

        law "a number asked for twice is two scalars: the death of one leaves the other" (fun () ->
            let first = space.Scalar 0.0
            let second = space.Scalar 0.0

            inside (fun region -> region.AdoptScalar first |> ignore)

            space.Read second |> should equal (Array.zeroCreate<float> subject.Tasks))

        law "Region.run keeps its result and nothing else" (fun () ->
            let mutable temporary = Unchecked.defaultof<'V>

            let result =
                Region.run space (fun () ->
                    temporary <- made 5.0

                    {
                        Vector = made 3.0
                        Number = space.Scalar 4.0
                    })

            dead temporary
            readable 3.0 result.Vector
            space.Read result.Number |> should equal (Array.create subject.Tasks 4.0))

        law "Region.advance kills the old state, but for what the new one takes over" (fun () ->
            let old =
                {
                    Vector = made 3.0
                    Number = space.Scalar 4.0
                }

            let next =
                Region.advance
                    space
                    (fun state ->
                        { state with
                            Vector = space.Scale(space.Scalar 1.0, state.Vector)
                        })
                    old

            dead old.Vector
            readable 3.0 next.Vector
            space.Read next.Number |> should equal (Array.create subject.Tasks 4.0))
    ]

/// All laws of a space.
let laws (subject: Subject<'V, 'S>) =
    testList
        $"Space laws, {subject.Name}"
        [
            testList "vectors" (algebra subject)
            testList "norm" (norms subject)
            testList "one vector and many" (between subject)
            testList "scalars" (scalars subject)
            testList "regions" (regions subject)
        ]
