// The validations of a run: when one is due, what it measures, its line in curve.jsonl, and the best state, which it chooses.

using Imaml.Nets.Learning;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>The validations of a run, with its curve. On ranks other than the first nothing is written.</summary>
internal sealed class Validations
{
    private readonly RunFolder _folder;
    private readonly Experiment _experiment;
    private readonly BestState? _best;
    private readonly List<CurveLine> _unwritten = [];
    private readonly List<StepReport> _since = [];

    /// <param name="folder">The run's.</param>
    /// <param name="experiment">The run's.</param>
    /// <param name="keepsBest">Whether the best state is kept in the folder.</param>
    /// <param name="last">The meta-step of the last validation, or 0.</param>
    /// <param name="gap">What the curve lacks up to here, or null.</param>
    public Validations(RunFolder folder, Experiment experiment, bool keepsBest, int last = 0, string? gap = null)
    {
        (_folder, _experiment, Last, Gap) = (folder, experiment, last, gap);
        _best = keepsBest ? new BestState(folder, experiment.Budget.ValidateEvery) : null;
    }

    /// <summary>The validations of a run that goes on, whose curve is cut to its state.</summary>
    /// <param name="folder">The run's.</param>
    /// <param name="experiment">The run's.</param>
    /// <param name="reached">Meta-steps made.</param>
    public static Validations GoOn(RunFolder folder, Experiment experiment, int reached)
    {
        var (every, end) = (experiment.Budget.ValidateEvery, experiment.Budget.MetaSteps);
        // A validation at an end that the run had is not a validation of a longer run.
        RunFolder.Cut<CurveLine>(folder.CurvePath, line => line.IsSound && line.MetaStep <= reached && (line.MetaStep == end || (every > 0 && line.MetaStep % every == 0)));
        CurveLine[] curve = [.. RunFolder.Read<CurveLine>(folder.CurvePath)];
        BestState.LeaveEnd(folder, every, end);
        return new Validations(folder, experiment, keepsBest: true, curve.LastOrDefault()?.MetaStep ?? 0, LogGap.Of(curve, every, reached));
    }

    /// <summary>The meta-step of the last one, or 0.</summary>
    public int Last { get; private set; }

    /// <summary>What the curve lacks, which its next line says; null where nothing is missing.</summary>
    public string? Gap { get; private set; }

    /// <summary>Whether a state is to be validated.</summary>
    /// <param name="metaStep">Its meta-step.</param>
    /// <param name="atEnd">Whether the training ends with it.</param>
    public bool AreDue(int metaStep, bool atEnd) => _experiment.Budget.ValidateEvery is var every and > 0 && metaStep > Last && (metaStep % every == 0 || atEnd);

    /// <summary>Takes note of meta-steps, the largest values of which the next line has.</summary>
    public void Add(IEnumerable<StepReport> steps) => _since.AddRange(steps.Where(step => step.MetaStep > Last && _experiment.Budget.ValidateEvery > 0));

    /// <summary>Validates a state, and its average where there is one.</summary>
    /// <param name="learner">The state.</param>
    /// <param name="seconds">Wall seconds of training.</param>
    /// <param name="cancel">Ends it with an <see cref="OperationCanceledException"/>.</param>
    public CurveLine Measure(MetaLearner learner, double seconds, CancellationToken cancel)
    {
        Evaluation Of(MetaLearner state) => Evaluation.AfterAdapting(state, ClassPart.Validation, ImageTasks.EvaluationSeed, _experiment.Budget.ValidationEpisodes, cancel);
        using var average = learner.Averaged();
        var (measured, averaged) = (Of(learner), average is null ? null : Of(average));
        var line = new CurveLine(
            learner.MetaStep,
            (long)learner.MetaStep * _experiment.Budget.MetaBatch,
            seconds,
            measured.Metric == LearningProblem.Accuracy ? measured.Mean : null,
            measured.Metric == LearningProblem.Loss ? measured.Mean : null,
            measured.HalfWidth95,
            Largest(step => step.InnerGradientNorm),
            Largest(step => step.CgResidual),
            Largest(step => step.LargestCurvature),
            _since.Sum(step => step.NonPositiveCurvature),
            _since.Sum(step => step.NonFinite),
            measured.Inner,
            averaged?.Mean,
            averaged?.HalfWidth95,
            Gap);
        (Gap, Last) = (null, learner.MetaStep);
        _unwritten.Add(line);
        _since.Clear();
        _best?.Offer(measured, _experiment, seconds, learner, averaged: false);
        if (averaged is not null)
        {
            _best?.Offer(averaged, _experiment, seconds, average!, averaged: true);
        }

        return line;

        // Not a number where the log of these steps is lost.
        double Largest(Func<StepReport, double> of) => _since.Select(of).DefaultIfEmpty(double.NaN).Max();
    }

    /// <summary>Appends the lines to the curve that it does not have yet.</summary>
    public void Write()
    {
        RunFolder.Append(_folder.CurvePath, _unwritten);
        _unwritten.Clear();
    }
}
