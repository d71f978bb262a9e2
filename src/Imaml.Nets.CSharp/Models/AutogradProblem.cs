// B tasks whose losses are written in libtorch's operations: the entry for a network of your own, and the reference for this library's.
//
// A Hessian–vector product is the gradient of ⟨∇L̂, w⟩ (Pearlmutter 1994), by differentiating the gradient's own graph. One graph is used for all
// products at a point. It costs more than the hand-written passes of FewShotProblem, which contain each layer's second derivative.
//
// A loss whose graph does not lead back to φ is either a constant, with derivative 0 (an empty support set), or a function of φ whose derivative
// was lost (detach, no_grad, numbers taken out and put in again). One more evaluation at another point distinguishes them: a constant does not change.

using System.Runtime.InteropServices;
using Imaml.Math;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>The inner and outer losses of B tasks as functions of their parameters, differentiated by libtorch's autograd.</summary>
/// <remarks>
/// A loss must be a tensor of its own in the parameters' type, where they are. A constant loss has gradient 0, for one more evaluation of it.
/// Every other loss without a derivative is an <see cref="ArgumentException"/> that names the cause: a detached loss, one computed under <c>no_grad</c>
/// or <c>inference_mode</c> or from numbers, one of whole numbers, and an operation that overwrites what its derivative needs. The caller's own mode does not matter.
/// </remarks>
public sealed class AutogradProblem : IBilevelProblem<Tensor, Tensor>
{
    private readonly TaskLoss _inner, _outer;

    /// <param name="innerLoss">L̂: parameters [B, d] → losses [B, 1], the loss of a task a function of its own row alone.</param>
    /// <param name="outerLoss">L, likewise.</param>
    public AutogradProblem(Func<Tensor, Tensor> innerLoss, Func<Tensor, Tensor> outerLoss)
    {
        ArgumentNullException.ThrowIfNull(innerLoss);
        ArgumentNullException.ThrowIfNull(outerLoss);
        (_inner, _outer) = (new TaskLoss("inner", innerLoss), new TaskLoss("outer", outerLoss));
    }

    /// <inheritdoc/>
    public Tensor InnerLoss(Tensor phi)
    {
        using var scope = NewDisposeScope();
        return _inner.Value(phi).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor InnerGradient(Tensor phi)
    {
        using var scope = NewDisposeScope();
        return _inner.ValueAndGradient(phi).Gradient.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public ILinearization<Tensor, Tensor> LinearizeInner(Tensor phi) => new Linearization(_inner, phi);

    /// <inheritdoc/>
    public (Tensor, Tensor) OuterLossAndGradient(Tensor phi)
    {
        using var scope = NewDisposeScope();
        var (loss, gradient) = _outer.ValueAndGradient(phi);
        return scope.MoveToOuter(loss, gradient);
    }

    /// <summary>A loss, checked at each call.</summary>
    private sealed class TaskLoss(string name, Func<Tensor, Tensor> ownLoss)
    {
        private readonly Func<Tensor, Tensor> _loss = phi =>
        {
            try
            {
                return Finalizers.HeldOffDuring(() => ownLoss(phi));
            }
            catch (ExternalException e) when (e.Message.Contains("in-place operation", StringComparison.Ordinal))
            {
                throw new ArgumentException($"libtorch cannot differentiate the {name} loss: it overwrites its parameters, or a view of them; let it work on a copy (clone)", e);
            }
        };

        /// <summary>φ as the start of a graph, in memory of its own: a loss that overwrites its parameters changes no θ.</summary>
        private static Tensor Own(Tensor phi)
        {
            using var off = no_grad();
            return Operation.Variable(phi.clone());
        }

        /// <summary>The losses at φ, [B, 1].</summary>
        public Tensor Value(Tensor phi)
        {
            // With a graph to record, since a loss may differentiate by itself.
            using var normal = inference_mode(false);
            using var recording = enable_grad();
            var variable = Own(phi);
            return Checked(_loss(variable), variable).detach();
        }

        /// <summary>The losses and their gradient, [B, d].</summary>
        public (Tensor Value, Tensor Gradient) ValueAndGradient(Tensor phi)
        {
            using var normal = inference_mode(false);
            using var recording = enable_grad();
            var variable = Own(phi);
            var losses = Checked(_loss(variable), variable);
            return (losses.detach(), Pulled(Derivative.Once, losses, variable) ?? OfConstant(losses, variable));
        }

        /// <summary>The losses, their gradient with its graph, and the parameters that the graph leads to.</summary>
        public (Tensor Value, Tensor Recorded, Tensor Variable) Recorded(Tensor phi)
        {
            using var normal = inference_mode(false);
            using var recording = enable_grad();
            var variable = Own(phi);
            var losses = Checked(_loss(variable), variable);
            return (losses.detach(), Pulled(Derivative.WithGraph, losses, variable) ?? OfConstant(losses, variable), variable);
        }

        /// <summary>∇²L̂w from the gradient with its graph; null where no graph leads from it to the parameters: a linear loss.</summary>
        public Tensor? Product(Tensor recorded, Tensor variable, Tensor w)
        {
            using var normal = inference_mode(false);
            return recorded.requires_grad ? Named(() => Derivative.Again(recorded, variable, w)) : null;
        }

        private Tensor? Pulled(Func<Tensor, Tensor, Tensor, Tensor?> derivative, Tensor losses, Tensor variable) =>
            losses.requires_grad ? Named(() => derivative(losses, variable, ones_like(losses))) : null;

        private Tensor? Named(Func<Tensor?> derivative)
        {
            try
            {
                return derivative();
            }
            catch (UndifferentiableException e)
            {
                throw new ArgumentException($"libtorch cannot differentiate the {name} loss: {e.Message}", e);
            }
        }

        /// <summary>0 where the loss is a constant; not a number for a task whose constant is not finite.</summary>
        /// <exception cref="ArgumentException">The loss changes with its parameters.</exception>
        private Tensor OfConstant(Tensor losses, Tensor variable)
        {
            using var off = Unrecorded.Begin();
            var phi = variable.detach();
            var signs = RandomSigns.Of(0, 0)(phi);
            // Not near φ, so that a loss of whole numbers moves too; 0.37, so that no round φ goes to a point of the same size.
            var point = phi.PlusProduct(signs, phi.abs().Plus(1).Times(0.37));
            var elsewhere = At(point);
            return elsewhere is { IsInvalid: false } && Same(losses, elsewhere)
                ? zeros_like(phi).Plus(losses.detach().sub(losses))
                : throw new ArgumentException(
                    $"the {name} loss changes with its parameters, but libtorch recorded nothing that leads from one to the other: it was detached, computed under no_grad or inference_mode, rounded to whole numbers, or made of numbers that were read");
        }

        private Tensor? At(Tensor point)
        {
            using var recording = enable_grad();
            return _loss(Own(point));
        }

        private static bool Same(Tensor x, Tensor y) => x.shape.SequenceEqual(y.shape) && x.eq(y).logical_or(x.isnan().logical_and(y.isnan())).all().Truth();

        /// <exception cref="ArgumentException">No losses, or not one number a task in the parameters' type and place.</exception>
        private Tensor Checked(Tensor? losses, Tensor phi)
        {
            if (losses is null || losses.IsInvalid)
            {
                throw new ArgumentException($"the {name} loss gave {(losses is null ? "null" : "a tensor that is disposed")}");
            }

            if (phi.IsInvalid)
            {
                throw new ArgumentException($"the {name} loss disposed of its parameters");
            }

            if (losses.dim() != 2 || losses.shape[0] != phi.shape[0] || losses.shape[1] != 1)
            {
                throw new ArgumentException($"the {name} loss of [B, d] = [{string.Join(", ", phi.shape)}] must be [{phi.shape[0]}, 1], not [{string.Join(", ", losses.shape)}]");
            }

            if (losses.dtype != phi.dtype)
            {
                throw new ArgumentException($"the {name} loss of parameters in {phi.dtype} must be {phi.dtype}, not {losses.dtype}");
            }

            return losses.device_type == phi.device_type && losses.device_index == phi.device_index
                ? losses
                : throw new ArgumentException($"the {name} loss of parameters on {phi.device} must be there, not on {losses.device}");
        }
    }

    /// <summary>The gradient with its graph, from which every product is taken.</summary>
    private sealed class Linearization : ILinearization<Tensor, Tensor>
    {
        private readonly TaskLoss _loss;
        private readonly Tensor _variable, _recorded;

        public Linearization(TaskLoss loss, Tensor phi)
        {
            using var scope = NewDisposeScope();
            _loss = loss;
            (Loss, _recorded, _variable) = loss.Recorded(phi);
            Gradient = _recorded.detach();
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
            return (_loss.Product(_recorded, _variable, w) ?? zeros_like(w)).MoveToOuterDisposeScope();
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
