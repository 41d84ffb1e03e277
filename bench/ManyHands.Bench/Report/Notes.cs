using ManyHands.Bench.Running;

namespace ManyHands.Bench.Report;

/// <summary>Why a row falls short, written by hand in bench/notes.md: a heading <c>## subject: what</c> and the reason under it. Every run's results take them from there.</summary>
internal sealed class Notes
{
    private const string Heading = "## ";
    private readonly Dictionary<string, string> reasons = [];

    public static Notes Read(string file)
    {
        Notes notes = new();
        string? row = null;
        foreach (string line in File.Exists(file) ? File.ReadAllLines(file) : [])
        {
            if (line.StartsWith(Heading, StringComparison.Ordinal))
                row = line[Heading.Length..].Trim();
            else if (row is not null && line.Trim() is { Length: > 0 } text)
                notes.reasons[row] = notes.reasons.TryGetValue(row, out string? before) ? $"{before} {text}" : text;
        }

        return notes;
    }

    public string? ReasonOf(Row row) => reasons.GetValueOrDefault(row.Id);

    /// <summary>The headings whose row has reached its goal, or doesn't exist.</summary>
    public IEnumerable<string> NotNeeded(IReadOnlyList<Row> rows)
    {
        HashSet<string> subjects = [.. rows.Select(row => row.Subject)];
        return from id in reasons.Keys
               where subjects.Contains(id.Split(':')[0])
               let row = rows.FirstOrDefault(each => each.Id == id)
               where row is null or { State: RowState.Met }
               select id;
    }
}
