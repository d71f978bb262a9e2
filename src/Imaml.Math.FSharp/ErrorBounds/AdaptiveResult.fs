// What AdaptiveAccuracy hands back: the last iterate, and what each task's solves add up to, as if one solve of each kind had been made.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module internal AdaptiveResult =

    /// The result of every task, with what its solves add up to.
    let create
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (progress: TaskProgress[])
        (s: AdaptiveIterate<'V, 'S>)
        =
        let number (value: TaskProgress -> float) = progress |> Array.map value |> space.PerTask
        let flag (holds: TaskProgress -> bool) = number (fun p -> if holds p then 1.0 else 0.0)

        {
            MetaGradient =
                {
                    Gradient = regularizer.Apply(space, s.U)
                    Inner =
                        {
                            Phi = s.Phi
                            Counts =
                                {
                                    Steps = number (fun p -> float p.Work.InnerSteps)
                                    Gradients = number (fun p -> float (p.Work.Gradients - p.Work.OuterGradients))
                                    Products = number (fun p -> float p.InnerProducts)
                                    Losses = number (fun p -> float p.InnerLosses)
                                }
                            Marks =
                                {
                                    Met = flag (fun p -> p.Inner = InnerStatus.Converged)
                                    NonFinite = flag (fun p -> p.Inner = InnerStatus.NonFinite)
                                    Stagnated = flag _.Stuck
                                    Indefinite = flag (fun p -> p.Inner = InnerStatus.NonPositiveCurvature)
                                }
                            Reported = progress |> Array.forall (fun p -> p.Inner <> InnerStatus.NotReported)
                        }
                    InnerLoss = s.InnerLoss
                    OuterLoss = s.OuterLoss
                    InnerGradientNorm = number (fun p -> p.Norms.InnerGradient)
                    Solve =
                        {
                            Solution = s.U
                            RightHandSideNorm = number (fun p -> p.Norms.OuterGradient)
                            Steps = number (fun p -> float p.Work.LinearSteps)
                            Products = number (fun p -> float (p.Work.HessianProducts - p.InnerProducts))
                            RelativeResidual =
                                number (fun p ->
                                    if p.Norms.OuterGradient > 0.0 then
                                        p.Norms.Residual / p.Norms.OuterGradient
                                    else
                                        0.0)
                            SmallestCurvature = number (fun p -> p.SmallestCurvature)
                            Met = flag (fun p -> p.Status = ValueSome CertifiedStatus.Met)
                            Indefinite = flag (fun p -> p.SmallestCurvature <= 0.0)
                            NonFinite = flag (fun p -> p.Status = ValueSome CertifiedStatus.NonFinite)
                            Stagnated = space.Scalar 0.0
                            PreconditionerNotPositive = space.Scalar 0.0
                            Coefficients = [||]
                        }
                    NegativeCurvature = flag (fun p -> p.SmallestCurvature <= 0.0)
                    Raised = space.Scalar 1.0
                    // One linearization for each outer gradient.
                    DerivativeGradients = number (fun p -> float p.Work.OuterGradients)
                    DerivativeProducts = space.Scalar 0.0
                    OuterGradients = number (fun p -> float p.Work.OuterGradients)
                    Learned = [||]
                }
            Tasks =
                progress
                |> Array.map (fun p ->
                    {
                        Status = p.Status.Value
                        Bound = p.Bound
                        Work = p.Work
                    })
        }
