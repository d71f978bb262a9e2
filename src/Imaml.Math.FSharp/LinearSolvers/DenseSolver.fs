// The dense solve of A u = b, task by task on the host: the oracle of every other solver.
//
// Each task's matrix is built from d products, symmetrised, and diagonalised: A = QDQᵀ, u = QD⁻¹Qᵀb. That works for definite, indefinite and
// singular A alike, and gives the smallest eigenvalue. Directions whose eigenvalue is nothing but rounding are omitted: u is then the
// least-squares solution of minimal norm.

namespace Imaml.Math

open System
open MathNet.Numerics.LinearAlgebra

/// What the dense solve of one task found.
[<NoComparison; NoEquality>]
type private DenseOutcome =
    {
        Solution: float[]
        SmallestEigenvalue: float
        /// ‖A‖
        Norm: float
        /// A's matrix and the solution are finite; every eigenvalue is positive beyond rounding; a solution other than 0 was made.
        Finite: bool
        Definite: bool
        Moved: bool
    }

[<RequireQualifiedAccess>]
module private DenseOutcome =

    let unmoved d finite =
        {
            Solution = Array.zeroCreate d
            SmallestEigenvalue = infinity
            Norm = 0.0
            Finite = finite
            Definite = true
            Moved = false
        }

    let ofSystem (epsilon: float) (a: Matrix<float>) (b: Vector<float>) =
        let system = Eigensystem.Of a
        let values = system.ScaledValues
        // The computed eigenvalues are those of a matrix at most about d roundings of ‖A‖ away.
        let rounding = float b.Count * epsilon * values.AbsoluteMaximum()

        let parts =
            (system.Vectors.TransposeThisAndMultiply b)
                .Map2((fun part value -> if abs value > rounding then part / value else 0.0), values, Zeros.Include)

        {
            Solution = (system.Vectors * parts / system.Scale).ToArray()
            SmallestEigenvalue = system.Smallest
            Norm = system.Scale * values.AbsoluteMaximum()
            Finite = true
            Definite = values.Minimum() > rounding
            Moved = true
        }

/// Solves A u = b by each task's dense matrix.
///
/// The report: 1 step, d + 1 products (the last for the residual, which is the true one), SmallestCurvature the smallest eigenvalue. An
/// indefinite or singular A is solved, as well as can be, and reported as NonPositiveCurvature; a residual that is not at the level of
/// rounding, or above the tolerance, as Stagnated: A was not symmetric.
/// Cost: memory d² a task and time of order d³ on the host, which waits for the device. Errors: d above LinearOperator.LargestDimension.
type DenseSolver<'V, 'S>(coordinates: ICoordinates<'V>) =
    do ArgumentNullException.ThrowIfNull(coordinates, nameof coordinates)


    let solve (space: IInnerProductSpace<'V, 'S>) (operator: ILinearOperator<'V>) (b: 'V) (residualNorm: 'S) =
        Region.run space (fun () ->
            let epsilon = (space.Read(Mask.epsilon space))[0]
            let size = space.Norm b
            let sizes = space.Read size
            let enough = space.Read residualNorm
            let rows = coordinates.ToRows b
            let d = rows[0].Length
            let matrices = LinearOperator.Matrices(space, coordinates, operator, b)

            let outcomes =
                Array.init rows.Length (fun task ->
                    if sizes[task] <= enough[task] || not (Double.IsFinite sizes[task]) then
                        DenseOutcome.unmoved d true
                    elif not (matrices[task].ForAll(fun value -> Double.IsFinite value)) then
                        DenseOutcome.unmoved d false
                    else
                        DenseOutcome.ofSystem epsilon matrices[task] (Vector<float>.Build.DenseOfArray rows[task] / sizes[task]))

            // A solution beyond the range of the space's numbers does not count as one.
            let sizes = space.Read(space.Norm(coordinates.OfRows(b, outcomes |> Array.map _.Solution)))

            let outcomes =
                Array.map2
                    (fun outcome size ->
                        if Double.IsFinite size then
                            outcome
                        else
                            DenseOutcome.unmoved d false)
                    outcomes
                    sizes

            let each (f: DenseOutcome -> float) = space.PerTask(outcomes |> Array.map f)
            let mask (f: DenseOutcome -> bool) = each (fun outcome -> if f outcome then 1.0 else 0.0)
            let x = coordinates.OfRows(b, outcomes |> Array.map _.Solution)
            let unit = ScaledSystem.unit space size b
            // Where nothing moved, a product that is not finite does not enter the residual.
            let moved = mask _.Moved
            let residual = space.Norm(space.Axpy(space.Multiply(space.Scalar -1.0, moved), operator.Apply x, unit))
            // A backward stable solve leaves d roundings of ‖A‖‖x‖ + ‖b‖; ten for the constant.
            let rounding = space.Scalar(10.0 * float d * epsilon)

            let stable =
                space.Multiply(rounding, space.Add(space.Multiply(each _.Norm, space.Norm x), space.Scalar 1.0))

            let asked = space.DivideOrZero(residualNorm, size)
            let bound = space.Select(space.Exceeds(asked, space.Scalar 0.0), asked, stable)
            let met = Mask.complement space (space.Exceeds(residual, bound))

            // Where ‖b‖ is not finite nothing moved.
            let scale = space.Select(space.Exceeds(space.Scalar infinity, size), size, space.Scalar 0.0)

            let products outcome =
                if outcome.Moved then float d + 1.0
                elif outcome.Finite then 0.0
                else float d

            { LinearSolver.blank space (space.Scale(scale, x)) size with
                Counts =
                    { Counts<'S>.Zero space with
                        Steps = moved
                        Products = each products
                    }
                RelativeResidual = residual
                SmallestCurvature = each _.SmallestEigenvalue
                Marks =
                    {
                        Met = met
                        Indefinite = mask (fun outcome -> not outcome.Definite)
                        NonFinite = mask (fun outcome -> not outcome.Finite)
                        Stagnated = space.Multiply(moved, Mask.complement space met)
                    }
            }
            |> ScaledSystem.withoutUnderflow space x
            |> ScaledSystem.judged space)

    interface ILinearSolver<'V, 'S> with
        member _.Solve(space, operator, b, residualNorm) = solve space operator b residualNorm

        /// One step of iterative refinement.
        member _.SolveFrom(space, operator, b, start, residualNorm) =
            let exact =
                {
                    MaxSteps = 1
                    RelativeResidual = 0.0
                    CheckEvery = 0
                    RecomputeResidual = true
                }

            ScaledSystem.shifted
                space
                exact
                (fun _ residualNorm b -> solve space operator b residualNorm)
                operator.Apply
                b
                start
                residualNorm
