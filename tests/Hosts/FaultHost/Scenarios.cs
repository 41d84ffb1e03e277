using ManyHands.Platform;

namespace ManyHands.Tests.Faults;

/// <summary>Something that programs do with a pool, with calls whose outcomes are known.</summary>
/// <param name="SharesPool">Runs on a warm pool of two workers that outlives it; else it makes its own.</param>
/// <param name="Crashes">Calls that crash without any fault.</param>
/// <param name="Lost">Workers that are lost without any fault.</param>
/// <param name="MayLose">Workers that may be lost besides, if they are slow.</param>
internal sealed record Scenario(string Name, Func<ScenarioRun, Task> Body, bool SharesPool = true, int Crashes = 0, int Lost = 0, int MayLose = 0)
{
    public int MostLost => Lost + MayLose;
}

internal static class Scenarios
{
    public const int Reports = 20;
    private const int Items = 300;
    private const int LargeSize = 1536 * 1024;
    private const int FloodSize = 46 * 1024;
    private const int FloodCalls = 60;
    private const int ItemsSent = 8;
    private const int MostLooks = 500;
    private const int CallsPerWorker = 63;

    public static IReadOnlyList<Scenario> All { get; } =
    [
        new("calls", Calls),
        new("map", Map),
        new("flood", Flood, SharesPool: false),
        new("recall", Recall, SharesPool: false),
        new("look", Look, SharesPool: false),
        new("large", Large, SharesPool: false),
        new("cancel", CancelAndTimeout, Lost: 1, MayLose: 1),
        new("crash", Crash, Crashes: 1, Lost: 1),
        new("progress", Progress),
        new("dispose", DisposeWhileRunning, SharesPool: false),
        new("start", StartWithInitializer, SharesPool: false),
        new("recycle", Recycle, SharesPool: false),
    ];

    // More calls than workers, so some wait.
    private static async Task Calls(ScenarioRun run)
    {
        for (int i = 1; i <= 8; i++)
        {
            int number = i;
            run.Track(number, run.Pool.RunAsync(FaultWork.Double, run.Ledger, number), result => result == 2 * number);
        }

        await run.AllOutcomes();
    }

    private static Task Map(ScenarioRun run)
    {
        string ledger = run.Ledger;
        return MapOver(run.Pool, run, number => FaultWork.Item(ledger, number), Items);
    }

    // Of a source that says at once what comes next, so that no batch is cut short because time passes.
    private static async Task MapOver(Pool pool, ScenarioRun run, Func<int, int> function, int items)
    {
        string ledger = run.Ledger;
        List<int> results = [];
        async Task<bool> Collect()
        {
            await foreach (int result in pool.MapAsync(function, Enumerable.Range(1, items).ToAsyncEnumerable()))
                results.Add(result);
            return results.Count == items;
        }

        run.Track(0, Collect(), static complete => complete);
        TrackedCall[] map = await run.AllOutcomes();
        if (!results.SequenceEqual(Enumerable.Range(1, results.Count).Select(number => 2 * number)))
            run.Violate($"the map's results are out of order or wrong: {string.Join(' ', results)}");
        int least = map[0].Outcome == Outcome.Result ? 1 : 0;
        IReadOnlyDictionary<int, int> entries = Ledger.Runs(ledger);
        for (int number = 1; number <= items; number++)
        {
            int runs = entries.GetValueOrDefault(number);
            if (runs > 1 || runs < (number <= results.Count ? 1 : least))
                run.Violate($"item {number} of the map ran {runs} times");
        }
    }

    // More than a ring or a socket takes, each call too small for a segment, sent while the worker stands still: it is stopped when its first answer was read, and what waits is sent because of that answer.
    private static async Task Flood(ScenarioRun run)
    {
        byte[] large = new byte[FloodSize];
        new Random(1).NextBytes(large);
        Pool pool = Pool.Processes(1, run.Transport.Options with { SentAhead = FloodCalls });
        await run.Within(pool.WarmUpAsync(), "warming up");
        bool isStopped;
        using (FaultHold hold = FaultPoint.Hold(FaultStep.OutcomeRead))
        {
            // Its caller may look for the outcome itself, and is held then.
            Task<int> first = Task.Run(() => pool.RunAsync(FaultWork.Double, run.Ledger, 1));
            run.Track(1, first, static result => result == 2);
            await Task.WhenAny(hold.Reached, first.ContinueWith(static _ => { }, TaskScheduler.Default));
            Signal(Linux.Sigstop);
            isStopped = hold.Reached.IsCompleted && await ScenarioRun.Until(() => pool.Statistics.Workers.All(worker => ProcessInventory.IsStopped(worker.Id)));
            for (int i = 2; i <= FloodCalls; i++)
            {
                int number = i;
                run.Track(number, pool.RunAsync(FaultWork.Sum, run.Ledger, number, large), result => result == number + large[^1]);
            }
        }

        // There is no room left by then.
        if (isStopped)
            await ScenarioRun.Until(() => ScenarioRun.HasReached(FaultSides.Parent, FaultStep.BackgroundFlush));
        Signal(Linux.Sigcont);
        await run.AllOutcomes();
        await run.Within(pool.DisposeAsync().AsTask(), "disposing of the pool");

        void Signal(int signal)
        {
            foreach (PoolWorkerStatistics worker in pool.Statistics.Workers)
                _ = Linux.Kill(worker.Id, signal);
        }
    }

    // One batch, in which an item waits for the next one. So that one has to be taken back, and to run elsewhere.
    private static async Task Recall(ScenarioRun run)
    {
        string ledger = run.Ledger;
        Pool pool = Pool.Processes(2, run.Transport.Options with { SentAhead = ItemsSent });
        await run.Within(pool.WarmUpAsync(), "warming up");
        await MapOver(pool, run, number => FaultWork.HoldUp(ledger, number), ItemsSent);
        await run.Within(pool.DisposeAsync().AsTask(), "disposing of the pool");
    }

    // A worker that sleeps is woken by a call, and its parent, which sleeps by then, by the answer. Then come callers that look for their outcome themselves.
    private static async Task Look(ScenarioRun run)
    {
        Pool pool = Pool.Processes(1, run.Transport.Options);
        await run.Within(pool.WarmUpAsync(), "warming up");
        bool hasRings = run.Transport.Transport == FaultTransports.SharedMemory;
        if (hasRings)
            await ScenarioRun.Until(() => ScenarioRun.HasReached(FaultSides.Child, FaultStep.RingSleeping));
        string path = Path.Combine(Path.GetDirectoryName(run.Ledger)!, $"{Path.GetFileName(run.Ledger)}-open");
        Task<int> first = pool.RunAsync(FaultWork.WaitForFile, run.Ledger, 1, path);
        run.Track(1, first, static result => result == 2);
        await ScenarioRun.Until(() => first.IsCompleted || (Ledger.Runs(run.Ledger, 1) > 0 && ProcessInventory.AllSleep("ManyHands Pool-")));
        File.WriteAllText(path, "");
        await run.AllOutcomes();
        for (int i = 2; i <= MostLooks && hasRings && !ScenarioRun.HasReached(FaultSides.Parent, FaultStep.CallerLooking); i++)
        {
            int number = i;
            run.Track(number, pool.RunAsync(FaultWork.Double, run.Ledger, number), result => result == 2 * number);
            await run.AllOutcomes();
        }

        File.Delete(path);
        await run.Within(pool.DisposeAsync().AsTask(), "disposing of the pool");
    }

    // A pool of its own, whose segments are all new.
    private static async Task Large(ScenarioRun run)
    {
        Pool pool = Pool.Processes(2, run.Transport.Options);
        for (int i = 1; i <= 3; i++)
        {
            byte[] data = new byte[LargeSize];
            new Random(i).NextBytes(data);
            run.Track(i, pool.RunAsync(FaultWork.Echo, run.Ledger, i, data), result => result.AsSpan().SequenceEqual(data));
        }

        await run.AllOutcomes();
        ((Pools.ProcessPool)pool).Segments?.FreeAll();
        byte[] once = new byte[LargeSize];
        run.Track(4, pool.RunAsync(FaultWork.Echo, run.Ledger, 4, once), result => result.AsSpan().SequenceEqual(once));
        await run.AllOutcomes();
        await run.Within(pool.DisposeAsync().AsTask(), "disposing of the pool");
    }

    private static async Task CancelAndTimeout(ScenarioRun run)
    {
        using CancellationTokenSource cancel = new();
        Task<int> cooperative = run.Pool.RunAsync(FaultWork.WaitForCancel, run.Ledger, 1, cancellationToken: cancel.Token);
        run.Track(1, cooperative, static _ => false, Outcome.Canceled);
        CallOptions options = new() { Timeout = TimeSpan.FromMilliseconds(60), Grace = TimeSpan.FromMilliseconds(60) };
        run.Track(2, run.Pool.RunAsync(FaultWork.Stubborn, run.Ledger, 2, options), static _ => false, Outcome.TimedOut);
        await run.UntilRuns(1, cooperative);
        await cancel.CancelAsync();
        await run.AllOutcomes();
        await run.Within(run.UntilRunnerIsGone(2), "the end of the worker that wouldn't stop");
    }

    private static async Task Crash(ScenarioRun run)
    {
        run.Track(1, run.Pool.RunAsync(FaultWork.Die, run.Ledger, 1), static _ => false, Outcome.Crashed);
        for (int i = 2; i <= 6; i++)
        {
            int number = i;
            run.Track(number, run.Pool.RunAsync(FaultWork.Double, run.Ledger, number), result => result == 2 * number);
        }

        await run.AllOutcomes();
    }

    private static async Task Progress(ScenarioRun run)
    {
        Receiver[] receivers = [new(), new()];
        for (int i = 1; i <= receivers.Length; i++)
        {
            int number = i;
            run.Track(number, run.Pool.RunAsync(FaultWork.Report, run.Ledger, number, (IProgress<int>)receivers[i - 1]), result => result == 2 * number);
        }

        TrackedCall[] calls = await run.AllOutcomes();
        for (int i = 0; i < receivers.Length; i++)
        {
            // All of them come before the result; of a crashed call some may be lost, but none in between.
            int[] values = receivers[i].Values;
            if (!values.SequenceEqual(Enumerable.Range(0, values.Length)) || (calls[i].Outcome == Outcome.Result && values.Length != Reports))
                run.Violate($"call {i + 1} ended as {calls[i].Outcome} and reported {string.Join(' ', values)}");
        }
    }

    private static async Task DisposeWhileRunning(ScenarioRun run)
    {
        Pool pool = Pool.Processes(2, run.Transport.Options);
        for (int i = 1; i <= 6; i++)
        {
            int number = i;
            run.Track(number, pool.RunAsync(FaultWork.Busy, run.Ledger, number), result => result == 2 * number);
        }

        Task end = pool.DisposeAsync().AsTask();
        await run.AllOutcomes();
        await run.Within(end, "disposing of the pool");
        try
        {
            _ = pool.RunAsync(FaultWork.Answer);
            run.Violate("the pool took a call after its end");
        }
        catch (ObjectDisposedException)
        {
            // As it should.
        }
    }

    private static async Task StartWithInitializer(ScenarioRun run)
    {
        Pool pool = Pool.Processes(2, run.Transport.Options with { Initializer = FaultWork.Initialize });
        await run.Within(pool.WarmUpAsync(), "warming up");
        for (int i = 1; i <= 3; i++)
        {
            int number = i;
            run.Track(number, pool.RunAsync(FaultWork.DoubleInitialized, run.Ledger, number), result => result == 2 * number);
        }

        await run.AllOutcomes();
        await run.Within(pool.DisposeAsync().AsTask(), "disposing of the pool");
    }

    // Workers that are replaced after some calls, and batches of which only a part is still for them: their number doesn't divide that of the calls.
    private static async Task Recycle(ScenarioRun run)
    {
        string ledger = run.Ledger;
        Pool pool = Pool.Processes(2, run.Transport.Options with { MaxCallsPerWorker = CallsPerWorker, SentAhead = ItemsSent });
        await MapOver(pool, run, number => FaultWork.Item(ledger, number), 4 * CallsPerWorker);
        await run.Within(pool.DisposeAsync().AsTask(), "disposing of the pool");
    }

    private sealed class Receiver : IProgress<int>
    {
        private readonly List<int> values = [];

        public int[] Values
        {
            get
            {
                lock (values)
                    return [.. values];
            }
        }

        public void Report(int value)
        {
            lock (values)
                values.Add(value);
        }
    }
}
