// Lemma 1 (6): dAlg*/dθ = (I + H(φ*)/λ)⁻¹; in general (H + Λ)⁻¹Λ. What is checked is the library's ImplicitJacobian, as an operator, as its
// transpose and as a matrix, for every kind of Λ, against the dense inverse and against differences of the exact inner solution.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Lemma1 =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>
    let private coordinates = EuclideanCoordinates() :> ICoordinates<Vector<float>>

    /// A task with its Λ as the library sees it: λI, diagonal or full, and for every fourth seed one λ for each of two layers.
    let private drawn family (seed: int) =
        let task: BilevelTask = Family.regularized family seed
        let d = task.Theta.Count

        if seed % 4 <> 0 then
            struct (task, Proximal.regularizer task.Proximal)
        else
            let random = Random(seed + 2)
            let struct (lambda, _) = Proximal.enclosure task.Proximal
            let lambdas = [| lambda; lambda * 10.0 ** random.NextDouble() |]
            let border = random.Next(0, d + 1)
            let mask layer = Vector<float>.Build.Dense(d, fun j -> if (j < border) = (layer = 0) then 1.0 else 0.0)
            let diagonal = Vector<float>.Build.Dense(d, fun j -> if j < border then lambdas[0] else lambdas[1])

            struct ({ task with
                        Proximal = Proximal.Diagonal diagonal
                    },
                    LayerwiseRegularizer(coordinates, [| mask 0; mask 1 |], lambdas) :> IRegularizer<_, _>)

    let private hessian (task: BilevelTask) regularizer phi =
        LinearOperator.Of(fun w ->
            use linearization = (BilevelTask.problem task).LinearizeInner phi
            InnerObjective.hessianProduct space regularizer linearization w)

    let private matrix task regularizer phi =
        ImplicitJacobian.Matrices(space, coordinates, regularizer, hessian task regularizer phi, phi)
        |> Array.exactlyOne

    /// What J may err by, as the library and as the oracle compute it: solutions with matrices that differ from H + Λ by their products'
    /// rounding and by that of the factorisation, ten times d² roundings of β.
    let private rounding (task: BilevelTask) (phi: Vector<float>) =
        let c = BilevelTask.constants task
        let d = float phi.Count

        let matrix =
            20.0 * d * d * Rounding.unit * c.Smoothness + 2.0 * sqrt d * c.ProductRounding.At(phi.L2Norm())

        matrix / c.StrongConvexity * c.Contraction

    let private inverse (task: BilevelTask) phi =
        (BilevelTask.shiftedHessian task phi).Inverse() * Proximal.dense task.Theta.Count task.Proximal

    let private matrixMargin family seed =
        let struct (task, regularizer) = drawn family seed
        let phi = BilevelTask.exactSolution task task.Theta
        Claim.margin ((matrix task regularizer phi - inverse task phi).FrobeniusNorm()) (rounding task phi)

    /// Jw or Jᵀw, solved to a residual of 10⁻⁶ to 10⁻² of the right-hand side, against the dense inverse.
    let private productMargin transpose family seed =
        let struct (task, regularizer) = drawn family seed
        let random = Random(seed + 3)
        let c = BilevelTask.constants task
        let phi = BilevelTask.exactSolution task task.Theta
        let w = Spectrum.gaussian random phi.Count
        let b = if transpose then w else Proximal.apply task.Proximal w
        let residual = b.L2Norm() * 10.0 ** (-2.0 - 4.0 * random.NextDouble())

        let solver =
            ConjugateGradientSolver
                { LinearSolveOptions.ToTolerance(100 + 20 * phi.Count, 0.0) with
                    RecomputeResidual = true
                }

        let h = hessian task regularizer phi

        let struct (result, exact, factor) =
            if transpose then
                struct (ImplicitJacobian.TransposeProduct(space, regularizer, h, solver, residual, w),
                        (inverse task phi).TransposeThisAndMultiply w,
                        c.Contraction)
            else
                struct (ImplicitJacobian.Product(space, regularizer, h, solver, residual, w), inverse task phi * w, 1.0 / c.StrongConvexity)

        Claim.margin ((result.Product - exact).L2Norm()) (factor * residual + rounding task phi * w.L2Norm())

    let private differenceMargin family seed =
        let struct (task, regularizer) = drawn family seed
        let phi = BilevelTask.exactSolution task task.Theta
        ExactDifferences.jacobianMargin task phi (matrix task regularizer phi)

    /// J at φ = θ in place of Alg*(θ).
    let private elsewhereMargin family seed =
        let struct (task, regularizer) = drawn family seed
        let phi = BilevelTask.exactSolution task task.Theta
        ExactDifferences.jacobianMargin task phi (matrix task regularizer task.Theta)

    /// Jw at a local minimum of G, on a network that λ = 0.02 leaves without strong convexity, against differences of the minimum that
    /// Newton's method finds from there. The difference of step h/2 errs by about a third of what it differs from that of h, and by the
    /// solutions' errors over h/2.
    let private localMargin (seed: int) =
        let random = Random seed
        let layers = [| 2; 4; 2 |]
        let x = 3.0 * Spectrum.gaussianMatrix random 6 2
        let labels = Matrix<float>.Build.Dense(6, 1, fun _ _ -> float (random.Next 2))
        let network = MultilayerPerceptron.loss layers Activation.Tanh OutputLoss.CrossEntropy x labels

        let task =
            BilevelTask.create network network (Proximal.Scalar 0.02) (Spectrum.gaussian random network.Dimension)

        let phi = BilevelTask.exactSolution task task.Theta
        let struct (smallest, _) = Spectrum.ends (BilevelTask.shiftedHessian task phi)
        let direction = Spectrum.direction random network.Dimension
        let solution distance = BilevelTask.exactSolutionFrom phi task (task.Theta + distance * direction)
        let h = 1e-3 * smallest
        let central h = (solution h - solution -h) / (2.0 * h)
        let coarse, fine = central h, central (h / 2.0)
        let product = matrix task (Proximal.regularizer task.Proximal) phi * direction
        let rounding = 1e3 * Rounding.unit * (1.0 + phi.L2Norm()) / smallest / h
        Claim.margin ((fine - product).L2Norm()) ((coarse - fine).L2Norm() + rounding)

    /// J at the end of 16 gradient steps on L̂ alone, from θ, against differences of where they end.
    let private withoutTermMargin family seed =
        let struct (task, regularizer) = drawn family seed
        let step = 1.0 / (BilevelTask.constants task).Smoothness

        let descend theta = Seq.fold (fun phi _ -> phi - step * task.Inner.Gradient phi) theta (seq { 1..16 })

        let random = Random(seed + 4)
        let direction = Spectrum.direction random task.Theta.Count
        let h = 1e-4

        let difference =
            (descend (task.Theta + h * direction) - descend (task.Theta - h * direction)) / (2.0 * h)

        let product = matrix task regularizer (descend task.Theta) * direction
        // Twice 10⁻³ is far above what the difference errs by, and far below J.
        Claim.margin ((difference - product).L2Norm()) (2e-3 * (1.0 + product.L2Norm()))

    let private lipschitz (task: BilevelTask) (distance: float) (random: Random) =
        let other = task.Theta + distance * Spectrum.direction random task.Theta.Count
        let here = BilevelTask.exactSolution task task.Theta
        let there = BilevelTask.exactSolution task other

        let errors =
            ExactDifferences.solutionError task task.Theta here
            + ExactDifferences.solutionError task other there

        struct ((here - there).L2Norm(), (BilevelTask.constants task).Contraction * (task.Theta - other).L2Norm(), errors)

    let private lipschitzMargin family seed =
        let random = Random(seed + 1)
        let distance = min (10.0 ** (3.0 * random.NextDouble() - 2.0)) (Family.reach family)
        let struct (measured, bound, errors) = lipschitz (Family.regularized family seed) distance random
        Claim.margin measured (bound + errors)

    /// One parameter and constant curvature.
    let private scalar seed =
        let random = Random(seed: int)
        let magnitude () = 10.0 ** (2.0 * random.NextDouble() - 1.0)
        let one (value: float) = Vector<float>.Build.Dense(1, value)
        let quadratic () = Quadratic.loss (Matrix<float>.Build.Dense(1, 1, magnitude ())) (one (magnitude ())) 0.0
        BilevelTask.create (quadratic ()) (quadratic ()) (Proximal.Scalar(magnitude ())) (one (magnitude ()))

    let private scalarMargin seed =
        let struct (measured, bound, errors) = lipschitz (scalar seed) 1.0 (Random(seed + 1))
        Claim.margin measured (bound + errors)

    let private attainedMargin seed =
        let struct (measured, bound, errors) = lipschitz (scalar seed) 1.0 (Random(seed + 1))
        Claim.margin (0.999 * bound) (measured + errors)

    let private claim statement measured bound instances violations : Claim =
        Claim.create
            "Lemma 1"
            statement
            "G is µ-strongly convex, L̂ three times differentiable"
            (Instances.names Family.withNetworks + "; Λ = λI, diagonal, layerwise and full")
            measured
            bound
            instances
            violations

    let private few families margin = Instances.each 1000 families (Instances.count 10 100) margin

    /// Lemma 1 by its three members, and Alg* being (‖Λ‖/µ)-Lipschitz.
    let claims: Claim list =
        let each first margin = Instances.each first Family.withNetworks (Instances.count 40 400) margin
        let scalars margin = Instances.numbered 3500 (Instances.count 20 200) margin

        [
            claim "the matrix is (H+Λ)⁻¹Λ by the dense inverse" "‖J − (H+Λ)⁻¹Λ‖" "rounding of both" (each 500 matrixMargin) [||]
            claim
                "Jw = (H+Λ)⁻¹Λw, solved to the residual asked for"
                "‖Jw − (H+Λ)⁻¹Λw‖"
                "‖r‖/µ, and rounding"
                (each 600 (productMargin false))
                [||]
            claim
                "Jᵀw = Λ(H+Λ)⁻¹w, solved to the residual asked for"
                "‖Jᵀw − Λ(H+Λ)⁻¹w‖"
                "(‖Λ‖/µ)‖r‖, and rounding"
                (each 700 (productMargin true))
                [||]
            claim
                "(H+Λ)⁻¹Λ agrees with finite differences of the exact inner solution"
                "the worst column of the Jacobian less its central difference"
                "the truncation error of the difference, and the error of each solution"
                (each 1000 differenceMargin)
                [|
                    Violation.breaks "φ = Alg*(θ): taken at φ = θ, where H varies" (few [ LogisticRegressions; Networks ] elsewhereMargin)
                    Violation.survives
                        "φ = Alg*(θ): taken at φ = θ, where H is constant"
                        (few [ Quadratics; LinearRegressions ] elsewhereMargin)
                    Violation.survives
                        "G is strongly convex: only near φ*, a network with λ = 0.02"
                        (Instances.numbered 1 (Instances.count 20 200) localMargin)
                    Violation.breaks "Alg minimises G: the proximal term left out of the inner steps" (few Family.all withoutTermMargin)
                |]
            { claim
                  "Alg* is (‖Λ‖/µ)-Lipschitz"
                  "‖Alg*(θ) − Alg*(θ′)‖"
                  "(‖Λ‖/µ)‖θ − θ′‖"
                  (each 3000 lipschitzMargin |> Instances.andThen (scalars scalarMargin))
                  [||] with
                Hypotheses = "G is µ-strongly convex"
            }
            { claim "no smaller constant than ‖Λ‖/µ will do" "0.999(‖Λ‖/µ)|θ − θ′|" "|Alg*(θ) − Alg*(θ′)|" (scalars attainedMargin) [||] with
                Hypotheses = "G is µ-strongly convex"
                Families = "quadratics of one parameter"
            }
        ]
