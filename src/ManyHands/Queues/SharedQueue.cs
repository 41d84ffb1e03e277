using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Queues;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// A queue that processes share: any number of threads, children, grandchildren and workers of pools put items in and take them out. Pass it to them like any
/// other argument.
/// </summary>
/// <remarks>
/// <para>First in, first out, for all together. An item is there as a whole or not at all, and is taken once, whoever is killed at whatever moment: what a process
/// has enqueued stays when it dies, what one had taken out is lost with it, and the others go on within a second. Where an item must not be lost, take it on lease
/// (<see cref="LeaseAsync"/>): it comes back unless its holder completes it.</para>
/// <para>Items are copied. What may be one is what may be an argument (see the guide on what may travel), but for tokens and progress receivers. An item that holds shared objects only refers to
/// them: they must have a user elsewhere until it is taken out.</para>
/// <para>On Linux only.</para>
/// </remarks>
/// <typeparam name="T">What the items are; the same on all sides.</typeparam>
public sealed class SharedQueue<T> : ISharedQueue<T>, ISharedObject<SharedQueue<T>>, ILeaseHolder, ISelectable, IWaitable, IDisposable
{
    /// <summary>What a queue takes in memory at most if nothing else is said: 1 GiB.</summary>
    public const long DefaultMaximumSize = 1L << 30;

    private const long SmallestSize = 256 * 1024;
    private const int FirstChunks = 3;
    private const int SliceSize = 32 * 1024;

    private readonly SharedBlock block;
    private readonly MessageLane lane;
    private readonly SharedUse use;

    // What this object has on lease; guarded by itself.
    private readonly HashSet<LaneLease> leases = [];

    /// <summary>Makes a queue.</summary>
    /// <param name="capacity">How many items it takes before those that enqueue have to wait; 0 for as many as there is memory for.</param>
    /// <param name="maximumSize">How much memory it may take, in bytes, from 256 KiB. It begins with less, grows when it has to, and keeps what it has.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is negative, or the size is too small or more than 2⁴⁰.</exception>
    /// <exception cref="IOException">There is no memory for it.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public SharedQueue(long capacity = 0, long maximumSize = DefaultMaximumSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        ArgumentOutOfRangeException.ThrowIfLessThan(maximumSize, SmallestSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maximumSize, 1L << 40);
        block = SharedBlock.Create(SharedKind.Queue, MessageLane.SizeOf(FirstChunks), largest: maximumSize);
        MessageLane.Initialize(block, capacity);
        lane = new(block);
        use = new(block);
    }

    private SharedQueue(SharedBlock block)
    {
        this.block = block;
        lane = new(block);
        use = new(block);
    }

    /// <summary>How many items it takes before those that enqueue have to wait; 0 for as many as there is memory for.</summary>
    public long Capacity
    {
        get
        {
            ThrowIfDisposed();
            return lane.Capacity;
        }
    }

    /// <summary>How many items wait at this moment.</summary>
    public long Count
    {
        get
        {
            ThrowIfDisposed();
            return lane.Count;
        }
    }

    /// <summary>How many items are on lease at this moment, in all processes.</summary>
    public int LeasedCount
    {
        get
        {
            ThrowIfDisposed();
            return lane.LeasedCount;
        }
    }

    /// <summary>Whether somebody has called <see cref="Complete"/>. There may still be items.</summary>
    public bool IsCompleted
    {
        get
        {
            ThrowIfDisposed();
            return lane.IsCompleted;
        }
    }

    /// <summary>Adds an item, and waits for room first if the queue is full.</summary>
    /// <param name="item">What to add; it is copied.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="QueueCompletedException">Somebody has called <see cref="Complete"/>.</exception>
    /// <exception cref="UnsendableCallException">The item can't travel, or is larger than the whole queue may be; the message says what to do.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; the item was not added.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    /// <exception cref="IOException">The queue should grow, and the machine has no memory left.</exception>
    public void Enqueue(T item, CancellationToken cancellationToken = default) => TryEnqueue(item, Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Adds an item if there is room now.</summary>
    /// <returns>False if the queue is full.</returns>
    /// <inheritdoc cref="Enqueue"/>
    public bool TryEnqueue(T item) => TryEnqueue(item, TimeSpan.Zero);

    /// <summary>Adds an item, if there is room within that time.</summary>
    /// <param name="item">What to add; it is copied.</param>
    /// <param name="timeout">How long to wait, <see cref="TimeSpan.Zero"/> for not at all, <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False if the queue was full all the time.</returns>
    /// <inheritdoc cref="Enqueue"/>
    public bool TryEnqueue(T item, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        using OutgoingMessages messages = OutgoingMessages.Rent();
        Encode(messages, item);
        return Add(messages, timeout, cancellationToken);
    }

    /// <summary>Adds an item, and waits for room first if the queue is full, without holding a thread.</summary>
    /// <inheritdoc cref="Enqueue"/>
    public async ValueTask EnqueueAsync(T item, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using OutgoingMessages messages = OutgoingMessages.Rent();
        Encode(messages, item);
        await AddAsync(messages, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Adds items at less cost than one by one, and waits for room whenever the queue is full. They keep their order; others' items may come between them.</summary>
    /// <param name="items">What to add; they are drawn and copied in slices of some ten thousand bytes. Where one can't be added, those before it are.</param>
    /// <param name="cancellationToken">Ends the wait; those that were added by then stay.</param>
    /// <inheritdoc cref="Enqueue" path="exception"/>
    public void EnqueueBatch(IEnumerable<T> items, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        cancellationToken.ThrowIfCancellationRequested();
        using IEnumerator<T> source = items.GetEnumerator();
        while (true)
        {
            using OutgoingMessages messages = OutgoingMessages.Rent();
            bool goesOn = EncodeSlice(messages, source, out Exception? failure);
            if (messages.HasMore)
                Add(messages, Timeout.InfiniteTimeSpan, cancellationToken);
            if (failure is not null)
                ExceptionDispatchInfo.Throw(failure);
            if (!goesOn)
                return;
        }
    }

    /// <summary>Adds items at less cost than one by one, without holding a thread while the queue is full.</summary>
    /// <inheritdoc cref="EnqueueBatch"/>
    public async ValueTask EnqueueBatchAsync(IEnumerable<T> items, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        cancellationToken.ThrowIfCancellationRequested();
        using IEnumerator<T> source = items.GetEnumerator();
        while (true)
        {
            using OutgoingMessages messages = OutgoingMessages.Rent();
            bool goesOn = EncodeSlice(messages, source, out Exception? failure);
            if (messages.HasMore)
                await AddAsync(messages, cancellationToken).ConfigureAwait(false);
            if (failure is not null)
                ExceptionDispatchInfo.Throw(failure);
            if (!goesOn)
                return;
        }
    }

    /// <summary>Takes the first item out, and waits for one first if the queue is empty.</summary>
    /// <param name="cancellationToken">Ends the wait; no item was taken then.</param>
    /// <exception cref="QueueCompletedException">The queue is empty, and somebody has called <see cref="Complete"/>.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    /// <exception cref="CorruptSharedMemoryException">Another process has written over the queue.</exception>
    public T Dequeue(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using TakenMessages taken = TakenMessages.Rent();
        return Take(taken, 1, Timeout.InfiniteTimeSpan, cancellationToken) ? Decode(taken[0]) : throw Ended();
    }

    /// <summary>Takes the first item out if there is one now.</summary>
    /// <param name="item">The item.</param>
    /// <returns>False if the queue is empty, whether or not it is completed.</returns>
    /// <inheritdoc cref="Dequeue"/>
    public bool TryDequeue([MaybeNullWhen(false)] out T item) => TryDequeue(out item, TimeSpan.Zero);

    /// <summary>Takes the first item out, if there is one within that time.</summary>
    /// <param name="item">The item.</param>
    /// <param name="timeout">How long to wait, <see cref="TimeSpan.Zero"/> for not at all, <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False if the queue was empty all the time, or is empty and completed.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    /// <exception cref="CorruptSharedMemoryException">Another process has written over the queue.</exception>
    public bool TryDequeue([MaybeNullWhen(false)] out T item, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        using TakenMessages taken = TakenMessages.Rent();
        bool isTaken = Take(taken, 1, timeout, cancellationToken);
        item = isTaken ? Decode(taken[0]) : default;
        return isTaken;
    }

    /// <summary>Takes the first item out, and waits for one first if the queue is empty, without holding a thread.</summary>
    /// <inheritdoc cref="Dequeue"/>
    public async ValueTask<T> DequeueAsync(CancellationToken cancellationToken = default)
    {
        using TakenMessages taken = TakenMessages.Rent();
        return await TakeAsync(taken, 1, cancellationToken).ConfigureAwait(false) ? Decode(taken[0]) : throw Ended();
    }

    /// <summary>Takes out what is there, at less cost than one by one, and waits for the first item if the queue is empty.</summary>
    /// <param name="most">How many items at most, from 1. Where they are large, fewer come: after 64 KiB no more are added.</param>
    /// <param name="cancellationToken">Ends the wait; no item was taken then.</param>
    /// <returns>One item or more, in their order; none if the queue is empty and completed. All of them are lost if the process dies with them.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Less than 1.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    /// <exception cref="CorruptSharedMemoryException">Another process has written over the queue.</exception>
    public T[] DequeueBatch(int most, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        cancellationToken.ThrowIfCancellationRequested();
        using TakenMessages taken = TakenMessages.Rent();
        Take(taken, most, Timeout.InfiniteTimeSpan, cancellationToken);
        return DecodeAll(taken);
    }

    /// <summary>Takes out what is there, and waits for the first item without holding a thread.</summary>
    /// <inheritdoc cref="DequeueBatch"/>
    public async ValueTask<T[]> DequeueBatchAsync(int most, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        using TakenMessages taken = TakenMessages.Rent();
        await TakeAsync(taken, most, cancellationToken).ConfigureAwait(false);
        return DecodeAll(taken);
    }

    /// <summary>Takes items out until the queue is empty and completed. Several readers share them.</summary>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <inheritdoc cref="Dequeue" path="exception"/>
    public async IAsyncEnumerable<T> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            T item;
            using TakenMessages taken = TakenMessages.Rent();
            if (!await TakeAsync(taken, 1, cancellationToken).ConfigureAwait(false))
                yield break;
            item = Decode(taken[0]);

            yield return item;
        }
    }

    /// <inheritdoc cref="ReadAllAsync"/>
    public IEnumerable<T> ReadAll(CancellationToken cancellationToken = default)
    {
        while (TryDequeue(out T? item, Timeout.InfiniteTimeSpan, cancellationToken))
            yield return item;
    }

    /// <summary>
    /// Takes the first item on lease, and waits for one first if the queue is empty: if this process dies with it, it comes back for somebody else, as it does when the lease
    /// is abandoned or its time is over. So an item that is not completed is given out again, and <see cref="QueueLease{T}.IsRedelivered"/> says so.
    /// </summary>
    /// <param name="duration">How long this process may take before the item comes back, from one millisecond; null for as long as it lives. A process that is stopped or hangs lives.</param>
    /// <param name="cancellationToken">Ends the wait; no item was taken then.</param>
    /// <exception cref="ArgumentOutOfRangeException">The duration is not positive.</exception>
    /// <exception cref="IOException">65,472 items are on lease already, or the machine has no memory left for another.</exception>
    /// <inheritdoc cref="Dequeue" path="exception"/>
    public QueueLease<T> Lease(TimeSpan? duration = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Lease(Timeout.InfiniteTimeSpan, duration, cancellationToken) ?? throw Ended();
    }

    /// <summary>Takes the first item on lease, if there is one within that time.</summary>
    /// <param name="lease">The item and the right to it.</param>
    /// <param name="timeout">How long to wait, <see cref="TimeSpan.Zero"/> for not at all, <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="duration">How long this process may take before the item comes back, from one millisecond; null for as long as it lives.</param>
    /// <param name="cancellationToken">Ends the wait; no item was taken then.</param>
    /// <returns>False if the queue was empty all the time, or is empty and completed and nothing is on lease.</returns>
    /// <inheritdoc cref="Lease(TimeSpan?, CancellationToken)" path="exception"/>
    public bool TryLease([NotNullWhen(true)] out QueueLease<T>? lease, TimeSpan timeout = default, TimeSpan? duration = null, CancellationToken cancellationToken = default)
    {
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        lease = Lease(timeout, duration, cancellationToken);
        return lease is not null;
    }

    /// <summary>Takes the first item on lease, and waits for one first without holding a thread: if this process dies with it, it comes back for somebody else.</summary>
    /// <inheritdoc cref="Lease(TimeSpan?, CancellationToken)"/>
    public async ValueTask<QueueLease<T>> LeaseAsync(TimeSpan? duration = null, CancellationToken cancellationToken = default) =>
        await LeaseOrEndAsync(duration, cancellationToken).ConfigureAwait(false) ?? throw Ended();

    /// <summary>Takes items on lease, one after the other, until the queue is empty and completed and no lease is left from which one could come back.</summary>
    /// <param name="duration">How long this process may take for each.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <inheritdoc cref="Lease(TimeSpan?, CancellationToken)" path="exception"/>
    public async IAsyncEnumerable<QueueLease<T>> LeaseAllAsync(TimeSpan? duration = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await LeaseOrEndAsync(duration, cancellationToken).ConfigureAwait(false) is { } lease)
            yield return lease;
    }

    /// <summary>Waits until no item waits and none is on lease: until all that were enqueued are done.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public void Join(CancellationToken cancellationToken = default) => Join(Timeout.InfiniteTimeSpan, cancellationToken);

    /// <param name="timeout">How long to wait at most.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False if the time was over before.</returns>
    /// <inheritdoc cref="Join(CancellationToken)"/>
    public bool Join(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        return new Joining(this).Run(timeout, cancellationToken);
    }

    /// <summary>Waits without holding a thread.</summary>
    /// <inheritdoc cref="Join(CancellationToken)"/>
    public async ValueTask JoinAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await new Joining(this).RunAsync(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Says, to all processes, that no more items will come. Those that are there can still be taken out; whoever waits for more is told.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public void Complete()
    {
        use.Begin(this);
        try
        {
            lane.Complete();
        }
        finally
        {
            use.End();
        }
    }

    /// <summary>
    /// This process has no more use for the queue; its waiting callers get <see cref="ObjectDisposedException"/>, and what this object has on lease comes back. Others go on, and the items
    /// stay as long as one has it.
    /// </summary>
    public void Dispose()
    {
        if (!use.Dispose())
            return;
        LaneLease[] held;
        lock (leases)
        {
            held = [.. leases];
            leases.Clear();
        }

        foreach (LaneLease lease in held)
            lane.Settle(lease, LeaseEnd.Abandoned);
        lane.WakeAll();
        use.End();
    }

    /// <inheritdoc/>
    public override string ToString() => $"SharedQueue<{typeof(T).Name}>";

    SharedReference ISharedObject<SharedQueue<T>>.Refer()
    {
        ThrowIfDisposed();
        return block.Refer();
    }

    static SharedQueue<T> ISharedObject<SharedQueue<T>>.Attach(in SharedReference reference) => new(SharedBlock.Attach(in reference, SharedKind.Queue));

    Spinning? IWaitable.Spinning { get; } = new();

    void IWaitable.ThrowIfDisposed() => ThrowIfDisposed();

    bool ISelectable.IsReady(bool thorough)
    {
        use.Begin(this);
        try
        {
            // Asked for before the look: what was added before the completion is seen.
            bool isCompleted = lane.IsCompleted;
            if (thorough && lane.IsEmpty)
                lane.Tend();
            return !lane.IsEmpty || (isCompleted && lane.IsIdle);
        }
        finally
        {
            use.End();
        }
    }

    WaitWord ISelectable.WaitWord => lane.Messages.WaitWord;

    void ISelectable.PassOn() => lane.PassOnMessages();

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(use.IsDisposed, this);

    ValueTask<bool> ILeaseHolder.SettleAsync(LaneLease lease, LeaseEnd end, TimeSpan? duration, CancellationToken token) => new(Settle(lease, end, duration));

    bool ILeaseHolder.Settle(LaneLease lease, LeaseEnd end, TimeSpan? duration) => Settle(lease, end, duration);

    private bool Settle(LaneLease lease, LeaseEnd end, TimeSpan? duration = null)
    {
        use.Begin(this);
        try
        {
            bool isHeld = lane.Settle(lease, end, Milliseconds(duration));
            if (end != LeaseEnd.Renewed || !isHeld)
            {
                lock (leases)
                    leases.Remove(lease);
            }

            return isHeld;
        }
        finally
        {
            use.End();
        }
    }

    private static QueueCompletedException Ended() => new("The queue is empty and was completed: nothing will come any more.");

    // Never earlier than it is said.
    private static long Milliseconds(TimeSpan? duration)
    {
        if (duration is not { } time || time == Timeout.InfiniteTimeSpan)
            return long.MaxValue;
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(time, TimeSpan.Zero, nameof(duration));
        return (long)Math.Min(Math.Ceiling(time.TotalMilliseconds), long.MaxValue / 4);
    }

    private void Encode(OutgoingMessages messages, T item)
    {
        ThrowIfDisposed();
        try
        {
            int size = messages.Add(item);
            if (size > lane.LargestMessage)
                throw new UnsendableCallException($"The item takes {size:N0} bytes, and the whole queue may take {block.BodySize:N0}. Give the queue a larger maximumSize, or put the data into a SharedArray and enqueue that.");
        }
        catch (Exception failure) when (failure is UnsendableValueException or PayloadTooLargeException)
        {
            throw new UnsendableCallException($"SharedQueue<{TypeNames.Of(typeof(T))}>: the item can't travel: {ExceptionText.MessageOf(failure)}", failure);
        }
    }

    // What was encoded before a failure is whole, and is to be added before it is told.
    private bool EncodeSlice(OutgoingMessages messages, IEnumerator<T> source, out Exception? failure)
    {
        failure = null;
        try
        {
            while (messages.Size < SliceSize)
            {
                if (!source.MoveNext())
                    return false;
                Encode(messages, source.Current);
            }

            return true;
        }
        catch (Exception thrown)
        {
            messages.DropUnfinished(lane.LargestMessage);
            failure = thrown;
            return false;
        }
    }

    private static T Decode(ReadOnlyMemory<byte> message)
    {
        try
        {
            PayloadReader reader = new(message);
            return Codec<T>.Instance.Read(ref reader);
        }
        catch (InvalidPayloadException damage)
        {
            throw new CorruptSharedMemoryException($"An item of the queue isn't a {TypeNames.Of(typeof(T))}: {ExceptionText.MessageOf(damage)}", damage);
        }
    }

    private static T[] DecodeAll(TakenMessages taken)
    {
        T[] items = new T[taken.Count];
        for (int i = 0; i < items.Length; i++)
            items[i] = Decode(taken[i]);
        return items;
    }

    private bool Add(OutgoingMessages messages, TimeSpan timeout, CancellationToken token)
    {
        LaneTurn turn = default;
        return AddNow(messages, ref turn, thorough: false, out _) == AddResult.Added || new Adding(this, messages, turn).Run(timeout, token);
    }

    private async ValueTask AddAsync(OutgoingMessages messages, CancellationToken token)
    {
        LaneTurn turn = default;
        if (AddNow(messages, ref turn, thorough: false, out _) != AddResult.Added)
            await new Adding(this, messages, turn).RunAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);
    }

    private AddResult AddNow(OutgoingMessages messages, ref LaneTurn turn, bool thorough, out WaitWord until)
    {
        use.Begin(this);
        try
        {
            AddResult result = lane.TryAdd(messages, ref turn, thorough, out until);
            return result != AddResult.Completed ? result : throw new QueueCompletedException("The queue was completed: nothing can be added any more.");
        }
        finally
        {
            use.End();
        }
    }

    // False if the time is over or the queue has ended.
    private bool Take(TakenMessages taken, int most, TimeSpan timeout, CancellationToken token)
    {
        LaneTurn turn = default;
        return TakeNow(taken, most, ref turn, thorough: false, out _) || (new Taking(this, taken, most, turn).Run(timeout, token) && taken.Count > 0);
    }

    private async ValueTask<bool> TakeAsync(TakenMessages taken, int most, CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        LaneTurn turn = default;
        if (TakeNow(taken, most, ref turn, thorough: false, out _))
            return true;
        await new Taking(this, taken, most, turn).RunAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);
        return taken.Count > 0;
    }

    private bool TakeNow(TakenMessages taken, int most, ref LaneTurn turn, bool thorough, out WaitWord until)
    {
        use.Begin(this);
        try
        {
            return lane.TryTake(taken, most, ref turn, thorough, out until);
        }
        finally
        {
            use.End();
        }
    }

    // Null if the time is over or the queue has ended.
    private QueueLease<T>? Lease(TimeSpan timeout, TimeSpan? duration, CancellationToken token)
    {
        using TakenMessages taken = TakenMessages.Rent();
        Taking taking = new(this, taken, 1, default) { Duration = Milliseconds(duration), IsLease = true };
        return taking.Run(timeout, token) ? Granted(taking, taken) : null;
    }

    private async ValueTask<QueueLease<T>?> LeaseOrEndAsync(TimeSpan? duration, CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        using TakenMessages taken = TakenMessages.Rent();
        Taking taking = new(this, taken, 1, default) { Duration = Milliseconds(duration), IsLease = true };
        await taking.RunAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);
        return Granted(taking, taken);
    }

    private QueueLease<T>? Granted(Taking taking, TakenMessages taken)
    {
        if (taken.Count == 0)
            return null;
        try
        {
            return new(this, taking.Lease, Decode(taken[0]));
        }
        catch
        {
            // It would be as unreadable for everyone else.
            Settle(taking.Lease, LeaseEnd.Completed);
            throw;
        }
    }

    // Disposal returns what is on lease; so either it sees this one, or this sees that it was disposed of.
    private void Hold(LaneLease lease)
    {
        lock (leases)
        {
            if (!use.IsDisposed)
            {
                leases.Add(lease);
                return;
            }
        }

        lane.Settle(lease, LeaseEnd.Abandoned);
        ThrowIfDisposed();
    }

    private sealed class Adding(SharedQueue<T> queue, OutgoingMessages messages, LaneTurn turn) : WaitAttempt(queue)
    {
        private LaneTurn turn = turn;
        private AddResult result;

        protected override bool IsReadyAtAGlance => queue.lane.HasRoomAtAGlance;

        protected override bool WasInTheMiddle => result == AddResult.Busy && IsReadyAtAGlance;

        protected override bool Try(bool thorough, out WaitWord until)
        {
            result = queue.AddNow(messages, ref turn, thorough, out until);
            if (result != AddResult.NoRoom)
                return result == AddResult.Added;
            WaitWord room = queue.lane.Room.WaitWord;
            result = queue.AddNow(messages, ref turn, thorough, out until);
            if (result == AddResult.NoRoom)
                until = room;
            return result == AddResult.Added;
        }

        protected override void GiveUp() => queue.lane.PassOnRoom();
    }

    private sealed class Taking(SharedQueue<T> queue, TakenMessages taken, int most, LaneTurn turn) : WaitAttempt(queue)
    {
        private LaneTurn turn = turn;
        private LaneLease lease;
        private bool wasBusy;

        public bool IsLease { get; init; }

        public long Duration { get; init; }

        public LaneLease Lease => lease;

        protected override bool IsReadyAtAGlance => !queue.lane.IsEmpty || queue.lane.IsCompleted;

        protected override bool WasInTheMiddle => wasBusy && !queue.lane.IsEmpty;

        protected override bool Try(bool thorough, out WaitWord until)
        {
            wasBusy = false;
            if (TryOnce(thorough, out until) || (wasBusy = until != default))
                return until == default;
            WaitWord messages = queue.lane.Messages.WaitWord;
            if (TryOnce(thorough, out until))
                return true;
            wasBusy = until != default;
            if (!wasBusy)
                until = messages;
            return false;
        }

        protected override void GiveUp() => queue.lane.PassOnMessages();

        // True also at the end, with nothing taken. False without anything to sleep on if the queue is empty.
        private bool TryOnce(bool thorough, out WaitWord until)
        {
            // Asked for before the look: what was added before the completion is seen.
            bool isCompleted = queue.lane.IsCompleted;
            bool isTaken = IsLease ? LeaseNow(thorough, out until) : queue.TakeNow(taken, most, ref turn, thorough, out until);
            return isTaken || (until == default && isCompleted && queue.lane.IsIdle);
        }

        private bool LeaseNow(bool thorough, out WaitWord until)
        {
            queue.use.Begin(queue);
            try
            {
                if (!queue.lane.TryLease(taken, Duration, out lease, ref turn, thorough, out until))
                    return false;
                queue.Hold(lease);
                return true;
            }
            finally
            {
                queue.use.End();
            }
        }
    }

    private sealed class Joining(SharedQueue<T> queue) : WaitAttempt(queue)
    {
        protected override bool Try(bool thorough, out WaitWord until)
        {
            until = default;
            queue.use.Begin(queue);
            try
            {
                if (thorough)
                    queue.lane.Tend();
                if (queue.lane.IsIdle)
                    return true;
                until = queue.lane.Idle.WaitWord;
                return queue.lane.IsIdle;
            }
            finally
            {
                queue.use.End();
            }
        }
    }
}
