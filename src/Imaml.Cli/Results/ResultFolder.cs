using System.Text;
using System.Text.Json;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;

namespace Imaml.Cli.Results;

/// <summary>The folder of a command's result files, which are written atomically. Folders that it made and left empty are removed.</summary>
internal sealed class ResultFolder : IDisposable
{
    // Missing parts and nulls are errors.
    private static readonly JsonSerializerOptions Strict = new(RunJson.Indented) { RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true };

    private readonly MadeFolders _made;
    private readonly string _path;

    /// <summary>Makes the folder where it is missing.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="option">The option that names another one, or null where none does.</param>
    /// <exception cref="IOException">It cannot be made or written.</exception>
    public ResultFolder(string path, string? option = "--out")
    {
        _path = Path.GetFullPath(path);
        _made = new MadeFolders(_path);
        WritableFolder.Require(path, option);
    }

    /// <summary>Writes a file atomically, and prints its path.</summary>
    public void Write(string name, byte[] content)
    {
        var path = Path.Combine(_path, name);
        AtomicFile.Write(path, content);
        Terminal.Progress($"written: {path}");
    }

    /// <summary>Writes a text, which ends in one new line.</summary>
    public void Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text.TrimEnd() + "\n"));

    /// <summary>Writes a JSON document.</summary>
    public void WriteJson<T>(string name, T value) => Write(name, JsonSerializer.Serialize(value, RunJson.Indented));

    /// <summary>Writes a figure as NAME.svg, NAME.pdf and NAME.png.</summary>
    public void WriteFigure(string name, params IReadOnlyList<Plots.PlotPanel> panels)
    {
        foreach (var (ending, content) in Plots.Figure.Files(panels))
        {
            Write(name + ending, content);
        }
    }

    /// <summary>The text of a file.</summary>
    public string Read(string name) => File.ReadAllText(Path.Combine(_path, name));

    /// <summary>The value of a JSON document, all parts of which must be there, unless other options are given.</summary>
    public T ReadJson<T>(string name, JsonSerializerOptions? options = null) => JsonSerializer.Deserialize<T>(Read(name), options ?? Strict) ?? throw new JsonException("it is null");

    /// <inheritdoc/>
    public void Dispose() => _made.Dispose();
}
