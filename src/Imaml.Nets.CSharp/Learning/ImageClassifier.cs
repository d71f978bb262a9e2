// A network of layers as the model of few-shot episodes.

using Imaml.Math;
using Imaml.Nets.Models;
using Imaml.Nets.Tasks;
using static TorchSharp.torch;

namespace Imaml.Nets.Learning;

/// <summary>Classifies the images of episodes by a network whose outputs are the logits of the N classes.</summary>
/// <param name="network">The network, of the library's layers or the user's own.</param>
/// <param name="batchNorm">Whose statistics normalise the query images.</param>
public sealed class ImageClassifier(Network network, BatchNormMode batchNorm = BatchNormMode.Transductive) : IModel<EpisodeBatch>
{
    /// <summary>The network.</summary>
    public Network Network { get; } = network;

    /// <summary>Whose statistics normalise the query images.</summary>
    public BatchNormMode BatchNorm { get; } = batchNorm;

    /// <summary>The same network with its query images normalised in another way.</summary>
    public ImageClassifier With(BatchNormMode mode) => new(Network, mode);

    /// <inheritdoc/>
    public IReadOnlyList<int> LayerSizes { get; } = network.LayerSizes;

    /// <inheritdoc/>
    public bool Classifies => true;

    /// <inheritdoc/>
    public Tensor InitialParameters(Generator generator) => Network.InitialParameters(generator);

    /// <inheritdoc/>
    public IBilevelProblem<Tensor, Tensor> Problem(EpisodeBatch tasks, Tensor like) => new FewShotProblem(Network, tasks, like, BatchNorm);
}
