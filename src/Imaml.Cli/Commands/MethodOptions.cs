// The options of `imaml train` that say how a task is adapted to and how its meta-gradient is made. Which of them an algorithm needs, takes
// or refuses is Algorithm's to say.

using System.CommandLine;
using Imaml.Math;
using Imaml.Nets.Methods;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Commands;

internal sealed class MethodOptions
{
    public Option<string> Algorithm { get; } = new("--algorithm") { Description = "imaml-gd, -nesterov, -heavy-ball or -hf (the implicit gradient), maml, truncated, fomaml, reptile, meta-sgd", Required = true, HelpName = "NAME" };
    public Option<int> InnerSteps { get; } = new("--inner-steps") { Description = "Steps of the inner solver (paper, Omniglot 5-way: 16)", Required = true, HelpName = "n" };
    private readonly Option<double?> _lambda = Number("--lambda", "Proximal regularisation λ (paper, Omniglot: 2)", "λ");
    private readonly Option<bool> _noProximal = new("--no-proximal") { Description = "No proximal term (maml, fomaml, reptile, meta-sgd), as their authors have it" };
    private readonly Option<double?> _stepSize = Number("--inner-step-size", "Inner step; the first one for meta-sgd [default: imaml-gd follows the curvature that each task measures]", "α");
    private readonly Option<double?> _momentum = Number("--momentum", "What a step keeps of the one before it (imaml-nesterov, imaml-heavy-ball)", "b");
    private readonly Option<int?> _directionSteps = new("--direction-steps") { Description = $"Conjugate-gradient steps of a Newton direction (imaml-hf) [default: the paper's {NewtonConjugateGradient.PaperDirectionSteps}]", HelpName = "n" };
    private readonly Option<int?> _cgSteps = new("--cg-steps") { Description = $"Conjugate-gradient steps of the meta-gradient (imaml-*; paper: {TrainingOptions.PaperCgSteps})", HelpName = "n" };
    private readonly Option<int?> _truncate = new("--truncate") { Description = "Inner steps that are differentiated, the last ones (truncated)", HelpName = "K" };
    private readonly Option<bool> _recompute = new("--recompute") { Description = "Keep about 2√n inner iterates and compute the others again (maml, meta-sgd): less memory, more time, the same numbers" };
    private readonly Option<LearnedPer?> _stepSizes = SharedOptions.OneOf(
        new Option<LearnedPer?>("--step-sizes") { Description = "One for each layer or parameter (meta-sgd) [default: parameter, as its authors have it]", HelpName = "layer|parameter" }, "layer", "parameter");

    private readonly Option<double?> _stepSizeRate = Number("--step-size-rate", "Adam's step size for learned step sizes (meta-sgd) [default: --outer-rate, as its authors have it]", "η");

    private readonly Option<LinearSolverKind?> _linearSolver = SharedOptions.OneOf(
        new Option<LinearSolverKind?>("--linear-solver") { Description = "cg, pcg (a diagonal estimated by --probes), minres, or neumann (with --neumann-step) (imaml-*) [default: cg, the paper's]", HelpName = "NAME" },
        "cg", "pcg", "minres", "neumann");

    private readonly Option<int?> _probes = new("--probes") { Description = "Products that estimate the diagonal of the Hessian (pcg)", HelpName = "n" };
    private readonly Option<double?> _neumannStep = Number("--neumann-step", "Step of the Neumann series, below 2/(h_max + λ) (neumann)", "α");
    private readonly Option<double?> _delta = Number("--delta", "Inner accuracy δ at which a task is done, taking λ for G's convexity; --inner-steps is then the most (imaml-*)", "δ");
    private readonly Option<double?> _deltaPrime = Number("--delta-prime", "Accuracy δ′ at which a linear solve is done, likewise; --cg-steps is then the most (imaml-*)", "δ′");
    private readonly Option<CurvatureRemedy?> _onNegativeCurvature = SharedOptions.OneOfNames(
        new Option<CurvatureRemedy?>("--on-negative-curvature") { Description = "truncate, raise-lambda, minres, or gauss-newton (imaml-*) [default: truncate]", HelpName = "NAME" },
        ("truncate", CurvatureRemedy.Truncate), ("raise-lambda", CurvatureRemedy.RaiseLambda), ("minres", CurvatureRemedy.Minres), ("gauss-newton", CurvatureRemedy.GaussNewton));

    private readonly Option<LearnedPer?> _learnLambda = SharedOptions.OneOfNames(
        new Option<LearnedPer?>("--learn-lambda") { Description = "Learn λ beside θ, from --lambda on: one, one for each layer, or one for each parameter (imaml-*)", HelpName = "one|layer|parameter" },
        ("one", LearnedPer.Task), ("layer", LearnedPer.Layer), ("parameter", LearnedPer.Parameter));

    private readonly Option<double?> _lambdaRate = Number("--lambda-rate", "Adam's step size for log λ (--learn-lambda)", "η");

    public IEnumerable<Option> All =>
        [Algorithm, InnerSteps, _lambda, _noProximal, _stepSize, _momentum, _directionSteps, _cgSteps, _truncate, _recompute, _stepSizes, _stepSizeRate,
        _linearSolver, _probes, _neumannStep, _delta, _deltaPrime, _onNegativeCurvature, _learnLambda, _lambdaRate];

    /// <summary>The options with what the command line says of the method.</summary>
    public TrainingOptions Apply(ParseResult parsed, TrainingOptions options) => options with
    {
        Lambda = parsed.GetValue(_lambda),
        InnerStepSize = parsed.GetValue(_stepSize),
        CgSteps = parsed.GetValue(_cgSteps),
        NoProximal = parsed.GetValue(_noProximal),
        Momentum = parsed.GetValue(_momentum),
        DirectionSteps = parsed.GetValue(_directionSteps),
        Truncate = parsed.GetValue(_truncate),
        Recompute = parsed.GetValue(_recompute),
        StepSizes = parsed.GetValue(_stepSizes),
        StepSizeRate = parsed.GetValue(_stepSizeRate),
        LinearSolver = parsed.GetValue(_linearSolver),
        Probes = parsed.GetValue(_probes),
        NeumannStep = parsed.GetValue(_neumannStep),
        Delta = parsed.GetValue(_delta),
        DeltaPrime = parsed.GetValue(_deltaPrime),
        OnNegativeCurvature = parsed.GetValue(_onNegativeCurvature),
        LearnLambda = parsed.GetValue(_learnLambda),
        LambdaRate = parsed.GetValue(_lambdaRate),
    };

    private static Option<double?> Number(string name, string description, string placeholder) =>
        SharedOptions.Decimal(new Option<double?>(name) { Description = description, HelpName = placeholder });
}
