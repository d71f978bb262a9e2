// What the a-posteriori certificate is made of: the norms of a task's φ, u, ∇G(φ, θ) and r = v − (H+Λ)u, and the curvature along u.

namespace Imaml.Math

open System

/// What was measured of one task's φ and u, as computed. ‖r‖ is that of r computed anew from u, not of a recurrence.
type MeasuredNorms =
    {
        /// ‖∇_φG(φ, θ)‖
        InnerGradient: float
        /// ‖φ‖
        Phi: float
        /// ‖θ‖
        Theta: float
        /// ‖v‖, v = ∇L(φ)
        OuterGradient: float
        /// ‖u‖
        Solution: float
        /// ‖r‖, r = v − (H+Λ)u
        Residual: float
        /// The smallest ⟨p, (H+Λ)p⟩/⟨p, p⟩ that was seen, u's own among them; infinite where none was.
        Curvature: float
    }

[<RequireQualifiedAccess>]
module internal MeasuredNorms =

    /// ⟨u, Mu⟩/⟨u, u⟩ for every task, of unit vectors, so that no square under- or overflows; infinite where there is none.
    let curvatureAlong (space: IInnerProductSpace<'V, 'S>) (u: 'V) (product: 'V) =
        let struct (length, size) = struct (space.Norm u, space.Norm product)
        let unit norm x = space.Scale(space.DivideOrZero(space.Scalar 1.0, norm), x)
        let cosines = space.Read(space.Inner(unit length u, unit size product))

        Array.map3 (fun cosine (size: float) length -> cosine * (size / length)) cosines (space.Read size) (space.Read length)
        |> Array.map (fun quotient -> if Double.IsFinite quotient then quotient else infinity)

    /// Of every task, with the linearization at φ and v = ∇L(φ) at hand.
    let at
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (linearization: ILinearization<'V, 'S>)
        (v: 'V)
        (theta: 'V)
        (phi: 'V)
        (u: 'V)
        : MeasuredNorms[] =
        let gradient = InnerObjective.gradient space regularizer linearization.Gradient phi theta
        let product = InnerObjective.hessianProduct space regularizer linearization u
        let residual = space.Axpy(space.Scalar -1.0, product, v)
        let norms x = space.Read(space.Norm x)
        let gradients = norms gradient
        let phis = norms phi
        let thetas = norms theta
        let outers = norms v
        let solutions = norms u
        let residuals = norms residual
        let curvatures = curvatureAlong space u product

        Array.init gradients.Length (fun task ->
            {
                InnerGradient = gradients[task]
                Phi = phis[task]
                Theta = thetas[task]
                OuterGradient = outers[task]
                Solution = solutions[task]
                Residual = residuals[task]
                Curvature = curvatures[task]
            })
