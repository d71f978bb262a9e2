// B tasks whose losses are written in libtorch's operations: the way in for a network of one's own, and the reference for this library's.
//
// A Hessian–vector product is the gradient of ⟨∇L̂, w⟩ (Pearlmutter 1994), by walking the gradient's own graph backwards. One graph serves all
// products at a point. It costs more than the hand-written passes of FewShotProblem, which say what a layer's second derivative is.

using Imaml.Math;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>The inner and outer losses of B tasks as functions of their parameters, differentiated by libtorch's autograd.</summary>
/// <param name="innerLoss">L̂: parameters [B, d] → losses [B, 1], the loss of a task a function of its own row alone.</param>
/// <param name="outerLoss">L, likewise.</param>
public sealed class AutogradProblem(Func<Tensor, Tensor> innerLoss, Func<Tensor, Tensor> outerLoss) : IBilevelProblem<Tensor, Tensor>
{
    /// <inheritdoc/>
    public Tensor InnerLoss(Tensor phi)
    {
        using var scope = NewDisposeScope();
        using var off = no_grad();
        return Losses(innerLoss, phi).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor InnerGradient(Tensor phi)
    {
        using var scope = NewDisposeScope();
        return LossAndGradient(innerLoss, phi).Gradient.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public ILinearization<Tensor, Tensor> LinearizeInner(Tensor phi) => new Linearization(innerLoss, phi);

    /// <inheritdoc/>
    public (Tensor, Tensor) OuterLossAndGradient(Tensor phi)
    {
        using var scope = NewDisposeScope();
        var (loss, gradient) = LossAndGradient(outerLoss, phi);
        return scope.MoveToOuter(loss, gradient);
    }

    private static (Tensor Loss, Tensor Gradient) LossAndGradient(Func<Tensor, Tensor> loss, Tensor phi)
    {
        using var recording = enable_grad();
        var variable = phi.detach().requires_grad_();
        var losses = Losses(loss, variable);
        return (losses.detach(), autograd.grad([losses.sum()], [variable])[0]);
    }

    /// <exception cref="ArgumentException">The losses are not one number a task.</exception>
    private static Tensor Losses(Func<Tensor, Tensor> loss, Tensor phi)
    {
        var losses = loss(phi);
        return losses.dim() == 2 && losses.shape[0] == phi.shape[0] && losses.shape[1] == 1
            ? losses
            : throw new ArgumentException($"the loss of [B, d] = [{string.Join(", ", phi.shape)}] must be [{phi.shape[0]}, 1], not [{string.Join(", ", losses.shape)}]", nameof(loss));
    }

    /// <summary>The gradient with its graph, from which every product is taken.</summary>
    private sealed class Linearization : ILinearization<Tensor, Tensor>
    {
        private readonly Tensor _variable, _recorded;

        public Linearization(Func<Tensor, Tensor> loss, Tensor phi)
        {
            using var scope = NewDisposeScope();
            using var recording = enable_grad();
            _variable = phi.detach().requires_grad_();
            var losses = Losses(loss, _variable);
            _recorded = autograd.grad([losses.sum()], [_variable], retain_graph: true, create_graph: true)[0];
            (Loss, Gradient) = (losses.detach(), _recorded.detach());
            foreach (var tensor in (Tensor[])[_variable, _recorded, Loss, Gradient])
            {
                tensor.DetachFromDisposeScope();
            }
        }

        public Tensor Loss { get; }

        public Tensor Gradient { get; }

        public Tensor HessianProduct(Tensor w)
        {
            using var scope = NewDisposeScope();
            // A loss that is linear in the parameters has a gradient that no graph leads back to them, and no Hessian.
            var product = _recorded.requires_grad ? autograd.grad([_recorded], [_variable], [w], retain_graph: true, allow_unused: true)[0] : null;
            return (product is null || product.IsInvalid ? zeros_like(w) : product).MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            foreach (var tensor in (Tensor[])[_variable, _recorded, Loss, Gradient])
            {
                tensor.Dispose();
            }
        }
    }
}
