using System.Collections;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Nerdbank.MessagePack;

// The analyzer doesn't follow the helpers, which each write and read the one structure it looks for.
#pragma warning disable NBMsgPack031

namespace ManyHands.Serialization;

/// <summary>The text as it was given, relative or absolute.</summary>
internal sealed class UriConverter : MessagePackConverter<Uri>
{
    public static Refusal? Examine(Uri value) =>
        Uri.TryCreate(value.OriginalString, KindOf(value), out Uri? copy) && copy.ToString() == value.ToString() && copy.Equals(value)
            ? null
            : Refusal.Here("is a Uri made with special options", "pass its text as a string");

    public override void Write(ref MessagePackWriter writer, in Uri? value, SerializationContext context)
    {
        if (value is null)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(2);
        writer.Write(value.IsAbsoluteUri);
        ExactText.Write(ref writer, value.OriginalString, context);
    }

    public override Uri? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return null;
        FrameworkValue.RequireParts(ref reader, 2);
        UriKind kind = reader.ReadBoolean() ? UriKind.Absolute : UriKind.Relative;
        return new Uri(ExactText.Read(ref reader, context), kind);
    }

    private static UriKind KindOf(Uri value) => value.IsAbsoluteUri ? UriKind.Absolute : UriKind.Relative;
}

/// <summary>The name, and whether it may be changed. A culture whose formats were changed is refused.</summary>
internal sealed class CultureConverter : MessagePackConverter<CultureInfo>
{
    public static Refusal? Examine(CultureInfo value) =>
        HasSameFormats(value, Restore(value.Name, value.IsReadOnly))
            ? null
            : Refusal.Here("is a culture with formats of its own", "pass its Name and change the formats inside the function");

    public override void Write(ref MessagePackWriter writer, in CultureInfo? value, SerializationContext context)
    {
        if (value is null)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(2);
        writer.Write(value.IsReadOnly);
        writer.Write(value.Name);
    }

    public override CultureInfo? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return null;
        FrameworkValue.RequireParts(ref reader, 2);
        bool isReadOnly = reader.ReadBoolean();
        return Restore(ExactText.Read(ref reader, context), isReadOnly);
    }

    private static CultureInfo Restore(string name, bool isReadOnly) => isReadOnly ? CultureInfo.GetCultureInfo(name) : new CultureInfo(name);

    private static bool HasSameFormats(CultureInfo one, CultureInfo other) =>
        one.Equals(other)
        && one.Calendar.GetType() == other.Calendar.GetType()
        && HasSameProperties(one.NumberFormat, other.NumberFormat)
        && HasSameProperties(one.DateTimeFormat, other.DateTimeFormat);

    private static bool HasSameProperties<T>(T one, T other) =>
        typeof(T).GetProperties()
            .Where(static property => property.GetMethod is { IsStatic: false } && property.Name is not ("Calendar" or "IsReadOnly"))
            .All(property => StructuralComparisons.StructuralEqualityComparer.Equals(property.GetValue(one), property.GetValue(other)));
}

internal sealed class AddressConverter : MessagePackConverter<IPAddress>
{
    public override void Write(ref MessagePackWriter writer, in IPAddress? value, SerializationContext context)
    {
        if (value is null)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(2);
        writer.Write(value.GetAddressBytes());
        writer.Write(value.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? value.ScopeId : 0);
    }

    public override IPAddress? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return null;
        FrameworkValue.RequireParts(ref reader, 2);
        byte[] address = System.Buffers.BuffersExtensions.ToArray(reader.ReadBytes()!.Value);
        long scope = reader.ReadInt64();
        return scope == 0 ? new IPAddress(address) : new IPAddress(address, scope);
    }
}

internal sealed class EndPointConverter : MessagePackConverter<IPEndPoint>
{
    private static readonly AddressConverter Address = new();

    public override void Write(ref MessagePackWriter writer, in IPEndPoint? value, SerializationContext context)
    {
        if (value is null)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(2);
        Address.Write(ref writer, value.Address, context);
        writer.Write(value.Port);
    }

    public override IPEndPoint? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return null;
        FrameworkValue.RequireParts(ref reader, 2);
        IPAddress address = Address.Read(ref reader, context) ?? throw new MessagePackSerializationException("An end point needs an address.");
        return new IPEndPoint(address, reader.ReadInt32());
    }
}

internal sealed class BitArrayConverter : MessagePackConverter<BitArray>
{
    public override void Write(ref MessagePackWriter writer, in BitArray? value, SerializationContext context)
    {
        if (value is null)
        {
            writer.WriteNil();
            return;
        }

        byte[] bytes = new byte[(value.Length + 7) / 8];
        value.CopyTo(bytes, 0);
        writer.WriteArrayHeader(2);
        writer.Write(value.Length);
        writer.Write(bytes);
    }

    public override BitArray? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return null;
        FrameworkValue.RequireParts(ref reader, 2);
        int length = reader.ReadInt32();
        byte[] bytes = System.Buffers.BuffersExtensions.ToArray(reader.ReadBytes()!.Value);
        if (length < 0 || ((long)length + 7) / 8 != bytes.Length)
            throw new MessagePackSerializationException($"{length:N0} bits don't take {bytes.Length:N0} bytes.");
        return new BitArray(bytes) { Length = length };
    }
}

/// <summary>The JSON text itself, so that 1.0 stays 1.0 and a property that is there twice stays there twice.</summary>
internal sealed class JsonElementConverter : MessagePackConverter<JsonElement>
{
    public override void Write(ref MessagePackWriter writer, in JsonElement value, SerializationContext context)
    {
        if (value.ValueKind == JsonValueKind.Undefined)
            writer.WriteNil();
        else
            ExactText.Write(ref writer, value.GetRawText(), context);
    }

    public override JsonElement Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return default;
        using JsonDocument document = JsonDocumentConverter.Parse(ExactText.Read(ref reader, context));
        return document.RootElement.Clone();
    }
}

internal sealed class JsonDocumentConverter : MessagePackConverter<JsonDocument>
{
    // Whatever the sender's own parser was told to allow is part of the text.
    private static readonly JsonDocumentOptions Lenient = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, MaxDepth = 1000 };

    public static JsonDocument Parse(string text) => JsonDocument.Parse(text, Lenient);

    public override void Write(ref MessagePackWriter writer, in JsonDocument? value, SerializationContext context)
    {
        if (value is null)
            writer.WriteNil();
        else
            ExactText.Write(ref writer, value.RootElement.GetRawText(), context);
    }

    public override JsonDocument? Read(ref MessagePackReader reader, SerializationContext context) =>
        reader.TryReadNil() ? null : Parse(ExactText.Read(ref reader, context));
}

internal static class ExactText
{
    private static readonly ExactStringConverter Converter = new();

    public static void Write(ref MessagePackWriter writer, string text, SerializationContext context) => Converter.Write(ref writer, text, context);

    public static string Read(ref MessagePackReader reader, SerializationContext context) =>
        Converter.Read(ref reader, context) ?? throw new MessagePackSerializationException("A text that must be there is missing.");
}

internal static class FrameworkValue
{
    public static void RequireParts(ref MessagePackReader reader, int count)
    {
        int found = reader.ReadArrayHeader();
        if (found != count)
            throw new MessagePackSerializationException($"A value of {count} parts has {found}.");
    }
}
