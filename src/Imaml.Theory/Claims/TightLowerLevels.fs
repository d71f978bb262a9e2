// Lower levels at which every inequality behind the certificate of ∇F(z) is an equality: one parameter and losses with constant curvature, all signs
// such that with x* = x + δ and u* = u + E the errors of x and u add up. E = (|r| + ℓδ)/µ. Magnitudes are drawn over two decades each.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<NoComparison; NoEquality>]
type internal TightLowerLevel =
    {
        Level: KnownLowerLevel
        Z: Vector<float>
        X: Vector<float>
        U: Vector<float>
    }

[<RequireQualifiedAccess>]
module internal TightLowerLevels =

    let private vector (numbers: float seq) = Vector<float>.Build.DenseOfEnumerable numbers

    // L with L″ = ℓ whose gradient at x is µu + r.
    let private outerFor (slope: float) (mu: float) (x: float) (u: float) (r: float) = struct (slope, mu * u + r - slope * x)

    let private line (a: float) (b: float) = Quadratic.loss (Matrix<float>.Build.Dense(1, 1, a)) (vector [ b ]) 0.0

    /// x* = x + δ, u* = u + (r + ℓδ)/µ, c = 0; of the odd seeds a second parameter with half of x, and u = 0, both exact.
    let private tightLogLambda seed : TightLowerLevel =
        let random = Random(seed: int)
        let magnitude () = 10.0 ** (2.0 * random.NextDouble() - 1.0)

        let h, lambda, slope, delta, x, u, r =
            magnitude (), magnitude (), magnitude (), magnitude (), magnitude (), magnitude (), magnitude ()

        let mu = h + lambda
        let struct (_, q) = outerFor slope mu x u r

        if seed % 2 = 0 then
            {
                Level = LowerLevels.logLambda OneForAll (vector [ 0.0 ]) (line h (-mu * (x + delta))) (line slope q)
                Z = vector [ log lambda ]
                X = vector [ x ]
                U = vector [ u ]
            }
        else
            let diagonal (a: float) = Matrix<float>.Build.DenseOfDiagonalArray [| a; a |]
            let at = 0.5 * x
            // The second is at its solution, where ∇L is 0.
            let inner = Quadratic.loss (diagonal h) (vector [ -mu * (x + delta); -mu * at ]) 0.0
            let outer = Quadratic.loss (diagonal slope) (vector [ q; -slope * at ]) 0.0

            {
                Level = LowerLevels.logLambda OnePerCoordinate (vector [ 0.0; 0.0 ]) inner outer
                Z = vector [ log lambda; log lambda ]
                X = vector [ x; at ]
                U = vector [ u; 0.0 ]
            }

    /// Squares of one to four equal examples, residuals that grow towards the solution.
    let private tightWeights seed : TightLowerLevel =
        let random = Random(seed: int)
        let magnitude () = 10.0 ** (2.0 * random.NextDouble() - 1.0)

        let lambda, slope, delta, x, u, r =
            magnitude (), magnitude (), magnitude (), magnitude (), magnitude (), magnitude ()

        let a, residual = magnitude (), magnitude ()
        let z = 4.0 * random.NextDouble() - 2.0
        let n = random.Next(1, 5)
        let w = LogisticFunction.sigmoid z
        let mu = w * a * a + lambda
        let struct (_, q) = outerFor slope mu x u r
        let centre = x + delta + w * a * (residual + a * delta) / lambda

        {
            Level =
                LowerLevels.exampleWeights
                    Link.Squares
                    (Matrix<float>.Build.Dense(n, 1, a))
                    (Vector<float>.Build.Dense(n, a * x - residual))
                    (line slope q)
                    (Proximal.Scalar lambda)
                    (vector [ centre ])
            Z = Vector<float>.Build.Dense(n, z)
            X = vector [ x ]
            U = vector [ u ]
        }

    let private tightCross seed : TightLowerLevel =
        let random = Random(seed: int)
        let magnitude () = 10.0 ** (2.0 * random.NextDouble() - 1.0)

        let h, lambda, slope, delta, x, u, r =
            magnitude (), magnitude (), magnitude (), magnitude (), magnitude (), magnitude (), magnitude ()

        let one (value: float) = Matrix<float>.Build.Dense(1, 1, value)
        let b, e, z = magnitude (), magnitude (), magnitude ()
        let struct (_, q) = outerFor slope (h + lambda) x u r
        let centre = ((h + lambda) * (x + delta) + b * z) / lambda

        {
            Level = LowerLevels.cross (one b) (one -e) (line h 0.0) (line slope (q + e * z)) (Proximal.Scalar lambda) (vector [ centre ])
            Z = vector [ z ]
            X = vector [ x ]
            U = vector [ u ]
        }

    /// The families, each with a draw by its seed.
    let families: (string * (int -> TightLowerLevel)) list =
        [
            "log λ", tightLogLambda
            "example weights", tightWeights
            "cross term", tightCross
        ]
