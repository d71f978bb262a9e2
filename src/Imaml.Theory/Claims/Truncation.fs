// Truncated back-propagation is a Neumann series. Constant H, M = H + Λ, K of the T steps differentiated, gradient descent:
//
//     g = αΛ Σₖ₌₀ᴷ⁻¹ (I − αM)ᵏ v = ΛM⁻¹[I − (I − αM)ᴷ]v,      ‖g − ΛM⁻¹v‖ ≤ (‖Λ‖/µ)(1 − αµ)ᴷ‖v‖ for α ≤ 1/β
//
// with v = ∇L(φ_T). For any H and any momentum it is the recurrence of MAML from J_{T−K} = 0.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Truncation =

    let private space = RegularizedTask.space

    /// K from 1 to T.
    let private keptOf (random: Random) (options: UnrolledOptions) = random.Next(1, options.Steps + 1)

    let private plain share (random: Random) (t: RegularizedTask) =
        { DescentPath.options share (random.Next 144) t.Task with
            Momentum = NoMomentum
        }

    let private compute (options: UnrolledOptions) kept (t: RegularizedTask) =
        (TruncatedStrategy(options, kept) :> IMetaGradientStrategy<_, _>).Compute(space, t.Regularizer, t.Problem, t.Task.Theta)

    /// Against the core's Neumann series of K terms, at φ_T.
    let private seriesMargin (momentum: Momentum) (t: RegularizedTask) (random: Random) =
        let options =
            { plain (0.5 + random.NextDouble()) random t with
                Momentum = momentum
            }

        let kept = keptOf random options
        let result = compute options kept t
        use linearization = t.Problem.LinearizeInner result.Phi

        let series =
            let solver: ILinearSolver<_, _> = NeumannSolver(options.Step, LinearSolveOptions.FixedBudget kept)
            solver.Solve(space, AdjointSolve.operator space t.Regularizer linearization, t.Task.Outer.Gradient result.Phi, 0.0)

        // The series rounds as the path does, and once more by 1/‖v‖ and back.
        let error = (DescentPath.last kept t.Task options).GradientError
        Claim.margin ((result.Gradient - t.Regularizer.Apply(space, series.Solution)).L2Norm()) (2.0 * error)

    /// Against ΛM⁻¹[I − (I − αM)ᴷ]v with dense matrices, M at φ_T.
    let private closedFormMargin (t: RegularizedTask) (random: Random) =
        let options = plain (0.5 + random.NextDouble()) random t
        let kept = keptOf random options
        let result = compute options kept t
        let v = t.Task.Outer.Gradient result.Phi
        let power = DescentPath.contraction { t.Task with Theta = result.Phi } options kept
        let shifted = BilevelTask.shiftedHessian t.Task result.Phi
        let expected = Proximal.apply t.Task.Proximal (shifted.Cholesky().Solve(v - power * v))

        let bound =
            (DescentPath.last kept t.Task options).GradientError
            + DescentPath.solveError t.Task options (2.0 * v.L2Norm())

        Claim.margin ((result.Gradient - expected).L2Norm()) bound

    /// The distance from ΛM⁻¹v against its bound, with steps of `share`/β, φ_T's Hessian taken for the constant one.
    let private errorMargin share (t: RegularizedTask) (random: Random) =
        let options = plain share random t
        let kept = keptOf random options
        let result = compute options kept t
        let v = t.Task.Outer.Gradient result.Phi
        let c = BilevelTask.constants t.Task
        let error = (result.Gradient - BilevelTask.implicitGradient t.Task result.Phi).L2Norm()

        let rounding =
            (DescentPath.last kept t.Task options).GradientError
            + DescentPath.solveError t.Task options (2.0 * v.L2Norm())

        // 1 − αµ as computed is off by two roundings of 1.
        let rate = 1.0 - options.Step * c.StrongConvexity + 2.0 * Rounding.unit
        Claim.margin error (c.Contraction * pown rate kept * v.L2Norm() + rounding)

    /// Against the recurrence from J_{T−K} = 0, any H and momentum.
    let private recurrenceMargin (t: RegularizedTask) (random: Random) =
        let options = DescentPath.options (0.5 + random.NextDouble()) (random.Next 144) t.Task
        let kept = keptOf random options
        let result = compute options kept t
        let path = DescentPath.last kept t.Task options
        Claim.margin ((result.Gradient - path.Gradient).L2Norm()) path.GradientError

    let private constant = [ Quadratics; LinearRegressions ]
    let private some = Instances.count 48 480
    let private each first families margin = RegularizedTask.each first families some margin

    let private check statement hypotheses families measured bound instances violations : Claim =
        Claim.create
            "Table 1, truncation"
            statement
            hypotheses
            (Instances.names families + ", every kind of Λ")
            measured
            bound
            instances
            violations

    let claims: Claim list =
        [
            check
                "K steps of truncated back-propagation are K terms of the Neumann series"
                "H is constant, gradient descent without momentum"
                constant
                "the distance from the core's Neumann series"
                "rounding of K steps"
                (each 12000 constant (seriesMargin NoMomentum))
                [|
                    Violation.breaks
                        "H constant: that of logistic regression at φ_T"
                        (each 12000 [ LogisticRegressions ] (seriesMargin NoMomentum))
                    Violation.breaks "no momentum: Nesterov's" (each 12000 constant (seriesMargin (Nesterov 0.75)))
                |]
            check
                "K steps of truncated back-propagation give ΛM⁻¹[I − (I − αM)ᴷ]v"
                "H is constant, gradient descent without momentum"
                constant
                "the distance from the closed form, with dense matrices"
                "rounding of K steps, and of the dense solves"
                (each 12500 constant closedFormMargin)
                [||]
            check
                "K steps of truncated back-propagation are off by at most (‖Λ‖/µ)(1 − αµ)ᴷ‖v‖"
                "H is constant, α ≤ 1/β"
                constant
                "‖g − Λ(H+Λ)⁻¹v‖"
                "(‖Λ‖/µ)(1 − αµ)ᴷ‖v‖"
                (each 13000 constant (errorMargin 0.99))
                [|
                    Violation.breaks "α ≤ 1/β: α = 2.5/β" (each 13000 constant (errorMargin 2.5))
                    Violation.survives "H constant: that of logistic regression" (each 13000 [ LogisticRegressions ] (errorMargin 0.99))
                |]
            check
                "truncated back-propagation is MAML's recurrence from J_{T−K} = 0"
                "L̂ is twice differentiable"
                Family.all
                "‖g − J_Tᵀ∇L(φ_T)‖"
                "rounding of T steps"
                (each 13500 Family.all recurrenceMargin)
                [||]
        ]
