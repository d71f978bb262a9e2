// What the search for an accuracy knows of one task between two solves, and what it decides from that: plain numbers, no vectors.

namespace Imaml.Math

open System

/// One task of AdaptiveAccuracy.
[<NoComparison; NoEquality>]
type internal TaskProgress =
    {
        Constants: ErrorConstants
        Arithmetic: Arithmetic
        Epsilon: float
        MaxRounds: int
        /// Set once the task is done.
        Status: CertifiedStatus voption
        /// The ‖∇G‖ that the next inner solve is asked for.
        Threshold: float
        /// As measured last; the residual may be that of a recurrence.
        Norms: MeasuredNorms
        Bound: ErrorBound
        Inner: InnerStatus
        /// The inner solver's part of the products.
        InnerProducts: int
        SmallestCurvature: float
        Work: CertifiedWork
    }

    member p.Running = p.Status.IsNone

    /// A bound can be had.
    member p.Bounded = p.Bound.Kind <> BoundKind.None

[<RequireQualifiedAccess>]
module internal TaskProgress =

    let private ended status (p: TaskProgress) = { p with Status = ValueSome status }

    let private endedWithout status (p: TaskProgress) =
        { p with
            Bound = ErrorBound.None(CertifiedStatus.describe status)
            Status = ValueSome status
        }

    /// The certificate with these norms.
    let private certificate (p: TaskProgress) norms = ErrorBound.Of(p.Constants, p.Arithmetic, norms)

    /// What the iterations may still cost, and ‖u‖ as it will be: the rounding part is that of norms that would be reached.
    let private outlook (p: TaskProgress) =
        let u = AccuracyPlan.solutionSize p.Constants p.Norms

        let reached =
            { p.Norms with
                Solution = u
                InnerGradient = 0.0
                Residual = 0.0
            }

        struct (AccuracyPlan.slack p.Arithmetic p.Epsilon (certificate p reached), u)

    /// A task before its first inner solve, which knows only the constants.
    let start arithmetic epsilon maxRounds theta (constants: ErrorConstants) : TaskProgress =
        let norms =
            {
                InnerGradient = infinity
                Phi = theta
                Theta = theta
                OuterGradient = 0.0
                Solution = 0.0
                Residual = 0.0
            }

        let bound = ErrorBound.Of(constants, arithmetic, { norms with InnerGradient = 0.0 })

        {
            Constants = constants
            Arithmetic = arithmetic
            Epsilon = epsilon
            MaxRounds = maxRounds
            Status = ValueNone
            Threshold =
                if bound.Kind = BoundKind.None then
                    0.0
                else
                    AccuracyPlan.innerThreshold
                        constants
                        (AccuracyPlan.slack arithmetic epsilon bound)
                        (AccuracyPlan.firstSolutionSize constants)
            Norms = norms
            Bound = bound
            Inner = InnerStatus.NotReported
            InnerProducts = 0
            SmallestCurvature = infinity
            Work = CertifiedWork.Zero
        }

    /// After an inner solve and a linearization at its φ, with the norms of ∇G, φ, v and r there.
    let linearized (inner: InnerStatistics) gradient phi outer residual warm (p: TaskProgress) =
        let stuck = gradient > 0.9 * p.Norms.InnerGradient

        let p =
            { p with
                Inner = if stuck then InnerStatus.Stalled else inner.Status
                InnerProducts = p.InnerProducts + inner.HessianProducts
                Norms =
                    { p.Norms with
                        InnerGradient = gradient
                        Phi = phi
                        OuterGradient = outer
                        Residual = residual
                    }
                Work =
                    { p.Work with
                        Gradients = p.Work.Gradients + inner.Gradients + 1
                        HessianProducts = p.Work.HessianProducts + inner.HessianProducts + (if warm then 1 else 0)
                        OuterGradients = p.Work.OuterGradients + 1
                        InnerSteps = p.Work.InnerSteps + inner.Steps
                    }
            }

        // An inner solver that has lost its way returns the last finite iterate, at which the certificate would hold and say nothing.
        if inner.Status <> InnerStatus.NonFinite && Double.IsFinite(gradient + phi + outer + residual) then
            p
        else
            endedWithout CertifiedStatus.NonFinite p

    /// The ‖r‖ that the linear solve is asked for.
    let linearThreshold (p: TaskProgress) =
        if p.Bounded then
            let struct (slack, u) = outlook p
            AccuracyPlan.linearThreshold p.Constants slack u p.Norms
        else
            0.0

    /// Whether µ is refuted by a measured ⟨p, Mp⟩/⟨p, p⟩, M = H + Λ, whose own rounding is that of the product and of two inner products.
    let private refutes smallest (p: TaskProgress) =
        let c = p.Constants
        let a = p.Arithmetic

        let rounding =
            c.ProductRounding.At(a.NormAtMost p.Norms.Phi)
            + a.RegularizerRounding * c.LargestRegularization
            + a.Gamma(2 * a.Parameters + 10) * c.Smoothness

        p.Bounded && smallest < c.StrongConvexity - rounding

    /// After a linear solve, with ‖u‖ and the ‖r‖ of its recurrence.
    let solved steps products smallest indefinite nonFinite solution residual (p: TaskProgress) =
        let p =
            { p with
                Norms =
                    { p.Norms with
                        Solution = solution
                        Residual = residual
                    }
                SmallestCurvature = min p.SmallestCurvature smallest
                Work =
                    { p.Work with
                        Rounds = p.Work.Rounds + 1
                        LinearSteps = p.Work.LinearSteps + steps
                        HessianProducts = p.Work.HessianProducts + products
                    }
            }

        if nonFinite || not (Double.IsFinite(solution + residual)) then
            endedWithout CertifiedStatus.NonFinite p
        elif indefinite || refutes smallest p then
            endedWithout CertifiedStatus.NotStronglyConvex p
        else
            p

    /// Whether φ has to move before the bound can be met, and may still: then no residual need be known at this φ.
    let mustMove (p: TaskProgress) =
        p.Running
        && p.Bounded
        && p.Inner <> InnerStatus.Stalled
        && p.Work.Rounds < p.MaxRounds
        && (let struct (slack, u) = outlook p in not (AccuracyPlan.innerSuffices p.Constants slack u p.Norms))

    /// Asks the next inner solve for what the bound needs, now that ‖u‖ is better known.
    let move (p: TaskProgress) =
        let struct (slack, u) = outlook p

        { p with
            Threshold = AccuracyPlan.innerThreshold p.Constants slack u
        }

    /// With r computed anew, `before` what it was before the last solve: the certificate, and whether the task is done.
    let certified product before residual (p: TaskProgress) =
        let p =
            { p with
                Norms = { p.Norms with Residual = residual }
                Work =
                    { p.Work with
                        HessianProducts = p.Work.HessianProducts + (if product then 1 else 0)
                    }
            }

        let bound = certificate p p.Norms
        let stuck = p.Inner = InnerStatus.Stalled || residual > 0.9 * before

        if not (Double.IsFinite residual) then
            endedWithout CertifiedStatus.NonFinite p
        elif not p.Bounded then
            ended CertifiedStatus.NoConstants { p with Bound = bound }
        else
            let p = { p with Bound = bound }

            if bound.Total <= p.Epsilon then
                ended CertifiedStatus.Met p
            elif bound.Total <= 2.0 * bound.Rounding then
                ended CertifiedStatus.RoundingLimit p
            elif p.Work.Rounds >= p.MaxRounds || stuck then
                let limit = p.Epsilon <= bound.Rounding

                ended
                    (if limit then
                         CertifiedStatus.RoundingLimit
                     else
                         CertifiedStatus.BudgetSpent)
                    p
            else
                p
