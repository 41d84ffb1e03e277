using System.Buffers;
using System.Runtime.CompilerServices;
using ManyHands.Memory;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// An array in memory that processes share. Passing it to another process, as an argument, a captured variable, a result or a member of a record, costs the same for
/// any size: what arrives is the same array. Nothing of it is ever left over: it is gone with the last process that has it.
/// </summary>
/// <remarks>
/// <para>Reads and writes are those of any array between threads: single elements of up to 8 bytes are never torn, and nothing else is promised. Guard what belongs
/// together with a lock, or give each worker a part of its own with <see cref="Slice"/>.</para>
/// <para>A span doesn't keep the array alive: hold the array, best in a <c>using</c>, for as long as you use its spans. Arguments of a call stay
/// alive until the call ends. Once the array is disposed of, a span that is still around reads zeros.</para>
/// <para>Another process may write any bits at any time, so the type must be one of which all bits are a value: numbers, enums, characters, <see cref="Guid"/>, <see cref="TimeSpan"/>, and structs of those. A <see cref="decimal"/>, a
/// <see cref="DateTime"/> and the like are refused, as bits that are none could end this process; store their ticks or parts, or use a <see cref="SharedValue{T}"/>, which checks what it reads. A <see cref="bool"/> is fine: whatever isn't
/// 0 is true, but of two true ones that another process wrote one may not equal the other, so test them rather than compare them.</para>
/// <para>On Linux only.</para>
/// </remarks>
/// <typeparam name="T">A type of which all bits are a value, such as a number, an enum or a struct of those.</typeparam>
public sealed unsafe class SharedArray<T> : ISharedObject<SharedArray<T>>, IDisposable
    where T : unmanaged
{
    private readonly SharedBlock block;
    private readonly T* start;
    private readonly long length;
    private int disposed;

    /// <summary>Makes an array of zeros, all of it in memory from the start.</summary>
    /// <param name="length">How many elements, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is less than 1, or the array would take more than 2⁶² bytes.</exception>
    /// <exception cref="ArgumentException">Not all bits are a <typeparamref name="T"/>, or it has references (which only reflection gets past the compiler). The message says what to take instead.</exception>
    /// <exception cref="IOException">The machine has not that much memory left.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public SharedArray(long length)
        : this(SharedBlock.Create(SharedKind.Array, SizeOf(length), sizeof(T)), 0, length)
    {
    }

    /// <summary>Makes an array with a copy of the values.</summary>
    /// <inheritdoc cref="SharedArray{T}(long)"/>
    public SharedArray(ReadOnlySpan<T> values)
        : this(values.Length) => values.CopyTo(new(start, values.Length));

    private SharedArray(SharedBlock block, long offset, long length)
    {
        this.block = block;
        this.length = length;
        start = (T*)block.Body + offset;
    }

    /// <summary>How many elements it has.</summary>
    public long Length => length;

    /// <summary>An element, to read or to write.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public ref T this[long index]
    {
        get
        {
            if ((ulong)index >= (ulong)length || disposed != 0)
                Refuse(index);
            return ref start[index];
        }
    }

    /// <summary>All elements.</summary>
    /// <exception cref="InvalidOperationException">There are more than a span can have: take slices.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public Span<T> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed != 0, this);
            return length <= int.MaxValue
                ? new(start, (int)length)
                : throw new InvalidOperationException($"The array has {length:N0} elements and a span at most {int.MaxValue:N0}; take a Slice and its Span.");
        }
    }

    /// <summary>All elements, in a form that keeps the array alive and can be stored, passed to streams and used across an await.</summary>
    /// <exception cref="InvalidOperationException">There are more than a <see cref="Memory{T}"/> can have: take slices.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public Memory<T> Memory
    {
        get
        {
            _ = Span;
            return new View(this).Memory;
        }
    }

    /// <summary>
    /// A part of the array: the same elements, and an object of its own that travels and is disposed of by itself. The memory stays until the last of them is disposed of.
    /// </summary>
    /// <param name="offset">The first element of it.</param>
    /// <param name="length">How many elements, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the array.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public SharedArray<T> Slice(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, this.length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, this.length - offset);
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        block.AddUser();
        return new(block, Offset + offset, length);
    }

    /// <summary>The array in as many parts, whose lengths differ by 1 at most: one for each worker.</summary>
    /// <param name="parts">From 1 to the array's length.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many elements.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public SharedArray<T>[] Split(int parts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parts, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parts, length);
        SharedArray<T>[] split = new SharedArray<T>[parts];
        (long each, long rest) = Math.DivRem(length, parts);
        long offset = 0;
        for (int part = 0; part < parts; part++)
        {
            long size = part < rest ? each + 1 : each;
            split[part] = Slice(offset, size);
            offset += size;
        }

        return split;
    }

    /// <summary>This process has no more use for it; others keep theirs. Spans that are still around read zeros from then on.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 0)
            block.EndUser();
    }

    /// <inheritdoc/>
    public override string ToString() => $"SharedArray<{typeof(T).Name}>[{length}]";

    SharedReference ISharedObject<SharedArray<T>>.Refer()
    {
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        return block.Refer(Offset, length);
    }

    static SharedArray<T> ISharedObject<SharedArray<T>>.Attach(in SharedReference reference)
    {
        InPlace.Require<T>();
        SharedBlock block = SharedBlock.Attach(in reference, SharedKind.Array);
        long capacity = block.BodySize / sizeof(T);
        if (block.Detail == sizeof(T) && reference.Offset >= 0 && reference.Length >= 1 && reference.Offset <= capacity && reference.Length <= capacity - reference.Offset)
            return new(block, reference.Offset, reference.Length);
        string what = $"{reference.Length:N0} elements of {sizeof(T)} bytes from {reference.Offset:N0} on, and there are {capacity:N0} of {block.Detail}";
        block.EndUser();
        throw new CorruptSharedMemoryException($"A SharedArray<{typeof(T).Name}> should have {what}.");
    }

    private long Offset => start - (T*)block.Body;

    private static long SizeOf(long length)
    {
        if (RuntimeHelpers.IsReferenceOrContainsReferences<T>())
            throw new ArgumentException($"{typeof(T)} has references, which mean nothing in another process; share a struct of numbers, or send the objects as arguments.");
        InPlace.Require<T>();
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, (1L << 62) / sizeof(T));
        return length * sizeof(T);
    }

    private void Refuse(long index)
    {
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        throw new ArgumentOutOfRangeException(nameof(index), index, $"There is no such element: the array has {length:N0}.");
    }

    private sealed class View(SharedArray<T> array) : MemoryManager<T>
    {
        public override Span<T> GetSpan() => array.Span;

        public override MemoryHandle Pin(int elementIndex = 0)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)array.length, nameof(elementIndex));
            return new(array.start + elementIndex, pinnable: this);
        }

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
