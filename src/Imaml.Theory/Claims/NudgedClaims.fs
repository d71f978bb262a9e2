// Nudged solves: differences of inner solutions in place of Hessian–vector products (Nudged.fs). For quadratic losses, C = ∇²L, h = ‖C‖:
//
//     φ_β⁽ᵏ⁾ = −k(H + Λ + βC)⁻¹Cφ_β⁽ᵏ⁻¹⁾,     φ_β′ = −(H + Λ + βC)⁻¹∇L(φ_β),
//
// so on |β| ≤ b, where G + βL is at least ν = µ − bh convex, ‖φ′‖ changes by at most a factor e^(2bh/ν), and ‖φ⁽ᵖ⁺¹⁾‖ ≤ (p+1)!(h/ν)ᵖ‖φ′‖.

namespace Imaml.Theory

open System
open MathNet.Numerics
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module NudgedClaims =

    let private space = RegularizedTask.space

    let private differences =
        [
            NudgedDifference.OneSided
            NudgedDifference.Symmetric
            NudgedDifference.FourPoint
        ]

    let private reach difference = if difference = NudgedDifference.FourPoint then 2.0 else 1.0

    /// Half of the distance to the nearest other order.
    let private distance difference = if difference = NudgedDifference.FourPoint then 1.0 else 0.5

    /// The largest β that is allowed.
    let private largest difference (task: BilevelTask) =
        Nudge.Largest(difference, (BilevelTask.constants task).StrongConvexity, task.Outer.LargestCurvature)

    let private compute difference beta tolerance (task: BilevelTask) =
        let solver: IInnerSolver<Vector<float>, float> =
            NewtonConjugateGradientSolver(100, 4 * task.Theta.Count)

        NudgedStrategy(solver, difference, beta, tolerance)
            .ComputeBoth(space, Proximal.regularizer task.Proximal, BilevelTask.problem task, task.Theta)

    let private error difference beta tolerance (task: BilevelTask) =
        let nudged = compute difference beta tolerance task
        (nudged.Result.Gradient - BilevelTask.exactMetaGradient task).L2Norm()

    /// The error against its bound, with solves of a random accuracy and β a random share of the largest.
    let private boundMargin difference share (task: BilevelTask) (random: Random) =
        let c = BilevelTask.constants task
        let h = task.Outer.LargestCurvature
        let beta = share * largest difference task
        let slope = (BilevelTask.innerGradient task task.Theta task.Theta).L2Norm()
        let tolerance = slope * 10.0 ** (-2.0 - 5.0 * random.NextDouble())
        let nu = c.StrongConvexity - reach difference * beta * h
        let u = BilevelTask.adjoint task (BilevelTask.exactSolution task task.Theta)
        let order = int difference

        let derivative =
            SpecialFunctions.Factorial(order + 1)
            * (h / nu) ** float order
            * u.L2Norm()
            * exp (2.0 * reach difference * beta * h / nu)

        let bound = Nudge.ErrorBound(difference, beta, c.LargestRegularization, tolerance / nu, derivative)
        let g = BilevelTask.exactMetaGradient task
        let nudged = compute difference beta tolerance task

        if space.Read(nudged.Result.Usable space).[0] > 0.5 then
            // What a tolerance of at least 10⁻⁷ leaves to rounding.
            Claim.margin ((nudged.Result.Gradient - g).L2Norm()) (bound * (1.0 + 1e-6))
        else
            // Refused, for which there must be a reason.
            Claim.margin (0.1 * g.L2Norm()) bound

    /// The slope of the error in β, on logarithmic axes, against its order; nothing where fewer than three errors are above what the solves and
    /// rounding leave.
    let private orderMargin difference (task: BilevelTask) =
        let beta = largest difference task
        let shares = [| for i in 2..5 -> 2.0 ** -(float i) |]
        let slope = (BilevelTask.innerGradient task task.Theta task.Theta).L2Norm()
        let c = BilevelTask.constants task
        let tolerance = 1e-13 * slope

        // What the solves leave, where G + βL is at least half as convex as G, has no slope; nor has rounding.
        let floor share =
            max
                (10.0
                 * Nudge.ErrorBound(difference, share * beta, c.LargestRegularization, 2.0 * tolerance / c.StrongConvexity, 0.0))
                (1e-9 * (BilevelTask.exactMetaGradient task).L2Norm())

        let points =
            shares
            |> Array.map (fun share -> struct (share, error difference (share * beta) tolerance task))
            |> Array.filter (fun struct (share, error) -> not (error <= floor share))

        if points |> Array.exists (fun struct (_, error) -> not (Double.IsFinite error)) then
            ValueSome nan
        elif points.Length < 3 then
            ValueNone
        else
            let struct (x, y) =
                struct (points |> Array.map (fun struct (x, _) -> x), points |> Array.map (fun struct (_, y) -> y))

            ValueSome(Claim.margin (abs ((PowerLaw.fit x y).Slope - float difference)) (distance difference))

    let private some = Instances.count 24 240

    let private check (statement: string) hypotheses families measured bound instances violations : Claim =
        Claim.create
            "nudged solves (Zucchet et al. 2022)"
            statement
            hypotheses
            (Instances.names families)
            measured
            bound
            instances
            violations

    let private names =
        dict
            [
                NudgedDifference.OneSided, "one-sided differences"
                NudgedDifference.Symmetric, "symmetric differences"
                NudgedDifference.FourPoint, "four-point differences"
            ]

    let private quadratic = [ Quadratics; LinearRegressions ]

    let claims: Claim list =
        [
            for difference in differences do
                check
                    $"{names[difference]} of nudged solutions err by at most ‖Λ‖(cδ/β + kMβ^{int difference})"
                    "H and ∇²L are constant, β below half of the largest"
                    quadratic
                    "‖g − d_θL(Alg*(θ))‖, solves to 10⁻² to 10⁻⁷; where g was refused a tenth of ‖d_θL‖"
                    "Nudge.ErrorBound"
                    (Instances.each 15000 quadratic some (fun family seed ->
                        let random = Random(seed + 1)
                        boundMargin difference (0.02 + 0.43 * random.NextDouble()) (Family.task family seed) random))
                    [||]

                check
                    $"the error of {names[difference]} falls as β^{int difference}"
                    "losses three times differentiable and more, β to 0"
                    Family.all
                    "|slope − order|, β from a quarter to a thirty-second of the largest, where three errors or more are above those of the solves"
                    $"%g{distance difference}, half of the way to the next order"
                    (Instances.eachMeasured 15000 Family.all some (fun family seed -> orderMargin difference (Family.task family seed)))
                    [||]
        ]
