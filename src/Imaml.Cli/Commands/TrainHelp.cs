// imaml train --help: the most common commands, then the options by subject.

using System.CommandLine;
using System.CommandLine.Invocation;

namespace Imaml.Cli.Commands;

/// <summary>Help of `imaml train`; that of every other command is left to another action.</summary>
/// <param name="other">The other action.</param>
internal sealed class TrainHelp(SynchronousCommandLineAction other) : SynchronousCommandLineAction
{
    private const int NameColumn = 40, LeastDescription = 20;
    private const string Margin = "      ";

    private static readonly (string Command, string Purpose)[] Common =
    [
        ("imaml train --preset omniglot-5w1s/imaml-gd --out RUN", "the paper's values; `imaml presets` lists the others"),
        ("imaml train --preset mini-imagenet-5w1s/imaml-gd --dataset folder:DIR --split seeded --out RUN", "your own photographs, a folder for each class"),
        ("imaml train RUN/run.json --out AGAIN", "a run once more, to the same bits; options override its fields"),
    ];

    private static readonly (string Title, string Prefix)[] Groups =
        [("Tasks", "tasks."), ("Network", "network."), ("Method", "method."), ("Outer optimiser", "outer."), ("Length of the run", "budget."), ("Seed", "seed")];

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        var command = parseResult.CommandResult.Command;
        if (command.Name != TrainCommand.Name)
        {
            return WithWordsAsTyped(parseResult);
        }

        var output = parseResult.InvocationConfiguration.Output;
        Fit(output, command.Description ?? "");
        output.WriteLine();
        Fit(output, "Most people need one of these:");
        foreach (var (text, purpose) in Common)
        {
            // A shell joins lines that end in a backslash.
            output.WriteLine(string.Join(" \\\n", TextLines.Wrap($"  {text}", Terminal.Out.Profile.Width - 2, Margin)));
            Fit(output, Margin + purpose);
        }

        output.WriteLine();
        Fit(output, "Usage: imaml train [<FILE>] [options]");
        var fields = ExperimentField.All().ToDictionary(field => field.Option.Name, field => field.Path);
        string GroupOf(Option option) => !fields.TryGetValue(option.Name, out var path) ? "" : Groups.First(group => path.StartsWith(group.Prefix, StringComparison.Ordinal)).Title;
        foreach (var group in command.Options.Where(option => !option.Hidden).ToLookup(GroupOf))
        {
            output.WriteLine($"\n{(group.Key.Length == 0 ? "The run" : group.Key)}:");
            foreach (var option in group)
            {
                Write(output, option);
            }
        }

        return ExitCode.Success;
    }

    private static void Fit(TextWriter output, string text)
    {
        foreach (var line in TextLines.Fit(text, Terminal.Out.Profile.Width))
        {
            output.WriteLine(line);
        }
    }

    // The default of an enumeration in the word that is typed.
    private int WithWordsAsTyped(ParseResult parsed)
    {
        using var text = new StringWriter();
        var output = parsed.InvocationConfiguration.Output;
        parsed.InvocationConfiguration.Output = text;
        try
        {
            var code = other.Invoke(parsed);
            foreach (var option in parsed.CommandResult.Command.Options.Where(option => option.ValueType.IsEnum && option.HasDefaultValue))
            {
                var word = $"[default: {option.GetDefaultValue()}]";
                text.GetStringBuilder().Replace(word, word.ToLowerInvariant());
            }

            output.Write(text);
            return code;
        }
        finally
        {
            parsed.InvocationConfiguration.Output = output;
        }
    }

    // The description next to the name, or below it where the terminal is narrow.
    private static void Write(TextWriter output, Option option)
    {
        var name = $"  {option.Name}{(option.HelpName is { } value ? $" <{value}>" : "")}";
        var byDefault = option.HasDefaultValue && option.GetDefaultValue() is { } usual and not false ? $" [default: {usual}]" : "";
        var width = Terminal.Out.Profile.Width;
        if (width < NameColumn + LeastDescription)
        {
            Fit(output, name);
            Fit(output, $"{Margin}{option.Description}{byDefault}");
            return;
        }

        foreach (var line in TextLines.Wrap($"{option.Description}{byDefault}", width - NameColumn).Index())
        {
            output.WriteLine((line.Index == 0 ? name : "").PadRight(NameColumn) + line.Item);
        }
    }
}
