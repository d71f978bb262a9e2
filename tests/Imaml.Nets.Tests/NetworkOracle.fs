/// The network evaluated a second time, one task after another, by libtorch's own convolution, batch normalisation and autograd.
module Imaml.Nets.Tests.Oracle

open TorchSharp
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Tests.Tensors

/// Convolution → batch normalisation → rectifier, or no rectifier where a test needs a smooth network → pooling, where it is not 1.
type Block =
    {
        Filters: int
        Stride: int
        Padding: int
        Rectified: bool
        Pooling: int
    }

type Architecture =
    {
        Input: ImageShape
        Blocks: Block list
        Ways: int
    }

let private kernel = 3

/// The Omniglot network's form: four rectified blocks of stride 2.
let strided input filters ways =
    {
        Input = input
        Blocks =
            List.replicate
                4
                {
                    Filters = filters
                    Stride = 2
                    Padding = 1
                    Rectified = true
                    Pooling = 1
                }
        Ways = ways
    }

/// The mini-ImageNet network's form: four rectified blocks with 2×2 pooling.
let pooled input filters ways =
    let architecture = strided input filters ways

    { architecture with
        Blocks = architecture.Blocks |> List.map (fun block -> { block with Stride = 1; Pooling = 2 })
    }

/// The same layers without a kink.
let smooth architecture =
    { architecture with
        Blocks = architecture.Blocks |> List.map (fun block -> { block with Rectified = false })
    }

/// The network under test.
let network (architecture: Architecture) =
    let mutable shape = architecture.Input

    let blocks =
        [
            for block in architecture.Blocks do
                let convolution =
                    Convolution(shape, block.Filters, kernel, block.Stride, block.Padding, Bias.NormalizedAway, sqrt 3.0)

                shape <- convolution.OutputShape
                convolution :> Layer
                BatchNormalization shape

                if block.Rectified then
                    Rectifier shape

                if block.Pooling > 1 then
                    let pooling = MaxPooling(shape, block.Pooling)
                    shape <- pooling.OutputShape
                    pooling
        ]

    Network(architecture.Input, List.toArray (blocks @ [ Dense(shape, architecture.Ways, 1.0) ]))

/// What one task's evaluation found.
type Evaluation =
    {
        /// [n, N]
        Logits: Tensor
        /// The signs of all that went into a rectifier.
        Pattern: bool[]
        /// Π max|x|/s over the normalisations: how far they can magnify a relative error of their inputs.
        Growth: float
    }

/// One task: parameters [d], images [n, H, W, C], normalised by the statistics of the first of them.
let evaluateBy (reference: int64) (architecture: Architecture) (parameters: Tensor) (images: Tensor) =
    let mutable offset = 0L

    let take (count: int64) =
        let part = parameters.narrow (0L, offset, count)
        offset <- offset + count
        part

    let mutable x = images.permute (0L, 3L, 1L, 2L) // [n, C, H, W]
    let mutable growth = 1.0
    let pattern = ResizeArray<bool>()

    for block in architecture.Blocks do
        let channels, filters = x.shape[1], int64 block.Filters

        let weight = take(9L * channels * filters).view(filters, 3L, 3L, channels).permute(0L, 3L, 1L, 2L)

        let bias = take filters
        let gamma = take filters
        let beta = take filters

        x <-
            torch.nn.functional.conv2d (
                x,
                weight,
                bias,
                strides = Array.create 2 (int64 block.Stride),
                padding = Array.create 2 (int64 block.Padding)
            )

        let first = x.narrow (0L, 0L, reference)
        let variance = first.var([| 0L; 2L; 3L |], unbiased = false).add((1e-5).ToScalar())
        let spread = variance.detach().sqrt().min()
        growth <- growth * max 1.0 (number (x.detach().abs().max()) / number spread)

        x <-
            if reference = images.shape[0] then
                torch.nn.functional.batch_norm (x, null, null, gamma, beta, training = true, eps = 1e-5)
            else
                let channel (value: Tensor) = value.view (1L, -1L, 1L, 1L)
                let centred = x - channel (first.mean [| 0L; 2L; 3L |])
                centred / channel (variance.sqrt ()) * channel gamma + channel beta

        if block.Rectified then
            pattern.AddRange(numbers x |> Array.map (fun value -> value > 0.0))
            x <- torch.nn.functional.relu x

        if block.Pooling > 1 then
            x <- torch.nn.functional.max_pool2d (x, Array.create 2 (int64 block.Pooling))

    let features = x.permute(0L, 2L, 3L, 1L).reshape(images.shape[0], -1L)
    let weight = take(features.shape[1] * int64 architecture.Ways).view(features.shape[1], -1L)

    {
        Logits = torch.nn.functional.linear (features, weight.t (), take (int64 architecture.Ways))
        Pattern = pattern.ToArray()
        Growth = growth
    }

/// With the statistics of all images.
let evaluate architecture parameters (images: Tensor) = evaluateBy images.shape[0] architecture parameters images

/// B tasks at a point of parameter space.
type Instance =
    {
        Architecture: Architecture
        /// [B, d]
        Parameters: Tensor
        /// [B, n, H, W, C]
        Images: Tensor
        /// [B, n], 0 … N − 1
        Labels: Tensor
    }

    member this.Tasks = int this.Parameters.shape[0]
    member this.Network = network this.Architecture

    member this.Data =
        LabelledImages(this.Images, torch.nn.functional.one_hot(this.Labels, int64 this.Architecture.Ways).to_type this.Images.dtype)

    /// Support and query set are the same images.
    member this.Problem = FewShotProblem(this.Network, this.Data, this.Data)

/// New parameters, a tenth of a normal number away in every coordinate so that no γ is 1 and no β is 0; normal pixels; every label in turn.
let draw seed architecture tasks images =
    let network = network architecture
    use generator = new torch.Generator(uint64 seed, torch.CPU)
    let theta = network.InitialParameters(generator).to_type(torch.float64).unsqueeze 0L
    let size = architecture.Input

    {
        Architecture = architecture
        Parameters = along theta (normal (seed + 1) [ tasks; network.ParameterCount ]) 0.1
        Images = normal (seed + 2) [ tasks; images; size.Height; size.Width; size.Channels ]
        Labels =
            torch.arange(int64 (tasks * images), dtype = torch.int64).remainder((int64 architecture.Ways).ToScalar()).view(int64 tasks, -1L)
    }

/// The loss of every task, [B], at other parameters than the instance's.
let private losses (instance: Instance) (parameters: Tensor[]) =
    parameters
    |> Array.mapi (fun task p ->
        let logits = (evaluate instance.Architecture p (row task instance.Images)).Logits
        torch.nn.functional.cross_entropy (logits, row task instance.Labels))

let evaluations (instance: Instance) (parameters: Tensor) =
    Array.init instance.Tasks (fun task -> evaluate instance.Architecture (row task parameters) (row task instance.Images))

/// The rectifiers' pattern at φ + tw for every t.
let patterns (instance: Instance) (w: Tensor) (ts: float list) =
    ts
    |> List.map (fun t -> evaluations instance (along instance.Parameters w t) |> Array.collect (fun one -> one.Pattern))

/// The loss [B, 1], its gradient [B, d] and its Hessian times w [B, d], by autograd.
let differentiate (instance: Instance) (w: Tensor) =
    let parameters =
        Array.init instance.Tasks (fun task -> (row task instance.Parameters).clone().requires_grad_ true)

    let losses = losses instance parameters

    let second =
        Array.map2
            (fun (loss: Tensor) (p: Tensor, w: Tensor) ->
                let gradient = torch.autograd.grad([| loss |], [| p |], retain_graph = true, create_graph = true)[0]
                let slope = gradient.mul(w).sum()
                let product = torch.autograd.grad([| slope |], [| p |], retain_graph = true)[0]
                struct (gradient.detach (), product))
            losses
            (Array.mapi (fun task p -> p, row task w) parameters)

    struct (torch.stack(losses |> Array.map (fun loss -> loss.detach ())).unsqueeze 1L,
            torch.stack (second |> Array.map (fun struct (gradient, _) -> gradient)),
            torch.stack (second |> Array.map (fun struct (_, product) -> product)))

/// How far rounding alone can take two evaluations apart, relative to the result. A number passes `sweeps` times through at most 4 layers a block
/// and the classifier; a layer's longest sum has m terms (all rows of a channel, or a patch), so it errs by at most mε of what it adds;
/// the normalisations magnify an error by at most `Growth`, measured on the instance.
let rounding (sweeps: int) (instance: Instance) =
    let images, size = int instance.Images.shape[1], instance.Architecture.Input
    let patch = instance.Architecture.Blocks |> List.map (fun block -> 9 * block.Filters) |> List.max
    let terms = max patch (images * size.Height * size.Width)
    let layers = 4 * instance.Architecture.Blocks.Length + 1

    let growth = evaluations instance instance.Parameters |> Array.map (fun one -> one.Growth) |> Array.max

    float (sweeps * layers * terms) * growth * epsilon

/// Sweeps of a forward evaluation, of a gradient, and of a Hessian–vector product.
let forward, gradient, product = 1, 2, 4
