using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>What isn't held can't be left, what is full takes no more, and what was disposed of says so; in whatever process.</summary>
public sealed class MisuseTests : LeakChecked
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Lock_LeftByAnotherProcess_IsRefused_AndStaysHeld(bool reentrant)
    {
        using SharedLock sharedLock = new(reentrant);
        using SharedCondition condition = new(sharedLock);
        await using Pool pool = Pool.Processes(1);

        // A reentrant lock is its thread's, which must be the same before and after.
        await Task.Factory.StartNew(
            () =>
            {
                using SharedLock.Scope scope = sharedLock.Enter(Token);
                string[] refusals = pool.RunAsync(LeaveEverything, condition, cancellationToken: Token).GetAwaiter().GetResult();
                Assert.All(refusals, refusal => Assert.Equal(nameof(SynchronizationLockException), refusal));
                Assert.True(sharedLock.IsHeldHere);
            },
            Token,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        Assert.Throws<SynchronizationLockException>(sharedLock.Exit);
    }

    [Fact]
    public async Task Semaphore_FilledByAnotherProcess_TakesNoMore()
    {
        using SharedSemaphore semaphore = new(1, 2);
        await using Pool pool = Pool.Processes(1);
        Assert.Equal(nameof(SemaphoreFullException), await pool.RunAsync(static semaphore => Refusal(() => semaphore.Release(2)), semaphore, cancellationToken: Token));
        Assert.Equal(1, semaphore.CurrentCount);

        // A permit that nobody took is one more; of the two, one was this process's.
        semaphore.Wait(Token);
        Assert.Equal(0, await pool.RunAsync(static semaphore => semaphore.Release(2), semaphore, cancellationToken: Token));
        Assert.Equal(2, semaphore.CurrentCount);
        Assert.Throws<SemaphoreFullException>(() => semaphore.Release());
        Assert.Throws<ArgumentOutOfRangeException>(() => semaphore.Release(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => semaphore.TryWait(TimeSpan.FromSeconds(-2), Token));
    }

    [Fact]
    public async Task Disposed_EveryMemberSaysSo()
    {
        SharedLock sharedLock = new();
        SharedCondition condition = new(sharedLock);
        SharedSemaphore semaphore = new(1, 1);
        SharedEvent shared = new();
        SharedBarrier barrier = new(2);
        using (sharedLock.Enter(Token))
        {
            condition.Dispose();
            Assert.Throws<ObjectDisposedException>(() => condition.Wait(Token));
            Assert.Throws<ObjectDisposedException>(() => condition.TryWait(TimeSpan.Zero, Token));
            Assert.Throws<ObjectDisposedException>(condition.NotifyAll);
            await Assert.ThrowsAsync<ObjectDisposedException>(async () => await condition.WaitAsync(Token));
        }

        foreach (IDisposable one in (IDisposable[])[sharedLock, condition, semaphore, shared, barrier])
        {
            one.Dispose();
            one.Dispose();
        }

        Action[] actions =
        [
            () => sharedLock.Enter(Token), () => sharedLock.TryEnter(out _), () => sharedLock.TryEnter(TimeSpan.Zero, out _, Token), sharedLock.Exit, () => _ = new SharedCondition(sharedLock),
            () => semaphore.Wait(Token), () => semaphore.TryWait(TimeSpan.Zero, Token), () => semaphore.Release(), () => _ = semaphore.CurrentCount,
            shared.Set, shared.Reset, () => shared.Wait(Token), () => shared.TryWait(TimeSpan.Zero, Token), () => _ = shared.IsSet,
            () => barrier.SignalAndWait(null, Token), () => barrier.TrySignalAndWait(TimeSpan.Zero, out _, null, Token), barrier.Abort, barrier.Reset, () => _ = barrier.Waiting, () => _ = barrier.IsBroken,
        ];
        Assert.All(actions, action => Assert.Throws<ObjectDisposedException>(action));
        Func<Task>[] waits =
        [
            async () => await sharedLock.EnterAsync(Token), async () => await sharedLock.TryEnterAsync(TimeSpan.Zero, Token), async () => await semaphore.WaitAsync(Token),
            async () => await semaphore.TryWaitAsync(TimeSpan.Zero, Token), async () => await shared.WaitAsync(Token), async () => await shared.TryWaitAsync(TimeSpan.Zero, Token),
            async () => await barrier.SignalAndWaitAsync(null, Token), async () => await barrier.TrySignalAndWaitAsync(TimeSpan.Zero, null, Token),
        ];
        foreach (Func<Task> wait in waits)
            await Assert.ThrowsAsync<ObjectDisposedException>(wait);
        await using Pool pool = Pool.Processes(1);
        await Assert.ThrowsAsync<UnsendableCallException>(() => pool.RunAsync(static shared => shared.Set(), shared, cancellationToken: Token));
    }

    [Fact]
    public void NumbersOutOfRange_AreRefused()
    {
        using SharedLock sharedLock = new();
        using SharedCondition condition = new(sharedLock);
        using SharedBarrier barrier = new(1);
        TimeSpan negative = TimeSpan.FromMilliseconds(-3);
        using SharedLock.Scope scope = sharedLock.Enter(Token);
        Assert.Throws<ArgumentOutOfRangeException>(() => condition.Notify(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => condition.TryWait(negative, Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => barrier.TrySignalAndWait(negative, out _, null, Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedBarrier(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedBarrier(40_000));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedEvent((SharedEventMode)7));
        Assert.Throws<ArgumentNullException>(() => new SharedCondition(null!));
        Assert.True(sharedLock.IsHeldHere);
    }

    private static string[] LeaveEverything(SharedCondition condition) =>
        [Refusal(condition.Lock.Exit), Refusal(() => condition.Wait()), Refusal(() => condition.Notify()), Refusal(condition.NotifyAll)];

    private static string Refusal(Action action)
    {
        try
        {
            action();
            return "none";
        }
        catch (Exception refusal)
        {
            return refusal.GetType().Name;
        }
    }
}
