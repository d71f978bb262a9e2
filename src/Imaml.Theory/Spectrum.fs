// Random symmetric matrices with a spectrum that is chosen, so that every condition number in a check is exact and replays from a seed.

namespace Imaml.Theory

open System
open MathNet.Numerics.Distributions
open MathNet.Numerics.LinearAlgebra

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

    /// The smallest and the largest eigenvalue of a symmetric matrix.
    let ends (a: Matrix<float>) =
        let values = (a.Evd Symmetricity.Symmetric).EigenValues.Map(fun value -> value.Real)
        struct (values.Minimum(), values.Maximum())

    /// Numbers below and above every eigenvalue of a symmetric matrix, with proof: eigenvectors V and eigenvalues D as computed are checked.
    ///
    /// With E = VᵀV − I and R = AV − VD, the orthogonal matrix nearest to V is at most ‖E‖ away, so that an orthogonal Q has
    /// ‖A − QDQᵀ‖ ≤ ‖R‖ + ‖E‖(‖A‖ + ‖D‖), which no eigenvalue moves by more than (Weyl). R and E as computed err by at most
    /// γ_{d+2}(‖A‖_F + ‖D‖)‖V‖_F and γ_{d+1}(‖V‖_F² + √d). Exact for a diagonal matrix. Cost: an eigendecomposition and two products.
    let enclosure (a: Matrix<float>) =
        let d = a.RowCount
        let diagonal = a.Diagonal()
        let largest = a.Enumerate() |> Seq.fold (fun most value -> max most (abs value)) 0.0

        if a.EnumerateIndexed Zeros.AllowSkip |> Seq.forall (fun struct (i, j, value) -> i = j || value = 0.0) then
            struct (diagonal.Minimum(), diagonal.Maximum())
        else
            // A power of two, so that scaling rounds nothing.
            let scale = Math.ScaleB(1.0, max -1000 (Math.ILogB largest))
            let scaled = a / scale
            let evd = scaled.Evd Symmetricity.Symmetric
            let values = evd.EigenValues.Map(fun value -> value.Real)
            let v = evd.EigenVectors
            let gram = v.TransposeThisAndMultiply v - Matrix<float>.Build.DenseIdentity d
            let residual = scaled * v - v * Matrix<float>.Build.DiagonalOfDiagonalVector values
            let size = Rounding.frobenius scaled + values.InfinityNorm()
            let length = Rounding.frobenius v
            let skew = Rounding.frobenius gram + Rounding.gamma (d + 1) * (length * length + sqrt (float d))
            let defect = Rounding.frobenius residual + Rounding.gamma (d + 2) * size * length
            let width = Rounding.above 20 (defect + skew * size)
            struct (scale * Rounding.sumBelow (values.Minimum()) -width, scale * Rounding.sumAbove (values.Maximum()) width)

    /// Numbers below (and at least 0) and above every eigenvalue of XᵀX/n, n the number of rows, with proof. The smaller of XᵀX and XXᵀ
    /// is decomposed; as computed it errs by at most γ‖|X|‖²/n.
    let gramEnclosure (x: Matrix<float>) =
        let n = float x.RowCount
        let tall = x.RowCount >= x.ColumnCount
        let gram = (if tall then x.TransposeThisAndMultiply x else x.TransposeAndMultiply x) / n
        let struct (smallest, largest) = enclosure ((gram + gram.Transpose()) / 2.0)
        let entries = Rounding.absoluteNorm x
        let error = Rounding.above 5 (Rounding.gamma (max x.RowCount x.ColumnCount + 6) * entries * entries / n)
        // A row of X is missing for some direction where it is wide.
        let least = if tall then max 0.0 (Rounding.sumBelow smallest -error) else 0.0
        struct (least, Rounding.sumAbove largest error)

    /// ‖A‖₂ of any matrix.
    let norm (a: Matrix<float>) = a.L2Norm()
