// One meta-learning task, or B of them: the inner loss L̂ (support set) and the outer loss L (query set).
//
//     G(φ, θ) = L̂(φ) + ½(φ−θ)ᵀΛ(φ−θ)      (3), (4)
//     Alg*(θ) = argmin_φ G(φ, θ),   F(θ) = mean over tasks of L(Alg*(θ))      (1)
//
// The proximal term belongs to the problem, never to a solver: without it in the inner objective the implicit gradient is meaningless.

namespace Imaml.Math

open System

/// A loss near one point φ: what is computed once there and serves every Hessian–vector product.
type ILinearization<'V, 'S> =
    inherit IDisposable
    /// The loss at φ.
    abstract Loss: 'S
    /// The gradient at φ.
    abstract Gradient: 'V
    /// w ↦ ∇²L̂(φ) w
    abstract HessianProduct: w: 'V -> 'V

/// A loss of a model's outputs near a point φ: its Gauss–Newton matrix beside its Hessian.
type IGaussNewtonLinearization<'V, 'S> =
    inherit ILinearization<'V, 'S>
    /// w ↦ JᵀCJw, J the Jacobian of the outputs at φ and C the loss's Hessian in the outputs: positive semidefinite where the loss is convex
    /// in them (Schraudolph 2002).
    abstract GaussNewtonProduct: w: 'V -> 'V

/// The two losses of a task, or of B tasks that do not touch each other.
type IBilevelProblem<'V, 'S> =
    /// L̂(φ)
    abstract InnerLoss: phi: 'V -> 'S
    /// ∇L̂(φ)
    abstract InnerGradient: phi: 'V -> 'V
    /// L̂ near φ. The caller disposes it.
    abstract LinearizeInner: phi: 'V -> ILinearization<'V, 'S>
    /// L(φ) and ∇L(φ)
    abstract OuterLossAndGradient: phi: 'V -> struct ('S * 'V)

[<RequireQualifiedAccess>]
module InnerObjective =

    /// G(φ, θ) = L̂(φ) + ½(φ−θ)ᵀΛ(φ−θ), from L̂(φ).
    let value (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (loss: 'S) (phi: 'V) (theta: 'V) =
        space.Add(loss, Regularizer.value space regularizer (space.Axpy(space.Scalar -1.0, theta, phi)))

    /// ∇_φ G(φ, θ) = ∇L̂(φ) + Λ(φ − θ), from ∇L̂(φ).
    let gradient (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (lossGradient: 'V) (phi: 'V) (theta: 'V) =
        let displacement = space.Axpy(space.Scalar -1.0, theta, phi)
        space.Axpy(space.Scalar 1.0, lossGradient, regularizer.Apply(space, displacement))

    /// ∇²_φ G(φ, θ) w = (H + Λ)w
    let hessianProduct
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (linearization: ILinearization<'V, 'S>)
        (w: 'V)
        =
        space.Axpy(space.Scalar 1.0, linearization.HessianProduct w, regularizer.Apply(space, w))
