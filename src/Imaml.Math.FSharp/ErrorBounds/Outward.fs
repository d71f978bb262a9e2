// Arithmetic that is rounded to one side, so that a bound as computed is a bound. The rounding error of a sum, a product or a quotient is known
// exactly (Knuth's TwoSum; a fused multiply-add). Where it may have underflowed the next number is taken.

namespace Imaml.Math

open System

[<RequireQualifiedAccess>]
module internal Outward =

    // Below it what a product or a quotient rounds away may underflow itself.
    let private small = 2.0 ** -900.0

    /// The smallest number that is at least a + b.
    let sumAbove (a: float) (b: float) =
        let sum = a + b
        let partOfB = sum - a
        let lost = (a - (sum - partOfB)) + (b - partOfB)
        if lost > 0.0 then Math.BitIncrement sum else sum

    /// The largest number that is at most a + b.
    let sumBelow (a: float) (b: float) = 0.0 - sumAbove -a -b

    /// At least ab, for a, b ≥ 0.
    let productAbove (a: float) (b: float) =
        let product = a * b

        if a = 0.0 || b = 0.0 then
            product
        elif product < small || Math.FusedMultiplyAdd(a, b, -product) > 0.0 then
            Math.BitIncrement product
        else
            product

    /// At least a/b, for a ≥ 0 and b > 0.
    let quotientAbove (a: float) (b: float) =
        let quotient = a / b

        if a = 0.0 then
            quotient
        elif quotient < small || a < small || Math.FusedMultiplyAdd(quotient, b, -a) < 0.0 then
            Math.BitIncrement quotient
        else
            quotient

    /// At most a/b, for a ≥ 0 and b > 0.
    let quotientBelow (a: float) (b: float) =
        let quotient = a / b

        if quotient < small || a < small || Math.FusedMultiplyAdd(quotient, b, -a) > 0.0 then
            max 0.0 (Math.BitDecrement quotient)
        else
            quotient

    /// At least √a, for a ≥ 0.
    let rootAbove (a: float) = if a = 0.0 then 0.0 else Math.BitIncrement(sqrt a)

/// The same as operators, for formulas of numbers that are not negative: what they give is at least what exact arithmetic gives.
[<AutoOpen>]
module internal OutwardOperators =

    let (+^) a b = Outward.sumAbove a b
    let ( *^ ) a b = Outward.productAbove a b
    /// b is exact, or at most the exact one.
    let (/^) a b = Outward.quotientAbove a b
