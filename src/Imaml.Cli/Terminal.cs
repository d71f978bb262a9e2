// The output streams. On a terminal: colours and progress bars. Redirected to a file or a pipe: plain text, wide enough for
// every table.

using System.Globalization;
using Imaml.Nets.Runs;
using Spectre.Console;

namespace Imaml.Cli;

/// <summary>The two output streams.</summary>
internal static class Terminal
{
    private const int RedirectedWidth = 160, LongestMessage = 10_000, Unbroken = 100_000;

    /// <summary>A switch of <see cref="AppContext"/>, for programs that run commands within their own process: both streams count as redirected.</summary>
    public const string RedirectedSwitch = "Imaml.Cli.Redirected";

    // With several processes in a job, output is treated as redirected.
    private static readonly bool Redirected = (AppContext.TryGetSwitch(RedirectedSwitch, out var set) && set) || !Job.IsAlone;

    /// <summary>Whether results go to a file or a pipe.</summary>
    public static bool OutputIsRedirected { get; } = Redirected || Console.IsOutputRedirected;

    private static bool ErrorIsRedirected { get; } = Redirected || Console.IsErrorRedirected;

    /// <summary>The stream of results.</summary>
    public static TextWriter Results { get; } = Console.Out;

    /// <summary>The stream of progress and errors.</summary>
    public static TextWriter Messages { get; } = Console.Error;

    /// <summary>Results: tables, figures.</summary>
    public static IAnsiConsole Out { get; } = Create(Results, OutputIsRedirected, RedirectedWidth);

    /// <summary>Progress and errors, so that redirected results contain nothing else.</summary>
    public static IAnsiConsole Error { get; } = Create(Messages, ErrorIsRedirected, RedirectedWidth);

    /// <summary>Whether progress is a bar; otherwise it is printed as lines.</summary>
    public static bool Live => Error.Profile.Capabilities.Interactive;

    /// <summary>One line of results; broken between words on a terminal that is narrower, never where it is read by a program.</summary>
    public static void Line(string text) => Write(Results, text, OutputIsRedirected, Out);

    /// <summary>Results of several lines that stay as they are: a document, or a table.</summary>
    public static void Document(string text) => Results.WriteLine(Harmless(text));

    /// <summary>One line of results that a program reads, or a name that is taken as it is: it stays one.</summary>
    public static void Whole(string text) => Results.WriteLine(Printable(text));

    /// <summary>One line of progress, likewise.</summary>
    public static void Progress(string text) => Write(Messages, text, ErrorIsRedirected, Error);

    private static void Write(TextWriter stream, string text, bool redirected, IAnsiConsole console)
    {
        var line = Printable(text);
        foreach (var part in redirected ? [line] : TextLines.Fit(line, console.Profile.Width))
        {
            stream.WriteLine(part);
        }
    }

    /// <summary>Hours, minutes and seconds, however many hours.</summary>
    public static string Duration(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{(long)time.TotalHours}:{time:mm\\:ss}");

    /// <summary>An accuracy with its interval, or <c>no accuracy</c>.</summary>
    public static string Accuracy(double mean, double halfWidth95) =>
        double.IsFinite(mean) ? string.Create(CultureInfo.InvariantCulture, $"{double.Round(100 * mean, 2) + 0.0:F2} ± {100 * halfWidth95:F2} %") : "no accuracy";

    /// <summary>The accuracies of a validation: of the last state, and of the average where there is one.</summary>
    public static string Accuracy(CurveLine point) =>
        Accuracy(point.Accuracy!.Value, point.HalfWidth95) + (point.Averaged is { } averaged ? $", averaged {Accuracy(averaged, point.AveragedHalfWidth95!.Value)}" : "");

    /// <summary>One line on the error stream, red where there are colours; broken between words on a terminal that is narrower.</summary>
    public static void Fail(string message)
    {
        var line = Create(Messages, ErrorIsRedirected, Unbroken);
        line.Profile.Width = Unbroken;
        // A file may have names of any length.
        var text = $"imaml: {Printable(message.Length <= LongestMessage ? message : $"{message[..(LongestMessage / 2)]} … {message[^(LongestMessage / 2)..]}")}";
        foreach (var part in ErrorIsRedirected ? [text] : TextLines.Fit(text, Error.Profile.Width))
        {
            line.MarkupLineInterpolated($"[red]{part}[/]");
        }
    }

    /// <summary>An address without a user's name and password.</summary>
    public static string WithoutUser(string address) =>
        address.IndexOf("://", StringComparison.Ordinal) is var scheme and >= 0 && address.LastIndexOf('@') is var at && at > scheme ? address[..(scheme + 3)] + address[(at + 1)..] : address;

    /// <summary>A text with its control characters escaped, so that a file's name or a server's answer cannot control the terminal.</summary>
    public static string Printable(string text) =>
        text.Any(BreaksLine) ? string.Concat(text.Select(one => BreaksLine(one) ? $"\\x{(int)one:x2}" : one.ToString())) : text;

    /// <summary>The same of a text that may have line breaks.</summary>
    public static string Harmless(string text) => text.Any(one => BreaksLine(one) && one is not ('\n' or '\t')) ? string.Join('\n', text.Split('\n').Select(Printable)) : text;

    /// <summary>Whether a character may change the terminal or break a line: a control character, or Unicode's line and paragraph separators.</summary>
    public static bool BreaksLine(char one) => char.IsControl(one) || one is '\u2028' or '\u2029';

    private static IAnsiConsole Create(TextWriter writer, bool redirected, int redirectedWidth)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = redirected ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = redirected ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            Interactive = redirected ? InteractionSupport.No : InteractionSupport.Detect,
        });
        if (redirected)
        {
            console.Profile.Width = redirectedWidth;
        }

        return console;
    }
}
