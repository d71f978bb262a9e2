// The four rows of Table 1 on one problem: the steps that the accuracy needs, and the meta-gradient that they give.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Table1Methods =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    // Far above what any accuracy here needs: κ ln(1/r) steps are a tenth of it.
    let private most (task: SpectralTask) = int (1e3 * task.Condition) + 1000

    let private innerError (task: SpectralTask) (phi: Vector<float>) = (phi - task.Solution).L2Norm()

    /// φ after a budget of steps of the core's gradient descent.
    let private descend (task: SpectralTask) (options: UnrolledOptions) steps (start: Vector<float>) =
        if steps = 0 then
            start
        else
            (GradientDescent.accelerated
                (ConstantStep options.Step)
                options.Momentum
                steps
                0
                space
                (ScalarRegularizer task.Lambda)
                (BilevelTask.problem task.Task)
                task.Task.Theta
                start
                0.0)
                .Phi

    /// The smallest T whose φ_T is within δ = rD of φ*, of descent with this momentum and step.
    let innerSteps (task: SpectralTask) momentum step accuracy =
        let options: UnrolledOptions =
            {
                Momentum = momentum
                Step = step
                Steps = 1
            }

        let errors steps =
            let before = descend task options (steps - 1) task.Task.Theta

            let after =
                match momentum with
                // Without momentum the path goes on from where it is.
                | NoMomentum -> descend task options 1 before
                | _ -> descend task options steps task.Task.Theta

            struct (innerError task before, innerError task after)

        let kappa = task.Condition

        let guess =
            match momentum with
            | NoMomentum -> kappa * log (1.0 / accuracy)
            | _ -> sqrt kappa * log (1.0 / accuracy)

        { options with
            Steps = SmallestCount.find errors (accuracy * task.Radius) (int guess) (most task)
        }

    /// The smallest number of CG steps from 0 whose λu is within δ′ = r‖λM⁻¹v‖ of λM⁻¹v.
    let linearSteps (task: SpectralTask) (v: Vector<float>) accuracy =
        let exact = SpectralTask.implicitGradient task v

        let error steps =
            if steps = 0 then
                exact.L2Norm()
            else
                let solver: ILinearSolver<_, _> = ConjugateGradientSolver(LinearSolveOptions.FixedBudget steps)

                let solve =
                    solver.Solve(space, LinearOperator.Of(fun w -> task.Eigenvalues.PointwiseMultiply w), v, 0.0)

                (task.Lambda * solve.Solution - exact).L2Norm()

        let guess = sqrt task.Condition / 2.0 * log (2.0 / accuracy)

        SmallestCount.find
            (fun steps -> struct (error (steps - 1), error steps))
            (accuracy * exact.L2Norm())
            (int guess)
            (20 * task.Eigenvalues.Count)

    /// d_θL(Alg*(θ))
    let private exactGradient (task: SpectralTask) = SpectralTask.implicitGradient task (task.Task.Outer.Gradient task.Solution)

    let private point
        name
        seed
        accuracy
        (task: SpectralTask)
        (options: UnrolledOptions)
        kept
        linear
        (result: CountedMetaGradient)
        error
        bound
        =
        let scale = (SpectralTask.implicitGradient task (task.Task.Outer.Gradient result.Phi)).L2Norm()

        {
            Method = name
            Seed = seed
            Condition = task.Condition
            Accuracy = accuracy
            Steps = options.Steps
            KeptSteps = kept
            LinearSteps = linear
            Gradients = result.Count.Gradients
            HessianProducts = result.Count.HessianProducts
            Vectors = result.Vectors
            InnerError = innerError task result.Phi / (accuracy * task.Radius)
            Error = error / scale
            ExactSolveError = (result.Gradient - exactGradient task).L2Norm() / scale
            ErrorBound = bound / scale
        }

    let private compute (strategy: CountedStrategy) (task: SpectralTask) =
        CountedMetaGradient.compute strategy (ScalarRegularizer task.Lambda) task.Task

    /// MAML: full back-propagation through T steps. Its error is rounding: of T steps and as many terms of the sum without momentum. With
    /// it every rounding of an adjoint a_t, |aₜ| ≤ (1 + 2t)qᵗ‖v‖ and q = 1 − 1/√κ, is amplified by the same powers, Σ(1 + 2t)qᵗ ≤ 2κ, and
    /// αλ = 1/κ. Ten roundings a step in either mode, here and in the reference.
    let maml name seed accuracy (task: SpectralTask) (options: UnrolledOptions) =
        let result = compute (fun _ -> UnrolledStrategy options) task
        let v = task.Task.Outer.Gradient result.Phi
        let exact = SpectralTask.unrolledGradient task options v

        let roundings =
            match options.Momentum with
            | NoMomentum -> float (options.Steps + 10) * exact.L2Norm()
            | _ -> 4.0 * task.Condition * v.L2Norm()

        point name seed accuracy task options options.Steps 0 result ((result.Gradient - exact).L2Norm()) (20.0 * Rounding.unit * roundings)

    /// Truncated back-propagation: K is the smallest whose series is within ε = √r‖λM⁻¹v‖ of J_Tᵀv, about half of T.
    let truncated seed accuracy (task: SpectralTask) (options: UnrolledOptions) =
        let phi = descend task options options.Steps task.Task.Theta
        let allowed v = sqrt accuracy * (SpectralTask.implicitGradient task v).L2Norm()
        let v = task.Task.Outer.Gradient phi
        let kept = SpectralTask.truncation task options v (allowed v)
        let result = compute (fun _ -> TruncatedStrategy(options, kept)) task
        let v = task.Task.Outer.Gradient result.Phi
        let error = (result.Gradient - SpectralTask.unrolledGradient task options v).L2Norm()
        // The roundings of MAML.
        let rounding = 20.0 * float (options.Steps + 10) * Rounding.unit * v.L2Norm()
        point Table1Method.TruncatedBackPropagation seed accuracy task options kept 0 result error (allowed v + rounding)

    /// Implicit MAML with this many CG steps: Nesterov's momentum inside, conjugate gradients for the solve. Its error may be δ′ + (λL/µ)δ (Theorem 1, ρ = 0).
    let implicitWith linear seed accuracy (task: SpectralTask) (options: UnrolledOptions) =
        let inner = GradientDescentSolver(ConstantStep options.Step, options.Momentum, options.Steps, 0)
        let solver = ConjugateGradientSolver(LinearSolveOptions.FixedBudget(linear))

        let result = compute (fun _ -> ImplicitStrategy(inner, solver, Thresholds.None)) task
        let error = (result.Gradient - exactGradient task).L2Norm()
        let c = BilevelTask.constants task.Task
        let exact = SpectralTask.implicitGradient task (task.Task.Outer.Gradient result.Phi)
        let bound = accuracy * exact.L2Norm() + c.InnerErrorFactor * accuracy * task.Radius
        point Table1Method.ImplicitMaml seed accuracy task options 0 linear result error bound

    /// Implicit MAML with the smallest number of CG steps that reaches δ′.
    let implicit seed accuracy (task: SpectralTask) (options: UnrolledOptions) =
        let phi = descend task options options.Steps task.Task.Theta
        let linear = linearSteps task (task.Task.Outer.Gradient phi) accuracy
        implicitWith linear seed accuracy task options

    /// All four rows at this accuracy.
    let all seed accuracy (task: SpectralTask) : Table1Point[] =
        let step = 1.0 / task.Smoothness
        let plain = innerSteps task NoMomentum step accuracy
        let struct (step, momentum) = Momentum.NesterovFor(task.Lambda, task.Smoothness)
        let accelerated = innerSteps task momentum step accuracy

        [|
            maml Table1Method.MamlGradientDescent seed accuracy task plain
            maml Table1Method.MamlNesterov seed accuracy task accelerated
            truncated seed accuracy task plain
            implicit seed accuracy task accelerated
        |]
