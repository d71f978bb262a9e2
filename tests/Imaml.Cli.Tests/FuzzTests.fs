/// Problem files: hostile ones get one line, and an answer that is called good is finite.
module Imaml.Cli.Tests.FuzzTests

open System
open System.IO
open System.Text
open System.Threading
open Expecto
open FsUnit
open Imaml.Cli.Problems
open Imaml.Cli.Reports
open Imaml.Testing
open Imaml.Testing.Fuzzing

let private quadratic =
    """{"inner": {"kind": "quadratic", "A": [[2, 1], [1, 3]], "b": [1, -1], "c": 4},
 "outer": {"kind": "quadratic", "A": [[1, 0], [0, 1]], "b": [0.5, 0]},
 "theta": [1, 2],
 "regularizer": {"kind": "diagonal", "lambda": [2.0, 1.5]}}"""

let private perceptron =
    """{"inner": {"kind": "mlp", "layers": [1, 1, 2], "activation": "tanh", "loss": "cross-entropy", "X": [[1], [2]], "y": [0, 1]},
 "outer": {"kind": "logistic", "X": [[1, 0, 0, 0, 0, 0]], "y": [1]},
 "theta": [1, 2, 3, 4, 5, 6],
 "regularizer": {"kind": "scalar", "lambda": 1}}"""

let private weights =
    """{"inner": {"kind": "softmax", "X": [[1], [2]], "y": [0, 1], "classes": 2},
 "outer": {"kind": "logistic", "X": [[1, 0]], "y": [1]},
 "theta": [1, 2],
 "regularizer": {"kind": "scalar", "lambda": 1},
 "parameters": {"kind": "example-weights", "logits": [0, 1]},
 "phi": [1, 2], "metaGradient": [0, 1]}"""

let private request =
    SolveRequest(Method.Implicit, Nullable(), Nullable 3, Nullable 2, Nullable 0.1, Nullable())

let private solve (bytes: byte[]) =
    let problem = ProblemFile.Parse(ReadOnlyMemory bytes)
    let outcome = ProblemSolver.Solve(problem[0], request, CancellationToken.None)

    if outcome.Status = Outcome.Converged || outcome.Status = Outcome.StepLimit then
        Expect.all outcome.Phi _.HasValue "φ is finite"
        Expect.all outcome.MetaGradient _.HasValue "g is finite"

[<Tests>]
let tests =
    testList
        "Fuzzing"
        [
            for name, text in
                [
                    "quadratics", quadratic
                    "networks", perceptron
                    "example weights and an answer", weights
                ] do
                testCase name (fun () ->
                    let known (e: exn) = e :? ProblemFileException || e :? ArgumentException
                    survives true (Encoding.UTF8.GetBytes text) known solve)

            testCase "the files of a run" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")

                    let options =
                        "train --dataset glyphs --ways 2 --shots 1 --queries 1 --filters 2 --algorithm imaml-gd --lambda 2 --inner-steps 1 --cg-steps 1 --meta-steps 4 --meta-batch 1 --validate-every 2 --validation-episodes 2 --seed 1 --threads 1 --out"

                    (Imaml.run ([ yield! options.Split ' '; run ])).ExitCode |> should equal 0
                    (Imaml.run [ "evaluate"; run; "--episodes"; "2" ]).ExitCode |> should equal 0

                    for name in
                        [
                            "run.json"
                            "progress.jsonl"
                            "curve.jsonl"
                            "training.json"
                            "provenance.json"
                            "evaluation-test-episodes2-best.json"
                        ] do
                        let path = Path.Combine(run, name)
                        let good = File.ReadAllBytes path

                        survives true good (fun e -> e :? InvalidDataException) (fun bytes ->
                            File.WriteAllBytes(path, bytes)
                            RunLines.Show(RunContents.Read run, 60) |> Seq.length |> ignore)

                        File.WriteAllBytes(path, good)))
        ]
