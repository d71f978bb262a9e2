// The softmax's curvature S = diag(p) − ppᵀ and third derivative, of which the constants of a convex head are made (docs/convex-head.fsx).

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra

[<RequireQualifiedAccess>]
module SoftmaxClaims =

    // Measured and bound are rounded to some thousand units.
    let private margin measured bound = Claim.margin measured (bound * (1.0 + 1e-12))

    /// Of a softmax: bᵀSb after a move a of its logits and before, or bᵀSb, or ∇³[b, b, b]; a and b random, or between two classes with the others out of the way.
    let private softmax which seed =
        let random = Random(seed: int)
        let classes = random.Next(2, 8)

        let drawn size =
            if random.Next 2 = 0 then
                size * Spectrum.gaussian random classes
            else
                Vector<float>.Build.Dense(classes, (fun i -> if i > 1 then 0.0 else size * (1.0 - 2.0 * float i)))

        let z, a, b = drawn 3.0, drawn (10.0 ** (1.0 - 3.0 * random.NextDouble())), drawn 1.0

        let probabilities (z: Vector<float>) =
            let p = (z - z.Maximum()).PointwiseExp()
            p / p.Sum()

        /// The central moments of b under p.
        let moment (p: Vector<float>) (order: float) =
            let mean = p * b
            Array.sum (Array.map2 (fun p b -> p * (b - mean) ** order) (p.ToArray()) (b.ToArray()))

        let p = probabilities z

        match which with
        | 0 -> margin (moment (probabilities (z + a)) 2.0) (exp (sqrt 2.0 * a.L2Norm()) * moment p 2.0)
        | 1 -> margin (moment p 2.0) (2.0 * (p.Map(fun p -> p * (1.0 - p))).Maximum() * (b * b))
        | _ -> margin (abs (moment p 3.0)) (0.2722 * b.L2Norm() ** 3.0)

    let private some = Instances.count 60 1200

    let private check statement measured bound which first : Claim =
        Claim.create
            "a convex head"
            statement
            "none"
            "random logits z, moves a and directions b of 2 to 7 classes"
            measured
            bound
            (Instances.numbered first some (softmax which))
            [||]

    let claims: Claim list =
        [
            check
                "the softmax's curvature changes by at most the factor exp(√2‖a‖)"
                "bᵀS(z + a)b, a and b random or between two classes"
                "exp(√2‖a‖) bᵀS(z)b"
                0
                90000

            check
                "the softmax's third derivative is at most 2√2/(6√3)"
                "|∇³ along b|, b random or between two classes"
                "0.2722‖b‖³"
                2
                130000

            check "the softmax's curvature is at most 2 max p(1 − p)" "bᵀSb, b random or between two classes" "2 max p(1 − p)‖b‖²" 1 120000
        ]
