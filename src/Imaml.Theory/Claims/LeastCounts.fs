// Theorem 1's iteration counts as numbers: the smallest N whose promise (IterationCounts.fs) is the accuracy that is asked for.

namespace Imaml.Theory

open System
open Imaml.Math

[<RequireQualifiedAccess>]
module internal LeastCounts =

    /// Whether a count is the smallest N with promise N ≤ accuracy, near whole numbers too: the accuracy is what a drawn number of steps promises.
    let private leastMargin (promise: ErrorConstants -> float -> float) (count: ErrorConstants -> float -> int) (seed: int) =
        let random = Random seed
        let magnitude range = 10.0 ** (range * random.NextDouble())

        let task = (ScalarTask.random seed).Task
        let struct (lambda, _) = Proximal.enclosure task.Proximal
        let mu = magnitude 2.0
        let beta = magnitude 4.0 * mu

        let inner =
            LossConstants.Proved(mu - lambda, beta - lambda, 0.0, infinity, AffineBound.Zero, AffineBound.Zero)

        let c = TaskConstants(inner, task.Outer.Constants).With(Proximal.regularizer task.Proximal)

        let wanted = float (random.Next(1, 60)) - [| 0.99; 0.5; 0.01 |][random.Next 3]
        let accuracy = promise c wanted
        let steps = count c accuracy
        min (Claim.margin (promise c (float steps)) accuracy) (Claim.margin accuracy (promise c (float (steps - 1))))

    let private start = 3.0

    let private least =
        [
            struct ("⌈κ ln(R/δ)⌉ is the least N with e^{−N/κ}R ≤ δ",
                    leastMargin (fun c n -> exp (-n / c.Condition) * start) (fun c delta -> Theorem1.GradientDescentSteps(c, start, delta)))
            struct ("⌈2√κ ln(√(κ+1)R/δ)⌉ is the least N with √(κ+1)e^{−N/(2√κ)}R ≤ δ",
                    leastMargin (fun c n -> sqrt (c.Condition + 1.0) * exp (-n / (2.0 * sqrt c.Condition)) * start) (fun c delta ->
                        Theorem1.NesterovSteps(c, start, delta)))
            struct ("⌈(√κ/2) ln(2(‖Λ‖/µ)‖v‖/δ′)⌉ is the least N with 2(‖Λ‖/µ)e^{−2N/√κ}‖v‖ ≤ δ′",
                    leastMargin
                        (fun c n -> 2.0 * c.LargestRegularization / c.StrongConvexity * exp (-2.0 * n / sqrt c.Condition) * start)
                        (fun c delta -> Theorem1.ConjugateGradientSteps(c, start, delta)))
        ]

    let claims: Claim list =
        [
            for struct (statement, margin) in least do
                Claim.create
                    "Theorem 1"
                    statement
                    "G is µ-strongly convex and β-smooth"
                    "κ from 1 to 10⁴"
                    "what N steps promise; δ"
                    "δ; what N − 1 steps promise"
                    (Instances.numbered 5900 (Instances.count 200 2000) margin)
                    [||]
        ]
