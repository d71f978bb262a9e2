/// Each layer alone: its value and first derivatives against libtorch, its second derivatives against autograd's.
///
/// Inputs and parameters are standard normal, a deviation s is at least 1/4 (checked), and no number exceeds 6, so a normalisation magnifies
/// an error by at most 6/s = 24, and its derivatives by that squared. A layer is at most three sums deep, of m terms each: 3mε·24² of the result.
module Imaml.Nets.Tests.NetworkLayerTests

open System
open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.Models
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

/// A layer, with its value for one task: parameters [P], rows [n·H·W, C] → rows [n·H′·W′, C′].
[<NoComparison; NoEquality>]
type private Subject =
    {
        Name: string
        Layer: Layer
        Input: ImageShape
        Reference: Tensor -> Tensor -> Tensor
    }

let private convolution height width channels filters size stride padding bias =
    let input = ImageShape(height, width, channels)
    let weights = int64 (filters * size * size * channels)

    {
        Name =
            $"a convolution of {height}×{width}×{channels} to {filters}, kernels {size}×{size}, stride {stride}, padding {padding}, bias {bias}"
        Layer = Convolution(input, filters, size, stride, padding, bias, 1.0)
        Input = input
        Reference =
            fun parameters x ->
                torch.nn.functional
                    .conv2d(
                        x.view(-1L, int64 height, int64 width, int64 channels).permute(0L, 3L, 1L, 2L),
                        parameters
                            .narrow(0L, 0L, weights)
                            .view(int64 filters, int64 size, int64 size, int64 channels)
                            .permute(0L, 3L, 1L, 2L),
                        (if bias = Bias.Added then
                             parameters.narrow (0L, weights, int64 filters)
                         else
                             null),
                        strides = Array.create 2 (int64 stride),
                        padding = Array.create 2 (int64 padding)
                    )
                    .permute(0L, 2L, 3L, 1L)
                    .reshape(-1L, int64 filters)
    }

let private dense height width channels outputs =
    let input = ImageShape(height, width, channels)
    let inputs = int64 input.Count

    {
        Name = $"a dense map of {height}×{width}×{channels} to {outputs}"
        Layer = Dense(input, outputs, 1.0)
        Input = input
        Reference =
            fun parameters x ->
                torch.nn.functional.linear (
                    x.reshape (-1L, inputs),
                    parameters.narrow(0L, 0L, inputs * int64 outputs).view(inputs, int64 outputs).t(),
                    parameters.narrow (0L, inputs * int64 outputs, int64 outputs)
                )
    }

let private normalization height width channels =
    let input = ImageShape(height, width, channels)

    {
        Name = $"normalisation of {height}×{width}×{channels}"
        Layer = BatchNormalization input
        Input = input
        Reference =
            fun parameters x ->
                torch.nn.functional.batch_norm (
                    x,
                    null,
                    null,
                    parameters.narrow (0L, 0L, int64 channels),
                    parameters.narrow (0L, int64 channels, int64 channels),
                    training = true,
                    eps = 1e-5
                )
    }

let private rectifier =
    let input = ImageShape(3, 4, 2)

    {
        Name = "rectifier"
        Layer = Rectifier input
        Input = input
        Reference = fun _ x -> torch.nn.functional.relu x
    }

let private softplus =
    let input = ImageShape(3, 4, 2)

    {
        Name = "softplus"
        Layer = Softplus input
        Input = input
        Reference = fun _ x -> torch.nn.functional.softplus x
    }

let private scaling =
    let input = ImageShape(3, 4, 2)

    {
        Name = "scaling of channels"
        Layer = ChannelScaling input
        Input = input
        Reference = fun parameters x -> x.mul(parameters.narrow (0L, 0L, 2L)).add(parameters.narrow (0L, 2L, 2L))
    }

let private pooling height width channels size =
    let input = ImageShape(height, width, channels)

    {
        Name = $"pooling of {height}×{width}×{channels}, windows {size}×{size}"
        Layer = MaxPooling(input, size)
        Input = input
        Reference =
            fun _ x ->
                torch.nn.functional
                    .max_pool2d(x.view(-1L, int64 height, int64 width, int64 channels).permute(0L, 3L, 1L, 2L), Array.create 2 (int64 size))
                    .permute(0L, 2L, 3L, 1L)
                    .reshape(-1L, int64 channels)
    }

let private subjects =
    [
        for height, width, size in [ 5, 4, 3; 6, 7, 3; 3, 3, 3; 4, 5, 2 ] do
            for stride in [ 1; 2 ] do
                for padding in [ 0; 1 ] do
                    convolution height width 2 3 size stride padding Bias.NormalizedAway

        convolution 28 28 1 4 3 2 1 Bias.NormalizedAway
        convolution 5 4 2 3 3 2 1 Bias.Added
        convolution 3 2 1 2 1 1 0 Bias.Added
        dense 1 1 6 4
        dense 3 2 5 3
        normalization 3 4 2
        normalization 2 2 1
        rectifier
        softplus
        scaling
        pooling 4 6 2 2
        pooling 5 3 1 2
        pooling 3 3 3 3
    ]

/// B tasks at a point, with everything that the four maps take.
[<NoComparison; NoEquality>]
type private Point =
    {
        Parameters: Tensor
        Input: Tensor
        OutputGradient: Tensor
        ParameterTangent: Tensor
        InputTangent: Tensor
        OutputGradientTangent: Tensor
        Tolerance: float
    }

let private tasks = 2

let private at (subject: Subject) seed =
    let images = 4
    let size = subject.Input
    let outputs = subject.Layer.OutputShape
    let output = [ tasks; images * outputs.Height * outputs.Width; outputs.Channels ]
    let input = [ tasks; images * size.Height * size.Width; size.Channels ]
    let parameters = [ tasks; subject.Layer.ParameterCount ]
    let x = normal (seed + 1) input
    let terms = max (images * size.Height * size.Width) (max size.Channels outputs.Channels)

    let spread = x.std([| 1L |], unbiased = false).min() |> number

    spread |> should be (greaterThan 0.25)
    number (x.abs().max()) |> should be (lessThan 6.0)

    {
        Parameters = normal seed parameters
        Input = x
        OutputGradient = normal (seed + 2) output
        ParameterTangent = normal (seed + 3) parameters
        InputTangent = normal (seed + 4) input
        OutputGradientTangent = normal (seed + 5) output
        Tolerance = 3.0 * float terms * epsilon * 24.0 ** 2.0
    }

let private present (x: Tensor | null) : Tensor =
    match x with
    | null -> failtest "nothing, where a tensor was asked for"
    | x -> x

let private absent (x: Tensor | null) =
    match x with
    | null -> ()
    | _ -> failtest "a tensor, where none was asked for"

let private maybe (f: Tensor -> Tensor) (x: Tensor | null) : Tensor | null =
    match x with
    | null -> null
    | x -> f x

/// A layer's pass with rows, [B, n·H·W, C], in place of images.
type private RowsPass(layer: Layer, input: ImageShape, parameters: Tensor, x: Tensor) =
    let images (shape: ImageShape) (rows: Tensor) = TaskRows.ToImages(rows.reshape (int64 tasks, -1L, int64 shape.Count), shape)

    let rows (shape: ImageShape) (images: Tensor) = TaskRows.Of(images, int64 tasks).reshape(int64 tasks, -1L, int64 shape.Channels)

    let pass = layer.Forward(parameters, images input x)

    let read (gradient: LayerGradient) : struct (Tensor * (Tensor | null)) =
        let parameters =
            if gradient.Parameters.Length = 0 then
                torch.zeros (int64 tasks, 0L, dtype = torch.float64)
            else
                torch.cat (gradient.Parameters, 1L)

        struct (parameters, maybe (rows input) gradient.Input)

    member _.Output = rows layer.OutputShape pass.Output

    member _.Backward(gradient, toInput) =
        let result = read (pass.Backward(images layer.OutputShape gradient, toInput))
        pass.PrepareProducts()
        result

    member _.Transpose(gradient, toInput) = read (pass.Transpose(images layer.OutputShape gradient, toInput))

    member _.Tangent(parameters, input': Tensor | null) : Tensor | null =
        maybe (rows layer.OutputShape) (pass.Tangent(parameters, maybe (images input) input'))

    member _.TangentBackward(gradient, toInput) = read (pass.TangentBackward(images layer.OutputShape gradient, toInput))

let private forward (subject: Subject) parameters x = RowsPass(subject.Layer, subject.Input, parameters, x)

let private backward (pass: RowsPass) gradient toInput = pass.Backward(gradient, toInput)

let private tangentBackward (pass: RowsPass) gradient toInput = pass.TangentBackward(gradient, toInput)

/// ⟨∂y, f(p, x)⟩ of every task, its gradient in (p, x), that gradient's derivative in direction (ṗ, ẋ) — the Hessian's symmetry makes it
/// the gradient of ⟨gradient, (ṗ, ẋ)⟩ — and, as the gradient is linear in ∂y, the gradient at ∂ẏ in its place.
let private reference (subject: Subject) (point: Point) =
    let variables (x: Tensor) = x.clone().requires_grad_ true
    let p, x = variables point.Parameters, variables point.Input

    let output = torch.stack (Array.init tasks (fun task -> subject.Reference (row task p) (row task x)))

    // Every number takes part, so that autograd has an answer for those without an effect: 0.
    let silent = p.mul(p).sum().add(x.mul(x).sum()).mul((0.0).ToScalar())

    let slopes (y: Tensor) create =
        let result =
            torch.autograd.grad ([| y.add silent |], [| p; x |], retain_graph = true, create_graph = create)

        struct (result[0], result[1])

    let struct (dp, dx) = slopes (output.mul(point.OutputGradient).sum()) true

    let struct (moved, movedInput) =
        slopes (dp.mul(point.ParameterTangent).sum().add(dx.mul(point.InputTangent).sum())) false

    let struct (linear, linearInput) = slopes (output.mul(point.OutputGradientTangent).sum()) false

    {|
        Output = output.detach ()
        Parameters = dp.detach ()
        Input = (dx.detach ())
        ParametersTangent = moved.add linear
        InputTangent = (movedInput.add linearInput)
    |}

let private property subject name (body: Point -> unit) =
    testPropertyWithConfig (Draws.times 3) name (fun (seed: uint16) ->
        use _ = torch.NewDisposeScope()
        body (at subject (int seed)))

let private laws (subject: Subject) =
    testList
        subject.Name
        [
            property subject "value and gradients are libtorch's" (fun point ->
                let expected = reference subject point
                let pass = forward subject point.Parameters point.Input
                agree point.Tolerance expected.Output pass.Output "output"
                let struct (parameters, input) = backward pass point.OutputGradient true
                agree point.Tolerance expected.Parameters parameters "∂parameters"
                agree point.Tolerance expected.Input ((present input)) "∂input")

            property subject "the tangent is the transpose of backward: ⟨∂y, ẏ⟩ = ⟨∂p, ṗ⟩ + ⟨∂x, ẋ⟩" (fun point ->
                let pass = forward subject point.Parameters point.Input
                let struct (dp, dx) = backward pass point.OutputGradient true
                let dx = (present dx)
                let tangent = present (pass.Tangent(point.ParameterTangent, point.InputTangent))
                let tangentInput = point.InputTangent
                // An inner product of r terms errs by rε of the sizes.
                let sum = float (point.OutputGradient.numel ()) * epsilon

                let size =
                    norm point.OutputGradient * norm tangent
                    + norm dp * norm point.ParameterTangent
                    + norm dx * norm tangentInput

                near
                    ((point.Tolerance + sum) * size)
                    (inner dp point.ParameterTangent + inner dx tangentInput)
                    (inner point.OutputGradient tangent)
                    "⟨∂y, ẏ⟩")

            property subject "the tangent of backward is autograd's second derivative" (fun point ->
                let expected = reference subject point
                let pass = forward subject point.Parameters point.Input
                backward pass point.OutputGradient true |> ignore
                pass.Tangent(point.ParameterTangent, point.InputTangent) |> ignore
                let struct (parameters, input) = tangentBackward pass point.OutputGradientTangent true
                agree point.Tolerance expected.ParametersTangent parameters "∂parameters, tangent"
                agree point.Tolerance expected.InputTangent ((present input)) "∂input, tangent")

            property subject "a missing input tangent counts as 0, also after a product with one" (fun point ->
                let still =
                    { point with
                        InputTangent = torch.zeros_like point.Input
                    }

                let expected = reference subject still
                let pass = forward subject point.Parameters point.Input
                backward pass point.OutputGradient true |> ignore
                pass.Tangent(point.ParameterTangent, point.InputTangent) |> ignore
                tangentBackward pass point.OutputGradientTangent true |> ignore
                let partial = pass.Tangent(point.ParameterTangent, null)
                let struct (parameters, input) = tangentBackward pass point.OutputGradientTangent true
                agree point.Tolerance expected.ParametersTangent parameters "∂parameters, tangent"
                agree point.Tolerance expected.InputTangent ((present input)) "∂input, tangent"
                let zero = present (pass.Tangent(point.ParameterTangent, still.InputTangent))

                match partial with
                | null -> norm zero |> should equal 0.0
                | tangent -> agree point.Tolerance zero tangent "tangent")

            property subject "the parameters' gradients do not depend on whether the input's is asked for" (fun point ->
                let pass = forward subject point.Parameters point.Input
                let struct (expected, _) = backward pass point.OutputGradient true
                pass.Tangent(point.ParameterTangent, point.InputTangent) |> ignore
                let struct (expectedTangent, _) = tangentBackward pass point.OutputGradientTangent true
                let other = forward subject point.Parameters point.Input
                let struct (parameters, none) = backward other point.OutputGradient false
                absent none
                same expected parameters "∂parameters"
                other.Tangent(point.ParameterTangent, point.InputTangent) |> ignore
                let struct (tangent, none) = tangentBackward other point.OutputGradientTangent false
                absent none
                same expectedTangent tangent "∂parameters, tangent")
        ]

/// A layer without parameters, coordinate by coordinate: values and slopes at given points.
let private kink (layer: Layer) (x: float[]) (values: float[]) (slopes: float[]) =
    let pass = layer.Forward(torch.zeros (1L, 0L), torch.tensor(x).view(1L, -1L, 1L, 1L))
    let gradient = pass.Backward(torch.ones_like pass.Output, true)
    numbers pass.Output |> should equal values
    numbers (present gradient.Input) |> should equal slopes

let private particular =
    testList
        "in particular"
        [
            scoped "the transpose of a vector that is no gradient is backward's, exactly, and leaves the products as they were" (fun () ->
                for subject in subjects do
                    let point = at subject 5
                    let pass = forward subject point.Parameters point.Input
                    let struct (dp, dx) = backward pass point.OutputGradient true

                    let product (pass: RowsPass) =
                        pass.Tangent(point.ParameterTangent, point.InputTangent) |> ignore
                        pass.TangentBackward(point.OutputGradientTangent, true)

                    let struct (expected, expectedInput) = product pass
                    pass.Transpose(point.OutputGradientTangent, true) |> ignore
                    let struct (transposed, transposedInput) = pass.Transpose(point.OutputGradient, true)
                    same dp transposed "parameters"
                    same (present dx) (present transposedInput) "input"
                    let struct (again, againInput) = product pass
                    same expected again "product, parameters"
                    same (present expectedInput) (present againInput) "product, input")

            testCase "kernels that do not fit are refused with the numbers" (fun () ->
                for size, stride, padding in [ 5, 1, 0; 0, 1, 0; 3, 0, 0; 3, 1, -1; 7, 1, 1 ] do
                    let message =
                        try
                            Convolution(ImageShape(4, 4, 1), 2, size, stride, padding, Bias.Added, 1.0) |> ignore
                            failtest "kernels that do not fit were taken"
                        with :? ArgumentException as e ->
                            e.Message

                    message |> should haveSubstring $"{size}×{size} with stride {stride} and padding {padding}"
                    message |> should haveSubstring "4×4")

            testCase "layers that cannot be, and networks whose layers do not follow each other, are refused with the numbers" (fun () ->
                let image, dense =
                    ImageShape(28, 28, 1), (fun (input: ImageShape) outputs -> Dense(input, outputs, 1.0))

                for call, line in
                    [
                        (fun () -> dense (ImageShape(0, 28, 1)) 5 |> ignore), "an image of 0×28×1 cannot be"
                        (fun () -> dense image 0 |> ignore), "an image of 1×1×0 cannot be"
                        (fun () -> Dense(image, 5, nan) |> ignore), "must be at least 0 and finite"
                        (fun () -> Convolution(image, 0, 3, 1, 1, Bias.Added, 1.0) |> ignore), "filters"
                        (fun () -> Convolution(image, 4, 3, 1, 1, Bias.Added, -1.0) |> ignore), "must be at least 0 and finite"
                        (fun () -> BatchNormalization(ImageShape(1, 1, -1)) |> ignore), "an image of 1×1×-1 cannot be"
                        (fun () -> Rectifier(ImageShape(100000, 100000, 1)) |> ignore), "an image of 100000×100000×1 cannot be"
                        (fun () -> MaxPooling(ImageShape(2, 2, 0), 2) |> ignore), "an image of 2×2×0 cannot be"
                        (fun () -> Network image |> ignore), "a network needs a layer"
                        (fun () -> Network(image, dense (ImageShape(14, 14, 1)) 5) |> ignore),
                        "layer 1 (Dense) takes 14×14×1, but an image is 28×28×1"
                        (fun () -> Network(image, MaxPooling(image, 2), Rectifier image) |> ignore),
                        "layer 2 (Rectifier) takes 28×28×1, but the output of layer 1 is 14×14×1"
                    ] do
                    Expect.throwsC call (fun e ->
                        e |> should be instanceOfType<ArgumentException>
                        e.Message |> should haveSubstring line))

            testCase "windows that do not fit are refused with the numbers" (fun () ->
                for size in [ 0; 4; -1 ] do
                    Expect.throwsC (fun () -> MaxPooling(ImageShape(3, 5, 1), size) |> ignore) (fun e ->
                        e.Message |> should haveSubstring $"windows of {size}×{size} do not fit an image of 3×5"))

            scoped "of equal numbers of a window the first is taken, and its derivative is 1" (fun () ->
                let pass = MaxPooling(ImageShape(2, 2, 1), 2).Forward(torch.zeros (1L, 0L), torch.ones (1L, 1L, 2L, 2L))

                let gradient = pass.Backward(torch.ones_like pass.Output, true)
                numbers (present gradient.Input) |> should equal [| 1.0; 0.0; 0.0; 0.0 |])

            // 2·3 outputs of 3·3·2 products for each of 4 filters, and 2 operations a product; the dense map 24 products for each of 5.
            testCase "products are counted by the formula" (fun () ->
                let layer = Convolution(ImageShape(4, 6, 2), 4, 3, 2, 1, Bias.Added, 1.0)
                layer.ForwardFlops |> should equal (2.0 * 6.0 * 18.0 * 4.0)
                Dense(ImageShape(2, 3, 4), 5, 1.0).ForwardFlops |> should equal (2.0 * 24.0 * 5.0))

            scoped "a normalised channel has mean β and deviation γ·√(v/(v + ε))" (fun () ->
                let subject = normalization 3 4 2
                let point = at subject 11
                let output = (forward subject point.Parameters point.Input).Output
                let variance = (point.Input).var([| 1L |], unbiased = false)
                let shrink = variance.div(variance.add (BatchNormalization.Epsilon.ToScalar())).sqrt()
                close point.Tolerance (point.Parameters.narrow (1L, 2L, 2L)) (output.mean ([| 1L |])) "mean"

                close
                    point.Tolerance
                    (point.Parameters.narrow(1L, 0L, 2L).abs().mul shrink)
                    (output.std ([| 1L |], unbiased = false))
                    "deviation")

            scoped "a channel without spread is normalised to β, and its derivatives are finite" (fun () ->
                let subject = normalization 2 2 1
                let point = at subject 3
                let flat = torch.full_like (point.Input, (0.75).ToScalar())
                let pass = forward subject point.Parameters flat
                // y = αx + (β − αm) with α = γ/√ε: three roundings of numbers no larger than |α| and |β|.
                let size = number (point.Parameters.abs().max()) / sqrt BatchNormalization.Epsilon

                close
                    (3.0 * epsilon * size * sqrt (float (pass.Output.numel ())))
                    (point.Parameters.narrow(1L, 1L, 1L).unsqueeze(1L).expand_as pass.Output)
                    pass.Output
                    "output"

                let struct (_, dx) = backward pass point.OutputGradient true
                Double.IsFinite(norm (present dx)) |> should equal true)

            scoped "the rectifier takes −1 and 0 to 0, with derivative 0 at 0" (fun () ->
                kink (Rectifier(ImageShape(1, 1, 3))) [| -1.0; 0.0; 2.0 |] [| 0.0; 0.0; 2.0 |] [| 0.0; 0.0; 1.0 |])

            scoped "softplus is 0, ln 2 and x at −∞, 0 and far out, with derivatives 0, 1/2 and 1" (fun () ->
                kink (Softplus(ImageShape(1, 1, 3))) [| -800.0; 0.0; 800.0 |] [| 0.0; log 2.0; 800.0 |] [| 0.0; 0.5; 1.0 |])
        ]

[<Tests>]
let tests = testSequenced (testList "Network layers" [ yield! subjects |> List.map laws; particular ])
