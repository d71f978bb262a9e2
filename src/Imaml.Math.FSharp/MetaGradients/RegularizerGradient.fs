// Learning Λ beside θ: the gradient of the outer loss in Λ's parameters, from a meta-gradient that has been computed.
//
// Regularizer.fs needs φ − θ and u = (H+Λ)⁻¹∇L(φ), and every approximation g of ΛM⁻¹∇L(φ) brings one of u along: u ≈ Λ⁻¹g. For Algorithm 2
// it is the solution of its system; for truncated back-propagation its Neumann series; for FOMAML the system without H.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module RegularizerGradient =

    /// The gradient of L(Alg*(θ)) in the parameters of Λ: ParameterGradient at φ − θ and u = Λ⁻¹g. Exact where φ = Alg*(θ) and g are.
    /// Means nothing for Reptile, whose g belongs to another objective.
    ///
    /// Cost: one action of Λ⁻¹.
    let compute
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: ILearnableRegularizer<'V, 'S, 'P>)
        (result: MetaGradient<'V, 'S>)
        (theta: 'V)
        : 'P =
        let displacement = space.Axpy(space.Scalar -1.0, theta, result.Phi)
        regularizer.ParameterGradient(space, displacement, regularizer.ApplyInverse(space, result.Gradient))
