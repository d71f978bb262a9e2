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
        // What was not measured is not a number.
        void Add(string tag, double? value, int metaStep)
        {
            if (value is { } number && !double.IsNaN(number))
            {
                writer.add_scalar(tag, (float)number, metaStep);
            }
        }

        foreach (var (metaStep, _, _, step) in run.Log.Points)
        {
            Add("training/query loss", step.OuterLoss, metaStep);
            Add("training/query accuracy", step.OuterAccuracy, metaStep);
            Add("training/inner gradient norm, largest", step.InnerGradientNorm, metaStep);
            Add("training/linear residual, largest", step.CgResidual, metaStep);
            Add("training/certified relative error, largest", step.CertifiedError ?? double.NaN, metaStep);
            Add("training/curvature, largest", step.LargestCurvature, metaStep);
            Add("training/meta-gradient norm", step.MetaGradientNorm, metaStep);
            Add("training/tasks not finite", step.NonFinite, metaStep);
        }

        foreach (var line in run.Curve)
        {
            Add("validation/accuracy", line.Accuracy, line.MetaStep);
            Add("validation/accuracy of the average", line.Averaged, line.MetaStep);
            Add("validation/loss", line.Loss, line.MetaStep);
        }

        return folder;
    }
}
