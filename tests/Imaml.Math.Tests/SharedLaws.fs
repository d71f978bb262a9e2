/// The laws that every space obeys, on every space over MathNet. The tensor space runs the same lists.
module Imaml.Math.Tests.SharedLaws

open Expecto
open Imaml.Math.Tests
open Imaml.Testing

let private all (subject: Subject<'V, 'S>) =
    [
        SpaceLaws.laws subject
        KrylovLaws.laws subject
        MetaGradientLaws.laws subject
        AccuracyLaws.laws subject
        StrategyLaws.laws subject
        MetaLearningLaws.laws subject
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
        ]
