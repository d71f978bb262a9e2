// Markup that is always escaped: a value in an interpolated text is escaped unless it is markup itself.

using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;

namespace Imaml.Cli.Reports;

/// <summary>Markup.</summary>
/// <param name="Markup">The markup.</param>
internal readonly record struct Html(string Markup)
{
    /// <summary>Markup with values in it, which are escaped.</summary>
    public static Html Of(HtmlText text) => new(text.Markup);

    /// <summary>One after the other.</summary>
    public static Html Join(IEnumerable<Html> parts) => new(string.Concat(parts.Select(part => part.Markup)));

    /// <summary>A text as markup; control characters and halves of surrogate pairs become U+FFFD.</summary>
    public static string Escape(string? text)
    {
        var clean = new StringBuilder(text?.Length ?? 0);
        foreach (var rune in (text ?? "").EnumerateRunes())
        {
            clean.Append(Rune.IsControl(rune) && rune.Value is not (10 or 9) ? Rune.ReplacementChar.ToString() : rune.ToString());
        }

        return WebUtility.HtmlEncode(clean.ToString());
    }
}

/// <summary>Builds <see cref="Html"/>.</summary>
[InterpolatedStringHandler]
internal readonly struct HtmlText
{
    private readonly StringBuilder _markup;

    /// <summary>An empty one; the compiler fills it.</summary>
    public HtmlText(int literalLength, int formattedCount) => _markup = new StringBuilder(literalLength + (16 * formattedCount));

    /// <summary>What it holds.</summary>
    public string Markup => _markup.ToString();

    /// <summary>The program's own markup.</summary>
    public void AppendLiteral(string literal) => _markup.Append(literal);

    /// <summary>Markup in markup.</summary>
    public void AppendFormatted(Html part) => _markup.Append(part.Markup);

    /// <summary>Several parts.</summary>
    public void AppendFormatted(IEnumerable<Html> parts) => AppendFormatted(Html.Join(parts));

    /// <summary>A text, which is escaped.</summary>
    public void AppendFormatted(string? text) => _markup.Append(Html.Escape(text));

    /// <summary>A number.</summary>
    public void AppendFormatted<T>(T value, string? format = null)
        where T : IFormattable => AppendFormatted(value.ToString(format, CultureInfo.InvariantCulture));
}
