/// The check of a problem's derivatives: silent where they are right, and not where one is wrong.
module Imaml.Math.Tests.DerivativeCheckTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Math.Tests.SinglePrecision
open Imaml.Testing
open Imaml.Theory

type private Vector = Vector<float>

/// ∇L̂, the products and ∇L of two logistic regressions, changed, at a random φ.
let private check (draw: Draw) changeGradient changeProduct changeOuter =
    let random = Random draw.Seed
    let struct (inner, outer) = LogisticRegression.random random 12 40 draw.Size
    let phi = Spectrum.gaussian random draw.Size

    let problem =
        BilevelProblem.FromDelegates(
            inner.Value,
            (fun phi -> changeGradient (inner.Gradient phi)),
            (fun phi w -> changeProduct w (inner.HessianProduct phi w)),
            outer.Value,
            (fun phi -> changeOuter (outer.Gradient phi))
        )

    DerivativeCheck.At(EuclideanSpace(), EuclideanCoordinates(), problem, phi, 8, draw.Seed)[0]

let private same (x: Vector) = x
let private sameProduct (_: Vector) (x: Vector) = x

/// The one fault, which begins so.
let private only (name: string) (report: DerivativeReport) =
    report.Faults |> should haveLength 1
    report.Faults[0] |> should startWith name

/// ½Σ hᵢφᵢ² for the rows of a matrix, with the factor of each in its gradient.
let private rows (factors: float list) =
    let h (phi: Matrix<float>) = Vector<float>.Build.Dense(phi.ColumnCount, fun i -> float (i + 1))

    let gradient (phi: Matrix<float>) = phi.MapIndexed((fun task i x -> factors[task] * (h phi)[i] * x), Zeros.Include)

    let loss (phi: Matrix<float>) =
        phi.ToRowArrays()
        |> Array.map (fun row -> 0.5 * Array.sum (Array.mapi (fun i x -> float (i + 1) * x * x) row))

    struct (loss, gradient)

[<Tests>]
let tests =
    testList
        "Derivative check"
        [
            Subject.property Subjects.euclidean 100 "finds nothing wrong in derivatives that are right" (fun draw ->
                let report = check draw same sameProduct same
                report.Faults |> should be Empty
                Check.atMost 1e-12 report.Asymmetry "asymmetry"

                for error in [ report.InnerGradient; report.HessianProduct; report.OuterGradient ] do
                    Check.near 1e-4 1.0 error.Factor "factor")

            Subject.property Subjects.euclidean 50 "finds each derivative that is wrong by a factor, and the factor" (fun draw ->
                for factor in [ -1.0; 2.0; 1.01 ] do
                    let report = check draw same (fun _ hw -> factor * hw) same
                    only "the Hessian–vector product is off" report
                    Check.near 1e-4 factor report.HessianProduct.Factor "factor"
                    let report = check draw same sameProduct (fun g -> factor * g)
                    only "the outer gradient" report
                    Check.near 1e-4 factor report.OuterGradient.Factor "factor"
                    // The products are then not those of the gradient that was given either.
                    let report = check draw (fun g -> factor * g) sameProduct same
                    report.Faults[0] |> should startWith "the inner gradient"
                    Check.near 1e-4 factor report.InnerGradient.Factor "factor"
                    Check.near 1e-4 (1.0 / factor) report.HessianProduct.Factor "factor of the products")

            Subject.property Subjects.euclidean 50 "finds products that are not symmetric" (fun draw ->
                if draw.Size > 1 then
                    let skew (w: Vector) (hw: Vector) =
                        let turned = hw.Clone()
                        turned[0] <- turned[0] + 1e-3 * w[1]
                        turned[1] <- turned[1] - 1e-3 * w[0]
                        turned

                    let report = check draw same skew same
                    report.Faults |> should haveLength 2
                    report.Faults[1] |> should startWith "the Hessian–vector product is not symmetric")

            testCase "finds a gradient that does not move with φ, a random loss, one with a step, and numbers that are not" (fun () ->
                let random = Random 1
                let phi = Vector<float>.Build.Random(4, 1)
                let square (phi: Vector) = 0.5 * phi.DotProduct phi

                let faults (loss: Vector -> float) (gradient: Vector -> Vector) =
                    let problem = BilevelProblem.FromDelegates(loss, gradient, (fun _ w -> w), square, (fun phi -> phi))
                    let reports = DerivativeCheck.At(EuclideanSpace(), EuclideanCoordinates(), problem, phi, 8, 1)
                    reports[0].Faults

                faults square id |> should be Empty
                faults square (fun _ -> phi) |> should haveLength 1
                let judged = faults (fun phi -> square phi * random.NextDouble()) id
                judged |> should haveLength 1
                judged[0] |> should startWith "the inner gradient cannot be judged"
                faults (fun phi -> square (phi.Map(fun x -> round (4.0 * x)))) id |> should haveLength 1
                faults (fun _ -> nan) id |> should haveLength 1
                faults square (fun phi -> nan * phi) |> should haveLength 2)

            testCase "finds nothing wrong in derivatives that are 0: of a constant, of the gradient of a line" (fun () ->
                let slope = Vector<float>.Build.Random(4, 2)

                let phi = Vector<float>.Build.Random(4, 1)

                for derivative in [ slope; 0.0 * slope ] do
                    let loss (phi: Vector) = 5.0 + derivative.DotProduct phi

                    let faults inner (curvature: float) =
                        let product (_: Vector) (w: Vector) = curvature * w
                        let problem = BilevelProblem.FromDelegates(loss, (fun _ -> inner), product, loss, (fun _ -> derivative))
                        let reports = DerivativeCheck.At(EuclideanSpace(), EuclideanCoordinates(), problem, phi, 8, 1)
                        reports[0].Faults

                    faults derivative 0.0 |> should be Empty
                    faults (derivative + 1e-6) 0.0 |> should haveLength 1
                    faults derivative 1e-6 |> should haveLength 1)

            testCase "a wrong gradient that rounding hides is not called right" (fun () ->
                let slope = Vector<float>.Build.Random(4, 2)
                let loss (phi: Vector) = 1e12 + slope.DotProduct phi
                let product (_: Vector) (w: Vector) = 0.0 * w

                let problem =
                    BilevelProblem.FromDelegates(loss, (fun _ -> 2.0 * slope), product, loss, (fun _ -> 2.0 * slope))

                let reports = DerivativeCheck.At(EuclideanSpace(), EuclideanCoordinates(), problem, slope, 8, 1)
                reports[0].Faults |> should haveLength 2

                for fault in reports[0].Faults do
                    fault |> should haveSubstring "cannot be judged")

            testCase "judges each task of a batch, also in single precision" (fun () ->
                let struct (loss, gradient) = rows [ 1.0; 1.02; 1.0 ]
                let struct (_, right) = rows [ 1.0; 1.0; 1.0 ]
                let single = SinglePrecisionSpace 3

                let check (space: IInnerProductSpace<_, _>) (rounded: Matrix<float> -> Matrix<float>) (number: float -> float) =
                    let loss = loss >> Array.map number
                    let product _ w = rounded (gradient w)
                    let problem = BilevelProblem.FromDelegates(loss, gradient >> rounded, product, loss, right >> rounded)
                    let phi = rounded (Matrix<float>.Build.Random(3, 5, 1))
                    let reports = DerivativeCheck.At(space, BatchedRowsCoordinates(), problem, phi, 16, 1)
                    reports[0].Faults |> should be Empty
                    only "the inner gradient is off by" reports[1]
                    reports[2].Faults |> should be Empty

                check (BatchedRowsSpace 3) id id
                check single single.Round (fun x -> float (float32 x)))

            testCase "needs a direction" (fun () ->
                let struct (loss, gradient) = rows [ 1.0 ]
                let problem = BilevelProblem.FromDelegates(loss, gradient, (fun _ w -> gradient w), loss, gradient)
                let phi = Matrix<float>.Build.Dense(1, 2)

                (fun () -> DerivativeCheck.At(BatchedRowsSpace 1, BatchedRowsCoordinates(), problem, phi, 0, 1) |> ignore)
                |> should throw typeof<ArgumentException>)
        ]
