// MINRES for A u = b, A symmetric, definite or not (Paige and Saunders 1975), on B tasks in lock-step.
//
// Lanczos builds A Vₖ = Vₖ₊₁Tₖ with orthonormal V and a tridiagonal T of αⱼ and βⱼ; Givens rotations (c, s) keep T = QR as it grows, and
// uₖ minimises ‖b − Au‖ over the Krylov space. In the notation of the authors: δ, γ and ε are the entries of R's newest column, φ̄ = ‖rₖ‖.
// An indefinite A is not a failure here, and need not show: SmallestCurvature is the smallest αⱼ = ⟨vⱼ, Avⱼ⟩, an upper bound on the
// smallest eigenvalue that may be positive all the same.
// The system is solved for b/‖b‖. A task that is done, or has a step that it cannot use, is frozen: its step is 0 from then on.

namespace Imaml.Math

open System

[<RequireQualifiedAccess>]
module internal Minres =

    /// How many roundings of ‖A‖ a column of R may be and still count as zero: A is singular to the accuracy of the arithmetic.
    [<Literal>]
    let private NullColumn = 16.0

    /// How many times the rounding of the product with w must fit into the residual: two digits are then correct. Where the Krylov space ends in a
    /// null vector of A, Lanczos' lost orthogonality hides it from NullColumn, by 10⁵ roundings in ten dimensions; w is then of length 1/ε and more,
    /// in the columns after it too, which no step along it need show. A step of length 1/√ε and more is of no use either where that many roundings
    /// exceed what it takes from the residual: with an eigenvalue of ε it takes ε times its length.
    [<Literal>]
    let private StepNoise = 100.0

    /// x, the last two Lanczos vectors v and directions w, the last rotation with what it left for the next column, ‖r‖, and what is seen.
    [<NoComparison; NoEquality>]
    type private State<'V, 'S> =
        {
            X: 'V
            V: 'V
            PreviousV: 'V
            W: 'V
            PreviousW: 'V
            Beta: 'S
            Cosine: 'S
            Sine: 'S
            DeltaBar: 'S
            Epsilon: 'S
            Residual: 'S
            /// The largest row of T so far, a lower bound on ‖A‖.
            Size: 'S
            Running: 'S
            Counts: Counts<'S>
            Smallest: 'S
            Marks: Marks<'S>
        }

        interface ICarried<'V, 'S, State<'V, 'S>> with
            member s.Carry(vector, scalar) =
                {
                    X = vector.Invoke s.X
                    V = vector.Invoke s.V
                    PreviousV = vector.Invoke s.PreviousV
                    W = vector.Invoke s.W
                    PreviousW = vector.Invoke s.PreviousW
                    Beta = scalar.Invoke s.Beta
                    Cosine = scalar.Invoke s.Cosine
                    Sine = scalar.Invoke s.Sine
                    DeltaBar = scalar.Invoke s.DeltaBar
                    Epsilon = scalar.Invoke s.Epsilon
                    Residual = scalar.Invoke s.Residual
                    Size = scalar.Invoke s.Size
                    Running = scalar.Invoke s.Running
                    Counts = s.Counts.Carry scalar
                    Smallest = scalar.Invoke s.Smallest
                    Marks = s.Marks.Carry scalar
                }

    let private step (space: IInnerProductSpace<'V, 'S>) (apply: 'V -> 'V) (epsilon: 'S) (tolerance: 'S) (s: State<'V, 'S>) =
        let (+) a b = space.Add(a, b)
        let (*) a b = space.Multiply(a, b)
        let minus a = space.Scalar -1.0 * a

        // √(a² + b²) of quotients, whose squares neither over- nor underflow at any scale of A.
        let hypotenuse a b =
            let largest = Mask.larger space (Mask.absolute space a) (Mask.absolute space b)
            let a, b = space.DivideOrZero(a, largest), space.DivideOrZero(b, largest)
            largest * space.SquareRoot(a * a + b * b)

        // Lanczos: βₖ₊₁vₖ₊₁ = Avₖ − βₖvₖ₋₁ − αₖvₖ.
        let p = space.Axpy(minus s.Beta, s.PreviousV, apply s.V)
        let alpha = space.Inner(s.V, p)
        let p = space.Axpy(minus alpha, s.V, p)
        let beta = space.Norm p
        // The last rotation on the new column of T, then the rotation that takes β out of it.
        let delta = s.Cosine * s.DeltaBar + s.Sine * alpha
        let gammaBar = s.Sine * s.DeltaBar + minus (s.Cosine * alpha)
        let gamma = hypotenuse gammaBar beta
        let cosine = space.DivideOrZero(gammaBar, gamma)
        let sine = space.DivideOrZero(beta, gamma)
        let row = hypotenuse (hypotenuse s.Beta alpha) beta
        let size = Mask.larger space row s.Size
        let finite = Mask.finite space alpha * Mask.finite space beta
        // ‖A Vₖy‖ ≥ σ‖y‖ makes γ at least A's smallest singular value on the Krylov space.
        let regular = space.Exceeds(gamma, space.Scalar NullColumn * epsilon * size)
        let w = space.Axpy(minus delta, s.W, space.Axpy(minus s.Epsilon, s.PreviousW, s.V))
        let w = space.Scale(space.DivideOrZero(space.Scalar 1.0, gamma), w)
        // ε‖A‖‖w‖, and that of the step, which may be a small part of w.
        let spread = epsilon * size * space.Norm w
        let noise = Mask.absolute space cosine * spread
        // The step removes the part 1 − s of the residual.
        let gain = space.DivideOrZero(cosine * cosine, space.Scalar 1.0 + sine)

        let idle =
            space.Exceeds(space.Scalar StepNoise * noise, gain) * space.Exceeds(noise, space.SquareRoot epsilon)

        let usable =
            regular
            * space.Exceeds(space.Scalar 1.0, space.Scalar StepNoise * spread)
            * Mask.complement space idle

        let running = s.Running * finite * usable
        let residual = space.Select(running, sine * s.Residual, s.Residual)
        let phi = space.Select(running, cosine * s.Residual, space.Scalar 0.0)
        let lower = s.Running * finite * space.Exceeds(s.Smallest, alpha)

        {
            X = space.Axpy(phi, w, s.X)
            V = space.Scale(space.DivideOrZero(space.Scalar 1.0, beta), p)
            PreviousV = s.V
            W = w
            PreviousW = s.W
            Beta = beta
            Cosine = cosine
            Sine = sine
            DeltaBar = minus (s.Cosine * beta)
            Epsilon = s.Sine * beta
            Residual = residual
            Size = size
            Running = running * space.Exceeds(residual, tolerance)
            Counts =
                { s.Counts with
                    Steps = s.Counts.Steps + running
                    Products = s.Counts.Products + s.Running
                }
            Smallest = space.Select(lower, alpha, s.Smallest)
            Marks =
                { s.Marks with
                    NonFinite = s.Marks.NonFinite + s.Running * Mask.complement space finite
                    Stagnated = s.Marks.Stagnated + s.Running * finite * Mask.complement space usable
                }
        }

    let private first (space: IInnerProductSpace<'V, 'S>) (tolerance: 'S) (v: 'V) =
        let zero () = space.Scalar 0.0
        let size = space.Norm v

        {
            X = space.Zero v
            V = v
            PreviousV = space.Zero v
            W = space.Zero v
            PreviousW = space.Zero v
            Beta = zero ()
            Cosine = space.Scalar -1.0
            Sine = zero ()
            DeltaBar = zero ()
            Epsilon = zero ()
            Residual = size
            Size = zero ()
            Running = space.Exceeds(size, tolerance)
            Counts = Counts<'S>.Zero space
            Smallest = space.Scalar infinity
            Marks = Marks<'S>.None space
        }

    let toResidual (space: IInnerProductSpace<'V, 'S>) (apply: 'V -> 'V) (options: LinearSolveOptions) (residualNorm: 'S) (b: 'V) =
        LinearSolver.check options

        Region.run space (fun () ->
            let system = ScaledSystem.ofRightHandSide space options residualNorm b
            let epsilon = Mask.epsilon space

            let state =
                first space system.Tolerance (ScaledSystem.unit space system.Size b)
                |> ScaledSystem.iterate space options _.Running id (step space apply epsilon system.Tolerance)

            ScaledSystem.report
                space
                options
                apply
                b
                system
                { LinearSolver.blank space state.X system.Size with
                    Counts = state.Counts
                    RelativeResidual = state.Residual
                    SmallestCurvature = state.Smallest
                    Marks =
                        { state.Marks with
                            Met = Mask.complement space (space.Exceeds(state.Residual, system.Tolerance))
                        }
                })

/// MINRES as a linear solver, from u = 0 for A symmetric (not checked). A singular A is solved where b is in its range;
/// where it is not, the status is Stagnated and the residual is the smallest that was reached, to two digits.
///
/// The true residual can be brought down to about κ²ε of ‖b‖, where conjugate gradients reach κε (Sleijpen, van der Vorst and Modersitzki
/// 2000); a smaller residual of the recurrence is corrected by RecomputeResidual.
///
/// Cost: one product a step, and one more with RecomputeResidual; five vectors apart from b and ten passes over vectors a step, where conjugate
/// gradients make seven; one synchronisation every CheckEvery steps.
type MinresSolver<'V, 'S>(options: LinearSolveOptions) =
    do
        ArgumentNullException.ThrowIfNull(options, nameof options)

        LinearSolver.check options

    interface ILinearSolver<'V, 'S> with
        member _.Solve(space, operator, b, residualNorm) = Minres.toResidual space operator.Apply options residualNorm b

        member _.SolveFrom(space, operator, b, start, residualNorm) =
            ScaledSystem.shifted space options (Minres.toResidual space operator.Apply) operator.Apply b start residualNorm
