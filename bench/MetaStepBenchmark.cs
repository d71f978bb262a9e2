// A whole meta-step of iMAML with gradient descent, with all its parts. `imaml bench` has every method, with memory.

using BenchmarkDotNet.Attributes;
using Imaml.Nets.Learning;

namespace Imaml.Bench;

/// <summary>A meta-step on 5-way 1-shot tasks, 16 inner and 5 CG steps, on the Omniglot network.</summary>
public class MetaStepBenchmark
{
    private GlyphTasks _tasks = null!;
    private MetaLearner _learner = null!;

    /// <summary>B; BenchmarkDotNet's time is that of all B tasks.</summary>
    [Params(4, 32)]
    public int MetaBatch { get; set; }

    /// <summary>Draws the images and θ.</summary>
    [GlobalSetup]
    public void Draw()
    {
        _tasks = new GlyphTasks("5w1s", MetaBatch);
        _learner = _tasks.Learner();
    }

    /// <summary>Draws the episodes and moves θ.</summary>
    [Benchmark]
    public StepReport Step() => _learner.Step(_tasks.Tasks(_learner.MetaStep));

    /// <summary>Frees the tensors.</summary>
    [GlobalCleanup]
    public void Dispose() => _learner.Dispose();
}
