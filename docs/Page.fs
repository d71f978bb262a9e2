/// What the pages share: the space ℝᵈ, and how a page states what it has found.
module Page

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// ℝᵈ with MathNet's vectors.
let space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

/// At most this many steps of conjugate gradients, without a tolerance.
let budget steps =
    {
        MaxSteps = steps
        RelativeResidual = 0.0
        CheckEvery = 0
        RecomputeResidual = false
    }

/// A number in a table: 1.2e-3.
let short (x: float) = x.ToString "0.0e-0"

/// Prints a statement that holds. One that does not ends the page, and the build with it.
let holds (statement: string) (condition: bool) =
    if condition then
        printfn $"✓ {statement}"
    else
        raise (System.InvalidOperationException $"this page states what does not hold: {statement}")
