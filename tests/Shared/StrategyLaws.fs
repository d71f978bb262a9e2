// What the differentiated inner path, and the methods without second derivatives, must do on every space: `StrategyLaws.laws subject`.
//
// The tasks are MetaGradientLaws's quadratics. Their H = A is constant, so J_T is a product of matrices that is written out here as
// theory has it, one recurrence for each momentum, and everything else follows from J_T.
//
// Tolerances. The step is α = 1/8 and ‖M‖ ≤ 1 + 4, so every step of gradient descent contracts; with momentum 1/2 the powers of the
// two-step map stay below 4. So T steps err by 4T(d+6) roundings of what they act on, and the adjoint by as much again; doubled for the oracle.
module Imaml.Testing.StrategyLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing.MetaGradientLaws

let private vector (row: float[]) = Vector<float>.Build.DenseOfArray row
let private euclid row = (vector row).L2Norm()
let private minus (x: float[]) (y: float[]) = Array.map2 (-) x y
let private identity d = Matrix<float>.Build.DenseIdentity d

/// Coordinates by way of rows.
let coordinates (subject: Subject<'V, 'S>) =
    let combine f x y = Array.map2 (Array.map2 f) (subject.ToRows x) (subject.ToRows y) |> subject.OfRows

    { new ICoordinates<'V> with
        member _.Combine(a, x, b, y) = combine (fun x y -> a * x + b * y) x y
        member _.Product(x, y) = combine (*) x y
        member _.Quotient(x, y) = combine (/) x y
        member _.DivideByRoot(x, y, epsilon) = combine (fun x y -> x / (sqrt y + epsilon)) x y
        member _.ToRows x = subject.ToRows x
        member _.OfRows(_, rows) = subject.OfRows rows
    }

let private momenta =
    [
        "gradient descent", NoMomentum
        "heavy ball", HeavyBall 0.5
        "Nesterov", Nesterov 0.5
    ]

let private step = 2.0 ** -3.0

let private unrolled momentum steps : UnrolledOptions =
    {
        Momentum = momentum
        Step = step
        Steps = steps
    }

/// x_T of the recurrence that J and φ (as a column) share, from x₀ = x₋₁ = start, where `pull x` is M·x less what does not depend on x.
let private recur momentum steps (start: Matrix<float>) (pull: Matrix<float> -> Matrix<float>) =
    let next (x: Matrix<float>) (before: Matrix<float>) =
        match momentum with
        | NoMomentum -> x - step * pull x
        | HeavyBall b -> x - step * pull x + b * (x - before)
        | Nesterov b ->
            let y: Matrix<float> = (1.0 + b) * x - b * before
            y - step * pull y

    Seq.fold (fun struct (x, before) _ -> struct (next x before, x)) struct (start, start) (seq { 1..steps })
    |> fun struct (x, _) -> x

/// A draw with its Λ: λI, or a diagonal from λ/2 to λ, the same for every task.
[<NoComparison; NoEquality>]
type private Instance<'V, 'S> =
    {
        Tasks: Quadratics
        Problem: IBilevelProblem<'V, 'S>
        Regularizer: IRegularizer<'V, 'S>
        Lambda: Matrix<float>
        Theta: 'V
        Steps: int
    }

    /// M = H + Λ of a task.
    member x.M task = x.Tasks.A[task] + x.Lambda

let private instance (subject: Subject<'V, 'S>) (drawn: Draw) =
    let struct (lambda: float, tasks: Quadratics) = draw subject drawn
    let diagonal = Array.init drawn.Size (fun j -> lambda * (0.5 + 0.5 / float (1 <<< j % 4)))

    let regularizer: IRegularizer<'V, 'S> =
        if drawn.Seed % 2 = 0 then
            ScalarRegularizer<'V, 'S> lambda
        else
            DiagonalRegularizer<'V, 'S>(coordinates subject, subject.OfRows(Subject.alike subject diagonal))

    {
        Tasks = tasks
        Problem = problem subject tasks
        Regularizer = regularizer
        Lambda =
            if drawn.Seed % 2 = 0 then
                lambda * identity drawn.Size
            else
                Matrix<float>.Build.DenseOfDiagonalArray diagonal
        Theta = subject.OfRows tasks.Theta
        Steps = 1 + drawn.Seed % 9
    }

let private compute (subject: Subject<'V, 'S>) (strategy: IMetaGradientStrategy<'V, 'S>) (x: Instance<'V, 'S>) =
    strategy.Compute(subject.Space, x.Regularizer, x.Problem, x.Theta)

/// J_T by its recurrence.
let private jacobian momentum steps (x: Instance<'V, 'S>) task =
    recur momentum steps (identity x.Lambda.RowCount) (fun j -> x.M task * j - x.Lambda)

/// v = ∇L at the φ that was reached.
let private outer (subject: Subject<'V, 'S>) (x: Instance<'V, 'S>) phi = affine x.Tasks.C x.Tasks.E (subject.ToRows phi)

/// 2·4·(T+1)(d+6) roundings.
let private roundings (subject: Subject<'V, 'S>) steps (x: Instance<'V, 'S>) =
    8.0 * float ((steps + 1) * (x.Lambda.RowCount + 6)) * subject.Epsilon

/// ‖actual − expected v‖ within the rounding of T steps, where ∇L itself rounds by dε of its terms and J's norm is below 4.
let private checkGradient
    (subject: Subject<'V, 'S>)
    steps
    (x: Instance<'V, 'S>)
    (result: MetaGradient<'V, 'S>)
    (expected: int -> Matrix<float>)
    =
    let actual = subject.ToRows result.Gradient
    let phi = subject.ToRows result.Phi
    let v = outer subject x result.Phi

    for task in 0 .. subject.Tasks - 1 do
        let terms = euclid phi[task] + euclid x.Tasks.E[task]
        let right = expected task * vector v[task]
        Check.atMost (4.0 * roundings subject steps x * terms) ((vector actual[task] - right).L2Norm()) $"g, task {task}"

let private unrolling (subject: Subject<'V, 'S>) =
    let property name body = Subject.property subject 20 name body
    let space = subject.Space

    [
        for name, momentum in momenta do
            property $"the iterates are the inner solver's to the last bit, {name}" (fun drawn ->
                let x = instance subject drawn
                let result = compute subject (UnrolledStrategy(unrolled momentum x.Steps)) x
                let never = space.Scalar 0.0

                let inner =
                    GradientDescent.accelerated (ConstantStep step) momentum x.Steps 0 space x.Regularizer x.Problem x.Theta x.Theta never

                Check.same (subject.ToRows inner.Phi) (subject.ToRows result.Phi) "φ"
                Expect.equal (result.Inner.Read space) (inner.Read space) "counts and statuses")

            property $"φ_T is that of the recurrence, {name}" (fun drawn ->
                let x = instance subject drawn
                let result = compute subject (UnrolledStrategy(unrolled momentum x.Steps)) x
                let phi = subject.ToRows result.Phi

                for task in 0 .. subject.Tasks - 1 do
                    let theta = vector x.Tasks.Theta[task]
                    let constant = vector x.Tasks.B[task] - x.Lambda * theta
                    let constant' = constant.ToColumnMatrix()

                    let expected =
                        (recur momentum x.Steps (theta.ToColumnMatrix()) (fun phi -> x.M task * phi + constant')).Column 0

                    let size = 5.0 * (theta.L2Norm() + expected.L2Norm()) + constant.L2Norm()
                    Check.atMost (roundings subject x.Steps x * size) ((vector phi[task] - expected).L2Norm()) $"φ, task {task}")

            property $"reverse mode is J_Tᵀ∇L(φ_T), J_T by its recurrence, {name}" (fun drawn ->
                let x = instance subject drawn
                let result = compute subject (UnrolledStrategy(unrolled momentum x.Steps)) x
                checkGradient subject x.Steps x result (fun task -> (jacobian momentum x.Steps x task).Transpose()))

            property $"forward mode is J_T w, and ⟨v, Jw⟩ = ⟨Jᵀv, w⟩, {name}" (fun drawn ->
                let x = instance subject drawn
                let options = unrolled momentum x.Steps
                let random = Random(drawn.Seed + 1)
                let directions = Array.init 2 (fun _ -> Subject.rows subject random drawn.Size)

                let path =
                    ForwardMode.tangents options space x.Regularizer x.Problem x.Theta (Array.map subject.OfRows directions)

                let reverse = compute subject (UnrolledStrategy options) x
                Check.same (subject.ToRows reverse.Phi) (subject.ToRows path.Inner.Phi) "φ"

                for i in 0..1 do
                    let tangents = subject.ToRows path.Tangents[i]
                    let right = space.Read(space.Inner(reverse.Gradient, subject.OfRows directions[i]))
                    let left = space.Read(space.Inner(reverse.Solve.Solution, path.Tangents[i]))
                    let v = subject.ToRows reverse.Solve.Solution

                    for task in 0 .. subject.Tasks - 1 do
                        let w = vector directions[i].[task]
                        let expected = jacobian momentum x.Steps x task * w
                        let bound = 4.0 * roundings subject x.Steps x * w.L2Norm()
                        Check.atMost bound ((vector tangents[task] - expected).L2Norm()) $"J_T w, direction {i}, task {task}"
                        Check.near (2.0 * bound * euclid v[task]) left[task] right[task] $"⟨v, Jw⟩, direction {i}, task {task}")

            property $"forward mode along all coordinates gives reverse mode's meta-gradient, {name}" (fun drawn ->
                let x = instance subject drawn
                let options = unrolled momentum x.Steps
                let reverse = compute subject (UnrolledStrategy options) x
                let forward = compute subject (ForwardModeStrategy(coordinates subject, options)) x
                let v = outer subject x reverse.Phi
                let expected = subject.ToRows reverse.Gradient

                subject.ToRows forward.Gradient
                |> Array.iteri (fun task actual ->
                    // d coordinates, each of which may err so.
                    let bound = 8.0 * sqrt (float drawn.Size) * roundings subject x.Steps x * euclid v[task]
                    Check.atMost bound (euclid (minus actual expected[task])) $"g, task {task}"))

        property "with gradient descent J_T = M⁻¹Λ + (I − αM)ᵀ(I − M⁻¹Λ), the power T" (fun drawn ->
            let x = instance subject drawn
            let result = compute subject (UnrolledStrategy(unrolled NoMomentum x.Steps)) x

            checkGradient subject x.Steps x result (fun task ->
                let lemma1 = (x.M task).Cholesky().Solve x.Lambda
                let one = identity drawn.Size
                (lemma1 + (one - step * x.M task).Power x.Steps * (one - lemma1)).Transpose()))

        property "as T→∞ it tends to the implicit gradient at the same φ, as (1 − αµ)ᵀ" (fun drawn ->
            let x = instance subject drawn

            for steps in [ 1; 8; 64 ] do
                let result = compute subject (UnrolledStrategy(unrolled NoMomentum steps)) x
                let phi = subject.ToRows result.Phi
                let v = outer subject x result.Phi
                let actual = subject.ToRows result.Gradient

                for task in 0 .. subject.Tasks - 1 do
                    let struct (mu, _) = Imaml.Theory.Spectrum.ends (x.M task)
                    let lemma1 = x.Lambda * (x.M task).Inverse()
                    let start = identity drawn.Size - lemma1
                    // ΛM⁻¹ errs by cond(M) ≤ 1 + 2/λ of its own.
                    let rounding = 40.0 * 4.0 * roundings subject steps x * (euclid phi[task] + euclid x.Tasks.E[task])
                    let bound = start.L2Norm() * (1.0 - step * mu) ** float steps * euclid v[task]
                    let error = (vector actual[task] - lemma1 * vector v[task]).L2Norm()
                    Check.atMost (bound + rounding) error $"T = {steps}, task {task}")
    ]

let private truncation (subject: Subject<'V, 'S>) =
    let property name body = Subject.property subject 20 name body
    let lastSteps (drawn: Draw) steps = 1 + drawn.Seed / 9 % steps

    [
        property "K steps are the Neumann series ΛM⁻¹[I − (I − αM)ᴷ]v, off ΛM⁻¹v by at most (‖Λ‖/µ)(1 − αµ)ᴷ‖v‖" (fun drawn ->
            let x = instance subject drawn
            let k = lastSteps drawn x.Steps
            let result = compute subject (TruncatedStrategy(unrolled NoMomentum x.Steps, k)) x
            let one = identity drawn.Size
            let exact task = x.Lambda * (x.M task).Cholesky().Solve one
            checkGradient subject x.Steps x result (fun task -> exact task * (one - (one - step * x.M task).Power k))
            let v = outer subject x result.Phi
            let phi = subject.ToRows result.Phi
            let actual = subject.ToRows result.Gradient

            for task in 0 .. subject.Tasks - 1 do
                let struct (mu, _) = Imaml.Theory.Spectrum.ends (x.M task)
                let rounding = 4.0 * roundings subject x.Steps x * (euclid phi[task] + euclid x.Tasks.E[task])
                let contraction = x.Lambda.L2Norm() / mu
                let bound = contraction * (1.0 - step * mu) ** float k * euclid v[task]
                let error = (vector actual[task] - exact task * vector v[task]).L2Norm()
                // ΛM⁻¹ by Cholesky errs by cond(M) ≤ 1 + 2/λ of its own.
                Check.atMost (bound + 40.0 * rounding) error $"‖g − ΛM⁻¹v‖, task {task}")

        for name, momentum in momenta do
            property $"K steps are J's recurrence over K steps from 0, {name}" (fun drawn ->
                let x = instance subject drawn
                let k = lastSteps drawn x.Steps
                let result = compute subject (TruncatedStrategy(unrolled momentum x.Steps, k)) x
                let zero = 0.0 * identity drawn.Size

                checkGradient subject x.Steps x result (fun task -> (recur momentum k zero (fun j -> x.M task * j - x.Lambda)).Transpose()))

            property $"K = T and what reaches the start add up to MAML, {name}" (fun drawn ->
                let x = instance subject drawn
                let options = unrolled momentum x.Steps
                let whole = compute subject (UnrolledStrategy options) x
                let truncated = compute subject (TruncatedStrategy(options, x.Steps)) x
                Check.same (subject.ToRows whole.Phi) (subject.ToRows truncated.Phi) "φ"

                let difference =
                    { whole with
                        Gradient = subject.Space.Axpy(subject.Space.Scalar -1.0, truncated.Gradient, whole.Gradient)
                    }

                checkGradient subject x.Steps x difference (fun task ->
                    (recur momentum x.Steps (identity drawn.Size) (fun s -> x.M task * s)).Transpose()))
    ]

let private firstOrder (subject: Subject<'V, 'S>) =
    let property name body = Subject.property subject 20 name body
    let space = subject.Space

    [
        property "FOMAML is the outer gradient at φ, and its report says that no system was solved" (fun drawn ->
            let x = instance subject drawn
            let solver = GradientDescentSolver<'V, 'S>(ConstantStep step, x.Steps)
            let result = compute subject (FirstOrderStrategy(solver, 0.0)) x
            let struct (_, v) = x.Problem.OuterLossAndGradient result.Phi
            Check.same (subject.ToRows v) (subject.ToRows result.Gradient) "g"

            for solve in result.Solve.Read(space) do
                solve.Status |> should equal SolveStatus.NotMade
                (solve.Steps, solve.Products) |> should equal (0, 0)
                solve.RitzValues |> should equal Array.empty<float>)

        property "Reptile is θ − φ, and at φ* Λ takes it to ∇L̂(φ*)" (fun drawn ->
            let x = instance subject drawn
            let solver = GradientDescentSolver<'V, 'S>(MeasuredCurvature, 400)
            let result = compute subject (ReptileStrategy(solver, 0.0)) x
            let phi = subject.ToRows result.Phi
            let actual = subject.ToRows result.Gradient
            let slope = affine x.Tasks.A x.Tasks.B phi

            for task in 0 .. subject.Tasks - 1 do
                Check.same
                    [| subject.ToRows(space.Axpy(space.Scalar -1.0, result.Phi, x.Theta)).[task] |]
                    [| actual[task] |]
                    $"θ − φ, task {task}"
                // As ‖∇G(φ)‖ is rounding: 40 for the last steps, which follow its noise.
                let terms = 5.0 * (euclid phi[task] + euclid x.Tasks.Theta[task]) + euclid x.Tasks.B[task]

                Check.atMost
                    (40.0 * float drawn.Size * subject.Epsilon * terms * 2.0)
                    ((x.Lambda * vector actual[task] - vector slope[task]).L2Norm())
                    $"Λ(θ − φ*) − ∇L̂(φ*), task {task}")
    ]

/// Every strategy of this file and Algorithm 2, with what T inner steps and d coordinates make it cost: ∇L̂, products, ∇L.
let private strategies (subject: Subject<'V, 'S>) steps d : (string * IMetaGradientStrategy<'V, 'S> * int * int * int) list =
    let options = unrolled (Nesterov 0.5) steps
    let solver = GradientDescentSolver<'V, 'S>(ConstantStep step, steps)
    let thresholds = Thresholds.None

    [
        "implicit", ImplicitStrategy(solver, ConjugateGradientSolver(KrylovLaws.budget 2), thresholds), steps + 1, 2, 1
        "MAML", UnrolledStrategy options, 2 * steps + 1, steps, 1
        // Of five steps two are kept, at 0 and at 3.
        "MAML in less memory", UnrolledStrategy(options, Recompute), 2 * steps + 1 + 3, steps, 1
        "MAML in forward mode", ForwardModeStrategy(coordinates subject, options), steps + 1, d * steps, 1
        "truncated to 3", TruncatedStrategy(options, 3), steps + 3, 2, 1
        "FOMAML", FirstOrderStrategy(solver, 0.0), steps + 1, 0, 1
        "Reptile", ReptileStrategy(solver, 0.0), steps + 1, 0, 1
        // φ, and φ₀ again; of φ₋β and φ_β every gradient is two, with four more to measure the curvature.
        "nudged", NudgedStrategy(solver, NudgedDifference.Symmetric, 0.25, 0.0), 2 * steps + 1 + 2 * (steps + 6), 0, 1 + 2 * (steps + 6)
    ]

/// The problem with its evaluations counted: ∇L̂ (a linearization is one), products, ∇L.
let private counted (problem: IBilevelProblem<'V, 'S>) =
    let counts = Array.zeroCreate<int> 3
    let count i = counts[i] <- counts[i] + 1

    let counting =
        { new IBilevelProblem<'V, 'S> with
            member _.InnerLoss phi = problem.InnerLoss phi

            member _.InnerGradient phi =
                count 0
                problem.InnerGradient phi

            member _.LinearizeInner phi =
                count 0
                let linearization = problem.LinearizeInner phi

                { new ILinearization<'V, 'S> with
                    member _.Loss = linearization.Loss
                    member _.Gradient = linearization.Gradient

                    member _.HessianProduct w =
                        count 1
                        linearization.HessianProduct w

                    member _.Dispose() = linearization.Dispose()
                }

            member _.OuterLossAndGradient phi =
                count 2
                problem.OuterLossAndGradient phi
        }

    struct (counting, counts)

/// Nudged solves. Of quadratics φ_β is (M + βC)⁻¹(Λθ − b − βe), by dense solves.
let private nudged (subject: Subject<'V, 'S>) =
    let property name body = Subject.property subject 5 name body
    let space = subject.Space

    let differences =
        [
            NudgedDifference.OneSided
            NudgedDifference.Symmetric
            NudgedDifference.FourPoint
        ]
    // ‖C‖ ≤ 4 and µ > λ/2: the four points stay within half of µ.
    let beta (x: Instance<'V, 'S>) = x.Lambda.Diagonal().AbsoluteMinimum() / 32.0

    let solution (x: Instance<'V, 'S>) (beta: float) task : Vector<float> =
        let right =
            x.Lambda * vector x.Tasks.Theta[task] - vector x.Tasks.B[task] - beta * vector x.Tasks.E[task]

        (x.M task + beta * x.Tasks.C[task]).Cholesky().Solve right

    let by (x: Instance<'V, 'S>) difference beta =
        let exact: IInnerSolver<'V, 'S> = NewtonConjugateGradientSolver(5, 2 * x.Lambda.RowCount)
        NudgedStrategy<'V, 'S>(exact, difference, beta, 0.0).ComputeBoth(space, x.Regularizer, x.Problem, x.Theta)

    [
        for difference in differences do
            property $"g is the difference of the solutions of the nudged problems, {difference}" (fun drawn ->
                let x = instance subject drawn
                let beta = beta x
                let result = by x difference beta
                let actual = subject.ToRows result.Result.Gradient

                for task in 0 .. subject.Tasks - 1 do
                    let phi k = solution x (k * beta) task

                    let u =
                        match difference with
                        | NudgedDifference.OneSided -> (phi 0.0 - phi 1.0) / beta
                        | NudgedDifference.Symmetric -> (phi -1.0 - phi 1.0) / (2.0 * beta)
                        | _ -> (8.0 * (phi -1.0 - phi 1.0) - (phi -2.0 - phi 2.0)) / (12.0 * beta)

                    // Each solution by Newton's method to rounding of ∇G over µ, and over β.
                    let size =
                        5.0 * (euclid x.Tasks.Theta[task] + (phi 0.0).L2Norm())
                        + euclid x.Tasks.B[task]
                        + euclid x.Tasks.E[task]

                    let rounding =
                        40.0 * float (drawn.Size + 6) * subject.Epsilon * size / x.Lambda.Diagonal().AbsoluteMinimum() * 2.0

                    Check.atMost
                        (4.0 * rounding * x.Lambda.L2Norm() / beta)
                        ((vector actual[task] - x.Lambda * u).L2Norm())
                        $"g, task {task}")

        property "a nudge that makes the objective bend down is refused, and said" (fun drawn ->
            let x = instance subject drawn
            // −βC outweighs M along some direction that C sees, whatever the two are.
            let result = by x NudgedDifference.Symmetric 1e4
            let usable = space.Read(result.Result.Usable space)
            let negative = space.Read result.Result.NegativeCurvature

            for task in 0 .. subject.Tasks - 1 do
                if x.Tasks.C[task].L2Norm() > 0.1 then
                    usable[task] |> should equal 0.0
                    negative[task] |> should equal 1.0)

        Subject.law subject "a β that is not positive is refused" (fun () ->
            let solver = GradientDescentSolver<'V, 'S>(ConstantStep step, 3)

            for beta in [ 0.0; -1.0; nan; infinity ] do
                (fun () -> NudgedStrategy<'V, 'S>(solver, NudgedDifference.Symmetric, beta, 0.0) |> ignore)
                |> should throw typeof<ArgumentException>)
    ]

let private all (subject: Subject<'V, 'S>) =
    let space = subject.Space

    [
        Subject.law subject "every strategy counts what it evaluates" (fun () ->
            let x = instance subject { Seed = 7; Size = 4; Condition = 10.0 }

            for name, strategy, gradients, products, outer in strategies subject 5 4 do
                let struct (problem, counts) = counted x.Problem
                let result = compute subject strategy { x with Problem = problem }
                Expect.equal counts [| gradients; products; outer |] $"{name}: ∇L̂, products and ∇L evaluated"

                for cost in result.Cost(space) do
                    Expect.equal [| cost.Gradients; cost.HessianProducts; cost.OuterGradients |] counts $"{name}: told")

        Subject.property subject 10 "a batch gives each task the meta-gradient that it would get alone" (fun drawn ->
            let x = instance subject drawn

            for name, strategy, _, _, _ in strategies subject 5 drawn.Size do
                let together = subject.ToRows((compute subject strategy x).Gradient)

                for task in 0 .. subject.Tasks - 1 do
                    for other in [ 1e6; 0.0; nan ] do
                        let replace i matrix =
                            if i = task then
                                matrix
                            else
                                Matrix<float>.Build.DenseDiagonal(drawn.Size, other)

                        let tasks =
                            { x.Tasks with
                                A = Array.mapi replace x.Tasks.A
                            }

                        let alone =
                            compute
                                subject
                                strategy
                                { x with
                                    Problem = problem subject tasks
                                }

                        Check.same [| together[task] |] [| (subject.ToRows alone.Gradient)[task] |] $"{name}, task {task}")

        Subject.law subject "losses and ‖∇G‖ are Algorithm 2's at the same φ" (fun () ->
            let x =
                instance
                    subject
                    {
                        Seed = 12
                        Size = 5
                        Condition = 10.0
                    }

            let results =
                [
                    for name, strategy, _, _, _ in strategies subject 5 5 do
                        if name <> "MAML" && not (name.StartsWith "MAML in") && not (name.StartsWith "truncated") then
                            compute subject strategy x
                    let plain = unrolled NoMomentum 5
                    compute subject (UnrolledStrategy plain) x
                    compute subject (ForwardModeStrategy(coordinates subject, plain)) x
                    compute subject (TruncatedStrategy(plain, 2)) x
                ]

            let told (result: MetaGradient<'V, 'S>) =
                [|
                    space.Read result.InnerLoss
                    space.Read result.OuterLoss
                    space.Read result.InnerGradientNorm
                |]

            for result in results.Tail do
                Check.same (told results.Head) (told result) "L̂, L, ‖∇G‖")

        if subject.MostTasks >= 5 then
            Subject.law
                subject
                "one strategy with δ and δ′ gives five tasks in chunks of 2, 2 and 1 the bits that it gives them in one batch"
                (fun () ->
                    let whole = Subject.sized 5 subject

                    let struct (_, tasks: Quadratics) =
                        draw
                            whole
                            {
                                Seed = 11
                                Size = 4
                                Condition = 50.0
                            }

                    let regularizer = ScalarRegularizer<'V, 'S> 0.25

                    let strategy: IMetaGradientStrategy<'V, 'S> =
                        ImplicitStrategy(
                            GradientDescentSolver(MeasuredCurvature, 500, 1),
                            ConjugateGradientSolver(
                                { KrylovLaws.budget 50 with
                                    CheckEvery = 1
                                }
                            ),
                            Thresholds.OfAccuracies(regularizer, 0.25, 1e-3, 1e-3)
                        )

                    let compute first count =
                        let chunk = Subject.sized count subject

                        let part =
                            {
                                A = Array.sub tasks.A first count
                                B = Array.sub tasks.B first count
                                C = Array.sub tasks.C first count
                                E = Array.sub tasks.E first count
                                Theta = Array.sub tasks.Theta first count
                            }

                        let result = strategy.Compute(chunk.Space, regularizer, problem chunk part, chunk.OfRows part.Theta)

                        let ends =
                            Array.zip
                                (result.Inner.Read chunk.Space)
                                (result.Solve.Read chunk.Space |> Array.map (fun s -> s.Status, s.Steps))

                        Array.append (chunk.ToRows result.Phi) (chunk.ToRows result.Gradient) |> Array.chunkBySize count, ends

                    let together, ends = compute 0 5
                    let parts = [ compute 0 2; compute 2 2; compute 4 1 ]

                    for which, name in [ 0, "φ"; 1, "g" ] do
                        Check.same together[which] (parts |> Seq.collect (fun (rows, _) -> rows[which]) |> Array.ofSeq) name

                    Expect.equal (parts |> Seq.collect snd |> Array.ofSeq) ends "how they ended"

                    for inner, (linear, _) in ends do
                        Expect.equal (inner.Status, linear) (InnerStatus.Converged, SolveStatus.Converged) "the thresholds are heeded")

        Subject.law
            subject
            "a φ that is not finite is reported, and its g not used, though the outer loss is linear and H finite"
            (fun () ->
                let x = instance subject { Seed = 4; Size = 3; Condition = 10.0 }
                let first = fun i -> i = 0

                // Not a number in the data of the first task alone: the others are used.
                for bad in [ nan; infinity; -infinity ] do
                    let tasks =
                        { x.Tasks with
                            B = x.Tasks.B |> Array.mapi (fun i row -> if first i then Array.map (fun _ -> bad) row else row)
                            C = x.Tasks.C |> Array.map (fun c -> 0.0 * c)
                        }

                    let knowing: IInnerSolver<'V, 'S> =
                        DelegateInnerSolver<'V, 'S>(Func<'V, 'V, 'V>(fun theta _ -> space.Scale(space.Scalar bad, theta)))

                    let implicit (solver: IInnerSolver<'V, 'S>) : IMetaGradientStrategy<'V, 'S> =
                        ImplicitStrategy(solver, ConjugateGradientSolver(KrylovLaws.budget 2), Thresholds.None)

                    let others: (string * IMetaGradientStrategy<'V, 'S>) list =
                        [
                            "implicit, Newton–CG", implicit (NewtonConjugateGradientSolver(3, 3))
                            "implicit, L-BFGS", implicit (LbfgsSolver(3, 2))
                            "implicit, measured steps", implicit (GradientDescentSolver(MeasuredCurvature, 3))
                            "black box", implicit knowing
                            "steps of a rule", UnrolledDescentStrategy(MeasuredCurvature, 3)
                        ]

                    for name, strategy in (strategies subject 5 3 |> List.map (fun (name, strategy, _, _, _) -> name, strategy)) @ others do
                        let result =
                            compute
                                subject
                                strategy
                                { x with
                                    Problem = problem subject tasks
                                }

                        let usable = space.Read(result.Usable space)
                        let inner = result.Inner.Read space
                        let solves = result.Solve.Read space

                        for task in 0 .. subject.Tasks - 1 do
                            if first task || name = "black box" then
                                Expect.equal inner[task].Status InnerStatus.NonFinite name
                                Expect.equal solves[task].Status SolveStatus.NonFinite name
                                Expect.equal usable[task] 0.0 name
                            else
                                Expect.equal usable[task] 1.0 name)

        Subject.law subject "an L̂ that is no number, at a finite φ with finite derivatives, is reported, and its g not used" (fun () ->
            let x = instance subject { Seed = 4; Size = 3; Condition = 10.0 }
            let inner = x.Problem

            for bad in [ nan; infinity; -infinity ] do
                // Of the first task alone.
                let spoiled loss =
                    space.Select(
                        space.PerTask(Array.init subject.Tasks (fun task -> if task = 0 then 1.0 else 0.0)),
                        space.Scalar bad,
                        loss
                    )

                let problem =
                    { new IBilevelProblem<'V, 'S> with
                        member _.InnerLoss phi = spoiled (inner.InnerLoss phi)
                        member _.InnerGradient phi = inner.InnerGradient phi

                        member _.LinearizeInner phi =
                            let linearization = inner.LinearizeInner phi
                            let loss = spoiled linearization.Loss

                            { new ILinearization<'V, 'S> with
                                member _.Loss = loss
                                member _.Gradient = linearization.Gradient
                                member _.HessianProduct w = linearization.HessianProduct w
                                member _.Dispose() = linearization.Dispose()
                            }

                        member _.OuterLossAndGradient phi = inner.OuterLossAndGradient phi
                    }

                let implicit (solver: IInnerSolver<'V, 'S>) : IMetaGradientStrategy<'V, 'S> =
                    ImplicitStrategy(solver, ConjugateGradientSolver(KrylovLaws.budget 2), Thresholds.None)

                let others: (string * IMetaGradientStrategy<'V, 'S>) list =
                    [
                        "implicit, Newton–CG", implicit (NewtonConjugateGradientSolver(3, 3))
                        "implicit, L-BFGS", implicit (LbfgsSolver(3, 2))
                        "implicit, measured steps", implicit (GradientDescentSolver(MeasuredCurvature, 3))
                        "steps of a rule", UnrolledDescentStrategy(MeasuredCurvature, 3)
                    ]

                for name, strategy in (strategies subject 5 3 |> List.map (fun (name, strategy, _, _, _) -> name, strategy)) @ others do
                    let result = compute subject strategy { x with Problem = problem }
                    let usable = space.Read(result.Usable space)
                    let phi = subject.ToRows result.Phi

                    for task, statistics in Array.indexed (result.Inner.Read space) do
                        if task = 0 then
                            Expect.isTrue (Array.forall Double.IsFinite phi[task]) name
                            Expect.equal statistics.Status InnerStatus.NonFinite name
                            Expect.equal usable[task] 0.0 name
                        else
                            Expect.equal usable[task] 1.0 name)

        Subject.law subject "a path that diverges to what is no number is reported as that" (fun () ->
            let x = instance subject { Seed = 4; Size = 3; Condition = 10.0 }

            let tasks =
                { x.Tasks with
                    A = x.Tasks.A |> Array.map (fun _ -> Matrix<float>.Build.DenseDiagonal(3, infinity))
                }

            for name, strategy, _, _, _ in strategies subject 5 3 do
                let result =
                    compute
                        subject
                        strategy
                        { x with
                            Problem = problem subject tasks
                        }

                for inner in result.Inner.Read space do
                    Expect.equal inner.Status InnerStatus.NonFinite name

                for solve in result.Solve.Read(space) do
                    Expect.equal solve.Status SolveStatus.NonFinite name)
    ]

/// All laws of the strategies on a space.
let laws (subject: Subject<'V, 'S>) =
    testList
        $"Strategies, {subject.Name}"
        [
            testList "unrolled" (unrolling subject)
            testList "truncated" (truncation subject)
            testList "first order" (firstOrder subject)
            testList "nudged" (nudged subject)
            testList "all" (all subject)
        ]
