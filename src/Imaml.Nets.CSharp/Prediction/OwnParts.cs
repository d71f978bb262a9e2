// What a file cannot hold of a model: the parts of its experiment that are code of the program that trained it.

using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Prediction;

/// <summary>The caller's own parts of a model, in the places of its experiment's <see cref="OwnNetwork"/>, <see cref="OwnMethod"/> and <see cref="OwnTasks"/>.</summary>
/// <param name="Network">The network that was trained, whose outputs are the logits of the classes; null for one of the library's.</param>
/// <param name="Method">The method, of the name that the experiment has; null for one of the library's.</param>
/// <param name="Form">The form that pictures are brought to, as the training tasks had them; null where the tasks are the library's images.</param>
public sealed record OwnParts(Network? Network = null, OwnMethod? Method = null, ImageForm? Form = null)
{
    /// <summary>None.</summary>
    internal static readonly OwnParts None = new();

    /// <summary>Whether an experiment has parts that are its program's own.</summary>
    internal static bool In(Experiment experiment) => experiment is { Network: OwnNetwork } or { Method: OwnMethod } or { Tasks: OwnTasks };

    /// <summary>All that adapting needs of an experiment.</summary>
    /// <param name="experiment">The experiment.</param>
    /// <param name="model">Names the model in messages.</param>
    /// <exception cref="CheckpointException">A part is missing, or another one than the experiment has, or it has no place for it.</exception>
    /// <exception cref="ArgumentException">The images do not fit the network of the library's.</exception>
    internal (ImageForm Form, Network Network, int Ways, Method Method) Of(Experiment experiment, string model)
    {
        string Trained(string part) => $"{model} was trained {(part == nameof(Form) ? "on tasks" : part == nameof(Network) ? "with a network" : "by a method")} of";
        CheckpointException Missing(string part, string name) => new($"{Trained(part)} its own program ({name}), which must give {nameof(OwnParts)}.{part}");
        CheckpointException Needless(string part) => new($"{Trained(part)} the library's: give no {nameof(OwnParts)}.{part}");
        Method method = experiment.Method is not OwnMethod trained ? Method is null ? experiment.Method : throw Needless(nameof(Method))
            : Method is null ? throw Missing(nameof(Method), trained.Name)
            : Method.Name == trained.Name ? Method
            : throw new CheckpointException($"{model} was trained by the method {trained.Name}, not {Method.Name}");
        var images = experiment.Tasks as EpisodeSpec;
        if (images is not null && Form is not null && Form != images.Form)
        {
            throw Needless(nameof(Form));
        }

        var form = images?.Form ?? Form ?? throw Missing(nameof(Form), experiment.Tasks is OwnTasks tasks ? tasks.Name : $"{experiment.Tasks}");
        var input = new ImageShape(form.Size, form.Size, form.Channels);
        if (experiment.Network is ConvolutionalNetwork spec && images is not null)
        {
            return Network is null ? (form, spec.Build(input, images.Ways), images.Ways, method) : throw Needless(nameof(Network));
        }

        var network = Network ?? throw Missing(nameof(Network), experiment.Network is OwnNetwork own ? own.Name : $"{experiment.Network}");
        return network.Input == input
            ? (form, network, network.Layers[^1].OutputShape.Count, method)
            : throw new CheckpointException($"{model} was trained on images of {input}, but the network given takes {network.Input}");
    }
}
