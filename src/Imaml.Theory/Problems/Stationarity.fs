// Whether a point solves the inner problem as well as rounding allows: is ‖∇G‖ anything but rounding there, and does G curve upwards?

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// What a point is to the inner problem.
type Stationarity =
    {
        /// ‖∇_φG(φ, θ)‖
        GradientNorm: float
        /// What it may be by rounding alone: of the gradient, and of φ itself. A bound where the inner loss's constants are certified; else
        /// an estimate from H and the sizes of φ and θ.
        RoundingLevel: float
        /// At most the smallest eigenvalue of H + Λ as computed at φ.
        SmallestCurvature: float
    }

    /// ∇G and H + Λ are finite numbers. Where they are not, nothing is known of the point.
    member s.IsFinite = s.GradientNorm < infinity && s.SmallestCurvature > -infinity

    /// ‖∇G‖ is nothing but rounding.
    member s.IsStationary = s.GradientNorm <= s.RoundingLevel && s.RoundingLevel < infinity

    /// A stationary point with positive curvature in every direction.
    member s.IsMinimum = s.IsStationary && s.SmallestCurvature > 0.0

[<RequireQualifiedAccess>]
module Stationarity =

    // Rounding alone moves ‖∇G‖ by less: a step that moves φ at all needs ‖∇G‖ ≥ βulp/2, and changes it by βulp at most.
    let private growth = 10.0

    /// Whether an inner solve that started from θ has diverged: φ has a larger G than θ, and a much larger ‖∇G‖.
    let hasDiverged (task: BilevelTask) (theta: Vector<float>) (phi: Vector<float>) =
        let objective = BilevelTask.innerObjective task theta
        let size phi = (BilevelTask.innerGradient task theta phi).L2Norm()
        not (objective phi <= objective theta) && not (size phi <= growth * size theta)

    /// What φ is to the inner problem at θ. Cost: an eigendecomposition of H + Λ.
    let at (task: BilevelTask) (theta: Vector<float>) (phi: Vector<float>) =
        let shifted = BilevelTask.shiftedHessian task phi
        let struct (smallest, largest) = Eigenvalues.enclosure shifted
        let struct (_, regularization) = Proximal.enclosure task.Proximal
        let sizes = Rounding.norm phi + Rounding.norm theta
        let d = theta.Count
        let proved = (BilevelTask.constants task).StrongConvexity
        let curvature = max (abs smallest) (abs largest)

        let lossRounding =
            if task.Inner.Kind = BoundKind.Certified then
                task.Inner.GradientRounding.At(Rounding.norm phi)
            else
                Rounding.gamma (d + 100) * (curvature * sizes + (task.Inner.Gradient phi).L2Norm())

        {
            GradientNorm = (BilevelTask.innerGradient task theta phi).L2Norm()
            // Λ(φ−θ) errs by at most γ_{d+2}|Λ|(|φ|+|θ|), ‖|Λ|‖ ≤ √d‖Λ‖; and φ is the nearest of the numbers that there are.
            RoundingLevel =
                Rounding.above
                    10
                    (lossRounding
                     + Rounding.gamma (d + 2) * sqrt (float d) * regularization * sizes
                     + 2.0 * Rounding.unit * curvature * sizes)
            // Next to large numbers what is proved of a convex loss may be lost in the rounding of eigenvalues.
            SmallestCurvature =
                if smallest > -infinity then
                    max smallest proved
                else
                    smallest
        }
