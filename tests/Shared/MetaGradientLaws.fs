// What Algorithm 2 and its inner solver must do on every space, as one list of tests: `MetaGradientLaws.laws subject`.
//
// The tasks are quadratic, L̂(φ) = ½φᵀAφ + bᵀφ and L(φ) = ½φᵀCφ + eᵀφ, given to the space by way of rows, so that the answers are linear
// solves: φ* = (A+λ)⁻¹(λθ − b) and g = λ(A+λ)⁻¹(Cφ + e) at any φ. Tolerances as in KrylovLaws.
module Imaml.Testing.MetaGradientLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory

/// B quadratic tasks, and θ for each.
[<NoComparison; NoEquality>]
type Quadratics =
    {
        A: Matrix<float>[]
        B: float[][]
        C: Matrix<float>[]
        E: float[][]
        Theta: float[][]
    }

    member tasks.Tasks = tasks.A.Length
    member tasks.Size = tasks.A[0].RowCount

let private vector (row: float[]) = Vector<float>.Build.DenseOfArray row

let affine (a: Matrix<float>[]) (b: float[][]) (phi: float[][]) =
    Array.map3 (fun (a: Matrix<float>) b phi -> (a * vector phi + vector b).ToArray()) a b phi

let private quadraticLoss (a: Matrix<float>[]) (b: float[][]) (phi: float[][]) =
    Array.map3 (fun (a: Matrix<float>) b phi -> 0.5 * (vector phi).DotProduct(a * vector phi) + (vector b).DotProduct(vector phi)) a b phi

/// The tasks as a problem on the space. The linearization's gradient is freed when it is disposed, where the space tracks its values.
let problem (subject: Subject<'V, 'S>) (tasks: Quadratics) =
    let gradient phi = affine tasks.A tasks.B (subject.ToRows phi) |> subject.OfRows

    { new IBilevelProblem<'V, 'S> with
        member _.InnerLoss phi = Subject.scalars subject (quadraticLoss tasks.A tasks.B (subject.ToRows phi))
        member _.InnerGradient phi = gradient phi

        member _.LinearizeInner phi =
            let loss = Subject.scalars subject (quadraticLoss tasks.A tasks.B (subject.ToRows phi))
            let slope = gradient phi

            { new ILinearization<'V, 'S> with
                member _.Loss = loss
                member _.Gradient = slope
                member _.HessianProduct w = KrylovLaws.operator subject tasks.A w

                member _.Dispose() =
                    use region = subject.Space.OpenRegion()
                    region.AdoptVector slope |> ignore
                    region.AdoptScalar loss |> ignore
            }

        member _.OuterLossAndGradient phi =
            let rows = subject.ToRows phi
            struct (Subject.scalars subject (quadraticLoss tasks.C tasks.E rows), subject.OfRows(affine tasks.C tasks.E rows))
    }

let private shifted (lambda: float) (a: Matrix<float>) : Matrix<float> = a + lambda * Matrix<float>.Build.DenseIdentity a.RowCount

/// φ*
let private exactPhi lambda (tasks: Quadratics) =
    Array.init tasks.Tasks (fun i ->
        ((shifted lambda tasks.A[i]).Cholesky().Solve(lambda * vector tasks.Theta[i] - vector tasks.B[i])).ToArray())

/// λ(A+λ)⁻¹∇L(φ)
let private implicitAt lambda (tasks: Quadratics) phi =
    Array.map2 (fun a v -> (lambda * (shifted lambda a).Cholesky().Solve(vector v)).ToArray()) tasks.A (affine tasks.C tasks.E phi)

/// An inner solver that has the exact solution.
let private knowing (subject: Subject<'V, 'S>) (phi: float[][]) =
    { new IInnerSolver<'V, 'S> with
        member _.Solve(space, _, _, _, _, _) = InnerSolver.blackBox space (subject.OfRows phi)
    }

let draw (subject: Subject<'V, 'S>) (draw: Draw) =
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

    // λ from 1/16 to 4, a power of two so that single precision holds it.
    struct (2.0 ** float (random.Next(-4, 3)), tasks)

let private compute (subject: Subject<'V, 'S>) lambda solver steps (tasks: Quadratics) =
    ImplicitMetaGradient.Compute(
        subject.Space,
        ScalarRegularizer<'V, 'S> lambda,
        problem subject tasks,
        solver,
        ConjugateGradientSolver(KrylovLaws.budget steps),
        Thresholds.None,
        subject.OfRows tasks.Theta
    )

let private euclid row = (vector row).L2Norm()

let private implicitGradient (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let property name body = Subject.property subject 30 name body
    // cond(H + λ) ≤ (1 + λ)/λ ≤ 17, so 40 steps leave 2·0.61⁴⁰ < 10⁻⁸.
    let steps = 40
    let tolerance = 10.0 * 40.0 * 17.0 * subject.Epsilon + 1e-8

    [
        property "Algorithm 2 agrees with the dense solve" (fun drawn ->
            let struct (lambda: float, tasks: Quadratics) = draw subject drawn
            let phi = exactPhi lambda tasks
            let result = compute subject lambda (knowing subject phi) steps tasks
            Check.rows subject.Epsilon phi (subject.ToRows result.Phi) "φ"
            let v = affine tasks.C tasks.E phi
            let actual = subject.ToRows result.Gradient
            let expected = implicitAt lambda tasks phi

            for task in 0 .. subject.Tasks - 1 do
                // ∇L itself rounds by dε of its terms, and ‖λ(H+λ)⁻¹‖ ≤ 1.
                let terms = float drawn.Size * (euclid phi[task] + euclid tasks.E[task])
                let bound = tolerance * (euclid expected[task] + euclid v[task]) + 2.0 * subject.Epsilon * terms
                Check.atMost bound (euclid (Array.map2 (-) actual[task] expected[task])) $"g, task {task}")

        property "the meta-gradient is that of the φ that was reached, however inaccurate" (fun drawn ->
            let struct (lambda: float, tasks: Quadratics) = draw subject drawn
            let solver = GradientDescentSolver<'V, 'S>(ConstantStep(1.0 / (1.0 + lambda)), 1 + drawn.Size / 3)
            let result = compute subject lambda solver steps tasks
            let phi = subject.ToRows result.Phi
            let v = affine tasks.C tasks.E phi
            let actual = subject.ToRows result.Gradient
            let expected = implicitAt lambda tasks phi

            for task in 0 .. subject.Tasks - 1 do
                let terms = float drawn.Size * (euclid phi[task] + euclid tasks.E[task])
                let bound = tolerance * (euclid expected[task] + euclid v[task]) + 2.0 * subject.Epsilon * terms
                Check.atMost bound (euclid (Array.map2 (-) actual[task] expected[task])) $"g, task {task}")

        property "losses and ‖∇G‖ are those at φ" (fun drawn ->
            let struct (lambda: float, tasks: Quadratics) = draw subject drawn
            let solver = GradientDescentSolver<'V, 'S>(MeasuredCurvature, 2)
            let result = compute subject lambda solver 1 tasks
            let phi = subject.ToRows result.Phi
            let slope = affine tasks.A tasks.B phi

            let proximal =
                Array.map3 (fun slope phi theta -> Array.map3 (fun s p t -> s + lambda * (p - t)) slope phi theta) slope phi tasks.Theta

            // Sums of d and of d² products of numbers at most this large.
            let size task = 1.0 + euclid phi[task] + euclid tasks.Theta[task] + euclid tasks.B[task] + euclid tasks.E[task]
            let tolerance task = 4.0 * float (drawn.Size * drawn.Size) * subject.Epsilon * size task * size task * (1.0 + lambda)

            let check what (expected: float[]) scalar =
                space.Read scalar
                |> Array.iteri (fun task value -> Check.near (tolerance task) expected[task] value $"{what}, task {task}")

            check "L̂(φ)" (quadraticLoss tasks.A tasks.B phi) result.InnerLoss
            check "L(φ)" (quadraticLoss tasks.C tasks.E phi) result.OuterLoss
            check "‖∇G(φ, θ)‖" (proximal |> Array.map euclid) result.InnerGradientNorm)

        property "one CG step is the outer gradient, optimally scaled" (fun drawn ->
            let struct (lambda: float, tasks: Quadratics) = draw subject drawn
            let phi = exactPhi lambda tasks |> Array.map (Array.map (fun value -> float (float32 value)))
            let result = compute subject lambda (knowing subject phi) 1 tasks
            let actual = subject.ToRows result.Gradient
            let outer = affine tasks.C tasks.E phi

            for task in 0 .. subject.Tasks - 1 do
                let v = vector outer[task]
                let a = shifted lambda tasks.A[task] / lambda
                let expected = (v.DotProduct v / v.DotProduct(a * v)) * v
                let terms = float drawn.Size * (euclid phi[task] + euclid tasks.E[task])
                let bound = tolerance * expected.L2Norm() + 17.0 * 4.0 * subject.Epsilon * terms
                Check.atMost bound ((vector actual[task] - expected).L2Norm()) $"g, task {task}")

        property "a batch gives each task the meta-gradient that it would get alone" (fun drawn ->
            let struct (lambda: float, tasks: Quadratics) = draw subject drawn
            let solver = GradientDescentSolver<'V, 'S>(MeasuredCurvature, 5)
            let together = subject.ToRows((compute subject lambda solver 5 tasks).Gradient)

            for task in 0 .. subject.Tasks - 1 do
                // The other tasks become stiff, flat, or not finite.
                for other in [ 1e6; 0.0; nan ] do
                    let replace i matrix =
                        if i = task then
                            matrix
                        else
                            Matrix<float>.Build.DenseDiagonal(drawn.Size, other)

                    let result =
                        compute
                            subject
                            lambda
                            solver
                            5
                            { tasks with
                                A = Array.mapi replace tasks.A
                            }

                    Check.same [| together[task] |] [| (subject.ToRows result.Gradient)[task] |] $"g, task {task}")

        Subject.law subject "an inner solution that is not finite is reported, and its meta-gradient is not a number" (fun () ->
            let struct (lambda: float, tasks: Quadratics) = draw subject { Seed = 1; Size = 3; Condition = 10.0 }
            let phi = Subject.alike subject [| nan; 1.0; 1.0 |]
            let result = compute subject lambda (knowing subject phi) 3 tasks
            subject.ToRows result.Gradient |> Array.forall (Array.forall Double.IsNaN) |> should equal true

            for s in result.Solve.Read(space) do
                s.Status |> should equal SolveStatus.NonFinite)

        Subject.law subject "where H + λ is indefinite that is reported" (fun () ->
            let struct (_, tasks: Quadratics) = draw subject { Seed = 1; Size = 3; Condition = 1.0 }

            let tasks =
                { tasks with
                    A = tasks.A |> Array.map (fun a -> -2.0 * a)
                }

            let result = compute subject 1.0 (knowing subject tasks.Theta) 3 tasks

            for s in result.Solve.Read(space) do
                s.Status |> should equal SolveStatus.NonPositiveCurvature
                // H + λ = −2 + 1.
                Check.near (100.0 * subject.Epsilon) -1.0 s.SmallestCurvature "smallest curvature")
    ]

let private descend (subject: Subject<'V, 'S>) rule steps lambda (tasks: Quadratics) =
    let theta = subject.OfRows tasks.Theta
    let regularizer = ScalarRegularizer<'V, 'S> lambda

    (GradientDescent.solve rule steps 0 subject.Space regularizer (problem subject tasks) theta theta (subject.Space.Scalar 0.0)).Phi
    |> subject.ToRows

let private gradientDescent (subject: Subject<'V, 'S>) =
    let property name body = Subject.property subject 30 name body

    [
        property "T constant steps a leave φ* + (I − aM)ᵀ(θ − φ*), M = H + λ" (fun drawn ->
            let struct (lambda: float, tasks: Quadratics) = draw subject drawn
            let step = 2.0 ** -3.0
            let steps = 1 + drawn.Size
            let actual = descend subject (ConstantStep step) steps lambda tasks
            let exact = exactPhi lambda tasks

            for task in 0 .. subject.Tasks - 1 do
                let contraction = Matrix<float>.Build.DenseIdentity drawn.Size - step * shifted lambda tasks.A[task]

                let power =
                    Seq.fold (fun m _ -> contraction * m) (Matrix<float>.Build.DenseIdentity drawn.Size) (seq { 1..steps })

                let expected = vector exact[task] + power * (vector tasks.Theta[task] - vector exact[task])
                // Every step is a contraction (a‖M‖ ≤ 5/8), so its rounding, d of these terms, adds up at most.
                let size = euclid tasks.Theta[task] + euclid tasks.B[task] + (1.0 + lambda) * expected.L2Norm()
                let bound = 4.0 * float (steps * drawn.Size) * subject.Epsilon * size * (1.0 + lambda)
                Check.atMost bound ((vector actual[task] - expected).L2Norm()) $"φ, task {task}")

        property "steps that follow the curvature reach the inner solution without being told a step size" (fun drawn ->
            let struct (lambda: float, tasks: Quadratics) = draw subject drawn
            // Task by task the losses differ in scale by up to a million.
            let scale task = 10.0 ** float (6 * (task % 2) - 3)

            let tasks =
                { tasks with
                    A = tasks.A |> Array.mapi (fun task a -> scale task * a)
                }

            let exact = exactPhi lambda tasks
            let actual = descend subject MeasuredCurvature 400 lambda tasks

            for task in 0 .. subject.Tasks - 1 do
                let struct (smallest, largest) = Spectrum.ends (shifted lambda tasks.A[task])
                // The gradient at φ* rounds by dε of its terms, and ‖M⁻¹‖ = 1/λ_min carries that over to φ.
                let terms = largest * euclid exact[task] + lambda * euclid tasks.Theta[task] + euclid tasks.B[task]
                let bound = 40.0 * float drawn.Size * subject.Epsilon * terms / smallest
                Check.atMost bound (euclid (Array.map2 (-) actual[task] exact[task])) $"φ, task {task}")

        property "the first step that follows the curvature is Cauchy's" (fun drawn ->
            let struct (lambda: float, tasks: Quadratics) = draw subject drawn
            let actual = descend subject MeasuredCurvature 1 lambda tasks

            for task in 0 .. subject.Tasks - 1 do
                let theta = vector tasks.Theta[task]
                let g = tasks.A[task] * theta + vector tasks.B[task]
                let expected = theta - (g.DotProduct g / g.DotProduct(shifted lambda tasks.A[task] * g)) * g
                // g rounds by dε of its terms, and the step is at most 1/λ.
                let terms = theta.L2Norm() + euclid tasks.B[task]
                let bound = 20.0 * float drawn.Size * subject.Epsilon * (1.0 + 1.0 / lambda) * terms
                Check.atMost (bound * (1.0 + 1.0 / lambda)) ((vector actual[task] - expected).L2Norm()) $"φ, task {task}")

        property "with one parameter the first step that follows the curvature is exact" (fun drawn ->
            let struct (lambda: float, tasks: Quadratics) = draw subject { drawn with Size = 1 }
            let exact = exactPhi lambda tasks
            // One step, and four more that find nothing left to do.
            for steps in [ 1; 5 ] do
                let actual = descend subject MeasuredCurvature steps lambda tasks

                for task in 0 .. subject.Tasks - 1 do
                    let terms = euclid exact[task] + euclid tasks.Theta[task] + euclid tasks.B[task]
                    let bound = 20.0 * subject.Epsilon * terms / (1.0 + lambda) * (1.0 + 1.0 / lambda)
                    Check.atMost bound (euclid (Array.map2 (-) actual[task] exact[task])) $"φ, task {task}")

        property "each task takes its own steps" (fun drawn ->
            let struct (lambda: float, tasks: Quadratics) = draw subject drawn
            let together = descend subject MeasuredCurvature 6 lambda tasks

            for task in 0 .. subject.Tasks - 1 do
                for other in [ 1e6; 0.0; nan ] do
                    let replace i matrix =
                        if i = task then
                            matrix
                        else
                            Matrix<float>.Build.DenseDiagonal(drawn.Size, other)

                    let alone =
                        descend
                            subject
                            MeasuredCurvature
                            6
                            lambda
                            { tasks with
                                A = Array.mapi replace tasks.A
                            }

                    Check.same [| together[task] |] [| alone[task] |] $"φ, task {task}")

        Subject.law subject "a start at the inner solution stays there" (fun () ->
            let zeros = Subject.alike subject [| 0.0; 0.0 |]

            let tasks =
                {
                    A = Array.create subject.Tasks (Matrix<float>.Build.DenseIdentity 2)
                    B = zeros
                    C = Array.create subject.Tasks (Matrix<float>.Build.DenseIdentity 2)
                    E = zeros
                    Theta = zeros
                }

            for rule in [ ConstantStep 0.5; MeasuredCurvature ] do
                Check.rows 0.0 zeros (descend subject rule 5 1.0 tasks) "φ")
    ]

// Z = X, c = z, and the pull-back x − 2u + 3Λu of no problem at all.
let private pulledBack (subject: Subject<'V, 'S>) regularizer problem (pullBack: PullBack<'V, 'V>) =
    { new ILowerLevel<'V, 'V, 'S> with
        member _.At z =
            {
                Regularizer = regularizer
                Centre = z
                Problem = problem
                PullBack = pullBack
            }
    }

let private lowerLevel (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let property name body = Subject.property subject 20 name body

    let solvers remedy : struct (IInnerSolver<'V, 'S> * IAdjointSolver<'V, 'S>) =
        let adjoint = LinearAdjointSolver<'V, 'S>(ConjugateGradientSolver(KrylovLaws.budget 5))
        struct (GradientDescentSolver(ConstantStep 0.2, 4), RemediedSolver(adjoint, remedy, KrylovLaws.budget 5))

    let general level remedy theta =
        let struct (inner, adjoint) = solvers remedy
        ImplicitMetaGradient.Compute(space, space, level, inner, adjoint, Thresholds.None, theta)

    [
        property "the paper's problem by the general text gives the same bits, and the same raised Λ" (fun d ->
            let struct (lambda, tasks) = draw subject d
            // Indefinite, so that a remedy is at work.
            let tasks =
                { tasks with
                    A = tasks.A |> Array.map (fun a -> a - 0.5 * Matrix<float>.Build.DenseIdentity a.RowCount)
                }

            for remedy in [ Truncate; RaiseLambda; SolveIndefinite ] do
                let regularizer: IRegularizer<'V, 'S> = ScalarRegularizer lambda
                let struct (inner, adjoint) = solvers remedy
                let theta = subject.OfRows tasks.Theta

                let paper =
                    ImplicitMetaGradient.Compute(space, regularizer, problem subject tasks, inner, adjoint, Thresholds.None, theta)

                let level: ILowerLevel<'V, 'V, 'S> = ProximalLowerLevel(regularizer, problem subject tasks)
                let found = general level remedy theta
                Check.same (subject.ToRows paper.Gradient) (subject.ToRows found.Gradient) $"∇F, {remedy}"
                Check.same (subject.ToRows paper.Phi) (subject.ToRows found.Report.Phi) $"φ, {remedy}"
                Check.same [| space.Read paper.Raised |] [| space.Read found.Report.Raised |] $"s, {remedy}"
                Expect.equal (found.Report.Solve.Read space) (paper.Solve.Read space) $"the solve, {remedy}"
                Expect.equal (found.Report.Cost space) (paper.Cost space) $"the cost, {remedy}")

        property "the pull-back gets x, u and Λu" (fun d ->
            let struct (lambda, tasks) = draw subject d

            let pullBack =
                PullBack(fun x u lambdaU -> space.Axpy(space.Scalar 3.0, lambdaU, space.Axpy(space.Scalar -2.0, u, x)))

            let level = pulledBack subject (ScalarRegularizer lambda) (problem subject tasks) pullBack
            let found = general level Truncate (subject.OfRows tasks.Theta)
            let phi, u = subject.ToRows found.Report.Phi, subject.ToRows found.Report.Solve.Solution

            let expected = Array.map2 (Array.map2 (fun x u -> x - 2.0 * u + 3.0 * lambda * u)) phi u
            // Five roundings of terms of this size.
            let size =
                1.0 + (2.0 + 3.0 * lambda) * (Array.map euclid u |> Array.max) + (Array.map euclid phi |> Array.max)

            Array.iter2
                (fun (e: float[]) a -> Check.atMost (10.0 * subject.Epsilon * size) (euclid (Array.map2 (-) a e)) "∇F")
                expected
                (subject.ToRows found.Gradient))

        Subject.law subject "a pull-back that is not finite is NonFinite, and its task is not usable" (fun () ->
            let struct (lambda, tasks) = draw subject { Seed = 3; Size = 4; Condition = 10.0 }
            let pullBack = PullBack(fun _ _ lambdaU -> space.Scale(space.Scalar nan, lambdaU))
            let level = pulledBack subject (ScalarRegularizer lambda) (problem subject tasks) pullBack
            let found = general level Truncate (subject.OfRows tasks.Theta)

            for solve in found.Report.Solve.Read space do
                solve.Status |> should equal SolveStatus.NonFinite

            space.Read(found.Report.Usable space) |> should equal (Array.create subject.Tasks 0.0))
    ]

/// All laws of Algorithm 2 and of gradient descent on a space.
let laws (subject: Subject<'V, 'S>) =
    testList
        $"Meta-gradient, {subject.Name}"
        [
            testList "Algorithm 2" (implicitGradient subject)
            testList "a general lower level" (lowerLevel subject)
            testList "gradient descent" (gradientDescent subject)
        ]
