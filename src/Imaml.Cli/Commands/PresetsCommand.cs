// imaml presets: lists the experiments of the program; with a name, prints its file.

using System.CommandLine;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Commands;

internal static class PresetsCommand
{
    public static Command Create()
    {
        var name = SharedOptions.Completing(
            new Argument<string?>("NAME") { Description = "Preset to print as JSON, for `imaml train FILE`", Arity = ArgumentArity.ZeroOrOne }, [.. ExperimentFile.Presets]);
        var command = new Command("presets", "List the experiments of the program, or print one") { name };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(name) is { } one)
            {
                Terminal.Document(ExperimentFile.PresetText(one).TrimEnd());
                return ExitCode.Success;
            }

            foreach (var preset in ExperimentFile.Presets)
            {
                Terminal.Line(preset);
            }

            return ExitCode.Success;
        });
        return command;
    }
}
