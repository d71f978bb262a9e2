/// On the device `meta` (see MetaKernels): no tensor of the space, the solvers, the networks and the algorithms is astray on the host, and a fixed
/// budget of steps waits for nothing.
module Imaml.Nets.Tests.DeviceMetaTests

open System
open System.Runtime.InteropServices
open Expecto
open FsUnit
open TorchSharp
open Imaml.Math
open Imaml.Nets.Tensors
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Methods
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.MetaKernels
open Imaml.Nets.Tests.MetaLearnerFixtures
open Imaml.Nets.Tests.MethodFixtures
open Imaml.Nets.Tests.Tensors

/// A test on `meta`: nothing throws, and no kernel is given what is elsewhere.
let private there name (body: torch.Device -> unit) = testCase name (fun () -> onMeta body |> should equal List.empty<string>)

let private both = [ torch.ScalarType.Float32; torch.ScalarType.Float64 ]

let private tasks = 3

let private onDevice (device: torch.Device) (x: Tensor) = Expect.equal x.device_type device.``type`` "the device"

/// A scalar is on the device, or the same for all tasks.
let private isScalar (device: torch.Device) (x: Tensor) =
    if x.dim () > 0L then
        onDevice device x

let private space =
    testList
        "the space"
        [
            for dtype in both do
                there $"every operation stays on the device, whichever of its numbers the tasks share: {dtype}" (fun device ->
                    let space = TensorSpace(tasks, dtype, device) :> IInnerProductSpace<Tensor, Tensor>
                    let x, y = torch.zeros (tasks, 5, dtype, device), torch.zeros (tasks, 5, dtype, device)
                    let shared, own = space.Scalar 2.0, space.PerTask [| 1.0; 2.0; 3.0 |]
                    onDevice device own

                    for vector in [ space.Zero x; space.Axpy(space.Scalar 0.0, x, y) ] do
                        onDevice device vector

                    for scalar in [ space.Inner(x, y); space.Norm x ] do
                        onDevice device scalar

                    for a in [ shared; own ] do
                        onDevice device (space.Scale(a, x))
                        onDevice device (space.Axpy(a, x, y))
                        isScalar device (space.SquareRoot a)

                        for b in [ shared; own ] do
                            isScalar device (space.Add(a, b))
                            isScalar device (space.Multiply(a, b))
                            isScalar device (space.DivideOrZero(a, b))
                            isScalar device (space.Exceeds(a, b))

                            for mask in [ shared; own ] do
                                isScalar device (space.Select(mask, a, b))

                    let coordinates = TensorCoordinates() :> ICoordinates<Tensor>
                    let rows = coordinates.OfRows(x, Array.init tasks (fun _ -> Array.create 5 1.0))
                    rows.dtype |> should equal dtype

                    for vector in
                        [
                            rows
                            coordinates.Combine(2.0, x, 3.0, y)
                            coordinates.Product(x, y)
                            coordinates.Quotient(x, y)
                            coordinates.DivideByRoot(x, y, 1e-3)
                        ] do
                        onDevice device vector)

            there "Adam's step, Lanczos's method and random signs too" (fun device ->
                let x = torch.zeros (tasks, 5, torch.float32, device)
                let space = TensorSpace(tasks, x)

                let state: AdamState<Tensor> =
                    {
                        Steps = 3
                        FirstMoment = x
                        SecondMoment = x
                    }

                let struct (moved, after) = Adam.Step(TensorCoordinates(), AdamOptions.Authors, 1e-3, state, x, x)

                let report = Lanczos.run space 4 (LinearOperator.Of(fun (w: Tensor) -> w.mul x)) x

                for vector in moved :: after.FirstMoment :: after.SecondMoment :: List.ofSeq report.Basis do
                    onDevice device vector

                onDevice device ((RandomSigns.Of(1UL, 1UL)).Invoke x))
        ]

let private caught =
    testList
        "what would be wrong is caught"
        [
            testCase "a vector on the host" (fun () ->
                onMeta (fun device ->
                    let x = torch.zeros (tasks, 5, torch.float32, device)

                    (fun () -> x.add (torch.zeros (tasks, 5), (1.0).ToScalar()) |> ignore)
                    |> should throw typeof<ExternalException>)
                |> should equal List.empty<string>)

            testCase "a number on the host where libtorch would copy it" (fun () ->
                onMeta (fun device ->
                    let x = torch.zeros (tasks, 1, torch.float32, device)
                    torch.where (x.ge x, x, torch.tensor 1.0f) |> ignore)
                |> should equal [ "where.self was given a tensor [] on cpu" ])

            testCase "a part on the host" (fun () ->
                onMeta (fun device ->
                    torch.cat ([| torch.zeros (tasks, 2, torch.float32, device); torch.zeros (tasks, 1) |], 1L)
                    |> ignore)
                |> should equal [ "cat was given a tensor [3, 1] on cpu" ])

            testCase "a look at a number" (fun () ->
                onMeta (fun device ->
                    let space = TensorSpace(tasks, torch.float32, device) :> IInnerProductSpace<Tensor, Tensor>
                    let own = space.PerTask [| 1.0; 2.0; 3.0 |]

                    (fun () -> space.Read own |> ignore) |> should throw typeof<ExternalException>
                    (fun () -> space.Any own |> ignore) |> should throw typeof<ExternalException>)
                |> should equal List.empty<string>)
        ]

/// θ as a row for each task, on the device, and the problem of one meta-batch.
let private problemOn (device: torch.Device) dtype (network: Network) =
    use generator = new torch.Generator(1UL, torch.CPU)
    let row = network.InitialParameters(generator).to_type(dtype).``to``(device)
    let theta = row.unsqueeze(0L).expand(int64 tasks, -1L)
    struct (row.unsqueeze 0L, theta, FewShotProblem(network, sampler.Value.Batch(0L, 3), theta))

let private algorithms =
    testList
        "the meta-gradient"
        [
            for dtype in both do
                for name, options in fixedBudgets do
                    there $"of {name}, {dtype}" (fun device ->
                        let network = network ()
                        let struct (like, theta, problem) = problemOn device dtype network
                        let learned = numbersOf options network |> Option.toObj

                        let result = (bind options network like learned).Compute(TensorSpace(tasks, theta), problem, theta)

                        for vector in [ result.Gradient; result.Phi; result.Solve.Solution ] do
                            onDevice device vector
                            vector.shape |> should equal theta.shape

                        for scalar in
                            [
                                result.OuterLoss
                                result.InnerLoss
                                result.InnerGradientNorm
                                result.Solve.RelativeResidual
                            ] do
                            isScalar device scalar)

            there "of losses in libtorch's operations" (fun device ->
                let theta = torch.zeros (tasks, 5, torch.float32, device)
                let loss = Func<Tensor, Tensor>(fun phi -> phi.mul(phi).mul(phi).sum([| 1L |], keepdim = true))
                let problem = AutogradProblem(loss, loss) :> IBilevelProblem<Tensor, Tensor>
                use linearization = problem.LinearizeInner theta
                let struct (_, outer) = problem.OuterLossAndGradient theta

                for vector in
                    [
                        problem.InnerGradient theta
                        linearization.Gradient
                        linearization.HessianProduct theta
                        outer
                    ] do
                    onDevice device vector)

            there "of the smooth network, and Gauss–Newton products" (fun device ->
                let network = StridedConvolutions(2, Activation.Softplus).Build(ImageShape(6, 6, 1), 3)
                let struct (_, theta, problem) = problemOn device torch.float32 network
                use linearization = (problem :> IBilevelProblem<_, _>).LinearizeInner theta
                let gaussNewton = linearization :?> IGaussNewtonLinearization<Tensor, Tensor>

                for vector in
                    [
                        linearization.Gradient
                        linearization.HessianProduct theta
                        gaussNewton.GaussNewtonProduct theta
                    ] do
                    onDevice device vector)
        ]

[<Tests>]
let tests = testSequenced (testList "Devices, on meta" [ space; caught; algorithms ])
