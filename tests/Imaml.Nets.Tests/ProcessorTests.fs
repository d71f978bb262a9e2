/// The processor's kernels in float32 against the layers of libtorch's operations in double precision, and against themselves.
module Imaml.Nets.Tests.ProcessorTests

open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.Kernels
open Imaml.Nets.Models
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.Tensors

let private single (x: Tensor) = x.to_type torch.float32

/// A network's maps at one point in one direction, each with its name.
let private maps (network: Network) (parameters: Tensor) (images: NetworkImages) (products: bool) (seed: int) =
    let pass = network.Forward(parameters, images)
    let like (x: Tensor) k = (normal (seed + k) (sizes x)).to_type x.dtype
    let logits = pass.Logits.clone ()
    // As large as a loss's gradient by the logits of one image.
    let given k = scaled (1.0 / float logits.shape[1]) (like logits k)

    [
        "logits", logits
        "gradient", pass.Backward(given 1)

        if products then
            "gradient, to go on from", pass.Linearize(given 1)
            let w = like parameters 2

            for time in
                [
                    "tangent", "derivative of the gradient"
                    "tangent again", "derivative of the gradient again"
                ] do
                fst time, pass.Tangent w
                snd time, pass.TangentBackward(given 3)

            "transpose", pass.TransposeProduct(given 4)
            "tangent after it", pass.Tangent w
            "derivative of the gradient after it", pass.TangentBackward(given 3)
    ]

type private Width =
    | Eight
    | Sixteen

/// The same by kernels of one width: on a processor without such registers they are computed in parts.
let private byKernels width (network: Network) (parameters: Tensor) (images: Tensor) (reference: int) =
    let kernels =
        match width with
        | Eight -> ProcessorNetwork.Of<Lanes8>(network, int images.shape[1], reference)
        | Sixteen -> ProcessorNetwork.Of<Lanes16>(network, int images.shape[1], reference)

    match kernels with
    | null -> None
    | kernels ->
        let arranged = NetworkImages(kernels.Patches(single images), images.shape[0], int64 reference, kernels)
        Some(maps network (single parameters) arranged (reference = int images.shape[1]))

let private byLayers (network: Network) (parameters: Tensor) (images: Tensor) (reference: int) =
    maps network parameters (network.Arrange(images, int64 reference)) (reference = int images.shape[1])

let private block filters stride padding pooling =
    {
        Filters = filters
        Stride = stride
        Padding = padding
        Rectified = true
        Pooling = pooling
    }

let private own input blocks ways =
    {
        Input = input
        Blocks = blocks
        Ways = ways
    }

/// Name, architecture, tasks and images: each form of the literature; every shape of a convolution that the kernels distinguish; numbers of images
/// that fill no block of six rows, and that make several panels of two sizes.
let private cases =
    [
        "Omniglot's", strided (ImageShape(28, 28, 1)) 64 5, 2, 5
        "Omniglot's with 20 ways and 41 images", strided (ImageShape(28, 28, 1)) 32 20, 1, 41
        "mini-ImageNet's", pooled (ImageShape(35, 33, 3)) 32 5, 2, 3
        "one image", strided (ImageShape(28, 20, 2)) 32 3, 2, 1
        "strides of 1 and 3, without padding", own (ImageShape(13, 12, 1)) [ block 32 1 0 1; block 64 3 0 1; block 32 1 1 1 ] 7, 3, 4
        "filters for 8 lanes alone", own (ImageShape(14, 14, 1)) [ block 16 2 1 1; block 48 1 1 2 ] 5, 2, 6
    ]

/// float32 rounds by 6·10⁻⁸, a sum of thousands of terms by about 10⁻⁶ of its terms' norm, and four normalisations magnify that a few times. Where a
/// rectifier's input is that near to 0 its slope may switch, which moves a gradient by one activation's share of thousands. One tap, row or
/// position too many or too few moves it by a hundredth at least.
let private tolerance = 1e-3

let private agrees (expected: (string * Tensor) list) (actual: (string * Tensor) list) what =
    List.iter2
        (fun (name, expected) (_, actual: Tensor) -> agree tolerance expected (actual.to_type torch.float64) $"{what}, {name}")
        expected
        actual

let private sameBits (expected: (string * Tensor) list) (actual: (string * Tensor) list) what =
    List.iter2 (fun (name, expected) (_, actual) -> same expected actual $"{what}, {name}") expected actual

let private forms =
    testList
        "form by form"
        [
            for name, architecture, tasks, images in cases do
                scoped $"{name}: every map is that of libtorch's layers, and the same bits at either width" (fun () ->
                    for reference in [ images; max 1 (images / 2) ] do
                        let instance = draw 11 architecture tasks images
                        let network = instance.Network
                        let expected = byLayers network instance.Parameters instance.Images reference 20
                        let eight = byKernels Eight network instance.Parameters instance.Images reference

                        match eight, byKernels Sixteen network instance.Parameters instance.Images reference with
                        | None, _ -> failtest "kernels of 8 lanes do not serve it"
                        | Some eight, sixteen ->
                            let eight = eight 20
                            agrees expected eight $"8 lanes, {reference} images of reference"

                            match sixteen with
                            | Some sixteen -> sameBits eight (sixteen 20) "16 lanes"
                            | None -> architecture.Blocks.Head.Filters |> should equal 16)
        ]

let private service =
    testList
        "service"
        [
            scoped "float32 on the processor is computed by kernels, and nothing else" (fun () ->
                let network = network (strided (ImageShape(28, 28, 1)) 64 5)
                let images = normal 1 [ 1; 5; 28; 28; 1 ]
                isNull (network.Arrange(single images).Processor) |> should equal false
                isNull (network.Arrange(images).Processor) |> should equal true)

            scoped "other layers and other channels are left to libtorch" (fun () ->
                let served architecture = not (isNull (ProcessorNetwork.Of<Lanes8>(network architecture, 5, 5)))
                served (strided (ImageShape(28, 28, 1)) 16 5) |> should equal true
                served (strided (ImageShape(28, 28, 1)) 12 5) |> should equal false
                served (smooth (strided (ImageShape(28, 28, 1)) 16 5)) |> should equal false)
        ]

let private independence =
    testList
        "independence"
        [
            scoped "a batch computes each task as it would alone, to the last bit" (fun () ->
                let instance = draw 5 (strided (ImageShape(28, 28, 1)) 32 5) 3 5
                let network, parameters, images = instance.Network, single instance.Parameters, single instance.Images
                let w = single (normal 6 (sizes parameters))
                let given = single (normal 7 [ 3; 5; 5 ])

                let derivatives (parameters: Tensor) (images: Tensor) (w: Tensor) (given: Tensor) =
                    let pass = network.Forward(parameters, images)
                    let gradient = pass.Linearize given
                    pass.Tangent w |> ignore
                    [ pass.Logits.clone (); gradient; pass.TangentBackward given ]

                let together = derivatives parameters images w given

                for task in 0..2 do
                    let alone (x: Tensor) = x.narrow (0L, int64 task, 1L)

                    List.iter2
                        (fun together own -> same (alone together) own $"task {task}")
                        together
                        (derivatives (alone parameters) (alone images) (alone w) (alone given)))

            scoped "a number that is none stays one, in its own task" (fun () ->
                let instance = draw 8 (pooled (ImageShape(21, 17, 3)) 32 4) 2 3
                let images = single instance.Images
                let healthy = instance.Network.Forward(single instance.Parameters, images).Logits
                images[0L, 1L, 4L, 4L, 0L].fill_((nan).ToScalar()) |> ignore
                let logits = instance.Network.Forward(single instance.Parameters, images).Logits
                logits[0L].isnan().all().item<bool>() |> should equal true
                same healthy[1L] logits[1L] "the other task")
        ]

[<Tests>]
let tests = testSequenced (testList "Processor" [ forms; service; independence ])
