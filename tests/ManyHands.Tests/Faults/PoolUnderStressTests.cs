using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>What functions, arguments and callers may do to a pool of processes without harm to it.</summary>
public sealed partial class PoolUnderStressTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task StoppedWorker_IsNotReplaced_AndAnswersWhenItGoesOn(TransportUnderTest transport)
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(2, transport);
        string finish = gate.Named("finish");
        Task<int> call = pool.RunAsync(Work.OpenThenWait, gate.Path, finish);
        await gate.WaitAsync();
        int worker = pool.Statistics.Workers.Single().Id;
        Assert.True(Signals.TrySend(worker, Signals.Stop));
        await Eventually.True(() => Signals.IsStopped(worker), "the worker is stopped");
        Gate.Open(finish);

        // The other worker answers all the while. Nothing asks a worker whether it lives, so no more comes with more time.
        long stoppedAt = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(stoppedAt) < TimeSpan.FromSeconds(1))
        {
            Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        Assert.False(call.IsCompleted);
        Assert.Equal(0, pool.Statistics.WorkersLost);
        Assert.Contains(pool.Statistics.Workers, one => one.Id == worker);
        Assert.True(Signals.TrySend(worker, Signals.Continue));
        Assert.Equal(1, await call.InTime(TimeSpan.FromSeconds(2)));
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task DisposeAsync_WithAStoppedWorkerInACall_Ends(TransportUnderTest transport)
    {
        using Gate gate = new();
        TimeSpan shutdown = TimeSpan.FromMilliseconds(300);
        Pool pool = Pool.Processes(1, new ProcessPoolOptions { ShutdownTimeout = shutdown }.Over(transport));
        Task<int> call = pool.RunAsync(Work.WaitForever, gate.Path);
        await gate.WaitAsync();
        int worker = pool.Statistics.Workers[0].Id;
        Assert.True(Signals.TrySend(worker, Signals.Stop));
        await Eventually.True(() => ProcessInventory.IsStopped(worker), "the worker is stopped");
        long startedAt = Stopwatch.GetTimestamp();
        await pool.DisposeAsync().AsTask().InTime(Deadline);
        Assert.True(Stopwatch.GetElapsedTime(startedAt).TotalSeconds >= shutdown.TotalSeconds - 0.05, "too early");
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, shutdown.TotalSeconds + 2);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => call);
    }

    /// <summary>It is told as soon as it can hear: it ends by itself, and isn't killed when its time to do so is over.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task DisposeAsync_WhileAWorkerStarts_LetsItEnd(TransportUnderTest transport)
    {
        using Gate gate = new();
        string left = gate.Path;
        await using (Pool pool = Pool.Processes(1, new ProcessPoolOptions { Initializer = () => AppDomain.CurrentDomain.ProcessExit += (_, _) => Gate.Open(left) }.Over(transport)))
            _ = pool.WarmUpAsync(TestContext.Current.CancellationToken).ContinueWith(static ready => ready.Exception, TaskScheduler.Default);
        Assert.True(File.Exists(left), "it was killed");
    }

    /// <summary>A worker whose handlers of its exit never return is killed in the end.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task DisposeAsync_WorkerThatDoesNotExit_Ends(TransportUnderTest transport)
    {
        Pool pool = CreatePool(1, transport);
        int worker = await pool.RunAsync(static () =>
        {
            AppDomain.CurrentDomain.ProcessExit += static (_, _) => Thread.Sleep(Timeout.Infinite);
            return Environment.ProcessId;
        }).InTime(Deadline);
        long startedAt = Stopwatch.GetTimestamp();
        await pool.DisposeAsync().AsTask().InTime(Deadline);
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 5);
        Assert.False(ProcessInventory.IsAlive(worker));
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task Kill_WithTenThousandSleepingCalls_EndsThemAll(TransportUnderTest transport)
    {
        await using Pool pool = CreatePool(2, transport);
        Task[] calls = [.. Enumerable.Range(0, 10_000).Select(_ => pool.RunAsync(static () => Thread.Sleep(Timeout.Infinite)))];
        await Eventually.True(() => pool.Statistics.RunningCalls >= 2, "both workers sleep");
        long startedAt = Stopwatch.GetTimestamp();
        pool.Kill();
        await Task.WhenAll(calls).InTime(Deadline).ContinueWith(static _ => { }, TaskScheduler.Default);
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 2);
        Assert.All(calls, static call => Assert.IsType<ObjectDisposedException>(call.Exception?.InnerException));
        await pool.DisposeAsync().AsTask().InTime(Deadline);
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 4);
    }

    /// <summary>More output than any pipe holds, and nobody is kept by it: not the worker, not the others.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task OutputStorm_ArrivesWhole(TransportUnderTest transport)
    {
        const int Lines = 200_000, Length = 999;
        using Gate gate = new();
        long lines = 0, characters = 0;
        await using Pool pool = Pool.Processes(2, new ProcessPoolOptions
        {
            Output = line =>
            {
                lines++;
                characters += line.Text.Length;
            },
        }.Over(transport));
        await pool.WarmUpAsync(TestContext.Current.CancellationToken);
        Task storm = pool.RunAsync(WriteLines, gate.Path, Lines, Length);
        await gate.WaitAsync();
        TimeSpan slowest = TimeSpan.Zero;
        int answers = 0;
        while (!storm.IsCompleted)
        {
            long askedAt = Stopwatch.GetTimestamp();
            Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
            TimeSpan took = FairClock.Since(askedAt);
            slowest = took > slowest ? took : slowest;
            answers++;
        }

        await storm.InTime(Deadline);
        await Eventually.True(() => Interlocked.Read(ref lines) == Lines, "all lines have arrived");
        Assert.Equal((long)Lines * Length, characters);
        Assert.True(answers > 10, $"The other worker answered {answers} times.");
        Assert.InRange(slowest.TotalSeconds, 0, 5);
    }

    /// <summary>The function closes what it finds, ours among it: that call may crash, nothing else.</summary>
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task FunctionThatClosesDescriptors_HarmsNoOther(TransportUnderTest transport)
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(2, new ProcessPoolOptions { Output = static _ => { } }.Over(transport));
        string finish = gate.Named("finish");
        Task<int> sibling = pool.RunAsync(Work.OpenThenWait, gate.Path, finish);
        await gate.WaitAsync();
        try
        {
            Assert.Equal(0, await pool.RunAsync(CloseDescriptors, 20).InTime(TimeSpan.FromSeconds(20)));
        }
        catch (WorkerCrashedException crash)
        {
            Assert.False(ProcessInventory.IsAlive(crash.ProcessId));
        }

        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
        Gate.Open(finish);
        Assert.Equal(1, await sibling.InTime(Deadline));
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task HugeArgument_HoldsUpNoOtherWorker(TransportUnderTest transport)
    {
        await using Pool pool = CreatePool(2, transport);
        await pool.WarmUpAsync(TestContext.Current.CancellationToken);
        byte[] huge = new byte[200_000_000];
        huge[^1] = 7;
        Task<(int, byte)> call = Task.Run(() => pool.RunAsync(static (byte[] bytes) => (bytes.Length, bytes[^1]), huge));
        TimeSpan slowest = TimeSpan.Zero;
        while (!call.IsCompleted)
        {
            long askedAt = Stopwatch.GetTimestamp();
            Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
            TimeSpan took = FairClock.Since(askedAt);
            slowest = took > slowest ? took : slowest;
        }

        Assert.Equal((huge.Length, (byte)7), await call.InTime(Deadline));
        Assert.InRange(slowest.TotalSeconds, 0, 2);
    }

    /// <summary>Large items both ways, some of which can't go out and some that can't come back.</summary>
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task ManyLargeItems_UnsendableAmongThem_NoDeadlock(TransportUnderTest transport)
    {
        const int Calls = 60;
        await using Pool pool = CreatePool(2, transport);
        int unsendable = 0, unreturnable = 0, good = 0;
        await Task.WhenAll(Enumerable.Range(0, Calls).Select(i => Task.Run(async () =>
        {
            byte[] large = new byte[1_500_000 + i];
            switch (i % 3)
            {
                case 0:
                    Assert.Equal(large.Length, (await pool.RunAsync(Work.Same<byte[]>, large).InTime(Deadline)).Length);
                    Interlocked.Increment(ref good);
                    break;
                case 1:
                    Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(static (byte[] bytes, object other) => bytes.Length, large, (object)new MemoryStream(large)); });
                    Interlocked.Increment(ref unsendable);
                    break;
                default:
                    await Assert.ThrowsAsync<UnsendableCallException>(() => pool.RunAsync(static (byte[] bytes) => new MemoryStream(bytes), large).InTime(Deadline));
                    Interlocked.Increment(ref unreturnable);
                    break;
            }
        })));
        Assert.Equal((Calls / 3, Calls / 3, Calls / 3), (good, unsendable, unreturnable));
        Assert.Equal(0, pool.Statistics.WorkersLost);
    }

    /// <summary>The crash comes from what a call has left behind, after its result is out.</summary>
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task FinalizerThatCrashes_AfterTheResult_CostsNoResult(TransportUnderTest transport)
    {
        await using Pool pool = Pool.Processes(1, new ProcessPoolOptions { Output = static _ => { } }.Over(transport));
        int worker = await pool.RunAsync(LeaveCrashingGarbage).InTime(Deadline);
        await Eventually.True(() => !ProcessInventory.IsAlive(worker), "the finalizer has ended the worker");
        Assert.NotEqual(worker, await pool.RunAsync(static () => Environment.ProcessId).InTime(Deadline));
        Assert.Equal(0, pool.Statistics.CrashedCalls);
        Assert.Equal(1, pool.Statistics.WorkersLost);
    }

    /// <summary>A continuation that goes on with the same pool runs nowhere where it could block it.</summary>
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task CrashesInCallsOfContinuations_NoDeadlock(TransportUnderTest transport)
    {
        await using Pool pool = Pool.Processes(2, new ProcessPoolOptions { Output = static _ => { } }.Over(transport));
        Task<int>[] chains = [.. Enumerable.Range(0, 4).Select(_ => pool.RunAsync(Work.Answer).ContinueWith(
            answer =>
            {
                // Synchronously, where the outcome was delivered: the worst that a caller can do.
                AggregateException crash = Assert.Throws<AggregateException>(() => pool.RunAsync(Crash.Now, CrashKind.Sigkill).Wait(Deadline));
                Assert.IsType<WorkerCrashedException>(crash.InnerException);
                return answer.Result + pool.RunAsync(Work.Answer).Result;
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default))];
        Assert.All(await Task.WhenAll(chains).InTime(Deadline), static sum => Assert.Equal(84, sum));
    }

    [Fact]
    public async Task ExceptionThatCannotBeRead_CostsTheCallOnly()
    {
        await using Pool pool = Pool.Processes(1);
        int worker = await pool.RunAsync(static () => Environment.ProcessId).InTime(Deadline);
        RemoteException remote = await Assert.ThrowsAsync<RemoteException>(() => pool.RunAsync(static () => { throw new UnreadableException(); }).InTime(Deadline));
        Assert.True(remote.Is<UnreadableException>());
        Exception large = await Assert.ThrowsAnyAsync<Exception>(() => pool.RunAsync(static () =>
        {
            InvalidOperationException heavy = new("heavy");
            heavy.Data["load"] = new byte[50_000_000];
            throw heavy;
        }).InTime(Deadline));
        Assert.Equal("heavy", large.Message);
        Assert.Equal(worker, await pool.RunAsync(static () => Environment.ProcessId).InTime(Deadline));
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task ArgumentsAndResultsOfAMap_AreNotKeptAlive(TransportUnderTest transport)
    {
        await using Pool pool = CreatePool(2, transport);
        List<WeakReference> all = await MapLargeItems(pool);
        Assert.Equal(40, all.Count);

        // The last call's traces in the pool are overwritten by the next.
        await Task.WhenAll(pool.RunAsync(Work.Answer), pool.RunAsync(Work.Answer));
        await Eventually.True(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return !all.Any(one => one.IsAlive);
            },
            "arguments and results are collected");

        [MethodImpl(MethodImplOptions.NoInlining)]
        static async Task<List<WeakReference>> MapLargeItems(Pool pool)
        {
            List<WeakReference> all = [];
            byte[][] arguments = [.. Enumerable.Range(0, 20).Select(static i => new byte[100_000 + i])];
            await foreach (byte[] result in pool.MapAsync(Work.Same<byte[]>, arguments))
                all.Add(new WeakReference(result));
            all.AddRange(arguments.Select(argument => new WeakReference(argument)));
            return all;
        }
    }

    [Fact]
    public async Task TwoHundredWorkers_RunAtOnce()
    {
        const int Workers = 200;
        using Gate gate = new();
        await using Pool pool = Pool.Processes(Workers, new() { StartTimeout = TimeSpan.FromMinutes(3) });
        await pool.WarmUpAsync(TestContext.Current.CancellationToken).InTime(TimeSpan.FromMinutes(3), TestContext.Current.CancellationToken);
        string opens = gate.Named("in-"), finish = gate.Named("finish");
        Task<int>[] calls = [.. Enumerable.Range(0, Workers).Select(i => pool.RunAsync(OpenThenWait, opens + i, finish))];
        await Eventually.True(() => gate.Count("in-") == Workers, "all run at once", seconds: 60);
        Assert.Equal(Workers, pool.Statistics.RunningCalls);
        Gate.Open(finish);
        int[] ids = await Task.WhenAll(calls).InTime(Deadline);
        Assert.Equal(Workers, ids.Distinct().Count());
    }

    /// <summary>Descriptors that were opened without a thought for children are in none.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatChooseDescriptors), MemberType = typeof(Transports))]
    public async Task Descriptors_OfTheCaller_AreNotInherited(TransportUnderTest transport)
    {
        using Gate gate = new();
        gate.Open();
        using FileStream file = new(gate.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        int copy = Duplicate((int)file.SafeFileHandle.DangerousGetHandle());
        try
        {
            Assert.True(copy >= 0);
            Assert.Contains(gate.Path, OpenFiles());
            await using Pool pool = CreatePool(1, transport);
            string[] inWorker = await pool.RunAsync(OpenFiles).InTime(Deadline);
            Assert.DoesNotContain(gate.Path, inWorker);

            // Nor has the worker's own child any of ours.
            string[] inGrandchild = await pool.RunAsync(static () =>
            {
                using Process list = Process.Start(new ProcessStartInfo("/bin/ls", ["-l", "/proc/self/fd"]) { RedirectStandardOutput = true })!;
                return list.StandardOutput.ReadToEnd().Split('\n');
            }).InTime(Deadline);
            Assert.DoesNotContain(inGrandchild, line => line.Contains("socket:", StringComparison.Ordinal) || line.Contains("pidfd", StringComparison.Ordinal) || line.Contains("memfd", StringComparison.Ordinal));
        }
        finally
        {
            _ = Close(copy);
        }
    }

    /// <summary>Pools in workers of pools, and single workers in those: all end with the outermost.</summary>
    [Theory]
    [MemberData(nameof(Transports.AllThatStart), MemberType = typeof(Transports))]
    public async Task PoolsInPools_EndWithTheOutermost(TransportUnderTest transport)
    {
        using Gate gate = new();
        string path = gate.Path;
        await using Pool pool = CreatePool(1, transport);
        Task<int> call = pool.RunAsync(Nest, transport, path, 2);
        await gate.WaitAsync();
        int[] tree = EndlessLoops.ReadIds(path);
        Assert.Equal(4, tree.Distinct().Count(ProcessInventory.IsAlive));
        pool.Kill();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => call.InTime(Deadline));
        await Eventually.True(() => !tree.Any(ProcessInventory.IsAlive), "all levels have ended", seconds: 2);
    }

    private static Pool CreatePool(int workers, TransportUnderTest transport) => Pool.Processes(workers, new ProcessPoolOptions().Over(transport));

    private static async Task<int> Nest(TransportUnderTest transport, string path, int levels)
    {
        File.AppendAllLines(path + ".ids", [Environment.ProcessId.ToString(CultureInfo.InvariantCulture)]);
        await using Pool inner = CreatePool(1, transport);
        if (levels > 0)
            return await inner.RunAsync(Nest, transport, path, levels - 1);
        string ids = path + ".ids";
        await WorkerProcess.Start(() =>
        {
            File.AppendAllLines(ids, [Environment.ProcessId.ToString(CultureInfo.InvariantCulture)]);
            File.Move(ids, path);
            Thread.Sleep(Timeout.Infinite);
        });
        return 0;
    }

    private static int OpenThenWait(string opens, string finish)
    {
        Gate.Open(opens);
        Gate.Wait(finish);
        return Environment.ProcessId;
    }

    private static void WriteLines(string opens, int count, int length)
    {
        Gate.Open(opens);
        using StreamWriter output = new(Console.OpenStandardOutput(), bufferSize: 64 * 1024);
        string line = new('x', length);
        for (int i = 0; i < count; i++)
            output.Write(line + "\n");
    }

    private static int CloseDescriptors(int last)
    {
        for (int descriptor = 0; descriptor <= last; descriptor++)
            _ = Close(descriptor);
        return 0;
    }

    private static string[] OpenFiles() => [.. Directory.GetFileSystemEntries("/proc/self/fd").Select(static entry => new FileInfo(entry).LinkTarget ?? "")];

    private static int LeaveCrashingGarbage()
    {
        MakeGarbage();
        new Thread(static () =>
        {
            // Until the finalizer has ended the process: the result is out long before.
            Thread.Sleep(300);
            while (true)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        })
        { IsBackground = true }.Start();
        return Environment.ProcessId;

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void MakeGarbage() => _ = new CrashingGarbage();
    }

    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int Duplicate(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    private sealed class CrashingGarbage
    {
        ~CrashingGarbage() => Crash.Now(CrashKind.SegmentationFault);
    }

    private sealed class UnreadableException : Exception
    {
        public override string Message => throw new InvalidOperationException("no message");

        public override string? StackTrace => throw new InvalidOperationException("no stack");
    }
}
