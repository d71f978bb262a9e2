using System.Globalization;
using Imaml.Cli.Commands;
using Imaml.Theory;

namespace Imaml.Cli.Results;

/// <summary>Table 1 with measured numbers next to the paper's statements, at the terminal and as Markdown.</summary>
internal static class Table1Report
{
    private static readonly string[] Headings =
    [
        "method", "compute, in ∇L̂", "exponent of κ", "memory, in vectors", "exponent of κ", "a step", "error", "largest",
    ];

    /// <summary>For the terminal.</summary>
    public static void Print(Table1File file)
    {
        var table = new TextTable(Headings) { Title = Caption(file), FirstNumber = 1 };
        foreach (var row in file.Rows)
        {
            table.Add([.. Cells(row)]);
        }

        table.Print();
    }

    /// <summary>For a document.</summary>
    public static string Markdown(Table1File file, IEnumerable<CheckedClaim> claims) =>
        $"""
        # Table 1, measured

        `imaml reproduce table1 --seed {file.Seed}`: {Caption(file)}. Compute is gradients and Hessian–vector products, memory the vectors that live at once and how many a step adds, both
        counted on the code that runs, for κ from 10 to 10⁴; in brackets 95 % intervals. The largest error is relative. Program {file.Provenance.Version}; {file.Provenance.Machine}.

        {Line(Headings)}
        {Line(Headings.Select(_ => "---"))}
        {string.Join('\n', file.Rows.Select(row => Line(Cells(row))))}

        {Ledger.markdown(claims)}
        """;

    private static string Caption(Table1File file) =>
        string.Create(CultureInfo.InvariantCulture, $"{file.Problems} quadratics of {file.Dimension} parameters, δ/D = {file.Accuracy:G}");

    private static string[] Cells(Table1Row row) =>
    [
        row.Name, $"O({row.Compute})", Slope(row.ComputeSlope), $"O({row.Memory})", Slope(row.MemorySlope), Number(row.VectorsPerStep.Slope, 2),
        $"{row.Error}, {row.ErrorKind}", row.LargestError.ToString("0.0e-0", CultureInfo.InvariantCulture),
    ];

    private static string Slope(FittedSlope slope) => $"{Number(slope.Slope, 3)} [{Number(slope.Low, 3)}, {Number(slope.High, 3)}]";

    // Zero is added so that what rounds to zero has no minus.
    private static string Number(double value, int digits) => (double.Round(value, digits) + 0.0).ToString($"F{digits}", CultureInfo.InvariantCulture);

    private static string Line(IEnumerable<string> cells) => $"| {string.Join(" | ", cells)} |";
}
