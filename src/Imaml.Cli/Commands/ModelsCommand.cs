// imaml models: the models that come with the program, with what was measured of them; their files are in ModelFiles.cs.

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Imaml.Nets.Prediction;
using Imaml.Nets.Runs;
using Spectre.Console;

namespace Imaml.Cli.Commands;

internal static class ModelsCommand
{
    public static Command Create(CancellationToken stop)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("models", "List the models that come with the program") { json, ModelFiles.Export(stop), ModelFiles.Import() };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(json))
            {
                Terminal.Line(JsonSerializer.Serialize(PretrainedModel.All, RunJson.Indented));
                return ExitCode.Success;
            }

            var table = new Table().RoundedBorder();
            table.AddColumns("model", "for", "measured on classes that it was not trained on");
            foreach (var model in PretrainedModel.All)
            {
                table.AddRow(new Text(model.Name), new Text(model.Description), new Text(string.Join('\n', model.Measured.Select(Words))));
            }

            Terminal.Out.Write(table);
            Terminal.Line("`imaml predict MODEL --examples DIR IMAGES` uses one");
            return ExitCode.Success;
        });
        return command;
    }

    private static string Words(MeasuredAccuracy one) => string.Create(
        CultureInfo.InvariantCulture,
        $"{one.Ways}-way {one.Shots}-shot, {one.BatchNormalization}: {Terminal.Accuracy(one.Accuracy, one.HalfWidth95)} ({one.Episodes:N0} episodes)");
}
