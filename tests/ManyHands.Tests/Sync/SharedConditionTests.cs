#if DEBUG
using ManyHands.Platform;
#endif
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Sync;

public sealed class SharedConditionTests() : ConditionContract(new SharedMemorySite())
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Notify_WakesExactlySoMany_InProcesses(int count)
    {
        using SharedLock sharedLock = new();
        using SharedCondition condition = new(sharedLock);
        using SharedArray<int> cells = new(2);
        List<WorkerProcess> processes = [WorkerProcess.Start(WaitOnce, condition, cells, (double?)null), WorkerProcess.Start(WaitOnce, condition, cells, (double?)60)];
        List<Task> tasks = [Task.Run(() => WaitOnce(condition, cells, null), Token), WaitOnceAsync(condition, cells)];
        int Woken() => Volatile.Read(ref cells[1]);
        await Eventually.True(() => Volatile.Read(ref cells[0]) == 4, "all wait");
        int expected = 0;
        while (expected < 4)
        {
            int waiting = 4 - expected;
            using (sharedLock.Enter(Token))
                condition.Notify(count);
            expected += Math.Min(count, waiting);
            await Eventually.True(() => Woken() == expected, $"{expected} were woken");
            using (sharedLock.Enter(Token))
                Assert.False(condition.TryWait(TimeSpan.FromMilliseconds(50), Token));
            Assert.Equal(expected, Woken());
        }

        await Task.WhenAll(tasks);
        foreach (WorkerProcess process in processes)
        {
            await process.JoinAsync().InTime(Patience, Token);
            Assert.Equal(0, process.ExitCode);
        }
    }

    [Fact]
    public async Task Waiter_Killed_NotifiesReachTheLiving()
    {
        using SharedLock sharedLock = new();
        using SharedCondition condition = new(sharedLock);
        using SharedArray<int> cells = new(2);
        WorkerProcess doomed = WorkerProcess.Start(WaitOnce, condition, cells, (double?)null);
        await Eventually.True(() => Volatile.Read(ref cells[0]) == 1, "it waits");
        Task living = WaitOnceAsync(condition, cells);
        await Eventually.True(() => Volatile.Read(ref cells[0]) == 2, "both wait");
        doomed.Kill();
        await doomed.JoinAsync().InTime(Patience, Token);
        using (sharedLock.Enter(Token))
            condition.Notify();
        await living.InTime(TimeSpan.FromSeconds(2), Token);

        // And no later one, once all are told.
        using (sharedLock.Enter(Token))
        {
            condition.NotifyAll();
            Assert.False(condition.TryWait(TimeSpan.FromMilliseconds(50), Token));
        }
    }

    [Fact]
    public async Task Holder_KilledMeanwhile_TheWaiterIsTold()
    {
        using SharedLock sharedLock = new();
        using SharedCondition condition = new(sharedLock);
        using Gate gate = new();
        using SharedLock.Scope scope = sharedLock.Enter(Token);
        WorkerProcess holder = WorkerProcess.Start(static (SharedCondition condition, string path) =>
        {
            condition.Lock.Enter();
            condition.Notify();
            Gate.Open(path);
            Thread.Sleep(Timeout.Infinite);
        }, condition, gate.Path);
        Task<bool> waits = condition.TryWaitAsync(Patience, Token).AsTask();
        await gate.WaitAsync();
        holder.Kill();
        Assert.True(await waits.InTime(Patience, Token));
        Assert.True(sharedLock.WasAbandoned);
        await holder.JoinAsync().InTime(Patience, Token);
    }

#if DEBUG
    /// <summary>A waiter that looks, finds nothing for it and waits on, leaves the news of a dead holder to the next.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Notifier_KilledBeforeItHasNotified_TheNextToEnterIsTold_AndTheNextNotifyReaches(bool all)
    {
        using SharedLock sharedLock = new();
        using SharedCondition condition = new(sharedLock);
        using SharedArray<int> cells = new(2);
        Task waiter = WaitOnceAsync(condition, cells);
        await Eventually.True(() => Volatile.Read(ref cells[0]) == 1, "it waits");
        WorkerProcess notifier = WorkerProcess.Start(static (SharedCondition condition, bool all) =>
        {
            condition.Lock.Enter();
            FaultPoint.Arm(FaultStep.ConditionWaking, Fault.Kill);
            if (all)
                condition.NotifyAll();
            else
                condition.Notify();
        }, condition, all);
        await notifier.JoinAsync().InTime(Patience, Token);
        Assert.Equal(9, notifier.Signal);

        // In which time it has looked.
        await Eventually.True(() => RawShared.Read(sharedLock, 0) == 0, "the waiter has left the lock again");
        Assert.False(waiter.IsCompleted);
        Assert.True(sharedLock.TryEnter(Patience, out SharedLock.Scope scope, Token));
        Assert.True(scope.WasAbandoned);
        condition.Notify();
        scope.Dispose();
        await waiter.InTime(TimeSpan.FromSeconds(2), Token);
    }
#endif

    [Fact]
    public void MoreThanThirty_AreRefused()
    {
        using SharedLock sharedLock = new();
        for (int i = 0; i < 30; i++)
            new SharedCondition(sharedLock).Dispose();
        Assert.Throws<InvalidOperationException>(() => new SharedCondition(sharedLock));
    }

    // Cells: how many wait or did; how many were woken.
    private static void WaitOnce(SharedCondition condition, SharedArray<int> cells, double? seconds)
    {
        using SharedLock.Scope scope = condition.Lock.Enter();
        cells[0]++;
        if (condition.TryWait(seconds is { } some ? TimeSpan.FromSeconds(some) : Timeout.InfiniteTimeSpan))
            cells[1]++;
    }

    private static async Task WaitOnceAsync(SharedCondition condition, SharedArray<int> cells)
    {
        using SharedLock.Scope scope = await condition.Lock.EnterAsync();
        cells[0]++;
        await condition.WaitAsync();
        cells[1]++;
    }
}
