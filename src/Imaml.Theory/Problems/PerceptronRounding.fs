// The rounding of a network's gradient and Hessian–vector product as MultilayerPerceptron computes them: layers [in, hidden, out], tanh,
// cross-entropy, n examples. Norms are Frobenius norms, which are those of the absolute values too, so a product AB of inner length k errs by
// at most γ_k‖A‖‖B‖; tanh, exp and log are taken to be accurate to four roundings.
//
// With ‖(x, 1)‖ ≤ X, ‖(a, 1)‖ ≤ A, ‖φ‖ ≤ P, ‖W₂‖ ≤ V, tanh″ ≤ T₂, ‖p − t‖ ≤ √2, the errors run forward and back (one line each below).
// Products of two errors are covered by a factor 2: every error is below 10⁻¹⁰ of its term.

namespace Imaml.Theory

/// The sizes that the rounding of a network depends on.
[<NoComparison; NoEquality>]
type internal PerceptronSizes =
    {
        Inputs: int
        Hidden: int
        Outputs: int
        Examples: int
        /// At least ‖(x, 1)‖ of every example.
        Input: float
        /// At least ‖φ‖, and ‖W₂‖.
        Parameters: float
        OutputWeights: float
    }

    /// √(hidden + 1), at least ‖(a, 1)‖.
    member s.Activations = sqrt (float (s.Hidden + 1))

[<RequireQualifiedAccess>]
module internal PerceptronRounding =

    /// 4/(3√3), the largest |tanh″|, rounded up.
    let tanhCurvature = 0.7699

    // What the forward pass errs by: z, a, and the derivative p − t by the outputs.
    let private forward (s: PerceptronSizes) =
        let gamma = Rounding.gamma
        let z = gamma (s.Inputs + 2) * s.Parameters * s.Input
        let a = z + gamma 4 * s.Activations
        let y = gamma (s.Hidden + 2) * s.Parameters * s.Activations + s.OutputWeights * a
        // log-softmax subtracts numbers as large as the outputs, and p ≤ 1 is its exponential; softmax is ½-Lipschitz.
        let logarithm = 3.0 * s.Parameters * s.Activations + log (float s.Outputs) + 3.0
        struct (z, a, y / 2.0 + gamma (s.Outputs + 14) * logarithm)

    let private root = sqrt 2.0

    /// What the gradient errs by.
    let gradient (s: PerceptronSizes) =
        let gamma = Rounding.gamma
        let struct (z, a, e) = forward s
        let sum = gamma (s.Examples + 4)
        let outer = sum * root * s.Activations + e * s.Activations + root * a
        let slope = tanhCurvature * z + gamma 8

        let back =
            gamma (s.Outputs + 4) * s.OutputWeights * root
            + s.OutputWeights * e
            + root * s.OutputWeights * slope

        2.0 * (outer + sum * root * s.OutputWeights * s.Input + s.Input * back)

    /// What the Hessian–vector product errs by, relative to the vector.
    let product (s: PerceptronSizes) =
        let gamma = Rounding.gamma
        let x, v = s.Input, s.OutputWeights
        let struct (z, a, e) = forward s
        let sum = gamma (s.Examples + 4)
        let slope = tanhCurvature * z + gamma 8
        // Ra, Ry and R of the derivative by the outputs, with their sizes X, A + VX and half of that.
        let ra = x * slope + gamma (s.Inputs + 3) * x
        let size = s.Activations + v * x
        let ry = gamma (s.Hidden + 2) * size + a + v * ra
        let re = ry / 2.0 + 2.0 * e * size + 2.0 * gamma (s.Outputs + 6) * size
        // R of the derivative by z: (Re·W₂ + e·V₂)∘tanh′ + (e·W₂)∘tanh″∘Rz, tanh″ being 2-Lipschitz.
        let straight = size * v / 2.0 + root
        let bent = root * v * tanhCurvature * x

        let back =
            v * re
            + e
            + gamma (s.Outputs + 4) * straight
            + straight * slope
            + (gamma (s.Outputs + 4) * root * v + v * e) * tanhCurvature * x
            + root * v * (2.0 * z + gamma 12) * x
            + bent * gamma (s.Inputs + 6)

        let outer =
            s.Activations * re
            + size * a / 2.0
            + e * x
            + root * ra
            + sum * (size * s.Activations / 2.0 + root * x)

        2.0 * (outer + x * back + sum * x * (straight + bent))
