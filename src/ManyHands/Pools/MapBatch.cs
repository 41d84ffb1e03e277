using System.Runtime.CompilerServices;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Pools;

/// <summary>
/// Some items of a map on their way to a worker together, and their results. Items keep what calls promise: each runs at most once, in its turn, and only
/// the one that runs is lost with a worker.
/// </summary>
#pragma warning disable CA1001 // The writer is the payload, which is given back like any call's.
internal sealed class MapBatch<T, TResult> : PoolCall
#pragma warning restore CA1001
{
    /// <summary>What a ring takes in one piece, with some to spare.</summary>
    private const int LargestPayload = 32 * 1024;

    private readonly BatchedMapRun<T, TResult> map;
    private readonly TResult[] results;
    private PayloadWriter writer;
    private Exception? lostReport;
    private int completed;
    private int finished;

    /// <summary>The next in the order of the source.</summary>
    public MapBatch<T, TResult>? Next;

    /// <summary>Why there are no more results; set once, when those are there that come before it.</summary>
    public Exception? Failure;

    /// <summary>How many results the consumer has taken. The consumer's own.</summary>
    public int Taken;

    /// <summary>Whether the consumer has been told that there are results to take, and has not come yet. Guarded by the map's gate.</summary>
    public bool IsAnnounced;

    /// <param name="map">The map.</param>
    /// <param name="capacity">How many items it may get.</param>
    /// <param name="context">Tokens and progress receivers among the items.</param>
    /// <param name="segments">For a large item.</param>
    public MapBatch(BatchedMapRun<T, TResult> map, int capacity, CallerSide context, SegmentPool? segments)
        : base(map.Function, map.Options)
    {
        this.map = map;
        results = new TResult[capacity];
        writer = new PayloadWriter(Math.Min(capacity, 64) * 64, context, segments);
        Payload = EncodedPayload.In(writer);
        Count = 0;
        Context = context;
    }

    private MapBatch(MapBatch<T, TResult> front, int index)
        : base(front.Function, front.Options)
    {
        map = front.map;
        Context = front.Context;
        Count = front.Count - index;
        results = new TResult[Count];
        writer = front.CopyPayload(index);
        Payload = EncodedPayload.In(writer);
        State = front.State;
        CancelRequested = front.CancelRequested;
        TimedOut = front.TimedOut;
        Failure = front.Failure;
    }

    public override bool HasLengths => true;

    public override CancellationToken Token => map.StopToken;

    /// <summary>How many results are there to take; they come in order. In a map without order, those of items that have none here are left out.</summary>
    public int Completed => Volatile.Read(ref completed);

    /// <summary>Whether no more results will come.</summary>
    public bool IsFinished => Volatile.Read(ref finished) != 0;

    public bool IsFull => Count == results.Length || writer.Length >= LargestPayload;

    private CallerSide Context { get; }

    public TResult this[int index] => results[index];

    /// <summary>Encodes one more item.</summary>
    /// <exception cref="UnsendableCallException">It can't travel.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add(object? target, T item)
    {
        PayloadWriter payload = writer;
        int start = payload.Length;
        try
        {
            map.Function.RefuseIfUpdated();
            payload.WriteUnmanaged(0);
            map.Function.WriteTarget(payload, target);
            FunctionForms.WriteArgument(payload, item, 1);
            payload.PatchInt32(start, payload.Length - start - sizeof(int));
            Count++;
        }
        catch (Exception reason)
        {
            payload.Truncate(start);
            throw CallEncoder.Explain(reason, Name);
        }
    }

    public override void Complete(int index, OutcomeKind kind, ReadOnlyMemory<byte> outcome)
    {
        if (kind != OutcomeKind.Result)
        {
            Fail(kind == OutcomeKind.Canceled && Token.IsCancellationRequested
                ? new OperationCanceledException(Token)
                : CallOutcome.ToException(Name, kind, outcome));
            return;
        }

        if (TakesResults)
        {
            try
            {
                if (TakeLostReport() is { } lost)
                {
                    Break(lost);
                }
                else
                {
                    PayloadReader reader = new(outcome);
                    results[completed] = Codec<TResult>.Instance.Read(ref reader);
                    Volatile.Write(ref completed, completed + 1);
                }
            }
            catch (Exception reason)
            {
                Break(CallOutcome.Unreadable(Name, typeof(TResult), reason));
            }
        }

        if (index == Count - 1)
            Finish();
    }

    // Optimised at once: compiled in stages, a first large map would be over before the last.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void CompleteMany(int index, int count, ReadOnlyMemory<byte> outcomes)
    {
        if (!TakesResults)
            return;
        Codec<TResult> codec = Codec<TResult>.Instance;
        TResult[] into = results;
        int at = completed;
        int next = 0;
        Exception? failure = null;
        if (TakeLostReport() is { } lost)
        {
            failure = lost;
            next = sizeof(int) + System.Runtime.InteropServices.MemoryMarshal.Read<int>(outcomes.Span);
            count--;
        }

        // Counted one by one, and in a map without order past one that can't be read: what is there is the caller's.
        while (count > 0 && (failure is null || !map.IsInOrder))
        {
            try
            {
                PayloadReader reader = new(outcomes) { Position = next };
                while (count > 0)
                {
                    count--;
                    next = reader.ReadUnmanaged<int>();
                    next += reader.Position;
                    into[at] = codec.Read(ref reader);
                    reader.Position = next;
                    at++;
                }
            }
            catch (Exception reason)
            {
                failure ??= CallOutcome.Unreadable(Name, typeof(TResult), reason);
                if ((uint)next > (uint)outcomes.Length)
                    break;
            }
        }

        Volatile.Write(ref completed, at);
        if (failure is not null)
            Break(failure);
    }

    // Behind an item without a result nothing counts, where order does.
    private bool TakesResults => Failure is null || !map.IsInOrder;

    // It is still with its worker, and ends with that: when the map is over, nothing of it runs.
    private void Break(Exception reason)
    {
        if (Interlocked.CompareExchange(ref Failure, reason, null) is null)
            map.OnBroken(this);
    }

    private Exception? TakeLostReport() => Interlocked.Exchange(ref lostReport, null);

    public override void Fail(Exception exception)
    {
        Interlocked.CompareExchange(ref Failure, exception, null);
        Finish();
    }

    public override void Cancel() => Fail(new OperationCanceledException(Token));

    public override void Report(int receiver, ReadOnlyMemory<byte> value)
    {
        try
        {
            PayloadReader reader = new(value);
            if (Context.ReadReport(receiver, ref reader) is { } report)
                Guarded.Queue(GuardedEntry.Progress, (Name, report), static one => one.report(), static one => $"a progress report of {one.Name}");
        }
        catch (Exception reason)
        {
            LoseReport(reason);
        }
    }

    // Reports come before their item's result, so it is the next that has none.
    public override void LoseReport(Exception reason) => Interlocked.CompareExchange(ref lostReport, CallOutcome.UnreadableReport(Name, reason), null);

    public override bool HasFailed => Failure is not null;

    public override void Announce() => map.OnResults(this);

    public override void Finish()
    {
        if (Interlocked.Exchange(ref finished, 1) != 0)
            return;
        try
        {
            FaultPoint.Reach(FaultStep.BatchFinished);
        }
        finally
        {
            map.OnFinished(this);
        }
    }

    public override PoolCall SplitAt(int index)
    {
        MapBatch<T, TResult> rest = new(this, index);
        Count = index;
        map.OnSplit(this, rest);
        if (State == PoolCallState.Done)
            rest.Finish();
        return rest;
    }

    public override void ForgetEnded()
    {
        _ = TakeLostReport();
        if (Ended == 0)
            return;
        PayloadWriter left = CopyPayload(Ended);
        ReleasePayload();
        writer = left;
        Payload = EncodedPayload.In(left);
        Count -= Ended;
        Ended = 0;
    }

    private PayloadWriter CopyPayload(int from)
    {
        ReadOnlySpan<byte> bytes = writer.WrittenSpan;
        for (int i = 0; i < from; i++)
            bytes = bytes[(sizeof(int) + System.Runtime.InteropServices.MemoryMarshal.Read<int>(bytes))..];
        PayloadWriter copy = new(bytes.Length, Context, map.Segments);
        copy.WriteBytes(bytes);
        writer.ShareReferences(copy);
        return copy;
    }
}
