/// Problem files: what is read from good ones, and the one line that every bad one gets.
module Imaml.Cli.Tests.ProblemFileTests

open System
open System.IO
open System.Text
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Cli
open Imaml.Cli.Problems
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private parse (text: string) = ProblemFile.Parse(ReadOnlyMemory(Encoding.UTF8.GetBytes text)) |> Seq.exactlyOne

let private refusal body =
    try
        body () |> ignore
        failtest "nothing was refused"
    with
    | :? ProblemFileException
    | :? IOException as e -> e.Message

let private quadratic =
    """{"inner": {"kind": "quadratic", "A": [[2, 1], [1, 3]], "b": [1, -1], "c": 4},
 "outer": {"kind": "quadratic", "A": [[1, 0], [0, 1]], "b": [0.5, 0]},
 "theta": [1, 2],
 "regularizer": {"kind": "scalar", "lambda": 2.0}}"""

let private examples kind =
    $"""{{"inner": {{"kind": "{kind}", "X": [[1, 2], [3, 4], [5, 6]], "y": [0, 1, 1]}},
 "outer": {{"kind": "{kind}", "X": [[1, 0]], "y": [1]}},
 "theta": [0, 0],
 "regularizer": {{"kind": "diagonal", "lambda": [1, 2]}}}}"""

let private perceptron loss y =
    $"""{{"inner": {{"kind": "mlp", "layers": [1, 1, 2], "activation": "tanh", "loss": "{loss}", "X": [[1], [2]], "y": {y}}},
 "outer": {{"kind": "quadratic", "A": [[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]], "b": [0, 0, 0, 0, 0, 0]}},
 "theta": [1, 2, 3, 4, 5, 6],
 "regularizer": {{"kind": "scalar", "lambda": 1}}}}"""

let private full =
    quadratic.Replace("""{"kind": "scalar", "lambda": 2.0}""", """{"kind": "matrix", "lambda": [[2, 1], [1, 2]]}""")

let private several =
    """{"tasks": [{"inner": {"kind": "quadratic", "A": [[2]], "b": [1]}, "outer": {"kind": "quadratic", "A": [[1]], "b": [0]}}],
 "theta": [1], "regularizer": {"kind": "scalar", "lambda": 2.0}}"""

let private classes = perceptron "cross-entropy" "[0, 1]"

/// A good file, a piece of it, what stands there in the bad one, and the line about it.
let private bad: (string * string * string * string) list =
    [
        // Not JSON.
        quadratic, quadratic, "", "the file is empty"
        quadratic, "[1, -1]", "[1, NaN]", "inner.b[1]: NaN is not a number that JSON has (line 1, column 65)"
        quadratic, "[1, -1]", "[1, -Infinity]", "inner.b[1]: -Infinity is not a number that JSON has (line 1, column 65)"
        quadratic, "2.0", "inf", "regularizer.lambda: inf is not a number that JSON has (line 4, column 46)"
        quadratic, "[1, 2]", "[1, 2,]", "theta[2]: a comma before ] is not JSON (line 3, column 17)"
        quadratic, "2.0}", "2.0,}", "regularizer: a comma before } is not JSON (line 4, column 50)"
        quadratic, "\"theta\"", "// θ\n\"theta\"", "JSON has no comments (line 3, column 2)"
        quadratic, "\"theta\"", "'theta'", "JSON's quotation marks are double ones (line 3, column 2)"
        quadratic, "[1, 2]", "[1 2]", "theta[1]: 2 is not JSON (line 3, column 14)"
        quadratic, "[1, 2]", "[1; 2]", "theta[0]: ';' is not JSON here (line 3, column 13)"
        quadratic, "[1, 2]", "[1, +2]", "theta[1]: +2 is not JSON (line 3, column 15)"
        quadratic, "[1, 2]", "[1, .5]", "theta[1]: .5 is not JSON (line 3, column 15)"
        quadratic, "[1, 2]", "[1, 02]", "theta[1]: 02 is not JSON (line 3, column 15)"
        quadratic, "[1, 2]", "[1, True]", "theta[1]: True is not JSON (line 3, column 15)"
        quadratic, "2.0}}", "2.0}", "the file ends too early (line 4, column 50)"
        quadratic, "2.0}}", "2.0}}]", "more text after the end of the problem (line 4, column 51)"
        quadratic,
        "[1, 2]",
        String('[', 100) + String(']', 100),
        "theta" + String.replicate 63 "[0]" + ": nested more than 64 deep (line 3, column 74)"
        // Shapes of JSON.
        quadratic, quadratic, "[1]", "must be an object, not an array"
        quadratic, quadratic, "7", "must be an object, not 7"
        quadratic, "[1, 2]", "5", "theta: must be an array of numbers, not 5"
        quadratic, "[1, 2]", "[]", "theta: must have at least one number"
        quadratic, "[1, 2]", "[1, null]", "theta[1]: must be a number, not null"
        quadratic, "[1, 2]", "[1, \"2\"]", "theta[1]: must be a number, not \"2\""
        quadratic, "[1, 2]", "[1, [2]]", "theta[1]: must be a number, not an array"
        quadratic, "[1, 2]", "[1, 1e999]", "theta[1]: 1e999 is too large for a number in double precision"
        quadratic, "[1, 2]", "[-1e400, 1]", "theta[0]: -1e400 is too large for a number in double precision"
        quadratic, "2.0", "1e999", "regularizer.lambda: 1e999 is too large for a number in double precision"
        quadratic, "[2, 1]", "[2, {}]", "inner.A[0][1]: must be a number, not an object"
        quadratic, "4}", "true}", "inner.c: must be a number, not true"
        quadratic, "[[2, 1], [1, 3]]", "[2, 1]", "inner.A[0]: must be an array of numbers, not 2"
        quadratic, "[[2, 1], [1, 3]]", "{}", "inner.A: must be an array of rows, not an object"
        quadratic, "[[2, 1], [1, 3]]", "[]", "inner.A: must have at least one row"
        quadratic, "[[2, 1], [1, 3]]", "[[], []]", "inner.A[0]: must have at least one number"
        quadratic, "[1, 3]", "[1, 3, 5]", "inner.A[1]: 3 numbers, but inner.A[0] has 2: all rows must be equally long"
        // Properties.
        quadratic, "\"theta\": [1, 2],", "", "theta: missing"
        quadratic, ", \"b\": [1, -1]", "", "inner.b: missing"
        quadratic, "\"kind\": \"scalar\", ", "", "regularizer.kind: missing; known: scalar, diagonal, matrix"
        quadratic, "\"lambda\"", "\"lamda\"", "regularizer.lamda: unknown property (did you mean lambda?); known: kind, lambda"
        quadratic, "\"c\"", "\"C\"", "inner.C: unknown property (did you mean c?); known: kind, A, b, c"
        quadratic, "\"c\"", "\"a b\\n\"", "inner[\"a b\uFFFD\"]: unknown property; known: kind, A, b, c"
        quadratic,
        "\"theta\"",
        "\"seed\": 1, \"theta\"",
        "seed: unknown property; known: inner, outer, theta, regularizer, parameters, phi, metaGradient"
        quadratic, "\"theta\"", "\"theta\": [1], \"theta\"", "theta: given twice"
        quadratic, "\"c\": 4", "\"b\": [0, 0]", "inner.b: given twice"
        quadratic, "\"c\"", "\"\\ud800\"", "inner: a name that is not text"
        quadratic, "\"scalar\"", "\"\\ud800\"", "regularizer.kind: a string that is not text"
        quadratic,
        "\"scalar\"",
        "\"scaler\"",
        "regularizer.kind: unknown: \"scaler\" (did you mean scalar?); known: scalar, diagonal, matrix"
        quadratic,
        "{\"kind\": \"quadratic\", \"A\": [[2",
        "{\"kind\": \"linear\", \"A\": [[2",
        "inner.kind: unknown: \"linear\"; known: quadratic, least-squares, logistic, softmax, mlp"
        quadratic, "\"scalar\"", "3", "regularizer.kind: must be one of \"scalar\", \"diagonal\", \"matrix\", not 3"
        // Several tasks.
        several, several.Substring(10, several.IndexOf("],\n") - 9), "[]", "tasks: must have at least one element"
        several, several.Substring(10, several.IndexOf("],\n") - 9), "[1]", "tasks[0]: must be an object, not 1"
        several, "\"outer\"", "\"other\"", "tasks[0].other: unknown property (did you mean outer?); known: inner, outer, phi, metaGradient"
        several, "\"theta\"", "\"inner\": 1, \"theta\"", "inner: unknown property; known: tasks, theta, regularizer, parameters"
        several, "[[2]]", "[[2, 1]]", "tasks[0].inner.A: 1 × 2, but must be square"
        // Quadratics.
        quadratic, "[[2, 1], [1, 3]]", "[[2, 1]]", "inner.A: 1 × 2, but must be square"
        quadratic, "[[2, 1], [1, 3]]", "[[2]]", "inner.A: 1 × 1, but theta has 2 numbers"
        quadratic, "[[1, 0], [0, 1]]", "[[1, 0, 0], [0, 1, 0], [0, 0, 1]]", "outer.A: 3 × 3, but theta has 2 numbers"
        quadratic, "[2, 1]", "[2, 1.5]", "inner.A[0][1]: 1.5, but inner.A[1][0] is 1: the matrix must be symmetric"
        quadratic, "[1, -1]", "[1, -1, 0]", "inner.b: 3 numbers, but inner.A is 2 × 2"
        quadratic, "[1, 2]", "[1]", "inner.A: 2 × 2, but theta has 1 number"
        // Λ.
        quadratic, "2.0", "0", "regularizer.lambda: must be greater than 0, not 0"
        quadratic, "2.0", "-0.5", "regularizer.lambda: must be greater than 0, not -0.5"
        quadratic, "2.0", "[2, 2]", "regularizer.lambda: must be a number, not an array"
        examples "logistic", "[1, 2]}}", "[1, 0.0]}}", "regularizer.lambda[1]: must be greater than 0, not 0"
        examples "logistic", "[1, 2]}}", "[1, 2, 3]}}", "regularizer.lambda: 3 numbers, but theta has 2"
        full, "[[2, 1], [1, 2]]", "[[1, 2], [2, 1]]", "regularizer.lambda: must be positive definite, but its smallest eigenvalue is -1"
        full,
        "[[2, 1], [1, 2]]",
        "[[2, 1], [0.9, 2]]",
        "regularizer.lambda[0][1]: 1, but regularizer.lambda[1][0] is 0.9: the matrix must be symmetric"
        full, "[[2, 1], [1, 2]]", "[[2]]", "regularizer.lambda: 1 × 1, but theta has 2 numbers"
        full,
        "[[2, 1], [1, 2]]",
        "[[1e-30, 0], [0, 1]]",
        "regularizer.lambda: must be positive definite, but its smallest eigenvalue is 1E-30, too small compared with its largest, 1"
        full, "[[2, 1], [1, 2]]", "[[1e200, 0], [0, 1]]", "regularizer.lambda: numbers so large that their squares overflow"
        // Examples.
        examples "least-squares", "[3, 4]", "[3]", "inner.X[1]: 1 number, but inner.X[0] has 2: all rows must be equally long"
        examples "least-squares", "[0, 1, 1]", "[0, 1]", "inner.y: 2 numbers, but inner.X is 3 × 2: one for each row"
        examples "least-squares", "[[1, 0]]", "[[1]]", "outer.X: 1 × 1, but theta has 2 numbers: one column for each"
        examples "least-squares", "[[1, 0]]", "[]", "outer.X: must have at least one row"
        examples "logistic", "[0, 1, 1]", "[0, 1, 2]", "inner.y[2]: a label must be 0 or 1, not 2"
        examples "logistic", "[0, 1, 1]", "[-1, 1, 1]", "inner.y[0]: a label must be 0 or 1, not -1"
        // Networks.
        classes, "[1, 1, 2]", "[2]", "inner.layers: must have at least 2 widths: inputs, hidden layers if any, outputs"
        classes, "[1, 1, 2]", "[1, 0, 2]", "inner.layers[1]: must be a whole number from 1 on, not 0"
        classes, "[1, 1, 2]", "[1, 1.5, 2]", "inner.layers[1]: must be a whole number from 1 on, not 1.5"
        classes, "[1, 1, 2]", "[1, 2, 2]", "inner.layers: [1, 2, 2] has 10 parameters, but theta has 6 numbers"
        classes,
        "[1, 1, 2]",
        "[1, 2147483647, 2147483647]",
        "inner.layers: [1, 2147483647, 2147483647] has 4611686020574871552 parameters, but theta has 6 numbers"
        classes, "\"tanh\"", "\"gelu\"", "inner.activation: unknown: \"gelu\" (did you mean relu?); known: tanh, relu, softplus, identity"
        classes, "\"cross-entropy\"", "\"hinge\"", "inner.loss: unknown: \"hinge\"; known: cross-entropy, mse"
        classes, "[[1], [2]]", "[[1, 2], [3, 4]]", "inner.X: 2 × 2, but inner.layers[0] is 1: one column for each input"
        classes, "\"y\": [0, 1]", "\"y\": [0, 2]", "inner.y[1]: a class must be a whole number from 0 to 1, not 2"
        classes, "\"y\": [0, 1]", "\"y\": [0.5, 1]", "inner.y[0]: a class must be a whole number from 0 to 1, not 0.5"
        classes, "\"y\": [0, 1]", "\"y\": [0]", "inner.y: 1 row, but inner.X is 2 × 1: one for each row"
        classes, "\"y\": [0, 1]", "\"y\": [[1, 0], [1, 1]]", "inner.y[1]: must have a single 1, for its class, not 2"
        classes,
        "\"y\": [0, 1]",
        "\"y\": [[1, 0], [0.5, 0.5]]",
        "inner.y[1][0]: must be 0 or 1, not 0.5: a row has a single 1, for its class"
        classes, "\"y\": [0, 1]", "\"y\": [[1, 0, 0], [0, 1, 0]]", "inner.y: 2 × 3, but inner.layers has 2 outputs: one column for each"
        perceptron "mse" "[[1, 0], [0, 1]]", ", \"y\": [[1, 0], [0, 1]]", "", "inner.y: missing"
        perceptron "mse" "[1, 2]", "\"mse\"", "\"mse\"", "inner.y: 2 × 1, but inner.layers has 2 outputs: one column for each"
        classes, "[1, 1, 2]", "[1, 2, 1]", "inner.layers: [1, 2, 1] has 7 parameters, but theta has 6 numbers"
        classes, "[1, 1, 2]", "[1, 1]", "inner.layers: [1, 1] has 2 parameters, but theta has 6 numbers"
        classes, "[1, 1, 2]", "[5, 1]", "inner.layers[1]: cross-entropy needs at least 2 outputs, not 1"
    ]

let private badFiles =
    testList
        "Bad files"
        [
            for good, piece, instead, line in bad do
                testCase line (fun () ->
                    good.Contains piece |> should equal true
                    let position = good.IndexOf(piece, StringComparison.Ordinal)
                    let text = good.Remove(position, piece.Length).Insert(position, instead)
                    refusal (fun () -> parse text) |> should equal line)

            testCase "white space alone is an empty file" (fun () -> refusal (fun () -> parse " \n ") |> should equal "the file is empty")

            testCase "columns count characters, not bytes" (fun () ->
                refusal (fun () -> parse "{\"θθθ\": x}")
                |> should equal "[\"θθθ\"]: x is not JSON (line 1, column 9)")

            testCase "other encodings than UTF-8" (fun () ->
                let utf16 = Encoding.Unicode.GetBytes("\uFEFF" + quadratic)

                refusal (fun () -> ProblemFile.Parse(ReadOnlyMemory utf16))
                |> should equal "the file is not text in UTF-8")

            testCase "what is long is cut" (fun () ->
                let line =
                    refusal (fun () -> parse (quadratic.Replace("\"scalar\"", "\"" + String('x', 100_000) + "\"")))

                line.Length |> should be (lessThan 150)
                let line = refusal (fun () -> parse (quadratic.Replace("\"c\"", "\"" + String('x', 100_000) + "\"")))
                line.Length |> should be (lessThan 150)
                let line = refusal (fun () -> parse (quadratic.Replace("[1, 2]", "[" + String('9', 100_000) + "]")))
                line.Length |> should be (lessThan 150))

            testCase "every cut of a good file is refused in one line" (fun () ->
                for length in 0 .. quadratic.Length - 1 do
                    let line = refusal (fun () -> parse (quadratic.Substring(0, length)))
                    line.Contains '\n' |> should equal false)

            testCase "every changed character is either read or refused in one line" (fun () ->
                for text in [ quadratic; examples "logistic"; full; classes ] do
                    for i in 0 .. text.Length - 1 do
                        for character in "0-.e\"[]{},:\\/n\n\u0000" do
                            try
                                parse (text.Remove(i, 1).Insert(i, string character)) |> ignore
                            with :? ProblemFileException as e ->
                                e.Message.Contains '\n' |> should equal false)

            testCase "numbers near the ends of the range are read or refused in one line" (fun () ->
                for number in [ "1.7e308"; "-1.7e308"; "1e-308"; "5e-324"; "-0.0"; "1e154"; "1e-162" ] do
                    for text in
                        [
                            quadratic
                            examples "logistic"
                            examples "least-squares"
                            full
                            classes
                            perceptron "mse" "[[0, 1], [1, 0]]"
                        ] do
                        for digit in "123456" do
                            try
                                parse (text.Replace(string digit, number)) |> ignore
                            with :? ProblemFileException as e ->
                                e.Message.Contains '\n' |> should equal false)

            testCase "a file that is missing, a folder, or may not be read" (fun () ->
                inFolder (fun folder ->
                    let missing = Path.Combine(folder, "no.json")
                    refusal (fun () -> ProblemFile.Read missing) |> should equal $"there is no file {missing}"

                    refusal (fun () -> ProblemFile.Read(Path.Combine(missing, "a.json")))
                    |> should startWith "there is no file "

                    refusal (fun () -> ProblemFile.Read folder) |> should equal $"{folder} is a folder, not a file"

                    refusal (fun () -> ProblemFile.Read "") |> should equal "there is no file "
                    let locked = Path.Combine(folder, "locked.json")
                    File.WriteAllText(locked, quadratic)

                    // On Unix; root may read everything.
                    if not (OperatingSystem.IsWindows()) && Environment.UserName <> "root" then
                        File.SetUnixFileMode(locked, UnixFileMode.None)
                        refusal (fun () -> ProblemFile.Read locked) |> should startWith $"{locked} cannot be read"))

            testCase "the program's line names the file, and its exit code is 2" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "p.json")
                    File.WriteAllText(path, quadratic.Replace("2.0", "0"))

                    try
                        ProblemFile.Read path |> ignore
                        failtest "not refused"
                    with :? ProblemFileException as e ->
                        match Failure.Of e with
                        | null -> failtest "no failure"
                        | failure ->
                            failure.ExitCode |> should equal 2
                            failure.Message |> should equal $"{path}: regularizer.lambda: must be greater than 0, not 0"))
        ]

let private sample name =
    ProblemFile.Read(Path.Combine(AppContext.BaseDirectory, "samples", "problems", name))
    |> Seq.exactlyOne

let private goodFiles =
    testList
        "Good files"
        [
            testCase "a quadratic is read as it is written" (fun () ->
                let problem = parse quadratic
                let zero = Vector<float>.Build.Dense 2
                problem.Task.Theta.ToArray() |> should equal [| 1.0; 2.0 |]
                problem.Task.Inner.Value zero |> should equal 4.0
                (problem.Task.Inner.Gradient zero).ToArray() |> should equal [| 1.0; -1.0 |]
                (problem.Task.Inner.Hessian zero).ToRowArrays() |> should equal [| [| 2.0; 1.0 |]; [| 1.0; 3.0 |] |]
                // c may be left out.
                problem.Task.Outer.Value zero |> should equal 0.0

                (problem.InnerKind, problem.OuterKind, problem.RegularizerKind)
                |> should equal ("quadratic", "quadratic", "scalar")

                match problem.Task.Proximal with
                | Proximal.Scalar lambda -> lambda |> should equal 2.0
                | _ -> failtest "another Λ")

            testCase "least squares and logistic regression are those of the data" (fun () ->
                let x = Matrix<float>.Build.DenseOfRowArrays [| [| 1.0; 2.0 |]; [| 3.0; 4.0 |]; [| 5.0; 6.0 |] |]
                let y = Vector<float>.Build.DenseOfArray [| 0.0; 1.0; 1.0 |]
                let phi = Vector<float>.Build.DenseOfArray [| 0.3; -0.2 |]
                let inner kind = (parse (examples kind)).Task.Inner
                (inner "least-squares").Value phi |> should equal ((LinearRegression.loss x y).Value phi)
                (inner "logistic").Value phi |> should equal ((LogisticRegression.loss x y).Value phi)

                match (parse (examples "logistic")).Task.Proximal with
                | Proximal.Diagonal lambdas -> lambdas.ToArray() |> should equal [| 1.0; 2.0 |]
                | _ -> failtest "another Λ")

            testCase "networks take classes, rows with a single 1, and numbers" (fun () ->
                let value loss y =
                    let task = (parse (perceptron loss y)).Task
                    task.Inner.Value task.Theta

                value "cross-entropy" "[0, 1]" |> should equal (value "cross-entropy" "[[1, 0], [0, 1]]")
                value "cross-entropy" "[1, 1]" |> should not' (equal (value "cross-entropy" "[0, 1]"))

                // Hidden units f(1·1 + 2) = f(3) and f(4), outputs 3f + 5 and 4f + 6.
                for name, f in
                    [
                        "tanh", tanh
                        "relu", max 0.0
                        "softplus", (fun z -> log (1.0 + exp z))
                        "identity", id
                    ] do
                    let a, b = f 3.0, f 4.0
                    let errors = [ 3.0 * a + 5.0 - 1.0; 4.0 * a + 6.0; 3.0 * b + 5.0; 4.0 * b + 6.0 - 1.0 ]
                    let task = (parse ((perceptron "mse" "[[1, 0], [0, 1]]").Replace("tanh", name))).Task
                    let expected = (errors |> List.sumBy (fun e -> e * e)) / 4.0
                    Expect.floatClose Accuracy.veryHigh (task.Inner.Value task.Theta) expected name

                // A hidden unit below zero distinguishes relu from the identity: f(−1 + 2·0) with w₁ = −1, b₁ = 0.
                let negative name =
                    let text = (perceptron "mse" "[[1, 0], [0, 1]]").Replace("tanh", name).Replace("[1, 2, 3", "[-1, 0, 3")
                    let task = (parse text).Task
                    task.Inner.Value task.Theta

                negative "relu" |> should not' (equal (negative "identity"))

                // With one output a list of numbers will do.
                let single =
                    (perceptron "mse" "[0, 1]").Replace("[1, 1, 2]", "[5, 1]").Replace("[[1], [2]]", "[[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]")

                let task = (parse single).Task
                // 1 + 6 and 2 + 6 − 1.
                task.Inner.Value task.Theta |> should equal 49.0)

            testCase "a matrix that is symmetric up to printing is made symmetric" (fun () ->
                let text = quadratic.Replace("[2, 1]", "[2, 1.000000000001]")
                let h = (parse text).Task.Inner.Hessian(Vector<float>.Build.Dense 2)
                h[0, 1] |> should equal h[1, 0]
                h[0, 1] |> should be (greaterThan 1.0)
                // The line is drawn at 1e-12 of the largest entry, 3.
                refusal (fun () -> parse (quadratic.Replace("[2, 1]", "[2, 1.00000000001]")))
                |> should startWith "inner.A[0][1]: 1.00000000001")

            testCase "a byte order mark is skipped" (fun () ->
                let bytes = Array.append (Encoding.UTF8.GetPreamble()) (Encoding.UTF8.GetBytes quadratic)
                (ProblemFile.Parse(ReadOnlyMemory bytes)).[0].Task.Theta.Count |> should equal 2)

            testCase "inner and outer may be of different kinds, and indefinite" (fun () ->
                let text =
                    (examples "logistic")
                        .Replace(
                            """{"kind": "logistic", "X": [[1, 0]], "y": [1]}""",
                            """{"kind": "quadratic", "A": [[-1, 2], [2, -1]], "b": [0, 0]}"""
                        )

                let problem = parse text
                (problem.InnerKind, problem.OuterKind) |> should equal ("logistic", "quadratic"))

            testCase "a large file is read" (fun () ->
                let random = Random 1
                let row () = String.Join(",", Seq.init 200 (fun _ -> random.NextDouble().ToString "R"))
                let rows = String.Join("],[", Seq.init 3000 (fun _ -> row ()))
                let y = String.Join(",", Seq.init 3000 (fun _ -> string (random.Next 2)))
                let loss = $"{{\"kind\":\"logistic\",\"X\":[[{rows}]],\"y\":[{y}]}}"
                let theta = String.Join(",", Seq.replicate 200 "0")

                let problem =
                    parse $"{{\"inner\":{loss},\"outer\":{loss},\"theta\":[{theta}],\"regularizer\":{{\"kind\":\"scalar\",\"lambda\":1}}}}"

                problem.Task.Theta.Count |> should equal 200)

            testCase "the samples are good, and are what their names say" (fun () ->
                for name in [ "ridge.json"; "logistic.json"; "hyper-cleaning.json"; "own-answer.json" ] do
                    let task = (sample name).Task
                    (BilevelTask.constants task).Kind |> should equal BoundKind.Certified
                    let phi = BilevelTask.exactSolution task task.Theta
                    (Stationarity.at task task.Theta phi).IsMinimum |> should equal true

                let indefinite = (sample "indefinite.json").Task
                (BilevelTask.constants indefinite).Kind |> should equal BoundKind.None
                (BilevelTask.constants indefinite).StrongConvexity |> should be (lessThan 0.0)
                let perceptron = (sample "perceptron.json").Task
                (BilevelTask.constants perceptron).Kind |> should equal BoundKind.None
                let phi = BilevelTask.exactSolution perceptron perceptron.Theta
                (Stationarity.at perceptron perceptron.Theta phi).IsMinimum |> should equal true)
        ]

[<Tests>]
let tests = testList "Problem files" [ badFiles; goodFiles ]
