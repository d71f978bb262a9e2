// What conjugate gradients are told, and what they tell: the stopping rule, and the solution with all that is known about it.

namespace Imaml.Math

/// When to stop. A fixed budget is MaxSteps with RelativeResidual = 0 and CheckEvery = 0.
type ConjugateGradientOptions =
    {
        MaxSteps: int
        /// A task is done when ‖r‖ ≤ RelativeResidual·‖b‖, and in any case when ‖r‖ ≤ NegligibleResidual·‖b‖.
        RelativeResidual: float
        /// After how many steps to ask whether all tasks are done; 0 never asks, so that a device is never waited for.
        CheckEvery: int
        /// Whether to compute b − A u anew at the end, at the price of one more product.
        RecomputeResidual: bool
    }

/// The solution of A u = b with all that is known about it, still on the device: read it with ConjugateGradient.read.
type ConjugateGradientReport<'V, 'S> =
    {
        Solution: 'V
        RightHandSideNorm: 'S
        Steps: 'S
        RelativeResidual: 'S
        SmallestCurvature: 'S
        /// Masks: the tolerance was met; a direction of non-positive curvature was met; a product was not finite.
        Met: 'S
        Indefinite: 'S
        NonFinite: 'S
        /// (α, β) of every step, last first; α = 0 where the task was frozen.
        Coefficients: struct ('S * 'S) list
    }

    interface ICarried<'V, 'S, ConjugateGradientReport<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Solution = vector this.Solution
                RightHandSideNorm = scalar this.RightHandSideNorm
                Steps = scalar this.Steps
                RelativeResidual = scalar this.RelativeResidual
                SmallestCurvature = scalar this.SmallestCurvature
                Met = scalar this.Met
                Indefinite = scalar this.Indefinite
                NonFinite = scalar this.NonFinite
                Coefficients = this.Coefficients |> List.map (fun struct (a, b) -> struct (scalar a, scalar b))
            }
