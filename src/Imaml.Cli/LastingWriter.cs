// An output stream that may break: its terminal is closed, or the disk of its file is full. Work that can go on without it goes on, and the program says at its end that
// results are missing.

using System.Text;

namespace Imaml.Cli;

/// <summary>Writes to a stream. Text that cannot be written is discarded, and <see cref="Failure"/> holds the reason.</summary>
/// <param name="stream">The stream.</param>
internal sealed class LastingWriter(TextWriter stream) : TextWriter
{
    /// <summary>Why something could not be written, or null where all was.</summary>
    public string? Failure { get; private set; }

    /// <inheritdoc/>
    public override Encoding Encoding => stream.Encoding;

    /// <inheritdoc/>
    public override void Write(char value) => Try(() => stream.Write(value));

    /// <inheritdoc/>
    public override void Write(string? value) => Try(() => stream.Write(value));

    /// <inheritdoc/>
    public override void Write(char[] buffer, int index, int count) => Try(() => stream.Write(buffer, index, count));

    /// <inheritdoc/>
    public override void WriteLine(string? value) => Write(value + stream.NewLine);

    /// <inheritdoc/>
    public override void Flush() => Try(stream.Flush);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Failure ??= e.Message.TrimEnd('.');
        }
    }
}
