using System.CommandLine;
using System.Globalization;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using Spectre.Console;

namespace Imaml.Cli.Commands;

/// <summary>Options that several commands have, said once.</summary>
internal static class SharedOptions
{
    /// <summary><c>--data DIR</c>; what it names is resolved by <see cref="DataRoot"/>.</summary>
    public static Option<string?> Data() =>
        new("--data") { Description = $"Folder with the data sets [default: the one that {DataRoot.Variable} names]", HelpName = "DIR" };

    /// <summary><c>--threads N</c>.</summary>
    public static Option<int?> Threads(string description = "Threads; what is trained does not depend on their number") =>
        AtLeast(new Option<int?>("--threads") { Description = $"{description} [default: as many as cores]", HelpName = "N" }, 1);

    /// <summary><c>--device NAME</c>; <see cref="OpenDevice"/> opens it.</summary>
    public static Option<string> Device() => new("--device")
    {
        Description = $"{ComputeDevice.ProcessorName}, {ComputeDevice.CudaName}, or {ComputeDevice.CudaName}:N for the GPU with index N",
        HelpName = "NAME",
        DefaultValueFactory = _ => ComputeDevice.ProcessorName,
    };

    /// <summary><c>--tf32</c>.</summary>
    public static Option<bool> Tf32() => new("--tf32") { Description = "Let a GPU multiply and convolve float32 numbers by 10 bits of mantissa: faster, less exact" };

    /// <summary>The device that the options name.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static ComputeDevice OpenDevice(ParseResult parsed, Option<string> device, Option<bool>? tf32 = null) =>
        ComputeDevice.Open(parsed.GetRequiredValue(device), tf32 is not null && parsed.GetValue(tf32));

    /// <summary>Refuses a number below the least.</summary>
    /// <exception cref="ArgumentException">The number is below it.</exception>
    public static void Require(ParseResult parsed, Option<int> option, int least)
    {
        if (parsed.GetValue(option) is var value && value < least)
        {
            throw new ArgumentException($"{option.Name} must be at least {least}, not {value}");
        }
    }

    /// <summary>The option, read as a number with a decimal point: a comma is refused, not taken for a separator of thousands.</summary>
    public static Option<T> Decimal<T>(Option<T> option)
    {
        option.CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value))
            {
                return (T)(object)value;
            }

            result.AddError($"{option.Name}: {text} is not a number");
            return default!;
        };
        return option;
    }

    /// <summary>The option, refusing other words.</summary>
    public static Option<T> OneOf<T>(Option<T> option, params string[] words)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && !words.Contains(text, StringComparer.OrdinalIgnoreCase))
            {
                result.AddError($"{option.Name}: {text} is none of {string.Join(", ", words)}");
            }
        });
        return option;
    }

    /// <summary>The option, taking several of these words and refusing others.</summary>
    public static Option<string[]> SeveralOf(Option<string[]> option, params string[] words)
    {
        option.AllowMultipleArgumentsPerToken = true;
        option.Validators.Add(result =>
        {
            if (result.Tokens.FirstOrDefault(token => !words.Contains(token.Value, StringComparer.Ordinal)) is { } unknown)
            {
                result.AddError($"{option.Name}: {unknown.Value} is none of {string.Join(", ", words)}");
            }
        });
        return option;
    }

    /// <summary>The tasks and the network of an experiment, with a bar while images are read for the first time.</summary>
    public static (ImageTasks Tasks, Network Network) OpenParts(Experiment experiment, string? data) =>
        ProgressBar.Run(
            $"preparing {(experiment.Tasks as ImageEpisodes)?.Dataset}",
            progress => experiment.Open(data, progress, warning => Terminal.Error.MarkupLineInterpolated($"{warning}")));

    /// <summary>The tasks and the network of a run, which must be those that it was trained on.</summary>
    public static (ImageTasks Tasks, Network Network) OpenParts(CheckpointHeader run, string? data)
    {
        var parts = OpenParts(run.Experiment, data);
        return parts.Tasks.Identity == run.Tasks
            ? parts
            : throw new CheckpointException($"the run was trained on other tasks ({run.Tasks}, not {parts.Tasks.Identity}); give the data set it was trained on with --data");
    }

    /// <summary>The option, refusing smaller numbers.</summary>
    public static Option<int?> AtLeast(Option<int?> option, int least)
    {
        option.Validators.Add(result =>
        {
            // The text, since asking for the value throws where it is not a number; the parser reports that itself.
            if (result.Tokens is [{ Value: var text }] && int.TryParse(text, out var value) && value < least)
            {
                result.AddError($"{option.Name}: {value} is less than {least}");
            }
        });
        return option;
    }
}
