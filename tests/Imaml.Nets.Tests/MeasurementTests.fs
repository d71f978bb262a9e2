/// What a method costs: operations by formula from the core's counts, seconds and memory of a meta-batch.
module Imaml.Nets.Tests.MeasurementTests

open System
open System.IO
open System.Runtime.CompilerServices
open System.Threading
open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.Assumptions
open Imaml.Nets.Cost
open Imaml.Nets.LibTorch
open Imaml.Nets.Models
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Runs
open Imaml.Nets.Tasks

/// The paper's iMAML with gradient descent on 1-shot glyphs, one query image for each class.
let private paper ways filters metaBatch =
    Experiment(
        ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 0, ways, 1, 1),
        StridedConvolutions filters,
        ImplicitMaml(
            Inner.GradientDescent ImplicitMaml.PaperOmniglotInnerSteps,
            ImplicitMaml.PaperOmniglotLambda,
            Adjoint.ConjugateGradients Adjoint.PaperSteps
        ),
        Outer.Adam(1e-3, Schedule.Constant),
        Budget(3, metaBatch),
        1UL
    )

let private take experiment work = Measurement.Take(MeasurementRequest(experiment, 1, work, 1), CancellationToken.None)

[<MethodImpl(MethodImplOptions.NoInlining)>]
let private touch bytes =
    let garbage = Array.zeroCreate<byte> bytes
    Array.fill garbage 0 bytes 1uy
    ProcessMemory.Peak()

[<Tests>]
let tests =
    testList
        "Measurement"
        [
            testCase "a network's operations are two for each multiplication of its convolutions and its classifier" (fun () ->
                // 4 → 2 → 1 → 1 → 1, two filters, three ways. A multiplication and an addition for every position, place in the kernel, channel
                // and filter:
                let first, others, classifier = 2 * (2 * 2) * 9 * 1 * 2, 3 * (2 * 1 * 9 * 2 * 2), 2 * 2 * 3
                let flops = StridedConvolutions(2).Build(ImageShape(4, 4, 1), 3).Flops
                flops.Forward |> should equal (float (first + others + classifier))
                // Forward; by weights and by inputs backwards, but for the images.
                flops.Gradient |> should equal (float (2 * first + 3 * (others + classifier)))
                // Twice each: by the weights' tangent and by the input's, of which the images have none.
                flops.HessianProduct |> should equal (float (2 * first + 6 * (others + classifier))))

            testCase "a task's operations are its counts times what each costs, on its support or its query images" (fun () ->
                let image = NetworkFlops(2.0, 5.0, 11.0)
                let work = TaskWork(3.0, 2.0, 1.0, 4.0)
                // 7 support images: 3·5 + 2·11 + 1·2; 9 query images: 4·5.
                work.Flops(image, 7, 9) |> should equal (7.0 * 39.0 + 9.0 * 20.0))

            testCase "iMAML with 16 inner and 5 CG steps takes 2.2 to 3 GFLOP for a 5-way 1-shot task, as published code does" (fun () ->
                let task = (take (paper 5 StridedConvolutions.OmniglotFilters 1) MeasuredWork.MetaStep).Task
                // One gradient a step and one at φ; one product for the first step's length and five for the solve.
                task.Work |> should equal (TaskWork(17.0, 6.0, 0.0, 1.0, 1.0))
                task.Flops |> should be (greaterThan 2.2e9)
                task.Flops |> should be (lessThan 3.0e9))

            testCase "a meta-batch is measured in this process, and leaves no tensor behind" (fun () ->
                let before = DisposeScopeManager.Statistics.ThreadTotalLiveCount
                let measured = take (paper 3 2 2) MeasuredWork.MetaStep
                measured.ProcessId |> should equal Environment.ProcessId
                measured.Task.Seconds |> should be (greaterThan 0.0)
                measured.ResidentBytes |> should be (greaterThan 0L)

                measured.Task.Flops
                |> should equal (measured.Task.Work.Flops(StridedConvolutions(2).Build(ImageShape(28, 28, 1), 3).Flops, 3, 3))

                isNull measured.HessianProduct |> should equal true
                DisposeScopeManager.Statistics.ThreadTotalLiveCount |> should equal before)

            testCase "a gradient is measured with a product beside it, and leaves no tensor behind" (fun () ->
                let before = DisposeScopeManager.Statistics.ThreadTotalLiveCount
                let measured = take (paper 3 2 2) MeasuredWork.Gradient
                measured.Task.Work |> should equal TaskWork.OneGradient

                match measured.HessianProduct with
                | null -> failtest "no product"
                | product ->
                    product.Work |> should equal TaskWork.OneHessianProduct
                    product.Seconds |> should be (greaterThan 0.0)

                DisposeScopeManager.Statistics.ThreadTotalLiveCount |> should equal before)

            testSequenced
            <| testCase "a peak that is over is forgotten, where the system can" (fun () ->
                // Far more than anything beside it takes or gives back meanwhile.
                let bytes = 256 <<< 20
                let peak = touch bytes
                ProcessMemory.StartAnew()

                if File.Exists "/proc/self/clear_refs" then
                    peak - ProcessMemory.Peak() |> should be (greaterThan (int64 bytes / 2L))

                ProcessMemory.Peak() |> should be (greaterThan 0L))
        ]
