// What each solve adds to what AdaptiveAccuracy knows of a task, and whether the task is done with it.

namespace Imaml.Math

open System

[<RequireQualifiedAccess>]
module internal TaskEvidence =

    let private ended status (p: TaskProgress) = { p with Status = ValueSome status }

    let private endedWithout status (p: TaskProgress) =
        { p with
            Bound = ErrorBound.None(CertifiedStatus.describe status)
            Status = ValueSome status
        }

    /// After an inner solve and a linearization at its φ, with the norms of ∇G, φ, v and r there.
    let linearized (inner: InnerStatistics) gradient phi outer residual warm (p: TaskProgress) =
        let p =
            { p with
                Inner = inner.Status
                Stuck =
                    inner.Status = InnerStatus.Stalled
                    || inner.Status = InnerStatus.NonPositiveCurvature
                    || gradient > 0.9 * p.Norms.InnerGradient
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

        // An inner solver that has lost its way returns the last finite iterate, at which the certificate would hold and say nothing.
        if inner.Status <> InnerStatus.NonFinite && Double.IsFinite(gradient + phi + outer + residual) then
            p
        else
            endedWithout CertifiedStatus.NonFinite p

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

        let bound = TaskProgress.certificate p p.Norms
        let stuck = p.Stuck || residual > 0.9 * before

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
                // With ε out of reach, what is left may still be the budgets', not rounding's.
                let limit = p.Epsilon <= bound.Rounding && bound.Total <= 10.0 * bound.Rounding

                ended
                    (if limit then
                         CertifiedStatus.RoundingLimit
                     else
                         CertifiedStatus.BudgetSpent)
                    p
            else
                p
