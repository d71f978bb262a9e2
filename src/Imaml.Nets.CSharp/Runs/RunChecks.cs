// What must agree before a run begins or continues: its parts with its experiment, its ranks with each other, and it with the run that the folder holds.

using System.Text;
using System.Text.Json;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Machines;
using Imaml.Nets.Models;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>Refuses to open a run where something contradicts it.</summary>
internal static class RunChecks
{
    // What result files say of images and network is the experiment's word.
    public static void RequireParts(Experiment experiment, object tasks, object model)
    {
        List<Complaint> others = [];
        void Require<T>(string field, T said, T given)
        {
            if (!EqualityComparer<T>.Default.Equals(said, given))
            {
                others.Add(new Complaint(field, $"is {said}, but the {(field.StartsWith("tasks", StringComparison.Ordinal) ? "tasks" : "model")} that the run was given: {given}"));
            }
        }

        if (experiment.Tasks is EpisodeSpec episodes && tasks is ImageTasks images)
        {
            Require("tasks.ways", episodes.Ways, images.Ways);
            Require("tasks.shots", episodes.Shots, images.Shots);
            Require("tasks.queries", episodes.Queries, images.Queries);
            Require("tasks.trainingShots", episodes.TrainingShots ?? episodes.Shots, images.TrainingShots);
        }

        if (experiment.Network is ConvolutionalNetwork network && model is ImageClassifier classifier)
        {
            Require("network.batchNorm", network.BatchNorm, classifier.BatchNorm);
            static string Layers(Network one) => string.Join(", ", one.Layers.Select(layer => $"{layer.GetType().Name} of {layer.ParameterCount}"));
            Require("network", Layers(network.Build(classifier.Network.Input, classifier.Network.Layers[^1].OutputShape.Count)), Layers(classifier.Network));
        }

        if (others.Count > 0)
        {
            throw new ExperimentException(others);
        }
    }

    /// <param name="problem">Of the tasks.</param>
    /// <param name="budget">The experiment's.</param>
    /// <param name="tasks">The name of the caller's parameter.</param>
    public static void RequireTasks(LearningProblem problem, Budget budget, string tasks)
    {
        if (problem.Identity.Length == 0)
        {
            throw new ArgumentException("the tasks' Identity must not be empty: a run is continued on the same one alone", tasks);
        }

        if (!problem.Has(ClassPart.Train))
        {
            throw new ArgumentException("the tasks have none to train on", tasks);
        }

        if (budget.ValidateEvery > 0 && !problem.Has(ClassPart.Validation))
        {
            throw new ExperimentException([new Complaint("budget.validateEvery", $"{budget.ValidateEvery} needs validation classes, of which these tasks have none; set it to 0")]);
        }
    }

    // Equal bits need all this to be equal.
    public static void RequireSame(IRanks ranks, Experiment experiment, LearningProblem problem, ComputeDevice device)
    {
        if (ranks.Size > 1)
        {
            var here = Provenance.Current(device);
            var everywhere = experiment with { Tasks = Experiment.Anywhere(experiment.Tasks) };
            ranks.Require("the experiment", JsonSerializer.SerializeToUtf8Bytes(everywhere, RunJson.Options), "start all ranks with the same options");
            ranks.Require("the data", Encoding.UTF8.GetBytes(problem.Identity), "all machines need the same data");
            ranks.Require("the program", Encoding.UTF8.GetBytes($"{here.Version} with libtorch {here.LibTorch}"), "install the same version on all machines");
            ranks.Require("the instruction set of the processor", Encoding.UTF8.GetBytes($"{here.InstructionSet}"), "equal numbers need processors of one kind on all machines");
        }
    }

    public static void RefuseOther(RunFolder folder, CheckpointHeader header, Experiment experiment, LearningProblem problem)
    {
        if (experiment.DifferencesFrom(header.Experiment) is { Count: > 0 } differences)
        {
            throw new CheckpointException($"{folder.FolderPath} holds a run of another experiment ({string.Join(", ", differences)}); repeat its own to continue it, or name another folder");
        }

        if (header.Tasks != problem.Identity)
        {
            throw new CheckpointException($"{folder.FolderPath} holds a run on other tasks ({Rule.Printed(header.Tasks, Rule.Description)}, not {problem.Identity}); name another folder");
        }

        // The best state was chosen by them, and a log of others would have gaps.
        static string Validations(Budget budget) => budget.ValidateEvery > 0 ? $"is validated every {budget.ValidateEvery} meta-steps on {budget.ValidationEpisodes} tasks" : "is not validated";
        if (Validations(header.Experiment.Budget) is var validated && Validations(experiment.Budget) is var asked && validated != asked)
        {
            throw new CheckpointException($"{folder.FolderPath} holds a run that {validated}, not one that {asked}; repeat its own options to continue it, or name another folder");
        }

        var (before, now) = (header.Experiment.Budget.MetaSteps, experiment.Budget.MetaSteps);
        if (before != now && experiment.Outer.DependsOnLength)
        {
            throw new CheckpointException(
                $"{folder.FolderPath} holds a run of {before} meta-steps, not {now}, whose step sizes fall to zero over its length (schedule cosine): another length is another run from its first step on; only runs of a constant schedule can be made longer");
        }

        if (now < header.MetaStep)
        {
            throw new CheckpointException($"{folder.FolderPath} has made {header.MetaStep} meta-steps already, more than {now}; name another folder");
        }
    }
}
