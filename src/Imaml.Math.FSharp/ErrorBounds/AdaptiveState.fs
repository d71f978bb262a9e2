// What AdaptiveAccuracy carries from solve to solve: vectors and losses of all tasks, and its decisions as masks.

namespace Imaml.Math

/// φ and u of every task, and the losses at φ.
[<NoComparison; NoEquality>]
type internal AdaptiveIterate<'V, 'S> =
    {
        Phi: 'V
        U: 'V
        InnerLoss: 'S
        OuterLoss: 'S
    }

    interface ICarried<'V, 'S, AdaptiveIterate<'V, 'S>> with
        member s.Carry(vector, scalar) =
            {
                Phi = vector.Invoke s.Phi
                U = vector.Invoke s.U
                InnerLoss = scalar.Invoke s.InnerLoss
                OuterLoss = scalar.Invoke s.OuterLoss
            }

/// u, and r = v − (H+Λ)u.
[<NoComparison; NoEquality>]
type internal RefinedSolution<'V, 'S> =
    {
        Value: 'V
        Residual: 'V
    }

    interface ICarried<'V, 'S, RefinedSolution<'V, 'S>> with
        member s.Carry(vector, _) =
            {
                Value = vector.Invoke s.Value
                Residual = vector.Invoke s.Residual
            }

/// Decisions that were taken on the host, one for each task.
[<RequireQualifiedAccess>]
module internal TaskMask =

    /// 1 for the chosen tasks, 0 for the others.
    let ofTasks (space: IInnerProductSpace<'V, 'S>) (which: bool[]) =
        space.PerTask(which |> Array.map (fun chosen -> if chosen then 1.0 else 0.0))

    /// x for the chosen tasks, 0 for the others.
    let keep (space: IInnerProductSpace<'V, 'S>) (which: bool[]) (x: 'V) = space.Axpy(ofTasks space which, x, space.Zero x)
