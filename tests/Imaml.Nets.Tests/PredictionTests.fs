/// FewShotClassifier: a trained run, adapted to pictures and asked about others.
module Imaml.Nets.Tests.PredictionTests

open System
open System.IO
open System.Threading
open System.Threading.Tasks
open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Models
open Imaml.Nets.Prediction
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private episodes = ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 0, 4, 1, 3)

let private train (method: Method) mode (folder: string) =
    let experiment =
        Experiment(
            episodes,
            StridedConvolutions(4, Activation.Rectifier, mode),
            method,
            Outer.Adam(1e-2, Schedule.Constant),
            Budget(3, 2),
            1UL
        )

    use run = experiment.Train(RunFolder folder)
    run.Run CancellationToken.None

let private imaml: Method = ImplicitMaml(Inner.GradientDescent 4, 2.0, Adjoint.ConjugateGradients 2)

let private glyphs = lazy (ImageTasks.Open episodes).Images

/// A drawing as a picture: dark ink on light paper, as a scanner has it.
let private picture index =
    let set = glyphs.Value
    let pixels = set.Image(index).ToArray() |> Array.map (fun ink -> 255uy - ink)
    Picture.FromPixels(ReadOnlySpan pixels, set.Height, set.Width, 1, $"glyph {index}")

/// Examples of the first classes, and pictures of them that are not examples.
let private examples ways shots =
    [|
        for one in glyphs.Value.Classes |> Seq.truncate ways do
            for i in 0 .. shots - 1 do
                LabelledPicture(one.Name, picture (one.First + i))
    |]

let private others ways shots =
    [|
        for one in glyphs.Value.Classes |> Seq.truncate ways -> picture (one.First + shots)
    |]

let private withModel mode body =
    inFolder (fun folder ->
        let run = Path.Combine(folder, "run")
        train imaml mode run
        // By as many steps as in training, whatever is better for a prediction.
        use classifier = FewShotClassifier.Load(run, Nullable 4)
        body folder classifier)

let private probabilities (prediction: Prediction) = [ for struct (label, p) in prediction.Classes -> label, p ] |> List.sortBy fst

/// Two ways through the same float32 sums of at most 28·28 terms in 14 layers.
let private agreeing (a: Prediction) (b: Prediction) =
    for (label, p), (other, q) in List.zip (probabilities a) (probabilities b) do
        label |> should equal other
        q |> should (equalWithin 1e-3) p

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Prediction"
        [
            testCase "predictions are equal where their labels and probabilities are" (fun () ->
                let prediction p = Prediction [| struct ("apple", p); struct ("pear", 1.0 - p) |]
                prediction 0.75 |> should equal (prediction 0.75)
                hash (prediction 0.75) |> should equal (hash (prediction 0.75))
                prediction 0.75 |> should not' (equal (prediction 0.25)))

            testCase "the parameters and predictions are those of the run's own adaptation, inductive" (fun () ->
                withModel BatchNormMode.Inductive (fun folder classifier ->
                    let run = RunFolder(Path.Combine(folder, "run"))

                    let tasks, model =
                        let struct (tasks, model) = classifier.Experiment.Open()
                        tasks, model

                    use learner = run.Load(LearningProblem.Of(tasks, model), 3)
                    use _ = torch.NewDisposeScope()
                    let episode = tasks.Sampler(ClassPart.Test, 1UL).Sample 0L
                    let batch = EpisodeBatch.Pack(tasks.Images, [| episode |])
                    let problem = FewShotProblem(model.Network, batch, learner.Theta, BatchNormMode.Inductive)
                    let adapted = learner.Adapt(problem, 1)
                    let expected = problem.QueryLogits(adapted.Phi).softmax(-1L).flatten(0L, 1L)

                    // Rotated as the episode says, by turning the picture's pixels.
                    let turned label index =
                        let set, turns = tasks.Images, episode.QuarterTurns[label]
                        let pixels = set.Image(index).ToArray() |> Array.map (fun ink -> 255uy - ink)
                        let n = set.Width

                        let quarter (p: byte[]) = Array.init (n * n) (fun i -> p[(i % n) * n + (n - 1 - i / n)])
                        let rec turn k p = if k = 0 then p else turn (k - 1) (quarter p)
                        Picture.FromPixels(ReadOnlySpan(turn turns pixels), n, n, 1)

                    let labelled =
                        [|
                            for label in 0..3 -> LabelledPicture(string label, turned label episode.SupportImages[label])
                        |]

                    use found = classifier.Adapt labelled

                    for query in 0..11 do
                        let prediction = found.Predict(turned (query / 3) episode.QueryImages[query])

                        for label, p in probabilities prediction do
                            p |> should (equalWithin 1e-3) (number (expected.[int64 query, int64 label]))))

            testCase "a prediction does not depend on the pictures beside it, and adds up to 1" (fun () ->
                withModel BatchNormMode.Transductive (fun _ classifier ->
                    use adapted = classifier.Adapt(examples 4 2)
                    let pictures = others 4 2
                    let together = adapted.Predict pictures

                    for i, one in Seq.indexed pictures do
                        let alone = adapted.Predict one
                        agreeing alone together[i]
                        alone.Classes |> Seq.sumBy (fun struct (_, p) -> p) |> should (equalWithin 1e-12) 1.0
                        alone.Probability |> should equal (alone.Classes |> Seq.map (fun struct (_, p) -> p) |> Seq.max)
                        alone.Entropy |> should be (lessThanOrEqualTo 1.0)
                        alone.Entropy |> should be (greaterThanOrEqualTo 0.0)))

            testCase
                "classes may be fewer than in training, and their examples of different number; the same again gives the same bits"
                (fun () ->
                    withModel BatchNormMode.Inductive (fun _ classifier ->
                        let uneven =
                            Array.append
                                (examples 3 1)
                                [|
                                    LabelledPicture(glyphs.Value.Classes[1].Name, picture (glyphs.Value.Classes[1].First + 4))
                                |]

                        use first = classifier.Adapt uneven
                        use second = classifier.Adapt uneven
                        first.Labels.Count |> should equal 3
                        probabilities (first.Predict(picture 7)) |> should equal (probabilities (second.Predict(picture 7)))))

            testCase "the order of the classes does not matter, but for rounding" (fun () ->
                withModel BatchNormMode.Inductive (fun _ classifier ->
                    use first = classifier.Adapt(examples 4 2)
                    use second = classifier.Adapt(Array.rev (examples 4 2))
                    second.Labels |> should equal first.Labels
                    agreeing (first.Predict(picture 9)) (second.Predict(picture 9))))

            testCase "adapting ends between two steps of the inner solver where it is asked to" (fun () ->
                inFolder (fun folder ->
                    train imaml BatchNormMode.Inductive folder
                    use classifier = FewShotClassifier.Load(folder, Nullable 100_000)
                    use stop = new CancellationTokenSource(TimeSpan.FromSeconds 0.5)

                    (fun () -> classifier.Adapt(examples 4 1, stop.Token) |> ignore)
                    |> should throw typeof<OperationCanceledException>))

            testCase "more examples than a pass can take, or than fit into memory, are refused before it" (fun () ->
                let refused (network: Network) count (line: string) =
                    Expect.throwsC (fun () -> network.RequireFits(count, "examples")) (fun e ->
                        e |> should be instanceOfType<ArgumentException>
                        e.Message |> should startWith line)

                let photographs = PooledConvolutions(32).Build(ImageShape(84, 84, 3), 5)
                photographs.RequireFits(25, "examples")
                refused photographs 1_000_000 "1000000 examples "
                let own = Network(ImageShape(28, 28, 1), Dense(ImageShape(28, 28, 1), 2, 1.0))
                own.RequireFits(1000, "examples")

                refused
                    (Network(ImageShape(1, 1, 1), Dense(ImageShape(1, 1, 1), 100_000, 1.0)))
                    Int32.MaxValue
                    "2147483647 examples need about ")

            testCase "a stream without an end is refused, and no more of it is held than of a picture" (fun () ->
                use zeros = File.OpenRead "/dev/zero"

                dataError (fun () -> Picture.FromStream(zeros, "zeros"))
                |> should equal "zeros is longer than 268,435,456 bytes, the upper limit of a picture")

            testCase "an archive whose pictures would fill the memory is refused before it is unpacked" (fun () ->
                inFolder (fun folder ->
                    let zip = Path.Combine(folder, "x.zip")
                    writeZip zip [ for i in 1..5 -> $"a/{i}.png", [| 1uy |] ]
                    let bytes = File.ReadAllBytes zip

                    for at in 0 .. bytes.Length - 4 do
                        if bytes[at .. at + 3] = "PK\001\002"B then
                            BitConverter.GetBytes(268_000_000).CopyTo(bytes, at + 24)

                    File.WriteAllBytes(zip, bytes)

                    dataError (fun () -> FoundPicture.Of [| zip |])
                    |> should
                        equal
                        $"the pictures in {zip} have 1,340,000,000 bytes; the upper limit of an archive is 1,073,741,824: unpack it and name the folder"))

            testCase "more classes than in training, or one alone, are refused with the numbers" (fun () ->
                withModel BatchNormMode.Inductive (fun _ classifier ->
                    let refused ways (line: string) =
                        Expect.throwsC (fun () -> classifier.Adapt(examples ways 1) |> ignore) (fun e -> e.Message |> should equal line)

                    refused
                        5
                        "5 classes are more than the network has outputs: it was trained on 4-way tasks; take at most 4, or a model of the algorithm head without --learn-start, which takes any number"

                    refused 1 "a task needs at least 2 classes, not 1"
                    refused 0 "a task needs at least 2 classes, not 0"))

            testCase "a saved classifier gives the same predictions, to the last bit; a damaged one is refused" (fun () ->
                withModel BatchNormMode.Inductive (fun folder classifier ->
                    use adapted = classifier.Adapt(examples 4 1)
                    let path = Path.Combine(folder, "adapted.bin")
                    adapted.Save path
                    use loaded = AdaptedClassifier.Load path
                    loaded.Labels |> should equal adapted.Labels

                    probabilities (loaded.Predict(picture 9))
                    |> should equal (probabilities (adapted.Predict(picture 9)))

                    let whole = File.ReadAllBytes path

                    let refused (bytes: byte[]) (line: string) =
                        File.WriteAllBytes(path, bytes)

                        Expect.throwsC (fun () -> AdaptedClassifier.Load path |> ignore) (fun e ->
                            e |> should be instanceOfType<CheckpointException>
                            e.Message |> should equal (path + line))

                    refused whole[.. whole.Length / 2] " is cut off or damaged; adapt anew"
                    let flipped = Array.copy whole
                    flipped[whole.Length / 2] <- flipped[whole.Length / 2] ^^^ 1uy
                    refused flipped " is cut off or damaged; adapt anew"

                    refused
                        (Text.Encoding.ASCII.GetBytes "IMAMLAC0 and the rest")
                        " was written by another version of this library; adapt anew"

                    refused [| 1uy; 2uy |] " is not an adapted classifier"))

            testCase "a model file has θ alone, and gives the same predictions as its run; training cannot go on from it" (fun () ->
                withModel BatchNormMode.Inductive (fun folder classifier ->
                    let path = Path.Combine(folder, "model.bin")
                    classifier.Save path
                    let checkpoint = FileInfo(Path.Combine(folder, "run", "checkpoint.bin")).Length
                    FileInfo(path).Length * 2L |> should be (lessThan checkpoint)
                    use model = FewShotClassifier.Load(path, Nullable 4)
                    use first = classifier.Adapt(examples 4 1)
                    use second = model.Adapt(examples 4 1)
                    probabilities (first.Predict(picture 9)) |> should equal (probabilities (second.Predict(picture 9)))
                    let struct (tasks, network) = model.Experiment.Open()

                    Expect.throwsC (fun () -> Checkpoint.Read(path, LearningProblem.Of(tasks, network), 1) |> ignore) (fun e ->
                        e.Message |> should haveSubstring "is a model without its optimiser's memory")))

            testCase
                "iMAML adapts by 100 steps at least, first-order MAML by those of its training; or by as many as are asked for"
                (fun () ->
                    inFolder (fun folder ->
                        let at (name: string) = Path.Combine(folder, name)
                        train imaml BatchNormMode.Inductive (at "imaml")
                        // In training every task reaches such a δ at once.
                        train
                            (ImplicitMaml(Inner.GradientDescent 4, 2.0, Adjoint.ConjugateGradients 2, Delta = 1e3))
                            BatchNormMode.Inductive
                            (at "delta")

                        train (FirstOrder(Inner.GradientDescent(2, 0.05), Nullable())) BatchNormMode.Inductive (at "fomaml")

                        let predicted (run: string) steps =
                            use classifier = FewShotClassifier.Load(at run, steps)
                            use adapted = classifier.Adapt(examples 4 1)
                            probabilities (adapted.Predict(picture 9))

                        for run, own in [ "imaml", 100; "delta", 100; "fomaml", 2 ] do
                            predicted run (Nullable()) |> should equal (predicted run (Nullable own))
                            predicted run (Nullable()) |> should not' (equal (predicted run (Nullable 5)))

                        (fun () -> FewShotClassifier.Load(at "imaml", Nullable 0) |> ignore)
                        |> should throw typeof<ArgumentOutOfRangeException>))

            testCase "learned step sizes of every parameter go with the outputs that stay" (fun () ->
                inFolder (fun folder ->
                    train (MetaSgd(Inner.GradientDescent(2, 0.05), Nullable())) BatchNormMode.Inductive folder
                    use classifier = FewShotClassifier.Load folder
                    use adapted = classifier.Adapt(examples 2 1)
                    (adapted.Predict(picture 3)).Classes.Count |> should equal 2))

            testCase "eight threads that ask at once get what one gets" (fun () ->
                withModel BatchNormMode.Inductive (fun _ classifier ->
                    use adapted = classifier.Adapt(examples 4 1)
                    let expected = [| for i in 0..7 -> probabilities (adapted.Predict(picture i)) |]
                    let wrong = ref 0

                    let threads =
                        [|
                            for t in 0..7 ->
                                Thread(fun () ->
                                    for _ in 1..20 do
                                        if probabilities (adapted.Predict(picture t)) <> expected[t] then
                                            Interlocked.Increment wrong |> ignore)
                        |]

                    threads |> Array.iter (fun thread -> thread.Start())
                    threads |> Array.iter (fun thread -> thread.Join())
                    wrong.Value |> should equal 0))

            testCase "1,000 requests leave no tensor behind" (fun () ->
                withModel BatchNormMode.Inductive (fun _ classifier ->
                    let live () = DisposeScopeManager.Statistics.ThreadTotalLiveCount
                    classifier.Adapt(examples 4 1).Dispose()
                    let before = live ()

                    for i in 1..20 do
                        use adapted = classifier.Adapt(examples 4 1)

                        for j in 1..50 do
                            adapted.Predict(picture (i + j)) |> ignore

                    live () |> should equal before))

            testCase "work that is cancelled ends, and a picture that is none is named" (fun () ->
                withModel BatchNormMode.Inductive (fun _ classifier ->
                    use cancelled = new CancellationTokenSource()
                    cancelled.Cancel()

                    Expect.throwsT<OperationCanceledException>
                        (fun () -> classifier.Adapt(examples 4 1, cancelled.Token) |> ignore)
                        "adapt"

                    let none = Picture.FromStream(new MemoryStream([| 1uy; 2uy; 3uy |]), "upload 7")

                    Expect.throwsC
                        (fun () -> classifier.Adapt(Array.append (examples 3 1) [| LabelledPicture("x", none) |]) |> ignore)
                        (fun e ->
                            e |> should be instanceOfType<DataException>
                            e.Message |> should equal "upload 7 is damaged, or no image")

                    use adapted = (classifier.AdaptAsync(examples 4 1)).GetAwaiter().GetResult()
                    let prediction: Prediction = (adapted.PredictAsync(picture 3)).GetAwaiter().GetResult()
                    agreeing prediction (adapted.Predict(picture 3))))

            testCase "what is no model is refused in one line" (fun () ->
                inFolder (fun folder ->
                    let refused (model: string) (line: string) =
                        Expect.throwsC (fun () -> FewShotClassifier.Load model |> ignore) (fun e ->
                            e |> should be instanceOfType<CheckpointException>
                            e.Message |> should haveSubstring line)

                    refused folder $"there is no checkpoint {folder}"

                    refused
                        "nothing-of-this-name"
                        "there is no model nothing-of-this-name; give a folder that `imaml train` made, a model file, or one of "

                    let path = Path.Combine(folder, "text")
                    File.WriteAllText(path, "not a model")
                    refused path "is not a checkpoint of this program"))

            testCase "disposing twice is nothing, and use after it an ObjectDisposedException" (fun () ->
                withModel BatchNormMode.Inductive (fun folder classifier ->
                    let adapted = classifier.Adapt(examples 4 1)
                    let path = Path.Combine(folder, "late.bin")

                    let ended (work: unit -> unit) = Expect.throwsT<ObjectDisposedException> work "after Dispose"

                    for one in [ adapted :> IDisposable; classifier :> IDisposable ] do
                        one.Dispose()
                        one.Dispose()

                    ended (fun () -> adapted.Predict(picture 3) |> ignore)
                    ended (fun () -> adapted.Predict([||]: Picture[]) |> ignore)
                    ended (fun () -> adapted.Save path)
                    ended (fun () -> classifier.Adapt(examples 4 1) |> ignore)
                    ended (fun () -> classifier.Save path)
                    File.Exists path |> should equal false))

            testCase "a classifier that is disposed while eight threads ask answers what has begun and refuses the rest" (fun () ->
                withModel BatchNormMode.Inductive (fun _ classifier ->
                    let labelled = examples 4 1

                    for round in 1..10 do
                        let adapted = classifier.Adapt labelled
                        let expected = probabilities (adapted.Predict(picture 3))
                        let wrong = Collections.Concurrent.ConcurrentQueue<string>()

                        let threads =
                            [|
                                for _ in 1..8 ->
                                    Thread(fun () ->
                                        let mutable going = true

                                        while going do
                                            try
                                                if probabilities (adapted.Predict(picture 3)) <> expected then
                                                    wrong.Enqueue "another prediction"
                                            with
                                            | :? ObjectDisposedException -> going <- false
                                            | e ->
                                                wrong.Enqueue(string e)
                                                going <- false)
                            |]

                        threads |> Array.iter (fun thread -> thread.Start())
                        Thread.Sleep(5 * round)
                        adapted.Dispose()
                        threads |> Array.iter (fun thread -> thread.Join())
                        List.ofSeq wrong |> should equal ([]: string list)))

            testCase "what is null or has no label, and pixels of another number, are refused where they are given" (fun () ->
                withModel BatchNormMode.Inductive (fun _ classifier ->
                    let refused (line: string) (work: unit -> unit) =
                        Expect.throwsC work (fun e ->
                            e |> should be instanceOfType<ArgumentException>
                            e.Message.Split(" (Parameter")[0] |> should equal line)

                    let with' (last: LabelledPicture) () = classifier.Adapt(Array.append (examples 3 1) [| last |]) |> ignore
                    refused "example 4 is null" (with' Unchecked.defaultof<_>)
                    refused "example 4 has no label" (with' (LabelledPicture("", picture 3)))
                    refused "example 4 has no label" (with' (LabelledPicture(Unchecked.defaultof<_>, picture 3)))
                    refused "example 4 (pear) has no picture" (with' (LabelledPicture("pear", Unchecked.defaultof<_>)))
                    use adapted = classifier.Adapt(examples 4 1)
                    refused "picture 2 is null" (fun () -> adapted.Predict [| picture 3; Unchecked.defaultof<Picture> |] |> ignore)
                    refused "picture 1 is null" (fun () -> adapted.Predict(Unchecked.defaultof<Picture>) |> ignore)

                    refused "5 bytes for 2×3 pixels of 1 channels; there are 1, 3 or 4 channels, and sides of 1 to 65535" (fun () ->
                        Picture.FromPixels(ReadOnlySpan(Array.zeroCreate<byte> 5), 2, 3, 1) |> ignore)))
        ]
