// One task with known losses: the paper's objects in closed form or to machine precision, as the oracle of every check.
//
//     G(φ, θ) = L̂(φ) + ½(φ−θ)ᵀΛ(φ−θ),   φ* = argmin_φ G,   d_θL(φ*) = Λ(H + Λ)⁻¹∇L(φ*),  H = ∇²L̂(φ*)      (3), (4), (5)

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// A task (L̂, L) with regularisation Λ and meta-parameters θ.
[<NoComparison; NoEquality>]
type BilevelTask =
    {
        Inner: SmoothLoss
        Outer: SmoothLoss
        Proximal: Proximal
        Theta: Vector<float>
    }

/// A loss near a point of ℝᵈ.
type private Linearization(loss: SmoothLoss, phi: Vector<float>) =
    let product = loss.HessianProduct phi

    interface ILinearization<Vector<float>, float> with
        member _.Loss = loss.Value phi
        member _.Gradient = loss.Gradient phi
        member _.HessianProduct w = product w
        member _.Dispose() = ()

[<RequireQualifiedAccess>]
module BilevelTask =

    // Steps down the value of a network's G; a convex one is done in a handful.
    let private nonConvexSteps = 200

    /// The task, its parts checked against each other.
    let create (inner: SmoothLoss) (outer: SmoothLoss) (proximal: Proximal) (theta: Vector<float>) =
        if inner.Dimension <> theta.Count || outer.Dimension <> theta.Count then
            invalidArg
                (nameof theta)
                $"θ has {theta.Count} numbers, the inner loss {inner.Dimension} parameters, the outer loss {outer.Dimension}: they must agree"

        if theta.Exists(fun value -> not (Double.IsFinite value)) then
            invalidArg (nameof theta) "the numbers of θ must be finite"

        Proximal.check theta.Count proximal

        {
            Inner = inner
            Outer = outer
            Proximal = proximal
            Theta = theta
        }

    /// The two losses as the core sees them.
    let problem (task: BilevelTask) =
        { new IBilevelProblem<Vector<float>, float> with
            member _.InnerLoss phi = task.Inner.Value phi
            member _.InnerGradient phi = task.Inner.Gradient phi
            member _.LinearizeInner phi = new Linearization(task.Inner, phi)
            member _.OuterLossAndGradient phi = struct (task.Outer.Value phi, task.Outer.Gradient phi)
        }

    /// What is proved of the two losses, whatever Λ is.
    let losses (task: BilevelTask) = TaskConstants(task.Inner.Constants, task.Outer.Constants)

    /// Theorem 1's constants with the task's Λ: certified where both losses' are and µ > 0; otherwise there is no bound.
    let constants (task: BilevelTask) : ErrorConstants = (losses task).With(Proximal.regularizer task.Proximal)

    /// G(φ, θ)
    let innerObjective (task: BilevelTask) (theta: Vector<float>) (phi: Vector<float>) =
        task.Inner.Value phi + 0.5 * (phi - theta).DotProduct(Proximal.apply task.Proximal (phi - theta))

    /// ∇_φG(φ, θ)
    let innerGradient (task: BilevelTask) (theta: Vector<float>) phi = task.Inner.Gradient phi + Proximal.apply task.Proximal (phi - theta)

    /// H(φ) + Λ
    let shiftedHessian (task: BilevelTask) phi = task.Inner.Hessian phi + Proximal.dense task.Theta.Count task.Proximal

    /// Alg*(θ), by Newton's method with halved steps from this start until rounding stops it; one step where L̂ is quadratic, one more to polish.
    /// Where G is not known to be strongly convex it is the stationary point that shifted steps down G lead to, if they do: ask
    /// `Stationarity.at`.
    let exactSolutionFrom (start: Vector<float>) (task: BilevelTask) (theta: Vector<float>) =
        let objective: Objective =
            {
                Value = innerObjective task theta
                Gradient = innerGradient task theta
                Hessian = shiftedHessian task
            }

        if (constants task).StrongConvexity > 0.0 then
            Newton.polish objective start
        else
            Newton.minimize nonConvexSteps objective start

    /// The same from θ.
    let exactSolution (task: BilevelTask) (theta: Vector<float>) = exactSolutionFrom theta task theta

    // B ↦ (H + Λ)⁻¹B, for H + Λ indefinite too.
    let private solver (task: BilevelTask) phi : Matrix<float> -> Matrix<float> =
        let shifted = shiftedHessian task phi

        match Eigenvalues.tryCholesky shifted with
        | Some factor -> fun b -> factor.Solve b
        | None ->
            let factors = shifted.LU()
            fun b -> factors.Solve b

    let private column (solve: Matrix<float> -> Matrix<float>) (b: Vector<float>) = (solve (b.ToColumnMatrix())).Column 0

    /// u = (H(φ) + Λ)⁻¹∇L(φ), by a dense solve.
    let adjoint (task: BilevelTask) phi = column (solver task phi) (task.Outer.Gradient phi)

    /// dAlg*/dθ = (H + Λ)⁻¹Λ at φ (Lemma 1), as a dense matrix.
    let jacobian (task: BilevelTask) phi = solver task phi (Proximal.dense task.Theta.Count task.Proximal)

    /// Λ(H + Λ)⁻¹∇L(φ) by a dense solve; at φ = Alg*(θ) it is the exact meta-gradient (5).
    let implicitGradient (task: BilevelTask) phi = Proximal.apply task.Proximal (adjoint task phi)

    /// d_θL(Alg*(θ))
    let exactMetaGradient (task: BilevelTask) = implicitGradient task (exactSolution task task.Theta)

    /// The gradient of L(Alg*(θ)) by Λ, at φ = Alg*(θ) and u = (H + Λ)⁻¹∇L(φ).
    let regularizerGradient (task: BilevelTask) (phi: Vector<float>) (u: Vector<float>) =
        Proximal.gradient task.Proximal (phi - task.Theta) u

    // Whether ∇²L̂ has no eigenvalue below this or below its own rounding: a Cholesky factorisation of H − sI tells.
    let private curves (task: BilevelTask) phi (least: float) =
        let h = task.Inner.Hessian phi
        let shift = least + 8.0 * Rounding.gamma (h.RowCount + 4) * h.Diagonal().SumMagnitudes()

        Double.IsFinite shift
        && (Eigenvalues.tryCholesky (h - shift * Matrix<float>.Build.DiagonalIdentity h.RowCount)).IsSome

    /// The same at φ near Alg*(θ) by dense solves, as RegularizerGradient.Refined has it: φ* − θ is read off ∇L̂ after one Newton step from φ, so
    /// that nothing cancels at a small λ where H is singular, for any Λ; where H alone is positive definite, φ − θ itself is accurate.
    let exactRegularizerGradient (task: BilevelTask) (phi: Vector<float>) : RegularizerGradient<Vector<float>, float, ProximalGradient> =
        let solve = solver task phi
        let step = column solve (innerGradient task task.Theta phi)
        let regularizer = Proximal.regularizer task.Proximal

        let displacement =
            if curves task phi regularizer.LargestEigenvalue then
                phi - step - task.Theta
            else
                -regularizer.ApplyInverse(EuclideanSpace(), task.Inner.Gradient phi - task.Inner.HessianProduct phi step)

        let u = column solve (task.Outer.Gradient phi)

        {
            Gradient = Proximal.gradient task.Proximal displacement u
            Displacement = displacement
            Solution = u
            Products = 1.0
        }

    /// The same of what Algorithm 2 returned for the task's problem, by RegularizerGradient.Refined; `solver` takes the Newton step.
    let refinedRegularizerGradient
        (task: BilevelTask)
        (problem: IBilevelProblem<Vector<float>, float>)
        (solver: ILinearSolver<Vector<float>, float>)
        (result: MetaGradient<Vector<float>, float>)
        : RegularizerGradient<Vector<float>, float, ProximalGradient> =
        let refine (regularizer: ILearnableRegularizer<Vector<float>, float, 'P>) (shape: 'P -> ProximalGradient) =
            let found =
                RegularizerGradient.Refined(EuclideanSpace(), regularizer, problem, solver, result, task.Theta)

            {
                Gradient = shape found.Gradient
                Displacement = found.Displacement
                Solution = found.Solution
                Products = found.Products
            }

        match task.Proximal with
        | Proximal.Scalar lambda -> refine (ScalarRegularizer lambda) ProximalGradient.Scalar
        | Proximal.Diagonal lambdas -> refine (DiagonalRegularizer(EuclideanCoordinates(), lambdas)) ProximalGradient.Diagonal
        | Proximal.Matrix matrix -> refine (MatrixRegularizer matrix) ProximalGradient.Matrix
