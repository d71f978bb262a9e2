using ScottPlot;

namespace Imaml.Cli.Plots;

/// <summary>How one curve looks: colours that readers with any colour vision tell apart (Okabe and Ito 2008), dashes and markers that tell the curves apart in grey.</summary>
/// <param name="Color">Of line, marker and band.</param>
/// <param name="Dashes">Lengths of dashes and gaps in pixels; null for a line that is whole.</param>
/// <param name="Shape">The shape of the markers.</param>
internal sealed record PlotStyle(Color Color, float[]? Dashes, MarkerShape Shape)
{
    private const float MarkerSize = 8, MarkerLine = 1.5f;

    private static readonly float[] Long = [9, 5], Short = [4, 3], Dots = [1.8f, 3.2f], DashDot = [9, 3, 1.8f, 3];

    private static readonly PlotStyle[] Styles =
    [
        new(Color.FromHex("#000000"), null, MarkerShape.FilledCircle),
        new(Color.FromHex("#0072B2"), Long, MarkerShape.FilledSquare),
        new(Color.FromHex("#D55E00"), Dots, MarkerShape.FilledTriangleUp),
        new(Color.FromHex("#009E73"), Short, MarkerShape.OpenDiamond),
        new(Color.FromHex("#CC79A7"), null, MarkerShape.OpenCircle),
        new(Color.FromHex("#E69F00"), DashDot, MarkerShape.OpenTriangleDown),
        new(Color.FromHex("#56B4E9"), null, MarkerShape.Cross),
        new(Color.FromHex("#666666"), Dots, MarkerShape.OpenSquare),
    ];

    /// <summary>How many there are.</summary>
    public static int Count => Styles.Length;

    /// <summary>ScottPlot's form of the markers.</summary>
    public MarkerStyle Marker => new(Shape, MarkerSize, Color) { LineWidth = MarkerLine, LineColor = Color };

    /// <summary>The style with this number; they repeat after <see cref="Count"/>.</summary>
    public static PlotStyle Of(int number) => Styles[number % Styles.Length];
}
