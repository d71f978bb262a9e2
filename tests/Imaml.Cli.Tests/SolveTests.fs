/// What `imaml solve` answers, against closed forms, finite differences and the paper's bounds.
module Imaml.Cli.Tests.SolveTests

open System
open System.Text.Json
open System.Threading
open Expecto
open FsUnit
open Imaml.Nets.Tests.DataFixtures
open MathNet.Numerics.LinearAlgebra
open Imaml.Cli.Commands
open Imaml.Cli.Problems
open Imaml.Math
open Imaml.Testing
open Imaml.Theory
open Imaml.Cli.Tests.SolveProblems

// Dense solves with κ(M) ≤ 20, d = 4 and numbers up to 10 err by about 4·20·10·1e-16 < 1e-13; the unrolled paths, T = 6, by a few times more.
let private rounding = 1e-12

let private near name tolerance (expected: Vector<float>) (actual: Vector<float>) =
    Expect.isLessThanOrEqual ((expected - actual).L2Norm()) tolerance $"{name}: {actual.ToArray()} instead of {expected.ToArray()}"

let private relatively name (tolerance: float) (expected: float) (actual: float) =
    Expect.isLessThanOrEqual (abs (expected - actual)) (tolerance * abs expected) $"{name}: {actual} instead of {expected}"

/// A number, a vector or a matrix, in one row.
let private flat (gradient: obj | null) =
    match gradient with
    | :? float as number -> vector [| number |]
    | :? (Nullable<float>[]) as numbers -> values numbers
    | :? (Nullable<float>[][]) as rows -> rows |> Array.concat |> values
    | other -> failtest $"{other} is not a gradient of a regulariser"

/// −uᵀdΛ(φ − θ), written out.
let private byLambda (q: Quadratics) (phi: Vector<float>) (u: Vector<float>) =
    let d = phi - q.Theta

    match q.Lambda with
    | Proximal.Scalar _ -> vector [| -(d * u) |]
    | Proximal.Diagonal _ -> -(d.PointwiseMultiply u)
    | Proximal.Matrix _ ->
        vector
            [|
                for i in 0 .. d.Count - 1 do
                    for j in 0 .. d.Count - 1 -> -0.5 * (u[i] * d[j] + d[i] * u[j])
            |]

let private forEach body () =
    for q in quadratics 1 4 10.0 do
        body q (parse q.Text)

let private closedForms =
    testList
        "Closed forms of quadratics"
        [
            testCase "exact: φ* = M⁻¹(Λθ − b), g = ΛM⁻¹v, M⁻¹Λ, and dL/dΛ for every kind of Λ"
            <| forEach (fun q problem ->
                let answer = solve problem (request Method.Exact)
                let u = q.M.Solve(q.V q.Solution)
                answer.Status |> should equal Outcome.Converged
                near "φ" rounding q.Solution (values answer.Phi)
                near "g" rounding (q.Dense * u) (values answer.MetaGradient)
                near "dL/dΛ" rounding (byLambda q q.Solution u) (flat answer.RegularizerGradient)
                let exact = nonNull answer.Exact
                near "exact φ" rounding q.Solution (values exact.Phi)
                near "exact g" rounding (q.Dense * u) (values exact.MetaGradient)
                near "exact dL/dΛ" rounding (byLambda q q.Solution u) (flat exact.RegularizerGradient)
                let jacobian = q.M.Solve q.Dense

                exact.Jacobian
                |> Array.iteri (fun i row -> near $"row {i} of the Jacobian" rounding (jacobian.Row i) (values row))

                answer.Error |> should equal (Nullable 0.0))

            testCase "implicit, to an accuracy: g, φ and dL/dΛ within it, and δ, δ′ and the error within their bounds"
            <| forEach (fun q problem ->
                let answer = solve problem (toAccuracy 1e-8)
                let u = q.M.Solve(q.V q.Solution)
                let phi = values answer.Phi
                answer.Status |> should equal Outcome.Converged
                answer.BoundKind |> should equal BoundKind.Certified
                let error = (values answer.MetaGradient - q.Dense * u).L2Norm()
                value answer.ErrorBound |> should be (lessThanOrEqualTo 1e-8)
                error |> should be (lessThanOrEqualTo (value answer.ErrorBound))
                (phi - q.Solution).L2Norm() |> should be (lessThanOrEqualTo (value answer.InnerError))
                abs (value answer.Error - error) |> should be (lessThanOrEqualTo rounding)
                // φ and u are each within about ε/µ < 1e-7 of theirs, and have norms up to 10.
                near "dL/dΛ" 1e-5 (byLambda q q.Solution u) (flat answer.RegularizerGradient))

            testCase "implicit, by budgets: g = ΛM⁻¹v(φ_T) with d steps of CG, Λ(vᵀv/vᵀMv)v with one"
            <| forEach (fun q problem ->
                let phi = q.Descended(0.3, 6)
                let v = q.V phi
                let full = solve problem (budget 6 4 0.3)
                near "φ" rounding phi (values full.Phi)
                near "g" rounding (q.Dense * q.M.Solve v) (values full.MetaGradient)
                // φ* − θ of a quadratic is exact after the Newton step, whatever φ is.
                near "dL/dΛ" rounding (byLambda q q.Solution (q.M.Solve v)) (flat full.RegularizerGradient)
                let one = solve problem (budget 6 1 0.3)
                let u = (v * v / (v * (q.M * v))) * v
                near "g of one step" rounding (q.Dense * u) (values one.MetaGradient)
                one.Status |> should equal Outcome.StepLimit
                // More steps than dimensions are void.
                near "g of 50 steps" rounding (q.Dense * q.M.Solve v) (values (solve problem (budget 6 50 0.3)).MetaGradient)
                // δ ≤ ‖∇G‖/µ and δ′ ≤ (‖Λ‖/µ)‖v − Mu‖; µ and ‖Λ‖ are known to more than nine digits.
                let struct (mu, beta) = Spectrum.ends q.M
                let struct (least, _) = Spectrum.ends q.H
                let struct (smallest, largest) = Spectrum.ends q.Dense
                let convexity = least + smallest
                let gradient = (q.M * (phi - q.Solution)).L2Norm()
                let residual = (v - q.M * u).L2Norm()
                relatively "‖∇G‖" 1e-9 gradient (value one.InnerGradientNorm)
                relatively "δ" 1e-9 (gradient / convexity) (value one.InnerError)
                relatively "δ′" 1e-9 (largest / convexity * residual) (value one.SolveError)
                relatively "µ" 1e-9 convexity (value one.Constants.StrongConvexity)
                let linear = nonNull one.LinearSolve
                relatively "residual" 1e-9 (residual / v.L2Norm()) (value linear.RelativeResidual)
                relatively "curvature" 1e-9 (v * (q.M * v) / (v * v)) (value linear.SmallestCurvature)
                let ritz = nonNull full.LinearSolve
                relatively "the smallest Ritz value" 1e-6 mu (value ritz.SmallestRitzValue)
                relatively "the largest Ritz value" 1e-6 beta (value ritz.LargestRitzValue))

            testCase "maml: g = J_Tᵀv(φ_T), J_T = M⁻¹Λ + (I − αM)ᵀ(I − M⁻¹Λ)"
            <| forEach (fun q problem ->
                let answer = solve problem (steps Method.Maml 6 0.3)
                let a = q.M.Solve q.Dense
                let j = a + q.Power(0.3, 6) * (Matrix<float>.Build.DenseIdentity 4 - a)
                near "g" rounding (j.TransposeThisAndMultiply(q.V(q.Descended(0.3, 6)))) (values answer.MetaGradient))

            testCase "truncated: g = ΛM⁻¹[I − (I − αM)ᴷ]v(φ_T)"
            <| forEach (fun q problem ->
                for k in [ 1; 3; 6 ] do
                    let v = q.V(q.Descended(0.3, 6))
                    let g = q.Dense * q.M.Solve(v - q.Power(0.3, k) * v)
                    near $"g, K = {k}" rounding g (values (solve problem (truncated 6 k 0.3)).MetaGradient))

            testCase "fomaml: g = v(φ_T); reptile: g = θ − φ_T"
            <| forEach (fun q problem ->
                let phi = q.Descended(0.3, 6)
                near "fomaml" rounding (q.V phi) (values (solve problem (steps Method.Fomaml 6 0.3)).MetaGradient)
                near "reptile" rounding (q.Theta - phi) (values (solve problem (steps Method.Reptile 6 0.3)).MetaGradient))

            testCase "the step is 1/β, β = λ_max(H) + λ_max(Λ), where none is given"
            <| forEach (fun q problem ->
                let struct (_, h) = Spectrum.ends q.H
                let struct (_, lambda) = Spectrum.ends q.Dense

                let asked = SolveRequest(Method.Reptile, Nullable(), Nullable 3, Nullable(), Nullable(), Nullable())

                let answer = solve problem asked
                relatively "the step" 1e-9 (1.0 / (h + lambda)) (value answer.StepSize)
                near "g" rounding (q.Theta - q.Descended(value answer.StepSize, 3)) (values answer.MetaGradient))

            testCase "what has no linear solve has no bound and no dL/dΛ, but its distance to the exact meta-gradient"
            <| forEach (fun q problem ->
                let exact = q.Dense * q.M.Solve(q.V q.Solution)

                for asked in
                    [
                        steps Method.Maml 6 0.3
                        truncated 6 2 0.3
                        steps Method.Fomaml 6 0.3
                        steps Method.Reptile 6 0.3
                    ] do
                    let answer = solve problem asked
                    answer.Status |> should equal Outcome.StepLimit
                    answer.BoundKind |> should equal BoundKind.None
                    answer.ErrorBound.HasValue |> should equal false
                    answer.RegularizerGradient |> isNull |> should equal true
                    answer.LinearSolve |> isNull |> should equal true

                    abs (value answer.Error - (values answer.MetaGradient - exact).L2Norm())
                    |> should be (lessThan rounding))

            testCase "dL/dλ does not cancel at small λ with fewer examples than parameters" (fun () ->
                // x = (1, 1, 1), y = 1, θ = 0; outer x = (1, 0, 0), y = 2: φ = x/(3 + λ), L = ½(1/(3 + λ) − 2)², dL/dλ = (2 − 1/(3 + λ))/(3 + λ)².
                for lambda in [ 1e-2; 1e-6; 1e-10 ] do
                    let row (x: float list) y = LinearRegression.loss (Matrix<float>.Build.DenseOfRows [ x ]) (vector [| y |])

                    let task =
                        BilevelTask.create
                            (row [ 1; 1; 1 ] 1.0)
                            (row [ 1; 0; 0 ] 2.0)
                            (Proximal.Scalar lambda)
                            (Vector<float>.Build.Dense 3)

                    let answer = solve (Problem(task, "least-squares", "least-squares", "scalar")) (request Method.Exact)

                    let expected = (2.0 - 1.0 / (3.0 + lambda)) / (3.0 + lambda) ** 2.0
                    // A dense solve errs by a few roundings of κ(M) = 3/λ, here four: 12·2⁻⁵²/λ.
                    relatively "dL/dλ" (1e-14 + 3e-15 / lambda) expected (Seq.head (flat answer.RegularizerGradient))
                    relatively "exact dL/dλ" (1e-14 + 3e-15 / lambda) expected (Seq.head (flat (nonNull answer.Exact).RegularizerGradient)))

            testCase "dL/dΛ by every method with a u is within its printed bound, whatever λ is" (fun () ->
                // As above, with Λ = λI as a number, a diagonal and a matrix: φ = x/(3 + λ), u = λ⁻¹(v₁e₁ − v₁x/(3 + λ)), v₁ = 1/(3 + λ) − 2.
                let row (x: float list) y = LinearRegression.loss (Matrix<float>.Build.DenseOfRows [ x ]) (vector [| y |])

                for decade in -12.0 .. 2.0..2.0 do
                    let lambda = 10.0 ** decade
                    let s = 3.0 + lambda
                    let v = 1.0 / s - 2.0
                    // Entry by entry; their sum, in which 1/λ cancels, is the number's.
                    let w = vector [| 1.0 / s; 1.0 / s; 1.0 / s |]
                    let u = vector [| v * (2.0 + lambda) / (s * lambda); -v / (s * lambda); -v / (s * lambda) |]
                    let slope = (2.0 - 1.0 / s) / s ** 2.0
                    let product = u.OuterProduct w
                    let matrix = -0.5 * (product + product.Transpose())

                    for proximal, expected in
                        [
                            Proximal.Scalar lambda, vector [| slope |]
                            Proximal.Diagonal(Vector<float>.Build.Dense(3, lambda)), -(w.PointwiseMultiply u)
                            Proximal.Matrix(lambda * Matrix<float>.Build.DenseIdentity 3), vector (matrix.ToRowMajorArray())
                        ] do
                        let task =
                            BilevelTask.create (row [ 1; 1; 1 ] 1.0) (row [ 1; 0; 0 ] 2.0) proximal (Vector<float>.Build.Dense 3)

                        let problem = Problem(task, "least-squares", "least-squares", "")

                        for asked in [ request Method.Exact; toAccuracy 1e-6; budget 50 10 0.3 ] do
                            let answer = solve problem asked
                            let name = $"λ = {lambda}, {proximal.GetType().Name}, {asked.Method} {answer.Status}"

                            if not (isNull answer.RegularizerGradient) then
                                let error = (flat answer.RegularizerGradient - expected).L2Norm()

                                // Without a bound nothing is said of it, and nothing is called converged.
                                if answer.RegularizerGradientBound.HasValue then
                                    let truth = 1e-14 * expected.L2Norm()
                                    Expect.isLessThanOrEqual error (answer.RegularizerGradientBound.Value + truth) name
                                else
                                    Expect.notEqual answer.Status Outcome.Converged name

                            // From here on arithmetic distinguishes λ from 0 by four digits, and the answer itself is good.
                            if decade >= -10.0 && asked.Method = Method.Exact then
                                let error = (flat answer.RegularizerGradient - expected).L2Norm()
                                Expect.isLessThanOrEqual error (3e-15 / lambda * expected.L2Norm() + 1e-14) name

                            if decade >= 0.0 && asked.Method = Method.Exact then
                                Expect.isLessThan answer.RegularizerGradientBound.Value 1e-10 name)

            testCase "the example of a small λ, by conjugate gradients: +0.185185" (fun () ->
                let row (x: float list) y = LinearRegression.loss (Matrix<float>.Build.DenseOfRows [ x ]) (vector [| y |])

                let task =
                    BilevelTask.create (row [ 1; 1; 1 ] 1.0) (row [ 1; 0; 0 ] 2.0) (Proximal.Scalar 1e-10) (Vector<float>.Build.Dense 3)

                let problem = Problem(task, "least-squares", "least-squares", "scalar")

                for asked in [ request Method.Exact; budget 50 10 0.3 ] do
                    let answer = solve problem asked
                    // ε/λ, a few times.
                    relatively $"dL/dλ, {asked.Method}" 1e-5 (5.0 / 27.0) (Seq.head (flat answer.RegularizerGradient)))

            testCase "d = 1" (fun () ->
                for q in quadratics 2 1 1.0 do
                    let answer = solve (parse q.Text) (toAccuracy 1e-8)
                    near "g" 1e-8 (q.Dense * q.M.Solve(q.V q.Solution)) (values answer.MetaGradient))
        ]

// h = 1e-4·: the difference errs by h²/6 times a third derivative, below 100 for these, and by u|L|/h: 2e-7 and 1e-12.
let private differences (task: BilevelTask) =
    let outer theta = task.Outer.Value(BilevelTask.exactSolution task theta)
    let h = 1e-4

    Vector<float>
        .Build.Dense(
            task.Theta.Count,
            fun j ->
                let e = Vector<float>.Build.Dense(task.Theta.Count, fun i -> if i = j then h else 0.0)
                (outer (task.Theta + e) - outer (task.Theta - e)) / (2.0 * h)
        )

let private bounds =
    testList
        "Bounds"
        [
            for name, kind in
                [
                    "ridge", BoundKind.Certified
                    "logistic", BoundKind.Certified
                    "perceptron", BoundKind.Estimated
                ] do
                testCase $"{name}: g agrees with finite differences of L(Alg*(θ)), and its error is within the {kind} bound" (fun () ->
                    let problem = sample name
                    let expected = differences problem.Task

                    for asked in [ request Method.Exact; toAccuracy 1e-8; toAccuracy 1e-3 ] do
                        let answer = solve problem asked
                        answer.Status |> should equal Outcome.Converged
                        answer.BoundKind |> should equal kind
                        value answer.Error |> should be (lessThanOrEqualTo (value answer.ErrorBound))
                        let tolerance = 1e-6 + value answer.ErrorBound
                        near name tolerance expected (values answer.MetaGradient))

                testCase $"{name}: budgets: the error is within the bound, however few the steps" (fun () ->
                    for n, m in [ 1, 1; 3, 1; 1, 3; 20, 4 ] do
                        let asked = SolveRequest(Method.Implicit, Nullable(), Nullable n, Nullable m, Nullable(), Nullable())

                        let answer = solve (sample name) asked
                        answer.BoundKind |> should equal kind
                        value answer.Error |> should be (lessThanOrEqualTo (value answer.ErrorBound)))

            testCase "κ = 10⁶ and ε = 10⁻⁶: met, and certified; unless φ* is 10⁶ long, where rounding alone is more" (fun () ->
                let q = (quadratics 3 5 1e9).Head
                let long = { q with Lambda = Proximal.Scalar 1e-6 }
                // φ* = M⁻¹(Λθ + Hx) is about as long as x and θ, so that ‖∇G‖ rounds to 1e-16·‖H‖‖φ*‖ and δ to 1e-10.
                let short = { long with B = -(q.H * q.B) }
                let answer = solve (parse short.Text) (toAccuracy 1e-6)
                value answer.Constants.Condition |> should be (greaterThan 0.9e6)
                answer.Status |> should equal Outcome.Converged
                answer.BoundKind |> should equal BoundKind.Certified
                value answer.Error |> should be (lessThanOrEqualTo 1e-6)
                let answer = solve (parse long.Text) (toAccuracy 1e-6)
                answer.Status |> should equal Outcome.RoundingLimit
                value answer.RoundingError |> should be (greaterThan 1e-6)
                value answer.Error |> should be (lessThanOrEqualTo (value answer.ErrorBound)))

            testCase "below rounding: roundingLimit, and the bound is one that can be asked for" (fun () ->
                for name in [ "ridge"; "logistic" ] do
                    let answer = solve (sample name) (toAccuracy 1e-20)
                    answer.Status |> should equal Outcome.RoundingLimit
                    value answer.RoundingError |> should be (greaterThan 1e-20)
                    let again = solve (sample name) (toAccuracy (2.0 * value answer.ErrorBound))
                    again.Status |> should equal Outcome.Converged)

            testCase "a zero outer gradient: g = 0, and the bound says so" (fun () ->
                let q = (quadratics 4 3 5.0).Head
                let text = { q with A = 0.0 * q.A; C = 0.0 * q.C }.Text

                for asked in [ toAccuracy 1e-8; budget 4 4 0.3; request Method.Exact ] do
                    let answer = solve (parse text) asked
                    answer.MetaGradient |> should equal (Array.create 3 (Nullable 0.0))
                    value answer.ErrorBound |> should be (lessThan 1e-100))

            testCase "d = 501: no dense solution, but a bound" (fun () ->
                let d = 501

                let diagonal =
                    Matrix<float>.Build.DenseOfDiagonalVector(Vector<float>.Build.Dense(d, fun i -> float (i % 7)))

                let ones = Vector<float>.Build.Dense(d, 1.0)

                let q =
                    {
                        H = diagonal
                        B = ones
                        A = diagonal
                        C = ones
                        Theta = ones
                        Lambda = Proximal.Scalar 1.0
                    }

                let answer = solve (parse q.Text) (toAccuracy 1e-6)
                answer.Exact |> isNull |> should equal true
                answer.Error.HasValue |> should equal false
                answer.Status |> should equal Outcome.Converged
                near "g" 1e-6 (q.M.Solve(q.V q.Solution)) (values answer.MetaGradient))
        ]

let private outcomes =
    testList
        "Outcomes"
        [
            testCase "an indefinite H + Λ: nonPositiveCurvature with the eigenvalue, by every method, and no bound" (fun () ->
                for asked in
                    [
                        request Method.Implicit
                        request Method.Exact
                        budget 10 2 0.1
                        steps Method.Maml 10 0.1
                        truncated 10 2 0.1
                        steps Method.Fomaml 10 0.1
                        steps Method.Reptile 10 0.1
                    ] do
                    let answer = solve (sample "indefinite") asked
                    answer.Status |> should equal Outcome.NonPositiveCurvature
                    // ½(2 − 3) − ½√(5² + 1) + 1
                    answer.Message |> should haveSubstring "-2.04951"
                    answer.BoundKind |> should equal BoundKind.None
                    answer.Exact |> isNull |> should equal true)

            testCase "a step beyond 2/µ: diverged after a few steps, nonFinite after thousands, and with an accuracy" (fun () ->
                for name in [ "ridge"; "logistic" ] do
                    (solve (sample name) (steps Method.Fomaml 30 50.0)).Status |> should equal Outcome.Diverged
                    (solve (sample name) (budget 30 2 50.0)).Status |> should equal Outcome.Diverged

                (solve (sample "ridge") (steps Method.Fomaml 5000 50.0)).Status |> should equal Outcome.NonFinite

                let asked =
                    SolveRequest(Method.Implicit, Nullable 1e-8, Nullable(), Nullable(), Nullable 1e6, Nullable())

                let answer = solve (sample "ridge") asked
                answer.Status |> should equal Outcome.NonFinite
                answer.BoundKind |> should equal BoundKind.None)

            testCase "a solver that starts at the solution has not diverged" (fun () ->
                for q in quadratics 5 4 10.0 do
                    let there = { q with B = -(q.H * q.Theta) }

                    (solve (parse there.Text) (steps Method.Fomaml 20 0.3)).Status
                    |> should not' (equal Outcome.Diverged))

            testCase "a step too short for a million: stepLimit, and the bound still holds" (fun () ->
                for step in [ 1e-9; 1e-13 ] do
                    let asked =
                        SolveRequest(Method.Implicit, Nullable 1e-8, Nullable(), Nullable(), Nullable step, Nullable())

                    let answer = solve (sample "ridge") asked
                    answer.Status |> should equal Outcome.StepLimit
                    value answer.Error |> should be (lessThanOrEqualTo (value answer.ErrorBound))

                    // Here no linear system was worth solving, so there is no g, and no bound on its error.
                    let nothing = solve (sample "logistic") asked
                    nothing.Status |> should equal Outcome.StepLimit
                    nothing.MetaGradient |> Array.forall (fun entry -> not entry.HasValue) |> should be True
                    nothing.BoundKind |> should equal BoundKind.None
                    nonNull nothing.BoundReason |> should equal "g was not computed")

            testCase "numbers near the ends of the range have an outcome too" (fun () ->
                let q = (quadratics 8 2 2.0).Head

                for text in
                    [
                        // κ = 10³⁰⁰, of which momentum rounds to 1.
                        { q with
                            H = Matrix<float>.Build.DenseOfDiagonalArray [| 0.0; 1.0 |]
                            Lambda = Proximal.Scalar 1e-300
                        }
                            .Text
                        { q with H = 1e300 * q.H }.Text
                        { q with C = 1e300 * q.C }.Text
                        { q with Theta = 1e300 * q.Theta }.Text
                    ] do
                    for asked in
                        [
                            toAccuracy 1e-8
                            toAccuracy 1e-300
                            budget 5 3 0.1
                            request Method.Exact
                            steps Method.Reptile 9 0.1
                        ] do
                        solve (parse text) asked |> ignore

                // A network whose Hessian is so large that its squares overflow.
                let text =
                    IO.File.ReadAllText(IO.Path.Combine(AppContext.BaseDirectory, "samples", "problems", "perceptron.json"))

                for changed in
                    [
                        text.Replace("[0, 1], [1, 0]", "[0, 1e150], [1, 0]")
                        text.Replace("1.2, 1.1", "1e200, 1.1")
                    ] do
                    for asked in [ toAccuracy 1e-8; budget 5 3 0.1; request Method.Exact ] do
                        solve (parse changed) asked |> ignore)

            testCase "a request to stop is heeded" (fun () ->
                (fun () -> ProblemSolver.Solve(sample "ridge", request Method.Implicit, CancellationToken true) |> ignore)
                |> should throw typeof<OperationCanceledException>)
        ]

let private properties (element: JsonElement) = [ for property in element.EnumerateObject() -> property.Name ]

let private json =
    testList
        "JSON"
        [
            testCase "has the properties that are documented, whatever the method and the problem" (fun () ->
                let huge =
                    { (quadratics 6 2 2.0).Head with
                        B = vector [| 1e160; 1.0 |]
                        C = vector [| 1e200; -1e200 |]
                    }

                for problem in
                    parse huge.Text
                    :: List.map
                        sample
                        [
                            "ridge"
                            "logistic"
                            "perceptron"
                            "indefinite"
                            "hyper-cleaning"
                            "own-answer"
                        ] do
                    for asked in
                        [
                            request Method.Implicit
                            request Method.Exact
                            budget 3 2 0.1
                            budget 2000 2 1e3
                            steps Method.Maml 3 0.1
                            truncated 3 2 0.1
                            steps Method.Fomaml 3 0.1
                            steps Method.Reptile 3 0.1
                        ] do
                        let text = SolveCommand.ToJson(solve problem asked)
                        text |> should not' (haveSubstring "-0,")
                        use document = JsonDocument.Parse text
                        let root = document.RootElement

                        properties root
                        |> should
                            equal
                            [
                                "status"
                                "message"
                                "method"
                                "dimension"
                                "accuracy"
                                "stepSize"
                                "phi"
                                "metaGradient"
                                "regularizerGradient"
                                "regularizerGradientBound"
                                "innerLoss"
                                "outerLoss"
                                "innerGradientNorm"
                                "innerError"
                                "solveError"
                                "errorBound"
                                "roundingError"
                                "boundKind"
                                "boundReason"
                                "constants"
                                "linearSolve"
                                "exact"
                                "error"
                                "counts"
                                "parameters"
                                "answer"
                            ]

                        let bounded = root.GetProperty("boundKind").GetString() <> "none"
                        (root.GetProperty("errorBound").ValueKind = JsonValueKind.Number) |> should equal bounded
                        (root.GetProperty("boundReason").ValueKind = JsonValueKind.Null) |> should equal bounded

                        for name, expected in
                            [
                                "parameters",
                                [
                                    "kind"
                                    "gradient"
                                    "errorBound"
                                    "roundingError"
                                    "boundKind"
                                    "boundReason"
                                    "exact"
                                    "exactErrorBound"
                                    "error"
                                ]
                                "answer",
                                [
                                    "innerGradientNorm"
                                    "innerError"
                                    "phiError"
                                    "errorBound"
                                    "boundKind"
                                    "boundReason"
                                    "error"
                                ]
                            ] do
                            let part = root.GetProperty name

                            if part.ValueKind <> JsonValueKind.Null then
                                properties part |> should equal expected
                                let bounded = part.GetProperty("boundKind").GetString() <> "none"
                                (part.GetProperty("errorBound").ValueKind = JsonValueKind.Number) |> should equal bounded
                                (part.GetProperty("boundReason").ValueKind = JsonValueKind.Null) |> should equal bounded

                        if root.GetProperty("exact").ValueKind <> JsonValueKind.Null then
                            properties (root.GetProperty "exact")
                            |> should equal [ "phi"; "metaGradient"; "jacobian"; "regularizerGradient"; "errorBound" ])

            testCase "φ = −0 is 0" (fun () ->
                let q =
                    { (quadratics 7 2 2.0).Head with
                        B = vector [| -0.0; 0.0 |]
                        Theta = vector [| -0.0; 0.0 |]
                    }

                SolveCommand.ToJson(solve (parse q.Text) (request Method.Implicit))
                |> should not' (haveSubstring "-0,"))
        ]

/// Problems at which squares, quotients or 1 − σ(z) underflow or cancel, with the true gradients by arithmetic of 60 digits.
let private scales =
    let quadratic (a: string) (b: string) = $"{{\"kind\": \"quadratic\", \"A\": [[{a}]], \"b\": [{b}]}}"

    let file inner outer theta lambda more =
        parse
            $"{{\"inner\": {inner}, \"outer\": {outer}, \"theta\": [{theta}], \"regularizer\": {{\"kind\": \"scalar\", \"lambda\": {lambda}}}{more}}}"

    testList
        "Any scale"
        [
            testCase "weights of examples near 1: the gradient is that at the logits that were given" (fun () ->
                let logistic = """{"kind": "logistic", "X": [[1], [2], [-1]], "y": [1, 0, 1]}"""
                let outer = """{"kind": "logistic", "X": [[1], [-2]], "y": [1, 0]}"""

                for z, truth in
                    [
                        "20", [| -9.8076631645421e-10; 7.1082479796686e-10; 5.4132304707237e-10 |]
                        "37", [| -4.0603114782888e-17; 2.9427703994901e-17; 2.2410437064036e-17 |]
                    ] do
                    let problem =
                        file logistic outer "0" "0.1" $", \"parameters\": {{\"kind\": \"example-weights\", \"logits\": [{z}, {z}, {z}]}}"

                    let found = nonNull (solve problem (request Method.Exact)).Parameters
                    let error = (values (nonNull found.Gradient) - vector truth).InfinityNorm()
                    // The truth as it stands here has 14 digits.
                    error |> should be (lessThanOrEqualTo (value found.ErrorBound + 1e-13 * abs truth[0]))
                    value found.ErrorBound |> should be (lessThan (1e-11 * abs truth[0]))

                let far =
                    file
                        """{"kind": "least-squares", "X": [[1], [1]], "y": [1e10, -3e10]}"""
                        (quadratic "1" "0")
                        "0"
                        "1"
                        ", \"parameters\": {\"kind\": \"example-weights\", \"logits\": [40, 40]}"

                let found = nonNull (solve far (toAccuracy 1e-8)).Parameters
                found.BoundKind |> should equal BoundKind.Certified

                let error =
                    (values (nonNull found.Gradient) - vector [| -79.65664228671729; 132.7610704778622 |]).InfinityNorm()

                error |> should be (lessThanOrEqualTo (value found.ErrorBound + 1e-12)))

            testCase "∇F whose accuracy needs no linear solve is given, with its bound" (fun () ->
                // φ* = 1/1.001, v(φ*) = φ* − 1.0009 is far below v(θ); ∇F = 1.0·φ-part and 1e-9·u, by hand 0.99900099… to the accuracy.
                let problem =
                    file
                        (quadratic "1" "-1")
                        (quadratic "1" "-1.0009")
                        "0"
                        "1e-3"
                        """, "parameters": {"kind": "quadratic", "value": [0.0], "cross": [[1e-9]], "outerCross": [[1.0]]}"""

                let outcome = solve problem (toAccuracy 1e-6)
                outcome.Status |> should equal Outcome.Converged
                let found = nonNull outcome.Parameters
                found.BoundKind |> should equal BoundKind.Certified
                let error = abs ((values (nonNull found.Gradient)).[0] - 1.0 / 1.001)
                error |> should be (lessThanOrEqualTo (value found.ErrorBound + 1e-9)))

            testCase "an accuracy that is reached is not called an overflow, however small ∇L is" (fun () ->
                let rows (diagonal: string list) =
                    let row i = String.concat ", " [ for j in 0 .. diagonal.Length - 1 -> if i = j then diagonal[i] else "0" ]
                    String.concat ", " [ for i in 0 .. diagonal.Length - 1 -> $"[{row i}]" ]

                let bent, unit = rows [ "99"; "0"; "0.2"; "0.4"; "0.6" ], rows [ "1"; "1"; "1"; "1"; "1" ]

                let problem =
                    parse
                        $"""{{"inner": {{"kind": "quadratic", "A": [{bent}], "b": [-100, -1, -1.2, -1.4, -1.6]}},
                              "outer": {{"kind": "quadratic", "A": [{unit}], "b": [-1, -1, -1, -1, -1]}},
                              "theta": [0, 0, 0, 0, 0], "regularizer": {{"kind": "scalar", "lambda": 1}},
                              "parameters": {{"kind": "quadratic", "value": [0.0], "cross": [[1e-13], [1e-13], [1e-13], [1e-13], [1e-13]], "outerCross": [[1], [1], [1], [1], [1]]}}}}"""

                let outcome = solve problem (toAccuracy 1e-10)
                outcome.Status |> should equal Outcome.Converged
                (values (nonNull (nonNull outcome.Parameters).Gradient)).[0] |> should (equalWithin 1e-10) 5.0)

            testCase "a singular H + Λ is of non-positive curvature, and no overflow" (fun () ->
                let problem =
                    parse
                        """{"inner": {"kind": "quadratic", "A": [[1, 0], [0, -1]], "b": [1, 0]}, "outer": {"kind": "quadratic", "A": [[1, 0], [0, 1]], "b": [1, 0]},
                            "theta": [0.5, 0.25], "regularizer": {"kind": "scalar", "lambda": 1}}"""

                let outcome = solve problem (request Method.Exact)
                outcome.Status |> should equal Outcome.NonPositiveCurvature
                outcome.MetaGradient |> Seq.forall (fun one -> not one.HasValue) |> should equal true)

            testCase "someone's own answer that is wrong by more than it looks" (fun () ->
                let answer (phi: string) (gradient: string) = $", \"phi\": [{phi}], \"metaGradient\": [{gradient}]"

                for problem, error in
                    [
                        // L of squares of 1e-170; (L + ρ‖u‖)/µ; ρ of cubes of 1e-110.
                        file (quadratic "1" "0") """{"kind": "least-squares", "X": [[1e-170]], "y": [1]}""" "0" "1" (answer "1e170" "0"),
                        5e-171
                        file (quadratic "1e100" "0") (quadratic "1e-250" "0") "0" "1e100" (answer "1e200" "5e-51"), 4.999e-51
                        file
                            """{"kind": "logistic", "X": [[1e-110]], "y": [1]}"""
                            (quadratic "0" "1")
                            "0"
                            "1e-221"
                            (answer "5e110" "0.9376635929587361"),
                        0.515
                    ] do
                    let judged = nonNull (solve problem (request Method.Exact)).Answer
                    judged.BoundKind |> should equal BoundKind.Certified
                    value judged.ErrorBound |> should be (greaterThanOrEqualTo error))

            testCase "someone's own answer at another minimum has no estimate that the dense solution refutes" (fun () ->
                let network x y =
                    $"{{\"kind\": \"mlp\", \"layers\": [1, 1, 1], \"activation\": \"tanh\", \"loss\": \"mse\", \"X\": {x}, \"y\": {y}}}"

                let inner, outer = network "[[-1], [0], [1]]" "[1, 0.1, -1]", network "[[0.5], [-0.5]]" "[-0.2, 0.5]"

                let text =
                    $"{{\"inner\": {inner}, \"outer\": {outer}, \"theta\": [1, 0.1, -1.3, 0],"
                    + """ "regularizer": {"kind": "scalar", "lambda": 0.01},
                        "phi": [-0.9850603356980886, 0.11895554947194593, 1.298026392890371, -0.06195431430168229],
                        "metaGradient": [-0.013062710158084084, -0.002730271292251412, -0.006977815587045892, 0.002661578142491868]}"""

                let judged = nonNull (solve (parse text) (toAccuracy 1e-8)).Answer
                value judged.PhiError |> should be (greaterThan 3.0)
                judged.BoundKind |> should equal BoundKind.None
                nonNull judged.BoundReason |> says [ "refuted by the dense solution" ])

            testCase "dL/dΛ by dense solves where λ is small beside H alone" (fun () ->
                for lambda in [ "1e-30"; "1e-100"; "9.86e-305" ] do
                    let text =
                        """{"inner": {"kind": "logistic", "X": [[1, 0], [2, 1], [-1, 1]], "y": [1, 0, 1]}, "outer": {"kind": "logistic", "X": [[1, 1], [-2, 0.5]], "y": [1, 0]},"""
                        + $" \"theta\": [0.1, 0.2], \"regularizer\": {{\"kind\": \"scalar\", \"lambda\": {lambda}}}}}"

                    let outcome = solve (parse text) (request Method.Exact)
                    let found = nonNull (nonNull outcome.Exact).RegularizerGradient :?> float
                    found |> should (equalWithin 1e-8) -3.18563043)
        ]

let private refused =
    testList
        "Options"
        [
            for asked, line in
                [
                    SolveRequest(Method.Exact, Nullable 1.0, Nullable(), Nullable(), Nullable(), Nullable()),
                    "--accuracy is for --method implicit, not exact"
                    SolveRequest(Method.Maml, Nullable(), Nullable 2, Nullable 2, Nullable(), Nullable()),
                    "--cg-steps is for --method implicit, not maml"
                    SolveRequest(Method.Fomaml, Nullable(), Nullable 2, Nullable(), Nullable(), Nullable 2),
                    "--truncate is for --method truncated, not fomaml"
                    SolveRequest(Method.Exact, Nullable(), Nullable 2, Nullable(), Nullable(), Nullable()),
                    "--inner-steps is not for --method exact"
                    SolveRequest(Method.Exact, Nullable(), Nullable(), Nullable(), Nullable 0.1, Nullable()),
                    "--step-size is not for --method exact"
                    SolveRequest(Method.Implicit, Nullable 1.0, Nullable 2, Nullable 2, Nullable(), Nullable()),
                    "give --accuracy, or --inner-steps and --cg-steps, not both"
                    SolveRequest(Method.Implicit, Nullable(), Nullable 2, Nullable(), Nullable(), Nullable()),
                    "--inner-steps and --cg-steps go together"
                    request Method.Reptile, "--method reptile needs --inner-steps"
                    steps Method.Truncated 3 0.1, "--method truncated needs --truncate"
                    truncated 3 4 0.1, "--truncate must be at most --inner-steps 3, not 4"
                    toAccuracy 0.0, "--accuracy must be positive and finite, not 0"
                    toAccuracy nan, "--accuracy must be positive and finite, not NaN"
                    steps Method.Maml 3 -0.5, "--step-size must be positive and finite, not -0.5"
                ] do
                testCase line (fun () ->
                    try
                        asked.Checked() |> ignore
                        failtest "not refused"
                    with :? ArgumentException as e ->
                        e.Message |> should equal line)

            testCase "maml on a network needs a step size" (fun () ->
                let asked = SolveRequest(Method.Maml, Nullable(), Nullable 2, Nullable(), Nullable(), Nullable())

                (fun () -> solve (sample "perceptron") asked |> ignore) |> should throw typeof<ArgumentException>)
        ]

let private program =
    testList
        "The program"
        [
            testCase "prints a report no wider than 160, and one JSON object" (fun () ->
                let path name = IO.Path.Combine(AppContext.BaseDirectory, "samples", "problems", name + ".json")

                for name in [ "ridge"; "perceptron"; "indefinite" ] do
                    let outcome = Imaml.run [ "solve"; path name ]
                    outcome.ExitCode |> should equal 0
                    outcome.Errors |> should be EmptyString
                    outcome.Output |> says [ "status"; "meta-gradient g"; "error bound"; "true error"; "cost" ]

                    for line in outcome.Output.Split '\n' do
                        line.Length |> should be (lessThanOrEqualTo 160)

                let outcome = Imaml.run [ "solve"; path "logistic"; "--json"; "--accuracy"; "1e-9" ]
                use document = JsonDocument.Parse outcome.Output
                string (document.RootElement.GetProperty "status") |> should equal "converged"
                string (document.RootElement.GetProperty "boundKind") |> should equal "certified"
                document.RootElement.GetProperty("accuracy").GetDouble() |> should equal 1e-9)

            testCase "a list of one task has the output of a list" (fun () ->
                inFolder (fun folder ->
                    let path = IO.Path.Combine(folder, "one.json")

                    let text =
                        """{"tasks": [{"inner": {"kind": "quadratic", "A": [[1]], "b": [1]}, "outer": {"kind": "quadratic", "A": [[1]], "b": [1]}}], "theta": [0], "regularizer": {"kind": "scalar", "lambda": 1}}"""

                    IO.File.WriteAllText(path, text)
                    use document = JsonDocument.Parse((Imaml.run [ "solve"; path; "--json" ]).Output)
                    document.RootElement.GetProperty("tasks").GetArrayLength() |> should equal 1
                    (Imaml.run [ "solve"; path ]).Output |> says [ "1 of 1"; "of 1 task" ]))

            testCase "refuses what makes no sense in one line, with exit code 2" (fun () ->
                for arguments, text in
                    [
                        [ "solve" ], "PROBLEM.json"
                        [ "solve"; "absent.json" ], "there is no file absent.json"
                        [ "solve"; "p.json"; "--accuracy"; "1,5" ], "--accuracy must be a finite number, not 1,5"
                        [ "solve"; "p.json"; "--method"; "newton" ], "--method: newton is not one of implicit"
                        [ "solve"; "p.json"; "--inner-steps"; "0"; "--cg-steps"; "1" ], "--inner-steps must be at least 1, not 0"
                        [ "solve"; "p.json"; "--inner-steps"; "3" ], "--inner-steps and --cg-steps go together"
                    ] do
                    let outcome = Imaml.run arguments
                    outcome.Line |> says [ text ]
                    outcome.ExitCode |> should equal 2
                    outcome.Output |> should be EmptyString)
        ]

[<Tests>]
let tests = testList "Solve" [ closedForms; bounds; outcomes; json; scales; refused; program ]
