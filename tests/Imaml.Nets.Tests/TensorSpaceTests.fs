/// The tensor space obeys the laws of every space, agrees with the rows of a matrix, and frees what it should.
module Imaml.Nets.Tests.TensorSpaceTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open TorchSharp
open Imaml.Math
open Imaml.Nets.Tensors
open Imaml.Nets.Tests.Tensors
open Imaml.Nets.Tests.TensorSpaceSubject
open Imaml.Testing

/// Every law, of spaces on one device. They need the space, and the space libtorch: they are listed once it is loaded.
let laws device =
    [
        for subject in
            [
                subjectOn device torch.ScalarType.Float64 1
                subjectOn device torch.ScalarType.Float64 3
                subjectOn device torch.ScalarType.Float32 3
            ] do
            SpaceLaws.laws subject
            CoordinatesLaws.laws subject
            KrylovLaws.laws subject
            LinearSolverLaws.laws subject
            MinresLaws.laws subject
            LanczosLaws.laws subject
            NeumannLaws.laws subject
            PreconditionerLaws.laws subject
            MetaGradientLaws.laws subject
            StrategyLaws.laws subject
            PathLaws.laws subject
            CurvatureLaws.laws subject
            MetaLearningLaws.laws subject
            AccuracyLaws.laws subject
            RegularizerLaws.laws subject
            ImplicitJacobianLaws.laws subject
            InnerSolverLaws.laws subject
            SingularLaws.laws subject
    ]

let private tasks = 4

let private tensors =
    lazy (TensorSpace(tasks, torch.ScalarType.Float64, torch.CPU) :> IInnerProductSpace<Tensor, Tensor>)

let private matrices = BatchedRowsSpace tasks :> IInnerProductSpace<Matrix<float>, float[]>

let private property name (body: int -> unit) =
    testPropertyWithConfig (Draws.times 30) name (fun (seed: uint16) ->
        use _ = torch.NewDisposeScope()
        body (int seed))

/// B rows of d numbers in both forms. Some coordinates are zero, tiny, huge.
let private both seed d =
    let random = Random seed

    let one _ =
        match random.Next 8 with
        | 0 -> 0.0
        | 1 -> 1e-170 * random.NextDouble()
        | 2 -> 1e150 * random.NextDouble()
        | _ -> random.NextDouble() - 0.5

    let rows = Array.init tasks (fun _ -> Array.init d one)
    struct (ofRows torch.float64 rows, Matrix<float>.Build.DenseOfRowArrays rows)

/// One number for each task in both forms, with all that guarded arithmetic must distinguish.
let private numbersOf seed =
    let random = Random seed
    let special = [| 0.0; -0.0; 1.0; -1.5; 2.0; infinity; -infinity; nan; 1e-300 |]
    let values = Array.init tasks (fun _ -> special[random.Next special.Length])
    struct (torch.tensor(values).view(int64 tasks, 1L), values)

let private bits (values: float[]) =
    // Not-a-number has many patterns, and the sign of 0 has no meaning.
    values
    |> Array.map (fun value ->
        if Double.IsNaN value then
            BitConverter.DoubleToInt64Bits nan
        else
            BitConverter.DoubleToInt64Bits(value + 0.0))

let private identical (expected: float[]) (actual: float[]) what = Expect.equal (bits actual) (bits expected) what

let private agreement =
    testList
        "agrees with the rows of a matrix"
        [
            property "in Zero, Scale and Axpy, coordinate by coordinate" (fun seed ->
                let d = 1 + seed % 7
                let struct (x, xs), struct (y, ys) = both seed d, both (seed + 1) d
                let struct (a, values) = numbersOf seed

                // Products and sums of two numbers, at most one of them fused: two roundings of what is added, on either side.
                let check what (expected: Matrix<float>) (actual: Tensor) =
                    let size =
                        1.0
                        + abs (expected.Enumerate() |> Seq.filter Double.IsFinite |> Seq.fold (fun m v -> max m (abs v)) 0.0)

                    Array.iter2
                        (fun (e: float) (a: float) ->
                            if Double.IsFinite e then
                                near (4.0 * epsilon * size) e a what
                            else
                                identical [| e |] [| a |] what)
                        (expected.ToRowArrays() |> Array.concat)
                        (numbers actual)

                check "Zero" (matrices.Zero xs) (tensors.Value.Zero x)
                check "Scale" (matrices.Scale(values, xs)) (tensors.Value.Scale(a, x))
                check "Axpy" (matrices.Axpy(values, xs, ys)) (tensors.Value.Axpy(a, x, y)))

            property "in Inner and Norm" (fun seed ->
                let d = 1 + seed % 7
                let struct (x, xs), struct (y, ys) = both seed d, both (seed + 1) d

                let check (bounds: float[]) (expected: float[]) (actual: float[]) what =
                    Array.iteri2 (fun task e a -> near bounds[task] e a $"{what}, task {task}") expected actual

                // d roundings of the sum of sizes; four more for the norm's two scalings, root and division.
                let bounds = matrices.Inner(xs.PointwiseAbs(), ys.PointwiseAbs())

                check
                    (bounds |> Array.map (fun size -> float d * epsilon * size))
                    (matrices.Inner(xs, ys))
                    (tensors.Value.Read(tensors.Value.Inner(x, y)))
                    "Inner"

                let norms = matrices.Norm xs

                check
                    (norms |> Array.map (fun norm -> float (d + 4) * epsilon * norm))
                    norms
                    (tensors.Value.Read(tensors.Value.Norm x))
                    "Norm")

            property "in guarded arithmetic, to the last bit" (fun seed ->
                let struct (a, x), struct (b, y), struct (c, z) =
                    numbersOf seed, numbersOf (seed + 1), numbersOf (seed + 2)

                let read = tensors.Value.Read
                identical (matrices.Add(x, y)) (read (tensors.Value.Add(a, b))) "Add"
                identical (matrices.Multiply(x, y)) (read (tensors.Value.Multiply(a, b))) "Multiply"
                identical (matrices.DivideOrZero(x, y)) (read (tensors.Value.DivideOrZero(a, b))) "DivideOrZero"
                identical (matrices.Exceeds(x, y)) (read (tensors.Value.Exceeds(a, b))) "Exceeds"
                let mask, matrixMask = tensors.Value.Exceeds(a, c), matrices.Exceeds(x, z)
                identical (matrices.Select(matrixMask, x, y)) (read (tensors.Value.Select(mask, a, b))) "Select"
                tensors.Value.Any mask |> should equal (matrices.Any matrixMask))
        ]

let private shared =
    testList
        "one number for all tasks"
        [
            property "means what the same number for each task means" (fun seed ->
                let space = tensors.Value
                let number = [| 0.0; 1.0; -0.75; 2.0; infinity; nan |][seed % 6]
                let one = space.Scalar number
                let each = torch.full (int64 tasks, 1L, number.ToScalar(), dtype = torch.float64)
                let struct (x, _), struct (y, _) = both seed 3, both (seed + 1) 3
                let struct (b, _) = numbersOf (seed + 2)
                one.dim () |> should equal 0L

                let agree what (f: Tensor -> Tensor) = identical (space.Read(f each)) (space.Read(f one)) what

                agree "itself" id
                agree "Add" (fun a -> space.Add(a, b))
                agree "Multiply" (fun a -> space.Multiply(b, a))
                agree "numerator" (fun a -> space.DivideOrZero(a, b))
                agree "denominator" (fun a -> space.DivideOrZero(b, a))
                agree "Exceeds" (fun a -> space.Exceeds(a, b))
                agree "Exceeds, right" (fun a -> space.Exceeds(b, a))
                agree "Select" (fun a -> space.Select(space.Exceeds(b, space.Scalar 0.0), a, b))
                agree "mask" (fun a -> space.Select(space.Exceeds(a, space.Scalar 0.0), b, space.Scalar 7.0))
                identical (numbers (space.Scale(each, x))) (numbers (space.Scale(one, x))) "Scale"
                identical (numbers (space.Axpy(each, x, y))) (numbers (space.Axpy(one, x, y))) "Axpy")

            scoped "arithmetic among such numbers stays one number" (fun () ->
                let space = tensors.Value
                let a, b = space.Scalar 3.0, space.Scalar 4.0

                for c in
                    [
                        space.Add(a, b)
                        space.Multiply(a, b)
                        space.DivideOrZero(a, b)
                        space.Exceeds(a, b)
                        space.Select(space.Exceeds(b, a), a, b)
                    ] do
                    c.dim () |> should equal 0L
                    c.dtype |> should equal torch.float64)
        ]

/// Tensors of this thread that are not disposed of.
let private live () = DisposeScopeManager.Statistics.ThreadTotalLiveCount

let private lifetimes =
    testSequenced (
        testList
            "lifetimes"
            [
                scoped "no operation leaves more than its result" (fun () ->
                    let space = tensors.Value
                    let struct (x, _), struct (y, _) = both 1 3, both 2 3
                    let struct (a, _), struct (b, _) = numbersOf 3, numbersOf 4
                    let one = space.Scalar 2.0

                    let operations: (string * (unit -> Tensor)) list =
                        [
                            "Zero", (fun () -> space.Zero x)
                            "Scale", (fun () -> space.Scale(a, x))
                            "Scale, shared", (fun () -> space.Scale(one, x))
                            "Axpy", (fun () -> space.Axpy(a, x, y))
                            "Axpy, shared", (fun () -> space.Axpy(one, x, y))
                            "Axpy, nothing", (fun () -> space.Axpy(space.Scalar 0.0, x, y))
                            "Inner", (fun () -> space.Inner(x, y))
                            "Norm", (fun () -> space.Norm x)
                            "Scalar", (fun () -> space.Scalar 3.0)
                            "PerTask", (fun () -> space.PerTask(Array.create tasks 3.0))
                            "Add", (fun () -> space.Add(a, b))
                            "Multiply", (fun () -> space.Multiply(a, one))
                            "DivideOrZero", (fun () -> space.DivideOrZero(a, b))
                            "Exceeds", (fun () -> space.Exceeds(a, b))
                            "Select", (fun () -> space.Select(b, a, one))
                        ]

                    for name, operation in operations do
                        let before = live ()
                        let result = operation ()
                        // The zero of "Axpy, nothing" is the test's own.
                        let own = if name = "Axpy, nothing" then 2L else 1L
                        Expect.equal (live () - before) own name
                        result.Dispose()

                    let before = live ()
                    space.Any a |> ignore
                    space.Read a |> ignore
                    Expect.equal (live ()) before "Any and Read")

                testCase "a region outside every scope lets go of what it keeps, and of nothing else" (fun () ->
                    let space = tensors.Value
                    let before = live ()
                    let mutable kept = Unchecked.defaultof<Tensor>

                    let inside () =
                        use region = space.OpenRegion()
                        let x = torch.ones (4L, 2L)
                        kept <- region.KeepVector(x.add x)

                    inside ()
                    kept.IsInvalid |> should equal false
                    Expect.equal (live () - before) 1L "the kept tensor alone lives"
                    kept.Dispose()
                    Expect.equal (live ()) before "nothing lives")

                testCase "a long solve leaves its report and nothing else" (fun () ->
                    let space = tensors.Value
                    let before = live ()

                    let solve steps =
                        use _ = torch.NewDisposeScope()
                        let diagonal = torch.tensor ([| 1.0; 2.0; 3.0; 4.0; 5.0 |])
                        let b = normal 1 [ tasks; 5 ]
                        let held = live ()

                        let report =
                            KrylovLaws.conjugateGradients
                                space
                                {
                                    MaxSteps = steps
                                    RelativeResidual = 0.0
                                    CheckEvery = 0
                                    RecomputeResidual = true
                                }
                                (fun w -> w.mul diagonal)
                                b

                        report.Read(space) |> ignore
                        live () - held

                    // The coefficients are two numbers a step; all else is the same for any number of steps.
                    solve 20 - solve 10 |> should equal (2L * 10L)
                    Expect.equal (live ()) before "nothing lives")
            ]
    )

let private refusals =
    testList
        "refuses"
        [
            testCase "a number of tasks below 1, and types that are not floating-point" (fun () ->
                for act in
                    [
                        (fun () -> TensorSpace(0, torch.ScalarType.Float32, torch.CPU))
                        (fun () -> TensorSpace(-1, torch.ScalarType.Float32, torch.CPU))
                        (fun () -> TensorSpace(1, torch.ScalarType.Int64, torch.CPU))
                        (fun () -> TensorSpace(1, torch.ScalarType.Float16, torch.CPU))
                    ] do
                    (fun () -> act () |> ignore) |> should throw typeof<ArgumentException>)
        ]

[<Tests>]
let tests =
    testList
        "Tensor space"
        [
            yield! laws torch.CPU
            testSequenced (testList "its own" [ agreement; shared; lifetimes; refusals ])
        ]
