// Table 1, measured: what each method costs to reach inner accuracy δ and error ε, counted on the core's code that runs.
//
//     MAML, gradient descent + full back-prop   ∇L̂: κ log(D/δ)     memory: κ log(D/δ)     approximate-solve error 0
//     MAML, Nesterov + full back-prop               √κ log(D/δ)             √κ log(D/δ)                            0
//     truncated back-prop, gradient descent         κ log(D/δ)              κ log(1/ε)                             ε
//     implicit MAML, Nesterov + CG                  √κ log(D/δ)             1              exact-solve error        δ
//
// δ = rD with D = ‖θ − φ*‖ and one r for all κ, so that log(D/δ) is the same everywhere; K of truncation and the steps of CG reach an error
// of r‖λM⁻¹v‖ in the same way. T and the steps of CG are the smallest whose error, measured, is small enough.

namespace Imaml.Theory

/// A row of Table 1.
type Table1Method =
    | MamlGradientDescent = 0
    | MamlNesterov = 1
    | TruncatedBackPropagation = 2
    | ImplicitMaml = 3

/// One meta-gradient of one method, with what it took.
[<NoComparison>]
type Table1Point =
    {
        Method: Table1Method
        /// What replays the problem.
        Seed: int
        /// κ
        Condition: float
        /// r = δ/D
        Accuracy: float
        /// T inner steps.
        Steps: int
        /// The steps whose iterates are kept: T of MAML, K of truncation, 0 of implicit MAML.
        KeptSteps: int
        /// Steps of conjugate gradients.
        LinearSteps: int
        /// Evaluations of ∇L̂, and Hessian–vector products.
        Gradients: int
        HessianProducts: int
        /// The largest number of vectors allocated at once, without θ.
        Vectors: int
        /// ‖φ − φ*‖/δ, at most 1
        InnerError: float
        /// The approximate-solve error ‖g − J_Tᵀ∇L(φ_T)‖, of implicit MAML the exact-solve error ‖g − d_θL(Alg*(θ))‖; divided by ‖λM⁻¹v‖.
        Error: float
        /// ‖g − d_θL(Alg*(θ))‖ of every method, divided by the same.
        ExactSolveError: float
        /// What the error may be by Table 1, divided by the same: rounding, r, and Theorem 1's δ′ + (λL/µ)δ.
        ErrorBound: float
    }

    /// Gradients and Hessian–vector products.
    member p.Compute = p.Gradients + p.HessianProducts
