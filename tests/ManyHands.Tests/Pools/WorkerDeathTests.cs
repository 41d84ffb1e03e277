using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Pools;

/// <summary>What a process pool holds when its workers die, by whatever cause.</summary>
public sealed partial class WorkerDeathTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public static TheoryData<string, int?, int?> Deaths => new()
    {
        { nameof(Die.BySegmentationFault), 11, null },
        { nameof(Die.ByBadPointer), 6, null },
        { nameof(Die.ByStackOverflow), 6, null },
        { nameof(Die.ByFailFast), 6, null },
        { nameof(Die.ByRawThread), 6, null },
        { nameof(Die.BySigkill), 9, null },
        { nameof(Die.ByExit), null, 7 },
        { nameof(Die.ByExitZero), null, 0 },
    };

    [Theory]
    [MemberData(nameof(Deaths))]
    public async Task WorkerDies_InTheCall_CostsThatCallOnly(string death, int? signal, int? exitCode)
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(2, new() { Output = static _ => { } });
        string finish = gate.Named("finish");
        Task<int> other = pool.RunAsync(Work.OpenThenWait, gate.Path, finish);
        await gate.WaitAsync();
        WorkerCrashedException crash = await Assert.ThrowsAsync<WorkerCrashedException>(() => pool.RunAsync(Die.Named, death).InTime(Deadline));
        Assert.Equal(signal, crash.Signal);
        Assert.Equal(exitCode, crash.ExitCode);
        Assert.NotEqual(Environment.ProcessId, crash.ProcessId);
        Assert.False(ProcessInventory.IsAlive(crash.ProcessId));
        Assert.Contains(nameof(Die.Named), crash.Message, StringComparison.Ordinal);
        Gate.Open(finish);
        Assert.Equal(1, await other.InTime(Deadline));
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
        Assert.Equal(1, pool.Statistics.CrashedCalls);
        Assert.Equal(1, pool.Statistics.WorkersLost);
    }

    /// <summary>A signal to process 0 goes to the sender's whole group.</summary>
    [Fact]
    public async Task Statistics_WhileWorkersStart_ListNoneWithoutProcess()
    {
        await using Pool pool = Pool.Processes(4);
        Task ready = pool.WarmUpAsync();
        while (!ready.IsCompleted)
            Assert.All(pool.Statistics.Workers, worker => Assert.NotEqual(0, worker.Id));
        await ready;
        Assert.Equal(4, pool.Statistics.Workers.Count);
    }

    [Fact]
    public async Task WorkerDies_LastLinesOfStandardError_AreInTheException()
    {
        await using Pool pool = Pool.Processes(1, new() { Output = static _ => { } });
        WorkerCrashedException crash = await Assert.ThrowsAsync<WorkerCrashedException>(() => pool.RunAsync(static () =>
        {
            Console.Error.WriteLine("about to go");
            Environment.Exit(3);
        }).InTime(Deadline));
        Assert.Contains("about to go", crash.LastErrorLines);
        Assert.Contains("about to go", crash.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WorkerKilled_WhileIdle_IsReplaced()
    {
        await using Pool pool = Pool.Processes(2);
        await pool.WarmUpAsync();
        int[] before = [.. pool.Statistics.Workers.Select(worker => worker.Id)];
        foreach (int id in before)
            Kill(id);
        await Eventually.True(
            () => pool.Statistics.Workers is { Count: 2 } workers && workers.All(worker => !before.Contains(worker.Id)),
            "both were replaced");
        Assert.Equal([0, 2, 4], await pool.MapAsync(Work.Double, [0, 1, 2]).ToListAsync());
        Assert.Equal(0, pool.Statistics.CrashedCalls);
    }

    [Fact]
    public async Task CallsSentAhead_OfAWorkerThatDies_RunElsewhere()
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(1);

        // Short calls first, so that the pool sends ahead; then one that dies with others behind it.
        await pool.ForEachAsync(static (int _) => { }, Enumerable.Range(0, 500));
        string path = gate.Named("ran-");
        Task doomed = pool.RunAsync(Die.Named, nameof(Die.BySigkill));
        Task[] behind = [.. Enumerable.Range(0, 30).Select(i => pool.RunAsync(Work.Touch, path + i))];
        await Assert.ThrowsAsync<WorkerCrashedException>(() => doomed.InTime(Deadline));
        await Task.WhenAll(behind).InTime(Deadline);
        Assert.Equal(30, gate.Count("ran-"));
    }

    [Fact]
    public async Task FiftyKills_UnderLoad_EveryCallHasOneOutcome()
    {
        const int Kills = 50;
        using Gate gate = new();
        using CancellationTokenSource enough = new();
        string runs = gate.Named("runs-");
        await using Pool pool = Pool.Processes(3);
        await pool.WarmUpAsync();

        ConcurrentDictionary<int, int> outcomes = new();
        int next = 0, succeeded = 0, crashed = 0;
        Task[] callers = [.. Enumerable.Range(0, 6).Select(_ => Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested)
            {
                int number = Interlocked.Increment(ref next);
                try
                {
                    Assert.Equal(number, await pool.RunAsync(AppendAndReturn, runs, number).InTime(Deadline));
                    Interlocked.Increment(ref succeeded);
                }
                catch (WorkerCrashedException crash)
                {
                    Assert.Equal(9, crash.Signal);
                    Interlocked.Increment(ref crashed);
                }

                outcomes.AddOrUpdate(number, 1, static (_, count) => count + 1);
            }
        }))];

        HashSet<int> killed = [];
        while (killed.Count < Kills)
        {
            await Eventually.True(() => pool.Statistics.Workers.Any(worker => worker.EndedCalls > 0 && !killed.Contains(worker.Id)), "a worker to kill");
            int victim = pool.Statistics.Workers.First(worker => worker.EndedCalls > 0 && !killed.Contains(worker.Id)).Id;
            killed.Add(victim);
            Kill(victim);
        }

        await enough.CancelAsync();
        await Task.WhenAll(callers).InTime(Deadline);
        Assert.Equal(next, outcomes.Count);
        Assert.All(outcomes.Values, count => Assert.Equal(1, count));
        Assert.InRange(crashed, 0, Kills);
        Assert.True(succeeded > Kills);
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));

        // At most once: no call left its mark twice.
        string[] marks = [.. Directory.GetFiles(Path.GetDirectoryName(runs)!, "runs-*").SelectMany(File.ReadAllLines)];
        Assert.Equal(marks.Length, marks.Distinct().Count());
        Assert.InRange(marks.Length, succeeded, next);
    }

    [Fact]
    public async Task StoppedWorker_IsNotTakenForDead()
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(1);
        string finish = gate.Named("finish");
        Task<int> call = pool.RunAsync(Work.OpenThenWait, gate.Path, finish);
        await gate.WaitAsync();
        int worker = pool.Statistics.Workers[0].Id;
        Assert.Equal(0, Signal(worker, 19));
        await Eventually.True(() => ProcessInventory.IsStopped(worker), "the worker is stopped");
        Gate.Open(finish);
        Assert.NotSame(call, await Task.WhenAny(call, Task.Delay(500)));
        Assert.Equal(0, pool.Statistics.WorkersLost);
        Assert.Equal(0, Signal(worker, 18));
        Assert.Equal(1, await call.InTime(Deadline));
    }

    [Fact]
    public async Task StoppedWorker_DoesNotHoldUpDispose()
    {
        Pool pool = Pool.Processes(1);
        await pool.WarmUpAsync();
        int worker = pool.Statistics.Workers[0].Id;
        Assert.Equal(0, Signal(worker, 19));
        await Eventually.True(() => ProcessInventory.IsStopped(worker), "the worker is stopped");
        long startedAt = Stopwatch.GetTimestamp();
        await pool.DisposeAsync().AsTask().InTime(Deadline);
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 5);
    }

    [Fact]
    public async Task InitializerThatExits_BreaksThePool_WithoutAStorm()
    {
        await using Pool pool = Pool.Processes(2, new()
        {
            Output = static _ => { },
            Initializer = static () =>
            {
                Console.Error.WriteLine("no licence");
                Environment.Exit(4);
            },
        });
        PoolBrokenException broken = await Assert.ThrowsAsync<PoolBrokenException>(() => pool.RunAsync(Work.Answer).InTime(Deadline));
        Assert.Contains("exited with code 4", broken.Message, StringComparison.Ordinal);
        Assert.Contains("no licence", broken.Message, StringComparison.Ordinal);
        Assert.InRange(pool.Statistics.WorkersStarted, 1, 9);
    }

    [Fact]
    public async Task ResultThatCannotTravel_CostsTheCallNotTheWorker()
    {
        await using Pool pool = Pool.Processes(1);
        int before = await pool.RunAsync(static () => Environment.ProcessId);
        for (int i = 0; i < 20; i++)
        {
            UnsendableCallException refused = await Assert.ThrowsAsync<UnsendableCallException>(() => pool.RunAsync(static () => new MemoryStream()));
            Assert.Contains("MemoryStream", refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal(before, await pool.RunAsync(static () => Environment.ProcessId));
    }

    [Fact]
    public async Task Output_ComesByWholeLines_BeforeTheCallEnds()
    {
        ConcurrentQueue<WorkerOutputLine> lines = new();
        await using Pool pool = Pool.Processes(3, new() { Output = lines.Enqueue });
        for (int i = 0; i < 50; i++)
        {
            await pool.RunAsync(static (int i) => Console.WriteLine($"line {i}"), i);
            Assert.Contains(lines, line => line.Text == $"line {i}");
        }

        await pool.ForEachAsync(
            static (int worker) =>
            {
                for (int i = 0; i < 200; i++)
                    Console.Out.WriteLine(new string((char)('a' + worker), 300));
                Console.Error.WriteLine("error");
            },
            Enumerable.Range(0, 3));
        Assert.Equal(600, lines.Count(line => line.Text.Length == 300 && line.Text.Distinct().Count() == 1));
        Assert.Equal(3, lines.Count(line => line is { IsError: true, Text: "error" }));
    }

    /// <summary>What the system would take for something else is refused at once, and all else is there.</summary>
    [Theory]
    [InlineData("", "x", "no name")]
    [InlineData("A=B", "x", "'='")]
    [InlineData("=A", "x", "'='")]
    [InlineData("A\0B", "x", "null character")]
    [InlineData("A", "x\0y", "null character")]
    public void Environment_ThatTheSystemCannotHave_IsRefused(string name, string value, string why)
    {
        ArgumentException refused = Assert.Throws<ArgumentException>(() => Pool.Processes(1, new() { Environment = new Dictionary<string, string?> { [name] = value } }));
        Assert.Equal(nameof(ProcessPoolOptions.Environment), refused.ParamName);
        Assert.Contains(why, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DirectoryOrName_ThatTheSystemWouldCut_IsRefused()
    {
        Assert.Throws<ArgumentException>(() => Pool.Processes(1, new() { WorkingDirectory = "/tmp\0/x" }));
        Assert.Throws<DirectoryNotFoundException>(() => Pool.Processes(1, new() { WorkingDirectory = "" }));
        Environment_ThatTheSystemCannotHave_IsRefused("A\ud800", "x", "surrogate");
        Environment_ThatTheSystemCannotHave_IsRefused("A", "\udc00", "surrogate");
        foreach (string name in (string[])["a\0b", "a\nb", "\ud800", "\u001b[2J"])
        {
            ArgumentException refused = Assert.Throws<ArgumentException>(() => WorkerProcess.Start(static () => { }, name));
            Assert.Equal("name", refused.ParamName);
        }
    }

    [Fact]
    public async Task Environment_OddButLawful_IsThere()
    {
        Dictionary<string, string?> variables = new(StringComparer.OrdinalIgnoreCase) { ["path"] = "x", ["WITH SPACE"] = "a=b\nc", ["EMPTY"] = "", ["TEXT"] = "\U0001F600" };
        await using Pool pool = Pool.Processes(1, new() { Environment = variables });
        variables.Clear();
        string?[] there = await pool.RunAsync(static () => new[] { "path", "PATH", "WITH SPACE", "TEXT" }.Select(Environment.GetEnvironmentVariable).ToArray());
        Assert.Equal(["x", Environment.GetEnvironmentVariable("PATH"), "a=b\nc", "\U0001F600"], there);
    }

    [Fact]
    public async Task Environment_AndDirectory_AreSetForTheWorkers()
    {
        await using Pool pool = Pool.Processes(1, new()
        {
            Environment = new Dictionary<string, string?> { ["MANYHANDS_TEST"] = "ü", ["PATH"] = null },
            WorkingDirectory = "/",
        });
        Assert.Equal("ü", await pool.RunAsync(static () => Environment.GetEnvironmentVariable("MANYHANDS_TEST")));
        Assert.Null(await pool.RunAsync(static () => Environment.GetEnvironmentVariable("PATH")));
        Assert.Equal("/", await pool.RunAsync(static () => Environment.CurrentDirectory));
        Assert.Throws<DirectoryNotFoundException>(() => Pool.Processes(1, new() { WorkingDirectory = "/no/such" }));
    }

    [Fact]
    public async Task ManyWorkers_OnDemandOnly()
    {
        await using Pool pool = Pool.Processes(50);
        for (int i = 0; i < 20; i++)
            await pool.RunAsync(Work.Answer);
        Assert.Single(pool.Statistics.Workers);
    }

    [Fact]
    public async Task WorkerDies_WhileThePoolCloses_AcceptedCallsStillRun()
    {
        Pool pool = Pool.Processes(1);
        Task doomed = pool.RunAsync(Die.Named, nameof(Die.BySigkill));
        Task<int> behind = pool.RunAsync(Work.Answer);
        await pool.DisposeAsync().AsTask().InTime(TimeSpan.FromSeconds(10));
        await Assert.ThrowsAsync<WorkerCrashedException>(() => doomed);
        Assert.Equal(42, await behind);
    }

    [Fact]
    public async Task DisposeAsync_CallThatOutlastsTheShutdown_FailsAndIsKilled()
    {
        using Gate gate = new();
        Pool pool = Pool.Processes(1, new() { ShutdownTimeout = TimeSpan.FromMilliseconds(100) });
        Task<int> call = pool.RunAsync(Work.WaitForever, gate.Path);
        await gate.WaitAsync();
        await pool.DisposeAsync().AsTask().InTime(TimeSpan.FromSeconds(10));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => call);
    }

    [Fact]
    public async Task PoolInAWorker_EndsWithTheRoot()
    {
        await using Pool pool = Pool.Processes(1);
        int[] ids = await pool.RunAsync(static async () =>
        {
            await using Pool inner = Pool.Processes(1);
            return new[] { Environment.ProcessId, await inner.RunAsync(static () => Environment.ProcessId) };
        });
        Assert.Equal(2, ids.Distinct().Count());
        await Eventually.True(() => !ProcessInventory.IsAlive(ids[1]), "the inner worker has ended");
    }

    private static int AppendAndReturn(string path, int number)
    {
        File.AppendAllText(path + Environment.ProcessId, $"{number}\n");
        Thread.Sleep(1);
        return number;
    }

    private static void Kill(int id)
    {
        try
        {
            using Process process = Process.GetProcessById(id);
            process.Kill();
        }
        catch (ArgumentException)
        {
            // It ended by itself.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int pid, int signal);
}

/// <summary>Ways to die that no handler stops.</summary>
public static partial class Die
{
    public static void Named(string way) => typeof(Die).GetMethod(way)!.CreateDelegate<Action>()();

    public static void BySegmentationFault() => Length(1);

    public static unsafe void ByBadPointer() => *(int*)0x10dead000 = 1;

    public static void ByStackOverflow() => Deeper(1);

    public static void ByFailFast() => Environment.FailFast("on purpose");

    public static void ByRawThread()
    {
        new Thread(static () => throw new InvalidOperationException("on a raw thread")).Start();
        Thread.Sleep(Timeout.Infinite);
    }

    public static void BySigkill()
    {
        using Process self = Process.GetCurrentProcess();
        self.Kill();
        Thread.Sleep(Timeout.Infinite);
    }

    public static void ByExit() => Environment.Exit(7);

    public static void ByExitZero() => Environment.Exit(0);

    private static int Deeper(int depth) => depth + Deeper(depth + 1) + Deeper(depth + 2);

    [LibraryImport("libc", EntryPoint = "strlen")]
    private static partial nint Length(nint address);
}
