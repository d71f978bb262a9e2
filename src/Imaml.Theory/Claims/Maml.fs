// MAML's derivative in closed form. Constant H, M = H + Λ, T steps of length α of gradient descent from θ:
//
//     J_T = M⁻¹Λ + (I − αM)ᵀ(I − M⁻¹Λ)                  T a power: from I at T = 0 to Lemma 1's Jacobian
//
// and for any H the recurrences at the head of Unrolled.fs, with and without momentum. g = J_Tᵀ∇L(φ_T).

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Maml =

    let private space = RegularizedTask.space

    let private compute (strategy: IMetaGradientStrategy<Vector<float>, float>) (t: RegularizedTask) : MetaGradient<Vector<float>, float> =
        strategy.Compute(space, t.Regularizer, t.Problem, t.Task.Theta)

    let private seedOf (random: System.Random) = random.Next 144

    /// g of the core in reverse mode against ΛM⁻¹v + (I − ΛM⁻¹)w with w = (I − αM)ᵀv, T a power, M at φ_T.
    let private closedFormMargin (momentum: Momentum) (t: RegularizedTask) random =
        let options =
            { DescentPath.options 0.9 (seedOf random) t.Task with
                Momentum = momentum
            }

        let result = compute (UnrolledStrategy options) t
        let phi = result.Phi
        let v = t.Task.Outer.Gradient phi
        let shifted = BilevelTask.shiftedHessian t.Task phi
        let implicit (w: Vector<float>) = Proximal.apply t.Task.Proximal (shifted.Cholesky().Solve w)
        let w = DescentPath.contraction { t.Task with Theta = phi } options options.Steps * v
        let expected = implicit v + w - implicit w

        let bound =
            (DescentPath.full t.Task options).GradientError
            + DescentPath.solveError t.Task options (2.0 * v.L2Norm())

        Claim.margin ((result.Gradient - expected).L2Norm()) bound

    /// g of the core in reverse mode against the recurrence of `stated` momentum.
    let private recurrenceMargin (stated: Momentum -> Momentum) (t: RegularizedTask) (random: System.Random) =
        let options = DescentPath.options (0.5 + random.NextDouble()) (seedOf random) t.Task
        let result = compute (UnrolledStrategy options) t

        let path =
            DescentPath.full
                t.Task
                { options with
                    Momentum = stated options.Momentum
                }

        Claim.margin ((result.Gradient - path.Gradient).L2Norm()) path.GradientError

    let private forwardMargin (t: RegularizedTask) (random: System.Random) =
        let options = DescentPath.options (0.5 + random.NextDouble()) (seedOf random) t.Task
        let reverse = compute (UnrolledStrategy options) t
        let forward = compute (ForwardModeStrategy(EuclideanCoordinates(), options)) t
        let path = DescentPath.full t.Task options
        // Each is within the error of the other's recurrence.
        Claim.margin ((reverse.Gradient - forward.Gradient).L2Norm()) (2.0 * path.GradientError)

    let private recomputedMargin (t: RegularizedTask) (random: System.Random) =
        let options = DescentPath.options (0.5 + random.NextDouble()) (seedOf random) t.Task
        let stored = compute (UnrolledStrategy options) t
        let recomputed = compute (UnrolledStrategy(options, Recompute)) t
        Claim.margin ((recomputed.Gradient - stored.Gradient).L2Norm()) 0.0

    let private pathMargin (t: RegularizedTask) (random: System.Random) =
        let options = DescentPath.options (0.5 + random.NextDouble()) (seedOf random) t.Task

        let inner =
            GradientDescent.accelerated
                (ConstantStep options.Step)
                options.Momentum
                options.Steps
                0
                space
                t.Regularizer
                t.Problem
                t.Task.Theta
                t.Task.Theta
                0.0

        let result = compute (UnrolledStrategy options) t
        Claim.margin ((result.Phi - inner.Phi).L2Norm()) (DescentPath.full t.Task options).PhiError

    /// 0 where the status of φ_T is what it should be: not finite after steps of 10³⁰⁰, finite after steps below 1/β.
    let private statusMargin (t: RegularizedTask) (random: System.Random) =
        let status step =
            let options =
                { DescentPath.options 0.9 (seedOf random) t.Task with
                    Step = step
                    Steps = 4
                }

            ((compute (UnrolledStrategy options) t).Inner.Read space)[0]

        let far, near = status 1e300, status (0.9 / (BilevelTask.constants t.Task).Smoothness)

        let right =
            far.Status = InnerStatus.NonFinite
            && near.Status = InnerStatus.StepLimit
            && near.Steps = 4
            && near.Gradients = 4

        Claim.margin (if right then 0.0 else 1.0) 0.0

    let private constant = [ Quadratics; LinearRegressions ]
    let private kinds = ", every kind of Λ"
    let private some = Instances.count 48 480

    let claims: Claim list =
        [
            {
                Source = "Table 1, MAML"
                Statement = "J_T = M⁻¹Λ + (I − αM)ᵀ(I − M⁻¹Λ), T a power"
                Hypotheses = "H is constant, gradient descent without momentum"
                Families = Instances.names constant + kinds
                Measured = "‖g − J_Tᵀ∇L(φ_T)‖"
                Bound = "rounding of T steps, and of the dense solve"
                Instances = RegularizedTask.each 10000 constant some (closedFormMargin NoMomentum)
                Violations =
                    [|
                        Violation.breaks
                            "H constant: that of logistic regression at φ_T"
                            (RegularizedTask.each 10000 [ LogisticRegressions ] some (closedFormMargin NoMomentum))
                        Violation.breaks
                            "no momentum: heavy ball"
                            (RegularizedTask.each 10000 constant some (closedFormMargin (HeavyBall 0.75)))
                    |]
            }
            {
                Source = "Table 1, MAML"
                Statement = "g = J_Tᵀ∇L(φ_T), J_T by the recurrence of its momentum with H where the gradient is taken"
                Hypotheses = "L̂ is twice differentiable"
                Families = Instances.names Family.all + kinds
                Measured = "‖g − J_Tᵀ∇L(φ_T)‖"
                Bound = "rounding of T steps"
                Instances = RegularizedTask.each 10500 Family.all some (recurrenceMargin id)
                Violations =
                    [|
                        Violation.breaks
                            "the momentum's own recurrence: Nesterov's for heavy ball"
                            (RegularizedTask.each
                                10500
                                Family.all
                                some
                                (recurrenceMargin (fun momentum ->
                                    match momentum with
                                    | HeavyBall b -> Nesterov b
                                    | other -> other)))
                    |]
            }
            Claim.create
                "Table 1, MAML"
                "reverse mode and forward mode give one gradient"
                "L̂ is twice differentiable"
                (Instances.names Family.all + kinds)
                "the distance of the two"
                "rounding of T steps"
                (RegularizedTask.each 11000 Family.all some forwardMargin)
                [||]
            Claim.create
                "Table 1, MAML"
                "recomputing the iterates between checkpoints changes no bit of the gradient"
                "L̂ is twice differentiable"
                (Instances.names Family.all + kinds)
                "the distance from the gradient with all iterates stored"
                "0"
                (RegularizedTask.each 11200 Family.all some recomputedMargin)
                [||]
            Claim.create
                "Table 1, MAML"
                "the path that is differentiated is the inner solver's"
                "a constant step"
                (Instances.names Family.all + kinds)
                "the distance of the two φ_T"
                "rounding of T steps"
                (RegularizedTask.each 11500 Family.all some pathMargin)
                [||]
            Claim.create
                "Table 1, MAML"
                "a path that diverges is reported as not finite, and one that does not as its T steps"
                "none"
                (Instances.names Family.all + kinds)
                "0 where the report is right, 1 where it is wrong"
                "0"
                (RegularizedTask.each 11800 Family.all (Instances.count 12 120) statusMargin)
                [||]
        ]
