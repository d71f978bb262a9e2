// What a differentiated path must do on every space, apart from StrategyLaws: recomputation, no proximal term, learned step sizes.
//
// The tasks are MetaGradientLaws's quadratics, L̂ with H = A constant, so that every derivative is a recurrence of matrices, written out
// here. With steps of at most 1/8 and ‖A + Λ‖ ≤ 5 every step contracts: T steps err by T(d+6) roundings of what they act on.
module Imaml.Testing.PathLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing.MetaGradientLaws

let private vector (row: float[]) = Vector<float>.Build.DenseOfArray row
let private identity d = Matrix<float>.Build.DenseIdentity d
let private step = 2.0 ** -3.0

let private options momentum steps : UnrolledOptions =
    {
        Momentum = momentum
        Step = step
        Steps = steps
    }

/// The refusal's message, or what happened in its place.
let private refusal (body: unit -> 'a) =
    try
        body () |> ignore
        "accepted"
    with :? ArgumentException as e ->
        e.Message

let private roundings (subject: Subject<'V, 'S>) steps d = 32.0 * float ((steps + 1) * (d + 6)) * subject.Epsilon

let private recomputation (subject: Subject<'V, 'S>) =
    [
        for name, momentum in
            [
                "gradient descent", NoMomentum
                "heavy ball", HeavyBall 0.5
                "Nesterov", Nesterov 0.5
            ] do
            Subject.property
                subject
                20
                $"iterates that are computed a second time give the numbers that kept ones give, to the last bit, {name}"
                (fun drawn ->
                    let struct (lambda, tasks) = draw subject drawn
                    let theta = subject.OfRows tasks.Theta
                    let options = options momentum (1 + drawn.Seed % 20)

                    let compute memory =
                        (UnrolledStrategy(options, memory) :> IMetaGradientStrategy<'V, 'S>)
                            .Compute(subject.Space, ScalarRegularizer lambda, problem subject tasks, theta)

                    let kept, recomputed = compute EveryIterate, compute Recompute
                    Check.same (subject.ToRows kept.Phi) (subject.ToRows recomputed.Phi) "φ"
                    Check.same (subject.ToRows kept.Gradient) (subject.ToRows recomputed.Gradient) "g")
    ]

let private withoutProximalTerm (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let none = NoProximalTerm<'V, 'S>()

    [
        Subject.property subject 20 "without a proximal term MAML is (I − αH)ᵀ∇L(φ_T), φ_T gradient descent's on L̂ alone" (fun drawn ->
            let struct (_, tasks) = draw subject drawn
            let steps = 1 + drawn.Seed % 9
            let theta = subject.OfRows tasks.Theta

            let result =
                (UnrolledStrategy(options NoMomentum steps) :> IMetaGradientStrategy<'V, 'S>)
                    .Compute(space, none, problem subject tasks, theta)

            let phi, g = subject.ToRows result.Phi, subject.ToRows result.Gradient
            let norms = space.Read result.InnerGradientNorm

            for task in 0 .. subject.Tasks - 1 do
                let a, b = tasks.A[task], vector tasks.B[task]
                let next (x: Vector<float>) _ = x - step * (a * x + b)
                let expected = Seq.fold next (vector tasks.Theta[task]) (seq { 1..steps })
                let size = (vector tasks.Theta[task]).L2Norm() + float steps * step * b.L2Norm()
                let rounding = roundings subject steps drawn.Size
                Check.atMost (rounding * size) ((vector phi[task] - expected).L2Norm()) $"φ, task {task}"
                let v = tasks.C[task] * vector phi[task] + vector tasks.E[task]
                let jacobian = (identity drawn.Size - step * a).Power steps
                let terms = (vector phi[task]).L2Norm() + (vector tasks.E[task]).L2Norm()
                Check.atMost (rounding * terms) ((vector g[task] - jacobian * v).L2Norm()) $"g, task {task}"
                // ∇G is ∇L̂.
                let slope = a * vector phi[task] + b
                Check.near (rounding * (size + b.L2Norm())) (slope.L2Norm()) norms[task] $"‖∇G‖, task {task}")

        Subject.law subject "what divides by Λ refuses Λ = 0 by name" (fun () ->
            let struct (_, tasks) = draw subject { Seed = 1; Size = 3; Condition = 5.0 }
            let theta = subject.OfRows tasks.Theta
            let problem = problem subject tasks
            let never = space.Scalar 0.0
            let descent rule : IInnerSolver<'V, 'S> = GradientDescentSolver(rule, 2)
            let linear = ConjugateGradientSolver<'V, 'S>(KrylovLaws.budget 2)

            let compute (strategy: IMetaGradientStrategy<'V, 'S>) = refusal (fun () -> strategy.Compute(space, none, problem, theta))

            let solve (solver: IInnerSolver<'V, 'S>) = refusal (fun () -> solver.Solve(space, none, problem, theta, theta, never))

            for said in
                [
                    compute (ImplicitStrategy(descent (ConstantStep step), linear, Thresholds.None))
                    compute (TruncatedStrategy(options NoMomentum 2, 1))
                    solve (descent MeasuredCurvature)
                    solve (NewtonConjugateGradientSolver(2, 2))
                    solve (LbfgsSolver(2, 2))
                ] do
                said |> should haveSubstring "needs a proximal term"

            (fun () -> (none :> IRegularizer<'V, 'S>).ApplyInverse(space, theta) |> ignore)
            |> should throw typeof<InvalidOperationException>)
    ]

/// φ_T, J_T and dφ_T/dα of T steps with sizes α on G, by their recurrences:
///
///     φₜ₊₁ = φₜ − S∇G(φₜ),   Jₜ₊₁ = (I − SM)Jₜ + SΛ,   Dₜ₊₁ = (I − SM)Dₜ − diag(∇G(φₜ)),   M = A + λI
let private dense (a: Matrix<float>) (b: Vector<float>) lambda (alpha: Vector<float>) (theta: Vector<float>) steps =
    let one: Matrix<float> = identity theta.Count
    let m = a + lambda * one
    let s = Matrix<float>.Build.DenseOfDiagonalVector alpha
    let contraction = one - s * m

    let next struct (phi: Vector<float>, j: Matrix<float>, d: Matrix<float>) _ =
        let gradient: Vector<float> = a * phi + b + lambda * (phi - theta)

        struct (phi - alpha.PointwiseMultiply gradient,
                contraction * j + lambda * s,
                contraction * d - Matrix<float>.Build.DenseOfDiagonalVector gradient)

    Seq.fold next struct (theta, one, 0.0 * one) (seq { 1..steps })

let private stepSizes (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let coordinates = StrategyLaws.coordinates subject

    [
        for memory in [ EveryIterate; Recompute ] do
            Subject.property subject 20 $"Meta-SGD: the gradients in θ and in α are J_Tᵀv and D_Tᵀv, {memory}" (fun drawn ->
                let struct (lambda, tasks) = draw subject drawn
                let steps = 1 + drawn.Seed % 9
                let random = Random(drawn.Seed + 1)
                // From 1/32 to 1/8, of either sign: a size may be negative.
                let sizes =
                    Array.init drawn.Size (fun j -> 2.0 ** float (random.Next(-5, -2)) * (if j % 5 = 4 then -1.0 else 1.0))

                let options = StepSizeOptions(coordinates, subject.OfRows(Subject.alike subject sizes), steps)
                let theta = subject.OfRows tasks.Theta
                let regularizer = ScalarRegularizer<'V, 'S> lambda

                let both =
                    MetaSgdStrategy(options, memory).ComputeBoth(space, regularizer, problem subject tasks, theta)

                let never = space.Scalar 0.0

                let inner =
                    (StepSizeSolver options :> IInnerSolver<'V, 'S>).Solve(space, regularizer, problem subject tasks, theta, theta, never)

                Check.same (subject.ToRows both.Result.Phi) (subject.ToRows inner.Phi) "φ, of the solver that adapts"
                let phi = subject.ToRows both.Result.Phi
                let g, inSizes = subject.ToRows both.Result.Gradient, subject.ToRows both.StepSizes

                for task in 0 .. subject.Tasks - 1 do
                    let theta, b = vector tasks.Theta[task], vector tasks.B[task]
                    let struct (expected, j, d) = dense tasks.A[task] b lambda (vector sizes) theta steps
                    // A negative size lets its coordinates grow, by at most 1 + 5/8 a step; so much may rounding grow.
                    let growth =
                        if drawn.Size > 4 then
                            (1.0 + 5.0 / 8.0) ** float (2 * steps)
                        else
                            1.0

                    let rounding = growth * roundings subject steps drawn.Size
                    let size = theta.L2Norm() + float steps * (b.L2Norm() + 5.0 * theta.L2Norm())
                    Check.atMost (rounding * size) ((vector phi[task] - expected).L2Norm()) $"φ, task {task}"
                    let v = tasks.C[task] * vector phi[task] + vector tasks.E[task]
                    let terms = (vector phi[task]).L2Norm() + (vector tasks.E[task]).L2Norm() + growth * size
                    Check.atMost (rounding * terms) ((vector g[task] - j.Transpose() * v).L2Norm()) $"g, task {task}"
                    // T summands of ∇G∘a.
                    Check.atMost
                        (rounding * float steps * growth * size * terms)
                        ((vector inSizes[task] - d.Transpose() * v).L2Norm())
                        $"dL/dα, task {task}")

        Subject.property subject 20 "one size for all coordinates is MAML to rounding" (fun drawn ->
            let struct (lambda, tasks) = draw subject drawn
            let steps = 1 + drawn.Seed % 9
            let theta = subject.OfRows tasks.Theta

            let alpha = OneForAll.Vector(coordinates, theta, [| step |])

            let compute (strategy: IMetaGradientStrategy<'V, 'S>) =
                strategy.Compute(space, ScalarRegularizer lambda, problem subject tasks, theta)

            let metaSgd = compute (MetaSgdStrategy(StepSizeOptions(coordinates, alpha, steps), EveryIterate))
            let maml = compute (UnrolledStrategy(options NoMomentum steps))
            let v = subject.ToRows maml.Solve.Solution

            let away = Array.map2 (Array.map2 (-)) (subject.ToRows metaSgd.Gradient) (subject.ToRows maml.Gradient)

            for task in 0 .. subject.Tasks - 1 do
                Check.atMost
                    (roundings subject steps drawn.Size * (vector v[task]).L2Norm())
                    ((vector away[task]).L2Norm())
                    $"g, task {task}")

        Subject.law subject "sizes that are not finite, and fewer steps than 1, are refused" (fun () ->
            let sizes value = subject.OfRows(Subject.alike subject [| 0.1; value |])

            for value in [ nan; infinity; -infinity ] do
                refusal (fun () -> StepSizeOptions(coordinates, sizes value, 1))
                |> should haveSubstring $"step sizes must be finite, not {value}"

            refusal (fun () -> StepSizeOptions(coordinates, sizes 0.1, 0))
            |> should haveSubstring "the number of inner steps must be at least 1, not 0")
    ]

let private sharings d = [ OneForAll; OnePerLayer [| 1; d - 1 |]; OnePerCoordinate ]

let private sharing (subject: Subject<'V, 'S>) =
    let coordinates = StrategyLaws.coordinates subject

    [
        Subject.property
            subject
            20
            "a gradient in shared numbers is the transpose of sharing them: ⟨vector p, x⟩ = ⟨p, gradient x⟩"
            (fun drawn ->
                let d = drawn.Size + 1
                let random = Random drawn.Seed
                let rows = Subject.rows subject random d
                let x = subject.OfRows rows

                for sharing in sharings d do
                    let p = Array.init (sharing.Count d) (fun _ -> float (random.Next(-8, 8)))
                    let spread = subject.ToRows(sharing.Vector(coordinates, x, p))
                    let gathered = sharing.Gradient(coordinates, x)

                    for task in 0 .. subject.Tasks - 1 do
                        let left = Array.fold2 (fun sum a b -> sum + a * b) 0.0 spread[task] rows[task]
                        let right = Array.fold2 (fun sum a b -> sum + a * b) 0.0 p gathered[task]
                        let terms = Array.fold2 (fun sum a b -> sum + abs (a * b)) 0.0 spread[task] rows[task]
                        Check.near (2.0 * float d * 2.0 ** -52.0 * terms) left right $"{sharing}, task {task}")

        Subject.law subject "layers that are not the vector's, and a wrong number of numbers, are refused" (fun () ->
            let like = subject.OfRows(Subject.alike subject [| 1.0; 2.0; 3.0 |])

            for sizes in [ [| 1; 1 |]; [| 4; -1 |]; [| 3; 0 |]; [||] ] do
                refusal (fun () -> (OnePerLayer sizes).Count 3) |> should haveSubstring "add up to 3"

            refusal (fun () -> OnePerCoordinate.Vector(coordinates, like, [| 1.0 |]))
            |> should haveSubstring "3 learned numbers are needed, not 1")
    ]

let private learnedRegularizer (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let coordinates = StrategyLaws.coordinates subject

    /// φ* and L(φ*) of a task for Λ = diag(λ).
    let exact (tasks: Quadratics) task (lambda: Vector<float>) =
        let m = tasks.A[task] + Matrix<float>.Build.DenseOfDiagonalVector lambda
        let phi = m.Cholesky().Solve(lambda.PointwiseMultiply(vector tasks.Theta[task]) - vector tasks.B[task])
        let loss = 0.5 * phi.DotProduct(tasks.C[task] * phi) + (vector tasks.E[task]).DotProduct phi
        struct (phi, loss)

    [
        Subject.property
            subject
            10
            "dL/dlog λ agrees with central differences of L(φ*) in log λ, one λ, one a layer, one a coordinate"
            (fun drawn ->
                let drawn = { drawn with Size = drawn.Size + 1 }
                let d = drawn.Size
                let struct (_, tasks) = draw subject drawn
                let random = Random(drawn.Seed + 2)
                let theta = subject.OfRows tasks.Theta

                for sharing in sharings d do
                    let rho = Array.init (sharing.Count d) (fun _ -> float (random.Next(-8, 8)) / 8.0)
                    let spread (rho: float[]) = vector (subject.ToRows(sharing.Vector(coordinates, theta, Array.map exp rho))).[0]

                    let lambda = spread rho
                    let learned = LearnedRegularizer<'V, 'S>(coordinates, sharing, theta, rho)
                    Expect.equal learned.Lambda (Array.map exp rho) "λ"

                    let knowing =
                        { new IInnerSolver<'V, 'S> with
                            member _.Solve(space, _, _, _, _, _) =
                                Array.init subject.Tasks (fun task ->
                                    let struct (phi, _) = exact tasks task lambda
                                    phi.ToArray())
                                |> subject.OfRows
                                |> InnerSolver.blackBox space
                        }

                    let result =
                        ImplicitMetaGradient.Compute(
                            space,
                            learned.Regularizer,
                            problem subject tasks,
                            knowing,
                            ConjugateGradientSolver(KrylovLaws.budget (4 * d)),
                            Thresholds.None,
                            theta
                        )

                    let gradient = learned.LogGradient(space, result, theta)

                    for task in 0 .. subject.Tasks - 1 do
                        for k in 0 .. rho.Length - 1 do
                            let at t =
                                let moved = Array.mapi (fun i value -> if i = k then value + t else value) rho
                                // In double precision throughout, whatever the space: the layers by hand.
                                let full =
                                    match sharing with
                                    | OneForAll -> Array.create d (exp moved[0])
                                    | OnePerCoordinate -> Array.map exp moved
                                    | OnePerLayer sizes ->
                                        Array.map2 (fun size value -> Array.create size (exp value)) sizes moved |> Array.concat

                                let struct (_, loss) = exact tasks task (vector full)
                                loss

                            let h = 1e-4
                            let difference h = (at h - at -h) / (2.0 * h)
                            let struct (phi, _) = exact tasks task lambda
                            let v = tasks.C[task] * phi + vector tasks.E[task]
                            let away = (phi - vector tasks.Theta[task]).L2Norm()
                            let size = 1.0 + phi.L2Norm() + (vector tasks.Theta[task]).L2Norm() + (vector tasks.E[task]).L2Norm()
                            // λ is at least 1/e, cond(M) at most 1 + 4e; CG's and the space's own rounding of λ(φ−θ)u, and the difference's.
                            let condition = 1.0 + 4.0 * exp 1.0

                            let own =
                                40.0 * float (4 * d) * condition * condition * subject.Epsilon * (size + away) * (v.L2Norm() + size)

                            let truncation = abs (difference (2.0 * h) - difference h)
                            let rounding = 40.0 * float (d + 6) * condition * 2.0 ** -53.0 * size * size / h
                            Check.near (own + truncation + rounding) (difference h) gradient[task].[k] $"{sharing}, task {task}, {k}")

        Subject.law subject "a λ that is not finite or vanishes, and a wrong number of them, are refused" (fun () ->
            let like = subject.OfRows(Subject.alike subject [| 1.0; 2.0 |])
            let build sharing rho () = LearnedRegularizer<'V, 'S>(coordinates, sharing, like, rho)

            for rho in [ 800.0; -800.0; nan ] do
                refusal (build OneForAll [| rho |]) |> should haveSubstring "λ must be positive and finite"

                refusal (build OnePerCoordinate [| 0.0; rho |])
                |> should haveSubstring "λ must be positive and finite"

            refusal (build OneForAll [| 0.0; 0.0 |]) |> should haveSubstring "1 learned number is needed, not 2"

            refusal (build OnePerCoordinate [| 0.0 |])
            |> should haveSubstring "2 learned numbers are needed, not 1")
    ]

/// All these laws on a space.
let laws (subject: Subject<'V, 'S>) =
    testList
        $"Paths, {subject.Name}"
        [
            testList "recomputation" (recomputation subject)
            testList "no proximal term" (withoutProximalTerm subject)
            testList "step sizes" (stepSizes subject)
            testList "shared numbers" (sharing subject)
            testList "learned Λ" (learnedRegularizer subject)
        ]
