using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Transport;

/// <summary>
/// Frames through two rings in memory that this parent and this worker share with nobody else, with sleeping and waking by futex, and a socket that only carries the descriptors
/// of segments for large payloads.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class RingChannel : Channel
{
    private const int MostSegments = 64;
    private const int MostGathered = 128;
    private const int LargestGathered = 8 * 1024;

    private readonly RingSegment shared;
    private readonly SegmentLine line;
    private readonly bool isWorker;
    private readonly RingWriter writer;
    private readonly RingReader reader;
    private readonly RingMemory memory;
    private readonly SegmentPool segments;
    private readonly bool ownsSegments;
    private readonly Lock sending = new();
    private readonly Queue<(byte[] Bytes, int Length)> backlog = new();
    private readonly Dictionary<long, Loan> lent = [];
    private readonly HashSet<long> known = [];
    private readonly Dictionary<long, SharedSegment> mapped = [];
    private StartedCall lastStarted;
    private uint urgentHeard;
    private uint urgentRead;
    private int readerTaken;
    private int consumed;
    private byte* gathering;
    private int gathered;
    private int gatheredBytes;
    private bool unflushed;
    private bool callerLooks;
    private bool disposed;
    private volatile bool closed;
    private volatile bool abandoned;

    /// <param name="shared">Becomes the channel's own.</param>
    /// <param name="socket">One end of a pair; becomes the channel's own.</param>
    /// <param name="isWorker">Which side this is.</param>
    /// <param name="segments">Where large payloads come from; null for the channel's own.</param>
    public RingChannel(RingSegment shared, int socket, bool isWorker, SegmentPool? segments = null)
    {
        this.shared = shared;
        line = new SegmentLine(socket);
        this.isWorker = isWorker;
        this.segments = segments ?? new SegmentPool();
        ownsSegments = segments is null;
        this.segments.Dropped += OnDropped;
        (writer, reader) = isWorker
            ? (shared.WriterToParent(), shared.ReaderInWorker())
            : (shared.WriterToWorker(), shared.ReaderInParent());
        memory = new RingMemory(reader.Data, 2 * RingSegment.Capacity);
    }

    public override bool HearsUrgentFrames => true;

    public override bool EndsWithProcess => true;

    public override SegmentPool Segments => segments;

    public override StartedCall Started
    {
        get
        {
            lock (sending)
            {
                if (!disposed)
                    lastStarted = new StartedCall(Volatile.Read(ref shared.Worker->StartedSequence), Volatile.Read(ref shared.Worker->StartedAt));
                return lastStarted;
            }
        }
    }

    public override void Send(FrameKind kind, long id, ReadOnlySpan<byte> payload = default, ulong argument = 0, byte flags = 0, ushort runTime = 0, bool wakeLater = false)
    {
        if (payload.Length > writer.LargestFrame - Frame.HeaderSize - Frame.ArgumentSize)
        {
            using PayloadWriter large = new(16, null, segments);
            large.WriteBytes(payload);
            Send(kind, id, EncodedPayload.In(large), argument, flags, runTime, wakeLater);
            return;
        }

        lock (sending)
            SendFrame(new Header(kind, flags, runTime, id, argument), payload, wakeLater);
    }

    public override void Send(FrameKind kind, long id, in EncodedPayload payload, ulong argument = 0, byte flags = 0, ushort runTime = 0, bool wakeLater = false)
    {
        if (payload.Segment is not { } segment)
        {
            Send(kind, id, payload.Span, argument, flags, runTime, wakeLater);
            return;
        }

        Span<byte> place = stackalloc byte[2 * sizeof(long)];
        MemoryMarshal.Write(place, segment.Id);
        MemoryMarshal.Write(place[sizeof(long)..], (long)payload.Memory.Length);
        lock (sending)
        {
            if (disposed)
                return;
            FaultPoint.Reach(FaultStep.SideSegmentCreated);
            if (!known.Contains(segment.Id))
                SendSegment(segment);
            known.Add(segment.Id);
            FaultPoint.Reach(FaultStep.SideSegmentSent);
            segment.AddUse();
            lent[segment.Id] = new Loan(segment, lent.TryGetValue(segment.Id, out Loan? loan) ? loan.Times + 1 : 1);
            SendFrame(new Header(kind, (byte)(flags | Frame.InSegment), runTime, id, argument), place, wakeLater);
        }
    }

    private void SendSegment(SharedSegment segment)
    {
        try
        {
            line.Send(segment);
        }
        catch (IOException refusal)
        {
            throw new PayloadNotSentException($"A payload of {segment.Size:N0} bytes can't be sent: {ExceptionText.MessageOf(refusal)}", refusal);
        }
    }

    public override bool TryGather(long sequence, ReadOnlySpan<byte> result)
    {
        int size = sizeof(int) + result.Length;
        if (size > LargestGathered / 4)
            return false;
        lock (sending)
        {
            if (gathered > 0 && gatheredBytes + size > LargestGathered)
                SendGathered();
            if (gathered == 0)
            {
                gathering = writer.TryReserve(LargestGathered);
                if (gathering is null)
                    return false;
                gatheredBytes = Frame.HeaderSize + Frame.ArgumentSize;
                *(long*)(gathering + sizeof(long)) = sequence;
            }

            byte* at = gathering + gatheredBytes;
            *(int*)at = result.Length;
            result.CopyTo(new Span<byte>(at + sizeof(int), result.Length));
            gatheredBytes += size;
            gathered++;
            Volatile.Write(ref shared.Worker->Gathered, (ulong)gathered << 32 | (uint)gatheredBytes);
            if (gathered == MostGathered)
                SendGathered();
        }

        return true;
    }

    public override bool TryReadGathered(out Frame frame)
    {
        frame = default;
        ulong word = Volatile.Read(ref shared.Worker->Gathered);
        int bytes = (int)word;
        int count = (int)(word >> 32);
        byte* at = reader.Next;
        const int Start = Frame.HeaderSize + Frame.ArgumentSize;
        if (count <= 0 || bytes < Start || bytes > LargestGathered)
            return false;
        frame = new Frame(FrameKind.Results, 0, 0, *(long*)(at + sizeof(long)), (ulong)count, memory.At(at + Start, bytes - Start));
        return true;
    }

    public override void Flush()
    {
        if (!unflushed && gathered == 0)
            return;
        lock (sending)
        {
            if (disposed)
                return;
            if (gathered > 0)
                SendGathered();
            WakeReader();
        }
    }

    public override void MarkStarted(long sequence, bool withTime)
    {
        if (withTime)
            shared.Worker->StartedAt = Stopwatch.GetTimestamp();
        FaultPoint.Reach(FaultStep.StartedMarking);
        Volatile.Write(ref shared.Worker->StartedSequence, sequence);
    }

    public override bool TryRead(out Frame frame)
    {
        while (true)
        {
            byte* at = reader.TryPeek(out long available);
            if (at is null)
            {
                if (reader.ReleaseAll())
                    WakeWriter();
                frame = default;
                return false;
            }

            FaultPoint.Reach(FaultStep.RingRead);

            // Copied once: the other side can change it under our hands.
            int length = Volatile.Read(ref *(int*)at);
            ulong word = *(ulong*)at;
            FrameKind kind = (FrameKind)(byte)(word >> 32);
            byte flags = (byte)(word >> 40);
            long id = *(long*)(at + sizeof(long));
            if (length < 0 || length > available - Frame.HeaderSize)
                throw new InvalidDataException($"The ring is damaged: a frame of {length:N0} bytes where {available:N0} are.");
            int size = Padded(length);
            ulong argument = 0;
            int start = Frame.HeaderSize;
            if (FrameKinds.HasArgument(kind))
            {
                if (length < Frame.ArgumentSize)
                    throw new InvalidDataException($"The ring is damaged: a frame of {length:N0} bytes without its argument.");
                argument = *(ulong*)(at + start);
                start += Frame.ArgumentSize;
            }

            if (kind is FrameKind.SegmentRead or FrameKind.SegmentDropped)
            {
                reader.Consume(size);
                if (kind == FrameKind.SegmentRead)
                    TakeBack(id);
                else if (mapped.Remove(id, out SharedSegment? dropped))
                    dropped.Free();
                else
                    line.Forget(id);
                continue;
            }

            consumed = size;
            if (kind == FrameKind.Call)
                callerLooks = (flags & Frame.CallerLooks) != 0;
            long segment = 0;
            IOException? refusal = null;
            ReadOnlyMemory<byte> payload;
            if ((flags & Frame.InSegment) == 0)
            {
                payload = memory.At(at + start, length - (start - Frame.HeaderSize));
            }
            else
            {
                if (length < start - Frame.HeaderSize + (2 * sizeof(long)))
                    throw new InvalidDataException($"The ring is damaged: a frame of {length:N0} bytes can't name a segment.");
                segment = *(long*)(at + start);
                payload = InSegment(segment, *(long*)(at + start + sizeof(long)), out refusal);
            }

            frame = new Frame(kind, (byte)(flags & ~Frame.InSegment), (ushort)(word >> 48), id, argument, payload, segment, refusal);
            return true;
        }
    }

    public override void Release(in Frame frame, bool keepSegment = false)
    {
        if (frame.Segment != 0 && !keepSegment)
            ReleaseSegment(frame.Segment);
        reader.Consume(consumed);
        if (reader.Release())
            WakeWriter();
    }

    public override void ReleaseSegment(long segment)
    {
        FaultPoint.Reach(FaultStep.SegmentReleasing);
        Send(FrameKind.SegmentRead, segment);
    }

    public override bool WaitForFrame() => isWorker ? WaitInWorker() : WaitInParent();

    public override bool WaitForUrgentFrame()
    {
        uint* urgent = &shared.Worker->Urgent;
        while (Volatile.Read(ref *urgent) == urgentHeard)
            Linux.FutexWait(urgent, urgentHeard);
        urgentHeard = Volatile.Read(ref *urgent);
        return true;
    }

    public override bool HasUnreadUrgentFrame
    {
        get
        {
            uint urgent = Volatile.Read(ref shared.Worker->Urgent);
            bool unread = urgent != urgentRead;
            urgentRead = urgent;
            return unread;
        }
    }

    public override bool TryBeginReading()
    {
        if (Interlocked.CompareExchange(ref readerTaken, 1, 0) != 0)
            return false;
        reader.SetSleeps(false);
        return true;
    }

    public override bool EndReading()
    {
        if (abandoned)
        {
            Volatile.Write(ref readerTaken, 0);
            return false;
        }

        try
        {
            if (reader.ReleaseAll())
                WakeWriter();
            reader.SetSleeps(true);
        }
        finally
        {
            // Whoever disposes of the channel waits for that.
            Volatile.Write(ref readerTaken, 0);
        }

        Interlocked.MemoryBarrier();
        return !reader.IsEmpty && TryBeginReading();
    }

    public override void Nudge()
    {
        lock (sending)
        {
            if (!disposed)
                reader.WakeSelf();
        }
    }

    public override void Abandon()
    {
        abandoned = true;
        Nudge();
    }

    public override void Close()
    {
        closed = true;
        Nudge();
    }

    public override void Dispose()
    {
        Close();
        segments.Dropped -= OnDropped;

        // Whoever reads at this moment ends first; nobody begins any more.
        SpinWait wait = default;
        while (Interlocked.CompareExchange(ref readerTaken, 1, 0) != 0)
            wait.SpinOnce();
        lock (sending)
        {
            if (disposed)
                return;
            _ = Started;
            disposed = true;
            foreach (Loan loan in lent.Values)
            {
                for (int i = 0; i < loan.Times; i++)
                    segments.Return(loan.Segment);
            }

            lent.Clear();
            foreach (SharedSegment segment in mapped.Values)
                segment.Free();
            mapped.Clear();
            backlog.Clear();
            line.Dispose();
            shared.Dispose();
        }

        if (ownsSegments)
            segments.Dispose();
    }

    private static int Padded(int length) => (Frame.HeaderSize + length + 7) & ~7;

    private bool WaitInParent()
    {
        while (true)
        {
            // Read before the last look, so that a wake-up after that look is noticed.
            uint wakes = reader.Wakes;
            if (abandoned)
                return false;
            if (backlog.Count > 0)
                FlushBacklog();
            if (TryBeginReading())
            {
                if (!reader.IsEmpty)
                    return true;
                if (closed)
                {
                    Volatile.Write(ref readerTaken, 0);
                    return false;
                }

                if (EndReading())
                    return true;
            }
            else if (closed)
            {
                // Whoever reads will soon be done.
                Thread.Yield();
                continue;
            }

            reader.Sleep(wakes);
        }
    }

    private bool WaitInWorker()
    {
        Flush();
        if (callerLooks)
        {
            // As its caller does: the next call may be there before a sleep would have begun.
            long deadline = Spinning.WorkersDeadline;
            int rounds = 0;
            while (Spinning.Pause(ref rounds, deadline))
            {
                if (!reader.IsEmpty)
                    return true;
            }
        }

        uint wakes = reader.Wakes;
        reader.SetSleeps(true);
        if (reader.IsEmpty)
            reader.Sleep(wakes);
        reader.SetSleeps(false);
        return true;
    }

    // Its bytes are in place; with the header they become a frame.
    private void SendGathered()
    {
        int length = gatheredBytes - Frame.HeaderSize;
        *(ulong*)gathering = (uint)length | (ulong)FrameKind.Results << 32;
        *(ulong*)(gathering + Frame.HeaderSize) = (ulong)gathered;
        writer.Publish(Padded(length));
        gathered = 0;

        // Later than publishing: who reads both after a death knows the frame by its number.
        Volatile.Write(ref shared.Worker->Gathered, 0);
        unflushed = true;
    }

    private void SendFrame(in Header header, ReadOnlySpan<byte> payload, bool wakeLater)
    {
        if (disposed)
            return;
        if (gathered > 0)
            SendGathered();
        int length = payload.Length + (FrameKinds.HasArgument(header.Kind) ? Frame.ArgumentSize : 0);
        int size = Padded(length);
        byte* at = backlog.Count > 0 ? null : writer.TryReserve(size);
        if (at is null && isWorker)
            at = WaitForRoom(size);
        if (at is not null)
        {
            FaultPoint.Reach(FaultStep.RingReserved);
            Write(header, payload, length, at);
            writer.Publish(size);
            FaultPoint.Reach(FaultStep.RingPublished);
        }
        else
        {
            byte[] copy = ArrayPool<byte>.Shared.Rent(size);
            fixed (byte* start = copy)
                Write(header, payload, length, start);
            backlog.Enqueue((copy, size));
            FlushBacklog();
        }

        if (wakeLater)
            unflushed = true;
        else
            WakeReader();
        if (!isWorker && FrameKinds.IsUrgent(header.Kind))
        {
            Interlocked.Increment(ref shared.Worker->Urgent);
            Linux.FutexWake(&shared.Worker->Urgent, 1);
        }
    }

    private static void Write(in Header header, ReadOnlySpan<byte> payload, int length, byte* at)
    {
        *(ulong*)at = (uint)length | (ulong)header.Kind << 32 | (ulong)header.Flags << 40 | (ulong)header.RunTime << 48;
        *(long*)(at + sizeof(long)) = header.Id;
        FaultPoint.Reach(FaultStep.RingHalfCopied);
        at += Frame.HeaderSize;
        if (FrameKinds.HasArgument(header.Kind))
        {
            *(ulong*)at = header.Argument;
            at += Frame.ArgumentSize;
        }

        payload.CopyTo(new Span<byte>(at, payload.Length));
    }

    // A worker has nothing better to do than to wait for its parent, which always reads.
    private byte* WaitForRoom(int size)
    {
        WakeReader();
        while (true)
        {
            if (writer.AwaitRoom(size, out uint wakes))
                writer.WaitForRoom(wakes);
            byte* at = writer.TryReserve(size);
            if (at is not null)
                return at;
        }
    }

    /// <summary>Sends what found no room before, as far as there is room now; the worker tells when there is more.</summary>
    private void FlushBacklog()
    {
        lock (sending)
        {
            if (disposed)
                return;
            if (backlog.Count > 0)
                FaultPoint.Reach(FaultStep.BackgroundFlush);
            bool some = false;
            while (backlog.TryPeek(out (byte[] Bytes, int Length) next))
            {
                byte* at = writer.TryReserve(next.Length);
                if (at is null && writer.AwaitRoom(next.Length, out _))
                    break;
                at = writer.TryReserve(next.Length);
                next.Bytes.AsSpan(0, next.Length).CopyTo(new Span<byte>(at, next.Length));
                writer.Publish(next.Length);
                backlog.Dequeue();
                ArrayPool<byte>.Shared.Return(next.Bytes);
                some = true;
            }

            if (some)
                WakeReader();
        }
    }

    private void WakeReader()
    {
        unflushed = false;
        if (!writer.TakeSleeper())
            return;
        FaultPoint.Reach(FaultStep.RingBeforeWake);
        writer.Wake();
    }

    // A parent doesn't sleep for room; its reading thread is told, and flushes.
    private void WakeWriter()
    {
        if (isWorker)
            writer.Wake();
        else
            reader.WakeWriter();
    }

    private void OnDropped(long segment)
    {
        lock (sending)
        {
            if (disposed || !known.Remove(segment))
                return;
            FaultPoint.Reach(FaultStep.SegmentDropped);
            SendFrame(new Header(FrameKind.SegmentDropped, 0, 0, segment, 0), default, wakeLater: false);
        }
    }

    private void TakeBack(long id)
    {
        Loan? loan;
        lock (sending)
        {
            if (!lent.Remove(id, out loan))
                throw new InvalidDataException($"The other side gives back the segment {id}, which it hasn't got.");
            if (loan.Times > 1)
                lent[id] = loan with { Times = loan.Times - 1 };
        }

        FaultPoint.Reach(FaultStep.SegmentTakenBack);
        segments.Return(loan.Segment);
    }

    // What the system refuses isn't the other side's fault: the frame is good, and only its payload can't be had.
    private ReadOnlyMemory<byte> InSegment(long id, long length, out IOException? refusal)
    {
        refusal = null;
        try
        {
            SharedSegment segment = mapped.TryGetValue(id, out SharedSegment? known) ? known : ReceiveSegment(id);
            if ((ulong)length > segment.Size || length > int.MaxValue)
                throw new InvalidDataException($"A payload of {length:N0} bytes in a segment of {segment.Size:N0}.");
            segment.MapForReading();
            return segment.Memory[..(int)length];
        }
        catch (IOException reason)
        {
            refusal = reason;
            return default;
        }
    }

    private SharedSegment ReceiveSegment(long id)
    {
        if (mapped.Count >= MostSegments)
            throw new InvalidDataException($"More than {MostSegments} segments from one process.");
        SharedSegment segment = line.Receive(id, mayWait: isWorker);
        mapped.Add(id, segment);
        FaultPoint.Reach(FaultStep.SideSegmentMapped);
        return segment;
    }

    /// <summary>A segment that the other side reads; a call that came back may be sent there again before the first reading is told to be over.
    /// A class, because a dictionary of structs of ours would be compiled anew in every worker.</summary>
    private sealed record Loan(SharedSegment Segment, int Times);

    private readonly record struct Header(FrameKind Kind, byte Flags, ushort RunTime, long Id, ulong Argument);

    /// <summary>A ring's data, both its mappings, as memory that decoders can read.</summary>
    private sealed class RingMemory(byte* start, uint length) : MemoryManager<byte>
    {
        private ReadOnlyMemory<byte> whole;

        // Not by CreateMemory, which would be compiled anew in every worker.
        public ReadOnlyMemory<byte> At(byte* at, int count)
        {
            if (whole.IsEmpty)
                whole = Memory;
            return whole.Slice((int)(at - start), count);
        }

        public override Span<byte> GetSpan() => new(start, (int)length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(start + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
