// What Figure 2(a) and its companions show of the points that were measured; how they are drawn is the plots' own matter.

using Imaml.Cli.Plots;
using Imaml.Theory;

namespace Imaml.Cli.Results;

/// <summary>The panels of the four figures.</summary>
internal sealed class Figure2aPlots(IReadOnlyList<Figure2aPoint> points)
{
    // Below it rounding decides, and the curves are said to be converged.
    private const double LowestDrawn = 1e-8;

    private const string ExactSolve = "exact-solve error ‖g − d_θL(Alg*(θ))‖, relative";
    private const string ApproximateSolve = "approximate-solve error ‖g − d_θL(Alg(θ))‖, relative";

    private static readonly PlotAxis InnerSteps = new("inner steps", Scale.Logarithmic);

    /// <summary>The paper's figure, exact-solve error against inner gradient steps; and, problem by problem, iMAML's over MAML's.</summary>
    public IReadOnlyList<PlotPanel> Paper() =>
    [
        new(
            Title("Figure 2(a): distance to the exact meta-gradient"),
            new PlotAxis("inner gradient steps", Scale.Logarithmic),
            new PlotAxis(ExactSolve, Scale.Logarithmic, Low: LowestDrawn),
            [.. Curves(p => p.ExactSolveError, Figure2aMethod.Imaml2, Figure2aMethod.Maml, Figure2aMethod.Imaml10, Figure2aMethod.Imaml5)],
            LegendPlace.Below),
        new(
            "iMAML with 5 CG steps against MAML on the same problem",
            new PlotAxis("inner gradient steps", Scale.Logarithmic),
            new PlotAxis("exact-solve error of iMAML / that of MAML", Scale.Linear, 0, 2),
            [Ratio(), Level("equal", 1)],
            LegendPlace.Below),
    ];

    /// <summary>The other notion of error, and the other ways to a meta-gradient.</summary>
    public IReadOnlyList<PlotPanel> Variants() =>
    [
        new(
            "Distance to the derivative of the iterate",
            InnerSteps,
            new PlotAxis(ApproximateSolve, Scale.Logarithmic),
            [.. Curves(p => p.ApproximateSolveError, Figure2aMethod.Truncated10, Figure2aMethod.TruncatedHalf, Figure2aMethod.Imaml2, Figure2aMethod.Imaml5, Figure2aMethod.Maml)],
            LegendPlace.Below),
        new(
            Title("Distance to the exact meta-gradient"),
            InnerSteps,
            new PlotAxis(ExactSolve, Scale.Logarithmic),
            [.. Curves(p => p.ExactSolveError, Figure2aMethod.Truncated10, Figure2aMethod.TruncatedHalf, Figure2aMethod.Maml, Figure2aMethod.MamlNesterov, Figure2aMethod.Imaml5, Figure2aMethod.Imaml5Nesterov)],
            LegendPlace.Below),
    ];

    /// <summary>Error against what it costs.</summary>
    public PlotPanel Work() => new(
        Title("What the distance to the exact meta-gradient costs"),
        new PlotAxis("total work: gradients and Hessian–vector products of L̂", Scale.Logarithmic),
        new PlotAxis(ExactSolve, Scale.Logarithmic),
        [.. AgainstWork(Figure2aMethod.TruncatedHalf, Figure2aMethod.Imaml2, Figure2aMethod.Maml, Figure2aMethod.MamlNesterov, Figure2aMethod.Imaml5, Figure2aMethod.Imaml5Nesterov)]);

    /// <summary>The certificate over the true error, and how many times the error it is.</summary>
    public IReadOnlyList<PlotPanel> Certificate() =>
    [
        new(
            "The certificate over the true error",
            InnerSteps,
            new PlotAxis("exact-solve error and its certificate, relative", Scale.Logarithmic),
            [
                Curve("certificate, 2 CG steps", 4, Figure2aMethod.Imaml2, p => p.Certificate),
                Curve("true error, 2 CG steps", 1, Figure2aMethod.Imaml2, p => p.ExactSolveError),
                Curve("certificate, 5 CG steps", 2, Figure2aMethod.Imaml5, p => p.Certificate),
                Curve("true error, 5 CG steps", 0, Figure2aMethod.Imaml5, p => p.ExactSolveError),
            ],
            LegendPlace.Below),
        new(
            Title("How loose it is"),
            InnerSteps,
            new PlotAxis("certificate / true error", Scale.Logarithmic),
            [
                Curve("2 CG steps", 1, Figure2aMethod.Imaml2, Looseness),
                Curve("5 CG steps", 0, Figure2aMethod.Imaml5, Looseness),
                Level("certificate = true error", 1),
            ],
            LegendPlace.Below),
    ];

    private PlotCurve Ratio()
    {
        var ratio = Figure2aClaims.ratio(points);
        return new PlotCurve("median, 10–90 %", 0, [.. ratio.InnerSteps.Select(steps => (double)steps)], ratio.Median) { Band = (ratio.Low, ratio.High) };
    }

    private static PlotCurve Level(string label, double height) => new(label, 7, [Figure2a.innerSteps[0], Figure2a.innerSteps[^1]], [height, height]) { Markers = false };

    private static double Looseness(Figure2aPoint point) => (point.Certificate + point.ExactRounding) / point.ExactSolveError;

    private static (string Label, int Style) Look(Figure2aMethod method) => method switch
    {
        Figure2aMethod.Maml => ("MAML", 2),
        Figure2aMethod.MamlNesterov => ("MAML, Nesterov", 5),
        Figure2aMethod.Truncated10 => ("truncated, last 10 steps", 6),
        Figure2aMethod.TruncatedHalf => ("truncated, last half of the steps", 7),
        Figure2aMethod.Imaml2 => ("iMAML, 2 CG steps", 1),
        Figure2aMethod.Imaml5 => ("iMAML, 5 CG steps", 0),
        Figure2aMethod.Imaml10 => ("iMAML, 10 CG steps", 4),
        _ => ("iMAML, 5 CG steps, Nesterov", 3),
    };

    private string Title(string what) => $"{what} (median of {points.Max(point => point.Problem) + 1} problems, 10–90 %)";

    private IEnumerable<PlotCurve> Curves(Func<Figure2aPoint, double> quantity, params Figure2aMethod[] methods) =>
        methods.Select(method => Curve(Look(method).Label, Look(method).Style, method, quantity));

    private IEnumerable<PlotCurve> AgainstWork(params Figure2aMethod[] methods) =>
        methods.Zip(Curves(p => p.ExactSolveError, methods)).Select(pair => pair.Second with { X = [.. Figure2aClaims.curve(points, pair.First, p => p.Work).Median] });

    private PlotCurve Curve(string label, int style, Figure2aMethod method, Func<Figure2aPoint, double> quantity)
    {
        var curve = Figure2aClaims.curve(points, method, quantity);
        return new PlotCurve(label, style, [.. curve.InnerSteps.Select(steps => (double)steps)], curve.Median) { Band = (curve.Low, curve.High) };
    }
}
