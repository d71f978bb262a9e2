// The progress of a training, on the error stream: on a terminal one line that is written again, no wider than the terminal; elsewhere a line now and then, with
// all figures. Validations are lines that stay.

using System.Globalization;
using Imaml.Nets.Learning;
using Imaml.Nets.Runs;
using Spectre.Console;

namespace Imaml.Cli.Commands;

/// <summary>What happened since the line before; usually nothing.</summary>
/// <param name="NonPositive">Tasks with non-positive curvature.</param>
/// <param name="NonFinite">Tasks whose meta-gradient was not finite.</param>
/// <param name="Diverged">Inner solves that diverged.</param>
internal readonly record struct TrainingTrouble(int NonPositive, int NonFinite, int Diverged)
{
    /// <summary>With those of one more meta-step.</summary>
    public TrainingTrouble And(StepReport step) =>
        new(NonPositive + step.NonPositiveCurvature, NonFinite + step.NonFinite, Diverged + step.Ended!.Inner.GetValueOrDefault(Imaml.Math.InnerStatus.NonFinite));
}

/// <summary>Shows meta-steps and validations.</summary>
internal sealed class TrainingDisplay
{
    /// <summary>Before a line is written again.</summary>
    private const string Clear = "\r\u001b[2K";

    private bool _open;

    /// <summary>Seconds between two lines: a terminal is looked at, a log is kept.</summary>
    public static double Every => Terminal.Live ? 1 : 10;

    /// <summary>Shows a meta-step.</summary>
    public void Show(StepReport step, Budget budget, double secondsPerStep, TrainingTrouble trouble)
    {
        if (!Terminal.Live)
        {
            Terminal.Error.WriteLine(Line(step, budget, secondsPerStep, trouble, int.MaxValue));
            return;
        }

        Terminal.Error.Write(new ControlCode(Clear));
        Terminal.Error.Write(Line(step, budget, secondsPerStep, trouble, Terminal.Error.Profile.Width - 1));
        _open = true;
    }

    /// <summary>A line that stays.</summary>
    public void Keep(string line)
    {
        if (_open)
        {
            Terminal.Error.Write(new ControlCode(Clear));
            _open = false;
        }

        Terminal.Error.WriteLine(line);
    }

    /// <summary>Leaves the last line as it is.</summary>
    public void End()
    {
        if (_open)
        {
            Terminal.Error.WriteLine();
            _open = false;
        }
    }

    /// <summary>A meta-step in one line. Where there is no room, what matters least is left out; the log has it all the same.</summary>
    /// <param name="step">The meta-step.</param>
    /// <param name="budget">The run's.</param>
    /// <param name="secondsPerStep">On average.</param>
    /// <param name="trouble">Since the line before.</param>
    /// <param name="width">Columns.</param>
    public static string Line(StepReport step, Budget budget, double secondsPerStep, TrainingTrouble trouble, int width)
    {
        static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
        var left = TimeSpan.FromSeconds(secondsPerStep * (budget.MetaSteps - step.MetaStep));
        // In the order of the line, with how much each matters.
        (int Rank, string Text)[] parts =
        [
            (9, Text($"{step.MetaStep,6}/{budget.MetaSteps}")),
            (3, Text($"loss {step.OuterLoss:F3}")),
            (7, double.IsFinite(step.OuterAccuracy) ? Text($"accuracy {100 * step.OuterAccuracy:F1} %") : "no accuracy"),
            (5, Text($"‖∇G‖ {step.InnerGradientNorm:F3}")),
            // Without a linear solve, or a finite one, there is no residual; without Ritz values no curvature.
            (4, step.CertifiedError is { } bound ? Text($"certified error {bound:0.0e0}") : double.IsFinite(step.CgResidual) ? Text($"CG residual {step.CgResidual:F3}") : ""),
            (2, double.IsNaN(step.LargestCurvature) ? "" : Text($"h_max {step.LargestCurvature:F1}")),
            (1, step.Learned is { } learned ? Text($"{learned.Name} {learned.Smallest:G3} to {learned.Largest:G3}") : ""),
            (8, trouble.NonPositive > 0 ? Text($"non-positive curvature {trouble.NonPositive}") : ""),
            (8, trouble.NonFinite > 0 ? Text($"NOT FINITE {trouble.NonFinite}") : ""),
            (8, trouble.Diverged > 0 ? Text($"inner solve diverged {trouble.Diverged}") : ""),
            (0, Text($"{secondsPerStep / budget.MetaBatch:F4} s/task")),
            (6, $"{Terminal.Duration(left)} left"),
        ];
        for (var least = 0; ; least++)
        {
            var line = string.Join("  ", parts.Where(part => part.Rank >= least && part.Text.Length > 0).Select(part => part.Text));
            if (least == 9 || TextLines.Width(line) <= width)
            {
                return line;
            }
        }
    }
}
