using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Nerdbank.MessagePack;
using PolyType;

namespace ManyHands.Serialization;

/// <summary>The value's own bytes, for small types of the framework, when the bits are one.</summary>
internal sealed class BitwiseConverter<T> : MessagePackConverter<T>
    where T : unmanaged
{
    public override void Write(ref MessagePackWriter writer, in T value, SerializationContext context) =>
        writer.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    public override T Read(ref MessagePackReader reader, SerializationContext context)
    {
        ReadOnlySequence<byte> bytes = reader.ReadBytes()!.Value;
        T value = default;
        if (bytes.Length != Unsafe.SizeOf<T>())
            throw new MessagePackSerializationException($"{typeof(T).Name} can't take {bytes.Length} bytes.");
        bytes.CopyTo(MemoryMarshal.AsBytes(new Span<T>(ref value)));
        return BitPatterns<T>.IsValue(in value) ? value : throw new MessagePackSerializationException($"It has bits that are no {ReadableName.Of(typeof(T))}.");
    }
}

internal sealed class BitwiseConverterFactory : IMessagePackConverterFactory
{
    // The library's own ways with numbers and dates are exact, or there is one of ours; the rest have members that say less than their bits.
    private static bool Covers(Type type) => type is { IsPrimitive: false, IsEnum: false } && BitPatterns.IsSingleValue(type) && BitPatterns.Of(type).AreAllValues;

    public MessagePackConverter? CreateConverter(Type type, ITypeShape? shape, in ConverterContext context) =>
        Covers(type) ? (MessagePackConverter)Activator.CreateInstance(typeof(BitwiseConverter<>).MakeGenericType(type))! : null;
}
