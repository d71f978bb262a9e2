// The ends of a symmetric operator's spectrum by Lanczos's method with full reorthogonalisation (Parlett 1998, chapter 13; Golub and Van
// Loan, section 10.3), on B tasks in lock-step.
//
//     A qⱼ = βⱼ₋₁qⱼ₋₁ + αⱼqⱼ + βⱼqⱼ₊₁,   Q = [q₁ … q_k] orthonormal,   T = QᵀAQ tridiagonal
//
// Of T = SDSᵀ three things are proved, whatever A and the start, up to the rounding of the products and of k vectors:
//
//     within |β_k s_kj| of the Ritz value d_j lies an eigenvalue of A: ‖A Qs_j − d_j Qs_j‖ is that number        (Parlett, theorem 4.5.1)
//     λ_min ≤ min d, max d ≤ λ_max: Ritz values are curvatures of A, so that a negative one proves A indefinite
//     A has at least as many eigenvalues below any number as T has                                               (Cauchy's interlacing)
//
// Each new vector is made orthogonal to all before it, once more than the recurrence does: twice is enough. Where less is then left of it than a
// rounding of what A does to unit vectors, the space is invariant, the Ritz values are eigenvalues, and the task is frozen with qⱼ₊₁ = 0.
//
// How much of the spectrum's ends a random start can have missed: drawn uniformly from the unit sphere of ℝᵈ, k steps give, except with a chance of
// at most 1.648√d·e^(−√ε(2k−1)), λ_max − max d ≤ ε(λ_max − λ_min)      (Kuczyński and Woźniakowski 1992, theorem 4.2; A − λ_min I for their A)
// and the same of −A. With both, λ_max − λ_min ≤ (max d − min d)/(1 − 2ε), so neither end is farther out than ε/(1 − 2ε)(max d − min d).

namespace Imaml.Math

open MathNet.Numerics.LinearAlgebra

/// The Ritz values of one task. Empty where no step was made.
[<Sealed>]
type RitzSpectrum private (epsilon: float, values: float[], residuals: float[], vectors: float[][], invariant: bool, nonFinite: bool) =
    /// k, the steps that were made.
    member _.Steps = values.Length
    /// d₁ ≤ … ≤ d_k
    member _.Values = values
    /// |β_k s_kj|: within it of d_j lies an eigenvalue.
    member _.Residuals = residuals
    /// s_j, the coordinates of the Ritz vectors in Lanczos's basis.
    member _.Vectors = vectors
    /// Whether the space is invariant, so that the Ritz values are eigenvalues to rounding. They need not be all.
    member _.Invariant = invariant
    /// Whether a product or the start was not finite; the values are those of the steps before.
    member _.NonFinite = nonFinite
    /// The smallest Ritz value, at least λ_min; not a number where no step was made.
    member _.Smallest = if values.Length = 0 then nan else values[0]
    /// The largest Ritz value, at most λ_max; not a number where no step was made.
    member _.Largest = if values.Length = 0 then nan else values[values.Length - 1]

    /// How many eigenvalues are at least below `number`: as many as Ritz values are.
    member _.CountBelow(number: float) = values |> Array.filter (fun value -> value < number) |> Array.length

    /// How many eigenvalues are at least negative, beyond rounding: below −√ε of the largest in size, ε the space's.
    member this.NegativeAtLeast =
        if values.Length = 0 then
            0
        else
            this.CountBelow(-(sqrt epsilon) * max (abs this.Smallest) (abs this.Largest))

    /// By how much λ_min may be below Smallest and λ_max above Largest, except with a chance of `failure`, where the start was uniform on the
    /// sphere of ℝᵈ; infinite where k steps are too few for a bound. Errors: d below 1, a chance outside (0, 1).
    member this.Missed(dimension: int, failure: float) : float =
        if dimension < 1 then
            invalidArg (nameof dimension) $"the dimension must be at least 1, not {dimension}"

        if not (failure > 0.0 && failure < 1.0) then
            invalidArg (nameof failure) $"a chance of failure is between 0 and 1, not {failure}"

        if values.Length = 0 then
            infinity
        else
            // Half of the chance for either end.
            let root = log (2.0 * 1.648 * sqrt (float dimension) / failure) / float (2 * values.Length - 1)
            let share = root * root

            if share < 0.5 then
                share / (1.0 - 2.0 * share) * (this.Largest - this.Smallest)
            else
                infinity

    /// Of T with this diagonal and off-diagonal β₁ … β_k, the last of which couples the space to the rest.
    static member internal Of(epsilon: float, diagonal: float[], offDiagonal: float[], invariant: bool, nonFinite: bool) : RitzSpectrum =
        let k = diagonal.Length

        if k = 0 then
            RitzSpectrum(epsilon, [||], [||], [||], invariant, nonFinite)
        else
            let entry i j =
                if i = j then diagonal[i]
                elif abs (i - j) = 1 then offDiagonal[min i j]
                else 0.0

            let system = Eigensystem.Of(Matrix<float>.Build.Dense(k, k, entry))
            let vectors = system.Vectors.ToColumnArrays()

            RitzSpectrum(
                epsilon,
                Tridiagonal.eigenvalues diagonal (Array.truncate (k - 1) offDiagonal),
                vectors |> Array.map (fun s -> abs (offDiagonal[k - 1] * s[k - 1])),
                vectors,
                invariant,
                nonFinite
            )

/// The Krylov space that Lanczos's method has built for every task, still on the device.
[<NoComparison; NoEquality>]
type LanczosReport<'V, 'S> =
    {
        /// q₁ … q_k; 0 from where a task was frozen.
        Basis: 'V[]
        /// α₁ … α_k
        Diagonal: 'S[]
        /// β₁ … β_k, the last of which couples the space to the rest.
        OffDiagonal: 'S[]
        /// Steps that enlarged the task's space.
        Steps: 'S
        /// Masks: an invariant space was reached; a product was not finite.
        Invariant: 'S
        NonFinite: 'S
    }

    interface ICarried<'V, 'S, LanczosReport<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Basis = Array.map vector.Invoke this.Basis
                Diagonal = Array.map scalar.Invoke this.Diagonal
                OffDiagonal = Array.map scalar.Invoke this.OffDiagonal
                Steps = scalar.Invoke this.Steps
                Invariant = scalar.Invoke this.Invariant
                NonFinite = scalar.Invoke this.NonFinite
            }

[<RequireQualifiedAccess>]
module Lanczos =

    /// qⱼ₋₁ and qⱼ, what is known so far, and what the step just made has found.
    [<NoComparison; NoEquality>]
    type private State<'V, 'S> =
        {
            Previous: 'V
            Current: 'V
            Beta: 'S
            Running: 'S
            Largest: 'S
            Steps: 'S
            Invariant: 'S
            NonFinite: 'S
            Alpha: 'S
        }

        interface ICarried<'V, 'S, State<'V, 'S>> with
            member s.Carry(vector, scalar) =
                {
                    Previous = vector.Invoke s.Previous
                    Current = vector.Invoke s.Current
                    Beta = scalar.Invoke s.Beta
                    Running = scalar.Invoke s.Running
                    Largest = scalar.Invoke s.Largest
                    Steps = scalar.Invoke s.Steps
                    Invariant = scalar.Invoke s.Invariant
                    NonFinite = scalar.Invoke s.NonFinite
                    Alpha = scalar.Invoke s.Alpha
                }

    /// w made orthogonal to the basis, with the coefficients taken one by one from what is left: that loses fewer digits than all from w.
    let private orthogonalized (space: IInnerProductSpace<'V, 'S>) (basis: 'V seq) (w: 'V) =
        basis
        |> Seq.fold
            (fun w q ->
                use region = space.OpenRegion()
                let w = region.AdoptVector w
                let part = space.Multiply(space.Scalar -1.0, space.Inner(q, w))
                region.KeepVector(space.Axpy(part, q, w)))
            w

    let private step (space: IInnerProductSpace<'V, 'S>) (apply: 'V -> 'V) (basis: 'V seq) (s: State<'V, 'S>) =
        let zero = space.Scalar 0.0
        let minus a = space.Multiply(space.Scalar -1.0, a)
        let product = apply s.Current
        let alpha = space.Inner(s.Current, product)
        let usable = space.Multiply(s.Running, Mask.finite space alpha)
        let alpha = space.Select(usable, alpha, zero)
        let w = space.Axpy(minus s.Beta, s.Previous, space.Axpy(minus alpha, s.Current, product))
        let w = orthogonalized space basis w
        let beta = space.Norm w
        let running = space.Multiply(usable, Mask.finite space beta)
        let beta = space.Select(running, beta, zero)

        let largest = Mask.larger space (Mask.absolute space alpha) beta |> Mask.larger space s.Largest

        let going = space.Multiply(running, space.Exceeds(beta, space.Multiply(Mask.epsilon space, largest)))
        let next = Mask.select space going w (space.Zero w)

        {
            Previous = s.Current
            Current = space.Scale(space.DivideOrZero(space.Scalar 1.0, beta), next)
            Beta = beta
            Running = going
            Largest = largest
            Steps = space.Add(s.Steps, running)
            Invariant = space.Add(s.Invariant, space.Multiply(running, Mask.complement space going))
            NonFinite = space.Add(s.NonFinite, space.Multiply(s.Running, Mask.complement space running))
            Alpha = alpha
        }

    /// `steps` steps from `start` with a symmetric A (not checked). From a random start every eigenvector is seen; one that
    /// is orthogonal to the start is not.
    ///
    /// Cost: one product, and 2j passes over vectors for step j; memory for `steps` + 4 vectors; no synchronisation. A task whose start is 0
    /// or not finite makes no step. Errors: steps below 1.
    [<CompiledName("Run")>]
    let run (space: IInnerProductSpace<'V, 'S>) (steps: int) (operator: ILinearOperator<'V>) (start: 'V) : LanczosReport<'V, 'S> =
        if steps < 1 then
            invalidArg (nameof steps) $"the number of Lanczos steps must be at least 1, not {steps}"

        Region.run space (fun () ->
            let size = space.Norm start
            let running = space.Multiply(space.Exceeds(size, space.Scalar 0.0), Mask.finite space size)
            let zero () = space.Scalar 0.0
            let unit = space.Scale(space.DivideOrZero(space.Scalar 1.0, size), start)
            let basis = ResizeArray [ Mask.select space running unit (space.Zero start) ]
            let diagonal = ResizeArray()
            let offDiagonal = ResizeArray()

            let mutable state =
                {
                    Previous = space.Zero start
                    Current = basis[0]
                    Beta = zero ()
                    Running = running
                    Largest = zero ()
                    Steps = zero ()
                    Invariant = zero ()
                    NonFinite = Mask.complement space (Mask.finite space size)
                    Alpha = zero ()
                }

            for _ in 1..steps do
                // The vectors of the basis are kept; everything else of a step is freed after it.
                use region = space.OpenRegion()
                state <- Region.keep region (step space operator.Apply basis state)
                diagonal.Add state.Alpha
                offDiagonal.Add state.Beta
                basis.Add state.Current

            {
                Basis = basis.GetRange(0, steps).ToArray()
                Diagonal = diagonal.ToArray()
                OffDiagonal = offDiagonal.ToArray()
                Steps = state.Steps
                Invariant = state.Invariant
                NonFinite = state.NonFinite
            })

    /// The Ritz values of every task, on the host. On a device this waits for it.
    [<CompiledName("Read")>]
    let read (space: IInnerProductSpace<'V, 'S>) (report: LanczosReport<'V, 'S>) : RitzSpectrum[] =
        let alphas = report.Diagonal |> Array.map space.Read
        let betas = report.OffDiagonal |> Array.map space.Read
        let steps = space.Read report.Steps
        let invariant = space.Read report.Invariant
        let nonFinite = space.Read report.NonFinite
        let epsilon = space.Read(Mask.epsilon space)

        Array.init steps.Length (fun task ->
            let k = int steps[task]
            let ofTask (numbers: float[][]) = Array.init k (fun j -> numbers[j][task])
            RitzSpectrum.Of(epsilon[task], ofTask alphas, ofTask betas, invariant[task] > 0.5, nonFinite[task] > 0.5))

    /// The Ritz vector Qs for every task, of length 1, from its coordinates s in the basis; 0 for a task whose coordinates are empty.
    [<CompiledName("Vector")>]
    let vector (space: IInnerProductSpace<'V, 'S>) (report: LanczosReport<'V, 'S>) (coordinates: float[][]) : 'V =
        use region = space.OpenRegion()

        let entry j = space.PerTask(coordinates |> Array.map (fun s -> if j < s.Length then s[j] else 0.0))

        report.Basis
        |> Array.mapi (fun j q -> struct (entry j, q))
        |> Array.fold (fun sum (struct (s, q)) -> space.Axpy(s, q, sum)) (space.Zero report.Basis[0])
        |> region.KeepVector
