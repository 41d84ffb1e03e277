#if DEBUG
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ManyHands.Platform;

namespace ManyHands.Tests.Faults;

/// <summary>Takes cells of the sweep, one a line, and answers what it found. The laws that hold for a living parent are checked here.</summary>
internal sealed class FaultHost
{
    private readonly string directory = Environment.GetEnvironmentVariable(FaultPoint.Variable)
        ?? throw new InvalidOperationException($"Name a directory in {FaultPoint.Variable}.");

    private readonly FaultOrders orders = FaultPoint.Orders!;
    private int cells;
    private Pool? shared;
    private FaultTransports sharedTransport;
    private ProcessInventory? withShared;

    private FaultHost() => IdleThreads.Time = TimeSpan.FromMilliseconds(20);

    /// <param name="arguments">The transports whose cells it will get.</param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        FairClock.Start();
        FaultHost host = new();
        await Warm(arguments);
        Console.WriteLine("ready");
        while (await Console.In.ReadLineAsync() is { } line)
        {
            CellAnswer answer;
            try
            {
                answer = await host.Run(line.Split(' '));
            }
            catch (Exception failure)
            {
                answer = new CellAnswer { Violations = [$"the host failed: {failure}"] };
            }

            Console.WriteLine(JsonSerializer.Serialize(answer));
        }

        if (host.shared is not null)
            await host.shared.DisposeAsync();
        return 0;
    }

    // What .NET makes once per process and keeps isn't the library's to give back.
    private static async Task Warm(string[] transports)
    {
        foreach (FaultTransports transport in transports.Select(Enum.Parse<FaultTransports>))
        {
            await using Pool pool = Pool.Processes(1, new FaultTransportOptions(transport).Options);
            await pool.RunAsync(FaultWork.Answer);
        }
    }

    /// <param name="words">Scenario, transport, then either "record" or side, step, fault, hits and milliseconds.</param>
    private async Task<CellAnswer> Run(string[] words)
    {
        Scenario scenario = Scenarios.All.Single(one => one.Name == words[0]);
        FaultTransportOptions transport = new(Enum.Parse<FaultTransports>(words[1]));
        bool records = words[2] == "record";
        FaultSides side = records ? 0 : Enum.Parse<FaultSides>(words[2]);
        FaultStep? step = records ? null : Enum.Parse<FaultStep>(words[3]);
        Fault fault = records ? default : Enum.Parse<Fault>(words[4]);
        int hits = records ? 0 : int.Parse(words[5], CultureInfo.InvariantCulture);
        TimeSpan delay = records ? default : TimeSpan.FromMilliseconds(int.Parse(words[6], CultureInfo.InvariantCulture));

        await Prepare(scenario, transport);
        string ledger = Directory.CreateDirectory(Path.Combine(directory, $"ledger-{++cells}")).FullName;
        ScenarioRun run = scenario.SharesPool ? new(transport, ledger) { Pool = shared! } : new(transport, ledger);
        long lostBefore = scenario.SharesPool ? shared!.Statistics.WorkersLost : 0;
        ProcessInventory before = scenario.SharesPool ? withShared! : await Quiet();

        File.Delete(Path.Combine(directory, FaultPoint.FiredFile));
        orders.Records = true;
        _ = orders.TakeNotes();
        if (records)
            FaultPoint.Disarm();
        else if (side == FaultSides.Child)
            orders.Give(new FaultOrder(step!.Value, fault, hits, delay));
        else
            FaultPoint.Arm(step!.Value, fault, hits, delay);

        long startedAt = Stopwatch.GetTimestamp();
        await scenario.Body(run);
        TrackedCall[] calls = await run.AllOutcomes();
        TimeSpan took = Stopwatch.GetElapsedTime(startedAt);

        Law law = Law.Of(scenario, side, step, fault, hits);
        if (scenario.SharesPool)
            await run.Within(Settle(shared!, lostBefore + scenario.Lost), "replacing the workers");
        if (side == FaultSides.Child && !orders.TakeBack())
        {
            // It was taken, at the last moment perhaps: a worker that is ready may still be on its way to its first call.
            await run.Within(UntilFired(), "the fault");
            if (scenario.SharesPool)
                await run.Within(Settle(shared!, lostBefore + scenario.Lost), "replacing the workers after the fault");
        }

        FaultPoint.Disarm();
        string[] steps = [.. orders.TakeNotes().Select(note => $"{note.Side}.{note.Step}")];
        orders.Records = false;

        if (scenario.SharesPool)
        {
            Task<int> ping = shared!.RunAsync(FaultWork.Answer);
            if (await run.Within(ping, "a ping of the pool") && await ping != 42)
                run.Violate($"the pool answered {await ping} to a ping");
            long lost = shared.Statistics.WorkersLost - lostBefore;
            if (lost > law.MostLost)
                run.Violate($"{lost} workers were lost, and at most {law.MostLost} should be");
        }

        CheckCalls(run, calls, law, side == FaultSides.Child && step is not null && fault == Fault.Kill);
        await CheckLeaks(run, before);
        return new CellAnswer
        {
            Violations = [.. run.Violations],
            Reached = steps,
            Outcomes = string.Join(' ', calls.Select(call => $"{call.Number}:{call.Outcome}/{Ledger.Runs(ledger, call.Number)}")),
            Milliseconds = took.TotalMilliseconds,
        };
    }

    // A worker that was killed counts as the pool's until its end is noticed, so its replacement alone says nothing.
    private async Task Settle(Pool pool, long lost)
    {
        while (pool.Statistics.WorkersLost < lost || pool.Statistics.Workers.Any(worker => worker.Id == Killed()))
            await Task.Delay(2);
        await pool.WarmUpAsync();
    }

    private async Task UntilFired()
    {
        while (!File.Exists(Path.Combine(directory, FaultPoint.FiredFile)))
            await Task.Delay(2);
    }

    private int? Killed()
    {
        string path = Path.Combine(directory, FaultPoint.FiredFile);
        return File.Exists(path) && File.ReadAllText(path).Split(' ') is [var process, nameof(FaultSides.Child), _, nameof(Fault.Kill)]
            ? int.Parse(process, CultureInfo.InvariantCulture)
            : null;
    }

    private async Task Prepare(Scenario scenario, FaultTransportOptions transport)
    {
        // Beside a scenario with a pool of its own, a worker of the shared one could take the order.
        if (shared is not null && (sharedTransport != transport.Transport || !scenario.SharesPool))
        {
            await shared.DisposeAsync();
            shared = null;
            withShared = null;
        }

        if (!scenario.SharesPool || shared is not null)
            return;
        shared = Pool.Processes(2, transport.Options);
        sharedTransport = transport.Transport;
        await shared.WarmUpAsync();
        withShared = await Quiet();
    }

    private static void CheckCalls(ScenarioRun run, TrackedCall[] calls, Law law, bool mayCrash)
    {
        foreach (TrackedCall call in calls)
        {
            if (call.Outcome != call.Expected && !(mayCrash && call.Outcome == Outcome.Crashed))
                run.Violate($"call {call.Number} should end as {call.Expected} and ended as {call.Outcome}: {call.Detail}");
            if (call.Number == 0)
                continue;
            int runs = Ledger.Runs(run.Ledger, call.Number);
            if (runs > 1 || (runs == 0 && call.Outcome is Outcome.Result))
                run.Violate($"call {call.Number} ended as {call.Outcome} and ran {runs} times");
            if (call.Outcome == Outcome.Crashed && law.RunsOfCrashed is { } exact && runs != exact)
                run.Violate($"call {call.Number} crashed and ran {runs} times, and at this step it should be {exact}");
        }

        int crashed = calls.Count(call => call.Outcome == Outcome.Crashed);
        if (crashed < law.FewestCrashed || crashed > law.MostCrashed)
            run.Violate($"{crashed} calls crashed, and it should be {law.FewestCrashed} to {law.MostCrashed}");
    }

    // Replaced workers have other numbers, so children are counted.
    private static async Task CheckLeaks(ScenarioRun run, ProcessInventory before)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (true)
        {
            ProcessInventory now = ProcessInventory.Take();
            string more = now.Beyond(before with { Children = now.Children });
            if (now.Children.Count > before.Children.Count)
                more += $" {now.Children.Count} children instead of {before.Children.Count}";
            if (more.Length == 0)
                return;
            if (FairClock.Since(startedAt) > TimeSpan.FromSeconds(3))
            {
                run.Violate($"left over: {more}");
                return;
            }

            GC.Collect();
            GC.WaitForPendingFinalizers();
            await Task.Delay(5);
        }
    }

    // The threads that serve the whole process come and go; the count of a pool at rest is the one without them.
    private static async Task<ProcessInventory> Quiet()
    {
        long startedAt = Stopwatch.GetTimestamp();
        ProcessInventory now = ProcessInventory.Take();
        while (now.Threads.Keys.Any(name => name.StartsWith("ManyHands dead", StringComparison.Ordinal)) && FairClock.Since(startedAt) < TimeSpan.FromSeconds(3))
        {
            await Task.Delay(5);
            now = ProcessInventory.Take();
        }

        return now;
    }
}
#endif
