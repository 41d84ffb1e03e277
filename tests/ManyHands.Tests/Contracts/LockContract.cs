using CsCheck;
using Xunit;

namespace ManyHands.Tests.Contracts;

/// <summary>What holds for every lock.</summary>
public abstract class LockContract(SyncSite site) : SyncContract(site)
{
    [Fact]
    public void Enter_ThenDispose_LeavesOnce()
    {
        ISharedLock one = Site.Lock();
        Assert.False(one.IsReentrant);
        SharedLock.Scope first = one.Enter(Token);
        Assert.True(one.IsHeldHere);
        Assert.False(first.WasAbandoned);
        Assert.False(one.WasAbandoned);
        Assert.False(one.TryEnter(out _));
        first.Dispose();
        Assert.False(one.IsHeldHere);
        Assert.Throws<SynchronizationLockException>(one.Exit);

        // A scope that was left leaves nobody else's stay.
        Assert.True(one.TryEnter(out SharedLock.Scope second));
        first.Dispose();
        Assert.True(one.IsHeldHere);
        second.Dispose();
        Assert.True(one.TryEnter(out _));
        one.Exit();
        second.Dispose();
    }

    [Fact]
    public async Task Reentrant_CountsPerThread()
    {
        ISharedLock one = Site.Lock(isReentrant: true);
        Assert.True(one.IsReentrant);
        await OnThread(() =>
        {
            SharedLock.Scope outer = one.Enter(Token);
            Assert.True(one.TryEnter(out SharedLock.Scope inner));
            Elsewhere(() =>
            {
                Assert.False(one.TryEnter(out _));
                Assert.False(one.IsHeldHere);
                Assert.Throws<SynchronizationLockException>(one.Exit);
                Assert.Throws<SynchronizationLockException>(outer.Dispose);
            });
            inner.Dispose();
            inner.Dispose();
            Assert.True(one.IsHeldHere);
            outer.Dispose();
            Assert.False(one.IsHeldHere);
            Assert.Throws<SynchronizationLockException>(one.Exit);
            Elsewhere(() =>
            {
                Assert.True(one.TryEnter(out SharedLock.Scope scope));
                scope.Dispose();
            });
        });
        await Assert.ThrowsAsync<NotSupportedException>(async () => await one.EnterAsync(Token));
    }

    [Fact]
    public async Task TryEnter_Held_ReturnsFalse_NeverEarly()
    {
        ISharedLock one = Site.Lock();
        TimeSpan time = TimeSpan.FromMilliseconds(70);
        using SharedLock.Scope scope = one.Enter(Token);
        NotBefore(time, () => Assert.False(one.TryEnter(time, out _, Token)));
        await NotBeforeAsync(time, async () => Assert.Null(await one.TryEnterAsync(time, Token)));
        Assert.Throws<ArgumentOutOfRangeException>(() => one.TryEnter(TimeSpan.FromSeconds(-2), out _, Token));
        using CancellationTokenSource cancel = new(TimeSpan.FromMilliseconds(20));
        OperationCanceledException canceled = Assert.ThrowsAny<OperationCanceledException>(() => one.Enter(cancel.Token));
        Assert.Equal(cancel.Token, canceled.CancellationToken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await one.EnterAsync(cancel.Token));
        using CancellationTokenSource later = new(TimeSpan.FromMilliseconds(20));
        canceled = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await one.EnterAsync(later.Token));
        Assert.Equal(later.Token, canceled.CancellationToken);
    }

    [Fact]
    public async Task ThreadsAndTasks_ExcludeEachOther()
    {
        ISharedLock one = Site.Lock();
        int inside = 0;
        int count = 0;
        void Count()
        {
            Assert.Equal(1, ++inside);
            count++;
            inside--;
        }

        Task[] users =
        [
            .. Enumerable.Range(0, 3).Select(_ => OnThread(() =>
            {
                for (int i = 0; i < 300; i++)
                {
                    using SharedLock.Scope scope = one.Enter(Token);
                    Count();
                }
            })),
            .. Enumerable.Range(0, 3).Select(async _ =>
            {
                for (int i = 0; i < 300; i++)
                {
                    using SharedLock.Scope scope = await one.EnterAsync(Token);
                    Count();
                }
            }),
        ];
        await Task.WhenAll(users).InTime(Patience, Token);
        Assert.Equal(6 * 300, count);
        Assert.False(one.IsHeldHere);
    }

    [Fact]
    public async Task EnteredByOneThread_LeftByAnother()
    {
        ISharedLock one = Site.Lock();
        SharedLock.Scope scope = await one.EnterAsync(Token);
        Elsewhere(() => Assert.True(one.IsHeldHere));
        Elsewhere(scope.Dispose);
        Assert.False(one.IsHeldHere);
        await one.EnterAsync(Token);
        Elsewhere(one.Exit);
        Assert.False(one.IsHeldHere);
    }

    /// <summary>Whoever is cancelled just when it is its turn either has it, or leaves it to the next.</summary>
    [Fact]
    public async Task Canceled_WhenItIsItsTurn_LeavesItToTheNext()
    {
        ISharedLock one = Site.Lock();
        for (int round = 0; round < 60; round++)
        {
            using CancellationTokenSource cancel = new();
            SharedLock.Scope held = one.Enter(Token);
            Task<SharedLock.Scope> waiter = one.EnterAsync(cancel.Token).AsTask();
            Task leaving = Task.Run(held.Dispose, Token);
            await cancel.CancelAsync();
            await leaving;
            try
            {
                (await waiter.InTime(Soon, Token)).Dispose();
            }
            catch (OperationCanceledException)
            {
                // Then it isn't its.
            }

            Assert.True(one.TryEnter(Soon, out SharedLock.Scope next, Token));
            Assert.False(next.WasAbandoned);
            next.Dispose();
        }
    }

    [Fact]
    public async Task Dispose_EndsThoseWhoWait_AndAllUse()
    {
        ISharedLock one = Site.Lock();
        SharedLock.Scope held = one.Enter(Token);
        Task<SharedLock.Scope> waiter = one.EnterAsync(Token).AsTask();
        Task blocked = OnThread(() => one.Enter(Token));
        one.Dispose();
        one.Dispose();
        held.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiter.InTime(Soon, Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => blocked.InTime(Soon, Token));
        Assert.Throws<ObjectDisposedException>(() => one.Enter(Token));
        Assert.Throws<ObjectDisposedException>(() => one.TryEnter(out _));
        Assert.Throws<ObjectDisposedException>(() => one.TryEnter(TimeSpan.Zero, out _, Token));
        Assert.Throws<ObjectDisposedException>(one.Exit);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await one.EnterAsync(Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await one.TryEnterAsync(TimeSpan.Zero, Token));
        Assert.False(one.IsHeldHere);
        Assert.False(one.WasAbandoned);
    }

    /// <summary>Any sequence of steps does what a plain counter says.</summary>
    [Fact]
    public void Reentrant_AnySteps_AsTheModelSays() => Gen.Int[0, 3].Array[0, 40].Sample(
        steps =>
        {
            ISharedLock one = Site.Lock(isReentrant: true);
            Stack<SharedLock.Scope> scopes = new();
            foreach (int step in steps)
            {
                switch (step)
                {
                    case 0: scopes.Push(one.Enter()); break;
                    case 1:
                        Assert.True(one.TryEnter(out SharedLock.Scope scope));
                        scopes.Push(scope);
                        break;
                    case 2 when scopes.Count > 0: scopes.Pop().Dispose(); break;
                    case 3 when scopes.Count > 0:
                        scopes.Pop();
                        one.Exit();
                        break;
                    default: Assert.Throws<SynchronizationLockException>(one.Exit); break;
                }

                if (one.IsHeldHere != scopes.Count > 0)
                    return false;
            }

            one.Dispose();
            return true;
        },
        iter: Site.Sequences,
        threads: 1);

    /// <summary>A stay ends once, by the scope that it began with or by Exit, and by no older scope.</summary>
    [Fact]
    public void Plain_AnySteps_AsTheModelSays() => Gen.Int[0, 3].Array[0, 40].Sample(
        steps =>
        {
            ISharedLock one = Site.Lock();
            List<SharedLock.Scope> scopes = [];
            bool isHeld = false;
            foreach (int step in steps)
            {
                switch (step)
                {
                    case 0:
                        if (one.TryEnter(out SharedLock.Scope scope) == isHeld || scope.WasAbandoned)
                            return false;
                        if (!isHeld)
                            scopes.Add(scope);
                        isHeld = true;
                        break;
                    case 1 when isHeld:
                        one.Exit();
                        isHeld = false;
                        break;
                    case 1:
                        Assert.Throws<SynchronizationLockException>(one.Exit);
                        break;
                    case 2 when scopes.Count > 0:
                        scopes[^1].Dispose();
                        isHeld = false;
                        break;
                    case 3 when scopes.Count > 1:
                        scopes[0].Dispose();
                        break;
                }

                if (one.IsHeldHere != isHeld)
                    return false;
            }

            one.Dispose();
            return true;
        },
        iter: Site.Sequences,
        threads: 1);
}
