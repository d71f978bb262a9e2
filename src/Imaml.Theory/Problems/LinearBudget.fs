// The two ways in which the checks stop a linear solver: after so many steps, or where it has what it was asked for.

namespace Imaml.Theory

open Imaml.Math

[<RequireQualifiedAccess>]
module LinearBudget =

    /// This many steps, without asking whether they are needed.
    let steps count : LinearSolveOptions =
        {
            MaxSteps = count
            RelativeResidual = 0.0
            CheckEvery = 0
            RecomputeResidual = false
        }

    /// Until ‖r‖ is what the caller of the solver asks for, and at most this many steps.
    let untilMet most : LinearSolveOptions = { steps most with CheckEvery = 1 }
