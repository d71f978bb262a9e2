// The problem families of the checks, each task replayed by its seed.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra

/// Where tasks come from.
type Family =
    | Quadratics
    | LinearRegressions
    | LogisticRegressions

[<RequireQualifiedAccess>]
module Family =

    let all = [ Quadratics; LinearRegressions; LogisticRegressions ]

    let name family =
        match family with
        | Quadratics -> "quadratic"
        | LinearRegressions -> "linear regression"
        | LogisticRegressions -> "logistic regression"

    /// The task of this family and seed: d from 1 to 12, λ from 0.01 to 10, and 5 to 30 examples on each side.
    let task family (seed: int) : BilevelTask =
        let random = Random seed
        let d = random.Next(1, 13)
        let support = random.Next(5, 31)
        let query = random.Next(5, 31)
        let condition = 10.0 ** (4.0 * random.NextDouble())
        let lambda = 10.0 ** (3.0 * random.NextDouble() - 2.0)

        let struct (inner, outer) =
            match family with
            | Quadratics -> struct (Quadratic.random random d condition, Quadratic.random random d condition)
            | LinearRegressions -> LinearRegression.random random support query d condition
            | LogisticRegressions -> LogisticRegression.random random support query d

        {
            Inner = inner
            Outer = outer
            Proximal = Proximal.Scalar lambda
            Theta = Spectrum.gaussian random d
        }

    /// A task of the range that the certificate is checked on: d from 1 to 200, κ = β/µ up to 10⁶ and all three kinds of Λ.
    let wide family (seed: int) : BilevelTask =
        let random = Random seed
        let d = int (200.0 ** random.NextDouble())
        let examples () = random.Next(max 1 (d / 2), 2 * d + 2)
        let condition = 10.0 ** (6.0 * random.NextDouble())
        // From the least curvature of L̂, where there is one, to above the greatest.
        let lambda = 10.0 ** (6.5 * random.NextDouble() - 6.0)

        let struct (inner, outer) =
            match family with
            | Quadratics -> struct (Quadratic.random random d condition, Quadratic.random random d condition)
            | LinearRegressions -> LinearRegression.random random (examples ()) (examples ()) d condition
            | LogisticRegressions -> LogisticRegression.random random (examples ()) (examples ()) d

        let proximal =
            match random.Next 3 with
            | 0 -> Proximal.Scalar lambda
            | 1 -> Proximal.Diagonal(Vector<float>.Build.Dense(d, fun _ -> lambda * 10.0 ** random.NextDouble()))
            | _ -> Proximal.Matrix(10.0 * lambda * Spectrum.positiveDefinite random d 10.0)

        BilevelTask.create inner outer proximal (Spectrum.gaussian random d)
