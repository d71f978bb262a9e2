// Forward mode through steps of descent: w ↦ J_T w alongside the iterates, in memory that does not depend on T.
//
// Every tangent goes through the step as its iterate does: with (ẏ, ż) = P(Jₜw, Jₜ₋₁w),
//
//     Jₜ₊₁w = ż − α[(H(yₜ)+Λ)ẏ − Λw],   J₀w = J₋₁w = w,
//
// which is Unrolled.fs's recurrence applied to w. A gradient needs J_T along all d directions: for small d, and as the check on reverse mode.

namespace Imaml.Math

open System

/// φ_T, with J_T w for every direction w that was asked for.
type TangentIterate<'V, 'S> =
    {
        /// φ_T, and how it was found.
        Inner: InnerIterate<'V, 'S>
        /// J_T w, in the order of the directions.
        Tangents: 'V[]
    }

    interface ICarried<'V, 'S, TangentIterate<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Inner = (this.Inner :> ICarried<_, _, _>).Carry(vector, scalar)
                Tangents = Array.map vector.Invoke this.Tangents
            }

[<RequireQualifiedAccess>]
module ForwardMode =

    /// φₜ, φₜ₋₁ and the tangents of both.
    [<NoComparison; NoEquality>]
    type private State<'V, 'S> =
        {
            Phi: 'V
            Previous: 'V
            Tangents: 'V[]
            PreviousTangents: 'V[]
        }

        interface ICarried<'V, 'S, State<'V, 'S>> with
            member s.Carry(vector, _) =
                {
                    Phi = vector.Invoke s.Phi
                    Previous = vector.Invoke s.Previous
                    Tangents = Array.map vector.Invoke s.Tangents
                    PreviousTangents = Array.map vector.Invoke s.PreviousTangents
                }

    /// φ_T and J_T w for every direction w.
    ///
    /// Cost: T gradients, one Hessian–vector product a step for each direction. Memory: two vectors and two for each direction, whatever T is.
    [<CompiledName("Tangents")>]
    let tangents
        (options: UnrolledOptions)
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (directions: 'V[])
        : TangentIterate<'V, 'S> =
        let path = InnerPath.ofOptions options

        let next (s: State<'V, 'S>) =
            let step gradientAt phi previous = Descent.stepBy space path.Momentum (InnerPath.sizes space path) gradientAt phi previous
            use linearization = problem.LinearizeInner(InnerPath.point space path s.Phi s.Previous)
            let gradientAt y = InnerObjective.gradient space regularizer linearization.Gradient y theta

            let tangent i direction =
                let pull yDot =
                    let product = InnerObjective.hessianProduct space regularizer linearization yDot
                    space.Axpy(space.Scalar -1.0, regularizer.Apply(space, direction), product)

                step pull s.Tangents[i] s.PreviousTangents[i]

            {
                Phi = step gradientAt s.Phi s.Previous
                Previous = Mask.copyVector space s.Phi
                Tangents = Array.mapi tangent directions
                PreviousTangents = s.Tangents |> Array.map (Mask.copyVector space)
            }

        Region.run space (fun () ->
            let copy = Mask.copyVector space

            let mutable state: State<'V, 'S> =
                {
                    Phi = copy theta
                    Previous = copy theta
                    Tangents = Array.map copy directions
                    PreviousTangents = Array.map copy directions
                }

            for _ in 1 .. path.Steps do
                state <- Region.advance space next state

            {
                Inner = InnerPath.iterate space path.Steps state.Phi
                Tangents = state.Tangents
            })

/// MAML in forward mode: gⱼ = ⟨J_T eⱼ, ∇L(φ_T)⟩ along all d coordinates. The same gradient as UnrolledStrategy's, for T + 1 gradients and
/// dT products, in memory that grows with d in place of T.
type ForwardModeStrategy<'V, 'S>(coordinates: ICoordinates<'V>, options: UnrolledOptions) =
    do
        ArgumentNullException.ThrowIfNull(coordinates, nameof coordinates)
        ArgumentNullException.ThrowIfNull(options, nameof options)

        InnerPath.check options

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) =
            Region.run space (fun () ->
                let rows = coordinates.ToRows theta
                let d = rows[0].Length

                let basis =
                    Array.init d (fun j ->
                        coordinates.OfRows(theta, rows |> Array.map (Array.mapi (fun i _ -> if i = j then 1.0 else 0.0))))

                let path = ForwardMode.tangents options space regularizer problem theta basis

                let assemble v =
                    Array.fold2 (fun g e tangent -> space.Axpy(space.Inner(tangent, v), e, g)) (space.Zero v) basis path.Tangents

                MetaGradient.withoutSolve space regularizer problem theta path.Inner 0 (d * options.Steps) assemble)
