// The options of `imaml train` that say how a task is adapted to and how its meta-gradient is made. Which of them an algorithm needs, takes
// or refuses is Algorithm's to say.

using System.CommandLine;
using Imaml.Math;
using Imaml.Nets.Training;

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

    public IEnumerable<Option> All =>
        [Algorithm, InnerSteps, _lambda, _noProximal, _stepSize, _momentum, _directionSteps, _cgSteps, _truncate, _recompute, _stepSizes, _stepSizeRate];

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
    };

    private static Option<double?> Number(string name, string description, string placeholder) =>
        SharedOptions.Decimal(new Option<double?>(name) { Description = description, HelpName = placeholder });
}
