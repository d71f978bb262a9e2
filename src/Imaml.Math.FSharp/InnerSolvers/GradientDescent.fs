// The inner solver of iMAML-GD: gradient descent on G(·, θ), with the proximal term, and with or without momentum, by Descent.step.
//
// On a µ-strongly convex, β-smooth G with κ = β/µ and R = ‖φ₀ − φ*‖, accuracy δ is reached after at most
//     gradient descent, step 1/β              ⌈κ ln(R/δ)⌉ steps
//     Nesterov, Momentum.NesterovFor(µ, β)    ⌈2√κ ln(√(κ+1)R/δ)⌉ steps, Table 1's √κ               (Nesterov 2004, theorem 2.2.3)
//     heavy ball, Momentum.HeavyBallFor(µ, β) ‖φₖ − φ*‖ ≤ (2k+1)((√κ−1)/(√κ+1))ᵏR, for quadratic G only (Polyak 1964)
//
// Nesterov's gradient is that at y, not at φ. So a task whose gradient meets the tolerance gets y: what was measured is what is returned.
//
// A step between 1/β and beyond 2/β may cycle for ever and stay finite. Where it is legitimate, a step 1/β or shorter lowers G, and ‖∇G‖ too
// where L̂ is convex; momentum lowers both over some √κ ≈ 2/(1−b) steps. So a task ends, Stalled, that after a window of 1000/(1−b) steps, b the
// momentum or 0, has neither a smaller ‖∇G‖ nor a smaller G than at the end of every window before.

namespace Imaml.Math

/// φₖ, with the gradient and the step that led to it, and what has been seen and counted.
[<NoComparison; NoEquality>]
type private DescentState<'V, 'S> =
    {
        Phi: 'V
        /// φₖ₋₁, for momentum alone.
        Previous: 'V voption
        Gradient: 'V
        Length: 'S
        /// 1 while the task goes on.
        Running: 'S
        /// The smallest ‖∇G‖ and the smallest G at the ends of windows, once one has ended.
        Least: struct ('S * 'S) voption
        Marks: Marks<'S>
        Counts: Counts<'S>
    }

    interface ICarried<'V, 'S, DescentState<'V, 'S>> with
        member s.Carry(vector, scalar) =
            {
                Phi = vector.Invoke s.Phi
                Previous = ValueOption.map vector.Invoke s.Previous
                Gradient = vector.Invoke s.Gradient
                Length = scalar.Invoke s.Length
                Running = scalar.Invoke s.Running
                Least =
                    s.Least
                    |> ValueOption.map (fun struct (norm, value) -> struct (scalar.Invoke norm, scalar.Invoke value))
                Marks = s.Marks.Carry scalar
                Counts = s.Counts.Carry scalar
            }

[<RequireQualifiedAccess>]
module GradientDescent =

    let internal check (rule: StepRule) (momentum: Momentum) maxSteps checkEvery =
        InnerSolver.checkSteps (nameof maxSteps) maxSteps

        if checkEvery < 0 then
            invalidArg (nameof checkEvery) $"checkEvery must be at least 0, not {checkEvery}"

        momentum.Check()
        rule.Check momentum

    /// The tasks that go on after this gradient, and the marks: those stop whose gradient meets the tolerance, and those that diverge.
    ///
    /// A task whose next move has a square that overflows is stopped before it. So every move is below √(largest number), and no sum of
    /// 2³¹ of them, with momentum or without, leaves the finite numbers: the answer is the last finite iterate.
    let private judge (space: IInnerProductSpace<'V, 'S>) (tolerance: 'S) (state: DescentState<'V, 'S>) length gradient =
        let norm = space.Norm gradient
        let move = space.Multiply(length, norm)
        let finite = space.Multiply(Mask.finite space norm, Mask.finite space (space.Multiply(move, move)))
        let above = space.Exceeds(norm, tolerance)
        let alive = space.Multiply(state.Running, finite)

        struct (space.Multiply(alive, above),
                { state.Marks with
                    Met = space.Add(state.Marks.Met, space.Multiply(alive, Mask.complement space above))
                    NonFinite = space.Add(state.Marks.NonFinite, space.Multiply(state.Running, Mask.complement space finite))
                })

    /// One step of the tasks that go on. Without a tolerance all do, and no norm is taken.
    let private advance
        (space: IInnerProductSpace<'V, 'S>)
        momentum
        (tolerance: 'S voption)
        (lengthAt: 'V -> 'S)
        (gradientAt: 'V -> 'V)
        (state: DescentState<'V, 'S>)
        : DescentState<'V, 'S> =
        let choose gradient =
            let length = lengthAt gradient

            let struct (running, marks) =
                match tolerance with
                | ValueNone -> struct (state.Running, state.Marks)
                | ValueSome tolerance -> judge space tolerance state length gradient

            {
                Moving = running
                Sizes = SizePerTask(Mask.keep space running length)
                Decision =
                    { state with
                        Length = length
                        Running = running
                        Marks = marks
                    }
            }

        let previous = ValueOption.defaultValue state.Phi state.Previous

        let struct (phi, gradient, next) =
            Descent.step space momentum state.Running gradientAt choose state.Phi previous

        { next with
            Phi = phi
            Previous = state.Previous |> ValueOption.map (fun _ -> Mask.copyVector space state.Phi)
            Gradient = gradient
            Counts =
                { state.Counts with
                    Steps = space.Add(state.Counts.Steps, next.Running)
                    Gradients = space.Add(state.Counts.Gradients, state.Running)
                }
        }

    /// Steps after which a task must have got somewhere: by then a contraction of 1/√κ a step is far below any rounding.
    let private window momentum =
        match momentum with
        | NoMomentum -> 1000
        | HeavyBall b
        | Nesterov b -> int (min 1e9 (ceil (1000.0 / (1.0 - b))))

    /// At the end of a window: the tasks stop whose ‖∇G‖ and G are no smaller than they were at the end of each before. Cost: one loss.
    let private compared
        (space: IInnerProductSpace<'V, 'S>)
        regularizer
        (problem: IBilevelProblem<'V, 'S>)
        theta
        (state: DescentState<'V, 'S>)
        =
        let norm = space.Norm state.Gradient
        let value = InnerObjective.value space regularizer (problem.InnerLoss state.Phi) state.Phi theta

        let struct (leastNorm, leastValue) =
            state.Least
            |> ValueOption.defaultWith (fun () -> struct (space.Scalar infinity, space.Scalar infinity))

        let smaller a b = space.Select(space.Exceeds(b, a), a, b)
        let moving = Mask.larger space (space.Exceeds(leastNorm, norm)) (space.Exceeds(leastValue, value))

        { state with
            Running = space.Multiply(state.Running, moving)
            Least = ValueSome(struct (smaller norm leastNorm, smaller value leastValue))
            Marks =
                { state.Marks with
                    Stagnated = space.Add(state.Marks.Stagnated, space.Multiply(state.Running, Mask.complement space moving))
                }
            Counts =
                { state.Counts with
                    Losses = space.Add(state.Counts.Losses, state.Running)
                }
        }

    /// Where a task has met the tolerance, L̂ must be finite too: its gradient can be where it is not. Cost: one loss.
    let private withLoss (space: IInnerProductSpace<'V, 'S>) (problem: IBilevelProblem<'V, 'S>) (state: DescentState<'V, 'S>) =
        let finite = Mask.finite space (problem.InnerLoss state.Phi)

        { state with
            Marks = state.Marks.Judged(space, finite)
            Counts =
                { state.Counts with
                    Losses = space.Add(state.Counts.Losses, space.Scalar 1.0)
                }
        }

    /// At most `maxSteps` steps on G(·, θ) from `start`; a task is done where ‖∇G‖ ≤ gradientNorm. Whether all tasks are done is asked
    /// every `checkEvery` steps; 0 never asks and never stops: a fixed budget, where gradientNorm is unused, no norm and no loss is computed,
    /// and a task that diverges ends where it diverged to, marked NonFinite.
    ///
    /// Cost: one gradient a step, one Hessian–vector product in all for MeasuredCurvature; where a tolerance is asked for, one loss at the end
    /// and one a window of at least 1000 steps; two vectors apart from θ, one more with momentum, however many the steps.
    [<CompiledName("Accelerated")>]
    let accelerated
        (rule: StepRule)
        (momentum: Momentum)
        (maxSteps: int)
        (checkEvery: int)
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (start: 'V)
        (gradientNorm: 'S)
        : InnerIterate<'V, 'S> =
        check rule momentum maxSteps checkEvery

        if rule = MeasuredCurvature then
            Regularizer.requireProximalTerm regularizer "a step that follows the curvature"

        let gradientAt phi = InnerObjective.gradient space regularizer (problem.InnerGradient phi) phi theta

        let first tolerance () =
            let state =
                {
                    Phi = start
                    Previous = (if momentum = NoMomentum then ValueNone else ValueSome start)
                    Gradient = start
                    Length = space.Scalar 0.0
                    Running = space.Scalar 1.0
                    Least = ValueNone
                    Marks = Marks.None space
                    Counts = Counts.Zero space
                }

            // φ₀ = φ₋₁ has no momentum.
            let advance lengthAt gradientAt = advance space NoMomentum tolerance lengthAt gradientAt state

            match rule with
            | ConstantStep step -> advance (fun _ -> space.Scalar step) gradientAt
            | MeasuredCurvature ->
                use linearization = problem.LinearizeInner start
                let gradient = InnerObjective.gradient space regularizer linearization.Gradient start theta

                let state = advance (Descent.cauchy space regularizer linearization) (fun _ -> gradient)

                { state with
                    Counts =
                        { state.Counts with
                            Products = space.Scalar 1.0
                        }
                }

        let next tolerance (state: DescentState<'V, 'S>) =
            let length gradient =
                match rule with
                | ConstantStep _ -> state.Length
                | MeasuredCurvature -> Descent.measured space state.Length state.Gradient gradient

            advance space momentum tolerance length gradientAt state

        Region.run space (fun () ->
            let tolerance =
                if checkEvery = 0 then
                    ValueNone
                else
                    ValueSome(Mask.tolerance space gradientNorm)

            let window = window momentum
            let mutable state = Region.run space (first tolerance)
            let mutable k = 1

            while k < maxSteps do
                if checkEvery > 0 && k % checkEvery = 0 && not (space.Any state.Running) then
                    k <- maxSteps
                else
                    state <- Region.advance space (next tolerance) state
                    k <- k + 1

                    if checkEvery > 0 && k % window = 0 then
                        state <- Region.advance space (compared space regularizer problem theta) state

            let state =
                if checkEvery > 0 then
                    withLoss space problem state
                else
                    state

            InnerSolver.judged
                space
                {
                    Phi = state.Phi
                    Marks = state.Marks
                    Counts = state.Counts
                    Reported = true
                })

    /// The same without momentum.
    [<CompiledName("Solve")>]
    let solve rule maxSteps checkEvery (space: IInnerProductSpace<'V, 'S>) regularizer problem theta start gradientNorm =
        accelerated rule NoMomentum maxSteps checkEvery space regularizer problem theta start gradientNorm

/// Gradient descent as an inner solver: at most `maxSteps` steps by `rule`, with `momentum`, asking every `checkEvery` steps whether all
/// tasks are done.
type GradientDescentSolver<'V, 'S>(rule: StepRule, momentum: Momentum, maxSteps: int, checkEvery: int) =
    do GradientDescent.check rule momentum maxSteps checkEvery

    /// Without momentum.
    new(rule, maxSteps: int, checkEvery: int) = GradientDescentSolver(rule, NoMomentum, maxSteps, checkEvery)

    /// A fixed budget of steps without momentum.
    new(rule, steps: int) = GradientDescentSolver(rule, NoMomentum, steps, 0)

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, gradientNorm) =
            GradientDescent.accelerated rule momentum maxSteps checkEvery space regularizer problem theta start gradientNorm
