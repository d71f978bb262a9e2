/// `imaml solve` with outer variables other than θ, and with someone's own answer.
module Imaml.Cli.Tests.ParametersTests

open System
open System.Globalization
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Cli.Problems
open Imaml.Math
open Imaml.Theory
open Imaml.Cli.Tests.SolveProblems

let private list (numbers: float seq) =
    "["
    + String.Join(", ", numbers |> Seq.map (fun x -> x.ToString("R", CultureInfo.InvariantCulture)))
    + "]"

let private rows (x: Matrix<float>) = "[" + String.Join(", ", x.EnumerateRows() |> Seq.map list) + "]"

let private random = Random 12
let private d, p, classes = 6, 3, 2
let private x, xq = Spectrum.gaussianMatrix random 8 p, Spectrum.gaussianMatrix random 5 p
let private labels count = Vector<float>.Build.Dense(count, fun _ -> float (random.Next classes))
let private y, yq = labels 8, labels 5
let private centre = Spectrum.gaussian random d

let private file (regularizer: string) (more: string) =
    let loss (x: Matrix<float>) (y: Vector<float>) = $"{{\"kind\": \"softmax\", \"X\": {rows x}, \"y\": {list y}, \"classes\": {classes}}}"

    $"{{\"inner\": {loss x y}, \"outer\": {loss xq yq}, \"theta\": {list centre}, \"regularizer\": {regularizer}{more}}}"

let private scalar = "{\"kind\": \"scalar\", \"lambda\": 0.5}"
let private diagonal = "{\"kind\": \"diagonal\", \"lambda\": [0.5, 0.5, 0.2, 1, 1, 1]}"
let private inner, outer = SoftmaxRegression.loss classes x y, SoftmaxRegression.loss classes xq yq
let private z = 2.0 * Spectrum.gaussian random 8
let private b = Spectrum.gaussianMatrix random d 2
let private e = Spectrum.gaussianMatrix random d 2

/// Every kind with the lower level that it is, and z.
let private kinds: (string * string * KnownLowerLevel * Vector<float>) list =
    let proximal = Proximal.Scalar 0.5
    let log (numbers: float list) = (vector (List.toArray numbers)).PointwiseLog()

    [
        "log-lambda",
        file scalar ", \"parameters\": {\"kind\": \"log-lambda\"}",
        LowerLevels.logLambda OneForAll centre inner outer,
        log [ 0.5 ]
        "log-lambda of each",
        file diagonal ", \"parameters\": {\"kind\": \"log-lambda\"}",
        LowerLevels.logLambda OnePerCoordinate centre inner outer,
        log [ 0.5; 0.5; 0.2; 1.0; 1.0; 1.0 ]
        "log-lambda of groups",
        file diagonal ", \"parameters\": {\"kind\": \"log-lambda\", \"groups\": [2, 1, 3]}",
        LowerLevels.logLambda (OnePerLayer [| 2; 1; 3 |]) centre inner outer,
        log [ 0.5; 0.2; 1.0 ]
        "example-weights",
        file scalar $", \"parameters\": {{\"kind\": \"example-weights\", \"logits\": {list z}}}",
        LowerLevels.exampleWeights (Link.Softmax classes) x y outer proximal centre,
        z
        "quadratic",
        file scalar $", \"parameters\": {{\"kind\": \"quadratic\", \"value\": [1, -2], \"cross\": {rows b}, \"outerCross\": {rows e}}}",
        LowerLevels.cross b e inner outer proximal centre,
        vector [| 1.0; -2.0 |]
    ]

let private refusal (text: string) =
    try
        parse text |> ignore
        failtest "nothing was refused"
    with :? ProblemFileException as e ->
        e.Message

[<Tests>]
let tests =
    testList
        "Parameters"
        [
            for name, text, level, z in kinds do
                testCase $"{name}: the gradient of the lower level, to the accuracy, by budgets and by dense solves" (fun () ->
                    let struct (exact, own) = level.ExactGradient(z)
                    // λ and exp(log λ) differ by a rounding.
                    let room = own.Total + 1e-14 * (1.0 + exact.L2Norm())

                    for asked in [ toAccuracy 1e-9; budget 20 3 0.1; request Method.Exact ] do
                        let found = nonNull (solve (parse text) asked).Parameters
                        let error = (values (nonNull found.Gradient) - exact).L2Norm()
                        found.BoundKind |> should equal BoundKind.Certified
                        error |> should be (lessThanOrEqualTo (value found.ErrorBound + room))
                        value found.Error |> should (equalWithin (2.0 * room)) error
                        (values (nonNull found.Exact) - exact).L2Norm() |> should be (lessThanOrEqualTo (2.0 * room))

                        if asked.Accuracy.HasValue then
                            value found.ErrorBound |> should be (lessThanOrEqualTo 1e-9)

                    let without = nonNull (solve (parse text) (steps Method.Fomaml 3 0.1)).Parameters
                    without.Gradient |> isNull |> should equal true
                    without.BoundKind |> should equal BoundKind.None)

                testCase $"{name}: an answer's true error is within its bound, however far it is off" (fun () ->
                    let struct (exact, _) = level.ExactGradient(z)
                    let task = level.Task z
                    let phi = BilevelTask.exactSolution task task.Theta
                    let random = Random 3

                    for off in [ 0.0; 1e-9; 1e-3; 1.0; 1e3 ] do
                        let given = phi + off * Spectrum.direction random d
                        let gradient = exact + off * Spectrum.direction random exact.Count
                        let more = $", \"phi\": {list given}, \"metaGradient\": {list gradient}}}"
                        let answer = nonNull (solve (parse (text.TrimEnd('}') + "}" + more)) (toAccuracy 1e-9)).Answer
                        answer.BoundKind |> should equal BoundKind.Certified
                        value answer.Error |> should be (lessThanOrEqualTo (value answer.ErrorBound))
                        value answer.PhiError |> should be (lessThanOrEqualTo (value answer.InnerError + 1e-14))
                        // Some thousand roundings where the answer is right, 1/µ² and the norms of the cross terms among them.
                        if off = 0.0 then
                            value answer.ErrorBound |> should be (lessThan 1e-10))

            testCase "an answer in θ: bounded by its own u = Λ⁻¹g" (fun () ->
                for seed in 1..5 do
                    for q in quadratics seed 4 10.0 do
                        let random = Random seed
                        let exact = q.Dense * q.M.Solve(q.V q.Solution)

                        for off in [ 0.0; 1e-3; 1.0 ] do
                            let phi, g = q.Solution + off * Spectrum.direction random 4, exact + off * Spectrum.direction random 4
                            let more = $", \"phi\": {list phi}, \"metaGradient\": {list g}}}"

                            let answer =
                                nonNull (solve (parse (q.Text.Substring(0, q.Text.Length - 1) + more)) (toAccuracy 1e-9)).Answer

                            value answer.Error |> should (equalWithin 1e-12) ((g - exact).L2Norm())
                            value answer.Error |> should be (lessThanOrEqualTo (value answer.ErrorBound))
                            // By κ and ‖Λ‖/µ at most above it.
                            value answer.ErrorBound |> should be (lessThan (1e3 * (off + 1e-12))))

            testCase "on a network the bound of the gradient in log λ is an estimate" (fun () ->
                let text =
                    IO.File.ReadAllText(IO.Path.Combine(AppContext.BaseDirectory, "samples", "problems", "perceptron.json"))

                let text = text.TrimEnd().TrimEnd('}') + ", \"parameters\": {\"kind\": \"log-lambda\"}}"
                let found = nonNull (solve (parse text) (toAccuracy 1e-6)).Parameters
                found.BoundKind |> should equal BoundKind.Estimated
                value found.Error |> should be (lessThanOrEqualTo (value found.ErrorBound)))

            testCase "a cross term leaves a network's constants to be measured, in the inner loss and in the outer" (fun () ->
                let network =
                    "{\"kind\": \"mlp\", \"layers\": [1, 1], \"activation\": \"tanh\", \"loss\": \"mse\", \"X\": [[1], [2]], \"y\": [1, 2]}"

                let convex = "{\"kind\": \"least-squares\", \"X\": [[1, 2], [1, -1], [0, 1]], \"y\": [1, 0, 2]}"

                for inner, outer in [ network, convex; convex, network ] do
                    let text =
                        $"{{\"inner\": {inner}, \"outer\": {outer}, \"theta\": [0, 1], \"regularizer\": {scalar}, \"parameters\": "
                        + "{\"kind\": \"quadratic\", \"value\": [0.1, 0.2], \"cross\": [[1, 0], [0, 1]], \"outerCross\": [[1, 1], [0, 1]]}}"

                    let answer = solve (parse text) (toAccuracy 1e-8)
                    let found = nonNull answer.Parameters
                    answer.Status |> should equal Outcome.Converged
                    found.BoundKind |> should equal BoundKind.Estimated
                    // The accuracy is that of g; ∇F is off by no more than some ‖B‖/λ of it.
                    value found.Error |> should be (lessThan 1e-7))

            testCase "numbers that overflow give no bound, and say so" (fun () ->
                let huge =
                    file scalar $", \"phi\": {list [ 1e300; 1.0; 1.0; 1.0; 1.0; 1.0 ]}, \"metaGradient\": {list (Seq.replicate 6 1e308)}"

                let answer = nonNull (solve (parse huge) (toAccuracy 1e-6)).Answer
                answer.BoundKind |> should equal BoundKind.None
                String.IsNullOrEmpty answer.BoundReason |> should equal false)

            testCase "several tasks: the mean of their gradients, in θ and in log λ, and of their bounds" (fun () ->
                let pair (inner: Matrix<float>) labels (outer: Matrix<float>) outerLabels =
                    let loss (x: Matrix<float>) (y: Vector<float>) =
                        $"{{\"kind\": \"softmax\", \"X\": {rows x}, \"y\": {list y}, \"classes\": {classes}}}"

                    $"{{\"inner\": {loss inner labels}, \"outer\": {loss outer outerLabels}}}"

                let text =
                    $"{{\"tasks\": [{pair x y xq yq}, {pair xq yq x y}], \"theta\": {list centre}, \"regularizer\": {scalar}, \"parameters\": {{\"kind\": \"log-lambda\"}}}}"

                let outcomes = [| for problem in parseAll text -> solve problem (toAccuracy 1e-9) |]
                let mean = MeanOutcome.Of outcomes

                let exact (select: KnownLowerLevel -> Vector<float>) =
                    [ struct (inner, outer); struct (outer, inner) ]
                    |> List.map (fun struct (inner, outer) -> select (LowerLevels.logLambda OneForAll centre inner outer))
                    |> List.reduce (+)
                    |> fun sum -> sum / 2.0

                let z = vector [| log 0.5 |]
                let byTheta = exact (fun level -> BilevelTask.exactMetaGradient (level.Task z))

                let byLambda = exact (fun level -> let struct (gradient, _) = level.ExactGradient(z) in gradient)

                let g, h = values (nonNull mean.MetaGradient), values (nonNull mean.ParameterGradient)
                mean.BoundKind |> should equal BoundKind.Certified
                mean.ParameterBoundKind |> should equal BoundKind.Certified
                (g - byTheta).L2Norm() |> should be (lessThanOrEqualTo (value mean.ErrorBound))
                (h - byLambda).L2Norm() |> should be (lessThanOrEqualTo (value mean.ParameterErrorBound))
                value mean.ParameterErrorBound |> should be (lessThan 1.0001e-9)
                // A task without a bound, or without a gradient, leaves the mean without one.
                let without = MeanOutcome.Of [| outcomes[0]; solve (parseAll text).[1] (steps Method.Fomaml 3 0.1) |]
                without.BoundKind |> should equal BoundKind.None
                without.ParameterGradient |> isNull |> should equal true)

            for text, line in
                [
                    file scalar ", \"parameters\": {\"kind\": \"log\"}",
                    "parameters.kind: unknown: \"log\"; known: log-lambda, example-weights, quadratic"
                    file
                        "{\"kind\": \"matrix\", \"lambda\": [[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]]}"
                        ", \"parameters\": {\"kind\": \"log-lambda\"}",
                    "parameters: log-lambda needs a scalar or diagonal regularizer, not a matrix"
                    file diagonal ", \"parameters\": {\"kind\": \"log-lambda\", \"groups\": [3, 3]}",
                    "parameters.groups[0]: the λ of a group must be equal, but regularizer.lambda[0] is 0.5 and [2] is 0.2"
                    file diagonal ", \"parameters\": {\"kind\": \"log-lambda\", \"groups\": [3, 4]}",
                    "parameters.groups: groups of 3 + 4 parameters, but theta has 6 numbers"
                    file scalar ", \"parameters\": {\"kind\": \"example-weights\", \"logits\": [1, 2]}",
                    "parameters.logits: 2 numbers, but inner has 8 examples: one for each"
                    file scalar ", \"parameters\": {\"kind\": \"quadratic\", \"value\": [1], \"cross\": [[1, 2]]}",
                    "parameters.cross: 1 × 2, but theta has 6 numbers and value 1: 6 × 1 is needed"
                    (quadratics 1 2 2.0).Head.Text.TrimEnd('}')
                    + "}, \"parameters\": {\"kind\": \"example-weights\", \"logits\": [1]}}",
                    "inner: weights of examples need a loss of kind least-squares, logistic or softmax, not quadratic"
                    file scalar ", \"phi\": [1, 2, 3, 4, 5, 6]", "phi: phi and metaGradient go together: both are needed to judge an answer"
                    file scalar ", \"phi\": [1, 2], \"metaGradient\": [1, 2, 3, 4, 5, 6]", "phi: 2 numbers, but theta has 6"
                    file
                        scalar
                        ", \"phi\": [1, 2, 3, 4, 5, 6], \"metaGradient\": [1], \"parameters\": {\"kind\": \"quadratic\", \"value\": [1, 2], \"cross\": [[1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2]]}",
                    "metaGradient: 1 number, but there are 2 parameters quadratic"
                    (file scalar "").Replace("\"classes\": 2", "\"classes\": 3"),
                    "inner.X: 8 × 3 with 3 classes is 3 × 3 weights, but theta has 6 numbers"
                    (file scalar "").Replace("\"classes\": 2", "\"classes\": 1"), "inner.classes: must be a whole number from 2 on, not 1"
                ] do
                testCase line (fun () -> refusal text |> should equal line)
        ]
