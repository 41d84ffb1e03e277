using System.Diagnostics;
using Xunit;

namespace ManyHands.Tests.Queues;

/// <summary>Items on lease come back unless they are completed, whoever dies with them; and batches.</summary>
public sealed class QueueLeaseTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lease_Completed_IsDone_AndAbandoned_ComesBackFirst()
    {
        using SharedQueue<string> queue = new();
        queue.EnqueueBatch(["a", "b", "c"], Token);
        QueueLease<string> first = await queue.LeaseAsync(cancellationToken: Token);
        Assert.Equal(("a", 1, false), (first.Item, first.Deliveries, first.IsRedelivered));
        Assert.Equal((2L, 1), (queue.Count, queue.LeasedCount));
        QueueLease<string> second = queue.Lease(cancellationToken: Token);
        Assert.Equal("b", second.Item);
        second.Complete();
        first.Abandon();
        Assert.Equal((2L, 0), (queue.Count, queue.LeasedCount));
        Assert.True(queue.TryLease(out QueueLease<string>? again));
        Assert.Equal(("a", 2, true), (again.Item, again.Deliveries, again.IsRedelivered));
        using (QueueLease<string> third = queue.Lease(cancellationToken: Token))
        {
            Assert.Equal("c", third.Item);
        }

        // Disposed of without completion: anybody may take it, also for good.
        Assert.Equal("c", queue.Dequeue(Token));
        Assert.False(queue.TryDequeue(out _));
        again.Complete();
        again.Dispose();
        Assert.Equal((0L, 0), (queue.Count, queue.LeasedCount));
        Assert.Throws<InvalidOperationException>(again.Complete);
        Assert.Throws<InvalidOperationException>(first.Abandon);
        Assert.Throws<InvalidOperationException>(() => second.Renew());
        Assert.False(queue.TryLease(out _, Short, cancellationToken: Token));
    }

    [Fact]
    public void Lease_WhoseTimeIsOver_GoesToSomebodyElse()
    {
        using SharedQueue<int> queue = new();
        queue.Enqueue(7, Token);
        long startedAt = Stopwatch.GetTimestamp();
        using QueueLease<int> late = queue.Lease(Short, Token);
        Assert.True(queue.TryLease(out QueueLease<int>? other, Deadline, cancellationToken: Token));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= Short, "it came back too early");
        Assert.True(other.IsRedelivered);
        Assert.Throws<QueueLeaseLostException>(() => late.Renew());
        Assert.False(late.TryComplete());
        other.Complete();
        Assert.Equal((0L, 0), (queue.Count, queue.LeasedCount));
        Assert.Throws<ArgumentOutOfRangeException>(() => queue.Lease(TimeSpan.Zero, Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => queue.TryLease(out _, TimeSpan.FromSeconds(-3), cancellationToken: Token));
    }

    [Fact]
    public void Lease_Renewed_Stays_AndOneThatNobodyWantedMeanwhileToo()
    {
        using SharedQueue<int> queue = new();
        queue.Enqueue(7, Token);
        QueueLease<int> lease = queue.Lease(Short, Token);
        lease.Renew();
        Assert.False(queue.TryDequeue(out _, Short * 3, Token));
        lease.Renew(TimeSpan.FromMilliseconds(1));
        Thread.Sleep(5);
        lease.Complete();
        Assert.True(queue.Join(TimeSpan.Zero, Token));
    }

    [Fact]
    public async Task Holder_Killed_ItsItemsComeBack_Flagged_AndInOrder()
    {
        using SharedQueue<int> queue = new();
        using SharedQueue<int> seen = new();
        queue.EnqueueBatch(Enumerable.Range(0, 5), Token);
        await using WorkerProcess holder = WorkerProcess.Start(LeaseWork.HoldTwo, queue, seen);
        Assert.Equal([0, 1], [seen.Dequeue(Token), seen.Dequeue(Token)]);
        Assert.Equal((3L, 2), (queue.Count, queue.LeasedCount));
        holder.Kill();
        await holder.JoinAsync(Token);
        await Eventually.True(() => queue.TryLease(out QueueLease<int>? lease) && Returned(lease), "the dead holder's come back");
        List<(int, bool)> rest = [];
        while (queue.TryLease(out QueueLease<int>? lease, Short, cancellationToken: Token))
        {
            rest.Add((lease.Item, lease.IsRedelivered));
            lease.Complete();
        }

        Assert.Equal([(0, true), (1, true), (2, true), (3, false), (4, false)], rest.Order());
        Assert.True(queue.Join(TimeSpan.Zero, Token));

        // What came before is given back until the dead one's is there.
        static bool Returned(QueueLease<int> lease)
        {
            bool isDeadOnes = lease.Item == 0;
            lease.Dispose();
            return isDeadOnes;
        }
    }

    [Fact]
    public async Task Join_WaitsForAllItems_AlsoThoseOnLease()
    {
        await using Pool pool = Pool.Processes(2);
        using SharedQueue<int> queue = new();
        Assert.True(queue.Join(TimeSpan.Zero, Token));
        queue.EnqueueBatch(Enumerable.Range(0, 2000), Token);
        Assert.False(queue.Join(Short, Token));
        QueueLease<int> held = queue.Lease(cancellationToken: Token);
        Task<int>[] working = [pool.RunAsync(LeaseWork.CompleteAll, queue), pool.RunAsync(LeaseWork.CompleteAll, queue)];
        await Eventually.True(() => queue.Count == 0 && queue.LeasedCount == 1, "the others are done", seconds: 60);
        Task joining = queue.JoinAsync(Token).AsTask();
        Task joiningHere = Task.Run(() => queue.Join(Token), Token);
        Assert.False(queue.Join(Short, Token));
        Assert.False(joining.IsCompleted || joiningHere.IsCompleted);
        held.Complete();
        await Task.WhenAll(joining, joiningHere).InTime(Deadline, Token);
        queue.Complete();
        Assert.Equal(1999, (await Task.WhenAll(working).InTime(Deadline, Token)).Sum());
        using CancellationTokenSource cancel = new(TimeSpan.FromMilliseconds(20));
        queue.Join(Token);
        using SharedQueue<int> other = new();
        other.Enqueue(1, Token);
        Assert.ThrowsAny<OperationCanceledException>(() => other.Join(cancel.Token));
    }

    [Fact]
    public async Task Completed_Queue_EndsOnlyWhenNothingCanComeBack()
    {
        using SharedQueue<int> queue = new();
        queue.EnqueueBatch([1, 2], Token);
        queue.Complete();
        QueueLease<int> first = queue.Lease(cancellationToken: Token);
        QueueLease<int> second = queue.Lease(cancellationToken: Token);
        Task<int[]> reading = Task.Run(async () =>
        {
            List<int> read = [];
            await foreach (QueueLease<int> lease in queue.LeaseAllAsync(cancellationToken: Token))
            {
                read.Add(lease.Item);
                lease.Complete();
            }

            return read.ToArray();
        });
        await Assert.ThrowsAsync<TimeoutException>(() => reading.WaitAsync(Short, Token));
        first.Complete();
        second.Abandon();
        int[] read = await reading.InTime(Deadline, Token);
        Assert.Equal([2], read);
        Assert.Throws<QueueCompletedException>(() => queue.Lease(cancellationToken: Token));
        Assert.Empty(queue.DequeueBatch(10, Token));
    }

    [Fact]
    public async Task Queue_DisposedOf_GivesBackWhatItHasOnLease()
    {
        await using Pool pool = Pool.Processes(1);
        SharedQueue<int> queue = new();
        await pool.RunAsync(LeaseWork.Keep, queue);
        queue.Enqueue(3, Token);
        QueueLease<int> lease = queue.Lease(cancellationToken: Token);
        queue.Dispose();
        lease.Dispose();
        Assert.Equal((3, true), await pool.RunAsync(LeaseWork.LeaseKept).InTime(Deadline, Token));
        Assert.Throws<ObjectDisposedException>(() => queue.Lease(cancellationToken: Token));
    }

    [Fact]
    public async Task Batches_KeepTheirOrder_AndSayWhatFailed()
    {
        using SharedQueue<string> queue = new(capacity: 100);
        Task adding = Task.Run(() => queue.EnqueueBatch(Enumerable.Range(0, 5000).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture)), Token), Token);
        List<string> read = [];
        while (read.Count < 5000)
        {
            string[] batch = read.Count % 2 == 0 ? queue.DequeueBatch(30, Token) : await queue.DequeueBatchAsync(30, Token);
            Assert.InRange(batch.Length, 1, 30);
            read.AddRange(batch);
        }

        await adding.InTime(Deadline, Token);
        Assert.Equal(Enumerable.Range(0, 5000), read.Select(int.Parse));
        await queue.EnqueueBatchAsync(["x", "y"], Token);
        await queue.EnqueueBatchAsync([], Token);
        Assert.Equal(["x", "y"], await queue.DequeueBatchAsync(5, Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => queue.DequeueBatch(0, Token));

        using SharedQueue<object> objects = new();
        Assert.Throws<UnsendableCallException>(() => objects.EnqueueBatch([new object()], Token));
        using SharedQueue<byte[]> small = new(maximumSize: 512 * 1024);
        Assert.Throws<UnsendableCallException>(() => small.EnqueueBatch([[1], [2], new byte[1024 * 1024], [3]], Token));
        Assert.Equal(2, small.Count);
        Assert.Throws<InvalidTimeZoneException>(() => small.EnqueueBatch(Failing(), Token));
        Assert.Equal([[1], [2], [4]], small.DequeueBatch(10, Token));

        static IEnumerable<byte[]> Failing()
        {
            yield return [4];
            throw new InvalidTimeZoneException("from inside");
        }
    }

    [Fact]
    public void Batch_OfLargeItems_ComesInSeveral()
    {
        using SharedQueue<byte[]> queue = new();
        queue.EnqueueBatch(Enumerable.Range(0, 10).Select(i => new byte[40_000]), Token);
        int count = 0;
        while (count < 10)
        {
            byte[][] batch = queue.DequeueBatch(10, Token);
            Assert.InRange(batch.Length, 1, 2);
            count += batch.Length;
        }
    }

    /// <summary>
    /// Each item is marked when it was worked on, then completed; a reader is killed in between time and again. None may be missing, and one that is marked twice must have been flagged.
    /// </summary>
    [Fact]
    public async Task ManyItems_OnLease_WithReadersKilledAllTheTime_AreNeverLost()
    {
        const int Writers = 4;
        const int Readers = 4;
        const int ItemsEach = 250_000;
        using SharedQueue<int> queue = new(capacity: 50_000);
        using SharedArray<int> firsts = new(Writers * ItemsEach);
        using SharedArray<int> repeats = new(Writers * ItemsEach);
        await using Pool pool = Pool.Processes(Writers);
        Task writing = Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => pool.RunAsync(QueueWork.WriteNumbers, queue, writer * ItemsEach, ItemsEach)));
        List<WorkerProcess> readers = [.. Enumerable.Range(0, Readers).Select(_ => Start())];
        Random random = new(4);
        int kills = 0;
        while (!writing.IsCompleted || queue.Count > 0)
        {
            await Task.Delay(100, Token);
            int victim = random.Next(Readers);
            readers[victim].Kill();
            await readers[victim].JoinAsync(Token);
            await readers[victim].DisposeAsync();
            readers[victim] = Start();
            kills++;
        }

        await writing;
        queue.Complete();
        await queue.JoinAsync(Token).AsTask().InTime(Deadline, Token);
        foreach (WorkerProcess reader in readers)
        {
            Assert.True(await reader.JoinAsync(Deadline, Token), "a reader doesn't end");
            Assert.Null(reader.Exception);
            await reader.DisposeAsync();
        }

        int lost = 0;
        int again = 0;
        for (int i = 0; i < firsts.Length; i++)
        {
            Assert.InRange(firsts[i], 0, 1);
            lost += firsts[i] + repeats[i] == 0 ? 1 : 0;
            again += repeats[i];
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"on lease: {Writers} writers, {Readers} readers, {firsts.Length:N0} items, {kills} kills: {lost} lost, {again} given out again, all of them flagged");
        Assert.Equal(0, lost);
        Assert.InRange(again, 0, kills);

        WorkerProcess Start() => WorkerProcess.Start(LeaseWork.Mark, queue, firsts, repeats);
    }
}

/// <summary>What workers do with leases.</summary>
internal static class LeaseWork
{
    private static SharedQueue<int>? kept;

    public static void HoldTwo(SharedQueue<int> queue, SharedQueue<int> seen)
    {
        QueueLease<int>[] held = [queue.Lease(), queue.Lease(), queue.Lease()];
        held[2].Abandon();
        seen.EnqueueBatch(held[..2].Select(lease => lease.Item));
        Thread.Sleep(Timeout.Infinite);
    }

    public static async Task<int> CompleteAll(SharedQueue<int> queue)
    {
        int count = 0;
        await foreach (QueueLease<int> lease in queue.LeaseAllAsync())
        {
            lease.Complete();
            count++;
        }

        return count;
    }

    public static void Keep(SharedQueue<int> queue) => kept = queue;

    public static (int Item, bool IsRedelivered) LeaseKept()
    {
        using QueueLease<int> lease = kept!.Lease();
        return (lease.Item, lease.IsRedelivered);
    }

    public static void Mark(SharedQueue<int> queue, SharedArray<int> firsts, SharedArray<int> repeats)
    {
        while (queue.TryLease(out QueueLease<int>? lease, Timeout.InfiniteTimeSpan))
        {
            Interlocked.Increment(ref (lease.IsRedelivered ? repeats : firsts)[lease.Item]);
            lease.Complete();
        }
    }
}
