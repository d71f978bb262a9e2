/// Every algorithm on batched networks: the numbers that the core gives on dense vectors of the same losses, and finite differences of what its
/// meta-gradient is the gradient of.
module Imaml.Nets.Tests.MethodTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open TorchSharp
open Imaml.Math
open Imaml.Nets.Tensors
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Methods
open Imaml.Nets.Tests.MethodFixtures
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.TensorSpaceSubject
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private space = lazy (TensorSpace(tasks, torch.ScalarType.Float64, torch.CPU))
let private f64 = torch.ScalarType.Float64

/// The same losses for the core's dense batched vectors: every evaluation goes to the network and comes back.
let private dense (problem: FewShotProblem) =
    let into (x: Matrix<float>) = ofRows f64 (x.ToRowArrays())
    let out (x: Tensor) = Matrix<float>.Build.DenseOfRowArrays(toRows x)
    let scalar (x: Tensor) = numbers x

    { new IBilevelProblem<Matrix<float>, float[]> with
        member _.InnerLoss phi =
            use _ = torch.NewDisposeScope()
            scalar (problem.InnerLoss(into phi))

        member _.InnerGradient phi =
            use _ = torch.NewDisposeScope()
            out (problem.InnerGradient(into phi))

        member _.LinearizeInner phi =
            let point = (into phi).DetachFromDisposeScope()
            let linearization = problem.LinearizeInner point

            let known = linearization :?> IGaussNewtonLinearization<Tensor, Tensor>

            let through (product: Tensor -> Tensor) w =
                use _ = torch.NewDisposeScope()
                out (product (into w))

            { new IGaussNewtonLinearization<Matrix<float>, float[]> with
                member _.GaussNewtonProduct w = through known.GaussNewtonProduct w
              interface ILinearization<Matrix<float>, float[]> with
                  member _.Loss = scalar linearization.Loss
                  member _.Gradient = out linearization.Gradient
                  member _.HessianProduct w = through linearization.HessianProduct w
              interface IDisposable with
                  member _.Dispose() =
                      linearization.Dispose()
                      point.Dispose()
            }

        member _.OuterLossAndGradient phi =
            use _ = torch.NewDisposeScope()
            let struct (loss, gradient) = problem.OuterLossAndGradient(into phi)
            struct (scalar loss, out gradient)
    }

let private rows = BatchedRowsSpace tasks :> IInnerProductSpace<Matrix<float>, float[]>

let private path momentum : UnrolledOptions =
    {
        Momentum = momentum
        Step = alpha
        Steps = steps
    }

let private scalar: IRegularizer<Matrix<float>, float[]> = ScalarRegularizer lambda
let private none: IRegularizer<Matrix<float>, float[]> = NoProximalTerm()

let private descent rule momentum : IInnerSolver<Matrix<float>, float[]> = GradientDescentSolver(rule, momentum, steps, 0)

let private never = rows.Scalar 0.0

let private implicit inner : IMetaGradientStrategy<Matrix<float>, float[]> =
    ImplicitStrategy(inner, ConjugateGradientSolver(LinearSolveOptions.FixedBudget 5), Thresholds.None)

let private constant = ConstantStep alpha

/// Algorithm 2 after measured steps, by another linear solver.
let private solvedBy (solver: ILinearSolver<Matrix<float>, float[]>) : IMetaGradientStrategy<Matrix<float>, float[]> =
    ImplicitStrategy(descent MeasuredCurvature NoMomentum, solver, Thresholds.None)

let private gd = Algorithm.ImamlGd

/// Meta-SGD's sizes, the same for every coordinate at first, for the core's dense vectors.
let private stepSizes (d: int) = StepSizeOptions(BatchedRowsCoordinates(), Matrix<float>.Build.Dense(tasks, d, alpha), steps)

/// Every algorithm with Λ and the strategy of the core that it must agree with, on vectors of d numbers.
let private cases: (string * Method * IRegularizer<_, _> * (int -> IMetaGradientStrategy<Matrix<float>, float[]>)) list =
    let of' name options regularizer strategy = name, options, regularizer, (fun _ -> strategy)

    [
        of'
            "imaml-gd, measured steps"
            (Options.Of(Algorithm.ImamlGd, steps, lambda, linearSteps = 5))
            scalar
            (implicit (descent MeasuredCurvature NoMomentum))
        of'
            "imaml-gd, a fixed step"
            (Options.Of(Algorithm.ImamlGd, steps, lambda, alpha, 5))
            scalar
            (implicit (descent constant NoMomentum))
        of'
            "imaml-nesterov"
            (Options.Of(Algorithm.ImamlNesterov, steps, lambda, alpha, 5, 0.5))
            scalar
            (implicit (descent constant (Nesterov 0.5)))
        of'
            "imaml-heavy-ball"
            (Options.Of(Algorithm.ImamlHeavyBall, steps, lambda, alpha, 5, 0.5))
            scalar
            (implicit (descent constant (HeavyBall 0.5)))
        of'
            "imaml-hf"
            (Options.Of(Algorithm.ImamlHf, steps, lambda, linearSteps = 5))
            scalar
            (implicit (NewtonConjugateGradientSolver(steps, NewtonConjugateGradient.PaperDirectionSteps)))
        of'
            "imaml-gd by MINRES"
            (Options.Of(gd, steps, lambda, linearSteps = 5, linearSolver = LinearSolverKind.Minres))
            scalar
            (solvedBy (MinresSolver(LinearSolveOptions.FixedBudget 5)))
        of'
            "imaml-gd by a Neumann series"
            (Options.Of(gd, steps, lambda, linearSteps = 5, linearSolver = LinearSolverKind.Neumann, neumannStep = 0.05))
            scalar
            (solvedBy (NeumannSolver(0.05, LinearSolveOptions.FixedBudget 5)))
        // Accuracies that the budgets reach, so that tasks stop early.
        of'
            "imaml-gd to δ and δ′"
            (Options.Of(gd, 100, lambda, linearSteps = 50, delta = 1e-2, deltaPrime = 1e-2))
            scalar
            (ImplicitStrategy(
                GradientDescentSolver(MeasuredCurvature, 100, 1),
                ConjugateGradientSolver(LinearSolveOptions.ToTolerance(50, 0.0)),
                Thresholds.OfAccuracies(scalar, lambda, 1e-2, 1e-2)
            ))
        of' "maml" (Options.Of(Algorithm.Maml, steps, alpha = alpha)) none (UnrolledStrategy(path NoMomentum))
        of' "maml, with the proximal term" (Options.Of(Algorithm.Maml, steps, lambda, alpha)) scalar (UnrolledStrategy(path NoMomentum))
        of'
            "maml, recomputed"
            (Options.Of(Algorithm.Maml, steps, alpha = alpha, recompute = true))
            none
            (UnrolledStrategy(path NoMomentum, Recompute))
        of' "truncated" (Options.Of(Algorithm.Truncated, steps, lambda, alpha, truncate = 2)) scalar (TruncatedStrategy(path NoMomentum, 2))
        of' "fomaml" (Options.Of(Algorithm.Fomaml, steps, alpha = alpha)) none (FirstOrderStrategy(descent constant NoMomentum, 0.0))
        of' "reptile" (Options.Of(Algorithm.Reptile, steps, alpha = alpha)) none (ReptileStrategy(descent constant NoMomentum, 0.0))
        "meta-sgd", Options.Of(Algorithm.MetaSgd, steps, alpha = alpha), none, (fun d -> MetaSgdStrategy(stepSizes d, EveryIterate))
    ]

let private agreement =
    testList
        "the core's reference on dense vectors"
        [
            for name, options, regularizer, strategy in cases do
                scoped $"{name}: φ, g, losses and counts are the same numbers" (fun () ->
                    for seed in 1..3 do
                        let drawn = drawTasks seed
                        let actual = (compute options drawn drawn.Theta)
                        let theta = Matrix<float>.Build.DenseOfRowArrays(toRows (drawn.Theta.contiguous ()))
                        let expected = (strategy theta.ColumnCount).Compute(rows, regularizer, dense drawn.Problem, theta)
                        // The two spaces add in another order: an ε for each of d summands in every inner product. A network's gradient
                        // is taken at two φ that far apart, and magnifies it by its curvature, a product by its third derivative:
                        // `rounding` counts both for one product. A step of CG or Newton magnifies what came before by cond(H + Λ).
                        let struct (_, _, h) = differentiate drawn.Support (normal 5 [ tasks; theta.ColumnCount ])
                        let condition = 1.0 + norm h / lambda
                        let tolerance = 40.0 * condition * rounding product drawn.Support
                        tolerance |> should be (lessThan 1e-6)
                        let tensor (x: Matrix<float>) = ofRows f64 (x.ToRowArrays())
                        agree tolerance (tensor expected.Phi) actual.Phi "φ"
                        agree tolerance (tensor expected.Gradient) actual.Gradient "g"
                        agree tolerance (torch.tensor expected.OuterLoss) (actual.OuterLoss.flatten ()) "L"
                        let counted = actual.Cost(space.Value)
                        Expect.equal counted (expected.Cost(rows)) "counts"
                        // Not what another algorithm gives: v itself is FOMAML's.
                        if name <> "fomaml" then
                            norm (actual.Gradient.sub actual.Solve.Solution)
                            |> should be (greaterThan (1e-3 * norm actual.Gradient)))
        ]

let private adapting =
    testList
        "adapting"
        [
            for name, options, _, _ in cases do
                scoped $"{name}: at test time to the very φ that the meta-gradient is taken at" (fun () ->
                    let drawn = drawTasks 2
                    let network = drawn.Support.Network
                    let method = bind options network drawn.Like (Option.toObj (numbersOf options network))
                    let expected = method.Compute(space.Value, drawn.Problem, drawn.Theta).Phi
                    same expected (method.Adapt(space.Value, drawn.Problem, drawn.Theta)).Phi "φ")
        ]

/// ⟨g, w⟩ for every task, [B, 1].
let private along' (g: Tensor) (w: Tensor) = g.mul(w).sum([| 1L |], keepdim = true)

/// Rounding of an outer loss after a path of so many sweeps, times ‖L‖ and ten.
let private lossRounding (drawn: Tasks) sweeps = 10.0 * rounding (sweeps + forward) drawn.Support

let private differences =
    let h = 1e-4

    let check (drawn: Tasks) sweeps (f: float -> Tensor) (slope: Tensor) what =
        let struct (expected, tolerance) = centralDifference f h (lossRounding drawn sweeps * norm (f 0.0))
        tolerance |> should be (lessThan (1e-2 * norm expected + 1e-4))
        close tolerance expected slope what

    testList
        "finite differences"
        [
            for name, options in
                [
                    "maml", Options.Of(Algorithm.Maml, steps, alpha = alpha)
                    "maml, with the proximal term", Options.Of(Algorithm.Maml, steps, lambda, alpha)
                    "maml, recomputed", Options.Of(Algorithm.Maml, 9, alpha = alpha, recompute = true)
                    "meta-sgd", Options.Of(Algorithm.MetaSgd, steps, alpha = alpha)
                ] do
                scoped $"{name}: g is the gradient of θ ↦ L(φ_T(θ))" (fun () ->
                    for seed in 1..3 do
                        let drawn = drawTasks seed
                        let w = normal (seed + 7) (sizes drawn.Theta)
                        let at t = (compute options drawn (along drawn.Theta w t))
                        check drawn (2 * options.InnerSteps.Value) (fun t -> (at t).OuterLoss) (along' (at 0.0).Gradient w) "⟨g, w⟩")

            for per in [ LearnedPer.Layer; LearnedPer.Parameter ] do
                scoped $"meta-sgd, a size for every {per}: the learned gradient is that of α ↦ L(φ_T)" (fun () ->
                    for seed in 1..3 do
                        let drawn = drawTasks seed
                        let network = drawn.Support.Network
                        let options = Options.Of(Algorithm.MetaSgd, steps, alpha = alpha, stepSizes = per)
                        let sizes = (numbersOf options network).Value
                        let direction = numbers (normal (seed + 9) [ sizes.Count ]) |> Vector<float>.Build.DenseOfArray

                        let at (t: float) =
                            (bind options network drawn.Like (sizes + t * alpha * direction))
                                .Compute(space.Value, drawn.Problem, drawn.Theta)

                        let slopes =
                            (at 0.0).Learned
                            |> Array.map (fun gradient -> alpha * direction.DotProduct(Vector<float>.Build.DenseOfArray gradient))

                        check drawn (2 * steps) (fun t -> (at t).OuterLoss.flatten()) (torch.tensor slopes) "⟨dL/dα, w⟩")

            scoped "truncated: g is the gradient of the last K steps' pull to θ, the iterate before them held fast" (fun () ->
                for seed in 1..3 do
                    let drawn = drawTasks seed
                    let w = normal (seed + 7) (sizes drawn.Theta)
                    let regularizer = ScalarRegularizer<Tensor, Tensor> lambda
                    let solver k = GradientDescentSolver<Tensor, Tensor>(constant, k) :> IInnerSolver<_, _>
                    let never = space.Value.Scalar 0.0

                    let start =
                        (solver (steps - 2)).Solve(space.Value, regularizer, drawn.Problem, drawn.Theta, drawn.Theta, never).Phi

                    let at t =
                        let theta = along drawn.Theta w t
                        let phi = (solver 2).Solve(space.Value, regularizer, drawn.Problem, theta, start, never).Phi
                        let struct (loss, _) = drawn.Problem.OuterLossAndGradient phi
                        loss

                    let g =
                        (compute (Options.Of(Algorithm.Truncated, steps, lambda, alpha, truncate = 2)) drawn drawn.Theta).Gradient

                    check drawn (2 * steps) at (along' g w) "⟨g, w⟩")

            scoped "fomaml: g is the gradient of L at the φ that was reached; reptile: g is θ − φ" (fun () ->
                for seed in 1..3 do
                    let drawn = drawTasks seed
                    let w = normal (seed + 7) (sizes drawn.Theta)
                    let result = (compute (Options.Of(Algorithm.Fomaml, steps, alpha = alpha)) drawn drawn.Theta)

                    let at t =
                        let struct (loss, _) = drawn.Problem.OuterLossAndGradient(along result.Phi w t)
                        loss

                    check drawn 0 at (along' result.Gradient w) "⟨g, w⟩"
                    let reptile = (compute (Options.Of(Algorithm.Reptile, steps, alpha = alpha)) drawn drawn.Theta)
                    same result.Phi reptile.Phi "φ"
                    same (drawn.Theta.sub result.Phi) reptile.Gradient "θ − φ")

            scoped "reptile adapts by the steps of evaluation, and makes its meta-gradient by those of training" (fun () ->
                let drawn = drawTasks 1
                let inner = Inner.GradientDescent(steps, Nullable alpha)
                let plain = Reptile(inner, Nullable())
                let longer = Reptile(inner, Nullable(), Nullable(3 * steps))

                let bound (method: Method) = bind method drawn.Support.Network drawn.Like null
                let gradient method = ((bound method).Compute(space.Value, drawn.Problem, drawn.Theta)).Gradient
                same (gradient plain) (gradient longer) "θ − φ"
                let adapted method = (bound method).Adapt(space.Value, drawn.Problem, drawn.Theta)
                same (adapted (plain.WithInnerSteps(3 * steps))).Phi (adapted longer).Phi "φ"
                // Another number of inner steps is what is asked for everywhere.
                (longer.WithInnerSteps 2).Equals(plain.WithInnerSteps 2) |> should equal true)

            scoped "an inner step on a batch of the images takes them in turns through the classes" (fun () ->
                let drawn = drawTasks 1
                // Six images, two of each of three classes, as episodes have them.
                let labels = torch.tensor([| 0L; 0L; 1L; 1L; 2L; 2L |]).expand(int64 drawn.Support.Tasks, -1L)

                let support = { drawn.Support with Labels = labels }
                let whole = FewShotProblem(support.Network, support.Data, drawn.Query.Data)

                let batch step size = (whole :> IBatchProblem).Batch(step, size)

                let gradient rows =
                    let rows = torch.tensor (List.toArray rows: int64[])

                    let part =
                        LabelledImages(support.Images.index_select (1L, rows), support.Data.OneHot.index_select (1L, rows))

                    (FewShotProblem(support.Network, part, drawn.Query.Data)).InnerGradient drawn.Theta

                for step, size, rows in
                    [
                        0, 3, [ 0L; 2L; 4L ]
                        1, 3, [ 1L; 3L; 5L ]
                        2, 3, [ 0L; 2L; 4L ]
                        0, 4, [ 0L; 2L; 4L; 1L ]
                        1, 4, [ 3L; 5L; 0L; 2L ]
                    ] do
                    same (gradient rows) ((batch step size).InnerGradient drawn.Theta) $"step {step} of {size}"

                for size in [ 6; 7 ] do
                    batch 1 size |> should be (sameAs whole)

                let phi inner =
                    ((bind (Reptile(inner, Nullable())) support.Network drawn.Like null).Adapt(space.Value, whole, drawn.Theta)).Phi

                same (phi (Inner.Adam(2, 0.01))) (phi (Inner.Adam(2, 0.01, 6))) "all of them"
                (phi (Inner.Adam(2, 0.01))).Equals(phi (Inner.Adam(2, 0.01, 3))) |> should equal false)

            // With so strong a pull to θ that every inner solver comes to φ* to rounding.
            for name, options in
                [
                    "imaml-gd", Options.Of(Algorithm.ImamlGd, 100, 20.0, linearSteps = 60)
                    "imaml-nesterov", Options.Of(Algorithm.ImamlNesterov, 150, 20.0, 0.02, 60, 0.3)
                    "imaml-heavy-ball", Options.Of(Algorithm.ImamlHeavyBall, 150, 20.0, 0.02, 60, 0.3)
                    "imaml-hf", Options.Of(Algorithm.ImamlHf, 30, 20.0, linearSteps = 60)
                ] do
                scoped $"{name}: g is the gradient of θ ↦ L(Alg*(θ))" (fun () ->
                    let drawn = drawTasks 1
                    let w = normal 8 (sizes drawn.Theta)
                    let at t = (compute options drawn (along drawn.Theta w t))
                    let here = at 0.0
                    let slope = norm here.Gradient
                    let delta = (space.Value.Read here.InnerGradientNorm |> Array.max) / 10.0
                    // µ ≥ 10 would need H ≥ −10; what is left of ‖∇G‖ is rounding either way.
                    delta |> should be (lessThan 1e-10)
                    let f t = (at t).OuterLoss

                    let struct (expected, tolerance) =
                        centralDifference f h (lossRounding drawn 0 * norm (f 0.0) + 2.0 * slope * delta)

                    tolerance |> should be (lessThan (1e-2 * norm expected))
                    close (tolerance + 1e-9 * slope) expected (along' here.Gradient w) "⟨g, w⟩")
        ]

/// C of a task's loss in its n·N logits: for every image (diag p − ppᵀ)/n.
let private logitHessian (logits: Tensor) =
    let n, ways = int logits.shape[0], int logits.shape[1]
    let probabilities = toRows (logits.softmax -1L)
    let c = Matrix<float>.Build.Dense(n * ways, n * ways)

    for image in 0 .. n - 1 do
        let p = Vector<float>.Build.DenseOfArray probabilities[image]
        let block = (Matrix<float>.Build.DenseOfDiagonalVector p - p.OuterProduct p) / float n
        c.SetSubMatrix(image * ways, image * ways, block)

    c

let private curvature =
    testList
        "curvature"
        [
            scoped "the Gauss–Newton product is JᵀCJw, J and C dense, and leaves Hessian–vector products as they were" (fun () ->
                for rectified in [ false; true ] do
                    let drawn = drawTasks 4

                    let architecture =
                        { tiny with
                            Blocks = tiny.Blocks |> List.map (fun block -> { block with Rectified = rectified })
                        }

                    let support =
                        { drawn.Support with
                            Architecture = architecture
                        }

                    let theta = support.Parameters
                    let d = int theta.shape[1]
                    let w = normal 6 [ tasks; d ]
                    use linearization = support.Problem.LinearizeInner theta
                    let known = linearization :?> IGaussNewtonLinearization<Tensor, Tensor>
                    let before = linearization.HessianProduct w
                    let actual = known.GaussNewtonProduct w
                    same before (linearization.HessianProduct w) "∇²L̂w"
                    same actual (known.GaussNewtonProduct w) "JᵀCJw again"
                    let pass = support.Network.Forward(theta, support.Images)
                    pass.Linearize(torch.zeros_like pass.Logits) |> ignore

                    let columns =
                        Array.init d (fun j ->
                            let unit = torch.zeros_like theta
                            unit.narrow(1L, int64 j, 1L).fill_((1.0).ToScalar()) |> ignore
                            pass.Tangent unit)

                    for task in 0 .. tasks - 1 do
                        let c = logitHessian (row task pass.Logits)

                        let jacobian =
                            columns
                            |> Array.map (fun column -> numbers (row task column))
                            |> Matrix<float>.Build.DenseOfColumnArrays

                        let w' = Vector<float>.Build.DenseOfArray(numbers (row task w))
                        let expected = jacobian.TransposeThisAndMultiply(c * (jacobian * w'))
                        // Summands of JᵀCJw in both orders: ‖J‖²‖C‖‖w‖ of them.
                        let size = jacobian.FrobeniusNorm() * c.FrobeniusNorm() * (jacobian * w').L2Norm()
                        close (rounding product support * size) (torch.tensor (expected.ToArray())) (row task actual) $"JᵀCJw, task {task}")

            // λ so small that the tasks' H + λ has negative eigenvalues.
            for remedy, expected in
                [
                    CurvatureRemedy.RaiseLambda, RaiseLambda
                    CurvatureRemedy.Minres, SolveIndefinite
                    CurvatureRemedy.GaussNewton, NegativeCurvatureRemedy.GaussNewton
                ] do
                scoped $"{remedy}: the core's reference on dense vectors gives the same, and what was met is told" (fun () ->
                    let small, budget = 0.02, LinearSolveOptions.FixedBudget 3
                    let drawn = drawTasks 2
                    let options = Options.Of(gd, 2, small, 0.05, 3, remedy = remedy)
                    let actual = (compute options drawn drawn.Theta)
                    let theta = Matrix<float>.Build.DenseOfRowArrays(toRows (drawn.Theta.contiguous ()))

                    let solver: IAdjointSolver<_, _> =
                        RemediedSolver(LinearAdjointSolver(ConjugateGradientSolver budget), expected, budget)

                    let reference =
                        ImplicitStrategy(GradientDescentSolver(ConstantStep 0.05, 2), solver, Thresholds.None)
                        :> IMetaGradientStrategy<_, _>

                    let reference = reference.Compute(rows, ScalarRegularizer small, dense drawn.Problem, theta)
                    let met = space.Value.Read actual.NegativeCurvature
                    Expect.equal met (rows.Read reference.NegativeCurvature) "negative curvature"
                    Array.sum met |> should be (greaterThan 0.0)
                    Expect.equal (space.Value.Read actual.Raised) (rows.Read reference.Raised) "Λ raised"
                    // Three steps, whose α and β magnify rounding by the quotient of the largest and the smallest curvature seen.
                    let smallest =
                        reference.Solve.Read(rows) |> Array.map (fun one -> abs one.SmallestCurvature) |> Array.min

                    let struct (_, _, h) = differentiate drawn.Support (normal 5 [ tasks; theta.ColumnCount ])
                    let tolerance = 40.0 * (1.0 + norm h / smallest) ** 2.0 * rounding product drawn.Support
                    tolerance |> should be (lessThan 1e-3)
                    agree tolerance (ofRows f64 (reference.Gradient.ToRowArrays())) actual.Gradient "g")

            scoped "pcg to the end comes to what conjugate gradients come to, and its probes repeat themselves" (fun () ->
                let drawn = drawTasks 3

                let options solver probes =
                    let plain =
                        Options.Of(gd, steps, lambda, linearSteps = 300, deltaPrime = 1e-10, ?linearSolver = solver, ?probes = probes)

                    compute plain drawn drawn.Theta

                let cg = options None None
                let pcg = options (Some LinearSolverKind.Pcg) (Some 3)
                same pcg.Gradient (options (Some LinearSolverKind.Pcg) (Some 3)).Gradient "g again"

                for result in [ cg; pcg ] do
                    for solve in result.Solve.Read(space.Value) do
                        solve.Status |> should equal SolveStatus.Converged
                // Each is within δ′ of A⁻¹v where H is positive semidefinite, and twice that for H ≥ −λ/2.
                close (sqrt (float tasks) * 4e-10) cg.Gradient pcg.Gradient "g")
        ]

let private learning =
    testList
        "learned λ"
        [
            for per in [ LearnedPer.One; LearnedPer.Layer; LearnedPer.Parameter ] do
                scoped $"one for every {per}: the learned gradient is that of log λ ↦ L(Alg*(θ)), and g that of θ" (fun () ->
                    let drawn = drawTasks 1
                    let network = drawn.Support.Network
                    let options = Options.Of(Algorithm.ImamlHf, 30, 20.0, linearSteps = 60, learnLambda = per)
                    let start = (numbersOf options network).Value
                    // Convolutions of 9 × 1 × 2 and 9 × 2 × 2 weights with biases, γ and β after each, and 8 features to 3 classes.
                    network.LayerSizes |> should equal [| 20; 4; 38; 4; 27 |]
                    start |> Seq.forall (fun value -> value = log 20.0) |> should equal true

                    start.Count
                    |> should
                        equal
                        (match per with
                         | LearnedPer.One -> 1
                         | LearnedPer.Layer -> 5
                         | _ -> network.ParameterCount)

                    let direction = numbers (normal 9 [ start.Count ]) |> Vector<float>.Build.DenseOfArray

                    let at (t: float) =
                        (bind options network drawn.Like (start + t * direction)).Compute(space.Value, drawn.Problem, drawn.Theta)

                    let here = at 0.0

                    let slopes =
                        here.Learned
                        |> Array.map (fun gradient -> direction.DotProduct(Vector<float>.Build.DenseOfArray gradient))

                    let h = 1e-3
                    let f t = (at t).OuterLoss.flatten()
                    let slope = norm here.Gradient
                    let delta = (space.Value.Read here.InnerGradientNorm |> Array.max) / 10.0
                    delta |> should be (lessThan 1e-10)

                    let struct (expected, tolerance) =
                        centralDifference f h (lossRounding drawn 0 * norm (f 0.0) + 2.0 * slope * delta)

                    tolerance |> should be (lessThan (1e-2 * norm expected))
                    close (tolerance + 1e-9 * slope) expected (torch.tensor slopes) "⟨dL/dlog λ, w⟩")
        ]

[<Tests>]
let missing =
    testList
        "Parts of a method"
        [
            for method, part in
                [
                    ImplicitMaml(Unchecked.defaultof<Inner>, 1.0, Adjoint.ConjugateGradients 2) :> Method, "inner"
                    ImplicitMaml(Inner.GradientDescent 2, 1.0, Unchecked.defaultof<Adjoint>), "adjoint"
                    NudgedMaml(Unchecked.defaultof<Inner>, 1.0, 0.1), "inner"
                    FirstOrder(Unchecked.defaultof<Inner>, Nullable()), "inner"
                    Reptile(Unchecked.defaultof<Inner>, Nullable()), "inner"
                    Maml(Unchecked.defaultof<Inner>, Nullable()), "inner"
                    TruncatedMaml(Unchecked.defaultof<Inner>, 1.0, 2), "inner"
                    MetaSgd(Unchecked.defaultof<Inner>, Nullable()), "inner"
                ] do
                testCase $"{method.Name} without its {part} says so" (fun () ->
                    [ for one in method.Complaints() -> string one ] |> should equal [ $"{part} is missing" ])

            testCase "nudged solves refuse inner solvers that need more than L̂ + βL has" (fun () ->
                let nudged inner = [ for one in (NudgedMaml(inner, 2.0, 0.05)).Complaints() -> one.Field ]

                nudged (Inner.HessianFree(5, 5, DirectionMatrix.GaussNewton)) |> should equal [ "inner.matrix" ]
                nudged (Inner.Adam(5, 0.1, Nullable 3)) |> should equal [ "inner.batch" ]
                nudged (Inner.HessianFree(5, 5)) |> should be Empty
                nudged (Inner.Adam(5, 0.1)) |> should be Empty)
        ]

[<Tests>]
let tests = testSequenced (testList "Methods" [ agreement; adapting; differences; curvature; learning ])
