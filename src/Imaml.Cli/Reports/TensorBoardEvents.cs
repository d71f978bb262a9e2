// A run's logs as TensorBoard reads them.

using Imaml.Nets.LibTorch;
using static TorchSharp.torch.utils;

namespace Imaml.Cli.Reports;

/// <summary>Event files for TensorBoard.</summary>
internal static class TensorBoardEvents
{
    private const string FolderName = "tensorboard", Files = "events.out.tfevents.*";

    /// <summary>Writes a run's validations and the log of its meta-steps as scalars, by meta-steps, in place of those of an earlier call.</summary>
    /// <returns>The folder, for <c>tensorboard --logdir</c>.</returns>
    public static string Write(RunContents run)
    {
        var folder = Path.Combine(run.Folder.FolderPath, FolderName);
        Directory.CreateDirectory(folder);
        foreach (var old in Directory.GetFiles(folder, Files))
        {
            File.Delete(old);
        }

        LibTorchLoader.EnsureLoaded();
        var writer = tensorboard.SummaryWriter(folder);
        // As if the training had just ended: TensorBoard's axis of time then shows the time of training.
        var begun = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - (long)run.Seconds;
        // What was not measured is not a number.
        void Add(string tag, double? value, int metaStep, double seconds)
        {
            if (value is { } number && !double.IsNaN(number))
            {
                writer.add_scalar(tag, (float)number, metaStep, begun + (long)seconds);
            }
        }

        foreach (var (metaStep, seconds, _, step) in run.Log.Points)
        {
            void AddStep(string what, double? value) => Add($"training/{what}", value, metaStep, seconds);
            AddStep("query loss", step.OuterLoss);
            AddStep("support loss", step.InnerLoss);
            AddStep("query accuracy", step.OuterAccuracy);
            AddStep("inner gradient norm, largest", step.InnerGradientNorm);
            AddStep("linear residual, largest", step.CgResidual);
            AddStep("certified relative error, largest", step.CertifiedError);
            AddStep("curvature, largest", step.LargestCurvature);
            AddStep("meta-gradient norm", step.MetaGradientNorm);
            AddStep("learned values, smallest", step.Learned?.Smallest);
            AddStep("learned values, largest", step.Learned?.Largest);
            AddStep("tasks with non-positive curvature", step.NonPositiveCurvature);
            AddStep("tasks not finite", step.NonFinite);
        }

        foreach (var line in run.Curve)
        {
            void AddLine(string what, double? value) => Add($"validation/{what}", value, line.MetaStep, line.Seconds);
            AddLine("accuracy", line.Accuracy);
            AddLine(line.Accuracy is null ? "loss of the average" : "accuracy of the average", line.Averaged);
            AddLine("loss", line.Loss);
        }

        return folder;
    }
}
