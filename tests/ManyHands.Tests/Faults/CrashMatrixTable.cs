using System.Globalization;
using System.Text;
using ManyHands.Tests.Samples;

namespace ManyHands.Tests.Faults;

/// <summary>Which crash at which moment had which outcome; printed when the last cell is done.</summary>
public sealed class CrashMatrixTable : IDisposable
{
    private readonly SortedDictionary<(TransportUnderTest Transport, CrashKind Kind, CrashMoment Moment), string> cells = [];

    public void Add(TransportUnderTest transport, CrashKind kind, CrashMoment moment, string outcome)
    {
        lock (cells)
            cells[(transport, kind, moment)] = outcome;
    }

    public void Dispose()
    {
        string text = ToString();
        Console.Out.Write(text);
        string folder = Path.Combine(SampleProcess.RepositoryRoot(), "artifacts");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "crash-matrix.txt"), text);
    }

    public override string ToString()
    {
        StringBuilder text = new();
        foreach (var transport in cells.GroupBy(cell => cell.Key.Transport))
        {
            CrashMoment[] moments = [.. transport.Select(cell => cell.Key.Moment).Distinct().Order()];
            Dictionary<CrashMoment, int> widths = moments.ToDictionary(
                moment => moment,
                moment => transport.Where(cell => cell.Key.Moment == moment).Max(cell => Math.Max(cell.Value.Length, moment.ToString().Length)));
            text.AppendLine(CultureInfo.InvariantCulture, $"Crashes over {transport.Key}: the outcome of the call, by what the worker was doing");
            text.AppendLine(Row("", moment => moment.ToString()));
            foreach (CrashKind kind in transport.Select(cell => cell.Key.Kind).Distinct().Order())
                text.AppendLine(Row(kind.ToString(), moment => cells.GetValueOrDefault((transport.Key, kind, moment), "")));

            string Row(string head, Func<CrashMoment, string> cell) =>
                $"{head,-18}| {string.Join(" | ", moments.Select(moment => cell(moment).PadRight(widths[moment])))}".TrimEnd();
        }

        return text.ToString();
    }
}
