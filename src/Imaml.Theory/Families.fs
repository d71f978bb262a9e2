// The problem families of the checks, each task replayed by its seed.

namespace Imaml.Theory

open System

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
