using Xunit;

namespace ManyHands.Tests.Contracts;

/// <summary>What holds for every condition.</summary>
public abstract class ConditionContract(SyncSite site) : SyncContract(site)
{
    private int waiting;
    private int woken;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Notify_WakesExactlySoMany(int count)
    {
        ISharedCondition condition = Site.Condition();
        Task[] tasks = [OnThread(() => WaitOnce(condition)), OnThread(() => WaitOnce(condition)), WaitOnceAsync(condition), WaitOnceAsync(condition)];
        await Eventually.True(() => Volatile.Read(ref waiting) == 4, "all wait");
        int expected = 0;
        while (expected < 4)
        {
            int left = 4 - expected;
            using (condition.Lock.Enter(Token))
                condition.Notify(count);
            expected += Math.Min(count, left);
            await Eventually.True(() => Volatile.Read(ref woken) == expected, $"{expected} were woken");
            using (condition.Lock.Enter(Token))
                Assert.False(condition.TryWait(TimeSpan.FromMilliseconds(50), Token));
            Assert.Equal(expected, Volatile.Read(ref woken));
        }

        await Task.WhenAll(tasks).InTime(Patience, Token);
    }

    [Fact]
    public async Task NotifyAll_WakesAll_AndNoneThatComesLater()
    {
        ISharedCondition condition = Site.Condition();
        Task[] tasks = [.. Enumerable.Range(0, 20).Select(_ => WaitOnceAsync(condition))];
        await Eventually.True(() => Volatile.Read(ref waiting) == 20, "all wait");
        using (condition.Lock.Enter(Token))
        {
            condition.NotifyAll();
            Assert.False(condition.TryWait(TimeSpan.Zero, Token));
        }

        await Task.WhenAll(tasks).InTime(Patience, Token);
    }

    [Fact]
    public async Task Wait_NotifiedForNobody_OrTimedOut_NeverEarly_HoldsTheLockAgain()
    {
        ISharedCondition condition = Site.Condition();
        TimeSpan time = TimeSpan.FromMilliseconds(60);
        Assert.Throws<SynchronizationLockException>(() => condition.Wait(Token));
        Assert.Throws<SynchronizationLockException>(() => condition.Notify());
        Assert.Throws<SynchronizationLockException>(condition.NotifyAll);
        await Assert.ThrowsAsync<SynchronizationLockException>(async () => await condition.WaitAsync(Token));
        SharedLock.Scope scope = condition.Lock.Enter(Token);
        condition.Notify(5);
        condition.NotifyAll();
        NotBefore(time, () => Assert.False(condition.TryWait(time, Token)));
        await NotBeforeAsync(time, async () => Assert.False(await condition.TryWaitAsync(time, Token)));
        Assert.False(condition.TryWait(TimeSpan.Zero, Token));
        Assert.True(condition.Lock.IsHeldHere);
        using CancellationTokenSource cancel = new(time);
        OperationCanceledException canceled = Assert.ThrowsAny<OperationCanceledException>(() => condition.Wait(cancel.Token));
        Assert.Equal(cancel.Token, canceled.CancellationToken);
        Assert.True(condition.Lock.IsHeldHere);
        Assert.ThrowsAny<OperationCanceledException>(() => condition.Wait(cancel.Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => condition.Notify(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => condition.TryWait(TimeSpan.FromMilliseconds(-3), Token));
        Assert.True(condition.Lock.IsHeldHere);

        // It is the same stay, over all these waits.
        scope.Dispose();
        Assert.False(condition.Lock.IsHeldHere);
    }

    [Fact]
    public async Task Wait_LeavesTheLockToOthers()
    {
        ISharedCondition condition = Site.Condition();
        Task waiter = WaitOnceAsync(condition);
        await Eventually.True(() => Volatile.Read(ref waiting) == 1, "it waits");
        Assert.True(condition.Lock.TryEnter(Patience, out SharedLock.Scope scope, Token));
        condition.Notify();

        // Notified, but the lock is held.
        Assert.False(waiter.IsCompleted);
        Assert.Equal(0, Volatile.Read(ref woken));
        scope.Dispose();
        await waiter.InTime(Patience, Token);
    }

    /// <summary>Cancelled while another has the lock, a wait ends when it has it again, however long that takes.</summary>
    [Fact]
    public async Task Wait_Canceled_EndsWithTheLock()
    {
        ISharedCondition condition = Site.Condition();
        using CancellationTokenSource cancel = new();
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<bool> waiter = Task.Run(async () =>
        {
            using SharedLock.Scope scope = await condition.Lock.EnterAsync(Token);
            begun.SetResult();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await condition.WaitAsync(cancel.Token));
            return condition.Lock.IsHeldHere;
        });
        await begun.Task.InTime(Patience, Token);
        SharedLock.Scope held = await condition.Lock.EnterAsync(Token);
        await cancel.CancelAsync();
        await Task.WhenAny(waiter, Task.Delay(TimeSpan.FromSeconds(2.5), Token));
        Assert.False(waiter.IsCompleted);
        held.Dispose();
        Assert.True(await waiter.InTime(Soon, Token));
        Assert.False(condition.Lock.IsHeldHere);
    }

    [Fact]
    public async Task Reentrant_WaitLeavesAllLevels_AndComesBackToThem()
    {
        ISharedCondition condition = Site.Condition(isReentrant: true);
        ISharedLock itsLock = condition.Lock;
        ISharedEvent waits = Site.Event();
        Task waiter = OnThread(() =>
        {
            using (itsLock.Enter())
            using (itsLock.Enter())
            {
                waits.Set();
                condition.Wait();
                Assert.True(itsLock.IsHeldHere);
            }

            Assert.False(itsLock.IsHeldHere);
        });
        waits.Wait(Token);
        Elsewhere(() =>
        {
            Assert.True(itsLock.TryEnter(Patience, out SharedLock.Scope scope, Token));
            condition.Notify();
            scope.Dispose();
        });
        await waiter.InTime(Patience, Token);
        await Assert.ThrowsAsync<NotSupportedException>(async () => await condition.WaitAsync(Token));
    }

    [Fact]
    public async Task Dispose_EndsThoseWhoWait_WithTheLock()
    {
        ISharedCondition condition = Site.Condition();
        ISharedLock itsLock = condition.Lock;
        Task waiter = WaitOnceAsync(condition);
        await Eventually.True(() => Volatile.Read(ref waiting) == 1, "it waits");
        condition.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiter.InTime(Soon, Token));
        Assert.True(itsLock.TryEnter(Patience, out SharedLock.Scope scope, Token));
        Assert.Throws<ObjectDisposedException>(() => condition.Notify());
        Assert.Throws<ObjectDisposedException>(condition.NotifyAll);
        Assert.Throws<ObjectDisposedException>(() => condition.Wait(Token));
        Assert.Throws<ObjectDisposedException>(() => condition.TryWait(TimeSpan.Zero, Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await condition.WaitAsync(Token));
        scope.Dispose();
    }

    /// <summary>A place with room for one: what one puts in, another takes out, and neither misses the other.</summary>
    [Fact]
    public async Task ProducersAndConsumers_MissNothing()
    {
        const int Items = 200;
        ISharedCondition condition = Site.Condition();
        int? place = null;
        List<int> taken = [];
        async Task Produce(int first)
        {
            for (int i = first; i < Items; i += 2)
            {
                using SharedLock.Scope scope = await condition.Lock.EnterAsync(Token);
                while (place is not null)
                    await condition.WaitAsync(Token);
                place = i;
                condition.NotifyAll();
            }
        }

        void Consume()
        {
            for (int i = 0; i < Items / 2; i++)
            {
                using SharedLock.Scope scope = condition.Lock.Enter(Token);
                while (place is null)
                    condition.Wait(Token);
                taken.Add(place.Value);
                place = null;
                condition.NotifyAll();
            }
        }

        await Task.WhenAll(Produce(0), Produce(1), OnThread(Consume), OnThread(Consume)).InTime(Patience, Token);
        Assert.Equal(Enumerable.Range(0, Items), taken.Order());
    }

    // Both count with the lock held.
    private void WaitOnce(ISharedCondition condition)
    {
        using SharedLock.Scope scope = condition.Lock.Enter();
        waiting++;
        if (condition.TryWait(Patience))
            woken++;
    }

    private async Task WaitOnceAsync(ISharedCondition condition)
    {
        using SharedLock.Scope scope = await condition.Lock.EnterAsync();
        waiting++;
        await condition.WaitAsync();
        woken++;
    }
}
