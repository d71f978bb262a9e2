// Corollary 1 (stationary points), with its constants: θₖ₊₁ = θₖ − gₖ/L_F with ‖gₖ − ∇F(θₖ)‖ ≤ e gives
//
//     min over k < K of ‖∇F(θₖ)‖² ≤ 2L_F(F(θ₀) − inf F)/K + e²,      L_F = (‖Λ‖/µ)C
//
// where F(θ) is the mean of Lᵢ(Alg*ᵢ(θ)). Algorithm 1 is the library's, on two tasks: (L̂, L), and (L, L̂) with the roles exchanged. Each
// meta-gradient is certified to e/2 and then pushed by e/2 against the way down. The inner problem is solved for every φ by some
// θ = φ + Λ⁻¹∇L̂(φ), so inf F is at least the mean of the inf Lᵢ.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Corollary1Claims =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    /// ‖∇F(θ) − ∇F(θ′)‖, L_F‖θ − θ′‖, and what the two gradients may be off by.
    let private smoothness (task: BilevelTask) (other: Vector<float>) =
        let struct (here, errorHere) = Theorem1Accounts.exact task
        let struct (there, errorThere) = Theorem1Accounts.exact { task with Theta = other }
        let bound = Corollary1.MetaSmoothness(BilevelTask.constants task) * (task.Theta - other).L2Norm()
        struct ((here - there).L2Norm(), bound, errorHere.Total + errorThere.Total)

    let private smoothnessMargin family seed =
        let task = Family.regularized family seed
        let random = Random(seed + 1)
        let distance = min (Family.reach family) (10.0 ** (3.0 * random.NextDouble() - 2.0))
        let other = task.Theta + distance * Spectrum.direction random task.Theta.Count
        let struct (measured, bound, uncertainty) = smoothness task other
        Claim.margin measured (bound + uncertainty)

    // Between θ and the θ for which 0 is Alg*(θ), on one parameter.
    let private scalarSmoothness seed =
        let task = (ScalarTask.random seed).Task
        smoothness task (0.0 * task.Theta)

    let private scalarSmoothnessMargin seed =
        let struct (measured, bound, uncertainty) = scalarSmoothness seed
        Claim.margin measured (bound + uncertainty)

    let private attainedSmoothnessMargin seed =
        let struct (measured, bound, uncertainty) = scalarSmoothness seed
        Claim.margin (0.999 * bound) (measured + uncertainty)

    /// F and ∇F at θ.
    let private outer (tasks: BilevelTask[]) theta =
        let each =
            tasks
            |> Array.map (fun task ->
                let phi = BilevelTask.exactSolution task theta
                struct (task.Outer.Value phi, BilevelTask.implicitGradient task phi))

        let mean = 1.0 / float tasks.Length

        struct (mean * Array.sumBy (fun struct (value, _) -> value) each,
                mean * Array.fold (fun sum struct (_, gradient) -> sum + gradient) (0.0 * theta) each)

    /// Algorithm 2 to `error`/2 on the task whose turn it is, its answer pushed by the other half along ∇F(θ), which slows descent down.
    /// NaN where it was not certified: Algorithm 1 would leave the task out.
    let private strategy (tasks: BilevelTask[]) (problems: IBilevelProblem<_, _>[]) error =
        { new IMetaGradientStrategy<Vector<float>, float> with
            member _.Compute(_, _, problem, theta) =
                let task = tasks[Array.findIndex (fun given -> obj.ReferenceEquals(given, problem)) problems]
                let result = AccuracyPrice.compute MeasuredCurvature (error / 2.0) { task with Theta = theta }
                let struct (_, gradient) = outer tasks theta
                let size = gradient.L2Norm()
                let push = if size > 0.0 then gradient / size else gradient

                { result.MetaGradient with
                    Gradient =
                        if result.Tasks[0].Status = CertifiedStatus.Met then
                            result.MetaGradient.Gradient - error / 2.0 * push
                        else
                            nan * theta
                }
        }

    /// inf L: that of a quadratic by a solve, of the others at least 0.
    let private lowest family (loss: SmoothLoss) =
        match family with
        | Quadratics ->
            let zero = Vector<float>.Build.Dense loss.Dimension
            loss.Value((loss.Hessian zero).Cholesky().Solve(-(loss.Gradient zero)))
        | LinearRegressions
        | LogisticRegressions
        | Networks -> 0.0

    /// The smallest ‖∇F(θₖ)‖², k < K, of Algorithm 1 with steps of `rate`.
    let private descend (tasks: BilevelTask[]) strategy (rate: float) steps =
        let problems = tasks |> Array.map BilevelTask.problem
        let start = MetaLearning.start (GradientDescentOptimizer rate) tasks[0].Theta
        let batches = Seq.replicate (steps - 1) (MetaLearning.chunks space problems)

        let later =
            MetaLearning.states space (strategy problems) (Proximal.regularizer tasks[0].Proximal) batches start
            |> Seq.map (fun struct (state, report) ->
                if report.Usable = tasks.Length then
                    state.Theta
                else
                    nan * state.Theta)

        Seq.append [ start.Theta ] later
        |> Seq.map (fun theta ->
            let struct (_, gradient) = outer tasks theta
            gradient.L2Norm() ** 2.0)
        // Not Seq.min, which passes over what is not a number.
        |> Seq.reduce (fun least size -> if size < least || Double.IsNaN size then size else least)

    let private stationarityMargin family seed =
        let task = Family.regularized family seed

        let tasks =
            [|
                task
                { task with
                    Inner = task.Outer
                    Outer = task.Inner
                }
            |]

        let random = Random(seed + 1)
        let smoothness = tasks |> Array.averageBy (BilevelTask.constants >> Corollary1.MetaSmoothness)
        let steps = random.Next(1, 20)
        let struct (first, slope) = outer tasks task.Theta
        let error = 10.0 ** (-2.0 * random.NextDouble()) * slope.L2Norm()
        let least = descend tasks (fun problems -> strategy tasks problems error) (1.0 / smoothness) steps
        let gap = first - Array.average (tasks |> Array.map (fun task -> lowest family task.Outer))
        Claim.margin least (Corollary1.Stationarity(smoothness, gap, steps, error))

    /// One parameter and quadratics: F is a parabola of curvature L_F.
    let private parabola (seed: int) =
        let random = Random seed
        let magnitude () = 10.0 ** (2.0 * random.NextDouble() - 1.0)
        let one (value: float) = Vector<float>.Build.Dense(1, value)
        let quadratic () = Quadratic.loss (Matrix<float>.Build.Dense(1, 1, magnitude ())) (one (magnitude ())) 0.0
        BilevelTask.create (quadratic ()) (quadratic ()) (Proximal.Scalar(magnitude ())) (one (magnitude ()))

    let private gap (task: BilevelTask) =
        let struct (first, slope) = outer [| task |] task.Theta
        struct (first - lowest Quadratics task.Outer, slope.L2Norm())

    /// K = 1 and e = 0; or K = 1000 and an error that takes all of ∇F away, so that θ stays. Both sides are some hundred roundings of each
    /// other's parts.
    let private parabolaMargin reversed seed =
        let task = parabola seed
        let smoothness = Corollary1.MetaSmoothness(BilevelTask.constants task)
        let struct (gap, slope) = gap task

        let bound =
            if seed % 2 = 0 then
                Corollary1.Stationarity(smoothness, gap, 1, 0.0)
            else
                Corollary1.Stationarity(smoothness, gap, 1000, slope)

        if reversed then
            Claim.margin (0.99 * bound) (slope * slope)
        else
            Claim.margin (slope * slope) (bound * (1.0 + 1e-12) + 1e-12 * smoothness)

    /// Fixed budgets on a parabola, e taken for 0.
    let private budgetMargin rate innerSteps steps seed =
        let task = parabola seed
        let c = BilevelTask.constants task
        let smoothness = Corollary1.MetaSmoothness c
        let struct (gap, _) = gap task

        let strategy =
            ImplicitStrategy(
                GradientDescentSolver(ConstantStep(0.5 / c.Smoothness), innerSteps),
                DenseSolver<_, _>(EuclideanCoordinates()),
                Thresholds.None
            )

        let least = descend [| task |] (fun _ -> strategy) (rate / smoothness) steps
        Claim.margin least (Corollary1.Stationarity(smoothness, gap, steps, 0.0))

    let private claim statement families measured bound instances violations : Claim =
        Claim.create
            "Corollary 1"
            statement
            (Theorem1Accounts.hypotheses + ", L is B-Lipschitz")
            families
            measured
            bound
            instances
            violations

    let private every = Instances.names Family.withNetworks + "; every kind of Λ"
    let private few = Instances.count 10 100

    let claims: Claim list =
        [
            claim
                "∇F is L_F-Lipschitz, L_F = (‖Λ‖/µ)C"
                (every + "; " + Theorem1Accounts.scalar)
                "‖∇F(θ) − ∇F(θ′)‖"
                "L_F‖θ − θ′‖"
                (Instances.each 8000 Family.withNetworks (Instances.count 40 400) smoothnessMargin
                 |> Instances.andThen (Theorem1Accounts.scalars scalarSmoothnessMargin))
                [| CurvatureJump.smoothness smoothness |]
            claim
                "no smaller L_F will do"
                Theorem1Accounts.scalar
                "0.999L_F|θ − θ′|"
                "|∇F(θ) − ∇F(θ′)|"
                (Theorem1Accounts.scalars attainedSmoothnessMargin)
                [||]
            claim
                "K steps of 1/L_F along meta-gradients good to e reach ‖∇F‖² ≤ 2L_F(F(θ₀) − inf F)/K + e²"
                (every + "; quadratics of one parameter")
                "the least ‖∇F(θₖ)‖², k < K"
                "2L_F(F(θ₀) − inf F)/K + e²"
                (Instances.each 9000 Family.withNetworks (Instances.count 10 60) stationarityMargin
                 |> Instances.andThen (Instances.numbered 9600 (Instances.count 20 200) (parabolaMargin false)))
                [|
                    Violation.breaks "steps of 2.5/L_F" (Instances.numbered 9500 few (budgetMargin 2.5 200 20))
                    Violation.breaks
                        "e is taken for 0 where two inner steps are made"
                        (Instances.numbered 9500 few (budgetMargin 1.0 2 500))
                |]
            claim
                "neither part of the bound can be smaller: K = 1 without error, and an error as large as ∇F"
                "quadratics of one parameter"
                "0.99 of the bound"
                "‖∇F(θₖ)‖²"
                (Instances.numbered 9600 (Instances.count 20 200) (parabolaMargin true))
                [||]
        ]
