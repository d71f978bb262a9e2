// What one task costs in floating-point operations: the counts of the core's own records (MetaGradient.Cost) times what one evaluation
// costs an image. Operations on parameter vectors are not counted: a few for each parameter and evaluation, against hundreds.

using Imaml.Math;
using Imaml.Nets.Models;

namespace Imaml.Nets.Cost;

/// <summary>How often one task evaluates what; means where tasks differ.</summary>
/// <param name="Gradients">∇L̂ on the support images; a linearization counts as one.</param>
/// <param name="HessianProducts">∇²L̂·w on the support images.</param>
/// <param name="Losses">L̂ alone, on the support images.</param>
/// <param name="OuterGradients">∇L on the query images.</param>
/// <param name="QueryPasses">Forward passes over the query images that are made for the accuracy alone, which a meta-step reports.</param>
public sealed record TaskWork(double Gradients, double HessianProducts, double Losses, double OuterGradients, double QueryPasses = 0)
{
    /// <summary>One gradient of the support loss.</summary>
    public static TaskWork OneGradient { get; } = new(1, 0, 0, 0);

    /// <summary>One Hessian–vector product at a point whose gradient is known.</summary>
    public static TaskWork OneHessianProduct { get; } = new(0, 1, 0, 0);

    /// <summary>The mean over these tasks, of which there is at least one.</summary>
    public static TaskWork Mean(IReadOnlyCollection<WorkCount> tasks) => new(
        tasks.Average(task => task.Gradients),
        tasks.Average(task => task.HessianProducts),
        tasks.Average(task => task.Losses),
        tasks.Average(task => task.OuterGradients));

    /// <summary>Floating-point operations of the task.</summary>
    /// <param name="image">Those of the network for one image.</param>
    /// <param name="supportImages">N·K.</param>
    /// <param name="queryImages">N·Q, and N·K more where the support images give the query images their statistics.</param>
    public double Flops(NetworkFlops image, int supportImages, int queryImages) =>
        (supportImages * ((Gradients * image.Gradient) + (HessianProducts * image.HessianProduct) + (Losses * image.Forward)))
        + (queryImages * ((OuterGradients * image.Gradient) + (QueryPasses * image.Forward)));
}
