// imaml help: what `--help` prints, by the words that people try first.

using System.CommandLine;
using System.CommandLine.Completions;

namespace Imaml.Cli.Commands;

internal static class HelpCommand
{
    public static Command Create(Func<RootCommand> root)
    {
        var words = new Argument<string[]>("COMMAND") { Description = "The command that is explained", HelpName = "COMMAND", Arity = ArgumentArity.ZeroOrMore };
        words.CompletionSources.Add(context => (context.ParseResult.GetValue(words) ?? [])
            .Aggregate((Command)root(), (at, word) => at.Subcommands.FirstOrDefault(one => one.Name == word) ?? at)
            .Subcommands.Where(one => !one.Hidden).Select(one => new CompletionItem(one.Name)));
        var command = new Command("help", "Show the commands, or a command's options") { words };
        command.SetAction(parsed =>
        {
            var asked = parsed.GetValue(words) ?? [];
            Command at = root();
            foreach (var word in asked)
            {
                at = at.Subcommands.FirstOrDefault(one => one.Name == word && !one.Hidden)
                    ?? throw new ArgumentException($"there is no command {string.Join(' ', asked)}{NearestName.Hint(word, at.Subcommands.Where(one => !one.Hidden).Select(one => one.Name))}; see `imaml help`");
            }

            return root().Parse([.. asked, "--help"]).Invoke(parsed.InvocationConfiguration);
        });
        return command;
    }
}
