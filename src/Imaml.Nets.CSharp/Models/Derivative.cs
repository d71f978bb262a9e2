// libtorch's derivative of a graph that other code made, where a mistake in it is an exception.
//
// TorchSharp's autograd.grad lets libtorch's C++ exceptions pass through code that does not catch them, which ends the process: after an operation
// that overwrote what a derivative needs, or without a second derivative. Tensor.backward catches them, but leaves gradients in .grad and warns of a cycle
// where it keeps a graph. TorchScript's torch.autograd.grad is the same function of libtorch behind an interpreter that catches.

using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>A graph that libtorch cannot go back through, and why.</summary>
internal sealed class UndifferentiableException(string message, Exception inner) : Exception(message, inner);

/// <summary>(∂y/∂x)ᵀw for a graph that leads from x to y; null where it does not lead to x.</summary>
internal static class Derivative
{
    private const string Script = """
        def present(g: Optional[Tensor]) -> Tensor:
            if g is None:
                return torch.empty([0])
            return g

        def once(y: Tensor, x: Tensor, w: Tensor) -> Tensor:
            cotangent: Optional[List[Optional[Tensor]]] = [w]
            return present(torch.autograd.grad([y], [x], cotangent, retain_graph=False, create_graph=False, allow_unused=True)[0])

        def again(y: Tensor, x: Tensor, w: Tensor) -> Tensor:
            cotangent: Optional[List[Optional[Tensor]]] = [w]
            return present(torch.autograd.grad([y], [x], cotangent, retain_graph=True, create_graph=False, allow_unused=True)[0])

        def with_graph(y: Tensor, x: Tensor, w: Tensor) -> Tensor:
            cotangent: Optional[List[Optional[Tensor]]] = [w]
            return present(torch.autograd.grad([y], [x], cotangent, retain_graph=True, create_graph=True, allow_unused=True)[0])

        """;

    private static readonly Lazy<jit.CompilationUnit> Unit = new(() => jit.compile(Script));

    /// <summary>The graph is freed afterwards.</summary>
    /// <exception cref="UndifferentiableException">libtorch cannot differentiate the graph.</exception>
    public static Tensor? Once(Tensor y, Tensor x, Tensor w) => Of("once", y, x, w);

    /// <summary>The graph is kept.</summary>
    /// <inheritdoc cref="Once"/>
    public static Tensor? Again(Tensor y, Tensor x, Tensor w) => Of("again", y, x, w);

    /// <summary>The graph is kept, and the derivative has one.</summary>
    /// <inheritdoc cref="Once"/>
    public static Tensor? WithGraph(Tensor y, Tensor x, Tensor w) => Of("with_graph", y, x, w);

    private static Tensor? Of(string function, Tensor y, Tensor x, Tensor w)
    {
        try
        {
            var derivative = Unit.Value.invoke<Tensor>(function, y, x, w);
            return derivative.shape.SequenceEqual(x.shape) ? derivative : null;
        }
        catch (ExternalException e)
        {
            throw new UndifferentiableException(Cause(e.Message), e);
        }
    }

    /// <summary>The line that says what is wrong, without the interpreter's trace before it and libtorch's advice after it.</summary>
    private static string Cause(string message)
    {
        var line = message.Split('\n').LastOrDefault(one => one.Contains("Error: ", StringComparison.Ordinal)) ?? message.Split('\n')[0];
        var cause = line[(line.IndexOf("Error: ", StringComparison.Ordinal) is >= 0 and var at ? at + "Error: ".Length : 0)..];
        return cause.Split(" Hint: ")[0].Trim();
    }
}
