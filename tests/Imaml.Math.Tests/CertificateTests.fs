/// The certificate, on exact numbers: against meta-gradients that are known to some fifty decimal digits, and against its own formula.
module Imaml.Math.Tests.CertificateTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory
open Imaml.Math.Tests.PreciseNumbers

/// A loss with the exact derivatives of the very numbers that it was given.
[<NoComparison; NoEquality>]
type private PreciseLoss =
    {
        Loss: SmoothLoss
        Gradient: Precise[] -> Precise[]
        Product: Precise[] -> Precise[] -> Precise[]
    }

let private mean n (x: Precise[]) = x |> Array.map (fun value -> value / precise (float n))

let private quadratic (a: Matrix<float>) (b: Vector<float>) =
    let exactA, exactB = matrix a, vector b

    {
        Loss = Quadratic.loss a b 0.0
        Gradient = fun phi -> Array.map2 (+) (times exactA phi) exactB
        Product = fun _ w -> times exactA w
    }

let private regression (x: Matrix<float>) (y: Vector<float>) =
    let exactX, exactY = matrix x, vector y

    {
        Loss = LinearRegression.loss x y
        Gradient = fun phi -> times (transpose exactX) (Array.map2 (-) (times exactX phi) exactY) |> mean x.RowCount
        Product = fun _ w -> times (transpose exactX) (times exactX w) |> mean x.RowCount
    }

let private logistic (x: Matrix<float>) (y: Vector<float>) =
    let exactX, exactY = matrix x, vector y

    {
        Loss = LogisticRegression.loss x y
        Gradient =
            fun phi ->
                times (transpose exactX) (Array.map2 (-) (times exactX phi |> Array.map sigmoid) exactY)
                |> mean x.RowCount
        Product =
            fun phi ->
                let weights = times exactX phi |> Array.map (fun z -> sigmoid z * sigmoid -z)
                fun w -> times (transpose exactX) (Array.map2 (*) weights (times exactX w)) |> mean x.RowCount
    }

/// A task whose every number is known exactly.
[<NoComparison; NoEquality>]
type private PreciseTask =
    {
        Task: BilevelTask
        Inner: PreciseLoss
        Outer: PreciseLoss
    }

let private preciseTask inner outer proximal theta =
    {
        Task = BilevelTask.create inner.Loss outer.Loss proximal theta
        Inner = inner
        Outer = outer
    }

/// Λw
let private regularized proximal (w: Precise[]) =
    match proximal with
    | Proximal.Scalar lambda -> w |> Array.map (fun value -> precise lambda * value)
    | Proximal.Diagonal lambdas -> Array.map2 (*) (vector lambdas) w
    | Proximal.Matrix lambda -> times (matrix lambda) w

/// x with f(x) = 0, from `start`, by x ← x − M⁻¹f(x) with one factorised M: each step leaves κu of the error, or what M is off by, until
/// a step is below 2⁻¹³⁰.
let private refine (factor: Factorization.Cholesky<float>) (f: Precise[] -> Precise[]) (start: Vector<float>) =
    // Smaller numbers are 0: `precise` has 256 digits after the point.
    let number x = if abs x < 2.0 ** -190.0 then Precise.Zero else precise x

    let rec improve k (x: Precise[]) =
        let step = factor.Solve(f x |> Array.map toFloat |> Vector<float>.Build.DenseOfArray)
        let x = Array.map2 (fun value s -> value - number s) x (step.ToArray())

        if step.L2Norm() <= 2.0 ** -130.0 then
            x
        elif k = 0 then
            failtest $"the refinement does not converge: the last step is {step.L2Norm()}"
        else
            improve (k - 1) x

    improve 60 (vector start)

/// d_θL(Alg*(θ)), and Alg*(θ), to some 2⁻¹³⁰.
let private exact (t: PreciseTask) =
    let task = t.Task
    let theta = vector task.Theta
    let phi = BilevelTask.exactSolution task task.Theta
    let factor = (BilevelTask.shiftedHessian task phi).Cholesky()

    let innerGradient x = Array.map2 (+) (t.Inner.Gradient x) (regularized task.Proximal (Array.map2 (-) x theta))

    let exactPhi = refine factor innerGradient phi
    let v = t.Outer.Gradient exactPhi
    let product = t.Inner.Product exactPhi
    let residual u = Array.map2 (-) (Array.map2 (+) (product u) (regularized task.Proximal u)) v

    let u =
        refine factor residual (factor.Solve(v |> Array.map toFloat |> Vector<float>.Build.DenseOfArray))

    struct (exactPhi, regularized task.Proximal u)

/// The certificate of (φ, u) against the truth. ‖differences‖ rounds by far less than a part in 10¹².
let private checkAt what (t: PreciseTask) (exactPhi, exactGradient) (phi: Vector<float>) (u: Vector<float>) =
    let bound = Theorem1Accounts.certificate t.Task phi u
    bound.Kind |> should equal BoundKind.Certified
    let g = Proximal.apply t.Task.Proximal u
    Check.atMost (bound.InnerError * (1.0 + 1e-12)) (distance phi exactPhi) $"{what}: δ"
    Check.atMost (bound.Total * (1.0 + 1e-12)) (distance g exactGradient) $"{what}: the exact-solve error"

let private instance family (seed: int) largest =
    let random = Random seed
    let d = int (largest ** random.NextDouble())
    let n () = random.Next(max 1 (d / 2), 2 * d + 2)
    let condition = 10.0 ** (6.0 * random.NextDouble())
    let lambda = 10.0 ** (6.5 * random.NextDouble() - 6.0)

    let proximal =
        match random.Next 3 with
        | 0 -> Proximal.Scalar lambda
        | 1 -> Proximal.Diagonal(Vector<float>.Build.Dense(d, fun _ -> lambda * 10.0 ** random.NextDouble()))
        | _ -> Proximal.Matrix(10.0 * lambda * Spectrum.positiveDefinite random d 10.0)

    let theta = Spectrum.gaussian random d

    let loss () =
        match family with
        | Quadratics -> quadratic (Spectrum.positiveDefinite random d condition) (Spectrum.gaussian random d)
        | LinearRegressions ->
            let scales = Spectrum.spread random d (1.0 / sqrt condition) 1.0
            let x = Spectrum.gaussianMatrix random (n ()) d * Matrix<float>.Build.DenseOfDiagonalArray scales
            regression x (Spectrum.gaussian random x.RowCount)
        | LogisticRegressions ->
            let x = Spectrum.gaussianMatrix random (n ()) d
            logistic x (Vector<float>.Build.Dense(x.RowCount, fun i -> float (i % 2)))
        | Networks -> invalidArg (nameof family) "no network is computed with 256 digits here"

    preciseTask (loss ()) (loss ()) proximal theta

/// φ and u from nothing to as good as double precision has them.
let private checkInstance (random: Random) name (t: PreciseTask) =
    let task = t.Task
    let struct (exactPhi, exactGradient) = exact t
    let truth = exactPhi, exactGradient
    let check what phi u = checkAt $"{name}, {what}" t truth phi u
    let best = BilevelTask.exactSolution task task.Theta
    check "at θ with no solve" task.Theta (0.0 * task.Theta)
    check "φ and u to rounding" best (BilevelTask.adjoint task best)

    for size in [ 1e-12; 1e-6; 1e-1; 10.0 ] do
        let near = best + size * Spectrum.direction random task.Theta.Count
        check $"φ off by {size}, u to rounding" near (BilevelTask.adjoint task near)
        let u = BilevelTask.adjoint task best
        check $"φ to rounding, u off by {size}" best (u + size * u.L2Norm() * Spectrum.direction random task.Theta.Count)

let private never =
    testList
        "the certificate is never violated"
        [
            for family in Family.all do
                Subject.property Subjects.euclidean 40 $"on small tasks, {Family.name family}" (fun draw ->
                    checkInstance (Random draw.Seed) (Family.name family) (instance family draw.Seed 12.0))

                for d in [ 50.0; 200.0 ] do
                    testCase $"with up to {d} parameters, {Family.name family}" (fun () ->
                        // The first seed that comes near the largest size.
                        let seed = Seq.initInfinite id |> Seq.find (fun seed -> (Random seed).NextDouble() > 0.98)
                        checkInstance (Random 1) (Family.name family) (instance family seed d))

            testCase "with one parameter, convex or not, where no inequality is slack" (fun () ->
                for seed in 1..2000 do
                    let random = Random seed
                    let one (x: float) = Vector<float>.Build.Dense(1, x)
                    let number () = (random.NextDouble() - 0.5) * 10.0 ** (8.0 * random.NextDouble() - 4.0)
                    let lambda = 10.0 ** (4.0 * random.NextDouble() - 2.0)
                    // The curvature of L̂ cancels up to all but a thousandth of λ.
                    let curvature = lambda * (2.0 * random.NextDouble() - 0.999)
                    let inner = quadratic (Matrix<float>.Build.Dense(1, 1, curvature)) (one (number ()))
                    let slope = if seed % 3 = 0 then 0.0 else number ()
                    let outer = quadratic (Matrix<float>.Build.Dense(1, 1, slope)) (one (number ()))
                    let t = preciseTask inner outer (Proximal.Scalar lambda) (one (number ()))
                    checkInstance random $"seed {seed}" t)

            testCase "where H changes and ∇L does not" (fun () ->
                for seed in 1..40 do
                    let random = Random seed
                    let x = Spectrum.gaussianMatrix random 4 2
                    let inner = logistic x (Vector<float>.Build.Dense(4, fun i -> float (i % 2)))
                    // L = 0: all that φ does to the meta-gradient it does through H.
                    let outer = quadratic (Matrix<float>.Build.Dense(2, 2)) (Spectrum.gaussian random 2)
                    let t = preciseTask inner outer (Proximal.Scalar 0.1) (Spectrum.gaussian random 2)
                    checkInstance random $"seed {seed}" t)

            testCase "where terms cancel and only rounding is left" (fun () ->
                for seed in 1..200 do
                    let random = Random seed
                    let one (x: float) = Vector<float>.Build.Dense(1, x)
                    let curvature, slope = random.NextDouble(), random.NextDouble()
                    let large = 1e8 * random.NextDouble()
                    // Λθ and b cancel: φ* is of order one, what it is computed from is not.
                    let inner = quadratic (Matrix<float>.Build.Dense(1, 1, curvature)) (one (0.7 * large))
                    let outer = quadratic (Matrix<float>.Build.Dense(1, 1, slope)) (one 1.0)
                    checkInstance random $"θ large, seed {seed}" (preciseTask inner outer (Proximal.Scalar 0.7) (one large))
                    // H and Λ cancel, and ∇L does not depend on φ.
                    let inner = quadratic (Matrix<float>.Build.Dense(1, 1, -0.999 * slope)) (one 1.0)
                    let outer = quadratic (Matrix<float>.Build.Dense(1, 1, 0.0)) (one (1.0 + slope))
                    checkInstance random $"H large, seed {seed}" (preciseTask inner outer (Proximal.Scalar slope) (one 1.0)))
        ]

/// Constants with Λ = I.
type private Given =
    {
        StrongConvexity: float
        Smoothness: float
        OuterSmoothness: float
        OuterGradientBound: float
        HessianLipschitz: float
        InnerGradientRounding: AffineBound
        OuterGradientRounding: AffineBound
        ProductRounding: AffineBound
    }

    member g.Task =
        TaskConstants(
            LossConstants.Proved(
                g.StrongConvexity - 1.0,
                g.Smoothness - 1.0,
                g.HessianLipschitz,
                infinity,
                g.InnerGradientRounding,
                g.ProductRounding
            ),
            LossConstants.Proved(
                -g.OuterSmoothness,
                g.OuterSmoothness,
                0.0,
                g.OuterGradientBound,
                g.OuterGradientRounding,
                AffineBound.Zero
            )
        )

    member g.Constants = g.Task.With(ScalarRegularizer<Vector<float>, float> 1.0)

let private constants: Given =
    {
        StrongConvexity = 2.0
        Smoothness = 8.0
        OuterSmoothness = 3.0
        OuterGradientBound = 5.0
        HessianLipschitz = 0.5
        InnerGradientRounding = AffineBound.Zero
        OuterGradientRounding = AffineBound.Zero
        ProductRounding = AffineBound.Zero
    }

/// Arithmetic that does not round.
let private exactArithmetic =
    {
        UnitRoundoff = 0.0
        SmallestNormal = 0.0
        Parameters = 1
        RegularizerRounding = 0.0
    }

let private norms =
    {
        InnerGradient = 0.4
        Phi = 10.0
        Theta = 20.0
        OuterGradient = 7.0
        Solution = 4.0
        Residual = 0.125
        Curvature = infinity
    }

let private formula =
    testList
        "the formula"
        [
            testCase "(‖Λ‖/µ)(‖r‖ + (L + ρ‖u‖)‖∇G‖/µ)" (fun () ->
                let bound = Certificate.Of(constants.Constants, exactArithmetic, norms)
                // ½(0.125 + (3 + 0.5·4)·0.4/2)
                Check.near 1e-12 0.2 bound.InnerError "δ"
                Check.near 1e-12 0.0625 bound.SolveError "δ′"
                Check.near 1e-12 0.5625 bound.Total "total"
                bound.Rounding |> should equal 0.0
                bound.Kind |> should equal BoundKind.Certified
                bound.Reason |> should equal "")

            testCase "the losses' own roundings, at ‖φ‖ and times ‖u‖" (fun () ->
                let rounding constant slope = { Constant = constant; Slope = slope }

                let rounded =
                    { constants with
                        InnerGradientRounding = rounding 0.01 0.002
                        OuterGradientRounding = rounding 0.03 0.004
                        ProductRounding = rounding 0.005 0.0006
                    }

                let bound = Certificate.Of(rounded.Constants, exactArithmetic, norms)
                // ∇G: 0.01 + 0.02; ∇L: 0.03 + 0.04; products: (0.005 + 0.006)·4.
                Check.near 1e-12 (0.43 / 2.0) bound.InnerError "δ"
                Check.near 1e-12 ((0.125 + 0.07 + 0.044) / 2.0) bound.SolveError "δ′"
                Check.near 1e-12 ((0.07 + 0.044 + 5.0 * 0.03 / 2.0) / 2.0) bound.Rounding "rounding"
                Check.near 1e-12 ((0.239 + 5.0 * 0.43 / 2.0) / 2.0) bound.Total "total")

            testCase "Λ's products, φ − θ, and the sums" (fun () ->
                let unit = 2.0 ** -20.0

                let a =
                    { exactArithmetic with
                        UnitRoundoff = unit
                        RegularizerRounding = 1e-3
                    }

                let bound = Certificate.Of(constants.Constants, a, norms)
                // To first order: Λ(φ−θ) by (10⁻³ + 2u)·30, ∇G by 2u of itself, its norm by 9u; r by 10⁻³·4 and 2u·7; Λu by 10⁻³·4; ‖u‖ by 9u.
                let slope = 3.0 + 0.5 * 4.0 * (1.0 + 9.0 * unit)
                let gradient = 0.4 * 11.0 * unit + (1e-3 + 2.0 * unit) * 30.0
                let residual = 0.125 * 13.0 * unit + 4e-3 + 14.0 * unit
                // The second order: 10⁻³ times 10 roundings of 30.
                let tolerance = 5e-7
                Check.near tolerance ((0.4 + gradient) / 2.0) bound.InnerError "δ"
                Check.near tolerance ((0.125 + residual) / 2.0 + 4e-3) bound.SolveError "δ′"
                Check.near tolerance ((0.125 + residual + slope * (0.4 + gradient) / 2.0) / 2.0 + 4e-3) bound.Total "total")

            testCase "underflow is counted" (fun () ->
                let a =
                    { exactArithmetic with
                        SmallestNormal = 1e-30
                        Parameters = 4
                    }

                // 2d√d = 16 of them in ∇G, in r and in Λu.
                let bound =
                    Certificate.Of(
                        constants.Constants,
                        a,
                        { norms with
                            InnerGradient = 0.0
                            Residual = 0.0
                        }
                    )

                Check.near 1e-40 (16e-30 * (1.0 + 0.5 * (1.0 + 2.5))) bound.Rounding "rounding")

            testCase "a curvature below µ refutes the constants, one that rounding explains does not" (fun () ->
                // Of an arithmetic with u = 2⁻²⁰ and d = 1: 12u of β = 8.
                let a =
                    { exactArithmetic with
                        UnitRoundoff = 2.0 ** -20.0
                    }

                let bound arithmetic curvature = Certificate.Of(constants.Constants, arithmetic, { norms with Curvature = curvature })

                for arithmetic, curvature, refuted in
                    [
                        exactArithmetic, 2.0, false
                        exactArithmetic, infinity, false
                        exactArithmetic, 2.0 - 2.0 ** -51.0, true
                        exactArithmetic, -1.0, true
                        exactArithmetic, 0.0, true
                        a, 2.0 - 90.0 * 2.0 ** -20.0, false
                        a, 2.0 - 100.0 * 2.0 ** -20.0, true
                    ] do
                    let bound = bound arithmetic curvature
                    bound.IsRefuted |> should equal refuted
                    bound.Kind |> should equal (if refuted then BoundKind.None else BoundKind.Certified)
                    (bound.Total = infinity) |> should equal refuted

                (bound exactArithmetic 1.5).Reason |> should haveSubstring "curves by 1.5")

            testCase "constants are what they were made: their kind can neither be set nor copied" (fun () ->
                for kind in
                    [
                        typeof<LossConstants>
                        typeof<TaskConstants>
                        typeof<ErrorConstants>
                        typeof<Certificate>
                    ] do
                    kind.IsSealed |> should equal true
                    kind.GetProperties() |> Array.exists _.CanWrite |> should equal false
                    // No copy-and-update, no public constructor that takes a kind, no method that makes another kind.
                    Reflection.FSharpType.IsRecord kind |> should equal false

                    kind.GetConstructors()
                    |> Array.exists (fun made -> made.GetParameters() |> Array.exists (fun p -> p.ParameterType = typeof<BoundKind>))
                    |> should equal false

                    kind.GetMethods()
                    |> Array.exists (fun made -> made.GetParameters() |> Array.exists (fun p -> p.ParameterType = typeof<BoundKind>))
                    |> should equal false

                // What was measured is an ErrorConstants, which no public certificate takes.
                typeof<ErrorConstants>.GetConstructors() |> should haveLength 0

                for face in [ typeof<Certificate>; typeof<AdaptiveAccuracy> ] do
                    for made in face.GetMethods() do
                        for parameter in made.GetParameters() do
                            (parameter.ParameterType = typeof<ErrorConstants>
                             || parameter.ParameterType = typeof<ErrorConstants[]>)
                            |> should equal false)

            testCase "the kind is that of the constants, and there is no bound without them" (fun () ->
                let known = constants.Task

                let none (c: TaskConstants) (reason: string) =
                    let bound = Certificate.Of(c.With(ScalarRegularizer<Vector<float>, float> 1.0), exactArithmetic, norms)

                    bound.Kind |> should equal BoundKind.None
                    bound.Total |> should equal infinity
                    bound.Reason |> should haveSubstring reason
                    bound.IsRefuted |> should equal false

                none (TaskConstants(LossConstants.Unknown, known.Outer)) "no constants are known"
                none (TaskConstants(known.Inner, LossConstants.Unknown)) "no constants are known"

                for given, reason in
                    [
                        { constants with StrongConvexity = 0.0 }, "µ = 0"
                        { constants with
                            StrongConvexity = -1.0
                        },
                        "µ = -1"
                        { constants with
                            HessianLipschitz = infinity
                        },
                        "finite constants"
                        { constants with
                            OuterSmoothness = infinity
                        },
                        "finite constants"
                        { constants with
                            InnerGradientRounding = { Constant = 0.0; Slope = infinity }
                        },
                        "a bound on rounding"
                    ] do
                    none given.Task reason

                for broken in
                    [
                        { constants with StrongConvexity = nan }
                        { constants with StrongConvexity = 9.0 }
                        { constants with OuterSmoothness = nan }
                        { constants with
                            HessianLipschitz = -1.0
                        }
                        { constants with
                            ProductRounding = { Constant = -1e-3; Slope = 0.0 }
                        }
                        { constants with
                            InnerGradientRounding = { Constant = 0.0; Slope = nan }
                        }
                    ] do
                    (fun () -> broken.Task |> ignore) |> should throw typeof<ArgumentException>

                for broken in
                    [
                        { norms with Residual = nan }
                        { norms with InnerGradient = infinity }
                        { norms with Phi = nan }
                    ] do
                    let bound =
                        Certificate.Of(
                            { constants with
                                InnerGradientRounding = { Constant = 0.0; Slope = 1.0 }
                            }
                                .Constants,
                            exactArithmetic,
                            broken
                        )

                    bound.Kind |> should equal BoundKind.None
                    bound.Reason |> should haveSubstring "not finite")

            testCase "in a precision that the parameters exhaust there is no bound" (fun () ->
                let single = Arithmetic.In(2.0 ** -23.0, 100_000_000, ScalarRegularizer<Vector<float>, float> 1.0)

                Certificate.Of(constants.Constants, single, norms).Kind |> should equal BoundKind.None)

            testCase "a scalar or a diagonal Λ rounds once a coordinate, and may be an exponential; a matrix rounds d times" (fun () ->
                let rounding d regularizer = (Arithmetic.In(2.0 ** -52.0, d, regularizer)).RegularizerRounding / 2.0 ** -53.0
                let ones = Vector<float>.Build.Dense(4, 1.0)
                Check.near 1e-9 4.0 (rounding 4 (ScalarRegularizer<Vector<float>, float> 1.0)) "λI"
                Check.near 1e-9 4.0 (rounding 4 (DiagonalRegularizer<Vector<float>, float>(EuclideanCoordinates(), ones))) "diagonal"
                Check.near 1e-9 10.0 (rounding 4 (MatrixRegularizer(Matrix<float>.Build.DenseIdentity 4))) "matrix")
        ]

let private before =
    testList
        "before a run"
        [
            testCase "C = ‖Λ‖L/µ + ‖Λ‖ρB/µ², and without curvature's change no B is needed" (fun () ->
                // 1·3/2 + 1·0.5·5/4
                Theorem1.InnerErrorFactor constants.Constants |> should equal 2.125

                let flat =
                    { constants with
                        HessianLipschitz = 0.0
                        OuterGradientBound = infinity
                    }

                Theorem1.InnerErrorFactor flat.Constants |> should equal 1.5
                Corollary1.MetaSmoothness constants.Constants |> should equal 1.0625
                Theorem1.Bound(constants.Constants, 0.5, 0.25) |> should equal 1.3125

                Theorem1.Bound(
                    { constants with
                        OuterGradientBound = infinity
                    }
                        .Constants,
                    0.0,
                    0.25
                )
                |> should equal 0.25)

            testCase "δ and δ′ for a target add up to it" (fun () ->
                let accuracies = Theorem1.AccuraciesFor(constants.Constants, 0.01)
                accuracies.Solve |> should equal 0.005
                Check.near 1e-16 0.01 (Theorem1.Bound(constants.Constants, accuracies.Inner, accuracies.Solve)) "ε")

            testCase "the iteration counts" (fun () ->
                // κ = 4: ⌈4 ln 1000⌉, ⌈4 ln(√5·1000)⌉, ⌈ln(2·½·5/0.001)⌉
                Theorem1.GradientDescentSteps(constants.Constants, 1.0, 1e-3) |> should equal 28
                Theorem1.NesterovSteps(constants.Constants, 1.0, 1e-3) |> should equal 31
                Theorem1.ConjugateGradientSteps(constants.Constants, 5.0, 1e-3) |> should equal 9
                Theorem1.GradientDescentSteps(constants.Constants, 1e-4, 1e-3) |> should equal 0)

            testCase "Corollary 1's bound" (fun () -> Check.near 1e-15 0.81 (Corollary1.Stationarity(2.0, 4.0, 20, 0.1)) "2·2·4/20 + 0.01")

            testCase "without constants nothing is promised" (fun () ->
                for none in
                    [
                        TaskConstants(LossConstants.Unknown, LossConstants.Unknown).With(ScalarRegularizer<Vector<float>, float> 1.0)
                        { constants with StrongConvexity = 0.0 }.Constants
                    ] do
                    Theorem1.InnerErrorFactor none |> should equal infinity
                    Corollary1.MetaSmoothness none |> should equal infinity
                    (Theorem1.AccuraciesFor(none, 0.1)).Inner |> should equal 0.0
                    Theorem1.GradientDescentSteps(none, 1.0, 0.1) |> should equal Int32.MaxValue)

            testCase "what makes no sense is refused" (fun () ->
                let refused body = body |> should throw typeof<ArgumentException>

                for value in [ 0.0; -1.0; nan; infinity ] do
                    refused (fun () -> Theorem1.AccuraciesFor(constants.Constants, value) |> ignore)
                    refused (fun () -> Theorem1.GradientDescentSteps(constants.Constants, 1.0, value) |> ignore)

                refused (fun () -> Corollary1.Stationarity(1.0, 1.0, 0, 0.1) |> ignore))
        ]

[<Tests>]
let tests = testList "Certificate" [ never; formula; before ]
