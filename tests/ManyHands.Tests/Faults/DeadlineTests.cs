using System.Diagnostics;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>A timeout ends whatever runs, with all it has started, and leaves alone what stops by itself.</summary>
public sealed class DeadlineTests : LeakChecked
{
    private const int ManyBlocked = 500;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(500);
    private static readonly CallOptions Limited = new() { Timeout = Limit, Grace = TimeSpan.FromMilliseconds(200) };

    // Never early; and late by no more than what a busy machine may take.
    private static readonly (double Least, double Most) Seconds = (0.475, 2);

    public static TheoryData<TransportUnderTest, EndlessLoop> Loops
    {
        get
        {
            TheoryData<TransportUnderTest, EndlessLoop> loops = [];
            foreach (TransportUnderTest transport in Transports.WaysOfStarting)
            {
                foreach (EndlessLoop loop in Enum.GetValues<EndlessLoop>())
                    loops.Add(transport, loop);
            }

            return loops;
        }
    }

    [Theory]
    [MemberData(nameof(Loops))]
    public async Task EndlessLoop_EndsWithItsWholeTree(TransportUnderTest transport, EndlessLoop loop)
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(2, transport);
        await pool.WarmUpAsync(TestContext.Current.CancellationToken);

        // In a call of its own, however long that takes; the next goes to the same worker, which was the last to work.
        await pool.RunAsync(EndlessLoops.StartGrandchildren, gate.Path).InTime(Deadline);
        int[] tree = EndlessLoops.ReadIds(gate.Path);
        Assert.Equal(4, tree.Distinct().Count(ProcessInventory.IsAlive));
        long startedAt = Stopwatch.GetTimestamp();
        Task call = pool.RunAsync(EndlessLoops.Run, loop, Limited);
        CallTimeoutException timeout = await Assert.ThrowsAsync<CallTimeoutException>(() => call.InTime(Deadline));
        Assert.True(Stopwatch.GetElapsedTime(startedAt).TotalSeconds >= Seconds.Least, "too early");
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, Seconds.Most);
        Assert.Equal(Limit, timeout.Limit);
        await Eventually.True(() => !tree.Any(ProcessInventory.IsAlive), "the worker and all it has started have ended", seconds: 2);
        await Eventually.True(
            () => pool.Statistics.Workers is { Count: 2 } workers && workers.All(worker => worker.Id != 0 && worker.Id != tree[0]),
            "the pool has its size again");
        Assert.All(await Task.WhenAll(pool.RunAsync(Work.Answer), pool.RunAsync(Work.Answer)).InTime(Deadline), static answer => Assert.Equal(42, answer));
        Assert.Equal(1, pool.Statistics.TimedOutCalls);
        Assert.Equal(0, pool.Statistics.CrashedCalls);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task FunctionThatStops_KeepsItsWorker(TransportUnderTest transport)
    {
        await using Pool pool = CreatePool(1, transport);
        int worker = await pool.RunAsync(static () => Environment.ProcessId).InTime(Deadline);
        CallOptions patient = new() { Timeout = TimeSpan.FromMilliseconds(200), Grace = TimeSpan.FromSeconds(30) };
        await Assert.ThrowsAsync<CallTimeoutException>(() => pool.RunAsync(PollToken, patient).InTime(Deadline));
        Assert.Equal(worker, await pool.RunAsync(static () => Environment.ProcessId).InTime(Deadline));
        Assert.Equal(0, pool.Statistics.WorkersLost);
    }

    /// <summary>The worker has no thread to spare: the token is cancelled and the time kept all the same.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task WorkersThreadPoolBlocked_TokenAndKillStillWork(TransportUnderTest transport)
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(1, transport);
        await pool.RunAsync(EndlessLoops.StartGrandchildren, gate.Path).InTime(Deadline);
        int[] tree = EndlessLoops.ReadIds(gate.Path);
        int worker = await pool.RunAsync(BlockThreadPool).InTime(Deadline);
        Assert.Equal(tree[0], worker);
        CallOptions patient = new() { Timeout = TimeSpan.FromMilliseconds(200), Grace = TimeSpan.FromSeconds(30) };
        await Assert.ThrowsAsync<CallTimeoutException>(() => pool.RunAsync(PollToken, patient).InTime(Deadline));
        await Assert.ThrowsAsync<CallTimeoutException>(() => pool.RunAsync(WaitForToken, patient).InTime(Deadline));
        Assert.Equal(worker, await pool.RunAsync(static () => Environment.ProcessId).InTime(Deadline));
        long startedAt = Stopwatch.GetTimestamp();
        await Assert.ThrowsAsync<CallTimeoutException>(() => pool.RunAsync(EndlessLoops.Run, EndlessLoop.Managed, Limited).InTime(Deadline));
        Assert.True(Stopwatch.GetElapsedTime(startedAt).TotalSeconds >= Seconds.Least, "too early");
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, Seconds.Most);
        await Eventually.True(() => !tree.Any(ProcessInventory.IsAlive), "the worker and all it has started have ended", seconds: 2);
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
    }

    /// <summary>The caller's process has no thread to spare: time is kept, and whoever blocks for the outcome gets it.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task CallersThreadPoolBlocked_TimeIsKept(TransportUnderTest transport)
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(2, transport);
        await pool.WarmUpAsync(TestContext.Current.CancellationToken);
        await pool.RunAsync(EndlessLoops.StartGrandchildren, gate.Path).InTime(Deadline);
        int[] tree = EndlessLoops.ReadIds(gate.Path);
        using ManualResetEventSlim release = new();
        TimeSpan took = TimeSpan.Zero, tookFairly = TimeSpan.Zero;
        Exception? outcome = null;
        int answer = 0;
        bool treeIsGone = false;
        Task[] blocked = [.. Enumerable.Range(0, ManyBlocked).Select(_ => Task.Run(release.Wait))];
        Thread caller = new(() =>
        {
            try
            {
                long startedAt = Stopwatch.GetTimestamp();
                Task call = pool.RunAsync(EndlessLoops.Run, EndlessLoop.Managed, Limited);
                ((IAsyncResult)call).AsyncWaitHandle.WaitOne(Deadline);
                (took, tookFairly) = (Stopwatch.GetElapsedTime(startedAt), FairClock.Since(startedAt));
                outcome = call.Exception?.InnerException;
                long killedAt = Stopwatch.GetTimestamp();
                while (!(treeIsGone = !tree.Any(ProcessInventory.IsAlive)) && FairClock.Since(killedAt) < TimeSpan.FromSeconds(2))
                    Thread.Sleep(2);
                Task<int> ping = pool.RunAsync(Work.Answer);
                ((IAsyncResult)ping).AsyncWaitHandle.WaitOne(Deadline);
                answer = ping.IsCompletedSuccessfully ? ping.Result : -1;
            }
            finally
            {
                release.Set();
            }
        });
        caller.Start();
        caller.Join();
        await Task.WhenAll(blocked);
        Assert.IsType<CallTimeoutException>(outcome);
        Assert.True(took.TotalSeconds >= Seconds.Least, "too early");
        Assert.InRange(tookFairly.TotalSeconds, 0, Seconds.Most);
        Assert.True(treeIsGone);
        Assert.Equal(42, answer);
    }

    private static Pool CreatePool(int workers, TransportUnderTest transport) => Pool.Processes(workers, new ProcessPoolOptions().Over(transport));

    private static int PollToken(CancellationToken token)
    {
        while (!token.IsCancellationRequested)
            Thread.Sleep(1);
        token.ThrowIfCancellationRequested();
        return 0;
    }

    private static int WaitForToken(CancellationToken token)
    {
        token.WaitHandle.WaitOne();
        token.ThrowIfCancellationRequested();
        return 0;
    }

    private static int BlockThreadPool()
    {
        for (int i = 0; i < ManyBlocked; i++)
            ThreadPool.UnsafeQueueUserWorkItem(static _ => Thread.Sleep(Timeout.Infinite), null);
        return Environment.ProcessId;
    }
}
