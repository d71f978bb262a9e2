using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Machines;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;
using Spectre.Console;
using Rule = Imaml.Nets.Storage.Rule;

namespace Imaml.Cli.Commands;

/// <summary>Options of several commands.</summary>
internal static class SharedOptions
{
    // libtorch takes memory for each, and ends the process where there is not enough.
    private const int MostThreads = 1024;

    /// <summary><c>--data DIR</c>; what it names is resolved by <see cref="DataRoot"/>.</summary>
    public static Option<string?> Data() =>
        Folder(new Option<string?>("--data") { Description = $"Folder with the data sets [default: the one that {DataRoot.Variable} names]", HelpName = "DIR" });

    /// <summary><c>--threads N</c>.</summary>
    public static Option<int?> Threads(string description = "Threads; the result does not depend on their number") =>
        AtLeast(new Option<int?>("--threads") { Description = $"{description} [default: as many as cores]", HelpName = "N" }, 1, MostThreads);

    /// <summary>The name of <see cref="StallLimit"/>.</summary>
    public const string StallLimitName = "--stall-limit";

    /// <summary><c>--stall-limit SECONDS</c>.</summary>
    public static Option<int> StallLimit() => AtLeast(
        new Option<int>(StallLimitName) { Description = "Under MPI: seconds that a rank waits for the others before it ends the job", HelpName = "SECONDS", DefaultValueFactory = _ => 600 }, 1);

    /// <summary><c>--device NAME</c>; <see cref="OpenDevice"/> opens it.</summary>
    public static Option<string> Device() => Completing(
        new Option<string>("--device")
        {
            Description = $"{ComputeDevice.ProcessorName}, {ComputeDevice.CudaName}, or {ComputeDevice.CudaName}:N for the GPU with index N",
            HelpName = "NAME",
            DefaultValueFactory = _ => ComputeDevice.ProcessorName,
        },
        ComputeDevice.ProcessorName,
        ComputeDevice.CudaName);

    /// <summary><c>--tf32</c>.</summary>
    public static Option<bool> Tf32() => new("--tf32") { Description = "Let a GPU multiply and convolve float32 numbers with 10 bits of mantissa: faster, less accurate" };

    /// <summary>The device that the options name; each of several ranks of a machine gets its own GPU.</summary>
    /// <exception cref="ArgumentException">The name is not known.</exception>
    public static ComputeDevice OpenDevice(ParseResult parsed, Option<string> device, Option<bool>? tf32 = null)
    {
        var name = parsed.GetRequiredValue(device);
        return ComputeDevice.Open(
            name == ComputeDevice.CudaName && Job.Processes.Size > 1 ? $"{name}:{Job.Processes.LocalRank()}" : name, tf32 is not null && parsed.GetValue(tf32));
    }

    /// <summary>The option, read as whole numbers in a range, several of them with spaces or commas between them; a number outside it is an error that names the range.</summary>
    /// <typeparam name="T"><c>int</c>, <c>int?</c>, <c>int[]</c>, <c>ulong</c> or <c>ulong?</c>.</typeparam>
    /// <param name="option">The option.</param>
    /// <param name="least">The smallest number allowed, or null for the type's.</param>
    /// <param name="most">The largest number allowed, or null for the type's.</param>
    public static Option<T> AtLeast<T>(Option<T> option, int? least = null, int? most = null)
    {
        var unsigned = typeof(T) == typeof(ulong) || typeof(T) == typeof(ulong?);
        BigInteger low = least ?? (unsigned ? 0 : int.MinValue), high = most ?? (unsigned ? ulong.MaxValue : (BigInteger)int.MaxValue);
        option.CustomParser = result =>
        {
            var several = typeof(T) == typeof(int[]);
            string[] given = [.. result.Tokens.SelectMany(token => several ? token.Value.Split(',') : [token.Value])];
            foreach (var text in given)
            {
                if (!BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
                {
                    result.AddError($"{option.Name} must be a whole number, not {text}");
                    return default!;
                }

                if (number < low || number > high)
                {
                    result.AddError($"{option.Name} must be {(number < low ? $"at least {low}" : $"at most {high}")}, not {text}");
                    return default!;
                }
            }

            var numbers = given.Select(text => BigInteger.Parse(text, CultureInfo.InvariantCulture));
            return (T)(unsigned ? (ulong)numbers.First() : several ? numbers.Select(number => (int)number).ToArray() : (object)(int)numbers.First());
        };
        return option;
    }

    /// <summary>The option, read as a finite number with a decimal point: a comma is refused, not taken for a separator of thousands.</summary>
    public static Option<T> Decimal<T>(Option<T> option)
    {
        option.CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            var isNumber = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value);
            // 1e-400 would be 0.
            var vanishes = isNumber && value == 0 && text.TakeWhile(digit => digit is not ('e' or 'E')).Any(digit => digit is >= '1' and <= '9');
            if (isNumber && double.IsFinite(value) && !vanishes)
            {
                return (T)(object)value;
            }

            result.AddError($"{option.Name} must be a finite number{(vanishes ? " that double precision can distinguish from 0" : "")}, not {text}");
            return default!;
        };
        return option;
    }

    /// <summary>An option for a folder that is written to: what is a file, or lies in one, is refused.</summary>
    public static Option<T> Folder<T>(Option<T> option)
    {
        option.Validators.Add(result => RefuseFile(result, option.Name));
        return option;
    }

    /// <summary>An argument for a folder that is there.</summary>
    public static Argument<string> Folder(Argument<string> argument)
    {
        argument.Validators.Add(result => RefuseFile(result, argument.Name));
        return argument;
    }

    private static void RefuseFile(SymbolResult result, string name)
    {
        if (result.Tokens is [{ Value: { Length: > 0 } text }])
        {
            for (var path = Path.GetFullPath(text); path is not null; path = Path.GetDirectoryName(path))
            {
                var fault = Owner.KindOf(path) switch
                {
                    PathKind.File or PathKind.Stream or PathKind.Special => "is a file, not a folder",
                    PathKind.Broken => "is a symbolic link that leads nowhere",
                    _ => null,
                };
                if (fault is not null)
                {
                    result.AddError($"{name} {text}: {(path == Path.GetFullPath(text) ? "this" : path)} {fault}");
                    return;
                }
            }
        }
    }

    /// <summary>The option, refusing other words and completing these; upper and lower case are not distinguished.</summary>
    public static Option<T> OneOf<T>(Option<T> option, params string[] words)
    {
        if (typeof(T) == typeof(string))
        {
            option.CustomParser = result => (T)(object)(words.FirstOrDefault(word => word.Equals(result.Tokens[0].Value, StringComparison.OrdinalIgnoreCase)) ?? result.Tokens[0].Value);
        }

        option.Validators.Add(result => RefuseOthers(result, option.Name, words, StringComparer.OrdinalIgnoreCase));
        return Completing(option, words);
    }

    /// <summary>The argument, refusing other words and completing these.</summary>
    public static Argument<string> OneOf(Argument<string> argument, params string[] words)
    {
        argument.Validators.Add(result => RefuseOthers(result, argument.Name, words, StringComparer.Ordinal));
        return Completing(argument, words);
    }

    /// <summary>The option, taking several of these words, one after another or with commas between them, refusing others and completing these.</summary>
    public static Option<string[]> SeveralOf(Option<string[]> option, params string[] words)
    {
        option.AllowMultipleArgumentsPerToken = true;
        option.CustomParser = result => [.. result.Tokens.SelectMany(token => token.Value.Split(','))];
        option.Validators.Add(result => RefuseOthers(result.Tokens.SelectMany(token => token.Value.Split(',')), result, option.Name, words, StringComparer.Ordinal));
        option.CompletionSources.Clear();
        option.CompletionSources.Add(context => MoreOf(context.WordToComplete, words));
        return option;
    }

    /// <summary>A list as far as it is typed, with each of the words that it may have next.</summary>
    public static IEnumerable<string> MoreOf(string typed, IEnumerable<string> words)
    {
        var before = typed[..(typed.LastIndexOf(',') + 1)];
        return words.Except(before.Split(',')).Select(word => before + word);
    }

    /// <summary>The option, with words that a shell completes.</summary>
    public static Option<T> Completing<T>(Option<T> option, params string[] words)
    {
        option.CompletionSources.Clear();
        option.CompletionSources.Add(words);
        return option;
    }

    /// <summary>The argument, with words that a shell completes. Help shows its name in place of them.</summary>
    public static Argument<T> Completing<T>(Argument<T> argument, params string[] words)
    {
        argument.HelpName = argument.Name;
        argument.CompletionSources.Add(words);
        return argument;
    }

    private static void RefuseOthers(SymbolResult result, string name, string[] words, StringComparer comparer) =>
        RefuseOthers(result.Tokens.Select(token => token.Value), result, name, words, comparer);

    private static void RefuseOthers(IEnumerable<string> given, SymbolResult result, string name, string[] words, StringComparer comparer)
    {
        if (given.FirstOrDefault(word => !words.Contains(word, comparer)) is { } unknown)
        {
            result.AddError($"{name}: {unknown} is not one of {string.Join(", ", words)}{NearestName.Hint(unknown, words)}");
        }
    }

    /// <summary>The tasks and the network of an experiment, with a bar while images are read for the first time.</summary>
    public static (ImageTasks Tasks, ImageClassifier Model) OpenParts(Experiment experiment, string? data, CancellationToken stop = default)
    {
        // Also where the experiment needs no data folder.
        _ = data is null ? null : DataRoot.Resolve(data);
        return ProgressBar.Run(
            $"preparing {(experiment.Tasks as EpisodeSpec)?.Dataset}",
            progress => experiment.Open(data, progress, warning => Terminal.Error.MarkupLineInterpolated($"{warning}"), stop));
    }

    /// <summary>The tasks and the network of a run, which must be those that it was trained on, where that is known.</summary>
    public static (ImageTasks Tasks, ImageClassifier Model) OpenParts(CheckpointHeader run, string? data, CancellationToken stop = default)
    {
        // Where the tasks are known, so that others are refused.
        var experiment = run.Tasks is not "" && run.Experiment.Tasks is PhotographEpisodes photographs ? run.Experiment with { Tasks = photographs with { MayHaveMoved = true } } : run.Experiment;
        var parts = OpenParts(experiment, data, stop);
        return run.Tasks is "" || parts.Tasks.Identity == run.Tasks
            ? parts
            : throw new CheckpointException($"the run was trained on other tasks ({Rule.Printed(run.Tasks, Rule.Description)}, not {parts.Tasks.Identity}); give the data set it was trained on with --data");
    }
}
