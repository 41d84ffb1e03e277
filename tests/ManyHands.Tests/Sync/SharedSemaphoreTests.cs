using System.Diagnostics;
using CsCheck;
#if DEBUG
using ManyHands.Platform;
#endif
using Xunit;

namespace ManyHands.Tests.Sync;

public sealed class SharedSemaphoreTests : LeakChecked
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Wait_Release_Count_AndTheMaximumHolds()
    {
        using SharedSemaphore semaphore = new(2, 3);
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
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedSemaphore(2, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedSemaphore(0, 0));
    }

    [Fact]
    public async Task TryWait_NeverEarly_AndCancellable()
    {
        using SharedSemaphore semaphore = new(0, 1);
        TimeSpan time = TimeSpan.FromMilliseconds(60);
        long startedAt = Stopwatch.GetTimestamp();
        Assert.False(semaphore.TryWait(time, Token));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= time);
        startedAt = Stopwatch.GetTimestamp();
        Assert.False(await semaphore.TryWaitAsync(time, Token));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= time);
        using CancellationTokenSource cancel = new(time);
        Assert.ThrowsAny<OperationCanceledException>(() => semaphore.Wait(cancel.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await semaphore.WaitAsync(cancel.Token));
    }

    [Fact]
    public async Task Holder_Killed_ItsPermitsReturn()
    {
        using SharedSemaphore semaphore = new(3, 3);
        using Gate gate = new();
        WorkerProcess holder = WorkerProcess.Start(static (SharedSemaphore semaphore, string path) =>
        {
            semaphore.Wait();
            semaphore.Wait();
            Gate.Open(path);
            Thread.Sleep(Timeout.Infinite);
        }, semaphore, gate.Path);
        await gate.WaitAsync();
        semaphore.Wait(Token);
        Assert.False(semaphore.TryWait(TimeSpan.Zero, Token));
        Task waiter = semaphore.WaitAsync(Token).AsTask();
        holder.Kill();
        await waiter.WaitAsync(TimeSpan.FromSeconds(2), Token);
        Assert.True(semaphore.TryWait(TimeSpan.FromSeconds(1), Token));
        Assert.False(semaphore.TryWait(TimeSpan.Zero, Token));
        Assert.Equal(0, semaphore.Release(3));
        Assert.Throws<SemaphoreFullException>(() => semaphore.Release());
        await holder.JoinAsync().WaitAsync(Patience, Token);
    }

    [Fact]
    public async Task HandedOver_AndThenTakerDies_ReturnsNothingTwice()
    {
        using SharedSemaphore semaphore = new(1, 1);
        using Gate gate = new();
        WorkerProcess taker = WorkerProcess.Start(static (SharedSemaphore semaphore, string path) =>
        {
            semaphore.Wait();
            Gate.Open(path);
            Thread.Sleep(Timeout.Infinite);
        }, semaphore, gate.Path);
        await gate.WaitAsync();
        semaphore.Release();
        semaphore.Wait(Token);
        taker.Kill();
        await taker.JoinAsync().WaitAsync(Patience, Token);
        Assert.False(semaphore.TryWait(TimeSpan.FromMilliseconds(300), Token));
        semaphore.Release();
    }

    [Fact]
    public async Task Limit_HoldsInProcesses_ThoughTheyAreKilled()
    {
        using SharedSemaphore semaphore = new(2, 2);
        using SharedArray<int> cells = new(2);
        List<WorkerProcess> workers = [.. Enumerable.Range(0, 3).Select(_ => WorkerProcess.Start(TakeTurns, semaphore, cells))];
        for (int round = 0; round < 12; round++)
        {
            int before = Volatile.Read(ref cells[0]);
            await Eventually.True(() => Volatile.Read(ref cells[0]) > before + 100, "they go on");
            workers[round % 3].Kill();
            await workers[round % 3].JoinAsync().WaitAsync(Patience, Token);
            workers[round % 3] = WorkerProcess.Start(TakeTurns, semaphore, cells);
        }

        Volatile.Write(ref cells[1], 1);
        foreach (WorkerProcess worker in workers)
        {
            await worker.JoinAsync().WaitAsync(Patience, Token);
            Assert.Equal(0, worker.ExitCode);
        }

        // No permit was lost, and none made.
        Assert.True(semaphore.TryWait(Patience, Token));
        Assert.True(semaphore.TryWait(Patience, Token));
        Assert.False(semaphore.TryWait(TimeSpan.FromMilliseconds(250), Token));
        semaphore.Release(2);
    }

    [Fact]
    public async Task Waiters_AllGetTheirs()
    {
        using SharedSemaphore semaphore = new(0, 50);
        Task[] waiters = [.. Enumerable.Range(0, 50).Select(_ => semaphore.WaitAsync(Token).AsTask())];
        for (int i = 0; i < 5; i++)
            semaphore.Release(10);
        await Task.WhenAll(waiters).WaitAsync(Patience, Token);
        Assert.Equal(0, semaphore.CurrentCount);
    }

    [Fact]
    public async Task Dispose_WakesWaiters()
    {
        SharedSemaphore semaphore = new(0, 1);
        Task waiter = semaphore.WaitAsync(Token).AsTask();
        Task blocked = Task.Run(() => semaphore.Wait(Token), Token);
        semaphore.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiter.WaitAsync(TimeSpan.FromSeconds(2), Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => blocked.WaitAsync(TimeSpan.FromSeconds(2), Token));
        Assert.Throws<ObjectDisposedException>(() => semaphore.Release());
        Assert.Throws<ObjectDisposedException>(() => semaphore.CurrentCount);
    }

#if DEBUG
    /// <summary>Somebody was interrupted in the middle of a release: that is no reason to say that there is no permit.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public async Task TryWait_WhileAnotherIsAtIt_FindsThePermit(int milliseconds)
    {
        using SharedSemaphore semaphore = new(2, 3);
        foreach (bool isAsync in (bool[])[false, true])
        {
            FaultPoint.Arm(FaultStep.SemaphoreGuarded, Fault.Delay, hits: 1, delay: TimeSpan.FromMilliseconds(20));
            Task releasing = Task.Run(() => semaphore.Release(), Token);
            await Eventually.True(() => RawShared.Read(semaphore, 0) != 0 || releasing.IsCompleted, "it is in the middle");
            TimeSpan timeout = TimeSpan.FromMilliseconds(milliseconds);
            Assert.True(isAsync ? await semaphore.TryWaitAsync(timeout, Token) : semaphore.TryWait(timeout, Token));
            await releasing.WaitAsync(Patience, Token);
        }

        FaultPoint.Disarm();
    }
#endif

    [Fact]
    public void AnySteps_AsTheModelSays() => Gen.Select(Gen.Int[1, 5], Gen.Int[-3, 3].Array[0, 40]).Sample(
        (maximum, steps) =>
        {
            using SharedSemaphore semaphore = new(maximum, maximum);
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

            return true;
        },
        iter: 200,
        threads: 1);

    private static void TakeTurns(SharedSemaphore semaphore, SharedArray<int> cells)
    {
        while (Volatile.Read(ref cells[1]) == 0)
        {
            if (!semaphore.TryWait(Patience))
                throw new TimeoutException("No permit came.");
            Interlocked.Increment(ref cells[0]);
            semaphore.Release();
        }
    }
}
