using System.Diagnostics;
using ManyHands.Pools;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>Why no worker of a pool comes to be ready.</summary>
public enum StartFailure
{
    Throws,
    Exits,
    Crashes,
}

/// <summary>Workers that can't start break the pool with a reason, and never make a storm of starts.</summary>
public sealed class StartFailureTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public static TheoryData<TransportUnderTest, StartFailure, int> Failures
    {
        get
        {
            TheoryData<TransportUnderTest, StartFailure, int> failures = [];
            foreach (TransportUnderTest transport in Transports.WaysOfStarting)
            {
                foreach (StartFailure failure in Enum.GetValues<StartFailure>())
                {
                    foreach (int workers in (int[])[1, 2, 8])
                        failures.Add(transport, failure, workers);
                }
            }

            return failures;
        }
    }

    /// <summary>While others are ready a pool isn't broken, however often one can't start: the pauses grow, and stay such that somebody waits for their end.</summary>
    [Fact]
    public void BackOff_Grows_UpToAFewSeconds()
    {
        TimeSpan[] times = [.. Enumerable.Range(1, 200).Append(int.MaxValue).Select(Dispatcher.BackOff)];
        Assert.Equal(times.Order(), times);
        Assert.Equal(TimeSpan.FromMilliseconds(200), times[0]);
        Assert.Equal(TimeSpan.FromSeconds(5), times[^1]);
    }

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task WorkersThatCannotStart_BreakThePool(TransportUnderTest transport, StartFailure failure, int workers)
    {
        using Gate gate = new();
        string mark = gate.Named("start-");
        await using (Pool pool = CreatePool(transport, workers, () => Fail(failure, mark)))
        {
            Task<int>[] calls = [.. Enumerable.Range(0, (2 * workers) + 3).Select(_ => pool.RunAsync(Work.Answer))];
            foreach (Task<int> call in calls)
                CheckReason(await Assert.ThrowsAsync<PoolBrokenException>(() => call.InTime(Deadline)), failure);
            Assert.InRange(gate.Count("start-"), 3, (2 * workers) + 5);

            // Those that were on their way when it broke may still make their mark, but no more are started.
            await Eventually.True(
                () => pool.Statistics is { Workers.Count: 0, WorkersStarted: var started } && started == gate.Count("start-"), "the last of them has made its mark and ended");
            int starts = gate.Count("start-");
            Assert.InRange(starts, 3, (2 * workers) + 5);

            long startedAt = Stopwatch.GetTimestamp();
            for (int i = 0; i < 100; i++)
                CheckReason(await Assert.ThrowsAsync<PoolBrokenException>(() => pool.RunAsync(Work.Answer)), failure);
            CheckReason(await Assert.ThrowsAsync<PoolBrokenException>(async () => await pool.MapAsync(Work.Double, [1]).ToListAsync()), failure);
            CheckReason(await Assert.ThrowsAsync<PoolBrokenException>(() => pool.WarmUpAsync(TestContext.Current.CancellationToken)), failure);
            Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 1);

            startedAt = Stopwatch.GetTimestamp();
            await pool.DisposeAsync().AsTask().InTime(Deadline);
            Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 1);
            Assert.Equal(starts, gate.Count("start-"));
        }
    }

    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task WarmUp_OfWorkersThatCannotStart_SaysWhy(TransportUnderTest transport)
    {
        using Gate gate = new();
        string mark = gate.Named("start-");
        await using Pool pool = CreatePool(transport, 2, () => Fail(StartFailure.Exits, mark));
        CheckReason(await Assert.ThrowsAsync<PoolBrokenException>(() => pool.WarmUpAsync(TestContext.Current.CancellationToken).InTime(Deadline)), StartFailure.Exits);
    }

    /// <summary>A pool that broke while it was closing has no call left without an outcome.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task DisposeAsync_WhileWorkersCannotStart_EndsAllCalls(TransportUnderTest transport)
    {
        using Gate gate = new();
        string mark = gate.Named("start-");
        Pool pool = CreatePool(transport, 2, () => Fail(StartFailure.Exits, mark));
        Task<int>[] calls = [.. Enumerable.Range(0, 5).Select(_ => pool.RunAsync(Work.Answer))];
        long startedAt = Stopwatch.GetTimestamp();
        await pool.DisposeAsync().AsTask().InTime(Deadline);
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 10);
        foreach (Task<int> call in calls)
            CheckReason(await Assert.ThrowsAsync<PoolBrokenException>(() => call), StartFailure.Exits);
    }

    /// <summary>The start timeout leaves the initializer out, so one that never ends holds the calls; but they can be cancelled, and the pool closed.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task InitializerThatNeverEnds_HoldsNeitherCancellationNorDispose(TransportUnderTest transport)
    {
        using Gate gate = new();
        string mark = gate.Named("start-");
        TimeSpan shutdown = TimeSpan.FromMilliseconds(200);
        Pool pool = Pool.Processes(2, new ProcessPoolOptions
        {
            StartTimeout = TimeSpan.FromSeconds(10),
            ShutdownTimeout = shutdown,
            Initializer = () =>
            {
                Gate.Open(mark + Environment.ProcessId);
                Thread.Sleep(Timeout.Infinite);
            },
        }.Over(transport));
        using CancellationTokenSource source = new();
        Task<int> cancelled = pool.RunAsync(Work.Answer, cancellationToken: source.Token);
        Task<int> left = pool.RunAsync(Work.Answer);
        await Eventually.True(() => gate.Count("start-") == 2, "both workers are in their initializer");
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.InTime(TimeSpan.FromSeconds(2)));
        Assert.False(left.IsCompleted);
        long startedAt = Stopwatch.GetTimestamp();
        await pool.DisposeAsync().AsTask().InTime(Deadline);
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, shutdown.TotalSeconds + 2);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => left);
        Assert.Equal(2, gate.Count("start-"));
    }

    /// <summary>Start after start fails and one succeeds: the pool is as good as new, however many failed before.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task InitializerThatFailsTwice_IsRunAgain(TransportUnderTest transport)
    {
        using Gate gate = new();
        string mark = gate.Named("start-");
        await using Pool pool = CreatePool(transport, 1, () =>
        {
            if (Directory.GetFiles(Path.GetDirectoryName(mark)!, "start-*").Length < 2)
                Fail(StartFailure.Exits, mark);
        });
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
        Assert.Equal(3, pool.Statistics.WorkersStarted);
        Assert.Equal(2, pool.Statistics.WorkersLost);
    }

    private static Pool CreatePool(TransportUnderTest transport, int workers, Action initializer) =>
        Pool.Processes(workers, new ProcessPoolOptions { Output = static _ => { }, Initializer = initializer }.Over(transport));

    private static void Fail(StartFailure failure, string mark)
    {
        Gate.Open(mark + Environment.ProcessId);
        Console.Error.WriteLine("no licence");
        switch (failure)
        {
            case StartFailure.Throws:
                throw new InvalidOperationException("not today");
            case StartFailure.Exits:
                Environment.Exit(3);
                break;
            case StartFailure.Crashes:
                Crash.Now(CrashKind.SegmentationFault);
                break;
        }
    }

    private static void CheckReason(PoolBrokenException broken, StartFailure failure)
    {
        string reason = failure switch
        {
            StartFailure.Throws => "not today",
            StartFailure.Exits => "exited with code 3",
            _ => "signal 11 (SIGSEGV)",
        };
        Assert.Contains(reason, broken.Message, StringComparison.Ordinal);
        Assert.Contains("no licence", broken.Message, StringComparison.Ordinal);
    }
}
