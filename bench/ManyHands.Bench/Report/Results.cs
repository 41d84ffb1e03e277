using System.Globalization;
using System.Text;
using ManyHands.Bench.Running;

namespace ManyHands.Bench.Report;

/// <summary>The page that a run leaves: the circumstances, the table, and what falls short with its reason.</summary>
internal static class Results
{
    public static string Of(IReadOnlyList<Row> rows, Notes notes, IReadOnlyList<(string Name, string Value)> circumstances)
    {
        StringBuilder page = new("# Results\n\nWritten by `bench/run`; the reasons under \"What falls short\" come from `notes.md`. How to read the rows: `README.md`.\n\n");
        foreach ((string name, string value) in circumstances)
            page.Append(CultureInfo.InvariantCulture, $"- {name}: {value}\n");
        page.Append(CultureInfo.InvariantCulture, $"\n{Summary(rows)}\n\n").Append(Table.Of(rows));
        Append(page, "What falls short", rows.Where(row => row.State == RowState.Missed), row =>
            $"{Reached(row)} instead of {row.Goal!.Text}. {notes.ReasonOf(row) ?? $"No reason is noted: write it to `notes.md`, under `## {row.Id}`."}");
        Append(page, "What was not measured", rows.Where(row => row.State is RowState.Failed or RowState.Missing or RowState.Skipped or RowState.NotRun), row =>
            $"{Table.State(row.State).ToLowerInvariant()}{(row.Reason is { } reason ? ": " + reason : "")}.");
        return page.ToString();
    }

    public static string Summary(IReadOnlyList<Row> rows)
    {
        int Count(params RowState[] states) => rows.Count(row => row.Goal is not null && states.Contains(row.State));
        int unknown = Count(RowState.Failed, RowState.Missing, RowState.Skipped, RowState.NotRun);
        return $"{Count(RowState.Met)} goals met, {Count(RowState.Missed)} missed{(unknown == 0 ? "" : $", {unknown} not measured")}.";
    }

    private static string Reached(Row row) => row.Goal!.IsOfValue ? $"{Table.Figure(row.Ours!.Value.Median)} {row.Unit}" : Table.Ratio(row.Ratio!.Value);

    private static void Append(StringBuilder page, string title, IEnumerable<Row> rows, Func<Row, string> text)
    {
        string[] lines = [.. rows.Select(row => $"- **{row.Id}**: {text(row)}\n")];
        if (lines.Length > 0)
            page.Append(CultureInfo.InvariantCulture, $"\n## {title}\n\n").AppendJoin("", lines);
    }
}
