// Data hyper-cleaning on Omniglot: half of the training labels are wrong, and one weight for each example is learned on clean validation images.
//
//     dotnet run samples/hyper-cleaning.cs -- [DATA]          DATA the folder with omniglot/, else IMAML_DATA
//
// Inner problem: softmax regression on 7 × 7 pixels, L̂ = mean of σ(zᵢ)ℓᵢ, 5 characters. Outer loss: the mean cross-entropy of the validation images. ∇F(z) by
// implicit gradients, certified to 10⁻³ of it; 30 steps of Adam from weights of ½. The means of 3 draws of characters are printed.
#:project ../src/Imaml.Nets.CSharp/Imaml.Nets.CSharp.csproj
#:project ../src/Imaml.Theory/Imaml.Theory.fsproj
#:property PublishAot=false
#:property EnforceCodeStyleInBuild=false

using Imaml.Math;
using Imaml.Nets.Tasks;
using Imaml.Theory;
using MathNet.Numerics.LinearAlgebra;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

const int Classes = 5, Training = 8, Validation = 6, Drawings = 20, Side = 7, Draws = 3, Steps = 30;
const double Lambda = 0.01;

if ((args.Length > 0 ? args[0] : Environment.GetEnvironmentVariable("IMAML_DATA")) is not { Length: > 0 } data)
{
    Console.Error.WriteLine("usage: dotnet run samples/hyper-cleaning.cs -- DATA, the folder with omniglot/");
    return 2;
}

ImageSet images;
try
{
    images = ImageTasks.Open(new ImageEpisodes(ImageEpisodes.Omniglot, ImageEpisodes.SeededSplit, 100, Classes, 1, 1), data).Images;
}
catch (DataException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

IInnerProductSpace<Vector, double> space = new EuclideanSpace();
var random = new Random(1);
var (spoiled, cleaned, oracle, kept, lowered) = (0.0, 0.0, 0.0, 0.0, 0.0);
for (var draw = 0; draw < Draws; draw++)
{
    var characters = Enumerable.Range(0, Classes).Select(_ => images.Classes[random.Next(images.Classes.Count)]).ToArray();
    var (x, y) = Examples(characters, 0, Training);
    var (xq, yq) = Examples(characters, Training, Validation);
    var (xt, yt) = Examples(characters, Training + Validation, Drawings - Training - Validation);

    // Half of the labels of each character become those of another one.
    var given = Vector.Build.Dense(y.Count, i => i % Training < Training / 2 ? (y[i] + 1 + random.Next(Classes - 1)) % Classes : y[i]);
    var outer = SoftmaxRegression.loss(Classes, xq, yq);
    var centre = Vector.Build.Dense(outer.Dimension);
    KnownLowerLevel Level(Vector labels) => LowerLevels.exampleWeights(Link.NewSoftmax(Classes), x, labels, outer, Proximal.NewScalar(Lambda), centre);

    var z = Vector.Build.Dense(y.Count);
    spoiled += Accuracy(Solve(Level(given), z).Phi, xt, yt) / Draws;
    oracle += Accuracy(Solve(Level(y), z).Phi, xt, yt) / Draws;
    var level = Level(given);
    IOuterOptimizer<Vector, double> adam = AdamOptimizer<Vector, double>.Start(space, new EuclideanCoordinates(), AdamOptions.Authors, OuterSchedule.Constant(0.5), z);
    for (var step = 0; step < Steps; step++)
    {
        (z, adam) = adam.Step(space, Solve(level, z).Gradient, z);
    }

    cleaned += Accuracy(Solve(level, z).Phi, xt, yt) / Draws;
    kept += Enumerable.Range(0, y.Count).Where(i => given[i] == y[i]).Average(i => z[i] > 0 ? 1.0 : 0.0) / Draws;
    lowered += Enumerable.Range(0, y.Count).Where(i => given[i] != y[i]).Average(i => z[i] < 0 ? 1.0 : 0.0) / Draws;
}

Console.WriteLine($"test accuracy, all labels right           {oracle:P1}");
Console.WriteLine($"test accuracy, half of the labels wrong   {spoiled:P1}");
Console.WriteLine($"test accuracy, weights learned            {cleaned:P1}");
Console.WriteLine($"wrong labels with a weight below 1/2      {lowered:P1}");
Console.WriteLine($"right labels with a weight above 1/2      {kept:P1}");
return 0;

// The images of these characters, `count` drawings of each from the drawing `first` on, as means over squares, and 1.
(Matrix<double> X, Vector Y) Examples(ImageClass[] characters, int first, int count)
{
    var rows = characters.SelectMany((character, label) => Enumerable.Range(character.First + first, count).Select(i => (Pixels(i), (double)label))).ToArray();
    return (Matrix<double>.Build.DenseOfRowArrays(rows.Select(row => row.Item1)), Vector.Build.Dense(rows.Select(row => row.Item2).ToArray()));
}

double[] Pixels(int image)
{
    var pixels = images.Image(image);
    var (means, square) = (new double[(Side * Side) + 1], images.Height / Side);
    means[^1] = 1;
    for (var i = 0; i < images.Height; i++)
    {
        for (var j = 0; j < images.Width; j++)
        {
            means[(i / square * Side) + (j / square)] += pixels[(i * images.Width) + j] / 255.0 / (square * square);
        }
    }

    return means;
}

// x*(z) and ∇F(z), whose error is certified to be a thousandth of it or less.
(Vector Phi, Vector Gradient) Solve(KnownLowerLevel level, Vector z)
{
    var constants = BilevelTaskModule.constants(level.Task.Invoke(z));
    var (rate, momentum) = Momentum.NesterovFor(constants.StrongConvexity, constants.Smoothness);
    var inner = new GradientDescentSolver<Vector, double>(StepRule.NewConstantStep(rate), momentum, 100_000, 1);
    var linear = new ConjugateGradientSolver<Vector, double>(LinearSolveOptions.ToTolerance(1000, 0));
    var accuracy = 1e-5;
    while (true)
    {
        var found = AdaptiveLowerLevel.Compute(space, space, level.Certified, inner, linear, new AdaptiveOptions(accuracy, 20), z);
        var gradient = found.Gradient.Gradient;
        if (found.Statuses[0] is not CertifiedStatus.Met)
        {
            throw new InvalidOperationException(found.Statuses[0].Describe());
        }

        if (accuracy <= 1e-3 * gradient.L2Norm())
        {
            return (found.Gradient.Report.Phi, gradient);
        }

        accuracy = System.Math.Min(0.1 * accuracy, 0.5e-3 * gradient.L2Norm());
    }
}

double Accuracy(Vector phi, Matrix<double> x, Vector y)
{
    var outputs = x * Matrix<double>.Build.DenseOfColumnMajor(x.ColumnCount, Classes, phi.ToArray());
    return Enumerable.Range(0, y.Count).Average(i => outputs.Row(i).MaximumIndex() == (int)y[i] ? 1.0 : 0.0);
}
