// The site around fsdocs, which typesets README.md, docs/*.md and docs/*.fsx:
//
//     dotnet run .ci/site.cs -- gather INPUT OUTPUT    the pages as fsdocs reads them; files of the repository that they link to go to OUTPUT/files
//     dotnet run .ci/site.cs -- finish OUTPUT API      the API reference from docfx's Markdown in API, links to it from the pages, and a check of every link
#:package Markdig
#:property PublishAot=false
#:property EnforceCodeStyleInBuild=false

using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Markdig;

var tracked = Output("git", "ls-files", "--cached", "--others", "--exclude-standard").Split('\n', StringSplitOptions.RemoveEmptyEntries);
return args switch
{
    ["gather", var input, var output] => Gather(input, output),
    ["finish", var output, var api] => Finish(output, api),
    _ => Fail("usage: gather INPUT OUTPUT | finish OUTPUT API"),
};

// A Markdown file outside docs that a page links to becomes a page too.
int Gather(string input, string output)
{
    var pages = new Queue<string>(["README.md", "CHANGELOG.md", .. tracked.Where(file => Regex.IsMatch(file, @"^docs/[^/]+\.(md|fsx)$"))]);
    var done = new HashSet<string>(pages);
    while (pages.TryDequeue(out var page))
    {
        var folder = Path.GetDirectoryName(page)!;
        var text = Regex.Replace(File.ReadAllText(page), @"\]\((?!\w+:|#)([^)#\s]+)([^)\s]*)\)", link =>
        {
            var target = Path.GetRelativePath(".", Path.Combine(folder, link.Groups[1].Value)).TrimEnd('/');
            if (target.EndsWith(".md", StringComparison.Ordinal) && done.Add(target))
            {
                pages.Enqueue(target);
            }

            return $"]({(done.Contains(target) ? Name(target) : Copy(target, output))}{link.Groups[2].Value})";
        });
        // An indented block is a program's output, which fsdocs would mark as F#.
        text = page.EndsWith(".md", StringComparison.Ordinal) ? Regex.Replace(text, @"(?<=\n\n)(?: {4}.*\n)+", block => $"```text\n{Regex.Replace(block.Value, "(?m)^ {4}", "")}```\n") : text;
        File.WriteAllText(Path.Combine(input, Name(page)), text);
    }

    foreach (var file in tracked.Where(file => file.StartsWith("docs/", StringComparison.Ordinal) && !done.Contains(file)))
    {
        var copy = Path.Combine(input, Path.GetRelativePath("docs", file));
        Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
        File.Copy(file, copy, true);
    }

    return 0;
}

static string Name(string page) => page == "README.md" ? "index.md" : page.StartsWith("docs/", StringComparison.Ordinal) ? page[5..] : page.Replace('/', '-').ToLowerInvariant();

// A file as it is; a folder as its files and a page that lists them. The address in the site.
string Copy(string target, string output)
{
    var files = tracked.Where(file => file == target || file.StartsWith(target + "/", StringComparison.Ordinal)).ToList();
    foreach (var file in files)
    {
        var copy = Path.Combine(output, "files", file);
        Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
        File.Copy(file, copy, true);
    }

    if (files is [] || files[0] == target)
    {
        return $"files/{target}";
    }

    var name = $"files-{target.Replace('/', '-')}.html";
    var list = string.Concat(files.Select(file => $"<li><a href=\"files/{file}\">{file[(target.Length + 1)..]}</a></li>\n"));
    File.WriteAllText(Path.Combine(output, name), Page(target, $"<h1>{target}</h1>\n<ul>\n{list}</ul>"));
    return name;
}

// A type by its name, a member by its type's and its own.
static string Short(string uid, string api)
{
    var parts = uid.Split('.');
    return string.Join('.', parts[^(Directory.EnumerateFiles(api, uid + "*").Any() ? 1 : 2)..]);
}

static string Page(string title, string content) =>
    File.ReadAllText("docs/_template.html").Replace("{{fsdocs-page-title}}", title).Replace("{{root}}", "./").Replace("{{fsdocs-content}}", content);

int Finish(string output, string api)
{
    foreach (var file in Directory.EnumerateFiles(api, "*.md"))
    {
        var text = Regex.Replace(File.ReadAllText(file), @"#### (Inheritance\n\nobject ← \n\[[^\]]+\]\([^)]+\)\n|Implements\n\n(\[[^\n]*\n)+)", "");
        text = Regex.Replace(text, @"#### Type Parameters\n\n(`\w+` ?\n\n)+", "");
        text = Regex.Replace(text, @"<xref href=""([^""(%`]*)[^>]*></xref>", m => $"`{Short(m.Groups[1].Value, api)}`");
        text = Regex.Replace(text, @"\]\((Imaml[^)]*?)\.md", "]($1.html");
        var title = Path.GetFileNameWithoutExtension(file);
        File.WriteAllText(Path.Combine(output, title + ".html"), Page(title, $"<div class=\"api\">{Markdown.ToHtml(text)}</div>"));
    }

    // Names of types and namespaces in the pages lead to the reference. A name that two namespaces have leads nowhere.
    var types = Directory.EnumerateFiles(api, "*.md").Select(file => Path.GetFileNameWithoutExtension(file)!)
        .GroupBy(name => File.ReadLines(Path.Combine(api, name + ".md")).First().Contains("</a> Namespace ") ? name : Regex.Replace(name[(name.LastIndexOf('.') + 1)..], @"-\d$", ""))
        .Where(group => group.Select(name => name[..name.LastIndexOf('.')]).Distinct().Count() == 1)
        .ToDictionary(group => group.Key, group => group.Order(StringComparer.Ordinal).First());
    foreach (var file in Directory.EnumerateFiles(output, "*.html"))
    {
        var (name, html) = (Path.GetFileName(file), File.ReadAllText(file));
        html = html.Replace($"<a href=\"./{name}\">", $"<a href=\"./{name}\" aria-current=\"page\">");
        if (name != "changelog.html")
        {
            html = Regex.Replace(html, @"<code>(Imaml\.[\w.]+|[A-Z]\w+)((?:&lt;|\.|\()[^<]*)?</code>(?!</a>)", code =>
                types.TryGetValue(code.Groups[1].Value, out var type) ? $"<a href=\"{type}.html\">{code.Value}</a>" : code.Value);
        }

        // An option of a command is one word, also in a narrow column.
        html = Regex.Replace(html, @"(?<=<code>[^<]*)--[a-z][a-z-]*", "<span class=\"option\">$0</span>");
        if (html.Contains("class=\"math\""))
        {
            html = html.Replace("</head>", """
                    <link href="katex/katex.min.css" rel="stylesheet">
                    <script defer src="katex/katex.min.js"></script>
                    <script defer src="katex/auto-render.min.js" onload="renderMathInElement(document.body, { strict: false })"></script>
                </head>
                """);
        }

        File.WriteAllText(file, html);
    }

    var broken = Broken(output);
    broken.ForEach(Console.Error.WriteLine);
    return broken.Count == 0 ? 0 : Fail($"{broken.Count} links lead nowhere");
}

// Every href and src: the file and the anchor are there. Every page is linked from another.
static List<string> Broken(string output)
{
    var pages = Directory.EnumerateFiles(output, "*.html").ToDictionary(file => Path.GetFileName(file)!, File.ReadAllText);
    var anchors = pages.ToDictionary(page => page.Key, page => Regex.Matches(page.Value, @"\s(?:id|name)=""([^""]*)""").Select(m => WebUtility.HtmlDecode(m.Groups[1].Value)).ToHashSet());
    var (broken, reached) = (new List<string>(), new HashSet<string> { "index.html" });
    foreach (var (name, html) in pages)
    {
        foreach (Match link in Regex.Matches(html, @"\s(?:href|src)=""(?!https?:|data:)([^""#]*)(?:#([^""]*))?"""))
        {
            var target = link.Groups[1].Value is "" ? name : Uri.UnescapeDataString(WebUtility.HtmlDecode(link.Groups[1].Value)).Replace("./", "");
            var anchor = Uri.UnescapeDataString(WebUtility.HtmlDecode(link.Groups[2].Value));
            if (!File.Exists(Path.Combine(output, target)) || (anchor.Length > 0 && !(anchors.GetValueOrDefault(target)?.Contains(anchor) ?? false)))
            {
                broken.Add($"{name}: {link.Value.Trim()}");
            }

            if (target != name)
            {
                reached.Add(target);
            }
        }
    }

    return [.. broken, .. pages.Keys.Except(reached).Select(name => $"no page links to {name}")];
}

static string Output(string program, params string[] words)
{
    using var running = Process.Start(new ProcessStartInfo(program, words) { RedirectStandardOutput = true, StandardOutputEncoding = Encoding.UTF8 })!;
    return running.StandardOutput.ReadToEnd();
}

static int Fail(string message)
{
    Console.Error.WriteLine($"site: {message}");
    return 1;
}
