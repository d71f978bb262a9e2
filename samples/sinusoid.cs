// Sinusoid regression (Finn, Abbeel and Levine 2017, section 5.1) with own tasks, an own network and own losses:
//
//     dotnet run samples/sinusoid.cs -- [SHOTS [META-STEPS [FOLDER]]]          SHOTS 5 or 10
//
// A task is y = A·sin(x + p) with A in [0.1, 5] and p in [0, π], from K examples with x in [−5, 5]. Stop it with Ctrl-C; the same command goes
// on where it stopped, and ends with the same bits.
#:project ../src/Imaml.Nets.CSharp/Imaml.Nets.CSharp.csproj
#:property PublishAot=false
#:property EnforceCodeStyleInBuild=false

using System.Runtime.InteropServices;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

if (args.Take(2).Any(arg => !int.TryParse(arg, out var number) || number < 1))
{
    Console.Error.WriteLine("usage: dotnet run samples/sinusoid.cs -- [SHOTS [META-STEPS [FOLDER]]], with numbers of at least 1");
    return 2;
}

var (shots, metaSteps) = (args.Length > 0 ? int.Parse(args[0]) : 5, args.Length > 1 ? int.Parse(args[1]) : 1500);
var folder = new RunFolder(args.Length > 2 ? args[2] : $"runs/sinusoid-{shots}");
using var stop = new CancellationTokenSource();
void Stop(PosixSignalContext signal) => (signal.Cancel, _) = (true, stop.CancelAsync());
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

var experiment = new Experiment(
    new OwnTasks($"sinusoids, {shots}-shot"),
    new OwnNetwork("mlp 1-40-40-1"),
    new ImplicitMaml(new Inner.GradientDescent(16), Lambda: 1, new Adjoint.ConjugateGradients(5)),
    new Outer.Adam(3e-3, Schedule.Constant),
    new Budget(metaSteps, MetaBatch: 25, ValidateEvery: 250, ValidationEpisodes: 100),
    Seed: 1);
using var run = TrainingRun.Open(folder, experiment, new Sinusoids(shots, queries: 10), new Mlp());
Console.WriteLine(run.Learner.MetaStep == 0
    ? $"untrained, mean squared error after {shots} examples: {Evaluation.AfterAdapting(run.Learner, ClassPart.Test, ImageTasks.EvaluationSeed, 600, stop.Token).Mean:F3}"
    : $"continuing at meta-step {run.Learner.MetaStep}");
run.Run(stop.Token, onValidation: point => Console.WriteLine($"{point.MetaStep,6}/{metaSteps}  mean squared error {point.Loss:F3} ± {point.HalfWidth95:F3} on 100 new sinusoids"));
if (!run.Finished)
{
    Console.WriteLine($"stopped at meta-step {run.Learner.MetaStep}; the same command goes on from there");
    return 130;
}

var result = run.Evaluate(600);
Console.WriteLine($"mean squared error after {shots} examples: {result.Loss:F3} ± {result.HalfWidth95:F3} (600 sinusoids of one seed); written to {folder.File(result.FileName)}");
return result.NotFinite == 0 ? 0 : 1;

/// <summary>B sinusoids: examples to adapt to, and examples to be measured on, [B, n, 1] each.</summary>
internal sealed record SinusoidBatch(int Count, float[] SupportX, float[] SupportY, float[] QueryX, float[] QueryY);

/// <summary>Sinusoids by number.</summary>
internal sealed class Sinusoids(int shots, int queries) : ITaskSource<SinusoidBatch>
{
    public string Identity => $"sinusoids, {shots} support and {queries} query examples";

    public int SupportExamples => shots;

    public SinusoidBatch Take(TaskRange range)
    {
        var (x, y) = (new List<float>[] { [], [] }, new List<float>[] { [], [] });
        for (var task = range.First; task < range.First + range.Count; task++)
        {
            // A function of part, seed and number alone.
            var random = new Random(HashCode(range, task));
            var (amplitude, phase) = (0.1 + 4.9 * random.NextDouble(), double.Pi * random.NextDouble());
            for (var example = 0; example < shots + queries; example++)
            {
                var set = example < shots ? 0 : 1;
                var at = -5 + 10 * random.NextDouble();
                x[set].Add((float)at);
                y[set].Add((float)(amplitude * double.Sin(at + phase)));
            }
        }

        return new SinusoidBatch(range.Count, [.. x[0]], [.. y[0]], [.. x[1]], [.. y[1]]);
    }

    private static int HashCode(TaskRange range, long task) => unchecked((int)((ulong)task * 0x9E3779B97F4A7C15UL >> 32) ^ (int)range.Seed * 397 ^ (int)range.Part << 28);
}

/// <summary>Two hidden layers of 40 rectifiers, and the mean squared error, in libtorch's operations. The input is x/5: with x itself the largest curvature is far above λ, and training diverges.</summary>
internal sealed class Mlp : IModel<SinusoidBatch>
{
    private static readonly int[] Widths = [1, 40, 40, 1];

    public IReadOnlyList<int> LayerSizes { get; } = [.. Widths.Zip(Widths[1..], (from, to) => (from + 1) * to)];

    public Tensor InitialParameters(Generator generator) => cat([.. Widths.Zip(Widths[1..], (from, to) =>
        cat([randn([from * to], generator: generator, device: CPU).Times(double.Sqrt(2.0 / from)), zeros(to, device: CPU)]))]);

    public IBilevelProblem<Tensor, Tensor> Problem(SinusoidBatch tasks, Tensor like)
    {
        Tensor Column(float[] numbers) => tensor(numbers, device: like.device).to_type(like.dtype).view(tasks.Count, -1, 1);
        var (x, y, newX, newY) = (Column(tasks.SupportX), Column(tasks.SupportY), Column(tasks.QueryX), Column(tasks.QueryY));
        return new AutogradProblem(phi => Error(phi, x, y), phi => Error(phi, newX, newY));
    }

    private static Tensor Error(Tensor phi, Tensor x, Tensor y)
    {
        x = x.Times(0.2);
        var offset = 0;
        Tensor Next(int count)
        {
            offset += count;
            return phi.narrow(1, offset - count, count);
        }

        for (var layer = 1; layer < Widths.Length; layer++)
        {
            var weights = Next(Widths[layer - 1] * Widths[layer]).reshape(-1, Widths[layer - 1], Widths[layer]); // [B, from, to]
            x = x.matmul(weights).Plus(Next(Widths[layer]).unsqueeze(1));
            x = layer < Widths.Length - 1 ? x.relu() : x;
        }

        var error = x.PlusMultiple(-1, y);
        return error.mul(error).mean([1]); // [B, 1]
    }
}
