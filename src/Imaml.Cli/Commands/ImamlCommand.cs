// imaml: the root command; each subcommand has its own file.

using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Imaml.Cli.Commands;

internal static class ImamlCommand
{
    /// <summary>The program's name in its own texts, whatever its file is called.</summary>
    public const string Name = "imaml";

    public static RootCommand Create(CancellationToken stop)
    {
        var root = All(stop);
        foreach (var help in root.Options.OfType<HelpOption>())
        {
            help.Aliases.Remove("/?");
            help.Aliases.Remove("/h");
            help.Action = new TrainHelp((SynchronousCommandLineAction)help.Action!);
        }

        return root;
    }

    private static RootCommand All(CancellationToken stop) => new("Few-shot meta-learning with implicit gradients (iMAML)")
    {
        SolveCommand.Create(stop),
        VerifyCommand.Create(stop),
        ReproduceCommand.Create(stop),
        TrainCommand.Create(stop),
        PresetsCommand.Create(),
        RunsCommand.Create(stop),
        ShowCommand.Create(),
        ReportCommand.Create(),
        EvaluateCommand.Create(stop),
        PredictCommand.Create(stop),
        ModelsCommand.Create(stop),
        DiagnoseCommand.Create(stop),
        RedrawCommand.Create(),
        DemoCommand.Create(stop),
        DataCommand.Create(stop),
        DoctorCommand.Create(),
        CompletionCommand.Create(),
        BenchCommand.Create(stop),
        BenchOneCommand.Create(stop),
        HelpCommand.Create(() => Create(stop)),
    };
}
