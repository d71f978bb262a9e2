// Classifies pictures from a few examples of each class:
//
//     dotnet run samples/few-shot.cs -- MODEL EXAMPLES PICTURE…       EXAMPLES has one folder of pictures for each class
#:project ../src/Imaml.Nets.CSharp/Imaml.Nets.CSharp.csproj
#:property PublishAot=false
#:property EnforceCodeStyleInBuild=false

using Imaml.Nets.Prediction;

if (args.Length < 3)
{
    Console.Error.WriteLine("usage: dotnet run samples/few-shot.cs -- MODEL EXAMPLES PICTURE…");
    return 2;
}

using var model = FewShotClassifier.Load(args[0]);
using var classifier = model.Adapt([.. Directory.GetDirectories(args[1]).SelectMany(folder =>
    Directory.GetFiles(folder).Where(file => !Path.GetFileName(file).StartsWith('.')).Select(file => new LabelledPicture(Path.GetFileName(folder), Picture.FromFile(file))))]);
foreach (var file in args[2..])
{
    var prediction = classifier.Predict(Picture.FromFile(file));
    Console.WriteLine($"{file}: {prediction.Label} ({prediction.Probability:P0})");
}

return 0;
