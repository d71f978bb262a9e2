// Random lower levels of every family (LowerLevels.fs), each replayed by its seed.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module internal RandomLowerLevels =

    let private vector (numbers: float seq) = Vector<float>.Build.DenseOfEnumerable numbers

    let private sharing (random: Random) d =
        match random.Next 3 with
        | 0 -> OneForAll
        | 1 -> OnePerCoordinate
        | _ when d = 1 -> OnePerLayer [| 1 |]
        | _ ->
            let first = random.Next(1, d)
            OnePerLayer [| first; d - first |]

    let private logLambda (random: Random) (inner: SmoothLoss) (outer: SmoothLoss) =
        let d = inner.Dimension
        let sharing = sharing random d

        let centre =
            if random.Next 2 = 0 then
                Vector<float>.Build.Dense d
            else
                Spectrum.gaussian random d

        let z = vector (Seq.init (sharing.Count d) (fun _ -> 7.0 * random.NextDouble() - 4.0))
        struct (LowerLevels.logLambda sharing centre inner outer, z)

    let private small (random: Random) = struct (random.Next(3, 16), random.Next(3, 16), random.Next(1, 9))

    let private softmax (random: Random) support query =
        SoftmaxRegression.random random (random.Next(2, 5)) support query (random.Next(1, 5))

    let private cleaning (random: Random) =
        let struct (support, query, d) = small random
        let gaussian count = Spectrum.gaussianMatrix random count d / sqrt (float d)

        let link =
            match random.Next 3 with
            | 0 -> Link.Squares
            | 1 -> Link.Logistic
            | _ -> Link.Softmax(random.Next(2, 5))

        let labels count =
            match link with
            | Link.Squares -> Spectrum.gaussian random count
            | _ -> vector (Seq.init count (fun _ -> float (random.Next(max 2 (ExampleLoss.outputs link)))))

        let x, y, xq, yq = gaussian support, labels support, gaussian query, labels query
        let outer = ExampleLoss.weighted link (Vector<float>.Build.Dense(query, 1.0)) xq yq
        let lambda = 10.0 ** (2.0 * random.NextDouble() - 2.0)
        let proximal = Proximal.random random outer.Dimension lambda
        let centre = Spectrum.gaussian random outer.Dimension
        struct (LowerLevels.exampleWeights link x y outer proximal centre, 2.0 * Spectrum.gaussian random support)

    let private crossed (random: Random) =
        let struct (_, k, d) = small random
        let loss () = Quadratic.random random d (10.0 ** (3.0 * random.NextDouble()))
        let inner, outer = loss (), loss ()
        let proximal = Proximal.random random d (10.0 ** (2.0 * random.NextDouble() - 2.0))
        let b, e = Spectrum.gaussianMatrix random d k, Spectrum.gaussianMatrix random d k
        struct (LowerLevels.cross b e inner outer proximal (Spectrum.gaussian random d), Spectrum.gaussian random k)

    /// The families, each a lower level and a z of this seed.
    let families: (string * (Random -> struct (KnownLowerLevel * Vector<float>))) list =
        [
            "log λ of ridge regression",
            fun random ->
                let struct (support, query, d) = small random

                let struct (inner, outer) =
                    LinearRegression.random random support query d (10.0 ** (3.0 * random.NextDouble()))

                logLambda random inner outer
            "log λ of logistic regression",
            fun random ->
                let struct (support, query, d) = small random
                let struct (inner, outer) = LogisticRegression.random random support query d
                logLambda random inner outer
            "log λ of softmax regression",
            fun random ->
                let struct (support, query, _) = small random
                let struct (inner, outer) = softmax random support query
                logLambda random inner outer
            "example weights (hyper-cleaning)", cleaning
            "a cross term of quadratics", crossed
        ]

    let names = families |> List.map fst |> String.concat ", "

    /// One margin for each seed of each family; `margin` gets the lower level and z, and what else it draws from.
    let each first count (margin: Random -> KnownLowerLevel -> Vector<float> -> float) =
        Instances.from (fun extent ->
            seq {
                for name, draw in families do
                    for seed in first .. first - 1 + count extent do
                        let random = Random(seed: int)
                        let struct (level, z) = draw random

                        {
                            Name = $"{name}, seed {seed}"
                            Margin = margin random level z
                        }
            })
