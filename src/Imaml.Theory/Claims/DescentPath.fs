// T steps of descent and their derivative in θ, by the recurrences of Unrolled.fs with dense matrices, and how far rounding may take them.
//
// Running error analysis (Higham, section 3.3): what is known to e before a step is known to ‖step‖e and the step's own roundings after it.
// With q = max|1 − αm| over m in [µ, β], a step multiplies errors by q without momentum, adds b of the last two with heavy ball, and makes
// q((1+b)eₜ + beₜ₋₁) of them with Nesterov's; H itself is off by ρ times φ's error. Reverse mode makes the same errors at the same places,
// as (∂φ_T/∂φₜ)ᵀ multiplies adjoints backwards: one bound serves both, twice, as the recurrence rounds too.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// A derivative and how far its rounding may reach.
[<NoComparison; NoEquality>]
type PathDerivative =
    {
        /// φ_T
        Phi: Vector<float>
        /// J_T, or its part that the last K steps make.
        Jacobian: Matrix<float>
        /// J_Tᵀ∇L(φ_T)
        Gradient: Vector<float>
        /// What φ_T and the gradient may be off by, in the core's code and here together.
        PhiError: float
        GradientError: float
    }

[<RequireQualifiedAccess>]
module DescentPath =

    /// A momentum of every kind in turn, T from 1 to 12 and a step of `share`/β.
    let options (share: float) (seed: int) (task: BilevelTask) : UnrolledOptions =
        {
            Momentum =
                match seed / 4 % 3 with
                | 0 -> NoMomentum
                | 1 -> HeavyBall 0.75
                | _ -> Nesterov 0.75
            Step = share / (BilevelTask.constants task).Smoothness
            Steps = 1 + seed % 12
        }

    /// What two steps before and one step before are multiplied by: (yₜ, zₜ) = φₜ + (c, e)(φₜ − φₜ₋₁).
    let private weights momentum =
        match momentum with
        | NoMomentum -> struct (0.0, 0.0)
        | HeavyBall b -> struct (0.0, b)
        | Nesterov b -> struct (b, b)

    /// φ_T and J_T, the derivative taken through the last `kept` steps from the Jacobian `start` of the iterate before them.
    let differentiate (task: BilevelTask) (options: UnrolledOptions) (kept: int) (start: Matrix<float>) : PathDerivative =
        let d = task.Theta.Count
        let alpha = options.Step
        let c = BilevelTask.constants task
        let lambda = Proximal.dense d task.Proximal
        let identity = Matrix<float>.Build.DenseIdentity d
        let q = max (abs (1.0 - alpha * c.StrongConvexity)) (abs (1.0 - alpha * c.Smoothness))
        let struct (weightOfY, weightOfZ) = weights options.Momentum
        let gamma = Rounding.gamma (d + 20)
        // Λw errs by γ|Λ||w|, ‖|Λ|‖ ≤ √d‖Λ‖.
        let lambdaTerms = alpha * sqrt (float d) * c.LargestRegularization

        let mutable phi = task.Theta
        let mutable before = task.Theta
        let mutable j = start
        let mutable jBefore = start
        let mutable e, eBefore = 0.0, 0.0
        let mutable eJ, eJBefore = 0.0, 0.0

        for t in 0 .. options.Steps - 1 do
            let y: Vector<float> = phi + weightOfY * (phi - before)
            let z: Vector<float> = phi + weightOfZ * (phi - before)
            let gradient = BilevelTask.innerGradient task task.Theta y

            // What one step makes of the errors before it.
            let carried (now: float) (last: float) =
                match options.Momentum with
                | NoMomentum -> q * now
                | HeavyBall b -> q * now + b * (now + last)
                | Nesterov b -> q * ((1.0 + b) * now + b * last)

            if t >= options.Steps - kept then
                let jy: Matrix<float> = j + weightOfY * (j - jBefore)
                let jz: Matrix<float> = j + weightOfZ * (j - jBefore)
                let size = jy.FrobeniusNorm()

                let own =
                    alpha
                    * (task.Inner.ProductRounding.At(y.L2Norm()) * size
                       + c.HessianLipschitz * (1.0 + 2.0 * weightOfY) * max e eBefore * size)
                    + gamma
                      * (j.FrobeniusNorm()
                         + jBefore.FrobeniusNorm()
                         + jz.FrobeniusNorm()
                         + size
                         + lambdaTerms * (size + sqrt (float d)))

                let next = jz - alpha * (BilevelTask.shiftedHessian task y * jy - lambda)
                let error = carried eJ eJBefore + own
                jBefore <- j
                eJBefore <- eJ
                j <- next
                eJ <- error

            let own =
                alpha * task.Inner.GradientRounding.At(y.L2Norm())
                + gamma
                  * (phi.L2Norm()
                     + before.L2Norm()
                     + z.L2Norm()
                     + y.L2Norm()
                     + lambdaTerms * (y.L2Norm() + task.Theta.L2Norm()))

            let error = carried e eBefore + own
            before <- phi
            eBefore <- e
            phi <- z - alpha * gradient
            e <- error

        let v = task.Outer.Gradient phi
        let size = j.FrobeniusNorm()

        {
            Phi = phi
            Jacobian = j
            Gradient = j.TransposeThisAndMultiply v
            PhiError = 2.0 * e
            GradientError =
                2.0
                * (eJ * v.L2Norm()
                   + size * (c.OuterSmoothness * e + c.OuterGradientRounding.At(phi.L2Norm()))
                   + gamma * size * v.L2Norm())
        }

    /// All T steps, from J₀ = I: MAML.
    let full (task: BilevelTask) (options: UnrolledOptions) =
        differentiate task options options.Steps (Matrix<float>.Build.DenseIdentity task.Theta.Count)

    /// The last K steps, from J_{T−K} = 0: truncated back-propagation.
    let last (kept: int) (task: BilevelTask) (options: UnrolledOptions) =
        differentiate task options kept (Matrix<float>.Build.Dense(task.Theta.Count, task.Theta.Count))

    /// (I − αM)ⁿ for the M of a constant Hessian.
    let contraction (task: BilevelTask) (options: UnrolledOptions) (n: int) =
        let one: Matrix<float> = Matrix<float>.Build.DenseIdentity task.Theta.Count
        let step = one - options.Step * BilevelTask.shiftedHessian task task.Theta
        Seq.fold (fun (power: Matrix<float>) _ -> power * step) one (seq { 1..n })

    /// How far ΛM⁻¹w, ‖w‖ ≤ `size`, by a dense solve, M constant (Higham, theorem 10.4), and a power of T products may be off together.
    let solveError (task: BilevelTask) (options: UnrolledOptions) (size: float) =
        let c = BilevelTask.constants task
        let d = task.Theta.Count
        4.0 * Rounding.gamma (4 * d * (d + options.Steps + 10)) * c.Condition * c.Contraction * size
