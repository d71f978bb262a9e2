// Families of general lower levels (LowerLevel.fs of the core) on ℝᵈ, each as the paper's task at every z, with its pull-back ∂_z f − Cᵀu and what is
// proved of that (KnownLowerLevel.fs): S, at most L_z + ρ_C‖u‖, K ≥ ‖C‖, ρ_C and rounding (PullBackBound).
//
//     proximal         z = θ, the centre                  C = −Λ                       S = 0              K = ‖Λ‖                       ρ_C = 0
//     log λ            Λ = diag e^{Pz}, P shares          Cᵀu = Pᵀ[(x−c)∘Λu]           S = ‖Λu‖           K = max_g ‖Λ(x−c)‖_g          ρ_C = ‖Λ‖
//     example weights  L̂ = (1/n) Σ σ(zᵢ)ℓᵢ                (Cᵀu)ᵢ = w′ᵢ⟨rᵢ, Uᵀaᵢ⟩/n      S = c₂‖A‖ max w′ᵢ‖Uᵀaᵢ‖/n   K = ‖A‖ max w′ᵢ‖rᵢ‖/n   ρ_C = c₂‖A‖ max w′ᵢ‖aᵢ‖/n
//     cross term       L̂ + xᵀBz, f = L + xᵀEz             ∂_z f = Eᵀx, C = B           S = ‖E‖            K = ‖B‖                       ρ_C = 0
//
// Shared λ: by Cauchy and Schwarz group by group, ‖Pᵀ(a∘b)‖ ≤ max_g ‖a_g‖ · ‖b‖. Example weights, w = σ(z), w′ = σ(z)σ(−z): |⟨rᵢ(x) − rᵢ(x′), Uᵀaᵢ⟩| ≤
// c₂‖Uᵀaᵢ‖‖ΔWᵀaᵢ‖, and Σ‖ΔWᵀaᵢ‖² ≤ ‖A‖²‖ΔW‖². What λ = e^z, w = σ(z) and w′ = σ(z)σ(−z) round, which is relative, is counted: bounds are of the z given.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module LowerLevels =

    let private coordinates: ICoordinates<Vector<float>> = EuclideanCoordinates()

    let private checkCount name (expected: int) (values: Vector<float>) =
        if values.Count <> expected then
            invalidArg name $"{values.Count} numbers where {expected} are needed"

        if values.Exists(fun value -> not (Double.IsFinite value)) then
            invalidArg name "numbers must be finite"

    /// At least ‖X‖₂. Squares of X itself may underflow.
    let private spectralNorm (x: Matrix<float>) =
        let scale = Eigensystem.ScaleOf x
        let struct (_, top) = Eigenvalues.gramEnclosure (x / scale)
        scale *^ Rounding.above 4 (sqrt (float x.RowCount * top))

    let private proved slope norm normSlope rounding =
        PullBackBound.Proved(Proved.most slope, Proved.most norm, Proved.most normSlope, Proved.most rounding)

    /// What fewer than `operations` operations on numbers up to `size` lose by underflow.
    let private underflow (operations: int) size = float operations * 2.0 ** -1022.0 * (1.0 + size)

    /// The paper's problem: z = θ.
    let proximal (inner: SmoothLoss) (outer: SmoothLoss) (proximal: Proximal) : KnownLowerLevel =
        let largest = (Proximal.regularizer proximal).LargestEigenvalue
        let d = inner.Dimension

        // Of Λu, as the certificate of g = Λu has it.
        let rounding =
            match proximal with
            | Proximal.Matrix _ -> Rounding.gamma (d + 1) * sqrt (float d)
            | _ -> Rounding.gamma 4

        {
            OuterDimension = inner.Dimension
            Task = BilevelTask.create inner outer proximal
            PullBack =
                fun _ ->
                    {
                        Gradient = fun _ _ lambdaU -> lambdaU
                        Bound =
                            fun _ u ->
                                proved
                                    0.0
                                    largest
                                    0.0
                                    (Rounding.above 4 (rounding *^ largest *^ Rounding.norm u) +^ underflow (2 * d * d) 0.0)
                    }
        }

    /// The pull-back to z = log λ at this Λ, λI or diagonal, whose λ are those of z.
    let logLambdaPullBack (sharing: Sharing) (proximal: Proximal) (centre: Vector<float>) : KnownPullBack =
        let d = centre.Count
        sharing.Count d |> ignore
        let struct (_, largest) = Proximal.enclosure proximal

        let groups: int[] =
            match sharing with
            | OneForAll -> Array.zeroCreate d
            | OnePerCoordinate -> Array.init d id
            | OnePerLayer sizes -> sizes |> Array.mapi (fun group size -> Array.create size group) |> Array.concat

        let gradient (x: Vector<float>) _ (lambdaU: Vector<float>) =
            let products = (x - centre).PointwiseMultiply lambdaU
            Vector<float>.Build.DenseOfArray (sharing.Gradient(coordinates, -products)).[0]

        let bound (x: Vector<float>) (u: Vector<float>) =
            let moved = x - centre
            let size = Rounding.above 4 (Rounding.norm moved)
            // Products with Λ may underflow.
            let tiny = float d * 2.0 ** -1022.0
            let lambdaU = Rounding.above 4 (Rounding.norm (Proximal.apply proximal u)) +^ tiny

            let most =
                Seq.zip groups (Proximal.apply proximal moved)
                |> Seq.groupBy fst
                |> Seq.map (fun (_, members) -> members |> Seq.map snd |> Vector<float>.Build.DenseOfEnumerable |> Rounding.norm)
                |> Seq.max
                |> Rounding.above 4

            proved
                lambdaU
                (most +^ tiny)
                largest
                (Rounding.above 6 (Rounding.gamma (d + 10) *^ size *^ lambdaU +^ underflow (4 * d) (size + lambdaU)))

        { Gradient = gradient; Bound = bound }

    /// z = log λ: one λ for all coordinates, for each group of consecutive ones, or for each. c is the centre of the proximal term, 0 for weight decay.
    let logLambda (sharing: Sharing) (centre: Vector<float>) (inner: SmoothLoss) (outer: SmoothLoss) : KnownLowerLevel =
        let k = sharing.Count inner.Dimension

        let proximal (z: Vector<float>) =
            checkCount (nameof z) k z
            let lambdas = z |> Seq.map exp |> Seq.toArray

            if lambdas |> Array.exists (fun lambda -> not (Double.IsNormal lambda)) then
                invalidArg (nameof z) "λ = e^z must be a normal number: z from -708 to 709"

            match sharing with
            | OneForAll -> Proximal.Scalar lambdas[0]
            | _ -> Proximal.Diagonal(sharing.Vector(coordinates, centre, lambdas))

        {
            OuterDimension = k
            Task = fun z -> BilevelTask.create inner outer (proximal z) centre
            PullBack = fun z -> logLambdaPullBack sharing (proximal z) centre
        }

    /// z: one weight σ(zᵢ) for each example, L̂ = (1/n) Σ σ(zᵢ)ℓᵢ (data hyper-cleaning). Errors: those of ExampleLoss.weighted.
    let exampleWeights link (a: Matrix<float>) (y: Vector<float>) (outer: SmoothLoss) (proximal: Proximal) (centre: Vector<float>) =
        let a, y = a.Clone(), y.Clone()
        let n = a.RowCount
        let struct (p, outs) = struct (a.ColumnCount, ExampleLoss.outputs link)
        let norm = lazy (spectralNorm a)
        let lengths = lazy (Array.init n (fun i -> Rounding.norm (a.Row i)))
        let weights (z: Vector<float>) = z.Map(LogisticFunction.sigmoid, Zeros.Include)

        // w′ to a relative γ₁₃.
        let slopes (z: Vector<float>) = z.Map((fun z -> LogisticFunction.sigmoid z * LogisticFunction.sigmoid -z), Zeros.Include)

        let gradient (z: Vector<float>) (x: Vector<float>) (u: Vector<float>) _ =
            let r = ExampleLoss.residuals link a y x
            let s = a * ExampleLoss.unflatten link p u
            let w = slopes z
            Vector<float>.Build.Dense(n, fun i -> -(w[i] * (r.Row i).DotProduct(s.Row i)) / float n)

        let bound (z: Vector<float>) (x: Vector<float>) (u: Vector<float>) =
            let c2 = ExampleLoss.curvature link
            let smallest = 2.0 ** -1022.0
            let w = slopes z |> Seq.map (fun slope -> Rounding.above 13 slope +^ smallest) |> Seq.toArray
            let r = ExampleLoss.residuals link a y x
            let s = a * ExampleLoss.unflatten link p u
            let struct (sizeX, sizeU) = struct (Rounding.norm x, Rounding.norm u)

            // What rᵢ and Uᵀaᵢ as computed may be off by, and how large they are at most.
            let errors =
                lengths.Value
                |> Array.mapi (fun i length ->
                    2.0 * Rounding.unit * Rounding.norm (r.Row i)
                    + ExampleLoss.linkRounding link
                    + c2 * Rounding.gamma (p + 2) *^ length *^ sizeX)

            let residuals = errors |> Array.mapi (fun i error -> Rounding.norm (r.Row i) + error)

            let turns =
                lengths.Value
                |> Array.mapi (fun i length -> Rounding.norm (s.Row i) +^ Rounding.gamma (p + 2) *^ length *^ sizeU)

            let most f = Seq.init n (fun i -> w[i] *^ f i) |> Seq.max
            let scale = Rounding.above 12 (norm.Value /^ float n)

            let rounding =
                Vector<float>
                    .Build.Dense(
                        n,
                        fun i ->
                            smallest *^ residuals[i] *^ turns[i]
                            +^ w[i]
                               *^ (errors[i] *^ turns[i]
                                   +^ residuals[i]
                                      *^ (Rounding.gamma (p + outs + 8) *^ lengths.Value[i] *^ sizeU +^ Rounding.gamma 20 *^ turns[i]))
                               /^ float n
                    )
                |> Rounding.norm

            proved
                (scale *^ c2 *^ most (fun i -> turns[i]))
                (scale *^ most (fun i -> residuals[i]))
                (scale *^ c2 *^ most (fun i -> lengths.Value[i]))
                (Rounding.above 12 (rounding +^ underflow (n * (p + outs + 4)) (Array.max residuals + Array.max turns)))

        {
            OuterDimension = n
            Task =
                fun z ->
                    checkCount (nameof z) n z
                    BilevelTask.create (ExampleLoss.weighted link (weights z) a y) outer proximal centre
            PullBack =
                fun z ->
                    checkCount (nameof z) n z

                    {
                        Gradient = gradient z
                        Bound = bound z
                    }
        }

    /// g = L̂(x) + xᵀBz + ½(x−c)ᵀΛ(x−c), f = L(x) + xᵀEz, B and E [d × k]: quadratic in (x, z) where L̂ and L are in x.
    let cross (b: Matrix<float>) (e: Matrix<float>) (inner: SmoothLoss) (outer: SmoothLoss) (proximal: Proximal) (centre: Vector<float>) =
        let d, k = inner.Dimension, b.ColumnCount

        if b.RowCount <> d || e.RowCount <> d || e.ColumnCount <> k then
            invalidArg
                (nameof b)
                $"B is {b.RowCount} × {k}, E {e.RowCount} × {e.ColumnCount}: both need a row for each of the {d} parameters, and as many columns"

        let b, e = b.Clone(), e.Clone()
        let struct (normB, normE) = struct (spectralNorm b, spectralNorm e)
        let struct (entriesB, entriesE) = struct (Rounding.absoluteNorm b, Rounding.absoluteNorm e)

        let shifted (m: Matrix<float>) entries (z: Vector<float>) =
            SmoothLoss.plusLinear (m * z) (Rounding.above 4 (Rounding.gamma (k + 1) *^ entries *^ Rounding.norm z))

        {
            OuterDimension = k
            Task =
                fun z ->
                    checkCount (nameof z) k z
                    BilevelTask.create (shifted b entriesB z inner) (shifted e entriesE z outer) proximal centre
            PullBack =
                fun _ ->
                    {
                        Gradient = fun x u _ -> e.TransposeThisAndMultiply x - b.TransposeThisAndMultiply u
                        Bound =
                            fun x u ->
                                let rounding = entriesE *^ Rounding.norm x +^ entriesB *^ Rounding.norm u
                                proved normE normB 0.0 (Rounding.above 6 (Rounding.gamma (d + 3) *^ rounding +^ underflow (2 * d * k) 0.0))
                    }
        }
