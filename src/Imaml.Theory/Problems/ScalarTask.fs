// One parameter, and every inequality of Theorem 1 an equality to first order in δ: a formula with a smaller constant fails here.
//
//     L̂(φ) = ½hφ² + ρφ₊³/6,   L(φ) = Bφ − ½ℓφ²,   φ = 0 reached, φ* = δ > 0,   µ = λ + h
//
// At φ = 0 the curvature of G is its least, µ, and grows with φ as fast as ρ lets it; ∇L is its greatest, B, and falls as fast as ℓ lets it.
// With the u that is too large by e
//
//     g − d_θL(Alg*(θ)) = λ[B/µ + e − (B − ℓδ)/(µ + ρδ)] = δ′ + Cδ/(1 + ρδ/µ),   δ′ = λe,   C = λℓ/µ + λρB/µ²,
//
// and the certificate's d = ‖∇G‖/µ is δ(1 + ρδ/(2µ)). All of it holds for φ up to some multiple of δ, beyond which the losses answer with
// what is not a number.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// The task, with what Algorithm 2 is to have reached.
[<NoComparison; NoEquality>]
type ScalarTask =
    {
        Task: BilevelTask
        /// φ = 0
        Phi: Vector<float>
        /// B/µ + e
        U: Vector<float>
        /// δ
        InnerError: float
        /// δ′ = λe
        SolveError: float
    }

[<RequireQualifiedAccess>]
module ScalarTask =

    /// ρδ/µ: by so much, and a few times more, the bounds stay above the errors.
    let distance = 1e-6

    let private one (value: float) = Vector<float>.Build.Dense(1, value)

    let private guarded (radius: float) (loss: SmoothLoss) =
        let guard f nothing (phi: Vector<float>) = if abs phi[0] <= radius then f phi else nothing

        { loss with
            Value = guard loss.Value nan
            Gradient = guard loss.Gradient (one nan)
            HessianProduct = guard loss.HessianProduct (fun _ -> one nan)
            Hessian = guard loss.Hessian ((one nan).ToColumnMatrix())
        }

    // ½hφ² + ρφ₊³/6 for |φ| ≤ radius: two products and a sum make its gradient, one and a sum its Hessian.
    let private cubic curvature rho radius : SmoothLoss =
        let positive (phi: Vector<float>) = max 0.0 phi[0]
        let hessian phi = curvature + rho * positive phi

        {
            Dimension = 1
            Value = fun phi -> curvature * phi[0] * phi[0] / 2.0 + rho * positive phi ** 3.0 / 6.0
            Gradient = fun phi -> one (curvature * phi[0] + rho * positive phi ** 2.0 / 2.0)
            HessianProduct = fun phi w -> hessian phi * w
            Hessian = fun phi -> (one (hessian phi)).ToColumnMatrix()
            Constants =
                Proved.constants
                    curvature
                    (Rounding.above 3 (curvature + rho * radius))
                    rho
                    infinity
                    {
                        Constant = 0.0
                        Slope = Rounding.above 8 (Rounding.gamma 6 * (curvature + rho * radius))
                    }
                    {
                        Constant = Rounding.above 8 (Rounding.gamma 4 * (curvature + rho * radius))
                        Slope = 0.0
                    }
            ThirdDerivativeLipschitz = infinity
        }

    let private draw (accuracies: ErrorConstants -> Accuracies) (seed: int) : ScalarTask =
        let random = Random seed
        let magnitude () = 10.0 ** (2.0 * random.NextDouble() - 1.0)
        let lambda, rho, bound = magnitude (), magnitude (), magnitude ()
        let curvature = lambda * magnitude ()
        let mu = lambda + curvature
        // ℓ against ρB/µ.
        let slope = rho * bound / mu * magnitude ()
        // Algorithms start from θ, some δ(1 + h/λ); on this radius ℓφ is at most some 10⁻³B.
        let radius = 40.0 * distance * mu / rho * (1.0 + curvature / lambda)
        let inner = guarded radius (cubic curvature rho radius)

        let outer =
            guarded
                radius
                (let quadratic = Quadratic.loss (Matrix<float>.Build.Dense(1, 1, -slope)) (one bound) 0.0
                 let known = quadratic.Constants

                 { quadratic with
                     // B at φ ≥ 0, where φ and φ* are.
                     Constants =
                         Proved.constants
                             known.SmallestCurvature
                             known.LargestCurvature
                             0.0
                             bound
                             known.GradientRounding
                             known.ProductRounding
                 })

        let at theta = BilevelTask.create inner outer (Proximal.Scalar lambda) (one theta)
        let reached = accuracies (BilevelTask.constants (at 0.0))
        let delta = reached.Inner

        {
            Task = at (delta * (1.0 + curvature / lambda) + rho * delta * delta / (2.0 * lambda))
            Phi = one 0.0
            U = one (bound / mu + reached.Solve / lambda)
            InnerError = delta
            SolveError = reached.Solve
        }

    /// One of this seed; λ, h, ρ, B and the shares of the three parts of the error are each drawn over two magnitudes.
    let random (seed: int) : ScalarTask =
        let share = 10.0 ** (2.0 * Random(seed + 1).NextDouble() - 1.0)

        draw
            (fun c ->
                let delta = distance * c.StrongConvexity / c.HessianLipschitz
                let lambda = c.LargestRegularization
                let slope = c.OuterSmoothness / c.StrongConvexity
                let turn = c.HessianLipschitz * c.OuterGradientBound / (c.StrongConvexity * c.StrongConvexity)

                {
                    Inner = delta
                    Solve = share * lambda * (slope + turn) * delta
                })
            seed

    /// The same task with φ and u of these accuracies exactly; δ is to be about `distance`·µ/ρ or less.
    let reaching (accuracies: Accuracies) (seed: int) : ScalarTask = draw (fun _ -> accuracies) seed
