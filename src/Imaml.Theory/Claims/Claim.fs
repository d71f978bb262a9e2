// A statement of the paper as a value: what it supposes, what is measured on which problems, and what the measurement may be at most. It is
// checked on instances, never proved; a failure names the instance, whose seed replays it.

namespace Imaml.Theory

open System

/// How many instances a check takes.
type Extent =
    | Quick = 0
    | Full = 1

/// One problem on which a statement was measured.
type Instance =
    {
        /// What replays it: the family, the seed, and what else is drawn beside it.
        Name: string
        /// 1 − measured/bound: 0 is a tight bound, a negative number a violation.
        Margin: float
    }

/// What becomes of a statement on problems that break one of its hypotheses.
type Expectation =
    /// The bound must be seen to fail on one instance at least: the hypothesis is needed, and the check can fail.
    | Breaks = 0
    /// The bound is seen to hold on every instance all the same: the hypothesis is sufficient, not necessary.
    | Survives = 1

/// Problems outside a hypothesis.
[<NoComparison; NoEquality>]
type Violation =
    {
        /// The hypothesis, and how it is broken.
        Hypothesis: string
        Expectation: Expectation
        Instances: Func<Extent, Instance seq>
    }

/// A numbered statement, and how it is checked.
[<NoComparison; NoEquality>]
type Claim =
    {
        /// Where it stands in the paper, or in the text that the paper rests on.
        Source: string
        Statement: string
        Hypotheses: string
        /// The families that the instances are of.
        Families: string
        Measured: string
        Bound: string
        Instances: Func<Extent, Instance seq>
        Violations: Violation[]
    }

/// What became of a statement outside a hypothesis.
[<NoComparison; NoEquality>]
type CheckedViolation =
    {
        Violation: Violation
        Instances: int
        /// How many instances broke the bound.
        Broken: int
    }

    /// Whether it went as expected.
    member v.AsExpected =
        v.Instances > 0
        && if v.Violation.Expectation = Expectation.Breaks then
               v.Broken > 0
           else
               v.Broken = 0

/// A statement with what its check measured.
[<NoComparison; NoEquality>]
type CheckedClaim =
    {
        Claim: Claim
        Instances: int
        SmallestMargin: float
        MedianMargin: float
        /// The instance of the smallest margin.
        Nearest: string
        Violations: CheckedViolation[]
    }

    /// bound/measured on the median instance, 1/(1 − margin): 1 where the bound is attained, ∞ where nothing was measured.
    member c.MedianSlack = 1.0 / (1.0 - c.MedianMargin)

    /// Whether the bound held on every instance, of which there was one at least, and every violation went as expected.
    member c.Holds =
        c.Instances > 0 && c.SmallestMargin >= 0.0 && c.Violations |> Array.forall (fun v -> v.AsExpected)

[<RequireQualifiedAccess>]
module Claim =

    /// 1 − measured/bound. Not a number counts as a violation; 0 ≤ 0 holds with margin 0.
    let margin (measured: float) (bound: float) =
        if measured = 0.0 && bound = 0.0 then
            0.0
        elif measured >= 0.0 && bound > 0.0 then
            1.0 - measured / bound
        else
            -infinity

    /// The instance of this name.
    let instance name (measured: float) (bound: float) : Instance =
        {
            Name = name
            Margin = margin measured bound
        }

    let private negative (instance: Instance) = not (instance.Margin >= 0.0)

    let private outside extent (violation: Violation) : CheckedViolation =
        let instances = violation.Instances.Invoke extent |> Seq.toArray

        {
            Violation = violation
            Instances = instances.Length
            Broken = instances |> Array.filter negative |> Array.length
        }

    /// Checks the claim on its instances, and on those outside its hypotheses. Deterministic.
    let check (extent: Extent) (claim: Claim) : CheckedClaim =
        let sorted =
            claim.Instances.Invoke extent
            |> Seq.map (fun i ->
                if i.Margin >= -infinity then
                    i
                else
                    { i with Margin = -infinity })
            |> Seq.sortBy (fun i -> i.Margin)
            |> Seq.toArray

        {
            Claim = claim
            Instances = sorted.Length
            SmallestMargin = if sorted.Length = 0 then nan else sorted[0].Margin
            MedianMargin =
                if sorted.Length = 0 then
                    nan
                else
                    sorted[sorted.Length / 2].Margin
            Nearest = if sorted.Length = 0 then "" else sorted[0].Name
            Violations = claim.Violations |> Array.map (outside extent)
        }
