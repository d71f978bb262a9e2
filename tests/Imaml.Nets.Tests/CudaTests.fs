/// What must hold on a GPU. Where there is none, one test says so and how much is not checked. What needs no GPU to be run is run on the processor
/// as well, so that the checks themselves are known to work.
module Imaml.Nets.Tests.CudaTests

open System
open System.IO
open System.Threading
open Expecto
open FsUnit
open TorchSharp
open Imaml.Math
open Imaml.Nets.Tensors
open Imaml.Nets.LibTorch
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.MetaLearnerFixtures
open Imaml.Nets.Tests.MethodFixtures
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

/// The tasks on a device, in a type.
let private moved (device: torch.Device) dtype (drawn: Tasks) =
    let move (x: Tensor) = x.to_type(dtype: torch.ScalarType).``to``(device: torch.Device)

    let instance (one: Instance) =
        { one with
            Parameters = move one.Parameters
            Images = move one.Images
            Labels = one.Labels.``to`` (device: torch.Device)
        }

    {
        Support = instance drawn.Support
        Query = instance drawn.Query
        Like = move drawn.Like
    }

/// Back on the processor, in double precision.
let private back (x: Tensor) = x.to_type(torch.float64).cpu()

let private gradients (device: torch.Device) =
    testList
        "meta-gradients"
        [
            for name, options in fixedBudgets @ lookingBudgets do
                scoped $"{name}: in double precision the processor's numbers" (fun () ->
                    for seed in 1..3 do
                        let drawn = drawTasks seed
                        let expected = (compute options drawn drawn.Theta)
                        let there = moved device torch.float64 drawn
                        let actual = (compute options there there.Theta)
                        // The devices add in another order, as the two spaces do whose agreement MethodTests states; where Λ is raised or
                        // small a step of CG magnifies by the quotient of the largest and the smallest curvature seen, twice.
                        let smallest =
                            expected.Solve.Read(TensorSpace(tasks, drawn.Theta))
                            |> Array.map (fun one -> abs one.SmallestCurvature)
                            |> Array.filter Double.IsFinite
                            |> Array.fold min lambda

                        let struct (_, _, h) = differentiate drawn.Support (normal 5 [ tasks; int drawn.Theta.shape[1] ])
                        let tolerance = 40.0 * (1.0 + norm h / smallest) ** 2.0 * rounding product drawn.Support
                        tolerance |> should be (lessThan 1e-3)
                        agree tolerance expected.Phi (back actual.Phi) "φ"
                        agree tolerance expected.Gradient (back actual.Gradient) "g"
                        agree tolerance expected.OuterLoss (back actual.OuterLoss) "L")

            for name, options in fixedBudgets do
                scoped $"{name}: in single precision as near to them as the processor's" (fun () ->
                    let errors =
                        [
                            for seed in 1..3 do
                                let drawn = drawTasks seed
                                let exact = (compute options drawn drawn.Theta).Gradient

                                [ torch.CPU; device ]
                                |> List.map (fun place ->
                                    let there = moved place torch.float32 drawn
                                    norm (exact.sub (back (compute options there there.Theta).Gradient)) / norm exact)
                        ]

                    // Both round every number as often, in another order: an order of magnitude is room for that, and far from the 2¹³ of TF32.
                    let mean at = errors |> List.averageBy (List.item at)
                    mean 0 |> should be (greaterThan 0.0)
                    mean 1 |> should be (lessThan (10.0 * mean 0)))
        ]

let private learnerOn (device: torch.Device) seed =
    let one = learner seed
    one.MoveTo device
    one

let private training (device: ComputeDevice) =
    testList
        "training"
        [
            testCase "lowers the loss" (fun () ->
                use one = learnerOn device.Device 1UL
                // The same tasks again and again: their losses differ more from task to task than training gains in a few steps.
                let passes =
                    [
                        for _ in 1..4 -> List.average [ for step in 0..29 -> (one.Step(batch step)).OuterLoss ]
                    ]

                one.Theta.device_type |> should equal device.Device.``type``
                List.last passes |> should be (lessThan (List.head passes)))

            testCase "its state is read on the processor to the last bit, and goes on there and back" (fun () ->
                inFolder (fun folder ->
                    use one = learnerOn device.Device 1UL
                    one.Step(batch 0) |> ignore
                    let path = Path.Combine(folder, "checkpoint.bin")
                    Checkpoint.Write(path, experimentOf imaml 1UL, 1.0, one)
                    let struct (_, read) = Checkpoint.Read(path, MetaLearnerFixtures.problem (), 1)
                    use read = read
                    read.Theta.device_type |> should equal DeviceType.CPU
                    numbers read.Theta |> should equal (numbers one.Theta)

                    numbers (read.Outer.Vector "second moment")
                    |> should equal (numbers (one.Outer.Vector "second moment"))

                    Double.IsFinite (read.Step(batch 1)).OuterLoss |> should equal true
                    read.MoveTo device.Device
                    Double.IsFinite (read.Step(batch 2)).OuterLoss |> should equal true
                    read.Theta.device_type |> should equal device.Device.``type``))

            testCase "adapts to what is evaluated" (fun () ->
                use one = learnerOn device.Device 1UL

                let measured = Evaluation.AfterAdapting(one, ClassPart.Test, 1UL, 8, CancellationToken.None)

                measured.PerTask |> Seq.forall (fun share -> 0.0 <= share && share <= 1.0) |> should equal true)
        ]

/// The largest error of a matrix product and of a convolution on a GPU, over what the sizes of the numbers allow for one rounding of each.
let private productErrors (device: torch.Device) =
    use _ = torch.NewDisposeScope()

    let error (product: Tensor -> Tensor -> Tensor) (a: Tensor) (b: Tensor) =
        let single (x: Tensor) = x.to_type torch.float32
        let a, b = single a, single b
        let exact = product (a.to_type torch.float64) (b.to_type torch.float64)
        let sizes = product (a.abs().to_type torch.float64) (b.abs().to_type torch.float64)
        let there = product (a.``to`` device) (b.``to`` device)
        number ((back there).sub(exact).abs().div(sizes).max())

    let convolution (x: Tensor) (w: Tensor) = torch.nn.functional.conv2d (x, w, strides = [| 2L; 2L |], padding = [| 1L; 1L |])

    error (fun a b -> a.matmul b) (normal 1 [ 64; 128 ]) (normal 2 [ 128; 64 ]),
    error convolution (normal 3 [ 4; 16; 14; 14 ]) (normal 4 [ 32; 16; 3; 3 ])

// A sum of n products errs by nε of their sizes, ε = 2⁻²³; TF32 rounds each factor to 2⁻¹¹ before.
let private singleBound n = float n * 2.0 ** -23.0
let private tf32Bound n = 1.01 * 2.0 ** -10.0 + singleBound n

let private tf32 =
    testList
        "TF32"
        [
            testCase "is not used unless it is asked for: products are float32's" (fun () ->
                let device = ComputeDevice.Open(ComputeDevice.CudaName, false)
                let product, convolution = productErrors device.Device
                product |> should be (lessThan (singleBound 128))
                convolution |> should be (lessThan (singleBound 144)))

            testCase "errs by two roundings to 10 bits" (fun () ->
                try
                    let device = ComputeDevice.Open(ComputeDevice.CudaName, true)
                    let product, convolution = productErrors device.Device
                    product |> should be (lessThan (tf32Bound 128))
                    convolution |> should be (lessThan (tf32Bound 144))
                finally
                    ComputeDevice.Open(ComputeDevice.CudaName, false) |> ignore)
        ]

let private runs (device: ComputeDevice) =
    testCase "a run that began on the processor goes on there, and back" (fun () ->
        inFolder (fun folder ->
            let experiment =
                experimentOn (ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 0, 3, 1, 2)) imaml 1UL

            let struct (tasks, model) = experiment.Open()

            for place in [ ComputeDevice.Processor; device; ComputeDevice.Processor; device ] do
                use run = TrainingRun.Open(RunFolder folder, experiment, tasks, model, place, 1)
                let before = run.Learner.MetaStep
                use stop = new CancellationTokenSource()
                run.Run(stop.Token, (fun _ -> stop.Cancel()))
                run.Learner.MetaStep |> should equal (before + 1)))

let private checks (device: ComputeDevice) = [ gradients device.Device; training device; runs device ]

[<Tests>]
let tests =
    LibTorchLoader.EnsureLoaded() |> ignore

    let onGpu (device: ComputeDevice) = testSequenced (testList "CUDA" (checks device @ [ tf32 ] @ TensorSpaceTests.laws device.Device))

    testList
        "Devices"
        [
            testSequenced (testList "the checks of CUDA, on the processor" (checks ComputeDevice.Processor))
            if torch.cuda.is_available () then
                onGpu (ComputeDevice.Open(ComputeDevice.CudaName, false))
            else
                let count = onGpu ComputeDevice.Processor |> Test.toTestCodeList |> List.length
                testCase $"CUDA: {count} checks" (fun () -> skiptest "needs CUDA")
        ]
