using CsCheck;
using Xunit;

namespace ManyHands.Tests.Contracts;

/// <summary>What holds for every semaphore.</summary>
public abstract class SemaphoreContract(SyncSite site) : SyncContract(site)
{
    [Fact]
    public async Task Wait_Release_Count_AndTheMaximumHolds()
    {
        ISharedSemaphore semaphore = Site.Semaphore(2, 3);
        Assert.Equal(3, semaphore.Maximum);
        semaphore.Wait(Token);
        await semaphore.WaitAsync(Token);
        Assert.Equal(0, semaphore.CurrentCount);
        Assert.False(semaphore.TryWait(TimeSpan.Zero, Token));
        Assert.Equal(0, semaphore.Release(3));
        Assert.Equal(3, semaphore.CurrentCount);
        Assert.Throws<SemaphoreFullException>(() => semaphore.Release());
        Assert.Equal(3, semaphore.CurrentCount);
        Assert.Throws<ArgumentOutOfRangeException>(() => semaphore.Release(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => semaphore.TryWait(TimeSpan.FromSeconds(-2), Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => Site.Semaphore(2, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Site.Semaphore(0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Site.Semaphore(-1, 1));
    }

    [Fact]
    public async Task TryWait_NeverEarly_AndCancellable()
    {
        ISharedSemaphore semaphore = Site.Semaphore(0, 1);
        TimeSpan time = TimeSpan.FromMilliseconds(60);
        NotBefore(time, () => Assert.False(semaphore.TryWait(time, Token)));
        await NotBeforeAsync(time, async () => Assert.False(await semaphore.TryWaitAsync(time, Token)));
        using CancellationTokenSource cancel = new(time);
        Assert.ThrowsAny<OperationCanceledException>(() => semaphore.Wait(cancel.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await semaphore.WaitAsync(cancel.Token));
    }

    [Fact]
    public async Task Waiters_AllGetTheirs()
    {
        ISharedSemaphore semaphore = Site.Semaphore(0, 50);
        Task[] waiters = [.. Enumerable.Range(0, 50).Select(_ => semaphore.WaitAsync(Token).AsTask())];
        for (int i = 0; i < 5; i++)
            semaphore.Release(10);
        await Task.WhenAll(waiters).InTime(Patience, Token);
        Assert.Equal(0, semaphore.CurrentCount);
    }

    /// <summary>Whoever is cancelled just when a permit comes either has it, or leaves it to others.</summary>
    [Fact]
    public async Task Canceled_WhenAPermitComes_LosesNone()
    {
        ISharedSemaphore semaphore = Site.Semaphore(0, 1);
        for (int round = 0; round < 60; round++)
        {
            using CancellationTokenSource cancel = new();
            Task waiter = semaphore.WaitAsync(cancel.Token).AsTask();
            Task releasing = Task.Run(() => semaphore.Release(), Token);
            await cancel.CancelAsync();
            await releasing;
            try
            {
                await waiter.InTime(Soon, Token);
            }
            catch (OperationCanceledException)
            {
                Assert.True(semaphore.TryWait(Soon, Token));
            }

            Assert.Equal(0, semaphore.CurrentCount);
        }
    }

    [Fact]
    public async Task Dispose_EndsThoseWhoWait_AndAllUse()
    {
        ISharedSemaphore semaphore = Site.Semaphore(0, 1);
        Task waiter = semaphore.WaitAsync(Token).AsTask();
        Task blocked = OnThread(() => semaphore.Wait(Token));
        semaphore.Dispose();
        semaphore.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiter.InTime(Soon, Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => blocked.InTime(Soon, Token));
        Assert.Throws<ObjectDisposedException>(() => semaphore.Wait(Token));
        Assert.Throws<ObjectDisposedException>(() => semaphore.TryWait(TimeSpan.Zero, Token));
        Assert.Throws<ObjectDisposedException>(() => semaphore.Release());
        Assert.Throws<ObjectDisposedException>(() => semaphore.CurrentCount);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await semaphore.WaitAsync(Token));
    }

    [Fact]
    public void AnySteps_AsTheModelSays() => Gen.Select(Gen.Int[1, 5], Gen.Int[-3, 3].Array[0, 40]).Sample(
        (maximum, steps) =>
        {
            ISharedSemaphore semaphore = Site.Semaphore(maximum, maximum);
            int model = maximum;
            foreach (int step in steps)
            {
                if (step <= 0)
                {
                    if (semaphore.TryWait(TimeSpan.Zero) != model > 0)
                        return false;
                    model -= model > 0 ? 1 : 0;
                }
                else if (step > maximum - model)
                {
                    Assert.Throws<SemaphoreFullException>(() => semaphore.Release(step));
                }
                else
                {
                    if (semaphore.Release(step) != model)
                        return false;
                    model += step;
                }

                if (semaphore.CurrentCount != model)
                    return false;
            }

            semaphore.Dispose();
            return true;
        },
        iter: Site.Sequences,
        threads: 1);
}
