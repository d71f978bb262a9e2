/// Cross-entropy and its two derivatives with respect to the logits.
module Imaml.Nets.Tests.LossTests

open System
open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.Models
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private tasks, images, ways = 3, 4, 5

/// One-hot rows, every label in turn.
let private labels () : Tensor =
    torch.nn.functional
        .one_hot(torch.arange(int64 (tasks * images)).remainder((int64 ways).ToScalar()), int64 ways)
        .to_type(torch.float64)
        .view(int64 tasks, int64 images, int64 ways)

let private property name (body: int -> unit) =
    testPropertyWithConfig (Draws.times 20) name (fun (seed: uint16) ->
        use _ = torch.NewDisposeScope()
        body (int seed))

let private draw seed = normal seed [ tasks; images; ways ] |> scaled 3.0

/// Sums of at most nN terms, none of them larger than the result's sizes: nNε, four times over.
let private tolerance = 4.0 * float (images * ways) * epsilon

/// −log softmax(z)_y, number by number in plain arithmetic.
let private closedForm (z: Tensor) =
    let labels = labels ()

    Array.init tasks (fun task ->
        Array.average (
            Array.init images (fun image ->
                let z = numbers (z[int64 task][int64 image])
                let label = numbers (labels[int64 task][int64 image]) |> Array.findIndex ((=) 1.0)
                log (Array.sumBy exp z) - z[label])
        ))

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Loss"
        [
            property "it is each task's mean of log Σ exp z − z_label" (fun seed ->
                let z = draw seed
                let loss = SoftmaxCrossEntropy(z, labels ()).Loss()
                sizes loss |> should equal [ tasks; 1 ]
                // log Σ exp z and z_label are at most 20 in size, and so is what rounding is relative to.
                Array.iter2 (fun expected actual -> near (20.0 * tolerance) expected actual "loss") (closedForm z) (numbers loss))

            property "its gradient is autograd's" (fun seed ->
                let z = (draw seed).requires_grad_ true

                let total =
                    torch.nn.functional.cross_entropy (
                        z.view (-1L, int64 ways),
                        labels().argmax(-1L).view -1L,
                        reduction = torch.nn.Reduction.Sum
                    )

                let expected = torch.autograd.grad([| total |], [| z |])[0] |> scaled (1.0 / float images)
                agree tolerance expected (SoftmaxCrossEntropy(z.detach (), labels ()).LogitGradient()) "∂loss/∂z")

            property "its gradient sums to 0 over the classes of an image" (fun seed ->
                let sums = SoftmaxCrossEntropy(draw seed, labels ()).LogitGradient().sum -1L
                norm sums |> should be (lessThan tolerance))

            // D(h) with h = 10⁻⁴: third derivatives of order 1 make h² = 10⁻⁸, rounding ε/h = 10⁻¹²; both are bounded by the difference itself.
            property "its gradient is the loss's central difference, and the gradient's tangent the gradient's" (fun seed ->
                let z, w = draw seed, normal (seed + 1) [ tasks; images; ways ]
                let at t = SoftmaxCrossEntropy(along z w t, labels ())
                let here = at 0.0
                let h = 1e-4
                let struct (slope, error) = centralDifference (fun t -> (at t).Loss()) h (20.0 * tolerance)
                let expected = here.LogitGradient().mul(w).sum([| 1L; 2L |]).unsqueeze 1L
                close (error + tolerance) slope expected "⟨∂loss/∂z, ż⟩"
                let struct (curvature, error) = centralDifference (fun t -> (at t).LogitGradient()) h tolerance
                close (error + tolerance) curvature (here.LogitGradientTangent w) "tangent of ∂loss/∂z")

            property "its Hessian is symmetric, positive semidefinite and blind to a shift of all logits" (fun seed ->
                let loss = SoftmaxCrossEntropy(draw seed, labels ())
                let a, b = normal (seed + 1) [ tasks; images; ways ], normal (seed + 2) [ tasks; images; ways ]
                let ha, hb = loss.LogitGradientTangent a, loss.LogitGradientTangent b
                near (tolerance * norm a * norm b) (inner a hb) (inner b ha) "⟨b, Ha⟩"
                inner a ha |> should be (greaterThan (-tolerance * norm a * norm a))

                norm (loss.LogitGradientTangent(torch.ones_like a))
                |> should be (lessThan (tolerance * norm (torch.ones_like a))))

            scoped "logits of a thousand and more neither overflow nor lose the loss" (fun () ->
                // One image of 2 classes: loss log(1 + e^(b−a)), gradient (p − 1, 1 − p).
                for dtype in [ torch.float64; torch.float32 ] do
                    let loss (a: float) (b: float) =
                        let z = torch.tensor([| a; b |]).to_type(dtype).view(1L, 1L, 2L)
                        let label = torch.tensor([| 1.0; 0.0 |]).to_type(dtype).view(1L, 1L, 2L)
                        let loss = SoftmaxCrossEntropy(z, label)
                        struct (numbers (loss.Loss()), numbers (loss.LogitGradient()), numbers (loss.LogitGradientTangent z))

                    loss 4096.0 0.0 |> should equal (struct ([| 0.0 |], [| 0.0; 0.0 |], [| 0.0; 0.0 |]))
                    loss 0.0 4096.0 |> should equal (struct ([| 4096.0 |], [| -1.0; 1.0 |], [| 0.0; 0.0 |]))
                    loss -8192.0 -4096.0 |> should equal (struct ([| 4096.0 |], [| -1.0; 1.0 |], [| 0.0; 0.0 |])))

            scoped "labels of another shape than the logits are refused in one line that names both" (fun () ->
                for wrong in [ [ 3; 1; 5 ]; [ 1; 4; 5 ]; [ 3; 4; 1 ]; [ 4; 5 ] ] do
                    let message =
                        try
                            SoftmaxCrossEntropy(draw 1, normal 1 wrong) |> ignore
                            failtest $"labels of shape %A{wrong} were taken"
                        with :? ArgumentException as e ->
                            e.Message

                    let wrong = String.Join(", ", wrong)
                    message |> should haveSubstring $"[3, 4, 5], not [{wrong}]"
                    message |> should not' (haveSubstring "\n"))
        ]
