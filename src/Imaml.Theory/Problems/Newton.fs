// A stationary point of a smooth function, by Newton's method with dense Hessians: first down the value, then down the gradient.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra

/// A function with its derivatives.
[<NoComparison; NoEquality>]
type internal Objective =
    {
        Value: Vector<float> -> float
        Gradient: Vector<float> -> Vector<float>
        Hessian: Vector<float> -> Matrix<float>
    }

[<RequireQualifiedAccess>]
module internal Newton =

    let private scales = Array.init 30 (fun i -> 0.5 ** float i)

    // A strongly convex function is done in tens of steps; a gradient that underflows could go on shrinking for ever.
    let private polishSteps = 500

    /// Down ‖∇‖, whose derivative along Newton's direction is −‖∇‖, by Armijo's rule, until rounding stops it or the Hessian is not
    /// positive definite.
    let polish (f: Objective) (start: Vector<float>) =
        let rec go steps (phi: Vector<float>) =
            let gradient = f.Gradient phi
            let before = gradient.L2Norm()

            match Eigenvalues.tryCholesky (f.Hessian phi) with
            | Some factor when before > 0.0 && steps > 0 ->
                let step = factor.Solve gradient
                let fits scale = (f.Gradient(phi - scale * step)).L2Norm() < (1.0 - 1e-4 * scale) * before

                match Array.tryFind fits scales with
                | Some scale -> go (steps - 1) (phi - scale * step)
                | None -> phi
            | _ -> phi

        go polishSteps start

    // H + τI with the smallest τ of 0, 10⁻³‖H‖, 4·10⁻³‖H‖, … that makes it positive definite: there is one once τ > ‖H‖.
    let private shifted (hessian: Matrix<float>) =
        let size = max (Rounding.frobenius hessian) Double.Epsilon
        let identity = Matrix<float>.Build.DenseIdentity hessian.RowCount

        Seq.initInfinite (fun i ->
            if i = 0 then
                hessian
            else
                hessian + (1e-3 * size * 4.0 ** float (i - 1)) * identity)
        |> Seq.truncate 20
        |> Seq.tryPick Eigenvalues.tryCholesky

    // Down the value, by Armijo's rule, until a step promises less than the value's rounding.
    let rec private descend (f: Objective) steps (phi: Vector<float>) =
        let gradient = f.Gradient phi
        let value = f.Value phi

        match shifted (f.Hessian phi) with
        | Some factor when steps > 0 ->
            let step = factor.Solve gradient
            let decrease = gradient.DotProduct step
            let fits scale = f.Value(phi - scale * step) <= value - 1e-4 * scale * decrease

            if decrease > 2.0 ** -45.0 * abs value then
                match Array.tryFind fits scales with
                | Some scale -> descend f (steps - 1) (phi - scale * step)
                | None -> phi
            else
                phi
        | _ -> phi

    /// For functions that are not convex: at most this many steps down the value, shifted where the Hessian is not positive definite, and
    /// then the gradient's end game. Where the value has no lower bound, or a kink stops the steps, the point reached is not stationary.
    let minimize (steps: int) (f: Objective) (start: Vector<float>) = start |> descend f steps |> polish f
