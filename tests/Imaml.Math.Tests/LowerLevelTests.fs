/// General lower levels on ℝᵈ, apart from the ledger's claims: bad input, statuses, estimated constants, and the families' special cases.
module Imaml.Math.Tests.LowerLevelTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>
let private vector (numbers: float seq) = Vector<float>.Build.DenseOfEnumerable numbers

let private ridge =
    let struct (inner, outer) = LinearRegression.random (Random 5) 12 9 4 10.0
    LowerLevels.logLambda OnePerCoordinate (Vector<float>.Build.Dense 4) inner outer

let private adaptive (level: KnownLowerLevel) accuracy rounds z =
    let c = BilevelTask.constants (level.Task z)

    AdaptiveLowerLevel.Compute(
        space,
        space,
        level.Certified,
        GradientDescentSolver<Vector<float>, float>(ConstantStep(1.0 / c.Smoothness), 100_000, 1),
        ConjugateGradientSolver<Vector<float>, float>(LinearSolveOptions.ToTolerance(1000, 0.0)),
        {
            Accuracy = accuracy
            MaxRounds = rounds
        },
        z
    )

let private refuses (rule: string) (body: unit -> unit) =
    try
        body ()
        failtest $"nothing was refused: {rule}"
    with :? ArgumentException as e ->
        e.Message |> should haveSubstring rule

[<Tests>]
let tests =
    testList
        "Lower levels"
        [
            testCase "one λ for all and one for each agree: the sum of the gradients in the logarithms" (fun () ->
                let struct (inner, outer) = LogisticRegression.random (Random 6) 12 9 4
                let centre = Spectrum.gaussian (Random 7) 4

                let gradient sharing count =
                    let level = LowerLevels.logLambda sharing centre inner outer
                    let struct (gradient, _) = level.ExactGradient(Vector<float>.Build.Dense(count, -0.5))
                    gradient

                let each = gradient OnePerCoordinate 4
                // A hundred roundings of numbers below 1.
                (gradient OneForAll 1).[0] |> should (equalWithin 1e-14) (each.Sum())
                let pairs = gradient (OnePerLayer [| 1; 3 |]) 2
                pairs[0] |> should (equalWithin 1e-14) each[0]
                pairs[1] |> should (equalWithin 1e-14) (each.SubVector(1, 3).Sum()))

            testCase "the gradient in log λ is λ times that in Λ of the core" (fun () ->
                let z = vector [ 0.5; -1.0; 0.0; -2.0 ]
                let task = ridge.Task z
                let phi = BilevelTask.exactSolution task task.Theta
                let struct (gradient, _) = ridge.ExactGradient(z)

                match BilevelTask.regularizerGradient task phi (BilevelTask.adjoint task phi) with
                | ProximalGradient.Diagonal values ->
                    (gradient - values.PointwiseMultiply(z.PointwiseExp())).L2Norm()
                    |> should be (lessThan (1e-13 * gradient.L2Norm()))
                | other -> failtest $"{other} is not a diagonal")

            testCase "an example with weight 0 to rounding changes nothing, and its own gradient is 0" (fun () ->
                let random = Random 8
                let x, y = Spectrum.gaussianMatrix random 6 3, vector [ 0.0; 1.0; 2.0; 0.0; 1.0; 2.0 ]
                let outer = SoftmaxRegression.loss 3 x y

                let level =
                    LowerLevels.exampleWeights (Link.Softmax 3) x y outer (Proximal.Scalar 0.1) (Vector<float>.Build.Dense 9)

                let struct (gradient, bound) = level.ExactGradient(vector [ 0.0; 0.0; -800.0; 0.0; 0.0; 0.0 ])

                gradient[2] |> should equal 0.0
                bound.Kind |> should equal BoundKind.Certified
                bound.Total |> should be (lessThan 1e-12))

            testCase "accuracies: met, below rounding, and without enough rounds" (fun () ->
                let z = vector [ 0.0; 0.0; 0.0; 0.0 ]
                let struct (exact, _) = ridge.ExactGradient(z)
                let met = adaptive ridge 1e-7 20 z
                met.Statuses |> should equal [| CertifiedStatus.Met |]
                met.Bounds[0].Total |> should be (lessThanOrEqualTo 1e-7)
                (met.Gradient.Gradient - exact).L2Norm() |> should be (lessThanOrEqualTo 1e-7)
                met.Works[0].Rounds |> should be (lessThan 5)
                (adaptive ridge 1e-20 20 z).Statuses |> should equal [| CertifiedStatus.RoundingLimit |]
                (adaptive ridge 1e-7 1 z).Statuses |> should equal [| CertifiedStatus.BudgetSpent |]
                refuses "the accuracy must be positive" (fun () -> adaptive ridge -1.0 20 z |> ignore)
                refuses "MaxRounds must be at least 1" (fun () -> adaptive ridge 1e-3 0 z |> ignore))

            testCase "wrong constants are refuted, unknown ones give no bound" (fun () ->
                let z = vector [ -3.0; -3.0; -3.0; -3.0 ]

                let judged inner =
                    { ridge with
                        Task =
                            fun z ->
                                { ridge.Task z with
                                    Inner =
                                        { (ridge.Task z).Inner with
                                            Constants = inner
                                        }
                                }
                    }

                let known = (ridge.Task z).Inner.Constants

                let understated =
                    LossConstants.Proved(100.0, 200.0, 0.0, infinity, known.GradientRounding, known.ProductRounding)

                let x, u = vector [ 1.0; 0.0; 0.0; 0.0 ], vector [ 1.0; 1.0; 0.0; 0.0 ]
                let certificate (level: KnownLowerLevel) = let struct (_, bound) = level.GradientAt(z, x, u) in bound
                (certificate (judged understated)).Lower.IsRefuted |> should equal true
                (certificate (judged understated)).Kind |> should equal BoundKind.None
                (certificate (judged LossConstants.Unknown)).Kind |> should equal BoundKind.None
                (certificate (judged LossConstants.Unknown)).Total |> should equal infinity

                (adaptive (judged understated) 1e-6 5 z).Statuses
                |> should equal [| CertifiedStatus.ConstantsRefuted |])

            testCase "a product that is not finite gives no gradient, by whatever way it was asked for" (fun () ->
                let z = vector [ 0.0; 0.0; 0.0; 0.0 ]

                let broken z =
                    let task = ridge.Task z

                    { task with
                        Inner =
                            { task.Inner with
                                HessianProduct = fun _ _ -> Vector<float>.Build.Dense(4, nan)
                            }
                    }

                let task = broken z
                let regularizer, problem = Proximal.regularizer task.Proximal, BilevelTask.problem task
                let smoothness = (BilevelTask.constants (ridge.Task z)).Smoothness
                let inner = GradientDescentSolver<Vector<float>, float>(ConstantStep(1.0 / smoothness), 1000, 1)
                let linear = ConjugateGradientSolver<Vector<float>, float>(LinearSolveOptions.ToTolerance(10, 0.0))
                let none (gradient: Vector<float>) = gradient.ToArray() |> Array.forall Double.IsNaN |> should equal true
                let report = ImplicitMetaGradient.Compute(space, regularizer, problem, inner, linear, task.Theta)
                none report.Gradient
                let solves = report.Solve.Read space
                solves[0].Status |> should equal SolveStatus.NonFinite


                // Of the numbers only u, which is 0.
                let point =
                    {
                        Regularizer = regularizer
                        Centre = task.Theta
                        Problem = problem
                        PullBack = PullBack(fun _ u _ -> u)
                    }

                report.Solve.Solution.L2Norm() |> should equal 0.0
                none (LowerLevelGradient.Of(space, space, point, report)).Gradient
                let level = adaptive { ridge with Task = broken } 1e-6 5 z
                level.Statuses |> should equal [| CertifiedStatus.NonFinite |]
                none level.Gradient.Gradient

                let accurate =
                    AdaptiveAccuracy.Compute(
                        space,
                        regularizer,
                        problem,
                        inner,
                        linear,
                        [| BilevelTask.losses task |],
                        { Accuracy = 1e-6; MaxRounds = 5 },
                        task.Theta
                    )

                accurate.Tasks[0].Status |> should equal CertifiedStatus.NonFinite
                none accurate.MetaGradient.Gradient)

            testCase "a bound of the pull-back that is not known gives no certificate, one that is no number is refused" (fun () ->
                let z = vector [ 0.0; 0.0; 0.0; 0.0 ]
                let struct (_, bound) = ridge.ExactGradient(z)

                (LowerLevelCertificate.Of(bound.Lower, PullBackBound.Proved(infinity, 1.0, 0.0, 0.0))).Kind
                |> should equal BoundKind.None

                refuses "normSlope must be at least 0" (fun () -> PullBackBound.Proved(0.0, 1.0, nan, 0.0) |> ignore))

            testCase "the bounds of a pull-back hold for numbers whose squares underflow" (fun () ->
                let struct (inner, outer) = LinearRegression.random (Random 8) 12 9 4 10.0
                let b = Spectrum.gaussianMatrix (Random 9) 4 2
                let x, u = Spectrum.gaussian (Random 10) 4, Spectrum.gaussian (Random 11) 4

                let boundOf scale =
                    let level =
                        LowerLevels.cross (scale * b) (scale * b) inner outer (Proximal.Scalar 1.0) (Vector<float>.Build.Dense 4)

                    (level.PullBack(vector [ 0.0; 0.0 ])).BoundAt(x, u)

                for scale in [ 1e-170; 1e-300; 1e-308 ] do
                    (boundOf scale).Norm |> should be (greaterThanOrEqualTo (0.999 * scale * (boundOf 1.0).Norm))
                    (boundOf scale).Slope |> should be (greaterThan 0.0)
                    (boundOf scale).Rounding |> should be (greaterThan 0.0))

            testCase "bad input is refused in one line" (fun () ->
                let x, y = Matrix<float>.Build.Dense(2, 1, 1.0), vector [ 0.0; 1.0 ]
                let loss = LogisticRegression.loss x y
                let zero = vector [ 0.0 ]
                refuses "3 numbers where 4 are needed" (fun () -> ridge.Task(vector [ 1.0; 2.0; 3.0 ]) |> ignore)
                refuses "must be finite" (fun () -> ridge.Task(vector [ 1.0; nan; 3.0; 1.0 ]) |> ignore)
                // e^z is 0 or infinite.
                refuses "a normal number" (fun () -> ridge.Task(vector [ 1.0; -800.0; 3.0; 1.0 ]) |> ignore)
                refuses "a normal number" (fun () -> ridge.Task(vector [ 1.0; 800.0; 3.0; 1.0 ]) |> ignore)

                refuses "B is 2 × 1" (fun () ->
                    let b = Matrix<float>.Build.Dense(2, 1)
                    LowerLevels.cross b b loss loss (Proximal.Scalar 1.0) zero |> ignore)

                refuses "labels must be 0 or 1" (fun () ->
                    let level =
                        LowerLevels.exampleWeights Link.Logistic x (vector [ 0.0; 2.0 ]) loss (Proximal.Scalar 1.0) zero

                    level.Task(vector [ 0.0; 0.0 ]) |> ignore))
        ]
