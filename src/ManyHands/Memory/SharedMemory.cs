using ManyHands.Memory;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// Bytes that processes share, for data of more than one type: a header and a table, say. For elements of one type take a <see cref="SharedArray{T}"/>.
/// </summary>
/// <remarks>What <see cref="SharedArray{T}"/> says of sharing, spans and disposing holds here too.</remarks>
public sealed unsafe class SharedMemory : ISharedObject<SharedMemory>, IDisposable
{
    private readonly SharedBlock block;
    private readonly byte* start;
    private int disposed;

    /// <summary>Makes a piece of memory, all zeros and all there from the start.</summary>
    /// <param name="size">How many bytes, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is less than 1 or more than 2⁶².</exception>
    /// <exception cref="IOException">The machine has not that much memory left.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public SharedMemory(long size)
        : this(SharedBlock.Create(SharedKind.Memory, Checked(size)), 0, size)
    {
    }

    private SharedMemory(SharedBlock block, long offset, long size)
    {
        this.block = block;
        start = block.Body + offset;
        Size = size;
    }

    /// <summary>How many bytes it has.</summary>
    public long Size { get; }

    /// <summary>All bytes. The first one's address is a multiple of 128, unless this is a slice.</summary>
    /// <exception cref="InvalidOperationException">There are more than a span can have: take slices.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public Span<byte> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed != 0, this);
            return Size <= int.MaxValue
                ? new(start, (int)Size)
                : throw new InvalidOperationException($"The memory has {Size:N0} bytes and a span at most {int.MaxValue:N0}; take a Slice and its Span.");
        }
    }

    /// <summary>A value in it, to read or to write.</summary>
    /// <param name="offset">Its first byte. A multiple of the value's size keeps it from being torn.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not all of it is inside.</exception>
    /// <exception cref="ArgumentException">Not all bits are a <typeparamref name="T"/>; see <see cref="SharedArray{T}"/>.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public ref T At<T>(long offset)
        where T : unmanaged
    {
        InPlace.Require<T>();
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        if (offset < 0 || offset > Size - sizeof(T))
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"The memory has {Size:N0} bytes, and a {typeof(T).Name} takes {sizeof(T)}.");
        return ref *(T*)(start + offset);
    }

    /// <summary>Elements of one type in it.</summary>
    /// <param name="offset">The first byte of the first.</param>
    /// <param name="count">How many.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not all of them are inside.</exception>
    /// <exception cref="ArgumentException">Not all bits are a <typeparamref name="T"/>; see <see cref="SharedArray{T}"/>.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public Span<T> SpanOf<T>(long offset, int count)
        where T : unmanaged
    {
        InPlace.Require<T>();
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (offset < 0 || offset > Size || (long)count * sizeof(T) > Size - offset)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"The memory has {Size:N0} bytes, and {count:N0} × {typeof(T).Name} take {(long)count * sizeof(T):N0}.");
        return new(start + offset, count);
    }

    /// <inheritdoc cref="SharedArray{T}.Slice"/>
    /// <param name="offset">The first byte of it.</param>
    /// <param name="size">How many bytes, at least 1.</param>
    public SharedMemory Slice(long offset, long size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, Size - offset);
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        block.AddUser();
        return new(block, Offset + offset, size);
    }

    /// <inheritdoc cref="SharedArray{T}.Dispose"/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 0)
            block.EndUser();
    }

    /// <inheritdoc/>
    public override string ToString() => $"SharedMemory[{Size}]";

    SharedReference ISharedObject<SharedMemory>.Refer()
    {
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        return block.Refer(Offset, Size);
    }

    static SharedMemory ISharedObject<SharedMemory>.Attach(in SharedReference reference)
    {
        SharedBlock block = SharedBlock.Attach(in reference, SharedKind.Memory);
        if (reference.Offset >= 0 && reference.Length >= 1 && reference.Offset <= block.BodySize && reference.Length <= block.BodySize - reference.Offset)
            return new(block, reference.Offset, reference.Length);
        long size = block.BodySize;
        block.EndUser();
        throw new CorruptSharedMemoryException($"A SharedMemory should have {reference.Length:N0} bytes from {reference.Offset:N0} on, and there are {size:N0}.");
    }

    private long Offset => start - block.Body;

    private static long Checked(long size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, 1L << 62);
        return size;
    }
}
