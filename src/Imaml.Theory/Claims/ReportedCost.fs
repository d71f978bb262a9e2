// The compute column's unit: the gradients, products, losses and outer gradients that a result says it took are those that were evaluated.

namespace Imaml.Theory

open System
open Imaml.Math

[<RequireQualifiedAccess>]
module ReportedCost =

    let private strategies (options: UnrolledOptions) (kept: int) : (string * CountedStrategy) list =
        let solver: IInnerSolver<CountedVector, CountedScalar> =
            GradientDescentSolver(ConstantStep options.Step, options.Momentum, options.Steps, 0)

        let linear: ILinearSolver<CountedVector, CountedScalar> =
            ConjugateGradientSolver
                // A task that is done is not multiplied on.
                (LinearSolveOptions.ToTolerance(3, 0.0))

        [
            "implicit", (fun _ -> ImplicitStrategy(solver, linear, Thresholds.None))
            "unrolled", (fun _ -> UnrolledStrategy options)
            "unrolled, iterates recomputed", (fun _ -> UnrolledStrategy(options, Recompute))
            "truncated", (fun _ -> TruncatedStrategy(options, kept))
            "forward mode", (fun space -> ForwardModeStrategy(CountedMetaGradient.coordinates space, options))
            "FOMAML", (fun _ -> FirstOrderStrategy(solver, 0.0))
            "Reptile", (fun _ -> ReptileStrategy(solver, 0.0))
        ]

    /// How many evaluations the report is off by.
    let private difference (reported: WorkCount) (counted: WorkCount) =
        abs (reported.Gradients - counted.Gradients)
        + abs (reported.HessianProducts - counted.HessianProducts)
        + abs (reported.Losses - counted.Losses)
        + abs (reported.OuterGradients - counted.OuterGradients)

    let private instances extent =
        seq {
            for struct (family, seed) in Instances.seeds 19000 Family.all (Instances.count 12 60) extent do
                let task = Family.task family seed
                let options = DescentPath.options 0.9 seed task
                let kept = Random(seed).Next(1, options.Steps + 1)
                let struct (lambda, _) = Proximal.enclosure task.Proximal

                for name, strategy in strategies options kept do
                    let result = CountedMetaGradient.compute strategy (ScalarRegularizer lambda) task

                    Claim.instance $"{name}, {Family.name family}, seed {seed}" (float (difference result.Reported result.Count)) 0.0
        }

    let claims: Claim list =
        [
            Claim.create
                "Table 1"
                "the cost that a method reports is what it evaluated"
                "none"
                (Instances.names Family.all)
                "gradients, products, losses and outer gradients reported, less those counted"
                "0"
                (Instances.from instances)
                [||]
        ]
