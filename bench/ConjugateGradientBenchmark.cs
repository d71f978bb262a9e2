// What the abstraction costs: conjugate gradients over IInnerProductSpace against the same algorithm written by hand on MathNet's vectors,
// on one system of d = 1000, a fixed number of steps each. With a dense A the products take most of the time; with a diagonal A the other operations do.

using BenchmarkDotNet.Attributes;
using Imaml.Math;
using MathNet.Numerics.Distributions;
using MathNet.Numerics.LinearAlgebra;

namespace Imaml.Bench;

/// <summary>Conjugate gradients, generic and by hand.</summary>
[MemoryDiagnoser]
public class ConjugateGradientBenchmark
{
    private readonly EuclideanSpace _space = new();
    private readonly LinearSolveOptions _options = new(Steps, relativeResidual: 0, checkEvery: 0, recomputeResidual: false);
    private Vector<double> _b = null!;
    private ConjugateGradientSolver<Vector<double>, double> _solver = null!;
    private ILinearOperator<Vector<double>> _operator = null!;

    private const int Steps = 20;

    /// <summary>d.</summary>
    [Params(1000)]
    public int Size { get; set; }

    /// <summary>The kind of A.</summary>
    [Params(nameof(Dense), nameof(Diagonal))]
    public string Operator { get; set; } = nameof(Dense);

    /// <summary>A = I + GGᵀ/d, or a diagonal of the same range, and b, from a seed.</summary>
    [GlobalSetup]
    public void Draw()
    {
        var random = new Random(1);
        _b = Vector<double>.Build.Dense(Size, _ => Normal.Sample(random, 0, 1));
        if (Operator == nameof(Dense))
        {
            var g = Matrix<double>.Build.Dense(Size, Size, (_, _) => Normal.Sample(random, 0, 1));
            _operator = new Dense((g.TransposeAndMultiply(g) / Size) + Matrix<double>.Build.DenseIdentity(Size));
        }
        else
        {
            _operator = new Diagonal(Vector<double>.Build.Dense(Size, _ => 1 + (4 * random.NextDouble())));
        }

        _solver = new ConjugateGradientSolver<Vector<double>, double>(_options);
        var difference = (Generic() - ByHand()).L2Norm() / ByHand().L2Norm();
        if (!(difference < 1e-12))
        {
            throw new InvalidOperationException($"the two solutions differ by {difference}");
        }
    }

    /// <summary>The textbook's loop.</summary>
    [Benchmark(Baseline = true)]
    public Vector<double> ByHand()
    {
        var x = Vector<double>.Build.Dense(Size);
        var r = _b;
        var p = r;
        var rho = r.DotProduct(r);
        for (var k = 0; k < Steps; k++)
        {
            var q = _operator.Apply(p);
            var alpha = rho / p.DotProduct(q);
            x += alpha * p;
            r -= alpha * q;
            var next = r.DotProduct(r);
            p = r + (next / rho * p);
            rho = next;
        }

        return x;
    }

    /// <summary>The library's, with its report.</summary>
    [Benchmark]
    public Vector<double> Generic() => ((ILinearSolver<Vector<double>, double>)_solver).Solve(_space, _operator, _b, 0).Solution;

    private sealed class Dense(Matrix<double> a) : ILinearOperator<Vector<double>>
    {
        public Vector<double> Apply(Vector<double> w) => a * w;
    }

    private sealed class Diagonal(Vector<double> a) : ILinearOperator<Vector<double>>
    {
        public Vector<double> Apply(Vector<double> w) => a.PointwiseMultiply(w);
    }
}
