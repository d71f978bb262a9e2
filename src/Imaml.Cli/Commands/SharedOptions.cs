using System.CommandLine;

namespace Imaml.Cli.Commands;

/// <summary>Options that several commands have, said once.</summary>
internal static class SharedOptions
{
    /// <summary><c>--threads N</c>.</summary>
    public static Option<int?> Threads() =>
        AtLeast(new Option<int?>("--threads") { Description = "Threads for one tensor operation [default: as many as cores]", HelpName = "N" }, 1);

    /// <summary>The option, refusing smaller numbers.</summary>
    public static Option<int?> AtLeast(Option<int?> option, int least)
    {
        option.Validators.Add(result =>
        {
            // The text, since asking for the value throws where it is no number; the parser reports that itself.
            if (result.Tokens is [{ Value: var text }] && int.TryParse(text, out var value) && value < least)
            {
                result.AddError($"{option.Name}: {value} is less than {least}");
            }
        });
        return option;
    }
}
