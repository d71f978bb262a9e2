// Text that is read whole: the file named `-`, which is what another program writes into this one, and files that may have no end.

using System.Globalization;
using Imaml.Nets.Storage;

namespace Imaml.Cli;

/// <summary>The standard input, where a command line says <c>-</c> for a file, and named files, up to a largest length.</summary>
internal static class StandardInput
{
    /// <summary>Its name on a command line and in messages.</summary>
    public const string Name = "-";

    private const int Block = 1 << 16;

    /// <summary>All of it.</summary>
    /// <param name="longest">The largest number of bytes that is read.</param>
    /// <param name="stop">Ends the wait for more with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidDataException">There are more, or the input was closed.</exception>
    public static byte[] Read(long longest, CancellationToken stop)
    {
        if (IsClosed())
        {
            throw new InvalidDataException($"{Name}: the standard input is closed");
        }

        using var input = Console.OpenStandardInput();
        // A read cannot be interrupted; only the wait for it can.
        return Task.Run(() => Read(input, longest, Name), CancellationToken.None).WaitAsync(stop).GetAwaiter().GetResult();
    }

    /// <summary>All of a file or pipe.</summary>
    /// <param name="path">The file.</param>
    /// <param name="longest">The largest number of bytes that is read.</param>
    /// <param name="stop">Ends the wait for a pipe with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="NamedPathException">There is no such file, or it is a folder or a device.</exception>
    /// <exception cref="InvalidDataException">There are more bytes.</exception>
    /// <exception cref="IOException">It cannot be read; the message names it.</exception>
    public static byte[] ReadFile(string path, long longest, CancellationToken stop)
    {
        if (NamedPath.NotAFile(path, mayBeStream: true) is { } fault)
        {
            throw new NamedPathException(fault);
        }

        // The opening of a pipe waits for whoever writes into it.
        return Task.Run(
            () =>
            {
                try
                {
                    using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
                    return Read(file, longest, path);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    throw new IOException($"{path} cannot be read ({e.Message.TrimEnd('.')}); check its permissions", e);
                }
            },
            CancellationToken.None).WaitAsync(stop).GetAwaiter().GetResult();
    }

    private static byte[] Read(Stream input, long longest, string name)
    {
        using var bytes = new MemoryStream();
        var block = new byte[Block];
        for (int count; (count = input.Read(block)) > 0; bytes.Write(block, 0, count))
        {
            if (bytes.Length + count > longest)
            {
                throw new InvalidDataException($"{name}: longer than {longest} bytes");
            }
        }

        return bytes.ToArray();
    }

    // Where a process is started without a standard input, its descriptor number is given to the first file that is opened: a pipe of the runtime, whose other end this process has.
    private static bool IsClosed()
    {
        const string Own = "/proc/self/fd";
        if (!OperatingSystem.IsLinux() || !Directory.Exists(Own))
        {
            return false;
        }

        var input = new FileInfo($"{Own}/0").LinkTarget;
        return input is null
            || (input.StartsWith("pipe:", StringComparison.Ordinal) && Directory.EnumerateFiles(Own).Any(other => Path.GetFileName(other) != "0" && new FileInfo(other).LinkTarget == input && IsForWriting(Path.GetFileName(other))));
    }

    private static bool IsForWriting(string number)
    {
        const string Flags = "flags:";
        try
        {
            var line = File.ReadLines($"/proc/self/fdinfo/{number}").FirstOrDefault(one => one.StartsWith(Flags, StringComparison.Ordinal));
            // The last octal digit: O_WRONLY is 1, O_RDWR is 2.
            return line is not null && int.Parse(line.AsSpan(Flags.Length).Trim()[^1..], NumberStyles.None, CultureInfo.InvariantCulture) % 4 > 0;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
