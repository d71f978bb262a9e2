// Which numbers a convolution multiplies, for all images of a panel, as places in memory: no patch of an image is ever copied, and nothing is
// multiplied by the zeros around it. Outputs, or inputs, that see the same part of the kernel form a group, whose taps are the same.

namespace Imaml.Nets.Kernels;

/// <summary>A convolution with square kernels for some images.</summary>
/// <param name="Images">n.</param>
/// <param name="Height">H.</param>
/// <param name="Width">W.</param>
/// <param name="Channels">C.</param>
/// <param name="Filters">O.</param>
/// <param name="Size">k.</param>
/// <param name="Stride">Rows and columns between neighbouring outputs.</param>
/// <param name="Padding">Zeros on each side of the image.</param>
internal sealed record ConvolutionShape(int Images, int Height, int Width, int Channels, int Filters, int Size, int Stride, int Padding)
{
    /// <summary>Height of the output.</summary>
    public int OutputHeight => Positions(Height);

    /// <summary>Width of the output.</summary>
    public int OutputWidth => Positions(Width);

    /// <summary>Positions of an output image.</summary>
    public int OutputPositions => OutputHeight * OutputWidth;

    /// <summary>K = k·k·C, the weights of a filter.</summary>
    public int Patch => Size * Size * Channels;

    /// <summary>Copies the patches of images, [n, H, W, C], into an array of zeros, [n, H', W', k·k·C].</summary>
    public void CopyPatches(ReadOnlySpan<float> images, Span<float> patches)
    {
        var to = 0;
        for (var image = 0; image < Images; image++)
        {
            for (var y = -Padding; y + Size <= Height + Padding; y += Stride)
            {
                for (var x = -Padding; x + Size <= Width + Padding; x += Stride, to += Patch)
                {
                    // The columns of the kernel that lie in the image.
                    var (start, end) = (int.Max(0, -x), int.Min(Size, Width - x));
                    for (var i = int.Max(0, -y); i < int.Min(Size, Height - y); i++)
                    {
                        images.Slice(((((image * Height) + y + i) * Width) + x + start) * Channels, (end - start) * Channels).CopyTo(patches[(to + (((i * Size) + start) * Channels))..]);
                    }
                }
            }
        }
    }

    private int Positions(int length) => ((length + (2 * Padding) - Size) / Stride) + 1;
}

/// <summary>Rows of one group in blocks of six, see <see cref="Products.Gather"/>.</summary>
/// <param name="From">Where each row reads.</param>
/// <param name="To">Where it is written; negative where a block is not full.</param>
/// <param name="Taps">What each tap adds to that.</param>
/// <param name="Weights">Where the tap's weights are.</param>
internal sealed record RowGroup(int[] From, int[] To, int[] Taps, int[] Weights);

/// <summary>The positions of one tap of the kernel that lie in the image.</summary>
/// <param name="Inputs">Where the input's numbers are.</param>
/// <param name="Outputs">Where the output's are.</param>
internal sealed record TapPositions(int[] Inputs, int[] Outputs);

/// <summary>The places of the three products of a convolution.</summary>
internal sealed class ConvolutionPlan
{
    public ConvolutionPlan(ConvolutionShape shape)
    {
        Shape = shape;
        var (s, k) = (shape, shape.Size);
        // An output at (y, x) reads the input at (ys − p + i, xs − p + j) for the taps (i, j) where that is in the image.
        Forward = Groups(
            s.OutputHeight,
            s.OutputWidth,
            (at, tap) => IsWithin((at * s.Stride) - s.Padding + tap, s.Height),
            (at, tap) => IsWithin((at * s.Stride) - s.Padding + tap, s.Width),
            (image, y, x) => ((((image * s.Height) + (y * s.Stride) - s.Padding) * s.Width) + (x * s.Stride) - s.Padding) * s.Channels,
            (i, j) => ((i * s.Width) + j) * s.Channels,
            s.Filters,
            (i, j) => ((i * k) + j) * s.Channels * s.Filters);
        // An input at (y, x) is read by the output at ((y + p − i)/s, (x + p − j)/s) for the taps where that is one.
        Backward = Groups(
            s.Height,
            s.Width,
            (at, tap) => (at + s.Padding - tap) % s.Stride == 0 && IsWithin((at + s.Padding - tap) / s.Stride, s.OutputHeight) && at + s.Padding >= tap,
            (at, tap) => (at + s.Padding - tap) % s.Stride == 0 && IsWithin((at + s.Padding - tap) / s.Stride, s.OutputWidth) && at + s.Padding >= tap,
            (image, y, x) => ((((image * s.OutputHeight) + ((y + s.Padding) / s.Stride)) * s.OutputWidth) + ((x + s.Padding) / s.Stride)) * s.Filters,
            (i, j) => -((i / s.Stride * s.OutputWidth) + (j / s.Stride)) * s.Filters,
            s.Channels,
            (i, j) => ((i * k) + j) * s.Channels);
        Taps = [.. Enumerable.Range(0, k * k).Select(tap => PositionsOf(tap / k, tap % k))];
    }

    /// <summary>What the places belong to.</summary>
    public ConvolutionShape Shape { get; }

    /// <summary>y from x and W as [k, k, C, O].</summary>
    public IReadOnlyList<RowGroup> Forward { get; }

    /// <summary>∂x from ∂y and W as [O, k, k, C].</summary>
    public IReadOnlyList<RowGroup> Backward { get; }

    /// <summary>∂W from x and ∂y, by the taps of the kernel.</summary>
    public IReadOnlyList<TapPositions> Taps { get; }

    private static bool IsWithin(int at, int length) => at >= 0 && at < length;

    private List<RowGroup> Groups(
        int height, int width, Func<int, int, bool> seesRow, Func<int, int, bool> seesColumn, Func<int, int, int, int> read, Func<int, int, int> tap, int channels, Func<int, int, int> weights)
    {
        var taps = Enumerable.Range(0, Shape.Size).ToArray();
        string Seen(Func<int, int, bool> sees, int at) => string.Join(",", taps.Where(one => sees(at, one)));
        var groups = new List<RowGroup>();
        foreach (var rows in Enumerable.Range(0, height).GroupBy(y => Seen(seesRow, y)))
        {
            foreach (var columns in Enumerable.Range(0, width).GroupBy(x => Seen(seesColumn, x)))
            {
                var kernel = (from i in taps where seesRow(rows.First(), i) from j in taps where seesColumn(columns.First(), j) select (i, j)).ToArray();
                var places = (from image in Enumerable.Range(0, Shape.Images) from y in rows from x in columns select (From: read(image, y, x), To: ((((image * height) + y) * width) + x) * channels)).ToArray();
                var missing = (Products.Rows - (places.Length % Products.Rows)) % Products.Rows;
                groups.Add(new RowGroup(
                    [.. places.Select(place => place.From), .. Enumerable.Repeat(places[^1].From, missing)],
                    [.. places.Select(place => place.To), .. Enumerable.Repeat(-1, missing)],
                    [.. kernel.Select(one => tap(one.i, one.j))],
                    [.. kernel.Select(one => weights(one.i, one.j))]));
            }
        }

        return groups;
    }

    private TapPositions PositionsOf(int i, int j)
    {
        var s = Shape;
        var places = (
            from image in Enumerable.Range(0, s.Images)
            from y in Enumerable.Range(0, s.OutputHeight)
            let row = (y * s.Stride) - s.Padding + i
            where IsWithin(row, s.Height)
            from x in Enumerable.Range(0, s.OutputWidth)
            let column = (x * s.Stride) - s.Padding + j
            where IsWithin(column, s.Width)
            select (Input: ((((image * s.Height) + row) * s.Width) + column) * s.Channels, Output: ((((image * s.OutputHeight) + y) * s.OutputWidth) + x) * s.Filters)).ToArray();
        return new TapPositions([.. places.Select(place => place.Input)], [.. places.Select(place => place.Output)]);
    }
}
