// A small network with every constant of Theorem 1, proved on a ball: layers [in, hidden, out], tanh, cross-entropy, φ within R of a centre.
//
// Along a unit direction, with α² + β² = 1 for its parts in the output and in the hidden layer, X ≥ ‖(x, 1)‖, A = √(hidden + 1) ≥ ‖(a, 1)‖ and
// V ≥ ‖W₂‖ on the ball, the outputs y have derivatives of at most
//
//     F₁ = √(A² + V²X²),   F₂ = X + VT₂X²,   F₃ = (2/√3)T₂X² + VT₃X³,   F₄ = (3√3/4)T₃X³ + VT₄X⁴
//
// (αA + βVX; 2αβX + Vβ²T₂X²; 3αβ²T₂X² + …; 4αβ³T₃X³ + …), |tanh″| ≤ T₂ = 4/(3√3), |tanh‴| ≤ T₃ = 2, |tanh⁗| ≤ T₄ = 4.1. Cross-entropy has
// derivatives p − t, at most √2, and the cumulants of a number of range at most √2: at most 1/2, 2√2/(6√3) (Sharma, Gupta and Kapoor 2010)
// and 1/2. By the chain rule
//
//     ‖∇L‖ ≤ √2F₁,   ∇²L in [−√2F₂, F₁²/2 + √2F₂],   ρ ≤ κ₃F₁³ + (3/2)F₁F₂ + √2F₃,   κ₃ = 2√2/(6√3),
//
// and the fourth derivative is at most F₁⁴/2 + 6κ₃F₁²F₂ + (3/2)F₂² + 2F₁F₃ + √2F₄. Near the centre dense eigenvalues are sharper: those of
// the Hessian there, less or more ρR. The lesser of both bounds is taken.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module LocalPerceptron =

    // More roundings than any constant here takes.
    let private above x = Rounding.above 60 x

    /// The mean cross-entropy of a tanh network [in, hidden, out] on the rows of X, with constants that hold within `radius` of the centre;
    /// farther away it answers with what is not a number, so that no check can leave the ball unnoticed.
    let loss (layers: int[]) (centre: Vector<float>) (radius: float) (x: Matrix<float>) (labels: Matrix<float>) : SmoothLoss =
        if layers.Length <> 3 then
            invalidArg (nameof layers) $"the constants are those of one hidden layer, not of {layers.Length - 2}"

        if not (radius > 0.0 && radius < infinity) then
            invalidArg (nameof radius) $"the radius must be positive and finite, not {radius}"

        let network = MultilayerPerceptron.loss layers Activation.Tanh OutputLoss.CrossEntropy x labels

        if centre.Count <> network.Dimension then
            invalidArg (nameof centre) $"the centre has {centre.Count} numbers, the network {network.Dimension} parameters"

        let centre = centre.Clone()
        let within (phi: Vector<float>) = (phi - centre).L2Norm() <= radius
        let guard f nothing phi = if within phi then f phi else nothing
        let nowhere = Vector<float>.Build.Dense(network.Dimension, nan)
        let hidden, outputs = layers[1], layers[2]
        let start = (layers[0] + 1) * hidden

        let sizes: PerceptronSizes =
            {
                Inputs = layers[0]
                Hidden = hidden
                Outputs = outputs
                Examples = x.RowCount
                Input = above (sqrt (1.0 + (x.EnumerateRows() |> Seq.map (fun row -> Rounding.norm row ** 2.0) |> Seq.max)))
                Parameters = above (Rounding.norm centre + radius)
                OutputWeights = above (Rounding.norm (centre.SubVector(start, hidden * outputs)) + radius)
            }

        let x, v = sizes.Input, sizes.OutputWeights
        let t = PerceptronRounding.tanhCurvature
        let f1 = sqrt (float (hidden + 1) + v * v * x * x)
        let f2 = x + v * t * x * x
        let f3 = 2.0 / sqrt 3.0 * t * x * x + 2.0 * v * x ** 3.0
        let f4 = 3.0 * sqrt 3.0 / 2.0 * x ** 3.0 + 4.1 * v * x ** 4.0
        let root = sqrt 2.0
        let skewness = 2.0 * root / (6.0 * sqrt 3.0)
        let lipschitz = above (skewness * f1 ** 3.0 + 1.5 * f1 * f2 + root * f3)
        let struct (smallest, largest) = Eigenvalues.enclosure (network.Hessian centre)
        // The Hessian as computed differs from the true one by its products' rounding, column by column.
        let product = above (PerceptronRounding.product sizes)
        let near = above (lipschitz * radius + product * sqrt (float network.Dimension))
        let least = max (smallest - near) -(above (root * f2))

        { network with
            Value = guard network.Value nan
            Gradient = guard network.Gradient nowhere
            HessianProduct = guard network.HessianProduct (fun _ -> nowhere)
            Hessian = guard network.Hessian (Matrix<float>.Build.Dense(network.Dimension, network.Dimension, nan))
            Constants =
                Proved.constants
                    least
                    (max -least (min (above (largest + near)) (above (f1 * f1 / 2.0 + root * f2))))
                    lipschitz
                    (above (root * f1))
                    {
                        Constant = above (PerceptronRounding.gradient sizes)
                        Slope = 0.0
                    }
                    { Constant = product; Slope = 0.0 }
            ThirdDerivativeLipschitz = above (f1 ** 4.0 / 2.0 + 6.0 * skewness * f1 * f1 * f2 + 1.5 * f2 * f2 + 2.0 * f1 * f3 + root * f4)
        }

    /// The radius of random's ball.
    let radius = 1.0

    /// The losses on a support and on a query set of a random task, inputs of length at most 1 and labels of a random network, on the ball
    /// around θ = `centre`.
    let random (random: Random) support query (layers: int[]) (centre: Vector<float>) =
        let teacher = 3.0 * Spectrum.gaussianMatrix random layers[0] layers[2]

        let examples n =
            let x = Spectrum.gaussianMatrix random n layers[0]

            let x =
                Matrix<float>.Build.DenseOfRowVectors(x.EnumerateRows() |> Seq.map (fun row -> row / max 1.0 (row.L2Norm())))

            let scores = x * teacher + Spectrum.gaussianMatrix random n layers[2]
            loss layers centre radius x (Matrix<float>.Build.Dense(n, 1, fun i _ -> float ((scores.Row i).MaximumIndex())))

        struct (examples support, examples query)
