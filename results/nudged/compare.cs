// Meta-gradients by nudged solves and by conjugate gradients on Omniglot, 5-way 1-shot, at the θ that Table 2's iMAML ended with (λ = 2): the error and the
// cosine against the implicit meta-gradient at the inner solution, and the processor's time. Writes compare.csv and compare.md.
//
//     IMAML_DATA=DIR dotnet run results/nudged/compare.cs [TASKS]
#:project ../../src/Imaml.Nets.CSharp/Imaml.Nets.CSharp.csproj
#:property PublishAot=false
#:property EnforceCodeStyleInBuild=false

using System.Diagnostics;
using System.Globalization;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

const double Lambda = 2;
var count = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 10;

// The run is opened in a copy, since it would write beside its checkpoint.
var copy = Directory.CreateTempSubdirectory("imaml-").FullName;
const string Run = "results/table2/5w1s/imaml-gd/seed-1";
File.Copy(Path.Combine(Run, "run.json"), Path.Combine(copy, "run.json"));
File.Copy(Path.Combine(Run, "checkpoint.bin"), Path.Combine(copy, "checkpoint.bin"));

LibTorchLoader.EnsureLoaded();
var experiment = ExperimentFile.Read(Path.Combine(copy, "run.json"));
var (tasks, model) = experiment.Open();
using var scope = NewDisposeScope();
Tensor theta;
using (var run = experiment.Train(new RunFolder(copy)))
{
    theta = run.Learner.Theta.clone().expand(count, -1).contiguous();
}

Directory.Delete(copy, recursive: true);
var episodes = tasks.Take(new TaskRange(ClassPart.Test, ImageTasks.EvaluationSeed, 0, count));
ScalarRegularizer<Tensor, Tensor> regularizer = new(Lambda);

GradientDescentSolver<Tensor, Tensor> Descent(int steps) => new(StepRule.MeasuredCurvature, steps);

// The solution to rounding in double precision, and the system there.
var exactly = theta.to_type(ScalarType.Float64);
var exact = ImplicitMetaGradient.Compute(
    new TensorSpace(count, exactly), regularizer, new FewShotProblem(model.Network, episodes, exactly),
    new GradientDescentSolver<Tensor, Tensor>(StepRule.MeasuredCurvature, 6_000, 20),
    new MinresSolver<Tensor, Tensor>(new LinearSolveOptions(1000, 1e-9, 1, false)), Thresholds.OfAccuracies(regularizer, Lambda, 1e-7, 0), exactly);
var reference = string.Join(", ", exact.Inner.Read(new TensorSpace(count, exactly)).GroupBy(one => one.Status).Select(group => $"{group.Count()} {group.Key}"));
Console.WriteLine($"{count} tasks; inner solves of the reference: {reference}, ‖∇G‖ at most {exact.InnerGradientNorm.max().item<double>():E1}; its relative residual {exact.Solve.RelativeResidual.max().item<double>():E1}");

List<string> lines = ["method,inner_steps,beta,cg_steps,median_relative_error,median_cosine,processor_seconds_per_task,refused"];
void Measure(string name, int steps, double? beta, int? cg, IMetaGradientStrategy<Tensor, Tensor> strategy)
{
    var space = new TensorSpace(count, theta);
    var problem = new FewShotProblem(model.Network, episodes, theta);
    using var inside = NewDisposeScope();
    var start = Process.GetCurrentProcess().TotalProcessorTime;
    var made = strategy.Compute(space, regularizer, problem, theta);
    _ = made.Gradient.sum().item<float>();
    var seconds = (Process.GetCurrentProcess().TotalProcessorTime - start).TotalSeconds / count;
    var g = made.Gradient.to_type(ScalarType.Float64);
    var error = (g - exact.Gradient).norm(1) / exact.Gradient.norm(1);
    var cosine = (g * exact.Gradient).sum(1) / (g.norm(1) * exact.Gradient.norm(1));
    var refused = error.isnan().sum().item<long>();
    lines.Add(string.Create(CultureInfo.InvariantCulture, $"{name},{steps},{beta},{cg},{error.nanmedian().item<double>():G4},{cosine.nanmedian().item<double>():G4},{seconds:G3},{refused}"));
    Console.WriteLine(lines[^1]);
}

foreach (var steps in new[] { 16, 64 })
{
    foreach (var cg in new[] { 5, 20 })
    {
        Measure("cg", steps, null, cg, new ImplicitStrategy<Tensor, Tensor>(Descent(steps), new ConjugateGradientSolver<Tensor, Tensor>(LinearSolveOptions.FixedBudget(cg)), Thresholds.None));
    }

    foreach (var difference in Enum.GetValues<NudgedDifference>())
    {
        foreach (var beta in new[] { 0.1, 0.03, 0.01, 0.003, 0.001 })
        {
            Measure(difference.ToString(), steps, beta, null, new NudgedStrategy<Tensor, Tensor>(Descent(steps), difference, beta, 0));
        }
    }
}

File.WriteAllLines("results/nudged/compare.csv", lines);
File.WriteAllLines("results/nudged/compare.md", [
    "| method | inner steps | β | CG steps | relative error, median | cosine, median | processor seconds a task | tasks refused |", "|---|---:|---:|---:|---:|---:|---:|---:|",
    .. lines.Skip(1).Select(line => $"| {string.Join(" | ", line.Split(','))} |")]);
