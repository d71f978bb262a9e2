// The program `imaml`: one root command, whose subcommands live in Commands, one file each. Everything that can go wrong for a user ends
// here as one line on the error stream and an exit code, never as a stack trace.

using System.CommandLine;
using Imaml.Cli;
using Imaml.Cli.Commands;

using var interruption = new Interruption();
var root = new RootCommand("Few-shot meta-learning with implicit gradients (iMAML)")
{
    SolveCommand.Create(interruption.Token),
    VerifyCommand.Create(interruption.Token),
    ReproduceCommand.Create(interruption.Token),
    TrainCommand.Create(interruption.Token),
    PresetsCommand.Create(),
    EvaluateCommand.Create(interruption.Token),
    PredictCommand.Create(interruption.Token),
    ModelsCommand.Create(),
    DiagnoseCommand.Create(interruption.Token),
    DemoCommand.Create(interruption.Token),
    DataCommand.Create(interruption.Token),
    DoctorCommand.Create(),
    BenchCommand.Create(interruption.Token),
    BenchOneCommand.Create(interruption.Token),
};

var parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
if (UsageError.Of(parsed) is { } mistake)
{
    Terminal.Fail(mistake);
    return ExitCode.Usage;
}

try
{
    return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (Exception e) when (Failure.Of(e) is { } failure)
{
    Terminal.Fail(failure.Message);
    return failure.ExitCode;
}
