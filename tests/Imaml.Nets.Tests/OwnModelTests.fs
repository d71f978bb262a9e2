/// Models whose network or method is the caller's own code: they predict like any other, once the program gives those parts.
module Imaml.Nets.Tests.OwnModelTests

open System
open System.IO
open System.Threading
open Expecto
open FsUnit
open TorchSharp
open Imaml.Math
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Models
open Imaml.Nets.Prediction
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.Tensors
open Imaml.Nets.Tests.InterchangeTests
open Imaml.Testing

type private Tensor = torch.Tensor

let private input = ImageShape(28, 28, 1)

/// A bias that is added, a normalisation that follows a convolution and one that follows an activation, pooling, both activations.
let private mixed outputs =
    let first = Convolution(input, 4, 5, 2, 2, Bias.Added, 1.73)
    let pooled = MaxPooling(first.OutputShape, 2)
    let second = Convolution(pooled.OutputShape, 6, 3, 1, 1, Bias.NormalizedAway, 1.73)
    let third = Convolution(second.OutputShape, 5, 3, 2, 0, Bias.Added, 1.73)

    Network(
        input,
        first,
        Rectifier first.OutputShape,
        BatchNormalization first.OutputShape,
        pooled,
        second,
        BatchNormalization second.OutputShape,
        Softplus second.OutputShape,
        third,
        BatchNormalization third.OutputShape,
        Rectifier third.OutputShape,
        Dense(third.OutputShape, outputs, 1.0)
    )

let private trainOwn (tasks: TaskSpec) (network: Network) (method: Method) (folder: string) =
    let experiment =
        Experiment(tasks, OwnNetwork "own", method, Outer.Adam(1e-1, Schedule.Constant), Budget(2, 2), 1UL)

    use run =
        TrainingRun.Open(RunFolder folder, experiment, ImageTasks.Open episodes, ImageClassifier network)

    run.Run CancellationToken.None
    folder

let private images: TaskSpec = episodes

let private load (path: string) (own: OwnParts) = FewShotClassifier.Load(path, Nullable(), own)

let private refused (call: unit -> unit) (line: string) =
    Expect.throwsC call (fun e ->
        e |> should be instanceOfType<CheckpointException>
        e.Message |> should equal line)

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Models of own parts"
        [
            scoped "the library's layers as an own network predict to the bit what the library's network does" (fun () ->
                inFolder (fun folder ->
                    let at (name: string) = Path.Combine(folder, name)
                    let spec = StridedConvolutions 4
                    use theirs = FewShotClassifier.Load(trained spec fomaml (at "library"))
                    let network = spec.Build(input, 3)
                    let file = RunFolder(at "library").CheckpointPath

                    for own, part in
                        [
                            OwnParts network, "with a network of the library's: give no OwnParts.Network"
                            OwnParts(Method = OwnMethod "mine"), "by a method of the library's: give no OwnParts.Method"
                            OwnParts(Form = ImageForm(32, 3)), "on tasks of the library's: give no OwnParts.Form"
                        ] do
                        refused (fun () -> load (at "library") own |> ignore) $"{file} was trained {part}"

                    use own = load (trainOwn images network fomaml (at "own")) (OwnParts network)
                    (own.Ways, own.Form) |> should equal (theirs.Ways, theirs.Form)

                    for ways in [ 3; 2 ] do
                        let some = examples.Value[.. ways - 1]
                        use first = theirs.Adapt some
                        use second = own.Adapt some

                        for index in [ 1; 21; 41 ] do
                            probabilities (second.Predict(picture index))
                            |> should equal (probabilities (first.Predict(picture index)))))

            testCase "adapted, it is the same in ONNX Runtime and from its file, of all classes and of fewer" (fun () ->
                inFolder (fun folder ->
                    let network = mixed 3
                    use classifier = load (trainOwn images network fomaml (Path.Combine(folder, "run"))) (OwnParts network)
                    let pictures = [| for i in 0..6 -> picture (3 * i) |]
                    let tensors = Path.Combine(folder, "theta.safetensors")
                    classifier.SaveSafeTensors tensors
                    use ofTensors = FewShotClassifier.LoadSafeTensors(tensors, own = OwnParts network)
                    use first = classifier.Adapt examples.Value
                    use second = ofTensors.Adapt examples.Value
                    second.Predict pictures |> should equal (first.Predict pictures)

                    for ways in [ 3; 2 ] do
                        use adapted = classifier.Adapt examples.Value[.. ways - 1]
                        sameInOnnx adapted pictures
                        let path = Path.Combine(folder, "one.classifier")
                        adapted.Save path
                        use back = AdaptedClassifier.Load(path, network)

                        for one in pictures do
                            probabilities (back.Predict one) |> should equal (probabilities (adapted.Predict one))

                        refused
                            (fun () -> AdaptedClassifier.Load path |> ignore)
                            $"{path} has a network of its own program (own), which must give it"

                        refused
                            (fun () ->
                                AdaptedClassifier.Load(path, Network(ImageShape(28, 28, 3), Dense(ImageShape(28, 28, 3), 3, 1.0)))
                                |> ignore)
                            $"{path} classifies images of 28×28×1, which the network given does not take"

                        Expect.throwsC
                            (fun () -> AdaptedClassifier.Load(path, (StridedConvolutions 4).Build(input, 3)) |> ignore)
                            (fun e ->
                                e |> should be instanceOfType<CheckpointException>

                                e.Message
                                |> should haveSubstring "those of the network given are Convolution 14×14×4, BatchNormalization")))

            testCase "a model file of its own, an own method and own tasks: each is asked for, by its name" (fun () ->
                inFolder (fun folder ->
                    let at (name: string) = Path.Combine(folder, name)
                    let network = mixed 3

                    let method =
                        OwnMethod(
                            "two steps",
                            fun _ ->
                                let inner = GradientDescentSolver<Tensor, Tensor>(MeasuredCurvature, 2)
                                BoundMethod(ScalarRegularizer<Tensor, Tensor> 1.0, inner, ReptileStrategy(inner, 0.0))
                        )

                    let run = trainOwn (OwnTasks "drawings") network method (at "run")
                    let drawing = ImageForm.Drawing
                    let file = RunFolder(run).CheckpointPath

                    for own, part in
                        [
                            OwnParts(network, Form = drawing),
                            "by a method of its own program (two steps), which must give OwnParts.Method"
                            OwnParts(Method = method, Form = drawing),
                            "with a network of its own program (own), which must give OwnParts.Network"
                            OwnParts(network, method), "on tasks of its own program (drawings), which must give OwnParts.Form"
                        ] do
                        refused (fun () -> load run own |> ignore) $"{file} was trained {part}"

                    let other = OwnMethod("three steps", fun _ -> failtest "never bound")

                    refused
                        (fun () -> load run (OwnParts(network, other, drawing)) |> ignore)
                        $"{file} was trained by the method two steps, not three steps"

                    refused
                        (fun () -> load run (OwnParts(network, method, ImageForm(32, 1))) |> ignore)
                        $"{file} was trained on images of 32×32×1, but the network given takes 28×28×1"

                    use classifier = load run (OwnParts(network, method, drawing))
                    use direct = classifier.Adapt examples.Value
                    classifier.Save(at "one.bin")
                    use again = load (at "one.bin") (OwnParts(network, method, drawing))
                    use second = again.Adapt examples.Value

                    probabilities (second.Predict(picture 9))
                    |> should equal (probabilities (direct.Predict(picture 9)))
                    // As `imaml models export` does, which has no network to build.
                    Checkpoint.WriteModel(at "exported.bin", File.ReadAllBytes file, file)
                    File.ReadAllBytes(at "exported.bin") |> should equal (File.ReadAllBytes(at "one.bin"))))
        ]
