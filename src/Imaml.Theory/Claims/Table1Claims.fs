// Table 1 as claims: compute and memory grow with κ as the table says, by fitted exponents within 0.1, confidence interval included; compute
// with log(D/δ) along a straight line; the errors are what the error column says. All of it counted on the code that runs (Experiments).

namespace Imaml.Theory

open System
open Imaml.Math

[<RequireQualifiedAccess>]
module Table1Claims =

    // The first of the problems' seeds.
    let private seed = 20_000

    let private every (table: Table1Result) = Seq.append table.Points table.AccuracyPoints |> Seq.distinct

    /// The farther end of the confidence interval from the exponent, which may be 0.1.
    let private exponent name expected (slope: FittedSlope) =
        Claim.instance name (max (abs (slope.Low - expected)) (abs (slope.High - expected))) 0.1

    let private name (p: Table1Point) = $"κ = {p.Condition:g4}, δ/D = {p.Accuracy:g2}, seed {p.Seed}"

    /// One instance of each point of these methods.
    let private points (tables: Extent -> Table1Result) (methods: Table1Method list) (margin: Table1Point -> float) =
        Instances.from (fun extent ->
            every (tables extent)
            |> Seq.filter (fun p -> List.contains p.Method methods)
            |> Seq.map (fun p ->
                {
                    Name = $"{p.Method}, {name p}"
                    Margin = margin p
                }))

    /// One instance of this row.
    let private row (tables: Extent -> Table1Result) (method: Table1Method) (instance: Table1Row -> Instance) =
        Instances.from (fun extent -> (tables extent).Rows |> Seq.filter (fun r -> r.Method = method) |> Seq.map instance)

    // The violations' problems: κ from 10 to 1000, two of each.
    let private problems =
        [
            for i in 0..9 ->
                struct (seed + i, SpectralTask.random (Random(seed + i)) Table1.Dimension (10.0 ** (1.0 + float (i / 2) / 2.0)))
        ]

    /// The exponent of κ in T where the momentum is that of κ = 10 everywhere.
    let private wrongMomentum expected =
        Instances.from (fun _ ->
            let struct (_, momentum) = Momentum.NesterovFor(1.0, 10.0)

            let steps =
                problems
                |> List.map (fun struct (_, task) ->
                    struct (task.Condition, (Table1Methods.innerSteps task momentum (1.0 / task.Smoothness) Table1.Accuracy).Steps))

            let kappa = steps |> List.map (fun struct (condition, _) -> condition) |> List.toArray
            let counts = steps |> List.map (fun struct (_, count) -> float count) |> List.toArray
            Seq.singleton (exponent "momentum of κ = 10" expected (PowerLaw.fit kappa counts)))

    /// The largest residual of a straight line in ln(D/δ) may be a tenth of the line's rise.
    let private straight name (logs: float[]) (line: FittedSlope) =
        Claim.instance name line.LargestResidual (0.1 * line.Slope * (Array.max logs - Array.min logs))

    /// T against ln(D/δ) where the eigenvalues of H + λI reach down to 0 evenly, δ far above what the smallest of them resolves.
    let private withoutConvexity =
        Instances.from (fun _ ->
            let d = Table1.Dimension
            let eigenvalues = Array.init d (fun i -> float (i + 1) / float d)
            let task = SpectralTask.ofOffset (Random seed) eigenvalues[0] eigenvalues
            let accuracies = Array.init 6 (fun i -> 2.0 ** (-0.5 * float (i + 2)))

            let counts =
                accuracies
                |> Array.map (fun accuracy -> float (Table1Methods.innerSteps task NoMomentum 1.0 accuracy).Steps)

            let logs = accuracies |> Array.map (fun accuracy -> log (1.0 / accuracy))
            Seq.singleton (straight "eigenvalues down to 0" logs (PowerLaw.line logs counts)))

    /// Implicit MAML with two steps of CG, whatever δ′ asks for.
    let private twoSteps =
        Instances.from (fun _ ->
            problems
            |> Seq.map (fun struct (seed, task) ->
                let struct (step, momentum) = Momentum.NesterovFor(task.Lambda, task.Smoothness)
                let options = Table1Methods.innerSteps task momentum step Table1.Accuracy
                let p = Table1Methods.implicitWith 2 seed Table1.Accuracy task options
                Claim.instance (name p) p.Error p.ErrorBound))

    /// MAML's error against d_θL(Alg*(θ)), in place of d_θL(φ_T).
    let private exactSolveError =
        Instances.from (fun _ ->
            problems
            |> Seq.map (fun struct (seed, task) ->
                let options = Table1Methods.innerSteps task NoMomentum (1.0 / task.Smoothness) Table1.Accuracy
                let p = Table1Methods.maml Table1Method.MamlGradientDescent seed Table1.Accuracy task options
                Claim.instance (name p) p.ExactSolveError p.ErrorBound))

    let private check statement hypotheses measured bound instances violations : Claim =
        Claim.create
            "Table 1"
            statement
            hypotheses
            "quadratics with Chebyshev's spectrum, κ from 10 to 10⁴"
            measured
            bound
            instances
            violations

    let private strong = "G is µ-strongly convex and β-smooth; δ/D is held fixed"

    let private compute tables method statement expected violations =
        check
            statement
            strong
            $"the farther end of the exponent's 95 %% interval, less {expected}"
            "0.1"
            (row tables method (fun r -> exponent r.Name expected r.ComputeSlope))
            violations

    let private memory (tables: Extent -> Table1Result) method statement =
        check
            statement
            strong
            "vectors for each step, less 1; the exponent of κ in them"
            "0.1"
            (Instances.from (fun extent ->
                (tables extent).Rows
                |> Seq.filter (fun r -> r.Method = method)
                |> Seq.collect (fun r ->
                    [
                        exponent $"{r.Name}, each step" 1.0 r.VectorsPerStep
                        exponent $"{r.Name}, κ" r.MemoryExponent r.MemorySlope
                    ])))
            [||]

    let private about (tables: Extent -> Table1Result) : Claim list =
        [
            check
                "the counted steps reach inner accuracy δ"
                (strong + ", T the least for which a search says so")
                "‖φ − φ*‖"
                "δ"
                (points tables (Enum.GetValues<Table1Method>() |> Array.toList) (fun p -> Claim.margin p.InnerError 1.0))
                [||]
            compute tables Table1Method.MamlGradientDescent "MAML with gradient descent: compute grows as κ" 1.0 [||]
            compute
                tables
                Table1Method.MamlNesterov
                "MAML with Nesterov's momentum: compute grows as √κ"
                0.5
                [|
                    Violation.breaks "the momentum of G's own κ: that of κ = 10" (wrongMomentum 0.5)
                |]
            compute tables Table1Method.TruncatedBackPropagation "truncated back-prop: compute grows as κ" 1.0 [||]
            compute tables Table1Method.ImplicitMaml "implicit MAML: compute grows as √κ" 0.5 [||]
            check
                "compute is linear in log(D/δ)"
                "G is µ-strongly convex and β-smooth; κ is held fixed"
                "the largest residual of a straight line in ln(D/δ)"
                "a tenth of its rise"
                (Instances.from (fun extent ->
                    let logs = Table1.Accuracies |> Array.map (fun accuracy -> log (1.0 / accuracy))
                    (tables extent).Rows |> Seq.map (fun r -> straight r.Name logs r.ComputePerLog)))
                [|
                    Violation.breaks "G strongly convex: eigenvalues down to 0" withoutConvexity
                |]
            memory tables Table1Method.MamlGradientDescent "MAML with gradient descent: memory is one vector a step, so grows as κ"
            memory tables Table1Method.MamlNesterov "MAML with Nesterov's momentum: memory is one vector a step, so grows as √κ"
            memory
                tables
                Table1Method.TruncatedBackPropagation
                "truncated back-prop: memory is one vector for each of K steps, so grows as κ"
            check
                "implicit MAML: memory is constant at any number of inner and CG steps"
                strong
                "vectors beyond the fewest of any run"
                "2"
                (Instances.from (fun extent ->
                    let all =
                        every (tables extent) |> Seq.filter (fun p -> p.Method = Table1Method.ImplicitMaml) |> Seq.toArray

                    let fewest = all |> Array.map (fun p -> p.Vectors) |> Array.min
                    all |> Seq.map (fun p -> Claim.instance (name p) (float (p.Vectors - fewest)) 2.0)))
                [||]
            check
                "MAML: the approximate-solve error is 0"
                "full back-propagation"
                "‖g − d_θL(φ_T)‖"
                "rounding"
                (points tables [ Table1Method.MamlGradientDescent; Table1Method.MamlNesterov ] (fun p -> Claim.margin p.Error p.ErrorBound))
                [|
                    Violation.breaks "the approximate-solve error: the exact-solve error" exactSolveError
                |]
            check
                "truncated back-prop: the approximate-solve error is at most ε"
                "α ≤ 1/β, K the least for which the closed form says so"
                "‖g − d_θL(φ_T)‖"
                "ε"
                (points tables [ Table1Method.TruncatedBackPropagation ] (fun p -> Claim.margin p.Error p.ErrorBound))
                [||]
            check
                "implicit MAML: the exact-solve error is at most δ′ + (λL/µ)δ"
                "the inner solve reaches δ, the linear solve δ′"
                "‖g − d_θL(Alg*(θ))‖"
                "δ′ + (λL/µ)δ"
                (points tables [ Table1Method.ImplicitMaml ] (fun p -> Claim.margin p.Error p.ErrorBound))
                [| Violation.breaks "the linear solve reaches δ′: two CG steps" twoSteps |]
        ]

    /// The claims on problems of their own.
    let claims: Claim list = about (Instances.shared (fun extent -> Table1.Run(extent, seed)))

    /// The same statements about a table that was measured already, without the problems that break a hypothesis.
    let ofResult (result: Table1Result) : Claim[] = [| for claim in about (fun _ -> result) -> { claim with Violations = [||] } |]
