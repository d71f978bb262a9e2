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
            .Columns(Columns(what.Length, Terminal.Error.Profile.Width))
            .Start(context => result = work(new Bar(context.AddTask(Markup.Escape(what), maxValue: 1))));
        return result;
    }

    // The description is never cut: the bar is as long as the line allows, and omitted before the percentage is.
    private static ProgressColumn[] Columns(int description, int width)
    {
        const int Percentage = 4, Remaining = 8, Between = 1, ShortestBar = 10, LongestBar = 40;
        var left = width - description - Percentage - (2 * Between);
        return left - Remaining - (2 * Between) is var bar and >= ShortestBar
            ? [new TaskDescriptionColumn(), new ProgressBarColumn { Width = int.Min(bar, LongestBar) }, new PercentageColumn(), new RemainingTimeColumn()]
            : [new TaskDescriptionColumn(), new PercentageColumn()];
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
