// The files of one run.
//
//     run.json            options, classes, program and machine
//     checkpoint.bin      the state to go on from, and the result of training
//     progress.jsonl      one line a meta-step
//     curve.jsonl         one line a validation
//     training.json       what the finished run cost
//     evaluation-*.json   what `imaml evaluate` measured

using System.Text;
using System.Text.Json;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Training;

/// <summary>The folder of a run.</summary>
public sealed class RunFolder(string path)
{
    /// <summary>The folder.</summary>
    public string FolderPath { get; } = Path.GetFullPath(path);

    /// <summary>The checkpoint's path.</summary>
    public string CheckpointPath => File("checkpoint.bin");

    /// <summary>The path of the log with one line a meta-step.</summary>
    public string ProgressPath => File("progress.jsonl");

    /// <summary>The path of the log with one line a validation.</summary>
    public string CurvePath => File("curve.jsonl");

    /// <summary>A file of the run.</summary>
    public string File(string name) => Path.Combine(FolderPath, name);

    /// <summary>Writes a JSON document in one piece.</summary>
    public void WriteJson<T>(string name, T value) =>
        AtomicFile.Write(File(name), [.. JsonSerializer.SerializeToUtf8Bytes(value, RunJson.Indented), (byte)'\n']);

    /// <summary>Appends lines to a log.</summary>
    public static void Append<T>(string path, IEnumerable<T> lines)
    {
        var text = new StringBuilder();
        foreach (var line in lines)
        {
            text.Append(JsonSerializer.Serialize(line, RunJson.Options)).Append('\n');
        }

        System.IO.File.AppendAllText(path, text.ToString());
    }

    /// <summary>A log's lines; none where there is no log.</summary>
    public static IEnumerable<T> Read<T>(string path) =>
        System.IO.File.Exists(path) ? System.IO.File.ReadLines(path).Select(line => JsonSerializer.Deserialize<T>(line, RunJson.Options)!) : [];

    /// <summary>Keeps a log's lines up to a meta-step, so that it fits a checkpoint made then.</summary>
    public static void Truncate(string path, int metaStep)
    {
        if (System.IO.File.Exists(path))
        {
            var kept = System.IO.File.ReadLines(path).TakeWhile(line => IsUpTo(line, metaStep)).Select(line => line + "\n");
            AtomicFile.Write(path, Encoding.UTF8.GetBytes(string.Concat(kept)));
        }
    }

    private static bool IsUpTo(string line, int metaStep)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.GetProperty("metaStep").GetInt32() <= metaStep;
        }
        catch (JsonException)
        {
            return false; // the last line of a log whose writer was killed
        }
    }
}
