using Xunit;

namespace ManyHands.Tests.Contracts;

/// <summary>What holds for every barrier.</summary>
public abstract class BarrierContract(SyncSite site) : SyncContract(site)
{
    [Fact]
    public async Task Passings_EachIndexOnce_ActionOnce()
    {
        const int Rounds = 20;
        ISharedBarrier barrier = Site.Barrier(3);
        Assert.Equal(3, barrier.Parties);
        int actions = 0;
        int[] passed = new int[3 * Rounds];
        void Count(int round, BarrierPassage passage)
        {
            Assert.Equal(round, passage.Phase);
            Assert.True(Volatile.Read(ref actions) > round);
            Interlocked.Increment(ref passed[(round * 3) + passage.Index]);
        }

        void Pass()
        {
            for (int round = 0; round < Rounds; round++)
            {
                Assert.True(barrier.TrySignalAndWait(Patience, out BarrierPassage passage, () => actions++));
                Count(round, passage);
            }
        }

        async Task PassAsync()
        {
            for (int round = 0; round < Rounds; round++)
                Count(round, await barrier.SignalAndWaitAsync(() => actions++, Token));
        }

        await Task.WhenAll(OnThread(Pass), OnThread(Pass), PassAsync()).InTime(Patience, Token);
        Assert.Equal(Rounds, actions);
        Assert.All(passed, count => Assert.Equal(1, count));
        Assert.Equal((0, false), (barrier.Waiting, barrier.IsBroken));
    }

    [Fact]
    public async Task Timeout_NeverEarly_BreaksForAll_ResetMakesWhole()
    {
        ISharedBarrier barrier = Site.Barrier(3);
        TimeSpan time = TimeSpan.FromMilliseconds(80);
        Task<BarrierPassage> other = barrier.SignalAndWaitAsync(null, Token).AsTask();
        NotBefore(time, () => Assert.False(barrier.TrySignalAndWait(time, out _, null, Token)));
        await Assert.ThrowsAsync<BrokenBarrierException>(() => other.InTime(Patience, Token));
        Assert.True(barrier.IsBroken);
        Assert.Throws<BrokenBarrierException>(() => barrier.SignalAndWait(null, Token));
        barrier.Reset();
        await PassTogether(barrier);
        await NotBeforeAsync(time, async () => Assert.Null(await barrier.TrySignalAndWaitAsync(time, null, Token)));
        Assert.True(barrier.IsBroken);
        barrier.Reset();
        Assert.False(barrier.TrySignalAndWait(TimeSpan.Zero, out _, null, Token));
        Assert.True(barrier.IsBroken);
        Assert.Throws<ArgumentOutOfRangeException>(() => barrier.TrySignalAndWait(TimeSpan.FromMilliseconds(-3), out _, null, Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => Site.Barrier(0));
    }

    [Fact]
    public async Task Cancel_Breaks()
    {
        ISharedBarrier barrier = Site.Barrier(3);
        Task<BarrierPassage> other = barrier.SignalAndWaitAsync(null, Token).AsTask();
        using CancellationTokenSource cancel = new();
        Task<BarrierPassage> canceled = Task.Run(() => barrier.SignalAndWait(null, cancel.Token), Token);
        await Eventually.True(() => barrier.Waiting == 2, "both wait");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => canceled.InTime(Patience, Token));
        await Assert.ThrowsAsync<BrokenBarrierException>(() => other.InTime(Patience, Token));
    }

    /// <summary>Whoever is cancelled just when the last comes has passed, or has broken it for all.</summary>
    [Fact]
    public async Task Canceled_WhenTheLastComes_AllHearTheSame()
    {
        ISharedBarrier barrier = Site.Barrier(2);
        for (int round = 0; round < 40; round++)
        {
            using CancellationTokenSource cancel = new();
            Task<BarrierPassage> first = barrier.SignalAndWaitAsync(null, cancel.Token).AsTask();
            Task<BarrierPassage> last = Task.Run(() => barrier.SignalAndWaitAsync(null, Token).AsTask(), Token);
            await cancel.CancelAsync();
            try
            {
                await last.InTime(Soon, Token);
                await first.InTime(Soon, Token);
            }
            catch (BrokenBarrierException)
            {
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.InTime(Soon, Token));
                Assert.True(barrier.IsBroken);
                barrier.Reset();
            }
        }
    }

    [Fact]
    public async Task AbortAndReset_BreakForThoseThatWait()
    {
        ISharedBarrier barrier = Site.Barrier(2);
        Task<BarrierPassage> aborted = barrier.SignalAndWaitAsync(null, Token).AsTask();
        await Eventually.True(() => barrier.Waiting == 1, "it waits");
        barrier.Abort();
        await Assert.ThrowsAsync<BrokenBarrierException>(() => aborted.InTime(Patience, Token));
        Assert.True(barrier.IsBroken);
        barrier.Reset();
        Assert.False(barrier.IsBroken);
        Task<BarrierPassage> reset = barrier.SignalAndWaitAsync(null, Token).AsTask();
        await Eventually.True(() => barrier.Waiting == 1, "it waits");
        barrier.Reset();
        await Assert.ThrowsAsync<BrokenBarrierException>(() => reset.InTime(Patience, Token));
        Assert.False(barrier.IsBroken);
        await PassTogether(barrier);
    }

    [Fact]
    public async Task Action_Throws_Breaks_AndIsItsCallers()
    {
        ISharedBarrier barrier = Site.Barrier(2);
        foreach (bool isAsync in (bool[])[false, true])
        {
            Task<BarrierPassage> other = barrier.SignalAndWaitAsync(null, Token).AsTask();
            await Eventually.True(() => barrier.Waiting == 1, "it waits");
            Action thrower = static () => throw new FormatException();
            if (isAsync)
                await Assert.ThrowsAsync<FormatException>(async () => await barrier.SignalAndWaitAsync(thrower, Token));
            else
                Assert.Throws<FormatException>(() => barrier.SignalAndWait(thrower, Token));
            await Assert.ThrowsAsync<BrokenBarrierException>(() => other.InTime(Patience, Token));
            Assert.True(barrier.IsBroken);
            barrier.Reset();
        }
    }

    /// <summary>While the last one is at its action, nobody goes on; who comes meanwhile comes to the next phase; and who breaks it breaks it for the last one too.</summary>
    [Fact]
    public async Task Action_UnderWay()
    {
        ISharedBarrier barrier = Site.Barrier(2);
        using SemaphoreSlim begun = new(0);
        using SemaphoreSlim go = new(0);
        void Act()
        {
            begun.Release();
            Assert.True(go.Wait(Patience, Token));
        }

        Task<BarrierPassage> first = barrier.SignalAndWaitAsync(null, Token).AsTask();
        await Eventually.True(() => barrier.Waiting == 1, "it waits");
        Task<BarrierPassage> last = Task.Run(() => barrier.SignalAndWait(Act, Token), Token);
        Assert.True(await begun.WaitAsync(Patience, Token));
        Assert.Equal(2, barrier.Waiting);
        Task<BarrierPassage> next = barrier.SignalAndWaitAsync(null, Token).AsTask();
        Assert.False(barrier.TrySignalAndWait(TimeSpan.FromMilliseconds(30), out _, null, Token));
        Assert.False(barrier.IsBroken);
        Assert.False(first.IsCompleted || next.IsCompleted);
        go.Release();
        Assert.Equal([new(0, 0), new(1, 0)], await Task.WhenAll(first, last).InTime(Patience, Token));

        // Who came meanwhile has to hear that the phase is over before it comes to the next, and may do so behind one that comes only now.
        BarrierPassage[] second = await Task.WhenAll(next, barrier.SignalAndWaitAsync(null, Token).AsTask()).InTime(Patience, Token);
        Assert.Equal([new(0, 1), new(1, 1)], second.OrderBy(passage => passage.Index));

        first = barrier.SignalAndWaitAsync(null, Token).AsTask();
        await Eventually.True(() => barrier.Waiting == 1, "it waits");
        last = Task.Run(() => barrier.SignalAndWait(Act, Token), Token);
        Assert.True(await begun.WaitAsync(Patience, Token));
        barrier.Abort();
        go.Release();
        await Assert.ThrowsAsync<BrokenBarrierException>(() => first.InTime(Patience, Token));
        await Assert.ThrowsAsync<BrokenBarrierException>(() => last.InTime(Patience, Token));
        barrier.Reset();
        await PassTogether(barrier);
    }

    [Fact]
    public async Task Dispose_EndsThoseWhoWait_AndAllUse()
    {
        ISharedBarrier barrier = Site.Barrier(3);
        Task<BarrierPassage> waiter = barrier.SignalAndWaitAsync(null, Token).AsTask();
        await Eventually.True(() => barrier.Waiting == 1, "it waits");
        barrier.Dispose();
        barrier.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiter.InTime(Soon, Token));
        Assert.Throws<ObjectDisposedException>(() => barrier.SignalAndWait(null, Token));
        Assert.Throws<ObjectDisposedException>(() => barrier.TrySignalAndWait(TimeSpan.Zero, out _, null, Token));
        Assert.Throws<ObjectDisposedException>(barrier.Abort);
        Assert.Throws<ObjectDisposedException>(barrier.Reset);
        Assert.Throws<ObjectDisposedException>(() => barrier.Waiting);
        Assert.Throws<ObjectDisposedException>(() => barrier.IsBroken);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await barrier.SignalAndWaitAsync(null, Token));
    }

    protected static async Task PassTogether(ISharedBarrier barrier)
    {
        BarrierPassage[] passages = await Task.WhenAll(Enumerable.Range(0, barrier.Parties).Select(_ => barrier.SignalAndWaitAsync(null, Token).AsTask())).InTime(Patience, Token);
        Assert.Equal(Enumerable.Range(0, barrier.Parties), passages.Select(passage => passage.Index).Order());
        Assert.Single(passages.Select(passage => passage.Phase).Distinct());
    }
}
