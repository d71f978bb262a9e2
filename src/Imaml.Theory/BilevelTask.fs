// One task with known losses: the paper's objects in closed form or to machine precision, as the oracle of every check.
//
//     G(φ, θ) = L̂(φ) + (λ/2)‖φ − θ‖²,   φ* = argmin_φ G,   A = I + H(φ*)/λ,   d_θL(φ*) = A⁻¹∇L(φ*)      (3), (4), (5)

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// The constants of Theorem 1 for one task.
type Constants =
    {
        /// µ: G is µ-strongly convex.
        StrongConvexity: float
        /// β: G's gradient is β-Lipschitz.
        Smoothness: float
        /// L: the outer gradient's Lipschitz constant.
        OuterSmoothness: float
        /// B: a bound on the outer gradient; infinite where there is none.
        OuterGradientBound: float
        /// ρ: the Lipschitz constant of H.
        HessianLipschitz: float
        Lambda: float
    }

    /// κ = β/µ
    member c.Condition = c.Smoothness / c.StrongConvexity

    /// λ/µ, a bound on ‖A⁻¹‖ and on Alg*'s Lipschitz constant.
    member c.Contraction = c.Lambda / c.StrongConvexity

    /// C = λL/µ + λρB/µ², the factor of δ in Theorem 1; ρ = 0 needs no B.
    member c.InnerErrorFactor =
        let curved =
            if c.HessianLipschitz = 0.0 then
                0.0
            else
                c.Contraction * c.HessianLipschitz * c.OuterGradientBound / c.StrongConvexity

        c.Contraction * c.OuterSmoothness + curved

/// A task (L̂, L) with regularisation λ and meta-parameters θ.
[<NoComparison; NoEquality>]
type BilevelTask =
    {
        Inner: SmoothLoss
        Outer: SmoothLoss
        Lambda: float
        Theta: Vector<float>
    }

/// A loss near a point of ℝᵈ, by its dense Hessian.
type private DenseLinearization(loss: SmoothLoss, phi: Vector<float>) =
    let hessian = loss.Hessian phi

    interface ILinearization<Vector<float>, float> with
        member _.Loss = loss.Value phi
        member _.Gradient = loss.Gradient phi
        member _.HessianProduct w = hessian * w
        member _.Dispose() = ()

[<RequireQualifiedAccess>]
module BilevelTask =

    /// The two losses as the core sees them.
    let problem (task: BilevelTask) =
        { new IBilevelProblem<Vector<float>, float> with
            member _.InnerLoss phi = task.Inner.Value phi
            member _.InnerGradient phi = task.Inner.Gradient phi
            member _.LinearizeInner phi = new DenseLinearization(task.Inner, phi)
            member _.OuterLossAndGradient phi = struct (task.Outer.Value phi, task.Outer.Gradient phi)
        }

    /// Theorem 1's constants: µ = λ + the least curvature of L̂, β = λ + the greatest.
    let constants (task: BilevelTask) =
        {
            StrongConvexity = task.Lambda + task.Inner.SmallestCurvature
            Smoothness = task.Lambda + task.Inner.LargestCurvature
            OuterSmoothness = task.Outer.LargestCurvature
            OuterGradientBound = task.Outer.GradientBound
            HessianLipschitz = task.Inner.HessianLipschitz
            Lambda = task.Lambda
        }

    /// ∇_φG(φ, θ)
    let innerGradient (task: BilevelTask) (theta: Vector<float>) phi = task.Inner.Gradient phi + task.Lambda * (phi - theta)

    /// H(φ) + λI
    let shiftedHessian (task: BilevelTask) phi = task.Inner.Hessian phi + task.Lambda * Matrix<float>.Build.DenseIdentity task.Theta.Count

    /// Alg*(θ), by Newton's method with halved steps until rounding stops it; one step where L̂ is quadratic, one more to polish.
    let exactSolution (task: BilevelTask) (theta: Vector<float>) =
        let newton phi = (shiftedHessian task phi).Cholesky().Solve(innerGradient task theta phi)
        let size phi = (innerGradient task theta phi).L2Norm()

        // ‖∇G‖ falls along Newton's direction, whose derivative of ½‖∇G‖² is −‖∇G‖².
        let rec descend phi =
            let step = newton phi
            let before = size phi
            let fits scale = size (phi - scale * step) < before
            let scales = Seq.init 30 (fun i -> 0.5 ** float i)

            match Seq.tryFind fits scales with
            | Some scale when before > 0.0 -> descend (phi - scale * step)
            | _ -> phi

        descend theta

    /// dAlg*/dθ = λ(H + λI)⁻¹ at φ (Lemma 1), as a dense matrix.
    let jacobian (task: BilevelTask) phi =
        task.Lambda
        * (shiftedHessian task phi).Cholesky().Solve(Matrix<float>.Build.DenseIdentity task.Theta.Count)

    /// A(φ)⁻¹∇L(φ) by a dense solve; at φ = Alg*(θ) it is the exact meta-gradient (5).
    let implicitGradient (task: BilevelTask) phi = task.Lambda * (shiftedHessian task phi).Cholesky().Solve(task.Outer.Gradient phi)

    /// d_θL(Alg*(θ))
    let exactMetaGradient (task: BilevelTask) = implicitGradient task (exactSolution task task.Theta)
