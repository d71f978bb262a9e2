/// The method head: B heads at once against the core's head of one task, and the meta-gradient through the network against differences.
module Imaml.Nets.Tests.HeadTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open TorchSharp
open Imaml.Math
open Imaml.Nets.Tensors
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Models
open Imaml.Nets.Tests.MethodFixtures
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private space (theta: Tensor) = TensorSpace(int theta.shape[0], theta)

let private oneHot seed count =
    let random = Random seed

    Matrix<float>
        .Build.DenseOfRowArrays(
            Array.init count (fun _ ->
                let label = random.Next 3
                Array.init 3 (fun c -> if c = label then 1.0 else 0.0))
        )

let private dense (x: Tensor) = Matrix<float>.Build.DenseOfRowMajor(int x.shape[0], int x.shape[1], numbers x)

let private stacked (each: Matrix<float>[]) = torch.stack (each |> Array.map (fun m -> torch.from_array (m.ToArray())))

/// Heads of three tasks, each also as the core has it. Fewer features than examples, or more.
let private heads loss (seed: int) =
    let features = if seed % 2 = 0 then 4 else 12
    let x = Array.init 3 (fun task -> normal (seed + task) [ 6; features ])
    let q = Array.init 3 (fun task -> normal (seed + 10 + task) [ 5; features ])
    let y = Array.init 3 (fun task -> oneHot (seed + 20 + task) 6)
    let yq = Array.init 3 (fun task -> oneHot (seed + 30 + task) 5)
    let support = HeadExamples.Of(torch.stack x, stacked y)
    let query = HeadExamples.Of(torch.stack q, stacked yq)

    let single task =
        ConvexHead(loss, dense (row task support.Features), y[task], dense (row task query.Features), yq[task])

    struct (HeadTasks(loss, support, query), Array.init 3 single)

let private vectorOf task (x: Tensor) = Vector<float>.Build.DenseOfArray(numbers (row task x))

let private differ (tolerance: float) (expected: Vector<float>) (actual: Vector<float>) =
    (actual - expected).L2Norm() |> should be (lessThan (tolerance * (1.0 + expected.L2Norm())))

let private property draws name (body: int -> unit) =
    testPropertyWithConfig (Draws.times draws) name (fun (seed: uint16) ->
        use _ = torch.NewDisposeScope()
        body (int seed))

let private compute (head: ConvexHeadMaml) (problem: IBilevelProblem<Tensor, Tensor>) (like: Tensor) (theta: Tensor) learned =
    let sizes = [| int theta.shape[1] - 3 * 9; 3 * 9 |]
    head.Bind(MethodContext(sizes, like, learned, 1UL, 0UL)).Compute(space theta, problem, theta)

let private logs (lambda: float) = Vector<float>.Build.Dense(1, log lambda)

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Head"
        [
            for loss in [ HeadLoss.CrossEntropy; HeadLoss.Squares ] do
                property 20 $"B heads are the core's heads, one by one ({loss})" (fun seed ->
                    let struct (batch, each) = heads loss seed
                    let problem: IBilevelProblem<Tensor, Tensor> = batch
                    let d = each[0].Support.ColumnCount * batch.Span.Classes
                    let w, v = normal (seed + 40) [ 3; d ], normal (seed + 41) [ 3; d ]
                    let space = space w
                    use at = problem.LinearizeInner w
                    let struct (outer, outerGradient) = problem.OuterLossAndGradient w
                    let struct (inX, inQ) = batch.FeatureGradient(w, v)
                    let lambda = 0.5
                    let regularizer = ScalarRegularizer<Tensor, Tensor> lambda
                    let solver: IInnerSolver<Tensor, Tensor> = HeadNewtonSolver 100
                    let adjoint: IAdjointSolver<Tensor, Tensor> = HeadAdjointSolver()
                    let found = solver.Solve(space, regularizer, problem, w, w, space.Scalar 1e-9)
                    use there = problem.LinearizeInner found.Phi
                    let struct (_, ofQueries) = problem.OuterLossAndGradient found.Phi
                    let u = adjoint.Solve(space, regularizer, there, ofQueries, space.Scalar 1e-9)

                    for task in 0..2 do
                        let one: IBilevelProblem<Vector<float>, float> = each[task]
                        let w1, v1 = vectorOf task w, vectorOf task v
                        use at1 = one.LinearizeInner w1
                        let struct (outer1, outerGradient1) = one.OuterLossAndGradient w1
                        let features = each[task].FeatureGradient(w1, v1)
                        // Sums of tens of numbers of the size of one.
                        let tolerance = 1e-12
                        near tolerance at1.Loss (number (row task at.Loss)) "L̂"
                        near tolerance outer1 (number (row task outer)) "L"
                        differ tolerance at1.Gradient (vectorOf task at.Gradient)
                        differ tolerance (one.InnerGradient w1) (vectorOf task (problem.InnerGradient w))
                        near tolerance (one.InnerLoss w1) (number (row task (problem.InnerLoss w))) "L̂ alone"
                        differ tolerance (at1.HessianProduct v1) (vectorOf task (at.HessianProduct v))
                        differ tolerance outerGradient1 (vectorOf task outerGradient)
                        close tolerance (stacked [| features.Support |]) (row task inX |> fun x -> x.unsqueeze 0L) "in X"
                        close tolerance (stacked [| features.Query |]) (row task inQ |> fun x -> x.unsqueeze 0L) "in X_q"
                        // ‖∇G‖ ≤ 10⁻⁹ makes ‖W − W*‖ ≤ 10⁻⁹/λ; of the adjoint likewise, times its Lipschitz constants, which are below 100 here.
                        let struct (exact, _) = each[task].Solve(lambda, w1, 0.0, 100)
                        differ 1e-8 exact (vectorOf task found.Phi)
                        let struct (adjoint1, _) = each[task].Adjoint(lambda, exact, 0.0)
                        differ 1e-6 adjoint1 (vectorOf task u.Solve.Solution)

                    found.Read space |> Array.forall (fun one -> one.Status = InnerStatus.Converged) |> should be True
                    u.Solve.Read space |> Array.forall (fun one -> one.Status = SolveStatus.Converged) |> should be True)

            for mode in [ BatchNormMode.Transductive; BatchNormMode.Inductive ] do
                property 3 $"the meta-gradient in the weights, in W₀ and in log λ is the slope of L(φ*) ({mode})" (fun seed ->
                    let drawn = drawTasks seed
                    let lambda = 0.7
                    let head = ConvexHeadMaml(lambda, LearnedLambda(LearnedPer.One, 0.1), HeadLoss.CrossEntropy, true)
                    let problem () = FewShotProblem(drawn.Support.Network, drawn.Support.Data, drawn.Query.Data, mode)
                    let theta = drawn.Theta.contiguous ()
                    let result = compute head (problem ()) drawn.Like theta (logs lambda)
                    let direction = normal (seed + 3) (sizes theta)
                    let loss t step = (compute head (problem ()) drawn.Like (along theta direction t) (logs lambda + step)).OuterLoss
                    // L(φ*) is known to about 10⁻⁹, the inner accuracy, and the difference of these to that over h.
                    let struct (slope, truncation) = centralDifference (fun t -> loss t 0.0) 1e-4 1e-8
                    let expected = result.Gradient.mul(direction).sum([| 1L |], true)
                    close truncation slope expected "in θ"
                    let struct (inLambda, truncation) = centralDifference (fun step -> loss 0.0 step) 1e-4 1e-8

                    let learned =
                        torch.from_array (Array2D.init tasks 1 (fun task _ -> Array.exactlyOne result.Learned[task]))

                    close truncation inLambda learned "in log λ")

            scoped "φ is a network: its loss, accuracy and logits are those of a pass, and those that are remembered" (fun () ->
                let drawn = drawTasks 5
                let theta = drawn.Theta.contiguous ()
                let head = ConvexHeadMaml 0.7
                let problem = drawn.Problem
                let result = compute head problem drawn.Like theta null
                let again = drawn.Problem
                agree 1e-12 (again.QueryLogits result.Phi) (problem.QueryLogits result.Phi) "logits"
                problem.QueryAccuracy result.Phi |> should equal (again.QueryAccuracy result.Phi)
                let struct (outer, _) = (again :> IBilevelProblem<_, _>).OuterLossAndGradient result.Phi
                close 1e-12 outer result.OuterLoss "L"
                // Adapting alone leads to the same φ, whose classifier gradient is λ(W₀ − W).
                let method = head.Bind(MethodContext([| 93 - 27; 27 |], drawn.Like, null, 1UL, 0UL))
                let adapted = method.Adapt(space theta, again, theta)
                agree 1e-12 result.Phi adapted.Phi "φ"
                // Without a learned start W₀'s gradient is left out.
                norm (result.Gradient.narrow (1L, 93L - 27L, 27L)) |> should equal 0.0)

            scoped "the processor's kernels and libtorch's operations give the same meta-gradient" (fun () ->
                let architecture = strided (ImageShape(12, 12, 1)) 4 3
                let support, query = draw 3 architecture 2 6, draw 23 architecture 2 4
                let theta = (support.Parameters.narrow (0L, 0L, 1L)).expand(2L, -1L).contiguous()
                let head = ConvexHeadMaml 0.7
                let last = support.Network.LayerSizes |> Array.last
                let sizes = [| int theta.shape[1] - last; last |]

                let gradient (theta: Tensor) (support: LabelledImages) query =
                    let problem = FewShotProblem(network architecture, support, query)

                    head
                        .Bind(MethodContext(sizes, theta.narrow (0L, 0L, 1L), null, 1UL, 0UL))
                        .Compute(space theta, problem, theta)
                        .Gradient

                let single (data: LabelledImages) = LabelledImages(data.Images.to_type torch.float32, data.OneHot.to_type torch.float32)

                let exact = gradient theta support.Data query.Data
                let fast = gradient (theta.to_type torch.float32) (single support.Data) (single query.Data)
                // Some thousand roundings of float32, magnified by the normalisations and by the adjoint system.
                agree 1e-3 exact (fast.to_type torch.float64) "gradient")

            scoped "the certificate of B heads is the core's, and --accuracy ends the solves where it is met" (fun () ->
                let drawn = drawTasks 8
                let theta = drawn.Theta.contiguous ()

                let solvedFor (lambda: float) accuracy =
                    compute (ConvexHeadMaml(lambda, Accuracy = accuracy)) drawn.Problem drawn.Like theta null

                let solved = solvedFor 0.7
                let exact = solved (Nullable())

                /// Gradients and products of the inner solve, and products of the linear solve.
                let spent (x: MetaGradient<Tensor, Tensor>) =
                    Array.concat
                        [
                            for count in [ x.Inner.Counts.Gradients; x.Inner.Counts.Products; x.Solve.Counts.Products ] ->
                                (space theta).Read count
                        ]

                for accuracy in [ 1e-1; 1e-3; 1e-6 ] do
                    let result = solved (Nullable accuracy)

                    for bound in result.Certified do
                        bound |> should be (lessThanOrEqualTo accuracy)

                    (result.Solve.Read(space theta))
                    |> Array.forall (fun one -> one.Status = SolveStatus.Converged)
                    |> should be True

                    // The usual thresholds certify it in one round.
                    spent result |> should equal (spent exact)

                // What a second round costs comes on top.
                for more, less in Array.zip (spent (solvedFor 1e-2 (Nullable 1e-6))) (spent (solvedFor 1e-2 (Nullable()))) do
                    more |> should be (greaterThanOrEqualTo (2.0 * less))

                // Below what rounding lets certify no task is reported to have reached a threshold.
                for lambda, accuracy in [ 0.7, 1e-11; 0.7, 1e-12; 1e-2, 1e-9; 1e-3, 1e-6; 1e-3, 1e-9 ] do
                    let result =
                        compute (ConvexHeadMaml(lambda, Accuracy = Nullable accuracy)) drawn.Problem drawn.Like theta null

                    for one, bound in Array.zip (result.Solve.Read(space theta)) result.Certified do
                        if bound > accuracy then
                            one.Status |> should equal SolveStatus.Stagnated

                // To rounding of double precision but for the thresholds, 10⁻⁹, over λ and ‖gradient‖.
                for bound in exact.Certified do
                    bound |> should be (lessThan 1e-5)
                    bound |> should be (greaterThan 0.0)

                let struct (batch, each) = heads HeadLoss.CrossEntropy 4
                let d = each[0].Support.ColumnCount * batch.Span.Classes
                let w, u, centre = normal 1 [ 3; d ], normal 2 [ 3; d ], normal 3 [ 3; d ]
                let struct (inX, inQ) = batch.FeatureGradient(w, u)

                batch.Measure(0.5, centre, w, u, struct (inX, inQ))
                |> Array.iteri (fun task norms ->
                    let one = each[task].Measure(0.5, vectorOf task centre, vectorOf task w, vectorOf task u)

                    (HeadCertificate.Of norms).FeatureError
                    |> should (equalWithin (1e-10 * (HeadCertificate.Of one).FeatureError)) (HeadCertificate.Of one).FeatureError))

            scoped "a problem without features, and a λ for each layer, are refused in one line" (fun () ->
                let theta = normal 1 [ 2; 30 ]
                let loss (phi: Tensor) = phi.mul(phi).sum([| 1L |], true)
                let own = AutogradProblem(Func<_, _> loss, Func<_, _> loss)

                (fun () -> compute (ConvexHeadMaml 1.0) own theta theta null |> ignore)
                |> should throw typeof<ArgumentException>

                [
                    for one in ConvexHeadMaml(-1.0, LearnedLambda(LearnedPer.Layer, 0.1)).Complaints() -> string one
                ]
                |> should
                    equal
                    [
                        "lambda must be positive and finite, not -1"
                        "learnedLambda.per must be one: a head has one λ"
                    ])
        ]
