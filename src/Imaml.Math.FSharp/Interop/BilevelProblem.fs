// A task from five delegates: L̂, ∇L̂ and its Hessian–vector products, L and ∇L (equations 1, 3 and 4).
//
// For a problem that shares work between these, implement IBilevelProblem: LinearizeInner and OuterLossAndGradient are there to compute
// once what a delegate would compute again.

namespace Imaml.Math.Interop

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// Bilevel problems from delegates. The proximal term is the regularizer's: it belongs in none of them.
[<AbstractClass; Sealed>]
type BilevelProblem =

    /// The problem of L̂(φ), ∇L̂(φ), (φ, w) ↦ ∇²L̂(φ)w, L(φ) and ∇L(φ).
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

    /// The same on ℝᵈ, where C# need not be told the types.
    static member FromDelegates
        (
            innerLoss: Func<Vector<float>, float>,
            innerGradient: Func<Vector<float>, Vector<float>>,
            innerHessianProduct: Func<Vector<float>, Vector<float>, Vector<float>>,
            outerLoss: Func<Vector<float>, float>,
            outerGradient: Func<Vector<float>, Vector<float>>
        ) : IBilevelProblem<Vector<float>, float> =
        BilevelProblem.FromDelegates<Vector<float>, float>(innerLoss, innerGradient, innerHessianProduct, outerLoss, outerGradient)
