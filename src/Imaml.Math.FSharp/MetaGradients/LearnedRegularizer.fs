// A Λ that is learned beside θ: λ = e^ρ, one for all coordinates, one for each layer, or one for each, so that it stays positive whatever
// an outer optimiser does to ρ.
//
//     dL/dρ = λ dL/dλ,   dL/dλ by RegularizerGradient from a meta-gradient that has been computed

namespace Imaml.Math

/// Λ = diag(λ) with λ = e^ρ. Errors: a λ that is not positive and finite, where e^ρ leaves the range of numbers.
///
/// Cost: one look at `like` and one vector, unless one λ serves all coordinates.
type LearnedRegularizer<'V, 'S>(coordinates: ICoordinates<'V>, sharing: Sharing, like: 'V, logLambda: float[]) =
    let lambda = Array.map exp logLambda
    do Regularizer.checkPositive (nameof logLambda) lambda

    let learnable =
        match sharing with
        | OneForAll ->
            if lambda.Length <> 1 then
                invalidArg (nameof logLambda) $"1 learned number is needed, not {lambda.Length}"

            Choice1Of2(ScalarRegularizer<'V, 'S> lambda[0])
        | _ -> Choice2Of2(DiagonalRegularizer<'V, 'S>(coordinates, Sharing.vector coordinates sharing like lambda))

    /// The p values of λ.
    member _.Lambda = Array.copy lambda

    /// Λ
    member _.Regularizer: IRegularizer<'V, 'S> =
        match learnable with
        | Choice1Of2 scalar -> scalar
        | Choice2Of2 diagonal -> diagonal

    /// For every task, the gradient of L(Alg*(θ)) in ρ = log λ, on the host: p numbers. On a device this waits for it.
    ///
    /// Cost: RegularizerGradient's. Means nothing for Reptile.
    member _.LogGradient(space: IInnerProductSpace<'V, 'S>, result: MetaGradient<'V, 'S>, theta: 'V) : float[][] =
        let inLambda =
            match learnable with
            | Choice1Of2 scalar -> space.Read(RegularizerGradient.compute space scalar result theta) |> Array.map Array.singleton
            | Choice2Of2 diagonal ->
                use _ = space.OpenRegion()
                Sharing.gradient coordinates sharing (RegularizerGradient.compute space diagonal result theta)

        inLambda |> Array.map (Array.map2 (*) lambda)

/// A strategy whose Λ is learned: the strategy's meta-gradients, and with them the gradient in ρ = log λ (MetaGradient.Learned).
/// Errors: another Λ than the learned one.
type LearnedRegularizerStrategy<'V, 'S>(strategy: IMetaGradientStrategy<'V, 'S>, learned: LearnedRegularizer<'V, 'S>) =
    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) =
            if not (obj.ReferenceEquals(regularizer, learned.Regularizer)) then
                invalidArg (nameof regularizer) "the strategy of a learned Λ was given another Λ"

            let result = strategy.Compute(space, regularizer, problem, theta)

            { result with
                Learned = learned.LogGradient(space, result, theta)
            }
