// What the implicit meta-gradient becomes at either end of λ, with Λ = λΛ₁:
//
//     λ → ∞     φ* → θ and g → ∇L(θ), joint training, both as 1/λ;   for Λ = λI, g = (I − H/λ)∇L(θ − ∇L̂(θ)/λ) + O(1/λ²),
//               which is MAML with one step of length α = 1/λ
//     λ → 0     g → 0 as λ, where H ≻ 0
//
// The exponents are fitted over three decades of λ that begin a hundredfold away from H's eigenvalues, where the next order is at most a
// hundredth of the first: it turns a slope by far less than the 0.1 that is allowed.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Limits =

    let private space = RegularizedTask.space

    /// The core's Algorithm 2 with exact solves.
    let private implicit (t: RegularizedTask) (inner: IInnerSolver<Vector<float>, float>) =
        ImplicitMetaGradient.Compute(
            space,
            t.Regularizer,
            t.Problem,
            inner,
            DenseSolver<Vector<float>, float>(EuclideanCoordinates()),
            Thresholds.None,
            t.Task.Theta
        )

    let private exact: IInnerSolver<Vector<float>, float> = ExactInnerSolver(EuclideanCoordinates(), 50)

    /// The slope in λ of a distance, for the same task and the same draw of Λ₁ at each λ = scale·10^(0 … 3).
    let private slope kind (task: BilevelTask) seed (scale: float) (distance: RegularizedTask -> float -> float) =
        let lambdas = Array.init 7 (fun i -> scale * 10.0 ** (float i / 2.0))

        let distances =
            lambdas
            |> Array.map (fun lambda -> distance (RegularizedTask.ofKind kind (Random(seed: int)) lambda task) lambda)

        (PowerLaw.fit lambdas distances).Slope

    let private margin expected (slope: float) = Claim.margin (abs (slope - expected)) 0.1

    let private kindOf seed = enum<RegularizerKind>(seed % 4)

    /// λ from a hundred times the largest curvature on.
    let private upward kind (task: BilevelTask) seed expected distance =
        margin expected (slope kind task seed (100.0 * task.Inner.LargestCurvature) distance)

    let private toTheta (task: BilevelTask) seed =
        upward (kindOf seed) task seed -1.0 (fun t _ -> ((implicit t exact).Phi - task.Theta).L2Norm())

    let private toJoint (task: BilevelTask) seed =
        upward (kindOf seed) task seed -1.0 (fun t _ -> ((implicit t exact).Gradient - task.Outer.Gradient task.Theta).L2Norm())

    /// How far g at this solver's φ is from MAML with one step of length 1/λ.
    let private toOneStep inner (task: BilevelTask) seed =
        upward RegularizerKind.Scalar task seed -2.0 (fun t lambda ->
            let options =
                {
                    Momentum = NoMomentum
                    Step = 1.0 / lambda
                    Steps = 1
                }

            let maml =
                (UnrolledStrategy options :> IMetaGradientStrategy<_, _>).Compute(space, t.Regularizer, t.Problem, task.Theta)

            ((implicit t inner).Gradient - maml.Gradient).L2Norm())

    /// No inner step at all: φ = θ.
    let private still: IInnerSolver<Vector<float>, float> =
        { new IInnerSolver<Vector<float>, float> with
            member _.Solve(space, _, _, theta, _, _) = InnerSolver.blackBox space theta
        }

    /// λ up to a thousandth of the smallest curvature, so that Λ₁'s largest eigenvalue, up to 10, stays a hundredth of it.
    let private toZero (task: BilevelTask) seed =
        // Of the eigenvalues that are not rounding, where H has a kernel.
        let system = Eigensystem.Of(task.Inner.Hessian task.Theta)

        let least =
            system.Scale * system.ScaledValues
            |> Seq.filter (fun value -> value > 1e-12 * task.Inner.LargestCurvature)
            |> Seq.min

        margin 1.0 (slope (kindOf seed) task seed (1e-6 * least) (fun t _ -> (implicit t exact).Gradient.L2Norm()))

    /// A quadratic with curvature of either sign.
    let private indefinite (seed: int) =
        let random = Random seed
        let d = random.Next(2, 13)

        let a =
            Spectrum.symmetric random (Array.init d (fun i -> if i = 0 then -1.0 else 2.0 * random.NextDouble() - 1.0))

        BilevelTask.create
            (Quadratic.loss a (Spectrum.gaussian random d) 0.0)
            (Quadratic.random random d 10.0)
            (Proximal.Scalar 1.0)
            (Spectrum.gaussian random d)

    /// Fewer examples than parameters: H has a kernel.
    let private underdetermined (seed: int) =
        let random = Random seed
        let struct (inner, outer) = LinearRegression.random random 4 20 8 10.0
        BilevelTask.create inner outer (Proximal.Scalar 1.0) (Spectrum.gaussian random 8)

    let private some = Instances.count 16 160

    let private each first families (margin: BilevelTask -> int -> float) =
        Instances.each first families some (fun family seed -> margin (Family.task family seed) seed)

    let private drawn name first (task: int -> BilevelTask) (margin: BilevelTask -> int -> float) =
        Instances.from (fun extent ->
            Seq.init (some extent) (fun i ->
                {
                    Name = $"{name}, seed {first + i}"
                    Margin = margin (task (first + i)) (first + i)
                }))

    let private check statement hypotheses families measured bound instances violations : Claim =
        Claim.create "Limits" statement hypotheses families measured bound instances violations

    let private everyKind = Instances.names Family.all + ", every kind of Λ"

    let claims: Claim list =
        [
            check
                "as λ → ∞, φ* tends to θ as 1/λ"
                "L̂ is convex"
                everyKind
                "the slope of ‖φ* − θ‖, less −1"
                "0.1"
                (each 14000 Family.all toTheta)
                [|
                    Violation.survives "L̂ convex: quadratics with negative curvature" (drawn "indefinite" 14000 indefinite toTheta)
                |]
            check
                "as λ → ∞, the meta-gradient tends to ∇L(θ) as 1/λ"
                "L̂ is convex"
                everyKind
                "the slope of ‖g − ∇L(θ)‖, less −1"
                "0.1"
                (each 14200 Family.all toJoint)
                [|
                    Violation.survives "L̂ convex: quadratics with negative curvature" (drawn "indefinite" 14200 indefinite toJoint)
                |]
            check
                "to first order in 1/λ the meta-gradient is MAML's of one step 1/λ"
                "φ = Alg*(θ), Λ = λI"
                (Instances.names Family.all)
                "the slope of ‖g − g_MAML‖, less −2"
                "0.1"
                (each 14400 Family.all (toOneStep exact))
                [|
                    Violation.breaks "φ = Alg*(θ): φ = θ" (each 14400 Family.all (toOneStep still))
                |]
            check
                "as λ → 0, the meta-gradient tends to 0 as λ"
                "H ≻ 0"
                "quadratic, every kind of Λ"
                "the slope of ‖g‖, less 1"
                "0.1"
                (each 14600 [ Quadratics ] toZero)
                [|
                    Violation.breaks "H ≻ 0: fewer examples than parameters" (drawn "4 examples, 8 parameters" 14600 underdetermined toZero)
                |]
        ]
