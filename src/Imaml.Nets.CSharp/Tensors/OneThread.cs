using TorchSharp;

namespace Imaml.Nets.Tensors;

/// <summary>While it lives, libtorch computes by the calling thread alone; then as before.</summary>
internal sealed class OneThread : IDisposable
{
    private readonly int _before = torch.get_num_threads();

    public OneThread() => torch.set_num_threads(1);

    /// <inheritdoc/>
    public void Dispose() => torch.set_num_threads(_before);
}
