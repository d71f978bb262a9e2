// Theorem 1's iteration counts, run on the library's solvers: gradient descent and Nesterov's method to δ, conjugate gradients to δ′.
//
//     gradient descent   e^{−N/κ}R                          (1 − 1/κ)ᴺ ≤ e^{−N/κ}
//     Nesterov           √(κ+1)e^{−N/(2√κ)}R                (1 − 1/√κ)^{N/2} ≤ e^{−N/(2√κ)}       (Nesterov 2004, theorem 2.2.3)
//     CG                 2(‖Λ‖/µ)e^{−2N/√κ}‖v‖              ((√κ−1)/(√κ+1))ᴺ ≤ e^{−2N/√κ}        (Golub and Van Loan, section 11.3)
//
// is what N steps promise; the counts are the smallest N that promise the accuracy. Whether the solvers keep the promise is one claim each;
// whether they do so in fewer steps depends on the method: gradient descent does not, where κ is large and the start differs from Alg*(θ)
// along the smallest curvature; Nesterov's method needs about half on quadratics; conjugate gradients are helped by what v leaves out.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module IterationCounts =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    /// Where this many steps from θ end.
    let private descend rule momentum steps (task: BilevelTask) =
        if steps = 0 then
            task.Theta
        else
            let regularizer = Proximal.regularizer task.Proximal
            let problem = BilevelTask.problem task
            (GradientDescent.accelerated rule momentum steps 0 space regularizer problem task.Theta task.Theta 0.0).Phi

    let private radius (task: BilevelTask) (c: ErrorConstants) =
        (BilevelTask.innerGradient task task.Theta task.Theta).L2Norm() / c.StrongConvexity

    /// How near φ is to Alg*(θ) against δ, with the error of what Alg*(θ) is taken for.
    let private reachMargin (task: BilevelTask) delta (phi: Vector<float>) =
        let exactPhi = BilevelTask.exactSolution task task.Theta
        let exact = Theorem1Accounts.certificate task exactPhi (BilevelTask.adjoint task exactPhi)
        Claim.margin ((phi - exactPhi).L2Norm()) (delta + exact.InnerError)

    // With a step that many times 1/β, and µ that many times too large.
    let private gradientMargin stepFactor convexityFactor (task: BilevelTask) =
        let c = BilevelTask.constants task

        let assumed = Misjudged.judged (Misjudged.strongConvexity convexityFactor) task
        let delta = 1e-3 * radius task c
        let steps = Theorem1.GradientDescentSteps(assumed, radius task c, delta)
        descend (ConstantStep(stepFactor / c.Smoothness)) NoMomentum steps task |> reachMargin task delta

    let private nesterovMargin convexityFactor (task: BilevelTask) =
        let c = BilevelTask.constants task
        let assumed = Misjudged.judged (Misjudged.strongConvexity convexityFactor) task
        let delta = 1e-3 * radius task c
        let struct (step, momentum) = Momentum.NesterovFor(assumed.StrongConvexity, c.Smoothness)
        let steps = Theorem1.NesterovSteps(assumed, radius task c, delta)
        descend (ConstantStep step) momentum steps task |> reachMargin task delta

    /// Curvatures µ and β, and a start that differs from Alg*(θ) along the first alone.
    let private slowest (random: Random) condition =
        let lambda = 10.0 ** (2.0 * random.NextDouble() - 1.0)
        let a = Matrix<float>.Build.DenseOfDiagonalArray [| 0.0; lambda * (condition - 1.0) |]
        let b = Vector<float>.Build.DenseOfArray [| Spectrum.gaussian random 1 |> Seq.head; 0.0 |]
        let loss = Quadratic.loss a b 0.0
        BilevelTask.create loss loss (Proximal.Scalar lambda) (Vector<float>.Build.Dense 2)

    /// The margin of δ against the distance after `fewer` of the steps.
    let private neededMargin momentum count (accuracy: float) condition (fewer: int -> int) seed =
        let task = slowest (Random(seed: int)) condition
        let c = BilevelTask.constants task
        let delta = accuracy * radius task c

        let phi =
            descend (ConstantStep(1.0 / c.Smoothness)) (momentum c) (fewer (count c (radius task c) delta)) task

        Claim.margin delta ((phi - BilevelTask.exactSolution task task.Theta).L2Norm())

    let private neededOfDescent =
        neededMargin (fun _ -> NoMomentum) (fun c radius delta -> Theorem1.GradientDescentSteps(c, radius, delta))

    let private neededOfNesterov =
        neededMargin
            (fun c ->
                let struct (_, momentum) = Momentum.NesterovFor(c.StrongConvexity, c.Smoothness)
                momentum)
            (fun c radius delta -> Theorem1.NesterovSteps(c, radius, delta))

    /// Evenly spaced eigenvalues from µ to κµ, in which CG can neither finish early nor find clusters, λ below µ, and a random v.
    let private system (seed: int) =
        let random = Random seed
        let d = 150
        let accuracy = 10.0 ** (-1.0 - 5.0 * random.NextDouble())
        let condition = 10.0 ** (2.0 * random.NextDouble())
        let lambda = 10.0 ** (-2.0 * random.NextDouble())
        let values = Array.init d (fun i -> 1.0 - lambda + (condition - 1.0) * float i / float (d - 1))
        let loss = Quadratic.loss (Spectrum.symmetric random values) (Spectrum.gaussian random d) 0.0
        struct (BilevelTask.create loss loss (Proximal.Scalar lambda) (Spectrum.gaussian random d), accuracy)

    // From a start that many times ‖u*‖ long, or from 0.
    let private conjugateGradientMargin (start: float) seed =
        let struct (task, accuracy) = system seed
        let c = BilevelTask.constants task
        let v = task.Outer.Gradient task.Theta
        let exact = BilevelTask.adjoint task task.Theta
        let lambda = c.LargestRegularization
        let delta = accuracy * lambda * exact.L2Norm()
        let steps = Theorem1.ConjugateGradientSteps(c, v.L2Norm(), delta)
        let operator = LinearOperator.Of(fun w -> BilevelTask.shiftedHessian task task.Theta * w)

        let solver: ILinearSolver<Vector<float>, float> =
            ConjugateGradientSolver(LinearSolveOptions.FixedBudget(max 1 steps))

        let solve =
            if start = 0.0 then
                solver.Solve(space, operator, v, 0.0)
            else
                solver.SolveFrom(space, operator, v, start * exact.L2Norm() * Spectrum.direction (Random(seed + 1)) v.Count, 0.0)

        Claim.margin (lambda * (solve.Solution - exact).L2Norm()) delta

    let private claim statement families measured bound instances violations : Claim =
        Claim.create "Theorem 1" statement "G is µ-strongly convex and β-smooth" families measured bound instances violations

    let private every = Instances.names Family.withNetworks
    let private some = Instances.count 30 300
    let private few = Instances.count 10 100

    let private ofFamilies count families (margin: BilevelTask -> float) =
        Instances.each 5000 families count (fun family seed -> margin (Family.task family seed))

    let private onSlowest count (margin: BilevelTask -> float) =
        Instances.numbered 5600 count (fun seed -> margin (slowest (Random seed) 300.0))

    let claims: Claim list =
        [
            claim
                "⌈κ ln(R/δ)⌉ gradient steps of 1/β reach δ"
                every
                "‖φ − Alg*(θ)‖"
                "δ"
                (ofFamilies some Family.withNetworks (gradientMargin 1.0 1.0))
                [|
                    Violation.breaks "steps of 2.1/β" (ofFamilies few Family.all (gradientMargin 2.1 1.0))
                    Violation.survives
                        "steps of 2/(µ+β), the best constant ones"
                        (ofFamilies few Family.all (fun task ->
                            let kappa = (BilevelTask.constants task).Condition
                            gradientMargin (2.0 * kappa / (kappa + 1.0)) 1.0 task))
                    Violation.breaks "µ is overstated by half" (onSlowest few (gradientMargin 1.0 1.5))
                |]
            claim
                "one per cent fewer gradient steps do not reach δ"
                "curvatures µ and 1000µ, the start apart along the first"
                "δ"
                "‖φ − Alg*(θ)‖ after 0.99⌈κ ln(R/δ)⌉ steps"
                (Instances.numbered 5700 few (neededOfDescent 1e-3 1000.0 (fun steps -> int (0.99 * float steps))))
                [||]
            claim
                "one gradient step fewer does not reach δ"
                "curvatures µ and 1000µ, the start apart along the first, R/δ near 1"
                "δ"
                "‖φ − Alg*(θ)‖ after ⌈κ ln(R/δ)⌉ − 1 steps"
                (Instances.numbered 5800 few (fun seed ->
                    neededOfDescent (exp (-(float (seed % 7) + 0.5) / 1000.0)) 1000.0 (fun steps -> steps - 1) seed))
                [||]
            claim
                "⌈2√κ ln(√(κ+1)R/δ)⌉ steps with Nesterov's momentum reach δ"
                every
                "‖φ − Alg*(θ)‖"
                "δ"
                (ofFamilies some Family.withNetworks (nesterovMargin 1.0))
                [|
                    Violation.breaks "µ is overstated sixteenfold" (onSlowest few (nesterovMargin 16.0))
                |]
            claim
                "nine twentieths of Nesterov's steps do not reach δ"
                "curvatures µ and 100µ, the start apart along the first"
                "δ"
                "‖φ − Alg*(θ)‖ after 0.45⌈2√κ ln(√(κ+1)R/δ)⌉ steps"
                (Instances.numbered 5700 few (neededOfNesterov 1e-6 100.0 (fun steps -> int (0.45 * float steps))))
                [||]
            claim
                "⌈(√κ/2) ln(2(‖Λ‖/µ)‖v‖/δ′)⌉ CG steps from 0 reach δ′"
                "150 parameters, evenly spaced spectra"
                "‖g − Λ(H+Λ)⁻¹v‖"
                "δ′"
                (Instances.numbered 5500 (Instances.count 20 200) (conjugateGradientMargin 0.0))
                [|
                    Violation.breaks
                        "from a start a million times as long as the solution"
                        (Instances.numbered 5500 few (conjugateGradientMargin 1e6))
                |]
            yield! LeastCounts.claims
        ]
