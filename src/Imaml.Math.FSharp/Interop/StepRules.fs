// How long a step of gradient descent is.

namespace Imaml.Math.Interop

open Imaml.Math

/// The step rules of gradient descent.
[<AbstractClass; Sealed>]
type StepRules =

    /// The same step for every task, wherever it is.
    static member Constant(step: float) : StepRule = ConstantStep step

    /// The inverse of the curvature that each task measures as it goes. Takes no momentum.
    static member MeasuredCurvature: StepRule = StepRule.MeasuredCurvature
