// The search of one task for an accuracy ε: its state between two solves, the change by each solve, and the decisions.
// Plain numbers, no vectors; AdaptiveSearch has those.

namespace Imaml.Math

open System

/// One task of AdaptiveAccuracy.
[<NoComparison; NoEquality>]
type internal AdaptiveTask =
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
        Bound: Certificate
        Inner: InnerStatus
        /// The last inner solve lowered ‖∇G‖ by less than a tenth, or reported that it could not.
        Stuck: bool
        /// The inner solver's part of the gradients and products, and its evaluations of L̂ alone; the measured constants' part of the products.
        InnerGradients: int
        InnerProducts: int
        InnerLosses: int
        MeasuredProducts: int
        Work: CertifiedWork
    }

    member p.Running = p.Status.IsNone

    /// There is a bound, or the constants are refuted, which is reported separately.
    member p.Bounded = p.Bound.Kind <> BoundKind.None || p.Bound.IsRefuted

[<RequireQualifiedAccess>]
module internal AdaptiveTask =

    /// The certificate with these norms.
    let private certificate (p: AdaptiveTask) norms = Certificate.Of(p.Constants, p.Arithmetic, norms)

    let private ended status (p: AdaptiveTask) = { p with Status = ValueSome status }

    /// The task at its end, with no bound.
    let endedWithout (status: CertifiedStatus) (p: AdaptiveTask) =
        { p with
            Bound = Certificate.None(p.Constants, status.Describe())
            Status = ValueSome status
        }

    /// The part of ε that is left for the iterations, and the expected ‖u‖. The rounding part is that of the norms that would be reached.
    let private outlook (p: AdaptiveTask) =
        let u = AccuracyPlan.solutionSize p.Constants p.Norms

        let reached =
            { p.Norms with
                Solution = u
                InnerGradient = 0.0
                Residual = 0.0
            }

        struct (AccuracyPlan.slack p.Arithmetic p.Epsilon (certificate p reached), u)

    /// A task before its first inner solve, from its constants; where there are none, `without` is the ‖∇G‖ of its first inner solve.
    let start arithmetic epsilon maxRounds theta (constants: ErrorConstants) (without: float) : AdaptiveTask =
        let norms =
            {
                InnerGradient = infinity
                Phi = theta
                Theta = theta
                OuterGradient = 0.0
                Solution = 0.0
                Residual = 0.0
                Curvature = infinity
            }

        let bound = Certificate.Of(constants, arithmetic, { norms with InnerGradient = 0.0 })

        {
            Constants = constants
            Arithmetic = arithmetic
            Epsilon = epsilon
            MaxRounds = maxRounds
            Status = ValueNone
            Threshold =
                if bound.Kind = BoundKind.None then
                    without
                else
                    AccuracyPlan.innerThreshold
                        constants
                        (AccuracyPlan.slack arithmetic epsilon bound)
                        (AccuracyPlan.firstSolutionSize constants)
            Norms = norms
            Bound = bound
            Inner = InnerStatus.NotReported
            Stuck = false
            InnerGradients = 0
            InnerProducts = 0
            InnerLosses = 0
            MeasuredProducts = 0
            Work = CertifiedWork.Zero
        }

    /// The ‖r‖ that the linear solve is asked for.
    let linearThreshold (p: AdaptiveTask) =
        if p.Bounded then
            let struct (slack, u) = outlook p
            AccuracyPlan.linearThreshold p.Constants slack u p.Norms
        else
            0.0

    /// Whether φ has to move before ε can be reached, and still may: then the residual at this φ is not needed.
    let mustMove (p: AdaptiveTask) =
        p.Running
        && p.Bounded
        && not p.Stuck
        && p.Work.Rounds < p.MaxRounds
        && (let struct (slack, u) = outlook p in not (AccuracyPlan.innerSuffices p.Constants slack u p.Norms))

    /// Asks the next inner solve for what the bound needs, now that ‖u‖ is better known.
    let move (p: AdaptiveTask) =
        let struct (slack, u) = outlook p

        { p with
            Threshold = AccuracyPlan.innerThreshold p.Constants slack u
        }

    /// After an inner solve and a linearization at its φ, with the norms of ∇G, φ, v and r there.
    let linearized (inner: InnerStatistics) gradient phi outer residual warm (p: AdaptiveTask) =
        let p =
            { p with
                Inner = inner.Status
                Stuck =
                    inner.Status = InnerStatus.Stalled
                    || inner.Status = InnerStatus.NonPositiveCurvature
                    || gradient > 0.9 * p.Norms.InnerGradient
                InnerGradients = p.InnerGradients + inner.Gradients
                InnerProducts = p.InnerProducts + inner.HessianProducts
                InnerLosses = p.InnerLosses + inner.Losses
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

        // An inner solver that has diverged returns the last finite iterate. A certificate there would be valid but useless.
        if inner.Status <> InnerStatus.NonFinite && Double.IsFinite(gradient + phi + outer + residual) then
            p
        else
            endedWithout CertifiedStatus.NonFinite p

    /// With the constants measured at this φ in place of those of the last: a curvature seen at another φ refutes nothing here.
    let measured (estimate: Estimate) (p: AdaptiveTask) =
        let p =
            { p with
                Constants = estimate.Constants
                Norms = { p.Norms with Curvature = infinity }
                MeasuredProducts = p.MeasuredProducts + estimate.HessianProducts
                Work =
                    { p.Work with
                        Gradients = p.Work.Gradients + estimate.Gradients
                        HessianProducts = p.Work.HessianProducts + estimate.HessianProducts
                        OuterGradients = p.Work.OuterGradients + estimate.OuterGradients
                    }
            }

        { p with Bound = certificate p p.Norms }

    /// After a linear solve, with the smallest curvature along a direction of it, its smallest Ritz value, ‖u‖ and the ‖r‖ of its recurrence.
    let solved steps products smallest ritz nonFinite solution residual (p: AdaptiveTask) =
        // A curvature that is zero to rounding does not count as negative.
        let indefinite = smallest <= 0.0
        let smallest = min smallest (Certificate.CurvatureOfRitzValue(p.Constants, p.Arithmetic, ritz))

        let p =
            { p with
                Norms =
                    { p.Norms with
                        Solution = solution
                        Residual = residual
                        Curvature = min p.Norms.Curvature smallest
                    }
                Work =
                    { p.Work with
                        Rounds = p.Work.Rounds + 1
                        LinearSteps = p.Work.LinearSteps + steps
                        HessianProducts = p.Work.HessianProducts + products
                    }
            }

        if nonFinite || not (Double.IsFinite(solution + residual)) then
            endedWithout CertifiedStatus.NonFinite p
        elif indefinite || (p.Bounded && p.Norms.Curvature <= 0.0) then
            endedWithout CertifiedStatus.NotStronglyConvex p
        else
            let bound = certificate p p.Norms

            if bound.IsRefuted then
                ended CertifiedStatus.ConstantsRefuted { p with Bound = bound }
            else
                p

    /// With r computed anew and the curvature along u, `before` what r was before the last solve: the certificate, and whether the task is done.
    let certified product before residual curvature (p: AdaptiveTask) =
        let p =
            { p with
                Norms =
                    { p.Norms with
                        Residual = residual
                        Curvature = min p.Norms.Curvature curvature
                    }
                Work =
                    { p.Work with
                        HessianProducts = p.Work.HessianProducts + (if product then 1 else 0)
                    }
            }

        let bound = certificate p p.Norms
        let stuck = p.Stuck || residual > 0.9 * before

        if not (Double.IsFinite residual) then
            endedWithout CertifiedStatus.NonFinite p
        elif not p.Bounded then
            ended CertifiedStatus.NoConstants { p with Bound = bound }
        elif bound.IsRefuted then
            ended CertifiedStatus.ConstantsRefuted { p with Bound = bound }
        elif bound.Kind = BoundKind.None then
            // There was a bound before the last norms: one of them has overflowed.
            ended CertifiedStatus.NonFinite { p with Bound = bound }
        else
            let p = { p with Bound = bound }

            if bound.Total <= p.Epsilon then
                ended CertifiedStatus.Met p
            elif bound.Total <= 2.0 * bound.Rounding then
                ended CertifiedStatus.RoundingLimit p
            elif p.Work.Rounds >= p.MaxRounds || stuck then
                // Where ε cannot be reached, the rest of the bound may be due to the budgets, not to rounding.
                let limit = p.Epsilon <= bound.Rounding && bound.Total <= 10.0 * bound.Rounding

                ended
                    (if limit then
                         CertifiedStatus.RoundingLimit
                     else
                         CertifiedStatus.BudgetSpent)
                    p
            else
                p
