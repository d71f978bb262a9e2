// The file named `-`: what another program writes into this one.

namespace Imaml.Cli;

/// <summary>The standard input, where a command line says <c>-</c> for a file.</summary>
internal static class StandardInput
{
    /// <summary>Its name on a command line and in messages.</summary>
    public const string Name = "-";

    private const int Block = 1 << 16;

    /// <summary>All of it.</summary>
    /// <param name="longest">The largest number of bytes that is read.</param>
    /// <exception cref="InvalidDataException">There are more.</exception>
    public static byte[] Read(long longest)
    {
        using var input = Console.OpenStandardInput();
        using var bytes = new MemoryStream();
        var block = new byte[Block];
        for (int count; (count = input.Read(block)) > 0; bytes.Write(block, 0, count))
        {
            if (bytes.Length + count > longest)
            {
                throw new InvalidDataException($"{Name}: longer than {longest} bytes");
            }
        }

        return bytes.ToArray();
    }
}
