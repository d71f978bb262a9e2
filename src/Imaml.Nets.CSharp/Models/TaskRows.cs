// Between the two orders of a batch: task by task with an image as a row, and channels last with the tasks side by side in the channels.

using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Images as rows of their tasks, [B, n, H·W·C], and back.</summary>
internal static class TaskRows
{
    /// <summary>[n, B·C, H, W] → [B, n, H·W·C]</summary>
    public static Tensor Of(Tensor images, long tasks)
    {
        using var scope = NewDisposeScope();
        return images.permute(0, 2, 3, 1) // [n, H, W, B·C]
            .reshape(images.shape[0], images.shape[2] * images.shape[3], tasks, -1)
            .permute(2, 0, 1, 3) // [B, n, H·W, C]
            .reshape(tasks, images.shape[0], -1)
            .MoveToOuterDisposeScope();
    }

    /// <summary>[B, n, H·W·C] → [n, B·C, H, W], channels last.</summary>
    public static Tensor ToImages(Tensor rows, ImageShape shape)
    {
        using var scope = NewDisposeScope();
        return rows.view(rows.shape[0], rows.shape[1], -1, shape.Channels)
            .permute(1, 2, 0, 3) // [n, H·W, B, C]
            .reshape(rows.shape[1], shape.Height, shape.Width, -1)
            .permute(0, 3, 1, 2)
            .MoveToOuterDisposeScope();
    }
}
