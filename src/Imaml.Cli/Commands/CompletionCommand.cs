// imaml completion: a script that lets a shell complete commands, options and their values. The script asks this program, by the parser's own
// directive [suggest:POSITION], so that it always agrees with the commands.

using System.CommandLine;

namespace Imaml.Cli.Commands;

internal static class CompletionCommand
{
    private const string Bash = """
        # imaml's completion for bash. In ~/.bashrc: source <(imaml completion bash)
        _imaml() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$(imaml "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _imaml imaml
        """;

    private const string Zsh = """
        # imaml's completion for zsh. In ~/.zshrc, after compinit: source <(imaml completion zsh)
        _imaml() {
            local -a found=("${(@f)$(imaml "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
            if [[ -n "${found[1]}" ]]; then compadd -a found; else _files; fi
        }
        compdef _imaml imaml
        """;

    private const string Fish = """
        # imaml's completion for fish. In ~/.config/fish/config.fish: imaml completion fish | source
        complete -c imaml -a '(imaml "[suggest:"(string length -- (commandline -cp))"]" (commandline -cp) 2>/dev/null)'
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" };
        SharedOptions.OneOf(shell, "bash", "zsh", "fish");
        var command = new Command("completion", "Print a script by which a shell completes commands, options and values") { shell };
        command.SetAction(parsed =>
        {
            Terminal.Document(parsed.GetRequiredValue(shell) switch
            {
                "bash" => Bash,
                "zsh" => Zsh,
                _ => Fish,
            });
            return ExitCode.Success;
        });
        return command;
    }
}
