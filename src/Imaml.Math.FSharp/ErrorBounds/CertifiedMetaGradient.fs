// A meta-gradient to an accuracy ε that was asked for: what came of it, task by task.

namespace Imaml.Math

/// How the search for one task's accuracy ended.
type CertifiedStatus =
    /// The bound is at most ε.
    | Met = 0
    /// ε is below what this arithmetic can certify. The bound is about as small as it can be: twice its part that is rounding, or where the
    /// solvers can go no further at most ten times.
    | RoundingLimit = 1
    /// The rounds, or the solvers' own budgets, ended before the bound met ε.
    | BudgetSpent = 2
    /// A direction was met along which G curves by less than µ: the constants are wrong, and there is no bound.
    | NotStronglyConvex = 3
    /// A gradient, a product or an iterate was not finite. There is no bound.
    | NonFinite = 4
    /// The constants give no bound. The meta-gradient is that of the solvers' own budgets.
    | NoConstants = 5

[<RequireQualifiedAccess>]
module CertifiedStatus =

    /// The likely causes of a status, and what helps, in words.
    let describe status =
        match status with
        | CertifiedStatus.Met -> "the bound is at most the accuracy that was asked for"
        | CertifiedStatus.RoundingLimit ->
            "the accuracy is below what this arithmetic can certify: ask for no less than the bound, raise λ, or compute in double precision"
        | CertifiedStatus.BudgetSpent ->
            "the budgets ended before the bound met the accuracy; allow more inner or linear steps, more rounds, or raise λ"
        | CertifiedStatus.NotStronglyConvex ->
            "a direction was met along which G curves by less than µ: raise λ, or correct the constants; the meta-gradient has no bound"
        | CertifiedStatus.NonFinite ->
            "a gradient, a product or an iterate was not finite: the inner solver has diverged (lower its step), or the arithmetic overflowed"
        | CertifiedStatus.NoConstants -> "the constants give no bound; the meta-gradient is that of the solvers' own budgets"
        | _ -> invalidArg (nameof status) $"{status} is not a status"

/// What one task's meta-gradient has cost: what the task itself needed, as if it had been alone.
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
        /// The bound on the error of this task's meta-gradient.
        Bound: ErrorBound
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
