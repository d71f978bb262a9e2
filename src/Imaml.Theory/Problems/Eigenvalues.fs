// Bounds on the eigenvalues of a symmetric matrix that hold whatever rounding did: the constants µ, β and L of Theorem 1 rest on them.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open MathNet.Numerics.LinearAlgebra.Factorization
open Imaml.Math

[<RequireQualifiedAccess>]
module Eigenvalues =

    /// The Cholesky factor, where every pivot is positive.
    let tryCholesky (a: Matrix<float>) : Cholesky<float> option =
        try
            Some(a.Cholesky())
        with :? ArgumentException ->
            None

    /// A number below every eigenvalue of a symmetric matrix with entries up to 1 or 2, with proof, from an estimate of the smallest one.
    ///
    /// Where a Cholesky factorisation of B runs to its end, it is that of a matrix at most γ/(1 − γ)·tr B away, γ = γ_{d+1} (Higham,
    /// theorem 10.3; Rump 2006), so B's eigenvalues are at least minus that. B = A − sI has one more rounding on its diagonal; s is lowered
    /// from the estimate until the factorisation ends. Eigenvectors are no proof: MathNet's are not orthogonal where A has a large kernel.
    let private below (a: Matrix<float>) (estimate: float) =
        let d = a.RowCount
        let gamma = Rounding.gamma (d + 4)
        let identity = Matrix<float>.Build.DiagonalIdentity d
        let trace (b: Matrix<float>) = b.Diagonal().SumMagnitudes()
        let least = 2.0 * gamma * trace (a - estimate * identity) + Rounding.unit

        Seq.initInfinite (fun i -> estimate - least * 2.0 ** float i)
        |> Seq.pick (fun s ->
            let b = a - s * identity
            let error = Rounding.above (d + 8) ((gamma / (1.0 - gamma) + 2.0 * Rounding.unit) * trace b)
            tryCholesky b |> Option.map (fun _ -> Rounding.sumBelow s -error))

    // At most the product with a power of two, which rounds only where it underflows.
    let private scaledBelow (scale: float) (bound: float) =
        let product = scale * bound

        if abs product < 2.0 ** -1000.0 then
            Math.BitDecrement product
        else
            product

    /// Numbers below and above every eigenvalue of a symmetric matrix, with proof. Exact for a diagonal one; otherwise they leave some d²u‖A‖
    /// of room; a matrix with a number that is not finite has no bounds. Cost: an eigendecomposition and two Cholesky factorisations or a few more.
    let enclosure (a: Matrix<float>) =
        if not (Seq.forall Double.IsFinite (a.Enumerate())) then
            struct (-infinity, infinity)
        elif a.EnumerateIndexed Zeros.AllowSkip |> Seq.forall (fun struct (i, j, value) -> i = j || value = 0.0) then
            let diagonal = a.Diagonal()
            struct (diagonal.Minimum(), diagonal.Maximum())
        else
            let scale = Eigensystem.ScaleOf a
            let scaled = a / scale
            let struct (smallest, greatest) = Spectrum.ends scaled
            struct (scaledBelow scale (below scaled smallest), -(scaledBelow scale (below -scaled -greatest)))

    /// Numbers below (and at least 0) and above every eigenvalue of XᵀX/n, n the number of rows, with proof. The smaller of XᵀX and XXᵀ, of X
    /// divided by a power of two as squares may underflow, is decomposed; as computed it errs by at most γ‖|X|‖²/n.
    let gramEnclosure (x: Matrix<float>) =
        let scale = Eigensystem.ScaleOf x
        let x = x / scale
        let n = float x.RowCount
        let tall = x.RowCount >= x.ColumnCount

        let gram =
            (if tall then
                 x.TransposeThisAndMultiply x
             else
                 x.TransposeAndMultiply x)
            / n

        let struct (smallest, largest) = enclosure ((gram + gram.Transpose()) / 2.0)
        let entries = Rounding.absoluteNorm x
        let error = Rounding.above 5 (Rounding.gamma (max x.RowCount x.ColumnCount + 6) * entries * entries / n)
        // A row of X is missing for some direction where it is wide.
        let least =
            if tall then
                Rounding.sumBelow smallest -error |> scaledBelow scale |> scaledBelow scale |> max 0.0
            else
                0.0

        struct (least, Rounding.sumAbove largest error *^ scale *^ scale)
