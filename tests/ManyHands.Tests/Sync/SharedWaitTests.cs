using System.Diagnostics;
using ManyHands.Platform;
using ManyHands.Tests.Queues;
using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>Waiting for any of several: pipes, queues and processes.</summary>
public sealed class SharedWaitTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Any_TellsAllThatAreReady_InOrder(bool isAsync)
    {
        (SharedPipeEnd<int> receiver, SharedPipeEnd<int> sender) = SharedPipe.CreateSimplex<int>();
        using SharedQueue<string> queue = new();
        using Gate gate = new();
        await using WorkerProcess worker = WorkerProcess.Start(Gate.Wait, gate.Path);
        ISelectable[] all = [worker, queue, receiver];
        Assert.Empty(await AnyAsync(isAsync, all, TimeSpan.Zero));
        long startedAt = Stopwatch.GetTimestamp();
        Assert.Empty(await AnyAsync(isAsync, all, Short));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= Short, "too early");
        Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Deadline);

        sender.Send(1, Token);
        Assert.Equal([receiver], await AnyAsync(isAsync, all, Deadline));
        queue.Enqueue("", Token);
        Assert.Equal([queue, receiver], await AnyAsync(isAsync, all, Deadline));
        Assert.Equal(1, receiver.Receive(Token));
        Assert.Equal("", queue.Dequeue(Token));
        Assert.Empty(await AnyAsync(isAsync, all, TimeSpan.Zero));

        // Each wakes whoever waits.
        Task<IReadOnlyList<ISelectable>> waiting = Task.Run(() => AnyAsync(isAsync, all, Deadline), Token);
        sender.Send(2, Token);
        Assert.Equal([receiver], await waiting);
        receiver.Receive(Token);
        waiting = Task.Run(() => AnyAsync(isAsync, all, Deadline), Token);
        queue.Complete();
        Assert.Equal([queue], await waiting);
        waiting = Task.Run(() => AnyAsync(isAsync, [worker, receiver], Deadline), Token);
        sender.Dispose();
        Assert.Equal([receiver], await waiting);
        waiting = Task.Run(() => AnyAsync(isAsync, [worker], Deadline), Token);
        gate.Open();
        Assert.Equal([worker], await waiting);
        Assert.Equal(0, worker.ExitCode);
        Assert.Equal(all, await AnyAsync(isAsync, all, Timeout.InfiniteTimeSpan));
        receiver.Dispose();
    }

    /// <summary>More than one system call can sleep on, and the one that becomes ready is the last.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Any_OfMany(bool isAsync)
    {
        SharedQueue<int>[] queues = [.. Enumerable.Range(0, Linux.MostFutexes + 20).Select(_ => new SharedQueue<int>())];
        Task<IReadOnlyList<ISelectable>> waiting = Task.Run(() => AnyAsync(isAsync, queues, Deadline), Token);
        queues[^1].Enqueue(1, Token);
        Assert.Equal([queues[^1]], await waiting);
        foreach (SharedQueue<int> queue in queues)
            queue.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Any_HearsOfProcessesThatAreKilled(bool isAsync)
    {
        using Gate gate = new();
        (SharedPipeEnd<int> here, SharedPipeEnd<int> there) = SharedPipe.CreateDuplex<int>();
        await using WorkerProcess holder = WorkerProcess.Start(PipeWork.HoldUntil, there, gate.Path, gate.Named("never"));
        await using WorkerProcess other = WorkerProcess.Start(Gate.Wait, gate.Named("never"));
        there.Dispose();
        await gate.WaitAsync();
        Task<IReadOnlyList<ISelectable>> end = Task.Run(() => AnyAsync(isAsync, [here, other], Deadline), Token);
        Task<IReadOnlyList<ISelectable>> exit = Task.Run(() => AnyAsync(isAsync, [other, holder], Deadline), Token);
        Assert.Equal(0, Linux.Kill(holder.Id, Linux.Sigkill));
        Assert.Equal([here], await end);
        Assert.Equal([holder], await exit);
        Assert.Equal(Linux.Sigkill, holder.Signal);
        other.Kill();
        here.Dispose();
    }

    /// <summary>It takes no wake-up away that was meant for one who takes the message.</summary>
    [Fact]
    public async Task Any_PassesOnWhatItDoesntTake()
    {
        using SharedQueue<int> queue = new();
        for (int i = 0; i < 20; i++)
        {
            Task<IReadOnlyList<ISelectable>>[] looking = [.. Enumerable.Range(0, 3).Select(k => Task.Run(() => AnyAsync(k > 0, [queue], Deadline), Token))];
            Task<int> taking = queue.DequeueAsync(Token).AsTask();
            queue.Enqueue(i, Token);
            queue.Enqueue(i, Token);
            Assert.Equal(i, await taking.InTime(Deadline, Token));
            foreach (Task<IReadOnlyList<ISelectable>> one in looking)
                Assert.Equal([queue], await one.InTime(Deadline, Token));
            Assert.Equal(i, queue.Dequeue(Token));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Any_EndsWhenCancelled_OrDisposedOf(bool isAsync)
    {
        SharedQueue<int> queue = new();
        (SharedPipeEnd<int> receiver, SharedPipeEnd<int> sender) = SharedPipe.CreateSimplex<int>();
        using CancellationTokenSource cancel = new();
        Task canceled = Task.Run(() => AnyAsync(isAsync, [queue, receiver], Deadline, cancel.Token), Token);
        Task disposed = Task.Run(() => AnyAsync(isAsync, [receiver, queue], Deadline), Token);
        cancel.CancelAfter(50);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => canceled);
        Assert.False(disposed.IsCompleted);
        queue.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => disposed);
        await Assert.ThrowsAsync<InvalidOperationException>(() => AnyAsync(isAsync, [sender], Deadline));
        await Assert.ThrowsAsync<ArgumentException>(() => AnyAsync(isAsync, [], Deadline));
        await Assert.ThrowsAsync<ArgumentException>(() => AnyAsync(isAsync, [receiver, null!], Deadline));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => AnyAsync(isAsync, [receiver], TimeSpan.FromSeconds(-2)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => AnyAsync(isAsync, [receiver], Deadline, new(canceled: true)));
        receiver.Dispose();
        sender.Dispose();
    }

    private static async Task<IReadOnlyList<ISelectable>> AnyAsync(bool isAsync, IReadOnlyCollection<ISelectable> objects, TimeSpan timeout, CancellationToken? token = null) => isAsync
        ? await SharedWait.AnyAsync(objects, timeout, token ?? Token)
        : SharedWait.Any(objects, timeout, token ?? Token);
}
