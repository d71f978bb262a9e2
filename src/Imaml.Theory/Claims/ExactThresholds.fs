// Solvers that stop exactly at the threshold they are given, neither before nor after: what a plan of thresholds costs is then seen alone.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module internal ExactThresholds =

    /// φ on a ray from Alg*(θ), where ‖∇G‖ is what is asked for; where the start does, the start.
    let innerSolver (task: BilevelTask) (direction: Vector<float>) =
        { new IInnerSolver<Vector<float>, float> with
            member _.Solve(space, _, _, theta, start, gradientNorm) =
                let size phi = (BilevelTask.innerGradient task theta phi).L2Norm()
                let exact = BilevelTask.exactSolution task theta
                let at distance = exact + distance * direction

                let rec halve low high steps =
                    let middle = (low + high) / 2.0

                    if steps = 0 then
                        at low
                    elif size (at middle) <= gradientNorm then
                        halve middle high (steps - 1)
                    else
                        halve low middle (steps - 1)

                let phi =
                    if size start <= gradientNorm then
                        start
                    else
                        halve 0.0 (gradientNorm / (BilevelTask.constants task).StrongConvexity) 60

                InnerSolver.blackBox space phi
        }

    /// u with ‖b − (H+Λ)u‖ what is asked for.
    let linearSolver (direction: Vector<float>) =
        { new ILinearSolver<Vector<float>, float> with
            member _.Solve(space, operator, b, residualNorm) =
                let d = b.Count

                let columns =
                    Seq.init d (fun j -> operator.Apply(Vector<float>.Build.Dense(d, fun i -> if i = j then 1.0 else 0.0)))

                let matrix = Matrix<float>.Build.DenseOfColumnVectors columns

                let solution = matrix.Solve(b - residualNorm * direction)
                LinearSolver.report space solution (b.L2Norm()) 1.0 (float d) (residualNorm / b.L2Norm()) 1.0

            member this.SolveFrom(space, operator, b, start, residualNorm) =
                let rest = this.Solve(space, operator, b - operator.Apply start, residualNorm)

                { rest with
                    Solution = start + rest.Solution
                }
        }
