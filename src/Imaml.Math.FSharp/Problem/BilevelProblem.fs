// One meta-learning task, or B of them: the inner loss L̂ (support set) and the outer loss L (query set).
//
//     G(φ, θ) = L̂(φ) + ½(φ−θ)ᵀΛ(φ−θ)      (3), (4)
//     Alg*(θ) = argmin_φ G(φ, θ),   F(θ) = mean over tasks of L(Alg*(θ))      (1)
//
// The proximal term belongs to the problem, never to a solver: without it in the inner objective the implicit gradient is meaningless.

namespace Imaml.Math

open System
open MathNet.Numerics.LinearAlgebra

/// A loss near one point φ: what is computed once there and used by every Hessian–vector product.
type ILinearization<'V, 'S> =
    inherit IDisposable
    /// The loss at φ.
    abstract Loss: 'S
    /// The gradient at φ.
    abstract Gradient: 'V
    /// w ↦ ∇²L̂(φ) w
    abstract HessianProduct: w: 'V -> 'V

/// A loss of a model's outputs near a point φ: its Gauss–Newton matrix as well as its Hessian.
type IGaussNewtonLinearization<'V, 'S> =
    inherit ILinearization<'V, 'S>
    /// w ↦ JᵀCJw, J the Jacobian of the outputs at φ and C the loss's Hessian in the outputs: positive semidefinite where the loss is convex
    /// in them (Schraudolph 2002).
    abstract GaussNewtonProduct: w: 'V -> 'V

/// The two losses of a task, or of B tasks that are independent of each other.
type IBilevelProblem<'V, 'S> =
    /// L̂(φ)
    abstract InnerLoss: phi: 'V -> 'S
    /// ∇L̂(φ)
    abstract InnerGradient: phi: 'V -> 'V
    /// L̂ near φ. The caller disposes it.
    abstract LinearizeInner: phi: 'V -> ILinearization<'V, 'S>
    /// L(φ) and ∇L(φ)
    abstract OuterLossAndGradient: phi: 'V -> struct ('S * 'V)

/// Bilevel problems from delegates: L̂, ∇L̂ and its Hessian–vector products, L and ∇L. The proximal term is the regularizer's: it belongs in
/// none of them. A problem that shares work between these implements IBilevelProblem.
[<AbstractClass; Sealed>]
type BilevelProblem =

    /// The problem of L̂(φ), ∇L̂(φ), (φ, w) ↦ ∇²L̂(φ)w, L(φ) and ∇L(φ).
    ///
    /// What a delegate returns must be a vector of its own, which nothing changes later, and it must not change what it gets.
    ///
    /// Cost: a linearization takes L̂ and ∇L̂ once; OuterLossAndGradient takes L and ∇L. Errors: a delegate that is null.
    static member FromDelegates<'V, 'S>
        (
            innerLoss: Func<'V, 'S>,
            innerGradient: Func<'V, 'V>,
            innerHessianProduct: Func<'V, 'V, 'V>,
            outerLoss: Func<'V, 'S>,
            outerGradient: Func<'V, 'V>
        ) : IBilevelProblem<'V, 'S> =
        ArgumentNullException.ThrowIfNull(innerLoss, nameof innerLoss)
        ArgumentNullException.ThrowIfNull(innerGradient, nameof innerGradient)
        ArgumentNullException.ThrowIfNull(innerHessianProduct, nameof innerHessianProduct)
        ArgumentNullException.ThrowIfNull(outerLoss, nameof outerLoss)
        ArgumentNullException.ThrowIfNull(outerGradient, nameof outerGradient)

        { new IBilevelProblem<'V, 'S> with
            member _.InnerLoss phi = innerLoss.Invoke phi
            member _.InnerGradient phi = innerGradient.Invoke phi

            member _.LinearizeInner phi =
                let loss = innerLoss.Invoke phi
                let gradient = innerGradient.Invoke phi

                { new ILinearization<'V, 'S> with
                    member _.Loss = loss
                    member _.Gradient = gradient
                    member _.HessianProduct w = innerHessianProduct.Invoke(phi, w)
                    member _.Dispose() = ()
                }

            member _.OuterLossAndGradient phi = struct (outerLoss.Invoke phi, outerGradient.Invoke phi)
        }

    /// The same on ℝᵈ, where C# infers the types. A delegate gets copies, and what it returns is copied: it may work in place, or return one vector again
    /// and again. Errors: also a delegate that returns null, InvalidOperationException.
    static member FromDelegates
        (
            innerLoss: Func<Vector<float>, float>,
            innerGradient: Func<Vector<float>, Vector<float>>,
            innerHessianProduct: Func<Vector<float>, Vector<float>, Vector<float>>,
            outerLoss: Func<Vector<float>, float>,
            outerGradient: Func<Vector<float>, Vector<float>>
        ) : IBilevelProblem<Vector<float>, float> =
        // A function may work in place, or return the same vector at every call: it gets copies, and what it returns is copied.
        let copied (what: string) (result: Vector<float> | null) =
            match result with
            | null -> invalidOp $"{what} returned null"
            | vector -> vector.Clone()

        let gradientOf (what: string) (f: Func<Vector<float>, Vector<float>>) =
            ArgumentNullException.ThrowIfNull(f, what)
            Func<_, _>(fun (phi: Vector<float>) -> copied what (f.Invoke(phi.Clone())))

        let lossOf (what: string) (f: Func<Vector<float>, float>) =
            ArgumentNullException.ThrowIfNull(f, what)
            Func<_, _>(fun (phi: Vector<float>) -> f.Invoke(phi.Clone()))

        ArgumentNullException.ThrowIfNull(innerHessianProduct, nameof innerHessianProduct)

        BilevelProblem.FromDelegates<Vector<float>, float>(
            lossOf (nameof innerLoss) innerLoss,
            gradientOf (nameof innerGradient) innerGradient,
            Func<_, _, _>(fun phi w -> copied (nameof innerHessianProduct) (innerHessianProduct.Invoke(phi.Clone(), w.Clone()))),
            lossOf (nameof outerLoss) outerLoss,
            gradientOf (nameof outerGradient) outerGradient
        )

[<RequireQualifiedAccess>]
module InnerObjective =

    /// G(φ, θ) = L̂(φ) + ½(φ−θ)ᵀΛ(φ−θ), from L̂(φ).
    [<CompiledName("Value")>]
    let value (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (loss: 'S) (phi: 'V) (theta: 'V) =
        space.Add(loss, Regularizer.value space regularizer (space.Axpy(space.Scalar -1.0, theta, phi)))

    /// ∇_φ G(φ, θ) = ∇L̂(φ) + Λ(φ − θ), from ∇L̂(φ).
    [<CompiledName("Gradient")>]
    let gradient (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (lossGradient: 'V) (phi: 'V) (theta: 'V) =
        match regularizer with
        | :? ScalarRegularizer<'V, 'S> as scalar -> Fused.addMultipleOfDifference space scalar.Lambda phi theta lossGradient
        | _ ->
            let displacement = space.Axpy(space.Scalar -1.0, theta, phi)
            space.Axpy(space.Scalar 1.0, lossGradient, regularizer.Apply(space, displacement))

    /// ∇²_φ G(φ, θ) w = (H + Λ)w
    [<CompiledName("HessianProduct")>]
    let hessianProduct
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (linearization: ILinearization<'V, 'S>)
        (w: 'V)
        =
        space.Axpy(space.Scalar 1.0, linearization.HessianProduct w, regularizer.Apply(space, w))

    /// (JᵀCJ + Λ)w. Errors: ArgumentException where the loss has no Gauss–Newton products.
    let internal gaussNewtonProduct
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (linearization: ILinearization<'V, 'S>)
        (w: 'V)
        =
        match linearization with
        | :? IGaussNewtonLinearization<'V, 'S> as known ->
            space.Axpy(space.Scalar 1.0, known.GaussNewtonProduct w, regularizer.Apply(space, w))
        | _ ->
            invalidArg
                (nameof linearization)
                "this loss has no Gauss–Newton products: its linearization is not an IGaussNewtonLinearization"
