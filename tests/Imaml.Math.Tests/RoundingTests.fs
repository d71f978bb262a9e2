/// The bounds on rounding and on eigenvalues, against numbers with 256 binary digits and against matrices whose eigenvalues are known.
module Imaml.Math.Tests.RoundingTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory
open Imaml.Math.Tests.PreciseNumbers

/// A loss with the exact gradient, and the exact product, of the very numbers that it was given.
type private Instance =
    {
        Name: string
        Loss: SmoothLoss
        Terms: int
        Gradient: Precise[] -> Precise[]
        Product: Precise[] -> Precise[] -> Precise[]
    }

let private symmetric random d =
    let a = Spectrum.gaussianMatrix random d d
    a + a.Transpose()

let private quadratic random d =
    let a, b = symmetric random d, Spectrum.gaussian random d
    let exactA, exactB = matrix a, vector b

    {
        Name = "quadratic"
        Loss = Quadratic.loss a b 0.0
        Terms = d
        Gradient = fun phi -> Array.map2 (+) (times exactA phi) exactB
        Product = fun _ w -> times exactA w
    }

let private mean n (x: Precise[]) = x |> Array.map (fun value -> value / precise (float n))

let private regression random n d =
    let x, y = Spectrum.gaussianMatrix random n d, Spectrum.gaussian random n
    let exactX, exactY = matrix x, vector y

    {
        Name = "least squares"
        Loss = LinearRegression.loss x y
        Terms = n + d
        Gradient = fun phi -> times (transpose exactX) (Array.map2 (-) (times exactX phi) exactY) |> mean n
        Product = fun _ w -> times (transpose exactX) (times exactX w) |> mean n
    }

let private logistic random n d =
    let x = Spectrum.gaussianMatrix random n d
    let y = Vector<float>.Build.Dense(n, fun i -> float (i % 2))
    let exactX, exactY = matrix x, vector y

    {
        Name = "logistic"
        Loss = LogisticRegression.loss x y
        Terms = n + d
        Gradient = fun phi -> times (transpose exactX) (Array.map2 (-) (times exactX phi |> Array.map sigmoid) exactY) |> mean n
        Product =
            fun phi w ->
                let weights = times exactX phi |> Array.map (fun z -> sigmoid z * sigmoid -z)
                times (transpose exactX) (Array.map2 (*) weights (times exactX w)) |> mean n
    }

let private instances (random: Random) =
    let d, n = random.Next(1, 30), random.Next(1, 40)
    [ quadratic random d; regression random n d; logistic random n d ]

// φ from 10⁻³ to 10² in size: from where the constants matter to where the slopes do.
let private point (random: Random) (loss: SmoothLoss) = 10.0 ** (5.0 * random.NextDouble() - 3.0) * Spectrum.gaussian random loss.Dimension

let private measure (random: Random) instance =
    let phi = point random instance.Loss
    let w = Spectrum.gaussian random instance.Loss.Dimension
    let exact = vector phi

    struct (distance (instance.Loss.Gradient phi) (instance.Gradient exact),
            instance.Loss.GradientRounding.At(phi.L2Norm()),
            distance (instance.Loss.HessianProduct phi w) (instance.Product exact (vector w)),
            instance.Loss.ProductRounding.At(phi.L2Norm()) * w.L2Norm())

let private rounding =
    testList
        "Rounding"
        [
            Subject.property Subjects.euclidean 60 "gradients and products as computed are within their bounds" (fun draw ->
                let random = Random draw.Seed

                for instance in instances random do
                    let struct (gradient, gradientBound, product, productBound) = measure random instance
                    Check.atMost gradientBound gradient $"{instance.Name}: the gradient's error"
                    Check.atMost productBound product $"{instance.Name}: the product's error")

            testCase "the bounds are not absurdly loose" (fun () ->
                // A worst-case bound on a sum of k terms is k where a typical error is √k or less, and norms of absolute values add √d: on
                // the median of 40 draws the bound may exceed the error by forty times the number of terms, not more.
                let ratios =
                    [
                        for seed in 1..40 do
                            let random = Random seed

                            for instance in instances random do
                                let struct (gradient, gradientBound, product, productBound) = measure random instance
                                let terms = float instance.Terms
                                (instance.Name, "gradient"), gradientBound / gradient / terms
                                (instance.Name, "product"), productBound / product / terms
                    ]

                for name, group in ratios |> List.groupBy fst do
                    let median = group |> List.map snd |> List.sort |> List.item (group.Length / 2)
                    Check.atMost 40.0 median $"{name}: bound over error over terms")

            testCase "data with no spread has nothing but one rounding" (fun () ->
                // 3φ + b with d = 1: one product, one sum.
                let loss = Quadratic.loss (Matrix<float>.Build.Dense(1, 1, 3.0)) (Vector<float>.Build.Dense(1, 1.0)) 0.0
                Check.atMost (2.01 * Rounding.unit * 3.0) loss.GradientRounding.Slope "slope"
                Check.atMost (1.01 * Rounding.unit) loss.GradientRounding.Constant "constant")

            testCase "an overflow makes a bound infinite, not small" (fun () ->
                let loss =
                    Quadratic.loss (Matrix<float>.Build.Dense(2, 2, 1e308)) (Vector<float>.Build.Dense(2, 1e308)) 0.0

                loss.GradientRounding.Slope |> should be (greaterThan 1e292)
                let small = Quadratic.loss (Matrix<float>.Build.Dense(2, 2, 1e-200)) (Vector<float>.Build.Dense 2) 0.0
                // Squares of these underflow.
                small.GradientRounding.Slope |> should be (greaterThan 1e-216))

            testCase "sums are rounded outwards, and not at all where nothing is added" (fun () ->
                Rounding.sumAbove 0.1 0.0 |> should equal 0.1
                Rounding.sumBelow 0.0 -0.1 |> should equal -0.1
                Rounding.sumBelow 2.0 -1.0 |> should equal 1.0

                for seed in 1..1000 do
                    let random = Random seed
                    let a, b = random.NextDouble() - 0.5, 10.0 ** (10.0 * random.NextDouble() - 5.0)
                    let exact = precise a + precise b
                    let above, below = Rounding.sumAbove a b, Rounding.sumBelow a b
                    precise above >= exact |> should equal true
                    precise below <= exact |> should equal true
                    Math.BitIncrement below >= above |> should equal true

                Rounding.sumBelow 1.0 -infinity |> should equal -infinity
                Rounding.sumAbove 1.0 infinity |> should equal infinity)
        ]

/// Symmetric matrices with their least and greatest eigenvalue, exact numbers all.
let private known =
    [
        for d in [ 2; 3; 5; 10; 50; 200 ] do
            // 1 everywhere: eigenvalues 0 and d.
            $"ones {d}", Matrix<float>.Build.Dense(d, d, 1.0), 0.0, float d
            // I − 11ᵀ scaled to whole numbers: d everywhere on the diagonal less 1: eigenvalues 0 and d.
            $"centring {d}", Matrix<float>.Build.Dense(d, d, fun i j -> (if i = j then float d else 0.0) - 1.0), 0.0, float d
            // An antidiagonal of ones: eigenvalues −1 and 1.
            $"exchange {d}", Matrix<float>.Build.Dense(d, d, fun i j -> if i + j = d - 1 then 1.0 else 0.0), -1.0, 1.0
        for k in [ 1; 2; 3 ] do
            // Sylvester's Hadamard matrix of order 4ᵏ: eigenvalues ±2ᵏ.
            let sign i j =
                if Numerics.BitOperations.PopCount(uint32 (i &&& j)) % 2 = 0 then
                    1.0
                else
                    -1.0

            let d = pown 4 k
            $"Hadamard {d}", Matrix<float>.Build.Dense(d, d, sign), -(2.0 ** float k), 2.0 ** float k
    ]

let private enclosures =
    testList
        "Eigenvalues"
        [
            for name, a, smallest, largest in known do
                testCase $"they are enclosed, {name}" (fun () ->
                    for scale in [ 1.0; 0.3; 2.0 ** -900.0; 2.0 ** 900.0 ] do
                        let struct (below, above) = Eigenvalues.enclosure (scale * a)
                        // 0.3 rounds once in every entry.
                        let slack =
                            if scale = 0.3 then
                                2.0 * Rounding.unit * largest * scale
                            else
                                0.0

                        Check.atMost (scale * smallest + slack) below "below"
                        Check.atMost (above + slack) (scale * largest) "above"
                        // Cholesky is certain to (d + 4)u·tr B, and tr B is at most d times the width of the spectrum.
                        let d = float a.RowCount
                        let width = 20.0 * d * (d + 4.0) * Rounding.unit * max largest -smallest
                        Check.atMost width ((above - below) / scale - (largest - smallest)) "the width of the enclosure")

            testCase "of a diagonal matrix they are exact" (fun () ->
                let struct (below, above) =
                    Eigenvalues.enclosure (Matrix<float>.Build.DenseOfDiagonalArray [| 0.3; -0.1; 7.0 |])

                below |> should equal -0.1
                above |> should equal 7.0)

            testCase "of numbers that are not finite there are none" (fun () ->
                for value in [ nan; infinity ] do
                    let struct (below, above) = Eigenvalues.enclosure (Matrix<float>.Build.Dense(2, 2, value))
                    below |> should equal -infinity
                    above |> should equal infinity

                // XᵀX overflows.
                let loss = LinearRegression.loss (Matrix<float>.Build.Dense(3, 2, 1e200)) (Vector<float>.Build.Dense 3)
                loss.LargestCurvature |> should equal infinity
                loss.SmallestCurvature |> should equal 0.0)

            testCase "those of XᵀX/n are enclosed, of a tall and of a wide X" (fun () ->
                // Columns of ones and alternating signs are orthogonal: XᵀX/n = diag(s²), of the transpose n/d times as much.
                for scale in [ 1.0; 3.0; 1e-3 ] do
                    let x =
                        Matrix<float>
                            .Build.Dense(
                                64,
                                4,
                                fun i j ->
                                    if Numerics.BitOperations.PopCount(uint32 (i &&& j)) % 2 = 0 then
                                        scale
                                    else
                                        -scale
                            )

                    let square = toFloat (precise scale * precise scale)
                    let ulp = 2.0 * Rounding.unit * square
                    let struct (below, above) = Eigenvalues.gramEnclosure x
                    Check.atMost (square + ulp) below "tall, below"
                    Check.atMost (above + ulp) square "tall, above"
                    Check.atMost (1e-12 * square) (above - below) "tall, width"
                    let struct (below, above) = Eigenvalues.gramEnclosure (x.Transpose())
                    below |> should equal 0.0
                    Check.atMost (above + 16.0 * ulp) (16.0 * square) "wide, above")

            testCase "a curvature of 0 is never proved to be positive" (fun () ->
                for seed in 1..30 do
                    let random = Random seed
                    let narrow = Spectrum.gaussianMatrix random 20 3
                    // The fourth column is exactly twice the first.
                    let x = narrow.Append((2.0 * narrow.Column 0).ToColumnMatrix())
                    let struct (below, _) = Eigenvalues.gramEnclosure x
                    below |> should equal 0.0)

            testCase "the enclosure of a Gram matrix is where Marchenko and Pastur put its spectrum" (fun () ->
                let random = Random 1
                let loss = LinearRegression.loss (Spectrum.gaussianMatrix random 600 100) (Spectrum.gaussian random 600)
                // Near (1 ± √(d/n))², here 0.35 and 1.98.
                Check.near 0.1 0.35 loss.SmallestCurvature "least curvature"
                Check.near 0.2 1.98 loss.LargestCurvature "greatest curvature")
        ]

[<Tests>]
let tests = testList "Theory" [ rounding; enclosures ]
