// The parts that come with the library, opened by an experiment: the same doors that a user's own parts go through.

using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>Opens experiments whose parts all come with the library.</summary>
public static class BuiltIn
{
    /// <summary>The tasks and the network of an experiment.</summary>
    /// <param name="experiment">The experiment.</param>
    /// <param name="dataFolder">See <see cref="ImageTasks.Open"/>.</param>
    /// <param name="progress">Likewise.</param>
    /// <param name="warn">Likewise.</param>
    /// <exception cref="OwnPartException">A part is the user's own, so the program that has it must do this.</exception>
    /// <exception cref="DataException">The data are missing or do not allow these episodes.</exception>
    public static (ImageTasks Tasks, Network Network) Open(Experiment experiment, string? dataFolder = null, IProgress<double>? progress = null, Action<string>? warn = null)
    {
        if (experiment.Method is OwnMethod method)
        {
            throw new OwnPartException($"the method {method.Name}");
        }

        var network = experiment.Network as StridedConvolutions ?? throw new OwnPartException($"the network {(experiment.Network as OwnNetwork)?.Name}");
        var episodes = experiment.Tasks as EpisodeSpec ?? throw new OwnPartException($"the task source {(experiment.Tasks as OwnTasks)?.Name}");
        var tasks = ImageTasks.Open(episodes, dataFolder, progress, warn);
        return (tasks, network.Build(new ImageShape(tasks.Images.Height, tasks.Images.Width, tasks.Images.Channels), tasks.Ways));
    }

    /// <summary>Begins or continues a run of an experiment.</summary>
    /// <inheritdoc cref="Open(Experiment, string?, IProgress{double}?, Action{string}?)"/>
    public static TrainingRun Train(RunFolder folder, Experiment experiment, string? dataFolder = null, ComputeDevice? device = null, int? threads = null)
    {
        var (tasks, network) = Open(experiment, dataFolder);
        return TrainingRun.Open(folder, experiment, tasks, new ImageClassifier(network), device, threads);
    }
}
