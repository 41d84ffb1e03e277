using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Nerdbank.MessagePack;
using PolyType;

namespace ManyHands.Serialization;

/// <summary>The value's own bytes, for small types of the framework of which every pattern of bits is a value.</summary>
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
        return value;
    }
}

internal sealed class BitwiseConverterFactory : IMessagePackConverterFactory
{
    // By name, as elsewhere: naming them as types would load their assemblies into every application.
    private static readonly HashSet<string> Drawing =
    [
        "System.Drawing.Point", "System.Drawing.PointF", "System.Drawing.Size", "System.Drawing.SizeF",
        "System.Drawing.Rectangle", "System.Drawing.RectangleF",
    ];

    private static readonly HashSet<Type> Numbers =
    [
        typeof(Half), typeof(Int128), typeof(UInt128), typeof(Index), typeof(Range),
        typeof(Complex), typeof(Vector2), typeof(Vector3), typeof(Vector4), typeof(Quaternion), typeof(Plane),
        typeof(Matrix3x2), typeof(Matrix4x4),
    ];

    public static bool Covers(Type type) =>
        type.IsValueType && (Numbers.Contains(type) || (type.FullName is { } name && Drawing.Contains(name)));

    public MessagePackConverter? CreateConverter(Type type, ITypeShape? shape, in ConverterContext context) =>
        Covers(type) ? (MessagePackConverter)Activator.CreateInstance(typeof(BitwiseConverter<>).MakeGenericType(type))! : null;
}
