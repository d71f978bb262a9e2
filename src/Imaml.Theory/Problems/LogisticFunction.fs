// σ(z) = 1/(1 + e⁻ᶻ) and its integral log(1 + eᶻ), without overflow on either side.

namespace Imaml.Theory

open System

[<RequireQualifiedAccess>]
module LogisticFunction =

    /// σ(z) = 1/(1 + e⁻ᶻ), to a relative γ₆ where the exponential is right to 2u: two for the exponential, one for 1 + e, one for the
    /// quotient, and two for the numerator of negative z.
    let sigmoid z =
        if z >= 0.0 then
            1.0 / (1.0 + exp -z)
        else
            exp z / (1.0 + exp z)

    /// log(1 + eᶻ)
    let softplus z = max z 0.0 + Math.Log(1.0 + exp -(abs z))
