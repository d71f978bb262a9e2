// The a-posteriori certificate of a linear head, in the features and in W₀: every constant of it is known, on whatever network the features come from.
//
// The curvature S = ∇²ℓ of an example is at most s = 2 max p_k(1 − p_k) ≤ ½ (Gershgorin), small where its probabilities are near 0 and 1. It changes
// by a factor: along a, d(bᵀSb)/dt is a third central moment, at most range(a)·bᵀSb, so S(z + a) ⪯ e^range(a) S(z) (self-concordance; Bach 2010), where
// range(a) ≤ √2‖a‖. So the bounds do not depend on the scale of the features. Far from the solution, where e^range is large, S is at most ½ all the same,
// and it is c-Lipschitz, c = 2√2/(6√3). Of squares s = 1, and S does not change. Norms are Frobenius', W at hand, W* the solution:
//
//     µ = λ,  d = ‖∇g(W)‖/λ ≥ ‖W − W*‖,  x = max‖xᵢ‖,  q = e^(√2xd),  and with x_q = max‖x_qj‖ q_q in the same way
//     A₁ = min(q(Σ sᵢ²‖xᵢ‖²)^½, ½‖X‖),   A₂ = min(qΣ sᵢ‖xᵢ‖², ½‖X‖²),   B₁ and B₂ of X_q likewise
//     D₁ = min((q − 1)(Σ sᵢ²‖xᵢ‖²)^½, c·xd‖X‖),   D₂ = min((q − 1)Σ sᵢ‖xᵢ‖², c·xd‖X‖²)
//     ‖u − u*‖ ≤ (‖r‖ + B₂d/m + D₂‖u‖/n)/λ,   r = ∇L(W) − (H + λ)u
//
// In the features (docs/convex-head.fsx), with E = ∂ℓ/∂Z/n, T = S(Xu)/n, R = ∂L/∂Z_q at W and the same with a star at W*:
//
//     ‖R*W*ᵀ − RWᵀ‖ ≤ L_z d,                      L_z = ‖R‖ + B₁(‖W‖ + d)/m
//     ‖(E* − E)uᵀ + T*W*ᵀ − TWᵀ‖ ≤ C‖u‖,          C = (2A₁d + D₁‖W‖)/n
//     ‖E*uᵀ + T*(u)W*ᵀ‖ ≤ K‖u‖ for every u,       K = ‖E‖ + A₁(‖W‖ + 2d)/n
//
// so the error there is at most L_z d + C‖u‖ + K‖u − u*‖, and in W₀, where the gradient is λu, λ‖u − u*‖. Rounding is counted by the standard
// model (Higham 2002) in double precision, exp to four units in the last place; what it does to logits is as if W were further away. The features are
// exact as they are stored: the bound is about the gradient at them, not about how a network has computed them.

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
        /// ‖X‖, max ‖xᵢ‖, (Σ sᵢ²‖xᵢ‖²)^½ and Σ sᵢ‖xᵢ‖².
        Support: float
        LargestSupport: float
        SupportSlopes: float
        SupportCurvature: float
        /// The same of X_q.
        Query: float
        LargestQuery: float
        QuerySlopes: float
        QueryCurvature: float
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
        /// The norm of the gradient in X and X_q together, in the columns of which it is used: a bias is a constant feature, with an unused gradient.
        FeatureGradient: float
    }

/// What the curvatures of some examples can be within a distance of W, and by how much they can differ from those at W.
type internal HeadCurvature =
    {
        /// A₁, or B₁
        Slopes: float
        /// A₂, or B₂
        Whole: float
        /// D₁
        SlopesChange: float
        /// D₂
        WholeChange: float
    }

/// The constants of the head comment, of exact norms.
[<RequireQualifiedAccess>]
module internal HeadConstants =

    /// Within d of a W where examples of this norm and largest length have the curvature and the slopes (Σ s²‖x‖²)^½. Rounded up.
    let within loss (norm: float) (largest: float) (slopes: float) (curvature: float) (d: float) : HeadCurvature =
        match loss with
        | HeadLoss.CrossEntropy ->
            let range = 1.4142135623730952 *^ largest *^ d
            // exp to four units in the last place; eᵃ − 1 ≤ aeᵃ.
            let q = Math.Exp range *^ (1.0 + 2.0 ** -49.0)
            let times q a = if a = 0.0 then 0.0 else q *^ a
            // 2√2/(6√3) rounded up.
            let lipschitz = 0.2722 *^ largest *^ d *^ norm

            {
                Slopes = min (times q slopes) (0.5 * norm)
                Whole = min (times q curvature) (0.5 *^ norm *^ norm)
                SlopesChange = min (times (range *^ q) slopes) lipschitz
                WholeChange = min (times (range *^ q) curvature) (lipschitz *^ norm)
            }
        | _ ->
            {
                Slopes = slopes
                Whole = curvature
                SlopesChange = 0.0
                WholeChange = 0.0
            }

    /// L_z
    let queries (r: float) (within: HeadCurvature) (m: float) (w: float) (d: float) = r +^ within.Slopes *^ (w +^ d) /^ m

    /// C
    let crossChange (within: HeadCurvature) (n: float) (w: float) (d: float) = (2.0 *^ within.Slopes *^ d +^ within.SlopesChange *^ w) /^ n

    /// K
    let cross (e: float) (within: HeadCurvature) (n: float) (w: float) (d: float) = e +^ within.Slopes *^ (w +^ 2.0 *^ d) /^ n

/// What rounding may do to the numbers of one task, by the standard model in double precision: to norms as they were computed, and to what they are norms of.
[<Sealed>]
type internal HeadRounding(measured: HeadNorms) =
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
    let n, m = float measured.Examples, float measured.Queries
    let x, xq = up measured.Support, up measured.Query
    let w, u, centre = up measured.Weights, up measured.Solution, up measured.Centre
    let e, r = up measured.SupportLogits, up measured.QueryLogits
    let lambda = measured.Lambda

    // Of logits, over ‖xᵢ‖‖W‖; of a probability, in itself; and of a row of them.
    let ofProduct = gamma (float measured.Features)
    let ofSoftmax = gamma (float (2 * measured.Classes + 16))
    let ofRows (k: float) = Outward.rootAbove (k * float measured.Classes) *^ ofSoftmax

    // 2p(1 − p) of probabilities as computed.
    let ofCurvature = 4.0 *^ ofSoftmax
    let supportSlopes = up measured.SupportSlopes +^ ofCurvature *^ x
    let supportCurvature = up measured.SupportCurvature +^ ofCurvature *^ x *^ x
    let querySlopes = up measured.QuerySlopes +^ ofCurvature *^ xq
    let queryCurvature = up measured.QueryCurvature +^ ofCurvature *^ xq *^ xq

    // The curvatures were measured at logits as computed, as far from the exact ones as if W were away by ‖W‖·ofProduct.
    let away d = d +^ ofProduct *^ w

    let support d =
        HeadConstants.within measured.Loss x (up measured.LargestSupport) supportSlopes supportCurvature (away d)

    let query d =
        HeadConstants.within HeadLoss.CrossEntropy xq (up measured.LargestQuery) querySlopes queryCurvature (away d)

    // Of E, R and T = S(Xu)/n. An error of p is at most three times as large in S.
    let here = support 0.0
    let deltaE = (here.Slopes *^ ofProduct *^ w +^ ofRows n) /^ n +^ gamma 2.0 *^ e
    let deltaR = ((query 0.0).Slopes *^ ofProduct *^ w +^ ofRows m) /^ m +^ gamma 2.0 *^ r
    let t = here.Slopes *^ u /^ n

    let deltaT =
        (here.Slopes *^ ofProduct
         +^ here.SlopesChange
         +^ (3.0 *^ ofRows n +^ 2.0 *^ gamma (float (measured.Classes + 6))) *^ x)
        *^ u
        /^ n

    let ofPull = gamma (float (measured.Classes + 3))

    /// γₖ
    member _.Gamma k = gamma k
    /// An upper bound on the exact norm, of one as computed.
    member _.Upper norm = up norm

    /// A lower bound on the exact norm of the gradient in the features as it was computed.
    member _.FeatureGradient =
        Outward.sumBelow (Outward.quotientBelow measured.FeatureGradient (1.0 +^ 2.0 *^ gamma (2.0 * entries + 8.0))) -lost

    /// Sums of products that underflow.
    member _.Tiny = tiny
    /// Upper bounds on ‖W‖, ‖u‖, ‖E‖ and ‖R‖.
    member _.Weights = w
    member _.Solution = u
    member _.SupportLogits = e +^ deltaE
    member _.QueryLogits = r +^ deltaR
    /// The curvatures within d of W.
    member _.Support d = support d
    member _.Query d = query d

    /// Of ∇g(W), except for 2 units of itself.
    member _.Gradient = x *^ (gamma n *^ e +^ deltaE) +^ lambda *^ gamma 4.0 *^ (w +^ centre) +^ tiny

    /// Of r = ∇L(W) − (H + λ)u, likewise.
    member _.Residual =
        xq *^ (gamma m *^ r +^ deltaR)
        +^ x *^ (gamma n *^ t +^ deltaT)
        +^ gamma 4.0 *^ (x *^ t +^ lambda *^ u)
        +^ gamma 2.0 *^ up measured.OuterGradient
        +^ tiny

    /// Of the gradient in X and X_q.
    member _.Features =
        (ofPull *^ e +^ deltaE) *^ u +^ (ofPull *^ t +^ deltaT) *^ w +^ (ofPull *^ r +^ deltaR) *^ w +^ tiny

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
        let n, m, lambda = float measured.Examples, float measured.Queries, measured.Lambda
        let rounding = HeadRounding measured
        let once = 1.0 +^ rounding.Gamma 2.0
        let w, u = rounding.Weights, rounding.Solution
        // The formulas of the head comment.
        let d = (rounding.Upper measured.InnerGradient *^ once +^ rounding.Gradient) /^ lambda
        let support, query = rounding.Support d, rounding.Query d

        let adjoint =
            (rounding.Upper measured.Residual *^ once
             +^ rounding.Residual
             +^ query.Whole *^ d /^ m
             +^ support.WholeChange *^ u /^ n)
            /^ lambda

        let inQuery = HeadConstants.queries rounding.QueryLogits query m w d *^ d
        let inSupport = HeadConstants.crossChange support n w d *^ u
        let cross = HeadConstants.cross rounding.SupportLogits support n w d
        let features = inQuery +^ inSupport +^ cross *^ adjoint +^ rounding.Features
        // NaN where a norm is.
        let known bound = if Double.IsFinite bound then bound else infinity
        let error = known features
        let exact = Outward.sumBelow rounding.FeatureGradient -features

        HeadCertificate(
            known d,
            known adjoint,
            error,
            known (lambda *^ adjoint +^ lambda *^ rounding.Gamma 2.0 *^ u +^ rounding.Tiny),
            (if exact > 0.0 && error < infinity then
                 error /^ exact
             else
                 infinity)
        )
