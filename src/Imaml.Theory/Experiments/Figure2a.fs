// Figure 2(a): how far the meta-gradients of MAML and of iMAML are from the exact one, against the number of inner steps.
//
//     exact-solve error         ‖g − d_θL(Alg*(θ))‖ / ‖d_θL(Alg*(θ))‖          (Definition 3)
//     approximate-solve error   ‖g − d_θL(Alg(θ))‖ / ‖d_θL(Alg*(θ))‖           Alg(θ) the iterate, differentiated itself
//
// Both for every method: MAML's is 0 in the second sense by construction, and never in the first. Added to the paper's curves are truncated
// back-propagation, Nesterov's inner solver, what each point costs, and the certificate of every implicit meta-gradient.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// A way to the meta-gradient, with its budget apart from the inner steps.
type Figure2aMethod =
    /// Back-propagation through all steps of gradient descent.
    | Maml = 0
    /// The same with Nesterov's inner solver.
    | MamlNesterov = 1
    /// Back-propagation through the last 10 steps of gradient descent.
    | Truncated10 = 2
    /// Through the last half of the steps.
    | TruncatedHalf = 3
    /// Gradient descent, and 2 steps of conjugate gradients.
    | Imaml2 = 4
    | Imaml5 = 5
    | Imaml10 = 6
    /// Nesterov's inner solver, and 5 steps of conjugate gradients.
    | Imaml5Nesterov = 7

/// One method on one problem after a number of inner steps. Errors are relative to the norm of the exact meta-gradient.
type Figure2aPoint =
    {
        /// The problem's number, from 0, and the seed that replays it.
        Problem: int
        ProblemSeed: int
        Method: Figure2aMethod
        InnerSteps: int
        /// ‖g − d_θL(Alg*(θ))‖ (Definition 3)
        ExactSolveError: float
        /// ‖g − d_θL(Alg(θ))‖
        ApproximateSolveError: float
        /// The bound on ExactSolveError that the core computes without knowing the exact solution; not a number for methods without one.
        Certificate: float
        /// By how much ExactSolveError may be off, because the exact meta-gradient is computed too: its own certificate.
        ExactRounding: float
        /// Evaluations of ∇L̂, and Hessian–vector products.
        Gradients: int
        HessianProducts: int
    }

    /// Gradients and Hessian–vector products together: the unit of Table 1.
    member p.Work = p.Gradients + p.HessianProducts

[<RequireQualifiedAccess>]
module Figure2a =

    /// The numbers of inner steps; the last is 20κ, after which gradient descent's (1 − 1/κ)ᵀ is 2·10⁻⁹.
    let innerSteps =
        [|
            1
            2
            3
            5
            7
            10
            15
            20
            30
            50
            70
            100
            150
            200
            300
            500
            700
            1000
            1500
            2000
        |]

    /// All methods, in the order of a legend.
    let methods = Enum.GetValues<Figure2aMethod>()

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    /// Steps of conjugate gradients; 0 for a method that solves no system.
    let linearSteps meth =
        match meth with
        | Figure2aMethod.Imaml2 -> 2
        | Figure2aMethod.Imaml5
        | Figure2aMethod.Imaml5Nesterov -> 5
        | Figure2aMethod.Imaml10 -> 10
        | _ -> 0

    let private isAccelerated meth = meth = Figure2aMethod.MamlNesterov || meth = Figure2aMethod.Imaml5Nesterov

    /// The method as a strategy of the core, with this many inner steps on this task, in any space.
    let strategy (space: IInnerProductSpace<'V, 'S>) (task: BilevelTask) meth steps : IMetaGradientStrategy<'V, 'S> =
        let path = Figure2aProblem.path task (isAccelerated meth) steps

        match meth with
        | Figure2aMethod.Maml
        | Figure2aMethod.MamlNesterov -> UnrolledStrategy path
        | Figure2aMethod.Truncated10 -> TruncatedStrategy(path, min 10 steps)
        | Figure2aMethod.TruncatedHalf -> TruncatedStrategy(path, (steps + 1) / 2)
        | _ ->
            ImplicitStrategy(
                GradientDescentSolver(ConstantStep path.Step, path.Momentum, steps, 0),
                ConjugateGradientSolver(LinearSolveOptions.FixedBudget(linearSteps meth)),
                Thresholds.None
            )

    /// The relative errors, certificate and cost of one method on a task whose exact meta-gradient is known.
    let private measure (task: BilevelTask) (exact: Vector<float>) (jacobian: Matrix<float>) meth steps point : Figure2aPoint =
        let result =
            (strategy space task meth steps).Compute(space, Proximal.regularizer task.Proximal, BilevelTask.problem task, task.Theta)

        let size = exact.L2Norm()
        let ofIterate = jacobian.TransposeThisAndMultiply(task.Outer.Gradient result.Phi)
        let cost = (result.Cost(space))[0]

        { point with
            Method = meth
            InnerSteps = steps
            ExactSolveError = (result.Gradient - exact).L2Norm() / size
            ApproximateSolveError = (result.Gradient - ofIterate).L2Norm() / size
            Certificate =
                if linearSteps meth > 0 then
                    (Theorem1Accounts.certificate task result.Phi result.Solve.Solution).Total / size
                else
                    nan
            Gradients = cost.Gradients
            HessianProducts = cost.HessianProducts
        }

    /// These methods and numbers of inner steps on one task.
    let onTask (task: BilevelTask) (methods: Figure2aMethod[]) (innerSteps: int[]) : Figure2aPoint[] =
        let exactPhi = BilevelTask.exactSolution task task.Theta
        let exactU = BilevelTask.adjoint task exactPhi
        let exact = Proximal.apply task.Proximal exactU

        let start =
            {
                Problem = 0
                ProblemSeed = 0
                Method = Figure2aMethod.Maml
                InnerSteps = 0
                ExactSolveError = nan
                ApproximateSolveError = nan
                Certificate = nan
                ExactRounding = (Theorem1Accounts.certificate task exactPhi exactU).Total / exact.L2Norm()
                Gradients = 0
                HessianProducts = 0
            }

        let jacobians =
            [| false; true |]
            |> Array.map (fun fast -> Figure2aProblem.iterateJacobians task fast (Array.max innerSteps))

        [|
            for meth in methods do
                let jacobians = jacobians[if isAccelerated meth then 1 else 0]

                for steps in innerSteps do
                    measure task exact jacobians[steps - 1] meth steps start
        |]

    /// The seeds of the problems of an experiment.
    let problemSeeds (seed: int) (problems: int) : int[] =
        if problems < 1 then
            invalidArg (nameof problems) $"the number of problems must be at least 1, not {problems}"

        let random = Random seed
        Array.init problems (fun _ -> random.Next())

    /// All methods and numbers of inner steps on one problem. Cost: about 50,000 gradients and Hessian–vector products.
    let problem (number: int) (problemSeed: int) : Figure2aPoint[] =
        onTask (Figure2aProblem.task problemSeed) methods innerSteps
        |> Array.map (fun point ->
            { point with
                Problem = number
                ProblemSeed = problemSeed
            })
