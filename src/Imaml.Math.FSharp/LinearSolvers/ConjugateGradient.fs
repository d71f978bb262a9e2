// Conjugate gradients for A u = b, A symmetric positive definite (Hestenes and Stiefel 1952), on B tasks in lock-step.
//
// In the paper: the solve of Algorithm 2, line 4, where A = H + Λ and b is the outer gradient (equation 7). After k steps the error in
// the A-norm is at most 2((√κ−1)/(√κ+1))ᵏ of the first. The system is solved for b/‖b‖, so that a tiny b does not underflow.
// A task that has reached its tolerance, or found a direction that CG cannot use, is frozen: its α is 0 from then on.
//
// A direction is of use where pᵀAp > c·ε·a·‖p‖², a the best lower bound on ‖A‖ so far and ε the space's rounding. The sign of a smaller
// curvature is not known, and a step along it is nothing but rounding, 10¹⁵‖b‖ long. a is the largest of the quotients ⟨p, Ap⟩/‖p‖² and of the
// norms of the rows √β/α, β/α that Lanczos's matrix is known to have after a step. The rows are needed where b has hardly a part along A's large
// eigenvectors: the quotients are then far below ‖A‖, and p, which rounds by ε‖A‖, hides a null vector from them. Where b is a null vector
// itself, it is known of A = H + Λ that products round by ελ_min(Λ) at least.
// The directions just before a null vector are almost as bad, which shows only at the null vector. So the steps after ‖r‖ has risen to 100‖b‖ are
// held apart, as y. They are part of the solution only if the residual falls again, or if no null vector was found and a‖y‖ ≤ ‖b‖/√ε, half of
// the digits.
//
// With a preconditioner M the same steps take z = M⁻¹r in r's place (Preconditioning.fs), κ is that of M⁻¹A, and quotients are taken in M's
// norm, so that they do not depend on its scale.

namespace Imaml.Math

open System

[<RequireQualifiedAccess>]
module internal ConjugateGradient =

    /// x, r = b − Ax, ‖r‖², p and ρ = ⟨r, z⟩ of the scaled system, with what is observed during the solve. Without a preconditioner z is r.
    [<NoComparison; NoEquality>]
    type private State<'V, 'S> =
        {
            X: 'V
            /// The steps held back.
            Y: 'V
            R: 'V
            Square: 'S
            /// 1 once steps are held back; ‖b − Ax‖² and the smallest ‖r‖² without them.
            Held: 'S
            Good: 'S
            Least: 'S
            P: 'V
            Rho: 'S
            /// ‖p‖² in M's norm; not used without a preconditioner.
            Length: 'S
            Running: 'S
            Counts: Counts<'S>
            Smallest: 'S
            /// a, at most ‖A‖; with a preconditioner of M⁻¹A.
            Largest: 'S
            Marks: Marks<'S>
            /// (α, β) of the step just made, until the solver takes it: nothing that grows is carried from step to step.
            Newest: struct ('S * 'S) list
        }

        interface ICarried<'V, 'S, State<'V, 'S>> with
            member s.Carry(vector, scalar) =
                {
                    X = vector.Invoke s.X
                    Y = vector.Invoke s.Y
                    R = vector.Invoke s.R
                    Square = scalar.Invoke s.Square
                    Held = scalar.Invoke s.Held
                    Good = scalar.Invoke s.Good
                    Least = scalar.Invoke s.Least
                    P = vector.Invoke s.P
                    Rho = scalar.Invoke s.Rho
                    Length = scalar.Invoke s.Length
                    Running = scalar.Invoke s.Running
                    Counts = s.Counts.Carry scalar
                    Smallest = scalar.Invoke s.Smallest
                    Largest = scalar.Invoke s.Largest
                    Marks = s.Marks.Carry scalar
                    Newest = s.Newest |> List.map (fun struct (a, b) -> struct (scalar.Invoke a, scalar.Invoke b))
                }

    let private step
        (space: IInnerProductSpace<'V, 'S>)
        (apply: 'V -> 'V)
        (inverse: ('V -> 'V) voption)
        (rounding: 'S)
        (tolerance: 'S)
        (s: State<'V, 'S>)
        =
        let zero = space.Scalar 0.0
        let complement = Mask.complement space
        let q = apply s.P
        let curvature = space.Inner(s.P, q)
        let quotient = space.DivideOrZero(curvature, space.Inner(s.P, s.P))

        let measured =
            if inverse.IsSome then
                space.DivideOrZero(curvature, s.Length)
            else
                quotient

        let largest = Mask.larger space measured s.Largest
        let positive = space.Exceeds(measured, space.Multiply(rounding, largest))
        let finite = Mask.finite space curvature
        let alpha = space.DivideOrZero(s.Rho, curvature)
        // A curvature that is all but 0 has no finite step.
        let finite = space.Multiply(finite, Mask.finite space alpha)
        let running = space.Multiply(s.Running, space.Multiply(positive, finite))
        // Selected, not multiplied by the mask: 0·∞ would not freeze anything.
        let frozen step = space.Select(running, step, zero)
        let alpha = frozen alpha
        let r = space.Axpy(space.Multiply(space.Scalar -1.0, alpha), q, s.R)
        let square = space.Inner(r, r)
        let grown = space.Exceeds(square, space.Scalar(ScaledSystem.LargestGrowth * ScaledSystem.LargestGrowth))
        let held = Mask.larger space s.Held (space.Multiply(running, grown))
        let good = space.Select(held, s.Good, square)
        let going = space.Multiply(running, space.Exceeds(square, tolerance))
        let struct (z, rho, going) = Preconditioning.residual space inverse r square going
        let beta = frozen (space.DivideOrZero(rho, s.Rho))
        let lower = space.Multiply(s.Running, space.Multiply(finite, space.Exceeds(s.Smallest, quotient)))
        // √(β² + β)/α: the entries β/α and √β/α that Lanczos's matrix has in its next row.
        let entries = space.SquareRoot(space.Multiply(beta, space.Add(space.Scalar 1.0, beta)))
        let row = space.DivideOrZero(entries, alpha)
        let counts = s.Counts
        let marks = s.Marks

        {
            X = space.Axpy(space.Select(held, zero, alpha), s.P, s.X)
            Y = space.Axpy(space.Select(held, alpha, zero), s.P, s.Y)
            R = r
            Square = square
            Held = held
            Good = good
            Least = space.Select(space.Exceeds(s.Least, good), good, s.Least)
            P = space.Axpy(beta, s.P, z)
            Rho = rho
            // ⟨z, Mp⟩ = ⟨r, p⟩ = 0.
            Length = space.Add(rho, space.Multiply(space.Multiply(beta, beta), s.Length))
            Running = going
            Counts =
                { counts with
                    Steps = space.Add(counts.Steps, running)
                    Products = space.Add(counts.Products, s.Running)
                }
            Smallest = space.Select(lower, quotient, s.Smallest)
            Largest = Mask.larger space row largest
            Marks =
                { marks with
                    Indefinite = space.Add(marks.Indefinite, space.Multiply(s.Running, space.Multiply(finite, complement positive)))
                    NonFinite = space.Add(marks.NonFinite, space.Multiply(s.Running, complement finite))
                }
            Newest = [ struct (alpha, beta) ]
        }

    let private first (space: IInnerProductSpace<'V, 'S>) inverse (terms: float) (tolerance: 'S) (r: 'V) =
        let square = space.Inner(r, r)

        let struct (z, rho, running) =
            Preconditioning.residual space inverse r square (space.Exceeds(square, tolerance))

        {
            X = space.Zero r
            Y = space.Zero r
            R = r
            Square = square
            Held = space.Scalar 0.0
            Good = Mask.copy space square
            Least = Mask.copy space square
            P = z
            Rho = rho
            Length = Mask.copy space rho
            Running = running
            Counts = Counts<'S>.Zero space
            Smallest = space.Scalar infinity
            Largest = space.Scalar terms
            Marks = Marks<'S>.None space
            Newest = []
        }

    /// 1 where the steps held back are short, a‖y‖ ≤ 1/√ε, half of the digits, and no curvature of zero was found: a short budget may end before a
    /// residual of up to √κ has fallen again. With a preconditioner a is not a bound on ‖A‖, and gives no limit for y.
    let private within space (inverse: ('V -> 'V) voption) (epsilon: 'S) (indefinite: 'S) (s: State<'V, 'S>) =
        let space: IInnerProductSpace<'V, 'S> = space

        if inverse.IsSome then
            space.Scalar 0.0
        else
            let none mark = Mask.complement space (space.Exceeds(mark, space.Scalar 0.0))
            let most = space.DivideOrZero(space.Scalar 1.0, space.SquareRoot epsilon)

            space.Exceeds(most, space.Multiply(s.Largest, space.Norm s.Y))
            |> fun short -> space.Multiply(s.Held, short)
            |> fun short -> space.Multiply(short, none indefinite)
            |> fun short -> space.Multiply(short, none s.Marks.NonFinite)

    let toResidual
        (space: IInnerProductSpace<'V, 'S>)
        (operator: ILinearOperator<'V>)
        (inverse: ('V -> 'V) voption)
        (options: LinearSolveOptions)
        (residualNorm: 'S)
        (b: 'V)
        =
        LinearSolver.check options

        Region.run space (fun () ->
            let system = ScaledSystem.ofRightHandSide space options residualNorm b
            let tolerance = space.Multiply(system.Tolerance, system.Tolerance)
            let epsilon = Mask.epsilon space
            let rounding = space.Multiply(space.Scalar(ScaledSystem.zeroCurvature space b), epsilon)
            let unit = ScaledSystem.unit space system.Size b
            let apply = operator.Apply
            // In M's norm they would be another size.
            let terms =
                if inverse.IsSome then
                    0.0
                else
                    LinearOperator.Terms operator

            let inverse = inverse |> ValueOption.map (fun inverse -> Preconditioning.scaled space inverse unit)
            let coefficients = ResizeArray()

            let collect state =
                coefficients.AddRange state.Newest
                { state with Newest = [] }

            let state =
                first space inverse terms tolerance unit
                |> ScaledSystem.iterate space options _.Running collect (step space apply inverse rounding tolerance)

            let unmet = space.Exceeds(state.Square, tolerance)
            let struct (notPositive, broken) = Preconditioning.refusals space inverse unmet state.Rho
            let marks = state.Marks
            let met = Mask.complement space unmet
            // Half of the smallest residual before.
            let lower = space.Exceeds(state.Least, space.Multiply(space.Scalar 4.0, state.Square))
            // A curvature that is zero only when compared with the ‖A‖ that was observed after it.
            let late =
                if inverse.IsSome then
                    space.Scalar 0.0
                else
                    space.Exceeds(space.Multiply(rounding, state.Largest), state.Smallest)

            let indefinite = Mask.larger space marks.Indefinite late
            let short = within space inverse epsilon indefinite state

            let proved =
                space.Multiply(Mask.larger space met lower, Mask.complement space late) |> Mask.larger space short

            let dropped = space.Multiply(state.Held, Mask.complement space proved)

            ScaledSystem.report
                space
                options
                apply
                b
                system
                { LinearSolver.blank space (space.Axpy(proved, state.Y, state.X)) system.Size with
                    Counts = state.Counts
                    RelativeResidual = space.Select(dropped, space.SquareRoot state.Good, space.Norm state.R)
                    SmallestCurvature = state.Smallest
                    Marks =
                        { marks with
                            Met = met
                            Indefinite = indefinite
                            NonFinite = space.Add(marks.NonFinite, broken)
                        }
                    PreconditionerNotPositive = notPositive
                    // With a preconditioner they would give the Ritz values of M⁻¹A.
                    Coefficients = if inverse.IsSome then [||] else coefficients.ToArray()
                })

/// Conjugate gradients as a linear solver, from u = 0 for A symmetric (not checked) and positive definite (checked during the solve).
///
/// Cost: one product a step, and one more with RecomputeResidual; five vectors apart from b; one synchronisation every CheckEvery steps.
type ConjugateGradientSolver<'V, 'S>(options: LinearSolveOptions) =
    do
        ArgumentNullException.ThrowIfNull(options, nameof options)

        LinearSolver.check options

    interface ILinearSolver<'V, 'S> with
        member _.Solve(space, operator, b, residualNorm) = ConjugateGradient.toResidual space operator ValueNone options residualNorm b

        member _.SolveFrom(space, operator, b, start, residualNorm) =
            ScaledSystem.shifted space options (ConjugateGradient.toResidual space operator ValueNone) operator.Apply b start residualNorm
