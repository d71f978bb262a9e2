using System.Text.RegularExpressions;
using TorchSharp;

namespace Imaml.Nets.LibTorch;

/// <summary>Versions of libtorch.</summary>
internal static partial class LibTorchVersion
{
    /// <summary>The one that TorchSharp is built for.</summary>
    public static string Expected => torch.__version__;

    /// <summary>The one in a folder: a PyTorch installation says it beside its lib folder; any other is taken for the expected one.</summary>
    public static string Of(string folder)
    {
        var file = Path.Combine(folder, "..", "version.py");
        var found = File.Exists(file) ? Version().Match(File.ReadAllText(file)) : Match.Empty;
        return found.Success ? found.Groups["version"].Value : Expected;
    }

    [GeneratedRegex("__version__ = '(?<version>.*)'")]
    private static partial Regex Version();
}
