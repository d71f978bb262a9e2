// A value of the problem file with its path, so that every rule can say where it was broken. Paths of single numbers are made only when
// they are needed: a data matrix has millions.

using System.Globalization;
using System.Text.Json;
using MathNet.Numerics.LinearAlgebra;

namespace Imaml.Cli.Problems;

/// <summary>A value of the problem file.</summary>
internal sealed class ProblemNode
{
    private const double Symmetric = 1e-12;

    private readonly JsonElement _element;

    /// <summary>The value at a path.</summary>
    public ProblemNode(JsonElement element, string path) => (_element, Path) = (element, path);

    /// <summary>Where it is: <c>inner.A</c>.</summary>
    public string Path { get; }

    /// <summary>What is wrong with it.</summary>
    public ProblemFileException Error(string rule) => ErrorAt("", rule);

    /// <summary>What is wrong with one of its elements, as in <c>[1][2]</c>.</summary>
    public ProblemFileException ErrorAt(string element, string rule)
    {
        var path = Path + element;
        return new ProblemFileException(path.Length == 0 ? rule : $"{path}: {rule}");
    }

    /// <summary>The properties of an object: all that are required, none that is unknown, none twice.</summary>
    public IReadOnlyDictionary<string, ProblemNode> Properties(string[] required, params string[] optional)
    {
        var known = required.Concat(optional).ToArray();
        var found = new Dictionary<string, ProblemNode>(StringComparer.Ordinal);
        Expect(JsonValueKind.Object, "an object");
        foreach (var property in _element.EnumerateObject())
        {
            var node = new ProblemNode(property.Value, JsonText.Join(Path, property.Name));
            if (!known.Contains(property.Name, StringComparer.Ordinal))
            {
                throw node.Error($"unknown property{NearestName.Hint(property.Name, known)}; known: {string.Join(", ", known)}");
            }

            if (!found.TryAdd(property.Name, node))
            {
                throw node.Error("given twice");
            }
        }

        foreach (var name in required)
        {
            if (!found.ContainsKey(name))
            {
                throw new ProblemFileException($"{JsonText.Join(Path, name)}: missing");
            }
        }

        return found;
    }

    /// <summary>Whether an object has this property.</summary>
    public bool Has(string property)
    {
        Expect(JsonValueKind.Object, "an object");
        return _element.TryGetProperty(property, out _);
    }

    /// <summary>At least one element of an array.</summary>
    public IReadOnlyList<ProblemNode> Elements()
    {
        Expect(JsonValueKind.Array, "an array");
        return _element.GetArrayLength() == 0
            ? throw Error("must have at least one element")
            : [.. _element.EnumerateArray().Select((element, i) => new ProblemNode(element, $"{Path}[{i}]"))];
    }

    /// <summary>A property of an object that may have others: the one that says which.</summary>
    public string Kind(string property, string[] kinds)
    {
        Expect(JsonValueKind.Object, "an object");
        return _element.TryGetProperty(property, out var kind)
            ? new ProblemNode(kind, JsonText.Join(Path, property)).OneOf(kinds)
            : throw new ProblemFileException($"{JsonText.Join(Path, property)}: missing; known: {string.Join(", ", kinds)}");
    }

    /// <summary>One of these words.</summary>
    public string OneOf(string[] words)
    {
        Expect(JsonValueKind.String, $"one of {string.Join(", ", words.Select(word => $"\"{word}\""))}");
        var word = Text();
        return words.Contains(word, StringComparer.Ordinal)
            ? word
            : throw Error($"unknown: \"{JsonText.Quote(word)}\"{NearestName.Hint(word, words)}; known: {string.Join(", ", words)}");
    }

    /// <summary>A finite number.</summary>
    public double Number() => Number(_element, "");

    /// <summary>A whole number that is at least this.</summary>
    public int[] WholeNumbers(int least)
    {
        var numbers = Numbers(_element, "");
        return [.. numbers.Select((number, i) =>
            number >= least && number <= int.MaxValue && number == System.Math.Floor(number)
                ? (int)number
                : throw ErrorAt($"[{i}]", $"must be a whole number from {least} on, not {Show(number)}"))];
    }

    /// <summary>A whole number that is at least this.</summary>
    public int WholeNumber(int least)
    {
        var number = Number();
        return number >= least && number <= int.MaxValue && number == System.Math.Floor(number)
            ? (int)number
            : throw Error($"must be a whole number from {least} on, not {Show(number)}");
    }

    /// <summary>At least one number.</summary>
    public Vector<double> Vector() => Vector<double>.Build.Dense(Numbers(_element, ""));

    /// <summary>At least one row of at least one number, all of the same length.</summary>
    public Matrix<double> Matrix()
    {
        Expect(JsonValueKind.Array, "an array of rows");
        if (_element.GetArrayLength() == 0)
        {
            throw Error("must have at least one row");
        }

        var rows = new List<double[]>(_element.GetArrayLength());
        foreach (var row in _element.EnumerateArray())
        {
            var at = $"[{rows.Count}]";
            rows.Add(Numbers(row, at));
            if (rows[^1].Length != rows[0].Length)
            {
                throw ErrorAt(at, $"{Count(rows[^1].Length)}, but {Path}[0] has {rows[0].Length}: all rows must be equally long");
            }
        }

        return Matrix<double>.Build.DenseOfRowArrays(rows);
    }

    /// <summary>A single row or column of numbers as a matrix of one column, or a matrix.</summary>
    public Matrix<double> Columns() =>
        _element.ValueKind == JsonValueKind.Array && _element.GetArrayLength() > 0 && _element[0].ValueKind == JsonValueKind.Array
            ? Matrix()
            : Vector().ToColumnMatrix();

    /// <summary>
    /// A symmetric matrix of this size. Entries that mirror each other may differ by 1e-12 of the largest entry, as they do in a matrix that
    /// was computed and printed; their mean is taken.
    /// </summary>
    public Matrix<double> SymmetricMatrix(int size)
    {
        var matrix = Matrix();
        if (matrix.RowCount != matrix.ColumnCount)
        {
            throw Error($"{Shape(matrix)}, but must be square");
        }

        if (matrix.RowCount != size)
        {
            throw Error($"{Shape(matrix)}, but theta has {Count(size)}");
        }

        var tolerance = Symmetric * matrix.Enumerate().Max(System.Math.Abs);
        for (var i = 0; i < size; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (!(System.Math.Abs(matrix[i, j] - matrix[j, i]) <= tolerance))
                {
                    throw ErrorAt($"[{j}][{i}]", $"{Show(matrix[j, i])}, but {Path}[{i}][{j}] is {Show(matrix[i, j])}: the matrix must be symmetric");
                }

                matrix[i, j] = matrix[j, i] = 0.5 * matrix[i, j] + 0.5 * matrix[j, i];
            }
        }

        return matrix;
    }

    /// <summary>A matrix's size: 2 × 3.</summary>
    public static string Shape(Matrix<double> matrix) => $"{matrix.RowCount} × {matrix.ColumnCount}";

    /// <summary>How many numbers.</summary>
    public static string Count(int count, string what = "number") => count == 1 ? $"1 {what}" : $"{count} {what}s";

    /// <summary>A number as a file has it.</summary>
    public static string Show(double number) => number.ToString("R", CultureInfo.InvariantCulture);

    private double[] Numbers(JsonElement array, string at)
    {
        Expect(array, at, JsonValueKind.Array, "an array of numbers");
        var numbers = new double[array.GetArrayLength()];
        if (numbers.Length == 0)
        {
            throw ErrorAt(at, "must have at least one number");
        }

        var i = 0;
        foreach (var element in array.EnumerateArray())
        {
            numbers[i] = element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out var value) && double.IsFinite(value)
                ? value
                : Number(element, $"{at}[{i}]");
            i++;
        }

        return numbers;
    }

    private double Number(JsonElement element, string at)
    {
        Expect(element, at, JsonValueKind.Number, "a number");
        return element.TryGetDouble(out var value) && double.IsFinite(value)
            ? value
            : throw ErrorAt(at, $"{JsonText.Quote(element.GetRawText())} is too large for a number in double precision");
    }

    private string Text()
    {
        try
        {
            return _element.GetString() ?? "";
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair, escaped.
            throw Error("a string that is not text");
        }
    }

    private void Expect(JsonValueKind kind, string what) => Expect(_element, "", kind, what);

    private void Expect(JsonElement element, string at, JsonValueKind kind, string what)
    {
        if (element.ValueKind != kind)
        {
            throw ErrorAt(at, $"must be {what}, not {InWords(element)}");
        }
    }

    private static string InWords(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        _ => JsonText.Quote(element.GetRawText()),
    };
}
