// Softmax regression, the mean cross-entropy of N classes: L(W) = (1/n) Σ log Σⱼ exp zᵢⱼ − zᵢ_y, zᵢ = Wᵀxᵢ. Its constants are ExampleLoss's.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra

[<RequireQualifiedAccess>]
module SoftmaxRegression =

    /// The mean cross-entropy of the n rows of X [n × p] with classes y ∈ {0 … N − 1}; φ = (W₁, …, W_N), p numbers for each class.
    /// Errors: fewer than 2 classes; a class that is none.
    let loss (classes: int) (x: Matrix<float>) (y: Vector<float>) : SmoothLoss =
        ExampleLoss.weighted (Link.Softmax classes) (Vector<float>.Build.Dense(x.RowCount, 1.0)) x y

    /// Examples of a random linear model: inputs of length about 1, labels drawn from its softmax.
    let examples (random: Random) (weights: Matrix<float>) count =
        let p = weights.RowCount
        let x = Spectrum.gaussianMatrix random count p / sqrt (float p)

        let label (z: Vector<float>) =
            let powers = (z - z.Maximum()).PointwiseExp()
            let mutable left = random.NextDouble() * powers.Sum()
            let mutable j = 0

            while j < z.Count - 1 && left > powers[j] do
                left <- left - powers[j]
                j <- j + 1

            float j

        let z = x * weights
        struct (x, Vector<float>.Build.Dense(count, fun i -> label (z.Row i)))

    /// The losses on a support and on a query set of a random task.
    let random (random: Random) classes support query p =
        let weights = 2.0 * Spectrum.gaussianMatrix random p classes
        let struct (x, y) = examples random weights support
        let struct (xq, yq) = examples random weights query
        struct (loss classes x y, loss classes xq yq)
