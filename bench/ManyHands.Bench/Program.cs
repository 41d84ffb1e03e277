using System.Globalization;
using ManyHands.Bench;
using ManyHands.Bench.Report;
using ManyHands.Bench.Running;
using ManyHands.Bench.Subjects;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
try
{
    Options options = Options.Parse(args);
    IReadOnlyList<Subject> all = Subject.All(options);
    if (options.Serves is { } served)
    {
        await using Subject ours = Named(served);
        return await ours.ServeAsync();
    }

    Subject[] chosen = options.Subjects.Count == 0 ? [.. all] : [.. all.Intersect(options.Subjects.Select(Named))];
    string output = options.Output ?? (chosen.Length == all.Count && !options.Quick ? Repository.Results : Repository.Artifact("results.md"));
    Directory.CreateDirectory(Path.GetDirectoryName(Repository.Artifact("results.md"))!);
    await using StreamWriter measurements = new(Repository.Artifact("measurements.jsonl"));
    Run run = new(options.Quick);
    await run.MeasureAsync(chosen, subject =>
    {
        foreach (string line in subject.Measurements.SelectMany(each => each.ToJsonLines(metric => Units.Of(metric, subject))))
        {
            Console.WriteLine(line);
            measurements.WriteLine(line);
        }
    });

    Row[] rows = [.. chosen.SelectMany(subject => subject.Rows)];
    Console.WriteLine();
    Console.Write(Table.Of(rows));
    Notes notes = Notes.Read(Repository.Notes);
    await File.WriteAllTextAsync(output, Results.Of(rows, notes, Machine.Describe(args)));
    Console.WriteLine();
    Console.WriteLine(Results.Summary(rows));
    Console.WriteLine($"Written to {Path.GetRelativePath(Environment.CurrentDirectory, output)}.");
    foreach (string stale in notes.NotNeeded(rows))
        Console.Error.WriteLine($"bench/notes.md has a reason for '{stale}', which is met now, or no row of the table.");
    return rows.Any(row => row.State == RowState.Failed) ? 1 : 0;

    Subject Named(string name) =>
        all.FirstOrDefault(subject => subject.Name == name)
        ?? throw new UsageException($"{name} is no subject; there are {string.Join(", ", all.Select(subject => subject.Name))}.");
}
catch (UsageException mistake)
{
    Console.Error.WriteLine($"bench/run: {mistake.Message}");
    Console.Error.WriteLine(Options.Usage);
    return 2;
}
