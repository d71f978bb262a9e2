// The options and the results of AdaptiveAccuracy: meta-gradients, and for each task a bound on the error, how the search for the accuracy
// ended, and its cost.

namespace Imaml.Math

open System.Runtime.CompilerServices

/// The options of AdaptiveAccuracy.
type AdaptiveOptions =
    {
        /// ε, absolute: ‖g − d_θL(Alg*(θ))‖ ≤ ε for every task.
        Accuracy: float
        /// How many linear solves a task may take, each after a further inner solve where one is needed. Four are seldom needed.
        MaxRounds: int
    }

    /// Errors: an accuracy that is not positive and finite, MaxRounds below 1.
    member internal options.Check() =
        if not (options.Accuracy > 0.0 && options.Accuracy < infinity) then
            invalidArg (nameof options) $"the accuracy must be positive and finite, not {options.Accuracy}"

        if options.MaxRounds < 1 then
            invalidArg (nameof options) $"MaxRounds must be at least 1, not {options.MaxRounds}"

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
            "a direction was found along which G does not curve upwards: raise λ; the meta-gradient has no bound"
        | CertifiedStatus.NonFinite ->
            "a gradient, a product or an iterate was not finite: the inner solver has diverged (lower its step), or the arithmetic overflowed"
        | CertifiedStatus.NoConstants -> "the constants give no bound; the meta-gradient is that of the solvers' own budgets"
        | CertifiedStatus.ConstantsRefuted ->
            "a direction was found along which G curves by less than the constants' µ: correct the constants; the meta-gradient has no bound"
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

/// The meta-gradients of B tasks, with a bound on the error of each.
type CertifiedMetaGradient<'V, 'S> =
    {
        MetaGradient: MetaGradient<'V, 'S>
        Tasks: CertifiedTask[]
    }

    interface ICarried<'V, 'S, CertifiedMetaGradient<'V, 'S>> with
        member this.Carry(vector, scalar) =
            { this with
                MetaGradient = (this.MetaGradient :> ICarried<_, _, MetaGradient<'V, 'S>>).Carry(vector, scalar)
            }
