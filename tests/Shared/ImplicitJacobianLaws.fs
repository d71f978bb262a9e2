// Lemma 1's Jacobian on every space, as one list of tests: `ImplicitJacobianLaws.laws subject`.
//
// H has largest eigenvalue 1 and Λ lies in [1/8, 8], so H + Λ has a condition number of at most 72, and ‖J‖ ≤ ‖Λ‖/λ_min(H + Λ) ≤ 64.
module Imaml.Testing.ImplicitJacobianLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Imaml.Testing.LinearSolverLaws

/// H, a diagonal Λ of each task, and H + Λ as an operator of the space.
let private draw (subject: Subject<'V, 'S>) (draw: Draw) =
    let random = Random draw.Seed

    let hessians =
        Array.init subject.Tasks (fun _ -> Spectrum.positiveDefinite random draw.Size draw.Condition)

    let lambda =
        Array.init subject.Tasks (fun _ -> Array.init draw.Size (fun _ -> 2.0 ** float (random.Next(-3, 4))))

    let dense = lambda |> Array.map (fun row -> Matrix<float>.Build.DenseOfDiagonalArray row)
    let shifted = Array.map2 (fun (h: Matrix<float>) (l: Matrix<float>) -> h + l) hessians dense

    let jacobians =
        Array.map2 (fun (m: Matrix<float>) (l: Matrix<float>) -> m.Cholesky().Solve l) shifted dense

    let regularizer =
        DiagonalRegularizer<'V, 'S>(subject.Coordinates, subject.OfRows lambda) :> IRegularizer<'V, 'S>

    struct (random, regularizer, operator subject shifted, jacobians)

/// κ roundings for each of d steps of the solve, ten for the constant; relative to ‖J‖‖w‖ ≤ 64‖w‖. 2√72·0.79¹²⁰ < 10⁻⁸ is what CG leaves.
let private bound (subject: Subject<'V, 'S>) (draw: Draw) (w: float[]) =
    64.0 * (10.0 * float (3 * draw.Size) * 72.0 * subject.Epsilon + 1e-8) * euclid w

let laws (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let property name body = Subject.property subject 15 name body
    let solver = ConjugateGradientSolver<'V, 'S>(KrylovLaws.budget 120)
    let never () = space.Scalar 0.0

    testList
        $"Lemma 1, {subject.Name}"
        [
            property "Jw = (H+Λ)⁻¹Λw and Jᵀw = Λ(H+Λ)⁻¹w agree with dense matrices" (fun drawn ->
                let struct (random, regularizer, hessian, jacobians) = draw subject drawn
                let w = Subject.rows subject random drawn.Size
                let forward = ImplicitJacobian.Product(space, regularizer, hessian, solver, never (), subject.OfRows w)

                let backward =
                    ImplicitJacobian.TransposeProduct(space, regularizer, hessian, solver, never (), subject.OfRows w)

                let forwards, backwards = subject.ToRows forward.Product, subject.ToRows backward.Product

                for task in 0 .. subject.Tasks - 1 do
                    let j = jacobians[task]
                    Check.atMost (bound subject drawn w[task]) ((j * vector w[task] - vector forwards[task]).L2Norm()) $"Jw, task {task}"
                    let transposed = j.TransposeThisAndMultiply(vector w[task])
                    Check.atMost (bound subject drawn w[task]) ((transposed - vector backwards[task]).L2Norm()) $"Jᵀw, task {task}"

                for solve in [ forward.Solve; backward.Solve ] do
                    for s in solve.Read(space) do
                        Check.atMost (8.0 + 1.0 + 0.01) s.SmallestCurvature "smallest curvature"
                        Check.atMost (s.SmallestCurvature + 0.01) 0.125 "λ_min")

            property "⟨Jw, v⟩ = ⟨w, Jᵀv⟩" (fun drawn ->
                let struct (random, regularizer, hessian, _) = draw subject drawn
                let w, v = Subject.rows subject random drawn.Size, Subject.rows subject random drawn.Size
                let forward = ImplicitJacobian.Product(space, regularizer, hessian, solver, never (), subject.OfRows w)

                let backward =
                    ImplicitJacobian.TransposeProduct(space, regularizer, hessian, solver, never (), subject.OfRows v)

                let left = space.Read(space.Inner(forward.Product, subject.OfRows v))
                let right = space.Read(space.Inner(subject.OfRows w, backward.Product))

                for task in 0 .. subject.Tasks - 1 do
                    Check.near (2.0 * bound subject drawn w[task] * euclid v[task]) left[task] right[task] $"task {task}")

            property "the dense Jacobians are (H+Λ)⁻¹Λ, column by column" (fun drawn ->
                let struct (random, regularizer, hessian, jacobians) = draw subject drawn
                let like = subject.OfRows(Subject.rows subject random drawn.Size)
                let actual = ImplicitJacobian.Matrices(space, subject.Coordinates, regularizer, hessian, like)

                for task in 0 .. subject.Tasks - 1 do
                    let unit = Array.init drawn.Size (fun j -> if j = 0 then 1.0 else 0.0)
                    Check.atMost (bound subject drawn unit) ((actual[task] - jacobians[task]).L2Norm()) $"J, task {task}")

            property "an operator's dense matrices are its own" (fun drawn ->
                let random = Random drawn.Seed
                let matrices = Array.init subject.Tasks (fun _ -> Spectrum.gaussianMatrix random drawn.Size drawn.Size)
                let like = subject.OfRows(Subject.rows subject random drawn.Size)
                let actual = LinearOperator.Matrices(space, subject.Coordinates, (operator subject matrices), like)

                for task in 0 .. subject.Tasks - 1 do
                    // Not symmetric, so that rows are not taken for columns; one rounding an entry.
                    Check.atMost
                        (subject.Epsilon * matrices[task].FrobeniusNorm())
                        ((actual[task] - matrices[task]).FrobeniusNorm())
                        $"A, task {task}")

            property "an indefinite H + Λ is reported with the product" (fun drawn ->
                let struct (random, regularizer, _, _) = draw subject drawn

                let negative =
                    operator subject (Array.create subject.Tasks (-Matrix<float>.Build.DenseIdentity drawn.Size))

                let w = Subject.rows subject random drawn.Size

                for solver in [ solver :> ILinearSolver<'V, 'S>; DenseSolver subject.Coordinates ] do
                    let product =
                        ImplicitJacobian.TransposeProduct(space, regularizer, negative, solver, never (), subject.OfRows w)

                    for s in product.Solve.Read(space) do
                        s.Status |> should equal SolveStatus.NonPositiveCurvature
                        Check.near (20.0 * float drawn.Size * subject.Epsilon) -1.0 s.SmallestCurvature "smallest curvature")

            property "a product leaves nothing behind but itself and its report" (fun drawn ->
                match subject.Alive with
                | None -> ()
                | Some alive ->
                    let struct (random, regularizer, hessian, _) = draw subject drawn
                    let w = subject.OfRows(Subject.rows subject random drawn.Size)
                    let product = ImplicitJacobian.TransposeProduct(space, regularizer, hessian, solver, never (), w)
                    alive w |> should equal true
                    alive product.Product |> should equal true
                    alive product.Solve.Solution |> should equal true)
        ]
