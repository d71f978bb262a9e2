// Models that come with the library, and where a model named by a user is.

using System.Reflection;
using System.Text.Json;
using Imaml.Nets.Runs;

namespace Imaml.Nets.Prediction;

/// <summary>A measured accuracy of a model.</summary>
/// <param name="Ways">Classes of an episode.</param>
/// <param name="Shots">Examples per class.</param>
/// <param name="BatchNormalization">transductive or inductive.</param>
/// <param name="Accuracy">Mean over episodes of classes that it was not trained on.</param>
/// <param name="HalfWidth95">Half the 95 % interval over these episodes of one seed.</param>
/// <param name="Episodes">Their number.</param>
public sealed record MeasuredAccuracy(int Ways, int Shots, string BatchNormalization, double Accuracy, double HalfWidth95, int Episodes);

/// <summary>A model that comes with the library.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it is for.</param>
/// <param name="Measured">What was measured of it; the result files are in the repository.</param>
public sealed record PretrainedModel(string Name, string Description, IReadOnlyList<MeasuredAccuracy> Measured)
{
    private const string Prefix = "model:", Content = ".bin", Card = ".json";

    /// <summary>All of them, by name.</summary>
    public static IReadOnlyList<PretrainedModel> All { get; } =
    [
        .. Assembly.GetExecutingAssembly().GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal) && name.EndsWith(Card, StringComparison.Ordinal))
            .Select(name => JsonSerializer.Deserialize<PretrainedModel>(Resource(name), RunJson.Options)!).OrderBy(model => model.Name, StringComparer.Ordinal),
    ];

    /// <summary>Whether it is a name of one of them.</summary>
    internal static bool IsName(string model) => All.Any(one => one.Name == model);

    /// <summary>The content of a model with the name that messages give it.</summary>
    /// <exception cref="CheckpointException">There is no such model, or it is one by name and a run by folder.</exception>
    internal static (string Name, byte[] Bytes) Read(string model)
    {
        var folder = new RunFolder(model);
        if (IsName(model))
        {
            return folder.HasRun
                ? throw new CheckpointException($"{model} is a model of the program and also the folder of a run: write ./{model} for the run, or work in another folder")
                : (model, Resource(Prefix + model + Content));
        }

        if (folder.HasRun && !File.Exists(folder.BestCheckpointPath))
        {
            var state = SavedState.Of(folder);
            return (state.Path, state.Bytes);
        }

        var path = Directory.Exists(model) ? File.Exists(folder.BestCheckpointPath) ? folder.BestCheckpointPath : folder.CheckpointPath : model;
        try
        {
            return (path, Checkpoint.Content(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw e is FileNotFoundException or DirectoryNotFoundException
                ? new CheckpointException($"there is no model {path}; give a folder that `imaml train` made, a model file, or one of {string.Join(", ", All.Select(one => one.Name))}", e) { IsOfRequest = true }
                : new CheckpointException($"{path} cannot be read ({e.Message.TrimEnd('.')})", e);
        }
    }

    private static byte[] Resource(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!;
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    }
}
