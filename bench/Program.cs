// Benchmarks: `dotnet run -c Release --project bench -- --filter '*'`. With the verb `ordered-sum`, under mpirun: see OrderedSum.cs.

using BenchmarkDotNet.Running;
using Imaml.Bench;

if (args is [OrderedSum.Verb, .. var batches])
{
    return OrderedSum.Run(batches);
}

BenchmarkSwitcher.FromAssembly(typeof(GlyphTasks).Assembly).Run(args);
return 0;
