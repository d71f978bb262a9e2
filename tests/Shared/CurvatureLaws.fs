// What Algorithm 2 does where H + Λ is not positive definite, and what else of the loss it may use: `CurvatureLaws.laws subject`.
//
// The tasks are MetaGradientLaws's quadratics with H = QᵀDQ of given spectrum, half of them indefinite with H + Λ, so that a batch holds
// both kinds; on a space of one task, the draws take turns. Oracles are dense solves. Solves run to 1/10 of half the space's digits or 4d steps.
module Imaml.Testing.CurvatureLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Imaml.Testing.MetaGradientLaws

let private vector (row: float[]) = Vector<float>.Build.DenseOfArray row
let private identity d = Matrix<float>.Build.DenseIdentity d
let private lambda = 0.5

/// Eigenvalues of H + λI from 1 to 3, but the first, which is `least`.
let private hessian (random: Random) d least =
    let spectrum = Array.init d (fun i -> 1.0 + 2.0 * float i / float d)
    spectrum[0] <- least

    let q = Matrix<float>.Build.Random(d, d, random.Next()).QR().Q

    let h =
        q
        * Matrix<float>.Build.DenseOfDiagonalArray(spectrum |> Array.map (fun value -> value - lambda))
        * q.Transpose()

    let symmetric: Matrix<float> = 0.5 * (h + h.Transpose())
    symmetric

[<NoComparison; NoEquality>]
type private Drawn<'V, 'S> =
    {
        Tasks: Quadratics
        Indefinite: bool[]
        /// The power of two that makes H + sΛ positive definite: its least eigenvalue is ¼ then.
        Raise: float[]
        /// A positive semidefinite matrix that stands for the Gauss–Newton one.
        GaussNewton: Matrix<float>[]
        Problem: IBilevelProblem<'V, 'S>
        Theta: 'V
    }

/// The quadratics with a Gauss–Newton matrix of their own.
let private knowing (subject: Subject<'V, 'S>) (problem: IBilevelProblem<'V, 'S>) matrices =
    { new IBilevelProblem<'V, 'S> with
        member _.InnerLoss phi = problem.InnerLoss phi
        member _.InnerGradient phi = problem.InnerGradient phi
        member _.OuterLossAndGradient phi = problem.OuterLossAndGradient phi

        member _.LinearizeInner phi =
            let linearization = problem.LinearizeInner phi

            { new IGaussNewtonLinearization<'V, 'S> with
                member _.GaussNewtonProduct w = KrylovLaws.operator subject matrices w
              interface ILinearization<'V, 'S> with
                  member _.Loss = linearization.Loss
                  member _.Gradient = linearization.Gradient
                  member _.HessianProduct w = linearization.HessianProduct w
              interface IDisposable with
                  member _.Dispose() = linearization.Dispose()
            }
    }

let private draw (subject: Subject<'V, 'S>) (drawn: Draw) =
    let d = drawn.Size + 1
    let random = Random drawn.Seed
    let rows () = Subject.rows subject random d
    let indefinite = Array.init subject.Tasks (fun task -> (task + drawn.Seed) % 2 = 0)

    let raise' =
        indefinite
        |> Array.mapi (fun task yes ->
            if not yes then 1.0
            elif task + drawn.Seed % 4 < 2 then 2.0
            else 4.0)

    let tasks =
        {
            // H + sΛ = H + λ + (s − 1)/2.
            A = raise' |> Array.map (fun s -> hessian random d (if s = 1.0 then 1.0 else 0.25 - (s - 1.0) / 2.0))
            B = rows ()
            C = Array.init subject.Tasks (fun _ -> identity d)
            E = rows ()
            Theta = rows ()
        }

    let gaussNewton = Array.init subject.Tasks (fun _ -> Spectrum.positiveDefinite random d 4.0)

    {
        Tasks = tasks
        Indefinite = indefinite
        Raise = raise'
        GaussNewton = gaussNewton
        Problem = knowing subject (problem subject tasks) gaussNewton
        Theta = subject.OfRows tasks.Theta
    }

/// The start as φ: curvature is what is tested here.
let private still (subject: Subject<'V, 'S>) =
    { new IInnerSolver<'V, 'S> with
        member _.Solve(space, _, _, theta, _, _) = InnerSolver.blackBox space (space.Axpy(subject.Space.Scalar 0.0, theta, theta))
    }

let private budget d =
    { KrylovLaws.budget (4 * d) with
        CheckEvery = 1
    }

let private compute (subject: Subject<'V, 'S>) (x: Drawn<'V, 'S>) (solver: IAdjointSolver<'V, 'S>) =
    // A tenth of half the digits: what a solve can reach, and far below what these laws distinguish.
    let thresholds: Thresholds =
        {
            InnerGradientNorm = 0.0
            LinearResidualNorm = 0.1 * sqrt subject.Epsilon
        }

    ImplicitMetaGradient.Compute(subject.Space, ScalarRegularizer lambda, x.Problem, still subject, solver, thresholds, x.Theta)

let private plain d : IAdjointSolver<'V, 'S> = LinearAdjointSolver(ConjugateGradientSolver(budget d))
let private remedied d remedy : IAdjointSolver<'V, 'S> = RemediedSolver(plain d, remedy, budget d)

/// v = φ + e at φ = θ.
let private outer (x: Drawn<'V, 'S>) task = vector x.Tasks.Theta[task] + vector x.Tasks.E[task]

/// ‖g − sλ(M)⁻¹v‖ where every eigenvalue of M is at least 1/4 in size: four residuals, and 40d roundings of cond(M) ≤ 40.
let private checkAgainst (subject: Subject<'V, 'S>) (x: Drawn<'V, 'S>) factor (m: Matrix<float>) (g: float[]) task =
    let v = outer x task
    let expected = factor * lambda * m.LU().Solve v
    let d = v.Count
    let rounding = 40.0 * 40.0 * float (d * d) * subject.Epsilon * v.L2Norm()
    let residual = 0.1 * sqrt subject.Epsilon
    Check.atMost (4.0 * factor * lambda * residual * 2.0 + factor * rounding) ((vector g - expected).L2Norm()) $"g, task {task}"

let private remedies =
    [
        "truncate", Truncate
        "raise-lambda", RaiseLambda
        "minres", SolveIndefinite
        "gauss-newton", GaussNewton
    ]

let private negativeCurvature (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let property name body = Subject.property subject 20 name body

    [
        property
            "it is told for exactly the tasks that have it, whatever the remedy, and the others get what they would without one"
            (fun drawn ->
                let x = draw subject drawn
                let d = drawn.Size + 1
                let without = compute subject x (plain d)
                let expected = subject.ToRows without.Gradient

                for name, remedy in remedies do
                    let result = compute subject x (remedied d remedy)
                    let told = space.Read result.NegativeCurvature |> Array.map (fun mask -> mask > 0.5)
                    Expect.equal told x.Indefinite $"{name}: negative curvature"
                    let g = subject.ToRows result.Gradient
                    let raised = space.Read result.Raised
                    let statuses = result.Solve.Read(space)

                    for task in 0 .. subject.Tasks - 1 do
                        if not x.Indefinite[task] || remedy = Truncate then
                            Check.same [| expected[task] |] [| g[task] |] $"{name}: g, task {task}"
                            raised[task] |> should equal 1.0
                        else
                            statuses[task].Status |> should equal SolveStatus.Converged)

        property "MINRES gives Λ(H + Λ)⁻¹v, definite or not" (fun drawn ->
            let x = draw subject drawn
            let g = subject.ToRows (compute subject x (remedied (drawn.Size + 1) SolveIndefinite)).Gradient

            for task in 0 .. subject.Tasks - 1 do
                checkAgainst subject x 1.0 (x.Tasks.A[task] + lambda * identity (drawn.Size + 1)) g[task] task)

        property "Gauss–Newton gives Λ(JᵀCJ + Λ)⁻¹v for the tasks that need it" (fun drawn ->
            let x = draw subject drawn
            let g = subject.ToRows (compute subject x (remedied (drawn.Size + 1) GaussNewton)).Gradient

            for task in 0 .. subject.Tasks - 1 do
                let matrix =
                    if x.Indefinite[task] then
                        x.GaussNewton[task]
                    else
                        x.Tasks.A[task]

                checkAgainst subject x 1.0 (matrix + lambda * identity (drawn.Size + 1)) g[task] task)

        property "raising Λ gives sΛ(H + sΛ)⁻¹v for the first power of two s that makes H + sΛ positive definite" (fun drawn ->
            let x = draw subject drawn
            let d = drawn.Size + 1
            let result = compute subject x (remedied d RaiseLambda)
            let g, raised = subject.ToRows result.Gradient, space.Read result.Raised

            for task in 0 .. subject.Tasks - 1 do
                let s = x.Raise[task]
                raised[task] |> should equal s
                checkAgainst subject x s (x.Tasks.A[task] + s * lambda * identity d) g[task] task)

        Subject.law subject "no multiple of Λ helps a Hessian of −10⁶: after ten doublings the status says so" (fun () ->
            let drawn = { Seed = 2; Size = 2; Condition = 1.0 }
            let x = draw subject drawn

            let tasks =
                { x.Tasks with
                    A = x.Tasks.A |> Array.map (fun a -> -1e6 * identity a.RowCount)
                }

            let result =
                compute
                    subject
                    { x with
                        Problem = problem subject tasks
                    }
                    (remedied 3 RaiseLambda)

            space.Read result.Raised |> should equal (Array.create subject.Tasks 1024.0)

            for solve in result.Solve.Read(space) do
                solve.Status |> should equal SolveStatus.NonPositiveCurvature
                // Eleven solves, each of which reached it at once.
                solve.Products |> should equal 11)

        Subject.law subject "products of all solves are counted" (fun () ->
            let x = draw subject { Seed = 0; Size = 3; Condition = 1.0 }
            let first = (compute subject x (plain 4)).Solve.Read(space)
            let both = (compute subject x (remedied 4 GaussNewton)).Solve.Read(space)

            for task in 0 .. subject.Tasks - 1 do
                if x.Indefinite[task] then
                    both[task].Products |> should be (greaterThan first[task].Products)
                    // The negative curvature that was seen stays in the report.
                    both[task].SmallestCurvature |> should equal first[task].SmallestCurvature
                else
                    both[task].Products |> should equal first[task].Products)

        property "a Newton step on Gauss–Newton's matrix goes along −(JᵀCJ + Λ)⁻¹∇G, whatever H is, and lowers G" (fun drawn ->
            let x = draw subject drawn
            let d = drawn.Size + 1
            let regularizer = ScalarRegularizer lambda
            let solver: IInnerSolver<'V, 'S> = NewtonConjugateGradientSolver(1, 4 * d, DirectionMatrix.GaussNewton)

            // ∇G at θ is ∇L̂, and CG ends at half of the norm that is asked for.
            let norm = 0.1 * sqrt subject.Epsilon
            let inner = solver.Solve(space, regularizer, x.Problem, x.Theta, x.Theta, space.Scalar norm)
            let value phi = space.Read(InnerObjective.value space regularizer (x.Problem.InnerLoss phi) phi x.Theta)
            let before, after = value x.Theta, value inner.Phi
            let moved = subject.ToRows(space.Axpy(space.Scalar -1.0, x.Theta, inner.Phi))
            let gradient = subject.ToRows(x.Problem.InnerGradient x.Theta)

            for task in 0 .. subject.Tasks - 1 do
                let matrix = x.GaussNewton[task] + lambda * identity d
                let direction = -matrix.LU().Solve(vector gradient[task])
                let length = (vector moved[task]).DotProduct direction / direction.DotProduct direction
                let rounding = 40.0 * 40.0 * float (d * d) * subject.Epsilon * direction.L2Norm()
                let tolerance = 4.0 * norm + rounding
                Check.atMost tolerance ((vector moved[task] - length * direction).L2Norm()) $"off the direction, task {task}"
                let halvings = -Math.Log2 length
                // A length that is off by tolerance/‖p‖.
                Check.atMost
                    (2.0 * tolerance / (length * direction.L2Norm()))
                    (abs (halvings - round halvings))
                    $"a power of two, task {task}"

                halvings |> round |> should be (greaterThanOrEqualTo 0.0)
                Expect.isLessThan after[task] before[task] $"G, task {task}")

        Subject.law subject "Gauss–Newton without its products is refused by name, once a task needs it" (fun () ->
            let x = draw subject { Seed = 0; Size = 3; Condition = 1.0 }

            let message =
                try
                    compute
                        subject
                        { x with
                            Problem = problem subject x.Tasks
                        }
                        (remedied 4 GaussNewton)
                    |> ignore

                    "accepted"
                with :? ArgumentException as e ->
                    e.Message

            message |> should haveSubstring "has no Gauss–Newton products"
            let newton: IInnerSolver<'V, 'S> = NewtonConjugateGradientSolver(1, 4, DirectionMatrix.GaussNewton)

            (fun () ->
                newton.Solve(space, ScalarRegularizer lambda, problem subject x.Tasks, x.Theta, x.Theta, space.Scalar 0.0)
                |> ignore)
            |> should throw typeof<ArgumentException>)
    ]

let private signs (subject: Subject<'V, 'S>) seed =
    let random = Random(seed: int)

    Func<'V, 'V>(fun like ->
        subject.ToRows like
        |> Array.map (Array.map (fun _ -> if random.Next 2 = 0 then 1.0 else -1.0))
        |> subject.OfRows)

let private diagonal (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let coordinates = StrategyLaws.coordinates subject

    [
        Subject.property subject 20 "a diagonal Hessian is known after one probe: one step solves" (fun drawn ->
            let d = drawn.Size
            let random = Random drawn.Seed
            let entries = Array.init subject.Tasks (fun _ -> Array.init d (fun _ -> float (1 <<< random.Next 10)))

            let x =
                draw
                    subject
                    { drawn with
                        Size = d - 1 + (if d = 1 then 1 else 0)
                    }

            let d = x.Tasks.Size

            let tasks =
                { x.Tasks with
                    A =
                        entries
                        |> Array.map (fun row -> Matrix<float>.Build.DenseOfDiagonalArray(Array.init d (fun j -> row[j % row.Length])))
                }

            let one =
                { KrylovLaws.budget 1 with
                    RecomputeResidual = true
                }

            let solver = EstimatedDiagonalSolver<'V, 'S>(coordinates, one, 1, signs subject drawn.Seed)

            let result =
                compute
                    subject
                    { x with
                        Problem = problem subject tasks
                    }
                    solver

            for solve in result.Solve.Read(space) do
                // M is A itself but for rounding.
                Check.atMost (20.0 * float (d + 6) * subject.Epsilon * 1025.0) solve.RelativeResidual "residual"
                // One step and one probe.
                solve.Products |> should equal 2)

        Subject.property subject 20 "any estimate is a preconditioner: the solution is conjugate gradients'" (fun drawn ->
            let x = draw subject { drawn with Seed = 2 * drawn.Seed + 1 }
            let d = drawn.Size + 1
            let tasks = { x.Tasks with A = x.GaussNewton }
            let solver = EstimatedDiagonalSolver<'V, 'S>(coordinates, budget d, 2, signs subject drawn.Seed)

            let g =
                subject.ToRows
                    (compute
                        subject
                        { x with
                            Problem = problem subject tasks
                        }
                        solver)
                        .Gradient

            for task in 0 .. subject.Tasks - 1 do
                checkAgainst subject x 1.0 (tasks.A[task] + lambda * identity d) g[task] task)
    ]

let private warm (subject: Subject<'V, 'S>) =
    let space = subject.Space

    [
        Subject.property
            subject
            10
            "a second visit at the same θ takes one gradient, one product and no step, and gives the same g"
            (fun drawn ->
                let struct (lambda, tasks) = MetaGradientLaws.draw subject drawn
                let theta = subject.OfRows tasks.Theta
                let problem = problem subject tasks
                let regularizer = ScalarRegularizer<'V, 'S> lambda
                let inner = GradientDescentSolver<'V, 'S>(MeasuredCurvature, 2000, 1)

                let linear =
                    ConjugateGradientSolver<'V, 'S>(
                        { KrylovLaws.budget 200 with
                            CheckEvery = 1
                        }
                    )

                let tolerance = sqrt subject.Epsilon

                let thresholds: Thresholds =
                    {
                        InnerGradientNorm = tolerance
                        LinearResidualNorm = tolerance
                    }

                let first = ImplicitMetaGradient.Compute(space, regularizer, problem, inner, linear, thresholds, theta)

                let start: WarmStart<'V> =
                    {
                        Phi = first.Phi
                        Solution = first.Solve.Solution
                    }

                // Room for the residual computed anew, where the recurrence had met the threshold itself.
                let loose: Thresholds =
                    {
                        InnerGradientNorm = 2.0 * tolerance
                        LinearResidualNorm = 2.0 * tolerance
                    }

                let again =
                    ImplicitMetaGradient.ComputeFrom(space, regularizer, problem, inner, linear, loose, theta, start)

                Check.same (subject.ToRows first.Phi) (subject.ToRows again.Phi) "φ"
                Check.same (subject.ToRows first.Gradient) (subject.ToRows again.Gradient) "g"

                for status in again.Inner.Read space do
                    (status.Status, status.Steps, status.Gradients) |> should equal (InnerStatus.Converged, 0, 1)

                for solve in again.Solve.Read(space) do
                    (solve.Steps, solve.Products) |> should equal (0, 1))
    ]

/// All these laws on a space.
let laws (subject: Subject<'V, 'S>) =
    testList
        $"Curvature, {subject.Name}"
        [
            testList "negative" (negativeCurvature subject)
            testList "estimated diagonal" (diagonal subject)
            testList "warm start" (warm subject)
        ]
