using System.Diagnostics;
using System.Globalization;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>
/// What hangs or leaks elsewhere after SIGKILL, and may not here. The cases, and where each is tested:
/// <list type="table">
/// <item><term>pool: worker killed in a call; the next call</term><description><see cref="Pools.WorkerDeathTests.WorkerDies_InTheCall_CostsThatCallOnly"/></description></item>
/// <item><term>pool: worker killed in a map; the next map</term><description><see cref="Pool_WorkerKilledInAMap_MapEndsAndTheNextRuns"/></description></item>
/// <item><term>pool: all idle workers killed; the next call</term><description><see cref="Pool_AllIdleWorkersKilled_TheNextCallRuns"/></description></item>
/// <item><term>lock, plain and reentrant: holder killed</term><description><see cref="Sync.SharedLockTests.Holder_Killed_NextIsTold_Once"/></description></item>
/// <item><term>queue: reader killed while it waits in Dequeue</term><description><see cref="Queue_ReaderKilledWaiting_TheNextReaderGetsTheItem"/></description></item>
/// <item><term>queue: reader killed just after it took an item</term><description><see cref="Queue_ReaderKilledAfterATake_TheOthersGoOn"/>, and at each step in QueueFaultTests</description></item>
/// <item><term>queue: writer killed while it waits for room</term><description><see cref="Queue_WriterKilledInAFullQueue_TheNextWriterGoesOn"/></description></item>
/// <item><term>event: waiter killed, then set</term><description><see cref="Sync.SharedEventTests.Waiter_KilledOrStopped_SetReturns_AndTheNextGoesOn"/></description></item>
/// <item><term>barrier: party killed while it waits</term><description><see cref="Barrier_PartyKilledWaiting_TheOthersWaitReturns"/>, and for one that waits already <see cref="Sync.SharedBarrierTests.Party_Killed_BreaksForTheOthers_Soon"/></description></item>
/// <item><term>semaphore: holder of the only permit killed</term><description><see cref="Semaphore_HolderOfTheOnlyPermitKilled_ThePermitReturns"/></description></item>
/// <item><term>shared memory: creator killed</term><description><see cref="Array_CreatorKilled_StaysForItsUsers_AndIsGoneWithTheLast"/></description></item>
/// <item><term>shared memory: one that only attached ends</term><description><see cref="Array_AttacherEnds_TheCreatorKeepsIt"/></description></item>
/// <item><term>parent killed: idle workers end within 2 s</term><description><see cref="ParentDeathTests.HostEndedBySignal_TreeEnds"/></description></item>
/// </list>
/// </summary>
public sealed class SurvivalTests : LeakChecked
{
    // What the others' tests give theirs; it takes us 200 ms at most, on a machine that is not busy.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A pool whose worker is killed in the middle of a map.</summary>
    [Fact]
    public async Task Pool_WorkerKilledInAMap_MapEndsAndTheNextRuns()
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(2);
        Task<List<int>> map = pool.MapAsync(static path => Waits.TellAndWait(path), [gate.Path]).ToListAsync(Token).AsTask();
        Kill(await Waits.ToldBy(gate.Path));
        await Assert.ThrowsAsync<WorkerCrashedException>(() => map.InTime(Deadline, Token));
        Assert.Equal([0, 2, 4], await pool.MapAsync(Work.Double, [0, 1, 2]).ToListAsync(Token).AsTask().InTime(Deadline, Token));
    }

    /// <summary>A pool all of whose workers are killed while they wait for calls: the next call comes before anybody can have replaced them.</summary>
    [Fact]
    public async Task Pool_AllIdleWorkersKilled_TheNextCallRuns()
    {
        await using Pool pool = Pool.Processes(2);
        await pool.WarmUpAsync();
        foreach (PoolWorkerStatistics worker in pool.Statistics.Workers)
            Kill(worker.Id);
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline, Token));
    }

    /// <summary>A reader that is killed while it waits for an item, when no item has come.</summary>
    [Fact]
    public async Task Queue_ReaderKilledWaiting_TheNextReaderGetsTheItem()
    {
        using SharedQueue<int> queue = new();
        using Gate gate = new();
        WorkerProcess reader = WorkerProcess.Start(Waits.Take, queue, gate.Path);
        await Waits.UntilBlocked(await Waits.ToldBy(gate.Path));
        await Kill(reader);
        queue.Enqueue(1, Token);
        Assert.True(queue.TryDequeue(out int item, Patience, Token));
        Assert.Equal(1, item);

        // The same for one in another process, which can't have anything left from before.
        queue.Enqueue(2, Token);
        Assert.Equal(2, await WorkerProcess.Start(static queue => queue.TryDequeue(out int item, TimeSpan.FromMinutes(1)) ? item : -1, queue));
    }

    /// <summary>A reader that is killed when it has an item in hand: that one goes with it, and nothing else.</summary>
    [Fact]
    public async Task Queue_ReaderKilledAfterATake_TheOthersGoOn()
    {
        using SharedQueue<int> queue = new();
        using Gate gate = new();
        queue.Enqueue(1, Token);
        queue.Enqueue(2, Token);
        WorkerProcess reader = WorkerProcess.Start(static (SharedQueue<int> queue, string path) =>
        {
            queue.Dequeue();
            Waits.TellAndWait(path);
        }, queue, gate.Path);
        await Waits.ToldBy(gate.Path);
        await Kill(reader);
        Assert.Equal(1, queue.Count);
        Assert.True(queue.TryDequeue(out int item, Patience, Token));
        Assert.Equal(2, item);
        queue.Enqueue(3, Token);
        Assert.True(queue.TryDequeue(out item, Patience, Token));
        Assert.Equal(3, item);
    }

    /// <summary>A writer that is killed with more in hand than there is room for: whole items of it are there, and the next writer gets through.</summary>
    [Fact]
    public async Task Queue_WriterKilledInAFullQueue_TheNextWriterGoesOn()
    {
        const int Large = 1 << 20;
        using SharedQueue<byte[]> queue = new(maximumSize: 8L << 20);
        using Gate gate = new();
        WorkerProcess writer = WorkerProcess.Start(static (SharedQueue<byte[]> queue, string path) =>
        {
            Gate.Open(path);
            byte[] item = new byte[Large];
            item.AsSpan().Fill(7);
            for (int i = 0; i < 64; i++)
                queue.Enqueue(item);
        }, queue, gate.Path);
        await gate.WaitAsync();
        await Eventually.True(() => queue.Count >= 5, "it is nearly full", Deadline.TotalSeconds);
        await Waits.UntilBlocked(writer.Id);
        await Kill(writer);
        long there = queue.Count;
        Assert.InRange(there, 5, 8);
        Assert.True(queue.TryDequeue(out byte[]? first, Patience, Token));
        Assert.Equal(0, await WorkerProcess.Start(static queue => queue.TryEnqueue([1, 2, 3], TimeSpan.FromMinutes(1)) ? 0 : 1, queue));
        for (long i = 1; i < there; i++)
        {
            Assert.Equal((Large, -1), (first!.Length, first.AsSpan().IndexOfAnyExcept((byte)7)));
            Assert.True(queue.TryDequeue(out first, Patience, Token));
        }

        Assert.True(queue.TryDequeue(out byte[]? last, Patience, Token));
        Assert.Equal([1, 2, 3], last);
        Assert.Equal(0, queue.Count);
    }

    /// <summary>A barrier for two, one of which is killed in its wait: the other comes later, and returns.</summary>
    [Fact]
    public async Task Barrier_PartyKilledWaiting_TheOthersWaitReturns()
    {
        using SharedBarrier barrier = new(2);
        WorkerProcess party = WorkerProcess.Start(static (SharedBarrier barrier) => { barrier.SignalAndWait(); }, barrier);
        await Eventually.True(() => barrier.Waiting == 1, "it waits");
        await Kill(party);

        // It passes, for two have come, or is broken, for one of them has died; which, nobody knows before. But it returns.
        long startedAt = Stopwatch.GetTimestamp();
        Exception? end = Record.Exception(() => barrier.TrySignalAndWait(TimeSpan.FromSeconds(5), out _, null, Token));
        Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Patience);
        Assert.True(end is null or BrokenBarrierException, $"{end}");
    }

    /// <summary>A semaphore of one permit, whose holder is killed.</summary>
    [Fact]
    public async Task Semaphore_HolderOfTheOnlyPermitKilled_ThePermitReturns()
    {
        using SharedSemaphore semaphore = new(1, 1);
        using Gate gate = new();
        WorkerProcess holder = WorkerProcess.Start(static (SharedSemaphore semaphore, string path) =>
        {
            semaphore.Wait();
            Waits.TellAndWait(path);
        }, semaphore, gate.Path);
        await Waits.ToldBy(gate.Path);
        Assert.False(semaphore.TryWait(TimeSpan.Zero, Token));
        await Kill(holder);
        Assert.True(semaphore.TryWait(Patience, Token));
        semaphore.Release();
    }

    /// <summary>Memory whose creator is killed: whoever has it goes on, and it is gone with the last, without a name that was left.</summary>
    [Fact]
    public async Task Array_CreatorKilled_StaysForItsUsers_AndIsGoneWithTheLast()
    {
        string[] before = SharedFiles();
        using Gate gate = new();
        using SharedQueue<SharedArray<int>> queue = new();
        WorkerProcess creator = WorkerProcess.Start(static (SharedQueue<SharedArray<int>> queue, string path) =>
        {
            SharedArray<int> array = new([5, 6, 7]);
            queue.Enqueue(array);
            Waits.TellAndWait(path);
            GC.KeepAlive(array);
        }, queue, gate.Path);
        await Waits.ToldBy(gate.Path);
        HashSet<string> others = Files("self");
        SharedArray<int> array = queue.Dequeue(Token);
        string file = Assert.Single(Files("self").Except(others));
        Assert.Contains(file, Files(creator.Id.ToString(CultureInfo.InvariantCulture)));
        await Kill(creator);
        Assert.Equal([5, 6, 7], array.Span.ToArray());
        array.Dispose();
        await Eventually.True(() => !Holders(file).Any(), $"nobody has {file} any more");
        Assert.Empty(SharedFiles().Except(before));
    }

    /// <summary>Memory that another process has attached to, and ends: it stays, for its creator and for those that come.</summary>
    [Fact]
    public async Task Array_AttacherEnds_TheCreatorKeepsIt()
    {
        using SharedArray<int> array = new([1, 2, 3]);
        Assert.Equal(6, await WorkerProcess.Start(static (SharedArray<int> array) => array.Span.ToArray().Sum(), array));
        array[0] = 4;
        Assert.Equal(9, await WorkerProcess.Start(static (SharedArray<int> array) => array.Span.ToArray().Sum(), array));
    }

    private static void Kill(int process) => Assert.True(Signals.TrySend(process, Signals.Kill));

    private static async Task Kill(WorkerProcess process)
    {
        Kill(process.Id);
        await process.JoinAsync().InTime(Deadline, Token);
        Assert.Equal(Signals.Kill, Assert.IsType<WorkerCrashedException>(process.Exception).Signal);
        await process.DisposeAsync();
    }

    private static string[] SharedFiles() => Directory.GetFileSystemEntries("/dev/shm");

    // The numbers of the anonymous files that a process has open.
    private static HashSet<string> Files(string process) => [.. Descriptors(process).Where(IsShared).Select(Number).OfType<string>()];

    private static IEnumerable<string> Holders(string file) =>
        Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).OfType<string>().Where(process => int.TryParse(process, out _) && (Maps(process, file) || Files(process).Contains(file)));

    // Behind the addresses, rights, offset and device of proc(5), /proc/pid/maps.
    private static bool Maps(string process, string file) => ProcessInventory.Read($"/proc/{process}/maps").Split('\n')
        .Any(line => line.Contains("/memfd:manyhands", StringComparison.Ordinal) && line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4] == file);

    private static string[] Descriptors(string process)
    {
        try
        {
            return Directory.GetFiles($"/proc/{process}/fd");
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static bool IsShared(string descriptor) => new FileInfo(descriptor).LinkTarget?.StartsWith("/memfd:manyhands", StringComparison.Ordinal) == true;

    private static string? Number(string descriptor) =>
        ProcessInventory.Read(descriptor.Replace("/fd/", "/fdinfo/", StringComparison.Ordinal)).Split('\n').FirstOrDefault(line => line.StartsWith("ino:", StringComparison.Ordinal))?["ino:".Length..].Trim();
}

/// <summary>What the killed ones did until then.</summary>
internal static class Waits
{
    public static int TellAndWait(string path)
    {
        File.WriteAllText(path + ".tmp", Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        File.Move(path + ".tmp", path);
        Thread.Sleep(Timeout.Infinite);
        return 0;
    }

    public static async Task<int> ToldBy(string path)
    {
        await Gate.WaitAsync(path);
        return int.Parse(await File.ReadAllTextAsync(path).ConfigureAwait(false), CultureInfo.InvariantCulture);
    }

    public static void Take(SharedQueue<int> queue, string path)
    {
        File.WriteAllText(path + ".tmp", Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        File.Move(path + ".tmp", path);
        queue.Dequeue();
    }

    /// <summary>Until it has done nothing for some looks, so that it is in the wait that it was about to begin.</summary>
    public static async Task UntilBlocked(int process)
    {
        int idle = 0;
        long last = -1;
        await Eventually.True(
            () =>
            {
                long time = ProcessorTime(process);
                idle = time == last ? idle + 1 : 0;
                last = time;
                return idle >= 20;
            },
            $"process {process} waits",
            30);
    }

    // In ticks; fields 14 and 15 of proc(5), /proc/pid/stat.
    private static long ProcessorTime(int process)
    {
        string text = ProcessInventory.Read($"/proc/{process}/stat");
        string[] fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
    }
}
