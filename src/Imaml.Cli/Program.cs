// The program `imaml`: the limits, streams and signals of the process, around a command line.

using Imaml.Cli;

// Before anything else is loaded.
if ((OpenFiles.Refusal() ?? WorkingDirectory.Refusal()) is { } refusal)
{
    Console.Error.WriteLine($"imaml: {refusal}");
    return ExitCode.Failed;
}

using var results = new LastingWriter(Job.Output);
using var progress = new LastingWriter(Job.Messages);
Console.SetOut(results);
Console.SetError(progress);
using var interruption = new Interruption();
var code = CommandLine.Run(args, interruption.Token);
if (code == ExitCode.Success && results.Failure is { } lost)
{
    Terminal.Fail($"not all results could be printed ({lost}); run again with room for them");
    return ExitCode.Failed;
}

return code;
