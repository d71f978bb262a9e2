// One operation of libtorch, differentiated by libtorch: the transposed convolutions and the normalisation's gradient are its own kernels, which
// no composition of smaller operations comes near. The graph ends where the operation does.

using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>y = f(a, b, …), differentiable in the variables it was made of.</summary>
internal static class Operation
{
    /// <summary>The same numbers as the start of a graph of their own. A tensor of inference mode can start none; a copy of it can.</summary>
    public static Tensor Variable(Tensor x)
    {
        try
        {
            return x.detach().requires_grad_();
        }
        catch (ExternalException)
        {
            return x.detach().clone().requires_grad_();
        }
    }

    /// <summary>f with its graph, whatever the caller's mode.</summary>
    public static Tensor Recorded(Func<Tensor> f)
    {
        using var recording = enable_grad();
        return f();
    }

    /// <summary>Σ ⟨∂yᵢ/∂x, gᵢ⟩ for each variable x. The graphs stay, for the next call.</summary>
    public static Tensor[] Pull(Tensor[] outputs, Tensor[] gradients, params Tensor[] variables) =>
        [.. autograd.grad(outputs, variables, gradients, retain_graph: true)];
}
