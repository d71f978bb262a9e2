// Newton's method on G(·, θ), with two ways to its direction.
//
// NewtonConjugateGradientSolver, the inner solver of Hessian-free iMAML: a few steps of conjugate gradients on (H + Λ)p = −∇G (Martens
// 2010; Nocedal and Wright 2006, section 7.1). Where a CG direction has curvature that is not positive, or zero to rounding, p is the iterate
// before it; where it is the first, the step is steepest descent. Either way p leads downhill: every iterate of CG from 0 does, as long as
// the curvatures before it were positive.
// The paper names Martens 2010, whose matrix is Gauss and Newton's: JᵀCJ + Λ in place of H + Λ has no such direction and leads downhill from
// everywhere; near a φ that fits the examples it is H + Λ.
// Departs from the paper: the line search is on G, where the paper's is on the training loss L̂, because G is what is minimised, and a step
// that lowers L̂ may raise G.
//
// ExactInnerSolver, the exact solution of small problems: H + Λ is read off d products with the unit vectors, for all tasks at once, and
// factored on the host. A step is accepted where it lowers ‖∇G‖, whose square falls along Newton's direction, so the last iterate is the
// best that this arithmetic can tell.

namespace Imaml.Math

open System
open MathNet.Numerics.LinearAlgebra

[<RequireQualifiedAccess>]
module NewtonConjugateGradient =

    /// The paper's experiments: at most five steps of conjugate gradients for each Newton direction.
    [<Literal>]
    let PaperDirectionSteps = 5

/// The matrix of a Newton direction.
type DirectionMatrix =
    /// H + Λ.
    | Hessian = 0
    /// JᵀCJ + Λ, of a loss whose linearization is an IGaussNewtonLinearization.
    | GaussNewton = 1

/// At most `maxSteps` Newton steps, the direction of each by at most `directionSteps` steps of conjugate gradients on `matrix`.
///
/// Cost of a step: one linearization, at most `directionSteps` Hessian–vector products, one loss for each length that is tried, and one
/// gradient where a loss cannot be trusted; memory does not depend on the number of steps. Every step looks at masks: there is no
/// fixed budget without synchronisation.
type NewtonConjugateGradientSolver<'V, 'S>(maxSteps: int, directionSteps: int, matrix: DirectionMatrix) =
    do
        InnerSolver.checkSteps (nameof maxSteps) maxSteps

        if directionSteps < 1 then
            invalidArg (nameof directionSteps) $"the number of conjugate-gradient steps must be at least 1, not {directionSteps}"

    let conjugateGradient: ILinearSolver<'V, 'S> =
        ConjugateGradientSolver
            {
                MaxSteps = directionSteps
                RelativeResidual = 0.0
                // A product costs about a gradient, more than a look.
                CheckEvery = 1
                RecomputeResidual = false
            }

    let product: IInnerProductSpace<'V, 'S> -> IRegularizer<'V, 'S> -> ILinearization<'V, 'S> -> 'V -> 'V =
        match matrix with
        | DirectionMatrix.Hessian -> InnerObjective.hessianProduct
        | DirectionMatrix.GaussNewton -> InnerObjective.gaussNewtonProduct
        | _ -> invalidArg (nameof matrix) $"{matrix} is not a matrix of a direction"

    /// On H + Λ.
    new(maxSteps, directionSteps) = NewtonConjugateGradientSolver(maxSteps, directionSteps, DirectionMatrix.Hessian)

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, gradientNorm) =
            let step (point: InnerPoint<'V, 'S>) memory =
                // Tasks that are done have the right-hand side 0, for which nothing is to be solved.
                let backwards = space.Multiply(space.Scalar -1.0, point.Running)
                let b = space.Axpy(backwards, point.Gradient, space.Zero point.Gradient)

                let operator =
                    LinearOperator.OfSum(regularizer.SmallestEigenvalue, product space regularizer point.Linearization)

                // On a quadratic the residual of the direction is the gradient after the step.
                let enough = space.Multiply(space.Scalar 0.5, gradientNorm)
                let solve = conjugateGradient.Solve(space, operator, b, enough)
                let made = BacktrackingLineSearch.move space regularizer problem theta point solve.Solution memory

                { made with
                    Counts =
                        { made.Counts with
                            Products = solve.Counts.Products
                        }
                }

            InnerDescent.run space regularizer problem theta start gradientNorm maxSteps (NoMemory<'V, 'S>()) step

[<RequireQualifiedAccess>]
module private DenseNewton =

    let isFinite (a: Matrix<float>) = Seq.forall Double.IsFinite (a.Enumerate())

    /// −A⁻¹g, where A is finite and positive definite beyond the d roundings, of ε each, of its eigenvalues: along a direction of curvature zero to
    /// rounding there is no step that means anything.
    let direction (epsilon: float) (a: Matrix<float>) (gradient: float[]) =
        if not (isFinite a) then
            ValueNone
        else
            let system = Eigensystem.Of a

            if system.Smallest > float gradient.Length * epsilon * system.Largest then
                let along = system.Vectors.TransposeThisAndMultiply(Vector<float>.Build.DenseOfArray gradient)
                ValueSome((-(system.Vectors * along.PointwiseDivide system.ScaledValues) / system.Scale).ToArray())
            else
                ValueNone

/// At most `maxSteps` Newton steps with the dense H + Λ; 100 are many, as each doubles the digits once it is near. With gradientNorm 0 the
/// solve ends where no step lowers ‖∇G‖ any more, Stalled at the level of rounding.
///
/// A task whose H + Λ is not positive definite stops there, with that as its status: Newton's direction may lead to a saddle; one whose
/// H + Λ is not finite is NonFinite. Cost of a step: one linearization, d products, d³ on the host for each task, and one gradient for each
/// length tried. Errors: d above LinearOperator.LargestDimension.
type ExactInnerSolver<'V, 'S>(coordinates: ICoordinates<'V>, maxSteps: int) =
    do
        ArgumentNullException.ThrowIfNull(coordinates, nameof coordinates)

        InnerSolver.checkSteps (nameof maxSteps) maxSteps

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, gradientNorm) =
            let step (point: InnerPoint<'V, 'S>) memory =
                let hessian =
                    LinearOperator.Of(fun w -> InnerObjective.hessianProduct space regularizer point.Linearization w)

                let hessians = LinearOperator.Matrices(space, coordinates, hessian, point.Gradient)
                let gradients = coordinates.ToRows point.Gradient
                let running = space.Read point.Running
                let epsilon = space.Read(Mask.epsilon space)

                let directions =
                    Array.init gradients.Length (fun task ->
                        if running[task] > 0.5 then
                            DenseNewton.direction epsilon[task] hessians[task] gradients[task]
                        else
                            ValueNone)

                let none = Array.zeroCreate<float> gradients[0].Length

                let direction =
                    coordinates.OfRows(point.Gradient, directions |> Array.map (ValueOption.defaultValue none))

                let mask holds = space.PerTask(Array.init directions.Length (fun task -> if holds task then 1.0 else 0.0))
                let usable = mask (fun task -> directions[task].IsSome)
                let fails task = running[task] > 0.5 && directions[task].IsNone
                let indefinite = mask (fun task -> fails task && DenseNewton.isFinite hessians[task])
                let nonFinite = mask (fun task -> fails task && not (DenseNewton.isFinite hessians[task]))

                let accepts searching length =
                    let trial = space.Axpy(length, direction, point.Phi)
                    let gradient = InnerObjective.gradient space regularizer (problem.InnerGradient trial) trial theta
                    let lowered = space.Exceeds(point.GradientNorm, space.Norm gradient)

                    struct (lowered,
                            { Counts.Zero space with
                                Gradients = Mask.copy space searching
                            })

                let made = BacktrackingLineSearch.halve space usable point.Phi direction memory accepts

                { made with
                    Marks =
                        { made.Marks with
                            NonFinite = nonFinite
                            Indefinite = indefinite
                        }
                    Counts =
                        { made.Counts with
                            Products = space.Scalar(float none.Length)
                        }
                }

            InnerDescent.run space regularizer problem theta start gradientNorm maxSteps (NoMemory<'V, 'S>()) step
