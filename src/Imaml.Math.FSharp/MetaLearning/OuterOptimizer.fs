// The outer optimiser of Algorithm 1, line 7: any rule that moves θ against a meta-gradient, with its state between steps.
// θ is one vector, so the space that an optimiser works in is that of one task.

namespace Imaml.Math

open System

/// The outer rate as a function of the step.
type OuterSchedule =
    /// The same at every step.
    | ConstantRate of rate: float
    /// rate·(1 + cos(πt/T))/2 at step t of T = `steps`: from the rate down to 0 (Loshchilov and Hutter 2017, without restarts).
    | CosineRate of rate: float * steps: int

    /// The same rate at every step. Errors: a rate that is not positive and finite.
    static member Constant(rate: float) = (ConstantRate rate).Checked()

    /// Half a cosine over `steps` steps. Errors: a rate that is not positive and finite, fewer steps than 1.
    static member Cosine(rate: float, steps: int) = CosineRate(rate, steps).Checked()

    member internal schedule.Checked() =
        match schedule with
        | ConstantRate rate
        | CosineRate(rate, _) when not (rate > 0.0 && rate < infinity) ->
            invalidArg (nameof rate) $"the outer rate must be positive and finite, not {rate}"
        | CosineRate(_, steps) when steps < 1 ->
            invalidArg (nameof steps) $"the number of steps of a schedule must be at least 1, not {steps}"
        | _ -> schedule

    /// The rate at step t, counted from 0. Errors: a step that the schedule does not have.
    member schedule.At(step: int) : float =
        match schedule with
        | _ when step < 0 -> invalidArg (nameof step) $"the step must be at least 0, not {step}"
        | ConstantRate rate -> rate
        | CosineRate(_, steps) when step >= steps ->
            invalidArg (nameof step) $"a cosine schedule of {steps} steps ends before step {step + 1}"
        | CosineRate(rate, steps) -> rate * (1.0 + cos (Math.PI * float step / float steps)) / 2.0

/// The state of an outer optimiser, as values that can be written to a file and read again.
type OptimizerState<'V> =
    {
        /// Steps made.
        Steps: int
        /// Vectors like θ, by name, in a fixed order.
        Vectors: struct (string * 'V)[]
        Numbers: struct (string * float)[]
    }

    /// Of an optimiser that keeps only the number of its steps.
    static member OfSteps(steps: int) : OptimizerState<'V> =
        {
            Steps = steps
            Vectors = [||]
            Numbers = [||]
        }

    static member private Find(values: struct (string * 'T)[], name: string, kind: string) =
        match values |> Array.tryFind (fun struct (key, _) -> key = name) with
        | Some(struct (_, value)) -> value
        | None -> invalidArg "state" $"the state has no {kind} named {name}: it is another optimiser's"

    /// The vector of this name. Errors: there is none.
    member state.Vector(name: string) : 'V = OptimizerState<'V>.Find(state.Vectors, name, "vector")

    /// The number of this name. Errors: there is none.
    member state.Number(name: string) : float = OptimizerState<'V>.Find(state.Numbers, name, "number")

/// The state of an outer optimiser between two steps. Immutable: a step returns the next one, and this one can be stepped from again.
type IOuterOptimizer<'V, 'S> =
    inherit ICarried<'V, 'S, IOuterOptimizer<'V, 'S>>

    /// θ after one step against `gradient`, and the optimiser that makes the next step. `space` is that of one task.
    abstract Step: space: IInnerProductSpace<'V, 'S> * gradient: 'V * theta: 'V -> struct ('V * IOuterOptimizer<'V, 'S>)

    /// Its state. The vectors are the optimiser's own, not copies. On a device this waits for it.
    abstract State: space: IInnerProductSpace<'V, 'S> -> OptimizerState<'V>

    /// An optimiser with these options and a given State, which makes the same steps to the last bit.
    /// Errors: the state of another kind of optimiser.
    abstract Restore: space: IInnerProductSpace<'V, 'S> * state: OptimizerState<'V> -> IOuterOptimizer<'V, 'S>

/// θ ← θ − ηg, the paper's outer step. On an L_F-smooth F, η = 1/L_F lowers F by at least ‖g‖²/(2L_F) a step where g is exact.
/// `steps` have been made.
type GradientDescentOptimizer<'V, 'S>(schedule: OuterSchedule, steps: int) =
    do ArgumentNullException.ThrowIfNull(schedule, nameof schedule)

    let schedule = schedule.Checked()

    /// Before the first step.
    new(schedule: OuterSchedule) = GradientDescentOptimizer(schedule, 0)
    /// Before the first step, at a constant rate.
    new(rate: float) = GradientDescentOptimizer(ConstantRate rate, 0)

    interface IOuterOptimizer<'V, 'S> with
        member _.Step(space, gradient, theta) =
            let next: IOuterOptimizer<'V, 'S> = GradientDescentOptimizer(schedule, steps + 1)
            struct (space.Axpy(space.Scalar -(schedule.At steps), gradient, theta), next)

        member _.State _ = OptimizerState<'V>.OfSteps steps
        member _.Restore(_, state) = GradientDescentOptimizer(schedule, state.Steps)
        member this.Carry(_, _) = this
