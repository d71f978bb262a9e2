// The certificate of a given φ and u, wherever they come from: the check of any implementation of the implicit meta-gradient.
//
// Whoever has a φ and a g = Λu of their own asks for u = Λ⁻¹g (IRegularizer.ApplyInverse) and learns how far g can be from
// d_θL(Alg*(θ)): one gradient, one Hessian–vector product and one outer gradient, and no exact solution.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module Certificate =

    /// The norms that the certificate is made of, for every task, with r = v − (H+Λ)u computed anew.
    let measure
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (phi: 'V)
        (u: 'V)
        : MeasuredNorms[] =
        use _ = space.OpenRegion()
        use linearization = problem.LinearizeInner phi
        let gradient = InnerObjective.gradient space regularizer linearization.Gradient phi theta
        let struct (_, v) = problem.OuterLossAndGradient phi
        let product = InnerObjective.hessianProduct space regularizer linearization u
        let residual = space.Axpy(space.Scalar -1.0, product, v)
        let norms x = space.Read(space.Norm x)
        let gradients = norms gradient
        let phis = norms phi
        let thetas = norms theta
        let outers = norms v
        let solutions = norms u
        let residuals = norms residual

        Array.init gradients.Length (fun task ->
            {
                InnerGradient = gradients[task]
                Phi = phis[task]
                Theta = thetas[task]
                OuterGradient = outers[task]
                Solution = solutions[task]
                Residual = residuals[task]
            })

    /// A bound on ‖Λu − d_θL(Alg*(θ))‖ for every task; `constants` has one entry for each.
    let ofSolution
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (constants: ErrorConstants[])
        (arithmetic: Arithmetic)
        (theta: 'V)
        (phi: 'V)
        (u: 'V)
        : ErrorBound[] =
        let norms = measure space regularizer problem theta phi u

        if constants.Length <> norms.Length then
            invalidArg (nameof constants) $"{constants.Length} tasks' constants for {norms.Length} tasks"

        Array.map2 (fun (c: ErrorConstants) norms -> ErrorBound.Of(c.With regularizer, arithmetic, norms)) constants norms
