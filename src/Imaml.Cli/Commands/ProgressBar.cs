// The progress of long work, on the error stream: on a terminal a bar that is removed at the end, elsewhere occasional lines.
// Short work prints nothing where there is no terminal.

using Spectre.Console;

namespace Imaml.Cli.Commands;

/// <summary>Runs work that reports its progress.</summary>
internal static class ProgressBar
{
    /// <summary>Runs <paramref name="work"/> on the calling thread. It may report 0 … 1 from any thread, and write lines to <see cref="Terminal.Error"/> meanwhile.</summary>
    /// <param name="what">What is being done: <c>downloading omniglot</c>.</param>
    /// <param name="work">The work; what it returns or throws is passed on.</param>
    public static T Run<T>(string what, Func<IProgress<double>, T> work)
    {
        if (!Terminal.Live)
        {
            return work(new ProgressLines(what, Terminal.Error.WriteLine, TimeProvider.System));
        }

        // Start's own result would have to be carried through its task; the work runs within this call.
        T result = default!;
        Terminal.Error.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context => result = work(new Bar(context.AddTask(Markup.Escape(what), maxValue: 1))));
        return result;
    }

    private sealed class Bar(ProgressTask task) : IProgress<double>
    {
        private readonly Lock _one = new();

        public void Report(double value)
        {
            lock (_one)
            {
                task.Value = double.Max(task.Value, value);
            }
        }
    }
}
