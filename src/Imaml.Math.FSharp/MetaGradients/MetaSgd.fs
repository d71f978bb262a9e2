// Meta-SGD (Li, Zhou, Chen and Li 2017): MAML whose step sizes are learned with θ, one for each coordinate, or for each layer.
//
//     φₜ₊₁ = φₜ − α∘∇G(φₜ, θ),     dL(φ_T)/dα = −Σₜ ∇G(φₜ, θ)∘aₜ₊₁,   aₜ the adjoint of φₜ (Unrolled.fs)
//
// The authors make one step without a proximal term; here T steps on G. A size may become negative: it is a direction as well as a length.

namespace Imaml.Math

open System

/// MAML's meta-gradient with that in the step sizes.
type StepSizeGradient<'V, 'S> =
    {
        /// d_θL(φ_T), and what it was made of.
        Result: MetaGradient<'V, 'S>
        /// d_αL(φ_T), coordinate by coordinate.
        StepSizes: 'V
    }

    interface ICarried<'V, 'S, StepSizeGradient<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Result = (this.Result :> ICarried<_, _, _>).Carry(vector, scalar)
                StepSizes = vector.Invoke this.StepSizes
            }

/// Gradient descent with given step sizes α, the same for every task or one vector for each.
/// Errors: fewer steps than 1; a size that is not finite.
type StepSizeOptions<'V>(coordinates: ICoordinates<'V>, alpha: 'V, steps: int) =
    do
        ArgumentNullException.ThrowIfNull(coordinates, nameof coordinates)

        InnerSolver.checkSteps (nameof steps) steps

    do
        for row in coordinates.ToRows alpha do
            for value in row do
                if not (System.Double.IsFinite value) then
                    invalidArg (nameof alpha) $"step sizes must be finite, not {value}"

    member internal _.Coordinates = coordinates

    member internal _.Path: PathOptions<'V> =
        {
            Momentum = NoMomentum
            Sizes = StepSizeVector(coordinates, alpha)
            Steps = steps
        }

/// Meta-SGD as a strategy. `sharing` says which coordinates share a learned size: the gradients in the sizes, added up over it, are
/// MetaGradient.Learned, for which a device is waited for.
type MetaSgdStrategy<'V, 'S>(options: StepSizeOptions<'V>, memory: PathMemory, sharing: Sharing) =
    do ArgumentNullException.ThrowIfNull(options, nameof options)


    /// A size for each coordinate.
    new(options, memory) = MetaSgdStrategy(options, memory, OnePerCoordinate)

    /// The meta-gradients in θ and in α.
    ///
    /// Cost: that of Unrolled.compute, and one product of coordinates a step; one vector more.
    member _.ComputeBoth
        (space: IInnerProductSpace<'V, 'S>, regularizer: IRegularizer<'V, 'S>, problem: IBilevelProblem<'V, 'S>, theta: 'V)
        : StepSizeGradient<'V, 'S> =
        Region.run space (fun () ->
            let struct (result, adjoint) = Unrolled.alongPath memory options.Path space regularizer problem theta

            {
                Result = result
                StepSizes = adjoint.StepSizes.Value
            })

    interface IMetaGradientStrategy<'V, 'S> with
        member this.Compute(space, regularizer, problem, theta) =
            let both = this.ComputeBoth(space, regularizer, problem, theta)

            { both.Result with
                Learned = sharing.Gradient(options.Coordinates, both.StepSizes)
            }

/// What Meta-SGD adapts with: the path's T steps as an inner solver. It never waits for the device, and uses no tolerance.
type StepSizeSolver<'V, 'S>(options: StepSizeOptions<'V>) =
    do ArgumentNullException.ThrowIfNull(options, nameof options)

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, _) =
            Region.run space (fun () ->
                let path = options.Path
                let iterates = InnerPath.follow space regularizer problem path 2 theta start
                InnerPath.iterate space path.Steps (Array.last iterates))
