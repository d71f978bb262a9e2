// Reptile with a proximal inner solve descends on the training loss's Moreau envelope e(θ) = min_φ G(φ, θ):
//
//     ∇L̂(φ*) + Λ(φ* − θ) = 0,   so   ∇e(θ) = Λ(θ − φ*) = ∇L̂(φ*)
//
// and Reptile's g = θ − φ* is ∇e preconditioned by Λ⁻¹. ∇e is checked by central differences of e; as ∇e = Λ(θ − Alg*(θ)), e‴ is −ΛAlg*″
// and ‖Alg*″‖ ≤ ρr²/µ, r = ‖Λ‖/µ (Lemma1.fs). An inner solution off by d costs e at most βd²/2.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module MoreauEnvelope =

    let private space = RegularizedTask.space

    let private exact: IInnerSolver<Vector<float>, float> = ExactInnerSolver(EuclideanCoordinates(), 50)

    /// Three steps: far from done.
    let private short (t: RegularizedTask) : IInnerSolver<Vector<float>, float> =
        GradientDescentSolver(ConstantStep(1.0 / (BilevelTask.constants t.Task).Smoothness), 3)

    let private reptile (solver: IInnerSolver<Vector<float>, float>) (t: RegularizedTask) theta =
        (ReptileStrategy(solver, 0.0) :> IMetaGradientStrategy<_, _>).Compute(space, t.Regularizer, t.Problem, theta)

    /// How far Alg*(θ) may be from a solution that leaves ‖∇G‖ at rounding.
    let private solutionError (t: RegularizedTask) theta phi =
        (Stationarity.at t.Task theta phi).RoundingLevel / (BilevelTask.constants t.Task).StrongConvexity

    let private stationaryMargin (solver: RegularizedTask -> IInnerSolver<_, _>) (t: RegularizedTask) _ =
        let result = reptile (solver t) t t.Task.Theta

        let measured =
            (Proximal.apply t.Task.Proximal result.Gradient - t.Task.Inner.Gradient result.Phi).L2Norm()
        // Λ(θ − φ) − ∇L̂(φ) is −∇G as the oracle computes it: rounding there, and in the solver's own ∇G.
        Claim.margin measured (3.0 * (Stationarity.at t.Task t.Task.Theta result.Phi).RoundingLevel)

    let private envelopeMargin (solver: RegularizedTask -> IInnerSolver<_, _>) (t: RegularizedTask) (random: Random) =
        let c = BilevelTask.constants t.Task
        let h = 1e-4
        let direction = Spectrum.direction random t.Task.Theta.Count

        // e(θ), and what it may be off by: rounding of terms of this size, and the solution's error.
        let envelope sign =
            let theta = t.Task.Theta + sign * h * direction
            let phi = BilevelTask.exactSolution t.Task theta
            let away = (phi - theta).L2Norm()

            let size =
                abs (t.Task.Inner.Value phi)
                + (t.Task.Inner.Gradient(0.0 * phi)).L2Norm() * phi.L2Norm()
                + t.Task.Inner.LargestCurvature * phi.L2Norm() ** 2.0
                + c.LargestRegularization * away * away

            let distance = solutionError t theta phi

            struct (BilevelTask.innerObjective t.Task theta phi,
                    8.0 * (float phi.Count + 30.0) * Rounding.unit * size + c.Smoothness * distance * distance)

        let struct (above, errorAbove) = envelope 1.0
        let struct (below, errorBelow) = envelope -1.0
        let result = reptile (solver t) t t.Task.Theta
        let gradient = Proximal.apply t.Task.Proximal result.Gradient
        let second = c.HessianLipschitz * c.Contraction * c.Contraction / c.StrongConvexity

        Claim.margin
            (abs ((above - below) / (2.0 * h) - gradient.DotProduct direction))
            (h * h / 6.0 * c.LargestRegularization * second
             + (errorAbove + errorBelow) / (2.0 * h)
             + c.LargestRegularization * 2.0 * solutionError t t.Task.Theta result.Phi)

    let private some = Instances.count 48 480
    let private families = Instances.names Family.all + ", every kind of Λ"

    let private inexact first margin : Violation =
        Violation.breaks "φ = Alg*(θ): φ after three steps" (RegularizedTask.each first Family.all some (margin short))

    let claims: Claim list =
        [
            Claim.create
                "Reptile"
                "Λ(θ − φ*) = ∇L̂(φ*)"
                "φ = Alg*(θ)"
                families
                "‖Λg − ∇L̂(φ)‖, g = θ − φ"
                "rounding of ∇G"
                (RegularizedTask.each 16000 Family.all some (stationaryMargin (fun _ -> exact)))
                ([| inexact 16000 stationaryMargin |])
            Claim.create
                "Reptile"
                "Λ(θ − φ*) is the gradient of the Moreau envelope min_φ G(φ, θ)"
                "φ = Alg*(θ), G is µ-strongly convex, H is ρ-Lipschitz"
                families
                "Λg along a random direction less the envelope's central difference"
                "the truncation error of the difference, and the error of each value"
                (RegularizedTask.each 16500 Family.all some (envelopeMargin (fun _ -> exact)))
                ([| inexact 16500 envelopeMargin |])
        ]
