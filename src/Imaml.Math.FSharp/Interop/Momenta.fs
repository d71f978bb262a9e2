// What the next step of a first-order method keeps of the last one.

namespace Imaml.Math.Interop

open Imaml.Math

/// The momenta of gradient descent.
[<AbstractClass; Sealed>]
type Momenta =

    /// Plain gradient descent.
    static member None: Momentum = NoMomentum

    /// Polyak's heavy ball, with 0 ≤ b < 1.
    static member HeavyBall(b: float) : Momentum = Momentum.HeavyBall b

    /// Nesterov's, with 0 ≤ b < 1.
    static member Nesterov(b: float) : Momentum = Momentum.Nesterov b

    /// Polyak's step and momentum for a quadratic whose curvature is between µ and β.
    static member HeavyBallFor(strongConvexity: float, smoothness: float) : struct (float * Momentum) =
        Momentum.heavyBall strongConvexity smoothness

    /// Nesterov's step 1/β and momentum (√κ−1)/(√κ+1) for a µ-strongly convex, β-smooth G.
    static member NesterovFor(strongConvexity: float, smoothness: float) : struct (float * Momentum) =
        Momentum.nesterov strongConvexity smoothness
