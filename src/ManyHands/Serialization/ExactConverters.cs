using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Nerdbank.MessagePack;

namespace ManyHands.Serialization;

/// <summary>UTF-8 where that is exact, and the code units themselves for text with surrogates, which may be unpaired.</summary>
internal sealed class ExactStringConverter : MessagePackConverter<string>
{
    public override void Write(ref MessagePackWriter writer, in string? value, SerializationContext context)
    {
        if (value is null)
            writer.WriteNil();
        else if (value.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
            writer.Write(value);
        else
            writer.Write(MemoryMarshal.AsBytes(value.AsSpan()));
    }

    public override string? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.NextMessagePackType != MessagePackType.Binary)
            return reader.ReadString();
        byte[] units = reader.ReadBytes()!.Value.ToArray();
        if (units.Length % sizeof(char) != 0)
            throw new MessagePackSerializationException($"A text can't take {units.Length} bytes.");
        return new string(MemoryMarshal.Cast<byte, char>(units));
    }
}

/// <summary>The ticks and the kind. The library's own refuses times of unspecified kind and forgets that others were local.</summary>
internal sealed class ExactDateTimeConverter : MessagePackConverter<DateTime>
{
    private const ulong Ticks = 0x3FFF_FFFF_FFFF_FFFF;

    public override void Write(ref MessagePackWriter writer, in DateTime value, SerializationContext context) =>
        writer.Write(Unsafe.BitCast<DateTime, ulong>(value));

    public override DateTime Read(ref MessagePackReader reader, SerializationContext context)
    {
        ulong bits = reader.ReadUInt64();
        if ((bits & Ticks) > (ulong)DateTime.MaxValue.Ticks)
            throw new MessagePackSerializationException($"{bits & Ticks:N0} ticks are no date.");
        return Unsafe.BitCast<ulong, DateTime>(bits);
    }
}

internal sealed class ExactDateTimeOffsetConverter : MessagePackConverter<DateTimeOffset>
{
    public override void Write(ref MessagePackWriter writer, in DateTimeOffset value, SerializationContext context)
    {
        writer.WriteArrayHeader(2);
        writer.Write(value.Ticks);
        writer.Write(value.Offset.Ticks);
    }

    public override DateTimeOffset Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.ReadArrayHeader() != 2)
            throw new MessagePackSerializationException("A date with an offset has two parts.");
        return new DateTimeOffset(reader.ReadInt64(), TimeSpan.FromTicks(reader.ReadInt64()));
    }
}

/// <summary>The number with its sign and trailing zeros: 1.0 isn't 1.00 when printed.</summary>
internal sealed class ExactDecimalConverter : MessagePackConverter<decimal>
{
    public override void Write(ref MessagePackWriter writer, in decimal value, SerializationContext context)
    {
        Span<int> parts = stackalloc int[4];
        decimal.GetBits(value, parts);
        writer.Write(MemoryMarshal.AsBytes(parts));
    }

    public override decimal Read(ref MessagePackReader reader, SerializationContext context)
    {
        ReadOnlySequence<byte> bytes = reader.ReadBytes()!.Value;
        Span<int> parts = stackalloc int[4];
        if (bytes.Length != sizeof(decimal))
            throw new MessagePackSerializationException($"A decimal can't take {bytes.Length} bytes.");
        bytes.CopyTo(MemoryMarshal.AsBytes(parts));
        return new decimal(parts);
    }
}
