// What a meta-gradient cost, task by task, in the units of Table 1, and the meta-gradient of a method that solves no system.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module MetaGradient =

    /// The cost of every task, on the host, by the method's own counts: products are the inner solver's, the linear solve's and those that
    /// differentiate the path. A black-box inner solver adds nothing that is known. On a device this waits for it.
    let cost (space: IInnerProductSpace<'V, 'S>) (result: MetaGradient<'V, 'S>) : WorkCount[] =
        let sum a b = space.Read(space.Add(a, b))
        let gradients = sum result.Inner.Counts.Gradients result.DerivativeGradients

        let products =
            sum (space.Add(result.Inner.Counts.Products, result.DerivativeProducts)) result.Solve.Products

        let losses = space.Read result.Inner.Counts.Losses
        let outer = space.Read result.OuterGradients

        Array.init outer.Length (fun task ->
            {
                Gradients = int gradients[task]
                HessianProducts = int products[task]
                Losses = int losses[task]
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
            struct (Mask.copy space linearization.Loss, space.Norm gradient)

        let struct (outerLoss, v) = problem.OuterLossAndGradient inner.Phi

        {
            Gradient = derivative v
            Inner = inner
            InnerLoss = innerLoss
            OuterLoss = outerLoss
            InnerGradientNorm = innerGradientNorm
            Solve = LinearSolver.none space v
            NegativeCurvature = space.Scalar 0.0
            Raised = space.Scalar 1.0
            DerivativeGradients = space.Scalar(float (gradients + 1))
            DerivativeProducts = space.Scalar(float products)
            OuterGradients = space.Scalar 1.0
            Learned = [||]
        }
