/// Problem files: hostile ones get one line, and an answer that is called good is finite.
module Imaml.Cli.Tests.FuzzTests

open System
open System.Text
open System.Threading
open Expecto
open Imaml.Cli.Problems
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
        ]
