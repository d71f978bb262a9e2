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
    bound.HasValue
    && other.HasValue
    && error.HasValue
    && error.Value <= bound.Value + other.Value

/// What a converged answer says of itself is finite and bounded, and as near to the dense solution as both bounds allow.
let private checkTruth name (answer: SolveOutcome) =
    answer.Message.Contains '\n' |> should equal false

    if answer.Status = Outcome.Converged || answer.Status = Outcome.RoundingLimit then
        Expect.isTrue (finite answer.Phi) $"{name}: {answer.Status}, φ finite"
        Expect.isTrue answer.InnerGradientNorm.HasValue $"{name}: {answer.Status}, ‖∇G‖ finite"

    if answer.Status = Outcome.Converged then
        Expect.isTrue (finite answer.MetaGradient) $"{name}: converged, g finite"

        if answer.Method = Method.Implicit || answer.Method = Method.Exact then
            Expect.isTrue answer.ErrorBound.HasValue $"{name}: converged, a bound"

    // A dense solution without a bound of its own is no measure.
    if answer.ErrorBound.HasValue
       && answer.Error.HasValue
       && not (isNull answer.Exact)
       && (nonNull answer.Exact).ErrorBound.HasValue then
        let exact = nonNull answer.Exact

        Expect.isTrue
            (within answer.ErrorBound exact.ErrorBound answer.Error)
            $"{name}: {answer.Status}, error {answer.Error}, bound {answer.ErrorBound} of {answer.BoundKind}"

let private samples = [ "ridge"; "logistic"; "perceptron"; "indefinite" ]

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

            testCase "perceptron with −1e308: nonFinite, and no exception" (fun () ->
                let text = (sampleText "perceptron").Replace("-0.5", "-1e308")
                text |> should not' (equal (sampleText "perceptron"))

                for asked in [ request Method.Exact; toAccuracy 1e-8 ] do
                    (solve (parse text) asked).Status |> should equal Outcome.NonFinite)

            testCase "λ = 5e-324: an outcome, and a true one" (fun () ->
                for name in samples do
                    let text = Text.RegularExpressions.Regex.Replace(sampleText name, "\"lambda\": [0-9.]+", "\"lambda\": 5e-324")

                    for asked in requests do
                        match parse text with
                        | problem ->
                            try
                                checkTruth $"{name}, {asked.Method}" (solve problem asked)
                            with :? ArgumentException as e when e.Message.Contains "needs --step-size" ->
                                ())
        ]

[<Tests>]
let tests = testList "Solve, extremes" [ fuzz; overflow ]
