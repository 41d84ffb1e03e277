using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using ManyHands.Platform;

namespace ManyHands.Transport;

/// <summary>Frames over a connected stream socket: the channel that works on every platform.</summary>
internal sealed class SocketChannel : Channel
{
    private const int SmallFrame = 32 * 1024;
    private const int ReceiveBuffer = 64 * 1024;
    private const int LargestKept = 1024 * 1024;

    private readonly Socket socket;
    private readonly bool sendWaits;
    private readonly Lock sending = new();
    private readonly Queue<byte[]> backlog = new();
    private byte[] received = new byte[ReceiveBuffer];
    private int start;
    private int end;
    private int consumed;
    private bool flushing;
    private long startedAt;
    private long startedSequence;
    private volatile bool closed;

    /// <param name="socket">Connected; becomes the channel's own.</param>
    /// <param name="sendWaits">
    /// Whether sending may wait for the other side: true in a worker, whose parent always reads. A parent's sends never wait;
    /// what the socket doesn't take goes to a thread that exists only while there is such.
    /// </param>
    public SocketChannel(Socket socket, bool sendWaits)
    {
        this.socket = socket;
        this.sendWaits = sendWaits;
        socket.Blocking = false;
    }

    public override bool HearsUrgentFrames => false;

    public override bool EndsWithProcess => false;

    public override StartedCall Started
    {
        get
        {
            lock (sending)
                return new StartedCall(startedSequence, startedAt);
        }
    }

    public override void Send(FrameKind kind, long id, ReadOnlySpan<byte> payload = default, ulong argument = 0, byte flags = 0, ushort runTime = 0, bool wakeLater = false)
    {
        bool hasArgument = FrameKinds.HasArgument(kind);
        int head = Frame.HeaderSize + (hasArgument ? Frame.ArgumentSize : 0);
        bool small = head + payload.Length <= SmallFrame;
        byte[] rented = ArrayPool<byte>.Shared.Rent(small ? head + payload.Length : head);
        Span<byte> first = rented.AsSpan(0, small ? head + payload.Length : head);
        BinaryPrimitives.WriteInt32LittleEndian(first, checked(head - Frame.HeaderSize + payload.Length));
        first[4] = (byte)kind;
        first[5] = flags;
        BinaryPrimitives.WriteUInt16LittleEndian(first[6..], runTime);
        BinaryPrimitives.WriteInt64LittleEndian(first[8..], id);
        if (hasArgument)
            BinaryPrimitives.WriteUInt64LittleEndian(first[Frame.HeaderSize..], argument);
        if (small)
            payload.CopyTo(first[head..]);
        lock (sending)
        {
            FaultPoint.Reach(FaultStep.FrameSending);
            SendInOrder(first);
            if (!small)
                FaultPoint.Reach(FaultStep.FrameHalfSent);
            if (!small)
                SendInOrder(payload);
            FaultPoint.Reach(FaultStep.FrameSent);
        }

        ArrayPool<byte>.Shared.Return(rented);
    }

    public override void MarkStarted(long sequence, bool withTime) => Send(FrameKind.Started, sequence);

    public override bool TryRead(out Frame frame)
    {
        while (HasWholeFrame(out int length))
        {
            ReadOnlySpan<byte> header = received.AsSpan(start, Frame.HeaderSize);
            FrameKind kind = (FrameKind)header[4];
            long id = BinaryPrimitives.ReadInt64LittleEndian(header[8..]);
            if (kind == FrameKind.Started)
            {
                FaultPoint.Reach(FaultStep.StartedRead);
                lock (sending)
                    (startedSequence, startedAt) = (id, Stopwatch.GetTimestamp());
                Consume(Frame.HeaderSize + length);
                continue;
            }

            ulong argument = 0;
            int head = Frame.HeaderSize;
            if (FrameKinds.HasArgument(kind))
            {
                if (length < Frame.ArgumentSize)
                    throw new InvalidDataException($"A frame of {length:N0} bytes lacks its argument.");
                argument = BinaryPrimitives.ReadUInt64LittleEndian(received.AsSpan(start + head));
                head += Frame.ArgumentSize;
            }

            int whole = Frame.HeaderSize + length;
            frame = new Frame(kind, header[5], BinaryPrimitives.ReadUInt16LittleEndian(header[6..]), id, argument, received.AsMemory(start + head, whole - head));
            consumed = whole;
            FaultPoint.Reach(FaultStep.FrameReceived);
            return true;
        }

        frame = default;
        return false;
    }

    public override void Release(in Frame frame, bool keepSegment = false) => Consume(consumed);

    public override bool WaitForFrame()
    {
        while (!HasWholeFrame(out _))
        {
            if (end > start)
                FaultPoint.Reach(FaultStep.FrameHalfReceived);
            MakeRoom();
            if (!Receive())
                return false;
        }

        return true;
    }

    public override bool WaitForUrgentFrame() => WaitForFrame();

    public override void Abandon() => Close();

    public override void Close()
    {
        if (closed)
            return;
        closed = true;
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            // Already gone.
        }
    }

    public override void Dispose()
    {
        Close();
        socket.Dispose();
    }

    private bool HasWholeFrame(out int length)
    {
        int available = end - start;
        length = available < Frame.HeaderSize ? 0 : BinaryPrimitives.ReadInt32LittleEndian(received.AsSpan(start));
        if (length < 0 || length > Array.MaxLength - Frame.HeaderSize)
            throw new InvalidDataException($"A frame of {length:N0} bytes can't be.");
        return available >= Frame.HeaderSize && available >= Frame.HeaderSize + length;
    }

    private void Consume(int size)
    {
        start += size;
        if (start != end)
            return;
        start = end = 0;
        if (received.Length > LargestKept)
            received = new byte[ReceiveBuffer];
    }

    private void SendInOrder(ReadOnlySpan<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty && !closed)
            {
                if (backlog.Count == 0 && !flushing)
                {
                    int sent = socket.Send(bytes, SocketFlags.None, out SocketError error);
                    if (error == SocketError.Success)
                    {
                        bytes = bytes[sent..];
                        continue;
                    }

                    if (error is not (SocketError.WouldBlock or SocketError.NoBufferSpaceAvailable))
                        return;
                    if (sendWaits)
                    {
                        socket.Poll(-1, SelectMode.SelectWrite);
                        continue;
                    }
                }

                backlog.Enqueue(bytes.ToArray());
                if (!flushing)
                {
                    // What stands half in the stream makes the rest unreadable, so the other side is told by the stream's end.
                    Guarded.StartThread(GuardedEntry.Sending, "ManyHands sending", SendBacklog, failed: _ => Close());
                    flushing = true;
                }

                return;
            }
        }
        catch (ObjectDisposedException)
        {
            // The worker is gone; its calls are settled where that is noticed.
        }
    }

    private void SendBacklog()
    {
        try
        {
            while (!closed)
            {
                byte[] next;
                lock (sending)
                {
                    if (!backlog.TryPeek(out next!))
                    {
                        flushing = false;
                        return;
                    }
                }

                FaultPoint.Reach(FaultStep.BackgroundFlush);
                for (int sent = 0; sent < next.Length && !closed;)
                {
                    int count = socket.Send(next.AsSpan(sent), SocketFlags.None, out SocketError error);
                    if (error == SocketError.Success)
                        sent += count;
                    else if (error is SocketError.WouldBlock or SocketError.NoBufferSpaceAvailable)
                        socket.Poll(100_000, SelectMode.SelectWrite);
                    else
                        return;
                }

                lock (sending)
                    backlog.Dequeue();
            }
        }
        catch (Exception failure) when (failure is ObjectDisposedException or SocketException)
        {
            // As above.
        }
    }

    /// <summary>Makes room behind what was received. Doubles what has really arrived, so that a false length allocates nothing.</summary>
    private void MakeRoom()
    {
        if (end < received.Length)
            return;
        int available = end - start;
        byte[] target = available <= received.Length / 2
            ? received
            : GC.AllocateUninitializedArray<byte>((int)Math.Min(Array.MaxLength, received.Length * 2L));
        received.AsSpan(start, available).CopyTo(target);
        received = target;
        start = 0;
        end = available;
    }

    private bool Receive()
    {
        try
        {
            while (true)
            {
                int count = socket.Receive(received.AsSpan(end), SocketFlags.None, out SocketError error);
                if (error == SocketError.Success)
                {
                    end += count;
                    return count > 0;
                }

                if (error != SocketError.WouldBlock)
                    return false;
                socket.Poll(-1, SelectMode.SelectRead);
            }
        }
        catch (Exception failure) when (failure is ObjectDisposedException or SocketException)
        {
            return false;
        }
    }
}
