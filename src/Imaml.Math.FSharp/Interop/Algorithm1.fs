// Algorithm 1 for C#: meta-learning as steps, as a sequence, or in one go.

namespace Imaml.Math.Interop

open Imaml.Math

/// Meta-learning: θ moved one meta-batch at a time. A meta-batch is an array of problems on vectors like θ.
[<AbstractClass; Sealed>]
type Algorithm1 =

    /// Before the first step.
    static member Start(optimizer: IOuterOptimizer<'V, 'S>, theta: 'V) : MetaLearningState<'V, 'S> = MetaLearning.start optimizer theta

    /// One step: the next state and the report. The state given stays as it is. Errors: an empty meta-batch.
    static member Step
        (
            space: IInnerProductSpace<'V, 'S>,
            strategy: IMetaGradientStrategy<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            batch: IBilevelProblem<'V, 'S>[],
            state: MetaLearningState<'V, 'S>
        ) : struct (MetaLearningState<'V, 'S> * MetaStepReport) =
        MetaLearning.step space strategy regularizer batch state

    /// Every state after the start with the report of its step, made as they are asked for. Asked for twice, they are made twice.
    static member States
        (
            space: IInnerProductSpace<'V, 'S>,
            strategy: IMetaGradientStrategy<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            batches: IBilevelProblem<'V, 'S>[] seq,
            start: MetaLearningState<'V, 'S>
        ) : struct (MetaLearningState<'V, 'S> * MetaStepReport) seq =
        MetaLearning.states space strategy regularizer batches start

    /// The last state, and the report of every step; memory is flat in their number. Errors: an empty meta-batch.
    static member Run
        (
            space: IInnerProductSpace<'V, 'S>,
            strategy: IMetaGradientStrategy<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            batches: IBilevelProblem<'V, 'S>[] seq,
            start: MetaLearningState<'V, 'S>
        ) : struct (MetaLearningState<'V, 'S> * MetaStepReport[]) =
        MetaLearning.run space strategy regularizer batches start
