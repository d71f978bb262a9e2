/// Certified accuracy: its memory, its count of work, and constants that are only estimates.
module Imaml.Math.Tests.AccuracyTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private options epsilon : AdaptiveOptions = { Accuracy = epsilon; MaxRounds = 8 }

let private linear: LinearSolveOptions =
    {
        MaxSteps = 200
        RelativeResidual = 0.0
        CheckEvery = 1
        RecomputeResidual = false
    }

let private work =
    let compute (innerSolver: IInnerProductSpace<Counted<Vector<float>>, Counted<float>> -> IInnerSolver<_, _>) (task: BilevelTask) =
        let space = CountingSpace<Vector<float>, float>(EuclideanSpace())
        let problem = CountingProblem(space, BilevelTask.problem task)
        use _ = (space :> IInnerProductSpace<_, _>).OpenRegion()

        let lambda =
            match task.Proximal with
            | Proximal.Scalar lambda -> lambda
            | _ -> invalidOp "the family's Λ is λI"

        let result =
            AdaptiveAccuracy.Compute(
                space,
                ScalarRegularizer lambda,
                problem,
                innerSolver space,
                ConjugateGradientSolver linear,
                [| BilevelTask.losses task |],
                options 1e-5,
                space.Track task.Theta
            )

        let cost = (result.MetaGradient.Cost(space))[0]
        let inner = (result.MetaGradient.Inner.Read space)[0]
        struct (result.Tasks[0], problem.Count, cost, inner.Status)

    testList
        "Work"
        [
            Subject.property
                Subjects.euclidean
                30
                "a task alone is told exactly the gradients and products that were evaluated"
                (fun draw ->
                    for family in Family.all do
                        let struct (outcome, count, _, _) =
                            compute (fun _ -> GradientDescentSolver(MeasuredCurvature, 5000, 1)) (Family.task family draw.Seed)

                        outcome.Status |> should equal CertifiedStatus.Met
                        count.Gradients |> should equal outcome.Work.Gradients
                        count.HessianProducts |> should equal outcome.Work.HessianProducts
                        count.OuterGradients |> should equal outcome.Work.OuterGradients)

            testCase "the losses of the inner solver's line search are counted" (fun () ->
                for family in Family.all do
                    let struct (outcome, count, cost, _) =
                        compute (fun _ -> NewtonConjugateGradientSolver(100, 5)) (Family.task family 1)

                    outcome.Status |> should equal CertifiedStatus.Met
                    cost |> should equal count
                    cost.Losses |> should be (greaterThan 0))

            testCase "budgets that end far above rounding are spent, however small ε is" (fun () ->
                let task = Family.task LogisticRegressions 3

                let result =
                    AdaptiveAccuracy.Compute(
                        EuclideanSpace(),
                        Proximal.regularizer task.Proximal,
                        BilevelTask.problem task,
                        GradientDescentSolver(ConstantStep 1e-3, 1),
                        ConjugateGradientSolver linear,
                        [| BilevelTask.losses task |],
                        options 1e-300,
                        task.Theta
                    )

                let outcome = result.Tasks[0]
                outcome.Bound.Total |> should be (greaterThan (1e3 * outcome.Bound.Rounding))
                outcome.Status |> should equal CertifiedStatus.BudgetSpent)

            testCase "a black box has not reported" (fun () ->
                let blackBox (space: IInnerProductSpace<_, _>) =
                    InnerSolve<_, _>(fun problem regularizer theta start ->
                        let solver: IInnerSolver<_, _> = LbfgsSolver(100, 5)
                        solver.Solve(space, regularizer, problem, theta, start, space.Scalar 1e-12).Phi)

                let struct (outcome, _, _, status) =
                    compute (blackBox >> fun solve -> DelegateInnerSolver<_, _> solve) (Family.task LogisticRegressions 1)

                outcome.Status |> should equal CertifiedStatus.Met
                status |> should equal InnerStatus.NotReported)

            testCase "it holds as many vectors at ε = 10⁻⁹ as at 10⁻⁴, and leaves its result" (fun () ->
                let count epsilon =
                    let task = Family.task LogisticRegressions 3
                    let space = CountingSpace<Vector<float>, float>(EuclideanSpace())
                    let problem = CountingProblem(space, BilevelTask.problem task)
                    use _ = (space :> IInnerProductSpace<_, _>).OpenRegion()
                    let theta = space.Track task.Theta
                    space.Reset()
                    let before = space.Vectors

                    AdaptiveAccuracy.Compute(
                        space,
                        ScalarRegularizer 0.5,
                        problem,
                        GradientDescentSolver(MeasuredCurvature, 5000, 1),
                        ConjugateGradientSolver linear,
                        [| BilevelTask.losses task |],
                        options epsilon,
                        theta
                    )
                    |> ignore

                    struct (space.MostVectors - before, space.Vectors - before)

                let struct (mostRough, leftRough) = count 1e-4
                let struct (mostFine, leftFine) = count 1e-9
                mostFine |> should equal mostRough
                leftFine |> should equal leftRough
                // g, φ and u.
                leftFine |> should equal 3)

            testCase "constants know no Λ: the bound is that of the Λ in use" (fun () ->
                // µ = m + λ and ‖Λ‖ = λ, whatever λ the same constants were used with before: (‖Λ‖/µ)‖r‖ at φ = Alg*(θ), r = v.
                let one (value: float) = Vector<float>.Build.Dense(1, value)
                let loss = Quadratic.loss (Matrix<float>.Build.Dense(1, 1, 1.0)) (one 1.0) 0.0
                let constants = TaskConstants(loss.Constants, loss.Constants)

                for lambda in [ 2.0; 0.01; 2.0 ] do
                    let task = BilevelTask.create loss loss (Proximal.Scalar lambda) (one 0.0)
                    let phi = BilevelTask.exactSolution task task.Theta
                    let c = constants.With(ScalarRegularizer<Vector<float>, float> lambda)
                    // Rounded downwards and upwards.
                    Check.near (2.0 ** -51.0) (1.0 + lambda) c.StrongConvexity "µ"
                    Check.near (2.0 ** -51.0) (1.0 + lambda) c.Smoothness "β"
                    Check.atMost (1.0 + lambda) c.StrongConvexity "µ"
                    c.LargestRegularization |> should equal lambda

                    let bound =
                        Certificate.OfSolution(
                            EuclideanSpace(),
                            ScalarRegularizer lambda,
                            BilevelTask.problem task,
                            [| constants |],
                            task.Theta,
                            phi,
                            one 0.0
                        )
                        |> Array.exactlyOne

                    let v = abs (phi[0] + 1.0)
                    Check.near (1e-12 * v) (lambda / (1.0 + lambda) * v) bound.Total $"λ = {lambda}")

            testCase "what makes no sense is refused" (fun () ->
                let task = Family.task Quadratics 1

                let refused message options constants =
                    let text =
                        try
                            AdaptiveAccuracy.Compute(
                                EuclideanSpace(),
                                Proximal.regularizer task.Proximal,
                                BilevelTask.problem task,
                                GradientDescentSolver(MeasuredCurvature, 5, 1),
                                ConjugateGradientSolver linear,
                                constants,
                                options,
                                task.Theta
                            )
                            |> ignore

                            "accepted"
                        with :? ArgumentException as e ->
                            e.Message

                    text |> should haveSubstring message

                let constants = [| BilevelTask.losses task |]
                let usual = options 0.1

                for accuracy in [ 0.0; -1.0; nan; infinity ] do
                    refused "accuracy must be positive" { usual with Accuracy = accuracy } constants

                refused "MaxRounds must be at least 1" { usual with MaxRounds = 0 } constants
                refused "2 tasks' constants for 1 tasks" usual (Array.append constants constants))
        ]

let private estimateOptions largestDense (task: BilevelTask) =
    {
        LargestDense = largestDense
        LanczosSteps = 2 * task.Theta.Count
        PowerSteps = 60
        Reach = 1e-5
    }

let private measured largestDense (task: BilevelTask) (phi: Vector<float>) =
    EstimatedConstants.At(
        EuclideanSpace(),
        EuclideanCoordinates(),
        Proximal.regularizer task.Proximal,
        BilevelTask.problem task,
        estimateOptions largestDense task,
        task.Theta,
        phi
    )
    |> Array.exactlyOne

let private estimates =
    testList
        "Estimated constants"
        [
            Subject.property Subjects.euclidean 30 "dense or by Ritz values, µ and β are the ends of the spectrum of H + Λ" (fun draw ->
                for family in Family.all do
                    let task = Family.task family draw.Seed
                    let struct (smallest, largest) = Spectrum.ends (BilevelTask.shiftedHessian task task.Theta)
                    let tolerance = 100.0 * float task.Theta.Count * 2.0 ** -53.0 * largest
                    let dense = measured 12 task task.Theta
                    Check.near tolerance smallest dense.StrongConvexity "µ, dense"
                    Check.near tolerance largest dense.Smoothness "β, dense"
                    dense.Kind |> should equal BoundKind.Estimated
                    // Ritz values lie between the ends, but for the rounding of the coefficients that they are made of.
                    let ritz = measured 0 task task.Theta
                    let inside = 1e-6 * largest
                    Check.atMost (ritz.StrongConvexity + inside) smallest "µ, Ritz"
                    Check.atMost (largest + inside) ritz.Smoothness "β, Ritz"
                    ritz.Kind |> should equal BoundKind.Estimated)

            Subject.property Subjects.euclidean 30 "what is measured never exceeds what is proved" (fun draw ->
                for family in Family.all do
                    let task = Family.task family draw.Seed
                    let c = BilevelTask.constants task
                    let phi = BilevelTask.exactSolution task task.Theta
                    let estimate = measured 12 task phi
                    // Differences over 10⁻⁵ max(1, ‖φ‖) of gradients and products that round.
                    let reach = 1e-5 * max 1.0 (phi.L2Norm())
                    let size = phi.L2Norm() + reach
                    let outer = 2.0 * c.OuterGradientRounding.At size / reach + 1e-9 * c.OuterSmoothness
                    Check.atMost (c.OuterSmoothness + outer) estimate.OuterSmoothness "L"
                    let product = 2.0 * c.ProductRounding.At size / reach + 1e-9 * c.HessianLipschitz
                    Check.atMost (c.HessianLipschitz + product) estimate.HessianLipschitz "ρ"
                    Check.atMost (estimate.StrongConvexity * (1.0 + 1e-9)) c.StrongConvexity "µ"
                    Check.atMost (c.Smoothness * (1.0 + 1e-9)) estimate.Smoothness "β")

            testCase "of a quadratic outer loss L is its largest eigenvalue" (fun () ->
                for seed in 1..20 do
                    let task = Family.task Quadratics seed
                    // Power iteration comes from below, and to within a quarter in 60 steps however close the eigenvalues: the Rayleigh
                    // quotient's relative error is at most ln(d/⟨x₀,e₁⟩²)/(2·60).
                    let estimate = measured 12 task task.Theta
                    Check.atMost estimate.OuterSmoothness (0.75 * task.Outer.LargestCurvature) "L")

            testCase "ρ is found where H changes" (fun () ->
                // One logistic example x = 2, d = 1: H = 4σ′(2φ), H′ = 8σ″(2φ), along φ − θ and v alike.
                let loss =
                    LogisticRegression.loss (Matrix<float>.Build.Dense(1, 1, 2.0)) (Vector<float>.Build.Dense(1, 1.0))

                let task = BilevelTask.create loss loss (Proximal.Scalar 1.0) (Vector<float>.Build.Dense(1, 0.0))

                let phi = Vector<float>.Build.Dense(1, 0.5)
                let s = 1.0 / (1.0 + exp -1.0)
                let expected = 8.0 * s * (1.0 - s) * abs (1.0 - 2.0 * s)
                Check.near (1e-3 * expected) expected (measured 12 task phi).HessianLipschitz "ρ")

            testCase "a search with estimates measures at the φ that it returns, and counts what that takes" (fun () ->
                for largestDense in [ 0; 12 ] do
                    for family in Family.all do
                        let task = Family.task family 3
                        let space = CountingSpace<Vector<float>, float>(EuclideanSpace())
                        let problem = CountingProblem(space, BilevelTask.problem task)
                        use _ = (space :> IInnerProductSpace<_, _>).OpenRegion()
                        let struct (lambda, _) = Proximal.enclosure task.Proximal

                        let coordinates =
                            { new ICoordinates<Counted<Vector<float>>> with
                                member _.ToRows x = [| x.Value.ToArray() |]
                                member _.OfRows(_, rows) = space.Track(Vector<float>.Build.DenseOfArray rows[0])
                                member _.Product(x, y) = space.Track(x.Value.PointwiseMultiply y.Value)
                                member _.Quotient(x, y) = space.Track(x.Value.PointwiseDivide y.Value)

                                member _.DivideByRoot(x, y, epsilon) =
                                    space.Track(x.Value.PointwiseDivide(y.Value.PointwiseSqrt() + epsilon))

                                member _.Combine(a, x, b, y) = space.Track(a * x.Value + b * y.Value)
                            }

                        let result =
                            AdaptiveAccuracy.Estimate(
                                space,
                                coordinates,
                                ScalarRegularizer lambda,
                                problem,
                                GradientDescentSolver(MeasuredCurvature, 5000, 1),
                                ConjugateGradientSolver linear,
                                estimateOptions largestDense task,
                                options 1e-5,
                                space.Track task.Theta
                            )

                        let outcome = result.Tasks[0]
                        outcome.Status |> should equal CertifiedStatus.Met
                        outcome.Bound.Kind |> should equal BoundKind.Estimated
                        problem.Count.Gradients |> should equal outcome.Work.Gradients
                        problem.Count.OuterGradients |> should equal outcome.Work.OuterGradients
                        let cost = (result.MetaGradient.Cost(space))[0]
                        cost.Gradients |> should equal outcome.Work.Gradients
                        cost.HessianProducts |> should equal outcome.Work.HessianProducts
                        cost.OuterGradients |> should equal outcome.Work.OuterGradients

                        // A Ritz run asks no device whether it is done: it counts what it needed.
                        if largestDense = 0 then
                            Check.atMost (float problem.Count.HessianProducts) (float outcome.Work.HessianProducts) "products"
                        else
                            problem.Count.HessianProducts |> should equal outcome.Work.HessianProducts

                        let again = measured largestDense task result.MetaGradient.Phi.Value
                        outcome.Bound.Constants.StrongConvexity |> should equal again.StrongConvexity
                        outcome.Bound.Constants.OuterSmoothness |> should equal again.OuterSmoothness
                        outcome.Bound.Constants.HessianLipschitz |> should equal again.HessianLipschitz)

            testCase "where H + Λ is indefinite they say so, and give no bound" (fun () ->
                for d in [ 1; 6 ] do
                    let random = Random d
                    let inner = Quadratic.loss (-2.0 * Matrix<float>.Build.DenseIdentity d) (Spectrum.gaussian random d) 0.0
                    let outer = Quadratic.random random d 3.0
                    let task = BilevelTask.create inner outer (Proximal.Scalar 1.0) (Spectrum.gaussian random d)

                    for largestDense in [ 0; 12 ] do
                        let c = measured largestDense task task.Theta
                        Check.near 1e-12 -1.0 c.StrongConvexity "µ"
                        let regularizer = Proximal.regularizer task.Proximal
                        let problem = BilevelTask.problem task

                        let bound =
                            Certificate.Estimate(
                                EuclideanSpace(),
                                EuclideanCoordinates(),
                                regularizer,
                                problem,
                                estimateOptions largestDense task,
                                task.Theta,
                                task.Theta,
                                task.Theta
                            )
                            |> Array.exactlyOne

                        bound.Kind |> should equal BoundKind.None
                        bound.Reason |> should haveSubstring "raise λ")

            testCase "ρ is seen along φ − θ and along ∇L(φ)" (fun () ->
                // L̂ = (ρ/6)φ₂³ and L = ⟨v, φ⟩: only along the second axis, on the second axis, does H change.
                let rho = 7.0
                let first, second = Vector<float>.Build.Dense [| 1.0; 0.0 |], Vector<float>.Build.Dense [| 0.0; 1.0 |]

                for moved, v in [ first, second; second, first ] do
                    let problem =
                        BilevelProblem.FromDelegates(
                            (fun (phi: Vector<float>) -> rho / 6.0 * phi[1] ** 3.0),
                            (fun (phi: Vector<float>) -> 0.5 * rho * phi[1] * phi[1] * second),
                            (fun (phi: Vector<float>) (w: Vector<float>) -> rho * phi[1] * w[1] * second),
                            (fun phi -> v.DotProduct phi),
                            (fun _ -> v)
                        )

                    let options =
                        {
                            LargestDense = 10
                            LanczosSteps = 2
                            PowerSteps = 1
                            Reach = 1e-3
                        }

                    let constants =
                        EstimatedConstants.At(
                            EuclideanSpace(),
                            EuclideanCoordinates(),
                            ScalarRegularizer 1.0,
                            problem,
                            options,
                            Vector<float>.Build.Dense 2,
                            moved
                        )
                        |> Array.exactlyOne

                    // A difference over 10⁻³ of numbers up to ρ.
                    Check.near 1e-11 rho constants.HessianLipschitz "ρ")

            testCase "what makes no sense is refused" (fun () ->
                let task = Family.task Quadratics 1

                for broken in [ (0, 1, 1e-5); (1, 0, 1e-5); (1, 1, 0.0); (1, 1, nan) ] do
                    let lanczos, power, reach = broken

                    (fun () ->
                        EstimatedConstants.At(
                            EuclideanSpace(),
                            EuclideanCoordinates(),
                            Proximal.regularizer task.Proximal,
                            BilevelTask.problem task,
                            {
                                LargestDense = 0
                                LanczosSteps = lanczos
                                PowerSteps = power
                                Reach = reach
                            },
                            task.Theta,
                            task.Theta
                        )
                        |> ignore)
                    |> should throw typeof<ArgumentException>)
        ]

[<Tests>]
let tests = testList "Certified accuracy" [ work; estimates ]
