// A linear map given by its action: the algorithms use nothing else of H + Λ, of a preconditioner, or of Lemma 1's Jacobian. And a small map as
// a matrix, against which everything else is checked: its entries, its eigenvalues and eigenvectors A = QDQᵀ.
//
// MathNet's decomposition squares entries and fails where the squares overflow, so A is first divided by a power of two, which rounds nothing.

namespace Imaml.Math

open System
open MathNet.Numerics.LinearAlgebra

/// w ↦ Aw. For B tasks the map is block-diagonal: each task has its own block.
type ILinearOperator<'V> =
    /// Aw
    abstract Apply: w: 'V -> 'V

/// w ↦ Hw + Λw. Each product rounds by ελ_min(Λ)‖w‖ at least, however much of the sum cancels: a smaller value is not a curvature.
type internal IShiftedOperator<'V> =
    inherit ILinearOperator<'V>
    /// λ_min(Λ)
    abstract Shift: float

/// Linear operators, and their matrices.
[<AbstractClass; Sealed>]
type LinearOperator =

    /// The largest d that is taken as a dense matrix: a task's matrix then has 128 MiB. A larger d is probably a mistake.
    static member LargestDimension = 4096

    /// The operator of a function, which is taken to be linear.
    static member Of(apply: Func<'V, 'V>) : ILinearOperator<'V> =
        ArgumentNullException.ThrowIfNull(apply, nameof apply)

        { new ILinearOperator<'V> with
            member _.Apply w = apply.Invoke w
        }

    /// The same of w ↦ Hw + Λw, `shift` = λ_min(Λ).
    static member internal OfSum(shift: float, apply: 'V -> 'V) : ILinearOperator<'V> =
        { new IShiftedOperator<'V> with
            member _.Apply w = apply w
            member _.Shift = shift
        }

    /// The size of what an operator's products are summed of, where that is known; else 0.
    static member internal Terms(operator: ILinearOperator<'V>) =
        match operator with
        | :? IShiftedOperator<'V> as sum -> sum.Shift
        | _ -> 0.0

    /// The d × d matrix of every task, column by column from Aeⱼ, for vectors of the kind of `like`.
    ///
    /// Cost: d products, each for all tasks at once; the vectors of one product at a time. Errors: d above LargestDimension.
    static member Matrices
        (space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, operator: ILinearOperator<'V>, like: 'V)
        : Matrix<float>[] =
        let rows = coordinates.ToRows like
        let d = rows[0].Length

        if d > LinearOperator.LargestDimension then
            invalidArg (nameof like) $"a dense matrix is for at most {LinearOperator.LargestDimension} parameters, not {d}"

        let unit j = rows |> Array.map (fun _ -> Array.init d (fun i -> if i = j then 1.0 else 0.0))

        let columns =
            Array.init d (fun j ->
                use _ = space.OpenRegion()
                coordinates.ToRows(operator.Apply(coordinates.OfRows(like, unit j))))

        rows
        |> Array.mapi (fun task _ -> Matrix<float>.Build.DenseOfColumnArrays(columns |> Array.map (fun column -> column[task])))

    /// The exact diagonal of every task's A, for vectors of the kind of `like`.
    ///
    /// Cost: d products, each for all tasks at once. Errors: d above LargestDimension.
    static member Diagonal(space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, operator: ILinearOperator<'V>, like: 'V) : 'V =
        let matrices = LinearOperator.Matrices(space, coordinates, operator, like)
        coordinates.OfRows(like, matrices |> Array.map (fun a -> a.Diagonal().ToArray()))

/// A = scale · QDQᵀ.
[<NoComparison; NoEquality>]
type Eigensystem =
    {
        /// A power of two: A's largest entry divided by it is between 1 and 2; 1 for A = 0.
        Scale: float
        /// D, ascending: A's eigenvalues divided by Scale.
        ScaledValues: Vector<float>
        /// Q, orthonormal columns in the order of the eigenvalues.
        Vectors: Matrix<float>
    }

    /// The smallest eigenvalue of A, to d roundings of ‖A‖.
    member e.Smallest = e.Scale * e.ScaledValues.Minimum()
    /// The largest eigenvalue of A, to d roundings of ‖A‖.
    member e.Largest = e.Scale * e.ScaledValues.Maximum()

    /// A power of two with which the largest entry of A is between 1 and 2, so that A divided by it rounds nothing; 1 for A = 0. Below 2⁻¹⁰⁰⁰
    /// it stays there, and so finite in the denominator.
    static member ScaleOf(a: Matrix<float>) : float =
        let largest = a.Enumerate() |> Seq.fold (fun most value -> max most (abs value)) 0.0

        if largest = 0.0 then
            1.0
        else
            Math.ScaleB(1.0, max -1000 (Math.ILogB largest))

    /// Of the symmetric part (A + Aᵀ)/2. Time of order d³. Errors: A is not square, or has an entry that is not finite.
    static member Of(a: Matrix<float>) : Eigensystem =
        if a.RowCount <> a.ColumnCount then
            invalidArg (nameof a) $"a symmetric matrix is square, not {a.RowCount} × {a.ColumnCount}"

        if not (Seq.forall Double.IsFinite (a.Enumerate())) then
            invalidArg (nameof a) "the entries of a matrix that is decomposed must be finite"

        let scale = Eigensystem.ScaleOf a
        // MathNet's decomposition goes wrong with numbers whose squares underflow next to 1: they are less than any rounding of ‖A‖.
        let scaled =
            (a / scale).Map((fun value -> if abs value < 2.0 ** -400.0 then 0.0 else value), Zeros.Include)

        let decomposition = ((scaled + scaled.Transpose()) / 2.0).Evd Symmetricity.Symmetric

        {
            Scale = scale
            ScaledValues = decomposition.EigenValues.Map(fun value -> value.Real)
            Vectors = decomposition.EigenVectors
        }

/// The eigenvalues of a symmetric tridiagonal matrix, by bisection: the number of negative pivots of T − xI counts the eigenvalues below x
/// (Golub and Van Loan, section 8.4). Exact to rounding, with memory for k numbers and time of order k², and it always ends.
[<RequireQualifiedAccess>]
module Tridiagonal =

    /// How many eigenvalues of the tridiagonal matrix are below x.
    let private below (diagonal: float[]) (offDiagonal: float[]) x =
        let mutable count = 0
        let mutable pivot = 1.0

        for i in 0 .. diagonal.Length - 1 do
            let coupling =
                if i = 0 then
                    0.0
                else
                    // The quotient first: the square of an off-diagonal may leave the range of numbers.
                    offDiagonal[i - 1] / pivot * offDiagonal[i - 1]

            pivot <- diagonal[i] - x - coupling

            // A pivot of exactly 0 would make the next one infinite or NaN: just below x it is positive.
            if pivot = 0.0 then
                pivot <- 1e-300

            if pivot < 0.0 then
                count <- count + 1

        count

    /// The k-th smallest eigenvalue for every k of `which`, from 0.
    let private chosen (which: int[]) (diagonal: float[]) (offDiagonal: float[]) =
        let radius i =
            (if i = 0 then 0.0 else abs offDiagonal[i - 1])
            + (if i = diagonal.Length - 1 then 0.0 else abs offDiagonal[i])

        // Gershgorin's discs hold every eigenvalue.
        let lowest = diagonal |> Array.mapi (fun i value -> value - radius i) |> Array.fold min infinity
        let highest = diagonal |> Array.mapi (fun i value -> value + radius i) |> Array.fold max -infinity

        let rec bisect k low high =
            let middle = low + (high - low) / 2.0

            if not (low < middle && middle < high) then
                middle
            elif below diagonal offDiagonal middle > k then
                bisect k low middle
            else
                bisect k middle high

        which |> Array.map (fun k -> bisect k lowest highest)

    /// The eigenvalues of a symmetric tridiagonal matrix, ascending.
    [<CompiledName("Eigenvalues")>]
    let eigenvalues (diagonal: float[]) (offDiagonal: float[]) = chosen (Array.init diagonal.Length id) diagonal offDiagonal

    /// The smallest of them, in time of order k. Errors: a matrix without entries.
    let internal smallest (diagonal: float[]) (offDiagonal: float[]) = (chosen [| 0 |] diagonal offDiagonal)[0]

[<RequireQualifiedAccess>]
module RitzValues =

    // T of k steps (α, β): diagonal 1/αⱼ + βⱼ₋₁/αⱼ₋₁, off-diagonal √βⱼ/αⱼ.
    let private matrix (coefficients: struct (float * float)[]) =
        let diagonal =
            coefficients
            |> Array.mapi (fun j (struct (alpha, _)) ->
                if j = 0 then
                    1.0 / alpha
                else
                    let struct (previousAlpha, previousBeta) = coefficients[j - 1]
                    1.0 / alpha + previousBeta / previousAlpha)

        struct (diagonal, coefficients |> Array.map (fun (struct (alpha, beta)) -> sqrt beta / alpha))

    /// The Ritz values of k steps (α, β), in the order of the steps and all α > 0: the eigenvalues of A seen from the Krylov space, those of the
    /// tridiagonal matrix with diagonal 1/αⱼ + βⱼ₋₁/αⱼ₋₁ and off-diagonal √βⱼ/αⱼ.
    [<CompiledName("OfSteps")>]
    let ofSteps (coefficients: struct (float * float)[]) =
        let struct (diagonal, offDiagonal) = matrix coefficients
        Tridiagonal.eigenvalues diagonal offDiagonal

    /// The smallest of them; infinite for no steps.
    let internal smallest (coefficients: struct (float * float)[]) =
        if coefficients.Length = 0 then
            infinity
        else
            let struct (diagonal, offDiagonal) = matrix coefficients
            Tridiagonal.smallest diagonal offDiagonal
