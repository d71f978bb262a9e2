// imaml models: the models that come with the program, with their measured accuracies; their files are in ModelFiles.cs.

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Imaml.Nets.Prediction;
using Imaml.Nets.Runs;
using Spectre.Console;

namespace Imaml.Cli.Commands;

internal static class ModelsCommand
{
    /// <summary>The models' names, for completion.</summary>
    public static string[] Names => [.. PretrainedModel.All.Select(one => one.Name)];

    public static Command Create(CancellationToken stop)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("models", "List the models that come with the program") { json, ModelFiles.Export(stop), ModelFiles.Import(stop) };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(json))
            {
                Terminal.Document(JsonSerializer.Serialize(PretrainedModel.All, RunJson.Indented));
                return ExitCode.Success;
            }

            var table = new TextTable("model", "for", "measured on classes that it was not trained on") { Border = TableBorder.Rounded };
            foreach (var model in PretrainedModel.All)
            {
                table.Add(model.Name, model.Description, string.Join('\n', model.Measured.Select(Words)));
            }

            table.Print();
            Terminal.Line("`imaml predict MODEL --examples DIR IMAGES` uses one");
            return ExitCode.Success;
        });
        return command;
    }

    private static string Words(MeasuredAccuracy one) => string.Create(
        CultureInfo.InvariantCulture,
        $"{one.Ways}-way {one.Shots}-shot, {one.BatchNormalization}: {Terminal.Accuracy(one.Accuracy, one.HalfWidth95)} ({one.Episodes:N0} episodes)");
}
