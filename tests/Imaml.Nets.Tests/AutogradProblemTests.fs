/// Losses written in libtorch's operations, through the same Algorithm 2: the way in for a network of one's own, and a second opinion on this
/// library's network, whose second derivatives are written by hand.
module Imaml.Nets.Tests.AutogradProblemTests

open System
open Expecto
open FsUnit
open TorchSharp
open Imaml.Math
open Imaml.Nets.Tensors
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

/// The instance's loss of every task, [B, 1], in libtorch's own operations.
let private loss (instance: Instance) (parameters: Tensor) =
    torch
        .stack(
            Array.init (int parameters.shape[0]) (fun task ->
                let logits = (evaluate instance.Architecture (row task parameters) (row task instance.Images)).Logits
                torch.nn.functional.cross_entropy (logits, row task instance.Labels))
        )
        .unsqueeze
        1L

let private problem (instance: Instance) = AutogradProblem(loss instance, loss instance) :> IBilevelProblem<Tensor, Tensor>

let private only task (instance: Instance) =
    { instance with
        Parameters = instance.Parameters.narrow (0L, int64 task, 1L)
        Images = instance.Images.narrow (0L, int64 task, 1L)
        Labels = instance.Labels.narrow (0L, int64 task, 1L)
    }

/// The network under test in single precision, all tasks at once.
let private instance32 (instance: Instance) =
    let data =
        LabelledImages(instance.Data.Images.to_type torch.float32, instance.Data.OneHot.to_type torch.float32)

    FewShotProblem(instance.Network, data, data) :> IBilevelProblem<Tensor, Tensor>

let private small = strided (ImageShape(8, 8, 1)) 2 3

let private property draws name (body: int -> unit) =
    testPropertyWithConfig (Draws.times draws) name (fun (seed: uint16) ->
        use _ = torch.NewDisposeScope()
        body (int seed))

let private hessianProduct (problem: IBilevelProblem<Tensor, Tensor>) phi w =
    use linearization = problem.LinearizeInner phi
    linearization.HessianProduct w

/// Algorithm 2 with the paper's budgets for Omniglot: 16 steps, 5 of conjugate gradients.
let private metaGradient (problem: IBilevelProblem<Tensor, Tensor>) (theta: Tensor) =
    let space = TensorSpace(int theta.shape[0], theta)

    ImplicitMetaGradient.Compute(
        space,
        ScalarRegularizer<Tensor, Tensor> 2.0,
        problem,
        GradientDescentSolver<Tensor, Tensor>(MeasuredCurvature, 16),
        ConjugateGradientSolver<Tensor, Tensor>(
            {
                MaxSteps = 5
                RelativeResidual = 0.0
                CheckEvery = 0
                RecomputeResidual = false
            }
        ),
        Thresholds.None,
        theta
    )

/// ½‖φ − 1‖² of every task.
let private bowl (phi: Tensor) =
    let away = phi.sub (torch.ones_like phi)
    away.mul(away).sum([| 1L |], keepdim = true) |> scaled 0.5

/// Losses that have no derivative, and what the exception says of each. The space's type is float64.
let private lost: (string * string * (Tensor -> Tensor)) list =
    [
        "detached", "recorded nothing", (fun phi -> (bowl phi).detach())
        "under no_grad",
        "recorded nothing",
        (fun phi ->
            use _ = torch.no_grad ()
            bowl phi)
        "under inference_mode",
        "recorded nothing",
        (fun phi ->
            use _ = torch.inference_mode true
            bowl phi)
        "made of numbers that were read", "recorded nothing", (fun phi -> torch.tensor(numbers (bowl phi)).view(-1L, 1L))
        "of a detached φ and a leaf of its own",
        "recorded nothing",
        (fun phi ->
            let own = (torch.ones [| phi.shape[0]; 1L |]).to_type(torch.float64).requires_grad_()
            own.mul ((bowl phi).detach()))
        "of whole numbers", "must be Float64, not Int64", (fun phi -> (bowl phi).to_type torch.int64)
        "rounded to whole numbers, as Float64", "recorded nothing", (fun phi -> (bowl phi).to_type(torch.int64).to_type torch.float64)
        "in single precision", "must be Float64, not Float32", (fun phi -> (bowl phi).to_type torch.float32)
        "complex", "must be Float64", (fun phi -> (bowl phi).to_type torch.complex128)
        "on another device", "not on meta", (fun phi -> (bowl phi).``to`` torch.META)
        "overwritten where its derivative needs it",
        "inplace operation",
        (fun phi ->
            let e = phi.exp ()
            e.sigmoid_ () |> ignore
            e.sum ([| 1L |], keepdim = true))
        "overwriting φ",
        "overwrites its parameters",
        (fun phi ->
            phi.sigmoid_ () |> ignore
            bowl phi)
        "null", "gave null", (fun _ -> Unchecked.defaultof<Tensor>)
        "disposed",
        "disposed",
        (fun phi ->
            let losses = bowl phi
            losses.Dispose()
            losses)
        "that disposes of φ",
        "disposed",
        (fun phi ->
            let losses = bowl phi
            phi.Dispose()
            losses)
        "of no dimension", "must be [2, 1]", (fun phi -> phi.sum ())
        "of one task", "must be [2, 1]", (fun phi -> (bowl phi).narrow(0L, 0L, 1L))
        "that throws", "no such loss", (fun _ -> invalidOp "no such loss")
        "of a shape that does not fit", "shape", (fun phi -> phi.view (3L, -1L))
    ]

let private refusal (body: unit -> unit) =
    try
        body ()
        failtest "a loss without a derivative was taken"
    with
    | :? ArgumentException as e -> e.Message
    | :? InvalidOperationException as e -> e.Message
    | :? Runtime.InteropServices.ExternalException as e -> e.Message

/// Losses that do not depend on φ.
let private constants: (string * (Tensor -> Tensor)) list =
    [
        "zeros", (fun phi -> phi.new_zeros [| phi.shape[0]; 1L |])
        "a number that was kept", (let kept = torch.tensor([| 3.0; 4.0 |]).view(2L, 1L) in fun _ -> kept)
        "of weights of its own",
        (fun phi ->
            let own = (torch.ones [| phi.shape[0]; 1L |]).to_type(torch.float64).requires_grad_()
            own.mul own)
        "the sum over no example", (fun phi -> phi.narrow(1L, 0L, 0L).sum([| 1L |], keepdim = true))
    ]

/// 64 filters, 28 × 28, 5-way 1-shot: the network of the experiments.
let private omniglot = strided (ImageShape(28, 28, 1)) StridedConvolutions.OmniglotFilters 5

[<Tests>]
let tests =
    testSequenced (
        testList
            "Autograd problem"
            [
                property 6 "loss, gradient and Hessian–vector product are those of the hand-written passes" (fun seed ->
                    let instance = draw seed small 2 6
                    let own, written = problem instance, instance.Problem :> IBilevelProblem<_, _>
                    let phi = instance.Parameters
                    let w = normal (seed + 7) (sizes phi)
                    agree (rounding forward instance) (own.InnerLoss phi) (written.InnerLoss phi) "L̂"
                    agree (rounding gradient instance) (own.InnerGradient phi) (written.InnerGradient phi) "∇L̂"
                    agree (rounding product instance) (hessianProduct own phi w) (hessianProduct written phi w) "∇²L̂w"
                    let struct (value, slope) = own.OuterLossAndGradient phi
                    let struct (value', slope') = written.OuterLossAndGradient phi
                    agree (rounding forward instance) value value' "L"
                    agree (rounding gradient instance) slope slope' "∇L")

                scoped "one graph serves every product, and a second linearization gives the same bits" (fun () ->
                    let instance = draw 3 small 2 6
                    let own = problem instance
                    use linearization = own.LinearizeInner instance.Parameters
                    let w = normal 5 (sizes instance.Parameters)
                    let first = linearization.HessianProduct w
                    linearization.HessianProduct(scaled 3.0 w) |> ignore
                    same first (linearization.HessianProduct w) "∇²L̂w again"
                    same first (hessianProduct own instance.Parameters w) "∇²L̂w anew")

                // ⟨aⱼ, φⱼ⟩: gradient aⱼ, Hessian 0.
                scoped "a linear loss has its slope as gradient and the zero Hessian" (fun () ->
                    let slope = normal 1 [ 2; 4 ]
                    let linear (phi: Tensor) = phi.mul(slope).sum([| 1L |], keepdim = true)
                    let own = AutogradProblem(linear, linear) :> IBilevelProblem<_, _>
                    let phi = normal 2 [ 2; 4 ]
                    same slope (own.InnerGradient phi) "∇L̂"
                    same (torch.zeros_like phi) (hessianProduct own phi (normal 3 [ 2; 4 ])) "∇²L̂w")

                for what, says, loss in lost do
                    scoped $"a loss {what} is an exception that says so, never a zero and never the end of the process" (fun () ->
                        let phi = normal 1 [ 2; 4 ]

                        for inner, outer in [ loss, bowl; bowl, loss ] do
                            let own = AutogradProblem(inner, outer) :> IBilevelProblem<_, _>

                            let said =
                                if Object.ReferenceEquals(inner, loss) then
                                    [
                                        refusal (fun () -> own.InnerGradient phi |> ignore)
                                        refusal (fun () -> (own.LinearizeInner phi).Dispose())
                                    ]
                                else
                                    [ refusal (fun () -> own.OuterLossAndGradient phi |> ignore) ]

                            for message in said do
                                message |> should haveSubstring says)

                for what, loss in constants do
                    scoped $"a constant loss, {what}, has derivative 0: the outer one gives g = 0, the inner one g = ∇L(θ)" (fun () ->
                        let theta = normal 1 [ 2; 4 ]
                        let outer = metaGradient (AutogradProblem(bowl, loss)) theta
                        same (torch.zeros_like theta) outer.Gradient "g of a constant L"
                        let inner = metaGradient (AutogradProblem(loss, bowl)) theta
                        let slope = theta.sub (torch.ones_like theta)
                        // λ(0 + λI)⁻¹∇L: one rounding each in λ⁻¹∇L and in λ times it.
                        agree (4.0 * epsilon) slope inner.Gradient "g of a constant L̂")

                scoped "a loss may differentiate by itself: a gradient penalty has its value, gradient and products" (fun () ->
                    // Σ(2x)²: the squared gradient of Σx².
                    let penalty (phi: Tensor) =
                        let square = phi.mul(phi).sum([| 1L |], true)
                        let slope = (torch.autograd.grad ([| square.sum () |], [| phi |], create_graph = true))[0]
                        slope.mul(slope).sum([| 1L |], true)

                    let own = AutogradProblem(penalty, penalty) :> IBilevelProblem<_, _>
                    let phi = normal 1 [ 2; 4 ]
                    let expected = phi.mul(phi).sum([| 1L |], true).mul(torch.tensor 4.0)
                    close 1e-12 expected (own.InnerLoss phi) "L̂"
                    close 1e-12 (phi.mul (torch.tensor 8.0)) (own.InnerGradient phi) "∇L̂"
                    close 1e-12 (phi.mul (torch.tensor 8.0)) (hessianProduct own phi phi) "∇²L̂φ")

                scoped "a loss that overwrites its parameters changes no θ" (fun () ->
                    let overwriting (phi: Tensor) =
                        (use _ = torch.no_grad ()
                         phi.add_ (torch.ones_like phi) |> ignore)

                        bowl phi

                    let own = AutogradProblem(overwriting, overwriting) :> IBilevelProblem<_, _>
                    let phi = normal 1 [ 2; 4 ]
                    let before = phi.clone ()
                    own.InnerLoss phi |> ignore
                    own.InnerGradient phi |> ignore
                    own.OuterLossAndGradient phi |> ignore
                    same before phi "φ")

                scoped "a constant that is not finite has no derivative" (fun () ->
                    let own =
                        AutogradProblem(bowl, (fun phi -> phi.new_full ([| 2L; 1L |], nan.ToScalar()))) :> IBilevelProblem<_, _>

                    let struct (_, slope) = own.OuterLossAndGradient(normal 1 [ 2; 4 ])
                    slope.isnan().all().ToBoolean() |> should equal true)

                scoped "the caller's mode does not matter: no_grad and inference_mode around give the same bits" (fun () ->
                    let theta = normal 1 [ 2; 4 ]
                    let expected = metaGradient (AutogradProblem(bowl, bowl)) theta

                    for mode in [ torch.no_grad; (fun () -> torch.inference_mode true) ] do
                        use _ = mode ()
                        // Made in the mode: libtorch does not let it start a graph.
                        let inside = theta.clone ()
                        same expected.Gradient (metaGradient (AutogradProblem(bowl, bowl)) inside).Gradient "g"
                        let network = draw 3 small 2 6
                        let written = metaGradient network.Problem
                        let outside = written network.Parameters
                        same outside.Gradient (written (network.Parameters.clone ())).Gradient "g of the network")

                scoped "it leaves its results and nothing else" (fun () ->
                    let instance = draw 3 small 2 6
                    let own = problem instance
                    let w = normal 5 (sizes instance.Parameters)

                    let left (body: unit -> unit) =
                        body ()
                        let before = Tensor.TotalCount
                        body ()
                        Tensor.TotalCount - before

                    left (fun () -> own.InnerGradient(instance.Parameters).Dispose()) |> should equal 0L
                    left (fun () -> (hessianProduct own instance.Parameters w).Dispose()) |> should equal 0L)

                // Rounding is judged by what it would do to the problem: a batch in single precision answers as double precision does for a θ that
                // is off by 128 units in the last place of single precision. A formula that is off by a part in a thousand is not so excused.
                // Without rectifiers: rounding can carry a number across a kink, after which the two descents part ways, each rightly.
                scoped
                    "on a network of the experiments' size, a batch in single precision is the reference task by task, to single precision"
                    (fun () ->
                        let instance = draw 11 (smooth omniglot) 2 5
                        let together = metaGradient (instance32 instance) (instance.Parameters.to_type torch.float32)

                        for task in 0..1 do
                            let alone = only task instance
                            let reference theta = (metaGradient (problem alone) theta).Gradient
                            let exact = reference alone.Parameters

                            let change =
                                [ 1..3 ]
                                |> List.map (fun seed ->
                                    let noise = (normal (40 + seed) (sizes alone.Parameters)).mul alone.Parameters
                                    norm ((reference (along alone.Parameters noise (128.0 * 2.0 ** -23.0))).sub exact))
                                |> List.max

                            change |> should be (lessThan (1e-3 * norm exact))
                            close change exact (together.Gradient.narrow(0L, int64 task, 1L).to_type torch.float64) $"g, task {task}")
            ]
    )
