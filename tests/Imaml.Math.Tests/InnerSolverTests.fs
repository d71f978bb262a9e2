/// The inner solvers on the families of the theory, against an outside optimiser, and on problems worked by hand.
module Imaml.Math.Tests.InnerSolverTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open MathNet.Numerics.Optimization
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private vector (values: float list) = Vector<float>.Build.DenseOfEnumerable values
let private diagonal (values: float list) = Matrix<float>.Build.DenseOfDiagonalArray(List.toArray values)
let private space = EuclideanSpace()
let private regularizer lambda = ScalarRegularizer<Vector<float>, float> lambda

let private statistics (iterate: InnerIterate<Vector<float>, float>) = Array.exactlyOne (iterate.Read space)

let private solve (solver: IInnerSolver<Vector<float>, float>) gradientNorm (task: BilevelTask) =
    solver.Solve(space, Proximal.regularizer task.Proximal, BilevelTask.problem task, task.Theta, task.Theta, gradientNorm)

/// A loss given by its value, its gradient and its Hessian, for problems that are not convex.
let private problem (value: Vector<float> -> float) (gradient: Vector<float> -> Vector<float>) (hessian: Vector<float> -> Matrix<float>) =
    { new IBilevelProblem<Vector<float>, float> with
        member _.InnerLoss phi = value phi
        member _.InnerGradient phi = gradient phi

        member _.LinearizeInner phi =
            { new ILinearization<Vector<float>, float> with
                member _.Loss = value phi
                member _.Gradient = gradient phi
                member _.HessianProduct w = hessian phi * w
                member _.Dispose() = ()
            }

        member _.OuterLossAndGradient phi = struct (value phi, gradient phi)
    }

/// ½φᵀAφ + bᵀφ + c, with whatever A.
let private quadratic (a: Matrix<float>) (b: Vector<float>) (c: float) =
    problem (fun phi -> 0.5 * phi.DotProduct(a * phi) + b.DotProduct phi + c) (fun phi -> a * phi + b) (fun _ -> a)

let private lineSearchers: (string * IInnerSolver<Vector<float>, float>) list =
    [
        "Newton-CG", NewtonConjugateGradientSolver(200, NewtonConjugateGradient.PaperDirectionSteps)
        "L-BFGS", LbfgsSolver(500, 5)
    ]

let private families =
    testList
        "Families"
        [
            for family in Family.all do
                for solver in InnerSolverLaws.solvers Subjects.euclidean do
                    testCase $"{solver.Name} reaches the exact solution, {Family.name family}" (fun () ->
                        for seed in 1..10 do
                            let task = Family.task family seed
                            let c = BilevelTask.constants task
                            let exact = BilevelTask.exactSolution task task.Theta
                            let first = (BilevelTask.innerGradient task task.Theta task.Theta).L2Norm()

                            let terms =
                                c.Smoothness * (exact.L2Norm() + task.Theta.L2Norm()) + (task.Inner.Gradient task.Theta).L2Norm()

                            // The gradient rounds by its d ≤ 12 or n ≤ 30 terms; ‖φ − φ*‖ ≤ ‖∇G‖/µ.
                            let rounding = 30.0 * 2.0 ** -52.0 * terms
                            let norm = 1e-10 * first + rounding
                            let iterate = solve (solver.Make c.StrongConvexity c.Smoothness) norm task
                            (statistics iterate).Status |> should equal InnerStatus.Converged
                            Check.atMost ((norm + 2.0 * rounding) / c.StrongConvexity) ((iterate.Phi - exact).L2Norm()) $"‖φ − φ*‖, {seed}")

            testCase "L-BFGS and Newton-CG agree with MathNet's BFGS and L-BFGS" (fun () ->
                for seed in 1..10 do
                    let task = Family.task LogisticRegressions seed
                    let c = BilevelTask.constants task
                    let tolerance = 1e-6

                    let objective () =
                        ObjectiveFunction.Gradient(
                            Func<_, _>(BilevelTask.innerObjective task task.Theta),
                            Func<_, _>(BilevelTask.innerGradient task task.Theta)
                        )

                    let outside =
                        [
                            (BfgsMinimizer(tolerance, 1e-12, 1e-14, 2000)).FindMinimum(objective (), task.Theta)
                            (LimitedMemoryBfgsMinimizer(tolerance, 1e-12, 1e-14, 5, 2000)).FindMinimum(objective (), task.Theta)
                        ]
                        |> List.map _.MinimizingPoint

                    for other in outside do
                        // What the outside optimiser reached is measured, not believed.
                        let reached = (BilevelTask.innerGradient task task.Theta other).L2Norm()
                        Check.atMost 1e-4 reached "‖∇G‖ of the oracle"

                        for name, solver in lineSearchers do
                            let iterate = solve solver tolerance task
                            let bound = (reached + tolerance) / c.StrongConvexity
                            Check.atMost bound ((iterate.Phi - other).L2Norm()) $"{name} against MathNet, seed {seed}")
        ]

let private lineSearch =
    testList
        "Line search"
        [
            for name, solver in lineSearchers do
                testCase $"{name} reaches ‖∇G‖ of 10⁻¹⁰ where G itself rounds by 10⁻¹⁰, a part in 10¹⁶ of 10⁶" (fun () ->
                    // Armijo's rule alone sees nothing below ‖∇G‖ ≈ √(10⁻¹⁰β) ≈ 10⁻⁵.
                    for seed in 1..10 do
                        let random = Random seed
                        let a = Spectrum.positiveDefinite random 10 100.0
                        let b = Spectrum.gaussian random 10
                        let theta = Vector<float>.Build.Dense 10
                        let iterate = solver.Solve(space, regularizer 0.1, quadratic a b 1e6, theta, theta, 1e-10)
                        (statistics iterate).Status |> should equal InnerStatus.Converged
                        let gradient = a * iterate.Phi + b + 0.1 * iterate.Phi
                        // The gradient rounds by d of its terms, ‖φ‖ ≤ ‖b‖/µ ≤ 60.
                        Check.atMost (1e-10 + 10.0 * 2.0 ** -52.0 * 60.0) (gradient.L2Norm()) $"‖∇G‖, seed {seed}")

                testCase $"{name} ends where rounding leaves no step, and says so or meets 0" (fun () ->
                    for seed in 1..10 do
                        let task = Family.task Quadratics seed
                        let iterate = solve solver 0.0 task
                        let c = BilevelTask.constants task
                        let exact = BilevelTask.exactSolution task task.Theta

                        let terms =
                            c.Smoothness * (exact.L2Norm() + task.Theta.L2Norm()) + (task.Inner.Gradient task.Theta).L2Norm()
                        // As above, with κ for directions that rounding has turned.
                        let bound = 100.0 * 12.0 * 2.0 ** -52.0 * terms
                        Check.atMost bound ((BilevelTask.innerGradient task task.Theta iterate.Phi).L2Norm()) $"‖∇G‖, seed {seed}")

            testCase "at a kink no step lowers G, and the solver says so" (fun () ->
                // |φ| + ½(φ − ¼)² is least at 0, where it has no gradient: that of |φ| is given as 0, so that ∇G = −¼ leads uphill.
                let kink =
                    problem (fun phi -> phi.L1Norm()) (fun phi -> phi.PointwiseSign()) (fun _ -> Matrix<float>.Build.Dense(1, 1))

                for name, solver in lineSearchers do
                    for start in [ 0.0; 0.25 ] do
                        let iterate = solver.Solve(space, regularizer 1.0, kink, vector [ 0.25 ], vector [ start ], 0.0)
                        let s = statistics iterate
                        (name, s.Status) |> should equal (name, InnerStatus.Stalled)
                        iterate.Phi |> should equal (vector [ 0.0 ])
                        // From 1/4 three lengths reach the kink; there all are tried.
                        let first = if start = 0.0 then 0 else 3
                        s.Losses |> should equal (first + BacktrackingLineSearch.MaxHalvings + 1))

            testCase "Armijo's rule halves until G falls by c t⟨∇G, p⟩" (fun () ->
                // G = ½·8φ² at φ₀ = 1, where L-BFGS without pairs goes along −∇G/λ = −8: to 1 − 8t.
                let steep = quadratic (diagonal [ 7.0 ]) (vector [ 0.0 ]) 0.0
                let solver: IInnerSolver<Vector<float>, float> = LbfgsSolver(1, 1)
                let iterate = solver.Solve(space, regularizer 1.0, steep, vector [ 0.0 ], vector [ 1.0 ], 0.0)
                // t = 1, 1/2 lead uphill; t = 1/4 to −1, where G is the same and only the slope shows that it is too far; t = 1/8 to 0.
                iterate.Phi |> should equal (vector [ 0.0 ])
                let s = statistics iterate
                struct (s.Losses, s.Gradients) |> should equal (struct (4, 2)))
        ]

/// Two wells for each coordinate: ¼Σ(φ² − 1)², curvature 3φ² − 1.
let private wells =
    problem (fun phi -> phi.Map(fun x -> 0.25 * (x * x - 1.0) ** 2.0).Sum()) (fun phi -> phi.Map(fun x -> x * (x * x - 1.0))) (fun phi ->
        Matrix<float>.Build.DenseOfDiagonalVector(phi.Map(fun x -> 3.0 * x * x - 1.0)))

let private nonConvex =
    testList
        "Non-convex"
        [
            for name, solver in lineSearchers do
                testCase $"{name} reaches a minimum of a double well from where H + Λ is indefinite" (fun () ->
                    for seed in 1..20 do
                        let theta = 0.3 * Spectrum.gaussian (Random seed) 4
                        let iterate = solver.Solve(space, regularizer 0.1, wells, theta, theta, 1e-9)
                        (statistics iterate).Status |> should equal InnerStatus.Converged

                        for x, t in Seq.zip iterate.Phi theta do
                            Check.atMost 1e-9 (abs (x * (x * x - 1.0) + 0.1 * (x - t))) "∂G"
                            // A minimum, not a maximum: 3x² − 1 + λ > 0.
                            Check.atMost (3.0 * x * x - 0.9) 0.0 "0 against the curvature")

            testCase "Newton-CG stops its direction before negative curvature, by hand" (fun () ->
                // M = A + ½ = diag(4.5, −0.5), ∇G = (1, 1): the first CG direction has curvature 4 > 0 and gives p = −½(1, 1); the second
                // has p₁ᵀMp₁ < 0. G falls by ½ along p at t = 1.
                let solver: IInnerSolver<Vector<float>, float> = NewtonConjugateGradientSolver(1, 5)
                let zero = vector [ 0.0; 0.0 ]

                let iterate =
                    solver.Solve(space, regularizer 0.5, quadratic (diagonal [ 4.0; -1.0 ]) (vector [ 1.0; 1.0 ]) 0.0, zero, zero, 0.0)

                Check.atMost 1e-15 ((iterate.Phi - vector [ -0.5; -0.5 ]).L2Norm()) "φ₁"
                let s = statistics iterate
                [ s.Steps; s.Gradients; s.HessianProducts; s.Losses ] |> should equal [ 1; 1; 2; 1 ])

            testCase "Newton-CG takes steepest descent where the first curvature is negative, by hand" (fun () ->
                // ∇G = (2, 0), M = −1: p = −∇G/λ = (−1, 0), and G falls along it.
                let solver: IInnerSolver<Vector<float>, float> = NewtonConjugateGradientSolver(1, 5)
                let zero = vector [ 0.0; 0.0 ]

                let iterate =
                    solver.Solve(space, regularizer 2.0, quadratic (diagonal [ -3.0; 4.0 ]) (vector [ 2.0; 0.0 ]) 0.0, zero, zero, 0.0)

                iterate.Phi |> should equal (vector [ -1.0; 0.0 ])
                let s = statistics iterate
                [ s.Steps; s.Gradients; s.HessianProducts; s.Losses ] |> should equal [ 1; 1; 1; 1 ])

            testCase "the exact solver reports an indefinite H + Λ and does not move" (fun () ->
                let solver: IInnerSolver<Vector<float>, float> = ExactInnerSolver(EuclideanCoordinates(), 50)
                let zero = vector [ 0.0; 0.0 ]

                let iterate =
                    solver.Solve(space, regularizer 2.0, quadratic (diagonal [ -3.0; 4.0 ]) (vector [ 2.0; 0.0 ]) 0.0, zero, zero, 0.0)

                (statistics iterate).Status |> should equal InnerStatus.NonPositiveCurvature
                iterate.Phi |> should equal zero)
        ]

let private exactness =
    testList
        "Exact"
        [
            for family in Family.all do
                testCase $"without a tolerance the exact solver ends at rounding, {Family.name family}" (fun () ->
                    for seed in 1..20 do
                        let task = Family.task family seed
                        let solver = ExactInnerSolver<Vector<float>, float>(EuclideanCoordinates(), 100)
                        let iterate = solve solver 0.0 task
                        let exact = BilevelTask.exactSolution task task.Theta
                        let c = BilevelTask.constants task
                        // Stalled, but for the rare gradient that is exactly 0.
                        [ InnerStatus.Stalled; InnerStatus.Converged ] |> should contain (statistics iterate).Status

                        let terms =
                            c.Smoothness * (exact.L2Norm() + task.Theta.L2Norm()) + (task.Inner.Gradient task.Theta).L2Norm()

                        let bound = 2.0 * 30.0 * 2.0 ** -52.0 * terms / c.StrongConvexity
                        Check.atMost bound ((iterate.Phi - exact).L2Norm()) $"‖φ − φ*‖, seed {seed}")

            testCase "a quadratic takes one Newton step of d products, whatever its condition" (fun () ->
                let task = Family.task Quadratics 4
                let d = task.Theta.Count
                let norm = 1e-9 * (BilevelTask.innerGradient task task.Theta task.Theta).L2Norm()
                let s = statistics (solve (ExactInnerSolver<_, _>(EuclideanCoordinates(), 100)) norm task)
                // Two linearizations and the gradient that accepts the step.
                [ s.Steps; s.HessianProducts; s.Gradients; s.Losses ] |> should equal [ 1; d; 3; 0 ])
        ]

let private refusals =
    let complaint (make: unit -> 'T) =
        try
            make () |> ignore
            "accepted"
        with :? ArgumentException as e ->
            e.Message

    testCase "an impossible budget is refused with the number and the rule" (fun () ->
        for steps in [ 0; -1 ] do
            let expected = $"the number of inner steps must be at least 1, not {steps}"

            complaint (fun () -> NewtonConjugateGradientSolver<float, float>(steps, 5))
            |> should haveSubstring expected

            complaint (fun () -> LbfgsSolver<float, float>(steps, 5)) |> should haveSubstring expected

            complaint (fun () -> ExactInnerSolver<_, float>(EuclideanCoordinates(), steps))
            |> should haveSubstring expected

            complaint (fun () -> NewtonConjugateGradientSolver<float, float>(1, steps))
            |> should haveSubstring $"the number of conjugate-gradient steps must be at least 1, not {steps}"

            let pairs = $"the number of pairs must be at least 1, not {steps}"
            complaint (fun () -> LbfgsSolver<float, float>(1, steps)) |> should haveSubstring pairs
            complaint (fun () -> LbfgsMemory.Empty(space, steps, 1.0)) |> should haveSubstring pairs

        for scale in [ 0.0; -1.0; nan; infinity ] do
            complaint (fun () -> LbfgsMemory.Empty(space, 1, scale))
            |> should haveSubstring $"the first scale must be positive and finite, not {scale}"

        let nothing: Func<float, float, float> | null = null

        (fun () -> DelegateInnerSolver<float, float>(Unchecked.nonNull nothing) |> ignore)
        |> should throw typeof<ArgumentNullException>)

[<Tests>]
let tests = testList "Inner solvers" [ families; lineSearch; nonConvex; exactness; refusals ]
