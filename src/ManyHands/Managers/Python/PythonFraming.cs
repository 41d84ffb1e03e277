using System.Buffers;
using System.Buffers.Binary;

namespace ManyHands.Managers;

/// <summary>A peer that doesn't keep to the protocol: a frame that is cut, too long, or of a negative length, or a message that has no place there.</summary>
internal sealed class PythonProtocolException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>
/// The frames of Python's connections over a stream: a length of four bytes, the highest first, then so many bytes; above 2 GiB, and for who likes it, minus one and a length of eight. One reader and one writer at a time.
/// </summary>
internal sealed class PythonFraming(Stream stream)
{
    private const int FirstBuffer = 4096;

    /// <summary>A buffer beyond this is not kept for the next frame.</summary>
    private const int LargestKept = 1 << 20;

    private byte[] buffer = new byte[FirstBuffer];
    private int start;
    private int end;

    /// <summary>Reads the next frame.</summary>
    /// <param name="maximum">How many bytes it may have; a longer one is refused before there is a buffer for it.</param>
    /// <returns>Its bytes, good until the next reading; null if the peer has closed the connection between two frames.</returns>
    /// <exception cref="PythonProtocolException">It is cut or longer, or its length is negative.</exception>
    /// <exception cref="IOException">The connection is broken.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(int maximum, CancellationToken token = default)
    {
        if (start == end)
        {
            start = end = 0;
            if (buffer.Length > LargestKept)
                buffer = new byte[FirstBuffer];
        }

        if (!await FillAsync(4, token).ConfigureAwait(false))
            return null;
        long length = BinaryPrimitives.ReadInt32BigEndian(buffer.AsSpan(start));
        start += 4;
        if (length == -1)
        {
            await RequireAsync(8, token).ConfigureAwait(false);
            length = BinaryPrimitives.ReadInt64BigEndian(buffer.AsSpan(start));
            start += 8;
        }

        if (length < 0)
            throw new PythonProtocolException($"A frame of {length:N0} bytes.");
        if (length > maximum)
            throw new PythonProtocolException($"A frame of {length:N0} bytes; at most {maximum:N0} are taken.");
        await RequireAsync((int)length, token).ConfigureAwait(false);
        ReadOnlyMemory<byte> frame = buffer.AsMemory(start, (int)length);
        start += (int)length;
        return frame;
    }

    /// <summary>Sends a frame with these bytes.</summary>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> payload, CancellationToken token = default)
    {
        PythonFrameBuffer frame = new();
        frame.Write(payload.Span);
        await WriteAsync(frame, token).ConfigureAwait(false);
    }

    /// <summary>Sends a frame that is built already, in one go: two small writes could wait for each other's acknowledgement.</summary>
    public async ValueTask WriteAsync(PythonFrameBuffer frame, CancellationToken token = default)
    {
        await stream.WriteAsync(frame.Finish(), token).ConfigureAwait(false);
        await stream.FlushAsync(token).ConfigureAwait(false);
    }

    private async ValueTask RequireAsync(int count, CancellationToken token)
    {
        if (!await FillAsync(count, token).ConfigureAwait(false))
            throw new PythonProtocolException("The connection ends in the middle of a frame.");
    }

    /// <summary>Sees to it that so many bytes are there. False if the connection ends before the first.</summary>
    private async ValueTask<bool> FillAsync(int count, CancellationToken token)
    {
        while (end - start < count)
        {
            MakeRoom(count);
            int read = await stream.ReadAsync(buffer.AsMemory(end), token).ConfigureAwait(false);
            if (read == 0)
                return start == end ? false : throw new PythonProtocolException("The connection ends in the middle of a frame.");
            end += read;
        }

        return true;
    }

    private void MakeRoom(int count)
    {
        int there = end - start;
        if (end < buffer.Length && start + (long)count <= buffer.Length)
            return;

        // It grows with what has come, not with what was promised: a header costs nothing.
        int size = Math.Min(Math.Max(count, FirstBuffer), Math.Max(buffer.Length, there * 2));
        byte[] target = size > buffer.Length ? new byte[size] : buffer;
        if (start == 0 && ReferenceEquals(target, buffer))
            return;
        Buffer.BlockCopy(buffer, start, target, 0, there);
        buffer = target;
        (start, end) = (0, there);
    }
}

/// <summary>Collects a frame's bytes behind room for its length.</summary>
internal sealed class PythonFrameBuffer : IBufferWriter<byte>
{
    private const int Room = 4;
    private byte[] buffer = new byte[256];
    private int end = Room;

    /// <summary>How many bytes the frame has.</summary>
    public int Length => end - Room;

    /// <summary>Starts anew, with the same memory unless that is large.</summary>
    public void Clear()
    {
        if (buffer.Length > 1 << 20)
            buffer = new byte[256];
        end = Room;
    }

    public void Advance(int count) => end += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Grow(sizeHint);
        return buffer.AsMemory(end);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Grow(sizeHint);
        return buffer.AsSpan(end);
    }

    /// <summary>The frame as it goes over the connection.</summary>
    public ReadOnlyMemory<byte> Finish()
    {
        // An array has no more than 2 GiB, so four bytes suffice.
        BinaryPrimitives.WriteInt32BigEndian(buffer.AsSpan(Room - 4), Length);
        return buffer.AsMemory(Room - 4, Length + 4);
    }

    private void Grow(int sizeHint)
    {
        int needed = Math.Max(sizeHint, 1);
        if (buffer.Length - end < needed)
            Array.Resize(ref buffer, (int)Math.Min(Array.MaxLength, Math.Max(buffer.Length * 2L, (long)end + needed)));
    }
}
