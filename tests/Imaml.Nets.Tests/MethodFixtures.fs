/// Small tasks for the algorithms, and the options of every one, as tests choose them.
module Imaml.Nets.Tests.MethodFixtures

open System
open TorchSharp
open Imaml.Nets.Tensors
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Methods
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
            Pooling = 1
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

/// The algorithms by their names on the command line.
[<RequireQualifiedAccess>]
module Algorithm =
    let ImamlGd, ImamlNesterov, ImamlHeavyBall, ImamlHf =
        "imaml-gd", "imaml-nesterov", "imaml-heavy-ball", "imaml-hf"

    let Maml, Truncated, Fomaml, Reptile, MetaSgd = "maml", "truncated", "fomaml", "reptile", "meta-sgd"

/// What solves (H + Λ)u = v; conjugate gradients where none is chosen.
[<RequireQualifiedAccess>]
type LinearSolverKind =
    | Pcg
    | Minres
    | Neumann

/// What the tests choose of a method; what an algorithm has no use for is left out.
type Options =
    static member Of
        (
            algorithm: string,
            steps: int,
            ?lambda: float,
            ?alpha: float,
            ?linearSteps: int,
            ?momentum: float,
            ?truncate: int,
            ?recompute: bool,
            ?stepSizes: LearnedPer,
            ?linearSolver: LinearSolverKind,
            ?probes: int,
            ?neumannStep: float,
            ?delta: float,
            ?deltaPrime: float,
            ?remedy: CurvatureRemedy,
            ?learnLambda: LearnedPer
        ) : Method =
        let descent = Inner.GradientDescent(steps, Option.toNullable alpha) :> Inner
        let some = Option.toNullable lambda
        let recompute = defaultArg recompute false

        let implicit (inner: Inner) : Method =
            let products = Option.get linearSteps

            let adjoint: Adjoint =
                match linearSolver with
                | None -> Adjoint.ConjugateGradients products
                | Some LinearSolverKind.Pcg -> Adjoint.PreconditionedConjugateGradients(products, Option.get probes)
                | Some LinearSolverKind.Minres -> Adjoint.MinimalResidual products
                | Some LinearSolverKind.Neumann -> Adjoint.NeumannSeries(products, Option.get neumannStep)

            let learned: LearnedLambda | null =
                match learnLambda with
                | Some per -> LearnedLambda(per, 0.1)
                | None -> null

            ImplicitMaml(
                inner,
                Option.get lambda,
                adjoint,
                learned,
                Option.toNullable delta,
                Option.toNullable deltaPrime,
                defaultArg remedy CurvatureRemedy.Truncate
            )

        let method: Method =
            match algorithm with
            | "imaml-gd" -> implicit descent
            | "imaml-nesterov" -> implicit (Inner.Nesterov(steps, Option.get alpha, Option.get momentum))
            | "imaml-heavy-ball" -> implicit (Inner.HeavyBall(steps, Option.get alpha, Option.get momentum))
            | "imaml-hf" -> implicit (Inner.HessianFree(steps, Inner.HessianFree.PaperDirectionSteps))
            | "maml" -> Maml(descent, some, recompute)
            | "truncated" -> TruncatedMaml(descent, Option.get lambda, Option.get truncate)
            | "fomaml" -> FirstOrder(descent, some)
            | "reptile" -> Reptile(descent, some)
            | "meta-sgd" -> MetaSgd(descent, some, defaultArg stepSizes LearnedPer.Parameter, Nullable(), recompute)
            | other -> invalidArg (nameof algorithm) other

        List.ofSeq (method.Complaints()) |> List.map string |> Expecto.Flip.Expect.isEmpty "complaints"
        method.Name |> Expecto.Flip.Expect.equal "name" algorithm
        method

/// What is learned with θ before the first step, or nothing.
let numbersOf (method: Method) (network: Network) =
    method.Learns |> Option.ofObj |> Option.map (fun learned -> learned.Numbers network.LayerSizes)

/// The method at these learned numbers.
let bind (method: Method) (network: Network) like learned = method.Bind(MethodContext(network.LayerSizes, like, learned, 1UL, 0UL))

let compute (method: Method) (drawn: Tasks) (theta: Tensor) =
    let network = drawn.Support.Network

    (bind method network drawn.Like (Option.toObj (numbersOf method network))).Compute(TensorSpace(tasks, theta), drawn.Problem, theta)

let lambda, alpha, steps = 6.0, 0.05, 4

/// Every algorithm with a fixed budget of steps, and every solver with one: none of them needs to read a number during the solve.
let fixedBudgets: (string * Method) list =
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

/// The others read numbers: for a stopping rule, a line search, a remedy, or what is learned with θ.
let lookingBudgets: (string * Method) list =
    [
        "imaml-hf", Options.Of(Algorithm.ImamlHf, steps, lambda, linearSteps = 5)
        "imaml-gd to δ and δ′", Options.Of(Algorithm.ImamlGd, 100, lambda, linearSteps = 50, delta = 1e-2, deltaPrime = 1e-2)
        "imaml-gd, λ raised", Options.Of(Algorithm.ImamlGd, 2, 0.02, alpha, 3, remedy = CurvatureRemedy.RaiseLambda)
        "imaml-gd, Gauss–Newton", Options.Of(Algorithm.ImamlGd, 2, 0.02, alpha, 3, remedy = CurvatureRemedy.GaussNewton)
        "imaml-gd, λ learned for each layer", Options.Of(Algorithm.ImamlGd, steps, lambda, linearSteps = 5, learnLambda = LearnedPer.Layer)
        "meta-sgd", Options.Of(Algorithm.MetaSgd, steps, alpha = alpha)
    ]
