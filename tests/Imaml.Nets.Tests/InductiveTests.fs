/// Query images normalised by the support images' statistics: the outer loss and its gradient against autograd, and what does not change.
module Imaml.Nets.Tests.InductiveTests

open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private architectures =
    [
        strided (ImageShape(12, 12, 1)) 4 3
        strided (ImageShape(13, 10, 2)) 3 4
        pooled (ImageShape(17, 16, 3)) 3 3
        strided (ImageShape(12, 12, 1)) 1 3
    ]

let private tasks = 2

/// Six support and four query images a task.
let private instances seed =
    let architecture = architectures[seed % architectures.Length]
    struct (draw seed architecture tasks 6, draw (seed + 20) architecture tasks 4)

let private problem mode (support: Instance) (query: Instance) = FewShotProblem(support.Network, support.Data, query.Data, mode)

let private property draws name body =
    testPropertyWithConfig (Draws.times draws) name (fun (seed: uint16) ->
        use _ = torch.NewDisposeScope()
        let struct (support, query) = instances (int seed)
        body support query)

/// All images of a task, its support images first.
let private both (support: Instance) (query: Instance) task = torch.cat [| row task support.Images; row task query.Images |]

/// The query images' logits of one task at parameters of its own, by libtorch's operations.
let private logits (support: Instance) (query: Instance) task parameters =
    let evaluation =
        evaluateBy support.Images.shape[1] support.Architecture parameters (both support query task)

    evaluation.Logits.narrow (0L, support.Images.shape[1], query.Images.shape[1])

/// A relative error of m·ε a layer, magnified by each normalisation's max|x|/s: the query images may lie further from the support images' mean
/// than the support images do.
let private tolerance sweeps (support: Instance) (query: Instance) =
    let growth =
        Array.init tasks (fun task ->
            (evaluateBy support.Images.shape[1] support.Architecture (row task support.Parameters) (both support query task)).Growth)
        |> Array.max

    let size = support.Architecture.Input
    let layers = 5 * support.Architecture.Blocks.Length + 1
    let terms = int support.Images.shape[1] * size.Height * size.Width
    float (sweeps * layers * terms) * growth * epsilon

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Inductive normalisation"
        [
            property 8 "loss and gradient are autograd's, through the statistics" (fun support query ->
                let struct (loss, slope) =
                    (problem BatchNormMode.Inductive support query).OuterLossAndGradient support.Parameters

                let expected =
                    Array.init tasks (fun task ->
                        let p = (row task support.Parameters).clone().requires_grad_ true
                        let loss = torch.nn.functional.cross_entropy (logits support query task p, row task query.Labels)
                        let gradient = torch.autograd.grad([| loss |], [| p |])[0]
                        struct (loss.detach (), gradient))

                let losses = torch.stack(expected |> Array.map (fun struct (loss, _) -> loss)).unsqueeze 1L
                let slopes = torch.stack (expected |> Array.map (fun struct (_, slope) -> slope))
                agree (tolerance 1 support query) losses loss "loss"
                agree (tolerance 2 support query) slopes slope "gradient")

            property 8 "the logits are libtorch's" (fun support query ->
                let expected =
                    torch.stack (Array.init tasks (fun task -> logits support query task (row task support.Parameters)))

                agree
                    (tolerance 1 support query)
                    expected
                    ((problem BatchNormMode.Inductive support query).QueryLogits support.Parameters)
                    "logits")

            // Rounding too is the same: an image's numbers are not combined with those of another image.
            property 8 "an image's logits do not depend on the images that it comes with" (fun support query ->
                let together = (problem BatchNormMode.Inductive support query).QueryLogits support.Parameters

                for i in 0L .. query.Images.shape[1] - 1L do
                    let alone =
                        { query with
                            Images = query.Images.narrow (1L, i, 1L)
                            Labels = query.Labels.narrow (1L, i, 1L)
                        }

                    let expected = together.narrow (1L, i, 1L)
                    let found = (problem BatchNormMode.Inductive support alone).QueryLogits support.Parameters
                    agree (tolerance 1 support query) expected found $"image {i}"
                    let transductive = (problem BatchNormMode.Transductive support alone).QueryLogits support.Parameters
                    norm (transductive - expected) |> should be (greaterThan (1e-3 * norm expected)))

            property 8 "the network with fixed statistics has the same logits, one image at a time" (fun support query ->
                let network = support.Network.WithFixedStatistics
                let parameters = support.Network.FixStatistics(support.Parameters, support.Images)
                network.ParameterCount |> should equal support.Network.ParameterCount
                let expected = (problem BatchNormMode.Inductive support query).QueryLogits support.Parameters

                for i in 0L .. query.Images.shape[1] - 1L do
                    let found = network.Forward(parameters, query.Images.narrow (1L, i, 1L)).Logits
                    agree (tolerance 1 support query) (expected.narrow (1L, i, 1L)) found $"image {i}")

            property 4 "the support images as query images have the transductive loss and gradient" (fun support _ ->
                let struct (expected, slope) =
                    (problem BatchNormMode.Transductive support support).OuterLossAndGradient support.Parameters

                let struct (loss, found) =
                    (problem BatchNormMode.Inductive support support).OuterLossAndGradient support.Parameters

                agree (tolerance 1 support support) expected loss "loss"
                // The same function of φ, though its gradient goes other ways.
                agree (tolerance 2 support support) slope found "gradient")

            property 4 "the inner loss, its gradient and its Hessian are the same to the last bit" (fun support query ->
                let phi = support.Parameters
                let w = normal 3 (sizes phi)

                let expected, found =
                    problem BatchNormMode.Transductive support query, problem BatchNormMode.Inductive support query

                same (expected.InnerLoss phi) (found.InnerLoss phi) "L̂"
                same (expected.InnerGradient phi) (found.InnerGradient phi) "∇L̂"
                use expected = expected.LinearizeInner phi
                use found = found.LinearizeInner phi
                same (expected.HessianProduct w) (found.HessianProduct w) "Hw")

            scoped "the gradient is the loss's central difference" (fun () ->
                let smoothed seed =
                    let architecture = smooth (strided (ImageShape(12, 12, 1)) 4 3)
                    struct (draw seed architecture tasks 6, draw (seed + 20) architecture tasks 4)

                for seed in [ 700; 800 ] do
                    let struct (support, query) = smoothed seed
                    let problem = problem BatchNormMode.Inductive support query
                    let w = normal (seed + 3) (sizes support.Parameters)

                    let loss t =
                        let struct (loss, _) = problem.OuterLossAndGradient(along support.Parameters w t)
                        loss

                    let struct (expected, error) = centralDifference loss 1e-5 (tolerance 1 support query * norm (loss 0.0))
                    let struct (_, slope) = problem.OuterLossAndGradient support.Parameters
                    error |> should be (lessThan (1e-2 * norm expected))

                    close
                        (error + tolerance 2 support query * norm expected)
                        expected
                        (slope.mul(w).sum([| 1L |], keepdim = true))
                        "⟨∇L, w⟩")

            scoped "a pass with the first images' statistics has no products, and says so" (fun () ->
                let shape = ImageShape(2, 2, 1)
                let pass = BatchNormalization(shape).Forward(torch.ones (1L, 2L), torch.rand (3L, 1L, 2L, 2L), 2L)

                Expect.throwsC (fun () -> pass.Tangent(torch.ones (1L, 2L), null) |> ignore) (fun e ->
                    e.Message
                    |> should equal "a pass with the statistics of its first images has first derivatives only"))
        ]
