/// What `imaml solve` says where numbers overflow, steps are far too long, data are many, or the user has had enough: every status is true.
module Imaml.Cli.Tests.SolveExtremesTests

open System
open System.Diagnostics
open System.IO
open System.Text
open System.Text.Json.Nodes
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Cli.Problems
open Imaml.Math
open Imaml.Theory
open Imaml.Cli.Tests.SolveProblems

let private finite (numbers: Nullable<float>[]) = numbers |> Array.forall _.HasValue

let private within (bound: Nullable<float>) (other: Nullable<float>) (error: Nullable<float>) =
    bound.HasValue && other.HasValue && error.HasValue && error.Value <= bound.Value + other.Value

/// What a converged answer says of itself is finite and bounded, and as near to the dense solution as both bounds allow.
let private checkTruth name (answer: SolveOutcome) =
    answer.Message.Contains '\n' |> should equal false

    if answer.Status = Outcome.NonFinite then
        Expect.isFalse answer.ErrorBound.HasValue $"{name}: a bound of what is not finite"

    if answer.Status = Outcome.Converged || answer.Status = Outcome.RoundingLimit then
        Expect.isTrue (finite answer.Phi) $"{name}: {answer.Status}, φ finite"
        Expect.isTrue answer.InnerGradientNorm.HasValue $"{name}: {answer.Status}, ‖∇G‖ finite"

    if answer.Status = Outcome.Converged then
        Expect.isTrue (finite answer.MetaGradient) $"{name}: converged, g finite"

        if answer.Method = Method.Implicit || answer.Method = Method.Exact then
            Expect.isTrue answer.ErrorBound.HasValue $"{name}: converged, a bound"

    match answer.Parameters with
    | null -> ()
    | parameters ->
        if answer.Status = Outcome.Converged && answer.Accuracy.HasValue then
            Expect.isTrue (not (isNull parameters.Gradient) && finite (nonNull parameters.Gradient)) $"{name}: converged, ∇F finite"
            Expect.isTrue parameters.ErrorBound.HasValue $"{name}: converged, a bound of ∇F"

        if parameters.ErrorBound.HasValue && parameters.ExactErrorBound.HasValue && parameters.Error.HasValue then
            Expect.isTrue
                (within parameters.ErrorBound parameters.ExactErrorBound parameters.Error)
                $"{name}: {answer.Status}, error of ∇F {parameters.Error}, bound {parameters.ErrorBound} of {parameters.BoundKind}"

    // A dense solution without a bound of its own is not a reference.
    if
        answer.ErrorBound.HasValue
        && answer.Error.HasValue
        && not (isNull answer.Exact)
        && (nonNull answer.Exact).ErrorBound.HasValue
    then
        let exact = nonNull answer.Exact

        Expect.isTrue
            (within answer.ErrorBound exact.ErrorBound answer.Error)
            $"{name}: {answer.Status}, error {answer.Error}, bound {answer.ErrorBound} of {answer.BoundKind}"

let private samples =
    [
        "ridge"
        "logistic"
        "perceptron"
        "indefinite"
        "hyper-cleaning"
        "own-answer"
    ]

/// Every number of a JSON tree, as a way to set it.
let rec private slots (node: JsonNode) : (JsonNode -> unit) list =
    match node with
    | :? JsonArray as items ->
        [
            for i in 0 .. items.Count - 1 do
                match items[i] with
                | :? JsonValue -> yield fun value -> items[i] <- value
                | Null -> ()
                | NonNull item -> yield! slots item
        ]
    | :? JsonObject as properties ->
        [
            for name in properties |> Seq.map _.Key |> Seq.toList do
                match properties[name] with
                | :? JsonValue as value ->
                    if value.GetValueKind() = Json.JsonValueKind.Number then
                        yield fun value -> properties[name] <- value
                | Null -> ()
                | NonNull item -> yield! slots item
        ]
    | _ -> []

let private sampleText name = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "samples", "problems", name + ".json"))

let private extremes =
    [|
        Double.MaxValue
        -Double.MaxValue
        1e308
        -1e308
        1e200
        -1e200
        1e155
        -1e150
        1e16
        -1e16
        1e-16
        0.0
        1e-155
        1e-200
        -1e-300
        Double.Epsilon
        -Double.Epsilon
    |]

let private requests =
    [|
        request Method.Exact
        toAccuracy 1e-8
        budget 3 2 0.1
        SolveRequest(Method.Implicit, Nullable(), Nullable 3, Nullable 2, Nullable(), Nullable())
        steps Method.Maml 3 0.1
        truncated 3 2 0.1
        SolveRequest(Method.Fomaml, Nullable(), Nullable 3, Nullable(), Nullable(), Nullable())
        steps Method.Reptile 3 0.1
    |]

/// Sets a number or two of a sample to extreme ones.
let private mutated (random: Random) name =
    let tree = nonNull (JsonNode.Parse(sampleText name))
    let all = slots tree |> List.toArray
    let changes = ResizeArray<string>()

    for _ in 0 .. random.Next 2 do
        let slot = random.Next all.Length
        let value = extremes[random.Next extremes.Length]
        all[slot](JsonValue.Create value)
        changes.Add $"number {slot} is {value}"

    struct (String.Join(", ", changes), tree.ToJsonString())

let private draws =
    match Environment.GetEnvironmentVariable "IMAML_DRAWS" with
    | null -> 60
    | text -> 60 * int text

let private fuzz =
    testList
        "Any finite number"
        [
            for name in samples do
                testCase $"{name}: with numbers of any size every status is true, and nothing is thrown" (fun () ->
                    for seed in 1..draws do
                        let random = Random seed
                        let struct (changes, text) = mutated random name

                        let problem =
                            try
                                Some(parse text)
                            with :? ProblemFileException ->
                                None

                        match problem with
                        | None -> ()
                        | Some problem ->
                            // Two of the requests; the others are those of other seeds.
                            for asked in [ requests[0]; requests[1 + random.Next(requests.Length - 1)] ] do
                                let what = $"{name}, seed {seed}: {changes}, {asked.Method}"

                                let answer =
                                    try
                                        solve problem asked
                                    with
                                    | :? ArgumentException as e when e.Message.Contains "needs --step-size" -> Unchecked.defaultof<_>
                                    | e -> failtest $"{what}: {e}"

                                if not (isNull (box answer)) then
                                    checkTruth what answer)
        ]

let private task (inner: string) (outer: string) (theta: string) (lambda: string) =
    "{\"inner\": "
    + inner
    + ", \"outer\": "
    + outer
    + ", \"theta\": ["
    + theta
    + "], \"regularizer\": {\"kind\": \"scalar\", \"lambda\": "
    + lambda
    + "}}"

let private quadratic (a: string) (b: string) = "{\"kind\": \"quadratic\", \"A\": [[" + a + "]], \"b\": [" + b + "]}"

let private overflow =
    testList
        "Overflow"
        [
            let logistic lambda =
                let loss = """{"kind": "logistic", "X": [[1e200], [2]], "y": [1, 0]}"""
                task loss loss "0" lambda

            let never text =
                for asked in requests do
                    let answer = solve (parse text) asked
                    checkTruth $"{asked.Method}" answer
                    answer.Status |> should not' (equal Outcome.NonPositiveCurvature)
                    answer.Status |> should not' (equal Outcome.Converged)

            testCase "a Hessian that overflows is not negative curvature" (fun () ->
                let answer = solve (parse (logistic "1")) (request Method.Exact)
                answer.Status |> should equal Outcome.NonFinite
                never (logistic "1"))

            testCase "a g that overflows has not converged" (fun () ->
                let text = task (quadratic "1" "-10") (quadratic "1e308" "0") "10" "1"
                (solve (parse text) (request Method.Exact)).Status |> should equal Outcome.NonFinite
                never text)

            testCase "losses that overflow, at a φ and a u that are finite, have no bound" (fun () ->
                let answer = solve (parse (task (quadratic "1" "0") (quadratic "1" "0") "1e160" "1")) (budget 3 1 0.5)

                answer.Status |> should equal Outcome.NonFinite
                checkTruth "θ = 1e160" answer)

            testCase "θ = 5e-324 is of double precision like any other" (fun () ->
                let text = (sampleText "ridge").Replace("[0.0, 1.0]", "[5e-324, 5e-324]")
                text |> should not' (equal (sampleText "ridge"))
                (solve (parse text) (toAccuracy 1e-8)).Status |> should equal Outcome.Converged)

            testCase "a bound of ∇F that overflows is no accuracy" (fun () ->
                let answer =
                    solve (parse ((sampleText "own-answer").Replace("[1, -1.0]", "[1e200, 1e200]"))) (toAccuracy 1e-8)

                answer.Status |> should not' (equal Outcome.Converged)
                (nonNull answer.Parameters).BoundKind |> should equal BoundKind.None
                // As near as the solvers come.
                (nonNull answer.Parameters).Error.Value |> should be (lessThan 1e186))

            testCase "examples of 1e200: an outcome, and not an exception" (fun () ->
                let text = (sampleText "hyper-cleaning").Replace("[1, 2.0, 0.3]", "[1e200, 1e200, 1e200]")
                text |> should not' (equal (sampleText "hyper-cleaning"))
                (solve (parse text) (toAccuracy 1e-8)).Status |> should not' (equal Outcome.Converged))

            testCase "λ = 1e16 beside 1 of a convex loss is not negative curvature" (fun () ->
                let text = (sampleText "own-answer").Replace("[1.0, 0.5]", "[1e16, 1]")
                text |> should not' (equal (sampleText "own-answer"))

                for asked in [ request Method.Exact; toAccuracy 1e-8 ] do
                    (solve (parse text) asked).Status |> should not' (equal Outcome.NonPositiveCurvature))

            testCase "perceptron with −1e308: nonFinite, and no exception" (fun () ->
                let text = (sampleText "perceptron").Replace("-0.5", "-1e308")
                text |> should not' (equal (sampleText "perceptron"))

                for asked in [ request Method.Exact; toAccuracy 1e-8 ] do
                    (solve (parse text) asked).Status |> should equal Outcome.NonFinite)

            testCase "λ = 5e-324 with H singular: nonFinite, whatever is asked for" (fun () ->
                let flat = task (quadratic "0" "1") (quadratic "1" "1") "1" "5e-324"

                let partly =
                    "{\"kind\": \"quadratic\", \"A\": [[0, 0], [0, 1]], \"b\": [0, 1]}"
                    |> fun inner -> task inner "{\"kind\": \"quadratic\", \"A\": [[1, 0], [0, 1]], \"b\": [1, 1]}" "1, 1" "5e-324"

                for text in [ flat; partly ] do
                    for asked in
                        [
                            request Method.Exact
                            toAccuracy 1e-8
                            SolveRequest(Method.Implicit, Nullable(), Nullable 3, Nullable 2, Nullable(), Nullable())
                        ] do
                        let answer = solve (parse text) asked
                        answer.Status |> should equal Outcome.NonFinite
                        answer.BoundKind |> should equal BoundKind.None)

            testCase "λ = 5e-324: an outcome, and a true one" (fun () ->
                for name in samples do
                    let text =
                        Text.RegularExpressions.Regex.Replace(sampleText name, "\"lambda\": [0-9.]+", "\"lambda\": 5e-324")

                    for asked in requests do
                        match parse text with
                        | problem ->
                            try
                                checkTruth $"{name}, {asked.Method}" (solve problem asked)
                            with :? ArgumentException as e when e.Message.Contains "needs --step-size" ->
                                ())
        ]

let private withLambda (lambda: float) name =
    let problem = sample name

    Problem(
        { problem.Task with
            Proximal = Proximal.Scalar lambda
        },
        problem.InnerKind,
        problem.OuterKind,
        "scalar"
    )

let private sweep =
    testList
        "Any λ and step"
        [
            for name in [ "ridge"; "logistic"; "perceptron" ] do
                testCase $"{name}: no `converged` with a true error above its bound, λ from 0.01 to 1000, steps from 10⁻³ to 10³" (fun () ->
                    for lambda in [ 0.01; 0.1; 1.0; 10.0; 100.0; 1000.0 ] do
                        let problem = withLambda lambda name

                        // Without a step the solver's own; with one, budgets of both kinds of solves, and every method that has no linear one.
                        for asked in [ request Method.Exact; toAccuracy 1e-8; toAccuracy 1e-2 ] do
                            checkTruth $"{name}, λ = {lambda}, {asked.Method}" (solve problem asked)

                        for step in [ 1e-3; 1e-2; 0.1; 0.3; 1.0; 10.0; 100.0; 1000.0 ] do
                            for asked in
                                [
                                    budget 50 10 step
                                    budget 2000 50 step
                                    steps Method.Maml 20 step
                                    truncated 20 5 step
                                    steps Method.Fomaml 20 step
                                    steps Method.Reptile 20 step
                                ] do
                                let answer = solve problem asked
                                checkTruth $"{name}, λ = {lambda}, step {step}, {asked.Method}" answer
                                answer.Status |> should not' (equal Outcome.Converged))

                testCase
                    $"{name}: the same of accuracies that are asked for with a step, none of which runs to a million steps where it is too long"
                    (fun () ->
                        for lambda in [ 0.01; 0.1; 1.0; 10.0; 100.0; 1000.0 ] do
                            let problem = withLambda lambda name

                            for step in [ 1e-3; 1e-2; 0.1; 0.3; 1.0; 10.0; 100.0; 1000.0 ] do
                                // The slowest of all takes two million steps.
                                for accuracy in (if step * lambda < 2e-5 then [ 1e-2 ] else [ 1e-2; 1e-8 ]) do
                                    let asked =
                                        SolveRequest(Method.Implicit, Nullable accuracy, Nullable(), Nullable(), Nullable step, Nullable())

                                    let answer = solve problem asked
                                    let what = $"{name}, λ = {lambda}, step {step}, ε = {accuracy}"
                                    checkTruth what answer

                                    if answer.Status = Outcome.Converged then
                                        Expect.isLessThanOrEqual answer.ErrorBound.Value accuracy what

                                    // A descent with step·λ < 1 that contracts is done after ln(10¹⁶)/(step·λ) steps, and no round of the search
                                    // takes more; one that does not is seen after some windows.
                                    let rate = min 1.0 (step * lambda)
                                    Expect.isLessThan (float answer.Counts.InnerSteps) (100_000.0 + 40.0 / rate) what)

            testCase "perceptron, λ = 10, step 0.3: estimates are those of the φ that is returned" (fun () ->
                let problem = withLambda 10.0 "perceptron"

                let asked =
                    SolveRequest(Method.Implicit, Nullable 1e-8, Nullable(), Nullable(), Nullable 0.3, Nullable())

                let answer = solve problem asked
                answer.Status |> should not' (equal Outcome.Converged)
                checkTruth "perceptron" answer
                // All evaluations are named: the inner solve's, and those of what was measured.
                answer.Counts.Gradients |> should be (greaterThan answer.Counts.InnerSteps))

            testCase "an estimate is measured where φ is, with an accuracy too" (fun () ->
                let answer = solve (sample "perceptron") (toAccuracy 1e-6)
                answer.Status |> should equal Outcome.Converged
                answer.BoundKind |> should equal BoundKind.Estimated
                let task = (sample "perceptron").Task

                let there =
                    EstimatedConstants.At(
                        EuclideanSpace(),
                        EuclideanCoordinates(),
                        Proximal.regularizer task.Proximal,
                        BilevelTask.problem task,
                        {
                            LargestDense = 500
                            LanczosSteps = 50
                            PowerSteps = 20
                            Reach = 6e-6
                        },
                        task.Theta,
                        values answer.Phi
                    )
                    |> Array.exactlyOne

                value answer.Constants.StrongConvexity |> should equal there.StrongConvexity
                value answer.Constants.HessianLipschitz |> should equal there.HessianLipschitz)
        ]

let private logisticRows rows columns =
    let random = Random 1
    let x = Matrix<float>.Build.Dense(rows, columns, fun _ _ -> random.NextDouble() - 0.5)
    let y = Vector<float>.Build.Dense(rows, fun _ -> float (random.Next 2))
    x, y

// Alone: it counts what the whole process allocates.
let private size =
    testSequenced
    <| testList
        "Size"
        [
            testCase "10⁵ rows take linear memory, and seconds" (fun () ->
                let rows = 100_000

                let network layers output (x: Matrix<float>) (y: Vector<float>) =
                    MultilayerPerceptron.loss layers Activation.Tanh output x (y.ToColumnMatrix())

                // An evaluation makes some ten or thirty vectors of the rows; a network's dense solutions take 30 Hessians of d products.
                for name, columns, loss, vectors in
                    [
                        "logistic", 4, LogisticRegression.loss, 4_500L
                        "least squares", 4, LinearRegression.loss, 4_500L
                        "mlp, cross-entropy", 1, network [| 1; 1; 2 |] OutputLoss.CrossEntropy, 25_000L
                        "mlp, mse", 1, network [| 1; 1; 1 |] OutputLoss.MeanSquaredError, 25_000L
                    ] do
                    let x, y = logisticRows rows columns
                    // Of this thread alone: other tests run meanwhile.
                    let before, clock = GC.GetAllocatedBytesForCurrentThread(), Stopwatch.StartNew()
                    let loss = loss x y

                    let theta = Vector<float>.Build.Dense(loss.Dimension, fun i -> 0.1 * float i)
                    let task = BilevelTask.create loss loss (Proximal.Scalar 1.0) theta
                    let answer = solve (Problem(task, name, name, "scalar")) (toAccuracy 1e-6)
                    answer.Status |> should equal Outcome.Converged
                    checkTruth $"10⁵ rows, {name}" answer
                    // A matrix of rows × rows has 80 GB.
                    GC.GetAllocatedBytesForCurrentThread() - before |> should be (lessThan (vectors * int64 rows * 8L))
                    // It takes a second or two on a machine of its own.
                    clock.Elapsed.TotalSeconds |> should be (lessThan 60.0))

            testCase "the Frobenius norm of many rows, and of numbers whose squares overflow or underflow" (fun () ->
                let x, _ = logisticRows 70_000 1
                let exact = x.Column(0).L2Norm()
                let computed = Rounding.frobenius x
                // 7·10⁴ squares, their sum and the allowance: 1 + 3·7·10⁴u.
                computed |> should be (greaterThanOrEqualTo (exact * (1.0 - 1e-11)))
                computed |> should be (lessThan (exact * (1.0 + 1e-10)))

                for scale in [ 1e300; 1e-300 ] do
                    Rounding.frobenius (scale * x) |> should be (greaterThanOrEqualTo (scale * exact * (1.0 - 1e-11))))
        ]

let private stopping =
    testList
        "Stopping"
        [
            testCase "SIGTERM in a dense solve ends it within two seconds of the processor" (fun () ->
                let d = 2000
                let folder = Directory.CreateTempSubdirectory("imaml-solve").FullName
                let file = Path.Combine(folder, "dense.json")

                do
                    use text = new StreamWriter(file)

                    let entry i j =
                        if i = j then
                            "2"
                        else
                            string (float ((i * j) % 7 - 3) / 1e3)

                    let row i = String.Join(",", Array.init d (entry i))
                    let zeros = String.Join(",", Array.replicate d "1")
                    let matrix = String.Join("],[", Array.init d row)
                    let loss = $"{{\"kind\":\"quadratic\",\"A\":[[{matrix}]],\"b\":[{zeros}]}}"

                    text.Write
                        $"{{\"inner\":{loss},\"outer\":{loss},\"theta\":[{zeros}],\"regularizer\":{{\"kind\":\"scalar\",\"lambda\":1}}}}"

                try
                    use running = Imaml.start [] [ "solve"; file; "--method"; "exact" ]
                    let used () = running.TotalProcessorTime.TotalSeconds

                    // Reading takes a second or two, the eigenvalues minutes, whatever else the machine does.
                    while not running.HasExited && used () < 5.0 do
                        Threading.Thread.Sleep 20

                    running.HasExited |> should equal false
                    let asked = used ()
                    let mutable last = asked
                    use kill = Process.Start("kill", [ "-TERM"; string running.Id ])
                    kill.WaitForExit()

                    while not (running.WaitForExit 20) && last - asked < 10.0 do
                        try
                            last <- used ()
                        with
                        | :? InvalidOperationException
                        | :? ComponentModel.Win32Exception ->
                            // It has ended since.
                            ()

                    last - asked |> should be (lessThan 2.0)
                    running.WaitForExit()
                    running.ExitCode |> should equal 130
                finally
                    Directory.Delete(folder, true))
        ]

[<Tests>]
let tests = testList "Solve, extremes" [ fuzz; overflow; sweep; size; stopping ]
