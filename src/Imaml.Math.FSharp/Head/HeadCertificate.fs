// The a-posteriori certificate of a linear head, in the features and in W₀: every constant of it is known, on whatever network the features come from.
//
// Cross-entropy in its logits has 0 ⪯ S ⪯ sI, s = ½, and third derivatives of at most c = 2√2/(6√3): along a, the third central moment of a variable
// of range √2‖a‖; of squares s = 1, c = 0. Norms are Frobenius', W at hand, W* the solution, x_max the largest ‖xᵢ‖:
//
//     µ = λ,  d = ‖∇g(W)‖/λ ≥ ‖W − W*‖,  ρ = c·(1/n)Σ‖xᵢ‖³,  L = ‖X_q‖²/(2m)
//     ‖u − u*‖ ≤ (‖r‖ + (L + ρ‖u‖)d)/λ,   r = ∇L(W) − (H + λ)u
//
// In the features (docs/convex-head.fsx), with E = ∂ℓ/∂Z/n, T = S(Xu)/n, R = ∂L/∂Z_q at W and the same with a star at W*:
//
//     ‖R*W*ᵀ − RWᵀ‖ ≤ L_z d,                      L_z = ‖R‖ + ‖X_q‖(‖W‖ + d)/(2m)
//     ‖(E* − E)uᵀ + T*W*ᵀ − TWᵀ‖ ≤ ρ_C‖u‖d,       ρ_C = (‖X‖/n)(2s + c·x_max‖W‖)
//     ‖E*uᵀ + T*(u)W*ᵀ‖ ≤ K‖u‖ for every u,       K = ‖E‖ + (s‖X‖/n)(‖W‖ + 2d)
//
// so the error there is at most L_z d + ρ_C‖u‖d + K‖u − u*‖, and in W₀, where the gradient is λu, λ‖u − u*‖. Rounding is counted by the standard
// model (Higham 2002) in double precision, exp to four units in the last place. The features are exact as they are stored: the bound is about the
// gradient at them, not about how a network has computed them.

namespace Imaml.Math

open System

/// What was measured of one task's W and u, as computed in double precision; norms are Euclidean over all entries.
type HeadNorms =
    {
        Loss: HeadLoss
        Lambda: float
        /// n, m, p and N.
        Examples: int
        Queries: int
        Features: int
        Classes: int
        /// ‖X‖, max ‖xᵢ‖, (1/n)Σ‖xᵢ‖³ and ‖X_q‖.
        Support: float
        LargestSupport: float
        CubedSupport: float
        Query: float
        /// ‖W‖, ‖W₀‖ and ‖u‖.
        Weights: float
        Centre: float
        Solution: float
        /// ‖∇g(W)‖, ‖∇L(W)‖ and ‖∇L(W) − (H + λ)u‖.
        InnerGradient: float
        OuterGradient: float
        Residual: float
        /// ‖E‖ and ‖R‖.
        SupportLogits: float
        QueryLogits: float
        /// The norm of the gradient in X and X_q together, in the columns of which it is used: a bias is a constant feature, whose gradient goes nowhere.
        FeatureGradient: float
    }

/// The constants of the head comment, of exact norms.
[<RequireQualifiedAccess>]
module internal HeadConstants =

    /// (s, c), c = 2√2/(6√3) rounded up.
    let ofLoss loss =
        match loss with
        | HeadLoss.CrossEntropy -> struct (0.5, 0.2722)
        | _ -> struct (1.0, 0.0)

    /// ρ
    let hessianLipschitz loss (cubed: float) =
        let struct (_, c) = ofLoss loss
        c *^ cubed

    /// L_z
    let queries (r: float) (xq: float) (m: float) (w: float) (d: float) = r +^ xq *^ (w +^ d) /^ (2.0 * m)

    /// ρ_C
    let crossLipschitz loss (x: float) (n: float) (largest: float) (w: float) =
        let struct (s, c) = ofLoss loss
        x /^ n *^ ((2.0 *^ s) +^ c *^ largest *^ w)

    /// K
    let cross loss (e: float) (x: float) (n: float) (w: float) (d: float) =
        let struct (s, _) = ofLoss loss
        e +^ s *^ x /^ n *^ (w +^ 2.0 *^ d)

/// Certified bounds on the errors of one task's meta-gradient; infinite where a measured number is not finite.
[<Sealed>]
type HeadCertificate private (inner: float, adjoint: float, features: float, centre: float, relative: float) =
    /// On ‖W − W*‖.
    member _.InnerError = inner
    /// On ‖u − u*‖.
    member _.AdjointError = adjoint
    /// On the distance of the gradient in X and X_q, together, from that of L(W*).
    member _.FeatureError = features
    /// The same of λu, the gradient in W₀.
    member _.CentreError = centre
    /// FeatureError relative to the length of the exact gradient in the columns that are used; infinite where that may be 0.
    member _.RelativeError = relative

    /// The certificate of what was measured. Errors: a λ that is not positive and finite.
    static member Of(measured: HeadNorms) : HeadCertificate =
        Regularizer.checkPositive (nameof measured.Lambda) [ measured.Lambda ]
        let n, m = float measured.Examples, float measured.Queries
        let unit = 2.0 ** -53.0

        let gamma (k: float) =
            let product = k * unit

            if product < 1.0 then
                product /^ Math.BitDecrement(1.0 - product)
            else
                infinity

        // Norms as computed, of which the largest has this many entries, to norms.
        let entries =
            float (max (max measured.Examples measured.Queries) measured.Classes)
            * float (max measured.Features measured.Classes)

        // Sums of products that underflow.
        let tiny = entries * 2.0 ** -1000.0

        // A square that underflows leaves less than 2⁻⁵¹⁰ for each entry in a norm.
        let lost = 2.0 ** -510.0 *^ Outward.rootAbove entries
        let up norm = norm *^ (1.0 +^ 2.0 *^ gamma (entries + 8.0)) +^ lost

        let x, xq = up measured.Support, up measured.Query
        let w, u, centre = up measured.Weights, up measured.Solution, up measured.Centre
        let e, r = up measured.SupportLogits, up measured.QueryLogits
        let lambda = measured.Lambda

        let struct (s, _) = HeadConstants.ofLoss measured.Loss

        // Rounding: of logits, of outputs of k rows, and of E and R.
        let ofProduct = gamma (float measured.Features)
        let ofSoftmax = gamma (float (2 * measured.Classes + 16))

        let outputs (s: float) k size = s *^ ofProduct *^ size *^ w +^ Outward.rootAbove (k * float measured.Classes) *^ ofSoftmax

        let deltaE = outputs s n x /^ n +^ gamma 2.0 *^ e
        let deltaR = outputs 0.5 m xq /^ m +^ gamma 2.0 *^ r

        let gradientRounding =
            x *^ (gamma (float measured.Examples) *^ e +^ deltaE)
            +^ lambda *^ gamma 4.0 *^ (w +^ centre)
            +^ tiny
        // T = S(Xu)/n by S's own error, 3 of an output's, and by that of Xu.
        let t = s *^ x *^ u /^ n

        let deltaT =
            (s *^ ofProduct +^ 3.0 *^ outputs s n x +^ 2.0 *^ gamma (float (measured.Classes + 6))) *^ x *^ u
            /^ n

        let residualRounding =
            xq *^ (gamma (float measured.Queries) *^ r +^ deltaR)
            +^ x *^ (gamma (float measured.Examples) *^ t +^ deltaT)
            +^ gamma 4.0 *^ (s *^ x *^ x /^ n +^ lambda) *^ u
            +^ gamma 2.0 *^ up measured.OuterGradient
            +^ tiny

        let ofPull = gamma (float (measured.Classes + 3))

        let pullRounding =
            (ofPull *^ e +^ deltaE) *^ u +^ (ofPull *^ t +^ deltaT) *^ w +^ (ofPull *^ r +^ deltaR) *^ w +^ tiny

        // The formulas of the head comment.
        let d = (up measured.InnerGradient *^ (1.0 +^ gamma 2.0) +^ gradientRounding) /^ lambda
        let rho = HeadConstants.hessianLipschitz measured.Loss (up measured.CubedSupport)
        let smoothness = xq *^ xq /^ (2.0 * m)

        let adjoint =
            (up measured.Residual *^ (1.0 +^ gamma 2.0) +^ residualRounding +^ (smoothness +^ rho *^ u) *^ d)
            /^ lambda

        let ofQueries = HeadConstants.queries (r +^ deltaR) xq m w d

        let ofCross = HeadConstants.crossLipschitz measured.Loss x n (up measured.LargestSupport) w

        let cross = HeadConstants.cross measured.Loss (e +^ deltaE) x n w d
        let features = (ofQueries +^ ofCross *^ u) *^ d +^ cross *^ adjoint +^ pullRounding
        // NaN where a norm is.
        let known bound = if Double.IsFinite bound then bound else infinity
        let error = known features
        let norm = measured.FeatureGradient

        let exact =
            Outward.sumBelow (Outward.quotientBelow norm (1.0 +^ 2.0 *^ gamma (2.0 * entries + 8.0))) -(features +^ lost)

        HeadCertificate(
            known d,
            known adjoint,
            error,
            known (lambda *^ adjoint +^ lambda *^ gamma 2.0 *^ u +^ tiny),
            (if exact > 0.0 && error < infinity then
                 error /^ exact
             else
                 infinity)
        )
