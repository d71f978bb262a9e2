// Models that come with the library, and where a model named by a user is.

using System.Reflection;
using System.Text.Json;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;

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

        if (Directory.Exists(model))
        {
            folder.RequireReadable();
            return File.Exists(folder.BestCheckpointPath) ? Best(model, folder) : Last(folder);
        }

        try
        {
            return (model, Checkpoint.Content(model));
        }
        catch (NamedPathException e)
        {
            var fault = Owner.KindOf(model) == PathKind.Missing ? $"there is no model {model}" : e.Message;
            throw new CheckpointException($"{fault}; give a folder that `imaml train` made, a model file, or one of {string.Join(", ", All.Select(one => one.Name))}", e) { IsOfRequest = true };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{model} cannot be read ({e.Message.TrimEnd('.')}); check its permissions", e);
        }
    }

    private static (string Name, byte[] Bytes) Last(RunFolder folder)
    {
        var state = SavedState.Of(folder);
        return (state.Path, state.Bytes);
    }

    // Where it is damaged, the last state may be sound; it is not taken without being asked for.
    private static (string Name, byte[] Bytes) Best(string model, RunFolder folder)
    {
        try
        {
            var bytes = Checkpoint.ReadFile(folder.BestCheckpointPath);
            _ = Checkpoint.SoundHeader(bytes, folder.BestCheckpointPath, null);
            return (folder.BestCheckpointPath, bytes);
        }
        catch (CheckpointException damaged)
        {
            string other;
            try
            {
                other = Path.Combine(model, Path.GetFileName(SavedState.Of(folder).Path));
            }
            catch (CheckpointException)
            {
                throw damaged;
            }

            throw new CheckpointException($"{SavedState.Fault(damaged)}; {other} can be used, which holds the last state", damaged);
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
