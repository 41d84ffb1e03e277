using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;

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

    public override void Send(FrameKind kind, long id, ReadOnlySpan<byte> payload = default, ReadOnlySpan<byte> prefix = default, byte flags = 0, ushort runTime = 0)
    {
        int head = Frame.HeaderSize + prefix.Length;
        bool small = head + payload.Length <= SmallFrame;
        byte[] rented = ArrayPool<byte>.Shared.Rent(small ? head + payload.Length : head);
        Span<byte> first = rented.AsSpan(0, small ? head + payload.Length : head);
        BinaryPrimitives.WriteInt32LittleEndian(first, checked(prefix.Length + payload.Length));
        first[4] = (byte)kind;
        first[5] = flags;
        BinaryPrimitives.WriteUInt16LittleEndian(first[6..], runTime);
        BinaryPrimitives.WriteInt64LittleEndian(first[8..], id);
        prefix.CopyTo(first[Frame.HeaderSize..]);
        if (small)
            payload.CopyTo(first[head..]);
        lock (sending)
        {
            SendInOrder(first);
            if (!small)
                SendInOrder(payload);
        }

        ArrayPool<byte>.Shared.Return(rented);
    }

    public override bool TryReceive(out Frame frame)
    {
        start += consumed;
        consumed = 0;
        if (start == end)
        {
            start = end = 0;
            if (received.Length > LargestKept)
                received = new byte[ReceiveBuffer];
        }

        while (true)
        {
            int available = end - start;
            if (available >= Frame.HeaderSize)
            {
                ReadOnlySpan<byte> header = received.AsSpan(start, Frame.HeaderSize);
                int length = BinaryPrimitives.ReadInt32LittleEndian(header);
                if (length < 0 || length > Array.MaxLength - Frame.HeaderSize)
                    throw new InvalidDataException($"A frame of {length:N0} bytes can't be.");
                int whole = Frame.HeaderSize + length;
                if (available >= whole)
                {
                    frame = new Frame(
                        (FrameKind)header[4],
                        header[5],
                        BinaryPrimitives.ReadUInt16LittleEndian(header[6..]),
                        BinaryPrimitives.ReadInt64LittleEndian(header[8..]),
                        received.AsMemory(start + Frame.HeaderSize, length));
                    consumed = whole;
                    return true;
                }
            }

            MakeRoom();
            if (!Receive())
            {
                frame = default;
                return false;
            }
        }
    }

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
                    flushing = true;
                    new Thread(Flush) { Name = "ManyHands sending", IsBackground = true }.UnsafeStart();
                }

                return;
            }
        }
        catch (ObjectDisposedException)
        {
            // The worker is gone; its calls are settled where that is noticed.
        }
    }

    private void Flush()
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
