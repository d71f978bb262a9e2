// What a meta-gradient cost, task by task, in the paper's units (Table 1): gradients, Hessian–vector products, outer gradients.

namespace Imaml.Math

/// What one task's meta-gradient cost, on the host, by the method's own counts. A black-box inner solver adds nothing that is known.
type MetaGradientCost =
    {
        /// Evaluations of ∇L̂; a linearization counts as one.
        Gradients: int
        /// Products with H: the inner solver's, the linear solver's and those of back-propagation.
        HessianProducts: int
        /// Evaluations of ∇L.
        OuterGradients: int
    }

[<RequireQualifiedAccess>]
module MetaGradient =

    /// The cost of every task, on the host. On a device this waits for it.
    let cost (space: IInnerProductSpace<'V, 'S>) (result: MetaGradient<'V, 'S>) : MetaGradientCost[] =
        let sum a b = space.Read(space.Add(a, b))
        let gradients = sum result.Inner.Gradients result.DerivativeGradients

        let products =
            sum (space.Add(result.Inner.HessianProducts, result.DerivativeProducts)) result.Solve.Products

        let outer = space.Read result.OuterGradients

        Array.init outer.Length (fun task ->
            {
                Gradients = int gradients[task]
                HessianProducts = int products[task]
                OuterGradients = int outer[task]
            })

    /// The meta-gradient of a method that solves no linear system: g from v = ∇L(φ), made by `derivative` at the price of this many
    /// gradients and products. One linearization at φ tells its losses and ‖∇G‖.
    let internal withoutSolve
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (inner: InnerIterate<'V, 'S>)
        (gradients: int)
        (products: int)
        (derivative: 'V -> 'V)
        : MetaGradient<'V, 'S> =
        let struct (innerLoss, innerGradientNorm) =
            use linearization = problem.LinearizeInner inner.Phi
            let gradient = InnerObjective.gradient space regularizer linearization.Gradient inner.Phi theta
            struct (space.Add(linearization.Loss, space.Scalar 0.0), space.Norm gradient)

        let struct (outerLoss, v) = problem.OuterLossAndGradient inner.Phi

        {
            Gradient = derivative v
            Inner = inner
            InnerLoss = innerLoss
            OuterLoss = outerLoss
            InnerGradientNorm = innerGradientNorm
            Solve = LinearSolver.none space v
            DerivativeGradients = space.Scalar(float (gradients + 1))
            DerivativeProducts = space.Scalar(float products)
            OuterGradients = space.Scalar 1.0
        }
