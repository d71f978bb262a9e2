// Λ of a problem file:
//
//     {"kind": "scalar", "lambda": 2.0}              λI
//     {"kind": "diagonal", "lambda": [1.0, 2.0]}     one λ for each parameter
//     {"kind": "matrix", "lambda": [[2, 1], [1, 2]]} a symmetric positive definite matrix

using Imaml.Theory;
using MathNet.Numerics.LinearAlgebra;

namespace Imaml.Cli.Problems;

/// <summary>Reads Λ.</summary>
internal static class RegularizerReader
{
    private const string Scalar = "scalar", Diagonal = "diagonal", Full = "matrix";

    // The core's limit for a matrix Λ.
    private const double Largest = 1e150;

    /// <summary>The kinds of Λ that there are.</summary>
    public static string[] Kinds { get; } = [Scalar, Diagonal, Full];

    /// <summary>Λ for as many parameters as θ has, and its kind.</summary>
    /// <exception cref="ProblemFileException">A rule is broken.</exception>
    public static (Proximal Proximal, string Kind) Read(ProblemNode node, int parameters)
    {
        var kind = node.Kind("kind", Kinds);
        var lambda = node.Properties(["kind", "lambda"])["lambda"];
        var proximal = kind switch
        {
            Scalar => Proximal.NewScalar(Positive(lambda, "", lambda.Number())),
            Diagonal => Proximal.NewDiagonal(ReadDiagonal(lambda, parameters)),
            _ => Proximal.NewMatrix(ReadMatrix(lambda, parameters)),
        };
        return (proximal, kind);
    }

    private static double Positive(ProblemNode node, string at, double lambda) =>
        lambda > 0.0 ? lambda : throw node.ErrorAt(at, $"must be greater than 0, not {ProblemNode.Show(lambda)}");

    private static Vector<double> ReadDiagonal(ProblemNode node, int parameters)
    {
        var lambdas = node.Vector();
        if (lambdas.Count != parameters)
        {
            throw node.Error($"{ProblemNode.Count(lambdas.Count)}, but theta has {parameters}");
        }

        for (var j = 0; j < lambdas.Count; j++)
        {
            Positive(node, $"[{j}]", lambdas[j]);
        }

        return lambdas;
    }

    private static Matrix<double> ReadMatrix(ProblemNode node, int parameters)
    {
        var matrix = node.SymmetricMatrix(parameters);
        if (matrix.Enumerate().Any(value => System.Math.Abs(value) > Largest))
        {
            throw node.Error("numbers so large that their squares overflow");
        }

        try
        {
            ProximalModule.check(parameters, Proximal.NewMatrix(matrix));
            return matrix;
        }
        catch (ArgumentException)
        {
            var (smallest, largest) = Spectrum.ends(matrix);
            var close = smallest > 0.0 ? $", too small compared with its largest, {largest:G3}" : "";
            throw node.Error($"must be positive definite, but its smallest eigenvalue is {smallest:G3}{close}");
        }
    }
}
