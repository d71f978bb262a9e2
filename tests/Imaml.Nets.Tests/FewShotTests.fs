/// Few-shot tasks under a network as Algorithm 2's bilevel problem: its meta-gradient against a dense solve and against finite differences.
module Imaml.Nets.Tests.FewShotTests

open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open TorchSharp
open Imaml.Math
open Imaml.Nets.Tensors
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

/// Two blocks on 6 × 6 images: 93 parameters, few enough for a dense Hessian.
let private tiny =
    let block =
        {
            Filters = 2
            Stride = 2
            Padding = 1
            Rectified = true
            Pooling = 1
        }

    {
        Input = ImageShape(6, 6, 1)
        Blocks = [ block; block ]
        Ways = 3
    }

/// A λ that is well above the negative curvature of these instances (checked where it matters), and not so large that g is nearly v.
let private lambda = 4.0

/// A support set, and a query set of its own.
type private Tasks =
    {
        Support: Instance
        Query: Instance
    }

    member this.Theta = this.Support.Parameters
    member this.Problem = FewShotProblem(this.Support.Network, this.Support.Data, this.Query.Data)
    member this.Space = TensorSpace(this.Support.Tasks, torch.ScalarType.Float64, torch.CPU)

let private drawTasks seed architecture tasks =
    {
        Support = draw seed architecture tasks 6
        Query = draw (seed + 20) architecture tasks 9
    }

let private only task (tasks: Tasks) =
    let one (instance: Instance) =
        let part (x: Tensor) = x.narrow (0L, int64 task, 1L)

        { instance with
            Parameters = part instance.Parameters
            Images = part instance.Images
            Labels = part instance.Labels
        }

    {
        Support = one tasks.Support
        Query = one tasks.Query
    }

let private metaGradientWith (lambda: float) (tasks: Tasks) innerStep innerSteps cgSteps =
    ImplicitMetaGradient.Compute(
        tasks.Space,
        ScalarRegularizer<Tensor, Tensor> lambda,
        tasks.Problem,
        GradientDescentSolver<Tensor, Tensor>(ConstantStep innerStep, innerSteps),
        ConjugateGradientSolver<Tensor, Tensor>(
            {
                MaxSteps = cgSteps
                RelativeResidual = 1e-14
                CheckEvery = 5
                RecomputeResidual = true
            }
        ),
        Thresholds.None,
        tasks.Theta
    )

let private metaGradient = metaGradientWith lambda

/// ∇²L̂(φ) of every task, column by column.
let private hessians (problem: FewShotProblem) (phi: Tensor) =
    let tasks, d = int phi.shape[0], int phi.shape[1]
    let hessians = Array.init tasks (fun _ -> Matrix<float>.Build.Dense(d, d))
    use linearization = problem.LinearizeInner phi

    for j in 0 .. d - 1 do
        use _ = torch.NewDisposeScope()
        let unit = torch.zeros_like phi
        unit.narrow(1L, int64 j, 1L).fill_((1.0).ToScalar()) |> ignore
        let column = linearization.HessianProduct unit

        for task in 0 .. tasks - 1 do
            hessians[task].SetColumn(j, numbers (row task column))

    hessians

let private spectrum (h: Matrix<float>) =
    let values =
        ((h + h.Transpose()) / 2.0).Evd(Symmetricity.Symmetric).EigenValues.Map(fun value -> value.Real)

    struct (values.Minimum(), values.Maximum())

/// The smallest and the largest eigenvalue of any task's Hessian.
let private extremes problem phi =
    hessians problem phi
    |> Array.map spectrum
    |> Array.reduce (fun (struct (a, b)) (struct (c, d)) -> struct (min a c, max b d))

let private property draws name (body: int -> unit) =
    testPropertyWithConfig (Draws.times draws) name (fun (seed: uint16) ->
        use _ = torch.NewDisposeScope()
        body (int seed))

let private derivatives =
    testList
        "meta-gradient"
        [
            property 4 "it is λ(H + λI)⁻¹v by a dense solve, at the φ that was reached" (fun seed ->
                let tasks = drawTasks seed tiny 2
                let result = metaGradient tasks 0.05 5 200
                let struct (_, v) = tasks.Problem.OuterLossAndGradient result.Phi
                let solves = result.Solve.Read(tasks.Space)

                hessians tasks.Problem result.Phi
                |> Array.iteri (fun task h ->
                    let struct (smallest, largest) = spectrum h
                    smallest + lambda |> should be (greaterThan 0.0)
                    let v = Vector<float>.Build.DenseOfArray(numbers (row task v))
                    let u = (h + lambda * Matrix<float>.Build.DenseIdentity(h.RowCount)).LU().Solve v
                    let g = Vector<float>.Build.DenseOfArray(numbers (row task result.Gradient))
                    // The preconditioner's work shows: g is not v.
                    (g - v).L2Norm() |> should be (greaterThan (0.01 * v.L2Norm()))
                    // u is off by the residual, CG's own and what rounding in H, as an operator or in columns, makes of it, over µ.
                    let h' = max (abs smallest) (abs largest) + lambda

                    let residual =
                        solves[task].RelativeResidual * v.L2Norm() + 2.0 * rounding product tasks.Support * h' * u.L2Norm()

                    near (lambda * residual / (smallest + lambda)) 0.0 ((g - lambda * u).L2Norm()) $"‖g − λu‖, task {task}"))

            // Smooth, since steps of 10⁻⁵ may cross a rectifier's kink.
            property 4 "differences find nothing wrong in its derivatives, for any task" (fun seed ->
                let tasks = drawTasks seed (smooth tiny) 2

                for report in DerivativeCheck.At(tasks.Space, TensorCoordinates(), tasks.Problem, tasks.Theta, 8, seed) do
                    report.Faults |> should be Empty)

            // With θ ↦ Alg*(θ) solved to rounding and no rectifier switching in between, F(t) = L(Alg*(θ + tw)) is smooth, and D(h) with
            // h = 10⁻⁴ errs by about 10⁻⁸; the bound comes from D(2h) − D(h).
            scoped "it is the finite difference of θ ↦ L(Alg*(θ)), exact inner solve, with rectifiers and without" (fun () ->
                for seed, architecture in [ 10, smooth tiny; 730, tiny ] do
                    // So strong a pull to θ that G is convex wherever gradient descent goes (checked by its end).
                    let lambda, steps, h = 20.0, 400, 1e-4

                    let attempt seed =
                        let tasks = drawTasks seed architecture 2
                        let w = normal (seed + 7) (sizes tasks.Theta)

                        let struct (_, largest) = extremes tasks.Problem tasks.Theta
                        let step = 1.0 / (lambda + 3.0 * largest)

                        let at t =
                            let moved =
                                { tasks with
                                    Support =
                                        { tasks.Support with
                                            Parameters = along tasks.Theta w t
                                        }
                                }

                            metaGradientWith lambda moved step steps 200

                        let pattern (result: MetaGradient<Tensor, Tensor>) =
                            [ tasks.Support; tasks.Query ]
                            |> List.map (fun data -> evaluations data result.Phi |> Array.collect (fun one -> one.Pattern))

                        let here = at 0.0

                        // On a kink gradient descent has no point to come to rest at.
                        if (tasks.Space.Read here.InnerGradientNorm |> Array.max) > 1e-10 then
                            None
                        else
                            let around = [ -2.0 * h; -h; h; 2.0 * h ] |> List.map (fun t -> t, at t)

                            if around |> List.forall (fun (_, result) -> pattern result = pattern here) then
                                Some(struct (tasks, w, here, Map around))
                            else
                                None

                    let struct (tasks, w, here, around) =
                        Seq.initInfinite (fun i -> attempt (seed + 100 * i)) |> Seq.truncate 20 |> Seq.pick id

                    let struct (smallest, _) = extremes tasks.Problem here.Phi
                    // ‖φ − φ*‖ ≤ ‖∇G‖/µ
                    let delta = (tasks.Space.Read here.InnerGradientNorm |> Array.max) / (lambda + smallest)
                    lambda + smallest |> should be (greaterThan 0.0)
                    delta |> should be (lessThan 1e-9)
                    let slope = number (here.OuterLoss.norm ())
                    let outerSlope = norm here.Gradient

                    let struct (expected, tolerance) =
                        centralDifference
                            (fun t -> around[t].OuterLoss)
                            h
                            (rounding forward tasks.Query * slope + 10.0 * outerSlope * delta)

                    tolerance |> should be (lessThan (1e-2 * norm expected))
                    let actual = here.Gradient.mul(w).sum([| 1L |], keepdim = true)
                    close (tolerance + 1e-9 * norm expected) expected actual "⟨g, w⟩"
                    // The ordinary gradient of L at φ would not do.
                    let struct (_, v) = tasks.Problem.OuterLossAndGradient here.Phi

                    norm (v.mul(w).sum([| 1L |], keepdim = true).sub expected)
                    |> should be (greaterThan (10.0 * tolerance)))

            property 3 "a batch solves each task as it would alone" (fun seed ->
                let tasks = drawTasks seed tiny 3
                let together = metaGradient tasks 0.05 6 8
                let solves = together.Solve.Read(tasks.Space)

                for task in 0..2 do
                    let one = only task tasks
                    let alone = metaGradient one 0.05 6 8
                    let part (x: Tensor) = x.narrow (0L, int64 task, 1L)
                    // Six gradients and eight products, each with the rounding of its own; a step of CG magnifies what came before by at
                    // most its condition number.
                    let ritz = solves[task].RitzValues
                    let condition = Array.last ritz / ritz[0]
                    let tolerance = 14.0 * condition * rounding product one.Support
                    agree tolerance (part together.Phi) alone.Phi $"φ, task {task}"
                    agree tolerance (part together.Gradient) alone.Gradient $"g, task {task}"
                    agree tolerance (part together.OuterLoss) alone.OuterLoss $"L, task {task}"
                    agree tolerance (part together.InnerLoss) alone.InnerLoss $"L̂, task {task}"
                    let statistics = alone.Solve.Read(one.Space)
                    statistics[0].Steps |> should equal solves[task].Steps)
        ]

let private accuracy =
    testList
        "accuracy"
        [
            scoped "parameters and directions of another type than the images' are refused" (fun () ->
                let tasks = drawTasks 3 tiny 2
                let problem = tasks.Problem :> IBilevelProblem<Tensor, Tensor>
                let single = tasks.Theta.to_type torch.float32
                let refused (part: string) action = Expect.throwsC action (fun e -> e.Message |> should haveSubstring part)

                (fun () -> problem.InnerLoss single |> ignore)
                |> refused "parameters must be Float64 on cpu, as the images are, not Float32 on cpu"

                (fun () -> problem.OuterLossAndGradient single |> ignore) |> refused "parameters must be Float64"
                use linearization = problem.LinearizeInner tasks.Theta

                (fun () -> linearization.HessianProduct single |> ignore)
                |> refused "a direction must be [2, 93] in Float64, not [2, 93] in Float32"

                (fun () -> linearization.HessianProduct(tasks.Theta.narrow (1L, 0L, 5L)) |> ignore)
                |> refused "a direction must be [2, 93] in Float64, not [2, 5]")

            scoped "it is the share of query images whose largest logit has their label" (fun () ->
                let tasks = drawTasks 3 tiny 2
                let logits = tasks.Problem.QueryLogits tasks.Theta

                let expected =
                    Array.init 2 (fun task ->
                        Array.averageBy
                            (fun image ->
                                let scores = numbers (logits[int64 task][int64 image])
                                let best = Array.findIndex ((=) (Array.max scores)) scores
                                let label = numbers ((row task tasks.Query.Labels)[int64 image])
                                if float best = label[0] then 1.0 else 0.0)
                            [| 0..8 |])

                let problem = tasks.Problem
                Array.iter2 (fun e a -> near epsilon e a "accuracy") expected (problem.QueryAccuracy tasks.Theta))
        ]

[<Tests>]
let tests = testSequenced (testList "Few-shot problem" [ derivatives; accuracy ])
