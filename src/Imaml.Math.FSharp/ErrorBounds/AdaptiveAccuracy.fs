// Algorithm 2 to an accuracy ε that is certified: solve the inner problem, solve the linear system, look at the certificate, and refine
// whichever of the two is in the way.
//
//     φ:  ‖∇G‖ to what L alone requires; where ρ > 0 again from there, once a first linear solve has told ‖u‖
//     u:  (H+Λ)u = v to all that the inner part leaves of ε; after φ has moved, from the last u
//     r = v − (H+Λ)u computed anew, and the certificate (ErrorBound)
//
// The vectors of all tasks move in lock-step; the decisions are taken on the host, for each task from its own norms. A task that is done
// keeps its φ and u to the last bit, so a batch gives every task what it would get alone.

namespace Imaml.Math

/// What AdaptiveAccuracy is asked for.
type AdaptiveOptions =
    {
        /// ε, absolute: ‖g − d_θL(Alg*(θ))‖ ≤ ε for every task.
        Accuracy: float
        /// How many linear solves a task may take, each after a further inner solve where one is needed. Four are seldom needed.
        MaxRounds: int
        /// In which precision the space computes.
        Arithmetic: Arithmetic
    }

/// Meta-gradients to an accuracy that is certified.
[<AbstractClass; Sealed>]
type AdaptiveAccuracy =

    /// The meta-gradient of every task at θ, to within options.Accuracy where its status is Met; `constants` has one entry for each task.
    ///
    /// `innerSolver` must heed the gradient norm that it is given, and `linearSolver` the residual norm: a fixed budget is spent in each
    /// round whatever the accuracy.
    /// Cost: see each task's Work. Eleven synchronisations a round and eight a linear solve, beside the solvers' own. Memory does not depend on the number of rounds.
    static member Compute
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            constants: ErrorConstants[],
            options: AdaptiveOptions,
            theta: 'V
        ) : CertifiedMetaGradient<'V, 'S> =
        if not (options.Accuracy > 0.0 && options.Accuracy < infinity) then
            invalidArg (nameof options) $"the accuracy must be positive and finite, not {options.Accuracy}"

        if options.MaxRounds < 1 then
            invalidArg (nameof options) $"MaxRounds must be at least 1, not {options.MaxRounds}"

        Region.run space (fun () ->
            let sizes = space.Read(space.Norm theta)

            if constants.Length <> sizes.Length then
                invalidArg (nameof constants) $"{constants.Length} tasks' constants for {sizes.Length} tasks"

            let constants = constants |> Array.map (fun c -> c.With regularizer)

            let progress =
                Array.map2 (TaskProgress.start options.Arithmetic options.Accuracy options.MaxRounds) sizes constants

            let step = AdaptiveRound.run space regularizer problem innerSolver linearSolver theta progress

            let mutable iterate: AdaptiveIterate<'V, 'S> =
                {
                    Phi = Mask.copyVector space theta
                    U = space.Zero theta
                    InnerLoss = space.Scalar 0.0
                    OuterLoss = space.Scalar 0.0
                }

            while progress |> Array.exists (fun p -> p.Running) do
                iterate <- Region.advance space step iterate

            AdaptiveResult.create space regularizer progress iterate)
