// A general lower level (LowerLevels.fs): the certificate of ∇F(z) = ∂_z f − Cᵀu at any x and u,
//
//     ‖∇F computed − ∇F(z)‖ ≤ Sδ + (K + ρ_Cδ)E + rounding,   δ ≥ ‖x − x*‖,  E ≥ ‖u − u*‖
//
// on random tasks (RandomLowerLevels), and on some where it is attained (TightLowerLevels).

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module LowerLevelClaims =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    /// x and u after a few steps of each solver, by Algorithm 2 of the core; or drawn at random.
    let private reached (random: Random) (level: KnownLowerLevel) z =
        let task = level.Task z

        if random.Next 3 = 0 then
            struct (task.Theta + Spectrum.direction random task.Theta.Count, Spectrum.gaussian random task.Theta.Count)
        else
            let step = 1.0 / (BilevelTask.constants task).Smoothness

            let inner =
                GradientDescentSolver<Vector<float>, float>(ConstantStep step, int (300.0 ** random.NextDouble()))

            let linear = LinearSolveOptions.FixedBudget(int (10.0 ** random.NextDouble()))

            let result =
                ImplicitMetaGradient.Compute(
                    space,
                    space,
                    level.Certified,
                    inner,
                    LinearAdjointSolver(ConjugateGradientSolver<Vector<float>, float> linear),
                    Thresholds.None,
                    z
                )

            struct (result.Report.Phi, result.Report.Solve.Solution)

    let private certificateMargin (random: Random) (level: KnownLowerLevel) (z: Vector<float>) =
        let struct (x, u) = reached random level z
        let struct (gradient, bound) = level.GradientAt(z, x, u)
        let struct (exact, own) = level.ExactGradient z
        Claim.margin ((gradient - exact).L2Norm()) (bound.Total + own.Total)

    /// The search for an accuracy: the error against ε where it was reached, else against the bound that it ended with.
    let private adaptiveMargin (random: Random) (level: KnownLowerLevel) (z: Vector<float>) =
        let struct (exact, own) = level.ExactGradient z
        let epsilon = exact.L2Norm() * 10.0 ** (-1.0 - 9.0 * random.NextDouble())
        let c = BilevelTask.constants (level.Task z)
        let struct (step, momentum) = Momentum.NesterovFor(c.StrongConvexity, c.Smoothness)

        let found =
            AdaptiveLowerLevel.Compute(
                space,
                space,
                level.Certified,
                GradientDescentSolver<Vector<float>, float>(ConstantStep step, momentum, 100_000, 1),
                ConjugateGradientSolver<Vector<float>, float>(LinearSolveOptions.ToTolerance(1000, 0.0)),
                { Accuracy = epsilon; MaxRounds = 20 },
                z
            )

        let error = (found.Gradient.Gradient - exact).L2Norm()

        match found.Statuses[0] with
        | CertifiedStatus.Met -> Claim.margin error (epsilon + own.Total)
        | CertifiedStatus.RoundingLimit -> Claim.margin error (found.Bounds[0].Total + own.Total)
        | _ -> -infinity

    /// ∇F along a random direction against a central difference of F, whose truncation error is less than its change from twice the step: by a factor
    /// 3 to the order of h².
    let private differenceMargin
        (gradient: KnownLowerLevel -> Vector<float> -> Vector<float>)
        (random: Random)
        (level: KnownLowerLevel)
        (z: Vector<float>)
        =
        let direction = Spectrum.direction random z.Count

        let slope (h: float) = (level.Value(z + h * direction) - level.Value(z - h * direction)) / (2.0 * h)

        let h = 1e-3
        let near, far = slope h, slope (2.0 * h)
        let task = level.Task z
        let x = BilevelTask.exactSolution task task.Theta
        // L's value rounds terms of about this size.
        let size =
            abs (task.Outer.Value x)
            + ((task.Outer.Gradient(0.0 * x)).L2Norm() + task.Outer.LargestCurvature * x.L2Norm()) * x.L2Norm()

        let rounding =
            Rounding.unit * float (8 * (x.Count + 60)) * (BilevelTask.constants task).Condition ** 0.5 * size
            / h

        Claim.margin (abs (near - (gradient level z).DotProduct direction)) (abs (far - near) + rounding)

    let private exact (level: KnownLowerLevel) z =
        let struct (gradient, _) = level.ExactGradient z
        gradient

    let private tightNames =
        "one parameter, all errors of one sign: "
        + (TightLowerLevels.families |> List.map fst |> String.concat ", ")

    let private tightly measure =
        Instances.from (fun extent ->
            seq {
                for name, draw in TightLowerLevels.families do
                    for seed in 18000 .. 17999 + Instances.count 20 200 extent do
                        let t = draw seed
                        let struct (gradient, bound) = t.Level.GradientAt(t.Z, t.X, t.U)
                        let struct (exact, own) = t.Level.ExactGradient(t.Z)
                        let pullBack = (t.Level.PullBack t.Z).Bound t.X t.U

                        {
                            Name = $"{name}, seed {seed}"
                            Margin = measure pullBack bound ((gradient - exact).L2Norm()) own.Total
                        }
            })

    let private within _ (bound: LowerLevelCertificate) error own = Claim.margin error (bound.Total + own)

    let private attained _ (bound: LowerLevelCertificate) error own = Claim.margin (0.999 * bound.Total) (error + own)

    /// The error against the certificate with another pull-back's constants.
    let private changed (change: PullBackBound -> PullBackBound) pullBack (bound: LowerLevelCertificate) error own =
        Claim.margin error ((LowerLevelCertificate.Of(bound.Lower, change pullBack)).Total + own)

    let private without what (instances: PullBackBound -> PullBackBound) : Violation = Violation.breaks what (tightly (changed instances))

    // The same bits, by the general text and by the paper's.
    let private bitsMargin family seed =
        let task: BilevelTask = Family.regularized family seed
        let regularizer = Proximal.regularizer task.Proximal
        let problem = BilevelTask.problem task

        let inner: IInnerSolver<Vector<float>, float> =
            GradientDescentSolver(ConstantStep(1.0 / (BilevelTask.constants task).Smoothness), 5)

        let adjoint: IAdjointSolver<Vector<float>, float> =
            LinearAdjointSolver(ConjugateGradientSolver(LinearSolveOptions.FixedBudget 3))

        let paper =
            ImplicitMetaGradient.Compute(space, regularizer, problem, inner, adjoint, Thresholds.None, task.Theta)

        let level: ILowerLevel<Vector<float>, Vector<float>, float> = ProximalLowerLevel(regularizer, problem)

        let general =
            ImplicitMetaGradient.Compute(space, space, level, inner, adjoint, Thresholds.None, task.Theta)

        let bits (v: Vector<float>) = v |> Seq.map BitConverter.DoubleToInt64Bits |> Seq.toArray
        let same a b = bits a = bits b
        let known = LowerLevels.proximal task.Inner task.Outer task.Proximal

        let struct (_, bound) = known.GradientAt(task.Theta, paper.Phi, paper.Solve.Solution)
        let certificate = Theorem1Accounts.certificate task paper.Phi paper.Solve.Solution

        if
            same paper.Gradient general.Gradient
            && same paper.Phi general.Report.Phi
            && same paper.Solve.Solution general.Report.Solve.Solution
        then
            // The general certificate is the paper's, rounded outwards at other places.
            min
                (Claim.margin certificate.Total (bound.Total * (1.0 + 2.0 ** -44.0)))
                (Claim.margin bound.Total (certificate.Total * (1.0 + 2.0 ** -44.0)))
        else
            -infinity

    let private claim statement hypotheses families measured bound instances violations : Claim =
        Claim.create "a general lower level" statement hypotheses families measured bound instances violations

    let private hypotheses =
        "G is µ-strongly convex, ∇L is L-, H ρ- and C ρ_C-Lipschitz, ∂_z f L_z-Lipschitz in x"

    let claims: Claim list =
        [
            claim
                "the certificate bounds the error of ∇F(z) = ∂_z f − Cᵀu"
                hypotheses
                (RandomLowerLevels.names + "; " + tightNames)
                "‖∂_z f − Cᵀu − ∇F(z)‖, x and u by few steps or at random"
                "Sδ + (K + ρ_Cδ)E + rounding"
                (RandomLowerLevels.each 18000 (Instances.count 60 2400) certificateMargin
                 |> Instances.andThen (tightly within))
                [||]
            claim
                "no smaller certificate of ∇F(z) will do"
                hypotheses
                tightNames
                "0.999 of it"
                "‖∂_z f − Cᵀu − ∇F(z)‖"
                (tightly attained)
                [|
                    without "S, the Lipschitz constant of ∂_z f − Cᵀu in x, is taken for 0" (fun b ->
                        PullBackBound.Proved(0.0, b.Norm, b.NormSlope, b.Rounding))
                    without "‖C‖ at x is taken for that at x*" (fun b -> PullBackBound.Proved(b.Slope, b.Norm, 0.0, b.Rounding))
                    without "K is understated by half" (fun b -> PullBackBound.Proved(b.Slope, 0.5 * b.Norm, b.NormSlope, b.Rounding))
                |]
            claim
                "∇F(z) agrees with finite differences of F(z) = f(z, x*(z))"
                "x = x*(z), A u = ∂_x f"
                RandomLowerLevels.names
                "the slope along a random direction less its central difference of step 10⁻³"
                "what the difference changes by for twice the step, and rounding"
                (RandomLowerLevels.each 18500 (Instances.count 20 200) (differenceMargin exact))
                [|
                    Violation.breaks
                        "x = x*(z): x the centre"
                        (RandomLowerLevels.each
                            18500
                            (Instances.count 5 50)
                            (differenceMargin (fun level z ->
                                let task = level.Task z

                                let struct (gradient, _) = level.GradientAt(z, task.Theta, BilevelTask.adjoint task task.Theta)

                                gradient)))
                |]
            claim
                "∇F(z) to an accuracy ε errs by at most ε"
                hypotheses
                RandomLowerLevels.names
                "‖∂_z f − Cᵀu − ∇F(z)‖, ε from 10⁻¹ to 10⁻¹⁰ of ‖∇F‖"
                "ε; where rounding forbids it the certificate"
                (RandomLowerLevels.each 18700 (Instances.count 10 200) adaptiveMargin)
                [||]
            claim
                "the paper's problem is the case C = −Λ: the same bits, and the same certificate"
                "none"
                (Instances.names Family.all + ", every kind of Λ")
                "each of the two certificates, where φ, u and g are the same to the last bit"
                "1 + 2⁻⁴⁴ times the other's"
                (Instances.each 18900 Family.all (Instances.count 20 200) bitsMargin)
                [||]
        ]
