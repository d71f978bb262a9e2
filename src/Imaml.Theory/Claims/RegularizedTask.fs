// A task with a Λ of one of the core's four kinds, and a direction to move Λ in.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// The kinds of Λ that the core has.
type RegularizerKind =
    | Scalar = 0
    | Diagonal = 1
    | Layerwise = 2
    | Matrix = 3

/// A task, its Λ as the core has it, and Λ(t) = Λ + tD for one symmetric D of its kind with ‖D‖ = 1.
[<NoComparison; NoEquality>]
type RegularizedTask =
    {
        Name: string
        Task: BilevelTask
        Regularizer: IRegularizer<Vector<float>, float>
        /// Λ(t) as the oracles have it.
        At: float -> Proximal
        /// The core's gradient in Λ along D, from a meta-gradient at θ.
        SlopeOf: MetaGradient<Vector<float>, float> -> float
        /// The same by ParameterGradient from φ − θ and u.
        SlopeFrom: Vector<float> -> Vector<float> -> float
    }

    /// Λ, dense.
    member t.Lambda = Proximal.dense t.Task.Theta.Count t.Task.Proximal
    /// The task's problem, as the core sees it.
    member t.Problem = BilevelTask.problem t.Task

[<RequireQualifiedAccess>]
module RegularizedTask =

    let space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    let private coordinates = EuclideanCoordinates()

    /// The same task with another Λ.
    let private create
        name
        (task: BilevelTask)
        (at: float -> Proximal)
        (regularizer: ILearnableRegularizer<Vector<float>, float, 'P>)
        (along: 'P -> float)
        : RegularizedTask =
        {
            Name = name
            Task = { task with Proximal = at 0.0 }
            Regularizer = regularizer
            At = at
            SlopeOf = fun result -> along (RegularizerGradient.Compute(space, regularizer, result, task.Theta))
            SlopeFrom = fun displacement u -> along (regularizer.ParameterGradient(space, displacement, u))
        }

    /// Numbers of either sign, the largest of size 1.
    let private unit (random: Random) count =
        let x = Array.init count (fun _ -> 2.0 * random.NextDouble() - 1.0)
        let largest = x |> Array.map abs |> Array.max
        x |> Array.map (fun value -> value / largest)

    /// The task with a random Λ of this kind, its eigenvalues between λ and 10λ.
    let ofKind (kind: RegularizerKind) (random: Random) (lambda: float) (task: BilevelTask) : RegularizedTask =
        let d = task.Theta.Count
        let vector (values: float[]) = Vector<float>.Build.DenseOfArray values

        match kind with
        | RegularizerKind.Scalar -> create "Λ = λI" task (fun t -> Proximal.Scalar(lambda + t)) (ScalarRegularizer lambda) id
        | RegularizerKind.Diagonal ->
            let lambdas = Proximal.randomEntries random d lambda
            let direction = unit random d |> vector

            create
                "Λ diagonal"
                task
                (fun t -> Proximal.Diagonal(lambdas + t * direction))
                (DiagonalRegularizer(coordinates, lambdas))
                direction.DotProduct
        | RegularizerKind.Layerwise ->
            let layers = min d 3

            let masks =
                Array.init layers (fun l -> Array.init d (fun j -> if j % layers = l then 1.0 else 0.0) |> vector)

            let lambdas = (Proximal.randomEntries random layers lambda).ToArray()
            let direction = unit random layers
            let spread (values: float[]) = Vector<float>.Build.Dense(d, fun j -> values[j % layers])

            create
                "Λ by layers"
                task
                (fun t -> Proximal.Diagonal(spread lambdas + t * spread direction))
                (LayerwiseRegularizer(coordinates, masks, lambdas))
                (Array.fold2 (fun sum a b -> sum + a * b) 0.0 direction)
        | RegularizerKind.Matrix ->
            let matrix = Proximal.randomMatrix random d lambda
            let direction = Spectrum.symmetric random (unit random d)

            create "Λ a matrix" task (fun t -> Proximal.Matrix(matrix + t * direction)) (MatrixRegularizer matrix) (fun gradient ->
                gradient.PointwiseMultiply(direction).RowSums().Sum())
        | _ -> invalidArg (nameof kind) $"{kind} is not a kind of Λ"

    /// The family's task of this seed with a Λ of each kind in turn, λ from 0.01 to 10.
    let task family (seed: int) : RegularizedTask =
        let random = Random(3 * seed + 2)
        let lambda = 10.0 ** (3.0 * random.NextDouble() - 2.0)
        ofKind (enum<RegularizerKind>(seed % 4)) random lambda (Family.task family seed)

    /// One margin for each seed of each family, Λ of each kind in turn.
    let each first (families: Family list) count (check: RegularizedTask -> Random -> float) =
        Instances.from (fun extent ->
            Instances.seeds first families count extent
            |> Seq.map (fun struct (family, seed) ->
                let task = task family seed

                {
                    Name = $"{Family.name family}, {task.Name}, seed {seed}"
                    Margin = check task (Random(seed + 1))
                }))
