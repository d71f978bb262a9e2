/// The inner optimiser may be a black box, even one without derivatives: the implicit meta-gradient at its φ errs by at most δ′ + Cδ.
module Imaml.Math.Tests.BlackBoxTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.Distributions
open MathNet.Numerics.LinearAlgebra
open MathNet.Numerics.Optimization
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

/// G(·, θ) as a black box sees it: values only.
let private objective (problem: IBilevelProblem<Vector<float>, float>) regularizer theta phi =
    InnerObjective.value (EuclideanSpace()) regularizer (problem.InnerLoss phi) phi theta

let private nelderMead =
    InnerSolve<Vector<float>, float>(fun problem regularizer theta start ->
        let value = ObjectiveFunction.Value(Func<_, _>(objective problem regularizer theta))
        (NelderMeadSimplex(1e-12, 20_000)).FindMinimum(value, start).MinimizingPoint)

/// The (1+1) evolution strategy with the one-fifth rule (Rechenberg 1973): one random child, kept where it is better.
let private evolution =
    InnerSolve<Vector<float>, float>(fun problem regularizer theta start ->
        let random = Random 7
        let value = objective problem regularizer theta

        let rec evolve k (parent: Vector<float>) best width =
            if k = 0 then
                parent
            else
                let child =
                    parent + width * Vector<float>.Build.Dense(parent.Count, fun _ -> Normal.Sample(random, 0.0, 1.0))

                let fitness = value child

                if fitness < best then
                    evolve (k - 1) child fitness (1.5 * width)
                else
                    evolve (k - 1) parent best (width * 1.5 ** -0.25)

        evolve 3000 start (value start) 1.0)

/// Tasks of at most three parameters.
let private small family =
    Seq.initInfinite (Family.task family)
    |> Seq.filter (fun task -> task.Theta.Count <= 3)
    |> Seq.take 8
    |> Seq.toList

let private compute solver (task: BilevelTask) =
    ImplicitMetaGradient.Compute(
        EuclideanSpace(),
        Proximal.regularizer task.Proximal,
        BilevelTask.problem task,
        DelegateInnerSolver<Vector<float>, float>(solver: InnerSolve<Vector<float>, float>),
        ConjugateGradientSolver(KrylovLaws.budget 10),
        Thresholds.None,
        task.Theta
    )

[<Tests>]
let tests =
    testList
        "Black box"
        [
            for family in Family.all do
                for name, solver in [ "Nelder and Mead's simplex", nelderMead; "an evolution strategy", evolution ] do
                    testCase $"the meta-gradient at the φ of {name} errs by at most δ′ + Cδ, {Family.name family}" (fun () ->
                        for task in small family do
                            let result = compute solver task
                            let c = BilevelTask.constants task
                            let exact = BilevelTask.exactSolution task task.Theta
                            let delta = (result.Phi - exact).L2Norm()
                            let deltaPrime = (result.Gradient - BilevelTask.implicitGradient task result.Phi).L2Norm()
                            let error = (result.Gradient - BilevelTask.exactMetaGradient task).L2Norm()
                            // Rounding of the two dense solves that are compared with: κ roundings of ‖v‖λ/µ each.
                            let v = (task.Outer.Gradient result.Phi).L2Norm()

                            let rounding =
                                20.0 * 2.0 ** -52.0 * c.Condition * c.Contraction * (v + c.OuterSmoothness * exact.L2Norm())

                            Check.atMost (deltaPrime + c.InnerErrorFactor * delta + rounding) error "the error"
                            // It is a solution, though not an exact one: the bound says something, and is not met by chance.
                            let before = (task.Theta - exact).L2Norm()
                            Check.atMost (1e-3 * before + 1e-6) delta "δ"
                            delta |> should be (greaterThan 0.0)
                            // What is known of it on the spot: δ ≤ ‖∇G‖/µ.
                            let known = result.InnerGradientNorm / c.StrongConvexity
                            Check.atMost (known + 1e-12 * (1.0 + exact.L2Norm()) * c.Condition) delta "δ against ‖∇G‖/µ")

            testCase "a black box that returns nothing is refused" (fun () ->
                let nothing = InnerSolve<Vector<float>, float>(fun _ _ _ _ -> Unchecked.defaultof<Vector<float>>)

                (fun () -> compute nothing (List.head (small Quadratics)) |> ignore)
                |> should throw typeof<InvalidOperationException>)
        ]
