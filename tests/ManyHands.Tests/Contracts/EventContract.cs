using CsCheck;
using Xunit;

namespace ManyHands.Tests.Contracts;

/// <summary>What holds for every event.</summary>
public abstract class EventContract(SyncSite site) : SyncContract(site)
{
    [Fact]
    public async Task ManualReset_LetsAllGoOn_UntilReset()
    {
        ISharedEvent one = Site.Event();
        Assert.Equal(SharedEventMode.ManualReset, one.Mode);
        Assert.False(one.IsSet);
        Task[] waiters = [one.WaitAsync(Token).AsTask(), OnThread(() => one.Wait(Token)), one.WaitAsync(Token).AsTask()];
        Assert.False(one.TryWait(TimeSpan.Zero, Token));
        one.Set();
        await Task.WhenAll(waiters).InTime(Patience, Token);
        Assert.True(one.IsSet);
        one.Wait(Token);
        one.Set();
        one.Reset();
        Assert.False(await one.TryWaitAsync(TimeSpan.Zero, Token));
        Assert.True(Site.Event(isSet: true).TryWait(TimeSpan.Zero, Token));
    }

    [Fact]
    public async Task ManualReset_SetAndResetAtOnce_WaitersGoOn()
    {
        ISharedEvent one = Site.Event();
        for (int i = 0; i < 50; i++)
        {
            Task waiter = one.WaitAsync(Token).AsTask();
            one.Set();
            one.Reset();
            await waiter.InTime(Patience, Token);
        }
    }

    [Fact]
    public async Task AutoReset_LetsOneGoOn()
    {
        ISharedEvent one = Site.Event(SharedEventMode.AutoReset);
        Assert.Equal(SharedEventMode.AutoReset, one.Mode);
        Task<bool>[] waiters = [.. Enumerable.Range(0, 3).Select(_ => one.TryWaitAsync(Patience, Token).AsTask())];
        for (int i = 1; i <= 3; i++)
        {
            one.Set();
            await Eventually.True(() => waiters.Count(waiter => waiter.IsCompleted) == i, "one more goes on");
            Assert.False(one.TryWait(TimeSpan.FromMilliseconds(30), Token));
            Assert.Equal(i, waiters.Count(waiter => waiter.IsCompleted));
        }

        one.Set();
        one.Set();
        Assert.True(one.TryWait(TimeSpan.Zero, Token));
        Assert.False(one.TryWait(TimeSpan.Zero, Token));
    }

    [Fact]
    public async Task TryWait_NeverEarly_AndCancellable()
    {
        ISharedEvent one = Site.Event(SharedEventMode.AutoReset);
        TimeSpan time = TimeSpan.FromMilliseconds(60);
        NotBefore(time, () => Assert.False(one.TryWait(time, Token)));
        await NotBeforeAsync(time, async () => Assert.False(await one.TryWaitAsync(time, Token)));
        Assert.Throws<ArgumentOutOfRangeException>(() => one.TryWait(TimeSpan.FromSeconds(-2), Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => Site.Event((SharedEventMode)7));
        using CancellationTokenSource cancel = new(time);
        Assert.ThrowsAny<OperationCanceledException>(() => one.Wait(cancel.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await one.WaitAsync(cancel.Token));
    }

    /// <summary>Whoever is cancelled just when the signal comes either has it, or leaves it to others.</summary>
    [Fact]
    public async Task AutoReset_CanceledWhenTheSignalComes_LosesNone()
    {
        ISharedEvent one = Site.Event(SharedEventMode.AutoReset);
        for (int round = 0; round < 60; round++)
        {
            using CancellationTokenSource cancel = new();
            Task waiter = one.WaitAsync(cancel.Token).AsTask();
            Task setting = Task.Run(one.Set, Token);
            await cancel.CancelAsync();
            await setting;
            try
            {
                await waiter.InTime(Soon, Token);
            }
            catch (OperationCanceledException)
            {
                Assert.True(one.TryWait(Soon, Token));
            }

            Assert.False(one.IsSet);
        }
    }

    [Fact]
    public async Task Dispose_EndsThoseWhoWait_AndAllUse()
    {
        ISharedEvent one = Site.Event();
        Task waiter = one.WaitAsync(Token).AsTask();
        Task blocked = OnThread(() => one.Wait(Token));
        one.Dispose();
        one.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiter.InTime(Soon, Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => blocked.InTime(Soon, Token));
        Assert.Throws<ObjectDisposedException>(one.Set);
        Assert.Throws<ObjectDisposedException>(one.Reset);
        Assert.Throws<ObjectDisposedException>(() => one.IsSet);
        Assert.Throws<ObjectDisposedException>(() => one.TryWait(TimeSpan.Zero, Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await one.WaitAsync(Token));
    }

    [Theory]
    [InlineData(SharedEventMode.ManualReset)]
    [InlineData(SharedEventMode.AutoReset)]
    public void AnySteps_AsTheModelSays(SharedEventMode mode) => Gen.Int[0, 2].Array[0, 40].Sample(
        steps =>
        {
            ISharedEvent one = Site.Event(mode);
            bool model = false;
            foreach (int step in steps)
            {
                switch (step)
                {
                    case 0:
                        one.Set();
                        model = true;
                        break;
                    case 1:
                        one.Reset();
                        model = false;
                        break;
                    default:
                        if (one.TryWait(TimeSpan.Zero) != model)
                            return false;
                        model &= mode == SharedEventMode.ManualReset;
                        break;
                }

                if (one.IsSet != model)
                    return false;
            }

            one.Dispose();
            return true;
        },
        iter: Site.Sequences,
        threads: 1);
}
