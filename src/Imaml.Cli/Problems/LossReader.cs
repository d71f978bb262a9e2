// The losses of a problem file, inner or outer:
//
//     {"kind": "quadratic", "A": [[…]], "b": […], "c": 0}                 ½φᵀAφ + bᵀφ + c; c may be left out
//     {"kind": "least-squares", "X": [[…]], "y": […]}                     ‖Xφ − y‖²/(2n)
//     {"kind": "logistic", "X": [[…]], "y": [0, 1, …]}                    the mean of log(1 + e^z) − yz, z = Xφ
//     {"kind": "softmax", "X": [[…]], "y": [2, 0, …], "classes": 3}       the mean of log Σ e^z − z_y, z = Wᵀx; φ is W class by class
//     {"kind": "mlp", "layers": [2, 4, 3], "activation": "tanh", "loss": "cross-entropy", "X": [[…]], "y": [2, 0, …]}
//
// A network's φ is layer after layer, weights by output and then biases. Its y is a list of classes 0, 1, … or one row with a single 1 for each
// example; under "mse", the mean of all (prediction − target)², a list of numbers for one output, otherwise one row for each example.

using Imaml.Theory;
using MathNet.Numerics.LinearAlgebra;

namespace Imaml.Cli.Problems;

/// <summary>Reads a loss.</summary>
internal static class LossReader
{
    private const string Quadratic = "quadratic", LeastSquares = "least-squares", Logistic = "logistic", Softmax = "softmax", Perceptron = "mlp", CrossEntropy = "cross-entropy";

    private static readonly Dictionary<string, Activation> Activations = new()
    {
        ["tanh"] = Activation.Tanh,
        ["relu"] = Activation.Relu,
        ["softplus"] = Activation.Softplus,
        ["identity"] = Activation.Identity,
    };

    /// <summary>The kinds of losses that there are.</summary>
    public static string[] Kinds { get; } = [Quadratic, LeastSquares, Logistic, Softmax, Perceptron];

    /// <summary>The loss, of as many parameters as θ has, and its kind.</summary>
    /// <exception cref="ProblemFileException">A rule is broken.</exception>
    public static (SmoothLoss Loss, string Kind) Read(ProblemNode node, int parameters)
    {
        var kind = node.Kind("kind", Kinds);
        var loss = kind switch
        {
            Quadratic => ReadQuadratic(node, parameters),
            Perceptron => ReadPerceptron(node, parameters),
            _ => ReadExamples(node, parameters),
        };
        return (loss, kind);
    }

    private static SmoothLoss ReadQuadratic(ProblemNode node, int parameters)
    {
        var properties = node.Properties(["kind", "A", "b"], "c");
        var a = properties["A"].SymmetricMatrix(parameters);
        var b = properties["b"].Vector();
        if (b.Count != parameters)
        {
            throw properties["b"].Error($"{ProblemNode.Count(b.Count)}, but {properties["A"].Path} is {ProblemNode.Shape(a)}");
        }

        return Theory.Quadratic.loss(a, b, properties.TryGetValue("c", out var c) ? c.Number() : 0.0);
    }

    /// <summary>The examples of a loss that is a mean over them, and how their outputs are compared.</summary>
    /// <exception cref="ProblemFileException">A rule is broken, or the loss has no examples that can be weighted.</exception>
    public static (Link Link, Matrix<double> X, Vector<double> Y) Examples(ProblemNode node, int parameters)
    {
        var kind = node.Kind("kind", Kinds);
        if (kind is not (LeastSquares or Logistic or Softmax))
        {
            throw node.Error($"weights of examples need a loss of kind {LeastSquares}, {Logistic} or {Softmax}, not {kind}");
        }

        var properties = node.Properties(kind == Softmax ? ["kind", "X", "y", "classes"] : ["kind", "X", "y"]);
        var classes = kind == Softmax ? properties["classes"].WholeNumber(2) : 1;
        var x = properties["X"].Matrix();
        if ((double)x.ColumnCount * classes != parameters)
        {
            throw properties["X"].Error(kind == Softmax
                ? $"{ProblemNode.Shape(x)} with {classes} classes is {x.ColumnCount} × {classes} weights, but theta has {ProblemNode.Count(parameters)}"
                : $"{ProblemNode.Shape(x)}, but theta has {ProblemNode.Count(parameters)}: one column for each");
        }

        var y = properties["y"].Vector();
        if (y.Count != x.RowCount)
        {
            throw properties["y"].Error($"{ProblemNode.Count(y.Count)}, but {properties["X"].Path} is {ProblemNode.Shape(x)}: one for each row");
        }

        if (kind == Softmax)
        {
            CheckClasses(properties["y"], y, classes);
        }
        else if (kind == Logistic && y.Find(label => label is not (0.0 or 1.0), Zeros.Include) is var (i, wrong))
        {
            throw properties["y"].ErrorAt($"[{i}]", $"a label must be 0 or 1, not {ProblemNode.Show(wrong)}");
        }

        return (kind == LeastSquares ? Link.Squares : kind == Logistic ? Link.Logistic : Link.NewSoftmax(classes), x, y);
    }

    private static SmoothLoss ReadExamples(ProblemNode node, int parameters)
    {
        var (link, x, y) = Examples(node, parameters);
        return link switch
        {
            { IsSquares: true } => LinearRegression.loss(x, y),
            { IsLogistic: true } => LogisticRegression.loss(x, y),
            _ => SoftmaxRegression.loss(ExampleLoss.outputs(link), x, y),
        };
    }

    private static SmoothLoss ReadPerceptron(ProblemNode node, int parameters)
    {
        var properties = node.Properties(["kind", "layers", "activation", "loss", "X", "y"]);
        var layers = ReadLayers(properties["layers"], parameters);
        var activation = Activations[properties["activation"].OneOf([.. Activations.Keys])];
        var crossEntropy = properties["loss"].OneOf([CrossEntropy, "mse"]) == CrossEntropy;
        if (crossEntropy && layers[^1] < 2)
        {
            throw properties["layers"].ErrorAt($"[{layers.Length - 1}]", $"{CrossEntropy} needs at least 2 outputs, not {layers[^1]}");
        }

        var x = properties["X"].Matrix();
        if (x.ColumnCount != layers[0])
        {
            throw properties["X"].Error($"{ProblemNode.Shape(x)}, but {properties["layers"].Path}[0] is {layers[0]}: one column for each input");
        }

        var targets = properties["y"];
        var y = targets.Columns();
        if (y.RowCount != x.RowCount)
        {
            throw targets.Error($"{ProblemNode.Count(y.RowCount, "row")}, but {properties["X"].Path} is {ProblemNode.Shape(x)}: one for each row");
        }

        if (crossEntropy && y.ColumnCount == 1)
        {
            CheckClasses(targets, y.Column(0), layers[^1]);
        }
        else if (y.ColumnCount != layers[^1])
        {
            throw targets.Error($"{ProblemNode.Shape(y)}, but {properties["layers"].Path} has {ProblemNode.Count(layers[^1], "output")}: one column for each");
        }
        else if (crossEntropy)
        {
            CheckRows(targets, y);
        }

        return MultilayerPerceptron.loss(layers, activation, crossEntropy ? OutputLoss.CrossEntropy : OutputLoss.MeanSquaredError, x, y);
    }

    private static int[] ReadLayers(ProblemNode node, int parameters)
    {
        var layers = node.WholeNumbers(1);
        if (layers.Length < 2)
        {
            throw node.Error("must have at least 2 widths: inputs, hidden layers if any, outputs");
        }

        var count = layers.Zip(layers.Skip(1)).Aggregate(0.0, (sum, pair) => sum + pair.Second * (pair.First + 1.0));
        if (count != parameters)
        {
            throw node.Error($"[{string.Join(", ", layers.Take(8))}{(layers.Length > 8 ? ", …" : "")}] has {count:F0} parameters, but theta has {ProblemNode.Count(parameters)}");
        }

        return layers;
    }

    private static void CheckClasses(ProblemNode targets, Vector<double> labels, int classes)
    {
        if (labels.Find(label => !(label >= 0.0 && label < classes && label == System.Math.Floor(label)), Zeros.Include) is var (i, wrong))
        {
            throw targets.ErrorAt($"[{i}]", $"a class must be a whole number from 0 to {classes - 1}, not {ProblemNode.Show(wrong)}");
        }
    }

    private static void CheckRows(ProblemNode targets, Matrix<double> rows)
    {
        for (var i = 0; i < rows.RowCount; i++)
        {
            var row = rows.Row(i);
            if (row.Find(value => value is not (0.0 or 1.0), Zeros.Include) is var (j, wrong))
            {
                throw targets.ErrorAt($"[{i}][{j}]", $"must be 0 or 1, not {ProblemNode.Show(wrong)}: a row has a single 1, for its class");
            }

            if (row.Sum() is var ones and not 1.0)
            {
                throw targets.ErrorAt($"[{i}]", $"must have a single 1, for its class, not {ProblemNode.Show(ones)}");
            }
        }
    }
}
