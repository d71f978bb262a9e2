using System.Text.RegularExpressions;
using Expecto;
using static Imaml.Interop.Tests.Check;

namespace Imaml.Interop.Tests;

/// <summary>The README is short, and its links and those of the documentation lead to files.</summary>
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

    [Tests]
    public static readonly Test Statements = List(
        "README",
        Statement("it has at most 150 lines", () => That(File.ReadAllLines(Path.Combine(Root(), "README.md")).Length <= 150, "README.md is longer")),
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
