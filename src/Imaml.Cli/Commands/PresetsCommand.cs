// imaml presets: the experiments that come with the program, by name; with a name, its file.

using System.CommandLine;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Commands;

internal static class PresetsCommand
{
    public static Command Create()
    {
        var name = new Argument<string?>("NAME") { Description = "Print this one as JSON: a file for `imaml train FILE`", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("presets", "List the experiments that come with the program, or print one") { name };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(name) is { } one)
            {
                Console.Out.Write(ExperimentFile.PresetText(one));
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
