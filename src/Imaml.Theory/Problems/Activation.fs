// What the hidden units of a network do to their input z, with first and second derivative.

namespace Imaml.Theory

/// An activation function f.
[<RequireQualifiedAccess>]
type Activation =
    | Tanh
    /// max(z, 0); its derivative at 0 is taken to be 0, its second derivative to be 0 everywhere.
    | Relu
    /// log(1 + eᶻ)
    | Softplus
    | Identity

[<RequireQualifiedAccess>]
module Activation =

    /// f(z)
    let value activation (z: float) =
        match activation with
        | Activation.Tanh -> tanh z
        | Activation.Relu -> if z > 0.0 then z else 0.0
        | Activation.Softplus -> LogisticFunction.softplus z
        | Activation.Identity -> z

    /// f′(z)
    let slope activation (z: float) =
        match activation with
        | Activation.Tanh -> 1.0 - tanh z * tanh z
        | Activation.Relu -> if z > 0.0 then 1.0 else 0.0
        | Activation.Softplus -> LogisticFunction.sigmoid z
        | Activation.Identity -> 1.0

    /// f″(z)
    let curvature activation (z: float) =
        match activation with
        | Activation.Tanh -> -2.0 * tanh z * (1.0 - tanh z * tanh z)
        | Activation.Relu
        | Activation.Identity -> 0.0
        | Activation.Softplus -> LogisticFunction.sigmoid z * LogisticFunction.sigmoid -z
