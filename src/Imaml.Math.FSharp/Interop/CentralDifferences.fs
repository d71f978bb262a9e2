// Finite differences of a delegate, central ones: FiniteDifferences.fs says what they are worth and which step is best.

namespace Imaml.Math.Interop

open System
open Imaml.Math

/// (f(x + he) − f(x − he))/2h, the witness of a user's own derivatives.
[<AbstractClass; Sealed>]
type CentralDifferences =

    /// ⟨∇f(x), direction⟩ for every task, by two evaluations of f. Errors: h = `step` that is not positive and finite.
    static member Directional(space: IInnerProductSpace<'V, 'S>, step: float, f: Func<'V, 'S>, x: 'V, direction: 'V) : 'S =
        ArgumentNullException.ThrowIfNull(f, nameof f)
        FiniteDifferences.directional space step f.Invoke x direction

    /// ∇f(x) for every task, by 2d evaluations of f. Errors: h = `step` that is not positive and finite.
    static member Gradient(space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, step: float, f: Func<'V, 'S>, x: 'V) : 'V =
        ArgumentNullException.ThrowIfNull(f, nameof f)
        FiniteDifferences.gradient space coordinates step f.Invoke x

    /// d_θL(Alg(θ)) for every task, by solving the inner problem at 2d displaced θ to ‖∇G‖ ≤ gradientNorm.
    static member MetaGradient
        (
            space: IInnerProductSpace<'V, 'S>,
            coordinates: ICoordinates<'V>,
            step: float,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            gradientNorm: float,
            theta: 'V
        ) : 'V =
        FiniteDifferences.metaGradient space coordinates step innerSolver gradientNorm regularizer problem theta
