using System.Diagnostics;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>What comes and goes a thousand times leaves nothing behind that grows.</summary>
public sealed class EnduranceTests : LeakChecked
{
    private const long MostResidentGrowth = 24 << 20;
    private const long MostManagedGrowth = 1 << 20;
    private const int MostThreads = 4;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // Two processes are started in each round.
    private static int Rounds => LongRun.IsOn ? 1000 : 100;

    [Theory]
    [MemberData(nameof(Transports.AllThatEndure), MemberType = typeof(Transports))]
    public async Task PoolsMadeUsedAndDisposed_LeaveNothing(TransportUnderTest transport)
    {
        int rounds = transport == TransportUnderTest.Portable && !LongRun.IsOn ? Rounds / 2 : Rounds;
        await StaysFlat(rounds, async () =>
        {
            // Each call waits for the other, so that both workers are used.
            using Gate gate = new();
            string one = gate.Named("one"), other = gate.Named("other");
            await using Pool pool = Pool.Processes(2, new ProcessPoolOptions().Over(transport));
            int[] workers = await Task.WhenAll(pool.RunAsync(Meet, one, other), pool.RunAsync(Meet, other, one)).InTime(Deadline);
            Assert.NotEqual(workers[0], workers[1]);
        });
    }

    [Fact]
    public Task PoolsWhoseWorkersCrash_LeaveNothing() => StaysFlat(Rounds / 4, static async () =>
    {
        await using Pool pool = Pool.Processes(1, new() { Output = static _ => { } });
        await Assert.ThrowsAsync<WorkerCrashedException>(() => pool.RunAsync(Crash.Now, CrashKind.Sigkill).InTime(Deadline));
        Assert.NotEqual(0, await pool.RunAsync(Use, new byte[1000]).InTime(Deadline));
    });

    /// <summary>None stays in the list, and none as a zombie.</summary>
    [Fact]
    public Task ShortChildren_LeaveNothing() => StaysFlat(LongRun.IsOn ? 1000 : 100, static async () =>
    {
        WorkerProcess<int> worker = WorkerProcess.Start(Use, new byte[1000]);
        Assert.Contains(worker, WorkerProcess.LiveChildren);
        Assert.Equal(worker.Id, await worker);
        Assert.Empty(WorkerProcess.LiveChildren);
        Assert.False(Directory.Exists($"/proc/{worker.Id}"), "It is a zombie: nobody has waited for it.");
    });

    [Theory]
    [MemberData(nameof(Transports.AllThatEndure), MemberType = typeof(Transports))]
    public async Task ManyCalls_LeaveNothing(TransportUnderTest transport)
    {
        await using Pool pool = Pool.Processes(2, new ProcessPoolOptions().Over(transport));
        await pool.WarmUpAsync(TestContext.Current.CancellationToken);
        await StaysFlat(20, async () =>
        {
            for (int i = 0; i < 20; i++)
                await pool.RunAsync(Use, new byte[1 + (i * 10_000)]);
            Assert.Equal(1000, await pool.MapAsync(static (int x) => x, Enumerable.Range(0, 1000)).CountAsync());
        });
    }

    // Compared are the states after a fifth of the rounds and after all: by then everything that is made once has been made.
    private static async Task StaysFlat(int rounds, Func<Task> round)
    {
        ResourceUse? early = null;
        for (int i = 1; i <= rounds; i++)
        {
            await round();
            if (i == Math.Max(rounds / 5, 1))
                early = ResourceUse.Take();
            if (LongRun.IsOn && i % 100 == 0)
                Console.Out.WriteLine($"{TestContext.Current.Test?.TestDisplayName}: {i} of {rounds}, {ResourceUse.Take()}");
        }

        // Service threads and closed descriptors need a moment to go.
        ResourceUse late = ResourceUse.Take();
        long endedAt = Stopwatch.GetTimestamp();
        while ((late.Descriptors > early!.Descriptors || late.Threads > early.Threads + MostThreads) && FairClock.Since(endedAt) < Patience)
        {
            await Task.Delay(50);
            late = ResourceUse.Take();
        }

        Assert.True(late.Descriptors <= early.Descriptors && late.Threads <= early.Threads + MostThreads, $"Early: {early}. Late: {late}.");
        Assert.True(late.ResidentBytes - early.ResidentBytes <= MostResidentGrowth, $"Early: {early}. Late: {late}.");
        Assert.True(late.ManagedBytes - early.ManagedBytes <= MostManagedGrowth, $"Early: {early}. Late: {late}.");
    }

    private static int Meet(string opens, string waits)
    {
        Gate.Open(opens);
        Gate.Wait(waits);
        return Environment.ProcessId;
    }

    private static int Use(byte[] bytes) => bytes.Length == 0 ? 0 : Environment.ProcessId;
}
