/// The oracles themselves, and the ledger of claims.
module Imaml.Math.Tests.TheoryTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private property name (body: Draw -> unit) = Subject.property Subjects.euclidean 30 name body

/// A random point, a random unit direction and the two losses of a random task of every family.
let private instances (draw: Draw) =
    [
        for family in Family.all do
            let task = Family.task family draw.Seed
            let random = Random(draw.Seed + 1)

            for loss in [ task.Inner; task.Outer ] do
                struct (loss, Spectrum.gaussian random task.Theta.Count, Spectrum.direction random task.Theta.Count)
    ]

let private losses =
    testList
        "Losses"
        [
            property "the gradient is the derivative of the value" (fun draw ->
                for struct (loss, phi, direction) in instances draw do
                    let h = 1e-4
                    let measured = (loss.Value(phi + h * direction) - loss.Value(phi - h * direction)) / (2.0 * h)
                    let expected = (loss.Gradient phi).DotProduct direction
                    // Truncation h²ρ/6; rounding of a value whose terms are at most this large, over h.
                    let size =
                        loss.LargestCurvature * phi.L2Norm() ** 2.0
                        + (loss.Gradient phi).L2Norm() * phi.L2Norm()
                        + abs (loss.Value phi)
                        + 1.0

                    let bound = h * h * loss.HessianLipschitz / 6.0 + 100.0 * 2.0 ** -53.0 * size / h
                    Check.near bound expected measured "derivative along a direction")

            property "the Hessian is the derivative of the gradient" (fun draw ->
                for struct (loss, phi, direction) in instances draw do
                    let h = 1e-4
                    let measured = (loss.Gradient(phi + h * direction) - loss.Gradient(phi - h * direction)) / (2.0 * h)
                    let size = loss.LargestCurvature * phi.L2Norm() + (loss.Gradient phi).L2Norm() + 1.0
                    let bound = h * h * loss.ThirdDerivativeLipschitz / 6.0 + 100.0 * 2.0 ** -53.0 * size / h
                    Check.atMost bound ((measured - loss.Hessian phi * direction).L2Norm()) "Hessian times direction")

            property "curvatures lie between the constants, and the gradient within its bound" (fun draw ->
                for struct (loss, phi, _) in instances draw do
                    let struct (smallest, largest) = Spectrum.ends (loss.Hessian phi)
                    let rounding = 100.0 * 2.0 ** -53.0 * loss.LargestCurvature
                    Check.atMost (smallest + rounding) loss.SmallestCurvature "the least curvature"
                    Check.atMost (loss.LargestCurvature + rounding) largest "the greatest curvature"
                    Check.atMost loss.GradientBound ((loss.Gradient phi).L2Norm()) "the gradient")

            property "the Hessian is ρ-Lipschitz" (fun draw ->
                for struct (loss, phi, direction) in instances draw do
                    for distance in [ 0.01; 1.0; 10.0 ] do
                        let change = Spectrum.norm (loss.Hessian(phi + distance * direction) - loss.Hessian phi)
                        let rounding = 100.0 * 2.0 ** -53.0 * loss.LargestCurvature
                        Check.atMost (loss.HessianLipschitz * distance + rounding) change $"‖H(φ) − H(φ′)‖ at distance {distance}")

            testCase "a loss of one logistic example has the values of log(1 + eᶻ) − yz" (fun () ->
                let loss =
                    LogisticRegression.loss (Matrix<float>.Build.Dense(1, 1, 2.0)) (Vector<float>.Build.Dense(1, 1.0))

                let at (value: float) = Vector<float>.Build.Dense(1, value)
                Check.near 1e-15 (log 2.0) (loss.Value(at 0.0)) "at z = 0"
                (loss.Gradient(at 0.0))[0] |> should equal -1.0
                (loss.Hessian(at 0.0))[0, 0] |> should equal 1.0
                // Far out: no overflow on either side.
                Check.near 1e-12 2000.0 (loss.Value(at -1000.0)) "at z = −2000"
                loss.Value(at 1000.0) |> should equal 0.0
                (loss.Gradient(at -1000.0))[0] |> should equal -2.0)

            testCase "shapes and labels that do not fit are refused" (fun () ->
                let x = Matrix<float>.Build.Dense(2, 1, 1.0)
                let refused body = body |> should throw typeof<ArgumentException>
                refused (fun () -> LinearRegression.loss x (Vector<float>.Build.Dense 3) |> ignore)
                refused (fun () -> LogisticRegression.loss x (Vector<float>.Build.Dense 3) |> ignore)
                refused (fun () -> LogisticRegression.loss x (Vector<float>.Build.Dense(2, 0.5)) |> ignore)
                let skew = Matrix<float>.Build.DenseOfRowArrays [| [| 1.0; 2.0 |]; [| 0.0; 1.0 |] |]
                refused (fun () -> Quadratic.loss skew (Vector<float>.Build.Dense 2) 0.0 |> ignore))
        ]

let private spectra =
    testList
        "Spectra"
        [
            property "a symmetric matrix has the eigenvalues that were asked for" (fun draw ->
                let random = Random draw.Seed
                let values = Spectrum.spread random draw.Size (1.0 / draw.Condition) 1.0
                let matrix = Spectrum.symmetric random values
                matrix.IsSymmetric() |> should equal true
                let actual = (matrix.Evd Symmetricity.Symmetric).EigenValues.Map(fun value -> value.Real).ToArray()
                Check.scalars (100.0 * float draw.Size * 2.0 ** -53.0) (Array.sort values) (Array.sort actual) "eigenvalues")

            property "the exact inner solution has no gradient" (fun draw ->
                for family in Family.all do
                    let task = Family.task family draw.Seed
                    let phi = BilevelTask.exactSolution task task.Theta
                    let c = BilevelTask.constants task

                    let terms =
                        c.Smoothness * (phi.L2Norm() + task.Theta.L2Norm()) + (task.Inner.Gradient phi).L2Norm() + 1.0

                    Check.atMost (100.0 * 2.0 ** -53.0 * terms) ((BilevelTask.innerGradient task task.Theta phi).L2Norm()) "‖∇G(φ*)‖")

            testCase "a task is replayed by its seed" (fun () ->
                for family in Family.all do
                    let first, second = Family.task family 17, Family.task family 17
                    first.Theta |> should equal second.Theta
                    first.Inner.Gradient first.Theta |> should equal (second.Inner.Gradient second.Theta)

                    (BilevelTask.constants first).LargestRegularization
                    |> should equal (BilevelTask.constants second).LargestRegularization)
        ]

let private ofMargins margins =
    Instances.from (fun _ ->
        margins
        |> Seq.mapi (fun i margin ->
            {
                Name = $"number {i}"
                Margin = margin
            }))

let private unchecked source statement margins : Claim =
    {
        Source = source
        Statement = statement
        Hypotheses = ""
        Families = ""
        Measured = ""
        Bound = ""
        Instances = ofMargins margins
        Violations = [||]
    }

let private claimOf source statement margins = Claim.check Extent.Quick (unchecked source statement margins)

let private ledger =
    testList
        "Ledger"
        [
            for claim in Ledger.claims do
                testCase $"{claim.Source}: {claim.Statement}" (fun () ->
                    let checkedClaim = Claim.check Extent.Quick claim
                    checkedClaim.Instances |> should be (greaterThan 0)
                    Check.atMost checkedClaim.SmallestMargin 0.0 $"0 against the smallest margin, on {checkedClaim.Nearest}"

                    for violation in checkedClaim.Violations do
                        if not violation.AsExpected then
                            failtest
                                $"{violation.Violation.Hypothesis}: the bound failed on {violation.Broken} of {violation.Instances} instances")

            testCase "one violated instance, or one that is not a number, fails a claim" (fun () ->
                (claimOf "" "" [ 0.5; 0.0 ]).Holds |> should equal true
                (claimOf "" "" [ 0.5; -1e-9 ]).Holds |> should equal false
                (claimOf "" "" [ 0.5; nan ]).Holds |> should equal false
                (claimOf "" "" []).Holds |> should equal false
                (claimOf "" "" [ 0.5; -1e-9; 0.25 ]).Nearest |> should equal "number 1"
                Claim.margin 3.0 4.0 |> should equal 0.25
                Claim.margin 5.0 4.0 |> should equal -0.25
                Claim.margin 1.0 0.0 |> should equal -infinity
                Claim.margin infinity 1.0 |> should equal -infinity

                for measured, bound in [ nan, 4.0; 1.0, nan; 1.0, infinity; -1.0, 4.0 ] do
                    Double.IsNaN(Claim.margin measured bound) |> should equal true)

            testCase "the median of an even number of margins is the mean of the two in the middle" (fun () ->
                (claimOf "" "" [ 0.5; 1.0 ]).MedianMargin |> should equal 0.75
                (claimOf "" "" [ 0.5; 0.25; 1.0 ]).MedianMargin |> should equal 0.5)

            testCase "a violation that goes against expectation fails its claim" (fun () ->
                let holds expectation margins =
                    let violation: Violation =
                        {
                            Hypothesis = "µ > 0"
                            Expectation = expectation
                            Instances = ofMargins margins
                        }

                    (Claim.check
                        Extent.Quick
                        { unchecked "" "" [ 0.5 ] with
                            Violations = [| violation |]
                        })
                        .Holds

                holds Expectation.Breaks [ 0.5; -1.0 ] |> should equal true
                holds Expectation.Breaks [ nan; -1.0 ] |> should equal true
                holds Expectation.Breaks [ nan ] |> should equal false
                holds Expectation.Breaks [ 0.5; 0.0 ] |> should equal false
                holds Expectation.Breaks [] |> should equal false
                holds Expectation.Survives [ 0.5; 0.0 ] |> should equal true
                holds Expectation.Survives [ 0.5; -1.0 ] |> should equal false
                holds Expectation.Survives [ 0.5; nan ] |> should equal false
                holds Expectation.Survives [] |> should equal false)

            testCase "the table has one line for each claim, aligned" (fun () ->
                let claims =
                    [
                        claimOf "(1)" "short" [ 0.5 ]
                        claimOf "Theorem 1" "a longer statement" [ -0.5; 0.25 ]
                    ]

                let lines = (Ledger.table claims).Split '\n'
                lines.Length |> should equal 4
                lines[2] |> should endWith "holds"
                lines[3] |> should endWith "FAILS"
                lines[2].IndexOf "holds" |> should equal (lines[3].IndexOf "FAILS"))
        ]

let private solutions =
    testList
        "Exact solutions"
        [
            testCase "the search ends where the gradient shrinks without end, too" (fun () ->
                // Separable examples and a λ that holds nothing: ‖∇G‖ sinks towards the smallest numbers.
                let examples =
                    LogisticRegression.loss (Matrix<float>.Build.DenseIdentity 2) (Vector<float>.Build.Dense [| 1.0; 0.0 |])

                for lambda in [ 1e-12; 1e-25; 1e-30; 1e-300 ] do
                    let task = BilevelTask.create examples examples (Proximal.Scalar lambda) (Vector<float>.Build.Dense 2)
                    let phi = BilevelTask.exactSolution task task.Theta
                    Check.atMost 1e-11 ((BilevelTask.innerGradient task task.Theta phi).L2Norm()) $"‖∇G‖ for λ = {lambda}")
        ]

[<Tests>]
let tests = testList "Theory" [ losses; spectra; solutions; ledger ]
