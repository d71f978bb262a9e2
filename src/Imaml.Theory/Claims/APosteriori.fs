// The a-posteriori certificate (Certificate): from norms that are measured, and from µ, L and ρ alone,
//
//     ‖g − d_θL(Alg*(θ))‖ ≤ (‖Λ‖/µ)(‖r‖ + (L + ρ‖u‖)d) + rounding,      d = ‖∇G(φ, θ)‖/µ,   r = ∇L(φ) − (H+Λ)u
//
// for any φ and u, wherever they come from. Its rounding part is RoundingDerivation's.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module APosteriori =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    let private certificate (judge: BilevelTask -> TaskConstants) (task: BilevelTask) phi u =
        Certificate.OfSolution(space, Proximal.regularizer task.Proximal, BilevelTask.problem task, [| judge task |], task.Theta, phi, u)
        |> Array.exactlyOne

    let private known = BilevelTask.losses

    let private error (task: BilevelTask) u =
        let struct (gradient, bound) = Theorem1Accounts.exact task
        struct ((Proximal.apply task.Proximal u - gradient).L2Norm(), bound.Total)

    let private attainedMargin seed =
        let t = ScalarTask.random seed
        let struct (error, uncertainty) = error t.Task t.U
        Claim.margin (0.999 * (certificate known t.Task t.Phi t.U).Total) (error + uncertainty)

    // With these constants in place of the task's own.
    let private certifiedMargin change seed =
        let t = ScalarTask.random seed
        let struct (error, uncertainty) = error t.Task t.U
        Claim.margin error ((certificate change t.Task t.Phi t.U).Total + uncertainty)

    let private at change (reach: BilevelTask -> Random -> struct (Vector<float> * Vector<float>)) family seed =
        let task: BilevelTask = Family.regularized family seed
        let struct (phi, u) = reach task (Random(seed + 1))
        let struct (error, uncertainty) = error task u
        Claim.margin error ((certificate change task phi u).Total + uncertainty)

    /// Two parameters, Λ = diag(λ, 10λ) and constant curvature, the one error that of u along the second: ‖Λ‖ is 10λ there.
    let private stretchedMargin (seed: int) =
        let random = Random seed
        let magnitude () = 10.0 ** (2.0 * random.NextDouble() - 1.0)
        let lambda = magnitude ()
        let identity = Matrix<float>.Build.DenseIdentity 2
        let loss = Quadratic.loss (lambda * magnitude () * identity) (Spectrum.gaussian random 2) 0.0
        let proximal = Proximal.Diagonal(Vector<float>.Build.DenseOfArray [| lambda; 10.0 * lambda |])
        let task = BilevelTask.create loss loss proximal (Spectrum.gaussian random 2)
        let phi = BilevelTask.exactSolution task task.Theta
        let u = BilevelTask.adjoint task phi + Vector<float>.Build.DenseOfArray [| 0.0; 1.0 |]
        let struct (error, uncertainty) = error task u
        Claim.margin error ((certificate known task phi u).Total + uncertainty)

    /// What is left of 1 where the certificate says that the constants are refuted.
    let private refutedMargin judge seed =
        let t = ScalarTask.random seed
        let bound = certificate judge t.Task t.Phi t.U

        if bound.IsRefuted && bound.Kind = BoundKind.None then
            1.0
        else
            -infinity

    /// The certificate with a Λ of these many times its size, against one made for it from the start.
    let private otherLambdaMargin family seed =
        let task: BilevelTask = Family.regularized family seed
        let random = Random(seed + 1)

        let other =
            { task with
                Proximal = Proximal.random random task.Theta.Count (10.0 ** (2.0 * random.NextDouble() - 1.0))
            }

        let struct (phi, u) = struct (task.Theta, Spectrum.gaussian random task.Theta.Count)
        let again = BilevelTask.create task.Inner task.Outer other.Proximal task.Theta

        let struct (one, two) =
            struct ((certificate (fun _ -> known task) other phi u).Total, (certificate known again phi u).Total)

        Claim.margin (abs (one - two)) (10.0 * Rounding.unit * two)

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

    /// The six norms against those of vectors computed here; a Euclidean norm of d numbers errs by some d roundings, and ∇G and r by as many of
    /// what they are sums of.
    let private normsMargin family seed =
        let task: BilevelTask = Family.regularized family seed
        let random = Random(seed + 1)
        let phi = task.Theta + min 1.0 (Family.reach family) * Spectrum.direction random task.Theta.Count
        let u = Spectrum.gaussian random task.Theta.Count

        let norms =
            Certificate.Measure(space, Proximal.regularizer task.Proximal, BilevelTask.problem task, task.Theta, phi, u)
            |> Array.exactlyOne

        let v = task.Outer.Gradient phi

        let size =
            (BilevelTask.constants task).Smoothness * (u.L2Norm() + phi.L2Norm() + task.Theta.L2Norm())
            + v.L2Norm()

        let tolerance = 100.0 * float (task.Theta.Count + 30) * Rounding.unit * (1.0 + size)

        [|
            norms.InnerGradient - (BilevelTask.innerGradient task task.Theta phi).L2Norm()
            norms.Phi - phi.L2Norm()
            norms.Theta - task.Theta.L2Norm()
            norms.OuterGradient - v.L2Norm()
            norms.Solution - u.L2Norm()
            norms.Residual - (v - BilevelTask.shiftedHessian task phi * u).L2Norm()
        |]
        |> Array.map (fun difference -> Claim.margin (abs difference) tolerance)
        |> Array.min

    let private every = Instances.names Family.withNetworks + "; every kind of Λ"

    let private claim statement families measured bound instances violations : Claim =
        Claim.create "Theorem 1" statement Theorem1Accounts.hypotheses families measured bound instances violations

    let claims: Claim list =
        let few = Instances.count 20 200
        let numbered change = Instances.numbered 4700 few (certifiedMargin change)

        [
            claim
                "the certificate bounds the exact-solve error (a posteriori)"
                (every + "; " + Theorem1Accounts.scalar)
                "‖g − d_θL(Alg*(θ))‖"
                "(‖Λ‖/µ)(‖r‖ + (L + ρ‖u‖)d) + rounding"
                (Theorem1Accounts.ofAccounts (fun a -> a.ExactSolveError) (fun a -> a.Bound.Total + a.Exact.Total)
                 |> Instances.andThen (Theorem1Accounts.scalars (certifiedMargin known)))
                [|
                    Violation.breaks "ρ is taken for 0" (numbered Misjudged.flat)
                    Violation.breaks "L is understated by half" (numbered (Misjudged.outerSmoothness 0.5))
                    Violation.survives
                        "µ is overstated by half: the curvature along u refutes it, and there is no bound"
                        (Instances.numbered 4700 few (refutedMargin (Misjudged.strongConvexity 1.5)))
                    Violation.survives
                        "φ and u solve nothing: drawn at random"
                        (Instances.from (fun extent ->
                            seq {
                                for family in Family.withNetworks do
                                    yield! (Instances.each 4400 [ family ] few (fun f -> at known (anywhere f) f)).Invoke extent
                            }))
                    Violation.survives
                        "the inner steps lack the proximal term, and g = ∇L(φ) (FOMAML)"
                        (Instances.each 4500 Family.all few (at known withoutTerm))
                |]
            claim
                "no smaller certificate will do"
                Theorem1Accounts.scalar
                "0.999 of it"
                "|g − d_θL(Alg*(θ))|"
                (Theorem1Accounts.scalars attainedMargin)
                [||]
            claim
                "the certificate forms µ and ‖Λ‖ from the Λ in use"
                (every + "; two parameters, Λ = diag(λ, 10λ)")
                "‖g − d_θL(Alg*(θ))‖"
                "the certificate of constants that know no Λ"
                (Instances.each 4600 Family.withNetworks few (at known stopped)
                 |> Instances.andThen (Instances.numbered 4650 few stretchedMargin))
                [||]
            claim
                "the certificate of another Λ is the one made for it from the start"
                (Instances.names Family.all + "; every kind of Λ")
                "the distance of the two"
                "rounding"
                (Instances.each 4660 Family.all few otherLambdaMargin)
                [||]
            claim
                "the norms of the certificate are those of ∇G, φ, θ, ∇L, u and v − (H+Λ)u"
                every
                "the difference from norms computed densely"
                "rounding"
                (Instances.each 4620 Family.withNetworks few normsMargin)
                [||]
        ]
