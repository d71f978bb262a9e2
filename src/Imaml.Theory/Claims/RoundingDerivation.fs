// The rounding that the a-posteriori certificate counts, derived a second time from the standard model and compared number by number: a term
// that is missing, or counted twice, shows here at any magnitude, where in double precision no error of a task would.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module RoundingDerivation =

    /// The certificate's four numbers and its rounding part by a derivation of its own: norms as large as they may be, then what each line
    /// of the computation adds. `u` is the unit roundoff.
    ///
    ///     ∇G = fl(∇L̂ + fl(Λ fl(φ−θ))):  E_G = E₁(φ) + ‖Λ‖(γ₂ + c + cγ₂)(‖φ‖ + ‖θ‖) + ω,  and ‖∇G‖ itself by a factor 1 + γ₂
    ///     r = fl(v − fl(fl(Hu) + fl(Λu))):  E_r = E₂(φ) + (E₃(φ) + c‖Λ‖)‖u‖ + γ₂‖v‖ + ω,  and ‖r‖ itself by a factor 1 + 2γ₂
    ///     g = fl(Λu):  E_g = c‖Λ‖‖u‖ + ω
    let private again (c: ErrorConstants) (a: Arithmetic) (n: MeasuredNorms) =
        let gamma k = k * a.UnitRoundoff / (1.0 - k * a.UnitRoundoff)
        let d = float a.Parameters

        let most x =
            x / (1.0 - gamma (d + 8.0))
            + (if x > 0.0 then
                   2.0 * a.UnitRoundoff * a.SmallestNormal
               else
                   0.0)

        let affine (b: AffineBound) = b.Constant + b.Slope * most n.Phi
        let underflow = 2.0 * d ** 1.5 * a.SmallestNormal
        let g2 = gamma 2.0
        let lambda = c.LargestRegularization
        let turned = a.RegularizerRounding
        let places = most n.Phi + most n.Theta

        let eG =
            affine c.InnerGradientRounding
            + lambda * g2 * places
            + lambda * turned * places
            + lambda * turned * g2 * places
            + underflow

        let eR =
            affine c.OuterGradientRounding
            + affine c.ProductRounding * most n.Solution
            + turned * lambda * most n.Solution
            + g2 * most n.OuterGradient
            + underflow

        let eg = turned * lambda * most n.Solution + underflow
        let gradient = most n.InnerGradient * (1.0 + g2)
        let residual = most n.Residual * (1.0 + 2.0 * g2)
        let mu = c.StrongConvexity
        let turn = c.OuterSmoothness + c.HessianLipschitz * most n.Solution
        let linear = lambda / mu
        let inner = lambda * turn / (mu * mu)
        let rounding = linear * eR + inner * eG + eg

        [|
            (gradient + eG) / mu
            linear * (residual + eR) + eg
            linear * residual + inner * gradient + rounding
            rounding
            (residual + eR + turn * (gradient + eG) / mu) / mu
        |]

    let private bothWays given expected =
        min (Claim.margin given ((1.0 + 1e-12) * expected)) (Claim.margin expected ((1.0 + 1e-12) * given))

    /// What a product with Λ errs by, relative to ‖Λ‖‖w‖, in double and in single precision: one product for each coordinate and the rounding
    /// of λ itself, or the exponential that it is, γ₄; of a matrix inner products of d terms and the rounding of the entries, γ_{d+1}‖|Λ|‖ ≤ γ_{d+1}√d‖Λ‖.
    let private regularizerMargin (seed: int) =
        let random = Random seed
        let d = random.Next(1, 30)
        let coordinates = EuclideanCoordinates()
        let ones = Vector<float>.Build.Dense(d, 1.0)

        let struct (regularizer, roundings, factor) =
            match seed % 4 with
            | 0 -> struct (ScalarRegularizer 1.0 :> IRegularizer<Vector<float>, float>, 4.0, 1.0)
            | 1 -> struct (DiagonalRegularizer(coordinates, ones) :> IRegularizer<_, _>, 4.0, 1.0)
            | 2 -> struct (LayerwiseRegularizer(coordinates, [| ones |], [| 1.0 |]) :> IRegularizer<_, _>, 4.0, 1.0)
            | _ -> struct (MatrixRegularizer(Matrix<float>.Build.DenseIdentity d) :> IRegularizer<_, _>, float d + 1.0, sqrt (float d))

        let gamma u = roundings * u / (1.0 - roundings * u) * factor

        min
            (bothWays (Arithmetic.In(2.0 ** -52.0, d, regularizer)).RegularizerRounding (gamma (2.0 ** -53.0)))
            (bothWays (Arithmetic.In(2.0 ** -23.0, d, regularizer)).RegularizerRounding (gamma (2.0 ** -24.0)))

    /// The worst of the five against the second derivation, each way, on constants and norms of any magnitude and a coarse arithmetic, so
    /// that every term weighs.
    let private againMargin (seed: int) =
        let random = Random seed
        let magnitude () = 10.0 ** (4.0 * random.NextDouble() - 2.0)
        let d = random.Next(1, 20)
        let roundoff = 2.0 ** -(float (random.Next(9, 20)))

        let affine () =
            {
                Constant = roundoff * magnitude ()
                Slope = roundoff * magnitude ()
            }

        let mu, lambda, smoothness, lipschitz = magnitude (), magnitude (), magnitude (), magnitude ()
        let innerRounding, outerRounding, productRounding = affine (), affine (), affine ()
        let regularizer = ScalarRegularizer<Vector<float>, float> lambda

        let c =
            TaskConstants(
                LossConstants.Proved(mu - lambda, 1e3, lipschitz, infinity, innerRounding, productRounding),
                LossConstants.Proved(-smoothness, smoothness, 0.0, infinity, outerRounding, AffineBound.Zero)
            )
                .With(regularizer)

        let a =
            { Arithmetic.In(2.0 ** -52.0, d, regularizer) with
                UnitRoundoff = roundoff
                SmallestNormal = roundoff * magnitude () / 1e2
                RegularizerRounding = roundoff * magnitude ()
            }

        // Half of the instances with nothing left to iterate, where rounding is all there is.
        let iterated = float (random.Next 2)

        let norms =
            {
                InnerGradient = iterated * magnitude ()
                Phi = magnitude ()
                Theta = magnitude ()
                OuterGradient = magnitude ()
                Solution = magnitude ()
                Residual = iterated * magnitude ()
                Curvature = infinity
            }

        let bound = Certificate.Of(c, a, norms)

        Array.map2
            (fun (given: float) expected -> min (Claim.margin expected given) (Claim.margin given ((1.0 + 2.0 ** -45.0) * expected)))
            [|
                bound.InnerError
                bound.SolveError
                bound.Total
                bound.Rounding
                bound.AdjointError
            |]
            (again c a norms)
        |> Array.min

    let private claim statement families measured bound instances : Claim =
        Claim.create "Theorem 1" statement "the standard model of rounding" families measured bound instances [||]

    let claims: Claim list =
        [
            claim
                "a product with Λ counts γ₂ by coordinate, γ_{d+1}√d as a matrix, by a second derivation"
                "every kind of Λ, double and single precision"
                "each, against the other"
                "1 + 10⁻¹² times the other"
                (Instances.numbered 4860 (Instances.count 20 200) regularizerMargin)
            claim
                "the certificate is that of a second derivation, term by term"
                "constants, norms and rounding of any magnitude"
                "the second, for δ, δ′, the whole and its rounding; the first"
                "the first, which is rounded outwards; 1 + 2⁻⁴⁵ times the second"
                (Instances.numbered 4850 (Instances.count 300 3000) againMargin)
        ]
