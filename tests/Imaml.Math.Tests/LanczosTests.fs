/// Lanczos's method and what is made of it where one space is enough: chances, constants, memory, and the change of a Hessian.
module Imaml.Math.Tests.LanczosTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

let private spectrum steps (a: Matrix<float>) start =
    Lanczos.run space steps (LinearOperator.ofFunction (fun w -> a * w)) start
    |> Lanczos.read space
    |> Array.exactlyOne

let private refused (body: unit -> unit) = body |> should throw typeof<ArgumentException>

[<Tests>]
let tests =
    testList
        "Lanczos"
        [
            testCase "neither end of the spectrum is farther out than is said, but for the chance that is allowed" (fun () ->
                // Crowded ends, which k steps do not reach: λ = cos on [0, π].
                let random = Random 11
                let d = 150
                let values = Array.init d (fun i -> cos (Math.PI * float i / float (d - 1)))
                let a = Matrix<float>.Build.DenseOfDiagonalArray values
                let runs = 200
                let failure = 0.05

                let wrong =
                    Seq.init runs (fun _ -> spectrum 20 a (Spectrum.gaussian random d))
                    |> Seq.filter (fun s ->
                        let missed = s.Missed(d, failure)
                        missed |> should be (lessThan 1.0)
                        s.Smallest - missed > -1.0 || s.Largest + missed < 1.0)
                    |> Seq.length

                Check.atMost (failure * float runs) (float wrong) "runs in which an end is farther out")

            testCase "how far the ends may be: by hand for d = 100, k = 10, a chance of 1 %" (fun () ->
                let a = Spectrum.symmetric (Random 2) (Array.init 100 (fun i -> float i))
                let s = spectrum 10 a (Spectrum.gaussian (Random 3) 100)
                // √ε = ln(2·1.648·10/0.01)/19 = 8.1004/19.
                let epsilon = (log 3296.0 / 19.0) ** 2.0
                Check.near 1e-9 (epsilon / (1.0 - 2.0 * epsilon) * (s.Largest - s.Smallest)) (s.Missed(100, 0.01)) "missed"
                (spectrum 5 a (Spectrum.gaussian (Random 3) 100)).Missed(100, 0.01) |> should equal infinity
                refused (fun () -> s.Missed(0, 0.01) |> ignore)
                refused (fun () -> s.Missed(100, 0.0) |> ignore)
                refused (fun () -> s.Missed(100, 1.0) |> ignore))

            testCase "memory is the basis and a fixed number of vectors" (fun () ->
                let most steps =
                    let struct (counting, subject) = Subjects.tracked (Subjects.batched 2)
                    use _ = (counting :> IInnerProductSpace<_, _>).OpenRegion()
                    let random = Random 4
                    let matrices = Array.init 2 (fun _ -> Spectrum.positiveDefinite random 40 100.0)
                    let start = subject.OfRows(Subject.rows subject random 40)
                    counting.Reset()
                    let before = counting.Vectors

                    let report =
                        Lanczos.run subject.Space steps (LinearOperator.ofFunction (KrylovLaws.operator subject matrices)) start

                    counting.Synchronisations |> should equal 0
                    // The basis alone is left.
                    counting.Vectors - before |> should equal steps
                    report.Basis.Length |> should equal steps
                    counting.MostVectors - before

                most 24 - most 12 |> should equal 12)

            testCase "µ, β and κ of G are λ beyond the ends of H's spectrum" (fun () ->
                let a = Spectrum.symmetric (Random 6) [| -1.5; 0.0; 0.5; 4.0 |]
                let s = spectrum 4 a (Spectrum.gaussian (Random 7) 4)
                // Rounding of four steps on four numbers.
                let near expected actual = Check.near 1e-13 expected actual "constant"
                let strong = ObservedCurvature.Of(s, 2.0, 4, 0.5)
                near 0.5 strong.StrongConvexityAtMost
                near 6.0 strong.SmoothnessAtLeast
                // The quotient by µ = 1/2 magnifies.
                Check.near 1e-11 12.0 strong.ConditionAtLeast "κ"
                near 6.0 (strong.InnerError 3.0)
                (strong.IsRefuted, strong.IsProbable) |> should equal (false, false)
                let weak = ObservedCurvature.Of(s, 1.0, 4, 0.5)
                near -0.5 weak.StrongConvexityAtMost

                (weak.IsRefuted, weak.IsProbable, weak.ConditionAtLeast, weak.InnerError 1.0)
                |> should equal (true, false, infinity, infinity)

                refused (fun () -> ObservedCurvature.Of(s, 0.0, 4, 0.5) |> ignore))

            testCase "a curvature that is far above what may have been missed is probable" (fun () ->
                let a = Spectrum.symmetric (Random 8) (Array.init 60 (fun i -> float i / 59.0))
                let s = spectrum 40 a (Spectrum.gaussian (Random 9) 60)
                ObservedCurvature.Of(s, 1.0, 60, 0.01).IsProbable |> should equal true
                ObservedCurvature.Of(s, 1e-6, 60, 0.01).IsProbable |> should equal false)

            testCase "cosine and relative distance, by hand, for tiny and large vectors" (fun () ->
                let vector (x: float) y = Vector<float>.Build.DenseOfArray [| x; y |]

                for size in [ 1.0; 1e-200; 1e200 ] do
                    Check.near 1e-15 0.6 (Direction.cosine space (vector (3.0 * size) (4.0 * size)) (vector size 0.0)) "cosine"
                    Check.near 1e-15 -1.0 (Direction.cosine space (vector size 0.0) (vector (-2.0 * size) 0.0)) "cosine"

                    let distance =
                        Direction.relativeDistance space (vector (4.0 * size) 0.0) (vector size (4.0 * size)) (vector 0.0 (2.0 * size))

                    Check.near 1e-15 2.5 distance "‖x − y‖/‖z‖"

                let zero = vector 0.0 0.0
                Direction.cosine space zero (vector 1.0 0.0) |> should equal 0.0
                Direction.relativeDistance space (vector 1.0 0.0) zero zero |> should equal 0.0)

            testCase "the change of the Hessian: |sin| of a smooth loss settles, a kink's grows like 1/h" (fun () ->
                // L̂(φ) = f(φ₁): H = f″(φ₁) on the first coordinate.
                let quotient (second: float -> float) (phi: float) h =
                    let curved (at: Vector<float>) =
                        { new ILinearization<Vector<float>, float> with
                            member _.Loss = 0.0
                            member _.Gradient = at
                            member _.HessianProduct w = Vector<float>.Build.DenseOfArray [| second at[0] * w[0]; 0.0 |]
                            member _.Dispose() = ()
                        }

                    let problem =
                        { new IBilevelProblem<Vector<float>, float> with
                            member _.InnerLoss _ = 0.0
                            member _.InnerGradient at = at
                            member _.LinearizeInner at = curved at
                            member _.OuterLossAndGradient at = struct (0.0, at)
                        }

                    let point = Vector<float>.Build.DenseOfArray [| phi; 1.0 |]
                    use linearization = problem.LinearizeInner point
                    let direction = Vector<float>.Build.DenseOfArray [| 7.0; 0.0 |]
                    HessianChange.along space problem linearization point direction direction h

                // f″ = sin: (sin(1 + h) − sin 1)/h = cos(1 + h/2)·sin(h/2)/(h/2).
                for h in [ 0.1; 1e-3; 1e-5 ] do
                    Check.near (1e-15 / h + 1e-12) (cos (1.0 + h / 2.0) * sin (h / 2.0) / (h / 2.0)) (quotient sin 1.0 h) $"h = {h}"

                // f″ jumps from 0 to 3 at 0.
                for h in [ 0.1; 1e-3; 1e-5 ] do
                    Check.near (1e-9 / h) (3.0 / h) (quotient (fun x -> if x > 0.0 then 3.0 else 0.0) -1e-6 h) $"kink, h = {h}"

                refused (fun () -> quotient sin 1.0 0.0 |> ignore)
                refused (fun () -> quotient sin 1.0 infinity |> ignore))
        ]

let private quadratics: MetaGradientLaws.Quadratics =
    let random = Random 12

    {
        A = [| Spectrum.positiveDefinite random 5 20.0 |]
        B = Subject.rows Subjects.euclidean random 5
        C = [| Spectrum.positiveDefinite random 5 20.0 |]
        E = Subject.rows Subjects.euclidean random 5
        Theta = Subject.rows Subjects.euclidean random 5
    }

let private lambda = 0.5
let private theta = Vector<float>.Build.DenseOfArray quadratics.Theta[0]
let private problem = MetaGradientLaws.problem Subjects.euclidean quadratics
let private unrolled rule steps = UnrolledDescent.compute rule steps space (ScalarRegularizer lambda) problem theta

[<Tests>]
let unrolledTests =
    testList
        "Unrolled descent"
        [
            testCase "with a constant step it is back-propagation through gradient descent" (fun () ->
                for steps in [ 1; 2; 7 ] do
                    let path =
                        UnrolledStrategy(
                            {
                                Momentum = NoMomentum
                                Step = 0.25
                                Steps = steps
                            }
                        )
                        :> IMetaGradientStrategy<_, _>

                    let expected = path.Compute(space, ScalarRegularizer lambda, problem, theta)
                    let actual = unrolled (ConstantStep 0.25) steps
                    Check.rows 1e-14 [| expected.Phi.ToArray() |] [| actual.Phi.ToArray() |] "φ"
                    // T steps of 5 terms each, twice.
                    Check.rows 1e-13 [| expected.Gradient.ToArray() |] [| actual.Gradient.ToArray() |] "g")

            testCase "with measured steps φ is gradient descent's, and J = A⁻¹ + Π(I − αₜM)(I − A⁻¹) on a quadratic" (fun () ->
                let one = Matrix<float>.Build.DenseIdentity 5
                let m = quadratics.A[0] + lambda * one
                let inverse = lambda * m.Inverse()

                let gradient (phi: Vector<float>) =
                    quadratics.A[0] * phi + Vector<float>.Build.DenseOfArray quadratics.B[0] + lambda * (phi - theta)

                for steps in [ 1; 2; 6 ] do
                    let descent =
                        GradientDescent.solve MeasuredCurvature steps 0 space (ScalarRegularizer lambda) problem theta theta 0.0

                    let actual = unrolled MeasuredCurvature steps
                    Check.rows 1e-13 [| descent.Phi.ToArray() |] [| actual.Phi.ToArray() |] "φ"
                    // The steps as DescentStep.fs states them: Cauchy's, then α‖gₖ₋₁‖/‖gₖ − gₖ₋₁‖.
                    let mutable phi = theta
                    let mutable alpha = 0.0
                    let mutable before = theta
                    let mutable product = one

                    for t in 0 .. steps - 1 do
                        let g = gradient phi

                        alpha <-
                            if t = 0 then
                                g.DotProduct g / g.DotProduct(m * g)
                            else
                                alpha * before.L2Norm() / (g - before).L2Norm()

                        before <- g
                        phi <- phi - alpha * g
                        product <- (one - alpha * m) * product

                    let j = inverse + product * (one - inverse)
                    let v = quadratics.C[0] * phi + Vector<float>.Build.DenseOfArray quadratics.E[0]
                    // Factors I − αM may be longer than 1 where α is too long for the top of the spectrum: κ ≤ 3 here, six of them.
                    Check.rows 1e-12 [| (j.TransposeThisAndMultiply v).ToArray() |] [| actual.Gradient.ToArray() |] $"Jᵀv, {steps} steps")

            testCase "its cost is 2T + 1 gradients and T products, and steps below 1 are refused" (fun () ->
                let cost = MetaGradient.cost space (unrolled MeasuredCurvature 6) |> Array.exactlyOne
                (cost.Gradients, cost.HessianProducts, cost.OuterGradients) |> should equal (2 * 6 + 1, 6, 1)
                refused (fun () -> unrolled MeasuredCurvature 0 |> ignore)
                refused (fun () -> unrolled (ConstantStep 0.0) 3 |> ignore)
                refused (fun () -> UnrolledDescentStrategy<Vector<float>, float>(MeasuredCurvature, 0) |> ignore))
        ]
