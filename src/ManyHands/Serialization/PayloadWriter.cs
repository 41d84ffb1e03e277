using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ManyHands.Platform;

namespace ManyHands.Serialization;

/// <summary>
/// A growing buffer that a call is encoded into: an array from the shared pool, and for large payloads, where the pool given has some, memory that
/// another process can read without a further copy. One writer belongs to one call at a time.
/// </summary>
internal sealed class PayloadWriter : IBufferWriter<byte>, IDisposable
{
    [ThreadStatic]
    private static PayloadWriter? current;

    private SegmentPool? segments;
    private SentReferences? sent;
    private byte[] buffer;
    private SharedSegment? segment;

    /// <param name="capacity">What is rented at first.</param>
    /// <param name="context">See <see cref="Context"/>.</param>
    /// <param name="segments">For large payloads; null keeps them in arrays.</param>
    public PayloadWriter(int capacity = 256, TransferContext? context = null, SegmentPool? segments = null)
    {
        this.segments = segments;
        buffer = ArrayPool<byte>.Shared.Rent(capacity);
        Context = context;
    }

    /// <summary>What belongs to the call as a whole: its token and its progress receivers. Null where none may travel.</summary>
    public TransferContext? Context { get; set; }

    public int Length { get; private set; }

    public ReadOnlySpan<byte> WrittenSpan => Whole[..Length];

    public ReadOnlyMemory<byte> WrittenMemory => segment is null ? buffer.AsMemory(0, Length) : segment.Memory[..Length];

    /// <summary>Whether references to shared objects are in it that end with it.</summary>
    public bool HasReferences => sent is not null;

    /// <summary>Where the payload is if it is a large one; null if it is in an array.</summary>
    public SharedSegment? Segment => segment;

    // Empty in a segment, so that every write that finds no room in the array takes the slow way, where the segment is.
    private Span<byte> Whole => segment is null ? buffer : segment.GetSpan();

    public void Clear() => Length = 0;

    /// <summary>What this thread writes from here on goes to that writer.</summary>
    /// <returns>Where it went before.</returns>
    public static PayloadWriter? Enter(PayloadWriter? writer)
    {
        PayloadWriter? outer = current;
        current = writer;
        return outer;
    }

    /// <summary>Has the reference that this thread is writing end with the call that it is written for.</summary>
    /// <returns>False if it is written for no call, so that nobody knows when it has arrived.</returns>
    public static bool TryEndWithCall(ISentReference reference)
    {
        if (current is not { Context: not null } writer)
            return false;
        (writer.sent ??= new()).Add(reference);
        return true;
    }

    /// <summary>The other has a copy of this payload: what both refer to ends with the last of them.</summary>
    public void ShareReferences(PayloadWriter copy) => copy.sent = sent?.AddPayload();

    /// <summary>Sets an empty writer up for another call.</summary>
    public void Reuse(TransferContext context, SegmentPool? source)
    {
        Reset();
        Context = context;
        segments = source;
    }

    /// <summary>Empties the writer for another use, and gives a large buffer back.</summary>
    public void Reset()
    {
        Length = 0;
        EndReferences();
        if (segment is null)
            return;
        GiveBackSegment();
        buffer = ArrayPool<byte>.Shared.Rent(256);
    }

    /// <summary>Takes the segment out, with what is written; the writer is empty afterwards.</summary>
    public SharedSegment TakeSegment()
    {
        SharedSegment taken = segment ?? throw new InvalidOperationException("The payload is in no segment.");
        segment = null;
        Length = 0;
        buffer = ArrayPool<byte>.Shared.Rent(256);
        return taken;
    }

    /// <summary>Forgets everything written after the first <paramref name="length"/> bytes.</summary>
    public void Truncate(int length) => Length = length;

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        EnsureFree(Math.Max(sizeHint, 1));
        return segment is null ? buffer.AsMemory(Length) : segment.Memory[Length..];
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        EnsureFree(Math.Max(sizeHint, 1));
        return Whole[Length..];
    }

    public void WriteByte(byte value) => WriteUnmanaged(value);

    public void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        EnsureFree(bytes.Length);
        bytes.CopyTo(Whole[Length..]);
        Length += bytes.Length;
    }

    /// <summary>Writes the value's own bytes, in the machine's order: both sides are always the same build on the same machine.</summary>
    /// <remarks>Without a constraint, as <see cref="PayloadReader.ReadUnmanaged"/> is.</remarks>
    public void WriteUnmanaged<T>(T value)
    {
        if (RuntimeHelpers.IsReferenceOrContainsReferences<T>())
            throw new InvalidOperationException($"{typeof(T)} has references; it can't be written byte by byte.");
        byte[] array = buffer;
        int at = Length;
        if (array.Length - at >= Unsafe.SizeOf<T>())
        {
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(array), at), value);
            Length = at + Unsafe.SizeOf<T>();
            return;
        }

        EnsureFree(Unsafe.SizeOf<T>());
        Unsafe.WriteUnaligned(ref Whole[Length], value);
        Length += Unsafe.SizeOf<T>();
    }

    /// <summary>Makes the last values that were written byte by byte the same for equal values.</summary>
    public void ClearPadding<T>(int count)
    {
        int size = count * Unsafe.SizeOf<T>();
        BitPatterns<T>.ClearPadding(Whole.Slice(Length - size, size));
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
    public void PatchInt32(int position, int value) => MemoryMarshal.Write(Whole.Slice(position, sizeof(int)), in value);

    /// <summary>The same, eight bytes.</summary>
    public void PatchInt64(int position, long value) => MemoryMarshal.Write(Whole.Slice(position, sizeof(long)), in value);

    public void Dispose()
    {
        byte[] returned = buffer;
        buffer = [];
        Length = 0;
        EndReferences();
        GiveBackSegment();
        if (returned.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(returned);
        }
    }

    private void EnsureFree(int count)
    {
        int capacity = segment is null ? buffer.Length : (int)Math.Min(segment.Size, int.MaxValue);
        if (capacity - Length < count)
        {
            Grow(count, capacity);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Grow(int count, int present)
    {
        long needed = (long)Length + count;
        if (needed > Array.MaxLength)
        {
            throw new PayloadTooLargeException(needed);
        }

        int capacity = (int)Math.Min(Array.MaxLength, Math.Max(needed, present * 2L));
        if (segments is not null && needed > SegmentPool.SmallestPayload)
        {
            SharedSegment larger = segments.Rent(capacity);
            WrittenSpan.CopyTo(larger.GetSpan());
            GiveBackSegment();
            segment = larger;
            if (buffer.Length > 0)
                ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
            return;
        }

        byte[] array = ArrayPool<byte>.Shared.Rent(capacity);
        WrittenSpan.CopyTo(array);
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        buffer = array;
    }

    private void EndReferences()
    {
        SentReferences? ended = sent;
        sent = null;
        ended?.EndPayload();
    }

    private void GiveBackSegment()
    {
        if (segment is null)
            return;
        segments!.Return(segment);
        segment = null;
    }
}

/// <summary>More than one array can hold. The call's encoder turns it into an <see cref="UnsendableCallException"/>.</summary>
internal sealed class PayloadTooLargeException(long bytes)
    : Exception($"{bytes:N0} bytes are more than the {Array.MaxLength:N0} that one call can carry.");
