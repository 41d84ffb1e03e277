using System.Diagnostics;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>
/// Every kind of crash at every moment of a worker's life: the call has the one outcome it must have, a call that another worker runs is unharmed, the pool
/// answers afterwards, and nothing is left over.
/// </summary>
public sealed class CrashMatrixTests(CrashMatrixTable table) : LeakChecked, IClassFixture<CrashMatrixTable>
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    // The same code is behind all kinds but where the way of starting and ending differs, so one of each sort is enough there.
    private static readonly CrashKind[] OneOfEachSort = [CrashKind.Sigkill, CrashKind.FailFast, CrashKind.Exit];

    public static TheoryData<TransportUnderTest, CrashKind, CrashMoment> Cells
    {
        get
        {
            TheoryData<TransportUnderTest, CrashKind, CrashMoment> cells = [];
            foreach (TransportUnderTest transport in Transports.Known)
            {
                foreach (CrashKind kind in transport != TransportUnderTest.Automatic && !LongRun.IsOn ? OneOfEachSort : Enum.GetValues<CrashKind>())
                {
                    foreach (CrashMoment moment in Enum.GetValues<CrashMoment>())
                    {
                        // Single workers take no options: neither a transport nor a smaller heap.
                        if (moment != CrashMoment.SingleWorker || (transport == TransportUnderTest.Automatic && kind != CrashKind.OutOfMemory))
                            cells.Add(transport, kind, moment);
                    }
                }
            }

            return cells;
        }
    }

    [Theory]
    [MemberData(nameof(Cells))]
    public async Task Crash_CostsNoMoreThanItMust(TransportUnderTest transport, CrashKind kind, CrashMoment moment)
    {
        string outcome = "FAILED";
        try
        {
            outcome = moment == CrashMoment.SingleWorker ? await CrashSingleWorker(kind) : await CrashInPool(transport, kind, moment);
        }
        finally
        {
            table.Add(transport, kind, moment, outcome);
        }
    }

    /// <summary>A call that kills whoever reads it must not go round for ever.</summary>
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task CallThatKillsEveryReader_FailsAfterThree(TransportUnderTest transport)
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(transport, CrashKind.Sigkill, gate);
        string finish = gate.Named("finish");
        Task<int> sibling = pool.RunAsync(Work.OpenThenWait, gate.Path, finish);
        await gate.WaitAsync();
        WorkerCrashedException crash = await Assert.ThrowsAsync<WorkerCrashedException>(
            () => pool.RunAsync(static (PoisonedArgument _) => 42, new PoisonedArgument()).InTime(Deadline));
        Assert.Equal(Signals.Kill, crash.Signal);
        Assert.Contains("while it read", crash.Message, StringComparison.Ordinal);
        Assert.Equal(3, pool.Statistics.WorkersLost);
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
        Gate.Open(finish);
        Assert.Equal(1, await sibling.InTime(Deadline));
    }

    /// <summary>Killed from outside as soon as there is a process; the gate keeps one that was too quick for the killer from the call.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task KilledWhileItsRuntimeStarts_IsStartedAgain(TransportUnderTest transport)
    {
        using Gate gate = new();
        string open = gate.Path;
        IReadOnlyCollection<int> before = ProcessInventory.Take().Children;
        await using Pool pool = Pool.Processes(1, new ProcessPoolOptions { Initializer = () => Gate.Wait(open) }.Over(transport));
        Task<int> call = pool.RunAsync(static () => Environment.ProcessId);
        int victim = 0;
        await Eventually.True(() => (victim = ProcessInventory.Take().Children.Except(before).FirstOrDefault()) != 0, "the process is there");
        Assert.True(Signals.TrySend(victim, Signals.Kill));
        gate.Open();
        Assert.NotEqual(victim, await call.InTime(Deadline));
        Assert.Equal(1, pool.Statistics.WorkersLost);
        Assert.Equal(2, pool.Statistics.WorkersStarted);
    }

    private static async Task<string> CrashInPool(TransportUnderTest transport, CrashKind kind, CrashMoment moment)
    {
        using Gate gate = new();
        Pool pool = CreatePool(transport, kind, gate);
        await using (pool)
        {
            string finish = gate.Named("finish");
            Task<int> sibling = pool.RunAsync(Work.OpenThenWait, gate.Path, finish);
            await gate.WaitAsync();
            string outcome = await (moment switch
            {
                CrashMoment.Starting => CrashWhileStarting(pool, gate),
                CrashMoment.Idle => CrashWhileIdle(pool, kind, gate),
                CrashMoment.Decoding => CrashWhileDecoding(pool, kind, gate),
                CrashMoment.InCall => CrashInTheCall(pool, kind),
                CrashMoment.WritingResult => CrashWhileWriting(pool, kind, gate),
                CrashMoment.AfterCall => CrashAfterTheCall(pool, kind, gate),
                CrashMoment.Disposing => CrashWhileDisposing(pool, kind, gate, () => Gate.Open(finish)),
                _ => throw new ArgumentOutOfRangeException(nameof(moment), moment, null),
            });
            Assert.Equal(moment == CrashMoment.Disposing, sibling.IsCompleted);
            if (moment != CrashMoment.Disposing)
            {
                Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
                Gate.Open(finish);
                Assert.All(await Task.WhenAll(pool.RunAsync(Work.Answer), pool.RunAsync(Work.Answer)).InTime(Deadline), static answer => Assert.Equal(42, answer));
            }

            Assert.Equal(1, await sibling.InTime(Deadline));
            return outcome;
        }
    }

    private static Pool CreatePool(TransportUnderTest transport, CrashKind kind, Gate gate)
    {
        string folder = Path.GetDirectoryName(gate.Path)!;
        ProcessPoolOptions options = new()
        {
            Output = static _ => { },
            Initializer = () => Trap.Arm(kind, folder),
            Environment = kind == CrashKind.OutOfMemory ? Crash.SmallHeap : new Dictionary<string, string?>(),
        };
        return Pool.Processes(2, options.Over(transport));
    }

    // Nothing ran, so the call costs nothing but another start.
    private static async Task<string> CrashWhileStarting(Pool pool, Gate gate)
    {
        Gate.Open(gate.Named(nameof(CrashMoment.Starting)));
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
        Assert.Equal(1, pool.Statistics.WorkersLost);
        Assert.Equal(0, pool.Statistics.CrashedCalls);
        return "result, started again";
    }

    private static async Task<string> CrashWhileIdle(Pool pool, CrashKind kind, Gate gate)
    {
        string now = gate.Named("now");
        int victim = await pool.RunAsync(Crash.Later, kind, now).InTime(Deadline);
        await Eventually.True(() => pool.Statistics.Workers.Single(worker => worker.Id == victim) is { IsBusy: false }, "the worker is idle");
        Gate.Open(now);
        await Eventually.True(
            () => pool.Statistics is { WorkersLost: 1, Workers: { Count: 2 } workers } && workers.All(worker => worker.Id != 0 && worker.Id != victim),
            "it was replaced");
        Assert.False(ProcessInventory.IsAlive(victim));
        Assert.Equal(0, pool.Statistics.CrashedCalls);
        return "replaced";
    }

    // The function was not called, so the call runs elsewhere.
    private static async Task<string> CrashWhileDecoding(Pool pool, CrashKind kind, Gate gate)
    {
        Gate.Open(gate.Named(nameof(CrashMoment.Decoding)));
        Task<int> call = pool.RunAsync(static (TrappedArgument argument) => argument.Large.Length, new TrappedArgument { Large = new byte[1_000_000] });
        if (kind == CrashKind.OutOfMemory)
            return await CannotTravel(call);
        Assert.Equal(1_000_000, await call.InTime(Deadline));
        Assert.Equal(1, pool.Statistics.WorkersLost);
        Assert.Equal(0, pool.Statistics.CrashedCalls);
        return "result, elsewhere";
    }

    private static Task<string> CrashInTheCall(Pool pool, CrashKind kind) => CostsTheCall(pool.RunAsync(Crash.Now, kind), kind, pool);

    private static Task<string> CrashWhileWriting(Pool pool, CrashKind kind, Gate gate)
    {
        Gate.Open(gate.Named(nameof(CrashMoment.WritingResult)));
        Task<TrappedResult> call = pool.RunAsync(static () => new TrappedResult());
        return kind == CrashKind.OutOfMemory ? CannotTravel(call) : CostsTheCall(call, kind, pool);
    }

    // The call's result is out; others are on their way to the worker when it crashes, and at most the one that it has started is lost.
    private static async Task<string> CrashAfterTheCall(Pool pool, CrashKind kind, Gate gate)
    {
        string now = gate.Named("now");
        int victim = await pool.RunAsync(Crash.Later, kind, now).InTime(Deadline);
        Gate.Open(now);
        int crashed = 0, answered = 0;
        while (pool.Statistics.WorkersLost == 0 || answered < 20)
        {
            try
            {
                Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
                answered++;
            }
            catch (WorkerCrashedException crash)
            {
                Assert.Equal(victim, crash.ProcessId);
                crashed++;
            }
        }

        Assert.InRange(crashed, 0, 1);
        Assert.Equal(1, pool.Statistics.WorkersLost);
        Assert.False(ProcessInventory.IsAlive(victim));
        return "result, replaced";
    }

    private static async Task<string> CrashWhileDisposing(Pool pool, CrashKind kind, Gate gate, Action finishSibling)
    {
        string opens = gate.Named("opens"), now = gate.Named("now");
        Task<int> victim = pool.RunAsync(Crash.When, kind, opens, now);
        await Gate.WaitAsync(opens);
        Task<int> behind = pool.RunAsync(Work.Answer);
        Task disposing = pool.DisposeAsync().AsTask();
        Gate.Open(now);
        string outcome = await CostsTheCall(victim, kind, pool);
        Assert.Equal(42, await behind.InTime(Deadline));
        Assert.False(disposing.IsCompleted);
        long startedAt = Stopwatch.GetTimestamp();
        finishSibling();
        await disposing.InTime(Deadline);
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 5);
        return outcome;
    }

    private static async Task<string> CrashSingleWorker(CrashKind kind)
    {
        WorkerProcess<int> worker = WorkerProcess.Start(Crash.Now, kind);
        await worker.JoinAsync().InTime(Deadline);
        WorkerCrashedException crash = Assert.IsType<WorkerCrashedException>(worker.Exception);
        Assert.Equal(Crash.EndOf(kind), (crash.Signal, crash.ExitCode));
        Assert.Equal(WorkerState.Faulted, worker.State);
        Assert.Equal(Crash.EndOf(kind), (worker.Signal, worker.ExitCode));
        Assert.DoesNotContain(worker, WorkerProcess.LiveChildren);
        return InWords(crash);
    }

    private static async Task<string> CostsTheCall<T>(Task<T> call, CrashKind kind, Pool pool)
    {
        if (kind == CrashKind.OutOfMemory)
        {
            await Assert.ThrowsAsync<OutOfMemoryException>(() => call.InTime(Deadline));
            Assert.Equal(0, pool.Statistics.CrashedCalls);
            return nameof(OutOfMemoryException);
        }

        WorkerCrashedException crash = await Assert.ThrowsAsync<WorkerCrashedException>(() => call.InTime(Deadline));
        Assert.Equal(Crash.EndOf(kind), (crash.Signal, crash.ExitCode));
        Assert.False(ProcessInventory.IsAlive(crash.ProcessId));
        Assert.Equal(1, pool.Statistics.CrashedCalls);
        Assert.Equal(1, pool.Statistics.WorkersLost);
        return InWords(crash);
    }

    private static async Task<string> CannotTravel(Task call)
    {
        UnsendableCallException refused = await Assert.ThrowsAsync<UnsendableCallException>(() => call.InTime(Deadline));
        Assert.Contains(nameof(OutOfMemoryException), refused.Message, StringComparison.Ordinal);
        return "unsendable: no memory";
    }

    private static string InWords(WorkerCrashedException crash) => crash.Signal is { } signal ? $"crashed, signal {signal}" : $"crashed, exit {crash.ExitCode}";
}
