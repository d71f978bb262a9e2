/// What the convex head's certificate counts for rounding, against numbers with 256 binary digits after the point.
module Imaml.Math.Tests.HeadRoundingTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Imaml.Testing
open Imaml.Math.Tests.PreciseNumbers

type private Drawn =
    {
        Head: ConvexHead
        Lambda: float
        Centre: Vector<float>
        W: Vector<float>
        U: Vector<float>
    }

/// `precise` has 256 binary digits after the point.
let private known (x: Vector<float>) = x.Map(fun x -> if abs x < 2.0 ** -190.0 then 0.0 else x)

/// Few numbers of each kind, so that roundings do not cancel; each kind of any size, or 0, so that every term is the largest of some instance. Of every four
/// instances one is solved, one has logits that cancel, and one hundreds of examples.
let private drawn loss seed =
    let random = Random(seed: int)
    let kind = seed % 4

    let n, m, p =
        if kind = 3 then
            random.Next(100, 400), 1, 1
        else
            random.Next(1, 4), random.Next(1, 4), (if kind = 2 then random.Next(2, 4) else random.Next(1, 4))

    let classes = random.Next(2, 4)

    let size a b =
        if random.Next 4 = 0 then
            0.0
        else
            10.0 ** (a + (b - a) * random.NextDouble())

    let vector size = size * Spectrum.gaussian random (p * classes)
    let scale = 10.0 ** (4.0 * random.NextDouble() - 2.0)

    let common =
        if kind = 2 then
            10.0 ** (5.0 * random.NextDouble())
        else
            0.0

    let features rows =
        scale
        * (Spectrum.gaussianMatrix random rows p
           + Matrix<float>.Build.Dense(rows, p, (fun _ j -> if j < 2 then common else 0.0)))

    let labels rows =
        let given = Array.init rows (fun _ -> random.Next classes)
        Matrix<float>.Build.Dense(rows, classes, fun i c -> if given[i] = c then 1.0 else 0.0)

    // Logits up to some tens.
    let w = vector (size -2.0 1.0 / scale)

    if kind = 2 then
        for c in 0 .. classes - 1 do
            w[classes + c] <- -w[c]

    let head = ConvexHead(loss, features n, labels n, features m, labels m)
    let lambda = 10.0 ** (6.0 * random.NextDouble() - 3.0)
    let centre, u = vector (size -2.0 2.0), vector (size -2.0 2.0)

    let w, u =
        if kind = 1 then
            let struct (w, _) = head.Solve(lambda, centre, 0.0, 100)
            let struct (u, _) = head.Adjoint(lambda, w, 0.0)
            known w, known u
        else
            w, u

    {
        Head = head
        Lambda = lambda
        Centre = centre
        W = w
        U = u
    }

let private product (a: Precise[][]) (b: Precise[][]) =
    let columns = transpose b
    a |> Array.map (fun row -> columns |> Array.map (dot row))

let private combine f = Array.map2 (Array.map2 f)
let private scaled factor = Array.map (Array.map (fun x -> factor * x))

let private softmax (row: Precise[]) =
    let largest = Array.max row
    let weights = row |> Array.map (fun z -> exponential (z - largest))
    let sum = Array.fold (+) Precise.Zero weights
    weights |> Array.map (fun weight -> weight / sum)

/// The exact ∇g(W), r = ∇L(W) − (H + λ)u, and the gradient in X and in X_q.
let private exact (x: Drawn) =
    let head = x.Head
    let classes = head.Labels.ColumnCount
    let matrixOf (w: Vector<float>) = vector w |> Array.chunkBySize classes
    let support, query = matrix head.Support, matrix head.Query
    let w, u, centre = matrixOf x.W, matrixOf x.U, matrixOf x.Centre
    let share rows = Precise.One / precise (float rows)
    let lambda = precise x.Lambda
    let z = product support w
    let p = z |> Array.map softmax
    let outputs = if head.Loss = HeadLoss.CrossEntropy then p else z
    let e = combine (-) outputs (matrix head.Labels) |> scaled (share support.Length)

    let r =
        combine (-) (product query w |> Array.map softmax) (matrix head.QueryLabels)
        |> scaled (share query.Length)

    let t =
        (p, product support u)
        ||> Array.map2 (fun p t ->
            match head.Loss with
            | HeadLoss.CrossEntropy ->
                let mean = dot p t
                Array.map2 (fun p t -> p * (t - mean)) p t
            | _ -> t)
        |> scaled (share support.Length)

    let gradient = combine (+) (product (transpose support) e) (combine (-) w centre |> scaled lambda)
    let hessian = combine (+) (product (transpose support) t) (scaled lambda u)
    let residual = combine (-) (product (transpose query) r) hessian
    let inSupport = combine (+) (product e (transpose u)) (product t (transpose w)) |> scaled -Precise.One
    let inQuery = product r (transpose w)
    struct (Array.concat gradient, Array.concat residual, Array.append (Array.concat inSupport) (Array.concat inQuery))

/// The same as the program computes it, in the order of ConvexHead.Measure.
let private computed (x: Drawn) =
    let problem: IBilevelProblem<Vector<float>, float> = x.Head
    use at = problem.LinearizeInner x.W
    let struct (_, v) = problem.OuterLossAndGradient x.W
    let inFeatures = x.Head.FeatureGradient(x.W, x.U)
    let numbers (m: Matrix<float>) = m.ToRowMajorArray()

    struct (at.Gradient + x.Lambda * (x.W - x.Centre),
            v - (at.HessianProduct x.U + x.Lambda * x.U),
            Vector<float>.Build.DenseOfArray(Array.append (numbers inFeatures.Support) (numbers inFeatures.Query)))

/// The errors of the three, each over its bound.
let private ratios loss seed =
    let x = drawn loss seed
    let rounding = HeadRounding(x.Head.Measure(x.Lambda, x.Centre, x.W, x.U))
    let struct (gradient, residual, features) = computed x
    let struct (exactGradient, exactResidual, exactFeatures) = exact x

    let over (found: Vector<float>) truth ofIt bound =
        // What is dropped is far below every bound.
        distance (known found) truth / (bound + rounding.Gamma ofIt * found.L2Norm())

    [|
        over gradient exactGradient 2.0 rounding.Gradient
        over residual exactResidual 2.0 rounding.Residual
        over features exactFeatures 0.0 rounding.Features
    |]

[<Tests>]
let tests =
    testList
        "Rounding of the convex head"
        [
            for loss in [ HeadLoss.CrossEntropy; HeadLoss.Squares ] do
                testCase
                    $"{loss}: ∇g, r and the gradient in the features err by no more than is counted, and somewhere by a thirtieth of it"
                    (fun () ->
                        let all = Array.init 1200 (ratios loss)

                        for which in 0..2 do
                            let largest = all |> Array.map (fun one -> one[which]) |> Array.max
                            largest |> should be (lessThanOrEqualTo 1.0)
                            largest |> should be (greaterThan 0.03))
        ]
