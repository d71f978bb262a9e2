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
        /// The last inner solve lowered ‖∇G‖ by less than a tenth, or said that it could not.
        Stuck: bool
        /// The inner solver's part of the products, and its evaluations of L̂ alone.
        InnerProducts: int
        InnerLosses: int
        SmallestCurvature: float
        Work: CertifiedWork
    }

    member p.Running = p.Status.IsNone

    /// A bound can be had.
    member p.Bounded = p.Bound.Kind <> BoundKind.None

[<RequireQualifiedAccess>]
module internal TaskProgress =

    /// The certificate with these norms.
    let certificate (p: TaskProgress) norms = ErrorBound.Of(p.Constants, p.Arithmetic, norms)

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
            Stuck = false
            InnerProducts = 0
            InnerLosses = 0
            SmallestCurvature = infinity
            Work = CertifiedWork.Zero
        }

    /// The ‖r‖ that the linear solve is asked for.
    let linearThreshold (p: TaskProgress) =
        if p.Bounded then
            let struct (slack, u) = outlook p
            AccuracyPlan.linearThreshold p.Constants slack u p.Norms
        else
            0.0

    /// Whether φ has to move before the bound can be met, and may still: then no residual need be known at this φ.
    let mustMove (p: TaskProgress) =
        p.Running
        && p.Bounded
        && not p.Stuck
        && p.Work.Rounds < p.MaxRounds
        && (let struct (slack, u) = outlook p in not (AccuracyPlan.innerSuffices p.Constants slack u p.Norms))

    /// Asks the next inner solve for what the bound needs, now that ‖u‖ is better known.
    let move (p: TaskProgress) =
        let struct (slack, u) = outlook p

        { p with
            Threshold = AccuracyPlan.innerThreshold p.Constants slack u
        }
