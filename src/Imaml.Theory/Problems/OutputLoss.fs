// How a network's outputs are compared with the targets of n examples: a mean over examples, with first and second derivative by output.
//
//     cross-entropy:       mean over examples of log Σⱼ exp zⱼ − z_y          ∂ = (p − 1_y)/n,   ∂²·r = p∘(r − pᵀr)/n,   p = softmax z
//     mean squared error:  mean over all n·out numbers of (z − t)²           ∂ = 2(z − t)/(n·out)

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra

/// The loss on the outputs.
[<RequireQualifiedAccess>]
type OutputLoss =
    | CrossEntropy
    | MeanSquaredError

[<RequireQualifiedAccess>]
module OutputLoss =

    // z ↦ log softmax z, row by row, without overflow.
    let private logSoftmax (z: Matrix<float>) =
        let numbers = z.ToRowMajorArray()
        let width = z.ColumnCount
        let shifts = Array.zeroCreate<float> z.RowCount

        for i in 0 .. shifts.Length - 1 do
            let mutable most = numbers[i * width]

            for j in 1 .. width - 1 do
                most <- max most numbers[i * width + j]

            let mutable sum = 0.0

            for j in 0 .. width - 1 do
                sum <- sum + exp (numbers[i * width + j] - most)

            shifts[i] <- most + log sum

        z.MapIndexed(fun i _ value -> value - shifts[i])

    let private softmax z = (logSoftmax z).Map exp

    /// The targets as a matrix of n × outputs. Cross-entropy takes one class index an example (one column), or rows with a single 1; mean
    /// squared error takes the numbers themselves.
    let targets loss outputs (given: Matrix<float>) : Matrix<float> =
        let refuse rule = invalidArg (nameof given) rule

        match loss with
        | OutputLoss.MeanSquaredError ->
            if given.ColumnCount <> outputs then
                refuse $"the targets have {given.ColumnCount} columns, the network {outputs} outputs"

            given
        | OutputLoss.CrossEntropy ->
            if outputs < 2 then
                refuse $"cross-entropy needs at least 2 outputs, not {outputs}"

            if given.ColumnCount = 1 then
                let labels = (given.Column 0).ToArray()

                for label in labels do
                    if not (label >= 0.0 && label < float outputs && label = Math.Floor label) then
                        refuse $"a label must be a whole number from 0 to {outputs - 1}, not {label}"

                Matrix<float>.Build.Dense(labels.Length, outputs, fun i j -> if float j = labels[i] then 1.0 else 0.0)
            elif given.ColumnCount = outputs then
                for row in given.EnumerateRows() do
                    if row.Exists(fun value -> value <> 0.0 && value <> 1.0) || row.Sum() <> 1.0 then
                        refuse "a row of one-hot labels must hold a single 1 and otherwise 0"

                given
            else
                refuse $"the labels have {given.ColumnCount} columns, neither 1 nor the network's {outputs} outputs"

    /// The loss of outputs z [n × out] against targets t [n × out].
    let value loss (z: Matrix<float>) (t: Matrix<float>) =
        match loss with
        | OutputLoss.CrossEntropy -> -((logSoftmax z).PointwiseMultiply t).RowSums().Sum() / float z.RowCount
        | OutputLoss.MeanSquaredError -> ((z - t).PointwisePower 2.0).RowSums().Sum() / (float z.RowCount * float z.ColumnCount)

    /// Its derivative by z [n × out].
    let gradient loss (z: Matrix<float>) (t: Matrix<float>) =
        match loss with
        | OutputLoss.CrossEntropy -> (softmax z - t) / float z.RowCount
        | OutputLoss.MeanSquaredError -> (z - t) * (2.0 / (float z.RowCount * float z.ColumnCount))

    /// Its second derivative by z, as a map of directions r [n × out]; z alone is looked at first.
    let curvature loss (z: Matrix<float>) : Matrix<float> -> Matrix<float> =
        match loss with
        | OutputLoss.CrossEntropy ->
            let p = softmax z

            fun r ->
                let weighted = p.PointwiseMultiply r
                let means = weighted.RowSums()
                (weighted - p.MapIndexed(fun i _ value -> value * means[i])) / float z.RowCount
        | OutputLoss.MeanSquaredError -> fun r -> r * (2.0 / (float z.RowCount * float z.ColumnCount))
