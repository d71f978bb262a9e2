// Algorithm 2 to an accuracy ε that is certified: solve the inner problem, solve the linear system, evaluate the certificate, and refine
// the solve that limits it.
//
//     φ:  ‖∇G‖ to what L alone requires; where ρ > 0 again from there, once a first linear solve has given ‖u‖
//     µ, β, L, ρ:  proved and given, or measured at this φ and at no other
//     u:  (H+Λ)u = v to all that the inner part leaves of ε; after φ has moved, from the last u
//     r = v − (H+Λ)u computed anew, and the certificate
//
// AdaptiveSearch makes the rounds, AdaptiveTask takes the decisions.

namespace Imaml.Math

/// Meta-gradients to an accuracy that is certified.
[<AbstractClass; Sealed>]
type AdaptiveAccuracy =

    static member private Run
        (
            options: AdaptiveOptions,
            arithmeticOf: 'V[] -> Arithmetic,
            constants: ErrorConstants[],
            without,
            search: ('V[] -> Arithmetic) voption -> AdaptiveTask[] -> AdaptiveSearch<'V, 'S>,
            space,
            theta: 'V
        ) : CertifiedMetaGradient<'V, 'S> =
        options.Check()

        Region.run space (fun () ->
            let sizes = space.Read(space.Norm theta)

            if constants.Length <> sizes.Length then
                invalidArg (nameof constants) $"{constants.Length} tasks' constants for {sizes.Length} tasks"

            let arithmetic = arithmeticOf [| theta |]
            // Vectors that are 0 do not show their precision; the first φ, ∇G and ∇L do.
            let later =
                if Array.forall ((=) 0.0) sizes then
                    ValueSome arithmeticOf
                else
                    ValueNone

            let tasks =
                Array.map2 (fun size c -> AdaptiveTask.start arithmetic options.Accuracy options.MaxRounds size c without) sizes constants

            let search = search later tasks

            let mutable iterate: AdaptiveIterate<'V, 'S> =
                {
                    Phi = Mask.copyVector space theta
                    U = space.Zero theta
                    InnerLoss = space.Scalar 0.0
                    OuterLoss = space.Scalar 0.0
                }

            while tasks |> Array.exists (fun p -> p.Running) do
                iterate <- Region.advance space search.Round iterate

            search.Result iterate)

    /// With a function that gives the arithmetic of some vectors, which may differ from the space's, for the rounding terms.
    static member internal ComputeIn
        (
            arithmeticOf: 'V[] -> Arithmetic,
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            constants: TaskConstants[],
            options: AdaptiveOptions,
            theta: 'V
        ) : CertifiedMetaGradient<'V, 'S> =
        let search arithmeticOf tasks =
            AdaptiveSearch(space, regularizer, problem, innerSolver, linearSolver, ValueNone, arithmeticOf, theta, tasks)

        let constants = constants |> Array.map (fun c -> c.With regularizer)
        AdaptiveAccuracy.Run(options, arithmeticOf, constants, 0.0, search, space, theta)

    /// The meta-gradient of every task at θ, to within options.Accuracy where its status is Met; `constants` has one entry for each task.
    ///
    /// `innerSolver` must stop at the gradient norm that it is given, and `linearSolver` at the residual norm: a fixed budget is spent in each
    /// round whatever the accuracy.
    /// Cost: see each task's Work. Eleven synchronisations a round, eleven a linear solve and two a step of conjugate gradients, for its Ritz
    /// values, one at the end, plus the solvers' own. Memory does not depend on the number of rounds.
    static member Compute
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            constants: TaskConstants[],
            options: AdaptiveOptions,
            theta: 'V
        ) : CertifiedMetaGradient<'V, 'S> =
        let arithmeticOf vectors = Arithmetic.Of(space, regularizer, vectors)
        AdaptiveAccuracy.ComputeIn(arithmeticOf, space, regularizer, problem, innerSolver, linearSolver, constants, options, theta)

    /// The same where the constants are not known: they are measured at the φ of each round, and the bounds are estimates. Before any is known
    /// the inner solve runs to ‖∇G‖ ≤ ε·λ_min(Λ).
    ///
    /// Cost: also EstimatedConstants.At's in each round, counted in each task's Work.
    static member Estimate
        (
            space: IInnerProductSpace<'V, 'S>,
            coordinates: ICoordinates<'V>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            estimate: EstimateOptions,
            options: AdaptiveOptions,
            theta: 'V
        ) : CertifiedMetaGradient<'V, 'S> =
        EstimatedConstants.Check estimate

        let measure phi linearization v =
            EstimatedConstants.AtLinearization(space, coordinates, regularizer, problem, estimate, theta, phi, linearization, v)

        let search arithmeticOf tasks =
            AdaptiveSearch(space, regularizer, problem, innerSolver, linearSolver, ValueSome measure, arithmeticOf, theta, tasks)

        let unknown = TaskConstants(LossConstants.Unknown, LossConstants.Unknown).With regularizer
        let count = (coordinates.ToRows theta).Length
        let threshold = options.Accuracy * regularizer.SmallestEigenvalue
        let arithmeticOf vectors = Arithmetic.Of(space, regularizer, vectors)
        AdaptiveAccuracy.Run(options, arithmeticOf, Array.create count unknown, threshold, search, space, theta)
