/// The network's value, gradient and Hessian–vector product, all tasks at once, against one task at a time by libtorch.
module Imaml.Nets.Tests.NetworkTests

open System
open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private square = strided (ImageShape(12, 12, 1)) 4 3
let private oblong = strided (ImageShape(13, 10, 2)) 3 4

let private pools = pooled (ImageShape(21, 17, 3)) 3 4

let private property draws name (body: int -> unit) =
    testPropertyWithConfig (Draws.times draws) name (fun (seed: uint16) ->
        use _ = torch.NewDisposeScope()
        body (int seed))

/// Tasks of six images: square and of one channel, or not, or with pooling, or of one filter, where a task is one channel of all.
let private some seed =
    match seed % 4 with
    | 0 -> draw seed square 3 6
    | 1 -> draw seed oblong 3 6
    | 2 -> draw seed pools 3 6
    | _ -> draw seed (strided (ImageShape(12, 12, 1)) 1 3) 9 6

let private direction seed (instance: Instance) = normal (seed + 3) (sizes instance.Parameters)

let private hessianProduct (instance: Instance) (w: Tensor) =
    use linearization = instance.Problem.LinearizeInner instance.Parameters
    linearization.HessianProduct w

/// The places of a network's convolution biases, which the normalisation behind them takes away.
let private biases (architecture: Architecture) =
    let mutable offset, channels = 0, architecture.Input.Channels

    [
        for block in architecture.Blocks do
            let first = offset + 9 * channels * block.Filters
            yield! [ first .. first + block.Filters - 1 ]
            offset <- first + 3 * block.Filters
            channels <- block.Filters
    ]

/// An instance whose rectifiers all stay on their side of 0 for |t| ≤ 2h along w: the first of the seeds seed, seed + 1, … that has the property.
let private awayFromKinks seed architecture h =
    Seq.initInfinite (fun i ->
        let instance = draw (seed + i) architecture 2 6
        struct (instance, direction (seed + i) instance))
    |> Seq.truncate 50
    |> Seq.find (fun struct (instance, w) ->
        match patterns instance w [ -2.0 * h; -h; 0.0; h; 2.0 * h ] with
        | first :: others -> List.forall ((=) first) others
        | [] -> true)

let private form =
    testList
        "form"
        [
            testCase "has 113,221 parameters for 64 filters and 5 ways, 117,076 for 20" (fun () ->
                let count ways =
                    StridedConvolutions(StridedConvolutions.OmniglotFilters).Build(ImageShape(28, 28, 1), ways).ParameterCount

                count 5 |> should equal 113_221
                count 20 |> should equal 117_076)

            testCase "with pooling and three channels it has 32,901 for 32 filters and 5 ways, from 16 × 16 on" (fun () ->
                let build size = PooledConvolutions(PooledConvolutions.MiniImageNetFilters).Build(ImageShape(size, 84, 3), 5)

                (build 84).ParameterCount |> should equal 32_901
                (build 16).ParameterCount |> should equal (32_901 - (25 - 5) * 32 * 5)

                Expect.throwsC (fun () -> build 15 |> ignore) (fun e ->
                    e.Message
                    |> should
                        haveSubstring
                        "images of 15×84 are too small for conv4-pooled, which halves them four times; they need 16×16"))

            scoped
                "the mini-ImageNet network is four blocks of convolution, normalisation, rectifier and pooling, then a linear classifier"
                (fun () ->
                    let instance = draw 1 pools 2 5

                    let pooled = PooledConvolutions(pools.Blocks.Head.Filters).Build(pools.Input, pools.Ways)

                    same
                        (instance.Network.Forward(instance.Parameters, instance.Images).Logits)
                        (pooled.Forward(instance.Parameters, instance.Images).Logits)
                        "logits")

            scoped "refuses more images than a pass can take, in one line" (fun () ->
                let network = PooledConvolutions(64).Build(ImageShape(84, 84, 3), 5)
                // Of 64 · 84² outputs, each 4 bytes, fewer than 2³¹ bytes hold 1,189 images; what is kept for products is three times as much.
                let images = torch.zeros ([| 1L; 1190L; 84L; 84L; 3L |], torch.uint8)
                let pass = fun () -> network.Arrange(images.to_type torch.float32, Nullable()) |> ignore

                Expect.throwsC pass (fun e ->
                    e.Message
                    |> should haveSubstring "1190 images of a task in one pass are more than this network can take at once: at most "))

            testCase "takes 28 × 28 to 14, 7, 4 and 2" (fun () ->
                let next (shape: ImageShape) = Convolution(shape, 64, 3, 2, 1, Bias.NormalizedAway, 1.0).OutputShape

                List.scan (fun shape _ -> next shape) (ImageShape(28, 28, 1)) [ 1..4 ]
                |> List.map (fun shape -> shape.Height, shape.Width)
                |> should equal [ 28, 28; 14, 14; 7, 7; 4, 4; 2, 2 ])

            scoped "what a pass keeps is all that its products need, its images among it" (fun () ->
                let instance = draw 1 (strided (ImageShape(12, 12, 1)) 16 3) 2 5
                let single (x: Tensor) = x.to_type torch.float32
                let parameters, images = single instance.Parameters, single instance.Images

                let products close =
                    let scope = torch.NewDisposeScope()
                    let pass = instance.Network.Forward(parameters, images)
                    pass.Linearize(pass.Logits) |> ignore

                    if close then
                        for tensor in pass.Kept do
                            tensor.MoveToOuterDisposeScope() |> ignore

                        scope.Dispose()

                    let product = pass.TangentBackward(pass.Tangent parameters).MoveToOuterDisposeScope()
                    scope.Dispose()
                    product

                same (products true) (products false) "products")

            scoped "the Omniglot network is four blocks of convolution, normalisation and rectifier, then a linear classifier" (fun () ->
                for architecture in [ square; oblong; strided (ImageShape(28, 28, 1)) 4 5 ] do
                    let instance = draw 1 architecture 1 5

                    let strided =
                        StridedConvolutions(architecture.Blocks.Head.Filters).Build(architecture.Input, architecture.Ways)

                    same
                        (instance.Network.Forward(instance.Parameters, instance.Images).Logits)
                        (strided.Forward(instance.Parameters, instance.Images).Logits)
                        "logits")

            scoped "new parameters are the same for the same seed, with γ = 1, β = 0 and biases in [0, 0.05]" (fun () ->
                let theta (seed: int) =
                    use generator = new torch.Generator(uint64 seed, torch.CPU)
                    (network square).InitialParameters generator

                same (theta 5) (theta 5) "θ"
                norm (theta(5).sub(theta 6)) |> should be (greaterThan 0.0)
                let values = numbers (theta 5)

                for bias in biases square do
                    values[bias] |> should be (greaterThanOrEqualTo 0.0)
                    values[bias] |> should be (lessThanOrEqualTo 0.05)

                for last in biases square |> List.chunkBySize 4 |> List.map List.last do
                    values[last + 1 .. last + 4] |> should equal (Array.create 4 1.0)
                    values[last + 5 .. last + 8] |> should equal (Array.create 4 0.0))

            scoped "parameters or images of a wrong shape are refused in one line that names both" (fun () ->
                let instance = draw 1 square 2 3
                let network = instance.Network
                let d = network.ParameterCount

                let refused (parameters: Tensor) (images: Tensor) (expected: string) =
                    let message =
                        try
                            network.Forward(parameters, images) |> ignore
                            failtest "a wrong shape was taken"
                        with :? ArgumentException as e ->
                            e.Message

                    message |> should haveSubstring expected
                    message |> should not' (haveSubstring "\n")

                refused (normal 1 [ 2; d + 1 ]) instance.Images $"[2, {d}] for the images of 2 tasks, not [2, {d + 1}]"
                refused (normal 1 [ d ]) instance.Images $"[2, {d}] for the images of 2 tasks, not [{d}]"
                refused instance.Parameters (normal 1 [ 3; 3; 12; 12; 1 ]) $"[3, {d}] for the images of 3 tasks, not [2, {d}]"
                refused instance.Parameters (normal 1 [ 2; 3; 12; 11; 1 ]) "[B, n, 12, 12, 1], not [2, 3, 12, 11, 1]"
                refused instance.Parameters (normal 1 [ 2; 3; 11; 12; 1 ]) "[B, n, 12, 12, 1], not [2, 3, 11, 12, 1]"
                refused instance.Parameters (normal 1 [ 2; 3; 12; 12; 2 ]) "[B, n, 12, 12, 1], not [2, 3, 12, 12, 2]"
                refused instance.Parameters (normal 1 [ 6; 12; 12; 1 ]) "[B, n, 12, 12, 1], not [6, 12, 12, 1]")
        ]

let private values =
    testList
        "value, gradient and Hessian"
        [
            property 8 "the logits are those of libtorch's convolution, normalisation and linear map" (fun seed ->
                let instance = some seed

                let expected =
                    torch.stack (evaluations instance instance.Parameters |> Array.map (fun one -> one.Logits))

                agree (rounding forward instance) expected (instance.Network.Forward(instance.Parameters, instance.Images).Logits) "logits")

            property 8 "loss, gradient and Hessian–vector product are those of autograd" (fun seed ->
                let instance = some seed
                let w = direction seed instance
                let struct (loss, slope, curvature) = differentiate instance w
                use linearization = instance.Problem.LinearizeInner instance.Parameters
                agree (rounding forward instance) loss linearization.Loss "loss"
                agree (rounding gradient instance) slope linearization.Gradient "gradient"
                agree (rounding product instance) curvature (linearization.HessianProduct w) "Hessian–vector product")

            scoped "the same holds of images as large as Omniglot's" (fun () ->
                let instance = draw 7 (strided (ImageShape(28, 28, 1)) 8 5) 2 5
                let w = direction 7 instance
                let struct (loss, slope, curvature) = differentiate instance w
                use linearization = instance.Problem.LinearizeInner instance.Parameters
                agree (rounding forward instance) loss linearization.Loss "loss"
                agree (rounding gradient instance) slope linearization.Gradient "gradient"
                agree (rounding product instance) curvature (linearization.HessianProduct w) "Hessian–vector product")

            property 4 "strides of 1, no padding and no rectifier are as right" (fun seed ->
                let block filters stride padding rectified =
                    {
                        Filters = filters
                        Stride = stride
                        Padding = padding
                        Rectified = rectified
                        Pooling = 1
                    }

                let architecture =
                    {
                        Input = ImageShape(9, 8, 2)
                        Blocks = [ block 3 1 0 true; block 2 2 1 false; block 4 1 1 true ]
                        Ways = 3
                    }

                let instance = draw seed architecture 2 4
                let w = direction seed instance
                let struct (_, slope, curvature) = differentiate instance w
                use linearization = instance.Problem.LinearizeInner instance.Parameters
                agree (rounding gradient instance) slope linearization.Gradient "gradient"
                agree (rounding product instance) curvature (linearization.HessianProduct w) "Hessian–vector product")

            property 8 "the loss's two other ways to its gradient give the same to the last bit" (fun seed ->
                let instance = some seed
                let problem = instance.Problem
                use linearization = problem.LinearizeInner instance.Parameters
                let struct (loss, slope) = problem.OuterLossAndGradient instance.Parameters
                same linearization.Gradient (problem.InnerGradient instance.Parameters) "inner gradient"
                same linearization.Gradient slope "outer gradient"
                same linearization.Loss loss "loss")

            // f is ⟨∇L̂, ·⟩ or ∇L̂ along a line on which no rectifier switches, so the expansion behind the central difference holds. h = 10⁻⁵
            // balances the truncation h² against the rounding ε·growth/h, about 10⁻¹⁰ and 10⁻⁶ here; both are bounded, not assumed.
            scoped "the gradient is the loss's central difference" (fun () ->
                for seed, architecture in [ 100, square; 200, oblong; 300, smooth square ] do
                    let h = 1e-5
                    let struct (instance, w) = awayFromKinks seed architecture h
                    let problem = instance.Problem

                    let loss t =
                        let struct (loss, _) = problem.OuterLossAndGradient(along instance.Parameters w t)
                        loss

                    let struct (expected, tolerance) =
                        centralDifference loss h (rounding forward instance * norm (loss 0.0))

                    let slope = problem.InnerGradient(instance.Parameters).mul(w).sum([| 1L |], keepdim = true)
                    tolerance |> should be (lessThan (1e-3 * norm expected))
                    close (tolerance + rounding gradient instance * norm expected) expected slope "⟨∇L̂, w⟩")

            scoped "the Hessian–vector product is the gradient's central difference" (fun () ->
                for seed, architecture in [ 400, square; 500, oblong; 600, smooth square ] do
                    let h = 1e-5
                    let struct (instance, w) = awayFromKinks seed architecture h
                    let slope t = instance.Problem.InnerGradient(along instance.Parameters w t)

                    let struct (expected, tolerance) =
                        centralDifference slope h (rounding gradient instance * norm (slope 0.0))

                    tolerance |> should be (lessThan (1e-3 * norm expected))
                    close (tolerance + rounding product instance * norm expected) expected (hessianProduct instance w) "Hw")
        ]

let private structure =
    testList
        "structure of the Hessian"
        [
            property 8 "it is symmetric: ⟨a, Hb⟩ = ⟨b, Ha⟩" (fun seed ->
                let instance = some seed
                let a, b = direction seed instance, direction (seed + 10) instance
                use linearization = instance.Problem.LinearizeInner instance.Parameters
                let ha, hb = linearization.HessianProduct a, linearization.HessianProduct b

                for task in 0 .. instance.Tasks - 1 do
                    let size = norm (row task a) * norm (row task hb) + norm (row task b) * norm (row task ha)

                    near
                        (rounding product instance * size)
                        (inner (row task a) (row task hb))
                        (inner (row task b) (row task ha))
                        $"⟨b, Ha⟩, task {task}")

            property 8 "it is linear: H(ta + b) = tHa + Hb" (fun seed ->
                let instance = some seed
                let a, b = direction seed instance, direction (seed + 10) instance
                let t = float (seed % 7) - 3.5
                use linearization = instance.Problem.LinearizeInner instance.Parameters
                let ha, hb = linearization.HessianProduct a, linearization.HessianProduct b

                close
                    (rounding product instance * (abs t * norm ha + norm hb))
                    (along hb ha t)
                    (linearization.HessianProduct(along b a t))
                    "H(ta + b)")

            scoped "H0 = 0 exactly" (fun () ->
                let instance = some 1
                let zero = torch.zeros_like instance.Parameters
                norm (hessianProduct instance zero) |> should equal 0.0)

            scoped "a product does not see the products before it" (fun () ->
                let instance = some 3
                let a, b = direction 3 instance, direction 13 instance
                use linearization = instance.Problem.LinearizeInner instance.Parameters
                let first = linearization.HessianProduct a
                linearization.HessianProduct b |> ignore
                same first (linearization.HessianProduct a) "the second product with a"
                same first (hessianProduct instance a) "the product of a new linearization")

            scoped "a convolution's bias has no effect, no gradient and no curvature, exactly" (fun () ->
                let instance = some 4
                let places = biases instance.Architecture |> List.map int64 |> List.toArray
                let only = torch.zeros_like instance.Parameters
                only.index_copy_ (1L, torch.tensor places, normal 9 [ instance.Tasks; places.Length ]) |> ignore
                let moved = along instance.Parameters only 10.0
                let logits (parameters: Tensor) = instance.Network.Forward(parameters, instance.Images).Logits
                same (logits instance.Parameters) (logits moved) "logits"
                use linearization = instance.Problem.LinearizeInner instance.Parameters
                norm (linearization.Gradient.index_select (1L, torch.tensor places)) |> should equal 0.0
                norm (linearization.HessianProduct only) |> should equal 0.0

                norm (linearization.HessianProduct(direction 4 instance).index_select(1L, torch.tensor places))
                |> should equal 0.0)
        ]

let private independence =
    testList
        "independence of tasks"
        [
            property 6 "a batch gives each task what it would get alone" (fun seed ->
                let instance = some seed
                let w = direction seed instance
                use together = instance.Problem.LinearizeInner instance.Parameters
                let product' = together.HessianProduct w

                for task in 0 .. instance.Tasks - 1 do
                    let only (x: Tensor) = x.narrow (0L, int64 task, 1L)

                    let one =
                        { instance with
                            Parameters = only instance.Parameters
                            Images = only instance.Images
                            Labels = only instance.Labels
                        }

                    use alone = one.Problem.LinearizeInner one.Parameters
                    agree (rounding forward one) alone.Loss (only together.Loss) $"loss, task {task}"
                    agree (rounding gradient one) alone.Gradient (only together.Gradient) $"gradient, task {task}"
                    agree (rounding product one) (alone.HessianProduct(only w)) (only product') $"Hessian–vector product, task {task}")

            property
                6
                "a task's gradient and product do not move by a bit when another's data, labels, parameters or direction do"
                (fun seed ->
                    let instance = some seed
                    let w = direction seed instance
                    let other = draw (seed + 50) instance.Architecture 3 6
                    let moving = seed % 3

                    let changed =
                        [
                            "data",
                            { instance with
                                Images = withRow moving (row moving other.Images) instance.Images
                            },
                            w
                            "labels",
                            { instance with
                                Labels = withRow moving ((row moving other.Labels).flip 0L) instance.Labels
                            },
                            w
                            "parameters",
                            { instance with
                                Parameters = withRow moving (row moving other.Parameters) instance.Parameters
                            },
                            w
                            "direction", instance, withRow moving (row moving other.Parameters) w
                            "NaN",
                            { instance with
                                Images = withRow moving (scaled nan (row moving other.Images)) instance.Images
                            },
                            w
                        ]

                    use linearization = instance.Problem.LinearizeInner instance.Parameters
                    let before = linearization.HessianProduct w

                    for what, after, w in changed do
                        use moved = after.Problem.LinearizeInner after.Parameters
                        let after = moved.HessianProduct w
                        let differs (x: Tensor) (y: Tensor) = numbers (row moving x) <> numbers (row moving y)
                        differs before after |> should equal true

                        for task in [ 0; 1; 2 ] |> List.except [ moving ] do
                            same (row task linearization.Gradient) (row task moved.Gradient) $"gradient of task {task}, other {what}"
                            same (row task before) (row task after) $"product of task {task}, other {what}")
        ]

[<Tests>]
let tests = testSequenced (testList "Network" [ form; values; structure; independence ])
