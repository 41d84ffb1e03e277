using System.Diagnostics;
using System.Runtime.InteropServices;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Pools;

/// <summary>When workers are replaced or end, what they may use, and what runs again.</summary>
public sealed partial class WorkerLimitsTests : LeakChecked
{
    private const long Mebibyte = 1024 * 1024;

    [Theory]
    [InlineData(WorkerTransport.SharedMemory)]
    [InlineData(WorkerTransport.Sockets)]
    public async Task Transport_IsTheOneAskedFor(WorkerTransport transport)
    {
        await using Pool pool = Pool.Processes(1, new() { Transport = transport });
        Assert.Equal(42, await pool.RunAsync(Work.Answer));
        Assert.Equal(transport, pool.Statistics.Transport);
    }

    [Fact]
    public async Task Transport_Automatic_IsSharedMemoryOnLinux()
    {
        await using Pool pool = Pool.Processes(1);
        await pool.WarmUpAsync();
        Assert.Equal(WorkerTransport.SharedMemory, pool.Statistics.Transport);
    }

    [Fact]
    public async Task MaxCallsPerWorker_Calls_AWorkerForEachSoMany()
    {
        await using Pool pool = Pool.Processes(1, new() { MaxCallsPerWorker = 3 });
        List<int> ids = [];
        for (int i = 0; i < 10; i++)
            ids.Add(await pool.RunAsync(static () => Environment.ProcessId));
        Assert.Equal([3, 3, 3, 1], ids.CountBy(id => id).Select(pair => pair.Value));
        Assert.Equal(3, pool.Statistics.WorkersRecycled);
        Assert.Equal(0, pool.Statistics.WorkersLost);
    }

    [Fact]
    public async Task MaxCallsPerWorker_Map_NoWorkerRunsMore()
    {
        await using Pool pool = Pool.Processes(2, new() { MaxCallsPerWorker = 50 });
        List<(int Id, int Item)> results = [];
        await foreach ((int, int) result in pool.MapAsync(static (int i) => (Environment.ProcessId, i), Enumerable.Range(0, 500)))
            results.Add(result);
        Assert.Equal(Enumerable.Range(0, 500), results.Select(result => result.Item));
        Assert.All(results.CountBy(result => result.Id), pair => Assert.InRange(pair.Value, 1, 50));
    }

    [Fact]
    public async Task MaxWorkerAge_IsOver_AfterTheCallComesAnotherWorker()
    {
        await using Pool pool = Pool.Processes(1, new() { MaxWorkerAge = TimeSpan.FromMilliseconds(50) });
        int first = await pool.RunAsync(static () => Environment.ProcessId);
        await Eventually.True(() => pool.RunAsync(static () => Environment.ProcessId).Result != first, "another worker");
        Assert.InRange(pool.Statistics.WorkersRecycled, 1, long.MaxValue);
    }

    [Fact]
    public async Task RecycleMemory_LeakingCalls_MemoryComesBack()
    {
        await using Pool pool = Pool.Processes(1, new() { RecycleMemory = 150 * Mebibyte });
        HashSet<int> ids = [];
        for (int i = 0; i < 10; i++)
        {
            ids.Add(await pool.RunAsync(Leak, 40 * Mebibyte));
            await Task.Delay(60, TestContext.Current.CancellationToken);
        }

        Assert.InRange(ids.Count, 2, 5);
        Assert.Equal(ids.Count - 1, pool.Statistics.WorkersRecycled, 1.0);
    }

    [Fact]
    public async Task MaxWorkerMemory_NativeMemory_EndsTheCallAndSaysWhy()
    {
        await using Pool pool = Pool.Processes(2, new() { MaxWorkerMemory = 200 * Mebibyte });
        await pool.WarmUpAsync();
        Assert.True(pool.Statistics.MemoryLimits.HasFlag(MemoryLimitMechanisms.GarbageCollector));
        Assert.True(pool.Statistics.MemoryLimits.HasFlag(MemoryLimitMechanisms.ControlGroup) || pool.Statistics.MemoryLimits.HasFlag(MemoryLimitMechanisms.Watchdog));
        WorkerCrashedException crash = await Assert.ThrowsAsync<WorkerCrashedException>(() => pool.RunAsync(LeakMoreAndMore));
        Assert.Equal(9, crash.Signal);
        Assert.Contains("200 MiB", crash.Message, StringComparison.Ordinal);
        Assert.Contains("more memory than its limit", crash.Exit.Reason, StringComparison.Ordinal);
        Assert.InRange(crash.Exit.PeakMemory ?? 0, 150 * Mebibyte, 600 * Mebibyte);
        Assert.Equal(42, await pool.RunAsync(Work.Answer));
    }

    [Fact]
    public async Task MaxWorkerMemory_ManagedMemory_IsAnExceptionAndANewWorker()
    {
        await using Pool pool = Pool.Processes(1, new() { MaxWorkerMemory = 200 * Mebibyte });
        int before = await pool.RunAsync(static () => Environment.ProcessId);
        Exception failure = await Assert.ThrowsAnyAsync<Exception>(() => pool.RunAsync(static () =>
        {
            List<byte[]> kept = [];
            while (true)
                kept.Add(new byte[8 * Mebibyte]);
        }));
        Assert.True(failure is OutOfMemoryException or WorkerCrashedException, failure.ToString());
        Assert.NotEqual(before, await pool.RunAsync(static () => Environment.ProcessId));
    }

    [Fact]
    public async Task IdleTimeout_IsOver_OnlyTheMinimumStays()
    {
        await using Pool pool = Pool.Processes(4, new() { IdleTimeout = TimeSpan.FromMilliseconds(200), MinWorkers = 1 });
        await pool.WarmUpAsync();
        Assert.Equal(4, pool.Statistics.WorkersStarted);
        await Eventually.True(() => pool.Statistics.Workers.Count == 1, "three have ended");
        Assert.Equal(42, await pool.RunAsync(Work.Answer));
        Assert.Equal(0, pool.Statistics.WorkersLost);
    }

    /// <summary>One worker is ready long before the other; it stays until both are.</summary>
    [Fact]
    public async Task IdleTimeout_ShorterThanTheWarmUp_DoesntEndWhoeverIsReadyFirst()
    {
        using Gate gate = new();
        string starts = gate.Named("start-"), path = gate.Path;
        TimeSpan idle = TimeSpan.FromMilliseconds(20);
        await using Pool pool = Pool.Processes(2, new() { IdleTimeout = idle, Initializer = () => WaitUnlessFirst(starts, path) });
        Task ready = pool.WarmUpAsync();
        await Eventually.True(() => gate.Count("start-") == 2, "both are in their initializer");
        await Task.Delay(idle * 10, TestContext.Current.CancellationToken);
        gate.Open();
        await ready.InTime(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.Equal(2, pool.Statistics.WorkersStarted);
        Assert.Equal(42, await pool.RunAsync(Work.Answer));
    }

    [Fact]
    public async Task SpareWorkers_OneWaits_AndNoMoreRunAtATime()
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(2, new() { SpareWorkers = 1 });
        await pool.WarmUpAsync();
        Assert.Equal(3, pool.Statistics.Workers.Count);
        string finish = gate.Named("finish");
        Task[] calls = [.. Enumerable.Range(0, 3).Select(i => pool.RunAsync(Work.OpenThenWait, gate.Named($"started-{i}"), finish))];
        await Eventually.True(() => gate.Count("started-") == 2, "two run");
        Assert.Equal(2, pool.Statistics.Workers.Count(worker => worker.IsBusy));
        Assert.Equal(1, pool.Statistics.QueuedCalls);

        // A death makes room, which the spare takes at once.
        using (Process victim = Process.GetProcessById(pool.Statistics.Workers.First(worker => worker.IsBusy).Id))
            victim.Kill();
        await Eventually.True(() => gate.Count("started-") == 3, "the third runs");
        Gate.Open(finish);
        Assert.Equal(1, (await Task.WhenAll(calls.Select(call => call.ContinueWith(ended => ended.IsFaulted, TaskScheduler.Default)))).Count(isFaulted => isFaulted));
        await Eventually.True(() => pool.Statistics.Workers.Count == 3, "a spare again");
    }

    [Fact]
    public async Task Retries_WorkerDies_TheCallRunsAgain()
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(1);
        Assert.Equal(3, await pool.RunAsync(DieUntilThird, gate.Named("run-"), new CallOptions { Retries = 2 }));
        Assert.Equal(3, gate.Count("run-"));
        Assert.Equal(2, pool.Statistics.WorkersLost);
    }

    [Fact]
    public async Task Retries_UsedUp_IsACrash()
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(1);
        WorkerCrashedException crash = await Assert.ThrowsAsync<WorkerCrashedException>(() => pool.RunAsync(DieUntilThird, gate.Named("run-"), new CallOptions { Retries = 1 }));
        Assert.Contains("attempt number 2", crash.Message, StringComparison.Ordinal);
        Assert.Equal(2, gate.Count("run-"));
    }

    [Fact]
    public async Task Retries_Map_OnlyTheItemThatRanRunsAgain()
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(2);
        string prefix = gate.Named("item-");
        List<int> results = [];
        await foreach (int result in pool.MapAsync(i => DieOnce(prefix, i), Enumerable.Range(0, 300), new CallOptions { Retries = 1 }))
            results.Add(result);
        Assert.Equal(Enumerable.Range(0, 300), results);

        // A file for each run; one item ran twice.
        Assert.Equal(301, gate.Count("item-"));
    }

    [Fact]
    public async Task Retries_ExceptionOfTheFunction_IsNotRetried()
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(1);
        await Assert.ThrowsAsync<InvalidOperationException>(() => pool.RunAsync(CountAndThrow, gate.Named("run-"), new CallOptions { Retries = 5 }));
        Assert.Equal(1, gate.Count("run-"));
    }

    [Fact]
    public void Options_OutOfRange_AreRefusedByName()
    {
        Refused(new() { MinWorkers = -1 }, nameof(ProcessPoolOptions.MinWorkers));
        Refused(new() { MaxCallsPerWorker = 0 }, nameof(ProcessPoolOptions.MaxCallsPerWorker));
        Refused(new() { MaxWorkerAge = TimeSpan.FromSeconds(-1) }, nameof(ProcessPoolOptions.MaxWorkerAge));
        Refused(new() { RecycleMemory = 0 }, nameof(ProcessPoolOptions.RecycleMemory));
        Refused(new() { MaxWorkerMemory = 1000 }, nameof(ProcessPoolOptions.MaxWorkerMemory));
        Refused(new() { IdleTimeout = TimeSpan.FromSeconds(-2) }, nameof(ProcessPoolOptions.IdleTimeout));
        Refused(new() { Transport = (WorkerTransport)7 }, nameof(ProcessPoolOptions.Transport));
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = Pool.Inline().RunAsync(Work.Answer, new CallOptions { Retries = -1 }); });

        static void Refused(ProcessPoolOptions options, string name) =>
            Assert.Equal(name, Assert.ThrowsAny<ArgumentException>(() => Pool.Processes(1, options)).ParamName);
    }

    private static unsafe int Leak(long bytes)
    {
        new Span<byte>(NativeMemory.Alloc((nuint)bytes), (int)bytes).Fill(1);
        return Environment.ProcessId;
    }

    // Beyond any doubt, and no further, however late it is noticed.
    private static void LeakMoreAndMore()
    {
        for (int i = 0; i < 100; i++)
            Leak(4 * Mebibyte);
        Thread.Sleep(Timeout.Infinite);
    }

    private static void WaitUnlessFirst(string starts, string path)
    {
        try
        {
            new FileStream(starts + "first", FileMode.CreateNew).Dispose();
        }
        catch (IOException)
        {
            Gate.Open(starts + Environment.ProcessId);
            Gate.Wait(path);
        }
    }

    private static int DieUntilThird(string prefix)
    {
        int run = Directory.GetFiles(Path.GetDirectoryName(prefix)!, Path.GetFileName(prefix) + "*").Length + 1;
        Gate.Open(prefix + run);
        if (run < 3)
            Die.BySigkill();
        return run;
    }

    private static int DieOnce(string prefix, int item)
    {
        string file = prefix + item;
        if (File.Exists(file))
            file += "-again";
        Gate.Open(file);
        if (item == 150 && !file.EndsWith("again", StringComparison.Ordinal))
            Process.GetCurrentProcess().Kill();
        return item;
    }

    private static void CountAndThrow(string prefix)
    {
        Gate.Open(prefix + Guid.NewGuid());
        throw new InvalidOperationException("of its own");
    }
}
