using System.Diagnostics;
using CsCheck;
using ManyHands.Serialization;
using ManyHands.Tests.Contracts;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

public sealed class SharedLockTests() : LockContract(new SharedMemorySite())
{
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
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 1);
        Enter(sharedLock, expected: false);
        await holder.JoinAsync().InTime(Patience, Token);
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
        await holder.JoinAsync().InTime(Patience, Token);
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
            await worker.JoinAsync().InTime(Patience, Token);
            Assert.Equal(0, worker.ExitCode);
        }

        await victim.JoinAsync().InTime(Patience, Token);
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
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiter.InTime(TimeSpan.FromSeconds(2), Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => blocked.InTime(TimeSpan.FromSeconds(2), Token));
        Assert.Throws<ObjectDisposedException>(() => sharedLock.Enter(Token));
        Assert.Throws<ObjectDisposedException>(() => sharedLock.TryEnter(out _));
        Assert.Throws<ObjectDisposedException>(sharedLock.Exit);
        Assert.False(sharedLock.IsHeldHere);
        await other.JoinAsync().InTime(Patience, Token);
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

    /// <summary>A plain lock through two objects: a stay ends once, by the scope that it began with or by Exit, and by no older scope.</summary>
    [Fact]
    public void TwoObjects_AnySteps_AsTheModelSays() => Gen.Select(Gen.Int[0, 3], Gen.Bool).Array[0, 40].Sample(
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
}
