// A statement of the paper as a value: what it supposes, what is measured on which problems, and what the measurement may be at most. It is
// checked on instances, never proved; a failure names the instance, whose seed replays it.

namespace Imaml.Theory

open System
open System.Threading

/// How many instances a check takes.
type Extent =
    | Quick = 0
    | Full = 1

/// One problem on which a statement was measured.
type Instance =
    {
        /// What replays it: the family, the seed, and what else is drawn.
        Name: string
        /// 1 − measured/bound: 0 is a tight bound, a negative number a violation; not a number where there is nothing to compare.
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

[<RequireQualifiedAccess>]
module Violation =

    /// Problems on which the bound must be seen to fail.
    let breaks hypothesis instances : Violation =
        {
            Hypothesis = hypothesis
            Expectation = Expectation.Breaks
            Instances = instances
        }

    /// Problems on which the bound is seen to hold all the same.
    let survives hypothesis instances : Violation =
        {
            Hypothesis = hypothesis
            Expectation = Expectation.Survives
            Instances = instances
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
        /// On how many there was nothing to compare: what was measured is not a number, or the bound is not finite.
        NotMeasured: int
    }

    /// Whether it went as expected.
    member v.AsExpected =
        v.Instances > 0
        && if v.Violation.Expectation = Expectation.Breaks then
               v.Broken > 0
           else
               v.Broken = 0 && v.NotMeasured = 0

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

    /// bound/measured on the median instance, 1/(1 − margin): 1 where the bound is attained, ∞ where 0 was measured.
    member c.MedianSlack = 1.0 / (1.0 - c.MedianMargin)

    /// Whether the bound held on every instance, of which there was one at least, and every violation went as expected.
    member c.Holds =
        c.Instances > 0 && c.SmallestMargin >= 0.0 && c.Violations |> Array.forall (fun v -> v.AsExpected)

[<RequireQualifiedAccess>]
module Claim =

    /// A claim of these parts.
    let create source statement hypotheses families measured bound instances violations : Claim =
        {
            Source = source
            Statement = statement
            Hypotheses = hypotheses
            Families = families
            Measured = measured
            Bound = bound
            Instances = instances
            Violations = violations
        }

    /// 1 − measured/bound; 0 ≤ 0 holds with margin 0, and more than a bound of 0 has margin −∞. Not a number where one of them is not, or is
    /// negative, or where the bound is infinite and says nothing: a claim counts that as a violation.
    let margin (measured: float) (bound: float) =
        if not (measured >= 0.0 && bound >= 0.0 && bound < infinity) then
            nan
        elif measured = 0.0 && bound = 0.0 then
            0.0
        else
            1.0 - measured / bound

    /// The instance of this name.
    let instance name (measured: float) (bound: float) : Instance =
        {
            Name = name
            Margin = margin measured bound
        }

    // The instances, with a look at the token before each.
    let private measure (stop: CancellationToken) extent (instances: Func<Extent, Instance seq>) =
        instances.Invoke extent
        |> Seq.map (fun i ->
            stop.ThrowIfCancellationRequested()
            i)
        |> Seq.toArray

    let private isNumber (i: Instance) = not (Double.IsNaN i.Margin)

    // The mean of the two in the middle of an even number.
    let private median (sorted: Instance[]) =
        if sorted.Length = 0 then
            nan
        else
            0.5 * (sorted[(sorted.Length - 1) / 2].Margin + sorted[sorted.Length / 2].Margin)

    /// Checks the claim on its instances, and on those outside its hypotheses. Deterministic. Errors: OperationCanceledException where it is
    /// stopped, at the next instance.
    let checkUntil (stop: CancellationToken) (extent: Extent) (claim: Claim) : CheckedClaim =
        let sorted =
            measure stop extent claim.Instances
            |> Array.map (fun i -> if isNumber i then i else { i with Margin = -infinity })
            |> Array.sortBy (fun i -> i.Margin)

        {
            Claim = claim
            Instances = sorted.Length
            SmallestMargin = if sorted.Length = 0 then nan else sorted[0].Margin
            MedianMargin = median sorted
            Nearest = if sorted.Length = 0 then "" else sorted[0].Name
            Violations =
                claim.Violations
                |> Array.map (fun violation ->
                    let instances = measure stop extent violation.Instances

                    {
                        Violation = violation
                        Instances = instances.Length
                        Broken = instances |> Array.filter (fun i -> i.Margin < 0.0) |> Array.length
                        NotMeasured = instances.Length - (instances |> Array.filter isNumber |> Array.length)
                    })
        }

    /// The same without a way to stop it.
    let check (extent: Extent) (claim: Claim) = checkUntil CancellationToken.None extent claim
