using System.Runtime.CompilerServices;

namespace ManyHands.Serialization;

/// <summary>
/// Reads what <see cref="PayloadWriter"/> wrote. Every length is checked against what is left before anything is allocated,
/// so bytes from a damaged or hostile process end in <see cref="InvalidPayloadException"/> and nothing worse.
/// </summary>
internal unsafe ref struct PayloadReader
{
    private readonly ReadOnlyMemory<byte> memory;
    private readonly ReadOnlySpan<byte> span;
    private int position;

    public PayloadReader(ReadOnlyMemory<byte> memory, TransferContext? context = null)
    {
        this.memory = memory;
        span = memory.Span;
        Context = context;
    }

    /// <summary>The receiving side's counterpart of <see cref="PayloadWriter.Context"/>.</summary>
    public TransferContext? Context { get; }

    /// <summary>How many bytes were read; may be set forward to one that was passed over unread.</summary>
    public int Position
    {
        readonly get => position;
        set => position = (uint)value <= (uint)span.Length ? value : throw InvalidPayloadException.BadLength(value, span.Length);
    }

    public readonly int Remaining => span.Length - position;

    public byte ReadByte() => ReadUnmanaged<byte>();

    /// <summary>Reads a value without references as its bits, of which it is known that they are one.</summary>
    /// <remarks>Without a constraint, because the ahead-of-time compiler leaves out instantiations over the runtime's own types that must be structs.</remarks>
    public T ReadUnmanaged<T>()
    {
        if (RuntimeHelpers.IsReferenceOrContainsReferences<T>())
            throw new InvalidOperationException($"{typeof(T)} has references; it can't be read byte by byte.");
        Require(Unsafe.SizeOf<T>());
        T value = Unsafe.ReadUnaligned<T>(in span[position]);
        position += Unsafe.SizeOf<T>();

        // The copy, which nobody else can change any more.
        if (!BitPatterns<T>.IsValue(in value))
            throw InvalidPayloadException.BadBits(typeof(T));
        return value;
    }

    public ReadOnlySpan<byte> ReadBytes(int count)
    {
        Require(count);
        ReadOnlySpan<byte> bytes = span.Slice(position, count);
        position += count;
        return bytes;
    }

    public ReadOnlyMemory<byte> ReadMemory(int count)
    {
        Require(count);
        ReadOnlyMemory<byte> bytes = memory.Slice(position, count);
        position += count;
        return bytes;
    }

    public string? ReadString()
    {
        int length = ReadUnmanaged<int>();
        if (length == -1)
            return null;
        if (length < 0 || length > Remaining / sizeof(char))
            throw InvalidPayloadException.BadLength(length, Remaining);
        fixed (byte* start = ReadBytes(length * sizeof(char)))
            return new string((char*)start, 0, length);
    }

    public string ReadRequiredString() =>
        ReadString() ?? throw new InvalidPayloadException("A text that must be there is missing.");

    /// <summary>Reads a count of things that take at least <paramref name="bytesEach"/> bytes each, so that a false count can't make us allocate.</summary>
    public int ReadCount(int bytesEach)
    {
        int count = ReadUnmanaged<int>();
        if (count < 0 || (long)count * bytesEach > Remaining)
            throw InvalidPayloadException.BadLength(count, Remaining);
        return count;
    }

    private readonly void Require(int count)
    {
        if ((uint)count > (uint)Remaining)
            throw InvalidPayloadException.BadLength(count, Remaining);
    }
}

/// <summary>Bytes that no encoder of ours wrote.</summary>
internal sealed class InvalidPayloadException(string message, Exception? inner = null) : Exception(message, inner)
{
    public static InvalidPayloadException BadLength(long asked, int left) =>
        new($"The payload is damaged: it speaks of {asked:N0} bytes or items where {left:N0} bytes are left.");

    public static InvalidPayloadException BadBits(Type type) => new($"The payload is damaged: it has bits that are no {ReadableName.Of(type)}.");
}
