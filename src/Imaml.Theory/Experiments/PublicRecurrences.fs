// What public code for implicit gradients computes, as mathematics: the recurrences of docs/public-code.fsx, which names repositories, files and commits.
//
// All of it solves A u = b by steps in the form of conjugate gradients', αₖ = ‖rₖ‖²/⟨pₖ, Apₖ⟩, from u₀ = 0, r₀ = p₀ = b:
//
//     uₖ₊₁ = uₖ + αₖpₖ,   rₖ₊₁ = rₖ − (αₖ/s)Apₖ,   βₖ = ‖rₖ₊₁‖²/‖rₖ‖²,   pₖ₊₁ = rₖ₊₁ + βₖpₖ  or  rₖ + βₖpₖ
//
// Conjugate gradients are s = 1 and the first p. Where r is exactly 0 and nothing ends the loop, the next steps are 0/0: not a number, as in the codes.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra

/// A recurrence for A u = b in the form of conjugate gradients'.
type ConjugateRecurrence =
    {
        /// s; 1 in conjugate gradients.
        ResidualScale: float
        /// pₖ₊₁ = rₖ + βₖpₖ in place of rₖ₊₁ + βₖpₖ.
        OldResidual: bool
        /// The loop ends after the step with ‖rₖ₊₁‖ < Tolerance; never where it is 0.
        Tolerance: float
        /// It then returns uₖ in place of uₖ₊₁.
        ReturnsPrevious: bool
    }

[<RequireQualifiedAccess>]
module ConjugateRecurrence =

    /// Conjugate gradients without a tolerance.
    let textbook =
        {
            ResidualScale = 1.0
            OldResidual = false
            Tolerance = 0.0
            ReturnsPrevious = false
        }

    /// u after at most so many steps for A u = b, A given by its product with a vector of ℝᵈ. Cost: one product a step.
    let run recurrence (product: Vector<float> -> Vector<float>) (b: Vector<float>) (steps: int) : Vector<float> =
        let rec step k u (r: Vector<float>) (p: Vector<float>) =
            if k = steps then
                u
            else
                let q = product p
                let square = r.DotProduct r
                let alpha = square / p.DotProduct q
                let next = u + alpha * p
                let residual = r - alpha / recurrence.ResidualScale * q

                if residual.L2Norm() < recurrence.Tolerance then
                    if recurrence.ReturnsPrevious then u else next
                else
                    let beta = residual.DotProduct residual / square
                    step (k + 1) next residual ((if recurrence.OldResidual then r else residual) + beta * p)

        step 0 (Vector<float>.Build.Dense b.Count) b b

/// What one public code does with a task with Λ = λI, its settings in the name.
[<NoComparison; NoEquality>]
type PublicCode =
    {
        Name: string
        /// The φ at which its inner loop ends.
        Phi: BilevelTask -> Vector<float>
        /// Its meta-gradient at a φ.
        Gradient: BilevelTask -> Vector<float> -> Vector<float>
    }

[<RequireQualifiedAccess>]
module PublicRecurrences =

    let private textbook = ConjugateRecurrence.textbook

    /// The task of the page and of samples/problems/public-code.json: ridge regression in ℝ³ with λ = 2. The eigenvalues of H are about 1.4, 2.3 and
    /// 5.5.
    let task =
        let matrix (rows: float list list) = Matrix<float>.Build.DenseOfRows(Seq.cast rows)
        let vector numbers = Vector<float>.Build.DenseOfEnumerable(numbers: float list)

        BilevelTask.create
            (LinearRegression.loss
                (matrix
                    [
                        [ 2.0; 1.0; 0.0 ]
                        [ -1.0; 4.0; 1.0 ]
                        [ 1.0; -2.0; 2.0 ]
                        [ 1.0; 0.0; -2.0 ]
                    ])
                (vector [ 2.0; -1.0; 3.0; 1.0 ]))
            (LinearRegression.loss (matrix [ [ 1.0; 2.0; 0.0 ]; [ 0.0; 1.0; -1.0 ]; [ 2.0; -1.0; 1.0 ] ]) (vector [ 1.0; 0.0; 2.0 ]))
            (Proximal.Scalar 2.0)
            (vector [ 1.0; -1.0; 0.5 ])

    /// The inner steps of every code here, and their size: the values of the authors' README and of hypertorch's example.
    [<Literal>]
    let InnerSteps = 16

    [<Literal>]
    let InnerStep = 0.1

    let private lambda (task: BilevelTask) =
        match task.Proximal with
        | Proximal.Scalar lambda -> lambda
        | _ -> invalidArg (nameof task) "public code has one λ: Λ must be λI"

    /// w ↦ iw + cHw at φ.
    let operator (identity: float) (curvature: float) (task: BilevelTask) phi : Vector<float> -> Vector<float> =
        let product = task.Inner.HessianProduct phi
        fun w -> identity * w + curvature * product w

    /// φ after n steps of this size from θ down L̂(φ) + (µ/2)‖φ − θ‖².
    let descend (mu: float) (steps: int) (size: float) (task: BilevelTask) =
        let step phi _ = phi - size * (task.Inner.Gradient phi + mu * (phi - task.Theta))
        List.fold step task.Theta [ 1..steps ]

    let private withTerm task = descend (lambda task) InnerSteps InnerStep task
    let private withoutTerm task = descend 0.0 InnerSteps InnerStep task

    /// λ times the recurrence's u for (H + λI)u = ∇L(φ): the meta-gradient, where the recurrence is conjugate gradients.
    let implicitly recurrence steps (task: BilevelTask) phi =
        lambda task
        * ConjugateRecurrence.run recurrence (operator (lambda task) 1.0 task phi) (task.Outer.Gradient phi) steps

    /// The authors': ((1 + c)I + H/(λ + 10))g = ∇L(φ); the inner loop goes down L̂ alone, then takes one step down (λ/2)‖φ − θ‖².
    let authors damping steps : PublicCode =
        {
            Name = $"imaml_dev, damping {damping}, {steps} steps"
            Phi =
                fun task ->
                    let phi = withoutTerm task
                    phi - InnerStep * lambda task * (phi - task.Theta)
            Gradient =
                fun task phi ->
                    let product = operator (1.0 + damping) (1.0 / (lambda task + 10.0)) task phi
                    ConjugateRecurrence.run { textbook with Tolerance = 1e-5 } product (task.Outer.Gradient phi) steps
        }

    /// (I + λH)g = ∇L(φ), the inner loop on L̂ alone.
    let aiDotNet steps : PublicCode =
        {
            Name = $"AiDotNet, {steps} steps"
            Phi = withoutTerm
            Gradient =
                fun task phi ->
                    let product = operator 1.0 (lambda task) task phi
                    ConjugateRecurrence.run { textbook with Tolerance = 1e-5 } product (task.Outer.Gradient phi) steps
        }

    /// (I + H/λ)g = ∇L(φ) from g₀ = ∇L(φ), the inner loop on L̂ alone.
    let gbml steps : PublicCode =
        {
            Name = $"GBML, {steps} steps"
            Phi = withoutTerm
            Gradient =
                fun task phi ->
                    let product = operator 1.0 (1.0 / lambda task) task phi
                    let v = task.Outer.Gradient phi
                    v + ConjugateRecurrence.run textbook product (v - product v) steps
        }

    let private ofRecurrence name recurrence steps : PublicCode =
        {
            Name = $"{name}, {steps} steps"
            Phi = withTerm
            Gradient = implicitly recurrence steps
        }

    /// Conjugate gradients that return the iterate before the one that met the tolerance.
    let beforeLast tolerance =
        { textbook with
            Tolerance = tolerance
            ReturnsPrevious = true
        }

    let hypertorch steps = ofRecurrence "hypertorch" (beforeLast 1e-10) steps

    /// The same for the fixed-point map of one inner step: α(H + λI)u = ∇L(φ), g = αλu.
    let boat steps : PublicCode =
        {
            Name = $"BOAT, {steps} steps"
            Phi = withTerm
            Gradient =
                fun task phi ->
                    let product = operator (InnerStep * lambda task) InnerStep task phi

                    InnerStep
                    * lambda task
                    * ConjugateRecurrence.run (beforeLast 1e-10) product (task.Outer.Gradient phi) steps
        }

    /// s = cg_alpha.
    let betty scale steps = ofRecurrence $"Betty, cg_alpha {scale}" { textbook with ResidualScale = scale } steps

    /// s = lr, and directions from the residual before the step.
    let oldResidual scale steps =
        let recurrence =
            { textbook with
                ResidualScale = scale
                OldResidual = true
            }

        ofRecurrence $"moskomule/hypergrad, lr {scale}" recurrence steps

    // λu for M u = b by conjugate gradients to 10⁻⁵ of ‖b‖, M u = b made of A = H + λI and ∇L(φ).
    let private toTolerance name system steps : PublicCode =
        {
            Name = $"{name}, {steps} steps"
            Phi = withTerm
            Gradient =
                fun task phi ->
                    let struct (product, b: Vector<float>) =
                        system (operator (lambda task) 1.0 task phi) (task.Outer.Gradient phi)

                    let recurrence =
                        { textbook with
                            Tolerance = 1e-5 * b.L2Norm()
                        }

                    lambda task * ConjugateRecurrence.run recurrence product b steps
        }

    /// Conjugate gradients on A²u = A∇L(φ), A = H + λI, to 10⁻⁵ of the right-hand side: JAXopt's default, and TorchOpt's in its example.
    let normalEquations steps =
        toTolerance "JAXopt, TorchOpt, normal equations" (fun product v -> struct (product >> product, product v)) steps

    /// Conjugate gradients to 10⁻⁵ of the right-hand side.
    let conjugateGradients steps = toTolerance "lineax, TorchOpt, conjugate gradients" (fun product v -> struct (product, v)) steps

    /// Each code with the settings that its examples have, or as many steps as the task has dimensions.
    let all: PublicCode list =
        [
            authors 1.0 5
            hypertorch 5
            boat 10
            betty 1.0 3
            betty 0.1 3
            oldResidual 1.0 5
            oldResidual 0.1 5
            aiDotNet 10
            gbml 3
            normalEquations 5
            conjugateGradients 5
        ]
