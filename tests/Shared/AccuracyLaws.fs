// What a certified accuracy must be on every space, as one list of tests: `AccuracyLaws.laws subject`.
//
// The tasks are quadratic, so that the exact meta-gradient is two dense solves, in double precision. A Cholesky solve of a system with
// condition κ errs relatively by at most about 8dκ2⁻⁵³ (Higham 2002, theorem 10.4); two in a row, with ‖Λ(H+Λ)⁻¹‖ ≤ 1 and L ≤ 1.
module Imaml.Testing.AccuracyLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Imaml.Testing.MetaGradientLaws

let private vector (row: float[]) = Vector<float>.Build.DenseOfArray row
let private euclid row = (vector row).L2Norm()
let private shifted (lambda: float) (a: Matrix<float>) : Matrix<float> = a + lambda * Matrix<float>.Build.DenseIdentity a.RowCount

/// Random tasks of mixed difficulty, and λ from 1/16 to 4, a power of two so that single precision holds it.
let private draw (subject: Subject<'V, 'S>) (draw: Draw) =
    let random = Random draw.Seed
    let rows () = Subject.rows subject random draw.Size

    let matrices () =
        Array.init subject.Tasks (fun task ->
            Spectrum.positiveDefinite random draw.Size (draw.Condition ** (float (task + 1) / float subject.Tasks)))

    let tasks =
        {
            A = matrices ()
            B = rows ()
            C = matrices ()
            E = rows ()
            Theta = rows ()
        }

    struct (2.0 ** float (random.Next(-4, 3)), tasks)

/// What is proved of the tasks' losses. Gradients and products are computed in double precision and then rounded to the space's: (d + 4)ε holds
/// both. A ⪰ 0 but for a rounding, for which the smallest curvature has room: µ = λ is proved without computing the spectrum.
let constants (subject: Subject<'V, 'S>) (tasks: Quadratics) =
    let rounding (matrix: Matrix<float>) = float (matrix.RowCount + 4) * subject.Epsilon * matrix.FrobeniusNorm()
    let size = float (tasks.Size + 4) * subject.Epsilon

    let proved (a: Matrix<float>) b =
        let struct (_, largest) = Spectrum.ends a

        LossConstants.Proved(
            -(2.0 ** -45.0),
            largest + 2.0 ** -40.0,
            0.0,
            infinity,
            {
                Constant = size * euclid b
                Slope = rounding a
            },
            { Constant = rounding a; Slope = 0.0 }
        )

    Array.init tasks.Tasks (fun task -> TaskConstants(proved tasks.A[task] tasks.B[task], proved tasks.C[task] tasks.E[task]))

/// The same with this range of curvatures for L̂.
let private claiming smallest largest (c: TaskConstants) =
    TaskConstants(LossConstants.Proved(smallest, largest, 0.0, infinity, c.Inner.GradientRounding, c.Inner.ProductRounding), c.Outer)

let private linear: LinearSolveOptions =
    {
        MaxSteps = 100
        RelativeResidual = 0.0
        CheckEvery = 1
        RecomputeResidual = false
    }

let private computeWithin (subject: Subject<'V, 'S>) innerSteps linearSteps rounds lambda accuracy constants (tasks: Quadratics) =
    AdaptiveAccuracy.Compute(
        subject.Space,
        ScalarRegularizer<'V, 'S> lambda,
        problem subject tasks,
        GradientDescentSolver<'V, 'S>(ConstantStep(1.0 / (1.0 + lambda)), innerSteps, 1),
        ConjugateGradientSolver<'V, 'S> { linear with MaxSteps = linearSteps },
        constants,
        {
            Accuracy = accuracy
            MaxRounds = rounds
        },
        subject.OfRows tasks.Theta
    )

let private compute subject lambda accuracy constants tasks = computeWithin subject 1000 100 6 lambda accuracy constants tasks

/// λ(A+λ)⁻¹∇L(φ*), and how far its computation may be off.
let private exact lambda (tasks: Quadratics) task =
    let factor = (shifted lambda tasks.A[task]).Cholesky()
    let phi = factor.Solve(lambda * vector tasks.Theta[task] - vector tasks.B[task])
    let v = tasks.C[task] * phi + vector tasks.E[task]
    let g = lambda * factor.Solve v
    let condition = (1.0 + lambda) / lambda
    let sizes = phi.L2Norm() + euclid tasks.Theta[task] + euclid tasks.B[task] + euclid tasks.E[task]
    struct (g, 32.0 * float tasks.Size * condition * 2.0 ** -53.0 * sizes)

/// The exact-solve error of each task is within its bound.
let private checkBounds (subject: Subject<'V, 'S>) lambda (tasks: Quadratics) (result: CertifiedMetaGradient<'V, 'S>) =
    let actual = subject.ToRows result.MetaGradient.Gradient

    result.Tasks
    |> Array.iteri (fun task outcome ->
        let struct (g, uncertainty) = exact lambda tasks task
        Check.atMost (outcome.Bound.Total + uncertainty) ((vector actual[task] - g).L2Norm()) $"the error of task {task}")

let laws (subject: Subject<'V, 'S>) : Test =
    let property name body = Subject.property subject 20 name body
    let law name body = Subject.law subject name body

    /// Other tasks that are stiff, flat or not finite, with the constants of what they were.
    let others task (tasks: Quadratics) other =
        let replace i matrix =
            if i = task then
                matrix
            else
                Matrix<float>.Build.DenseDiagonal(tasks.Size, other)

        { tasks with
            A = Array.mapi replace tasks.A
        }

    testList
        $"Accuracy, {subject.Name}"
        [
            property "an accuracy within reach is met, and the error is within its bound" (fun drawn ->
                let struct (lambda: float, tasks: Quadratics) = draw subject drawn
                // Gradient descent needs κ ln(…) ≤ 17·20 steps.
                let constants = constants subject tasks

                for accuracy in [ 1.0; 1e5 * float drawn.Size * subject.Epsilon ] do
                    let result = compute subject lambda accuracy constants tasks

                    for outcome in result.Tasks do
                        outcome.Status |> should equal CertifiedStatus.Met
                        outcome.Bound.Kind |> should equal BoundKind.Certified
                        Check.atMost accuracy outcome.Bound.Total "the bound"

                    checkBounds subject lambda tasks result)

            property "an accuracy beyond rounding ends at twice the rounding, which still bounds the error" (fun drawn ->
                let struct (lambda: float, tasks: Quadratics) = draw subject drawn
                let result = compute subject lambda 1e-300 (constants subject tasks) tasks

                for outcome in result.Tasks do
                    outcome.Status |> should equal CertifiedStatus.RoundingLimit
                    Check.atMost (2.0 * outcome.Bound.Rounding) outcome.Bound.Total "the bound"

                checkBounds subject lambda tasks result)

            property "near what rounding allows, what is said to be met is met" (fun drawn ->
                let struct (lambda: float, tasks: Quadratics) = draw subject drawn
                let constants = constants subject tasks
                let limit = (compute subject lambda 1e-300 constants tasks).Tasks
                // Between the rounding part and twice it, where it is not known in advance whether ε can be reached.
                let accuracy = 1.05 * (limit |> Array.map (fun outcome -> outcome.Bound.Rounding) |> Array.max)

                for outcome in (compute subject lambda accuracy constants tasks).Tasks do
                    (outcome.Status = CertifiedStatus.Met) |> should equal (outcome.Bound.Total <= accuracy))

            property "from θ = 0 too the rounding of a bound is that of the vectors' own precision" (fun drawn ->
                let struct (_, tasks: Quadratics) = draw subject drawn
                let theta = Subject.alike subject (Array.zeroCreate tasks.Size)
                let tasks = { tasks with Theta = theta }
                let lambda = 8.0
                let constants = constants subject tasks
                let found = compute subject lambda 1e-2 constants tasks

                let certificates =
                    Certificate.OfSolution(
                        subject.Space,
                        ScalarRegularizer<'V, 'S> lambda,
                        problem subject tasks,
                        constants,
                        subject.OfRows theta,
                        found.MetaGradient.Phi,
                        found.MetaGradient.Solve.Solution
                    )

                for task in 0 .. subject.Tasks - 1 do
                    // A d + 8th part of a norm's rounding in single precision, which is all that may differ.
                    let expected = certificates[task].Rounding
                    Check.near (1e-4 * expected) expected found.Tasks[task].Bound.Rounding $"task {task}")

            law "a search ends at the first φ that is not one: a ∇G that is not finite, a descent that has diverged" (fun () ->
                let struct (lambda: float, tasks: Quadratics) = draw subject { Seed = 6; Size = 3; Condition = 10.0 }
                let quadratic = problem subject tasks

                // Products and ∇L are finite, and the black box says nothing of its φ.
                let broken =
                    { new IBilevelProblem<'V, 'S> with
                        member _.InnerLoss phi = quadratic.InnerLoss phi
                        member _.InnerGradient phi = quadratic.InnerGradient phi
                        member _.OuterLossAndGradient phi = quadratic.OuterLossAndGradient phi

                        member _.LinearizeInner phi =
                            let linearization = quadratic.LinearizeInner phi
                            let slope = subject.OfRows(subject.ToRows phi |> Array.map (Array.map (fun _ -> infinity)))

                            { new ILinearization<'V, 'S> with
                                member _.Loss = linearization.Loss
                                member _.Gradient = slope
                                member _.HessianProduct w = linearization.HessianProduct w
                                member _.Dispose() = linearization.Dispose()
                            }
                    }

                let start: IInnerSolver<'V, 'S> = DelegateInnerSolver<'V, 'S>(Func<'V, 'V, 'V>(fun _ start -> start))
                let diverging: IInnerSolver<'V, 'S> = GradientDescentSolver<'V, 'S>(ConstantStep 1e3, 2000, 1)

                for problem, inner, what in [ broken, start, "∇G"; quadratic, diverging, "descent" ] do
                    let found =
                        AdaptiveAccuracy.Compute(
                            subject.Space,
                            ScalarRegularizer<'V, 'S> lambda,
                            problem,
                            inner,
                            ConjugateGradientSolver<'V, 'S> linear,
                            constants subject tasks,
                            { Accuracy = 1e-2; MaxRounds = 5 },
                            subject.OfRows tasks.Theta
                        )

                    for task in found.Tasks do
                        Expect.equal task.Status CertifiedStatus.NonFinite what
                        Expect.equal task.Bound.Kind BoundKind.None what
                        Expect.equal (task.Work.OuterGradients, task.Work.LinearSteps) (1, 0) what)

            property "a batch gives each task the meta-gradient, the bound and the work that it gets alone" (fun drawn ->
                let struct (lambda: float, tasks: Quadratics) = draw subject drawn
                let constants = constants subject tasks

                // Budgets that take rounds, fewer or more for each task, and an inner solver that goes on whether it is needed or not.
                let compute tasks =
                    AdaptiveAccuracy.Compute(
                        subject.Space,
                        ScalarRegularizer<'V, 'S> lambda,
                        problem subject tasks,
                        GradientDescentSolver<'V, 'S>(ConstantStep(1.0 / (1.0 + lambda)), 12),
                        ConjugateGradientSolver<'V, 'S> { linear with MaxSteps = 2 },
                        constants,
                        {
                            Accuracy = 1e6 * subject.Epsilon
                            MaxRounds = 12
                        },
                        subject.OfRows tasks.Theta
                    )

                let together = compute tasks
                let gradient = subject.ToRows together.MetaGradient.Gradient
                let phi = subject.ToRows together.MetaGradient.Phi

                for task in 0 .. subject.Tasks - 1 do
                    for other in [ 1e6; 0.0; nan ] do
                        let result = compute (others task tasks other)
                        Check.same [| phi[task] |] [| (subject.ToRows result.MetaGradient.Phi)[task] |] $"φ, task {task}"
                        Check.same [| gradient[task] |] [| (subject.ToRows result.MetaGradient.Gradient)[task] |] $"g, task {task}"
                        result.Tasks[task].Work |> should equal together.Tasks[task].Work
                        result.Tasks[task].Status |> should equal together.Tasks[task].Status
                        result.Tasks[task].Bound.Total |> should equal together.Tasks[task].Bound.Total)

            property "what a task is told of its work is what its solvers did" (fun drawn ->
                let struct (lambda: float, tasks: Quadratics) = draw subject drawn
                let result = compute subject lambda (1e6 * subject.Epsilon) (constants subject tasks) tasks
                let inner = result.MetaGradient.Inner.Read subject.Space
                let linear = result.MetaGradient.Solve.Read(subject.Space)
                let cost = result.MetaGradient.Cost(subject.Space)

                result.Tasks
                |> Array.iteri (fun task outcome ->
                    inner[task].Steps |> should equal outcome.Work.InnerSteps
                    inner[task].Status |> should equal InnerStatus.Converged
                    linear[task].Steps |> should equal outcome.Work.LinearSteps
                    cost[task].Gradients |> should equal outcome.Work.Gradients
                    cost[task].HessianProducts |> should equal outcome.Work.HessianProducts
                    cost[task].OuterGradients |> should equal outcome.Work.OuterGradients
                    // A gradient for each inner step and one that ends them, one for the linearization; a product for each residual.
                    outcome.Work.Gradients |> should equal (outcome.Work.InnerSteps + 2 * outcome.Work.OuterGradients)
                    outcome.Work.HessianProducts |> should be (greaterThanOrEqualTo outcome.Work.LinearSteps)))

            law "where H + λ is not positive definite there is no bound, and a reason" (fun () ->
                let struct (_, tasks: Quadratics) = draw subject { Seed = 1; Size = 3; Condition = 1.0 }

                let concave =
                    { tasks with
                        A = tasks.A |> Array.map (fun a -> -2.0 * a)
                        // So large a ∇L that it has to be solved for, however far φ is from a φ* that does not exist.
                        E = tasks.E |> Array.map (Array.map (fun value -> 1024.0 * value))
                    }

                let result = computeWithin subject 2 3 2 1.0 1e-3 (constants subject tasks) concave

                for outcome in result.Tasks do
                    outcome.Status |> should equal CertifiedStatus.NotStronglyConvex
                    outcome.Bound.Kind |> should equal BoundKind.None
                    outcome.Bound.Total |> should equal infinity
                    outcome.Bound.Reason |> should haveSubstring "raise λ")

            law "a µ that the curvature refutes gives no bound, and the status says so" (fun () ->
                let struct (lambda: float, tasks: Quadratics) = draw subject { Seed = 2; Size = 4; Condition = 4.0 }

                let wrong = constants subject tasks |> Array.map (claiming 10.0 10.0)

                for outcome in (compute subject lambda 1e-3 wrong tasks).Tasks do
                    outcome.Status |> should equal CertifiedStatus.ConstantsRefuted
                    outcome.Bound.Kind |> should equal BoundKind.None
                    outcome.Bound.IsRefuted |> should equal true
                    outcome.Bound.Total |> should equal infinity)

            property "proved constants are never refuted; a µ a tenth too large is, by the Ritz values of the linear solve" (fun drawn ->
                let struct (lambda: float, tasks: Quadratics) = draw subject drawn
                // Below what rounding allows: the linear solve goes as far as it can, and sees the whole spectrum.
                let accuracy = subject.Epsilon

                let claimed factor =
                    Array.map2
                        (fun (a: Matrix<float>) c ->
                            let struct (smallest, largest) = Spectrum.ends a
                            let mu = factor * (smallest + lambda)
                            let least = mu - lambda - 2.0 ** -45.0
                            claiming least (max least (largest + 2.0 ** -40.0)) c)
                        tasks.A
                        (constants subject tasks)

                let theta = subject.OfRows tasks.Theta
                let regularizer = ScalarRegularizer<'V, 'S> lambda

                for factor, refuted in [ 1.0, false; 1.1, true ] do
                    let result = compute subject lambda accuracy (claimed factor) tasks

                    for outcome in result.Tasks do
                        (outcome.Status = CertifiedStatus.ConstantsRefuted) |> should equal refuted
                        outcome.Bound.IsRefuted |> should equal refuted

                    let budget =
                        ImplicitMetaGradient.Compute(
                            subject.Space,
                            regularizer,
                            problem subject tasks,
                            GradientDescentSolver<'V, 'S>(ConstantStep(1.0 / (1.0 + lambda)), 10),
                            ConjugateGradientSolver<'V, 'S>(LinearSolveOptions.FixedBudget 100),
                            Thresholds.None,
                            theta
                        )

                    for bound in Certificate.OfResult(subject.Space, regularizer, problem subject tasks, claimed factor, theta, budget) do
                        bound.IsRefuted |> should equal refuted
                        (bound.Kind = BoundKind.None) |> should equal refuted)

            law "a µ a tenth too large is refuted by any u, whoever made it" (fun () ->
                let struct (lambda: float, tasks: Quadratics) = draw subject { Seed = 4; Size = 4; Condition = 1.0 }
                // Condition 1: A is the identity, and u any vector.
                let u = subject.OfRows tasks.B
                let regularizer = ScalarRegularizer<'V, 'S> lambda
                let theta = subject.OfRows tasks.Theta

                let bounds smallest =
                    let claimed = constants subject tasks |> Array.map (claiming smallest 2.0)
                    Certificate.OfSolution(subject.Space, regularizer, problem subject tasks, claimed, theta, theta, u)

                for bound in bounds (1.0 + 0.1 * (1.0 + lambda)) do
                    bound.IsRefuted |> should equal true
                    bound.Kind |> should equal BoundKind.None

                // True but for as much as the product may round.
                for bound in bounds (1.0 - 2.0 ** -45.0) do
                    bound.IsRefuted |> should equal false
                    bound.Kind |> should equal BoundKind.Certified)

            law "the certificate counts the rounding of the space's own precision" (fun () ->
                let struct (lambda: float, tasks: Quadratics) = draw subject { Seed = 6; Size = 4; Condition = 2.0 }

                let exact =
                    Array.init tasks.Tasks (fun _ -> LossConstants.Proved(0.0, 1.0, 0.0, infinity, AffineBound.Zero, AffineBound.Zero))

                let theta = subject.OfRows tasks.Theta

                let bounds =
                    Certificate.OfSolution(
                        subject.Space,
                        ScalarRegularizer<'V, 'S> lambda,
                        problem subject tasks,
                        exact |> Array.map (fun c -> TaskConstants(c, c)),
                        theta,
                        theta,
                        subject.OfRows tasks.B
                    )

                // Of losses that do not round: Λ(φ − θ) alone errs by 2u(‖φ‖ + ‖θ‖)‖Λ‖ and more, and ∇G's part is (L/µ²)‖Λ‖ times that.
                bounds
                |> Array.iteri (fun task bound ->
                    let size = 2.0 * euclid tasks.Theta[task]
                    let least = lambda * lambda / (lambda * lambda) * subject.Epsilon * size
                    Check.atMost bound.Rounding (0.9 * least) $"the least that rounding may do, task {task}"))

            law "what is not finite is reported, has no bound and is not used; the other tasks are" (fun () ->
                let struct (lambda: float, tasks: Quadratics) = draw subject { Seed = 1; Size = 3; Condition = 1.0 }
                let known = constants subject tasks

                for bad in [ nan; infinity; -infinity ] do
                    // In the first task alone: its numbers, or the whole matrix of its Hessian.
                    let broken (rows: float[][]) = rows |> Array.mapi (fun task row -> if task = 0 then [| bad; 0.0; 0.0 |] else row)

                    let matrix (matrices: Matrix<float>[]) =
                        matrices |> Array.mapi (fun task a -> if task = 0 then Matrix<float>.Build.Dense(3, 3, bad) else a)

                    for what, tasks in
                        [
                            "e", { tasks with E = broken tasks.E }
                            "b", { tasks with B = broken tasks.B }
                            "θ",
                            { tasks with
                                Theta = broken tasks.Theta
                            }
                            "A", { tasks with A = matrix tasks.A }
                            "C", { tasks with C = matrix tasks.C }
                        ] do
                        let result = compute subject lambda 1e-3 known tasks
                        let usable = subject.Space.Read(result.MetaGradient.Usable subject.Space)

                        result.Tasks
                        |> Array.iteri (fun task outcome ->
                            if task = 0 then
                                Expect.equal outcome.Status CertifiedStatus.NonFinite what
                                Expect.equal outcome.Bound.Kind BoundKind.None what
                                Expect.equal usable[task] 0.0 what
                            else
                                Expect.equal outcome.Status CertifiedStatus.Met what
                                Expect.equal usable[task] 1.0 what))

            law "without constants there is a meta-gradient, and no bound" (fun () ->
                let struct (lambda: float, tasks: Quadratics) = draw subject { Seed = 1; Size = 3; Condition = 1.0 }
                let known = constants subject tasks

                for unknown in
                    [
                        known |> Array.map (fun c -> TaskConstants(LossConstants.Unknown, c.Outer))
                        known |> Array.map (fun c -> TaskConstants(c.Inner, LossConstants.Unknown))
                        known |> Array.map (claiming -lambda 1.0)
                    ] do
                    let result = compute subject lambda 1e-3 unknown tasks
                    let actual = subject.ToRows result.MetaGradient.Gradient

                    result.Tasks
                    |> Array.iteri (fun task outcome ->
                        outcome.Status |> should equal CertifiedStatus.NoConstants
                        outcome.Bound.Kind |> should equal BoundKind.None
                        let struct (g, _) = exact lambda tasks task
                        // The budgets of a thousand and a hundred steps leave rounding only.
                        Check.atMost (1e4 * subject.Epsilon * (1.0 + g.L2Norm())) ((vector actual[task] - g).L2Norm()) $"g, task {task}"))

            law "estimated constants give an estimated bound" (fun () ->
                let struct (lambda: float, tasks: Quadratics) = draw subject { Seed = 1; Size = 3; Condition = 1.0 }

                let result =
                    AdaptiveAccuracy.Estimate(
                        subject.Space,
                        subject.Coordinates,
                        ScalarRegularizer<'V, 'S> lambda,
                        problem subject tasks,
                        GradientDescentSolver<'V, 'S>(ConstantStep(1.0 / (1.0 + lambda)), 1000, 1),
                        ConjugateGradientSolver<'V, 'S> linear,
                        {
                            LargestDense = 12
                            LanczosSteps = 3
                            PowerSteps = 10
                            Reach = subject.Epsilon ** (1.0 / 3.0)
                        },
                        { Accuracy = 1e-2; MaxRounds = 6 },
                        subject.OfRows tasks.Theta
                    )

                for outcome in result.Tasks do
                    outcome.Status |> should equal CertifiedStatus.Met
                    outcome.Bound.Kind |> should equal BoundKind.Estimated
                    Check.atMost 1e-2 outcome.Bound.Total "the estimate")

            law "budgets that end too soon are said to have ended, and the bound holds" (fun () ->
                let struct (lambda: float, tasks: Quadratics) = draw subject { Seed = 5; Size = 6; Condition = 50.0 }

                let result = computeWithin subject 1 1 2 lambda (1e3 * subject.Epsilon) (constants subject tasks) tasks

                for outcome in result.Tasks do
                    outcome.Status |> should equal CertifiedStatus.BudgetSpent
                    outcome.Work.Rounds |> should equal 2

                checkBounds subject lambda tasks result)

            law "a zero outer gradient needs no solve" (fun () ->
                let struct (lambda: float, tasks: Quadratics) = draw subject { Seed = 1; Size = 3; Condition = 1.0 }
                let zeros = Subject.alike subject [| 0.0; 0.0; 0.0 |]

                let flat =
                    { tasks with
                        C = tasks.C |> Array.map (fun c -> 0.0 * c)
                        E = zeros
                    }

                let result = compute subject lambda 1e-3 (constants subject flat) flat
                Check.rows 0.0 zeros (subject.ToRows result.MetaGradient.Gradient) "g"

                for outcome in result.Tasks do
                    outcome.Status |> should equal CertifiedStatus.Met
                    outcome.Work.LinearSteps |> should equal 0
                    outcome.Work.InnerSteps |> should equal 0)
        ]
