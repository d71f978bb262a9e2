// What every inner solver must do on every space, as one list of tests: `InnerSolverLaws.laws subject`.
//
// Tasks: L̂(φ) = ½φᵀAφ + bᵀφ + (q/4)Σφⱼ⁴, quadratic for q = 0. G is µ-strongly convex, so ‖φ − φ*‖ ≤ ‖∇G(φ)‖/µ for any solver, and the
// tolerances follow from that of the gradient, which itself rounds by dε of its terms.
module Imaml.Testing.InnerSolverLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory

let private vector (row: float[]) = Vector<float>.Build.DenseOfArray row
let private euclid row = (vector row).L2Norm()

/// The coordinates of a space under test, by way of its rows.
let coordinates (subject: Subject<'V, 'S>) =
    let pairwise f x y = Array.map2 (Array.map2 f) (subject.ToRows x) (subject.ToRows y) |> subject.OfRows

    { new ICoordinates<'V> with
        member _.Combine(a, x, b, y) = pairwise (fun x y -> a * x + b * y) x y
        member _.Product(x, y) = pairwise (*) x y
        member _.Quotient(x, y) = pairwise (/) x y
        member _.DivideByRoot(x, y, epsilon) = pairwise (fun x y -> x / (sqrt y + epsilon)) x y
        member _.ToRows x = subject.ToRows x
        member _.OfRows(_, rows) = subject.OfRows rows
    }

/// B tasks, with λ, q, θ and φ₀.
[<NoComparison; NoEquality>]
type Tasks =
    {
        A: Matrix<float>[]
        B: float[][]
        Quartic: float
        Lambda: float
        Theta: float[][]
        Start: float[][]
    }

    member tasks.Gradient(task, phi: Vector<float>) =
        let cubes = phi.Map(fun x -> tasks.Quartic * x * x * x)
        tasks.A[task] * phi + vector tasks.B[task] + cubes

    member tasks.Loss(task, phi: Vector<float>) =
        let quartic = phi.Map(fun x -> tasks.Quartic / 4.0 * x * x * x * x).Sum()
        0.5 * phi.DotProduct(tasks.A[task] * phi) + (vector tasks.B[task]).DotProduct phi + quartic

    member tasks.Curvature(task, phi: Vector<float>) =
        let squares = phi.Map(fun x -> 3.0 * tasks.Quartic * x * x)
        tasks.A[task] + Matrix<float>.Build.DenseOfDiagonalVector squares

    /// ‖∇G(φ, θ)‖ in double precision.
    member tasks.GradientNorm(task, phi: Vector<float>) =
        (tasks.Gradient(task, phi) + tasks.Lambda * (phi - vector tasks.Theta[task])).L2Norm()

    /// The size of the terms that ∇G is summed of.
    member tasks.Terms(task, phi: Vector<float>) =
        let a = tasks.A[task].FrobeniusNorm() + tasks.Lambda
        let cubes = phi.Map(fun x -> tasks.Quartic * x * x * x)
        a * phi.L2Norm() + euclid tasks.B[task] + tasks.Lambda * euclid tasks.Theta[task] + cubes.L2Norm()

/// The tasks as a problem on the space. The linearization's gradient is freed when it is disposed, where the space tracks its values.
let problem (subject: Subject<'V, 'S>) (tasks: Tasks) =
    let each f phi = subject.ToRows phi |> Array.mapi (fun task row -> f (task, vector row))
    let gradient phi = each (fun (task, phi) -> tasks.Gradient(task, phi).ToArray()) phi |> subject.OfRows
    let loss phi = each tasks.Loss phi |> Subject.scalars subject

    { new IBilevelProblem<'V, 'S> with
        member _.InnerLoss phi = loss phi
        member _.InnerGradient phi = gradient phi

        member _.LinearizeInner phi =
            let value = loss phi
            let slope = gradient phi
            let curvatures = each tasks.Curvature phi

            { new ILinearization<'V, 'S> with
                member _.Loss = value
                member _.Gradient = slope
                member _.HessianProduct w = KrylovLaws.operator subject curvatures w

                member _.Dispose() =
                    use region = subject.Space.OpenRegion()
                    region.AdoptVector slope |> ignore
                    region.AdoptScalar value |> ignore
            }

        member _.OuterLossAndGradient phi = struct (loss phi, gradient phi)
    }

/// Random tasks: A of condition κ, easier tasks among harder ones, λ from 1/16 to 4.
let draw (subject: Subject<'V, 'S>) quartic (drawn: Draw) =
    let random = Random drawn.Seed
    let rows () = Subject.rows subject random drawn.Size

    {
        A =
            Array.init subject.Tasks (fun task ->
                Spectrum.positiveDefinite random drawn.Size (drawn.Condition ** (float (task + 1) / float subject.Tasks)))
        B = rows ()
        Quartic = quartic
        Lambda = 2.0 ** float (random.Next(-4, 3))
        Theta = rows ()
        Start = rows ()
    }

/// An inner solver with its name.
[<NoComparison; NoEquality>]
type Named<'V, 'S> =
    {
        Name: string
        /// For tasks whose curvatures are in [µ, β].
        Make: float -> float -> IInnerSolver<'V, 'S>
    }

/// Every solver that reports, with budgets that suffice for κ(H+Λ) ≤ 10³.
let solvers (subject: Subject<'V, 'S>) : Named<'V, 'S> list =
    let named name make = { Name = name; Make = make }
    let steps = 20000

    let withMomentum struct (step, momentum) = GradientDescentSolver<'V, 'S>(ConstantStep step, momentum, steps, 10) :> IInnerSolver<'V, 'S>

    [
        named "gradient descent" (fun _ beta -> GradientDescentSolver<'V, 'S>(ConstantStep(1.0 / beta), steps, 10))
        named "Nesterov" (fun mu beta -> withMomentum (Momentum.NesterovFor(mu, beta)))
        named "heavy ball" (fun mu beta -> withMomentum (Momentum.HeavyBallFor(mu, beta)))
        named "measured steps" (fun _ _ -> GradientDescentSolver<'V, 'S>(MeasuredCurvature, steps, 10))
        named "Newton-CG" (fun _ _ -> NewtonConjugateGradientSolver<'V, 'S>(2000, NewtonConjugateGradient.PaperDirectionSteps))
        named "L-BFGS" (fun _ _ -> LbfgsSolver<'V, 'S>(2000, 5))
        named "exact" (fun _ _ -> ExactInnerSolver<'V, 'S>(coordinates subject, 100))
    ]

/// What a solver made of the tasks, on the host.
let solve (subject: Subject<'V, 'S>) (solver: IInnerSolver<'V, 'S>) (gradientNorm: float[]) (tasks: Tasks) =
    let space = subject.Space
    let regularizer = ScalarRegularizer<'V, 'S> tasks.Lambda
    let theta = subject.OfRows tasks.Theta

    let iterate =
        solver.Solve(space, regularizer, problem subject tasks, theta, subject.OfRows tasks.Start, space.PerTask gradientNorm)

    struct (subject.ToRows iterate.Phi, iterate.Read space)

let private ends (tasks: Tasks) task = Spectrum.ends tasks.A[task]

/// µ and β of all tasks where |φⱼ| ≤ radius.
let private constants (tasks: Tasks) radius =
    let struct (smallest, largest) =
        Array.init tasks.A.Length (ends tasks)
        |> Array.reduce (fun (struct (s, l)) (struct (s', l')) -> struct (min s s', max l l'))

    struct (smallest + tasks.Lambda, largest + tasks.Lambda + 3.0 * tasks.Quartic * radius * radius)

/// Where ‖∇G‖ is a 10⁻¹⁰ part of what it was at the start, or as small as it can be told apart from rounding, d terms of size `Terms`.
let private reachable (subject: Subject<'V, 'S>) (tasks: Tasks) =
    Array.init subject.Tasks (fun task ->
        let start = vector tasks.Start[task]
        let size = max (tasks.Terms(task, start)) (tasks.Terms(task, vector tasks.Theta[task]))
        max (1e-10 * tasks.GradientNorm(task, start)) (20.0 * float start.Count * subject.Epsilon * size))

/// Solves to `reachable` and compares: the status is Converged and ‖∇G‖ is what the solver said, up to rounding.
let private converges (subject: Subject<'V, 'S>) (make: float -> float -> IInnerSolver<'V, 'S>) radius (tasks: Tasks) =
    let struct (mu, beta) = constants tasks radius
    let norm = reachable subject tasks
    let struct (phi, statistics) = solve subject (make mu beta) norm tasks

    for task in 0 .. subject.Tasks - 1 do
        let phi = vector phi[task]
        let rounding = 4.0 * float phi.Count * subject.Epsilon * tasks.Terms(task, phi)
        statistics[task].Status |> should equal InnerStatus.Converged
        Check.atMost (norm[task] + rounding) (tasks.GradientNorm(task, phi)) $"‖∇G(φ)‖, task {task}"

    struct (phi, norm, mu)

/// L̂(φ) = ⟨b, φ⟩ + c and L(φ) = ⟨1, φ⟩ for every task: H = 0, and ∇L̂ is the same wherever φ is.
let linear (subject: Subject<'V, 'S>) (b: float[][]) (c: float) : IBilevelProblem<'V, 'S> =
    let space = subject.Space
    let value phi = space.Add(space.Inner(subject.OfRows b, phi), space.PerTask(Array.create subject.Tasks c))
    let ones = b |> Array.map (Array.map (fun _ -> 1.0))

    { new IBilevelProblem<'V, 'S> with
        member _.InnerLoss phi = value phi
        member _.InnerGradient _ = subject.OfRows b

        member _.LinearizeInner phi =
            let loss = value phi
            let gradient = subject.OfRows b

            { new ILinearization<'V, 'S> with
                member _.Loss = loss
                member _.Gradient = gradient
                member _.HessianProduct w = space.Zero w
                member _.Dispose() = ()
            }

        member _.OuterLossAndGradient phi = struct (space.Inner(subject.OfRows ones, phi), subject.OfRows ones)
    }

/// What may not be finite, while ‖∇G‖ is as small as one likes: where it is, b, c, θ and φ₀.
let private broken (subject: Subject<'V, 'S>) =
    let rows value = Subject.alike subject [| value; 0.5 |]

    [
        for bad in [ nan; infinity; -infinity ] do
            $"the data, {bad}", rows bad, 0.0, rows 1.0, rows 1.0
            $"the loss, {bad}", rows 1.0, bad, rows 1.0, rows 1.0
            $"θ, {bad}", rows 1.0, 0.0, rows bad, rows 1.0
            $"the start, {bad}", rows 1.0, 0.0, rows 1.0, rows bad
    ]

/// The laws of one solver.
let private ofSolver (subject: Subject<'V, 'S>) (solver: Named<'V, 'S>) =
    let property name body = Subject.property subject 6 name body

    let exact (tasks: Tasks) task =
        let a = tasks.A[task] + tasks.Lambda * Matrix<float>.Build.DenseIdentity tasks.Theta[task].Length
        a.Cholesky().Solve(tasks.Lambda * vector tasks.Theta[task] - vector tasks.B[task])

    [
        property "the exact solution of a quadratic is reached, from any start" (fun drawn ->
            let tasks = draw subject 0.0 drawn
            let struct (phi, norm, mu) = converges subject solver.Make 0.0 tasks

            for task in 0 .. subject.Tasks - 1 do
                let exact = exact tasks task
                let rounding = 8.0 * float drawn.Size * subject.Epsilon * tasks.Terms(task, exact)
                Check.atMost ((norm[task] + rounding) / mu) ((vector phi[task] - exact).L2Norm()) $"‖φ − φ*‖, task {task}")

        property "a loss that is not quadratic is solved to the accuracy that is asked for" (fun drawn ->
            let tasks = draw subject 0.25 drawn
            // Within the level set of the start: (q/4)φ⁴ + … ≤ G(θ), and starts are below 5, so |φⱼ| ≤ 10 throughout.
            converges subject solver.Make 10.0 tasks |> ignore)

        property "tasks whose losses differ by a factor of 64 are each solved" (fun drawn ->
            let tasks =
                draw
                    subject
                    0.0
                    { drawn with
                        Condition = min drawn.Condition 10.0
                    }

            let tasks =
                { tasks with
                    Lambda = 1.0
                    A = tasks.A |> Array.mapi (fun task a -> 8.0 ** float (task % 3) * a)
                }

            converges subject solver.Make 0.0 tasks |> ignore)

        property "a batch gives each task what it would get alone, counts and all" (fun drawn ->
            let tasks = draw subject 0.25 drawn
            let struct (mu, beta) = constants tasks 4.0
            let solver = solver.Make mu beta
            // Half the digits, so that it ends early for some.
            let norm =
                Array.init subject.Tasks (fun task -> 1e-3 * tasks.GradientNorm(task, vector tasks.Start[task]))

            let struct (together, all) = solve subject solver norm tasks

            for task in 0 .. subject.Tasks - 1 do
                // The other tasks become stiff, flat, indefinite, or not finite.
                for other in [ 1e3; 0.0; -3.0; nan ] do
                    let replace i a =
                        if i = task then
                            a
                        else
                            Matrix<float>.Build.DenseDiagonal(drawn.Size, other)

                    let struct (phi, statistics) =
                        solve
                            subject
                            solver
                            norm
                            { tasks with
                                A = Array.mapi replace tasks.A
                            }

                    Check.same [| together[task] |] [| phi[task] |] $"φ, task {task}"
                    statistics[task] |> should equal all[task])

        Subject.law subject "a start at the solution stays there, with one gradient and no step" (fun () ->
            let zeros = Subject.alike subject [| 0.0; 0.0 |]

            let tasks =
                {
                    A = Array.create subject.Tasks (Matrix<float>.Build.DenseIdentity 2)
                    B = zeros
                    Quartic = 1.0
                    Lambda = 1.0
                    Theta = zeros
                    Start = zeros
                }

            let struct (phi, statistics) =
                solve subject (solver.Make 2.0 2.0) (Array.zeroCreate subject.Tasks) tasks

            Check.rows 0.0 zeros phi "φ"

            for s in statistics do
                s.Status |> should equal InnerStatus.Converged
                s.Steps |> should equal 0
                s.Gradients |> should equal 1)

        property "a warm start at what was found needs no step" (fun drawn ->
            let tasks = draw subject 0.0 drawn
            let struct (phi, norm, mu) = converges subject solver.Make 0.0 tasks
            let struct (_, beta) = constants tasks 0.0
            // Rounding of the gradient at the same φ, by another call: none.
            let struct (again, statistics) = solve subject (solver.Make mu beta) norm { tasks with Start = phi }
            Check.same phi again "φ"

            for s in statistics do
                s.Steps |> should equal 0)

        Subject.law subject "what is not finite is NonFinite, never Converged, however loose the tolerance" (fun () ->
            for what, b, c, theta, start in broken subject do
                let space = subject.Space
                let tolerance = space.Scalar 1e9
                let solver = solver.Make 1.0 2.0
                let problem = linear subject b c
                let regularizer = ScalarRegularizer<'V, 'S> 1.0

                let iterate =
                    solver.Solve(space, regularizer, problem, subject.OfRows theta, subject.OfRows start, tolerance)

                for s in iterate.Read space do
                    Expect.equal s.Status InnerStatus.NonFinite what)

        Subject.law subject "a loss that is not finite at the start is reported, and the answer is the start" (fun () ->
            let tasks = draw subject 0.0 { Seed = 1; Size = 3; Condition = 10.0 }

            let lost =
                { tasks with
                    B = Subject.alike subject [| nan; 1.0; 1.0 |]
                }

            let struct (phi, statistics) = solve subject (solver.Make 1.0 2.0) (Array.zeroCreate subject.Tasks) lost
            Check.same lost.Start phi "φ"

            for s in statistics do
                s.Status |> should equal InnerStatus.NonFinite
                s.Steps |> should equal 0)
    ]

let private divergence (subject: Subject<'V, 'S>) =
    [
        Subject.law
            subject
            "without a proximal term a start that is not finite has met no tolerance, though ‖∇G‖ does not see it"
            (fun () ->
                let space = subject.Space

                for bad in [ nan; infinity ] do
                    for momentum in [ NoMomentum; HeavyBall 0.5; Nesterov 0.5 ] do
                        let rows value = Subject.alike subject [| value; 0.5 |]
                        let problem = linear subject (rows 1.0) 0.0
                        let solver = GradientDescentSolver<'V, 'S>(ConstantStep 0.125, momentum, 3, 1) :> IInnerSolver<'V, 'S>

                        let iterate =
                            solver.Solve(
                                space,
                                NoProximalTerm(),
                                problem,
                                subject.OfRows(rows 1.0),
                                subject.OfRows(rows bad),
                                space.Scalar 1e9
                            )

                        for s in iterate.Read space do
                            Expect.equal s.Status InnerStatus.NonFinite $"{momentum} from {bad}")

        Subject.law subject "solvers that look at no number say NonFinite of a φ that is not finite, black boxes too" (fun () ->
            let space = subject.Space
            let rows value = Subject.alike subject [| value; 0.5 |]

            let blind: IInnerSolver<'V, 'S> list =
                [
                    GradientDescentSolver<'V, 'S>(ConstantStep 0.125, 3)
                    GradientDescentSolver<'V, 'S>(ConstantStep 0.125, HeavyBall 0.5, 3, 0)
                    GradientDescentSolver<'V, 'S>(ConstantStep 0.125, Nesterov 0.5, 3, 0)
                    GradientDescentSolver<'V, 'S>(MeasuredCurvature, 3)
                    StepSizeSolver(StepSizeOptions(coordinates subject, subject.OfRows(rows 0.125), 3))
                    DelegateInnerSolver(
                        InnerSolve<'V, 'S>(fun problem _ _ start -> space.Axpy(space.Scalar 1.0, problem.InnerGradient start, start))
                    )
                ]

            for solver in blind do
                for bad in [ nan; infinity ] do
                    let theta = subject.OfRows(rows 1.0)

                    let iterate =
                        solver.Solve(space, ScalarRegularizer 1.0, linear subject (rows bad) 0.0, theta, theta, space.Scalar 0.0)

                    for s in iterate.Read space do
                        Expect.equal s.Status InnerStatus.NonFinite $"{solver.GetType().Name}, {bad}")

        Subject.law subject "a tolerance that is not a number asks for nothing: it is 0" (fun () ->
            let tasks = draw subject 0.0 { Seed = 1; Size = 3; Condition = 10.0 }

            let short: IInnerSolver<'V, 'S> list =
                [
                    GradientDescentSolver<'V, 'S>(ConstantStep 0.125, 4, 1)
                    GradientDescentSolver<'V, 'S>(MeasuredCurvature, 4, 1)
                    NewtonConjugateGradientSolver<'V, 'S>(2, 1)
                    LbfgsSolver<'V, 'S>(2, 2)
                    ExactInnerSolver<'V, 'S>(coordinates subject, 2)
                ]

            for solver in short do
                let solve tolerance = solve subject solver (Array.create subject.Tasks tolerance) tasks
                let struct (expected, fixedBudget) = solve 0.0
                let struct (actual, statistics) = solve nan
                Check.same expected actual "φ"
                statistics |> should equal fixedBudget
                statistics |> Array.exists (fun s -> s.Steps > 0) |> should equal true)

        for momentum in [ NoMomentum; HeavyBall 0.5; Nesterov 0.5 ] do
            Subject.law subject $"a step that is too long ends at a finite iterate, reported as not finite, {momentum}" (fun () ->
                let tasks = draw subject 0.0 { Seed = 1; Size = 3; Condition = 10.0 }
                let solver = GradientDescentSolver<'V, 'S>(ConstantStep 1e3, momentum, 2000, 7)
                let struct (phi, statistics) = solve subject solver (Array.zeroCreate subject.Tasks) tasks

                for task in 0 .. subject.Tasks - 1 do
                    statistics[task].Status |> should equal InnerStatus.NonFinite
                    Array.forall Double.IsFinite phi[task] |> should equal true
                    // It has diverged, so it is far away.
                    euclid phi[task] |> should be (greaterThan 1e6))
    ]

let private memory (subject: Subject<'V, 'S>) =
    let space = subject.Space

    /// BFGS's inverse Hessian of the pairs by its dense formula (Nocedal and Wright, equation 6.17), from γI of the last.
    let dense (pairs: (Vector<float> * Vector<float>) list) scale d =
        let identity = Matrix<float>.Build.DenseIdentity d

        (scale * identity, pairs)
        ||> List.fold (fun (b: Matrix<float>) (s, y) ->
            let rho = 1.0 / s.DotProduct y
            let v: Matrix<float> = identity - rho * y.OuterProduct s
            v.TransposeThisAndMultiply b * v + rho * s.OuterProduct s)

    [
        Subject.property subject 20 "the two-loop recursion is BFGS's formula on the last pairs" (fun drawn ->
            let random = Random drawn.Seed
            let capacity = 3

            let tasks =
                draw
                    subject
                    0.0
                    { drawn with
                        Condition = min drawn.Condition 10.0
                    }

            let moves = List.init 5 (fun _ -> Subject.rows subject random drawn.Size)
            let change s = Array.map2 (fun (a: Matrix<float>) row -> (a * vector row).ToArray()) tasks.A s
            let toRows rows = subject.ToRows(subject.OfRows rows)
            let pairs = moves |> List.map (fun s -> s, toRows (change s))
            let g = Subject.rows subject random drawn.Size

            let memory =
                (LbfgsMemory.Empty(space, capacity, 1.0), pairs)
                ||> List.fold (fun memory (s, y) -> memory.Update(space, subject.OfRows s, subject.OfRows y))

            memory.Moves.Length |> should equal capacity
            let actual = subject.ToRows(memory.Direction(space, subject.OfRows g))

            for task in 0 .. subject.Tasks - 1 do
                let own = pairs |> List.map (fun (s, y) -> vector s[task], vector y[task]) |> List.skip 2
                let s, y = List.last own
                let scale = s.DotProduct y / y.DotProduct y
                let expected = -(dense own scale drawn.Size * vector g[task])
                // ‖V‖ = ‖s‖‖y‖/⟨s,y⟩ ≤ (1+κ)/(2√κ) ≤ 1.8 for κ ≤ 10, twice for each of 3 pairs: 34 times γ ≤ 10 or ρ‖s‖² ≤ 10 a pair.
                let bound = 10.0 * float drawn.Size * subject.Epsilon * 34.0 * 40.0 * euclid g[task]
                Check.atMost bound ((vector actual[task] - expected).L2Norm()) $"direction, task {task}")

        Subject.law subject "a pair without positive curvature is void, for the task that has it alone" (fun () ->
            // Curvature 2; negative; positive but far below rounding, ⟨s, y⟩ = 2⁻³⁰‖s‖‖y‖; none, because the task did not move.
            let kinds =
                [|
                    [| 1.0; -0.5 |], [| 2.0; -1.0 |]
                    [| 1.0; -0.5 |], [| -1.0; 0.5 |]
                    [| 1.0; 0.0 |], [| 2.0 ** -30.0; 1.0 |]
                    [| 0.0; 0.0 |], [| 0.0; 0.0 |]
                |]

            let g = Subject.alike subject [| 1.0; 3.0 |]

            for shift in 0..3 do
                let kind task = (task + shift) % 4
                let s = Array.init subject.Tasks (fun task -> fst kinds[kind task])
                let y = Array.init subject.Tasks (fun task -> snd kinds[kind task])
                let memory = LbfgsMemory.Empty(space, 2, 0.125).Update(space, subject.OfRows s, subject.OfRows y)
                // H = 2I gives −g/2; a void pair leaves −g/8.
                let scale task = if kind task = 0 then -0.5 else -0.125
                let expected = Array.mapi (fun task -> Array.map (fun value -> scale task * value)) g
                Check.rows (20.0 * subject.Epsilon) expected (subject.ToRows(memory.Direction(space, subject.OfRows g))) "direction")

        Subject.law subject "a direction leaves nothing behind but itself" (fun () ->
            match subject.Alive with
            | None -> ()
            | Some alive ->
                let memory = LbfgsMemory.Empty(space, 2, 1.0)
                let s = Subject.alike subject [| 1.0; 1.0 |]
                let memory = memory.Update(space, subject.OfRows s, subject.OfRows s)
                let direction = memory.Direction(space, subject.OfRows s)
                alive direction |> should equal true
                alive memory.Moves[0] |> should equal true)
    ]

let private blackBox (subject: Subject<'V, 'S>) =
    [
        Subject.law subject "a delegate's φ is the solver's, reported as unknown" (fun () ->
            let tasks = draw subject 0.0 { Seed = 1; Size = 3; Condition = 10.0 }
            let never = Array.zeroCreate subject.Tasks

            let simple =
                DelegateInnerSolver<'V, 'S>(
                    Func<'V, 'V, 'V>(fun theta start -> subject.Space.Axpy(subject.Space.Scalar 1.0, theta, start))
                )

            let struct (phi, statistics) = solve subject simple never tasks
            Check.rows (2.0 * subject.Epsilon) (Array.map2 (Array.map2 (+)) tasks.Theta tasks.Start) phi "θ + φ₀"

            for s in statistics do
                s.Status |> should equal InnerStatus.NotReported

            let whole =
                DelegateInnerSolver<'V, 'S>(
                    InnerSolve<'V, 'S>(fun problem regularizer theta start ->
                        InnerObjective.gradient subject.Space regularizer (problem.InnerGradient start) start theta)
                )

            let struct (gradient, _) = solve subject whole never tasks

            for task in 0 .. subject.Tasks - 1 do
                let start = vector tasks.Start[task]
                let rounding = 4.0 * 3.0 * subject.Epsilon * tasks.Terms(task, start)
                Check.near rounding (tasks.GradientNorm(task, start)) (euclid gradient[task]) "‖∇G‖")
    ]

/// One coordinate a task, b = 0, θ = 0, λ = ½, L̂ = (a/2)φ² + (q/4)φ⁴: a step of length 1 maps φ to (½ − a)φ − qφ³.
let private oneCoordinate (subject: Subject<'V, 'S>) quartic start (a: int -> float) : Tasks =
    {
        A = Array.init subject.Tasks (fun task -> Matrix<float>.Build.Dense(1, 1, a task))
        B = Subject.alike subject [| 0.0 |]
        Quartic = quartic
        Lambda = 0.5
        Theta = Subject.alike subject [| 0.0 |]
        Start = Subject.alike subject [| start |]
    }

let private progress (subject: Subject<'V, 'S>) =
    let never = Array.zeroCreate subject.Tasks

    [
        // With q = −1 and a = c + ½ the map is −cφ + φ³: it goes round ±√(c − 1) for 1 < c < 2, where its slope 2c − 3 is below 1 in size, in more
        // and more points beyond, and stays finite up to c = 3√3/2 = 2.598. Two windows show that; a path of many points may lower the smallest of
        // the windows' ends for a while, each time half as probably.
        for c, atMost in [ 1.5, 2000; 1.9, 4000; 2.5, 50_000 ] do
            Subject.law subject $"a step that goes round for ever is Stalled, its counts all that was done, c = {c}" (fun () ->
                let tasks = oneCoordinate subject -1.0 0.5 (fun task -> if task = 0 then c + 0.5 else 0.5)
                let solver = GradientDescentSolver<'V, 'S>(ConstantStep 1.0, 1_000_000, 1)
                let struct (phi, statistics) = solve subject solver (Array.create subject.Tasks 1e-3) tasks
                statistics[0].Status |> should equal InnerStatus.Stalled
                statistics[0].Steps |> should be (lessThanOrEqualTo atMost)
                statistics[0].Gradients |> should equal statistics[0].Steps
                // One a window, and one at the end.
                statistics[0].Losses |> should equal (statistics[0].Steps / 1000 + 1)
                Array.forall Double.IsFinite phi[0] |> should equal true

                for other in Array.tail statistics do
                    other.Status |> should equal InnerStatus.Converged
                    other.Steps |> should be (lessThan 20))

        Subject.law subject "a descent that is slow goes on to its budget" (fun () ->
            // ‖∇G‖ falls by 1 − 2⁻¹⁶ a step: by 1.5 % a window.
            let tasks = oneCoordinate subject 0.0 1.0 (fun _ -> 0.5)

            for momentum in [ NoMomentum; HeavyBall 0.5; Nesterov 0.5 ] do
                let solver = GradientDescentSolver<'V, 'S>(ConstantStep(2.0 ** -16.0), momentum, 5000, 50)
                let struct (_, statistics) = solve subject solver never tasks

                for s in statistics do
                    (s.Status, s.Steps) |> should equal (InnerStatus.StepLimit, 5000))

        Subject.law subject "a descent whose ‖∇G‖ grows for more than a window, near a saddle, goes on to the minimum" (fun () ->
            // L̂ = −(3/4)φ² + φ⁴/4, so that H + Λ = −1 at 0, with minima at ±1. From 10⁻³ a step 2⁻¹⁰ grows φ by 1 + 2⁻¹⁰: ‖∇G‖ is largest, at
            // φ = 1/√3, after 6500 steps. At the minimum H + Λ = 2, and ‖∇G‖ ≤ 10⁻⁴ is reached some 4000 steps later.
            let tasks = oneCoordinate subject 1.0 1e-3 (fun _ -> -1.5)
            let solver = GradientDescentSolver<'V, 'S>(ConstantStep(2.0 ** -10.0), 20_000, 10)
            let struct (phi, statistics) = solve subject solver (Array.create subject.Tasks 1e-4) tasks

            for task, s in Array.indexed statistics do
                s.Status |> should equal InnerStatus.Converged
                let found: float = phi[task][0]
                Check.near 1e-4 1.0 found "φ")
    ]

/// All laws of the inner solvers on a space.
let laws (subject: Subject<'V, 'S>) =
    testList
        $"Inner solvers, {subject.Name}"
        [
            for solver in solvers subject do
                testList solver.Name (ofSolver subject solver)
            testList "divergence" (divergence subject)
            testList "progress" (progress subject)
            testList "L-BFGS memory" (memory subject)
            testList "black box" (blackBox subject)
        ]
