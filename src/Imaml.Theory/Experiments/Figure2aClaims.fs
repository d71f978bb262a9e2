// The paper's statements about Figure 2(a), as numbers: both methods converge to the exact meta-gradient; iMAML is nearer to it after finitely
// many inner steps; two steps of CG leave a floor, which five remove. And two more statements that the figure can check: MAML is
// exact in the approximate-solve sense, and the certificate lies above the true error.

namespace Imaml.Theory

open System
open MathNet.Numerics.Statistics

/// One method's error against the number of inner steps: the median over the problems with the band from the 10 % to the 90 % quantile.
type Figure2aCurve =
    {
        Method: Figure2aMethod
        InnerSteps: int[]
        /// Gradients and Hessian–vector products of each of them.
        Work: int[]
        Median: float[]
        Low: float[]
        High: float[]
    }

[<RequireQualifiedAccess>]
module Figure2aClaims =

    /// The relative error below which a method has converged after 20κ steps: far below any other number of the figure, far above rounding.
    let private converged = 1e-6

    /// MAML's error down to which the two methods are compared; far below it the error is rounding.
    let private resolved = 1e-8

    /// The smallest error that counts as a floor, relative to the exact meta-gradient; and the largest part that may remain where it is removed.
    let private floor, private removed = 0.1, 1e-3

    /// Rounding of T contractive steps of gradients, products and adjoints with d = 20 numbers and n = 24 examples errs by at most about κ
    /// times (d + n)u of ‖v‖ + ‖φ‖, which is below a hundred times the exact meta-gradient: 100·44·1.1e-16·100 < 1e-10.
    let private rounding = 1e-10

    let private quantiles (groups: (int * 'T[])[]) meth (work: 'T -> int) (quantity: 'T -> float) : Figure2aCurve =
        let quantile q = groups |> Array.map (fun (_, group) -> (Array.map quantity group).Quantile q)

        {
            Method = meth
            InnerSteps = groups |> Array.map fst
            Work = groups |> Array.map (fun (_, group) -> work group[0])
            Median = quantile 0.5
            Low = quantile 0.1
            High = quantile 0.9
        }

    let private ofMethod (points: Figure2aPoint seq) meth = points |> Seq.filter (fun p -> p.Method = meth) |> Seq.toArray

    let private bySteps (steps: 'T -> int) (points: 'T[]) = points |> Array.groupBy steps |> Array.sortBy fst

    /// The median and the band of a quantity.
    let curve (points: Figure2aPoint seq) (meth: Figure2aMethod) (quantity: Func<Figure2aPoint, float>) : Figure2aCurve =
        quantiles (ofMethod points meth |> bySteps (fun p -> p.InnerSteps)) meth (fun p -> p.Work) quantity.Invoke

    let private exactSolve = Func<Figure2aPoint, float>(fun p -> p.ExactSolveError)

    /// iMAML with 5 CG steps and MAML, on the same problem after the same number of inner steps, where MAML's error is above rounding on at
    /// least half of the problems; those on which it is.
    let private paired (points: Figure2aPoint seq) =
        let all = Array.zip (ofMethod points Figure2aMethod.Imaml5) (ofMethod points Figure2aMethod.Maml)

        all
        |> Array.groupBy (fun (_, maml) -> maml.InnerSteps)
        |> Array.map (fun (_, group) -> struct (group.Length, group |> Array.filter (fun (_, maml) -> maml.ExactSolveError >= resolved)))
        |> Array.filter (fun struct (problems, group) -> 2 * group.Length >= problems)
        |> Array.collect (fun struct (_, group) -> group)

    let private ratioOf struct (imaml: Figure2aPoint, maml: Figure2aPoint) = imaml.ExactSolveError / maml.ExactSolveError

    /// The median and the band of iMAML's exact-solve error over MAML's, problem by problem, with 5 CG steps.
    let ratio (points: Figure2aPoint seq) : Figure2aCurve =
        let pairs = paired points |> Array.map (fun (imaml, maml) -> struct (imaml, maml))

        quantiles
            (pairs |> bySteps (fun struct (imaml, _) -> imaml.InnerSteps))
            Figure2aMethod.Imaml5
            (fun struct (imaml, _) -> imaml.Work)
            ratioOf

    /// On how many pairs of a problem and a number of inner steps iMAML with 5 CG steps is nearer than MAML, and how many pairs there are.
    let pairs (points: Figure2aPoint seq) =
        let pairs = paired points
        let nearer = pairs |> Array.filter (fun (imaml, maml) -> imaml.ExactSolveError < maml.ExactSolveError)
        struct (nearer.Length, pairs.Length)

    let private claim statement hypotheses measured bound (instances: Instance seq) violations : Claim =
        {
            Source = "Figure 2(a)"
            Statement = statement
            Hypotheses = hypotheses
            Families = "few-shot linear regression, κ = 100"
            Measured = measured
            Bound = bound
            Instances = Func<_, _>(fun _ -> instances)
            Violations = violations
        }

    let private named (p: Figure2aPoint) = $"problem seed {p.ProblemSeed}, {p.InnerSteps} inner steps"

    let private last = Array.last Figure2a.innerSteps

    /// The part of the floor of two steps that five steps leave, on regressions with 12 examples, where CG needs more than five.
    let private moreExamples =
        Violation.breaks
            "12 support examples in place of 4, so that H + λI has 13 distinct eigenvalues"
            (Instances.numbered 1 (Instances.count 5 20) (fun seed ->
                let points =
                    Figure2a.onTask (Figure2aProblem.withExamples 12 seed) [| Figure2aMethod.Imaml2; Figure2aMethod.Imaml5 |] [| last |]

                Claim.margin points[1].ExactSolveError (removed * points[0].ExactSolveError)))

    /// The statements about these points, which are those of whole problems.
    let ofPoints (points: Figure2aPoint[]) : Claim[] =
        let ofMethod = ofMethod points

        let convergence meth name =
            claim
                $"the meta-gradient of {name} converges to the exact one"
                $"gradient descent, {last} steps of 1/β"
                "relative exact-solve error"
                "10⁻⁶"
                (ofMethod meth
                 |> Seq.filter (fun p -> p.InnerSteps = last)
                 |> Seq.map (fun p -> Claim.instance (named p) p.ExactSolveError converged))
                [||]

        let ratios = ratio points

        let nearer =
            Array.zip ratios.InnerSteps ratios.Median
            |> Array.map (fun (steps, median) -> Claim.instance $"{steps} inner steps, median over these problems" median 1.0)

        let final meth = Array.last (curve points meth exactSolve).Median

        [|
            convergence Figure2aMethod.Maml "MAML"
            convergence Figure2aMethod.Imaml5 "iMAML with 5 CG steps"
            claim
                "after finitely many inner steps iMAML with 5 CG steps is nearer to the exact meta-gradient than MAML"
                "MAML's error is at least 10⁻⁸, above rounding, on half of the problems or more"
                "median over the problems of iMAML's exact-solve error over MAML's"
                "1"
                nearer
                [||]
            claim
                "2 CG steps leave a floor"
                $"{last} inner steps"
                "a tenth of the exact meta-gradient"
                "median exact-solve error with 2 CG steps"
                [
                    Claim.instance "median over the problems" floor (final Figure2aMethod.Imaml2)
                ]
                [||]
            claim
                "5 CG steps remove the floor that 2 leave"
                "4 support examples, so that H + λI has 5 distinct eigenvalues"
                "median exact-solve error with 5 CG steps"
                "a thousandth of that with 2"
                [
                    Claim.instance "median over the problems" (final Figure2aMethod.Imaml5) (removed * final Figure2aMethod.Imaml2)
                ]
                [| moreExamples |]
            claim
                "MAML's meta-gradient is the derivative of the iterate"
                "none"
                "relative approximate-solve error"
                "rounding, 10⁻¹⁰"
                (Seq.append (ofMethod Figure2aMethod.Maml) (ofMethod Figure2aMethod.MamlNesterov)
                 |> Seq.map (fun p -> Claim.instance (named p) p.ApproximateSolveError rounding))
                [||]
            claim
                "the certificate bounds the exact-solve error of every implicit meta-gradient"
                "µ, β, L certified; ρ = 0"
                "exact-solve error"
                "certificate, and the rounding of what is called exact"
                (points
                 |> Seq.filter (fun p -> Figure2a.linearSteps p.Method > 0)
                 |> Seq.map (fun p -> Claim.instance $"{p.Method}, {named p}" p.ExactSolveError (p.Certificate + p.ExactRounding)))
                [||]
        |]
