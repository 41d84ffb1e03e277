using System.Text;
using ManyHands.Bench.Running;

namespace ManyHands.Bench.Report;

/// <summary>The rows as a Markdown table whose columns also line up in a terminal.</summary>
internal static class Table
{
    private static readonly string[] Head = ["subject", "what", "unit", "ours", "peer", "peer is", "ours / peer", "goal", ""];

    public static string Of(IReadOnlyList<Row> rows)
    {
        List<string[]> lines = [Head, .. rows.Select(Cells)];
        int[] widths = [.. Head.Select((_, column) => lines.Max(line => line[column].Length))];
        StringBuilder text = new();
        for (int i = 0; i < lines.Count; i++)
        {
            text.Append('|');
            for (int column = 0; column < widths.Length; column++)
                text.Append(' ').Append(IsFigure(column) ? lines[i][column].PadLeft(widths[column]) : lines[i][column].PadRight(widths[column])).Append(" |");
            text.Append('\n');
            if (i == 0)
                text.Append('|').AppendJoin('|', widths.Select((width, column) => new string('-', width + 1) + (IsFigure(column) ? ':' : '-'))).Append("|\n");
        }

        return text.ToString();
    }

    /// <summary>In three digits; a ratio below one half is a fraction.</summary>
    public static string Ratio(double ratio) => ratio switch
    {
        <= 0 => "0",
        < 0.5 => $"1/{Figure(1 / ratio)}",
        _ => $"{Figure(ratio)} ×",
    };

    public static string Figure(double value) => Math.Abs(value) switch
    {
        >= 1e6 => $"{value / 1e6:0.##} M",
        >= 1e4 => $"{value / 1e3:0.#} k",
        >= 100 => $"{value:0}",
        >= 10 => $"{value:0.#}",
        >= 0.1 => $"{value:0.##}",
        0 => "0",
        _ => $"{value:0.####}",
    };

    public static string State(RowState state) => state switch
    {
        RowState.Met => "met",
        RowState.Missed => "MISSED",
        RowState.Information => "",
        RowState.Missing => "PEER MISSING",
        RowState.Skipped => "SKIPPED",
        RowState.Failed => "FAILED",
        _ => "not run",
    };

    private static bool IsFigure(int column) => column is 3 or 4 or 6;

    private static string[] Cells(Row row) =>
    [
        row.Subject,
        row.Name,
        row.Unit,
        Cell(row.Ours),
        Cell(row.Peer),
        row.Peer is not { } peer ? "" : peer.Measurement.Contender.Name == row.Ours?.Measurement.Contender.Name ? "itself" : peer.Measurement.Contender.Name,
        row.Ratio is { } ratio ? Ratio(ratio) : "",
        row.Goal?.Text ?? "",
        State(row.State),
    ];

    private static string Cell(Metric? metric) => metric switch
    {
        null => "",
        { IsMeasured: true } measured => Figure(measured.Median),
        _ => "–",
    };
}
