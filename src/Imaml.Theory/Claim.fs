// A numbered statement with what its check has measured.

namespace Imaml.Theory

/// The outcome of checking one statement on many instances.
type Claim =
    {
        /// Where it stands in the paper, or in the text that the paper rests on.
        Number: string
        Statement: string
        Instances: int
        /// Over all instances, the smallest and the median of 1 − measured/bound: 0 is a tight bound, a negative number a violation.
        SmallestMargin: float
        MedianMargin: float
    }

    member claim.Holds = claim.Instances > 0 && claim.SmallestMargin >= 0.0

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

    /// The claim with these margins.
    let ofMargins number statement (margins: float seq) =
        let sorted =
            margins |> Seq.map (fun m -> if m >= -infinity then m else -infinity) |> Seq.sort |> Seq.toArray

        {
            Number = number
            Statement = statement
            Instances = sorted.Length
            SmallestMargin = if sorted.Length = 0 then nan else sorted[0]
            MedianMargin = if sorted.Length = 0 then nan else sorted[sorted.Length / 2]
        }
