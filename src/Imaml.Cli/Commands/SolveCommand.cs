// imaml solve: the meta-gradient of a small problem from a file, with everything that is known about it, for someone who checks their own code.

using System.CommandLine;
using System.Text.Json;
using Imaml.Cli.Problems;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Commands;

internal static class SolveCommand
{
    private static readonly JsonSerializerOptions Json = RunJson.Create(JsonNamingPolicy.CamelCase, indented: true);

    public static Command Create(CancellationToken stop)
    {
        var file = new Argument<string>("PROBLEM.json") { Description = "The losses, θ and Λ; samples/problems has examples; - for the standard input" };
        var method = SharedOptions.OneOf(
            new Option<Method>("--method") { Description = "implicit, exact, maml, truncated, fomaml or reptile", HelpName = "METHOD", DefaultValueFactory = _ => Method.Implicit }, "implicit", "exact", "maml", "truncated", "fomaml", "reptile");
        var accuracy = SharedOptions.Decimal(new Option<double?>("--accuracy") { Description = $"implicit: the largest error of the meta-gradient [default: {SolveRequest.UsualAccuracy:0e-0}, where no steps are given]", HelpName = "ε" });
        var innerSteps = new Option<int?>("--inner-steps") { Description = "Gradient steps of the inner solver", HelpName = "n" };
        var cgSteps = new Option<int?>("--cg-steps") { Description = "implicit: steps of conjugate gradients", HelpName = "m" };
        var stepSize = SharedOptions.Decimal(new Option<double?>("--step-size") { Description = "Step of the inner solver [default: 1/β where the constants are known, else as measured]", HelpName = "α" });
        var truncate = new Option<int?>("--truncate") { Description = "truncated: the inner steps that are differentiated, the last K", HelpName = "K" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object in place of the report" };
        SharedOptions.AtLeast(innerSteps, 1);
        SharedOptions.AtLeast(cgSteps, 1);
        SharedOptions.AtLeast(truncate, 1);
        var command = new Command("solve", "The meta-gradient of a small problem, with a bound on its error") { file, method, accuracy, innerSteps, cgSteps, stepSize, truncate, json };
        command.SetAction(parsed =>
        {
            var request = new SolveRequest(parsed.GetValue(method), parsed.GetValue(accuracy), parsed.GetValue(innerSteps), parsed.GetValue(cgSteps), parsed.GetValue(stepSize), parsed.GetValue(truncate)).Checked();
            var path = parsed.GetRequiredValue(file);
            // A dense solve takes minutes and cannot be stopped: the process ends without waiting for it.
            var work = Task.Run(
                () =>
                {
                    var problems = ProblemFile.Read(path, stop);
                    return (problems, problems.Select(problem => ProblemSolver.Solve(problem, request, stop)).ToArray());
                },
                CancellationToken.None);
            var (problems, outcomes) = work.WaitAsync(stop).GetAwaiter().GetResult();
            switch (parsed.GetValue(json), problems[0].IsAlone)
            {
                case (true, true):
                    Terminal.Document(ToJson(outcomes[0]));
                    break;
                case (true, false):
                    Terminal.Document(JsonSerializer.Serialize(MeanOutcome.Of(outcomes), Json));
                    break;
                case (false, true):
                    SolveReport.Print(problems[0], outcomes[0]);
                    break;
                default:
                    SolveReport.Print(problems, MeanOutcome.Of(outcomes));
                    break;
            }

            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>The answer as one JSON object.</summary>
    public static string ToJson(SolveOutcome outcome) => JsonSerializer.Serialize(outcome, Json);
}
