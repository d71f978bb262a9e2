using Imaml.Cli.Benchmarks;
using ScottPlot;

namespace Imaml.Cli.Plots;

/// <summary>
/// How one curve looks. A method looks the same in every figure: colours that readers with any colour vision tell apart (Okabe and Ito 2008), dashes and markers that distinguish the methods in grey.
/// Variants of a method have its colour.
/// </summary>
/// <param name="Color">Of line, marker, band and whiskers.</param>
/// <param name="Dashes">Lengths of dashes and gaps in pixels; null for a solid line.</param>
/// <param name="Shape">The shape of the markers.</param>
internal sealed record PlotStyle(Color Color, float[]? Dashes, MarkerShape Shape)
{
    /// <summary>Names of methods that no command but a figure has: iMAML with another number of CG steps than 5, and variants of MAML.</summary>
    public const string Imaml2 = "imaml-gd-2-cg", Imaml10 = "imaml-gd-10-cg", ImamlNesterov = "imaml-nesterov", MamlNesterov = "maml-nesterov", Truncated = "truncated", Truncated10 = "truncated-10", FirstOrder = "fomaml";

    private const float MarkerSize = 7, MarkerLine = 1.3f;

    private static readonly float[] Long = [8, 4], Short = [4, 2.5f], Dots = [1.6f, 2.6f], DashDot = [8, 2.5f, 1.6f, 2.5f];

    private static readonly Color Black = Color.FromHex("#000000"), Blue = Color.FromHex("#0072B2"), Sky = Color.FromHex("#56B4E9"), Green = Color.FromHex("#009E73"),
        Vermillion = Color.FromHex("#D55E00"), Orange = Color.FromHex("#E69F00"), Purple = Color.FromHex("#CC79A7"), Grey = Color.FromHex("#666666");

    /// <summary>The look of every method, by its name.</summary>
    public static IReadOnlyDictionary<string, PlotStyle> Methods { get; } = new Dictionary<string, PlotStyle>
    {
        [BenchMethod.Imaml] = new(Blue, null, MarkerShape.FilledCircle),
        [Imaml2] = new(Sky, Long, MarkerShape.FilledSquare),
        [Imaml10] = new(Black, Short, MarkerShape.OpenCircle),
        [ImamlNesterov] = new(Blue, DashDot, MarkerShape.OpenDiamond),
        ["imaml-hf"] = new(Green, null, MarkerShape.FilledDiamond),
        [BenchMethod.Maml] = new(Vermillion, Long, MarkerShape.FilledTriangleUp),
        [MamlNesterov] = new(Vermillion, DashDot, MarkerShape.OpenTriangleUp),
        [BenchMethod.MamlRecompute] = new(Vermillion, Dots, MarkerShape.OpenTriangleDown),
        [Truncated] = new(Orange, Short, MarkerShape.OpenSquare),
        [Truncated10] = new(Orange, Dots, MarkerShape.Cross),
        [FirstOrder] = new(Purple, Short, MarkerShape.FilledTriangleDown),
        ["reptile"] = new(Orange, Long, MarkerShape.Eks),
        ["meta-sgd"] = new(Black, Long, MarkerShape.Asterisk),
        ["head"] = new(Sky, null, MarkerShape.OpenTriangleUp),
    };

    /// <summary>Looks of what is not a method: parts of an error, places of a spectrum.</summary>
    public static IReadOnlyList<PlotStyle> Others { get; } =
        [new(Black, null, MarkerShape.OpenSquare), new(Sky, Short, MarkerShape.OpenDiamond), new(Green, Dots, MarkerShape.OpenTriangleUp)];

    /// <summary>A level or a bound that a curve is compared with.</summary>
    public static PlotStyle Reference { get; } = new(Grey, Dots, MarkerShape.HorizontalBar);

    /// <summary>A second curve of the method: its colour, and the open form of its marker.</summary>
    public PlotStyle Open => this with
    {
        Dashes = Dots,
        Shape = Shape switch
        {
            MarkerShape.FilledCircle => MarkerShape.OpenCircle,
            MarkerShape.FilledSquare => MarkerShape.OpenSquare,
            MarkerShape.FilledTriangleDown => MarkerShape.OpenTriangleDown,
            var other => other,
        },
    };

    /// <summary>ScottPlot's form of the markers.</summary>
    public MarkerStyle Marker => new(Shape, MarkerSize, Color) { LineWidth = MarkerLine, LineColor = Color };
}
