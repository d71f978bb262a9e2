// The simplest few-shot classifier: the class whose support images' mean is nearest to the query image.

namespace Imaml.Nets.Tasks;

/// <summary>Nearest centroid in the space of the pixels.</summary>
public static class NearestCentroid
{
    /// <summary>The share of an episode's query images q with argmin_c ‖q − mean of class c's support images‖ = their label; the first of equals.</summary>
    /// <exception cref="ArgumentException">There is not exactly one episode.</exception>
    public static double Accuracy(EpisodeBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Count != 1)
        {
            throw new ArgumentException($"{batch.Count} episodes in place of one", nameof(batch));
        }

        var size = batch.Height * batch.Width * batch.Channels;
        var centroids = new float[batch.Ways][];
        for (var c = 0; c < batch.Ways; c++)
        {
            var mean = centroids[c] = new float[size];
            for (var k = 0; k < batch.Shots; k++)
            {
                var image = batch.Support.AsSpan(((c * batch.Shots) + k) * size, size);
                for (var j = 0; j < size; j++)
                {
                    mean[j] += image[j] / batch.Shots;
                }
            }
        }

        var right = 0;
        for (var i = 0; i < batch.QueryLabels.Length; i++)
        {
            var query = batch.Query.AsSpan(i * size, size);
            var (nearest, least) = (0, double.PositiveInfinity);
            for (var c = 0; c < batch.Ways; c++)
            {
                var distance = SquaredDistance(query, centroids[c]);
                (nearest, least) = distance < least ? (c, distance) : (nearest, least);
            }

            right += nearest == batch.QueryLabels[i] ? 1 : 0;
        }

        return (double)right / batch.QueryLabels.Length;
    }

    private static double SquaredDistance(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = 0.0;
        for (var j = 0; j < a.Length; j++)
        {
            var difference = (double)a[j] - b[j];
            sum += difference * difference;
        }

        return sum;
    }
}
