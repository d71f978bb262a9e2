// The convex head: its constants, and its certificate in the features and in W₀ (Head/HeadCertificate.fs), on random features, labels and λ.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module HeadClaims =

    /// A head with its λ and W₀, and a random W with a direction away from it.
    type private Drawn =
        {
            Head: ConvexHead
            Lambda: float
            Centre: Vector<float>
            W: Vector<float>
            Move: Vector<float>
            Random: Random
        }

    let private draw loss (seed: int) =
        let random = Random seed
        let n, m, p, classes = random.Next(1, 12), random.Next(1, 10), random.Next(2, 16), random.Next(2, 6)
        let between a b = 10.0 ** (a + (b - a) * random.NextDouble())
        let scale = between -1.0 1.0

        let labels rows =
            Matrix<float>
                .Build.DenseOfRowArrays(
                    Array.init rows (fun _ ->
                        let label = random.Next classes
                        Array.init classes (fun c -> if c = label then 1.0 else 0.0))
                )

        let vector size = size * Spectrum.gaussian random (p * classes)

        {
            Head =
                ConvexHead(loss, scale * Spectrum.gaussianMatrix random n p, labels n, scale * Spectrum.gaussianMatrix random m p, labels m)
            Lambda = between -2.0 1.0
            Centre = vector (between -2.0 0.0)
            W = vector (between -2.0 1.0 / scale)
            Move = vector (between -3.0 0.5 / scale)
            Random = random
        }

    let private distance (a: FeatureGradient) (b: FeatureGradient) =
        sqrt ((a.Support - b.Support).FrobeniusNorm() ** 2.0 + (a.Query - b.Query).FrobeniusNorm() ** 2.0)

    // Measured and bound are rounded to some thousand units.
    let private margin measured bound = Claim.margin measured (bound * (1.0 + 1e-12))

    /// The constants between W and W + Move, u another random vector.
    let private constant which loss seed =
        let x = draw loss seed
        let u = Spectrum.gaussian x.Random x.W.Count
        let d = x.Move.L2Norm()
        let norms w = x.Head.Measure(x.Lambda, x.Centre, w, u)
        let here = norms x.W
        let n, m = float here.Examples, float here.Queries
        let at w = x.Head.FeatureGradient(w, u)
        let change = at (x.W + x.Move)
        let before = at x.W

        match which with
        | 0 ->
            margin ((change.Query - before.Query).FrobeniusNorm()) (HeadConstants.queries here.QueryLogits here.Query m here.Weights d * d)
        | 1 ->
            let bound = HeadConstants.crossLipschitz loss here.Support n here.LargestSupport here.Weights
            margin ((change.Support - before.Support).FrobeniusNorm()) (bound * here.Solution * d)
        | 2 ->
            let product w =
                use at = (x.Head :> IBilevelProblem<Vector<float>, float>).LinearizeInner w
                at.HessianProduct u

            let bound = HeadConstants.hessianLipschitz loss here.CubedSupport
            margin ((product (x.W + x.Move) - product x.W).L2Norm()) (bound * here.Solution * d)
        | _ ->
            let bound = HeadConstants.cross loss here.SupportLogits here.Support n here.Weights d
            margin (change.Support.FrobeniusNorm()) (bound * here.Solution)

    /// A meta-gradient of solves to random thresholds, and that of solves to rounding, each with its certificate, for a certificate's λ of `factor` times λ.
    let private certified factor inFeatures loss seed =
        let x = draw loss seed
        let threshold () = 10.0 ** (-1.0 - 8.0 * x.Random.NextDouble())

        let solved inner adjoint steps =
            let struct (w, _) = x.Head.Solve(x.Lambda, x.Centre, inner, steps)
            let struct (u, _) = x.Head.Adjoint(x.Lambda, w, adjoint)
            let norms = x.Head.Measure(x.Lambda, x.Centre, w, u)

            struct (w,
                    u,
                    HeadCertificate.Of
                        { norms with
                            Lambda = factor * x.Lambda
                        })

        // Few steps of Newton's leave a W that is far from the solution.
        let struct (w, u, certificate) = solved (threshold ()) (threshold ()) (1 + x.Random.Next 8)
        let struct (exactW, exactU, reference) = solved 0.0 0.0 100

        if inFeatures then
            margin
                (distance (x.Head.FeatureGradient(w, u)) (x.Head.FeatureGradient(exactW, exactU)))
                (certificate.FeatureError + reference.FeatureError)
        else
            margin (x.Lambda * (u - exactU).L2Norm()) (certificate.CentreError + reference.CentreError)

    /// |∇³(−log softmax)[a, a, a]| along a random direction, or along one that is aimed at the worst case.
    let private thirdDerivative seed =
        let random = Random(seed: int)
        let classes = random.Next(2, 8)
        let z = 3.0 * Spectrum.gaussian random classes
        let p = (z - z.Maximum()).PointwiseExp()
        let p = p / p.Sum()

        let a =
            if random.Next 2 = 0 then
                Spectrum.gaussian random classes
            else
                // Two classes, with the others out of the way.
                Vector<float>
                    .Build.Dense(
                        classes,
                        fun i ->
                            if i = 0 then 1.0
                            elif i = 1 then -1.0
                            else 0.0
                    )

        let mean = p * a
        let third = Array.sum (Array.map2 (fun p a -> p * (a - mean) ** 3.0) (p.ToArray()) (a.ToArray()))
        let struct (_, c) = HeadConstants.ofLoss HeadLoss.CrossEntropy
        margin (abs third) (c * a.L2Norm() ** 3.0)

    let private some = Instances.count 60 1200

    let private check statement hypotheses measured bound instances violations : Claim =
        {
            Source = "a convex head"
            Statement = statement
            Hypotheses = hypotheses
            Families = "random features, labels, λ and W₀; cross-entropy and squares"
            Measured = measured
            Bound = bound
            Instances = instances
            Violations = violations
        }

    let private both first (margin: HeadLoss -> int -> float) =
        Instances.numbered first some (margin HeadLoss.CrossEntropy)
        |> Instances.andThen (Instances.numbered (first + 5000) some (margin HeadLoss.Squares))

    let private given = "linear head on given features, λ > 0"

    let private wrong inFeatures first =
        [|
            Violation.breaks
                "λ is that in use: the certificate is made with 1,000 times as much"
                (Instances.numbered first some (certified 1000.0 inFeatures HeadLoss.CrossEntropy))
        |]

    let claims: Claim list =
        [
            check
                "the error in the features is at most the certificate's"
                given
                "‖gradient in X and X_q − that of the exact solution‖, after 1 to 8 Newton steps, adjoints to 10⁻¹ to 10⁻⁹"
                "L_z d + ρ_C‖u‖d + K‖u − u*‖, and rounding"
                (both 20000 (certified 1.0 true))
                (wrong true 30000)

            check
                "the error in W₀ is at most the certificate's"
                given
                "‖λu − λu*‖, likewise"
                "‖r‖ + (L + ρ‖u‖)d, and rounding"
                (both 40000 (certified 1.0 false))
                (wrong false 50000)

            check
                "∂_z f changes by at most L_z d"
                given
                "‖R*W*ᵀ − RWᵀ‖ for any two W"
                "(‖R‖ + ‖X_q‖(‖W‖ + d)/(2m))d"
                (both 60000 (constant 0))
                [||]

            check
                "Cᵀu changes by at most ρ_C‖u‖d"
                given
                "‖(E* − E)uᵀ + T*W*ᵀ − TWᵀ‖ for any two W and any u"
                "(‖X‖/n)(2s + c x_max‖W‖)‖u‖d"
                (both 70000 (constant 1))
                [||]

            check
                "the Hessian is ρ-Lipschitz"
                given
                "‖(H(W*) − H(W))u‖ for any two W and any u"
                "(c/n)Σ‖xᵢ‖³·‖u‖d"
                (Instances.numbered 100000 some (constant 2 HeadLoss.CrossEntropy))
                [||]

            check
                "‖Cᵀu‖ is at most K‖u‖ within d of W"
                given
                "‖E*uᵀ + T*W*ᵀ‖ for any two W and any u"
                "(‖E‖ + (s‖X‖/n)(‖W‖ + 2d))‖u‖"
                (both 80000 (constant 3))
                [||]

            check
                "the softmax cross-entropy's third derivative is at most 2√2/(6√3)"
                "none"
                "|∇³ along a|, random and between two classes"
                "0.2722‖a‖³"
                (Instances.numbered 90000 some thirdDerivative)
                [||]
        ]
