// The certificate after a run: how far a meta-gradient can be from d_θL(Alg*(θ)), from norms that are measured. ErrorBound.fs has the
// formula; AdaptiveAccuracy.Compute runs until the certificate meets an ε, EstimatedConstants.At measures constants that nobody knows.

namespace Imaml.Math.Interop

open Imaml.Math

/// A-posteriori bounds on ‖g − d_θL(Alg*(θ))‖.
[<AbstractClass; Sealed>]
type Certificates =

    /// Double precision, d = `parameters` and this Λ.
    static member DoublePrecision(parameters: int, regularizer: IRegularizer<'V, 'S>) : Arithmetic =
        Arithmetic.double parameters regularizer

    /// Single precision, d = `parameters` and this Λ.
    static member SinglePrecision(parameters: int, regularizer: IRegularizer<'V, 'S>) : Arithmetic =
        Arithmetic.single parameters regularizer

    /// A bound on ‖Λu − d_θL(Alg*(θ))‖ for every task, whoever made φ and u; `constants` has one entry for each task.
    ///
    /// Cost: one linearization, one product, one outer gradient.
    static member OfSolution
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            constants: ErrorConstants[],
            arithmetic: Arithmetic,
            theta: 'V,
            phi: 'V,
            u: 'V
        ) : ErrorBound[] =
        Certificate.ofSolution space regularizer problem constants arithmetic theta phi u

    /// The same for what Algorithm 2 returned at θ. Errors: a meta-gradient of a method that solves no linear system, which has no u.
    static member OfResult
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            constants: ErrorConstants[],
            arithmetic: Arithmetic,
            theta: 'V,
            result: MetaGradient<'V, 'S>
        ) : ErrorBound[] =
        let made = result.Solve.Read space |> Array.forall (fun solve -> solve.Status <> SolveStatus.NotMade)

        if not made then
            invalidArg
                (nameof result)
                $"the method solved no linear system ({SolveStatus.NotMade}): only Algorithm 2's result holds a u to certify"

        Certificate.ofSolution space regularizer problem constants arithmetic theta result.Phi result.Solve.Solution

    /// The norms that a certificate is made of, for every task, with r = v − (H+Λ)u computed anew.
    static member Measure
        (space: IInnerProductSpace<'V, 'S>, regularizer: IRegularizer<'V, 'S>, problem: IBilevelProblem<'V, 'S>, theta: 'V, phi: 'V, u: 'V)
        : MeasuredNorms[] =
        Certificate.measure space regularizer problem theta phi u
