// Where Corollary 1 stops (Mishchenko, Hanzely and Richtárik, arXiv 2301.06806): F(θ) = L(Alg*(θ)) need be neither smooth nor convex where L̂ and L are, if
// their Hessians are not Lipschitz. One loss for both, one parameter, a and s positive:
//
//     ℓ′(φ) = s + a max(φ, 0):    convex, ∇ℓ a-Lipschitz, ℓ″ jumps from 0 to a at φ = 0
//     Alg*(θ) = θ − s/λ up to θ₀ = s/λ, then (λθ − s)/(λ + a)
//     F′(θ) = s up to θ₀, then λ(s + aφ)/(λ + a)
//
// so F′ falls by sa/(λ + a) at θ₀: no L_F bounds its differences there, and F is not convex. Where L̂ is quadratic Alg* is affine, and F is convex with L.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module CurvatureJump =

    let private one (value: float) = Vector<float>.Build.Dense(1, value)

    // The constants are those of everywhere else: ρ = 0, which is false at 0 alone.
    let private loss (s: float) (a: float) (radius: float) : SmoothLoss =
        let positive (phi: Vector<float>) = max 0.0 phi[0]
        let curvature (phi: Vector<float>) = if phi[0] > 0.0 then a else 0.0

        {
            Dimension = 1
            Value = fun phi -> s * phi[0] + a * positive phi * positive phi / 2.0
            Gradient = fun phi -> one (s + a * positive phi)
            HessianProduct = fun phi w -> curvature phi * w
            Hessian = fun phi -> (one (curvature phi)).ToColumnMatrix()
            Constants =
                LossConstants.Proved(
                    0.0,
                    a,
                    0.0,
                    s + a * radius,
                    {
                        Constant = Rounding.gamma 3 * s
                        Slope = Rounding.gamma 3 * a
                    },
                    {
                        Constant = Rounding.gamma 3 * a
                        Slope = 0.0
                    }
                )
            ThirdDerivativeLipschitz = infinity
        }

    /// The task at θ₀ − t, and θ₀ + t; t from 10⁻¹ to 10⁻⁶ of θ₀.
    let private task (seed: int) =
        let random = Random seed
        let magnitude () = 10.0 ** (2.0 * random.NextDouble() - 1.0)
        let s, a, lambda = magnitude (), magnitude (), magnitude ()
        let edge = s / lambda
        let t = edge * 10.0 ** (-1.0 - 5.0 * random.NextDouble())
        let loss = loss s a (2.0 * edge)
        struct (BilevelTask.create loss loss (Proximal.Scalar lambda) (one (edge - t)), one (edge + t))

    /// ‖∇F(θ) − ∇F(θ′)‖ against L_F‖θ − θ′‖ across θ₀, by the measurement that Corollary 1 is given.
    let smoothness (measure: BilevelTask -> Vector<float> -> struct (float * float * float)) : Violation =
        Violation.breaks
            "H is ρ-Lipschitz: it jumps at one point, ρ is that of all others (Mishchenko, Hanzely and Richtárik 2023)"
            (Instances.numbered 8800 (Instances.count 40 400) (fun seed ->
                let struct (task, other) = task seed
                let struct (measured, bound, uncertainty) = measure task other
                Claim.margin measured (bound + uncertainty)))

    /// How far ⟨∇F(θ) − ∇F(θ′), θ − θ′⟩ is below 0, against what the gradients may be off by.
    let private convexity (task: BilevelTask) (other: Vector<float>) =
        let struct (here, errorHere) = Theorem1Accounts.exact task
        let struct (there, errorThere) = Theorem1Accounts.exact { task with Theta = other }
        let move = task.Theta - other
        Claim.margin (max 0.0 -((here - there).DotProduct move)) ((errorHere.Total + errorThere.Total) * move.L2Norm())

    let private quadraticMargin family seed =
        let random = Random(seed + 1)
        let task: BilevelTask = Family.regularized family seed
        // Any convex L.
        let outer = Family.all[random.Next Family.all.Length]
        let d = task.Theta.Count

        let task =
            Seq.initInfinite (fun i -> Family.regularized outer (seed + i))
            |> Seq.tryFind (fun other -> other.Theta.Count = d)
            |> Option.map (fun other -> { task with Outer = other.Outer })
            |> Option.defaultValue task

        convexity task (task.Theta + 3.0 * random.NextDouble() * Spectrum.direction random d)

    let claims: Claim list =
        [
            {
                Source = "Corollary 1"
                Statement = "F(θ) = L(Alg*(θ)) is convex where L is and L̂ is a quadratic"
                Hypotheses = "H is constant, L is convex"
                Families = Instances.names [ Quadratics; LinearRegressions ] + ", L of every convex family"
                Measured = "−⟨∇F(θ) − ∇F(θ′), θ − θ′⟩, where positive"
                Bound = "what both gradients may be off by"
                Instances = Instances.each 8900 [ Quadratics; LinearRegressions ] (Instances.count 20 200) quadraticMargin
                Violations =
                    [|
                        Violation.breaks
                            "H is constant: L̂ = L convex and smooth, H jumps at one point (Mishchenko, Hanzely and Richtárik 2023)"
                            (Instances.numbered 8800 (Instances.count 40 400) (fun seed ->
                                let struct (task, other) = task seed
                                convexity task other))
                    |]
            }
        ]
