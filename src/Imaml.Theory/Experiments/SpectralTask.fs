// Tasks of one condition number, in the eigenvectors of H: a rotation of the parameters changes nothing in any method here, and every
// product then costs d operations and every oracle is a formula for one eigenvalue at a time.
//
// The eigenvalues m of M = H + λI fill [λ, κλ] as Chebyshev's nodes do, dense at both ends. That is the spectrum on which conjugate
// gradients need all of √κ: they neither end early nor find clusters, as long as d is well above √κ. H's smallest eigenvalue is 0, so that
// the strong convexity of G is the proximal term's alone.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// A quadratic task with its spectrum.
[<NoComparison; NoEquality>]
type SpectralTask =
    {
        Task: BilevelTask
        /// κ = β/µ
        Condition: float
        /// λ = µ
        Lambda: float
        /// β = κµ
        Smoothness: float
        /// The eigenvalues of H + λI, in the order of the coordinates.
        Eigenvalues: Vector<float>
        /// φ* = Alg*(θ)
        Solution: Vector<float>
    }

    /// R = ‖θ − φ*‖
    member t.Radius = (t.Task.Theta - t.Solution).L2Norm()

[<RequireQualifiedAccess>]
module SpectralTask =

    /// ½Σhⱼφⱼ² + bᵀφ, its products coordinate by coordinate.
    let private loss (h: Vector<float>) (b: Vector<float>) : SmoothLoss =
        { Quadratic.loss (Matrix<float>.Build.DiagonalOfDiagonalVector h) b 0.0 with
            Value = fun phi -> (0.5 * h.PointwiseMultiply phi + b).DotProduct phi
            Gradient = fun phi -> h.PointwiseMultiply phi + b
            HessianProduct = fun _ w -> h.PointwiseMultiply w
        }

    /// A task whose H + λI has these eigenvalues, the smallest of them at least λ, with L̂'s linear term as `linear` makes it of θ.
    let private create (random: Random) (lambda: float) (eigenvalues: float[]) linear : SpectralTask =
        let d = eigenvalues.Length
        let m = Vector<float>.Build.DenseOfArray eigenvalues
        let theta = Spectrum.gaussian random d
        let b: Vector<float> = linear m theta
        let outer = Vector<float>.Build.Dense(d, fun _ -> 0.5 + 0.5 * random.NextDouble())

        {
            Task = BilevelTask.create (loss (m - lambda) b) (loss outer (Spectrum.gaussian random d)) (Proximal.Scalar lambda) theta
            Condition = Array.max eigenvalues / lambda
            Lambda = lambda
            Smoothness = Array.max eigenvalues
            Eigenvalues = m
            // Mφ* = λθ − b
            Solution = (lambda * theta - b).PointwiseDivide m
        }

    /// The same where θ − φ* has independent standard normal coordinates: no eigenvalue has a larger part in it than another.
    let ofOffset (random: Random) (lambda: float) (eigenvalues: float[]) =
        create random lambda eigenvalues (fun m theta ->
            let offset = Spectrum.gaussian random theta.Count
            lambda * theta - m.PointwiseMultiply(theta - offset))

    /// A random task of this d ≥ 2 and κ > 1, with β = 1.
    let random (random: Random) d (condition: float) =
        let lambda = 1.0 / condition

        let eigenvalue i =
            // One in each of d parts of the distribution, the ends attained.
            let share =
                if i = 0 then 0.0
                elif i = d - 1 then 1.0
                else (float i + random.NextDouble()) / float d

            lambda + (1.0 - lambda) * (1.0 - cos (Math.PI * share)) / 2.0

        { create random lambda (Array.init d eigenvalue) (fun _ _ -> Spectrum.gaussian random d) with
            Condition = condition
        }

    /// λM⁻¹v, the implicit gradient of v.
    let implicitGradient (task: SpectralTask) (v: Vector<float>) = task.Lambda * v.PointwiseDivide task.Eigenvalues

    /// J_Tᵀv of T steps of this length, eigenvalue by eigenvalue, with J* = λ/m and c = 1 − αm:
    ///     gradient descent   J_T = J* + cᵀ(1 − J*)
    ///     Nesterov           Jₜ₊₁ = c[(1 + b)Jₜ − bJₜ₋₁] + αλ,   J₀ = J₋₁ = 1
    let unrolledGradient (task: SpectralTask) (options: UnrolledOptions) (v: Vector<float>) =
        let ofEigenvalue m =
            let contraction = 1.0 - options.Step * m

            match options.Momentum with
            | NoMomentum ->
                let limit = task.Lambda / m
                limit + pown contraction options.Steps * (1.0 - limit)
            | Nesterov b ->
                let mutable j = 1.0
                let mutable before = 1.0

                for _ in 1 .. options.Steps do
                    let next = contraction * (j + b * (j - before)) + options.Step * task.Lambda
                    before <- j
                    j <- next

                j
            | HeavyBall _ -> invalidArg (nameof options) "Table 1 does not include the heavy-ball method"

        v.PointwiseMultiply(task.Eigenvalues.Map ofEigenvalue)

    /// The smallest K whose K-term Neumann series of the implicit gradient, λM⁻¹[I − (I − αM)ᴷ]v, is within `error` of J_Tᵀv. Its distance
    /// falls with K for α ≤ 1/β, as every term that is missing has the same sign.
    let truncation (task: SpectralTask) (options: UnrolledOptions) (v: Vector<float>) (error: float) =
        let full = unrolledGradient task { options with Momentum = NoMomentum } v
        let implicit = implicitGradient task v

        let distance k =
            let kept = task.Eigenvalues.Map(fun m -> 1.0 - pown (1.0 - options.Step * m) k)
            (implicit.PointwiseMultiply kept - full).L2Norm()

        let rec between below above =
            if above - below <= 1 then
                above
            else
                let k = (below + above) / 2

                if distance k <= error then
                    between below k
                else
                    between k above

        between 0 options.Steps
