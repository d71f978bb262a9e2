/// Λ in double precision: the full matrix, and the gradients in Λ against differences of L(Alg*(θ; Λ)).
module Imaml.Math.Tests.RegularizerTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private space = EuclideanSpace()
let private property name body = Subject.property Subjects.euclidean 20 name body
let private identity d = Matrix<float>.Build.DenseIdentity d
let private diagonal (values: Vector<float>) = Matrix<float>.Build.DenseOfDiagonalVector values

/// The slope of t ↦ L(Alg*(θ; Λ + tE)) at 0, ‖E‖ = 1, against a central difference of exact inner solutions.
///
/// With w = φ − θ and M = H + Λ, differentiating ∇L̂(φ) + Λ(t)w = 0 gives φ′ = −M⁻¹Ew, φ″ = −M⁻¹(M′ + E)φ′ and
/// φ‴ = −M⁻¹[(2M′ + E)φ″ + M″φ′], M′ = H′[φ′] + E, M″ = H″[φ′, φ′] + H′[φ″]: bounded by the Lipschitz constants ρ of H and τ of H′.
/// The difference errs by h²/6 of L‴ = L‴[φ′, φ′, φ′] + 3L″[φ″, φ′] + L′[φ‴], and by the error of each value over h.
let private checkSlope (task: BilevelTask) (e: Matrix<float>) (slope: float) what =
    let c = BilevelTask.constants task
    let mu, rho, smooth = c.StrongConvexity, c.HessianLipschitz, c.OuterSmoothness
    let d = task.Theta.Count
    // µ and ‖w‖ change by less than a thousandth within h, and no term has more than eight of them: 1 % more than covers it.
    let h = 1e-4 * min 1.0 mu
    let lambda = Proximal.dense d task.Proximal

    // ‖∇G‖/µ, with the rounding of ∇L̂ and of Λw.
    let solve t =
        let other =
            { task with
                Proximal = Proximal.Matrix(lambda + t * e)
            }

        let phi = BilevelTask.exactSolution other other.Theta
        let size = phi.L2Norm() + task.Theta.L2Norm()

        let rounding =
            task.Inner.GradientRounding.At(phi.L2Norm())
            + float (4 * d + 20) * Rounding.unit * c.LargestRegularization * size

        struct (phi, 1.01 * ((BilevelTask.innerGradient other other.Theta phi).L2Norm() + rounding) / mu)

    let struct (phi, error) = solve 0.0
    let w = (phi - task.Theta).L2Norm()
    let v = (task.Outer.Gradient phi).L2Norm()
    let first = w / mu
    let change = rho * first + 1.0
    let second = (change + 1.0) * first / mu

    let third =
        ((2.0 * change + 1.0) * second
         + (task.Inner.ThirdDerivativeLipschitz * first * first + rho * second) * first)
        / mu

    let thirdOfL =
        1.01
        * (task.Outer.HessianLipschitz * first ** 3.0
           + 3.0 * smooth * second * first
           + (v + smooth * h * first) * third)

    let value t =
        let struct (phi, error) = solve t
        let loss = task.Outer.Value phi
        // The terms of L's value are at most this large, and each of its roundings is relative to them.
        let terms = abs loss + (2.0 * smooth * phi.L2Norm() + 2.0 * v) * phi.L2Norm()
        struct (loss, float (8 * d + 240) * Rounding.unit * terms + 1.01 * v * error + smooth * error * error)

    let struct (above, errorAbove) = value h
    let struct (below, errorBelow) = value -h
    // −⟨u, Ew⟩ moves with φ by its error, and u = M⁻¹v rounds by dκ.
    let u = (BilevelTask.adjoint task phi).L2Norm()

    let own =
        (smooth + rho * u) / mu * error * w
        + u * error
        + float (10 * d) * c.Condition * Rounding.unit * u * w

    Check.near (h * h / 6.0 * thirdOfL + (errorAbove + errorBelow) / (2.0 * h) + own) ((above - below) / (2.0 * h)) slope what

/// φ* − θ and u = (H+Λ)⁻¹∇L(φ*).
let private pair (task: BilevelTask) =
    let phi = BilevelTask.exactSolution task task.Theta
    struct (phi - task.Theta, BilevelTask.adjoint task phi)

/// Numbers from −1 to 1, one of them ±1.
let private weights (random: Random) n =
    let weights = Spectrum.gaussian random n
    weights / weights.AbsoluteMaximum()

let private gradients =
    testList
        "the gradient in Λ agrees with differences of L(Alg*(θ; Λ))"
        [
            for family in [ Quadratics; LogisticRegressions ] do
                let name = Family.name family

                let prepared (draw: Draw) =
                    let random = Random(draw.Seed + 3)
                    let task = Family.task family draw.Seed
                    let lambda = (BilevelTask.constants task).LargestRegularization
                    struct (random, task, lambda, task.Theta.Count)

                property $"scalar, {name}" (fun draw ->
                    let struct (_, task, lambda, d) = prepared draw
                    let struct (w, u) = pair task
                    let regularizer: ILearnableRegularizer<_, _, _> = ScalarRegularizer<Vector<float>, float> lambda
                    checkSlope task (identity d) (regularizer.ParameterGradient(space, w, u)) "dL/dλ")

                property $"diagonal, {name}" (fun draw ->
                    let struct (random, task, lambda, d) = prepared draw
                    let values = Vector<float>.Build.DenseOfArray(Spectrum.spread random d (lambda / 5.0) lambda)

                    let task =
                        { task with
                            Proximal = Proximal.Diagonal values
                        }

                    let struct (w, u) = pair task

                    let regularizer: ILearnableRegularizer<_, _, _> =
                        DiagonalRegularizer<_, float>(EuclideanCoordinates(), values)

                    let direction = weights random d
                    checkSlope task (diagonal direction) ((regularizer.ParameterGradient(space, w, u)).DotProduct direction) "dL/dλⱼ")

                property $"layerwise, {name}" (fun draw ->
                    let struct (random, task, lambda, d) = prepared draw
                    let layers = min d 3
                    let values = Spectrum.spread random layers (lambda / 5.0) lambda

                    let regularizer: ILearnableRegularizer<_, _, _> =
                        LayerwiseRegularizer<_, float>(EuclideanCoordinates(), RegularizerLaws.masks Subjects.euclidean layers d, values)

                    let whole (perLayer: float[]) = Vector<float>.Build.Dense(d, (fun j -> perLayer[j % layers]))

                    let task =
                        { task with
                            Proximal = Proximal.Diagonal(whole values)
                        }

                    let struct (w, u) = pair task
                    let direction = (weights random layers).ToArray()

                    let slope =
                        Array.fold2 (fun sum g e -> sum + g * e) 0.0 (regularizer.ParameterGradient(space, w, u)) direction

                    checkSlope task (diagonal (whole direction)) slope "dL/dλₗ")

                property $"full matrix, {name}" (fun draw ->
                    let struct (random, task, lambda, d) = prepared draw
                    let matrix = Spectrum.symmetric random (Spectrum.spread random d (lambda / 5.0) lambda)

                    let task =
                        { task with
                            Proximal = Proximal.Matrix matrix
                        }

                    let struct (w, u) = pair task
                    let regularizer: ILearnableRegularizer<_, _, _> = MatrixRegularizer matrix
                    let g = regularizer.ParameterGradient(space, w, u)
                    g.IsSymmetric() |> should equal true
                    let direction = Spectrum.symmetric random ((weights random d).ToArray())
                    checkSlope task direction ((g.PointwiseMultiply direction).RowSums().Sum()) "dL/dΛ")
        ]

let private matrices =
    testList
        "a full Λ"
        [
            property "its action is Λw, its inverse undoes it, and its bounds enclose its eigenvalues" (fun draw ->
                let random = Random draw.Seed
                let values = Spectrum.spread random draw.Size (1.0 / draw.Condition) 1.0
                let matrix = Spectrum.symmetric random values
                let regularizer = MatrixRegularizer matrix :> IRegularizer<_, _>
                let w = Spectrum.gaussian random draw.Size
                regularizer.Apply(space, w) |> should equal (matrix * w)
                let rounding = 10.0 * float draw.Size * draw.Condition * 2.0 ** -52.0 * w.L2Norm()
                Check.atMost rounding ((regularizer.ApplyInverse(space, matrix * w) - w).L2Norm()) "Λ⁻¹Λw"
                Check.atMost (Array.min values) regularizer.SmallestEigenvalue "λ_min"
                Check.atMost regularizer.LargestEigenvalue (Array.max values) "λ_max"
                // And no further off than rounding.
                let slack = 10.0 * float (draw.Size * draw.Size) * 2.0 ** -50.0
                Check.near slack (Array.min values) regularizer.SmallestEigenvalue "λ_min"
                Check.near slack (Array.max values) regularizer.LargestEigenvalue "λ_max")

            property "a multiple of the identity is the scalar" (fun draw ->
                let random = Random draw.Seed
                let lambda = 0.1 + random.NextDouble()
                let w, u = Spectrum.gaussian random draw.Size, Spectrum.gaussian random draw.Size
                let scalar: ILearnableRegularizer<_, _, _> = ScalarRegularizer<Vector<float>, float> lambda
                let matrix: ILearnableRegularizer<_, _, _> = MatrixRegularizer(lambda * identity draw.Size)

                let near expected actual what =
                    Check.atMost (4.0 * 2.0 ** -52.0 * w.L2Norm() / lambda) ((expected - actual: Vector<float>).L2Norm()) what

                near (scalar.Apply(space, w)) (matrix.Apply(space, w)) "Λw"
                near (scalar.ApplyInverse(space, w)) (matrix.ApplyInverse(space, w)) "Λ⁻¹w"
                // The trace of the gradient is the slope along the identity.
                let slope = scalar.ParameterGradient(space, w, u)
                let rounding = float (draw.Size + 2) * 2.0 ** -52.0 * w.L2Norm() * u.L2Norm()
                Check.near rounding slope ((matrix.ParameterGradient(space, w, u)).Trace()) "dL/dλ")

            testCase "a Λ that is not symmetric and positive definite is refused with the rule" (fun () ->
                let refused rule (rows: float[] list) =
                    let message =
                        try
                            MatrixRegularizer(Matrix<float>.Build.DenseOfRowArrays rows) |> ignore
                            "accepted"
                        with :? ArgumentException as e ->
                            e.Message

                    message |> should haveSubstring rule

                refused "Λ must be symmetric" [ [| 1.0; 0.5 |]; [| 0.4; 1.0 |] ]
                refused "Λ must be symmetric" [ [| 1.0; 0.5; 0.0 |]; [| 0.5; 1.0; 0.0 |] ]
                refused "λ must be positive and finite, not 0" [ [| 1.0; 0.0 |]; [| 0.0; 0.0 |] ]
                refused "λ must be positive and finite, not -1" [ [| -1.0; 0.0 |]; [| 0.0; 1.0 |] ]
                refused "Λ must be positive definite; its smallest eigenvalue is -" [ [| 0.5; 1.0 |]; [| 1.0; 0.5 |] ]

                for bad in [ nan; infinity; -infinity; 1e151 ] do
                    let rule = $"the entries of Λ must be finite and at most 1e150 in size, not {bad}"
                    refused rule [ [| 1.0; bad |]; [| bad; 1.0 |] ]
                    refused rule [ [| bad; 0.0 |]; [| 0.0; 1.0 |] ]

                // Singular: not positive definite to rounding.
                refused "Λ must be positive definite" [ [| 1.0; 1.0 |]; [| 1.0; 1.0 |] ])
        ]

/// Least squares with fewer examples than parameters, where H has a null space, and Λ as small as it likes. The oracle is the dual, which does
/// not cancel: with K = I + XΛ⁻¹Xᵀ/n, φ* − θ = −Λ⁻¹Xᵀ K⁻¹(Xθ − y)/n and u = Λ⁻¹v − Λ⁻¹Xᵀ K⁻¹ XΛ⁻¹v/n; for Λ = λI once more,
/// dL/dλ = vᵀXᵀ(XXᵀ/n + λ)⁻²(Xθ − y)/n.
let private smallLambda =
    let instance (draw: Draw) =
        let random = Random draw.Seed
        let d = 2 + draw.Size
        let n = 1 + random.Next(0, d - 1)
        let x = Spectrum.gaussianMatrix random n d
        let y, theta = Spectrum.gaussian random n, Spectrum.gaussian random d
        let outer = LinearRegression.loss (Spectrum.gaussianMatrix random 2 d) (Spectrum.gaussian random 2)
        struct (random, x, y, theta, outer)

    let exactly (x: Matrix<float>) (y: Vector<float>) (theta: Vector<float>) (outer: SmoothLoss) (inverse: Vector<float> -> Vector<float>) =
        let n = float x.RowCount
        let columns = Matrix<float>.Build.DenseOfColumnVectors(x.EnumerateRows() |> Seq.map inverse)
        let k = identity x.RowCount + x * columns / n
        let w = -columns * k.Solve(x * theta - y) / n
        let v = outer.Gradient(theta + w)
        let u = inverse v - columns * k.Solve(x * inverse v) / n
        struct (w, u, v)

    let refined (regularizer: ILearnableRegularizer<_, _, 'P>) (inner: SmoothLoss) outer proximal theta (solver: ILinearSolver<_, _>) =
        let task = BilevelTask.create inner outer proximal theta
        let problem = BilevelTask.problem task

        let result =
            ImplicitMetaGradient.Compute(space, regularizer, problem, ExactInnerSolver(EuclideanCoordinates(), 100), solver, theta)

        RegularizerGradient.Refined(space, regularizer, problem, solver, result, theta), task, result

    let solvers steps : (string * ILinearSolver<Vector<float>, float>) list =
        [
            "dense", DenseSolver(EuclideanCoordinates())
            "conjugate gradients", ConjugateGradientSolver(LinearSolveOptions.ToTolerance(steps, 1e-14))
            "MINRES", MinresSolver(LinearSolveOptions.ToTolerance(steps, 1e-14))
        ]

    testList
        "at a small λ"
        [
            testCase "the example in three dimensions" (fun () ->
                // X = [1 1 1], y = 1, λ = 10⁻¹⁰; L = ½(φ₁ − 2)². dL/dλ = −(φ*)ᵀu = (5/3)(1/9) + O(λ).
                let x = Matrix<float>.Build.DenseOfArray(array2D [ [ 1.0; 1.0; 1.0 ] ])
                let z = Matrix<float>.Build.DenseOfArray(array2D [ [ 1.0; 0.0; 0.0 ] ])
                let ofOne value = Vector<float>.Build.DenseOfArray [| value |]
                let theta = Vector<float>.Build.Dense 3

                for name, solver in solvers 50 do
                    let found, _, _ =
                        refined
                            (ScalarRegularizer 1e-10)
                            (LinearRegression.loss x (ofOne 1.0))
                            (LinearRegression.loss z (ofOne 2.0))
                            (Proximal.Scalar 1e-10)
                            theta
                            solver

                    // ε/λ of ‖w‖‖v‖, ten for the constant.
                    Check.near 1e-5 (5.0 / 27.0) found.Gradient name)

            property "dL/dλ is the dual's, to ε of ‖w‖‖u‖" (fun draw ->
                let struct (_, x, y, theta, outer) = instance draw
                let n = float x.RowCount
                let d = theta.Count

                for decade in -14.0 .. 2.0..2.0 do
                    let lambda = 10.0 ** decade
                    let struct (w, u, v) = exactly x y theta outer (fun b -> b / lambda)
                    let gram = x * x.Transpose() / n + lambda * identity x.RowCount
                    let expected = (x * v).DotProduct(gram.Solve(gram.Solve(x * theta - y))) / n
                    // The condition of the rows, which the dual's own solves amplify too.
                    let condition = (gram.Svd()).ConditionNumber

                    let tolerance =
                        100.0 * float d * 2.0 ** -52.0 * condition * (w.L2Norm() * u.L2Norm() + abs expected * condition)

                    // MINRES errs by κ²ε, and reports stagnation; conjugate gradients do not distinguish a λ of sixteen roundings of ‖H‖ from 0,
                    // nor the dense solve one of a few.
                    let within name =
                        decade
                        >= (if name = "MINRES" then -6.0
                            elif name = "dense" then -12.0
                            else -10.0)

                    for name, solver in solvers (20 * d) |> List.filter (fun (name, _) -> within name) do
                        let found, task, result =
                            refined (ScalarRegularizer lambda) (LinearRegression.loss x y) outer (Proximal.Scalar lambda) theta solver

                        Check.near tolerance expected found.Gradient $"λ = {lambda}, {name}"

                        // A Cholesky factor of H + Λ does not distinguish a λ of a few roundings from 0.
                        if name = "dense" && decade >= -10.0 then
                            let dense = (BilevelTask.exactRegularizerGradient task result.Phi).Gradient

                            match dense with
                            | ProximalGradient.Scalar slope -> Check.near tolerance expected slope $"λ = {lambda}, the task's own"
                            | _ -> failtest "not a number")

            property "each is within its bound, which a λ of ordinary size makes small" (fun draw ->
                let struct (random, x, y, theta, outer) = instance draw
                let d = theta.Count
                let inner = LinearRegression.loss x y

                for decade in -12.0 .. 2.0..2.0 do
                    let lambdas = Vector<float>.Build.Dense(d, fun _ -> 10.0 ** (decade + random.NextDouble()))
                    let struct (w, u, _) = exactly x y theta outer (fun b -> b.PointwiseDivide lambdas)

                    for name, solver in solvers (20 * d) do
                        let regularizer = DiagonalRegularizer(EuclideanCoordinates(), lambdas)
                        let found, task, result = refined regularizer inner outer (Proximal.Diagonal lambdas) theta solver

                        let certificates =
                            Certificate.OfResult(
                                space,
                                regularizer,
                                BilevelTask.problem task,
                                [| BilevelTask.losses task |],
                                theta,
                                result
                            )

                        let bound =
                            RegularizerGradientBound.Of(space, regularizer, certificates, theta, result.Phi, found)
                            |> Array.exactlyOne

                        // The dual rounds too: by d roundings, times the condition of its rows.
                        let error = (found.Gradient + w.PointwiseMultiply u).L2Norm()
                        Check.atMost (bound.Total * 1.01) error $"{decade}, {name}"

                        if decade >= 0.0 then
                            Check.atMost 1e-6 (bound.Total / (1.0 + w.L2Norm() * u.L2Norm())) $"the bound, {decade}, {name}")

            property "in a diagonal, by layers and in a matrix each entry is the dual's, to ε‖H + Λ‖/λ of ‖w‖‖u‖" (fun draw ->
                let struct (random, x, y, theta, outer) = instance draw
                let d = theta.Count
                let n = float x.RowCount

                for decade in -8.0 .. 2.0..2.0 do
                    let lambdas = Vector<float>.Build.Dense(d, fun _ -> 10.0 ** (decade + random.NextDouble()))
                    let least, most = lambdas.Minimum(), lambdas.Maximum()
                    let struct (w, u, _) = exactly x y theta outer (fun b -> b.PointwiseDivide lambdas)
                    let largest = (x.TransposeThisAndMultiply x / n).L2Norm() + most
                    let tolerance = 100.0 * float d * 2.0 ** -52.0 * (largest / least) * w.L2Norm() * u.L2Norm()
                    let inner = LinearRegression.loss x y

                    for name, solver in solvers (20 * d) do
                        let found, _, _ =
                            refined
                                (DiagonalRegularizer(EuclideanCoordinates(), lambdas))
                                inner
                                outer
                                (Proximal.Diagonal lambdas)
                                theta
                                solver

                        Check.atMost tolerance ((found.Gradient + w.PointwiseMultiply u).L2Norm()) $"diagonal, {decade}, {name}"
                        let matrix = diagonal lambdas
                        let found, _, _ = refined (MatrixRegularizer matrix) inner outer (Proximal.Matrix matrix) theta solver
                        let expected = -0.5 * (w.OuterProduct u + u.OuterProduct w)
                        Check.atMost tolerance ((found.Gradient - expected).FrobeniusNorm()) $"matrix, {decade}, {name}"

                    let halves =
                        [|
                            Vector<float>.Build.Dense(d, fun j -> if j = 0 then 1.0 else 0.0)
                            Vector<float>.Build.Dense(d, fun j -> if j = 0 then 0.0 else 1.0)
                        |]

                    let perLayer = [| least; most |]
                    let spread = least * halves[0] + most * halves[1]
                    let struct (w, u, _) = exactly x y theta outer (fun b -> b.PointwiseDivide spread)

                    for name, solver in solvers (20 * d) do
                        let found, _, _ =
                            refined
                                (LayerwiseRegularizer(EuclideanCoordinates(), halves, perLayer))
                                inner
                                outer
                                (Proximal.Diagonal spread)
                                theta
                                solver

                        for layer in 0..1 do
                            let expected = -(halves[layer].PointwiseMultiply w).DotProduct u
                            Check.near tolerance expected found.Gradient[layer] $"layer {layer}, {decade}, {name}")
        ]

let private matrixBounds =
    testList
        "bounds"
        [
            for subject in [ Subjects.euclidean; Subjects.singleVectors ] do
                Subject.property subject 10 $"of the gradient in a full Λ, on {subject.Name}" (fun drawn ->
                    for exponent in [ 0; -4; -8 ] do
                        let random = Random drawn.Seed
                        let tasks = RegularizerLaws.fewExamples subject drawn
                        let matrix = 2.0 ** float exponent * 4.0 * Spectrum.positiveDefinite random drawn.Size 4.0

                        RegularizerLaws.checkBound
                            subject
                            "matrix"
                            tasks
                            (MatrixRegularizer matrix)
                            [| matrix |]
                            (fun found -> [| found.ToRowMajorArray() |])
                            (fun w u -> (-0.5 * (w.OuterProduct u + u.OuterProduct w)).ToRowMajorArray())
                            (exponent = 0))
        ]

let private owned =
    testList
        "Own numbers"
        [
            testCase "Λ is what it was made of, whatever becomes of the caller's numbers or of those it hands out" (fun () ->
                let entries = Vector<float>.Build.Dense(2, 2.0)
                let diagonal = DiagonalRegularizer<_, float>(EuclideanCoordinates(), entries)
                entries[1] <- 1e-6
                diagonal.Lambda[0] <- 1e-6
                let matrix = MatrixRegularizer(2.0 * identity 2)
                matrix.Lambda[1, 1] <- 1e-6
                let regularizers: IRegularizer<Vector<float>, float> list = [ diagonal; matrix ]

                for regularizer in regularizers do
                    regularizer.Apply(space, Vector<float>.Build.Dense(2, 1.0))
                    |> should equal (Vector<float>.Build.Dense(2, 2.0)))

            testCase "a quadratic is what it was made of, whatever becomes of the caller's matrix" (fun () ->
                let a = 2.0 * identity 2
                let loss = Quadratic.loss a (Vector<float>.Build.Dense 2) 0.0
                a[1, 1] <- 0.0
                (loss.Hessian(Vector<float>.Build.Dense 2))[0, 0] <- 0.0

                loss.Gradient(Vector<float>.Build.Dense(2, 1.0)) |> should equal (Vector<float>.Build.Dense(2, 2.0)))
        ]

[<Tests>]
let tests = testList "Regularizers" [ gradients; matrices; smallLambda; matrixBounds; owned ]
