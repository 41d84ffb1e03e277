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
    private int before;
    private int completed;
    private int finished;

    /// <summary>The next in the order of the source.</summary>
    public MapBatch<T, TResult>? Next;

    /// <summary>Why there are no more results; set once, when those before it are there.</summary>
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

    /// <summary>How many results are there to take; they come in order.</summary>
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

        try
        {
            PayloadReader reader = new(outcome);
            results[before + index] = Codec<TResult>.Instance.Read(ref reader);
        }
        catch (Exception reason)
        {
            Fail(CallOutcome.Unreadable(Name, typeof(TResult), reason));
            return;
        }

        Volatile.Write(ref completed, before + index + 1);
        if (index == Count - 1)
            Finish();
    }

    // Optimised at once: compiled in stages, a first large map would be over before the last.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void CompleteMany(int index, int count, ReadOnlyMemory<byte> outcomes)
    {
        try
        {
            PayloadReader reader = new(outcomes);
            Codec<TResult> codec = Codec<TResult>.Instance;
            TResult[] into = results;
            int at = before + index;
            for (int end = at + count; at < end; at++)
            {
                int next = reader.ReadUnmanaged<int>();
                next += reader.Position;
                into[at] = codec.Read(ref reader);
                reader.Position = next;
            }
        }
        catch (Exception reason)
        {
            Fail(CallOutcome.Unreadable(Name, typeof(TResult), reason));
            return;
        }

        Volatile.Write(ref completed, before + index + count);
    }

    public override void Fail(Exception exception)
    {
        Interlocked.CompareExchange(ref Failure, exception, null);
        Finish();
    }

    public override void Cancel() => Fail(new OperationCanceledException(Token));

    public override void Report(int receiver, ReadOnlyMemory<byte> value)
    {
        PayloadReader reader = new(value);
        if (Context.ReadReport(receiver, ref reader) is { } report)
            ThreadPool.UnsafeQueueUserWorkItem(static report => report(), report, preferLocal: false);
    }

    public override void Announce() => map.OnResults(this);

    public override void Finish()
    {
        if (Interlocked.Exchange(ref finished, 1) != 0)
            return;
        FaultPoint.Reach(FaultStep.BatchFinished);
        map.OnFinished(this);
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
        if (Ended == 0)
            return;
        PayloadWriter left = CopyPayload(Ended);
        ReleasePayload();
        writer = left;
        Payload = EncodedPayload.In(left);
        before += Ended;
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
