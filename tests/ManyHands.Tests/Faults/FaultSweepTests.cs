using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using ManyHands.Platform;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>
/// At every step of a call's way, and of a worker's life, the process that is there is killed, stopped for a while, or delayed; over every transport. Whatever
/// happens: each call has one outcome, the lawful one, and ran at most once; the pool goes on; nothing is left behind; nothing waits for ever.
/// </summary>
/// <remarks>
/// In the ordinary run each fault meets one of the scenarios that come by its step, or two if it kills a worker; of what other transports have in common with shared
/// memory, each step meets one of the faults. With MANYHANDS_LONG=1 all faults meet all scenarios, at their second and third time too. MANYHANDS_FAULT_CELLS, a regular expression, takes only those cells of the long run whose command it finds: a failure names it.
/// </remarks>
public sealed class FaultSweepTests(ITestOutputHelper output) : LeakChecked
{
    private const int Lanes = 4;
    private const int MostScenarios = 2;

    private static readonly FaultTransports[] Transports = [FaultTransports.SharedMemory, FaultTransports.Sockets, FaultTransports.Portable];
    private static readonly string[] OnSharedPool = ["calls", "map", "cancel", "crash", "progress"];
    private static readonly string[] OnOwnPool = ["flood", "recall", "look", "large", "dispose", "start", "recycle"];
    private static readonly string[] Scenarios = [.. OnSharedPool, .. OnOwnPool];
    private static readonly string? Chosen = Environment.GetEnvironmentVariable("MANYHANDS_FAULT_CELLS");
    private static readonly bool IsLong = Chosen is not null || Environment.GetEnvironmentVariable("MANYHANDS_LONG") == "1";

    [Fact]
    public async Task EveryFault_AtEveryStep_CostsWhatItMayAndNoMore()
    {
        long startedAt = Stopwatch.GetTimestamp();
        List<string> broken = [];
        Dictionary<(FaultTransports, FaultSides, FaultStep), List<string>> reachedBy = await Record(broken);
        broken.AddRange(CheckReached(reachedBy));
        List<FaultCell> cells = Choose(reachedBy);
        ConcurrentBag<CellReport> reports = await Run(cells, cell => IsLong ? [] : reachedBy[(cell.Transport, cell.Side, cell.Step)]);
        string summary = Summary(reachedBy, reports, Stopwatch.GetElapsedTime(startedAt));
        output.WriteLine(summary);
        Console.WriteLine(summary.Split(Environment.NewLine)[^1]);

        broken.AddRange(reports.Where(report => report.Violations.Count > 0).Select(report => $"{report.Cell}: {string.Join("; ", report.Violations)}. Again: MANYHANDS_FAULT_CELLS='{report.Cell.Command}'"));

        // A scenario doesn't come by every step each time, but each fault at each step must have happened somewhere.
        broken.AddRange(reports.GroupBy(report => (report.Cell.Transport, report.Cell.Side, report.Cell.Step, report.Cell.Fault))
            .Where(group => group.All(report => report.Cell.Hits == 1) && !group.Any(report => report.Fired || report.Violations.Count > 0))
            .Select(group => $"{group.Key.Fault} of the {group.Key.Side} at {group.Key.Step} over {group.Key.Transport} never happened"));
        Assert.True(broken.Count == 0, string.Join(Environment.NewLine, broken));
    }

    [Fact]
    public void EveryStep_SaysWhoReachesIt() => Assert.All(Enum.GetValues<FaultStep>(), step => Assert.NotEqual((FaultSides)0, FaultSteps.MarkOf(step).Sides));

    // Each scenario twice, as warm pools send ahead what cold ones don't. Those that come by a step each time are the ones to meet a fault there.
    private static async Task<Dictionary<(FaultTransports, FaultSides, FaultStep), List<string>>> Record(List<string> broken)
    {
        const int Rounds = 2;
        Dictionary<(FaultTransports, FaultSides, FaultStep), List<string>> seen = [];
        await using FaultHostProcess host = await FaultHostProcess.StartAsync(Transports);
        foreach (FaultTransports transport in Transports)
        {
            foreach (string scenario in Enumerable.Repeat(Scenarios, Rounds).SelectMany(one => one))
            {
                CellAnswer answer = await host.Record(scenario, transport);
                if (answer.Violations.Count > 0)
                    broken.Add($"Without any fault, '{scenario}' over {transport}: {string.Join("; ", answer.Violations)}");
                foreach (string[] reached in answer.Reached.Select(one => one.Split('.')))
                {
                    (FaultTransports, FaultSides, FaultStep) key = (transport, Enum.Parse<FaultSides>(reached[0]), Enum.Parse<FaultStep>(reached[1]));
                    if (!seen.TryGetValue(key, out List<string>? scenarios))
                        seen[key] = scenarios = [];
                    scenarios.Add(scenario);
                }
            }
        }

        return seen.ToDictionary(pair => pair.Key, pair =>
        {
            string[] always = [.. pair.Value.CountBy(scenario => scenario).Where(count => count.Value == Rounds).Select(count => count.Key)];
            return always.Length > 0 ? [.. always] : pair.Value.Distinct().ToList();
        });
    }

    // Whatever it finds, the steps that were reached are swept.
    private static IEnumerable<string> CheckReached(Dictionary<(FaultTransports Transport, FaultSides Side, FaultStep Step), List<string>> reachedBy)
    {
        foreach (FaultTransports transport in Transports)
        {
            (FaultSides Side, FaultStep Step)[] expected = [.. FaultSteps.Over(transport)];
            (FaultSides Side, FaultStep Step)[] reached = [.. reachedBy.Keys.Where(key => key.Transport == transport).Select(key => (key.Side, key.Step))];
            foreach ((FaultSides side, FaultStep step) in expected.Except(reached))
                yield return $"Over {transport}: no scenario reaches {step} in the {side}";
            foreach ((FaultSides side, FaultStep step) in reached.Except(expected))
                yield return $"Over {transport}: {step} is reached in the {side}, and its mark says it isn't";
        }
    }

    private static List<FaultCell> Choose(Dictionary<(FaultTransports Transport, FaultSides Side, FaultStep Step), List<string>> reachedBy)
    {
        List<FaultCell> cells = [];
        int turn = 0;
        int faultsTurn = 0;
        foreach (((FaultTransports transport, FaultSides side, FaultStep step), List<string> scenarios) in reachedBy.OrderBy(pair => pair.Key))
        {
            bool isCommon = transport != FaultTransports.SharedMemory && (FaultSteps.MarkOf(step).Transports & FaultTransports.SharedMemory) != 0;
            Fault[] faults = Enum.GetValues<Fault>();
            foreach (Fault fault in IsLong || !isCommon ? faults : [faults[faultsTurn++ % faults.Length]])
            {
                // In turn, so that every scenario gets its share of the common steps.
                int most = side == FaultSides.Child && fault == Fault.Kill && !isCommon ? MostScenarios : 1;
                IEnumerable<string> chosen = IsLong ? scenarios : Enumerable.Range(0, Math.Min(most, scenarios.Count)).Select(_ => scenarios[turn++ % scenarios.Count]);
                foreach (string scenario in chosen)
                    cells.AddRange(Enumerable.Range(1, IsLong ? 3 : 1).Select(hits => new FaultCell(scenario, transport, side, step, fault, hits)));
            }
        }

        return Chosen is null ? cells : [.. cells.Where(cell => Regex.IsMatch(cell.Command, Chosen))];
    }

    // A cell whose scenario doesn't come by its step this time takes another that does.
    private static async Task<ConcurrentBag<CellReport>> Run(List<FaultCell> cells, Func<FaultCell, List<string>> alternatives)
    {
        // So that a host can keep its pool.
        ConcurrentQueue<FaultCell> left = new(cells.OrderBy(cell => (cell.EndsHost, OnOwnPool.Contains(cell.Scenario), cell.Transport)));
        ConcurrentBag<CellReport> reports = [];
        await Task.WhenAll(Enumerable.Range(0, Lanes).Select(_ => Task.Run(async () =>
        {
            FaultHostProcess? host = null;
            while (left.TryDequeue(out FaultCell? cell))
            {
                CellReport report;
                Queue<string> scenarios = new([cell.Scenario, cell.Scenario, .. alternatives(cell).Where(scenario => scenario != cell.Scenario), cell.Scenario]);
                do
                {
                    cell = cell with { Scenario = scenarios.Dequeue() };
                    host ??= await FaultHostProcess.StartAsync(cell.EndsHost ? [cell.Transport] : Transports);
                    report = await host.Run(cell);
                    if (!host.IsUsable || left.IsEmpty)
                    {
                        await host.DisposeAsync();
                        host = null;
                    }
                }
                while (!report.Fired && report.Violations.Count == 0 && scenarios.Count > 0);
                reports.Add(report);
            }

            if (host is not null)
                await host.DisposeAsync();
        })));
        return reports;
    }

    private static string Summary(
        Dictionary<(FaultTransports Transport, FaultSides Side, FaultStep Step), List<string>> reachedBy, ConcurrentBag<CellReport> reports, TimeSpan took)
    {
        StringBuilder text = new();
        text.AppendLine(CultureInfo.InvariantCulture, $"{"side",-7}{"step",-18}{"transport",-10}{"kill",7}{"stop",7}{"delay",7}  reached by");
        foreach (((FaultTransports transport, FaultSides side, FaultStep step), List<string> scenarios) in reachedBy.OrderBy(pair => (pair.Key.Side, pair.Key.Step, pair.Key.Transport)))
        {
            string[] counts = [.. Enum.GetValues<Fault>().Select(fault =>
            {
                CellReport[] here = [.. reports.Where(report => report.Cell.Transport == transport && report.Cell.Side == side && report.Cell.Step == step && report.Cell.Fault == fault)];
                return $"{here.Count(report => report.Fired && report.Violations.Count == 0)}/{here.Length}";
            })];
            text.AppendLine(CultureInfo.InvariantCulture, $"{side,-7}{step,-18}{transport,-10}{counts[0],7}{counts[1],7}{counts[2],7}  {string.Join(' ', scenarios)}");
        }

        foreach (CellReport report in reports.Where(report => !report.Fired))
            text.AppendLine(CultureInfo.InvariantCulture, $"not come by: {report.Cell}");
        int steps = reachedBy.Keys.Select(key => (key.Side, key.Step)).Distinct().Count();
        text.Append(CultureInfo.InvariantCulture, $"{steps} steps × up to {(IsLong ? Scenarios.Length : MostScenarios)} of {Scenarios.Length} scenarios × {Enum.GetValues<Fault>().Length} faults × {Transports.Length} transports: ");
        text.Append(CultureInfo.InvariantCulture, $"{reports.Count} cells run, {reports.Count(report => report.Fired && report.Violations.Count == 0)} passed, {reports.Count(report => !report.Fired)} not come by, {reports.Count(report => report.Violations.Count > 0)} broken, ");
        text.Append(CultureInfo.InvariantCulture, $"{reports.Average(report => report.Milliseconds):0} ms a cell, {took.TotalSeconds:0} s in all.");
        return text.ToString();
    }
}
