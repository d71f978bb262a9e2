using System.CommandLine;
using Imaml.Nets.Data;

namespace Imaml.Cli.Commands;

/// <summary>Options that several commands have, said once.</summary>
internal static class SharedOptions
{
    /// <summary><c>--data DIR</c>; what it names is resolved by <see cref="DataRoot"/>.</summary>
    public static Option<string?> Data() =>
        new("--data") { Description = $"Folder with the data sets [default: the one that {DataRoot.Variable} names]", HelpName = "DIR" };

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
