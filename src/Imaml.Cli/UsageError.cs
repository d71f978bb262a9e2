// The error message of a command line, in one line: the first mistake, the nearest existing name, and the command that lists the names.

using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using Imaml.Cli.Commands;

namespace Imaml.Cli;

/// <summary>Explains a command line that cannot be run.</summary>
internal static partial class UsageError
{
    /// <summary>The explanation, or null where the command line can be run (asking for help can be, whatever else it says).</summary>
    public static string? Of(ParseResult parsed, IReadOnlyList<string> words)
    {
        var path = Path(parsed.CommandResult);
        var runs = parsed.Action is ParseErrorAction || parsed.Action == parsed.CommandResult.Command.Action;
        if (runs && parsed.CommandResult.Children.FirstOrDefault(one => one.Tokens.Any(token => token.Value.Length == 0)) is { } empty)
        {
            return $"{Name(empty)} must not be empty; see `{path} --help`";
        }

        // The parser takes the value of --flag=value for an argument.
        if (runs && parsed.CommandResult.Children.OfType<OptionResult>().FirstOrDefault(one => one.Option.ValueType == typeof(bool) && Given(words, one)) is { } flag)
        {
            return $"{flag.Option.Name} takes no value; see `{path} --help`";
        }

        // A misspelt option may have been taken for an argument; what comes after -- is one.
        var astray = !runs || parsed.Tokens.Any(one => one.Type == TokenType.DoubleDash)
            ? null
            : parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(one => one.Tokens).FirstOrDefault(one => one.Value.StartsWith("--", StringComparison.Ordinal));
        if (astray is null && (parsed.Errors.Count == 0 || parsed.Action is not ParseErrorAction))
        {
            return null;
        }

        var mistake = astray is not null ? Unknown(astray.Value, parsed.CommandResult) : parsed.UnmatchedTokens is [var unknown, ..] ? Unknown(unknown, parsed.CommandResult) : AllMissing(parsed) ?? First(parsed.Errors);
        return $"{mistake}; see `{path} --help`";
    }

    private static bool Given(IReadOnlyList<string> words, OptionResult flag) =>
        words.TakeWhile(word => word != "--").Any(word => flag.Option.Aliases.Prepend(flag.Option.Name).Any(name => word.StartsWith($"{name}=", StringComparison.Ordinal) || word.StartsWith($"{name}:", StringComparison.Ordinal)));

    // What is written wrong comes before what is not there.
    private static string First(IReadOnlyList<ParseError> errors)
    {
        var first = errors.FirstOrDefault(error => !error.Message.EndsWith(" is required.", StringComparison.Ordinal)) ?? errors[0];
        return Missing(first) ?? Readable(first.Message);
    }

    // All arguments and options that are needed and not there, where nothing else is wrong.
    private static string? AllMissing(ParseResult parsed)
    {
        var command = parsed.CommandResult;
        string[] names =
        [
            .. command.Command.Arguments.Where(one => one.Arity.MinimumNumberOfValues > 0 && command.GetResult(one) is null or { Tokens.Count: 0 }).Select(one => one.Name),
            .. command.Command.Options.Where(one => one.Required && command.GetResult(one) is null or { Implicit: true }).Select(one => one.Name),
        ];
        return names is [] || names.Length < parsed.Errors.Count ? null : $"{string.Join(", ", names)} {(names.Length == 1 ? "is" : "are")} missing";
    }

    // An argument or a command that is not there, by its name.
    private static string? Missing(ParseError error) => error.SymbolResult switch
    {
        ArgumentResult { Tokens.Count: 0, Parent: CommandResult } argument => $"{argument.Argument.Name} is missing",
        CommandResult { Command: { Action: null, Subcommands: { Count: > 0 } commands } } => $"a command is missing: {string.Join(", ", commands.Where(one => !one.Hidden).Select(one => one.Name))}",
        _ => null,
    };

    private static string Name(SymbolResult result) => result switch
    {
        OptionResult option => option.Option.Name,
        ArgumentResult argument => argument.Argument.Name,
        _ => "a word",
    };

    private static string Unknown(string token, CommandResult command)
    {
        var option = token.StartsWith('-');
        var kind = option ? "option" : command.Command.Subcommands.Count > 0 ? "command" : "argument";
        return $"unknown {kind} {token}{NearestName.Hint(token, Names(command, option))}";
    }

    private static IEnumerable<string> Names(CommandResult command, bool options)
    {
        if (!options)
        {
            return command.Command.Subcommands.Where(one => !one.Hidden).Select(one => one.Name);
        }

        var inherited = Ancestors(command).Skip(1).SelectMany(one => one.Command.Options).Where(one => one.Recursive);
        return command.Command.Options.Concat(inherited).Where(one => !one.Hidden).SelectMany(one => one.Aliases.Prepend(one.Name));
    }

    private static IEnumerable<CommandResult> Ancestors(CommandResult command)
    {
        for (var one = command; one is not null; one = one.Parent as CommandResult)
        {
            yield return one;
        }
    }

    private static string Path(CommandResult command) => string.Join(' ', Ancestors(command).Reverse().Select(one => one.Command is RootCommand ? ImamlCommand.Name : one.Command.Name));

    // The parser's own message about a word that it cannot read, without the type's name and the full stop.
    private static string Readable(string message) =>
        Conversion().Replace(message, match => $"{match.Groups["where"].Value}: {match.Groups["value"].Value} is not known").TrimEnd('.');

    [GeneratedRegex("Cannot parse argument '(?<value>.*)' for \\w+ '(?<where>.*)' as expected type '.*'\\.?")]
    private static partial Regex Conversion();
}
