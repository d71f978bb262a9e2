/// Vectors that come with requires_grad: nothing that follows from them has a graph, so memory does not grow with the steps, and the numbers are
/// the same.
module Imaml.Nets.Tests.RecordingTests

open System
open Expecto
open FsUnit
open TorchSharp
open Imaml.Math
open Imaml.Nets.Models
open Imaml.Nets.Tensors
open Imaml.Nets.Tests.MethodFixtures
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private variable (x: Tensor) = x.detach().clone().requires_grad_()

let private unrecorded (what: string) (x: Tensor) =
    if x.requires_grad && not x.is_leaf then
        failtest $"{what} has a graph"

/// The problem, where a vector with a graph is a failure.
type private Watched(problem: IBilevelProblem<Tensor, Tensor>) =
    let seen what x =
        unrecorded what x
        x

    interface IBilevelProblem<Tensor, Tensor> with
        member _.InnerLoss phi = problem.InnerLoss(seen "φ of a loss" phi) |> seen "a loss"
        member _.InnerGradient phi = problem.InnerGradient(seen "φ of a gradient" phi) |> seen "a gradient"

        member _.OuterLossAndGradient phi =
            let struct (loss, gradient) = problem.OuterLossAndGradient(seen "φ of the outer loss" phi)
            struct (seen "an outer loss" loss, seen "an outer gradient" gradient)

        member _.LinearizeInner phi =
            let inner = problem.LinearizeInner(seen "φ of a linearization" phi)

            { new ILinearization<Tensor, Tensor> with
                member _.Loss = seen "a loss" inner.Loss
                member _.Gradient = seen "a gradient" inner.Gradient
                member _.HessianProduct w = inner.HessianProduct(seen "w" w) |> seen "a product"
              interface IDisposable with
                  member _.Dispose() = inner.Dispose()
            }

let private coordinates = TensorCoordinates()

let private budget =
    {
        MaxSteps = 4
        RelativeResidual = 0.0
        CheckEvery = 0
        RecomputeResidual = false
    }

let private path: UnrolledOptions =
    {
        Momentum = NoMomentum
        Step = 0.1
        Steps = 4
    }

let private strategies (space: TensorSpace) (probes: Func<Tensor, Tensor>) : (string * IMetaGradientStrategy<Tensor, Tensor>) list =
    let descent = GradientDescentSolver<Tensor, Tensor>(MeasuredCurvature, 4)
    let none = Thresholds.None

    let implicit' (solver: ILinearSolver<Tensor, Tensor>) : IMetaGradientStrategy<Tensor, Tensor> = ImplicitStrategy(descent, solver, none)

    [
        "conjugate gradients", implicit' (ConjugateGradientSolver budget)
        "MINRES", implicit' (MinresSolver budget)
        "Neumann", implicit' (NeumannSolver(0.1, budget))
        "Newton", ImplicitStrategy(NewtonConjugateGradientSolver<Tensor, Tensor>(2, 3), ConjugateGradientSolver budget, none)
        "L-BFGS", ImplicitStrategy(LbfgsSolver<Tensor, Tensor>(3, 2), ConjugateGradientSolver budget, none)
        "an estimated diagonal", ImplicitStrategy(descent, EstimatedDiagonalSolver(coordinates, budget, 2, probes), none)
        "MAML", UnrolledStrategy(path, EveryIterate)
        "MAML, recomputing", UnrolledStrategy(path, Recompute)
        "truncation", TruncatedStrategy(path, 2)
        "FOMAML", FirstOrderStrategy(descent, 0.0)
        "Reptile", ReptileStrategy(descent, 0.0)
    ]

[<Tests>]
let tests =
    testSequenced (
        testList
            "Recording"
            [
                scoped "the space's and the coordinates' results have no graph, whatever their operands" (fun () ->
                    let space = TensorSpace(2, torch.ScalarType.Float64, torch.CPU) :> IInnerProductSpace<Tensor, Tensor>
                    let x, y = variable (normal 1 [ 2; 4 ]), variable (normal 2 [ 2; 4 ])
                    let a, b = variable (normal 3 [ 2; 1 ]), variable (normal 4 [ 2; 1 ])

                    for what, result in
                        [
                            "Zero", space.Zero x
                            "Scale", space.Scale(a, x)
                            "Axpy", space.Axpy(a, x, y)
                            "Axpy by 0", space.Axpy(space.Scalar 0.0, x, y)
                            "Axpy by a number", space.Axpy(space.Scalar 2.0, x, y)
                            "Inner", space.Inner(x, y)
                            "Norm", space.Norm x
                            "Add", space.Add(a, b)
                            "Multiply", space.Multiply(a, b)
                            "SquareRoot", space.SquareRoot a
                            "DivideOrZero", space.DivideOrZero(a, b)
                            "Exceeds", space.Exceeds(a, b)
                            "Select", space.Select(space.Exceeds(a, b), a, b)
                            "Spread", space.Spread(variable (normal 5 [ 1; 4 ]))
                            "Gather", space.Gather(space.Exceeds(a, b), x)
                            "Gather of all", space.Gather(space.Scalar 1.0, x)
                            "Divide", space.Divide(x, 3.0)
                            "Combine", coordinates.Combine(2.0, x, 3.0, y)
                            "Product", coordinates.Product(x, y)
                            "Quotient", coordinates.Quotient(x, y)
                            "DivideByRoot", coordinates.DivideByRoot(x, y.mul y, 1e-3)
                        ] do
                        Expect.isFalse result.requires_grad what

                    space.Read a |> should equal (numbers a)
                    coordinates.ToRows x |> Array.concat |> should equal (numbers x))

                for name, problem in
                    [
                        "the network's own passes", (fun (tasks: Tasks) -> tasks.Problem :> IBilevelProblem<Tensor, Tensor>)
                        "autograd",
                        (fun (tasks: Tasks) ->
                            let loss (phi: Tensor) = phi.mul(phi).mul(phi.sigmoid ()).sum([| 1L |], keepdim = true)
                            AutogradProblem(loss, (fun phi -> loss (phi.sub (torch.ones_like phi)))))
                    ] do
                    scoped
                        $"θ, Λ's diagonal and the probes may have requires_grad: no step has a graph, and the bits are the same, {name}"
                        (fun () ->
                            let tasks = drawTasks 5
                            let theta = tasks.Theta.contiguous ()
                            let space = TensorSpace(2, theta)
                            let probe = (normal 9 (sizes theta)).sign()

                            let diagonal =
                                (normal 8 [ 1; int theta.shape[1] ])
                                    .abs()
                                    .add(torch.ones ([| 1L |], torch.float64))
                                    .expand(2L, -1L)
                                    .contiguous()

                            for (what, plain), (_, recording) in
                                List.zip
                                    (strategies space (Func<_, _>(fun _ -> probe)))
                                    (strategies space (Func<_, _>(fun _ -> variable probe))) do
                                let compute (strategy: IMetaGradientStrategy<Tensor, Tensor>) theta lambda =
                                    strategy.Compute(
                                        space,
                                        DiagonalRegularizer<Tensor, Tensor>(coordinates, lambda),
                                        Watched(problem tasks),
                                        theta
                                    )

                                let expected = compute plain theta diagonal
                                let result = compute recording (variable theta) (variable diagonal)
                                unrecorded $"φ of {what}" result.Phi
                                Expect.isFalse result.Gradient.requires_grad $"g of {what}"
                                same expected.Gradient result.Gradient $"g of {what}")

                    scoped
                        $"Algorithm 1 from a θ with requires_grad: no step of any strategy or outer optimiser has a graph, and the bits are the same, {name}"
                        (fun () ->
                            let tasks = drawTasks 5
                            let theta = tasks.Theta.narrow(0, 0, 1).contiguous()
                            let space, one = TensorSpace(2, theta), TensorSpace(1, theta)
                            let probe = (normal 9 (sizes tasks.Theta)).sign()
                            let lambda = ScalarRegularizer<Tensor, Tensor> 1.5
                            let chunks = MetaLearning.chunks space [| Watched(problem tasks); Watched(problem tasks) |]

                            let optimizers: (string * IOuterOptimizer<Tensor, Tensor>) list =
                                [
                                    "descent", GradientDescentOptimizer 0.1
                                    "Adam",
                                    AdamOptimizer<Tensor, Tensor>
                                        .Start(one, coordinates, AdamOptions.Authors, OuterSchedule.Constant 0.1, theta)
                                    "L-BFGS", LbfgsOptimizer<Tensor, Tensor>.Start(one, 2, 0.1)
                                ]

                            let twice strategy optimizer theta =
                                let mutable state = MetaLearning.start optimizer theta

                                for _ in 1..2 do
                                    let struct (next, _) = MetaLearning.step one strategy lambda chunks state
                                    state <- next

                                state.Theta

                            for what, strategy in strategies space (Func<_, _>(fun _ -> probe)) do
                                for by, optimizer in optimizers do
                                    let expected = twice strategy optimizer theta
                                    let result = twice strategy optimizer (variable theta)
                                    Expect.isFalse result.requires_grad $"θ by {what} and {by}"
                                    same expected result $"θ by {what} and {by}")
            ]
    )
