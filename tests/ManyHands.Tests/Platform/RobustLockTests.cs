using System.Diagnostics;
using System.Runtime.CompilerServices;
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Platform;

public sealed partial class RobustLockTests : LeakChecked
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly SharedMemory memory = new(4096);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public override ValueTask DisposeAsync()
    {
        memory.Dispose();
        return base.DisposeAsync();
    }

    [Fact]
    public unsafe void Enter_Free_ThenExit_FreesIt()
    {
        ulong* word = Word(memory);
        Assert.False(RobustLock.IsHeldHere(word));
        Assert.True(RobustLock.TryEnter(word, out bool wasAbandoned));
        Assert.False(wasAbandoned);
        Assert.True(RobustLock.IsHeldHere(word));
        Assert.False(RobustLock.TryEnter(word, out _));
        RobustLock.Exit(word);
        Assert.Equal(0UL, *word);
        Assert.Throws<SynchronizationLockException>(() => RobustLock.Exit(Word(memory)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(30)]
    [InlineData(250)]
    public async Task Enter_Held_ReturnsFalse_NeverEarly(int milliseconds)
    {
        TimeSpan time = TimeSpan.FromMilliseconds(milliseconds);
        TryEnter(out _);
        long startedAt = Stopwatch.GetTimestamp();
        Assert.False(Enter(time, out _));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= time);
        startedAt = Stopwatch.GetTimestamp();
        Assert.Equal(LockOutcome.TimedOut, await EnterAsync(0, time));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= time);
        Exit();
    }

    [Fact]
    public unsafe void Enter_Canceled_AtOnce()
    {
        RobustLock.TryEnter(Word(memory), out _);
        using CancellationTokenSource canceled = new();
        canceled.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => RobustLock.Enter(Word(memory), Timeout.InfiniteTimeSpan, canceled.Token, out _));

        // Within a slice of sleep, and without its end: the median of several is far below the 200 ms that a sleep may last.
        List<double> times = [];
        for (int i = 0; i < 5; i++)
        {
            using CancellationTokenSource later = new();
            Exception? end = null;
            Thread waiter = new(() => end = Record.Exception(() => RobustLock.Enter(Word(memory), Timeout.InfiniteTimeSpan, later.Token, out _))) { Name = "enters a lock" };
            waiter.Start();
            Assert.True(SpinWait.SpinUntil(() => ProcessInventory.AllSleep("enters a lock"), Patience));
            long canceledAt = Stopwatch.GetTimestamp();
            later.Cancel();
            waiter.Join();
            times.Add(FairClock.Since(canceledAt).TotalMilliseconds);
            Assert.IsAssignableFrom<OperationCanceledException>(end);
        }

        Assert.InRange(times.Order().ElementAt(2), 0, 60);
        RobustLock.Exit(Word(memory));
    }

    [Theory]
    [InlineData(1UL << 63)]
    [InlineData(1UL << 31)]
    [InlineData(1UL << 32)]
    [InlineData(ulong.MaxValue)]
    [InlineData(0x0000_0001_007F_FFFFUL)]
    [InlineData(0x0000_0001_0000_0001UL)]
    public unsafe void Enter_Nonsense_IsAbandonedOnce(ulong nonsense)
    {
        ulong* word = Word(memory);
        *word = nonsense;
        Assert.Throws<SynchronizationLockException>(() => RobustLock.Exit(Word(memory)));
        Assert.True(RobustLock.TryEnter(word, out bool wasAbandoned));
        Assert.True(wasAbandoned);
        RobustLock.Exit(word);
        *word = nonsense;
        Assert.True(RobustLock.Enter(word, Patience, Token, out wasAbandoned));
        Assert.True(wasAbandoned);
        RobustLock.Exit(word);
        Assert.True(RobustLock.Enter(word, Patience, Token, out wasAbandoned));
        Assert.False(wasAbandoned);
        RobustLock.Exit(word);
    }

    [Fact]
    public unsafe void Abandon_NextIsTold()
    {
        RobustLock.TryEnter(Word(memory), out _);
        Assert.True(RobustLock.TryAbandon(Word(memory)));
        Assert.False(RobustLock.TryAbandon(Word(memory)));
        Assert.True(RobustLock.Enter(Word(memory), Patience, Token, out bool wasAbandoned));
        Assert.True(wasAbandoned);
        RobustLock.Exit(Word(memory));
    }

    [Fact]
    public async Task Holder_Killed_NextIsTold_Once()
    {
        using Gate gate = new();
        WorkerProcess holder = WorkerProcess.Start(Hold, memory, gate.Path);
        await gate.WaitAsync();
        Assert.False(TryEnter(out _));
        Assert.Throws<SynchronizationLockException>(() => Exit());
        Task<LockOutcome>[] waiters = [.. Enumerable.Range(0, 3).Select(_ => EnterAsync())];
        holder.Kill();
        LockOutcome[] outcomes = new LockOutcome[3];
        for (int i = 0; i < 3; i++)
        {
            Task<LockOutcome> entered = await Task.WhenAny(waiters.Where(waiter => !waiter.IsCompleted || outcomes[Array.IndexOf(waiters, waiter)] == 0)).InTime(Patience, Token);
            outcomes[Array.IndexOf(waiters, entered)] = await entered;
            Exit();
        }

        Assert.Equal([LockOutcome.Entered, LockOutcome.Entered, LockOutcome.EnteredAbandoned], outcomes.Order());
        await holder.JoinAsync().InTime(Patience, Token);
    }

    [Fact]
    public async Task Holder_Stopped_KeepsIt()
    {
        using Gate gate = new();
        WorkerProcess holder = WorkerProcess.Start(HoldUntil, memory, gate.Path, gate.Named("leave"));
        await gate.WaitAsync();
        Signals.TrySend(holder.Id, Signals.Stop);
        await Eventually.True(() => Signals.IsStopped(holder.Id), "the holder is stopped");
        Assert.False(Enter(TimeSpan.FromSeconds(1), out _));
        Signals.TrySend(holder.Id, Signals.Continue);
        Assert.False(TryEnter(out _));
        Gate.Open(gate.Named("leave"));
        Assert.True(Enter(Patience, out bool wasAbandoned));
        Assert.False(wasAbandoned);
        Exit();
        await holder.JoinAsync().InTime(Patience, Token);
        Assert.Equal(0, holder.ExitCode);
    }

    [Fact]
    public async Task Waiter_Killed_OthersGoOn()
    {
        using Gate gate = new();
        TryEnter(out _);
        WorkerProcess waiter = WorkerProcess.Start(Wait, memory, gate.Path);
        await gate.WaitAsync();
        await Eventually.True(() => (memory.At<ulong>(0) & (1UL << 31)) != 0, "it sleeps");
        Task<LockOutcome> other = EnterAsync();
        Signals.TrySend(waiter.Id, Signals.Stop);
        await Eventually.True(() => Signals.IsStopped(waiter.Id), "the waiter is stopped");

        // The wake-up may go to the one that is stopped and then killed.
        Exit();
        long startedAt = Stopwatch.GetTimestamp();
        Assert.Equal(LockOutcome.Entered, await other.InTime(Patience, Token));
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 1);
        waiter.Kill();
        await waiter.JoinAsync().InTime(Patience, Token);
        Exit();
    }

    [Fact]
    public async Task EnterAsync_Many_HoldNoThreads_AndAllGetIn()
    {
        TryEnter(out _);
        Task<LockOutcome>[] waiters = [.. Enumerable.Range(0, 200).Select(_ => EnterAsync())];
        Assert.InRange(ThreadPool.ThreadCount, 0, 60);
        Assert.DoesNotContain(waiters, waiter => waiter.IsCompleted);
        Exit();
        foreach (Task<LockOutcome> _ in waiters)
        {
            await Eventually.True(() => IsHeldHere(), "one of them is in");
            Exit();
        }

        Assert.All(await Task.WhenAll(waiters), outcome => Assert.Equal(LockOutcome.Entered, outcome));
    }

    [Fact]
    public async Task EnterAsync_MoreWordsThanOneCallSleepsOn_AllGetIn()
    {
        const int Words = 300;
        Task<LockOutcome>[] waiters = new Task<LockOutcome>[Words];
        for (int i = 0; i < Words; i++)
        {
            TryEnter(out _, i);
            waiters[i] = EnterAsync(i);
        }

        for (int i = 0; i < Words; i++)
            Exit(i);
        Assert.All(await Task.WhenAll(waiters).InTime(Patience, Token), outcome => Assert.Equal(LockOutcome.Entered, outcome));
        for (int i = 0; i < Words; i++)
            Exit(i);
    }

    [Fact]
    public async Task EnterAsync_Canceled_LeavesTheLockToOthers()
    {
        TryEnter(out _);
        using CancellationTokenSource cancel = new();
        Task<LockOutcome> canceled = EnterAsync(token: cancel.Token);
        Task<LockOutcome> other = EnterAsync();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => canceled.InTime(Patience, Token));
        Exit();
        Assert.Equal(LockOutcome.Entered, await other.InTime(Patience, Token));
        Exit();
    }

    [Fact]
    public async Task Exclusion_HoldsWhileHoldersAreKilled()
    {
        using Gate gate = new();
        const int Rounds = 30;
        List<WorkerProcess> workers = [.. Enumerable.Range(0, 3).Select(_ => WorkerProcess.Start(Count, memory))];
        for (int round = 0; round < Rounds; round++)
        {
            long before = Volatile.Read(ref Cell(1));
            await Eventually.True(() => Volatile.Read(ref Cell(1)) > before + 500, "they go on");
            WorkerProcess victim = workers[round % 3];
            Signals.TrySend(victim.Id, Signals.Kill);
            await victim.JoinAsync().InTime(Patience, Token);
            Assert.Equal(Signals.Kill, victim.Signal);
            workers[round % 3] = WorkerProcess.Start(Count, memory);
        }

        // Half-done rounds were told of by the lock, each once, and never met by anyone else.
        Volatile.Write(ref Cell(4), 1);
        foreach (WorkerProcess worker in workers)
        {
            await worker.JoinAsync().InTime(Patience, Token);
            Assert.Equal(0, worker.ExitCode);
        }

        Assert.True(Enter(Patience, out bool wasAbandoned));
        Assert.Equal(0, Cell(5));
        Assert.InRange(Cell(1) - Cell(2), 0, 1);
        Assert.InRange(Cell(3) + (wasAbandoned ? 1 : 0), 0, Rounds);
        Exit();
    }
}

/// <content>What touches the memory: no await beside a pointer.</content>
public sealed unsafe partial class RobustLockTests
{
    private static void Hold(SharedMemory memory, string path)
    {
        RobustLock.TryEnter(Word(memory), out _);
        Gate.Open(path);
        Thread.Sleep(Timeout.Infinite);
    }

    private static void HoldUntil(SharedMemory memory, string path, string leave)
    {
        RobustLock.TryEnter(Word(memory), out _);
        Gate.Open(path);
        Gate.Wait(leave);
        RobustLock.Exit(Word(memory));
    }

    private static void Wait(SharedMemory memory, string path)
    {
        Gate.Open(path);
        RobustLock.Enter(Word(memory), Timeout.InfiniteTimeSpan, default, out _);
    }

    // Cells: 1 and 2 are equal outside the lock; 3 counts abandonments; 4 ends; 5 counts what must not be.
    private static void Count(SharedMemory memory)
    {
        ulong* word = Word(memory);
        long* cells = (long*)word;
        while (Volatile.Read(ref cells[4]) == 0)
        {
            if (!RobustLock.Enter(word, Patience, default, out bool wasAbandoned))
                throw new TimeoutException("The lock was never free.");
            if (wasAbandoned)
            {
                cells[3]++;
                cells[2] = cells[1];
            }

            if (cells[1] != cells[2])
                cells[5]++;
            cells[1]++;
            Thread.SpinWait(20);
            cells[2]++;
            if (cells[1] != cells[2])
                cells[5]++;
            RobustLock.Exit(word);
        }

        GC.KeepAlive(memory);
    }

    private static ulong* Word(SharedMemory memory) => (ulong*)Unsafe.AsPointer(ref memory.At<ulong>(0));

    private ref long Cell(int number) => ref memory.At<long>(number * sizeof(long));

    private bool IsHeldHere() => RobustLock.IsHeldHere(Word(memory));

    private bool TryEnter(out bool wasAbandoned, int number = 0) => RobustLock.TryEnter(Word(memory) + number, out wasAbandoned);

    private bool Enter(TimeSpan timeout, out bool wasAbandoned) => RobustLock.Enter(Word(memory), timeout, Token, out wasAbandoned);

    private Task<LockOutcome> EnterAsync(int number = 0, TimeSpan? timeout = null, CancellationToken token = default) =>
        RobustLock.EnterAsync(Word(memory) + number, timeout ?? Timeout.InfiniteTimeSpan, token).AsTask();

    private void Exit(int number = 0) => RobustLock.Exit(Word(memory) + number);
}
