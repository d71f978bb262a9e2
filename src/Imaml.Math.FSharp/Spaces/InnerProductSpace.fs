// The only knowledge of vectors that the mathematics has.
//
// Every algorithm of the paper is written once over IInnerProductSpace: with MathNet vectors it is checked against dense solves,
// with tensors of network parameters it runs on B tasks at once. Scalars are a type parameter 'S because a batch has one number
// per task; an algorithm never branches on a scalar, so B tasks run in lock-step and each gets exactly what it would get alone.

namespace Imaml.Math

open System

/// Values made while a region is open die when it closes, unless kept. A space whose values the garbage collector frees does nothing.
type IRegion<'V, 'S> =
    inherit IDisposable
    /// Lets a vector outlive this region, in the region around it. Keeping a vector twice is keeping it once.
    abstract KeepVector: 'V -> 'V
    abstract KeepScalar: 'S -> 'S
    /// Lets a vector of a surrounding region die with this one, unless it is kept afterwards.
    abstract AdoptVector: 'V -> 'V
    abstract AdoptScalar: 'S -> 'S

/// A real inner-product space, or B of them worked on at once.
///
/// 'V is a vector (or B vectors, one per task) and 'S a real number (or one per task). Masks are scalars that are 1 where a statement
/// holds and 0 elsewhere. All operations are pure: no argument changes.
type IInnerProductSpace<'V, 'S> =
    /// The zero vector of the shape of `like`.
    abstract Zero: like: 'V -> 'V
    /// a·x
    abstract Scale: a: 'S * x: 'V -> 'V
    /// a·x + y, and exactly y where a = 0, even where x is not finite: this is how a finished task is frozen.
    abstract Axpy: a: 'S * x: 'V * y: 'V -> 'V
    /// ⟨x, y⟩
    abstract Inner: x: 'V * y: 'V -> 'S
    /// ‖x‖, without underflow or overflow where the norm itself can be represented.
    abstract Norm: x: 'V -> 'S
    /// The same number for every task.
    abstract Scalar: float -> 'S
    /// One number for each task, in the order of Read.
    abstract PerTask: float[] -> 'S
    abstract Add: 'S * 'S -> 'S
    abstract Multiply: 'S * 'S -> 'S
    /// √a for a ≥ 0.
    abstract SquareRoot: 'S -> 'S
    /// numerator / denominator, and 0 where the denominator is not greater than 0 (so also where it is not a number).
    abstract DivideOrZero: numerator: 'S * denominator: 'S -> 'S
    /// 1 where a > b, else 0 (also where one of them is not a number).
    abstract Exceeds: a: 'S * b: 'S -> 'S
    /// a where the mask is 1, b where it is 0.
    abstract Select: mask: 'S * a: 'S * b: 'S -> 'S
    /// True if the mask is 1 for any task. On a device this waits for it: the only member that an iteration may call to look at numbers.
    abstract Any: mask: 'S -> bool
    /// The number of each task, for reports once an iteration is over. On a device this waits for it.
    abstract Read: 'S -> float[]
    /// One vector θ, of the space of one task, for every task of this space. It may share θ's memory, but dies alone.
    abstract Spread: theta: 'V -> 'V
    /// Σ x over the tasks where the mask is 1: one vector, of the space of one task. A task where the mask is 0 adds 0, even where its x is
    /// not finite.
    abstract Gather: mask: 'S * x: 'V -> 'V
    /// x/divisor by one division a coordinate: what makes a mean of a sum.
    abstract Divide: x: 'V * divisor: float -> 'V
    abstract OpenRegion: unit -> IRegion<'V, 'S>

/// The state of an iteration, whose values can be handed from one region to the next.
type ICarried<'V, 'S, 'State> =
    /// Applies the functions to every vector and every scalar of the state.
    abstract Carry: vector: Func<'V, 'V> * scalar: Func<'S, 'S> -> 'State

[<RequireQualifiedAccess>]
module Region =

    /// The state, kept: it outlives the region.
    let internal keep (region: IRegion<'V, 'S>) (state: 'State :> ICarried<'V, 'S, 'State>) : 'State =
        state.Carry(Func<_, _>(fun x -> region.KeepVector x), Func<_, _>(fun x -> region.KeepScalar x))

    /// Lets the state die with the region.
    let internal adopt (region: IRegion<'V, 'S>) (state: 'State :> ICarried<'V, 'S, 'State>) =
        state.Carry(Func<_, _>(fun x -> region.AdoptVector x), Func<_, _>(fun x -> region.AdoptScalar x))
        |> ignore

    /// Runs `body` in a region of its own; of what it made only the result survives.
    let run (space: IInnerProductSpace<'V, 'S>) (body: unit -> 'R :> ICarried<'V, 'S, 'R>) : 'R =
        use region = space.OpenRegion()
        keep region (body ())

    /// One step of an iteration: the old state dies, the new one survives, and nothing else does. So memory is flat in the number of steps.
    let advance (space: IInnerProductSpace<'V, 'S>) (step: 'State -> 'State) (state: 'State :> ICarried<'V, 'S, 'State>) : 'State =
        use region = space.OpenRegion()
        adopt region state
        keep region (step state)
