/// The laws that every space obeys, on every space over MathNet. The tensor space runs the same lists.
module Imaml.Math.Tests.SharedLaws

open Expecto
open Imaml.Math.Tests
open Imaml.Testing

let private all (subject: Subject<'V, 'S>) =
    [
        SpaceLaws.laws subject
        CoordinatesLaws.laws subject
        KrylovLaws.laws subject
        LinearSolverLaws.laws subject
        MinresLaws.laws subject
        LanczosLaws.laws subject
        NeumannLaws.laws subject
        PreconditionerLaws.laws subject
        MetaGradientLaws.laws subject
        StrategyLaws.laws subject
        PathLaws.laws subject
        CurvatureLaws.laws subject
        MetaLearningLaws.laws subject
        AccuracyLaws.laws subject
        RegularizerLaws.laws subject
        ImplicitJacobianLaws.laws subject
        InnerSolverLaws.laws subject
        SingularLaws.laws subject
    ]

let private mortal =
    let struct (_, subject) = Subjects.tracked (Subjects.batched 3)
    subject

[<Tests>]
let tests =
    testList
        "Shared"
        [
            yield! all Subjects.euclidean
            yield! all (Subjects.batched 1)
            yield! all (Subjects.batched 3)
            yield! all (Subjects.singlePrecision 3)
            yield! all mortal
            AccuracyLaws.laws Subjects.singleVectors
            RegularizerLaws.laws Subjects.singleVectors
            testList "Outer optimisers" (MetaLearningLaws.optimizers Subjects.euclidean)
        ]
