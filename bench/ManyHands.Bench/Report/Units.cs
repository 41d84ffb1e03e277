using ManyHands.Bench.Running;
using ManyHands.Bench.Subjects;

namespace ManyHands.Bench.Report;

/// <summary>A figure's unit is that of the rows it appears in.</summary>
internal static class Units
{
    public static string Of(Metric metric, Subject subject) => subject.Rows.FirstOrDefault(row => row.Ours == metric || row.Peer == metric)?.Unit ?? Sibling(metric, subject);

    // A percentile that no row shows is in the unit of its siblings.
    private static string Sibling(Metric metric, Subject subject) =>
        subject.Rows.FirstOrDefault(row => row.Ours?.Measurement == metric.Measurement || row.Peer?.Measurement == metric.Measurement)?.Unit ?? "";
}
