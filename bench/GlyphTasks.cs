// The tasks of the benchmarks on networks, those of `imaml bench`: meta-batches of the built-in glyphs, with as many query as support images.

using Imaml.Cli.Benchmarks;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Bench;

/// <summary>Meta-batches of one setting, and θ of a run of iMAML with gradient descent on them.</summary>
internal sealed class GlyphTasks
{
    private readonly TrainingOptions _options;
    private readonly EpisodeSampler _sampler;

    /// <summary>Loads libtorch and draws the images.</summary>
    public GlyphTasks(string setting, int metaBatch)
    {
        LibTorchLoader.EnsureLoaded();
        _options = BenchMethod.Of(BenchMethod.Imaml).Options(
            BenchSetting.Of(setting), metaBatch, innerSteps: null, steps: 1, Nets.Models.ConvolutionalNetworks.OmniglotFilters, Environment.ProcessorCount);
        _sampler = TaskSource.Open(_options, null, null, Console.Error.WriteLine).Sampler(_options, ClassPart.Train, _options.Queries, _options.Seed);
    }

    /// <summary>The episodes of a meta-step.</summary>
    public EpisodeBatch Batch(int metaStep) => _sampler.Batch((long)metaStep * _options.MetaBatch, _options.MetaBatch);

    /// <summary>θ before the first step, and the network.</summary>
    public MetaLearner Learner() => MetaLearner.Create(_options, TaskSource.Network(_options));
}
