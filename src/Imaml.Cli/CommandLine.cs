// A command line from its words to the exit code. Everything that can go wrong for a user ends here as one line on the error stream and an exit code, never
// as a stack trace.

using System.CommandLine;
using System.Globalization;
using Imaml.Cli.Commands;

namespace Imaml.Cli;

/// <summary>Runs commands.</summary>
internal static class CommandLine
{
    // The directive by which a shell asks for completions.
    private const string Suggest = "[suggest:";

    // Lets an exception that is a fault of the program end it, with its stack trace.
    private const string Trace = "IMAML_TRACE";

    /// <summary>Runs a command line; without words, the one that shows the commands.</summary>
    /// <param name="words">The words after the program's name.</param>
    /// <param name="stop">Asks the command to stop at its next safe point.</param>
    /// <returns>The exit code.</returns>
    public static int Run(IReadOnlyList<string> words, CancellationToken stop)
    {
        // A file may be called @name, and the words after a leading -- are the same.
        string[] given = [.. words is ["--", ..] ? words.Skip(1) : words];
        var parsed = ImamlCommand.Create(stop).Parse(given is [] ? ["--help"] : given, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (given is [var first, ..] && first.StartsWith(Suggest, StringComparison.Ordinal) && !int.TryParse(first[Suggest.Length..].TrimEnd(']'), NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            Terminal.Fail($"{first} must name a position in the command line, as in {Suggest}12]");
            return ExitCode.Usage;
        }

        if (UsageError.Of(parsed, given) is { } mistake)
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
            var ended = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null, Output = Terminal.Results, Error = Terminal.Messages });
            Job.Leave();
            return ended;
        }
        catch (Exception e) when (Failure.Of(e) is { } failure)
        {
            return Job.Fail(e, failure);
        }
        catch (Exception e) when (Environment.GetEnvironmentVariable(Trace) is null or "")
        {
            return Job.Fail(e, new Failure($"a fault of this program, {e.GetType().Name}: {e.Message.ReplaceLineEndings(" ")}; please report it, with what {Trace}=1 prints", ExitCode.Failed));
        }
    }
}
