// What an iteration has seen of every task, and how much it has done: the two records that every solver's state and report share.
// Both carry themselves from one region to the next, so that no field can be forgotten.

namespace Imaml.Math

open System

/// What was seen of every task: masks, 1 where it holds. A status is made of them on the host, once an iteration is over.
[<NoComparison; NoEquality>]
type Marks<'S> =
    {
        /// The tolerance was reached.
        Met: 'S
        /// A loss, a gradient, a product, a step or an iterate was not finite.
        NonFinite: 'S
        /// No further step makes progress.
        Stagnated: 'S
        /// A direction was found whose curvature is not positive, beyond rounding.
        Indefinite: 'S
    }

    /// The functions of a region applied to every mask.
    member marks.Carry(scalar: Func<'S, 'S>) : Marks<'S> =
        {
            Met = scalar.Invoke marks.Met
            NonFinite = scalar.Invoke marks.NonFinite
            Stagnated = scalar.Invoke marks.Stagnated
            Indefinite = scalar.Invoke marks.Indefinite
        }

    /// Where something is not finite no tolerance was met.
    member marks.Judged(space: IInnerProductSpace<'V, 'S>, finite: 'S) : Marks<'S> =
        { marks with
            Met = space.Multiply(marks.Met, finite)
            NonFinite = space.Select(finite, marks.NonFinite, space.Scalar 1.0)
        }

    /// These where the mask is 1, the others where it is 0.
    member marks.Where(space: IInnerProductSpace<'V, 'S>, mask: 'S, others: Marks<'S>) : Marks<'S> =
        let select a b = space.Select(mask, a, b)

        {
            Met = select marks.Met others.Met
            NonFinite = select marks.NonFinite others.NonFinite
            Stagnated = select marks.Stagnated others.Stagnated
            Indefinite = select marks.Indefinite others.Indefinite
        }

    /// Nothing seen.
    static member None(space: IInnerProductSpace<'V, 'S>) : Marks<'S> =
        {
            Met = space.Scalar 0.0
            NonFinite = space.Scalar 0.0
            Stagnated = space.Scalar 0.0
            Indefinite = space.Scalar 0.0
        }

/// How much was done for every task: what the task itself needed, as if it had been alone.
[<NoComparison; NoEquality>]
type Counts<'S> =
    {
        /// Steps that moved the iterate.
        Steps: 'S
        /// Products with H, or with H + Λ.
        Products: 'S
        /// Evaluations of ∇L̂; a linearization counts as one.
        Gradients: 'S
        /// Evaluations of L̂ alone.
        Losses: 'S
    }

    /// The functions of a region applied to every count.
    member counts.Carry(scalar: Func<'S, 'S>) : Counts<'S> =
        {
            Steps = scalar.Invoke counts.Steps
            Products = scalar.Invoke counts.Products
            Gradients = scalar.Invoke counts.Gradients
            Losses = scalar.Invoke counts.Losses
        }

    /// These and those of more work.
    member counts.Plus(space: IInnerProductSpace<'V, 'S>, more: Counts<'S>) : Counts<'S> =
        {
            Steps = space.Add(counts.Steps, more.Steps)
            Products = space.Add(counts.Products, more.Products)
            Gradients = space.Add(counts.Gradients, more.Gradients)
            Losses = space.Add(counts.Losses, more.Losses)
        }

    /// These where the mask is 1, 0 elsewhere.
    member counts.Where(space: IInnerProductSpace<'V, 'S>, mask: 'S) : Counts<'S> =
        counts.Carry(fun count -> space.Select(mask, count, space.Scalar 0.0))

    /// Nothing done.
    static member Zero(space: IInnerProductSpace<'V, 'S>) : Counts<'S> =
        {
            Steps = space.Scalar 0.0
            Products = space.Scalar 0.0
            Gradients = space.Scalar 0.0
            Losses = space.Scalar 0.0
        }
