// The problems of Figure 2(a): few-shot linear regressions whose exact meta-gradient is known, ill-conditioned on purpose.
//
// The paper's text says linear regression and ill-conditioned; the rest is declared here: d = 20 parameters, 4 support and 20 query examples,
// inputs with standard deviations log-uniform from 1 down to 10⁻⁴, targets of one Gaussian weight vector with noise 0.1, a Gaussian θ, and
// λ such that κ = β/µ = 100. Four examples leave H + λI with five distinct eigenvalues, so that five steps of CG are exact except for
// rounding, and two are not: that is when the paper's third claim is true. With 12 examples it is not, as its claim shows.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Figure2aProblem =

    /// d
    let dimension = 20

    /// The examples of the support set: n.
    let supportExamples = 4

    /// The examples of the query set.
    let queryExamples = 20

    /// The largest variance of an input coordinate over the smallest.
    let inputCondition = 1e8

    /// κ = β/µ of the inner objective G.
    let condition = 100.0

    /// The problem of this seed with n support examples; λ is chosen so that it has the κ above.
    let withExamples support (seed: int) : BilevelTask =
        let random = Random seed

        let struct (inner, outer) =
            LinearRegression.random random support queryExamples dimension inputCondition

        let lambda = (inner.LargestCurvature - condition * inner.SmallestCurvature) / (condition - 1.0)
        BilevelTask.create inner outer (Proximal.Scalar lambda) (Spectrum.gaussian random dimension)

    /// The problem of this seed.
    let task seed = withExamples supportExamples seed

    /// Gradient descent's step 1/β, or Nesterov's step and momentum.
    let path (task: BilevelTask) accelerated steps : UnrolledOptions =
        let c = BilevelTask.constants task

        let struct (step, momentum) =
            if accelerated then
                Momentum.NesterovFor(c.StrongConvexity, c.Smoothness)
            else
                struct (1.0 / c.Smoothness, NoMomentum)

        {
            Momentum = momentum
            Step = step
            Steps = steps
        }

    /// J₁ … J_T, the derivatives of the iterates in θ, by their recursion on dense matrices:
    /// Jₜ₊₁ = (I − αM)[(1+b)Jₜ − bJₜ₋₁] + αΛ with M = H + Λ constant, J₀ = J₋₁ = I. The oracle of the approximate-solve error.
    let iterateJacobians (task: BilevelTask) accelerated steps : Matrix<float>[] =
        let options = path task accelerated steps
        let identity = Matrix<float>.Build.DenseIdentity dimension
        let shrink = identity - options.Step * BilevelTask.shiftedHessian task task.Theta
        let push = options.Step * Proximal.dense dimension task.Proximal

        let b =
            match options.Momentum with
            | Nesterov b -> b
            | NoMomentum -> 0.0
            | HeavyBall _ -> invalidArg (nameof accelerated) "Figure 2(a) does not include the heavy-ball method"

        struct (identity, identity)
        |> Seq.unfold (fun (struct (last, now)) ->
            let next = shrink * ((1.0 + b) * now - b * last) + push
            Some(next, struct (now, next)))
        |> Seq.take steps
        |> Seq.toArray
