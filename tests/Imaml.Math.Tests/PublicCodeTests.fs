/// What public code computes (docs/public-code.fsx): when each recurrence is exact, and that it is what the code returns.
module Imaml.Math.Tests.PublicCodeTests

open System
open System.IO
open System.Text.Json
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private textbook = ConjugateRecurrence.textbook
let private page = PublicRecurrences.task

let private relative (exact: Vector<float>) (g: Vector<float>) = (g - exact).L2Norm() / exact.L2Norm()
let private near tolerance exact g what = Check.atMost tolerance (relative exact g) $"{what}, relative error"
let private far least exact g = relative exact g |> should be (greaterThan least)

/// A quadratic task in ℝ⁵ with λ, H with eigenvalues from 0.5 to 8, and a linear outer loss: ∇L is v at every φ.
let private quadratic lambda seed =
    let random = Random(seed: int)
    let h = Spectrum.symmetric random (Spectrum.spread random 5 0.5 8.0)
    let v = Spectrum.gaussian random 5
    let linear = Quadratic.loss (Matrix<float>.Build.Dense(5, 5)) v 0.0

    BilevelTask.create (Quadratic.loss h (Spectrum.gaussian random 5) 0.0) linear (Proximal.Scalar lambda) (Spectrum.gaussian random 5)

/// The same with v an eigenvector of H, to its eigenvalue h.
let private eigenvector lambda (h: float) seed =
    let random = Random(seed: int)
    let q = Spectrum.orthogonal random 5
    let hessian = q * Matrix<float>.Build.DenseOfDiagonalArray [| h; 0.5; 1.0; 3.0; 8.0 |] * q.Transpose()
    let linear = Quadratic.loss (Matrix<float>.Build.Dense(5, 5)) (q.Column 0) 0.0
    let inner = Quadratic.loss ((hessian + hessian.Transpose()) / 2.0) (Spectrum.gaussian random 5) 0.0
    BilevelTask.create inner linear (Proximal.Scalar lambda) (Spectrum.gaussian random 5)

let private withLambda lambda (task: BilevelTask) =
    { task with
        Proximal = Proximal.Scalar lambda
    }

/// Dense solves and recurrences in ℝ⁵ with κ ≤ 17 round by some 5κ units each; conjugate gradients end after 5 steps but for a few roundings more.
let private rounding = 1e-12

let private exact = BilevelTask.exactMetaGradient
let private atSolution (code: PublicCode) task = code.Gradient task (BilevelTask.exactSolution task task.Theta)

/// The system of `quadratic`: its product, v and (H + λI)⁻¹v.
let private system seed =
    let task = quadratic 1.0 seed
    let product = PublicRecurrences.operator 1.0 1.0 task task.Theta
    struct (product, task.Outer.Gradient task.Theta, BilevelTask.adjoint task task.Theta)

let private seeds = [ 1..20 ]

let private conjugate =
    testList
        "recurrences"
        [
            testCase "the textbook's is conjugate gradients: step by step the core's, exact after d steps" (fun () ->
                for seed in seeds do
                    let struct (product, v, u) = system seed

                    for steps in 1..4 do
                        let options =
                            {
                                MaxSteps = steps
                                RelativeResidual = 0.0
                                CheckEvery = 0
                                RecomputeResidual = false
                            }

                        let solver: ILinearSolver<_, _> = ConjugateGradientSolver<Vector<float>, float> options
                        let core = solver.Solve(EuclideanSpace(), LinearOperator.Of product, v, 0.0).Solution
                        near rounding core (ConjugateRecurrence.run textbook product v steps) $"seed {seed}, {steps} steps"

                    near rounding u (ConjugateRecurrence.run textbook product v 5) $"seed {seed}")

            testCase
                "the iterate before the last is conjugate gradients with a step fewer once the tolerance is met, and the same until then"
                (fun () ->
                    for seed in seeds do
                        let struct (product, v, u) = system seed
                        let before = ConjugateRecurrence.run (PublicRecurrences.beforeLast 1e-8) product v
                        let textbook = ConjugateRecurrence.run textbook product v

                        for steps in 1..4 do
                            before steps |> should equal (textbook steps)

                        before 5 |> should equal (textbook 4)
                        before 100 |> should equal (textbook 4)
                        far 1e-6 u (before 100))

            testCase "it is 0 on a system that one step solves" (fun () ->
                for seed in seeds do
                    let task = eigenvector 1.0 4.0 seed
                    let product = PublicRecurrences.operator 1.0 1.0 task task.Theta
                    let v = task.Outer.Gradient task.Theta

                    (ConjugateRecurrence.run (PublicRecurrences.beforeLast 1e-10) product v 100).L2Norm()
                    |> should equal 0.0

                    near rounding (v / 5.0) (ConjugateRecurrence.run textbook product v 1) $"seed {seed}")

            testCase "a scaled residual leaves the first step as it is, and changes every later one unless s = 1" (fun () ->
                for seed in seeds do
                    let struct (product, v, u) = system seed

                    for s in [ 0.1; 0.5; 2.0 ] do
                        let scaled = ConjugateRecurrence.run { textbook with ResidualScale = s } product v
                        scaled 1 |> should equal (ConjugateRecurrence.run textbook product v 1)

                        for steps in 2..8 do
                            // No bound is known; on these systems it is far off.
                            far 0.01 u (scaled steps))

            testCase
                "on a system that one step solves a scaled residual has 1 + q/(1 + q) times the solution after two, q = 1 − 1/s"
                (fun () ->
                    for s in [ 0.1; 0.25; 2.0; 10.0 ] do
                        let q = 1.0 - 1.0 / s
                        let v = Spectrum.gaussian (Random 3) 5

                        ConjugateRecurrence.run { textbook with ResidualScale = s } (fun w -> 3.0 * w) v 2
                        |> fun u -> near 1e-14 ((1.0 + q / (1.0 + q)) * v / 3.0) u $"s = {s}")

            testCase "directions from the residual before the step: after two steps the answer is still a multiple of v" (fun () ->
                for seed in seeds do
                    let struct (product, v, u) = system seed

                    for s in [ 1.0; 0.1 ] do
                        let old =
                            { textbook with
                                ResidualScale = s
                                OldResidual = true
                            }

                        let two = ConjugateRecurrence.run old product v 2
                        near 1e-14 (two.DotProduct v / v.DotProduct v * v) two $"seed {seed}"
                        // No multiple of v is nearer than its projection.
                        let nearest = relative u (u.DotProduct v / v.DotProduct v * v)
                        Check.atMost (relative u two * (1.0 + rounding)) nearest "the distance of v's line"
                        nearest |> should be (greaterThan 0.05))

            testCase "without a tolerance a residual of exactly 0 is followed by what is not a number" (fun () ->
                let twice (w: Vector<float>) = 2.0 * w
                let v = Vector<float>.Build.Dense [| 1.0; -3.0; 0.5 |]
                let old = { textbook with OldResidual = true }
                ConjugateRecurrence.run textbook twice v 1 |> should equal (v / 2.0)
                Expect.isTrue (Double.IsNaN (ConjugateRecurrence.run textbook twice v 2).[0]) "textbook, 2 steps"
                ConjugateRecurrence.run old twice v 2 |> should equal (v / 2.0)
                Expect.isTrue (Double.IsNaN (ConjugateRecurrence.run old twice v 3).[0]) "old residual, 3 steps")

            testCase
                "the normal equations are exact too, and never nearer in A's norm than conjugate gradients with as many products"
                (fun () ->
                    for seed in seeds do
                        let struct (product, v, u) = system seed
                        let normal = ConjugateRecurrence.run textbook (product >> product) (product v)
                        // κ² for κ.
                        near 1e-11 u (normal 5) $"seed {seed}"

                        let energy (x: Vector<float>) = (u - x).DotProduct(product (u - x))

                        for steps in [ 1; 2 ] do
                            Check.atMost
                                (energy (normal steps))
                                (energy (ConjugateRecurrence.run textbook product v (2 * steps)))
                                $"seed {seed}")
        ]

let private operators =
    testList
        "operators"
        [
            testCase "(1 + c)I + H/(λ + 10) gives 1/(1 + c) of the meta-gradient for λ′ = (1 + c)(λ + 10)" (fun () ->
                for seed in seeds do
                    for lambda, damping in [ 2.0, 1.0; 1.0, 1.0; 0.5, 3.0 ] do
                        let task = quadratic lambda seed
                        let other = withLambda ((1.0 + damping) * (lambda + 10.0)) task
                        let answer = atSolution (PublicRecurrences.authors damping 50) task
                        // Its loop ends at a residual of 10⁻⁵, and the operator is at least 1 + c.
                        Check.atMost
                            (1e-5 / (1.0 + damping))
                            ((answer - exact other / (1.0 + damping)).L2Norm())
                            $"seed {seed}, λ = {lambda}"

                        far 0.05 (exact task) answer)

            testCase
                "in an eigenvector of H it is 6(h + 2)/(h + 24) of the meta-gradient for λ = 2, c = 1: exact at h = 2.4 alone"
                (fun () ->
                    for h in [ 0.0; 1.0; 2.4; 5.0; 50.0 ] do
                        let task = eigenvector 2.0 h 7

                        near
                            rounding
                            (6.0 * (h + 2.0) / (h + 24.0) * exact task)
                            (atSolution (PublicRecurrences.authors 1.0 1) task)
                            $"h = {h}"

                    near
                        rounding
                        (exact (eigenvector 2.0 2.4 7))
                        (atSolution (PublicRecurrences.authors 1.0 1) (eigenvector 2.0 2.4 7))
                        "h = 2.4")

            testCase "I + λH gives the meta-gradient for 1/λ, exact where λ = 1" (fun () ->
                for seed in seeds do
                    for lambda in [ 0.5; 1.0; 2.0 ] do
                        let task = quadratic lambda seed
                        let answer = atSolution (PublicRecurrences.aiDotNet 50) task
                        // The residual is at most 10⁻⁵, and the operator at least 1.
                        Check.atMost 1e-5 ((answer - exact (withLambda (1.0 / lambda) task)).L2Norm()) $"seed {seed}, λ = {lambda}"

                        if lambda <> 1.0 then
                            far 0.1 (exact task) answer)

            testCase "I + H/λ from v is exact at the inner problem's solution" (fun () ->
                for seed in seeds do
                    let task = quadratic 2.0 seed
                    near rounding (exact task) (atSolution (PublicRecurrences.gbml 5) task) $"seed {seed}")

            testCase
                "an inner loop without the proximal term tends to the minimiser of L̂, and its meta-gradient to the one there"
                (fun () ->
                    let minimiser = page.Inner.Hessian(page.Theta).Solve(-page.Inner.Gradient(Vector<float>.Build.Dense 3))
                    let g mu steps = BilevelTask.implicitGradient page (PublicRecurrences.descend mu steps 0.1 page)
                    // Steps contract by 1 − 0.1·1.4 and 1 − 0.1·3.4.
                    near 1e-11 (BilevelTask.implicitGradient page minimiser) (g 0.0 200) "without the term"
                    near 1e-11 (exact page) (g 2.0 200) "with it"
                    far 0.5 (exact page) (g 0.0 200))

            testCase "a Λ that is no multiple of I is refused" (fun () ->
                let task =
                    { page with
                        Proximal = Proximal.Diagonal(Vector<float>.Build.Dense [| 1.0; 2.0; 3.0 |])
                    }

                for code in PublicRecurrences.all do
                    (fun () -> code.Gradient task task.Theta |> ignore) |> should throw typeof<ArgumentException>)
        ]

let private json (path: string) = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.root (), path))).RootElement
let private vector (element: JsonElement) = Vector<float>.Build.DenseOfEnumerable(element.EnumerateArray() |> Seq.map _.GetDouble())

let private files =
    testList
        "files"
        [
            testCase "samples/problems/public-code.json is the page's task" (fun () ->
                let file = json "samples/problems/public-code.json"

                let loss (name: string) =
                    let part = file.GetProperty name
                    let rows = part.GetProperty("X").EnumerateArray() |> Seq.map vector
                    LinearRegression.loss (Matrix<float>.Build.DenseOfRowVectors rows) (vector (part.GetProperty "y"))

                let lambda = file.GetProperty("regularizer").GetProperty("lambda").GetDouble()
                vector (file.GetProperty "theta") |> should equal page.Theta
                Expect.equal (Proximal.dense 1 page.Proximal).[0, 0] lambda "λ"

                for phi in [ page.Theta; Spectrum.gaussian (Random 1) 3 ] do
                    (loss "inner").Gradient phi |> should equal (page.Inner.Gradient phi)
                    (loss "outer").Gradient phi |> should equal (page.Outer.Gradient phi))

            testCase "each recurrence is what the code returns (results/public-code)" (fun () ->
                let phi = BilevelTask.exactSolution page page.Theta

                let compared =
                    [
                        for row in (json "results/public-code/answers.json").GetProperty("rows").EnumerateArray() do
                            let name, answer = string (row.GetProperty "recurrence"), vector (row.GetProperty "gradient")

                            match PublicRecurrences.all |> List.tryFind (fun code -> code.Name = name) with
                            | Some code ->
                                let at =
                                    if string (row.GetProperty "at") = "solution" then
                                        phi
                                    else
                                        code.Phi page
                                // Sums in another order, at most ten steps, κ = 2.2.
                                near 1e-13 answer (code.Gradient page at) name
                                name
                            | None ->
                                // A Neumann series until its terms are below 10⁻¹⁰, and single precision: exact to these.
                                let tolerance = if name.Contains "single" then 1e-6 else 1e-9
                                near tolerance (exact page) answer name
                    ]

                // AiDotNet's code was read and not run.
                let missing = PublicRecurrences.all |> List.map _.Name |> List.except compared
                missing |> should equal [ (PublicRecurrences.aiDotNet 10).Name ])
        ]

[<Tests>]
let tests = testList "Public code" [ conjugate; operators; files ]
