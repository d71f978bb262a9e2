// Learning Λ with θ: the gradient of the outer loss in Λ's parameters, dL/dλ = −⟨φ* − θ, u⟩ for Λ = λI, from a meta-gradient that has been
// computed, and a Λ whose logarithms are learned.
//
// Every approximation g of ΛM⁻¹∇L(φ), M = H + Λ, gives one of u: u ≈ Λ⁻¹g. For Algorithm 2 it is the solution of its system; for truncated
// back-propagation its Neumann series; for FOMAML the system without H.
//
// At a small λ with fewer examples than parameters u is of the size ‖v‖/λ in H's null space, where φ* − θ = −Λ⁻¹∇L̂(φ*) is 0. Their product is 0 too,
// but φ − θ as computed has an error e there, and e·u is as large as the result. So φ is moved by one Newton step, c = M⁻¹∇G(φ), and
// the displacement is read off the inner gradient there, whose null part is zero to rounding whatever φ's is:
//
//     φ* − θ ≈ −Λ⁻¹∇L̂(φ − c) ≈ −Λ⁻¹(∇L̂(φ) − Hc) = φ − c − θ − Λ⁻¹(∇G − Mc)
//
// Training learns λ by the product of φ − θ itself with u, which costs nothing (Compute); the form above takes a solve for each task (Refined).
// In log λ, which is what is learned, it errs by rounding of at most
//
//     (ε(‖φ‖ + ‖θ‖) + γ‖φ − θ‖)‖g‖,   γ of d + 10 operations
//
// whatever λ is (Cauchy and Schwarz, layer by layer, as Λu = g). So it is accurate where ‖φ − θ‖ is not far below ‖φ‖, as with a λ of the size of the
// losses' curvature, at which training keeps it. At a small λ the gradient itself, −⟨φ − θ, g⟩, may be smaller than that. The number is in the result
// with the gradient (MetaGradient.LearnedRounding). A budget that stops φ early adds an error of the order of ‖φ − φ*‖‖g‖ in either form.

namespace Imaml.Math

open System

/// The gradient of L(Alg*(θ)) in the parameters of Λ, with the two vectors that it is made of.
type RegularizerGradient<'V, 'S, 'P> =
    {
        /// dL/dΛ: a number for each task, a vector, a number for each layer or a matrix, as the regularizer has it.
        Gradient: 'P
        /// w ≈ φ* − θ
        Displacement: 'V
        /// u ≈ (H + Λ)⁻¹v
        Solution: 'V
        /// Hessian–vector products that it took.
        Products: 'S
    }

/// The gradient of L(Alg*(θ)) in the parameters of Λ.
[<AbstractClass; Sealed>]
type RegularizerGradient =

    /// ParameterGradient at φ − θ and u = Λ⁻¹g, for a φ that a budget has stopped: exact where φ = Alg*(θ) and g is exact. Otherwise its error is
    /// ‖φ − φ*‖‖u‖, as large as the result where λ is as small as φ's rounding. Meaningless for Reptile, whose g belongs to another objective.
    ///
    /// Cost: one action of Λ⁻¹.
    static member Compute
        (space: IInnerProductSpace<'V, 'S>, regularizer: ILearnableRegularizer<'V, 'S, 'P>, result: MetaGradient<'V, 'S>, theta: 'V)
        : 'P =
        let displacement = space.Axpy(space.Scalar -1.0, theta, result.Phi)
        regularizer.ParameterGradient(space, displacement, regularizer.ApplyInverse(space, result.Gradient))

    /// The same of Algorithm 2's result to second order in ‖φ − φ*‖, and without cancellation at a small λ: off by about (ε/λ)‖H + Λ‖ of its terms.
    /// `solver` takes the Newton step, best as accurately as u was solved for.
    ///
    /// Cost: one linearization, one solve, one Hessian–vector product.
    static member Refined
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: ILearnableRegularizer<'V, 'S, 'P>,
            problem: IBilevelProblem<'V, 'S>,
            solver: ILinearSolver<'V, 'S>,
            result: MetaGradient<'V, 'S>,
            theta: 'V
        ) : RegularizerGradient<'V, 'S, 'P> =
        use linearization = problem.LinearizeInner result.Phi
        let gradient = InnerObjective.gradient space regularizer linearization.Gradient result.Phi theta
        let operator = AdjointSolve.operator space regularizer linearization
        let step = solver.Solve(space, operator, gradient, space.Scalar 0.0)

        let there =
            space.Axpy(space.Scalar -1.0, linearization.HessianProduct step.Solution, linearization.Gradient)

        // Where H + Λ has no curvature of Λ's size nothing cancels in φ − θ, and Λ⁻¹ would amplify the rounding of ∇L̂ by ‖H‖/λ.
        let direct =
            space.Axpy(space.Scalar -1.0, step.Solution, space.Axpy(space.Scalar -1.0, theta, result.Phi))

        let inverse = space.Scale(space.Scalar -1.0, regularizer.ApplyInverse(space, there))

        let curved =
            space.Exceeds(result.Solve.SmallestCurvature, space.Scalar(2.0 * regularizer.LargestEigenvalue))

        let displacement = Mask.select space curved direct inverse
        let solution = space.Scale(result.Raised, result.Solve.Solution)

        {
            Gradient = regularizer.ParameterGradient(space, displacement, solution)
            Displacement = displacement
            Solution = solution
            Products = space.Add(step.Counts.Products, space.Scalar 1.0)
        }

/// Which coordinates of a vector share a learned number: one for all of them, one for each layer, one for each. The numbers are on the host, p of
/// them in double precision. A vector of the space repeats each for its coordinates, and a gradient in the vector is summed over them, which is the
/// transpose of repeating.
type Sharing =
    | OneForAll
    /// Layers are consecutive coordinates, this many each.
    | OnePerLayer of sizes: int[]
    | OnePerCoordinate

    /// p, for vectors of d coordinates. Errors: layers that do not add up to d coordinates, or one of none.
    member sharing.Count(d: int) : int =
        match sharing with
        | OneForAll -> 1
        | OnePerCoordinate -> d
        | OnePerLayer sizes ->
            if Array.exists (fun size -> size < 1) sizes || Array.sum sizes <> d then
                let said = String.Join(" + ", sizes)
                invalidArg (nameof sharing) $"layers of {said} coordinates must be at least 1 each and add up to {d}"

            sizes.Length

    /// The vector that repeats each number for its coordinates, of the kind of `like`.
    member sharing.Vector(coordinates: ICoordinates<'V>, like: 'V, numbers: float[]) : 'V =
        let rows = coordinates.ToRows like
        let d = rows[0].Length
        let p = sharing.Count d

        if numbers.Length <> p then
            invalidArg (nameof numbers) $"{p} learned numbers are needed, not {numbers.Length}"

        let row =
            match sharing with
            | OneForAll -> Array.create d numbers[0]
            | OnePerCoordinate -> Array.copy numbers
            | OnePerLayer sizes -> Array.map2 Array.create sizes numbers |> Array.concat

        coordinates.OfRows(like, Array.create rows.Length row)

    /// For every task, the gradient in the p numbers from that in the vector. On a device this waits for it.
    member sharing.Gradient(coordinates: ICoordinates<'V>, ofVector: 'V) : float[][] =
        let total (row: float[]) =
            match sharing with
            | OneForAll -> [| Array.sum row |]
            | OnePerCoordinate -> row
            | OnePerLayer sizes ->
                let starts = Array.scan (+) 0 sizes
                sizes |> Array.mapi (fun layer size -> Array.sum (Array.sub row starts[layer] size))

        coordinates.ToRows ofVector |> Array.map total

/// Λ = diag(λ) with λ = e^ρ, so that it stays positive whatever an outer optimiser does to ρ; dL/dρ = λ dL/dλ. Errors: a λ that is not positive and finite, where e^ρ leaves the range of numbers.
///
/// Cost: one vector and reading `like`, which waits for a device; nothing with one λ for all coordinates.
type LearnedRegularizer<'V, 'S>(coordinates: ICoordinates<'V>, sharing: Sharing, like: 'V, logLambda: float[]) =
    do ArgumentNullException.ThrowIfNull(coordinates, nameof coordinates)

    let lambda = Array.map exp logLambda
    do Regularizer.checkPositive (nameof logLambda) lambda

    let learnable =
        match sharing with
        | OneForAll ->
            if lambda.Length <> 1 then
                invalidArg (nameof logLambda) $"1 learned number is needed, not {lambda.Length}"

            Choice1Of2(ScalarRegularizer<'V, 'S> lambda[0])
        | _ -> Choice2Of2(DiagonalRegularizer<'V, 'S>(coordinates, sharing.Vector(coordinates, like, lambda)))

    /// The p values of λ.
    member _.Lambda = Array.copy lambda

    /// Λ
    member _.Regularizer: IRegularizer<'V, 'S> =
        match learnable with
        | Choice1Of2 scalar -> scalar
        | Choice2Of2 diagonal -> diagonal

    /// For every task, the gradient of L(Alg*(θ)) in ρ = log λ, on the host: p numbers. On a device this waits for it.
    ///
    /// Cost: RegularizerGradient.Compute's. Meaningless for Reptile.
    member _.LogGradient(space: IInnerProductSpace<'V, 'S>, result: MetaGradient<'V, 'S>, theta: 'V) : float[][] =
        let inLambda =
            match learnable with
            | Choice1Of2 scalar -> space.Read(RegularizerGradient.Compute(space, scalar, result, theta)) |> Array.map Array.singleton
            | Choice2Of2 diagonal ->
                use _ = space.OpenRegion()
                sharing.Gradient(coordinates, RegularizerGradient.Compute(space, diagonal, result, theta))

        inLambda |> Array.map (Array.map2 (*) lambda)

    /// For every task, what rounding alone may be of LogGradient's p numbers, in their Euclidean norm, except for underflow: of φ and θ as they are
    /// stored, φ − θ, Λ⁻¹g, and the products and their sum. Infinite where d roundings are 1.
    ///
    /// Cost: four norms, which wait for a device.
    member _.LogRounding(space: IInnerProductSpace<'V, 'S>, result: MetaGradient<'V, 'S>, theta: 'V) : float[] =
        use _ = space.OpenRegion()
        let norms x = space.Read(space.Norm x)
        let epsilon = Mask.epsilonOf space [| result.Gradient |]
        let operations = float (space.Dimension theta + 10) * epsilon / 2.0

        let gamma =
            if operations < 1.0 then
                operations / (1.0 - operations)
            else
                infinity

        let moves = norms (space.Axpy(space.Scalar -1.0, theta, result.Phi))
        let positions = Array.map2 (+) (norms result.Phi) (norms theta)

        Array.map3
            (fun move position g -> (epsilon * position + gamma * move) * g * (1.0 + 2.0 * gamma))
            moves
            positions
            (norms result.Gradient)

/// A strategy whose Λ is learned: the strategy's meta-gradients, and with them the gradient in ρ = log λ (MetaGradient.Learned) and its rounding.
/// Errors: another Λ than the learned one.
type LearnedRegularizerStrategy<'V, 'S>(strategy: IMetaGradientStrategy<'V, 'S>, learned: LearnedRegularizer<'V, 'S>) =
    do
        ArgumentNullException.ThrowIfNull(strategy, nameof strategy)
        ArgumentNullException.ThrowIfNull(learned, nameof learned)

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) =
            if not (obj.ReferenceEquals(regularizer, learned.Regularizer)) then
                invalidArg (nameof regularizer) "the strategy of a learned Λ was given another Λ"

            let result = strategy.Compute(space, regularizer, problem, theta)

            { result with
                Learned = learned.LogGradient(space, result, theta)
                LearnedRounding = learned.LogRounding(space, result, theta)
            }
