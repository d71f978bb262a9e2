// The rate of conjugate gradients, on which Theorem 1's count of Hessian–vector products rests:
//
//     ‖uₖ − u*‖_A ≤ 2((√κ − 1)/(√κ + 1))ᵏ‖u*‖_A      from u₀ = 0 (Golub and Van Loan, section 11.3)
//
// and, in exact arithmetic, uₖ = u* after as many steps as A has distinct eigenvalues.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module ConjugateGradientRate =

    let private solve (a: Matrix<float>) (b: Vector<float>) steps =
        let solver: ILinearSolver<_, _> = ConjugateGradientSolver(LinearSolveOptions.FixedBudget steps)
        solver.Solve(EuclideanSpace(), LinearOperator.Of(fun w -> a * w), b, 0.0).Solution

    let private energy (a: Matrix<float>) (e: Vector<float>) = sqrt (max 0.0 (e.DotProduct(a * e)))

    /// How far rounding keeps CG from u* in the A-norm, relatively: the gap between the recurrence's residual and the true one is at most
    /// about k‖A‖‖u*‖ roundings after k steps (Greenbaum 1997), so the error at most kκ of them, ten for the constant.
    let private rounding steps condition = 10.0 * float steps * condition * Rounding.unit

    /// The smallest margin over k = 1 … 2d on a random system of this seed, d from 1 to 40, κ from 1 to 10⁶.
    let rateMargin (seed: int) =
        let random = Random seed
        let d = random.Next(1, 41)
        let a = Spectrum.positiveDefinite random d (10.0 ** (6.0 * random.NextDouble()))
        let struct (smallest, largest) = Spectrum.ends a
        let kappa = largest / smallest
        let exact = Spectrum.gaussian random d
        let b = a * exact
        let q = (sqrt kappa - 1.0) / (sqrt kappa + 1.0)

        Seq.init (2 * d) (fun i ->
            let k = i + 1
            let measured = energy a (solve a b k - exact) / energy a exact
            Claim.margin measured (2.0 * q ** float k + rounding k kappa))
        |> Seq.min

    /// The margin after m steps on a random system with m distinct eigenvalues between 1 and 10.
    let terminationMargin (seed: int) =
        let random = Random seed
        let d = random.Next(1, 41)
        let distinct = random.Next(1, 1 + min d 6)

        let values =
            Array.init distinct (fun i -> 1.0 + 9.0 * (float i + random.NextDouble() / 2.0) / float distinct)

        let a = Spectrum.symmetric random (Array.init d (fun i -> values[i % distinct]))
        let exact = Spectrum.gaussian random d
        let measured = energy a (solve a (a * exact) distinct - exact) / energy a exact
        // Within m steps the residual's own rounding is amplified by the separation of the eigenvalues: at most 10 for each further step.
        Claim.margin measured (rounding distinct 10.0 * 10.0 ** float distinct)

    let private check statement measured bound first margin : Claim =
        Claim.create
            "CG rate"
            statement
            "A is symmetric positive definite"
            "symmetric positive definite matrices, d from 1 to 40"
            measured
            bound
            (Instances.numbered first (Instances.count 150 1500) margin)
            [||]

    let claims: Claim list =
        [
            check
                "the error after k steps is at most 2((√κ−1)/(√κ+1))ᵏ in the A-norm"
                "‖uₖ − u*‖_A/‖u*‖_A, the worst k"
                "2((√κ−1)/(√κ+1))ᵏ"
                6000
                rateMargin
            check "m steps solve a system with m distinct eigenvalues" "‖uₘ − u*‖_A/‖u*‖_A" "rounding" 7000 terminationMargin
        ]
