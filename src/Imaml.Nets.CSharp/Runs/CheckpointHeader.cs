// The header of a checkpoint: the experiment, how far it is, and by which names the vectors and numbers of its optimisers follow.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Runs;

/// <summary>A number that an optimiser remembers.</summary>
internal sealed record RememberedNumber(string Name, double Value);

/// <summary>What an optimiser remembers: the vectors by name, in the order of the file, and the numbers.</summary>
internal sealed record OptimizerMemory(IReadOnlyList<string> Vectors, IReadOnlyList<RememberedNumber> Numbers)
{
    /// <summary>That of a model, which no optimiser goes on with.</summary>
    public static OptimizerMemory None { get; } = new([], []);

    /// <summary>Whether all of it has names.</summary>
    [JsonIgnore]
    public bool IsWhole => Vectors.All(name => name is not null) && Numbers.All(one => one is { Name: not null });

    internal static OptimizerMemory Of<TVector>(OptimizerState<TVector> state) => new(
        [.. state.Vectors.Select(one => one.Item1)], [.. state.Numbers.Select(one => new RememberedNumber(one.Item1, one.Item2))]);

    internal OptimizerState<TVector> With<TVector>(int steps, Func<int, TVector> vector) => new(
        steps, [.. Vectors.Select((name, i) => (name, vector(i)))], [.. Numbers.Select(one => (one.Name, one.Value))]);
}

/// <summary>The header of a checkpoint.</summary>
/// <param name="Experiment">What the run is doing.</param>
/// <param name="Tasks">What determines its tasks; empty where another program trained it.</param>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="Seconds">Wall seconds that they took.</param>
/// <param name="Outer">What the outer optimiser remembers.</param>
/// <param name="Learned">What the optimiser of the learned numbers remembers, or null where nothing but θ is learned.</param>
/// <param name="Validation">The accuracy, or where there is none the loss, of the validation that the state is kept for, or null.</param>
/// <param name="Averaged">Whether θ is the average of the last iterates.</param>
/// <param name="Layers">The layers of an own network, or null where the experiment has them or they are not known.</param>
internal sealed record CheckpointHeader(
    Experiment Experiment, string Tasks, int MetaStep, double Seconds, OptimizerMemory Outer, OptimizerMemory? Learned, double? Validation = null, bool Averaged = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Layers = null)
{
    /// <summary>Refuses another network than that of the state, where its layers are known.</summary>
    /// <param name="layers">Of the network given, or null where they are not known.</param>
    /// <param name="name">Names the state in messages.</param>
    /// <exception cref="CheckpointException">It is another.</exception>
    public void RequireLayers(string? layers, string name)
    {
        if (Layers is not null && layers is not null && layers != Layers)
        {
            throw new CheckpointException($"{name} was trained with the layers {Rule.Printed(Layers, Rule.Description)}; those of the network given are {layers}");
        }
    }

    /// <summary>What no run of this program can have written, or null.</summary>
    public string? Fault() =>
        Experiment.Complaints() is { Count: > 0 } complaints ? string.Join("; ", complaints)
        : MetaStep < 0 || MetaStep > Experiment.Budget.MetaSteps ? $"metaStep must be from 0 to the {Experiment.Budget.MetaSteps} of the experiment, not {MetaStep}"
        : !RunSeconds.AreSound(Seconds) ? $"seconds must be at least 0 and less than {Rule.Text(RunSeconds.Limit)}, not {Rule.Text(Seconds)}"
        : Outer.IsWhole && Learned is not { IsWhole: false } ? null
        : "an optimiser's memory has no name";
}

/// <summary>Wall seconds of a run, in its files.</summary>
internal static class RunSeconds
{
    /// <summary>Three centuries.</summary>
    public const double Limit = 1e10;

    /// <summary>Whether a run can have taken them.</summary>
    public static bool AreSound(double seconds) => seconds is >= 0 and < Limit;
}
