using System.Reflection;
using System.Text.RegularExpressions;
using TorchSharp;

namespace Imaml.Nets.LibTorch;

/// <summary>Versions of libtorch.</summary>
internal static partial class LibTorchVersion
{
    // TorchSharp's own property of this value would load libtorch first.
    private const string Constant = "libtorchPackageVersion";

    /// <summary>The one that TorchSharp is built for, in the three numbers of a PyTorch version.</summary>
    public static string Expected { get; } =
        typeof(torch).GetField(Constant, BindingFlags.Static | BindingFlags.NonPublic)?.GetRawConstantValue() is string text && System.Version.TryParse(text, out var version)
            ? version.ToString(3)
            : "unknown";

    /// <summary>The one in a folder: a PyTorch installation says it beside its lib folder; any other is taken for the expected one.</summary>
    public static string Of(string folder)
    {
        var file = Path.Combine(folder, "..", "version.py");
        var found = File.Exists(file) ? Stated().Match(File.ReadAllText(file)) : Match.Empty;
        return found.Success ? found.Groups["version"].Value : Expected;
    }

    [GeneratedRegex("__version__ = '(?<version>.*)'")]
    private static partial Regex Stated();
}
