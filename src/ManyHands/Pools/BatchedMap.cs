using System.Runtime.ExceptionServices;
using ManyHands.Calls;
using ManyHands.Platform;

namespace ManyHands.Pools;

/// <summary>A map over a process pool, not yet begun; each enumeration is a run of its own.</summary>
internal sealed class BatchedMap<T, TResult>(
    ProcessPool pool, SegmentPool? segments, Delegate function, MapSource<T> source, CallOptions? options, bool inOrder, CancellationToken token)
    : IAsyncEnumerable<TResult>
{
    public IAsyncEnumerator<TResult> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
        new BatchedMapRun<T, TResult>(pool, segments, function, source, options ?? CallOptions.Default, inOrder, token, cancellationToken);
}

/// <summary>
/// A map over a process pool under way. A feeder takes items and sends them in batches, as many in one as take about a tenth of a millisecond, judged by those before; the
/// consumer takes results item by item. Two bounds hold the feeder back: enough batches are under way to keep every worker busy, or too many results wait to be
/// taken. The second is wider than the first, so that one slow item at the head of an ordered map doesn't idle the workers behind it.
/// </summary>
#pragma warning disable CA1001 // The token source is disposed where the enumeration ends, which is where the map ends.
internal sealed class BatchedMapRun<T, TResult> : IAsyncEnumerator<TResult>
#pragma warning restore CA1001
{
    private const int LargestBatch = 2048;
    private const int MostAhead = 1024;
    private const int MostBriefAhead = 16 * 1024;
    private static readonly TimeSpan BatchTime = TimeSpan.FromMicroseconds(100);

    private readonly ProcessPool pool;
    private readonly Delegate function;
    private readonly MapSource<T> source;
    private readonly bool inOrder;
    private readonly CancellationToken token;
    private readonly CancellationToken enumeratorToken;
    private readonly CancellationTokenSource stop = new();
    private readonly CancellationToken stopToken;
    private readonly Lock gate = new();
    private readonly Queue<MapBatch<T, TResult>> ready = new();
    private MapBatch<T, TResult>? head;
    private MapBatch<T, TResult>? tail;
    private MapBatch<T, TResult>? current;
    private int available;
    private int underWay;
    private int notTaken;
    private bool failed;
    private Exception? feederFailure;
    private Exception? firstFailure;
    private bool feederEnded;
    private TaskCompletionSource? consumerWaits;
    private TaskCompletionSource? feederWaits;
    private TaskCompletionSource? allEnded;
    private Task? feeder;
    private CancellationTokenRegistration registration;
    private CancellationTokenRegistration enumeratorRegistration;
    private bool over;
    private double itemNanoseconds;
    private int largestSoFar = 1;

    public BatchedMapRun(
        ProcessPool pool, SegmentPool? segments, Delegate function, MapSource<T> source, CallOptions options, bool inOrder, CancellationToken token, CancellationToken enumeratorToken)
    {
        this.pool = pool;
        this.function = function;
        this.source = source;
        this.inOrder = inOrder;
        this.token = token;
        this.enumeratorToken = enumeratorToken;
        stopToken = stop.Token;
        Segments = segments;
        Options = options;
    }

    public TResult Current { get; private set; } = default!;

    public SegmentPool? Segments { get; }

    public CallOptions Options { get; }

    /// <summary>The function as workers know it; known once the feeder runs.</summary>
    public FunctionReference Function { get; private set; } = null!;

    /// <summary>Cancels every call of the map. Calls may ask for it when the map is over: what comes back from a worker then still has to end.</summary>
    public CancellationToken StopToken => stopToken;

    public bool IsInOrder => inOrder;

    private bool IsCanceled => token.IsCancellationRequested || enumeratorToken.IsCancellationRequested;

    public ValueTask<bool> MoveNextAsync()
    {
        MapBatch<T, TResult>? batch = current;
        if (batch is null || batch.Taken >= available || IsCanceled)
            return MoveNextSlowly();
        Current = batch[batch.Taken++];
        return new(true);
    }

    public async ValueTask DisposeAsync()
    {
        if (feeder is null || over)
        {
            over = true;
            return;
        }

        over = true;

        // Whether by the end, an exception or a break: nothing of this map runs on after it.
        await stop.CancelAsync().ConfigureAwait(false);
        lock (gate)
        {
            failed = true;
            WakeFeeder();
        }

        await feeder.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await CallsEnded().ConfigureAwait(false);

        // One of them may be on its way at this moment.
        await registration.DisposeAsync().ConfigureAwait(false);
        await enumeratorRegistration.DisposeAsync().ConfigureAwait(false);
        stop.Dispose();
    }

    /// <summary>Results have come that the consumer may not know of.</summary>
    public void OnResults(MapBatch<T, TResult> batch)
    {
        lock (gate)
            TellConsumer(batch);
    }

    /// <summary>No more results of a batch count, but it hasn't ended.</summary>
    public void OnBroken(MapBatch<T, TResult> batch)
    {
        lock (gate)
        {
            failed = true;
            TellConsumer(batch);
            WakeFeeder();
        }
    }

    /// <summary>No more results will come from a batch.</summary>
    public void OnFinished(MapBatch<T, TResult> batch)
    {
        lock (gate)
        {
            underWay--;
            failed |= batch.Failure is not null;
            if (batch.RunTime > TimeSpan.Zero && batch.Count > 0)
                Learn(batch.RunTime.TotalNanoseconds / batch.Count, batch.Count);
            TellConsumer(batch);
            WakeFeeder();
            if (underWay == 0)
            {
                allEnded?.TrySetResult();

                // It may have taken the last result before this, and waits for nothing but the end.
                WakeConsumer();
            }
        }
    }

    /// <summary>The rest of a batch has become one of its own.</summary>
    public void OnSplit(MapBatch<T, TResult> front, MapBatch<T, TResult> rest)
    {
        lock (gate)
        {
            underWay++;
            if (!inOrder)
                return;
            rest.Next = front.Next;
            front.Next = rest;
            if (tail == front)
                tail = rest;
        }
    }

    private async ValueTask<bool> MoveNextSlowly()
    {
        if (over)
            return false;
        if (feeder is null)
        {
            registration = Guarded.OnCanceled(GuardedEntry.MapCancellation, token, this, static map => map.OnCanceled(), static map => $"the map of {map.function.Method.Name}", static (map, _) => map.OnCanceled());
            enumeratorRegistration = Guarded.OnCanceled(GuardedEntry.MapCancellation, enumeratorToken, this, static map => map.OnCanceled(), static map => $"the map of {map.function.Method.Name}", static (map, _) => map.OnCanceled());
            feeder = Task.Run(FeedAsync, CancellationToken.None);
        }

        while (true)
        {
            Task wait;
            lock (gate)
            {
                if (IsCanceled)
                    break;
                if (TryTake(out Exception? failure))
                    return true;
                if (failure is not null || (feederEnded && underWay == 0 && head is null && ready.Count == 0 && current is null))
                {
                    feederFailure = failure ?? feederFailure;
                    break;
                }

                wait = (consumerWaits ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await wait.ConfigureAwait(false);
        }

        // The enumerator's end is the map's: what fails ends as well.
        await DisposeAsync().ConfigureAwait(false);
        if (IsCanceled)
            throw new OperationCanceledException(token.IsCancellationRequested ? token : enumeratorToken);
        if (feederFailure is not null)
            ExceptionDispatchInfo.Throw(feederFailure);
        return false;
    }

    private void OnCanceled()
    {
        Guarded.Watch(GuardedEntry.MapCancellation, stop.CancelAsync(), this, static map => $"the map of {map.function.Method.Name}");
        lock (gate)
            WakeConsumer();
    }

    /// <summary>Takes the next result if there is one; a failure whose turn it is is handed out instead.</summary>
    private bool TryTake(out Exception? failure)
    {
        failure = null;
        while (true)
        {
            if (current is null)
            {
                if (inOrder)
                    current = head;
                else
                    ready.TryDequeue(out current);
                if (current is null)
                {
                    failure = firstFailure;
                    return false;
                }
            }

            // Announced again from here on; looked at after that, so that nothing is missed.
            current.IsAnnounced = false;
            bool isFinished = current.IsFinished;
            Exception? itsFailure = Volatile.Read(ref current.Failure);
            available = current.Completed;
            if (current.Taken < available)
            {
                Current = current[current.Taken++];
                return true;
            }

            if (itsFailure is not null)
            {
                if (inOrder)
                {
                    failure = itsFailure;
                    return false;
                }

                // All that is there comes first.
                firstFailure ??= itsFailure;
            }
            else if (isFinished)
            {
                notTaken -= current.Taken;
                WakeFeeder();
                if (inOrder)
                {
                    head = current.Next;
                    if (head is null)
                        tail = null;
                }
            }
            else if (inOrder)
            {
                return false;
            }

            current = null;
        }
    }

    private async Task FeedAsync()
    {
        try
        {
            Function = new Call<Arguments<T>, TResult>(function, default, Options).Reference;
            if (source.Items is { } items)
                await FeedAsync(items).ConfigureAwait(false);
            else
                await FeedAsync(source.AsyncItems!).ConfigureAwait(false);
        }
        catch (Exception reason)
        {
            // Of the source, or of an item that can't travel: it comes after the results of the items before it.
            feederFailure = reason;
        }

        lock (gate)
        {
            feederEnded = true;
            WakeConsumer();
        }
    }

    private async Task FeedAsync(IEnumerable<T> items)
    {
        using IEnumerator<T> each = items.GetEnumerator();
        bool isAtEnd = false;
        while (!isAtEnd && await RoomForOneMore().ConfigureAwait(false))
        {
            MapBatch<T, TResult> batch = NewBatch();
            long tick = Environment.TickCount64;
            try
            {
                // A source that takes its time isn't waited for: its items go as they come.
                do
                {
                    isAtEnd = !each.MoveNext();
                    if (!isAtEnd)
                        batch.Add(function.Target, each.Current);
                }
                while (!isAtEnd && !batch.IsFull && Environment.TickCount64 == tick);
            }
            finally
            {
                Submit(batch);
            }
        }
    }

    private async Task FeedAsync(IAsyncEnumerable<T> items)
    {
        await using IAsyncEnumerator<T> each = items.GetAsyncEnumerator(stopToken);
        ValueTask<bool> next = default;
        bool hasNext = false;
        bool isAtEnd = false;
        while (!isAtEnd && await RoomForOneMore().ConfigureAwait(false))
        {
            MapBatch<T, TResult> batch = NewBatch();
            try
            {
                do
                {
                    if (!hasNext)
                        next = each.MoveNextAsync();
                    hasNext = true;

                    // What isn't there at once isn't waited for with items in hand.
                    if (batch.Count > 0 && !next.IsCompleted)
                        break;
                    isAtEnd = !await next.ConfigureAwait(false);
                    hasNext = false;
                    if (!isAtEnd)
                        batch.Add(function.Target, each.Current);
                }
                while (!isAtEnd && !batch.IsFull);
            }
            finally
            {
                Submit(batch);
            }
        }

        if (hasNext)
            await next.ConfigureAwait(false);
    }

    private MapBatch<T, TResult> NewBatch()
    {
        double usual = Volatile.Read(ref itemNanoseconds);
        int size = pool.ItemsPerBatch ?? (usual == 0 ? 1 : (int)Math.Clamp(BatchTime.TotalNanoseconds / usual, 1, 2 * Volatile.Read(ref largestSoFar)));
        return new MapBatch<T, TResult>(this, Math.Min(size, LargestBatch), NewContext(), Segments);
    }

    private CallerSide NewContext()
    {
        CallerSide context = new();
        context.Reuse(stopToken);
        return context;
    }

    private void Learn(double nanoseconds, int count)
    {
        // Slower items count at once, quicker ones bit by bit.
        nanoseconds = Math.Max(1, nanoseconds);
        itemNanoseconds = itemNanoseconds == 0 || nanoseconds > itemNanoseconds
            ? nanoseconds
            : itemNanoseconds + ((nanoseconds - itemNanoseconds) / 4);
        largestSoFar = Math.Max(largestSoFar, count);
    }

    private void Submit(MapBatch<T, TResult> batch)
    {
        if (batch.Count == 0)
        {
            batch.ReleasePayload();
            return;
        }

        lock (gate)
        {
            underWay++;
            notTaken += batch.Count;
            if (inOrder)
            {
                if (tail is null)
                    head = batch;
                else
                    tail.Next = batch;
                tail = batch;
            }
        }

        try
        {
            _ = pool.Enqueue(batch);
        }
        catch (Exception reason) when (reason is ObjectDisposedException or PoolBrokenException)
        {
            batch.Fail(reason);
        }
    }

    /// <summary>Waits until one more batch may start; false if none may any more.</summary>
    private async ValueTask<bool> RoomForOneMore()
    {
        while (true)
        {
            Task wait;
            lock (gate)
            {
                if (failed || stop.IsCancellationRequested)
                    return false;
                int width = pool.MapWidth;
                if (underWay < width && notTaken < Math.Clamp(2L * width * Math.Min(LargestBatch, largestSoFar), MostAhead, MostBriefAhead))
                    return true;
                feederWaits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                wait = feederWaits.Task;
            }

            await wait.ConfigureAwait(false);
        }
    }

    private void TellConsumer(MapBatch<T, TResult> batch)
    {
        if (inOrder)
        {
            if (batch == head)
                WakeConsumer();
            return;
        }

        if (batch.IsAnnounced)
            return;
        batch.IsAnnounced = true;
        ready.Enqueue(batch);
        WakeConsumer();
    }

    private void WakeConsumer()
    {
        consumerWaits?.TrySetResult();
        consumerWaits = null;
    }

    private void WakeFeeder()
    {
        feederWaits?.TrySetResult();
        feederWaits = null;
    }

    private Task CallsEnded()
    {
        lock (gate)
        {
            if (underWay == 0)
                return Task.CompletedTask;
            return (allEnded ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }
}
