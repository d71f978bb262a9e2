// Completes a table: every cell's run is begun or continued to its budget, then tested.

using Imaml.Cli.Commands;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Machines;
using Imaml.Nets.Prediction;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Tables;

/// <summary>The cells of a table that are to be worked on, with all that their runs need.</summary>
internal sealed record TableWork(
    PublishedTable Table, IReadOnlyList<TableCell> Cells, Scale Scale, IReadOnlyList<ulong> Seeds, double Budget, int Episodes, string Root, string? Data, ComputeDevice Device, int? Threads, CancellationToken Stop)
{
    /// <summary>The table with the results so far, and all of its cells.</summary>
    public TableFile Read()
    {
        LibTorchLoader.EnsureLoaded();
        return TableFile.Read(Table, Table.Cells, Scale, Seeds, Root, Budget, Episodes, Provenance.Current(Device));
    }

    /// <summary>Trains and tests what is missing, seed by seed, until asked to stop. A cell that fails does not end the others.</summary>
    /// <returns>One line for each that failed.</returns>
    public IReadOnlyList<string> Run()
    {
        LibTorchLoader.EnsureLoaded();
        var failed = new List<string>();
        foreach (var (seed, cell) in Seeds.SelectMany(seed => Cells.Select(cell => (seed, cell))))
        {
            if (Job.Processes.Any(Stop.IsCancellationRequested))
            {
                break;
            }

            try
            {
                Work(cell, seed);
            }
            catch (Exception e) when (e is TrainingDivergedException or AdaptationException or CheckpointException or FirstRankException || (e is DataException && Job.Processes.Size == 1))
            {
                failed.Add($"{cell.Name}, seed {seed}: {e.Message}");
            }
            catch (OperationCanceledException) when (Stop.IsCancellationRequested)
            {
                break;
            }
        }

        return failed;
    }

    private void Work(TableCell cell, ulong seed)
    {
        var folder = new RunFolder(Path.Combine(Root, CellResult.FolderOf(cell, Scale, seed)));
        TrainingDivergedException? diverged = null;
        if (State(cell, seed) is var reached && reached is CellState.NotBegun or CellState.Running)
        {
            Terminal.Progress($"{cell.Name}, seed {seed}");
            try
            {
                Train(cell, seed, folder);
            }
            catch (TrainingDivergedException e)
            {
                diverged = e;
            }

            reached = State(cell, seed);
        }

        if (reached == CellState.Trained && !Job.Processes.Any(Stop.IsCancellationRequested))
        {
            Terminal.Progress($"{cell.Name}, seed {seed}: testing");
            if (Test(folder) != ExitCode.Success)
            {
                throw new AdaptationException("no accuracy, since an adapted network is not finite");
            }
        }

        if (diverged is not null)
        {
            throw diverged;
        }
    }

    // Rank 0 alone has the folder.
    private CellState State(TableCell cell, ulong seed) => (CellState)Job.Processes.FromFirst(() =>
    {
        var read = CellResult.Read(cell, Scale, seed, Root, Budget, Episodes);
        return read is { State: CellState.OtherRun or CellState.Damaged } ? throw new CheckpointException(read.Trouble!) : (int)read.State;
    });

    private void Train(TableCell cell, ulong seed, RunFolder folder)
    {
        var experiment = cell.Experiment(Scale, seed);
        var (tasks, model) = SharedOptions.OpenParts(experiment, Data, Stop);
        using var run = TrainingRun.OpenShared(folder, experiment, tasks, model, Device, Job.Threads(Threads), Job.Processes);
        ProgressBar.Run("meta-training", progress =>
        {
            run.Run(
                Stop,
                _ => progress.Report(double.Min(1, double.Max(run.ComputeSeconds / Budget, (double)run.Learner.MetaStep / experiment.Budget.MetaSteps))),
                point => Terminal.Progress($"  {point.MetaStep} meta-steps: validation accuracy {Terminal.Accuracy(point)}"),
                Budget);
            return run.Learner.MetaStep;
        });
        if (Job.Prints)
        {
            RunFolder.WriteJson(folder.SummaryPath, TrainingSummary.Of(run));
        }
    }

    private int Test(RunFolder folder)
    {
        var evaluation = new ModelEvaluation(
            folder.FolderPath, new EvaluationRequest(ClassPart.Test, Episodes), null, null, null, null, ModelEvaluation.Both, EvaluationResult.Best, Ensemble: null, Baselines: false, Output: null, Json: false, Data, Device, Stop);
        return (evaluation with { IsPartOfWork = true }).Run();
    }
}
