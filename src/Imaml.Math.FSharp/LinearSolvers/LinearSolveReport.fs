// What every solver of A u = b is told, and what it tells: the stopping rule, and the solution with all that is known about it.
//
// In the paper: the solve of Algorithm 2, line 4, where A = H + Λ and b is the outer gradient (equation 7).

namespace Imaml.Math

/// When to stop. A fixed budget is MaxSteps with RelativeResidual = 0 and CheckEvery = 0.
type LinearSolveOptions =
    {
        MaxSteps: int
        /// A task is done when ‖r‖ ≤ RelativeResidual·‖b‖.
        RelativeResidual: float
        /// After how many steps to ask whether all tasks are done; 0 never asks, so that a device is never waited for.
        CheckEvery: int
        /// Whether to compute b − A u anew at the end, at the price of one more product.
        RecomputeResidual: bool
    }

/// The solution of A u = b with all that is known about it, still on the device: read it with LinearSolver.read.
type LinearSolveReport<'V, 'S> =
    {
        Solution: 'V
        RightHandSideNorm: 'S
        /// Steps that moved the iterate.
        Steps: 'S
        /// Products with A that the task needed.
        Products: 'S
        /// ‖b − A u‖ / ‖b‖
        RelativeResidual: 'S
        SmallestCurvature: 'S
        /// Masks: the tolerance was met; a direction with ⟨p, Ap⟩ ≤ 0 was met; b, a product, a step or the residual was not finite; the residual
        /// falls no further; the preconditioner is not positive definite.
        Met: 'S
        Indefinite: 'S
        NonFinite: 'S
        Stagnated: 'S
        PreconditionerNotPositive: 'S
        /// (α, β) of every step of conjugate gradients, first to last; α = 0 where the task was frozen. Empty for other solvers, and with a
        /// preconditioner, whose (α, β) speak of M⁻¹A.
        Coefficients: struct ('S * 'S)[]
    }

    interface ICarried<'V, 'S, LinearSolveReport<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Solution = vector.Invoke this.Solution
                RightHandSideNorm = scalar.Invoke this.RightHandSideNorm
                Steps = scalar.Invoke this.Steps
                Products = scalar.Invoke this.Products
                RelativeResidual = scalar.Invoke this.RelativeResidual
                SmallestCurvature = scalar.Invoke this.SmallestCurvature
                Met = scalar.Invoke this.Met
                Indefinite = scalar.Invoke this.Indefinite
                NonFinite = scalar.Invoke this.NonFinite
                Stagnated = scalar.Invoke this.Stagnated
                PreconditionerNotPositive = scalar.Invoke this.PreconditionerNotPositive
                Coefficients = this.Coefficients |> Array.map (fun struct (a, b) -> struct (scalar.Invoke a, scalar.Invoke b))
            }
