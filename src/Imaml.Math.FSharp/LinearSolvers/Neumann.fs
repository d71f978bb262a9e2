// The Neumann series for A u = b: uₖ = α Σ_{j<k} (I − αA)ʲ b, on B tasks in lock-step.
//
// Back-propagation truncated to the last k inner steps of size α computes exactly this (Lorraine, Vicol and Duvenaud 2020; Shaban et al.
// 2019). It is gradient descent on ½uᵀAu − bᵀu from 0: with r = b − Au, u ← u + αr and r ← r − αAr. For 0 < α < 2/‖A‖ and a positive
// definite A the residual falls by max|1 − αλ| a term; otherwise the series diverges, which its residual shows. The terms are defined all
// the same, so negative curvature is marked and the series goes on. The system is solved for b/‖b‖.

namespace Imaml.Math

open System

[<RequireQualifiedAccess>]
module internal Neumann =

    /// x, r = b − Ax and ‖r‖² of the scaled system, with what is observed during the solve.
    [<NoComparison; NoEquality>]
    type private State<'V, 'S> =
        {
            X: 'V
            R: 'V
            Square: 'S
            Running: 'S
            Counts: Counts<'S>
            Smallest: 'S
            Marks: Marks<'S>
        }

        interface ICarried<'V, 'S, State<'V, 'S>> with
            member s.Carry(vector, scalar) =
                {
                    X = vector.Invoke s.X
                    R = vector.Invoke s.R
                    Square = scalar.Invoke s.Square
                    Running = scalar.Invoke s.Running
                    Counts = s.Counts.Carry scalar
                    Smallest = scalar.Invoke s.Smallest
                    Marks = s.Marks.Carry scalar
                }

    let private step (space: IInnerProductSpace<'V, 'S>) (apply: 'V -> 'V) (alpha: float) (tolerance: 'S) (s: State<'V, 'S>) =
        let zero = space.Scalar 0.0
        let q = apply s.R
        let curvature = space.Inner(s.R, q)
        let quotient = space.DivideOrZero(curvature, s.Square)
        // ‖r‖² has overflowed before r itself has.
        let finite = space.Multiply(Mask.finite space curvature, Mask.finite space s.Square)
        let running = space.Multiply(s.Running, finite)
        let r = space.Axpy(space.Select(running, space.Scalar -alpha, zero), q, s.R)
        let square = space.Inner(r, r)
        let lower = space.Multiply(running, space.Exceeds(s.Smallest, quotient))
        let notPositive = Mask.complement space (space.Exceeds(curvature, zero))

        {
            X = space.Axpy(space.Select(running, space.Scalar alpha, zero), s.R, s.X)
            R = r
            Square = square
            Running = space.Multiply(running, space.Exceeds(square, tolerance))
            Counts =
                { s.Counts with
                    Steps = space.Add(s.Counts.Steps, running)
                    Products = space.Add(s.Counts.Products, s.Running)
                }
            Smallest = space.Select(lower, quotient, s.Smallest)
            Marks =
                { s.Marks with
                    Indefinite = space.Select(space.Multiply(running, notPositive), space.Scalar 1.0, s.Marks.Indefinite)
                    NonFinite = space.Add(s.Marks.NonFinite, space.Multiply(s.Running, Mask.complement space finite))
                }
        }

    let private first (space: IInnerProductSpace<'V, 'S>) (tolerance: 'S) (r: 'V) =
        let square = space.Inner(r, r)

        {
            X = space.Zero r
            R = r
            Square = square
            Running = space.Exceeds(square, tolerance)
            Counts = Counts<'S>.Zero space
            Smallest = space.Scalar infinity
            Marks = Marks<'S>.None space
        }

    let check (alpha: float) =
        if not (alpha > 0.0 && alpha < infinity) then
            invalidArg (nameof alpha) $"the step of a Neumann series must be positive and finite, not {alpha}"

    let toResidual
        (space: IInnerProductSpace<'V, 'S>)
        (apply: 'V -> 'V)
        (alpha: float)
        (options: LinearSolveOptions)
        (residualNorm: 'S)
        (b: 'V)
        =
        LinearSolver.check options
        check alpha

        Region.run space (fun () ->
            let system = ScaledSystem.ofRightHandSide space options residualNorm b
            let tolerance = space.Multiply(system.Tolerance, system.Tolerance)

            let state =
                first space tolerance (ScaledSystem.unit space system.Size b)
                |> ScaledSystem.iterate space options _.Running id (step space apply alpha tolerance)

            ScaledSystem.report
                space
                options
                apply
                b
                system
                { LinearSolver.blank space state.X system.Size with
                    Counts = state.Counts
                    RelativeResidual = space.Norm state.R
                    SmallestCurvature = state.Smallest
                    Marks =
                        { state.Marks with
                            Met = Mask.complement space (space.Exceeds(state.Square, tolerance))
                        }
                })

/// The Neumann series with step α as a linear solver: uₖ for k = MaxSteps, or as many terms as the tolerance needs.
///
/// Cost: one product a term (the last for the residual alone), and one more with RecomputeResidual; two vectors apart from b, two vector
/// operations and two inner products a term; one synchronisation every CheckEvery terms. Errors: α that is not positive and finite.
type NeumannSolver<'V, 'S>(alpha: float, options: LinearSolveOptions) =
    do
        ArgumentNullException.ThrowIfNull(options, nameof options)

        LinearSolver.check options
        Neumann.check alpha

    /// α
    member _.Alpha = alpha

    interface ILinearSolver<'V, 'S> with
        member _.Solve(space, operator, b, residualNorm) = Neumann.toResidual space operator.Apply alpha options residualNorm b

        member _.SolveFrom(space, operator, b, start, residualNorm) =
            ScaledSystem.shifted space options (Neumann.toResidual space operator.Apply alpha) operator.Apply b start residualNorm
