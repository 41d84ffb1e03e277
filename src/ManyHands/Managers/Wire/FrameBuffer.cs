using System.Buffers;
using System.Buffers.Binary;

namespace ManyHands.Managers;

/// <summary>
/// What came in and is not read yet, cut into messages. It grows with what has really come, never with what a length speaks of.
/// </summary>
internal sealed class FrameBuffer(int largest) : IDisposable
{
    public const int LengthSize = 4;
    private const int Usual = 64 * 1024;

    private byte[] buffer = ArrayPool<byte>.Shared.Rent(Usual);
    private int start;
    private int end;

    /// <summary>Where to put what comes; never empty.</summary>
    public Memory<byte> Free
    {
        get
        {
            if (start == end)
            {
                start = end = 0;
                if (buffer.Length > 16 * Usual)
                    Exchange(Usual);
            }

            if (buffer.Length - end < Usual / 8)
                MakeRoom();
            return buffer.AsMemory(end);
        }
    }

    public bool IsEmpty => start == end;

    public void Added(int count) => end += count;

    /// <summary>The next whole message; valid until something is added.</summary>
    /// <exception cref="InvalidDataException">It would be larger than allowed, or has no kind.</exception>
    public bool TryTake(out ReadOnlyMemory<byte> message)
    {
        message = default;
        if (end - start < LengthSize)
            return false;
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(start));
        if (length == 0 || length > (uint)largest)
            throw new InvalidDataException($"A message of {length:N0} bytes came, and between 1 and {largest:N0} are allowed.");
        if (end - start - LengthSize < (int)length)
            return false;
        message = buffer.AsMemory(start + LengthSize, (int)length);
        start += LengthSize + (int)length;
        return true;
    }

    public void Dispose()
    {
        byte[] returned = buffer;
        buffer = [];
        if (returned.Length > 0)
            ArrayPool<byte>.Shared.Return(returned);
    }

    private void MakeRoom()
    {
        int waiting = end - start;
        if (start > 0 && waiting <= buffer.Length / 2)
        {
            buffer.AsSpan(start, waiting).CopyTo(buffer);
            (start, end) = (0, waiting);
            return;
        }

        Exchange(2 * buffer.Length);
    }

    private void Exchange(int capacity)
    {
        byte[] other = ArrayPool<byte>.Shared.Rent(capacity);
        buffer.AsSpan(start, end - start).CopyTo(other);
        (start, end) = (0, end - start);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = other;
    }
}
