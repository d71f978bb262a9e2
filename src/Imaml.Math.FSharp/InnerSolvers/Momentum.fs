// Momentum: what the next step of a first-order method keeps of the last one.
//
//     gradient descent   φₜ₊₁ = φₜ − α∇G(φₜ)
//     heavy ball         φₜ₊₁ = φₜ − α∇G(φₜ) + b(φₜ − φₜ₋₁)                            (Polyak 1964)
//     Nesterov           φₜ₊₁ = y − α∇G(y),   y = φₜ + b(φₜ − φₜ₋₁)                     (Nesterov 1983)
//
// with φ₋₁ = φ₀. On a µ-strongly convex, β-smooth G the textbook's constants are below; heavy ball's are proved for quadratics only.

namespace Imaml.Math

/// What a step keeps of the step before it.
type Momentum =
    | NoMomentum
    | HeavyBall of b: float
    | Nesterov of b: float

[<RequireQualifiedAccess>]
module Momentum =

    let internal check momentum =
        match momentum with
        | HeavyBall b
        | Nesterov b when not (b >= 0.0 && b < 1.0) -> invalidArg (nameof momentum) $"a momentum must be in [0, 1), not {b}"
        | _ -> ()

    /// (√κ − 1)/(√κ + 1), the quotient of the accelerated rates.
    let private quotient (strongConvexity: float) (smoothness: float) =
        let root = sqrt (smoothness / strongConvexity)
        (root - 1.0) / (root + 1.0)

    /// Nesterov's constants: step 1/β, momentum (√κ−1)/(√κ+1).
    let nesterov strongConvexity smoothness = struct (1.0 / smoothness, Nesterov(quotient strongConvexity smoothness))

    /// Polyak's constants: step 4/(√β+√µ)², momentum ((√κ−1)/(√κ+1))².
    let heavyBall (strongConvexity: float) (smoothness: float) =
        let sum = sqrt smoothness + sqrt strongConvexity
        struct (4.0 / (sum * sum), HeavyBall(quotient strongConvexity smoothness ** 2.0))
