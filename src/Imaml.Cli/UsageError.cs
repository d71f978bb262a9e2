// The error message of a command line, in one line: all mistakes, the nearest existing names, and the command that lists the names.

using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using Imaml.Cli.Commands;

namespace Imaml.Cli;

/// <summary>Explains a command line that cannot be run.</summary>
internal static partial class UsageError
{
    /// <summary>The explanation, or null where the command line can be run (asking for help of a command that exists can be, whatever else it says).</summary>
    public static string? Of(ParseResult parsed, IReadOnlyList<string> words)
    {
        var command = parsed.CommandResult;
        var runs = parsed.Action is ParseErrorAction || parsed.Action == command.Command.Action;
        if (!runs)
        {
            var notThere = parsed.Action is TrainHelp && command.Command.Subcommands.Count > 0 ? parsed.UnmatchedTokens.FirstOrDefault(word => !IsOption(word)) : null;
            return notThere is null ? null : Line([Unknown(notThere, command)], command);
        }

        SymbolResult[] empty = [.. command.Children.Where(one => one.Tokens.Any(token => token.Value.Length == 0))];
        // The parser takes the value of --flag=value for an argument.
        OptionResult[] flags = [.. command.Children.OfType<OptionResult>().Where(one => one.Option.ValueType == typeof(bool) && Given(words, one))];
        var unknown = flags is [] ? UnknownWords(parsed) : [];
        ParseError[] errors = parsed.Action is ParseErrorAction ? [.. parsed.Errors.Where(one => !empty.Contains(one.SymbolResult) && (flags is [] || one.SymbolResult is OptionResult))] : [];
        string[] missing = errors is [] ? [] : [.. MissingNames(command).Except(unknown)];
        string[] mistakes =
        [
            .. empty.Select(one => $"{Name(one)} must not be empty"),
            .. flags.Select(one => $"{one.Option.Name} takes no value"),
            .. unknown.Select(one => Unknown(one, command)),
            .. errors.Where(one => !IsMissing(one) && !parsed.UnmatchedTokens.Any(token => one.Message.Contains($"'{token}'", StringComparison.Ordinal))).Select(Readable),
            .. parsed.Action is ParseErrorAction ? command.Children.OfType<OptionResult>().Select(one => (one.Option as CountOption)?.Fault(one)).OfType<string>() : [],
            .. unknown.Count > 0 ? [] : errors.Select(MissingCommand).OfType<string>(),
            .. missing is [] ? Array.Empty<string>() : [$"{string.Join(", ", missing)} {(missing.Length == 1 ? "is" : "are")} missing"],
        ];
        return mistakes is [] ? null : Line(mistakes, command);
    }

    private static string Line(IEnumerable<string> mistakes, CommandResult command) => $"{string.Join("; ", mistakes.Distinct())}; see `{Path(command)} --help`";

    private static bool IsOption(string word) => word.StartsWith('-');

    // A misspelt option may have been taken for an argument; what comes after -- is one. Of words that belong to nothing, those after an unknown option may be its values.
    private static IReadOnlyList<string> UnknownWords(ParseResult parsed)
    {
        string[] astray = parsed.Tokens.Any(one => one.Type == TokenType.DoubleDash)
            ? []
            : [.. parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(one => one.Tokens).Select(one => one.Value).Where(one => one.StartsWith("--", StringComparison.Ordinal))];
        string[] unmatched = parsed.Action is ParseErrorAction ? [.. parsed.UnmatchedTokens] : [];
        string[] options = [.. astray.Concat(unmatched.Where(IsOption)).Distinct()];
        return options is [] ? [.. unmatched.Take(1)] : options;
    }

    private static bool Given(IReadOnlyList<string> words, OptionResult flag) =>
        words.TakeWhile(word => word != "--").Any(word => flag.Option.Aliases.Prepend(flag.Option.Name).Any(name => word.StartsWith($"{name}=", StringComparison.Ordinal) || word.StartsWith($"{name}:", StringComparison.Ordinal)));

    // All arguments and options that are needed and not there.
    private static IEnumerable<string> MissingNames(CommandResult command) =>
    [
        .. command.Command.Arguments.Where(one => one.Arity.MinimumNumberOfValues > 0 && command.GetResult(one) is null or { Tokens.Count: 0 }).Select(one => one.Name),
        .. command.Command.Options.Where(one => one.Required && command.GetResult(one) is null or { Implicit: true }).Select(one => one.Name),
    ];

    // Errors that MissingNames and MissingCommand say in other words.
    private static bool IsMissing(ParseError error) =>
        error.Message.EndsWith(" is required.", StringComparison.Ordinal) || error.SymbolResult is ArgumentResult { Tokens.Count: 0, Parent: CommandResult } || MissingCommand(error) is not null;

    private static string? MissingCommand(ParseError error) => error.SymbolResult is CommandResult { Command: { Action: null, Subcommands: { Count: > 0 } commands } }
        ? $"a command is missing: {string.Join(", ", commands.Where(one => !one.Hidden).Select(one => one.Name))}"
        : null;

    private static string Name(SymbolResult result) => result switch
    {
        OptionResult option => option.Option.Name,
        ArgumentResult argument => argument.Argument.Name,
        _ => "a word",
    };

    private static string Unknown(string token, CommandResult command)
    {
        var option = IsOption(token);
        string[] names = [.. Names(command, option)];
        if (option && names.Contains(token.Split('=')[0]))
        {
            return $"{token} belongs after the command: {Path(command)} {token}";
        }

        var kind = option ? "option" : command.Command.Subcommands.Count > 0 ? "command" : "argument";
        return $"unknown {kind} {token}{NearestName.Hint(token, names)}";
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

    // The parser's own message about a word that it cannot read, without the type's name and the full stop; of an option that is given again, no more than that.
    private static string Readable(ParseError error) => error.SymbolResult is OptionResult { Option: { Arity.MaximumNumberOfValues: 1 } option, Tokens.Count: > 1 and var times }
        ? $"{option.Name} is given {(times == 2 ? "twice" : $"{times} times")}"
        : Conversion().Replace(error.Message, match => $"{match.Groups["where"].Value}: {match.Groups["value"].Value} is not known").TrimEnd('.');

    [GeneratedRegex("Cannot parse argument '(?<value>.*)' for \\w+ '(?<where>.*)' as expected type '.*'\\.?")]
    private static partial Regex Conversion();
}
