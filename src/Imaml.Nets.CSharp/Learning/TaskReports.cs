// The reports of tasks as bytes, to the last bit, to send them between ranks.

using Imaml.Math;

namespace Imaml.Nets.Learning;

/// <summary>A task's report with the accuracy of what it was adapted to.</summary>
internal readonly record struct MeasuredTask(MetaTaskReport Report, double Accuracy);

/// <summary>Writes and reads them.</summary>
internal static class TaskReports
{
    /// <summary>The reports, one after another.</summary>
    public static byte[] Bytes(IReadOnlyList<MeasuredTask> tasks)
    {
        using var stream = new MemoryStream();
        using var to = new BinaryWriter(stream);
        to.Write(tasks.Count);
        foreach (var (report, accuracy) in tasks)
        {
            to.Write(accuracy);
            to.Write(report.Usable);
            to.Write(report.OuterLoss);
            to.Write(report.InnerLoss);
            to.Write(report.MetaGradientNorm);
            to.Write(report.InnerGradientNorm);
            to.Write(report.NegativeCurvature);
            to.Write(report.Raised);
            Write(to, (int)report.Inner.Status, report.Inner.Steps, report.Inner.Gradients, report.Inner.HessianProducts, report.Inner.Losses);
            Write(to, (int)report.Solve.Status, report.Solve.Steps, report.Solve.Products);
            to.Write(report.Solve.RelativeResidual);
            to.Write(report.Solve.RightHandSideNorm);
            to.Write(report.Solve.SmallestCurvature);
            Write(to, report.Solve.RitzValues);
            Write(to, report.Cost.Gradients, report.Cost.HessianProducts, report.Cost.Losses, report.Cost.OuterGradients);
            Write(to, report.Learned);
            to.Write(report.Certified);
        }

        to.Flush();
        return stream.ToArray();
    }

    /// <summary>The reports of such bytes.</summary>
    public static MeasuredTask[] Read(byte[] bytes)
    {
        using var from = new BinaryReader(new MemoryStream(bytes));
        var tasks = new MeasuredTask[from.ReadInt32()];
        // The arguments of a call are read from left to right.
        for (var i = 0; i < tasks.Length; i++)
        {
            var accuracy = from.ReadDouble();
            tasks[i] = new MeasuredTask(
                new MetaTaskReport(
                    from.ReadBoolean(),
                    from.ReadDouble(),
                    from.ReadDouble(),
                    from.ReadDouble(),
                    from.ReadDouble(),
                    from.ReadBoolean(),
                    from.ReadDouble(),
                    new InnerStatistics((InnerStatus)from.ReadInt32(), from.ReadInt32(), from.ReadInt32(), from.ReadInt32(), from.ReadInt32()),
                    new SolveStatistics((SolveStatus)from.ReadInt32(), from.ReadInt32(), from.ReadInt32(), from.ReadDouble(), from.ReadDouble(), from.ReadDouble(), Numbers(from)),
                    new WorkCount(from.ReadInt32(), from.ReadInt32(), from.ReadInt32(), from.ReadInt32()),
                    Numbers(from),
                    from.ReadDouble()),
                accuracy);
        }

        return tasks;
    }

    private static void Write(BinaryWriter to, params ReadOnlySpan<int> numbers)
    {
        foreach (var number in numbers)
        {
            to.Write(number);
        }
    }

    private static void Write(BinaryWriter to, double[] numbers)
    {
        to.Write(numbers.Length);
        foreach (var number in numbers)
        {
            to.Write(number);
        }
    }

    private static double[] Numbers(BinaryReader from)
    {
        var numbers = new double[from.ReadInt32()];
        for (var i = 0; i < numbers.Length; i++)
        {
            numbers[i] = from.ReadDouble();
        }

        return numbers;
    }
}
