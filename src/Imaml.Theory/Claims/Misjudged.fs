// Constants that state something false, on purpose: what is stated as proved is believed until it is refuted, and a claim that holds all the
// same of wrong constants would say nothing.

namespace Imaml.Theory

open Imaml.Math

[<RequireQualifiedAccess>]
module internal Misjudged =

    let private stated (c: LossConstants) smallest largest hessianLipschitz gradientBound =
        LossConstants.Proved(smallest, largest, hessianLipschitz, gradientBound, c.GradientRounding, c.ProductRounding)

    let private curving smallest largest (task: BilevelTask) =
        let c = task.Inner.Constants
        TaskConstants(stated c smallest largest c.HessianLipschitz c.GradientBound, task.Outer.Constants)

    /// ρ is taken for 0.
    let flat (task: BilevelTask) =
        let c = task.Inner.Constants
        TaskConstants(stated c c.SmallestCurvature c.LargestCurvature 0.0 c.GradientBound, task.Outer.Constants)

    /// L is taken for this multiple of itself.
    let outerSmoothness factor (task: BilevelTask) =
        let c = task.Outer.Constants

        TaskConstants(
            task.Inner.Constants,
            stated c (factor * c.SmallestCurvature) (factor * c.LargestCurvature) c.HessianLipschitz c.GradientBound
        )

    /// B is taken for this.
    let outerGradientBound bound (task: BilevelTask) =
        let c = task.Outer.Constants
        TaskConstants(task.Inner.Constants, stated c c.SmallestCurvature c.LargestCurvature c.HessianLipschitz bound)

    /// µ is taken for this multiple of itself.
    let strongConvexity factor (task: BilevelTask) =
        let c = BilevelTask.constants task
        let struct (lambda, _) = Proximal.enclosure task.Proximal
        let smallest = factor * c.StrongConvexity - lambda
        curving smallest (max smallest task.Inner.Constants.LargestCurvature) task

    /// β is taken for this multiple of µ.
    let condition kappa (task: BilevelTask) =
        let c = BilevelTask.constants task
        let smallest = task.Inner.Constants.SmallestCurvature
        curving smallest (max smallest (kappa * c.StrongConvexity - c.LargestRegularization)) task

    /// The constants with the task's Λ.
    let judged (judge: BilevelTask -> TaskConstants) (task: BilevelTask) = (judge task).With(Proximal.regularizer task.Proximal)
