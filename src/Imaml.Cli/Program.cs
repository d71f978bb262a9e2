// The program `imaml`. Everything that can go wrong for a user ends
// here as one line on the error stream and an exit code, never as a stack trace.

using System.CommandLine;
using Imaml.Cli;
using Imaml.Cli.Commands;

// Before anything else is loaded.
if (OpenFiles.Refusal() is { } few)
{
    Console.Error.WriteLine($"imaml: {few}");
    return ExitCode.Failed;
}

using var results = new LastingWriter(Job.Output);
using var progress = new LastingWriter(Job.Messages);
Console.SetOut(results);
Console.SetError(progress);
using var interruption = new Interruption();
var code = Run();
if (code == ExitCode.Success && results.Failure is { } lost)
{
    Terminal.Fail($"not all results could be printed ({lost})");
    return ExitCode.Failed;
}

return code;

int Run()
{
    var parsed = ImamlCommand.Create(interruption.Token).Parse(args.Length == 0 ? ["--help"] : args);
    if (UsageError.Of(parsed) is { } mistake)
    {
        Terminal.Fail(mistake);
        return Job.OfAll(ExitCode.Usage);
    }

    if (Job.Excuse(parsed) is { } other)
    {
        return other;
    }

    try
    {
        Job.Join(parsed);
        var ended = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        Job.Leave();
        return ended;
    }
    catch (Exception e) when (Failure.Of(e) is { } failure)
    {
        return Job.Fail(e, failure);
    }
}
