// The a-posteriori certificate (ErrorBound): from norms that are measured, and from µ, L and ρ alone,
//
//     ‖g − d_θL(Alg*(θ))‖ ≤ (‖Λ‖/µ)(‖r‖ + (L + ρ‖u‖)d) + rounding,      d = ‖∇G(φ, θ)‖/µ,   r = ∇L(φ) − (H+Λ)u
//
// for any φ and u, wherever they come from. The rounding part is worked out again here, from the standard model: see `again`.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module APosteriori =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    let private certificate (change: ErrorConstants -> ErrorConstants) (task: BilevelTask) phi u =
        Certificate.ofSolution
            space
            (Proximal.regularizer task.Proximal)
            (BilevelTask.problem task)
            [| change (BilevelTask.constants task) |]
            (Theorem1.arithmetic task)
            task.Theta
            phi
            u
        |> Array.exactlyOne

    let private error (task: BilevelTask) u =
        let struct (gradient, bound) = Theorem1.exact task
        struct ((Proximal.apply task.Proximal u - gradient).L2Norm(), bound.Total)

    let private attainedMargin seed =
        let t = ScalarTask.random seed
        let struct (error, uncertainty) = error t.Task t.U
        Claim.margin (0.999 * (certificate id t.Task t.Phi t.U).Total) (error + uncertainty)

    let private misjudgedMargin change seed =
        let t = ScalarTask.random seed
        let struct (error, uncertainty) = error t.Task t.U
        Claim.margin error ((certificate change t.Task t.Phi t.U).Total + uncertainty)

    let private at change (reach: BilevelTask -> Random -> struct (Vector<float> * Vector<float>)) family seed =
        let task: BilevelTask = Family.regularized family seed
        let struct (phi, u) = reach task (Random(seed + 1))
        let struct (error, uncertainty) = error task u
        Claim.margin error ((certificate change task phi u).Total + uncertainty)

    /// φ and u drawn at random, within the reach of the constants.
    let private anywhere family (task: BilevelTask) (random: Random) =
        let distance = min 3.0 (Family.reach family)
        let phi = task.Theta + distance * Spectrum.direction random task.Theta.Count
        struct (phi, Spectrum.gaussian random task.Theta.Count)

    /// Twenty steps on L̂ alone, and FOMAML's g = v.
    let private withoutTerm (task: BilevelTask) (_: Random) =
        let step = 1.0 / (BilevelTask.constants task).Smoothness
        let phi = Seq.fold (fun phi _ -> phi - step * task.Inner.Gradient phi) task.Theta (seq { 1..20 })
        struct (phi, (Proximal.regularizer task.Proximal).ApplyInverse(space, task.Outer.Gradient phi))

    /// Two gradient steps and the exact linear solve there.
    let private stopped (task: BilevelTask) (_: Random) =
        let step = 1.0 / (BilevelTask.constants task).Smoothness

        let phi =
            Seq.fold (fun phi _ -> phi - step * BilevelTask.innerGradient task task.Theta phi) task.Theta (seq { 1..2 })

        struct (phi, BilevelTask.adjoint task phi)

    /// The certificate's three numbers and its rounding part by a derivation of its own: norms as large as they may be, then what each line
    /// of the computation adds. `u` is the unit roundoff.
    ///
    ///     ∇G = fl(∇L̂ + fl(Λ fl(φ−θ))):  E_G = E₁(φ) + ‖Λ‖(γ₂ + c + cγ₂)(‖φ‖ + ‖θ‖) + ω,  and ‖∇G‖ itself by a factor 1 + γ₂
    ///     r = fl(v − fl(fl(Hu) + fl(Λu))):  E_r = E₂(φ) + (E₃(φ) + c‖Λ‖)‖u‖ + γ₂‖v‖ + ω,  and ‖r‖ itself by a factor 1 + 2γ₂
    ///     g = fl(Λu):  E_g = c‖Λ‖‖u‖ + ω
    let private again (c: ErrorConstants) (a: Arithmetic) (n: MeasuredNorms) =
        let gamma k = k * a.UnitRoundoff / (1.0 - k * a.UnitRoundoff)
        let d = float a.Parameters
        let most x = x / (1.0 - gamma (d + 8.0))
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
        |]

    /// The worst of the four against the second derivation, each way, on constants and norms of any magnitude and a coarse arithmetic, so
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

        let c =
            {
                Kind = BoundKind.Certified
                StrongConvexity = magnitude ()
                Smoothness = 1e3
                LargestRegularization = magnitude ()
                OuterSmoothness = magnitude ()
                OuterGradientBound = infinity
                HessianLipschitz = magnitude ()
                InnerGradientRounding = affine ()
                OuterGradientRounding = affine ()
                ProductRounding = affine ()
            }

        let a =
            { (if random.Next 2 = 0 then
                   Arithmetic.double d (ScalarRegularizer<Vector<float>, float> 1.0)
               else
                   Arithmetic.double d (MatrixRegularizer(Matrix<float>.Build.DenseIdentity d))) with
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
            }

        let bound = ErrorBound.Of(c, a, norms)

        Array.map2
            (fun (given: float) expected -> Claim.margin (abs (given - expected)) (2.0 ** -45.0 * expected))
            [| bound.InnerError; bound.SolveError; bound.Total; bound.Rounding |]
            (again c a norms)
        |> Array.min

    let private every = Instances.names Family.withNetworks + "; every kind of Λ"
    let private scalars = "one parameter, curvature growing as ρ"

    let private claim statement families measured bound instances violations : Claim =
        {
            Source = "Theorem 1"
            Statement = statement
            Hypotheses = Theorem1.hypotheses
            Families = families
            Measured = measured
            Bound = bound
            Instances = instances
            Violations = violations
        }

    let private outside hypothesis expectation instances : Violation =
        {
            Hypothesis = hypothesis
            Expectation = expectation
            Instances = instances
        }

    let claims: Claim list =
        let few = Instances.count 20 200
        let numbered change = Instances.numbered 4700 few (misjudgedMargin change)
        let without (c: ErrorConstants) = { c with LargestRegularization = 0.0 }

        [
            claim
                "the certificate bounds the exact-solve error (a posteriori)"
                every
                "‖g − d_θL(Alg*(θ))‖"
                "(‖Λ‖/µ)(‖r‖ + (L + ρ‖u‖)d) + rounding"
                (Theorem1.ofAccounts (fun a -> a.ExactSolveError) (fun a -> a.Bound.Total + a.Exact.Total))
                [|
                    outside "ρ is taken for 0" Expectation.Breaks (numbered (fun c -> { c with HessianLipschitz = 0.0 }))
                    outside
                        "L is understated by half"
                        Expectation.Breaks
                        (numbered (fun c ->
                            { c with
                                OuterSmoothness = c.OuterSmoothness / 2.0
                            }))
                    outside
                        "µ is overstated by half"
                        Expectation.Breaks
                        (numbered (fun c ->
                            { c with
                                StrongConvexity = 1.5 * c.StrongConvexity
                            }))
                    outside
                        "φ and u solve nothing: drawn at random"
                        Expectation.Survives
                        (Instances.from (fun extent ->
                            seq {
                                for family in Family.withNetworks do
                                    yield! (Instances.each 4400 [ family ] few (fun f -> at id (anywhere f) f)).Invoke extent
                            }))
                    outside
                        "the inner steps lack the proximal term, and g = ∇L(φ) (FOMAML)"
                        Expectation.Survives
                        (Instances.each 4500 Family.all few (at id withoutTerm))
                |]
            claim
                "no smaller certificate will do"
                scalars
                "0.999 of it"
                "|g − d_θL(Alg*(θ))|"
                (Instances.numbered 4700 (Instances.count 60 600) attainedMargin)
                [||]
            claim
                "the certificate sees a Λ larger than its constants say"
                every
                "‖g − d_θL(Alg*(θ))‖"
                "the certificate of constants with ‖Λ‖ = 0"
                (Instances.each 4600 Family.withNetworks few (at without stopped))
                [||]
            claim
                "the certificate is that of a second derivation, term by term"
                "constants, norms and rounding of any magnitude"
                "the difference of the two, for δ, δ′, the whole and its rounding"
                "2⁻⁴⁵ of each"
                (Instances.numbered 4850 (Instances.count 300 3000) againMargin)
                [||]
        ]
