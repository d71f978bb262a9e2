/// The diagnosis of a network small enough for dense matrices, against them.
module Imaml.Nets.Tests.AssumptionTests

open System
open System.Threading
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open TorchSharp
open Imaml.Math
open Imaml.Nets.Tensors
open Imaml.Nets.Assumptions
open Imaml.Nets.Cost
open Imaml.Nets.LibTorch
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Methods
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private lambda, innerSteps, cgSteps = 2.0, 4, 2

let private trainingWith (lambda: float) (adjoint: Adjoint) (remedy: CurvatureRemedy) =
    Experiment(
        ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 100, 2, 1, 2),
        StridedConvolutions(1, Activation.Softplus),
        ImplicitMaml(Inner.GradientDescent innerSteps, lambda, adjoint, Remedy = remedy),
        Outer.Adam(1e-2, Schedule.Constant),
        Budget(5, 2),
        3UL
    )

let private trainingBy adjoint = trainingWith lambda adjoint
let private training = trainingBy (Adjoint.ConjugateGradients cgSteps) CurvatureRemedy.Truncate
let private parts = lazy training.Open()

let private problem =
    lazy
        (let struct (tasks, model) = parts.Value
         LearningProblem.Of(tasks, model))

let private options tasks reference =
    AssumptionOptions(Part = ClassPart.Validation, Seed = 17UL, Tasks = tasks, ReferenceTasks = reference, LanczosSteps = 40)

let private measured (experiment: Experiment) options =
    use learner = MetaLearner.Create(experiment.Plan, problem.Value, 1)
    AssumptionCheck.Measure(learner, options)

let private measure tasks reference = measured training (options tasks reference)

let private four = lazy measure 4 2

/// One task of the diagnosis as dense matrices.
type private Dense(episode: int64) =
    let space = TensorSpace(1, torch.ScalarType.Float64, torch.CPU) :> IInnerProductSpace<_, _>
    let regularizer = ScalarRegularizer<Tensor, Tensor> lambda
    let learner = MetaLearner.Create(training.Plan, problem.Value, 1)

    let theta = learner.Theta.to_type(torch.ScalarType.Float64).expand(1L, -1L).contiguous()
    let problem = problem.Value.Problem(TaskRange(ClassPart.Validation, 17UL, episode, 1), theta)

    let solve (solver: IInnerSolver<Tensor, Tensor>) start = solver.Solve(space, regularizer, problem, theta, start, space.Scalar 0.0).Phi

    member _.Theta = theta
    member _.Descent steps = solve (GradientDescentSolver(MeasuredCurvature, steps)) theta
    member this.Exact = solve (ExactInnerSolver(TensorCoordinates(), 50)) (this.Descent 64)

    member _.Hessian(phi: Tensor) =
        use linearization = problem.LinearizeInner phi

        let hessian = LinearOperator.Of(fun w -> linearization.HessianProduct w)
        LinearOperator.Matrices(space, TensorCoordinates(), hessian, phi) |> Array.exactlyOne

    member _.OuterGradient(phi: Tensor) =
        let struct (_, v) = problem.OuterLossAndGradient phi
        Vector<float>.Build.DenseOfArray(numbers v)

    /// λ(H + λI)⁻¹∇L(φ)
    member this.Implicit phi =
        let h = this.Hessian phi

        lambda * (h + lambda * Matrix<float>.Build.DenseIdentity h.RowCount).Solve(this.OuterGradient phi)

    /// The same by k steps of conjugate gradients on the dense matrix, from their definition: the best in the Krylov space in the A-norm.
    member this.Conjugate steps phi =
        let h = this.Hessian phi
        let a = h + lambda * Matrix<float>.Build.DenseIdentity h.RowCount
        let v = this.OuterGradient phi
        let basis = ResizeArray [ v.Normalize 2.0 ]

        while basis.Count < steps do
            let w = a * basis[basis.Count - 1]
            let project w = Seq.fold (fun (w: Vector<float>) (q: Vector<float>) -> w - q.DotProduct w * q) w basis
            basis.Add((project (project w)).Normalize 2.0)

        let q = Matrix<float>.Build.DenseOfColumnVectors basis

        lambda * (q * (q.TransposeThisAndMultiply(a * q)).Solve(q.TransposeThisAndMultiply v))

let private cosine (x: Vector<float>) (y: Vector<float>) = x.DotProduct y / (x.L2Norm() * y.L2Norm())
let private scoped name body = testCase name (fun () -> using (torch.NewDisposeScope()) (fun _ -> body ()))

// Forty of d = 58 products, each to a few thousand roundings of a Hessian of norm about 100: 10⁻⁹ is above all of them.
let private near expected actual what = Check.near (1e-9 * max 1.0 (abs expected)) expected actual what

[<Tests>]
let tests =
    testList
        "Assumptions"
        [
            scoped "the spectrum's ends, µ, κ and the verdict on convexity are those of the dense Hessian, at θ and at φ" (fun () ->
                for task in four.Value.Tasks do
                    let dense = Dense task.Episode

                    for what, point, measured in [ "θ", dense.Theta, task.Theta; "φ", dense.Descent innerSteps, task.Phi ] do
                        let system = Eigensystem.Of(dense.Hessian point)
                        let values = system.Scale * system.ScaledValues
                        near system.Smallest measured.Smallest $"λ_min at {what}"
                        near system.Largest measured.Largest $"λ_max at {what}"
                        near (lambda + system.Smallest) measured.StrongConvexity $"µ at {what}"
                        measured.Refuted |> should equal (lambda + system.Smallest < 0.0)

                        if not measured.Refuted then
                            near ((lambda + system.Largest) / (lambda + system.Smallest)) measured.Condition $"κ at {what}"

                            near (measured.GradientNorm / (lambda + system.Smallest)) measured.InnerError $"δ at {what}"

                        let negative = values.Enumerate() |> Seq.filter (fun value -> value < -1e-6) |> Seq.length
                        measured.Negative |> should be (lessThanOrEqualTo negative)
                        measured.Negative |> should be (greaterThan 0)

                    let moved = dense.Descent(innerSteps).sub(dense.Theta)
                    near (norm moved) task.Displacement "‖φ − θ‖")

            scoped "the meta-gradients' angles and distances are those of dense solves" (fun () ->
                for task in four.Value.Tasks do
                    let dense = Dense task.Episode
                    let phi = dense.Descent innerSteps
                    let v = dense.OuterGradient phi
                    let solved = dense.Implicit phi
                    let g = dense.Conjugate cgSteps phi
                    let pairs = task.Gradients
                    near (cosine g v) pairs.ImplicitFirstOrder.Cosine "implicit, first-order"
                    near ((g - v).L2Norm() / v.L2Norm()) pairs.ImplicitFirstOrder.Distance "‖g − v‖/‖v‖"
                    near (cosine g solved) pairs.ImplicitConverged.Cosine "implicit, solved"
                    near ((g - solved).L2Norm() / solved.L2Norm()) pairs.ImplicitConverged.Distance "δ′/‖g‖"
                    near (cosine v solved) pairs.FirstOrderConverged.Cosine "first-order, solved")

            scoped "a meta-batch's direction is that of the mean of its tasks" (fun () ->
                let mean (tasks: int list) (gradient: Dense -> Vector<float>) =
                    tasks |> List.map (fun task -> gradient (Dense task)) |> List.reduce (+)

                let g (dense: Dense) = dense.Conjugate cgSteps (dense.Descent innerSteps)
                let v (dense: Dense) = dense.OuterGradient(dense.Descent innerSteps)
                four.Value.MetaBatches.Count |> should equal 2
                near (cosine (mean [ 2; 3 ] g) (mean [ 2; 3 ] v)) four.Value.MetaBatches[1].ImplicitFirstOrder.Cosine "tasks 2 and 3"
                near (cosine (mean [ 0..3 ] g) (mean [ 0..3 ] v)) four.Value.AllTasks.ImplicitFirstOrder.Cosine "all tasks")

            scoped "errors are distances to the dense solve at the exact φ*, where there is one" (fun () ->
                four.Value.Reference.Count |> should equal 2

                for task in four.Value.Reference do
                    let dense = Dense task.Episode

                    if task.Status = ReferenceStatus.Exact then
                        let optimum = dense.Exact
                        let exact = dense.Implicit optimum
                        let relative (error: Vector<float>) = error.L2Norm() / exact.L2Norm()
                        Check.atMost 1e-11 task.Reached "‖∇G(φ*)‖/‖∇G(θ)‖"

                        for steps, cells in task.Errors |> Seq.groupBy (fun cell -> Option.ofNullable cell.InnerSteps) do
                            let phi = steps |> Option.map dense.Descent |> Option.defaultValue optimum
                            let solved = dense.Implicit phi

                            for cell in cells do
                                let what = $"{cell.InnerSteps} inner steps, {cell.CgSteps} CG steps"
                                // Near d steps conjugate gradients depend on rounding.
                                if cell.CgSteps <= 5 then
                                    let g =
                                        if cell.CgSteps = 0 then
                                            dense.OuterGradient phi
                                        else
                                            dense.Conjugate cell.CgSteps phi

                                    Check.near 1e-6 (relative (g - exact)) cell.Total $"total, {what}"
                                    Check.near 1e-6 (relative (g - solved)) cell.Linear $"linear, {what}"

                                Check.near 1e-6 (relative (solved - exact)) cell.Inner $"inner, {what}"
                                Check.atMost (cell.Linear + cell.Inner + 1e-12) cell.Total "the triangle"
                                cell.Estimate.HasValue |> should equal (cell.CgSteps = cgSteps)

                four.Value.Reference
                |> Seq.exists (fun task -> task.Status = ReferenceStatus.Exact)
                |> should equal true)

            for name, adjoint, remedy in
                ([
                    "a preconditioner", Adjoint.PreconditionedConjugateGradients(cgSteps, 3), CurvatureRemedy.Truncate
                    "MINRES", Adjoint.MinimalResidual cgSteps, CurvatureRemedy.Truncate
                    "Neumann's series", Adjoint.NeumannSeries(cgSteps, 0.01), CurvatureRemedy.Truncate
                    "the Gauss–Newton matrix", Adjoint.ConjugateGradients cgSteps, CurvatureRemedy.GaussNewton
                    "a raised λ", Adjoint.ConjugateGradients cgSteps, CurvatureRemedy.RaiseLambda
                ]
                : (string * Adjoint * CurvatureRemedy) list) do
                scoped $"what is measured is the run's own method: {name}" (fun () ->
                    let own = trainingBy adjoint remedy

                    let measured = measured own (options 2 1)
                    use learner = MetaLearner.Create(own.Plan, problem.Value, 1)

                    for task in measured.Tasks do
                        let theta = learner.Theta.to_type(torch.ScalarType.Float64).expand(1L, -1L).contiguous()
                        let problem = problem.Value.Problem(TaskRange(ClassPart.Validation, 17UL, task.Episode, 1), theta)

                        let bound =
                            own.Method.Bind(MethodContext(learner.Problem.LayerSizes, theta, null, own.Seed, uint64 task.Episode))

                        let result = bound.Compute(TensorSpace(1, theta), problem, theta)
                        let struct (_, v) = problem.OuterLossAndGradient result.Phi
                        let g, v = Vector<float>.Build.Dense(numbers result.Gradient), Vector<float>.Build.Dense(numbers v)
                        near (cosine g v) task.Gradients.ImplicitFirstOrder.Cosine "implicit, first-order"
                        near ((g - v).L2Norm() / v.L2Norm()) task.Gradients.ImplicitFirstOrder.Distance "‖g − v‖/‖v‖"

                    // A remedy changes g only where negative curvature is found.
                    if remedy = CurvatureRemedy.Truncate then
                        let cell (task: TaskErrors) =
                            task.Errors
                            |> Seq.find (fun cell -> cell.InnerSteps = Nullable innerSteps && cell.CgSteps = cgSteps)

                        abs ((cell measured.Reference[0]).Linear - (cell four.Value.Reference[0]).Linear)
                        |> should be (greaterThan 1e-6)

                        abs (measured.Tasks[0].CgResidual - four.Value.Tasks[0].CgResidual) |> should be (greaterThan 1e-6))

            testCase "what cannot be measured is refused in one line" (fun () ->
                let plain = training.Method :?> ImplicitMaml
                isNull (AssumptionCheck.Refusal plain) |> should equal true

                for method, why in
                    ([
                        ImplicitMaml(Inner.GradientDescent 4, lambda, plain.Adjoint, LearnedLambda = LearnedLambda(LearnedPer.Layer, 1e-2)),
                        "more than one λ"
                        ImplicitMaml(Inner.GradientDescent 4, lambda, plain.Adjoint, Delta = 1e-2), "at δ"
                        ImplicitMaml(Inner.HessianFree(4, 5), lambda, plain.Adjoint), "imaml-hf"
                        Reptile(Inner.GradientDescent 4, Nullable lambda), "reptile"
                    ]
                    : (Method * string) list) do
                    let said = AssumptionCheck.Refusal method |> nonNull
                    said |> should haveSubstring why
                    said |> should not' (haveSubstring "\n")

                    let own =
                        Experiment(training.Tasks, training.Network, method, training.Outer, training.Budget, training.Seed)

                    Expect.throwsC (fun () -> measured own (options 1 0) |> ignore) (fun e -> e.Message |> should haveSubstring said))

            testCase "the count for all tasks together is of fewer than that of each alone, and of none that is refuted" (fun () ->
                for task in four.Value.Tasks do
                    for point in [ task.Theta; task.Phi ] do
                        (point.Probable || not point.ProbableAmongAll) |> should equal true
                        (point.Refuted && point.Probable) |> should equal false)

            testCase "a λ that is enough for a chance of error of 1 % of one task is not enough for 1 % of both together" (fun () ->
                // λ_min at θ does not depend on λ, and neither does how far the spectrum may reach beyond it: ε/(1 − 2ε) of what was seen of
                // it, √ε = ln(1.648√d/chance)/(2k − 1), with half of the chance for either end.
                let seen = (measure 2 0).Tasks[0].Theta

                let missed failure =
                    let root = log (2.0 * 1.648 * sqrt (float problem.Value.ParameterCount) / failure) / float (2 * 40 - 1)
                    root * root / (1.0 - 2.0 * root * root) * (seen.Largest - seen.Smallest)

                near (missed 0.01) seen.Missed "how far the spectrum may reach"
                let between = -seen.Smallest + 0.5 * (missed 0.01 + missed 0.005)

                let first tasks =
                    let own = trainingWith between (Adjoint.ConjugateGradients cgSteps) CurvatureRemedy.Truncate
                    let theta = (measured own (options tasks 0)).Tasks[0].Theta
                    theta.Probable, theta.ProbableAmongAll

                first 1 |> should equal (true, true)
                first 2 |> should equal (true, false))

            testCase "a task's figures do not depend on how many are measured" (fun () ->
                let two = (measure 2 0).Tasks

                for task in 0..1 do
                    near four.Value.Tasks[task].Phi.Smallest two[task].Phi.Smallest "λ_min"
                    near four.Value.Tasks[task].Phi.Largest two[task].Phi.Largest "λ_max"
                    near four.Value.Tasks[task].Gradients.ImplicitUnrolled.Cosine two[task].Gradients.ImplicitUnrolled.Cosine "cosine")

            testCase "it stops when asked to" (fun () ->
                use stop = new CancellationTokenSource()
                stop.Cancel()

                use learner = MetaLearner.Create(training.Plan, problem.Value, 1)

                (fun () -> AssumptionCheck.Measure(learner, options 4 0, stop = stop.Token) |> ignore)
                |> should throw typeof<OperationCanceledException>)

            testCase "quantiles are MathNet's, and infinite between infinities" (fun () ->
                Quantiles.Of [ 3.0; 1.0; 2.0 ] |> should equal (Quantiles(1.0, 1.0, 2.0, 3.0, 3.0))
                let ten = Quantiles.Of [ 1.0 .. 10.0 ]
                // The place of the quantile q among n is (n + 1/3)q + 1/3.
                Check.near 1e-14 (31.0 / 30.0 + 1.0 / 3.0) ten.Tenth "10 %"
                Check.near 1e-14 5.5 ten.Median "median"
                Check.near 1e-14 (9.3 + 1.0 / 3.0) ten.NinetyHundredths "90 %"

                Quantiles.Of [ 1.0; infinity; infinity; infinity ]
                |> should equal (Quantiles(1.0, 1.0, infinity, infinity, infinity))

                Double.IsNaN (Quantiles.Of []).Median |> should equal true)
        ]
