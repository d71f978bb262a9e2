// A general lower level: inner variables x ∈ X, outer variables z ∈ Z, not the same space.
//
//     x*(z) = argmin_x g(z, x),   F(z) = f(z, x*(z))
//     ∇F(z) = ∂_z f − Cᵀu,   A u = ∂_x f,   A = ∂²_xx g,   C = ∂²_xz g : Z → X        at x*(z)
//
// Every g here has a proximal term, g(z, x) = L̂(x) + ½(x−c)ᵀΛ(x−c), in which all of L̂, Λ and c may depend on z. So at one z it is the paper's
// inner problem with θ = c, and A = H + Λ. What is added is the pull-back (x, u) ↦ ∂_z f(z, x) − C(z, x)ᵀu alone. The paper's problem is
// z = θ = c: C = −Λ, and its pull-back is Λu.

namespace Imaml.Math

open System

/// (x, u) ↦ ∂_z f(z, x) − C(z, x)ᵀu ∈ Z at one z. `lambdaU` is Λu, which is at hand: C is often Λ times something. Where a remedy has raised Λ
/// it is sΛu, so that what comes from the proximal term is the gradient of the raised problem.
type PullBack<'Z, 'V> = delegate of x: 'V * u: 'V * lambdaU: 'V -> 'Z

/// The lower level at one z.
type LowerLevelPoint<'Z, 'V, 'S> =
    {
        /// Λ
        Regularizer: IRegularizer<'V, 'S>
        /// c, where the inner solver starts.
        Centre: 'V
        /// L̂ = g less its proximal term, and L = f(z, ·).
        Problem: IBilevelProblem<'V, 'S>
        PullBack: PullBack<'Z, 'V>
    }

/// A lower level of z.
type ILowerLevel<'Z, 'V, 'S> =
    /// Its parts at z. Errors: a z that is outside of its domain, ArgumentException.
    abstract At: z: 'Z -> LowerLevelPoint<'Z, 'V, 'S>

/// The paper's problem: z = θ is the centre of the proximal term, ∂_z f = 0, C = −Λ, so ∇F(θ) = Λu.
type ProximalLowerLevel<'V, 'S>(regularizer: IRegularizer<'V, 'S>, problem: IBilevelProblem<'V, 'S>) =
    do
        ArgumentNullException.ThrowIfNull(regularizer, nameof regularizer)
        ArgumentNullException.ThrowIfNull(problem, nameof problem)

    interface ILowerLevel<'V, 'V, 'S> with
        member _.At theta =
            {
                Regularizer = regularizer
                Centre = theta
                Problem = problem
                PullBack = PullBack(fun _ _ lambdaU -> lambdaU)
            }
