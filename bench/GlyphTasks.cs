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
    private readonly Experiment _experiment;
    private readonly ImageTasks _tasks;
    private readonly ImageClassifier _model;

    /// <summary>Loads libtorch and draws the images.</summary>
    public GlyphTasks(string setting, int metaBatch)
    {
        LibTorchLoader.EnsureLoaded();
        _experiment = BenchMethod.Of(BenchMethod.Imaml).Experiment(
            BenchSetting.Of(setting), metaBatch, innerSteps: null, steps: 1, filters: null);
        (_tasks, _model) = _experiment.Open();
    }

    /// <summary>The episodes of a meta-step.</summary>
    public TaskRange Tasks(int metaStep) => new(ClassPart.Train, _experiment.Seed, (long)metaStep * _experiment.Budget.MetaBatch, _experiment.Budget.MetaBatch);

    /// <summary>The episodes of a meta-step, packed.</summary>
    public EpisodeBatch Batch(int metaStep) => _tasks.Take(Tasks(metaStep));

    /// <summary>The network.</summary>
    public Nets.Models.Network Network => _model.Network;

    /// <summary>θ before the first step.</summary>
    public MetaLearner Learner() => MetaLearner.Create(_experiment.Plan, LearningProblem.Of(_tasks, _model), Environment.ProcessorCount);
}
