// Corollary 1 (stationary points), with its constants: θₖ₊₁ = θₖ − gₖ/L_F with ‖gₖ − ∇F(θₖ)‖ ≤ e gives
//
//     min over k < K of ‖∇F(θₖ)‖² ≤ 2L_F(F(θ₀) − inf F)/K + e²,      L_F = (‖Λ‖/µ)C
//
// where F(θ) = L(Alg*(θ)). The inner problem is solved for every φ by some θ = φ + Λ⁻¹∇L̂(φ), so inf F = inf L.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Corollary1 =

    /// ‖∇F(θ) − ∇F(θ′)‖ ≤ L_F‖θ − θ′‖, with what the two gradients may be off by.
    let private smoothnessMargin family seed =
        let task: BilevelTask = Family.task family seed
        let random = Random(seed + 1)

        let other =
            { task with
                Theta = task.Theta + 10.0 ** (3.0 * random.NextDouble() - 2.0) * Spectrum.direction random task.Theta.Count
            }

        let gradient (task: BilevelTask) =
            let phi = BilevelTask.exactSolution task task.Theta
            let u = BilevelTask.adjoint task phi
            struct (Proximal.apply task.Proximal u, (Theorem1.certificate task phi u).Total)

        let struct (here, errorHere) = gradient task
        let struct (there, errorThere) = gradient other
        let smoothness = ErrorBounds.metaSmoothness (BilevelTask.constants task)
        Claim.margin ((here - there).L2Norm()) (smoothness * (task.Theta - other.Theta).L2Norm() + errorHere + errorThere)

    /// Gradient descent on F for K steps, each meta-gradient certified to e/2 and then pushed by e/2 against the way down.
    let private stationarityMargin family seed =
        let task: BilevelTask = Family.task family seed
        let random = Random(seed + 1)
        let c = BilevelTask.constants task
        let smoothness = ErrorBounds.metaSmoothness c
        let steps = random.Next(1, 40)

        let exact theta =
            let task = { task with Theta = theta }
            let phi = BilevelTask.exactSolution task theta
            struct (task.Outer.Value phi, BilevelTask.implicitGradient task phi)

        let struct (first, slope) = exact task.Theta
        let error = 10.0 ** (-2.0 * random.NextDouble()) * slope.L2Norm()

        let next (theta: Vector<float>) =
            let struct (_, gradient) = exact theta
            let result = AccuracyPrice.compute MeasuredCurvature (error / 2.0) { task with Theta = theta }

            let push =
                if gradient.L2Norm() > 0.0 then
                    gradient.Normalize 2.0
                else
                    gradient

            if result.Tasks[0].Status = CertifiedStatus.Met then
                theta - (result.MetaGradient.Gradient - error / 2.0 * push) / smoothness
            else
                nan * theta

        let visited = Seq.unfold (fun theta -> Some(theta, next theta)) task.Theta |> Seq.take steps

        let least =
            visited
            |> Seq.map (fun theta ->
                let struct (_, gradient) = exact theta
                gradient.L2Norm() ** 2.0)
            |> Seq.min

        // inf L: that of a quadratic by a solve, of the others at least 0.
        let lowest =
            match family with
            | Quadratics ->
                let zero = 0.0 * task.Theta
                task.Outer.Value((task.Outer.Hessian zero).Cholesky().Solve(-(task.Outer.Gradient zero)))
            | LinearRegressions
            | LogisticRegressions -> 0.0

        Claim.margin least (ErrorBounds.stationarity smoothness (first - lowest) steps error)

    let private hypotheses = "G is µ-strongly convex, L is B-Lipschitz and L-smooth, H is ρ-Lipschitz"

    let claims: Claim list =
        [
            {
                Source = "Corollary 1"
                Statement = "∇F is L_F-Lipschitz, L_F = (‖Λ‖/µ)C"
                Hypotheses = hypotheses
                Families = Instances.names Family.all
                Measured = "‖∇F(θ) − ∇F(θ′)‖"
                Bound = "L_F‖θ − θ′‖"
                Instances = Instances.each 8000 Family.all (Instances.count 60 600) smoothnessMargin
                Violations = [||]
            }
            {
                Source = "Corollary 1"
                Statement = "K steps of 1/L_F along meta-gradients certified to e reach ‖∇F‖² ≤ 2L_F(F(θ₀) − inf F)/K + e²"
                Hypotheses = hypotheses
                Families = Instances.names Family.all
                Measured = "the least ‖∇F(θₖ)‖², k < K"
                Bound = "2L_F(F(θ₀) − inf F)/K + e²"
                Instances = Instances.each 9000 Family.all (Instances.count 20 100) stationarityMargin
                Violations = [||]
            }
        ]
