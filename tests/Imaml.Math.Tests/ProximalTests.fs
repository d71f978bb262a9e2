/// Tasks with a scalar, a diagonal and a full Λ, and inner problems that are not convex.
module Imaml.Math.Tests.ProximalTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private property name body = Subject.property Subjects.euclidean 20 name body

/// The task of a family with a random diagonal, or a random full Λ in place of its λ, of about the same size.
let private variants (draw: Draw) =
    [
        for family in Family.all do
            let task = Family.task family draw.Seed
            let random = Random(draw.Seed + 7)
            let d = task.Theta.Count
            let lambda = (BilevelTask.constants task).LargestRegularization
            let spread = Spectrum.spread random d (lambda / 5.0) lambda

            { task with
                Proximal = Proximal.Diagonal(Vector<float>.Build.DenseOfArray spread)
            }

            { task with
                Proximal = Proximal.Matrix(Spectrum.symmetric random spread)
            }
    ]

let private near (expected: Vector<float>) (actual: Vector<float>) what =
    Check.atMost (1e-11 * (1e-3 + expected.L2Norm())) ((expected - actual).L2Norm()) what

let private shapes =
    testList
        "Shapes of Λ"
        [
            property "Lemma 1 holds for a diagonal and a full Λ" (fun draw ->
                for task in variants draw do
                    let phi = BilevelTask.exactSolution task task.Theta
                    let jacobian = BilevelTask.jacobian task phi
                    Check.atMost (ExactDifferences.jacobianMargin task phi jacobian) 0.0 "0 against the margin of the Jacobian"

                    let gradient = BilevelTask.exactMetaGradient task
                    let margin = ExactDifferences.metaGradientMargin (Random(draw.Seed + 1)) 0.0 gradient task
                    Check.atMost margin 0.0 "0 against the margin of the meta-gradient")

            property "λ, a constant diagonal and a multiple of the identity are the same Λ" (fun draw ->
                for family in Family.all do
                    let task = Family.task family draw.Seed
                    let d = task.Theta.Count
                    let lambda = (BilevelTask.constants task).LargestRegularization
                    let phi = BilevelTask.exactSolution task task.Theta

                    for other in
                        [
                            Proximal.Diagonal(Vector<float>.Build.Dense(d, lambda))
                            Proximal.Matrix(lambda * Matrix<float>.Build.DenseIdentity d)
                        ] do
                        let same = { task with Proximal = other }
                        near phi (BilevelTask.exactSolution same same.Theta) "solution"
                        near (BilevelTask.exactMetaGradient task) (BilevelTask.exactMetaGradient same) "meta-gradient"
                        let c, expected = BilevelTask.constants same, BilevelTask.constants task
                        // The bounds on a matrix's eigenvalues leave d roundings of ‖Λ‖_F = √dλ on either side.
                        let room = float task.Theta.Count ** 1.5 * 2.0 ** -49.0 * lambda
                        Check.near room expected.StrongConvexity c.StrongConvexity "µ"
                        Check.near room expected.Smoothness c.Smoothness "β"
                        Check.near room lambda c.LargestRegularization "‖Λ‖"
                        Check.atMost expected.StrongConvexity c.StrongConvexity "µ"
                        Check.atMost c.Smoothness expected.Smoothness "β")

            property "its gradient is that of L(Alg*(θ)) by Λ" (fun draw ->
                // On quadratics. Along Λ + hE, φ(h) − φ* = Σₖ (−hM⁻¹E)ᵏ(φ* − θ): with q = ‖E‖/µ and D = ‖φ* − θ‖ the k-th coefficient is at
                // most qᵏD, so a central difference of L errs by h²(‖v‖q³D + Lq³D²) and terms smaller by hq, which are below a half.
                let random = Random draw.Seed

                for task in Family.task Quadratics draw.Seed :: List.truncate 2 (variants draw) do
                    let d = task.Theta.Count
                    let c = BilevelTask.constants task
                    let phi = BilevelTask.exactSolution task task.Theta
                    let u = BilevelTask.adjoint task phi

                    let symmetric =
                        let m = Spectrum.gaussianMatrix random d d
                        m + m.Transpose()

                    let diagonal = Spectrum.gaussian random d

                    let struct (direction, shifted, slope) =
                        match task.Proximal, BilevelTask.regularizerGradient task phi u with
                        | Proximal.Scalar lambda, ProximalGradient.Scalar g ->
                            struct (Matrix<float>.Build.DenseIdentity d, (fun h -> Proximal.Scalar(lambda + h)), g)
                        | Proximal.Diagonal lambdas, ProximalGradient.Diagonal g ->
                            struct (Matrix<float>.Build.DenseOfDiagonalVector diagonal,
                                    (fun h -> Proximal.Diagonal(lambdas + h * diagonal)),
                                    g.DotProduct diagonal)
                        | Proximal.Matrix matrix, ProximalGradient.Matrix g ->
                            g.IsSymmetric() |> should equal true

                            struct (symmetric,
                                    (fun h -> Proximal.Matrix(matrix + h * symmetric)),
                                    (g.PointwiseMultiply symmetric).RowSums().Sum())
                        | _ -> failtest "the gradient has another shape than Λ"

                    let q = direction.FrobeniusNorm() / c.StrongConvexity
                    let h = 1e-4 / q

                    let value h =
                        let other = { task with Proximal = shifted h }
                        other.Outer.Value(BilevelTask.exactSolution other other.Theta)

                    let measured = (value h - value -h) / (2.0 * h)
                    let v = (task.Outer.Gradient phi).L2Norm()
                    let distance = (phi - task.Theta).L2Norm()
                    let truncation = 2.0 * h * h * q ** 3.0 * distance * (v + c.OuterSmoothness * distance)
                    // The solution rounds by κ, the value by its terms, both some d times.
                    let size = (phi.L2Norm() + task.Theta.L2Norm()) * (v + c.OuterSmoothness * phi.L2Norm())
                    let rounding = 10.0 * float (d + 10) * c.Condition * Rounding.unit * size / h
                    Check.near (truncation + rounding) measured slope "dL/dΛ along a direction")

            property "and the core's regulariser has the same action and gradient" (fun draw ->
                for task in variants draw do
                    let space = EuclideanSpace()
                    let random = Random draw.Seed
                    let w, u = Spectrum.gaussian random task.Theta.Count, Spectrum.gaussian random task.Theta.Count
                    let regularizer = Proximal.regularizer task.Proximal
                    near (Proximal.apply task.Proximal w) (regularizer.Apply(space, w)) "Λw"
                    near (Proximal.dense w.Count task.Proximal * w) (regularizer.Apply(space, w)) "dense Λ times w"

                    match regularizer, Proximal.gradient task.Proximal w u with
                    | :? ILearnableRegularizer<Vector<float>, float, Vector<float>> as r, ProximalGradient.Diagonal g ->
                        near (r.ParameterGradient(space, w, u)) g "diagonal"
                    | :? ILearnableRegularizer<Vector<float>, float, Matrix<float>> as r, ProximalGradient.Matrix g ->
                        near ((r.ParameterGradient(space, w, u)).Row 0) (g.Row 0) "matrix"
                    | _ -> failtest "another shape")

            testCase "a Λ that is none is refused" (fun () ->
                let loss = Quadratic.random (Random 1) 2 2.0
                let theta = Vector<float>.Build.Dense 2
                let rows (rows: float[] list) = Matrix<float>.Build.DenseOfRowArrays rows
                let refused body = body |> should throw typeof<ArgumentException>
                let refusedProximal proximal = refused (fun () -> BilevelTask.create loss loss proximal theta |> ignore)

                for lambda in [ 0.0; -1.0; nan; infinity ] do
                    refusedProximal (Proximal.Scalar lambda)
                    refusedProximal (Proximal.Diagonal(Vector<float>.Build.DenseOfArray [| 1.0; lambda |]))

                refusedProximal (Proximal.Diagonal(Vector<float>.Build.Dense(3, 1.0)))
                refusedProximal (Proximal.Matrix(rows [ [| 1.0; 0.5 |]; [| 0.4; 1.0 |] ]))
                refusedProximal (Proximal.Matrix(rows [ [| 1.0; 2.0 |]; [| 2.0; 1.0 |] ]))
                // Singular: not positive definite to rounding.
                refusedProximal (Proximal.Matrix(rows [ [| 1.0; 1.0 |]; [| 1.0; 1.0 |] ]))
                refusedProximal (Proximal.Matrix(Matrix<float>.Build.DenseIdentity 3))
                refused (fun () -> BilevelTask.create loss loss (Proximal.Scalar 1.0) (Vector<float>.Build.Dense 3) |> ignore)
                refused (fun () -> BilevelTask.create loss loss (Proximal.Scalar 1.0) (Vector<float>.Build.Dense(2, nan)) |> ignore)

                (BilevelTask.create loss loss (Proximal.Matrix(rows [ [| 2.0; 1.0 |]; [| 1.0; 2.0 |] ])) theta).Theta
                |> should equal theta)
        ]

let private indefinite lambda =
    let a = Matrix<float>.Build.DenseOfDiagonalArray [| 3.0; -1.0 |]
    let b = Vector<float>.Build.DenseOfArray [| 1.0; -2.0 |]
    let theta = Vector<float>.Build.DenseOfArray [| 0.5; -1.0 |]
    BilevelTask.create (Quadratic.loss a b 0.0) (Quadratic.random (Random 2) 2 3.0) (Proximal.Scalar lambda) theta

let private perceptron seed activation =
    let random = Random seed
    let layers = [| 2; 4; 2 |]
    let x n = Spectrum.gaussianMatrix random n 2

    let label (x: Matrix<float>) =
        (x.Column 0).PointwiseMultiply(x.Column 1).Map((fun z -> if z > 0.0 then 1.0 else 0.0), Zeros.Include)

    let examples n =
        let x = x n
        MultilayerPerceptron.loss layers activation OutputLoss.CrossEntropy x ((label x).ToColumnMatrix())

    BilevelTask.create
        (examples 20)
        (examples 10)
        (Proximal.Scalar 0.02)
        (Spectrum.gaussian random (MultilayerPerceptron.parameterCount layers))

let private nonConvex =
    testList
        "Inner problems that are not convex"
        [
            testCase "an indefinite L̂ with H + Λ positive definite has a certified solution" (fun () ->
                let task = indefinite 2.0
                let c = BilevelTask.constants task
                c.Kind |> should equal BoundKind.Certified
                c.StrongConvexity |> should equal 1.0
                c.Smoothness |> should equal 5.0
                let phi = BilevelTask.exactSolution task task.Theta
                // (a + λ)φ = λθ − b: 5φ₁ = 0, 1φ₂ = 0.
                Check.atMost 1e-15 (phi.L2Norm()) "φ*"
                (Stationarity.at task task.Theta phi).IsMinimum |> should equal true
                // Elsewhere it is neither.
                (Stationarity.at task task.Theta task.Theta).IsStationary |> should equal false)

            testCase "where H + Λ is indefinite there is no bound and no minimum" (fun () ->
                let task = indefinite 0.5
                (BilevelTask.constants task).Kind |> should equal BoundKind.None
                (BilevelTask.constants task).StrongConvexity |> should be (lessThan 0.0)
                let phi = BilevelTask.exactSolution task task.Theta
                (Stationarity.at task task.Theta phi).IsMinimum |> should equal false
                // The saddle is stationary: (3.5, −0.5)φ = λθ − b = (−0.75, 1.5).
                let saddle = Vector<float>.Build.DenseOfArray [| -0.75 / 3.5; -3.0 |]
                let here = Stationarity.at task task.Theta saddle
                here.IsStationary |> should equal true
                here.IsMinimum |> should equal false
                here.SmallestCurvature |> should equal -0.5
                // There the dense solve still says what (H + Λ)⁻¹v is.
                let u = BilevelTask.adjoint task saddle
                let residual = BilevelTask.shiftedHessian task saddle * u - task.Outer.Gradient saddle
                Check.atMost 1e-14 (residual.L2Norm()) "‖(H + Λ)u − v‖")

            for activation in [ Activation.Tanh; Activation.Softplus; Activation.Identity ] do
                testCase $"a network's inner problem is solved to rounding, {activation}" (fun () ->
                    for seed in 1..10 do
                        let task = perceptron seed activation
                        let phi = BilevelTask.exactSolution task task.Theta
                        let found = Stationarity.at task task.Theta phi
                        Check.atMost found.RoundingLevel found.GradientNorm $"‖∇G‖, seed {seed}"
                        // The level is an estimate: it must be small all the same.
                        Check.atMost 1e-11 found.RoundingLevel "the level of rounding"
                        found.IsMinimum |> should equal true

                        let start = BilevelTask.innerObjective task task.Theta task.Theta
                        BilevelTask.innerObjective task task.Theta phi |> should be (lessThan start))

            testCase "the implicit gradient of a network agrees with differences of L(Alg*(θ))" (fun () ->
                for seed in 1..5 do
                    let task = perceptron seed Activation.Tanh
                    let g = BilevelTask.exactMetaGradient task
                    let w = Spectrum.direction (Random seed) task.Theta.Count
                    let phi = BilevelTask.exactSolution task task.Theta

                    // From φ*, so that both sides follow the same branch of solutions.
                    let value h =
                        let theta = task.Theta + h * w
                        let near = BilevelTask.exactSolutionFrom phi task theta
                        // The move is of the order of h: the same minimum.
                        Check.atMost (1e3 * abs h) ((near - phi).L2Norm()) "the solution's move"
                        task.Outer.Value near

                    let central h = (value h - value -h) / (2.0 * h)
                    let h = 1e-4
                    let fine = central (h / 2.0)
                    // The leading error of the finer difference is a third of this; values round by some 10⁻¹⁴ over h.
                    let tolerance = abs (central h - fine) + 1e-13 / h
                    Check.near tolerance fine (g.DotProduct w) $"seed {seed}")

            testCase "what is known of one loss alone makes no certificate" (fun () ->
                let task = perceptron 1 Activation.Tanh
                (BilevelTask.constants task).Kind |> should equal BoundKind.None

                let known = Quadratic.random (Random 3) task.Theta.Count 10.0
                (BilevelTask.constants { task with Inner = known }).Kind |> should equal BoundKind.None

                (BilevelTask.constants
                    { task with
                        Inner = known
                        Outer = known
                    })
                    .Kind
                |> should equal BoundKind.Certified)
        ]

[<Tests>]
let tests = testList "Theory" [ shapes; nonConvex ]
