#if DEBUG
using ManyHands.Platform;
#endif
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Sync;

public sealed class SharedSemaphoreTests() : SemaphoreContract(new SharedMemorySite())
{
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
        await waiter.InTime(TimeSpan.FromSeconds(2), Token);
        Assert.True(semaphore.TryWait(TimeSpan.FromSeconds(1), Token));
        Assert.False(semaphore.TryWait(TimeSpan.Zero, Token));
        Assert.Equal(0, semaphore.Release(3));
        Assert.Throws<SemaphoreFullException>(() => semaphore.Release());
        await holder.JoinAsync().InTime(Patience, Token);
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
        await taker.JoinAsync().InTime(Patience, Token);
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
            await workers[round % 3].JoinAsync().InTime(Patience, Token);
            workers[round % 3] = WorkerProcess.Start(TakeTurns, semaphore, cells);
        }

        Volatile.Write(ref cells[1], 1);
        foreach (WorkerProcess worker in workers)
        {
            await worker.JoinAsync().InTime(Patience, Token);
            Assert.Equal(0, worker.ExitCode);
        }

        // No permit was lost, and none made.
        Assert.True(semaphore.TryWait(Patience, Token));
        Assert.True(semaphore.TryWait(Patience, Token));
        Assert.False(semaphore.TryWait(TimeSpan.FromMilliseconds(250), Token));
        semaphore.Release(2);
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
            await releasing.InTime(Patience, Token);
        }

        FaultPoint.Disarm();
    }
#endif

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
