/// What a method costs: operations by formula from the core's counts, seconds and memory of a meta-batch.
module Imaml.Nets.Tests.MeasurementTests

open System
open System.IO
open System.Runtime.CompilerServices
open System.Text.Json
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
                measured.MatrixMultiplyGflops |> should be (greaterThan 0.0)
                // θ of one task, of three classes.
                measured.TensorBytes.Value
                |> should be (greaterThan (4L * int64 (StridedConvolutions(2).Build(ImageShape(28, 28, 1), 3).LayerSizes |> Seq.sum)))
                // Only what is timed is counted.
                (nonNull measured.Statuses).Inner.Values |> Seq.sum |> should equal 2

                match measured.WarmUp with
                | null -> failtest "no warm-up"
                | warmUp -> (warmUp.Settled || warmUp.Seconds >= WarmUp.Limit) |> should equal true

                if OperatingSystem.IsLinux() then
                    (nonNull measured.Task.Use).CpuSeconds |> should be (greaterThan 0.0)

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

            testCase "processor time and page faults are those of the work" (fun () ->
                if OperatingSystem.IsLinux() then
                    let used (work: unit -> unit) =
                        let before = nonNull (ProcessorUse.OfThread())
                        work ()
                        nonNull(ProcessorUse.OfThread()).Since(before, 2.0)

                    let spin seconds =
                        let clock = Diagnostics.Stopwatch.StartNew()

                        while clock.Elapsed.TotalSeconds < seconds do
                            Thread.SpinWait 1000

                    // Half of it, by a core that other programs may share; the kernel's own account is by ticks of up to 10 ms.
                    (used (fun () -> spin 0.3)).CpuSeconds |> should be (lessThan 0.16)
                    (used (fun () -> spin 0.3)).CpuSeconds |> should be (greaterThan 0.005)
                    (used (fun () -> Thread.Sleep 200)).CpuSeconds |> should be (lessThan 0.05)
                    // A page is 4 KiB, or 2 MiB where the kernel gives large ones: at least 128 faults for 256 MiB, of which half is asserted.
                    (used (fun () -> touch (256 <<< 20) |> ignore)).PageFaults |> should be (greaterThanOrEqualTo 64.0))

            testSequenced
            <| testCase "a peak that is over is forgotten, where the system can" (fun () ->
                // Far more than anything else takes or gives back meanwhile.
                let bytes = 256 <<< 20
                let peak = touch bytes
                ProcessMemory.StartAnew()

                if File.Exists "/proc/self/clear_refs" then
                    peak - ProcessMemory.Peak() |> should be (greaterThan (int64 bytes / 2L))

                ProcessMemory.Peak() |> should be (greaterThan 0L))
        ]

let private warmedUp (times: float seq) =
    let warmUp = WarmUp()
    use each = times.GetEnumerator()

    while not warmUp.Over && each.MoveNext() do
        warmUp.Add each.Current

    warmUp.Report

[<Tests>]
let warmUp =
    testList
        "Warm-up"
        [
            testCase "steps of equal length settle after three windows: one to compare with, and two that are not faster" (fun () ->
                // 0.1 s a step: windows of five; the sum of five times 0.1 is not below 0.5 in floating point.
                warmedUp (Seq.initInfinite (fun _ -> 0.1))
                |> should equal (WarmUpReport(15, Seq.sum (Seq.replicate 15 0.1), true))

                warmedUp (Seq.initInfinite (fun _ -> 2.0)) |> should equal (WarmUpReport(3, 6.0, true)))

            testCase "it goes on while windows get faster, and settles two windows after the last that did" (fun () ->
                let falling = [ 1.0; 0.9; 0.8; 0.7; 0.6; 0.6; 0.6; 0.6 ]
                (warmedUp falling).Steps |> should equal 7
                // 1 % a window is within the tolerance; 3 % is not.
                (warmedUp (Seq.initInfinite (fun i -> 0.99 ** float i))).Steps |> should equal 3
                (warmedUp (Seq.init 12 (fun i -> 0.97 ** float i))).Settled |> should equal false)

            testCase "a slow step among fast ones does not count as faster, nor does one after it" (fun () ->
                (warmedUp [ 1.0; 0.8; 3.0; 0.8; 0.8 ]).Steps |> should equal 4
                // The fastest window so far is what is compared with, so that a disturbance does not begin the count anew.
                (warmedUp [ 0.8; 3.0; 0.5; 0.5; 0.5 ]).Steps |> should equal 5)

            testCase "code that waits to be compiled again does not pass for settled: a window has a length in seconds" (fun () ->
                // 20 ms a step for 0.4 s, then 10 ms.
                let times = Seq.append (Seq.replicate 20 0.02) (Seq.initInfinite (fun _ -> 0.01))
                let report = warmedUp times
                report.Settled |> should equal true
                report.Steps |> should be (greaterThan 100))

            testCase "it ends after its upper limit, and says that the time had not settled" (fun () ->
                let report = warmedUp (Seq.initInfinite (fun i -> 10.0 * 0.9 ** float i))
                report.Settled |> should equal false
                report.Seconds |> should be (greaterThanOrEqualTo WarmUp.Limit)
                report.Steps |> should equal 4)
        ]

[<Tests>]
let randomImages =
    testList
        "Random images"
        [
            testCase "have the size that is asked for, differ from each other, and are the same each time" (fun () ->
                let experiment =
                    Experiment(
                        RandomImages(5, 1, 2, 84, 3),
                        PooledConvolutions 2,
                        FirstOrder(Inner.GradientDescent(1, 0.1), 1.0),
                        Outer.Adam(1e-3, Schedule.Constant),
                        Budget(1, 1),
                        1UL
                    )

                experiment.Validate()
                let struct (tasks, _) = experiment.Open()
                let struct (again, _) = experiment.Open()
                (tasks.Images.Height, tasks.Images.Width, tasks.Images.Channels) |> should equal (84, 84, 3)
                tasks.Identity |> should equal again.Identity

                let all =
                    [
                        for i in 0 .. tasks.Images.Count - 1 -> Convert.ToHexString(tasks.Images.Image i)
                    ]

                List.distinct all |> should haveLength all.Length

                let read =
                    JsonSerializer.Deserialize<Experiment>(JsonSerializer.Serialize(experiment, RunJson.Options), RunJson.Options)

                nonNull read |> should equal experiment)
        ]
