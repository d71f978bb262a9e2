// Any inner optimiser at all: the implicit meta-gradient needs φ, not the path to it, so what found φ may be a black box, even one that
// uses no derivatives. Its accuracy δ enters the meta-gradient as in Theorem 1: an error of at most δ′ + Cδ.

namespace Imaml.Math

open System

/// A way to φ ≈ Alg*(θ) from φ₀ = `start` that may use all that the problem offers. Tasks of a batch are solved together.
type InnerSolve<'V, 'S> = delegate of problem: IBilevelProblem<'V, 'S> * regularizer: IRegularizer<'V, 'S> * theta: 'V * start: 'V -> 'V

/// A delegate as an inner solver. Its status is NotReported, and it is not told the tolerance; ‖∇G‖ at its result says what it is worth.
/// What the delegate throws is not caught; a result that is null is refused with InvalidOperationException.
type DelegateInnerSolver<'V, 'S>(solve: InnerSolve<'V, 'S>) =
    do ArgumentNullException.ThrowIfNull(solve, nameof solve)

    /// A map (θ, start) ↦ φ that knows its problem.
    new(solve: Func<'V, 'V, 'V>) =
        ArgumentNullException.ThrowIfNull(solve, nameof solve)
        DelegateInnerSolver(InnerSolve<'V, 'S>(fun _ _ theta start -> solve.Invoke(theta, start)))

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, _) =
            Region.run space (fun () ->
                let phi = solve.Invoke(problem, regularizer, theta, start)

                if isNull (box phi) then
                    raise (InvalidOperationException "the inner solver returned null in place of φ")

                // A value of its own, where the delegate returns its start.
                InnerSolver.blackBox space (Mask.copyVector space phi))
