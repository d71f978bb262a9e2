/// Small tasks for the algorithms, and the options of every one, as tests choose them.
module Imaml.Nets.Tests.MethodFixtures

open System
open TorchSharp
open Imaml.Nets.Tensors
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Methods
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.Tensors

/// Two blocks on 6 × 6 images without a kink: 93 parameters.
let tiny =
    let block =
        {
            Filters = 2
            Stride = 2
            Padding = 1
            Rectified = false
        }

    {
        Input = ImageShape(6, 6, 1)
        Blocks = [ block; block ]
        Ways = 3
    }

let tasks = 2

/// A support set, a query set of its own, and one θ for both tasks.
type Tasks =
    {
        Support: Instance
        Query: Instance
        /// [1, d]
        Like: Tensor
    }

    member this.Theta = this.Like.expand (int64 tasks, -1L)
    member this.Problem = FewShotProblem(this.Support.Network, this.Support.Data, this.Query.Data)

let drawTasks seed =
    let support = draw seed tiny tasks 6

    {
        Support = support
        Query = draw (seed + 20) tiny tasks 9
        Like = support.Parameters.narrow (0L, 0L, 1L)
    }

/// What the tests choose of a run's options; what an algorithm has no use for is left out.
type Options =
    static member Of
        (
            algorithm,
            steps: int,
            ?lambda: float,
            ?alpha: float,
            ?linearSteps,
            ?momentum: float,
            ?truncate,
            ?recompute,
            ?stepSizes,
            ?linearSolver,
            ?probes,
            ?neumannStep: float,
            ?delta: float,
            ?deltaPrime: float,
            ?remedy,
            ?learnLambda
        ) =
        let options =
            TrainingOptions(
                Dataset = "none",
                Split = "none",
                ValidationClasses = 0,
                Ways = 3,
                Shots = 2,
                Queries = 3,
                Algorithm = algorithm,
                MetaSteps = 1,
                MetaBatch = tasks,
                InnerSteps = steps,
                Lambda = Option.toNullable lambda,
                NoProximal = (lambda.IsNone),
                InnerStepSize = Option.toNullable alpha,
                CgSteps = Option.toNullable linearSteps,
                Momentum = Option.toNullable momentum,
                Truncate = Option.toNullable truncate,
                Recompute = defaultArg recompute false,
                StepSizes = Option.toNullable stepSizes,
                LinearSolver = Option.toNullable linearSolver,
                Probes = Option.toNullable probes,
                NeumannStep = Option.toNullable neumannStep,
                Delta = Option.toNullable delta,
                DeltaPrime = Option.toNullable deltaPrime,
                OnNegativeCurvature = Option.toNullable remedy,
                LearnLambda = Option.toNullable learnLambda,
                LambdaRate = Option.toNullable (learnLambda |> Option.map (fun _ -> 0.1)),
                OuterRate = 1e-2,
                OuterSchedule = OuterSchedule.Constant,
                Filters = 2,
                Seed = 1UL,
                Threads = 1
            )

        options.Validate()
        options

/// What is learned beside θ before the first step, or nothing.
let numbersOf (options: TrainingOptions) network =
    Method.Start(options, network) |> Option.ofObj |> Option.map (fun learned -> learned.Numbers)

let compute (options: TrainingOptions) (drawn: Tasks) (theta: Tensor) =
    let network = drawn.Support.Network

    Method
        .Create(options, network, drawn.Like, Option.toObj (numbersOf options network), 0UL)
        .Compute(TensorSpace(tasks, theta), drawn.Problem, theta)

let lambda, alpha, steps = 6.0, 0.05, 4

/// Every algorithm with a fixed budget of steps, and every solver with one: none of them needs to look at a number on its way.
let fixedBudgets: (string * TrainingOptions) list =
    let implicit algorithm = Options.Of(algorithm, steps, lambda, linearSteps = 5)
    let solvedBy solver = Options.Of(Algorithm.ImamlGd, steps, lambda, linearSteps = 5, linearSolver = solver)

    [
        "imaml-gd, measured steps", implicit Algorithm.ImamlGd
        "imaml-gd, a fixed step", Options.Of(Algorithm.ImamlGd, steps, lambda, alpha, 5)
        "imaml-nesterov", Options.Of(Algorithm.ImamlNesterov, steps, lambda, alpha, 5, 0.5)
        "imaml-heavy-ball", Options.Of(Algorithm.ImamlHeavyBall, steps, lambda, alpha, 5, 0.5)
        "imaml-gd by pcg", Options.Of(Algorithm.ImamlGd, steps, lambda, linearSteps = 5, linearSolver = LinearSolverKind.Pcg, probes = 3)
        "imaml-gd by MINRES", solvedBy LinearSolverKind.Minres
        "imaml-gd by a Neumann series",
        Options.Of(Algorithm.ImamlGd, steps, lambda, linearSteps = 5, linearSolver = LinearSolverKind.Neumann, neumannStep = 0.05)
        "maml", Options.Of(Algorithm.Maml, steps, alpha = alpha)
        "maml, with the proximal term", Options.Of(Algorithm.Maml, steps, lambda, alpha)
        "maml, recomputed", Options.Of(Algorithm.Maml, steps, alpha = alpha, recompute = true)
        "truncated", Options.Of(Algorithm.Truncated, steps, lambda, alpha, truncate = 2)
        "fomaml", Options.Of(Algorithm.Fomaml, steps, alpha = alpha)
        "fomaml, measured steps", Options.Of(Algorithm.Fomaml, steps, lambda)
        "reptile", Options.Of(Algorithm.Reptile, steps, alpha = alpha)
    ]

/// The others look at numbers: for a stopping rule, a line search, a remedy, or what is learned beside θ.
let lookingBudgets: (string * TrainingOptions) list =
    [
        "imaml-hf", Options.Of(Algorithm.ImamlHf, steps, lambda, linearSteps = 5)
        "imaml-gd to δ and δ′", Options.Of(Algorithm.ImamlGd, 100, lambda, linearSteps = 50, delta = 1e-2, deltaPrime = 1e-2)
        "imaml-gd, λ raised", Options.Of(Algorithm.ImamlGd, 2, 0.02, alpha, 3, remedy = CurvatureRemedy.RaiseLambda)
        "imaml-gd, Gauss–Newton", Options.Of(Algorithm.ImamlGd, 2, 0.02, alpha, 3, remedy = CurvatureRemedy.GaussNewton)
        "imaml-gd, λ learned for each layer", Options.Of(Algorithm.ImamlGd, steps, lambda, linearSteps = 5, learnLambda = LearnedPer.Layer)
        "meta-sgd", Options.Of(Algorithm.MetaSgd, steps, alpha = alpha)
    ]
