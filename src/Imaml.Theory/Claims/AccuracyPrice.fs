// What a certified accuracy costs: the gradients and Hessian–vector products of AdaptiveAccuracy, which knows nothing in advance, against
// those of the best fixed thresholds (δ, δ′) whose certificate meets the same ε, found by trying them on the same inner solver and the same CG.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// One comparison.
type AccuracyPrice =
    {
        Outcome: CertifiedTask
        /// ‖g − d_θL(Alg*(θ))‖
        Error: float
        /// How far that measurement may be off: the certificate of the meta-gradient that it is measured against.
        Uncertainty: float
        /// Gradients and products.
        Adaptive: int
        /// 0 where none of the fixed thresholds that were tried meets ε, which fails the claim.
        BestFixed: int
    }

[<RequireQualifiedAccess>]
module AccuracyPrice =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    let private steps = 50_000

    let private computeWith (judge: BilevelTask -> TaskConstants) rule epsilon (task: BilevelTask) =
        AdaptiveAccuracy.Compute(
            space,
            Proximal.regularizer task.Proximal,
            BilevelTask.problem task,
            GradientDescentSolver<Vector<float>, float>(rule, steps, 1),
            ConjugateGradientSolver<Vector<float>, float>(LinearSolveOptions.ToTolerance(2_000, 0.0)),
            [| judge task |],
            { Accuracy = epsilon; MaxRounds = 10 },
            task.Theta
        )

    /// Algorithm 2 to accuracy ε.
    let compute rule epsilon (task: BilevelTask) = computeWith BilevelTask.losses rule epsilon task

    /// The points at which gradient descent evaluates ∇L̂ until ‖∇G‖ ≤ `gradientNorm`: a smaller tolerance only goes on from there.
    let private path rule (gradientNorm: float) (task: BilevelTask) =
        let problem = BilevelTask.problem task
        let visited = ResizeArray<Vector<float>>()

        let recording =
            { new IBilevelProblem<Vector<float>, float> with
                member _.InnerLoss phi = problem.InnerLoss phi

                member _.InnerGradient phi =
                    visited.Add phi
                    problem.InnerGradient phi

                member _.LinearizeInner phi =
                    visited.Add phi
                    problem.LinearizeInner phi

                member _.OuterLossAndGradient phi = problem.OuterLossAndGradient phi
            }

        let regularizer = Proximal.regularizer task.Proximal

        GradientDescent.solve rule steps 1 space regularizer recording task.Theta task.Theta gradientNorm
        |> ignore

        visited.ToArray()

    /// How many steps CG needs at φ until the certificate meets ε: none where 2d + 10 are too few.
    let private linearSteps epsilon (task: BilevelTask) (phi: Vector<float>) =
        let product = task.Inner.HessianProduct phi
        let apply w = product w + Proximal.apply task.Proximal w
        let certified u = (Theorem1Accounts.certificate task phi u).Total <= epsilon

        let rec iterate k (u: Vector<float>) (r: Vector<float>) (p: Vector<float>) =
            if certified u then
                Some k
            elif k > 2 * task.Theta.Count + 10 then
                None
            else
                let q = apply p
                let rho = r.DotProduct r
                let alpha = rho / p.DotProduct q
                let next = r - alpha * q
                iterate (k + 1) (u + alpha * p) next (next + (next.DotProduct next / rho) * p)

        let v = task.Outer.Gradient phi
        iterate 0 (0.0 * v) v v

    /// The smallest number of gradients and products, one linearization and one residual included, over a grid of inner thresholds that
    /// reaches from twenty times above to twenty times below `gradientNorm`, each with the CG steps that its certificate needs;
    /// 0 where none will do.
    let bestFixed rule epsilon (gradientNorm: float) (task: BilevelTask) =
        let path = path rule (gradientNorm / 20.0) task
        let norm k = (BilevelTask.innerGradient task task.Theta path[k]).L2Norm()

        let first =
            Seq.init path.Length id
            |> Seq.tryFind (fun k -> norm k <= 20.0 * gradientNorm)
            |> Option.defaultValue 0

        let stride = max 1 ((path.Length - first) / 40)

        let overhead =
            match rule with
            | MeasuredCurvature -> 1
            | ConstantStep _ -> 0

        seq {
            for k in first..stride .. path.Length - 1 ->
                linearSteps epsilon task path[k] |> Option.map (fun j -> k + 1 + overhead + 1 + j + 1)
        }
        |> Seq.choose id
        |> Seq.fold (fun least work -> if least = 0 then work else min least work) 0

    /// The comparison on one task.
    let compare rule epsilon (task: BilevelTask) : AccuracyPrice =
        let result = compute rule epsilon task
        let outcome = result.Tasks[0]
        let phi = BilevelTask.exactSolution task task.Theta
        let u = BilevelTask.adjoint task phi

        {
            Outcome = outcome
            Error = (result.MetaGradient.Gradient - Proximal.apply task.Proximal u).L2Norm()
            Uncertainty = (Theorem1Accounts.certificate task phi u).Total
            Adaptive = outcome.Work.Gradients + outcome.Work.HessianProducts
            BestFixed = bestFixed rule epsilon result.MetaGradient.InnerGradientNorm task
        }

    /// A task with κ up to some thousand, which gradient descent solves, any kind of Λ, and ε from 10⁻² to 10⁻¹⁰.
    let private instance family (seed: int) =
        let random = Random(7 * seed + 1)
        let task = Family.task family seed
        let d = task.Theta.Count
        let lambda = 10.0 ** (2.5 * random.NextDouble() - 2.0)

        let task =
            { task with
                Proximal = Proximal.random random d lambda
            }

        let rule =
            if seed % 2 = 0 then
                MeasuredCurvature
            else
                ConstantStep(1.0 / (BilevelTask.constants task).Smoothness)

        let epsilon = 10.0 ** (-2.0 - 8.0 * random.NextDouble())
        struct (epsilon, compare rule epsilon task)

    let private prices =
        Instances.shared (fun extent ->
            seq {
                for struct (family, seed) in Instances.seeds 1 Family.all (Instances.count 50 320) extent ->
                    struct ($"{Family.name family}, seed {seed}", instance family seed)
            }
            |> Seq.cache)

    /// What is certified with other constants than the task's, against the error; ε is a hundredth of ‖∇L(θ)‖.
    let private misjudgedMargin judge (task: BilevelTask) =
        let epsilon = 0.01 * (task.Outer.Gradient task.Theta).L2Norm()
        let result = computeWith judge MeasuredCurvature epsilon task
        let struct (gradient, bound) = Theorem1Accounts.exact task
        Claim.margin ((result.MetaGradient.Gradient - gradient).L2Norm()) (result.Tasks[0].Bound.Total + bound.Total)

    let private check statement measured bound measure limit : Claim =
        {
            Source = "Algorithm 2"
            Statement = statement
            Hypotheses = "G is µ-strongly convex and β-smooth, L is L-smooth, H is ρ-Lipschitz"
            Families = Instances.names Family.all + ", every kind of Λ"
            Measured = measured
            Bound = bound
            Instances =
                Instances.from (fun extent ->
                    prices extent
                    |> Seq.map (fun struct (name, struct (epsilon, price)) -> Claim.instance name (measure price) (limit epsilon price)))
            Violations = [||]
        }

    let claims: Claim list =
        [
            check
                "to a given accuracy ε, the certified bound is at most ε"
                "the certified bound"
                "ε"
                (fun p -> p.Outcome.Bound.Total)
                (fun epsilon _ -> epsilon)
            { check
                  "to a given accuracy ε, the error is within the certified bound"
                  "‖g − d_θL(Alg*(θ))‖"
                  "the certified bound"
                  (fun p -> p.Error)
                  (fun _ p -> p.Outcome.Bound.Total + p.Uncertainty) with
                Violations =
                    [|
                        Violation.breaks
                            "ρ is taken for 0, on logistic regression"
                            (Instances.numbered 4600 (Instances.count 20 200) (APriori.nearlyLinear >> misjudgedMargin Misjudged.flat))
                    |]
            }
            check
                "a certified accuracy costs at most 1.5 times the best fixed thresholds"
                "gradients and Hessian–vector products"
                "1.5 times the fewest over a grid of fixed thresholds, δ from 20 times above the one reached to 20 below"
                (fun p -> float p.Adaptive)
                (fun _ p -> 1.5 * float p.BestFixed)
        ]
