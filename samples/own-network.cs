// An image network of one's own, made of the library's layers, trained on the built-in characters by the same run as any other:
//
//     dotnet run samples/own-network.cs -- [META-STEPS [FOLDER]]
#:project ../src/Imaml.Nets.CSharp/Imaml.Nets.CSharp.csproj
#:property PublishAot=false
#:property EnforceCodeStyleInBuild=false

using Imaml.Nets.Learning;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Prediction;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

var metaSteps = args.Length > 0 ? int.Parse(args[0]) : 300;
var episodes = new ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, ValidationClasses: 100, Ways: 5, Shots: 1, Queries: 5);
var tasks = ImageTasks.Open(episodes);

// One wide convolution and two narrow ones; the literature's network has four alike.
var layers = new List<Layer>();
var shape = new ImageShape(tasks.Images.Height, tasks.Images.Width, tasks.Images.Channels);
var input = shape;
foreach (var (filters, kernel, stride) in new[] { (16, 5, 2), (32, 3, 2), (32, 3, 2) })
{
    var convolution = new Convolution(shape, filters, kernel, stride, padding: kernel / 2, Bias.NormalizedAway, gain: 1.73);
    shape = convolution.OutputShape;
    layers.AddRange([convolution, new BatchNormalization(shape), new Rectifier(shape)]);
}

layers.Add(new Dense(shape, tasks.Ways, gain: 1));
var network = new Network(input, [.. layers]);

var experiment = new Experiment(
    episodes,
    new OwnNetwork("conv 16-32-32"),
    new ImplicitMaml(new Inner.GradientDescent(8), Lambda: 2, new Adjoint.ConjugateGradients(5)),
    new Outer.Adam(2e-3, Schedule.Constant),
    new Budget(metaSteps, MetaBatch: 8, ValidateEvery: 100),
    Seed: 1);
using var run = TrainingRun.Open(new RunFolder(args.Length > 1 ? args[1] : "runs/own-network"), experiment, tasks, new ImageClassifier(network));
Console.WriteLine($"{network.ParameterCount:N0} parameters");
run.Run(CancellationToken.None, onValidation: point => Console.WriteLine($"{point.MetaStep,6}/{metaSteps}  accuracy {100 * point.Accuracy:F1} ± {100 * point.HalfWidth95:F1} % on validation characters"));
var result = run.Evaluate(200);
Console.WriteLine($"accuracy {100 * result.Accuracy:F1} ± {100 * result.HalfWidth95:F1} % on characters never seen (200 episodes of one seed)");

// A classifier of pictures, in this program or in another one that makes the same network: five drawings are its examples, and another of each is asked about.
Picture Drawing(int index) => Picture.FromPixels([.. tasks.Images.Image(index).ToArray().Select(ink => (byte)(255 - ink))], input.Height, input.Width, input.Channels, $"drawing {index}");
var classes = tasks.Images.Classes.Take(tasks.Ways).ToArray();
using var model = FewShotClassifier.Load(run.Folder.FolderPath, own: new OwnParts(network));
using var classifier = model.Adapt([.. classes.Select(one => new LabelledPicture(one.Name, Drawing(one.First)))]);
Console.WriteLine($"{classes.Count(one => classifier.Predict(Drawing(one.First + 1)).Label == one.Name)} of {classes.Length} other drawings are named as they are");
return result.NotFinite == 0 ? 0 : 1;
