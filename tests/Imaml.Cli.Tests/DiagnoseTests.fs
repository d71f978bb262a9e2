/// imaml diagnose as a user runs it, and the checkpoints that `imaml train --keep-every` keeps for it.
module Imaml.Cli.Tests.DiagnoseTests

open System
open System.IO
open System.Text.Json
open Expecto
open Imaml.Nets.Learning
open Imaml.Nets.LibTorch
open Imaml.Nets.Methods
open Imaml.Nets.Runs
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open FsUnit

/// Later options win over earlier ones; an option's words follow its name.
let private changed (usual: string list list) (changes: string list) =
    let others =
        usual |> List.filter (fun option -> changes |> List.forall (fun word -> word <> List.head option))

    List.concat others @ changes

let private train (changes: string list) (output: string) =
    "train"
    :: changed
        [
            [ "--dataset"; "glyphs" ]
            [ "--ways"; "3" ]
            [ "--shots"; "1" ]
            [ "--queries"; "2" ]
            [ "--algorithm"; "imaml-gd" ]
            [ "--meta-steps"; "6" ]
            [ "--meta-batch"; "2" ]
            [ "--lambda"; "2" ]
            [ "--inner-steps"; "3" ]
            [ "--cg-steps"; "2" ]
            [ "--seed"; "7" ]
            [ "--threads"; "1" ]
            [ "--filters"; "2" ]
            [ "--validate-every"; "0" ]
            [ "--out"; output ]
        ]
        changes

let private succeed (arguments: string list) =
    let outcome = Imaml.run arguments

    if outcome.ExitCode <> 0 then
        failtest $"exit code {outcome.ExitCode}: {outcome.Errors}"

    outcome

let private diagnose run (changes: string list) =
    "diagnose"
    :: run
    :: changed
        [
            [ "--tasks"; "4" ]
            [ "--reference-tasks"; "2" ]
            [ "--lanczos-steps"; "8" ]
            [ "--threads"; "1" ]
        ]
        changes

let private states (json: string) =
    use document = JsonDocument.Parse json
    document.RootElement.GetProperty("states").GetRawText()

let private refused exitCode line (arguments: string list) =
    let outcome = Imaml.run arguments
    outcome.Line |> should haveSubstring line
    outcome.ExitCode |> should equal exitCode
    outcome.Output |> should be EmptyString

let private names (paths: string[]) = paths |> Array.map (fun path -> FileInfo(path).Name) |> Array.sort
let private kept run = Directory.GetFiles(run, "checkpoint-0*.bin") |> names

/// The bytes of θ and Adam's moments: a checkpoint without its header, which holds wall seconds, and its hash.
let private state (path: string) =
    let bytes = File.ReadAllBytes path
    bytes[12 + BitConverter.ToInt32(bytes, 8) .. bytes.Length - 33]

let private withRun (changes: string list) (body: string -> unit) =
    inFolder (fun folder ->
        let run = Path.Combine(folder, "run")
        succeed (train changes run) |> ignore
        body run)

[<Tests>]
let tests =
    testList
        "Diagnose"
        [
            testCase "train keeps the state of every N meta-steps, each as a run of so many steps leaves it" (fun () ->
                let constant = [ "--outer-schedule"; "constant" ]

                withRun (constant @ [ "--keep-every"; "2" ]) (fun run ->
                    kept run
                    |> should equal [| "checkpoint-000002.bin"; "checkpoint-000004.bin"; "checkpoint-000006.bin" |]

                    state (Path.Combine(run, "checkpoint-000006.bin")) = state (Path.Combine(run, "checkpoint.bin"))
                    |> should equal true

                    withRun (constant @ [ "--meta-steps"; "4" ]) (fun shorter ->
                        state (Path.Combine(run, "checkpoint-000004.bin")) = state (Path.Combine(shorter, "checkpoint.bin"))
                        |> should equal true

                        kept shorter |> should be Empty)))

            testCase "a run that was stopped makes up for a state that it did not come to keep" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    let arguments = train [ "--keep-every"; "6" ] run
                    succeed arguments |> ignore
                    // As if it had been killed between the last checkpoint and the state that is kept of it.
                    File.Delete(Path.Combine(run, "checkpoint-000006.bin"))
                    File.Delete(Path.Combine(run, "training.json"))
                    succeed arguments |> ignore
                    kept run |> should equal [| "checkpoint-000006.bin" |]))

            testCase "diagnose shows every state, and writes JSON, CSV and pictures" (fun () ->
                withRun [ "--keep-every"; "3" ] (fun run ->
                    let outcome = succeed (diagnose run [ "--reference-tasks"; "1" ])

                    outcome.Output
                    |> says
                        [
                            "after 0 meta-steps"
                            "after 3 meta-steps"
                            "after 6 meta-steps"
                            "G not convex at φ"
                            "written to"
                        ]

                    outcome.Output |> should not' (haveSubstring "\027")
                    let folder = Path.Combine(run, "diagnosis")

                    Directory.GetFiles folder
                    |> names
                    |> should
                        equal
                        [|
                            "diagnosis-curvature.pdf"
                            "diagnosis-curvature.png"
                            "diagnosis-curvature.svg"
                            "diagnosis-errors.csv"
                            "diagnosis-gradients.pdf"
                            "diagnosis-gradients.png"
                            "diagnosis-gradients.svg"
                            "diagnosis-tasks.csv"
                            "diagnosis.json"
                            "state-000000.json"
                            "state-000003.json"
                            "state-000006.json"
                        |]

                    // From the file alone they are the same pictures.
                    let pictures () = [ for path in Directory.GetFiles(folder, "*.png") -> File.ReadAllBytes path ]
                    let drawn = pictures ()
                    Directory.GetFiles(folder, "*.png") |> Array.iter File.Delete
                    (Imaml.run [ "redraw"; folder ]).ExitCode |> should equal 0
                    pictures () |> should equal drawn

                    use document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "diagnosis.json")))
                    let states = document.RootElement.GetProperty "states"

                    [ for one in states.EnumerateArray() -> one.GetProperty("metaStep").GetInt32() ]
                    |> should equal [ 0; 3; 6 ]

                    string (document.RootElement.GetProperty("options").GetProperty "part") |> should equal "validation"
                    let lines = File.ReadAllLines(Path.Combine(folder, "diagnosis-tasks.csv"))
                    lines.Length |> should equal (1 + 3 * 4)

                    for line in lines do
                        (line.Split ',').Length |> should equal (lines[0].Split ',').Length

                    // Three states, five inner budgets (3, 4, 16, 64, exact), six linear ones (2 is among them).
                    File.ReadAllLines(Path.Combine(folder, "diagnosis-errors.csv")).Length
                    |> should equal (1 + 3 * 5 * 6)))

            testCase "a run without kept states has its first and its last, and --json prints the file" (fun () ->
                withRun [] (fun run ->
                    let out = Path.Combine(run, "elsewhere")

                    let outcome =
                        succeed (diagnose run [ "--tasks"; "2"; "--reference-tasks"; "1"; "--json"; "--out"; out ])

                    outcome.Output.Trim() |> should equal (File.ReadAllText(Path.Combine(out, "diagnosis.json")).Trim())
                    use document = JsonDocument.Parse outcome.Output

                    [
                        for one in document.RootElement.GetProperty("states").EnumerateArray() -> one.GetProperty("metaStep").GetInt32()
                    ]
                    |> should equal [ 0; 6 ]

                    // The same numbers again, from the states that are there, measured anew where one is damaged.
                    let first = Path.Combine(out, "state-000000.json")
                    let before = File.ReadAllText first
                    File.WriteAllText(first, before[.. before.Length / 2])
                    let again = succeed (diagnose run [ "--tasks"; "2"; "--reference-tasks"; "1"; "--json"; "--out"; out ])
                    again.Output |> should equal outcome.Output
                    File.ReadAllText first |> should equal before

                    // Other options measure others, and replace nothing; neither do fewer states. A state without figures is none.
                    let by folder more = diagnose run ([ "--tasks"; "2"; "--reference-tasks"; "1"; "--json"; "--out"; folder ] @ more)

                    let seeded folder = by folder [ "--seed"; "1" ]
                    File.WriteAllText(Path.Combine(out, "state-000003.json"), "{}")
                    refused 1 "holds a diagnosis with other options (seed " (seeded out)
                    refused 1 "holds a diagnosis of the states 0 too" (by out [ "--states"; "6" ])

                    for file in Directory.GetFiles(out, "state-*.json") do
                        File.Delete file

                    refused 1 "holds a diagnosis with other options (seed " (seeded out)
                    let other = succeed (seeded (out + "-other"))
                    states other.Output |> should not' (equal (states outcome.Output))))

            testCase "--states chooses; one that was not kept is refused with those that are there" (fun () ->
                withRun [ "--keep-every"; "3" ] (fun run ->
                    let outcome = succeed (diagnose run [ "--states"; "3"; "--reference-tasks"; "0" ])
                    outcome.Output |> should not' (haveSubstring "after 0 meta-steps")
                    refused 2 "--states 5: the run has kept the states 0, 3, 6" (diagnose run [ "--states"; "3"; "5" ])))

            testCase "bad input: one line each, and nothing is written" (fun () ->
                withRun [ "--keep-every"; "3" ] (fun run ->
                    let absent = Path.Combine(run, "absent")
                    refused 2 "there is no folder" (diagnose absent [])
                    Directory.CreateDirectory absent |> ignore
                    refused 1 "there is no checkpoint" (diagnose absent [])
                    refused 2 "--tasks must be at least 1, not 0" [ "diagnose"; run; "--tasks"; "0" ]
                    refused 2 "--lanczos-steps must be at least 2, not 1" [ "diagnose"; run; "--lanczos-steps"; "1" ]
                    refused 2 "--part: test is not one of validation, train" (diagnose run [ "--part"; "test" ])
                    let middle = Path.Combine(run, "checkpoint-000003.bin")
                    let whole = File.ReadAllBytes middle
                    File.WriteAllBytes(middle, whole[.. whole.Length / 2])
                    refused 1 "is cut off or damaged" (diagnose run [])
                    File.Copy(Path.Combine(run, "checkpoint.bin"), middle, true)
                    refused 1 "holds a state of meta-step 6" (diagnose run [])

                    withRun [ "--filters"; "3" ] (fun other ->
                        File.Copy(Path.Combine(other, "checkpoint.bin"), middle, true)
                        refused 1 "holds a state of another experiment (network.filters 2 → 3)" (diagnose run []))

                    Directory.Exists(Path.Combine(run, "diagnosis")) |> should equal false))

            testCase "figures of adapted networks that are not finite are not to be used: exit code 1, and the files count them" (fun () ->
                withRun [ "--meta-steps"; "1" ] (fun run ->
                    let given = ExperimentFile.Read(Path.Combine(run, "run.json"))

                    // A step of 1e38 on (λ/2)‖φ − θ‖² leaves the range of double precision in nine steps.
                    let diverging =
                        Experiment(
                            given.Tasks,
                            given.Network,
                            ImplicitMaml(Inner.GradientDescent(20, Nullable 1e38), 2.0, Adjoint.ConjugateGradients 2),
                            given.Outer,
                            given.Budget,
                            given.Seed
                        )

                    LibTorchLoader.EnsureLoaded() |> ignore
                    let struct (tasks, model) = diverging.Open()
                    let problem = LearningProblem.Of(tasks, model)
                    use first = MetaLearner.Create(diverging.Plan, problem, 1)
                    use learner = MetaLearner.Trained(diverging.Plan, problem, 1, 1, first.Theta.clone (), null)
                    Checkpoint.Write(Path.Combine(run, "checkpoint.bin"), diverging, 1.0, learner)
                    let outcome = Imaml.run (diagnose run [ "--reference-tasks"; "0" ])
                    outcome.ExitCode |> should equal 1
                    outcome.Errors |> should haveSubstring "not to be used: 4 of 4 tasks after 0 meta-steps"
                    outcome.Output |> says [ "no accuracy"; "inner solves: 4 non finite" ]
                    use document = JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "diagnosis", "diagnosis.json")))
                    let state = document.RootElement.GetProperty("states")[0]
                    state.GetProperty("notFinite").GetInt32() |> should equal 4
                    state.GetProperty("inner").GetProperty("non-finite").GetInt32() |> should equal 4))

            testCase "a run without validation classes is diagnosed on training classes" (fun () ->
                withRun [ "--validation-classes"; "0" ] (fun run ->
                    refused 2 "the run has no validation classes" (diagnose run [ "--part"; "validation" ])
                    let outcome = succeed (diagnose run [ "--json"; "--states"; "6"; "--reference-tasks"; "0" ])
                    outcome.Output |> should haveSubstring "\"part\": \"train\""))
        ]
