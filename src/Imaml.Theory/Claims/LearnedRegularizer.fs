// The gradient in Λ of F(Λ) = L(Alg*(θ; Λ)), along every kind's own directions D:
//
//     dF = −uᵀD(φ* − θ),   u = (H + Λ)⁻¹∇L(φ*)
//
// against a central difference. Its truncation error is derived: with w = φ* − θ and ‖D‖ = 1, differentiating ∇L̂(φ) + Λ(t)(φ − θ) = 0 once,
// twice and three times in t bounds ‖φ′‖ ≤ ‖w‖/µ = p₁, ‖φ″‖ ≤ (ρp₁² + 2p₁)/µ = p₂, ‖φ‴‖ ≤ (τp₁³ + 3ρp₁p₂ + 3p₂)/µ = p₃, and with them
// |F‴| ≤ ρ_L p₁³ + 3Lp₁p₂ + Bp₃. Between the two ends µ falls by at most h, and w and ∇L move by hp₁ and hLp₁.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module LearnedRegularizer =

    let private space = RegularizedTask.space

    let private exact: IInnerSolver<Vector<float>, float> = ExactInnerSolver(EuclideanCoordinates(), 50)

    let private short (t: RegularizedTask) : IInnerSolver<Vector<float>, float> =
        GradientDescentSolver(ConstantStep(1.0 / (BilevelTask.constants t.Task).Smoothness), 3)

    /// Algorithm 2 with a dense solve.
    let private implicit (inner: IInnerSolver<Vector<float>, float>) (t: RegularizedTask) =
        ImplicitMetaGradient.Compute(
            space,
            t.Regularizer,
            t.Problem,
            inner,
            DenseSolver<Vector<float>, float>(EuclideanCoordinates()),
            Thresholds.None,
            t.Task.Theta
        )

    let private reptile (t: RegularizedTask) =
        (ReptileStrategy(exact, 0.0) :> IMetaGradientStrategy<_, _>).Compute(space, t.Regularizer, t.Problem, t.Task.Theta)

    /// dF along D from a meta-gradient, against (F(Λ + hD) − F(Λ − hD))/2h.
    let private differenceMargin (metaGradient: RegularizedTask -> MetaGradient<Vector<float>, float>) (t: RegularizedTask) _ =
        let c = BilevelTask.constants t.Task
        let h = 1e-4 * c.StrongConvexity
        let phi = BilevelTask.exactSolution t.Task t.Task.Theta
        let v = t.Task.Outer.Gradient phi

        // F, and what it may be off by: the solution's error by its certificate, and rounding of terms of this size.
        let value sign =
            let task =
                { t.Task with
                    Proximal = t.At(sign * h)
                }

            let phi = BilevelTask.exactSolution task task.Theta
            let distance = (Theorem1Accounts.certificate task phi (BilevelTask.adjoint task phi)).InnerError
            let loss = task.Outer.Value phi
            let slope = (task.Outer.Gradient phi).L2Norm()

            let size =
                abs loss
                + (task.Outer.Gradient(0.0 * phi)).L2Norm() * phi.L2Norm()
                + c.OuterSmoothness * phi.L2Norm() ** 2.0

            struct (loss,
                    8.0 * (float phi.Count + 30.0) * Rounding.unit * size
                    + slope * distance
                    + c.OuterSmoothness * distance * distance)

        let struct (above, errorAbove) = value 1.0
        let struct (below, errorBelow) = value -1.0
        let mu = c.StrongConvexity - h
        // One per cent for what w and ∇L change by between the ends: h/µ of it is 10⁻⁴.
        let first = 1.01 * (phi - t.Task.Theta).L2Norm() / mu
        let second = (c.HessianLipschitz * first * first + 2.0 * first) / mu

        let third =
            (t.Task.Inner.ThirdDerivativeLipschitz * first ** 3.0
             + 3.0 * c.HessianLipschitz * first * second
             + 3.0 * second)
            / mu

        let slope = v.L2Norm() + c.OuterSmoothness * h * first

        let truncation =
            h * h / 6.0
            * (t.Task.Outer.HessianLipschitz * first ** 3.0
               + 3.0 * c.OuterSmoothness * first * second
               + slope * third)

        // u and φ are themselves known to rounding: u by a dense solve, φ to its certificate, which moves u by (L + ρ‖u‖)/µ of it.
        let u = BilevelTask.adjoint t.Task phi
        let d = float phi.Count
        let bound = Theorem1Accounts.certificate t.Task phi u
        let away = (phi - t.Task.Theta).L2Norm()

        let own =
            2.0 * (bound.Total / c.LargestRegularization * c.Condition * away + u.L2Norm() * bound.InnerError)
            + Rounding.gamma (4 * int d * (int d + 10)) * c.Condition * u.L2Norm() * away

        Claim.margin
            (abs (t.SlopeOf(metaGradient t) - (above - below) / (2.0 * h)))
            (truncation + (errorAbove + errorBelow) / (2.0 * h) + own)

    /// The gradient made of u = Λ⁻¹g and of the solver's own u.
    let private solutionMargin (t: RegularizedTask) _ =
        let result = implicit exact t
        let away = result.Phi - t.Task.Theta
        let u = result.Solve.Solution
        let struct (smallest, largest) = Proximal.enclosure t.Task.Proximal
        // Λ and then its inverse, by Cholesky at worst: κ(Λ) of 4d(d + 10) roundings; and the inner product.
        let d = away.Count

        let rounding =
            Rounding.gamma (4 * d * (d + 10))
            * (largest / smallest)
            * u.L2Norm()
            * away.L2Norm()
            * sqrt (float d)

        Claim.margin (abs (t.SlopeOf result - t.SlopeFrom away u)) rounding

    let private some = Instances.count 48 480
    let private families = Instances.names Family.all + ", every kind of Λ"

    let claims: Claim list =
        [
            {
                Source = "Learned Λ"
                Statement = "dL = −uᵀdΛ(φ* − θ) agrees with finite differences of L(Alg*(θ; Λ))"
                Hypotheses = "φ = Alg*(θ), u = Λ⁻¹g, G is µ-strongly convex"
                Families = families
                Measured = "the slope along a random direction less its central difference"
                Bound = "the truncation error of the difference, and the error of each value"
                Instances = RegularizedTask.each 17000 Family.all some (differenceMargin (implicit exact))
                Violations =
                    [|
                        Violation.breaks
                            "φ = Alg*(θ): φ after three steps"
                            (RegularizedTask.each 17000 Family.all some (differenceMargin (fun t -> implicit (short t) t)))
                        Violation.breaks
                            "g the implicit gradient: Reptile's"
                            (RegularizedTask.each 17000 Family.all some (differenceMargin reptile))
                    |]
            }
            Claim.create
                "Learned Λ"
                "Λ⁻¹g is the u of Algorithm 2's solve"
                "none"
                families
                "the distance of the two slopes along a random direction"
                "rounding of Λ and Λ⁻¹"
                (RegularizedTask.each 17500 Family.all some solutionMargin)
                [||]
        ]
