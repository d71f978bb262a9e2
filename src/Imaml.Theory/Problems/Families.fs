// The problem families of the checks, each task replayed by its seed.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra

/// Where tasks come from.
type Family =
    | Quadratics
    | LinearRegressions
    | LogisticRegressions
    /// Networks that λ makes strongly convex, on a ball around θ (LocalPerceptron).
    | Networks

[<RequireQualifiedAccess>]
module Family =

    /// Convex, with constants that hold everywhere.
    let all = [ Quadratics; LinearRegressions; LogisticRegressions ]

    let withNetworks = all @ [ Networks ]

    let name family =
        match family with
        | Quadratics -> "quadratic"
        | LinearRegressions -> "linear regression"
        | LogisticRegressions -> "logistic regression"
        | Networks -> "strongly convexified network"

    /// How far θ may move: at the θ that are reached a network's task is still the one that its constants are proved for.
    let reach family =
        match family with
        | Networks -> LocalPerceptron.radius / 4.0
        | _ -> infinity

    // λ is doubled until three things hold on the ball of radius R around θ: H + λI is at least λ/3; the set {G ≤ G(θ)}, which holds Alg*(θ)
    // and is within √(2L̂(θ)/λ) of θ since L̂ ≥ 0, lies within R/2; and ‖∇G(θ)‖/µ, the distance to Alg*(θ) at most, is an eighth of R, so that
    // gradient descent, which comes nearer with each step, stays in the ball, and Nesterov's method has room.
    let private network (random: Random) scale proximal : BilevelTask =
        let layers = [| random.Next(1, 4); random.Next(1, 4); 2 |]
        let theta = 0.5 * Spectrum.gaussian random (MultilayerPerceptron.parameterCount layers)

        let struct (inner, outer) =
            LocalPerceptron.random random (random.Next(3, 9)) (random.Next(3, 9)) layers theta

        let radius = LocalPerceptron.radius

        let suffices lambda =
            let convexity = lambda + inner.SmallestCurvature

            convexity >= lambda / 3.0
            && sqrt (2.0 * inner.Value theta / lambda) <= radius / 2.0
            && (inner.Gradient theta).L2Norm() / convexity <= radius / 8.0

        let lambda = Seq.initInfinite (fun i -> scale * 2.0 ** float i) |> Seq.find suffices
        BilevelTask.create inner outer (proximal theta.Count lambda) theta

    let private losses family random (examples: unit -> int) d condition =
        match family with
        | Quadratics -> struct (Quadratic.random random d condition, Quadratic.random random d condition)
        | LinearRegressions -> LinearRegression.random random (examples ()) (examples ()) d condition
        | LogisticRegressions -> LogisticRegression.random random (examples ()) (examples ()) d
        | Networks -> invalidArg (nameof family) "a network has no number of parameters to choose"

    let private convex (random: Random) family =
        let d = random.Next(1, 13)
        let support = random.Next(5, 31)
        let query = random.Next(5, 31)
        let condition = 10.0 ** (4.0 * random.NextDouble())
        let lambda = 10.0 ** (3.0 * random.NextDouble() - 2.0)
        let sizes = Collections.Generic.Queue [ support; query ]
        let struct (inner, outer) = losses family random sizes.Dequeue d condition
        struct (inner, outer, lambda, Spectrum.gaussian random d)

    /// The task of this family and seed: λI with λ from 0.01 to 10, d from 1 to 12, and 5 to 30 examples on each side; of a network λ is as
    /// large as it must be.
    let task family (seed: int) : BilevelTask =
        let random = Random seed

        match family with
        | Networks -> network random 1.0 (fun _ lambda -> Proximal.Scalar lambda)
        | _ ->
            let struct (inner, outer, lambda, theta) = convex random family

            {
                Inner = inner
                Outer = outer
                Proximal = Proximal.Scalar lambda
                Theta = theta
            }

    /// The same with any of the three kinds of Λ.
    let regularized family (seed: int) : BilevelTask =
        let task = task family seed
        let struct (lambda, _) = Proximal.enclosure task.Proximal

        { task with
            Proximal = Proximal.random (Random(seed + 1)) task.Theta.Count lambda
        }

    /// A task of the range that the certificate is checked on: d from 1 to 200, κ = β/µ up to 10⁶ and all three kinds of Λ.
    let wide family (seed: int) : BilevelTask =
        let random = Random seed

        match family with
        | Networks -> network random (10.0 ** random.NextDouble()) (Proximal.random random)
        | _ ->
            let d = int (200.0 ** random.NextDouble())
            let examples () = random.Next(max 1 (d / 2), 2 * d + 2)
            let condition = 10.0 ** (6.0 * random.NextDouble())
            // From the smallest curvature of L̂, where there is one, to above the largest.
            let lambda = 10.0 ** (6.5 * random.NextDouble() - 6.0)
            let struct (inner, outer) = losses family random examples d condition
            let proximal = Proximal.random random d lambda
            BilevelTask.create inner outer proximal (Spectrum.gaussian random d)
