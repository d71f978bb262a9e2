/// Models for other programs: θ computes in PyTorch's operations what it computes here, and comes back to the last bit; an adapted classifier
/// computes in ONNX Runtime what it computes here.
module Imaml.Nets.Tests.InterchangeTests

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open System.Threading
open Expecto
open FsUnit
open Microsoft.ML.OnnxRuntime
open Microsoft.ML.OnnxRuntime.Tensors
open TorchSharp
open Imaml.Nets.Learning
open Imaml.Nets.LibTorch
open Imaml.Nets.Methods
open Imaml.Nets.Models
open Imaml.Nets.Prediction
open Imaml.Nets.Runs
open Imaml.Nets.Storage
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let episodes = ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 0, 3, 1, 3)
let private glyphs = lazy (ImageTasks.Open episodes).Images

let picture index =
    let set = glyphs.Value
    let pixels = set.Image(index).ToArray() |> Array.map (fun ink -> 255uy - ink)
    Picture.FromPixels(ReadOnlySpan pixels, set.Height, set.Width, 1, $"glyph {index}")

let examples =
    lazy
        [|
            for one in glyphs.Value.Classes |> Seq.truncate 3 -> LabelledPicture(one.Name, picture one.First)
        |]

/// Two steps of a large rate, so that no γ is 1 and no β is 0.
let trained (network: NetworkSpec) (method: Method) (folder: string) =
    let experiment =
        Experiment(episodes, network, method, Outer.Adam(1e-1, Schedule.Constant), Budget(2, 2), 1UL)

    use run = experiment.Train(RunFolder folder)
    run.Run CancellationToken.None
    folder

let fomaml: Method = FirstOrder(Inner.GradientDescent(2, 0.05), Nullable())

let private networks: (string * NetworkSpec) list =
    [
        "conv4-strided", StridedConvolutions(4) :> NetworkSpec
        "conv4-pooled", PooledConvolutions(4)
        "conv4-pooled with softplus", PooledConvolutions(4, Activation.Softplus)
    ]

/// The network of a module with these tensors, in training: [n, C, H, W] → [n, N], as the documentation's module has it.
let private pytorch (spec: ConvolutionalNetwork) (tensors: IDictionary<string, Tensor>) (images: Tensor) =
    let pooled = spec :? PooledConvolutions
    let mutable x = images

    for i in 1..4 do
        let stride = if pooled then 1L else 2L

        x <-
            torch.nn.functional.conv2d (
                x,
                tensors[$"conv{i}.weight"],
                tensors[$"conv{i}.bias"],
                strides = [| stride; stride |],
                padding = [| 1L; 1L |]
            )

        x <-
            torch.nn.functional.batch_norm (
                x,
                null,
                null,
                tensors[$"norm{i}.weight"],
                tensors[$"norm{i}.bias"],
                training = true,
                eps = 1e-5
            )

        x <-
            if spec.Activation = Activation.Softplus then
                torch.nn.functional.softplus (x)
            else
                torch.nn.functional.relu x

        if pooled then
            x <- torch.nn.functional.max_pool2d (x, [| 2L; 2L |])

    torch.nn.functional.linear (x.flatten 1L, tensors["classifier.weight"], tensors["classifier.bias"])

let private tensors (path: string) =
    let file = SafeTensors.Read(ReadOnlyMemory(File.ReadAllBytes path))

    dict
        [
            for one in file.Tensors do
                if one.Type = StoredTensor.Single then
                    (one.Name, torch.tensor(one.Singles.ToArray()).reshape(Seq.toArray one.Shape))
        ]

let probabilities (prediction: Prediction) = [ for struct (label, p) in prediction.Classes -> label, p ]

/// |actual − expected| ≤ 10⁻⁵·max|expected|: two orders of float32 sums of at most a few hundred terms, in four layers.
let private agreeing (expected: float[]) (actual: float[]) what =
    actual.Length |> should equal expected.Length
    let size = expected |> Array.map abs |> Array.max

    for a, b in Array.zip expected actual do
        near (1e-5 * size) a b what

/// What ONNX Runtime makes of pictures, and the labels of the file.
let private run (path: string) (form: ImageForm) (pictures: Picture[]) =
    use session = new InferenceSession(path)
    let each = form.Size * form.Size
    let input = Array.zeroCreate<float32>(pictures.Length * form.Bytes)

    // As the documentation says: the program's own preparation, channels first, 0 … 1.
    for i, one in Array.indexed pictures do
        one.Read form
        |> Array.iteri (fun k value -> input[i * form.Bytes + (k % form.Channels) * each + k / form.Channels] <- float32 value / 255f)

    let tensor =
        DenseTensor<float32>(Memory input, ReadOnlySpan [| pictures.Length; form.Channels; form.Size; form.Size |])

    use results = session.Run([| NamedOnnxValue.CreateFromTensor("images", tensor) |])

    let output name =
        (results |> Seq.find (fun one -> one.Name = name)).AsEnumerable<float32>()
        |> Seq.map float
        |> Seq.toArray

    match JsonSerializer.Deserialize<string[]>(session.ModelMetadata.CustomMetadataMap["labels"]) with
    | null -> failtest "the file has no labels"
    | labels -> output "logits", output "probabilities", labels

let sameInOnnx (adapted: AdaptedClassifier) (pictures: Picture[]) =
    inFolder (fun folder ->
        use _ = torch.NewDisposeScope()
        let path = Path.Combine(folder, "one.onnx")
        adapted.SaveOnnx path
        let logits, shares, labels = run path adapted.Form pictures
        labels |> should equal (Seq.toArray adapted.Labels)
        agreeing (numbers (adapted.Logits pictures)) logits "logits"

        let expected =
            [|
                for prediction in adapted.Predict pictures do
                    let byLabel = dict (probabilities prediction)
                    for label in adapted.Labels -> byLabel[label]
            |]

        agreeing expected shares "probabilities"
        // One picture alone: any number of them is a batch.
        let alone, _, _ = run path adapted.Form pictures[..0]
        agreeing logits[.. labels.Length - 1] alone "one picture")

let private apples part =
    [|
        for variety in
            Directory.GetDirectories(Path.Combine((Repository.root ()), "samples", "apples", part))
            |> Array.sort do
            for file in Directory.GetFiles variety |> Array.sort do
                LabelledPicture(string (Path.GetFileName variety), Picture.FromFile file)
    |]

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Interchange"
        [
            for name, network in networks do
                scoped $"{name}: the exported tensors give the same logits in PyTorch's operations" (fun () ->
                    inFolder (fun folder ->
                        use classifier = FewShotClassifier.Load(trained network fomaml (Path.Combine(folder, "run")))
                        let path = Path.Combine(folder, "theta.safetensors")
                        classifier.SaveSafeTensors path
                        let spec = network :?> ConvolutionalNetwork
                        let struct (_, model) = classifier.Experiment.Open()
                        let images = normal 7 [ 1; 6; 28; 28; 1 ] |> _.to_type(torch.float32)

                        use learner =
                            RunFolder(Path.Combine(folder, "run")).Load(LearningProblem.Of(ImageTasks.Open episodes, model))

                        let expected = model.Network.Forward(learner.Theta, images).Logits
                        let actual = pytorch spec (tensors path) (images.squeeze(0L).permute(0L, 3L, 1L, 2L))
                        agreeing (numbers expected) (numbers actual) "logits"))

                testCase $"{name}: an adapted classifier is the same in ONNX Runtime" (fun () ->
                    inFolder (fun folder ->
                        use classifier = FewShotClassifier.Load(trained network fomaml folder)
                        use adapted = classifier.Adapt examples.Value
                        sameInOnnx adapted [| for i in 0..6 -> picture (3 * i) |]))

            testCase "photographs: apples by grocery-5way are the same in ONNX Runtime, one at a time and together" (fun () ->
                // A few steps do: what is compared is the adapted network, not how well it names apples.
                use classifier = FewShotClassifier.Load("grocery-5way", 5)
                use adapted = classifier.Adapt(apples "examples")
                sameInOnnx adapted [| for one in apples "new" -> one.Picture |])

            testCase "a model comes back to the last bit, with its experiment and what it learned next to θ" (fun () ->
                inFolder (fun folder ->
                    let metaSgd: Method = MetaSgd(Inner.GradientDescent(2, 0.05), Nullable())

                    for i, method in Seq.indexed [ fomaml; metaSgd ] do
                        let at (name: string) = Path.Combine(folder, $"{i}", name)
                        use classifier = FewShotClassifier.Load(trained (StridedConvolutions(4)) method (at "run"))
                        classifier.SaveSafeTensors(at "one.safetensors")
                        classifier.Save(at "one.bin")
                        use back = FewShotClassifier.LoadSafeTensors(at "one.safetensors")
                        back.Save(at "two.bin")
                        let struct (header, state) = Checkpoint.Open(File.ReadAllBytes(at "one.bin"), "one")
                        let struct (header2, state2) = Checkpoint.Open(File.ReadAllBytes(at "two.bin"), "two")
                        state2 |> should equal state
                        header2.Experiment.DifferencesFrom header.Experiment |> should be Empty
                        (header2.Tasks, header2.MetaStep) |> should equal (header.Tasks, header.MetaStep)
                        use first = classifier.Adapt examples.Value
                        use second = back.Adapt examples.Value
                        probabilities (first.Predict(picture 9)) |> should equal (probabilities (second.Predict(picture 9)))))

            testCase "a file of PyTorch needs an experiment; other tensors than the network's are refused with names and shapes" (fun () ->
                inFolder (fun folder ->
                    let at (name: string) = Path.Combine(folder, name)
                    use classifier = FewShotClassifier.Load(trained (StridedConvolutions(4)) fomaml (at "run"))
                    classifier.SaveSafeTensors(at "one.safetensors")
                    let whole = SafeTensors.Read(ReadOnlyMemory(File.ReadAllBytes(at "one.safetensors")))
                    let path = at "theirs.safetensors"

                    let write (change: StoredTensor list -> StoredTensor list) (metadata: IReadOnlyDictionary<string, string>) =
                        File.WriteAllBytes(path, SafeTensors(List.toArray (change (List.ofSeq whole.Tensors)), metadata).Bytes())

                    let nothing = Dictionary<string, string>()
                    let load experiment = FewShotClassifier.LoadSafeTensors(path, experiment)

                    let refused (experiment: Experiment | null) (line: string) =
                        Expect.throwsC (fun () -> load experiment |> ignore) (fun e ->
                            e |> should be instanceOfType<CheckpointException>
                            e.Message |> should equal $"{path} {line}")

                    write id nothing
                    refused null "does not say which experiment its parameters are for, as files of PyTorch do not; name it"
                    use theirs = load classifier.Experiment
                    theirs.Save(at "theirs.bin")
                    let struct (header, _) = Checkpoint.Open(File.ReadAllBytes(at "theirs.bin"), "theirs")
                    header.Tasks |> should equal ""

                    let other = "does not hold the parameters of the network: "
                    let without name = List.filter (fun (one: StoredTensor) -> one.Name <> name)
                    write (without "norm2.bias") nothing
                    refused classifier.Experiment (other + "norm2.bias is missing, F32 [4]")
                    let more name = StoredTensor.Of(name, [| 4L |], ReadOnlySpan [| 1f; 2f; 3f; 4f |])
                    write (fun all -> all @ [ more "norm1.running_mean" ]) nothing

                    refused
                        classifier.Experiment
                        (other
                         + "norm1.running_mean is unknown (normalisations take the statistics of each task; BatchNorm2d with track_running_stats=False has no others)")

                    write
                        (fun all ->
                            without "norm2.bias" all
                            @ [
                                StoredTensor.Of("norm2.bias", [| 4L |], ReadOnlySpan [| 1.0; 2.0; 3.0; 4.0 |])
                            ])
                        nothing

                    refused classifier.Experiment (other + "norm2.bias is F64 [4], not F32 [4]")
                    write (List.truncate 2) nothing

                    refused
                        classifier.Experiment
                        (other
                         + "norm1.weight is missing, F32 [4]; norm1.bias is missing, F32 [4]; conv2.weight is missing, F32 [4, 4, 3, 3]; and 13 more")

                    write
                        (fun all ->
                            without "norm2.bias" all
                            @ [
                                StoredTensor.Of("norm2.bias", [| 4L |], ReadOnlySpan [| 1f; Single.NaN; 3f; 4f |])
                            ])
                        nothing

                    refused classifier.Experiment "holds numbers that are not finite"

                    for text, line in
                        [
                            "not JSON", "names an experiment that cannot be used (line 1 is not JSON"
                            "{}", "names an experiment that cannot be used (tasks is missing; network is missing"
                        ] do
                        write id (Dictionary<string, string>(dict [ "imaml.experiment", text ]))

                        Expect.throwsC (fun () -> load null |> ignore) (fun e ->
                            e |> should be instanceOfType<CheckpointException>
                            e.Message |> should startWith $"{path} {line}")

                    File.WriteAllText(path, "text, and no tensors")

                    Expect.throwsC (fun () -> load null |> ignore) (fun e ->
                        e.Message |> should haveSubstring "is not a safetensors file")

                    File.Delete path

                    Expect.throwsC (fun () -> load null |> ignore) (fun e ->
                        e.Message |> should equal $"there is no file {path}; name a safetensors file")))
        ]
