// The cost of a Hessian–vector product compared with a gradient, on one thread, for as many tasks as a thread of training takes at once. By Pearlmutter's
// passes a product takes six convolutions and a gradient three.

using BenchmarkDotNet.Attributes;
using Imaml.Math;
using Imaml.Nets.Learning;
using static TorchSharp.torch;

namespace Imaml.Bench;

/// <summary>One gradient and one Hessian–vector product of the support loss, on the Omniglot network: four tasks of 5w1s, one of 20w5s.</summary>
public class HessianProductBenchmark
{
    private MetaLearner _learner = null!;
    private FewShotProblem _problem = null!;
    private Tensor _theta = null!;
    private ILinearization<Tensor, Tensor> _linearization = null!;

    /// <summary>N and K.</summary>
    [Params("5w1s", "20w5s")]
    public string Setting { get; set; } = "5w1s";

    /// <summary>Draws the tasks and linearizes at θ.</summary>
    [GlobalSetup]
    public void Draw()
    {
        var count = Setting == "5w1s" ? 4 : 1;
        var tasks = new GlyphTasks(Setting, count);
        set_num_threads(1);
        _learner = tasks.Learner();
        _problem = new FewShotProblem(tasks.Network, tasks.Batch(0), _learner.Theta);
        _theta = _learner.Theta.expand(count, -1);
        _linearization = _problem.LinearizeInner(_theta);
    }

    /// <summary>∇L̂(θ), from the images on.</summary>
    [Benchmark(Baseline = true)]
    public void Gradient() => _problem.InnerGradient(_theta).Dispose();

    /// <summary>∇²L̂(θ)w, at a point whose gradient is known.</summary>
    [Benchmark]
    public void HessianProduct() => _linearization.HessianProduct(_linearization.Gradient).Dispose();

    /// <summary>Frees the tensors.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _linearization.Dispose();
        _learner.Dispose();
    }
}
