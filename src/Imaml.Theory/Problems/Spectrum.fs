// Random symmetric matrices with a spectrum that is chosen, so that every condition number in a check is exact and replays from a seed.

namespace Imaml.Theory

open System
open MathNet.Numerics.Distributions
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Spectrum =

    /// A vector of d independent standard normal numbers.
    let gaussian (random: Random) d = Vector<float>.Build.Dense(d, fun _ -> Normal.Sample(random, 0.0, 1.0))

    /// A matrix of independent standard normal numbers.
    let gaussianMatrix (random: Random) rows columns = Matrix<float>.Build.Dense(rows, columns, fun _ _ -> Normal.Sample(random, 0.0, 1.0))

    /// A vector of length 1 in a direction drawn uniformly.
    let direction (random: Random) d = (gaussian random d).Normalize 2.0

    /// A random orthogonal matrix: the Q of a Gaussian matrix.
    let orthogonal (random: Random) d = (gaussianMatrix random d d).QR().Q

    /// QDQᵀ for a random orthogonal Q and the diagonal D of these eigenvalues, symmetric to the last bit.
    let symmetric (random: Random) (eigenvalues: float[]) =
        let q = orthogonal random eigenvalues.Length
        let a = q * Matrix<float>.Build.DenseOfDiagonalArray eigenvalues * q.Transpose()
        (a + a.Transpose()) / 2.0

    /// d eigenvalues in [smallest, largest], both ends attained where d ≥ 2, their logarithms uniform between.
    let spread (random: Random) d (smallest: float) (largest: float) =
        Array.init d (fun i ->
            if i = 0 then smallest
            elif i = d - 1 then largest
            else smallest * (largest / smallest) ** random.NextDouble())

    /// A random symmetric positive definite d × d matrix with largest eigenvalue 1 and condition number κ (1 where d = 1).
    let positiveDefinite (random: Random) d (condition: float) = symmetric random (spread random d (1.0 / condition) 1.0)

    /// The smallest and the largest eigenvalue of a symmetric matrix of finite numbers, to rounding.
    let ends (a: Matrix<float>) =
        let system = Eigensystem.Of a
        struct (system.Smallest, system.Largest)

    /// ‖A‖₂ of any matrix.
    let norm (a: Matrix<float>) = a.L2Norm()
