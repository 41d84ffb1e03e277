using System.Collections.Concurrent;
using System.Diagnostics;
using Xunit;

namespace ManyHands.Tests.Queues;

/// <summary>The queue between processes: whole items, each once, in order, whoever is killed.</summary>
public sealed class SharedQueueTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ItemsOfAllKinds_ComeOutAsTheyWent()
    {
        using SharedQueue<QueueWork.Order> queue = new();
        QueueWork.Order[] orders = [new("a", 1.5, [1, 2]), new("", -0.0, []), new("ü\ud800", double.NaN, [int.MinValue])];
        foreach (QueueWork.Order order in orders)
            queue.Enqueue(order, Token);
        Assert.Equal(3, queue.Count);
        foreach (QueueWork.Order order in orders)
        {
            QueueWork.Order taken = await queue.DequeueAsync(Token);
            Assert.Equal((order.Name, order.Price), (taken.Name, taken.Price));
            Assert.Equal(order.Lines, taken.Lines);
        }

        Assert.False(queue.TryDequeue(out _));
        Assert.Equal(0, queue.Count);
        using SharedQueue<string?> texts = new();
        texts.Enqueue(null, Token);
        Assert.True(texts.TryDequeue(out string? text));
        Assert.Null(text);
    }

    [Fact]
    public async Task WritersAndReader_InProcesses_EachItemOnce_AndInOrderOfItsWriter()
    {
        const int Items = 20_000;
        await using Pool pool = Pool.Processes(3);
        using SharedQueue<(int Writer, int Number)> queue = new();
        Task<(int, int)[]> reading = pool.RunAsync(QueueWork.ReadAll, queue);
        await Task.WhenAll(pool.RunAsync(QueueWork.Write, queue, 1, Items), pool.RunAsync(QueueWork.Write, queue, 2, Items));
        queue.Complete();
        (int Writer, int Number)[] read = await reading.InTime(Deadline, Token);
        foreach (int writer in (int[])[1, 2])
            Assert.Equal(Enumerable.Range(0, Items), read.Where(item => item.Writer == writer).Select(item => item.Number));
        Assert.Equal(2 * Items, read.Length);
    }

    [Fact]
    public async Task Threads_ShareAQueue()
    {
        using SharedQueue<int> queue = new(capacity: 16);
        ConcurrentBag<int> read = [];
        Task[] readers = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            await foreach (int item in queue.ReadAllAsync(Token))
                read.Add(item);
        }))];
        await Task.WhenAll(Enumerable.Range(0, 3).Select(writer => Task.Run(async () =>
        {
            for (int i = 0; i < 1000; i++)
                await queue.EnqueueAsync((writer * 1000) + i, Token);
        })));
        queue.Complete();
        await Task.WhenAll(readers).InTime(Deadline, Token);
        Assert.Equal(Enumerable.Range(0, 3000), read.Order());
    }

    [Fact]
    public void Full_Queue_RefusesOrWaits_AndNeverReturnsEarly()
    {
        using SharedQueue<int> queue = new(capacity: 2);
        Assert.Equal(2, queue.Capacity);
        Assert.True(queue.TryEnqueue(1));
        Assert.True(queue.TryEnqueue(2));
        Assert.False(queue.TryEnqueue(3));
        long startedAt = Stopwatch.GetTimestamp();
        Assert.False(queue.TryEnqueue(3, Short, Token));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= Short, "too early");
        Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Short + TimeSpan.FromSeconds(2));
        Assert.True(queue.TryDequeue(out int first));
        Assert.Equal(1, first);
        Assert.True(queue.TryEnqueue(3, Short, Token));
        Assert.Equal([2, 3], [queue.Dequeue(Token), queue.Dequeue(Token)]);
        startedAt = Stopwatch.GetTimestamp();
        Assert.False(queue.TryDequeue(out _, Short, Token));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= Short, "too early");
        Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Short + TimeSpan.FromSeconds(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => queue.TryDequeue(out _, TimeSpan.FromSeconds(-2), Token));
    }

    [Fact]
    public async Task Waiters_AreWoken_ByItemsAndByRoom()
    {
        using SharedQueue<int> queue = new(capacity: 1);
        Task<int> taking = Task.Run(() => queue.Dequeue(Token), Token);
        ValueTask<int> takingAsync = queue.DequeueAsync(Token);
        queue.Enqueue(1, Token);
        queue.Enqueue(2, Token);
        Assert.Equal([1, 2], new[] { await taking.InTime(Deadline, Token), await takingAsync.AsTask().InTime(Deadline, Token) }.Order());
        queue.Enqueue(3, Token);
        Task adding = queue.EnqueueAsync(4, Token).AsTask();
        Assert.False(adding.IsCompleted);
        Assert.Equal(3, queue.Dequeue(Token));
        await adding.InTime(Deadline, Token);
        Assert.Equal(4, queue.Dequeue(Token));
    }

    [Fact]
    public async Task Waits_EndByCancellation_AndTakeNothing()
    {
        using SharedQueue<int> queue = new();
        foreach (bool isAsync in (bool[])[false, true])
        {
            using CancellationTokenSource cancel = new();
            Task<int> taking = isAsync ? queue.DequeueAsync(cancel.Token).AsTask() : Task.Run(() => queue.Dequeue(cancel.Token), Token);
            cancel.CancelAfter(50);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => taking.InTime(Deadline, Token));
        }

        queue.Enqueue(7, Token);
        Assert.Equal(7, queue.Dequeue(Token));
        Assert.ThrowsAny<OperationCanceledException>(() => queue.Enqueue(1, new CancellationToken(canceled: true)));
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public async Task Completed_Queue_GivesWhatItHas_AndTellsWhoeverWaits()
    {
        using SharedQueue<int> queue = new();
        queue.Enqueue(1, Token);
        queue.Complete();
        Assert.True(queue.IsCompleted);
        Assert.Throws<QueueCompletedException>(() => queue.Enqueue(2, Token));
        Assert.Equal([1], queue.ReadAll(Token));
        Assert.Throws<QueueCompletedException>(() => queue.Dequeue(Token));
        await Assert.ThrowsAsync<QueueCompletedException>(async () => await queue.DequeueAsync(Token));
        Assert.False(queue.TryDequeue(out _, Timeout.InfiniteTimeSpan, Token));

        using SharedQueue<int> other = new(capacity: 1);
        Task<int> waiting = Task.Run(() => other.Dequeue(Token), Token);
        await using Pool pool = Pool.Processes(1);
        await pool.RunAsync(QueueWork.Complete, other);
        await Assert.ThrowsAsync<QueueCompletedException>(() => waiting.InTime(Deadline, Token));
    }

    [Fact]
    public async Task Disposed_Queue_RefusesAndWakesItsOwn_AndOthersGoOn()
    {
        await using Pool pool = Pool.Processes(1);
        SharedQueue<int> queue = new();
        await pool.RunAsync(QueueWork.Keep, queue);
        Task<int> waiting = Task.Run(() => queue.Dequeue(Token), Token);
        Task<int> waitingAsync = queue.DequeueAsync(Token).AsTask();
        queue.Dispose();
        queue.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.InTime(Deadline, Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waitingAsync.InTime(Deadline, Token));
        Assert.Throws<ObjectDisposedException>(() => queue.Enqueue(1, Token));
        Assert.Throws<ObjectDisposedException>(() => queue.Count);
        Assert.Equal(5, await pool.RunAsync(QueueWork.PassThroughKept, 5));
    }

    [Fact]
    public async Task Items_LargerThanAChunk_AndThanTheFirstMemory_ComeWhole()
    {
        await using Pool pool = Pool.Processes(1);
        using SharedQueue<byte[]> queue = new();
        foreach (int size in (int[])[0, 1, 7, 8, MessageSizes.JustBelowChunk, MessageSizes.Chunk, 1_000_000, 50_000_000, 3])
        {
            byte[] data = new byte[size];
            new Random(size).NextBytes(data);
            Task<int> sent = pool.RunAsync(QueueWork.Send, queue, size);
            byte[] taken = await queue.DequeueAsync(Token).AsTask().InTime(Deadline, Token);
            Assert.True(data.AsSpan().SequenceEqual(taken), $"{size} bytes");
            await sent;
        }
    }

    [Fact]
    public void Queue_GrowsToItsLimit_AndUsesItsMemoryAgain()
    {
        using SharedQueue<byte[]> queue = new(maximumSize: 1024 * 1024);
        byte[] item = new byte[10_000];
        int most = 0;
        for (int round = 0; round < 20; round++)
        {
            int count = 0;
            while (queue.TryEnqueue(item))
                count++;
            most = Math.Max(most, count);
            Assert.InRange(count, most - 7, 105);
            for (int i = 0; i < count; i++)
                Assert.Equal(item.Length, queue.Dequeue(Token).Length);
        }

        Assert.InRange(most, 80, 105);
        UnsendableCallException refused = Assert.Throws<UnsendableCallException>(() => queue.Enqueue(new byte[1024 * 1024], Token));
        Assert.Contains("maximumSize", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BadItems_AreRefusedWhereTheyAreEnqueued()
    {
        using SharedQueue<object> queue = new();
        Assert.Throws<UnsendableCallException>(() => queue.Enqueue(new object(), Token));
        Assert.Equal(0, queue.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedQueue<int>(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedQueue<int>(0, 1000));
    }

    [Fact]
    public async Task Queue_InAQueue_AndInAGrandchild()
    {
        await using Pool pool = Pool.Processes(1);
        using SharedQueue<SharedQueue<string>> queues = new();
        using SharedQueue<string> inner = new();
        queues.Enqueue(inner, Token);
        await pool.RunAsync(QueueWork.AnswerInGrandchild, queues);
        Assert.Equal("from below", inner.Dequeue(Token));
    }

    [Fact]
    public async Task WhatWasEnqueued_OutlivesItsWriter()
    {
        using SharedQueue<(int Writer, int Number)> queue = new();
        await using (WorkerProcess worker = WorkerProcess.Start(QueueWork.Write, queue, 1, 1000))
        {
            await worker.JoinAsync(Token);
        }

        Assert.Equal(1000, queue.Count);
        for (int i = 0; i < 1000; i++)
            Assert.Equal((1, i), queue.Dequeue(Token));
    }

    /// <summary>Readers and writers die at any moment, many times; what is left is whole, in order, and counted right.</summary>
    [Fact]
    public async Task RandomKills_LoseNoMoreThanTheDeadHadInHand_AndDoubleNothing()
    {
        const int Rounds = 40;
        using SharedQueue<(int Writer, int Number)> queue = new(capacity: 1000);
        using SharedQueue<(int Writer, int Number)> seen = new();
        Random random = new(5);
        int kills = 0;
        for (int round = 1; round <= Rounds; round++)
        {
            await using WorkerProcess writer = WorkerProcess.Start(QueueWork.Write, queue, round, 1_000_000);
            await using WorkerProcess reader = WorkerProcess.Start(QueueWork.Forward, queue, seen);
            await Eventually.True(() => queue.Count > 0 || seen.Count > 0, "something moves");
            await Task.Delay(random.Next(5, 40), Token);
            (random.Next(2) == 0 ? writer : reader).Kill();
            await Task.Delay(random.Next(2, 20), Token);
            writer.Kill();
            reader.Kill();
            kills += 2;
            await writer.JoinAsync(Token);
            await reader.JoinAsync(Token);
            long startedAt = Stopwatch.GetTimestamp();

            // Everything goes on, whoever died with whichever lock.
            queue.TryEnqueue((0, round));
            Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 2);
            Dictionary<int, int> last = [];
            while (queue.TryDequeue(out (int Writer, int Number) item))
                seen.Enqueue(item, Token);
            Assert.Equal(0, queue.Count);
            int holes = 0;
            while (seen.TryDequeue(out (int Writer, int Number) item))
            {
                if (item.Writer == 0)
                    continue;
                int expected = last.GetValueOrDefault(item.Writer, -1) + 1;
                Assert.True(item.Number >= expected, $"writer {item.Writer}: {item.Number} after {expected - 1}");
                holes += item.Number - expected;
                last[item.Writer] = item.Number;
            }

            // The one that the reader had in hand, between taking it and passing it on.
            Assert.InRange(holes, 0, 1);
        }

        Assert.Equal(2 * Rounds, kills);
    }

    /// <summary>Each item marks its place in an array when it has come: lost ones stay 0, doubled ones become 2.</summary>
    [Fact]
    public async Task ManyItems_WithReadersKilledAllTheTime_AreLostOnlyInDeadHands()
    {
        const int Writers = 4;
        const int Readers = 4;
        const int ItemsEach = 250_000;
        using SharedQueue<int> queue = new(capacity: 50_000);
        using SharedArray<int> history = new(Writers * ItemsEach);
        using SharedArray<int> disorder = new(1);
        await using Pool pool = Pool.Processes(Writers);
        Task writing = Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => pool.RunAsync(QueueWork.WriteNumbers, queue, writer * ItemsEach, ItemsEach)));
        List<WorkerProcess> readers = [.. Enumerable.Range(0, Readers).Select(_ => Start())];
        Random random = new(3);
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
        foreach (WorkerProcess reader in readers)
        {
            await reader.JoinAsync(Token);
            Assert.Null(reader.Exception);
            await reader.DisposeAsync();
        }

        int lost = history.Span.Count(0);
        TestContext.Current.TestOutputHelper!.WriteLine($"{Writers} writers, {Readers} readers, {history.Length:N0} items, {kills} kills: {lost} lost, {history.Length - lost - history.Span.Count(1)} doubled");
        Assert.InRange(lost, 0, kills);
        Assert.Equal(history.Length, lost + history.Span.Count(1));
        Assert.Equal(0, disorder[0]);

        WorkerProcess Start() => WorkerProcess.Start(QueueWork.Mark, queue, history, disorder);
    }

    [Theory]
    [InlineData(72, 0xFFFF_FFFF_0000_0008UL)]
    [InlineData(72, 0x0000_0000_0000_0003UL)]
    [InlineData(72, 0x0000_0000_FFFF_FFF8UL)]
    [InlineData(200, 0x0000_7FFF_0000_0010UL)]
    [InlineData(200, 0UL)]
    public void Control_OverwrittenByAnotherProcess_IsATypedError(int offset, ulong value)
    {
        using SharedQueue<int> queue = new();
        queue.Enqueue(1, Token);
        RawQueue.Write(queue, offset, value);
        Assert.Throws<CorruptSharedMemoryException>(() =>
        {
            queue.TryEnqueue(1);
            queue.TryDequeue(out _);
        });
    }

    [Theory]
    [InlineData(-1L)]
    [InlineData(long.MaxValue)]
    [InlineData(1L << 40)]
    public void Length_OverwrittenByAnotherProcess_IsATypedError(long length)
    {
        using SharedQueue<int> queue = new();
        queue.Enqueue(1, Token);
        RawQueue.Write(queue, RawQueue.FirstMessage, (ulong)length);
        Assert.Throws<CorruptSharedMemoryException>(() => queue.TryDequeue(out _));
    }

    private static class MessageSizes
    {
        public const int Chunk = ManyHands.Queues.MessageLane.ChunkSize;
        public const int JustBelowChunk = Chunk - 30;
    }
}
