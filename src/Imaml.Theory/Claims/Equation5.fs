// (5): d_θL(Alg*(θ)) = (I + H(φ*)/λ)⁻¹∇L(φ*), in general Λ(H + Λ)⁻¹∇L(φ*): Algorithm 2 as the library runs it, with its exact solvers, against
// differences of θ ↦ L(Alg*(θ)).

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Equation5 =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>
    let private coordinates = EuclideanCoordinates() :> ICoordinates<Vector<float>>

    let private margin (solver: IInnerSolver<Vector<float>, float>) (task: BilevelTask) seed =
        let result =
            ImplicitMetaGradient.Compute(
                space,
                Proximal.regularizer task.Proximal,
                BilevelTask.problem task,
                solver,
                DenseSolver<_, _> coordinates,
                Thresholds.None,
                task.Theta
            )

        let c = BilevelTask.constants task
        let d = float task.Theta.Count
        // The dense solve is that of a matrix d² roundings away, ten for the constant.
        let allowance =
            10.0
            * d
            * d
            * c.Condition
            * Rounding.unit
            * c.Contraction
            * (task.Outer.Gradient result.Phi).L2Norm()

        ExactDifferences.metaGradientMargin (Random(seed + 1)) allowance result.Gradient task

    let private exactMargin family seed = margin (ExactInnerSolver<_, _>(coordinates, 100)) (Family.regularized family seed) seed

    /// After two gradient steps.
    let private stoppedMargin family seed =
        let task = Family.regularized family seed
        margin (GradientDescentSolver(ConstantStep(1.0 / (BilevelTask.constants task).Smoothness), 2)) task seed

    let claims: Claim list =
        [
            {
                Source = "(5)"
                Statement = "Λ(H+Λ)⁻¹∇L(φ*) agrees with finite differences of L(Alg*(θ))"
                Hypotheses = "G is µ-strongly convex, L̂ and L three times differentiable"
                Families = Instances.names Family.withNetworks + "; every kind of Λ"
                Measured = "the meta-gradient along a random direction less its central difference"
                Bound = "the truncation error of the difference, and the error of each value"
                Instances = Instances.each 2000 Family.withNetworks (Instances.count 40 400) exactMargin
                Violations =
                    [|
                        Violation.breaks
                            "φ = Alg*(θ): two gradient steps from θ"
                            (Instances.each 2000 Family.withNetworks (Instances.count 10 100) stoppedMargin)
                    |]
            }
        ]
