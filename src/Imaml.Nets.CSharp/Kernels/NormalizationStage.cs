// Batch normalisation and the rectifier after it, in one pass over the numbers where two layers would make several:
//
//     x̂ = (x − m)/s,  m = mean(x),  s = √(mean((x − m)²) + ε),   z = γx̂ + β,   y = max(0, z)
//
// With ∂z = ∂y where z > 0, else 0, means over the n rows that give the statistics (all, or the first ones), and sums over all rows:
//
//     ∂x = (γ/s)(∂z − S₁ − x̂S₂),   S₁ = Σ∂z/n,     S₂ = Σ∂z·x̂/n,     where a row gives no statistics ∂x = (γ/s)∂z
//     x̂' = (ẋ − T₁ − x̂T₂)/s,       T₁ = mean ẋ,    T₂ = mean ẋ·x̂,    s'/s = T₂/s
//
// and primes, derivatives in a direction, of ∂x by the product rule. What is cheap to compute again (x̂, z, ∂z) is not kept.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Imaml.Nets.Kernels;

/// <summary>Normalises every channel over the rows of a task, scales, and rectifies. Parameters: γ, then β.</summary>
/// <param name="rows">Images times positions.</param>
/// <param name="channels">C, a multiple of a register.</param>
/// <param name="reference">How many rows, the first ones, give the statistics; products need all.</param>
/// <param name="epsilon">ε.</param>
internal sealed class NormalizationStage<V>(int rows, int channels, int reference, double epsilon) : Stage
    where V : struct, ILanes<V>
{
    // Rows that are added up before their sum is added to the total, so that rounding does not grow with the rows.
    private const int Together = 64;

    // What is kept: C numbers each.
    private enum Of
    {
        Mean,
        InverseDeviation,
        GradientMean,
        GradientCorrelation,
        TangentMean,
        TangentCorrelation,
        Count,
    }

    /// <summary>Whether the kernel supports these channels.</summary>
    public static bool Serves(int channels) => channels % V.Count == 0;

    /// <inheritdoc/>
    public override int Parameters => 2 * channels;

    /// <inheritdoc/>
    public override int Inputs => rows * channels;

    /// <inheritdoc/>
    public override int Outputs => rows * channels;

    /// <inheritdoc/>
    public override int Kept => (int)Of.Count * channels;

    /// <inheritdoc/>
    public override void Forward(StagePoint at, Span<float> output)
    {
        ref var x = ref MemoryMarshal.GetReference(at.Input);
        ref var y = ref MemoryMarshal.GetReference(output);
        for (var c = 0; c < channels; c += V.Count)
        {
            var mean = Total(new Values(ref x, c), reference) * V.Of(1f / reference);
            V.Store(mean, ref at.Kept[0], At(Of.Mean, c));
            V.Store(Total(new Squares(ref x, c, mean), reference) * V.Of(1f / reference), ref at.Kept[0], At(Of.InverseDeviation, c));
        }

        foreach (ref var variance in at.Kept.Slice((int)Of.InverseDeviation * channels, channels))
        {
            variance = (float)(1 / double.Sqrt(variance + epsilon));
        }

        for (var c = 0; c < channels; c += V.Count)
        {
            var channel = Channel.Of(this, at, c);
            nint place = c;
            for (var row = 0; row < rows; row++, place += channels)
            {
                var z = channel.Scaled(channel.Normalized(V.Load(ref x, place)));
                V.Store(V.WhereAboveZero(z, z), ref y, place);
            }
        }
    }

    /// <inheritdoc/>
    public override void Backward(StagePoint at, ReadOnlySpan<float> outputGradient, Span<float> parameters, Span<float> input)
    {
        ref var x = ref MemoryMarshal.GetReference(at.Input);
        ref var dy = ref MemoryMarshal.GetReference(outputGradient);
        ref var dx = ref MemoryMarshal.GetReference(input);
        var share = V.Of(1f / reference);
        for (var c = 0; c < channels; c += V.Count)
        {
            var channel = Channel.Of(this, at, c);
            var (beta, gamma) = (V.Zero, V.Zero);
            nint place = c;
            for (var start = 0; start < rows; start += Together)
            {
                var (first, second) = (V.Zero, V.Zero);
                for (var row = start; row < int.Min(start + Together, rows); row++, place += channels)
                {
                    var normalized = channel.Normalized(V.Load(ref x, place));
                    var dz = V.WhereAboveZero(channel.Scaled(normalized), V.Load(ref dy, place));
                    first += dz;
                    second = V.FusedMultiplyAdd(dz, normalized, second);
                }

                (beta, gamma) = (beta + first, gamma + second);
            }

            V.Store(gamma, ref parameters[0], c);
            V.Store(beta, ref parameters[0], channels + c);
            var (mean, correlation) = (beta * share, gamma * share);
            V.Store(mean, ref at.Kept[0], At(Of.GradientMean, c));
            V.Store(correlation, ref at.Kept[0], At(Of.GradientCorrelation, c));
            var slope = channel.Gamma * channel.Inverse;
            place = c;
            for (var row = 0; row < reference; row++, place += channels)
            {
                var normalized = channel.Normalized(V.Load(ref x, place));
                var dz = V.WhereAboveZero(channel.Scaled(normalized), V.Load(ref dy, place));
                V.Store(slope * (dz - V.FusedMultiplyAdd(normalized, correlation, mean)), ref dx, place);
            }

            for (var row = reference; row < rows; row++, place += channels)
            {
                var z = channel.Scaled(channel.Normalized(V.Load(ref x, place)));
                V.Store(slope * V.WhereAboveZero(z, V.Load(ref dy, place)), ref dx, place);
            }
        }
    }

    /// <inheritdoc/>
    public override void Tangent(StagePoint at, StageDirection along, Span<float> output)
    {
        ref var x = ref MemoryMarshal.GetReference(at.Input);
        ref var moved = ref MemoryMarshal.GetReference(along.Input);
        ref var direction = ref MemoryMarshal.GetReference(along.Parameters);
        ref var y = ref MemoryMarshal.GetReference(output);
        for (var c = 0; c < channels; c += V.Count)
        {
            var channel = Channel.Of(this, at, c);
            var share = V.Of(1f / rows);
            V.Store(Total(new Values(ref moved, c), rows) * share, ref at.Kept[0], At(Of.TangentMean, c));
            V.Store(Total(new Correlations(ref x, ref moved, c, channel), rows) * share, ref at.Kept[0], At(Of.TangentCorrelation, c));
            channel = Channel.Of(this, at, c);
            V gamma = V.Load(ref direction, c), beta = V.Load(ref direction, channels + c);
            nint place = c;
            for (var row = 0; row < rows; row++, place += channels)
            {
                var normalized = channel.Normalized(V.Load(ref x, place));
                var change = V.FusedMultiplyAdd(gamma, normalized, V.FusedMultiplyAdd(channel.Gamma, channel.NormalizedTangent(normalized, V.Load(ref moved, place)), beta));
                V.Store(V.WhereAboveZero(channel.Scaled(normalized), change), ref y, place);
            }
        }
    }

    /// <inheritdoc/>
    public override void TangentBackward(
        StagePoint at, StageDirection along, ReadOnlySpan<float> outputGradient, ReadOnlySpan<float> outputTangent, Span<float> parameters, Span<float> input)
    {
        ref var x = ref MemoryMarshal.GetReference(at.Input);
        ref var moved = ref MemoryMarshal.GetReference(along.Input);
        ref var dy = ref MemoryMarshal.GetReference(outputGradient);
        ref var change = ref MemoryMarshal.GetReference(outputTangent);
        ref var direction = ref MemoryMarshal.GetReference(along.Parameters);
        ref var dx = ref MemoryMarshal.GetReference(input);
        for (var c = 0; c < channels; c += V.Count)
        {
            var channel = Channel.Of(this, at, c);
            var (beta, gamma) = (V.Zero, V.Zero);
            nint place = c;
            for (var start = 0; start < rows; start += Together)
            {
                var (first, second) = (V.Zero, V.Zero);
                for (var row = start; row < int.Min(start + Together, rows); row++, place += channels)
                {
                    var normalized = channel.Normalized(V.Load(ref x, place));
                    var z = channel.Scaled(normalized);
                    V dz = V.WhereAboveZero(z, V.Load(ref dy, place)), dzTangent = V.WhereAboveZero(z, V.Load(ref change, place));
                    first += dzTangent;
                    second = V.FusedMultiplyAdd(dzTangent, normalized, V.FusedMultiplyAdd(dz, channel.NormalizedTangent(normalized, V.Load(ref moved, place)), second));
                }

                (beta, gamma) = (beta + first, gamma + second);
            }

            V.Store(gamma, ref parameters[0], c);
            V.Store(beta, ref parameters[0], channels + c);
            var share = V.Of(1f / rows);
            V meanTangent = beta * share, correlationTangent = gamma * share;
            V mean = V.Load(ref at.Kept[0], At(Of.GradientMean, c)), correlation = V.Load(ref at.Kept[0], At(Of.GradientCorrelation, c));
            var slope = channel.Gamma * channel.Inverse;
            // (γ/s)' = γ'/s − (γ/s)·s'/s
            var slopeTangent = channel.Inverse * (V.Load(ref direction, c) - (slope * channel.TangentCorrelation));
            place = c;
            for (var row = 0; row < rows; row++, place += channels)
            {
                var normalized = channel.Normalized(V.Load(ref x, place));
                var z = channel.Scaled(normalized);
                V dz = V.WhereAboveZero(z, V.Load(ref dy, place)), dzTangent = V.WhereAboveZero(z, V.Load(ref change, place));
                var centred = dz - V.FusedMultiplyAdd(normalized, correlation, mean);
                var centredTangent = dzTangent - V.FusedMultiplyAdd(
                    normalized, correlationTangent, V.FusedMultiplyAdd(channel.NormalizedTangent(normalized, V.Load(ref moved, place)), correlation, meanTangent));
                V.Store(V.FusedMultiplyAdd(slopeTangent, centred, slope * centredTangent), ref dx, place);
            }
        }
    }

    private int At(Of what, int channel) => ((int)what * channels) + channel;

    /// <summary>The sum over the first rows, in parts.</summary>
    private V Total<TTerm>(TTerm term, int count)
        where TTerm : struct, ITerm, allows ref struct
    {
        var total = V.Zero;
        nint place = 0;
        for (var start = 0; start < count; start += Together)
        {
            var sum = V.Zero;
            for (var row = start; row < int.Min(start + Together, count); row++, place += channels)
            {
                sum = term.Plus(sum, place);
            }

            total += sum;
        }

        return total;
    }

    /// <summary>What a sum over the rows is made of.</summary>
    private interface ITerm
    {
        V Plus(V sum, nint place);
    }

    private readonly ref struct Values(ref float x, int channel) : ITerm
    {
        private readonly ref float _x = ref Unsafe.Add(ref x, channel);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Plus(V sum, nint place) => sum + V.Load(ref _x, place);
    }

    private readonly ref struct Squares(ref float x, int channel, V mean) : ITerm
    {
        private readonly ref float _x = ref Unsafe.Add(ref x, channel);
        private readonly V _mean = mean;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Plus(V sum, nint place)
        {
            var centred = V.Load(ref _x, place) - _mean;
            return V.FusedMultiplyAdd(centred, centred, sum);
        }
    }

    private readonly ref struct Correlations(ref float x, ref float tangent, int at, Channel channel) : ITerm
    {
        private readonly ref float _x = ref Unsafe.Add(ref x, at);
        private readonly ref float _tangent = ref Unsafe.Add(ref tangent, at);
        private readonly Channel _channel = channel;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Plus(V sum, nint place) => V.FusedMultiplyAdd(_channel.Normalized(V.Load(ref _x, place)), V.Load(ref _tangent, place), sum);
    }

    /// <summary>Some channels' parameters and statistics.</summary>
    private readonly record struct Channel(V Gamma, V Beta, V Mean, V Inverse, V TangentMean, V TangentCorrelation)
    {
        public static Channel Of(NormalizationStage<V> stage, StagePoint at, int c)
        {
            ref var parameters = ref MemoryMarshal.GetReference(at.Parameters);
            ref var kept = ref MemoryMarshal.GetReference(at.Kept);
            return new Channel(
                V.Load(ref parameters, c),
                V.Load(ref parameters, (stage.Parameters / 2) + c),
                V.Load(ref kept, stage.At(NormalizationStage<V>.Of.Mean, c)),
                V.Load(ref kept, stage.At(NormalizationStage<V>.Of.InverseDeviation, c)),
                V.Load(ref kept, stage.At(NormalizationStage<V>.Of.TangentMean, c)),
                V.Load(ref kept, stage.At(NormalizationStage<V>.Of.TangentCorrelation, c)));
        }

        /// <summary>x̂</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Normalized(V x) => (x - Mean) * Inverse;

        /// <summary>z</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Scaled(V normalized) => V.FusedMultiplyAdd(Gamma, normalized, Beta);

        /// <summary>x̂'</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V NormalizedTangent(V normalized, V tangent) => Inverse * (tangent - V.FusedMultiplyAdd(normalized, TangentCorrelation, TangentMean));
    }
}
