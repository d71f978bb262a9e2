using Expecto;
using static Imaml.Interop.Tests.Check;

namespace Imaml.Interop.Tests;

/// <summary>What the README shows of the samples is what the samples do.</summary>
public static class ReadmeTests
{
    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Imaml.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new DirectoryNotFoundException("the repository's root, with Imaml.sln, is not above the test program");
    }

    /// <summary>The first code block after the README names this file is a part of it.</summary>
    private static void Shows(string sample)
    {
        var readme = File.ReadAllText(Path.Combine(Root(), "README.md"));
        var named = readme.IndexOf(sample, StringComparison.Ordinal);
        That(named >= 0, $"README.md names {sample}");
        var first = readme.IndexOf('\n', readme.IndexOf("```", named, StringComparison.Ordinal)) + 1;
        var block = readme[first..readme.IndexOf("```", first, StringComparison.Ordinal)];
        That(block.Length > 100, "the block is more than a word");
        That(File.ReadAllText(Path.Combine(Root(), sample)).Contains(block), $"{sample} does not contain\n{block}");
    }

    [Tests]
    public static readonly Test Statements = List(
        "README",
        Statement("what it shows from C# is in the sample", () => Shows("samples/LogisticMetaProblem.CSharp/Program.cs")),
        Statement("what it shows from F# is in the sample", () => Shows("samples/LogisticMetaProblem.FSharp/Program.fs")));
}
