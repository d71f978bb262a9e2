// Theorem 1 before a run: what accuracies δ and δ′ give, what accuracies a target ε needs, and how many iterations reach them.
//
//     ‖g − d_θL(Alg*(θ))‖ ≤ δ′ + Cδ,       C = ‖Λ‖L/µ + ‖Λ‖ρB/µ²
//
// and Corollary 1, which the paper draws from it. A number made of constants is worth what they are (ErrorConstants.Kind); where they give
// no bound it is infinite, or the largest integer. Certificate is the bound after a run. AccuracyPlan reads Theorem 1 backwards, from an
// accuracy that is asked for, and CertifiedTask is what comes of that.

namespace Imaml.Math

open System
open System.Runtime.CompilerServices

/// The accuracies that Theorem 1 asks of Algorithm 2.
[<Struct>]
type Accuracies =
    {
        /// δ ≥ ‖φ − Alg*(θ)‖ (Definition 1)
        Inner: float
        /// δ′ ≥ ‖g − Λ(H+Λ)⁻¹v‖ (Definition 2)
        Solve: float
    }

/// Theorem 1 a priori, and the iteration counts.
[<AbstractClass; Sealed>]
type Theorem1 =

    static member internal Gives(c: ErrorConstants) = c.Kind <> BoundKind.None && c.StrongConvexity > 0.0

    static member private CheckPositive(name, value: float) =
        if not (value > 0.0 && value < infinity) then
            invalidArg name $"{name} must be positive and finite, not {value}"

    // ⌈count⌉, at least 0 and at most the largest integer.
    static member private Steps(c: ErrorConstants, count: unit -> float) =
        if not (Theorem1.Gives c) then
            Int32.MaxValue
        else
            match ceil (count ()) with
            | count when count < float Int32.MaxValue -> int (max 0.0 count)
            | _ -> Int32.MaxValue

    /// C = ‖Λ‖L/µ + ‖Λ‖ρB/µ².
    static member InnerErrorFactor(constants: ErrorConstants) =
        if Theorem1.Gives constants then
            constants.InnerErrorFactor
        else
            infinity

    /// δ′ + Cδ.
    static member Bound(constants: ErrorConstants, delta: float, deltaPrime: float) =
        deltaPrime
        + (if delta = 0.0 then
               0.0
           else
               Theorem1.InnerErrorFactor constants * delta)

    /// δ = ε/(2C) and δ′ = ε/2, which reach ε; δ is infinite where the error does not depend on φ, and 0 where there is no bound.
    /// Errors: ε that is not positive and finite.
    static member AccuraciesFor(constants: ErrorConstants, epsilon: float) : Accuracies =
        Theorem1.CheckPositive(nameof epsilon, epsilon)

        {
            Inner = epsilon / (2.0 * Theorem1.InnerErrorFactor constants)
            Solve = epsilon / 2.0
        }

    /// ⌈κ ln(R/δ)⌉ steps of gradient descent with step 1/β reach δ from a start at distance R ≤ ‖∇G(φ₀)‖/µ (Nesterov 2004, theorem 2.1.15).
    /// Errors: δ that is not positive and finite.
    static member GradientDescentSteps(constants: ErrorConstants, radius: float, delta: float) =
        Theorem1.CheckPositive(nameof delta, delta)
        Theorem1.Steps(constants, (fun () -> constants.Condition * log (radius / delta)))

    /// ⌈2√κ ln(√(κ+1)R/δ)⌉ steps with Nesterov's momentum (√κ−1)/(√κ+1) and step 1/β reach δ (Nesterov 2004, theorem 2.2.3).
    /// Errors: δ that is not positive and finite.
    static member NesterovSteps(constants: ErrorConstants, radius: float, delta: float) =
        Theorem1.CheckPositive(nameof delta, delta)
        let c = constants
        Theorem1.Steps(c, (fun () -> 2.0 * sqrt c.Condition * log (sqrt (c.Condition + 1.0) * radius / delta)))

    /// ⌈(√κ/2) ln(2(‖Λ‖/µ)‖v‖/δ′)⌉ steps of conjugate gradients from 0 reach δ′, where ‖v‖ ≤ `outerGradientBound`: their rate
    /// 2((√κ−1)/(√κ+1))ᵏ in the norm of M = H + Λ (Golub and Van Loan, section 11.3), with ‖x‖ ≤ ‖x‖_M/√µ and ‖M⁻¹v‖_M ≤ ‖v‖/√µ.
    /// Errors: δ′ that is not positive and finite.
    static member ConjugateGradientSteps(constants: ErrorConstants, outerGradientBound: float, deltaPrime: float) =
        Theorem1.CheckPositive(nameof deltaPrime, deltaPrime)
        let c = constants
        Theorem1.Steps(c, (fun () -> sqrt c.Condition / 2.0 * log (2.0 * c.Contraction * outerGradientBound / deltaPrime)))

/// min over k &lt; K of ‖∇F(θₖ)‖² ≤ 2L_F(F(θ₀) − inf F)/K + e².
[<AbstractClass; Sealed>]
type Corollary1 =

    /// L_F = (‖Λ‖/µ)C: F(θ) = L(Alg*(θ)) has an L_F-Lipschitz gradient, as Alg* is (‖Λ‖/µ)-Lipschitz and C bounds what φ does to ∇F.
    static member MetaSmoothness(constants: ErrorConstants) =
        if Theorem1.Gives constants then
            constants.Contraction * constants.InnerErrorFactor
        else
            infinity

    /// 2L_F·gap/K + e², for K = `steps` outer steps of 1/L_F along meta-gradients that each err by at most e = `error`: a step lowers F by
    /// (‖∇F‖² − e²)/(2L_F) at least. Errors: no steps.
    static member Stationarity(metaSmoothness: float, gap: float, steps: int, error: float) =
        if steps < 1 then
            invalidArg (nameof steps) $"the number of outer steps must be at least 1, not {steps}"

        2.0 * metaSmoothness * gap / float steps + error * error

/// How the search for one task's accuracy ended.
type CertifiedStatus =
    /// The bound is at most ε.
    | Met = 0
    /// ε is below what this arithmetic can certify. The bound is about as small as it can be: twice its part that is rounding, or where the
    /// solvers can go no further at most ten times.
    | RoundingLimit = 1
    /// The rounds, or the solvers' own budgets, ended before the bound met ε.
    | BudgetSpent = 2
    /// A direction was found along which G does not curve upwards. There is no bound.
    | NotStronglyConvex = 3
    /// A gradient, a product or an iterate was not finite. There is no bound.
    | NonFinite = 4
    /// The constants give no bound. The meta-gradient is that of the solvers' own budgets.
    | NoConstants = 5
    /// G curves upwards along a direction that was found, but by less than the constants' µ: they are wrong, and there is no bound.
    | ConstantsRefuted = 6

/// Statuses in words.
[<Extension; AbstractClass; Sealed>]
type CertifiedStatusWords =

    /// The likely causes of a status, and what helps.
    [<Extension>]
    static member Describe(status: CertifiedStatus) =
        match status with
        | CertifiedStatus.Met -> "the bound is at most the accuracy that was asked for"
        | CertifiedStatus.RoundingLimit ->
            "the accuracy is below what this arithmetic can certify: ask for no less than the bound, raise λ, or compute in double precision"
        | CertifiedStatus.BudgetSpent ->
            "the budgets ended before the bound met the accuracy; allow more inner or linear steps, more rounds, or raise λ"
        | CertifiedStatus.NotStronglyConvex ->
            "a direction was met along which G does not curve upwards: raise λ; the meta-gradient has no bound"
        | CertifiedStatus.NonFinite ->
            "a gradient, a product or an iterate was not finite: the inner solver has diverged (lower its step), or the arithmetic overflowed"
        | CertifiedStatus.NoConstants -> "the constants give no bound; the meta-gradient is that of the solvers' own budgets"
        | CertifiedStatus.ConstantsRefuted ->
            "a direction was met along which G curves by less than the constants' µ: correct the constants; the meta-gradient has no bound"
        | _ -> invalidArg (nameof status) $"{status} is not a status"

/// What one task's meta-gradient has cost: what the task itself needed, as if it had been alone; where its constants are measured, that too.
type CertifiedWork =
    {
        /// Solves of a linear system, each after an inner solve or a linear solve that was not enough.
        Rounds: int
        /// Evaluations of ∇L̂; a linearization counts as one.
        Gradients: int
        /// Hessian–vector products, those of the residuals included.
        HessianProducts: int
        /// Evaluations of ∇L.
        OuterGradients: int
        /// Steps that moved φ, and steps that moved u.
        InnerSteps: int
        LinearSteps: int
    }

    /// Nothing yet.
    static member Zero =
        {
            Rounds = 0
            Gradients = 0
            HessianProducts = 0
            OuterGradients = 0
            InnerSteps = 0
            LinearSteps = 0
        }

/// The outcome of one task, on the host.
type CertifiedTask =
    {
        Status: CertifiedStatus
        /// The bound on the error of this task's meta-gradient, with the constants that it is made of.
        Bound: Certificate
        Work: CertifiedWork
    }

/// How one task's error ε is shared between the inner solve and the linear solve: Theorem 1 read backwards, on measured norms.
///
/// The certificate is rounding R + (‖Λ‖/µ)(L + ρ‖u‖)‖∇G‖/µ + (‖Λ‖/µ)‖r‖. With s of the slack ε − R for the inner part and all that it
/// leaves for the linear one, linearly convergent solvers that need a and b evaluations for each e-fold cost −a ln s − b ln(1−s), least at
/// s = a/(a+b). Gradient descent has a = κ, Nesterov a = √κ, and conjugate gradients b = √κ/2: s = 2/3 or more. With s = 4/5 both lose at
/// most a quarter of an e-fold, whatever κ.
[<RequireQualifiedAccess>]
module internal AccuracyPlan =

    /// The inner solve's share of the slack, and the upper limit above which another inner solve is worth its price.
    [<Literal>]
    let InnerShare = 0.8

    [<Literal>]
    let LargestInnerShare = 0.9

    /// What the linear solve may use of what is left: its own residual and the true one differ by a little.
    [<Literal>]
    let LinearShare = 0.95

    /// ε − R, where ε is at least twice the rounding part R: below that no iteration helps. A little less, for the norms' own rounding.
    let slack (a: Arithmetic) (epsilon: float) (bound: Certificate) =
        let norms = max 0.5 (1.0 - 4.0 * a.Gamma(a.Parameters + 8))
        norms * (max epsilon (2.0 * bound.Rounding) - bound.Rounding)

    /// (‖Λ‖/µ)(L + ρ‖u‖)/µ, the factor of ‖∇G‖ in the certificate.
    let innerFactor (c: ErrorConstants) (u: float) = c.Contraction * (c.OuterSmoothness + c.HessianLipschitz * u) / c.StrongConvexity

    /// ‖u*‖, u* = (H+Λ)⁻¹v, from u and its residual: at most ‖u‖ + ‖r‖/µ, but no more than a quarter above ‖u‖, as the norms of CG's iterates
    /// grow; from no u at all the geometric mean of ‖v‖/β and ‖v‖/µ.
    let solutionSize (c: ErrorConstants) (norms: MeasuredNorms) =
        if norms.Solution > 0.0 then
            norms.Solution + min (norms.Residual / c.StrongConvexity) (norms.Solution / 4.0)
        else
            norms.OuterGradient / sqrt (c.StrongConvexity * c.Smoothness)

    /// ‖u*‖ before anything is known of it. 0 asks the first inner solve for what L alone requires, which cannot be too much. ‖u*‖ ≤ B/µ may
    /// ask for too much, but spares a second inner solve, linearization and residual: worth it where that costs no more, by √κ evaluations
    /// for each e-fold.
    let firstSolutionSize (c: ErrorConstants) =
        let largest = c.OuterGradientBound / c.StrongConvexity

        if sqrt c.Condition * log (innerFactor c largest / innerFactor c 0.0) <= 3.0 then
            largest
        else
            0.0

    /// Whether φ is accurate enough for what the slack is.
    let innerSuffices c slack u (norms: MeasuredNorms) = innerFactor c u * norms.InnerGradient <= LargestInnerShare * slack

    /// The ‖∇G‖ at which the inner solve is done. Infinite where the error does not depend on φ.
    let innerThreshold c slack u = InnerShare * slack / innerFactor c u

    /// The ‖r‖ at which the linear solve is done: all that the inner part leaves; where that is too little, as much as it spends, since φ
    /// will move and r with it.
    let linearThreshold (c: ErrorConstants) slack u (norms: MeasuredNorms) =
        let inner = innerFactor c u * norms.InnerGradient

        let part =
            if innerSuffices c slack u norms then
                LinearShare * (slack - inner)
            else
                inner

        part / c.Contraction
