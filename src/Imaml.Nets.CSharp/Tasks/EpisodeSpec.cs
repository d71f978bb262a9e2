// What all data sets of images have in common as an experiment's tasks: N-way K-shot episodes of images of one form.

using System.Text.Json.Serialization;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>N-way K-shot episodes of images.</summary>
/// <param name="Ways">N, classes of an episode.</param>
/// <param name="Shots">K, support images per class.</param>
/// <param name="Queries">Q, query images per class.</param>
/// <param name="TrainingShots">Support images per class of the training episodes, or null for K: Reptile's authors train with more than they test with.</param>
public abstract record EpisodeSpec(int Ways, int Shots, int Queries, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? TrainingShots = null) : TaskSpec
{
    /// <summary>The data set's name, as the command line has it.</summary>
    public abstract string Dataset { get; init; }

    /// <summary>The form of its images, by which pictures for prediction are read too.</summary>
    [JsonIgnore]
    public abstract ImageForm Form { get; }

    /// <summary>Opens the images and divides their classes.</summary>
    /// <param name="dataFolder">The folder with the data sets, or null for the one that the environment variable IMAML_DATA names.</param>
    /// <param name="progress">How far the first reading is, from 0 to 1.</param>
    /// <param name="warn">Receives what was skipped, what makes accuracies wrong, and why nothing could be kept for the next time.</param>
    /// <param name="cancel">Stops the first reading.</param>
    /// <exception cref="DataException">The data set is missing or damaged.</exception>
    internal abstract (ImageSet Images, ClassSplit Split) Open(string? dataFolder, IProgress<double>? progress, Action<string>? warn, CancellationToken cancel);

    /// <summary>What is wrong with N, K and Q.</summary>
    private protected IEnumerable<Complaint> NumberComplaints() =>
        [.. Rule.AtLeast(2, Ways, "ways"), .. Rule.AtLeast(1, Shots, "shots"), .. Rule.AtLeast(1, Queries, "queries"), .. Rule.AtLeast(1, TrainingShots ?? 1, "trainingShots")];

    private protected static Complaint Unknown(string field, string value, string known) => new(field, $"{Rule.Printed(value)} is not known; this data set and version have {known}");
}
