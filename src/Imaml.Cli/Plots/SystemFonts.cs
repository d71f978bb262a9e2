// Names of classes are in any script, and the program's own font has not all of them: other characters come from the fonts of the machine.

using System.Collections.Concurrent;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>The fonts of this machine, where they usually are. Text is not shaped: letters that join, as in Arabic, stand apart.</summary>
internal static class SystemFonts
{
    private static readonly ConcurrentDictionary<int, SKTypeface?> Found = new();

    private static readonly Lazy<string[]> Files = new(() =>
    [
        .. new[]
        {
            "/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts", Environment.GetFolderPath(Environment.SpecialFolder.Fonts),
            Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "fonts"),
        }
        .Distinct().Where(Directory.Exists)
        .SelectMany(folder => Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 8 }))
        .Where(file => Path.GetExtension(file).ToLowerInvariant() is ".ttf" or ".otf" or ".ttc")
        .Order(StringComparer.Ordinal),
    ]);

    /// <summary>The first font, by its file's name, that has a character, or null.</summary>
    public static SKTypeface? With(int character) => Found.GetOrAdd(character, static character =>
    {
        foreach (var file in Files.Value)
        {
            // Null where the file is no font that can be read.
            var face = SKTypeface.FromFile(file);
            if (face?.ContainsGlyph(character) == true)
            {
                return face;
            }

            face?.Dispose();
        }

        return null;
    });
}
