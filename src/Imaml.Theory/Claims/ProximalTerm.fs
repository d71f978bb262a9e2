// What Λ is to the algorithms: Λw, Λ⁻¹w, ½wᵀΛw and bounds on its eigenvalues, of every kind, against Λ as a dense matrix; G's value and
// gradient with it.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module ProximalTerm =

    let private space = RegularizedTask.space

    /// γ of n operations on numbers of size Λ: ‖|Λ|‖ ≤ √d‖Λ‖.
    let private rounding (t: RegularizedTask) n =
        let struct (_, largest) = Proximal.enclosure t.Task.Proximal
        let d = t.Task.Theta.Count
        2.0 * Rounding.gamma (d + n) * sqrt (float d) * largest

    let private applyMargin (t: RegularizedTask) random =
        let w = Spectrum.gaussian random t.Task.Theta.Count
        Claim.margin ((t.Regularizer.Apply(space, w) - t.Lambda * w).L2Norm()) (rounding t 4 * w.L2Norm())

    let private inverseMargin (t: RegularizedTask) random =
        let d = t.Task.Theta.Count
        let w = Spectrum.gaussian random d
        let solution = t.Regularizer.ApplyInverse(space, w)
        // Backward stable: the residual of a Cholesky solve is γ_{3d+1} of |R|ᵀ|R||x|, at most d‖Λ‖‖x‖ (Higham, theorem 10.4).
        let struct (_, largest) = Proximal.enclosure t.Task.Proximal
        let bound = 4.0 * Rounding.gamma (3 * d + 4) * float d * largest * solution.L2Norm()
        Claim.margin ((t.Lambda * solution - w).L2Norm()) bound

    let private valueMargin (t: RegularizedTask) random =
        let d = t.Task.Theta.Count
        let phi = Spectrum.gaussian random d
        let theta = t.Task.Theta
        let away = phi - theta
        let loss = t.Task.Inner.Value phi
        let value = InnerObjective.value space t.Regularizer loss phi theta
        let expected = loss + 0.5 * away.DotProduct(t.Lambda * away)
        Claim.margin (abs (value - expected)) (rounding t (d + 6) * away.DotProduct away + 4.0 * Rounding.unit * abs loss)

    let private gradientMargin (t: RegularizedTask) random =
        let phi = Spectrum.gaussian random t.Task.Theta.Count
        let theta = t.Task.Theta
        let slope = t.Task.Inner.Gradient phi
        let gradient = InnerObjective.gradient space t.Regularizer slope phi theta
        let expected = slope + t.Lambda * (phi - theta)
        let bound = rounding t 6 * (phi.L2Norm() + theta.L2Norm()) + 4.0 * Rounding.unit * slope.L2Norm()
        Claim.margin ((gradient - expected).L2Norm()) bound

    /// How far the two bounds are on the wrong side of the eigenvalues, or too far on the right one. A dense decomposition errs by some d
    /// roundings of ‖Λ‖, for which the core takes 8d.
    let private eigenvaluesMargin (t: RegularizedTask) _ =
        let system = Eigensystem.Of t.Lambda
        let d = float t.Task.Theta.Count
        let room = 16.0 * d * Rounding.unit * t.Lambda.FrobeniusNorm()

        let outside =
            max (t.Regularizer.SmallestEigenvalue - system.Smallest) (system.Largest - t.Regularizer.LargestEigenvalue)

        let distance =
            max (system.Smallest - t.Regularizer.SmallestEigenvalue) (t.Regularizer.LargestEigenvalue - system.Largest)

        // Above the smallest or below the largest is a violation, but for what Evd rounds on a diagonal Λ: nothing.
        if outside > 0.0 then
            -infinity
        else
            Claim.margin (max 0.0 distance) room

    /// Λ = aI + c11ᵀ with small whole numbers has the eigenvalues a and a + dc, to the last bit: no rounding may take the bounds past them.
    let private exactMargin (seed: int) =
        let random = Random seed
        let d = random.Next(2, 13)
        let a, c = float (random.Next(1, 10)), float (random.Next(1, 10))
        let lambda = a * Matrix<float>.Build.DenseIdentity d + c
        let regularizer = MatrixRegularizer lambda :> IRegularizer<Vector<float>, float>
        let outside = max (regularizer.SmallestEigenvalue - a) (a + float d * c - regularizer.LargestEigenvalue)
        Claim.margin (max 0.0 outside) 0.0

    let private some = Instances.count 48 480

    let private check statement measured bound margin first : Claim =
        Claim.create
            "(3), (4)"
            statement
            "Λ is symmetric positive definite"
            "every kind of Λ"
            measured
            bound
            (RegularizedTask.each first [ Quadratics ] some margin)
            [||]

    let claims: Claim list =
        [
            check "the core's Λw is Λ times w" "‖Λw − Λ·w‖, dense" "rounding" applyMargin 18000
            check "the core's Λ⁻¹w solves Λx = w" "‖Λ·x − w‖, dense" "rounding of a backward stable solve" inverseMargin 18100
            check "G(φ, θ) = L̂(φ) + ½(φ−θ)ᵀΛ(φ−θ)" "the distance of the two values" "rounding" valueMargin 18200
            check "∇_φG(φ, θ) = ∇L̂(φ) + Λ(φ − θ)" "the distance of the two gradients" "rounding" gradientMargin 18300
            check
                "SmallestEigenvalue and LargestEigenvalue enclose Λ's spectrum, to rounding"
                "their distance from Λ's extreme eigenvalues"
                "16d roundings of ‖Λ‖"
                eigenvaluesMargin
                18400
            Claim.create
                "(3), (4)"
                "rounding does not take the bounds past the eigenvalues of aI + c11ᵀ"
                "Λ is symmetric positive definite"
                "Λ = aI + c11ᵀ, a and c from 1 to 9, d from 2 to 12"
                "how far a bound is past a or a + dc"
                "0"
                (Instances.numbered 18500 some exactMargin)
                [||]
        ]
