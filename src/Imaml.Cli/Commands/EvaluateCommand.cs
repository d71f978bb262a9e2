// imaml evaluate: the accuracy of a run or a model on new classes.

using System.CommandLine;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Commands;

internal static class EvaluateCommand
{
    /// <summary>The command.</summary>
    public const string Name = "evaluate";

    public static Command Create(CancellationToken stop)
    {
        var model = SharedOptions.Completing(
            new Argument<string>("MODEL") { Description = "A folder that `imaml train` made, a model file, or the name of a model of the program (`imaml models`)" }, ModelsCommand.Names);
        var episodes = SharedOptions.AtLeast(new Option<int>("--episodes") { Description = "Episodes", HelpName = "n", DefaultValueFactory = _ => EvaluationRequest.DefaultEpisodes }, 2);
        var part = SharedOptions.OneOf(
            new Option<ClassPart>("--part") { Description = "test, or validation for choosing options", HelpName = "PART", DefaultValueFactory = _ => ClassPart.Test }, "test", "validation");
        var seed = SharedOptions.AtLeast(new Option<ulong>("--seed") { Description = "Seed of the episodes", HelpName = "S", DefaultValueFactory = _ => ImageTasks.EvaluationSeed });
        var ways = SharedOptions.AtLeast(new Option<int?>("--ways") { Description = "Classes of an episode, at most as many as in training (head without --learn-start: any number) [default: as in training]", HelpName = "N" }, 2);
        var shots = SharedOptions.AtLeast(new Option<int?>("--shots") { Description = "Support images per class [default: as in training]", HelpName = "K" }, 1);
        var queries = SharedOptions.AtLeast(new Option<int?>("--queries") { Description = "Query images per class [default: as in training]", HelpName = "Q" }, 1);
        var innerSteps = SharedOptions.AtLeast(new Option<int?>("--inner-steps") { Description = "Gradient steps of the inner solver [default: as in training]", HelpName = "n" }, 1, Rule.MostSteps);
        var batchNorm = SharedOptions.OneOf(
            new Option<string?>("--batch-norm") { Description = "Whose statistics normalise the query images: transductive (their own), inductive (the support images'), or both, one after the other [default: as in training]", HelpName = "MODE" }, ModelEvaluation.Transductive, ModelEvaluation.Inductive, ModelEvaluation.Both);
        var state = SharedOptions.OneOf(
            new Option<string?>("--state") { Description = "best: the state of the best validation; last: the last one; average: that of the last ones (--outer-averaging) [default: best, if the run has validated]", HelpName = "STATE" }, EvaluationResult.Best, EvaluationResult.Last, EvaluationResult.Average);
        var ensemble = SharedOptions.AtLeast(
            new Option<int?>("--ensemble") { Description = "Average the probabilities of the n kept states (--keep-every) with the best validations, in place of one state", HelpName = "n" }, 2);
        var baselines = new Option<bool>("--baselines") { Description = $"Compare with others on the same episodes: the {Baseline.Untrained}, adapted in the same way, and the {Baseline.Centroid}" };
        var output = SharedOptions.Folder(new Option<string?>("--out") { Description = "Folder for the result file [default: the run's; none for a model]", HelpName = "DIR" });
        var json = new Option<bool>("--json") { Description = "Print the result files as one JSON list, one for each mode of batch normalisation, instead of text" };
        var data = SharedOptions.Data();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var command = new Command(Name, "Measure a run or a model on classes that it has not trained on") { model, episodes, part, seed, ways, shots, queries, innerSteps, batchNorm, state, ensemble, baselines, output, json, data, device, tf32, SharedOptions.StallLimit() };
        command.Validators.Add(result =>
        {
            if (result.GetResult(ensemble) is not null && result.GetResult(state) is not null)
            {
                result.AddError("--ensemble and --state exclude each other");
            }
        });
        command.SetAction(parsed =>
        {
            var opened = SharedOptions.OpenDevice(parsed, device, tf32);
            var request = new EvaluationRequest(parsed.GetValue(part), parsed.GetValue(episodes), parsed.GetValue(seed));
            return new ModelEvaluation(
                parsed.GetRequiredValue(model), request, parsed.GetValue(ways), parsed.GetValue(shots), parsed.GetValue(queries), parsed.GetValue(innerSteps), parsed.GetValue(batchNorm),
                parsed.GetValue(state), parsed.GetValue(ensemble), parsed.GetValue(baselines), parsed.GetValue(output), parsed.GetValue(json), parsed.GetValue(data), opened, stop).Run();
        });
        return command;
    }
}
