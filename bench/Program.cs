// Benchmarks: `dotnet run -c Release --project bench -- --filter '*'`.

using BenchmarkDotNet.Running;

BenchmarkSwitcher.FromAssembly(typeof(Imaml.Bench.GlyphTasks).Assembly).Run(args);
