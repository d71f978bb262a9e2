// The program `imaml`. Everything that can go wrong for a user ends
// here as one line on the error stream and an exit code, never as a stack trace.

using System.CommandLine;
using Imaml.Cli;
using Imaml.Cli.Commands;

using var interruption = new Interruption();
var parsed = ImamlCommand.Create(interruption.Token).Parse(args.Length == 0 ? ["--help"] : args);
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
