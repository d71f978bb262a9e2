// How libtorch computes for a while: without a graph, or by one thread.

using TorchSharp;
using static TorchSharp.torch;

namespace Imaml.Nets.Tensors;

/// <summary>
/// Arithmetic of which libtorch records no graph, whatever its operands: a θ with <c>requires_grad</c> would otherwise keep in memory every iterate that is computed from it.
/// </summary>
internal static class Unrecorded
{
    /// <summary>
    /// Recording is off until this is disposed; null where it is off already. Outside of libtorch's inference mode, whose tensors can have no graph later
    /// on, where a derivative needs one.
    /// </summary>
    public static IDisposable? Begin() => is_inference_mode_enabled() ? new Both() : is_grad_enabled() ? no_grad() : null;

    /// <summary>Leaving inference mode turns recording on.</summary>
    private sealed class Both : IDisposable
    {
        private readonly IDisposable _normal = inference_mode(false), _off = no_grad();

        public void Dispose()
        {
            _off.Dispose();
            _normal.Dispose();
        }
    }
}

/// <summary>Until it is disposed, libtorch computes by the calling thread alone; then as before.</summary>
internal sealed class OneThread : IDisposable
{
    private readonly int _before = torch.get_num_threads();

    public OneThread() => torch.set_num_threads(1);

    /// <inheritdoc/>
    public void Dispose() => torch.set_num_threads(_before);
}
