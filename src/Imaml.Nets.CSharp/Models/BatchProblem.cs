// Tasks whose examples an inner solver may take a few at a time.

using Imaml.Math;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>A problem with an L̂ for each inner step.</summary>
internal interface IBatchProblem : IBilevelProblem<Tensor, Tensor>
{
    /// <summary>
    /// The same tasks with <paramref name="size"/> of the support examples in L̂, those whose turn it is: step by step all are used equally often, and of every class
    /// as many as of another, to one. The problem itself where there are no more.
    /// </summary>
    IBilevelProblem<Tensor, Tensor> Batch(int step, int size);
}
