using System.Buffers;
using System.Buffers.Binary;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Transport;

namespace ManyHands.Workers;

/// <summary>
/// What one <see cref="FrameKind.Call"/> frame brought to a worker: one call, or several of one function that run one after the other. Any that has not started
/// can still be given back.
/// </summary>
#pragma warning disable CA1001 // A function may keep its token longer than its call; a source without timer or links holds nothing that needs disposal.
internal sealed class InboundCalls : WorkerSide, ICallSeries, IDisposable
#pragma warning restore CA1001
{
    private const int NoMore = int.MaxValue / 2;

    private readonly WorkerLoop loop;
    private readonly Channel channel;
    private readonly long segment;
    private readonly byte[]? rented;
    private readonly bool isTimed;
    private ReadOnlyMemory<byte> unread;
    private CancellationTokenSource? cancellation;
    private int claimed;
    private int canceled;

    public InboundCalls(WorkerLoop loop, Channel channel, in Frame frame, DefinedFunction function)
    {
        this.loop = loop;
        this.channel = channel;
        First = frame.Id;
        Count = (int)(frame.Argument >> 32);
        Function = function;
        HasLengths = (frame.Flags & Frame.HasLengths) != 0;
        isTimed = !HasLengths || (frame.Flags & Frame.Timed) != 0;
        segment = frame.Segment;
        Refusal = frame.Refusal;
        if (segment != 0)
        {
            unread = frame.Payload;
            return;
        }

        // Whatever the function does meanwhile, the place in the channel is free for what comes next.
        rented = ArrayPool<byte>.Shared.Rent(frame.Payload.Length);
        frame.Payload.CopyTo(rented);
        unread = rented.AsMemory(0, frame.Payload.Length);
    }

    public DefinedFunction Function { get; }

    public long First { get; }

    public int Count { get; }

    /// <summary>Whether each call's payload stands behind its length.</summary>
    public bool HasLengths { get; }

    /// <summary>Why none of them can run: their payload was sent, and this process can't have it; else null.</summary>
    public IOException? Refusal { get; }

    /// <summary>The place of the call that was claimed last.</summary>
    public int Index { get; private set; }

    /// <summary>When the first of them began, as a timestamp.</summary>
    public long BeganAt { get; set; }

    /// <summary>Whether the last of them has sent what there is to say about all.</summary>
    public bool IsConcluded { get; set; }

    public ReadOnlyMemory<byte> Payloads => unread;

    public override CancellationToken Token
    {
        get
        {
            if (Volatile.Read(ref cancellation) is { } present)
                return present.Token;
            CancellationTokenSource made = new();
            made = Interlocked.CompareExchange(ref cancellation, made, null) ?? made;
            if (IsCancellationRequested)
                made.Cancel();
            return made.Token;
        }
    }

    public override bool IsCancellationRequested => Volatile.Read(ref canceled) != 0;

    /// <summary>Goes on to the next call; false if there is none or it was given back. Decided once for each, whichever thread comes first.</summary>
    public bool TryClaim()
    {
        int index = Interlocked.Increment(ref claimed) - 1;
        Index = index;
        return index < Count;
    }

    /// <summary>Lets no more calls run; returns the place of the first that hasn't been claimed.</summary>
    public int ClaimRest() => Math.Min(Count, Interlocked.Exchange(ref claimed, NoMore));

    /// <summary>The payload of the call that was claimed last. Only what was never claimed may be left unread.</summary>
    public ReadOnlyMemory<byte> TakePayload()
    {
        if (!HasLengths)
            return unread;
        int length = BinaryPrimitives.ReadInt32LittleEndian(unread.Span);
        ReadOnlyMemory<byte> payload = unread.Slice(sizeof(int), length);
        unread = unread[(sizeof(int) + length)..];
        return payload;
    }

    // Items of a map take less time than a look at the clock; for them the first one's is near enough.
    public void OnStarting()
    {
        channel.MarkStarted(First + Index, withTime: isTimed || Index == 0);
        FaultPoint.Reach(FaultStep.StartedTold);
    }

    public bool Answer(OutcomeKind kind) => loop.Answer(this, kind);

    public void Cancel()
    {
        Volatile.Write(ref canceled, 1);
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref cancellation) is { } present)
            _ = present.CancelAsync();
    }

    /// <summary>Gives back what its payload was kept in.</summary>
    public void Dispose()
    {
        unread = default;
        if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
        else if (segment != 0)
            channel.ReleaseSegment(segment);
    }

    protected override Action<int, PayloadWriter> ReportSender()
    {
        long call = First + Index;
        return (receiver, value) =>
        {
            FaultPoint.Reach(FaultStep.ProgressSending);
            channel.Send(FrameKind.Progress, call, EncodedPayload.In(value), (uint)receiver);
        };
    }
}
