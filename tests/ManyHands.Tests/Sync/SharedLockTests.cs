using System.Diagnostics;
using CsCheck;
using ManyHands.Serialization;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

public sealed class SharedLockTests : LeakChecked
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Enter_ThenDispose_LeavesOnce()
    {
        using SharedLock sharedLock = new();
        SharedLock.Scope first = sharedLock.Enter(Token);
        Assert.True(sharedLock.IsHeldHere);
        Assert.False(first.WasAbandoned);
        Assert.False(sharedLock.TryEnter(out _));
        first.Dispose();
        Assert.False(sharedLock.IsHeldHere);
        Assert.Throws<SynchronizationLockException>(sharedLock.Exit);

        // A scope that was left leaves nobody else's stay.
        Assert.True(sharedLock.TryEnter(out SharedLock.Scope second));
        first.Dispose();
        Assert.True(sharedLock.IsHeldHere);
        second.Dispose();
        Assert.True(sharedLock.TryEnter(out _));
        sharedLock.Exit();
        second.Dispose();
    }

    [Fact]
    public async Task Reentrant_CountsPerThread()
    {
        using SharedLock sharedLock = new(reentrant: true);
        Assert.True(sharedLock.IsReentrant);
        await RunOnThread(() =>
        {
            SharedLock.Scope outer = sharedLock.Enter(Token);
            Assert.True(sharedLock.TryEnter(out SharedLock.Scope inner));
            Other(() =>
            {
                Assert.False(sharedLock.TryEnter(out _));
                Assert.False(sharedLock.IsHeldHere);
                Assert.Throws<SynchronizationLockException>(sharedLock.Exit);
                Assert.Throws<SynchronizationLockException>(outer.Dispose);
            });
            inner.Dispose();
            inner.Dispose();
            Assert.True(sharedLock.IsHeldHere);
            outer.Dispose();
            Assert.False(sharedLock.IsHeldHere);
            Assert.Throws<SynchronizationLockException>(sharedLock.Exit);
            Other(() =>
            {
                Assert.True(sharedLock.TryEnter(out SharedLock.Scope scope));
                scope.Dispose();
            });
        });
        await Assert.ThrowsAsync<NotSupportedException>(async () => await sharedLock.EnterAsync(Token));
    }

    [Fact]
    public async Task TryEnter_Held_ReturnsFalse_NeverEarly()
    {
        using SharedLock sharedLock = new();
        using SharedLock.Scope scope = sharedLock.Enter(Token);
        long startedAt = Stopwatch.GetTimestamp();
        Assert.False(sharedLock.TryEnter(TimeSpan.FromMilliseconds(70), out _, Token));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= TimeSpan.FromMilliseconds(70));
        startedAt = Stopwatch.GetTimestamp();
        Assert.Null(await sharedLock.TryEnterAsync(TimeSpan.FromMilliseconds(70), Token));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= TimeSpan.FromMilliseconds(70));
        Assert.Throws<ArgumentOutOfRangeException>(() => sharedLock.TryEnter(TimeSpan.FromSeconds(-2), out _, Token));
        using CancellationTokenSource cancel = new(TimeSpan.FromMilliseconds(20));
        Assert.ThrowsAny<OperationCanceledException>(() => sharedLock.Enter(cancel.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await sharedLock.EnterAsync(cancel.Token));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Holder_Killed_NextIsTold_Once(bool reentrant)
    {
        using SharedLock sharedLock = new(reentrant);
        using Gate gate = new();
        WorkerProcess holder = WorkerProcess.Start(static (SharedLock sharedLock, string path) =>
        {
            sharedLock.Enter();
            Gate.Open(path);
            Thread.Sleep(Timeout.Infinite);
        }, sharedLock, gate.Path);
        await gate.WaitAsync();
        Assert.False(sharedLock.TryEnter(out _));
        holder.Kill();
        long startedAt = Stopwatch.GetTimestamp();
        Enter(sharedLock, expected: true);
        Assert.InRange(Stopwatch.GetElapsedTime(startedAt).TotalSeconds, 0, 1);
        Enter(sharedLock, expected: false);
        await holder.JoinAsync().WaitAsync(Patience, Token);
    }

    [Fact]
    public async Task Holder_Stopped_KeepsIt()
    {
        using SharedLock sharedLock = new();
        using Gate gate = new();
        WorkerProcess holder = WorkerProcess.Start(static (SharedLock sharedLock, string path, string leave) =>
        {
            using SharedLock.Scope scope = sharedLock.Enter();
            Gate.Open(path);
            Gate.Wait(leave);
        }, sharedLock, gate.Path, gate.Named("leave"));
        await gate.WaitAsync();
        Signals.TrySend(holder.Id, Signals.Stop);
        await Eventually.True(() => Signals.IsStopped(holder.Id), "the holder is stopped");
        Assert.False(sharedLock.TryEnter(TimeSpan.FromSeconds(1), out _, Token));
        Assert.Null(await sharedLock.TryEnterAsync(TimeSpan.FromMilliseconds(300), Token));
        Signals.TrySend(holder.Id, Signals.Continue);
        Gate.Open(gate.Named("leave"));
        Enter(sharedLock, expected: false);
        await holder.JoinAsync().WaitAsync(Patience, Token);
        Assert.Equal(0, holder.ExitCode);
    }

    [Fact]
    public async Task Increments_InProcesses_AddUp_ThoughHoldersAreKilled()
    {
        const int Each = 20_000;
        using SharedLock sharedLock = new();
        using SharedArray<long> counts = new(2);
        using Gate gate = new();
        WorkerProcess victim = WorkerProcess.Start(static (SharedLock sharedLock, string path) =>
        {
            for (int i = 0; ; i++)
            {
                using SharedLock.Scope scope = sharedLock.Enter();
                if (i == 1000)
                    Gate.Open(path);
            }
        }, sharedLock, gate.Path);
        WorkerProcess[] workers = [.. Enumerable.Range(0, 3).Select(_ => WorkerProcess.Start(Increment, sharedLock, counts, Each))];
        await gate.WaitAsync();
        victim.Kill();
        foreach (WorkerProcess worker in workers)
        {
            await worker.JoinAsync().WaitAsync(Patience, Token);
            Assert.Equal(0, worker.ExitCode);
        }

        await victim.JoinAsync().WaitAsync(Patience, Token);
        Assert.Equal(3 * Each, counts[0]);
        Assert.InRange(counts[1], 0, 1);
    }

    [Fact]
    public async Task Dispose_WakesThisProcesssWaiters_AndTellsTheNext()
    {
        SharedLock sharedLock = new();
        using Gate gate = new();
        WorkerProcess other = WorkerProcess.Start(static (SharedLock sharedLock, string path, string seen) =>
        {
            Gate.Open(path);
            using SharedLock.Scope scope = sharedLock.Enter();
            if (scope.WasAbandoned)
                Gate.Open(seen);
        }, sharedLock, gate.Path, gate.Named("abandoned"));
        await gate.WaitAsync();
        SharedLock.Scope held = sharedLock.Enter(Token);
        Task<SharedLock.Scope> waiter = sharedLock.EnterAsync(Token).AsTask();
        Task blocked = Task.Run(() => sharedLock.Enter(Token), Token);
        sharedLock.Dispose();
        sharedLock.Dispose();
        held.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiter.WaitAsync(TimeSpan.FromSeconds(2), Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => blocked.WaitAsync(TimeSpan.FromSeconds(2), Token));
        Assert.Throws<ObjectDisposedException>(() => sharedLock.Enter(Token));
        Assert.Throws<ObjectDisposedException>(() => sharedLock.TryEnter(out _));
        Assert.Throws<ObjectDisposedException>(sharedLock.Exit);
        Assert.False(sharedLock.IsHeldHere);
        await other.JoinAsync().WaitAsync(Patience, Token);
        Assert.Equal(0, other.ExitCode);
    }

    [Fact]
    public async Task Pool_Workers_ShareIt()
    {
        using SharedLock sharedLock = new();
        using SharedArray<long> counts = new(2);
        await using Pool pool = Pool.Processes(2);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => pool.RunAsync(Increment, sharedLock, counts, 1000)));
        Assert.Equal(8000, counts[0]);
    }

    /// <summary>Any sequence of steps of two objects for the same lock does what a plain counter says.</summary>
    [Fact]
    public void Reentrant_AnySteps_AsTheModelSays() => Gen.Int[0, 3].Array[0, 40].Sample(
        steps =>
        {
            using SharedLock sharedLock = new(reentrant: true);
            Stack<SharedLock.Scope> scopes = new();
            foreach (int step in steps)
            {
                switch (step)
                {
                    case 0: scopes.Push(sharedLock.Enter()); break;
                    case 1:
                        Assert.True(sharedLock.TryEnter(out SharedLock.Scope scope));
                        scopes.Push(scope);
                        break;
                    case 2 when scopes.Count > 0: scopes.Pop().Dispose(); break;
                    case 3 when scopes.Count > 0:
                        scopes.Pop();
                        sharedLock.Exit();
                        break;
                    default: Assert.Throws<SynchronizationLockException>(sharedLock.Exit); break;
                }

                if (sharedLock.IsHeldHere != scopes.Count > 0)
                    return false;
            }

            return true;
        },
        iter: 200,
        threads: 1);

    /// <summary>A plain lock through two objects: a stay ends once, by the scope that it began with or by Exit, and by no older scope.</summary>
    [Fact]
    public void Plain_AnySteps_AsTheModelSays() => Gen.Select(Gen.Int[0, 3], Gen.Bool).Array[0, 40].Sample(
        steps =>
        {
            using SharedLock first = new();
            SharedReference reference = SharedObjects.Refer(first);
            using SharedLock second = SharedObjects.Attach<SharedLock>(in reference)!;
            List<SharedLock.Scope> scopes = [];
            bool isHeld = false;
            foreach ((int step, bool useSecond) in steps)
            {
                SharedLock sharedLock = useSecond ? second : first;
                switch (step)
                {
                    case 0:
                        if (sharedLock.TryEnter(out SharedLock.Scope scope) == isHeld || scope.WasAbandoned)
                            return false;
                        if (!isHeld)
                            scopes.Add(scope);
                        isHeld = true;
                        break;
                    case 1 when isHeld:
                        sharedLock.Exit();
                        isHeld = false;
                        break;
                    case 1:
                        Assert.Throws<SynchronizationLockException>(sharedLock.Exit);
                        break;
                    case 2 when scopes.Count > 0:
                        scopes[^1].Dispose();
                        isHeld = false;
                        break;
                    case 3 when scopes.Count > 1:
                        scopes[0].Dispose();
                        break;
                }

                if (first.IsHeldHere != isHeld || second.IsHeldHere != isHeld)
                    return false;
            }

            return true;
        },
        iter: 200,
        threads: 1);

    private static void Increment(SharedLock sharedLock, SharedArray<long> counts, int times)
    {
        for (int i = 0; i < times; i++)
        {
            using SharedLock.Scope scope = sharedLock.Enter();
            counts[0]++;
            if (scope.WasAbandoned)
                counts[1]++;
        }
    }

    private static void Enter(SharedLock sharedLock, bool expected)
    {
        Assert.True(sharedLock.TryEnter(Patience, out SharedLock.Scope scope, Token));
        Assert.Equal((expected, expected), (scope.WasAbandoned, sharedLock.WasAbandoned));
        scope.Dispose();
    }

    private static Task RunOnThread(Action action) => Task.Factory.StartNew(action, Token, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static void Other(Action action)
    {
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                action();
            }
            catch (Exception caught)
            {
                failure = caught;
            }
        });
        thread.Start();
        thread.Join();
        Assert.Null(failure);
    }
}
