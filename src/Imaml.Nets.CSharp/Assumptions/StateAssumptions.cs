// What was measured at one state of a run, task by task.

using Imaml.Math;

namespace Imaml.Nets.Assumptions;

/// <summary>How ∇²L̂ changes near φ along one direction, over the tasks: lower bounds on ρ.</summary>
/// <param name="Direction">s.</param>
/// <param name="Distance">h.</param>
/// <param name="Quotient">‖(H(φ + hs) − H(φ))s‖/h.</param>
public sealed record HessianChangeSummary(ChangeDirection Direction, double Distance, Quantiles Quotient);

/// <summary>One task.</summary>
/// <param name="Episode">Its number.</param>
/// <param name="Theta">The curvature at θ.</param>
/// <param name="Phi">The curvature at the φ that the run's inner solver reaches.</param>
/// <param name="Displacement">‖φ − θ‖.</param>
/// <param name="Inner">How the run's inner solve ended.</param>
/// <param name="Accuracy">Share of the query images that φ classifies correctly; not a number where the inner solve is not finite.</param>
/// <param name="CgResidual">Relative residual of the run's linear solve.</param>
/// <param name="Gradients">The meta-gradients compared.</param>
public sealed record TaskAssumptions(long Episode, PointCurvature Theta, PointCurvature Phi, double Displacement, InnerStatus Inner, double Accuracy, double CgResidual, Agreements Gradients);

/// <summary>One state.</summary>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="Parameters">d.</param>
/// <param name="Lambda">λ at this state.</param>
/// <param name="Tasks">Every task.</param>
/// <param name="HessianChanges">ρ seen from φ, for each direction and distance.</param>
/// <param name="MetaBatches">The meta-gradients of whole meta-batches, averaged as in training, compared.</param>
/// <param name="AllTasks">The meta-gradients averaged over all tasks, compared.</param>
/// <param name="Reference">Errors against the exact meta-gradient, of the first tasks.</param>
public sealed record StateAssumptions(
    int MetaStep,
    int Parameters,
    double Lambda,
    IReadOnlyList<TaskAssumptions> Tasks,
    IReadOnlyList<HessianChangeSummary> HessianChanges,
    IReadOnlyList<Agreements> MetaBatches,
    Agreements AllTasks,
    IReadOnlyList<TaskErrors> Reference);
