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

    /// One example of each kind and two classes, W and a move of it along the example, far out where one class is nearly sure: the curvature then changes by
    /// nearly as much as it can.
    let private aimed loss (seed: int) =
        let random = Random seed
        let features = Spectrum.gaussian random (random.Next(2, 6))
        let x = Matrix<float>.Build.DenseOfRowVectors features
        let label = Matrix<float>.Build.DenseOfRowArrays [| [| 1.0; 0.0 |] |]

        /// W with the logits ±size at the example.
        let along (size: float) =
            Vector<float>
                .Build.Dense(2 * features.Count, fun i -> (if i % 2 = 0 then size else -size) * features[i / 2] / (features * features))

        {
            Head = ConvexHead(loss, x, label, x, label)
            Lambda = 1.0
            Centre = along 0.0
            W = along (1.0 + 4.0 * random.NextDouble())
            Move = along (10.0 ** (-2.0 * random.NextDouble() - 1.0) * (if random.Next 2 = 0 then 1.0 else -1.0))
            Random = random
        }

    let private distance (a: FeatureGradient) (b: FeatureGradient) =
        sqrt ((a.Support - b.Support).FrobeniusNorm() ** 2.0 + (a.Query - b.Query).FrobeniusNorm() ** 2.0)

    // Measured and bound are rounded to some thousand units.
    let private margin measured bound = Claim.margin measured (bound * (1.0 + 1e-12))

    /// The constants between W and W + Move, u another random vector, or along the move where that is aimed.
    let private constant which loss seed =
        let sharp = seed % 2 = 0
        let x = (if sharp then aimed else draw) loss seed

        let u =
            if sharp then
                x.Move
            else
                Spectrum.gaussian x.Random x.W.Count

        let d = x.Move.L2Norm()
        let norms w = x.Head.Measure(x.Lambda, x.Centre, w, u)
        let here = norms x.W
        let n, m = float here.Examples, float here.Queries
        let at w = x.Head.FeatureGradient(w, u)
        let change = at (x.W + x.Move)
        let before = at x.W

        let support =
            HeadConstants.within loss here.Support here.LargestSupport here.SupportSlopes here.SupportCurvature d

        let query =
            HeadConstants.within HeadLoss.CrossEntropy here.Query here.LargestQuery here.QuerySlopes here.QueryCurvature d

        let problem: IBilevelProblem<Vector<float>, float> = x.Head

        match which with
        | 0 -> margin ((change.Query - before.Query).FrobeniusNorm()) (HeadConstants.queries here.QueryLogits query m here.Weights d * d)
        | 1 ->
            margin ((change.Support - before.Support).FrobeniusNorm()) (HeadConstants.crossChange support n here.Weights d * here.Solution)
        | 2 ->
            let product w =
                use at = problem.LinearizeInner w
                at.HessianProduct u

            margin ((product (x.W + x.Move) - product x.W).L2Norm()) (support.WholeChange / n * here.Solution)
        | 3 ->
            let outerGradient w =
                let struct (_, v) = problem.OuterLossAndGradient w
                v

            margin ((outerGradient (x.W + x.Move) - outerGradient x.W).L2Norm()) (query.Whole / m * d)
        | _ -> margin (change.Support.FrobeniusNorm()) (HeadConstants.cross here.SupportLogits support n here.Weights d * here.Solution)

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

    let private some = Instances.count 60 1200

    let private check statement hypotheses measured bound instances violations : Claim =
        Claim.create
            "a convex head"
            statement
            hypotheses
            "random features, labels, λ and W₀; cross-entropy and squares"
            measured
            bound
            instances
            violations

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
                "L_z d + C‖u‖ + K‖u − u*‖, and rounding"
                (both 20000 (certified 1.0 true))
                (wrong true 30000)

            check
                "the error in W₀ is at most the certificate's"
                given
                "‖λu − λu*‖, likewise"
                "‖r‖ + B₂d/m + D₂‖u‖/n, and rounding"
                (both 40000 (certified 1.0 false))
                (wrong false 50000)

            check
                "∂_z f changes by at most L_z d"
                given
                "‖R*W*ᵀ − RWᵀ‖ for any two W"
                "(‖R‖ + B₁(‖W‖ + d)/m)d"
                (both 60000 (constant 0))
                [||]

            check
                "Cᵀu changes by at most C‖u‖"
                given
                "‖(E* − E)uᵀ + T*W*ᵀ − TWᵀ‖ for any two W and any u"
                "(2A₁d + D₁‖W‖)‖u‖/n"
                (both 70000 (constant 1))
                [||]

            check
                "Hu changes by at most D₂‖u‖/n"
                given
                "‖(H(W*) − H(W))u‖ for any two W and any u"
                "min((q − 1)Σ sᵢ‖xᵢ‖², c·xd‖X‖²)‖u‖/n"
                (Instances.numbered 100000 some (constant 2 HeadLoss.CrossEntropy))
                [||]

            check
                "∇L is B₂/m-Lipschitz within d of W"
                given
                "‖∇L(W*) − ∇L(W)‖ for any two W"
                "min(q_q Σ sⱼ‖x_qj‖², ½‖X_q‖²)d/m"
                (both 110000 (constant 3))
                [||]

            check
                "‖Cᵀu‖ is at most K‖u‖ within d of W"
                given
                "‖E*uᵀ + T*W*ᵀ‖ for any two W and any u"
                "(‖E‖ + A₁(‖W‖ + 2d)/n)‖u‖"
                (both 80000 (constant 4))
                [||]
        ]
