// Few-shot classification over HTTP:
//
//     dotnet run samples/few-shot-service.cs -- MODEL --urls http://127.0.0.1:5080
//     curl -F apple=@1.jpg -F apple=@2.jpg -F pear=@3.jpg http://127.0.0.1:5080/classifiers        → {"id":"…","labels":["apple","pear"]}
//     curl --data-binary @new.jpg http://127.0.0.1:5080/classifiers/ID/predict                     → {"label":"apple","probability":0.97,…}
//     curl -X DELETE http://127.0.0.1:5080/classifiers/ID
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Imaml.Nets.CSharp/Imaml.Nets.CSharp.csproj
#:property PublishAot=false
#:property EnforceCodeStyleInBuild=false

using System.Collections.Concurrent;
using Imaml.Nets.Prediction;
using Imaml.Nets.Tasks;

if (args.Length == 0 || args[0].StartsWith('-'))
{
    Console.Error.WriteLine("usage: dotnet run samples/few-shot-service.cs -- MODEL [--urls http://127.0.0.1:5080]");
    return 2;
}

const int MostClassifiers = 1000;
using var model = FewShotClassifier.Load(args[0]);
var classifiers = new ConcurrentDictionary<string, AdaptedClassifier>();
var app = WebApplication.CreateBuilder(args[1..]).Build();

app.MapPost("/classifiers", async (HttpRequest request, CancellationToken cancel) =>
{
    if (!request.HasFormContentType)
    {
        return Results.BadRequest("send the examples as multipart/form-data; a file's field is named after its class");
    }

    if (classifiers.Count >= MostClassifiers)
    {
        return Results.Problem($"there are {MostClassifiers} classifiers; delete one", statusCode: StatusCodes.Status429TooManyRequests);
    }

    try
    {
        var examples = (await request.ReadFormAsync(cancel)).Files.Select(file =>
        {
            using var content = file.OpenReadStream();
            return new LabelledPicture(file.Name, Picture.FromStream(content, file.FileName));
        }).ToArray();
        var adapted = await model.AdaptAsync(examples, cancel);
        var id = Guid.NewGuid().ToString("N");
        classifiers[id] = adapted;
        return Results.Ok(new { id, adapted.Labels, milliseconds = adapted.AdaptingTime.TotalMilliseconds });
    }
    catch (Exception e) when (e is ArgumentException or DataException or AdaptationException or InvalidDataException)
    {
        return Results.BadRequest(e.Message);
    }
});

app.MapPost("/classifiers/{id}/predict", async (string id, HttpRequest request, CancellationToken cancel) =>
{
    if (!classifiers.TryGetValue(id, out var classifier))
    {
        return Results.NotFound($"there is no classifier {id}");
    }

    using var content = new MemoryStream();
    await request.Body.CopyToAsync(content, cancel);
    content.Position = 0;
    try
    {
        var prediction = await classifier.PredictAsync(Picture.FromStream(content), cancel);
        return Results.Ok(new { prediction.Label, prediction.Probability, prediction.Entropy, classes = prediction.Classes.ToDictionary(one => one.Label, one => one.Probability) });
    }
    catch (DataException e)
    {
        return Results.BadRequest(e.Message);
    }
});

// A request that is being answered keeps its classifier: the memory is freed after the last such request.
app.MapDelete("/classifiers/{id}", (string id) => classifiers.TryRemove(id, out _) ? Results.NoContent() : Results.NotFound($"there is no classifier {id}"));

app.Run();
return 0;
