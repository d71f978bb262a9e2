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
        Thresholds.none space,
        theta
    )

/// 64 filters, 28 × 28, 5-way 1-shot: the network of the experiments.
let private omniglot = strided (ImageShape(28, 28, 1)) ConvolutionalNetworks.OmniglotFilters 5

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

                scoped "a loss that is not one number a task is refused with both shapes" (fun () ->
                    let own = AutogradProblem((fun phi -> phi.sum ()), (fun phi -> phi)) :> IBilevelProblem<_, _>
                    let phi = normal 1 [ 2; 4 ]

                    for refused in
                        [
                            fun () -> own.InnerGradient phi |> ignore
                            fun () -> own.LinearizeInner phi |> ignore
                            fun () -> own.OuterLossAndGradient phi |> ignore
                        ] do
                        let message =
                            try
                                refused ()
                                failtest "a loss of a wrong shape was taken"
                            with :? ArgumentException as e ->
                                e.Message

                        message |> should haveSubstring "[2, 4] must be [2, 1]")

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
                        let instance = draw 11 (smooth omniglot) 4 5
                        let together = metaGradient (instance32 instance) (instance.Parameters.to_type torch.float32)

                        for task in 0..3 do
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
