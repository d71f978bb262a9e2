/// Bounds at any scale: numbers from 2⁻⁶⁰⁰ to 2⁶⁰⁰, at which squares, quotients and products of bounds underflow, on problems of one parameter whose
/// solutions are known as fractions.
module Imaml.Math.Tests.ScaleTests

open System
open System.Numerics
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Theory

/// An exact fraction.
[<NoComparison; NoEquality>]
type Fraction =
    {
        Top: BigInteger
        Bottom: BigInteger
    }

    static member (+)(a, b) =
        {
            Top = a.Top * b.Bottom + b.Top * a.Bottom
            Bottom = a.Bottom * b.Bottom
        }

    static member (~-) a = { a with Top = -a.Top }
    static member (-)(a: Fraction, b: Fraction) = a + -b

    static member (*)(a, b) =
        {
            Top = a.Top * b.Top
            Bottom = a.Bottom * b.Bottom
        }

    static member (/)(a, b) =
        {
            Top = a.Top * b.Bottom * BigInteger(b.Top.Sign)
            Bottom = a.Bottom * BigInteger.Abs b.Top
        }

    member a.Sign = a.Top.Sign
    member a.Abs = { a with Top = BigInteger.Abs a.Top }

/// The number that a double is.
let private exactly (x: float) =
    if x = 0.0 then
        {
            Top = BigInteger.Zero
            Bottom = BigInteger.One
        }
    else
        // Subnormal numbers too: in steps, as a power of two below them is 0.
        let exponent = max -1074 (Math.ILogB x - 52)
        let significand = BigInteger(Math.ScaleB(Math.ScaleB(x, -exponent / 2), -exponent - (-exponent / 2)))

        if exponent >= 0 then
            {
                Top = significand <<< exponent
                Bottom = BigInteger.One
            }
        else
            {
                Top = significand
                Bottom = BigInteger.One <<< -exponent
            }

let private isAtMost (bound: float) (x: Fraction) = bound = infinity || (exactly bound - x).Sign >= 0

/// A positive number of any size.
let private anySize (random: Random) exponent = Math.ScaleB(0.5 + random.NextDouble() / 2.0, random.Next(-exponent, exponent))

let private outward =
    testList
        "arithmetic that is rounded upwards"
        [
            testCase
                "a product and a quotient are at least the exact ones, and the next number below is not where nothing underflows"
                (fun () ->
                    let random = Random 1

                    for _ in 1..20_000 do
                        let a, b = anySize random 1020, anySize random 1020
                        let product = Outward.productAbove a b
                        isAtMost product (exactly a * exactly b) |> should equal true
                        let quotient = Outward.quotientAbove a b
                        isAtMost quotient (exactly a / exactly b) |> should equal true

                        if product > 2.0 ** -800.0 && product < infinity then
                            isAtMost (Math.BitDecrement product) (exactly a * exactly b) |> should equal false

                        if quotient > 2.0 ** -800.0 && quotient < infinity && a > 2.0 ** -800.0 then
                            isAtMost (Math.BitDecrement quotient) (exactly a / exactly b) |> should equal false

                            (exactly (Outward.quotientBelow a b) * exactly b - exactly a).Sign
                            |> should be (lessThanOrEqualTo 0))

            testCase "what is exact stays: zeros, powers of two, small integers" (fun () ->
                Outward.productAbove 0.0 1e300 |> should equal 0.0
                Outward.productAbove 0.0 infinity |> Double.IsNaN |> should equal true
                Outward.productAbove 3.0 0.25 |> should equal 0.75
                Outward.quotientAbove 0.0 1e-300 |> should equal 0.0
                Outward.quotientAbove 3.0 4.0 |> should equal 0.75
                Outward.quotientAbove 1.0 0.0 |> should equal infinity
                Outward.productAbove 1e-200 1e-200 |> should equal Double.Epsilon
                Outward.rootAbove 0.0 |> should equal 0.0)
        ]

/// a and b of ½aφ² + bφ, as a loss and as fractions: a quadratic, or the regression of two examples.
let private loss (random: Random) (size: unit -> float) =
    let one (x: float) = Vector<float>.Build.Dense(1, x)

    if random.Next 2 = 0 then
        let a, b = abs (size ()), size ()
        struct (Quadratic.loss (Matrix<float>.Build.Dense(1, 1, a)) (one b) 0.0, exactly a, exactly b)
    else
        let x1, x2, y1, y2 = size (), size (), size (), size ()
        let x = Matrix<float>.Build.Dense(2, 1, [| x1; x2 |])
        let half = exactly 0.5
        let sum a b c d = half * (exactly a * exactly b + exactly c * exactly d)
        struct (LinearRegression.loss x (Vector<float>.Build.Dense [| y1; y2 |]), sum x1 x1 x2 x2, -(sum x1 y1 x2 y2))

let private anyScale =
    testCase "no certified bound is below the error: of φ, g, ∇F in a cross term and in log λ, dL/dλ" (fun () ->
        let space = EuclideanSpace()
        let mutable bounded, small = 0, 0

        for seed in 1..12_000 do
            let random = Random seed
            // Half of the instances near one size, which the others seldom have.
            let exponent =
                if seed % 4 = 0 then 600
                elif seed % 2 = 0 then 300
                else 20

            let shift = if seed % 2 = 0 then 0 else random.Next(-280, 280)
            let sign () = if random.Next 2 = 0 then 1.0 else -1.0
            let size () = sign () * Math.ScaleB(anySize random exponent, shift)
            let vector (x: float) = Vector<float>.Build.Dense(1, x)
            let matrix (x: float) = Matrix<float>.Build.Dense(1, 1, x)
            let struct (inner, a, b) = loss random size
            let struct (outer, c, d) = loss random size
            let lambda, theta, cross, outerCross, z = abs (size ()), size (), size (), size (), size ()

            let level =
                LowerLevels.cross (matrix cross) (matrix outerCross) inner outer (Proximal.Scalar lambda) (vector theta)

            let task = level.Task(vector z)
            let exactLambda, exactTheta = exactly lambda, exactly theta
            let exactA = a + exactLambda
            let exactPhi = (exactLambda * exactTheta - b - exactly cross * exactly z) / exactA
            let exactU = (c * exactPhi + d + exactly outerCross * exactly z) / exactA
            let best = BilevelTask.exactSolution task task.Theta

            let phi =
                match random.Next 3 with
                | 0 -> vector (size ())
                | 1 -> best * (1.0 + 1e-6 * random.NextDouble())
                | _ -> best

            let u =
                match random.Next 3 with
                | 0 -> vector (size ())
                | 1 -> BilevelTask.adjoint task phi * (1.0 + 1e-6 * random.NextDouble())
                | _ -> BilevelTask.adjoint task phi

            let all =
                [
                    phi[0]
                    u[0]
                    lambda * u[0]
                    (phi[0] - theta) * u[0]
                    cross * u[0]
                    outerCross * phi[0]
                    cross * z
                    outerCross * z
                ]

            if all |> List.forall Double.IsFinite then
                let regularizer = ScalarRegularizer<Vector<float>, float> lambda

                let certificate =
                    Certificate
                        .OfSolution(space, regularizer, BilevelTask.problem task, [| BilevelTask.losses task |], task.Theta, phi, u)
                        .[0]

                let holds what bound (computed: float) exact =
                    if bound < infinity && Double.IsFinite computed then
                        bounded <- bounded + 1

                        if bound < 1e-200 then
                            small <- small + 1

                        if not (isAtMost bound (exactly computed - exact).Abs) then
                            failtest $"{what}, seed {seed}: the error of {computed} is above the certified bound {bound}"

                if certificate.Kind = BoundKind.Certified then
                    holds "φ" certificate.InnerError phi[0] exactPhi
                    holds "u" certificate.AdjointError u[0] exactU
                    holds "g" certificate.Total (lambda * u[0]) (exactLambda * exactU)

                    let pulled (pullBack: KnownPullBack) what exact =
                        let bound = LowerLevelCertificate.Of(certificate, pullBack.BoundAt(phi, u))

                        if bound.Kind = BoundKind.Certified then
                            holds what bound.Total (pullBack.GradientAt(phi, u, lambda * u)).[0] exact

                    pulled (level.PullBack(vector z)) "∇F in a cross term" (exactly outerCross * exactPhi - exactly cross * exactU)

                    pulled
                        (LowerLevels.logLambdaPullBack OneForAll (Proximal.Scalar lambda) task.Theta)
                        "∇F in log λ"
                        (-((exactPhi - exactTheta) * exactLambda * exactU))

                    let displacement = phi - task.Theta

                    let byLambda: RegularizerGradient<Vector<float>, float, float> =
                        {
                            Gradient = -(displacement[0] * u[0])
                            Displacement = displacement
                            Solution = u
                            Products = 0.0
                        }

                    let bound =
                        RegularizerGradientBound.Of(space, regularizer, [| certificate |], task.Theta, phi, byLambda).[0]

                    if bound.Kind = BoundKind.Certified then
                        holds "dL/dλ" bound.Total byLambda.Gradient (-((exactPhi - exactTheta) * exactU))

        bounded |> should be (greaterThan 5000)
        small |> should be (greaterThan 100))

[<Tests>]
let tests = testList "Scales" [ outward; anyScale ]
