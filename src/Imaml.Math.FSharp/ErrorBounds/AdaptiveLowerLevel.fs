// ∇F(z) of a general lower level to an accuracy ε that is certified: Algorithm 2, its certificate, and again from the last x and u with thresholds
// from the certificate, until its bound is at most ε.
//
// With a = (L_z + ρ_C‖u‖)/µ + K(L + ρ‖u‖)/µ² and b = K/µ the bound is rounding R + a‖∇G‖ + b‖r‖ to first order: of what ε leaves above R the inner
// solve gets 0.6 and the linear solve 0.3. The first thresholds are a hundredth of what ∇G and ∇L are at the centre. A batch is in lock-step: its
// thresholds are those of the task that needs the smallest.

namespace Imaml.Math

open System

/// ∇F(z) with a bound on its error for every task.
type CertifiedLowerLevelGradient<'Z, 'V, 'S> =
    {
        Gradient: LowerLevelGradient<'Z, 'V, 'S>
        Statuses: CertifiedStatus[]
        Bounds: LowerLevelCertificate[]
        /// What each task cost; Rounds are the runs of Algorithm 2, each from where the last one ended.
        Works: CertifiedWork[]
    }

/// Gradients of general lower levels to an accuracy that is certified.
[<AbstractClass; Sealed>]
type AdaptiveLowerLevel =

    // A threshold of 0 would be a fixed budget.
    static member private Tiny = 1e-30

    // Where there is no bound: the solvers run to their own limits.
    static member private NoThresholds: Thresholds =
        {
            InnerGradientNorm = AdaptiveLowerLevel.Tiny
            LinearResidualNorm = AdaptiveLowerLevel.Tiny
        }

    // The ‖∇G‖ and ‖r‖ that one task needs of the next run.
    static member private Next(epsilon: float, bound: LowerLevelCertificate, pullBack: PullBackBound, u: float) : Thresholds =
        let c = bound.Lower.Constants
        let norm = pullBack.Norm + pullBack.NormSlope * bound.Lower.InnerError
        let slack = max epsilon (2.0 * bound.Rounding) - bound.Rounding

        let inner =
            (pullBack.Slope + norm * (c.OuterSmoothness + c.HessianLipschitz * u) / c.StrongConvexity)
            / c.StrongConvexity

        {
            InnerGradientNorm = 0.6 * slack / inner
            LinearResidualNorm = 0.3 * slack * c.StrongConvexity / norm
        }

    // With one more run of Algorithm 2 and its certificate: a linearization, ∇L and a product.
    static member private Add(space: IInnerProductSpace<'V, 'S>, spent: CertifiedWork[], report: MetaGradient<'V, 'S>) =
        let steps = space.Read report.Inner.Counts.Steps
        let linear = space.Read report.Solve.Counts.Steps

        report.Cost space
        |> Array.mapi (fun task cost ->
            {
                Rounds = spent[task].Rounds + 1
                Gradients = spent[task].Gradients + cost.Gradients + 1
                HessianProducts = spent[task].HessianProducts + cost.HessianProducts + 1
                OuterGradients = spent[task].OuterGradients + cost.OuterGradients + 1
                InnerSteps = spent[task].InnerSteps + int steps[task]
                LinearSteps = spent[task].LinearSteps + int linear[task]
            })

    /// The gradient of every task at z, to within options.Accuracy where its status is Met.
    ///
    /// `innerSolver` must stop at the gradient norm that it is given, and `linearSolver` at the residual norm.
    /// Cost: in each of at most options.MaxRounds rounds Algorithm 2 from the last x and u, one linearization, one outer gradient and one product for
    /// the certificate. Errors: an accuracy that is not positive and finite, MaxRounds below 1.
    static member Compute
        (
            outerSpace: IInnerProductSpace<'Z, 'S>,
            space: IInnerProductSpace<'V, 'S>,
            lowerLevel: ICertifiedLowerLevel<'Z, 'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            options: AdaptiveOptions,
            z: 'Z
        ) : CertifiedLowerLevelGradient<'Z, 'V, 'S> =
        options.Check()

        let epsilon = options.Accuracy
        let at = lowerLevel.At z
        let constants = lowerLevel.Constants z
        let arithmetic = Arithmetic.Of(space, at.Regularizer, [| at.Centre |])

        let first =
            Certificate.Measure(space, at.Regularizer, at.Problem, at.Centre, at.Centre, space.Zero at.Centre)
            |> Array.map2
                (fun (constants: TaskConstants) norms ->
                    let c = constants.With at.Regularizer
                    let rounding = c.StrongConvexity * (Certificate.Of(c, arithmetic, norms)).InnerRounding

                    let finite value =
                        if Double.IsFinite value then
                            max AdaptiveLowerLevel.Tiny value
                        else
                            AdaptiveLowerLevel.Tiny

                    {
                        InnerGradientNorm = max (finite (0.01 * norms.InnerGradient)) (finite (2.0 * rounding))
                        LinearResidualNorm = finite (0.01 * norms.OuterGradient)
                    })
                constants

        let smaller (a: Thresholds) (b: Thresholds) =
            {
                InnerGradientNorm = min a.InnerGradientNorm b.InnerGradientNorm
                LinearResidualNorm = min a.LinearResidualNorm b.LinearResidualNorm
            }

        let rec run round (thresholds: Thresholds) (start: WarmStart<'V>) (before: float[]) (spent: CertifiedWork[]) =
            let result =
                ImplicitMetaGradient.ComputeFrom(space, at.Regularizer, at.Problem, innerSolver, linearSolver, thresholds, at.Centre, start)
                |> fun report -> LowerLevelGradient.Of(outerSpace, space, at, report)

            let report = result.Report
            let works = AdaptiveLowerLevel.Add(space, spent, report)
            let u = report.Solve.Solution
            let lower = Certificate.OfResult(space, at.Regularizer, at.Problem, constants, at.Centre, report)
            let pullBacks = lowerLevel.PullBackBounds(z, report.Phi, u)

            let bounds =
                Array.map2 (fun certificate pullBack -> LowerLevelCertificate.Of(certificate, pullBack)) lower pullBacks

            let finite = space.Read(report.IsFinite space)
            let negative = space.Read report.NegativeCurvature
            let last = round = options.MaxRounds
            let unbounded = smaller thresholds AdaptiveLowerLevel.NoThresholds = thresholds

            // The status, where the task is done.
            let status task (bound: LowerLevelCertificate) =
                // A bound that one round has not lowered is not lowered by the next.
                let stuck = last || not (bound.Total < 0.9 * before[task])

                if not (finite[task] > 0.5) then
                    ValueSome CertifiedStatus.NonFinite
                elif negative[task] > 0.5 then
                    ValueSome CertifiedStatus.NotStronglyConvex
                elif bound.Lower.IsRefuted then
                    ValueSome CertifiedStatus.ConstantsRefuted
                elif bound.Kind = BoundKind.None then
                    if last || unbounded then
                        ValueSome CertifiedStatus.NoConstants
                    else
                        ValueNone
                elif bound.Total <= epsilon then
                    ValueSome CertifiedStatus.Met
                elif bound.Total <= 2.0 * bound.Rounding then
                    ValueSome CertifiedStatus.RoundingLimit
                elif stuck then
                    ValueSome(
                        if epsilon <= bound.Rounding && bound.Total <= 10.0 * bound.Rounding then
                            CertifiedStatus.RoundingLimit
                        else
                            CertifiedStatus.BudgetSpent
                    )
                else
                    ValueNone

            let statuses = bounds |> Array.mapi status

            if statuses |> Array.forall (fun status -> status.IsSome) then
                {
                    Gradient = result
                    Statuses = statuses |> Array.map (fun status -> status.Value)
                    Bounds =
                        bounds
                        |> Array.mapi (fun task bound ->
                            match statuses[task].Value with
                            | CertifiedStatus.NonFinite
                            | CertifiedStatus.NotStronglyConvex as status -> bound.Without(status.Describe())
                            | _ -> bound)
                    Works = works
                }
            else
                let sizes = space.Read(space.Norm u)

                let next =
                    Array.init bounds.Length id
                    |> Array.filter (fun task -> statuses[task].IsNone)
                    |> Array.map (fun task ->
                        if bounds[task].Kind = BoundKind.None then
                            AdaptiveLowerLevel.NoThresholds
                        else
                            AdaptiveLowerLevel.Next(epsilon, bounds[task], pullBacks[task], sizes[task]))
                    |> Array.fold smaller thresholds

                let totals = bounds |> Array.map (fun bound -> bound.Total)
                run (round + 1) next { Phi = report.Phi; Solution = u } totals works

        // The norms at the centre.
        let spent =
            { CertifiedWork.Zero with
                Gradients = 1
                HessianProducts = 1
                OuterGradients = 1
            }

        let start =
            {
                Phi = at.Centre
                Solution = space.Zero at.Centre
            }

        run 1 (Array.reduce smaller first) start (Array.create constants.Length infinity) (Array.create constants.Length spent)
