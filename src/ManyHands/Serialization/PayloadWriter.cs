using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ManyHands.Serialization;

/// <summary>
/// A growing buffer from the shared array pool that a call is encoded into. One writer belongs to one call at a time.
/// </summary>
internal sealed class PayloadWriter : IBufferWriter<byte>, IDisposable
{
    private byte[] buffer;

    public PayloadWriter(int capacity = 256, TransferContext? context = null)
    {
        buffer = ArrayPool<byte>.Shared.Rent(capacity);
        Context = context;
    }

    /// <summary>What belongs to the call as a whole: its token and its progress receivers. Null where none may travel.</summary>
    public TransferContext? Context { get; }

    public int Length { get; private set; }

    public ReadOnlySpan<byte> WrittenSpan => buffer.AsSpan(0, Length);

    public ReadOnlyMemory<byte> WrittenMemory => buffer.AsMemory(0, Length);

    public void Clear() => Length = 0;

    /// <summary>Forgets everything written after the first <paramref name="length"/> bytes.</summary>
    public void Truncate(int length) => Length = length;

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        EnsureFree(Math.Max(sizeHint, 1));
        return buffer.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        EnsureFree(Math.Max(sizeHint, 1));
        return buffer.AsSpan(Length);
    }

    public void WriteByte(byte value)
    {
        EnsureFree(1);
        buffer[Length++] = value;
    }

    public void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        EnsureFree(bytes.Length);
        bytes.CopyTo(buffer.AsSpan(Length));
        Length += bytes.Length;
    }

    /// <summary>Writes the value's own bytes, in the machine's order: both sides are always the same build on the same machine.</summary>
    public void WriteUnmanaged<T>(T value)
        where T : unmanaged
    {
        EnsureFree(Unsafe.SizeOf<T>());
        Unsafe.WriteUnaligned(ref buffer[Length], value);
        Length += Unsafe.SizeOf<T>();
    }

    /// <summary>Writes a length and the UTF-16 code units as they are, so that not even a lone surrogate is changed.</summary>
    public void WriteString(string? value)
    {
        if (value is null)
        {
            WriteUnmanaged(-1);
            return;
        }

        WriteUnmanaged(value.Length);
        WriteBytes(MemoryMarshal.AsBytes(value.AsSpan()));
    }

    /// <summary>Overwrites four bytes written earlier; for lengths that are known only afterwards.</summary>
    public void PatchInt32(int position, int value) => Unsafe.WriteUnaligned(ref buffer[position], value);

    public void Dispose()
    {
        byte[] returned = buffer;
        buffer = [];
        Length = 0;
        if (returned.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(returned);
        }
    }

    private void EnsureFree(int count)
    {
        if (buffer.Length - Length < count)
        {
            Grow(count);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Grow(int count)
    {
        long needed = (long)Length + count;
        if (needed > Array.MaxLength)
        {
            throw new PayloadTooLargeException(needed);
        }

        int capacity = (int)Math.Min(Array.MaxLength, Math.Max(needed, (long)buffer.Length * 2));
        byte[] larger = ArrayPool<byte>.Shared.Rent(capacity);
        buffer.AsSpan(0, Length).CopyTo(larger);
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        buffer = larger;
    }
}

/// <summary>More than one array can hold. The call's encoder turns it into an <c>UnsendableCallException</c>.</summary>
internal sealed class PayloadTooLargeException(long bytes)
    : Exception($"{bytes:N0} bytes are more than the {Array.MaxLength:N0} that one call can carry.");
