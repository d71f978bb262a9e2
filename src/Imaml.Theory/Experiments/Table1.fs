// Table 1 as fitted slopes: compute and memory against κ, 1 for κ and ½ for √κ, with confidence intervals; and against log(D/δ) at one κ.

namespace Imaml.Theory

open System
open System.Collections.Generic

/// A row of Table 1, the paper's entry next to the measured one.
[<NoComparison; NoEquality>]
type Table1Row =
    {
        Method: Table1Method
        Name: string
        /// The paper's entries, D and δ as in Theorem 1.
        Compute: string
        Memory: string
        Error: string
        /// The expected exponents of κ.
        ComputeExponent: float
        MemoryExponent: float
        /// The exponent of κ in gradients and products.
        ComputeSlope: FittedSlope
        /// Vectors for each step that is kept, T of MAML and K of truncation; of implicit MAML for each step of either solve.
        VectorsPerStep: FittedSlope
        /// The exponent of κ in the vectors that grow with the steps: those beyond VectorsPerStep's intercept, of implicit MAML all of them;
        /// unknown where they are not all positive.
        MemorySlope: FittedSlope
        /// Gradients and products for each unit of ln(D/δ), at one κ.
        ComputePerLog: FittedSlope
        /// "approximate-solve" or "exact-solve".
        ErrorKind: string
        /// The largest error that was measured, relative to ‖λM⁻¹v‖, and the largest share of what Table 1 allows.
        LargestError: float
        LargestErrorShare: float
    }

/// Table 1, measured.
[<NoComparison; NoEquality>]
type Table1Result =
    {
        Seed: int
        Dimension: int
        /// r = δ/D of the points against κ.
        Accuracy: float
        Rows: IReadOnlyList<Table1Row>
        /// The points against κ, all at one accuracy.
        Points: IReadOnlyList<Table1Point>
        /// The points against the accuracy, all at one κ.
        AccuracyPoints: IReadOnlyList<Table1Point>
    }

/// The experiment.
[<AbstractClass; Sealed>]
type Table1 =

    /// d
    static member Dimension = 400

    /// r = δ/D where κ varies.
    static member Accuracy = 0.01

    /// κ where r varies.
    static member Condition = 100.0

    /// The values of κ, from 10 to 10⁴.
    static member Conditions = [| for i in 0..6 -> 10.0 ** (1.0 + float i / 2.0) |]

    /// The values of r at one κ.
    static member Accuracies = [| for i in 1..8 -> 10.0 ** -float i |]

    /// How many problems of this κ: back-propagation through 10⁴ steps and more takes long.
    static member private Repetitions extent condition =
        if condition > 2000.0 then
            Instances.count 1 10 extent
        else
            Instances.count 2 10 extent

    static member private Problems extent : struct (float * float)[] =
        [|
            for condition in Table1.Conditions do
                for _ in 1 .. Table1.Repetitions extent condition -> struct (condition, Table1.Accuracy)
            for accuracy in Table1.Accuracies do
                for _ in 1 .. Table1.Repetitions extent Table1.Condition -> struct (Table1.Condition, accuracy)
        |]

    /// Every problem in turn, its four points; each is measured when it is asked for. `seed` + i replays problem i.
    static member Measure(extent: Extent, seed: int) : Table1Point[] seq =
        Table1.Problems extent
        |> Seq.mapi (fun i struct (condition, accuracy) ->
            SpectralTask.random (Random(seed + i)) Table1.Dimension condition
            |> Table1Methods.all (seed + i) accuracy)

    /// How many problems Measure gives.
    static member Count(extent: Extent) = (Table1.Problems extent).Length

    static member private Row (points: Table1Point[]) (accuracyPoints: Table1Point[]) name : Table1Row =
        let own = points |> Array.filter (fun p -> p.Method = name)
        let ownAccuracies = accuracyPoints |> Array.filter (fun p -> p.Method = name)
        // One κ and accuracy is in both.
        let every = Array.append own ownAccuracies |> Array.distinct
        let kappa = own |> Array.map (fun p -> p.Condition)

        let struct (text, compute, memory, error, computeExponent, memoryExponent) =
            match name with
            | Table1Method.MamlGradientDescent ->
                struct ("MAML, gradient descent + full back-prop", "κ log(D/δ)", "κ log(D/δ)", "0", 1.0, 1.0)
            | Table1Method.MamlNesterov -> struct ("MAML, Nesterov + full back-prop", "√κ log(D/δ)", "√κ log(D/δ)", "0", 0.5, 0.5)
            | Table1Method.TruncatedBackPropagation ->
                struct ("truncated back-prop, gradient descent", "κ log(D/δ)", "κ log(1/ε)", "ε", 1.0, 1.0)
            | Table1Method.ImplicitMaml -> struct ("implicit MAML, Nesterov + CG", "√κ log(D/δ)", "1", "δ", 0.5, 0.0)
            | _ -> invalidArg (nameof name) $"{name} is not a row of Table 1"

        let steps (p: Table1Point) =
            if name = Table1Method.ImplicitMaml then
                p.Steps + p.LinearSteps
            else
                p.KeptSteps

        let perStep =
            PowerLaw.line (every |> Array.map (steps >> float)) (every |> Array.map (fun p -> float p.Vectors))

        let growing (p: Table1Point) =
            if name = Table1Method.ImplicitMaml then
                float p.Vectors
            else
                float p.Vectors - perStep.Intercept

        {
            Method = name
            Name = text
            Compute = compute
            Memory = memory
            Error = error
            ComputeExponent = computeExponent
            MemoryExponent = memoryExponent
            ComputeSlope = PowerLaw.fit kappa (own |> Array.map (fun p -> float p.Compute))
            VectorsPerStep = perStep
            MemorySlope =
                // Vectors that do not grow in proportion to the steps have no exponent.
                let vectors = own |> Array.map growing

                if vectors |> Array.forall (fun count -> count > 0.0) then
                    PowerLaw.fit kappa vectors
                else
                    PowerLaw.unknown
            ComputePerLog =
                PowerLaw.line
                    (ownAccuracies |> Array.map (fun p -> log (1.0 / p.Accuracy)))
                    (ownAccuracies |> Array.map (fun p -> float p.Compute))
            ErrorKind =
                if name = Table1Method.ImplicitMaml then
                    "exact-solve"
                else
                    "approximate-solve"
            LargestError = every |> Array.map (fun p -> p.Error) |> Array.max
            LargestErrorShare = every |> Array.map (fun p -> p.Error / p.ErrorBound) |> Array.max
        }

    /// The table of all of Measure's points.
    static member Summarize(seed: int, points: IEnumerable<Table1Point[]>) : Table1Result =
        let all = points |> Seq.concat |> Seq.toArray
        let kappa = all |> Array.filter (fun p -> p.Accuracy = Table1.Accuracy)
        let accuracies = all |> Array.filter (fun p -> p.Condition = Table1.Condition)

        {
            Seed = seed
            Dimension = Table1.Dimension
            Accuracy = Table1.Accuracy
            Rows = Enum.GetValues<Table1Method>() |> Array.map (Table1.Row kappa accuracies)
            Points = kappa
            AccuracyPoints = accuracies
        }

    /// The whole experiment. Deterministic.
    static member Run(extent: Extent, seed: int) = Table1.Summarize(seed, Table1.Measure(extent, seed))
