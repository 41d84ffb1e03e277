using System.Diagnostics;
using System.Globalization;
using ManyHands;
using ManyHands.Values;

// ManyHands.Values [--values N] [--seed S] [--case type:number]
// Invents types and values and sends each through every engine. The exit code is 1 if one arrived changed, or was neither taken nor refused by name; 2 if the command line is wrong.
const int TypesPerRound = 32;
int values = 10_000;
ulong seed = (ulong)Environment.TickCount64;
(int Type, int Number)? only = null;
for (int index = 0; index < args.Length; index += 2)
{
    string? value = index + 1 < args.Length ? args[index + 1] : null;
    switch (args[index])
    {
        case "--values" when int.TryParse(value, CultureInfo.InvariantCulture, out values):
        case "--seed" when ulong.TryParse(value, CultureInfo.InvariantCulture, out seed):
            break;
        case "--case" when value?.Split(':') is [var type, var number]:
            only = (int.Parse(type, CultureInfo.InvariantCulture), int.Parse(number, CultureInfo.InvariantCulture));
            break;
        default:
            Console.Error.WriteLine($"'{args[index]}' is none of --values, --seed and --case with a value.");
            return 2;
    }
}

// That values are compared on the coroutines' thread is no news.
Coroutine.BlockedAfter = Timeout.InfiniteTimeSpan;
string folder = Directory.CreateTempSubdirectory("manyhands-values").FullName;
Stopwatch clock = Stopwatch.StartNew();
int sent = 0, refused = 0;
List<string> problems = [];
Engine[] engines =
[
    new("Inline", Pool.Inline(), Copies: true),
    new("Threads", Pool.Threads(1), Copies: false),
    new("Coroutines", Pool.Coroutines(1), Copies: false),
    new("Processes over rings", Pool.Processes(1, new() { Transport = OperatingSystem.IsLinux() ? WorkerTransport.SharedMemory : WorkerTransport.Automatic }), Copies: true),
    new("Processes over sockets", Pool.Processes(1, new() { Transport = WorkerTransport.Sockets }), Copies: true),
];
try
{
    for (ulong round = seed; sent < values && problems.Count < 20; round++)
    {
        IReadOnlyList<ValueCase> cases = GeneratedAssembly.Compile(round, TypesPerRound, folder);
        int each = Math.Clamp((values - sent + cases.Count - 1) / cases.Count, 1, 400);
        foreach (ValueCase one in cases)
        {
            if (only is not null && one.Index != only.Value.Type)
                continue;
            (int first, int count) = only is null ? (0, each) : (only.Value.Number, 1);
            CaseReport[] reports = await Task.WhenAll(engines.Select(engine => Task.Run(() => one.SendAsync(engine, round, first, count))));
            sent += count;
            refused += reports[0].Refused;
            foreach (string problem in reports.SelectMany(static report => report.Problems).Take(3))
                problems.Add($"{problem}\n    again: --seed {round} --case {problem[(problem.IndexOf("value", StringComparison.Ordinal) + 5)..].TrimStart('s').Trim().Split(' ')[0].TrimEnd('…')}");
            // The engines that copy must agree.
            if (reports.Where((_, at) => engines[at].Copies).Select(static report => report.Refused).Distinct().Count() > 1)
                problems.Add($"{one.Choice.Name}: {string.Join(", ", reports.Select((report, at) => $"{engines[at].Name} refuses {report.Refused}"))}\n    again: --seed {round}");
            if (only is not null)
                Console.WriteLine($"{one.Choice.Name}\n{one.Choice.Maker}\n{one.Show(round, first)}\nThe source is {folder}/Generated{round:x}.cs");
        }

        if (only is not null)
            break;
    }
}
finally
{
    foreach (Engine engine in engines)
        await engine.Pool.DisposeAsync();
}

Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture,
    $"{sent:N0} values through {engines.Length} engines in {clock.Elapsed.TotalSeconds:N1} s: {sent - refused:N0} arrived equal, {refused:N0} were refused by name, {problems.Count:N0} problems, seed {seed}"));
foreach (string problem in problems.Take(10))
    Console.Error.WriteLine(problem);
if (only is null)
    Directory.Delete(folder, recursive: true);
return problems.Count == 0 ? 0 : 1;
