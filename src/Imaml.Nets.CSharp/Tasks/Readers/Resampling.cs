// Brings pixels to another size in integer arithmetic, so that every machine gives the same bytes. Where an axis shrinks, a target pixel is the mean
// of the source pixels that it covers, by the share that it covers of each (area averaging, which is its own antialiasing); where it grows, linear
// interpolation between the two nearest. An axis that keeps its length keeps its bytes. Sums are rounded once, at the end.

namespace Imaml.Nets.Tasks;

/// <summary>What the target pixels of one axis take of the source: pixel j takes Weights[j][k] parts of Whole of source pixel First[j] + k.</summary>
internal sealed class ResampledAxis
{
    /// <summary>Fits a window of an axis to a length.</summary>
    /// <param name="from">Where the window begins.</param>
    /// <param name="window">Its length.</param>
    /// <param name="length">The axis's length; interpolation may look beyond the window.</param>
    /// <param name="target">The target's length.</param>
    public ResampledAxis(int from, int window, int length, int target)
    {
        (First, Weights) = (new int[target], new int[target][]);
        // Area: a source pixel is target units long and a target pixel window units. Interpolation: a source pixel is 2·target units long.
        Whole = target > window ? 2 * target : window;
        for (var j = 0; j < target; j++)
        {
            (First[j], Weights[j]) = target > window ? Between(j) : Covered(j);
        }

        (int, int[]) Covered(int j)
        {
            var (begin, end) = ((long)j * window, (long)(j + 1) * window);
            var first = (int)(begin / target);
            var weights = new int[(int)((end - 1) / target) - first + 1];
            for (var k = 0; k < weights.Length; k++)
            {
                weights[k] = (int)(long.Min(end, (long)(first + k + 1) * target) - long.Max(begin, (long)(first + k) * target));
            }

            return (from + first, weights);
        }

        (int, int[]) Between(int j)
        {
            // The target pixel's centre, from the first source pixel's.
            var at = (2L * from * target) + ((2L * j + 1) * window) - target;
            var first = (int)System.Math.Floor(at / (2.0 * target));
            var second = (int)(at - (2L * target * first));
            return first < 0 ? (0, [Whole])
                : first >= length - 1 ? (length - 1, [Whole])
                : (first, [Whole - second, second]);
        }
    }

    /// <summary>The first source pixel of each target pixel.</summary>
    public int[] First { get; }

    /// <summary>The weights of that and the following pixels.</summary>
    public int[][] Weights { get; }

    /// <summary>What the weights of a target pixel add up to.</summary>
    public int Whole { get; }
}

/// <summary>Pixels of one size to an <see cref="ImageForm"/>.</summary>
internal sealed class Resampling
{
    private readonly ImageForm _form;
    private readonly int _width;
    private readonly ResampledAxis _rows, _columns;

    /// <summary>Prepares for sources of a size.</summary>
    /// <param name="height">Rows of the source.</param>
    /// <param name="width">Columns of the source.</param>
    /// <param name="form">The target.</param>
    /// <param name="mirroredRows">The picture is seen with its rows in reverse order, so that its middle is found from the other side.</param>
    /// <param name="mirroredColumns">Likewise for columns.</param>
    public Resampling(int height, int width, ImageForm form, bool mirroredRows, bool mirroredColumns)
    {
        var side = int.Min(height, width);
        ResampledAxis Axis(int length, bool mirrored)
        {
            var window = form.Fit == ImageFit.Crop ? side : length;
            var before = (length - window) / 2;
            return new ResampledAxis(mirrored ? length - window - before : before, window, length, form.Size);
        }

        (_form, _width, _rows, _columns) = (form, width, Axis(height, mirroredRows), Axis(width, mirroredColumns));
    }

    /// <summary>Fills the target.</summary>
    /// <param name="pixels">The source's rows.</param>
    /// <param name="channels">1, 3, or 4 with alpha, not premultiplied.</param>
    /// <param name="stride">Bytes from a row to the next.</param>
    /// <param name="target">[Size, Size, Channels].</param>
    public void Run(ReadOnlySpan<byte> pixels, int channels, int stride, Span<byte> target)
    {
        var (size, width) = (_form.Size, _form.Size * _form.Channels);
        var (line, narrow, sums) = (new byte[_width * _form.Channels], new int[width], new long[width]);
        var whole = (long)_rows.Whole * _columns.Whole;
        var last = -1;
        for (var j = 0; j < size; j++)
        {
            Array.Clear(sums);
            for (var k = 0; k < _rows.Weights[j].Length; k++)
            {
                var row = _rows.First[j] + k;
                if (row != last)
                {
                    Colour(pixels.Slice(row * stride, _width * channels), channels, line);
                    Narrow(line, narrow);
                    last = row;
                }

                long weight = _rows.Weights[j][k];
                for (var i = 0; i < width; i++)
                {
                    sums[i] += weight * narrow[i];
                }
            }

            for (var i = 0; i < width; i++)
            {
                target[(j * width) + i] = (byte)((sums[i] + (whole / 2)) / whole);
            }
        }
    }

    private void Narrow(ReadOnlySpan<byte> line, Span<int> narrow)
    {
        var channels = _form.Channels;
        for (var j = 0; j < _form.Size; j++)
        {
            var weights = _columns.Weights[j];
            for (var c = 0; c < channels; c++)
            {
                var sum = 0;
                var at = (_columns.First[j] * channels) + c;
                foreach (var weight in weights)
                {
                    sum += weight * line[at];
                    at += channels;
                }

                narrow[(j * channels) + c] = sum;
            }
        }
    }

    /// <summary>A row of the source in the target's channels: over white, then grey or ink where that is asked for.</summary>
    private void Colour(ReadOnlySpan<byte> row, int channels, Span<byte> line)
    {
        for (var x = 0; x < _width; x++)
        {
            var at = x * channels;
            var (red, green, blue) = channels == 1 ? (row[at], row[at], row[at]) : (row[at], row[at + 1], row[at + 2]);
            if (channels == 4 && row[at + 3] is var alpha && alpha < byte.MaxValue)
            {
                (red, green, blue) = (OverWhite(red, alpha), OverWhite(green, alpha), OverWhite(blue, alpha));
            }

            if (_form.Channels == 1)
            {
                // Grey by the luma of BT.601, which leaves a grey pixel as it is.
                line[x] = _form.Ink ? (byte)(255 - byte.Min(red, byte.Min(green, blue))) : (byte)(((299 * red) + (587 * green) + (114 * blue) + 500) / 1000);
            }
            else
            {
                (line[3 * x], line[(3 * x) + 1], line[(3 * x) + 2]) = (red, green, blue);
            }
        }
    }

    private static byte OverWhite(byte value, byte alpha) => (byte)(((value * alpha) + (255 * (255 - alpha)) + 127) / 255);
}
