// The exact inner solution of small problems: Newton's method with the dense H + Λ, in halved steps until rounding stops it.
//
// H + Λ is read off d products with the unit vectors, for all tasks at once, and factored on the host. A step is accepted where it lowers
// ‖∇G‖, whose square falls along Newton's direction, so the last iterate is the best that this arithmetic can tell.

namespace Imaml.Math

open System
open MathNet.Numerics.LinearAlgebra

[<RequireQualifiedAccess>]
module private DenseNewton =

    let isFinite (a: Matrix<float>) = Seq.forall Double.IsFinite (a.Enumerate())

    /// −A⁻¹g, where A is finite and positive definite.
    let direction (a: Matrix<float>) (gradient: float[]) =
        if not (isFinite a) then
            ValueNone
        else
            let system = Eigensystem.Of a

            if system.Smallest > 0.0 then
                let along = system.Vectors.TransposeThisAndMultiply(Vector<float>.Build.DenseOfArray gradient)
                ValueSome((-(system.Vectors * along.PointwiseDivide system.ScaledValues) / system.Scale).ToArray())
            else
                ValueNone

/// At most `maxSteps` Newton steps; 100 are many, as each doubles the digits once it is near. With gradientNorm 0 the solve ends where no
/// step lowers ‖∇G‖ any more, Stalled at the level of rounding.
///
/// A task whose H + Λ is not positive definite stops there, with that as its status: Newton's direction may lead to a saddle; one whose
/// H + Λ is not finite stops Stalled. Cost of a step: one linearization, d products, d³ on the host for each task, and one gradient for each length tried.
/// Errors: d above LinearOperator.LargestDimension.
type ExactInnerSolver<'V, 'S>(coordinates: ICoordinates<'V>, maxSteps: int) =
    do InnerDescent.checkSteps maxSteps

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, gradientNorm) =
            let step (point: InnerPoint<'V, 'S>) memory =
                let hessian =
                    LinearOperator.Of(fun w -> InnerObjective.hessianProduct space regularizer point.Linearization w)

                let hessians = LinearOperator.Matrices(space, coordinates, hessian, point.Gradient)
                let gradients = coordinates.ToRows point.Gradient
                let running = space.Read point.Running

                let directions =
                    Array.init gradients.Length (fun task ->
                        if running[task] > 0.5 then
                            DenseNewton.direction hessians[task] gradients[task]
                        else
                            ValueNone)

                let none = Array.zeroCreate<float> gradients[0].Length

                let direction =
                    coordinates.OfRows(point.Gradient, directions |> Array.map (ValueOption.defaultValue none))

                let mask holds = space.PerTask(Array.init directions.Length (fun task -> if holds task then 1.0 else 0.0))
                let usable = mask (fun task -> directions[task].IsSome)

                let indefinite =
                    mask (fun task -> running[task] > 0.5 && directions[task].IsNone && DenseNewton.isFinite hessians[task])

                let accepts searching length =
                    let trial = space.Axpy(length, direction, point.Phi)
                    let gradient = InnerObjective.gradient space regularizer (problem.InnerGradient trial) trial theta
                    let lowered = space.Exceeds(point.GradientNorm, space.Norm gradient)
                    struct (lowered, Mask.copy space searching, space.Scalar 0.0)

                let found = Backtracking.halve space usable accepts

                {
                    InnerMove.Phi = space.Axpy(found.Step, direction, point.Phi)
                    Moved = found.Accepted
                    Indefinite = indefinite
                    Gradients = found.Gradients
                    HessianProducts = space.Scalar(float none.Length)
                    Losses = space.Scalar 0.0
                    Memory = memory
                }

            InnerDescent.run space regularizer problem theta start gradientNorm maxSteps (NoMemory<'V, 'S>()) step
