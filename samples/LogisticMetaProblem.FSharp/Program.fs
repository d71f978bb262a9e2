// Eight logistic-regression tasks with weights near each other: θ is learned so that twelve examples suffice for the next one.
open System
open Imaml.Math
open MathNet.Numerics.Distributions
open MathNet.Numerics.LinearAlgebra
open type MathNet.Numerics.SpecialFunctions

let dimension, examples = 3, 12
let random = Random 1
let normal = Normal(0.0, 1.0, random)
let gaussian () = Vector<float>.Build.Random(dimension, normal)

// The rows are a = ±x, ‖x‖ = 1, and the sign is the label: the loss is the mean of log(1 + exp(−aᵀφ)).
let row weights (x: Vector<float>) = Math.CopySign(1.0, Logistic(x * weights) - random.NextDouble()) * x
let rows weights = Array.init examples (fun _ -> row weights (gaussian().Normalize 2.0))
let draw weights = Matrix<float>.Build.DenseOfRowVectors(rows weights)
let loss (a: Matrix<float>) (phi: Vector<float>) = (a * phi).Map(fun z -> log (1.0 + exp -z)).Sum() / float examples
let gradient (a: Matrix<float>) (phi: Vector<float>) = -a.TransposeThisAndMultiply((a * phi).Map(fun z -> Logistic -z)) / float examples
let slopes (a: Matrix<float>) (phi: Vector<float>) = (a * phi).Map(fun z -> Logistic z * Logistic -z) / float examples
let hessianProduct (a: Matrix<float>) phi (w: Vector<float>) = a.TransposeThisAndMultiply((slopes a phi).PointwiseMultiply(a * w))

let task support query =
    BilevelProblem.FromDelegates(loss support, gradient support, hessianProduct support, loss query, gradient query)

let weights = Array.init 8 (fun _ -> 4.0 + gaussian ())
let tasks = weights |> Array.map (fun w -> task (draw w) (draw w))

// Algorithm 1, with Algorithm 2's meta-gradient to inner accuracy δ and linear-solve accuracy δ′.
let space = EuclideanSpace()
let regularizer = ScalarRegularizer 0.1
let inner = NewtonConjugateGradientSolver(20, dimension)
let linear = ConjugateGradientSolver(LinearSolveOptions.ToTolerance(10, 0.0))
let thresholds = Thresholds.OfAccuracies(regularizer, 0.1, 1e-8, 1e-8)
let strategy = ImplicitStrategy(inner, linear, thresholds)
let start = MetaLearning.start (GradientDescentOptimizer 1.0) (Vector<float>.Build.Dense dimension)
let batches = Seq.replicate 50 (MetaLearning.chunks space tasks)
let struct (learned, steps) = MetaLearning.run space strategy regularizer batches start
printfn $"outer loss: %.6f{steps[0].OuterLoss} before, %.6f{(Array.last steps).OuterLoss} after {learned.Steps} steps"

// How far may the first task's meta-gradient be from the exact one? By ‖a‖ = 1, 0 ⪯ H ⪯ ¼, B ≤ 1, ρ ≤ 1/(6√3); γ₃₁ < 10⁻¹⁴.
let rounding = { Constant = 1e-14; Slope = 1e-14 }

// What belongs to the losses; µ, β and ‖Λ‖ are formed from the Λ in use.
let logistic = LossConstants.Proved(0.0, 0.26, 0.1, 1.01, rounding, rounding)
let constants = TaskConstants(logistic, logistic)

let theta = learned.Theta

let result =
    ImplicitMetaGradient.Compute(space, regularizer, tasks[0], inner, linear, thresholds, theta)

let bounds = Certificate.OfResult(space, regularizer, tasks[0], [| constants |], theta, result)

printfn $"a meta-gradient of norm %.6f{result.Gradient.L2Norm()}, at most {bounds[0].Total:E1} from the exact one ({bounds[0].Kind})"
