using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using ManyHands.Platform;
using ManyHands.Queues;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A manager's queue, as its users have it.</summary>
internal sealed class RemoteQueue<T>(ManagerLink link, string name) : RemoteObject(link, name, ObjectKind.Queue, ItemFormat<T>.TypeName), ISharedQueue<T>, ILeaseHolder
{
    private const int SliceBytes = 32 * 1024;
    private static readonly byte[] One = BitConverter.GetBytes(1);

    // Under which connection each lease was got.
    private readonly ConcurrentDictionary<ulong, object?> epochs = new();

    public long Capacity => State().Capacity;

    public long Count => State().Waiting;

    public int LeasedCount => State().Leased;

    public bool IsCompleted => State().IsCompleted;

    public void Enqueue(T item, CancellationToken cancellationToken = default) => TryEnqueue(item, Timeout.InfiniteTimeSpan, cancellationToken);

    public bool TryEnqueue(T item) => TryEnqueue(item, TimeSpan.Zero);

    public bool TryEnqueue(T item, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        WaitAttempt.Checked(timeout);
        using PayloadWriter body = new();
        body.WriteUnmanaged(1);
        Encode(body, item, "item");
        return Added(Ask(Operation.Enqueue, body.WrittenMemory, timeout, RequestTraits.AnswerIsAwaited, token: cancellationToken), cancellationToken) == 1;
    }

    public ValueTask EnqueueAsync(T item, CancellationToken cancellationToken = default)
    {
        using PayloadWriter body = new();
        body.WriteUnmanaged(1);
        Encode(body, item, "item");
        Task<ReadOnlyMemory<byte>> answer = AskAsync(Operation.Enqueue, body.WrittenMemory, Timeout.InfiniteTimeSpan, RequestTraits.AnswerIsAwaited, token: cancellationToken);
        return answer.IsCompletedSuccessfully && Added(answer.Result, cancellationToken) == 1 ? default : Finish(answer);

        async ValueTask Finish(Task<ReadOnlyMemory<byte>> sent) => Added(await sent.ConfigureAwait(false), cancellationToken);
    }

    public void EnqueueBatch(IEnumerable<T> items, CancellationToken cancellationToken = default) => EnqueueBatchAsync(items, cancellationToken).AsTask().GetAwaiter().GetResult();

    public async ValueTask EnqueueBatchAsync(IEnumerable<T> items, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        using IEnumerator<T> source = items.GetEnumerator();
        using PayloadWriter body = new();
        bool goesOn = true;
        while (goesOn)
        {
            body.Clear();
            body.WriteUnmanaged(0);
            int count = 0;
            while (body.Length < SliceBytes && (goesOn = source.MoveNext()))
            {
                Encode(body, source.Current, "item");
                count++;
            }

            body.PatchInt32(0, count);
            if (count > 0)
                Added(await AskAsync(Operation.Enqueue, body.WrittenMemory, Timeout.InfiniteTimeSpan, RequestTraits.AnswerIsAwaited, token: cancellationToken).ConfigureAwait(false), cancellationToken);
        }
    }

    public T Dequeue(CancellationToken cancellationToken = default) => TryDequeue(out T? item, Timeout.InfiniteTimeSpan, cancellationToken) ? item : throw Ended();

    public bool TryDequeue([MaybeNullWhen(false)] out T item) => TryDequeue(out item, TimeSpan.Zero);

    public bool TryDequeue([MaybeNullWhen(false)] out T item, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        WaitAttempt.Checked(timeout);
        ReadOnlyMemory<byte> answer = Ask(Operation.Dequeue, One, timeout, RequestTraits.Repeatable, GiveBackMany, cancellationToken);
        return Taken(answer, out item);
    }

    public ValueTask<T> DequeueAsync(CancellationToken cancellationToken = default)
    {
        Task<ReadOnlyMemory<byte>> answer = AskAsync(Operation.Dequeue, One, Timeout.InfiniteTimeSpan, RequestTraits.Repeatable, GiveBackMany, cancellationToken);
        return answer.IsCompletedSuccessfully ? new(Taken(answer.Result, out T? item) ? item : throw Ended()) : Finish(answer);

        async ValueTask<T> Finish(Task<ReadOnlyMemory<byte>> sent) => Taken(await sent.ConfigureAwait(false), out T? later) ? later : throw Ended();
    }

    public T[] DequeueBatch(int most, CancellationToken cancellationToken = default) => DequeueBatchAsync(most, cancellationToken).AsTask().GetAwaiter().GetResult();

    public async ValueTask<T[]> DequeueBatchAsync(int most, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        ReadOnlyMemory<byte> answer = await AskAsync(Operation.Dequeue, BitConverter.GetBytes(most), Timeout.InfiniteTimeSpan, RequestTraits.Repeatable, GiveBackMany, cancellationToken).ConfigureAwait(false);
        return Read(answer, static (ref reader) =>
        {
            if ((TakeResult)reader.ReadByte() != TakeResult.Taken)
                return [];
            T[] items = new T[reader.ReadCount(sizeof(long) + sizeof(int))];
            for (int i = 0; i < items.Length; i++)
            {
                reader.ReadUnmanaged<long>();
                items[i] = Decode<T>(ref reader);
            }

            return items;
        });
    }

    public IEnumerable<T> ReadAll(CancellationToken cancellationToken = default)
    {
        while (TryDequeue(out T? item, Timeout.InfiniteTimeSpan, cancellationToken))
            yield return item;
    }

    public async IAsyncEnumerable<T> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            ReadOnlyMemory<byte> answer = await AskAsync(Operation.Dequeue, One, Timeout.InfiniteTimeSpan, RequestTraits.Repeatable, GiveBackMany, cancellationToken).ConfigureAwait(false);
            if (!Taken(answer, out T? item))
                yield break;
            yield return item;
        }
    }

    public QueueLease<T> Lease(TimeSpan? duration = null, CancellationToken cancellationToken = default) =>
        Granted(Ask(Operation.Lease, DurationOf(duration), Timeout.InfiniteTimeSpan, RequestTraits.Repeatable, GiveBackLease, cancellationToken)) ?? throw Ended();

    public bool TryLease([NotNullWhen(true)] out QueueLease<T>? lease, TimeSpan timeout = default, TimeSpan? duration = null, CancellationToken cancellationToken = default)
    {
        WaitAttempt.Checked(timeout);
        lease = Granted(Ask(Operation.Lease, DurationOf(duration), timeout, RequestTraits.Repeatable, GiveBackLease, cancellationToken));
        return lease is not null;
    }

    public async ValueTask<QueueLease<T>> LeaseAsync(TimeSpan? duration = null, CancellationToken cancellationToken = default) =>
        await LeaseOrEndAsync(duration, cancellationToken).ConfigureAwait(false) ?? throw Ended();

    public async IAsyncEnumerable<QueueLease<T>> LeaseAllAsync(TimeSpan? duration = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await LeaseOrEndAsync(duration, cancellationToken).ConfigureAwait(false) is { } lease)
            yield return lease;
    }

    public void Join(CancellationToken cancellationToken = default) => Join(Timeout.InfiniteTimeSpan, cancellationToken);

    public bool Join(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        WaitAttempt.Checked(timeout);
        return Ask(Operation.Join, default, timeout, RequestTraits.Repeatable, token: cancellationToken).Span[0] == 1;
    }

    public async ValueTask JoinAsync(CancellationToken cancellationToken = default) =>
        await AskAsync(Operation.Join, default, Timeout.InfiniteTimeSpan, RequestTraits.Repeatable, token: cancellationToken).ConfigureAwait(false);

    public void Complete() => Ask(Operation.Complete, traits: RequestTraits.Repeatable);

    public bool Settle(LaneLease lease, LeaseEnd end, TimeSpan? duration) => SettleAsync(lease, end, duration, CancellationToken.None).AsTask().GetAwaiter().GetResult();

    public async ValueTask<bool> SettleAsync(LaneLease lease, LeaseEnd end, TimeSpan? duration, CancellationToken token)
    {
        // A new connection is a new holder: the manager has taken the item back.
        if (!Link.IsCurrent(epochs.TryGetValue(lease.Ticket, out object? epoch) ? epoch : null))
        {
            epochs.TryRemove(lease.Ticket, out _);
            return false;
        }

        ReadOnlyMemory<byte> answer = await AskAsync(Operation.Settle, SettleBody(lease.Ticket, end, duration), token: token).ConfigureAwait(false);
        if (end != LeaseEnd.Renewed)
            epochs.TryRemove(lease.Ticket, out _);
        return answer.Span[0] == 1;
    }

    protected override void DisposeOnce()
    {
        foreach (ulong ticket in epochs.Keys)
        {
            if (epochs.TryRemove(ticket, out object? epoch) && Link.IsCurrent(epoch))
                Link.Post(this, Operation.Settle, SettleBody(ticket, LeaseEnd.Abandoned, null));
        }
    }

    private static QueueCompletedException Ended() => new("The queue is empty and was completed: nothing will come any more.");

    private static byte[] DurationOf(TimeSpan? duration) => BitConverter.GetBytes(Milliseconds(duration));

    private static long Milliseconds(TimeSpan? duration)
    {
        if (duration is not { } time || time == Timeout.InfiniteTimeSpan)
            return -1;
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(time, TimeSpan.Zero, nameof(duration));
        return (long)Math.Min(Math.Ceiling(time.TotalMilliseconds), int.MaxValue);
    }

    private static byte[] SettleBody(ulong ticket, LeaseEnd end, TimeSpan? duration)
    {
        using PayloadWriter body = new(32);
        body.WriteUnmanaged(ticket);
        body.WriteByte((byte)end);
        body.WriteUnmanaged(Milliseconds(duration));
        return body.WrittenSpan.ToArray();
    }

    private int Added(ReadOnlyMemory<byte> answer, CancellationToken token)
    {
        int added = Read(answer, static (ref reader) => reader.ReadUnmanaged<int>());
        if (added == 0)
            token.ThrowIfCancellationRequested();
        return added;
    }

    private bool Taken(ReadOnlyMemory<byte> answer, [MaybeNullWhen(false)] out T item)
    {
        (bool isTaken, item) = Read(answer, static (ref reader) =>
        {
            if ((TakeResult)reader.ReadByte() != TakeResult.Taken || reader.ReadCount(sizeof(long) + sizeof(int)) == 0)
                return (false, default(T)!);
            reader.ReadUnmanaged<long>();
            return (true, Decode<T>(ref reader));
        });
        return isTaken;
    }

    private async ValueTask<QueueLease<T>?> LeaseOrEndAsync(TimeSpan? duration, CancellationToken token) =>
        Granted(await AskAsync(Operation.Lease, DurationOf(duration), Timeout.InfiniteTimeSpan, RequestTraits.Repeatable, GiveBackLease, token).ConfigureAwait(false));

    private QueueLease<T>? Granted(ReadOnlyMemory<byte> answer)
    {
        object? epoch = Link.Epoch;
        ulong ticket = 0;
        try
        {
            return Read(answer, (ref reader) =>
            {
                if ((TakeResult)reader.ReadByte() != TakeResult.Taken)
                    return null;
                ticket = reader.ReadUnmanaged<ulong>();
                int deliveries = reader.ReadUnmanaged<int>();
                epochs[ticket] = epoch;
                return new QueueLease<T>(this, new LaneLease(0, ticket, deliveries), Decode<T>(ref reader));
            });
        }
        catch (ManagerException)
        {
            // It would be as unreadable for everyone else.
            if (ticket != 0 && epochs.TryRemove(ticket, out _))
                Link.Post(this, Operation.Settle, SettleBody(ticket, LeaseEnd.Completed, null));
            throw;
        }
    }

    // Nobody waits for it any more.
    private void GiveBackLease(ReadOnlyMemory<byte> answer)
    {
        PayloadReader reader = new(answer);
        if ((TakeResult)reader.ReadByte() == TakeResult.Taken)
            Link.Post(this, Operation.Settle, SettleBody(reader.ReadUnmanaged<ulong>(), LeaseEnd.Abandoned, null));
    }

    private void GiveBackMany(ReadOnlyMemory<byte> answer)
    {
        PayloadReader reader = new(answer);
        if ((TakeResult)reader.ReadByte() != TakeResult.Taken)
            return;
        for (int count = reader.ReadCount(1); count > 0; count--)
        {
            Link.Post(this, Operation.Settle, SettleBody(reader.ReadUnmanaged<ulong>(), LeaseEnd.Abandoned, null));
            reader.ReadBytes(reader.ReadCount(1));
        }
    }

    private (long Capacity, long Waiting, int Leased, bool IsCompleted) State() => Read(
        Ask(Operation.QueueState, traits: RequestTraits.Repeatable),
        static (ref reader) => (reader.ReadUnmanaged<long>(), reader.ReadUnmanaged<long>(), reader.ReadUnmanaged<int>(), reader.ReadByte() != 0));
}
