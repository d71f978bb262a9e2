// What every Λ must do on every space, as one list of tests: `RegularizerLaws.laws subject`.
//
// ½wᵀΛw is a quadratic, so its central difference of any step is exact but for rounding: the sum of d products at each end, each relative
// to the sum of the products' sizes.
module Imaml.Testing.RegularizerLaws

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory
open Imaml.Testing.LinearSolverLaws
open Imaml.Testing.MetaGradientLaws

/// A Λ under test, with its dense matrix for every task.
[<NoComparison; NoEquality>]
type private Case<'V, 'S> =
    {
        Name: string
        Regularizer: IRegularizer<'V, 'S>
        Dense: Matrix<float>[]
    }

/// Values of λ from 1/8 to 8: powers of two, which every space holds exactly.
let private power (random: Random) = 2.0 ** float (random.Next(-3, 4))

/// Masks that give the coordinates to layers in turn, the same for every task.
let masks (subject: Subject<'V, 'S>) layers d =
    Array.init layers (fun layer -> subject.OfRows(Subject.alike subject (Array.init d (fun j -> if j % layers = layer then 1.0 else 0.0))))

let private cases (subject: Subject<'V, 'S>) (random: Random) d =
    let lambda = power random
    let diagonal = Array.init subject.Tasks (fun _ -> Array.init d (fun _ -> power random))
    let layers = min d 3
    let perLayer = Array.init layers (fun _ -> power random)
    let dense (rows: float[][]) = rows |> Array.map (fun row -> Matrix<float>.Build.DenseOfDiagonalArray row)

    [
        {
            Name = "scalar"
            Regularizer = ScalarRegularizer<'V, 'S> lambda
            Dense = dense (Subject.alike subject (Array.create d lambda))
        }
        {
            Name = "diagonal"
            Regularizer = DiagonalRegularizer<'V, 'S>(subject.Coordinates, subject.OfRows diagonal)
            Dense = dense diagonal
        }
        {
            Name = "layerwise"
            Regularizer = LayerwiseRegularizer<'V, 'S>(subject.Coordinates, masks subject layers d, perLayer)
            Dense = dense (Subject.alike subject (Array.init d (fun j -> perLayer[j % layers])))
        }
    ]

let private actions (subject: Subject<'V, 'S>) =
    let space = subject.Space

    let property name (body: Case<'V, 'S> -> Draw -> Random -> float[][] -> unit) =
        Subject.property subject 15 name (fun draw ->
            let random = Random draw.Seed

            for case in cases subject random draw.Size do
                body case draw random (Subject.rows subject random draw.Size))

    [
        property "the action is Λw, and lies between its extreme eigenvalues" (fun case _ _ w ->
            let actual = subject.ToRows(case.Regularizer.Apply(space, subject.OfRows w))
            let expected = Array.map2 (fun (a: Matrix<float>) row -> (a * vector row).ToArray()) case.Dense w
            // A power of two only moves exponents.
            Check.rows 0.0 expected actual $"Λw, {case.Name}"

            for a in case.Dense do
                let struct (smallest, largest) = Spectrum.ends a
                Check.atMost smallest case.Regularizer.SmallestEigenvalue $"smallest eigenvalue, {case.Name}"
                Check.atMost case.Regularizer.LargestEigenvalue largest $"largest eigenvalue, {case.Name}"

            let lowest =
                case.Dense
                |> Array.map (fun a -> let struct (smallest, _) = Spectrum.ends a in smallest)
                |> Array.min

            case.Regularizer.SmallestEigenvalue |> should equal lowest)

        property "the inverse action undoes the action" (fun case _ _ w ->
            let there = case.Regularizer.Apply(space, subject.OfRows w)
            Check.rows 0.0 w (subject.ToRows(case.Regularizer.ApplyInverse(space, there))) $"Λ⁻¹Λw, {case.Name}"
            let back = case.Regularizer.ApplyInverse(space, subject.OfRows w)
            Check.rows 0.0 w (subject.ToRows(case.Regularizer.Apply(space, back))) $"ΛΛ⁻¹w, {case.Name}")

        property "the value is ½⟨w, Λw⟩, and the action its gradient by central differences" (fun case draw random w ->
            let value rows = space.Read(Regularizer.value space case.Regularizer (subject.OfRows rows))
            let direction = Subject.rows subject random draw.Size
            let h = 0.5
            let shifted sign = Array.map2 (Array.map2 (fun w v -> float (float32 (w + sign * h * v)))) w direction
            let above, below = shifted 1.0, shifted -1.0
            let low, middle, high = value below, value w, value above
            let gradient = subject.ToRows(case.Regularizer.Apply(space, subject.OfRows w))

            for task in 0 .. subject.Tasks - 1 do
                let dense = case.Dense[task]
                let size rows = (vector rows).DotProduct(dense * vector rows)
                let rounding = float (draw.Size + 2) * subject.Epsilon * (size above[task] + size below[task])
                Check.near rounding (size w[task] / 2.0) (middle[task]: float) $"½wᵀΛw, {case.Name}"
                let measured = high[task] - low[task]
                // The two ends were rounded to single precision, so the step is theirs, and the middle is w to 2⁻²³.
                let step = vector above[task] - vector below[task]
                let displaced = 2.0 ** -22.0 * (euclid above[task] + euclid below[task]) * (dense * step).L2Norm()
                Check.near (2.0 * rounding + displaced) ((vector gradient[task]).DotProduct step) measured $"difference, {case.Name}")

        property "it is a part of the inner objective: value, gradient and Hessian" (fun case draw random phi ->
            let theta = Subject.rows subject random draw.Size
            let slope = Subject.rows subject random draw.Size
            let displacement = Array.map2 (Array.map2 (-)) phi theta

            let gradient =
                InnerObjective.gradient space case.Regularizer (subject.OfRows slope) (subject.OfRows phi) (subject.OfRows theta)
                |> subject.ToRows

            let value =
                InnerObjective.value space case.Regularizer (space.Scalar 1.0) (subject.OfRows phi) (subject.OfRows theta)
                |> space.Read

            for task in 0 .. subject.Tasks - 1 do
                let force = case.Dense[task] * vector displacement[task]
                let size = force.L2Norm() + euclid slope[task] + 8.0 * (euclid phi[task] + euclid theta[task])

                Check.atMost
                    (4.0 * subject.Epsilon * size)
                    ((vector slope[task] + force - vector gradient[task]).L2Norm())
                    $"∇G, {case.Name}"

                let energy = (vector displacement[task]).DotProduct force / 2.0
                // φ − θ rounds by ε of both.
                let terms = 1.0 + 8.0 * (euclid phi[task] + euclid theta[task]) ** 2.0
                Check.near (float (draw.Size + 4) * subject.Epsilon * terms) (1.0 + energy) value[task] $"G, {case.Name}")
    ]

/// −dL(Alg*)/dΛ is paired with u and φ − θ: the gradients in λ of L for Λ(λ), from the same two vectors.
let private parameters (subject: Subject<'V, 'S>) =
    let space = subject.Space
    let property name body = Subject.property subject 15 name body

    let draw (draw: Draw) =
        let random = Random draw.Seed
        let displacement, u = Subject.rows subject random draw.Size, Subject.rows subject random draw.Size
        let products = Array.map2 (Array.map2 (fun p q -> -p * q)) displacement u
        let sizes = products |> Array.map (Array.sumBy abs)
        struct (random, subject.OfRows displacement, subject.OfRows u, products, sizes)

    [
        property "the gradient in λ is −⟨φ−θ, u⟩, in a diagonal −(φ−θ)ⱼuⱼ, and per layer the layer's sum" (fun drawn ->
            let struct (random, displacement, u, products, sizes) = draw drawn
            let layers = min drawn.Size 3
            let scalar: ILearnableRegularizer<'V, 'S, 'S> = ScalarRegularizer<'V, 'S> 2.0

            let diagonal: ILearnableRegularizer<'V, 'S, 'V> =
                DiagonalRegularizer<'V, 'S>(subject.Coordinates, subject.OfRows(Subject.alike subject (Array.create drawn.Size 2.0)))

            let layerwise: ILearnableRegularizer<'V, 'S, 'S[]> =
                LayerwiseRegularizer<'V, 'S>(
                    subject.Coordinates,
                    masks subject layers drawn.Size,
                    Array.init layers (fun _ -> power random)
                )

            let rounding = sizes |> Array.map (fun size -> float (drawn.Size + 1) * subject.Epsilon * size)

            let check what (expected: float[]) actual =
                Array.iteri2 (fun task e a -> Check.near rounding[task] e a $"{what}, task {task}") expected (space.Read actual)

            check "dL/dλ" (products |> Array.map Array.sum) (scalar.ParameterGradient(space, displacement, u))
            Check.rows subject.Epsilon products (subject.ToRows(diagonal.ParameterGradient(space, displacement, u))) "dL/dλⱼ"

            layerwise.ParameterGradient(space, displacement, u)
            |> Array.iteri (fun layer actual ->
                let own row = row |> Array.indexed |> Array.sumBy (fun (j, value) -> if j % layers = layer then value else 0.0)
                check $"dL/dλ of layer {layer}" (products |> Array.map own) actual))
    ]

let private equalities (subject: Subject<'V, 'S>) =
    let space = subject.Space

    [
        Subject.property subject 15 "scalar = constant diagonal = one layer, in action, inverse and gradient" (fun draw ->
            let random = Random draw.Seed
            let lambda = float (float32 (0.1 + random.NextDouble()))
            let w = subject.OfRows(Subject.rows subject random draw.Size)
            let u = subject.OfRows(Subject.rows subject random draw.Size)
            let scalar = ScalarRegularizer<'V, 'S> lambda :> ILearnableRegularizer<'V, 'S, 'S>
            let constant = subject.OfRows(Subject.alike subject (Array.create draw.Size lambda))

            let diagonal =
                DiagonalRegularizer<'V, 'S>(subject.Coordinates, constant) :> ILearnableRegularizer<'V, 'S, 'V>

            let layer =
                LayerwiseRegularizer<'V, 'S>(subject.Coordinates, masks subject 1 draw.Size, [| lambda |])
                :> ILearnableRegularizer<'V, 'S, 'S[]>

            let expected = subject.ToRows(scalar.Apply(space, w))
            Check.same expected (subject.ToRows(diagonal.Apply(space, w))) "constant diagonal"
            Check.same expected (subject.ToRows(layer.Apply(space, w))) "one layer"
            // 1/λ rounds, then the product; the quotient rounds once.
            let inverse = subject.ToRows(scalar.ApplyInverse(space, w))
            Check.rows (2.0 * subject.Epsilon) inverse (subject.ToRows(diagonal.ApplyInverse(space, w))) "Λ⁻¹, constant diagonal"
            Check.rows (2.0 * subject.Epsilon) inverse (subject.ToRows(layer.ApplyInverse(space, w))) "Λ⁻¹, one layer"
            let slope = space.Read(scalar.ParameterGradient(space, w, u))
            Check.same [| slope |] [| space.Read((layer.ParameterGradient(space, w, u))[0]) |] "dL/dλ, one layer"
            let sizes = space.Read(space.Norm w) |> Array.map2 (fun a b -> a * b) (space.Read(space.Norm u))
            let sums = subject.ToRows(diagonal.ParameterGradient(space, w, u)) |> Array.map Array.sum

            Array.iteri2
                (fun task e a -> Check.near (float (draw.Size + 1) * subject.Epsilon * sizes[task]) e a "dL/dλ, constant diagonal")
                slope
                sums)

        Subject.law subject "a λ that is not positive and finite, and layers that overlap or leave a gap, are refused" (fun () ->
            let refused rule body =
                let message =
                    try
                        body () |> ignore
                        "accepted"
                    with :? ArgumentException as e ->
                        e.Message

                message |> should haveSubstring rule

            let ofRow row = subject.OfRows(Subject.alike subject row)
            let layerwise (masks: 'V list) lambda = LayerwiseRegularizer<'V, 'S>(subject.Coordinates, List.toArray masks, lambda)

            for lambda in [ 0.0; -1.0; nan; infinity ] do
                let rule = $"λ must be positive and finite, not {lambda}"
                refused rule (fun () -> ScalarRegularizer<'V, 'S> lambda |> box)
                refused rule (fun () -> DiagonalRegularizer<'V, 'S>(subject.Coordinates, ofRow [| 1.0; lambda |]) |> box)
                refused rule (fun () -> layerwise [ ofRow [| 1.0; 0.0 |]; ofRow [| 0.0; 1.0 |] ] [| 1.0; lambda |] |> box)

            let rule = "parameter 1 must belong to exactly one layer"
            refused rule (fun () -> layerwise [ ofRow [| 1.0; 1.0 |]; ofRow [| 0.0; 1.0 |] ] [| 1.0; 2.0 |] |> box)
            refused rule (fun () -> layerwise [ ofRow [| 1.0; 0.0 |] ] [| 1.0 |] |> box)
            refused rule (fun () -> layerwise [ ofRow [| 1.0; 0.5 |]; ofRow [| 0.0; 0.5 |] ] [| 1.0; 2.0 |] |> box)
            refused "1 layers, but 2 values of λ" (fun () -> layerwise [ ofRow [| 1.0; 1.0 |] ] [| 1.0; 2.0 |] |> box)
            refused "0 layers, but 0 values of λ" (fun () -> layerwise [] [||] |> box))
    ]

/// Quadratic tasks with fewer examples than parameters: ∇²L̂ = A has a null space for d > 1, and largest eigenvalue 1; b is in A's range.
let fewExamples (subject: Subject<'V, 'S>) (draw: Draw) : Quadratics =
    let random = Random draw.Seed
    let d = draw.Size

    let a =
        Array.init subject.Tasks (fun _ ->
            let x = Spectrum.gaussianMatrix random (max 1 (d / 2)) d
            let a = x.TransposeThisAndMultiply x
            let struct (_, largest) = Spectrum.ends a
            (a + a.Transpose()) / (2.0 * largest))

    {
        A = a
        B = Array.map2 (fun (a: Matrix<float>) row -> (-a * vector row).ToArray()) a (Subject.rows subject random d)
        C = Array.init subject.Tasks (fun _ -> Spectrum.positiveDefinite random d 10.0)
        E = Subject.rows subject random d
        Theta = Subject.rows subject random d
    }

/// The gradient in Λ's parameters of Algorithm 2's result is within its bound of that by dense solves in double precision, which err by dκ²ε of
/// ‖w‖‖u‖. With `useful` the bound is within 10⁴dε of the sizes that it is made of. `entries` makes a task's numbers of the exact w and u.
let checkBound
    (subject: Subject<'V, 'S>)
    name
    (tasks: Quadratics)
    (regularizer: ILearnableRegularizer<'V, 'S, 'P>)
    (dense: Matrix<float>[])
    (read: 'P -> float[][])
    (entries: Vector<float> -> Vector<float> -> float[])
    useful
    =
    let space = subject.Space
    let d = tasks.Size
    let problem = problem subject tasks
    let theta = subject.OfRows tasks.Theta

    let conjugateGradients: ILinearSolver<'V, 'S> = ConjugateGradientSolver(KrylovLaws.budget (4 * d))

    let ways: (string * IInnerSolver<'V, 'S> * ILinearSolver<'V, 'S>) list =
        [
            "exact", ExactInnerSolver(subject.Coordinates, 50), DenseSolver(subject.Coordinates)
            "by steps", GradientDescentSolver(MeasuredCurvature, 400), conjugateGradients
            "by few steps", GradientDescentSolver(MeasuredCurvature, 5), ConjugateGradientSolver(KrylovLaws.budget 2)
        ]

    for way, inner, linear in ways do
        let result = ImplicitMetaGradient.Compute(space, regularizer, problem, inner, linear, theta)

        let certificates =
            Certificate.OfResult(space, regularizer, problem, AccuracyLaws.constants subject tasks, theta, result)

        let found = RegularizerGradient.Refined(space, regularizer, problem, linear, result, theta)
        let bounds = RegularizerGradientBound.Of(space, regularizer, certificates, theta, result.Phi, found)
        let actual = read found.Gradient

        for task in 0 .. subject.Tasks - 1 do
            let m = tasks.A[task] + dense[task]
            let theta = vector tasks.Theta[task]
            let w = -m.LU().Solve(tasks.A[task] * theta + vector tasks.B[task])
            let v = tasks.C[task] * (theta + w) + vector tasks.E[task]
            let u = m.LU().Solve v
            let condition = m.ConditionNumber()
            let terms = (w.L2Norm() + u.L2Norm() / float d) * u.L2Norm()
            let oracle = 100.0 * float d * condition * condition * 2.0 ** -52.0 * (terms + 1.0)
            let error = (vector (entries w u) - vector actual[task]).L2Norm()
            let what = $"{name}, {way}, task {task}"
            Expect.equal bounds[task].Kind BoundKind.Certified $"{what}: {bounds[task].Reason}"
            Check.atMost (bounds[task].Total + oracle) error what

            if useful && way <> "by few steps" then
                let size = 1.0 + theta.L2Norm() + w.L2Norm() + u.L2Norm() + v.L2Norm()
                Check.atMost (1e4 * float d * subject.Epsilon * size * size) bounds[task].Total $"{what}, the bound"

let private bounds (subject: Subject<'V, 'S>) =
    let space = subject.Space

    [
        for exponent in [ 0; -4; -8 ] do
            Subject.property
                subject
                6
                $"of the gradient in Λ, by every way to it and for every Λ that the space has, λ about 2^{exponent}"
                (fun drawn ->
                    let tasks = fewExamples subject drawn
                    let random = Random drawn.Seed
                    let d = tasks.Size
                    let lambda = 2.0 ** float exponent
                    let spread () = lambda * 2.0 ** float (random.Next 3)
                    let diagonal (rows: float[][]) = rows |> Array.map (fun row -> Matrix<float>.Build.DenseOfDiagonalArray row)
                    let products (w: Vector<float>) (u: Vector<float>) = -w.PointwiseMultiply u
                    let useful = exponent = 0

                    checkBound
                        subject
                        "scalar"
                        tasks
                        (ScalarRegularizer<'V, 'S> lambda)
                        (diagonal (Subject.alike subject (Array.create d lambda)))
                        (fun found -> space.Read found |> Array.map Array.singleton)
                        (fun w u -> [| (products w u).Sum() |])
                        useful

                    let rows = Array.init subject.Tasks (fun _ -> Array.init d (fun _ -> spread ()))

                    checkBound
                        subject
                        "diagonal"
                        tasks
                        (DiagonalRegularizer<'V, 'S>(subject.Coordinates, subject.OfRows rows))
                        (diagonal rows)
                        subject.ToRows
                        (fun w u -> (products w u).ToArray())
                        useful

                    let layers = min d 3
                    let perLayer = Array.init layers (fun _ -> spread ())

                    checkBound
                        subject
                        "layerwise"
                        tasks
                        (LayerwiseRegularizer<'V, 'S>(subject.Coordinates, masks subject layers d, perLayer))
                        (diagonal (Subject.alike subject (Array.init d (fun j -> perLayer[j % layers]))))
                        (fun found -> found |> Array.map space.Read |> Array.transpose)
                        (fun w u ->
                            let all = products w u
                            Array.init layers (fun layer -> Seq.sum (seq { for j in layer..layers .. d - 1 -> all[j] })))
                        useful)

        Subject.law subject "of a wrong w and of a wrong u is no more than what either spoils, where nothing else is wrong" (fun () ->
            // L̂ = −2φ, L = 4φ, λ = 1: φ* − θ = 2 and u* = 4, and µ = λ is G's curvature, so that the bounds on both errors are the errors.
            let matrix = Array.init subject.Tasks (fun _ -> Matrix<float>.Build.Dense(1, 1))
            let constant value = Subject.alike subject [| value |]

            let tasks: Quadratics =
                {
                    A = matrix
                    B = constant -2.0
                    C = matrix
                    E = constant 4.0
                    Theta = constant 1.0
                }

            let scalar = ScalarRegularizer<'V, 'S> 1.0
            let learnable: ILearnableRegularizer<'V, 'S, 'S> = scalar
            let theta = subject.OfRows tasks.Theta

            for w, u in [ 2.5, 4.0; 2.0, 3.0 ] do
                let phi, solution, moved =
                    subject.OfRows(constant (1.0 + w)), subject.OfRows(constant u), subject.OfRows(constant w)

                let certificates =
                    Certificate.OfSolution(
                        space,
                        scalar,
                        problem subject tasks,
                        AccuracyLaws.constants subject tasks,
                        theta,
                        phi,
                        solution
                    )

                let found: RegularizerGradient<'V, 'S, 'S> =
                    {
                        Gradient = learnable.ParameterGradient(space, moved, solution)
                        Displacement = moved
                        Solution = solution
                        Products = space.Scalar 0.0
                    }

                for bound in RegularizerGradientBound.Of(space, scalar, certificates, theta, phi, found) do
                    let error = abs (w * u - 8.0)
                    // L is claimed to be 2⁻⁴⁰, which δ = ½ and ‖w‖ ≤ 3 multiply.
                    Check.near (1000.0 * subject.Epsilon + 2.0 ** -38.0) error bound.Total $"w = {w}, u = {u}"
                    Check.atMost bound.Total error $"w = {w}, u = {u}")

        Subject.law subject "of a learned λ's rounding holds what φ's and θ's last digits change, with φ near θ" (fun () ->
            let d = 4
            let random = Random 9
            let near = Subject.rows subject random d
            let tasks = fewExamples subject { Seed = 9; Size = d; Condition = 10.0 }
            let tasks = { tasks with Theta = near }
            let theta = subject.OfRows near
            let learned = LearnedRegularizer<'V, 'S>(subject.Coordinates, OneForAll, theta, [| log 1e6 |])

            let strategy: IMetaGradientStrategy<'V, 'S> =
                LearnedRegularizerStrategy(FirstOrderStrategy(GradientDescentSolver(MeasuredCurvature, 3), 0.0), learned)

            let result = strategy.Compute(space, learned.Regularizer, problem subject tasks, theta)
            let g = subject.ToRows result.Gradient
            // By a digit, in the direction that changes ⟨φ − θ, g⟩ most.
            let moved =
                Array.map2
                    (Array.map2 (fun value slope -> value * (1.0 + 0.75 * subject.Epsilon * float (sign (value * slope)))))
                    (subject.ToRows result.Phi)
                    g

            let other =
                { result with
                    Inner =
                        { result.Inner with
                            Phi = subject.OfRows moved
                        }
                }

            let changed = learned.LogGradient(space, other, theta)

            for task in 0 .. subject.Tasks - 1 do
                let change = abs (changed[task][0] - result.Learned[task][0])
                Check.atMost result.LearnedRounding[task] change $"task {task}"
                change |> should be (greaterThan 0.0))

        Subject.property subject 6 "of the rounding of a learned λ's gradient, whatever λ is and whoever shares it" (fun drawn ->
            let tasks = fewExamples subject drawn
            let d = tasks.Size
            let theta = subject.OfRows tasks.Theta

            for lambda in [ 2.0 ** -20.0; 1.0; 2.0 ** 10.0 ] do
                for sharing in
                    [
                        OneForAll
                        OnePerCoordinate
                        OnePerLayer
                            [|
                                yield 1
                                if d > 1 then
                                    yield d - 1
                            |]
                    ] do
                    let logs = Array.create (sharing.Count d) (log lambda)
                    let learned = LearnedRegularizer<'V, 'S>(subject.Coordinates, sharing, theta, logs)

                    let strategy: IMetaGradientStrategy<'V, 'S> =
                        LearnedRegularizerStrategy(
                            ImplicitStrategy(
                                GradientDescentSolver(MeasuredCurvature, 10),
                                ConjugateGradientSolver(KrylovLaws.budget 3),
                                Thresholds.None
                            ),
                            learned
                        )

                    let result = strategy.Compute(space, learned.Regularizer, problem subject tasks, theta)
                    let phi, g = subject.ToRows result.Phi, subject.ToRows result.Gradient

                    for task in 0 .. subject.Tasks - 1 do
                        // Of φ, θ and g as they are, in double precision: Λu = g.
                        let moved = vector phi[task] - vector tasks.Theta[task]
                        let terms = (-moved.PointwiseMultiply(vector g[task])).ToArray()

                        let expected =
                            match sharing with
                            | OneForAll -> [| Array.sum terms |]
                            | OnePerCoordinate -> terms
                            | OnePerLayer _ ->
                                [|
                                    yield terms[0]
                                    if d > 1 then
                                        yield Array.sum terms[1..]
                                |]

                        let error = (vector expected - vector result.Learned[task]).L2Norm()
                        let positions = euclid phi[task] + euclid tasks.Theta[task]
                        // The oracle rounds too: by d + 2 roundings of double precision.
                        let oracle = float (d + 2) * 2.0 ** -53.0 * moved.L2Norm() * euclid g[task]
                        let what = $"{sharing}, λ = {lambda}, task {task}"
                        Check.atMost (result.LearnedRounding[task] + oracle) error what

                        Check.atMost
                            (float (d + 12) * subject.Epsilon * positions * euclid g[task])
                            result.LearnedRounding[task]
                            $"{what}, the bound")
    ]

/// All laws of the regularisers that every space has.
let laws (subject: Subject<'V, 'S>) =
    testList
        $"Regularizers, {subject.Name}"
        [
            testList "actions" (actions subject)
            testList "gradients in Λ" (parameters subject)
            testList "equalities" (equalities subject)
            testList "bounds" (bounds subject)
        ]
