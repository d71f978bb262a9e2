// What Figure 2(a) and its companions show of the measured points, independently of how they are drawn.
//
//     g        a method's meta-gradient
//     F(θ)     L(Alg*(θ)), of the exact inner solution
//     F_n(θ)   L(φ_n(θ)), of the iterate after n inner steps

using Imaml.Cli.Benchmarks;
using Imaml.Cli.Plots;
using Imaml.Theory;

namespace Imaml.Cli.Results;

/// <summary>The panels of the four figures.</summary>
internal sealed class Figure2aPlots(IReadOnlyList<Figure2aPoint> points)
{
    // Below it the error is rounding, and the curves are called converged.
    private const double LowestDrawn = 1e-8;

    private static readonly PlotAxis InnerSteps = new("inner steps $n$", Scale.Logarithmic), ExactSolve = new("error  $‖g − ∇F‖ / ‖∇F‖$", Scale.Logarithmic);

    private int Problems => points.Max(point => point.Problem) + 1;

    private string Middle => Figure.Spread(Problems, "problem");

    /// <summary>The figures by their names.</summary>
    public IEnumerable<(string Name, IReadOnlyList<PlotPanel> Panels)> All() => [("fig2a", Paper()), ("fig2a-variants", Variants()), ("fig2a-work", Work()), ("fig2a-certificate", Certificate())];

    private PlotPanel[] Paper() =>
    [
        new(
            $"Exact-solve error: {Middle}",
            InnerSteps,
            ExactSolve with { Low = LowestDrawn },
            [.. Curves(p => p.ExactSolveError, Figure2aMethod.Imaml2, Figure2aMethod.Maml, Figure2aMethod.Imaml5, Figure2aMethod.Imaml10)]),
        new(
            "iMAML and MAML on the same problem",
            InnerSteps,
            new PlotAxis("exact-solve error, iMAML / MAML", Scale.Linear, Low: 0),
            [Ratio(), Level("equal", 1)]),
    ];

    // The other notion of error, and the other ways to a meta-gradient.
    private PlotPanel[] Variants() =>
    [
        new(
            "Approximate-solve error",
            InnerSteps,
            new PlotAxis("error  $‖g − ∇F_n‖ / ‖∇F‖$", Scale.Logarithmic),
            [.. Curves(p => p.ApproximateSolveError, Figure2aMethod.Truncated10, Figure2aMethod.TruncatedHalf, Figure2aMethod.Imaml2, Figure2aMethod.Imaml5, Figure2aMethod.Maml)]),
        new(
            $"Exact-solve error: {Middle}",
            InnerSteps,
            ExactSolve,
            [.. Curves(p => p.ExactSolveError, Figure2aMethod.Truncated10, Figure2aMethod.TruncatedHalf, Figure2aMethod.Maml, Figure2aMethod.MamlNesterov, Figure2aMethod.Imaml5, Figure2aMethod.Imaml5Nesterov)]),
    ];

    // Error against what it costs.
    private PlotPanel[] Work() =>
    [
        new(
            $"Error against work: {Middle}",
            new PlotAxis("gradients and Hessian–vector products of $L̂$", Scale.Logarithmic),
            ExactSolve,
            [.. AgainstWork(Figure2aMethod.TruncatedHalf, Figure2aMethod.Imaml2, Figure2aMethod.Maml, Figure2aMethod.MamlNesterov, Figure2aMethod.Imaml5, Figure2aMethod.Imaml5Nesterov)]),
    ];

    // The certificate over the true error, and how many times the error it is.
    private PlotPanel[] Certificate() =>
    [
        new(
            $"Certificate: {Middle}",
            InnerSteps,
            new PlotAxis("error and its upper bound", Scale.Logarithmic),
            [
                .. new[] { Figure2aMethod.Imaml2, Figure2aMethod.Imaml5 }.SelectMany(method => new[]
                {
                    Bound(method),
                    Curve(method, p => p.ExactSolveError) with { Label = $"error, {Figure2a.linearSteps(method)} CG steps" },
                }),
            ]),
        new(
            "How loose the certificate is",
            InnerSteps,
            new PlotAxis("certificate / error", Scale.Logarithmic),
            [.. Curves(Looseness, Figure2aMethod.Imaml2, Figure2aMethod.Imaml5), Level("certificate = error", 1)]),
    ];

    private static PlotCurve Level(string label, double height) => new(label, PlotStyle.Reference, [Figure2a.innerSteps[0], Figure2a.innerSteps[^1]], [height, height]) { Markers = false };

    private PlotCurve Bound(Figure2aMethod method)
    {
        var curve = Curve(method, p => p.Certificate);
        return curve with { Label = $"certificate, {Figure2a.linearSteps(method)} CG steps", Style = curve.Style.Open };
    }

    private static double Looseness(Figure2aPoint point) => (point.Certificate + point.ExactRounding) / point.ExactSolveError;

    private static (string Label, string Method) Look(Figure2aMethod method) => method switch
    {
        Figure2aMethod.Maml => ("MAML", BenchMethod.Maml),
        Figure2aMethod.MamlNesterov => ("MAML, Nesterov", PlotStyle.MamlNesterov),
        Figure2aMethod.Truncated10 => ("truncated, last 10 steps", PlotStyle.Truncated10),
        Figure2aMethod.TruncatedHalf => ("truncated, last half", PlotStyle.Truncated),
        Figure2aMethod.Imaml2 => ("iMAML, 2 CG steps", PlotStyle.Imaml2),
        Figure2aMethod.Imaml5 => ("iMAML, 5 CG steps", BenchMethod.Imaml),
        Figure2aMethod.Imaml10 => ("iMAML, 10 CG steps", PlotStyle.Imaml10),
        _ => ("iMAML, 5 CG, Nesterov", PlotStyle.ImamlNesterov),
    };

    private PlotCurve Ratio() => Drawn("iMAML, 5 CG steps", PlotStyle.Methods[BenchMethod.Imaml], Figure2aClaims.ratio(points));

    private IEnumerable<PlotCurve> Curves(Func<Figure2aPoint, double> quantity, params Figure2aMethod[] methods) => methods.Select(method => Curve(method, quantity));

    private IEnumerable<PlotCurve> AgainstWork(params Figure2aMethod[] methods) =>
        methods.Zip(Curves(p => p.ExactSolveError, methods)).Select(pair => pair.Second with { X = [.. Figure2aClaims.curve(points, pair.First, p => p.Work).Median] });

    private PlotCurve Curve(Figure2aMethod method, Func<Figure2aPoint, double> quantity)
    {
        var (label, name) = Look(method);
        return Drawn(label, PlotStyle.Methods[name], Figure2aClaims.curve(points, method, quantity));
    }

    private PlotCurve Drawn(string label, PlotStyle style, Figure2aCurve curve) =>
        new(label, style, [.. curve.InnerSteps.Select(steps => (double)steps)], curve.Median) { Band = Problems == 1 ? null : (curve.Low, curve.High) };
}
