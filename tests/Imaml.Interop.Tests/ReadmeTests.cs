using System.Text.RegularExpressions;
using Expecto;
using static Imaml.Interop.Tests.Check;

namespace Imaml.Interop.Tests;

/// <summary>What the README and the documentation show of the samples is what the samples do.</summary>
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

    /// <summary>The first code block after the document names this file is a part of it.</summary>
    private static void Shows(string document, string sample)
    {
        var readme = File.ReadAllText(Path.Combine(Root(), document));
        var named = readme.IndexOf(sample, StringComparison.Ordinal);
        That(named >= 0, $"{document} names {sample}");
        var first = readme.IndexOf('\n', readme.IndexOf("```", named, StringComparison.Ordinal)) + 1;
        var block = readme[first..readme.IndexOf("```", first, StringComparison.Ordinal)];
        That(block.Length > 100, "the block is more than a word");
        That(File.ReadAllText(Path.Combine(Root(), sample)).Contains(block), $"{sample} does not contain\n{block}");
    }

    [Tests]
    public static readonly Test Statements = List(
        "README",
        Statement("it has at most 150 lines", () => That(File.ReadAllLines(Path.Combine(Root(), "README.md")).Length <= 150, "README.md is longer")),
        Statement("what it shows from F# is in the sample", () => Shows("README.md", "samples/LogisticMetaProblem.FSharp/Program.fs")),
        Statement("what the documentation shows from C# is in the sample", () => Shows("docs/from-dotnet.md", "samples/LogisticMetaProblem.CSharp/Program.cs")),
        Statement("what the documentation shows from F# is in the sample", () => Shows("docs/from-dotnet.md", "samples/LogisticMetaProblem.FSharp/Program.fs")),
        Statement("every link in a document leads to a file", () =>
        {
            var documents = Directory.EnumerateFiles(Path.Combine(Root(), "docs"), "*.md").Append(Path.Combine(Root(), "README.md")).Append(Path.Combine(Root(), "results", "README.md"));
            foreach (var document in documents)
            {
                foreach (Match link in Regex.Matches(File.ReadAllText(document), @"\]\((?!https?:)([^)#]+)[^)]*\)"))
                {
                    var target = Path.Combine(Path.GetDirectoryName(document)!, link.Groups[1].Value);
                    That(File.Exists(target) || Directory.Exists(target), $"{Path.GetFileName(document)} links to {link.Groups[1].Value}, which is not there");
                }
            }
        }));
}
