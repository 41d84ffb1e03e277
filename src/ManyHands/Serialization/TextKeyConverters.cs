using Nerdbank.MessagePack;
using PolyType;
using PolyType.Abstractions;

// The analyzer doesn't follow the helpers, which each write and read the one structure it looks for.
#pragma warning disable NBMsgPack031

namespace ManyHands.Serialization;

/// <summary>The two ways of comparing texts that every process has in common, so that they can travel with a dictionary or set.</summary>
internal static class TextComparison
{
    public static bool Travels(IEqualityComparer<string> comparer) => StringComparer.IsWellKnownOrdinalComparer(comparer!, out _);

    public static bool IgnoresCase(IEqualityComparer<string> comparer) => StringComparer.IsWellKnownOrdinalComparer(comparer!, out bool ignoresCase) && ignoresCase;

    public static StringComparer? For(bool ignoresCase) => ignoresCase ? StringComparer.OrdinalIgnoreCase : null;
}

/// <summary>A dictionary by text, which often ignores case, and arrives doing so.</summary>
internal sealed class TextDictionaryConverter<TValue>(ITypeShape<TValue> shape) : MessagePackConverter<Dictionary<string, TValue>>
{
    private const int TrustedCapacity = 1024;

    // Found at first use and not before: a type may hold a dictionary of itself.
    private MessagePackConverter<TValue>? content;

    public override void Write(ref MessagePackWriter writer, in Dictionary<string, TValue>? value, SerializationContext context)
    {
        if (value is null)
        {
            writer.WriteNil();
            return;
        }

        context.DepthStep();
        content ??= context.GetConverter(shape);
        writer.WriteArrayHeader(2);
        writer.Write(TextComparison.IgnoresCase(value.Comparer));
        writer.WriteMapHeader(value.Count);
        foreach ((string key, TValue item) in value)
        {
            ExactText.Write(ref writer, key, context);
            content.Write(ref writer, item, context);
        }
    }

    public override Dictionary<string, TValue>? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return null;
        context.DepthStep();
        content ??= context.GetConverter(shape);
        FrameworkValue.RequireParts(ref reader, 2);
        StringComparer? comparer = TextComparison.For(reader.ReadBoolean());
        int count = reader.ReadMapHeader();
        Dictionary<string, TValue> value = new(Math.Min(count, TrustedCapacity), comparer);
        for (int index = 0; index < count; index++)
        {
            string key = ExactText.Read(ref reader, context);
            value.Add(key, content.Read(ref reader, context)!);
        }

        return value;
    }
}

/// <summary>A set of texts, which often ignores case, and arrives doing so.</summary>
internal sealed class TextSetConverter : MessagePackConverter<HashSet<string?>>
{
    private const int TrustedCapacity = 1024;
    private static readonly ExactStringConverter Text = new();

    public override void Write(ref MessagePackWriter writer, in HashSet<string?>? value, SerializationContext context)
    {
        if (value is null)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(2);
        writer.Write(TextComparison.IgnoresCase(value.Comparer!));
        writer.WriteArrayHeader(value.Count);
        foreach (string? item in value)
            Text.Write(ref writer, item, context);
    }

    public override HashSet<string?>? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return null;
        FrameworkValue.RequireParts(ref reader, 2);
        StringComparer? comparer = TextComparison.For(reader.ReadBoolean());
        int count = reader.ReadArrayHeader();
        HashSet<string?> value = new(Math.Min(count, TrustedCapacity), comparer);
        for (int index = 0; index < count; index++)
            value.Add(Text.Read(ref reader, context));
        return value;
    }
}

internal sealed class TextKeyConverterFactory : IMessagePackConverterFactory, ITypeShapeFunc
{
    public MessagePackConverter? CreateConverter(Type type, ITypeShape? shape, in ConverterContext context)
    {
        if (type == typeof(HashSet<string>))
            return new TextSetConverter();
        return type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Dictionary<,>)
            && shape is IDictionaryTypeShape { ValueType: { } content, KeyType.Type: var key } && key == typeof(string)
            ? (MessagePackConverter?)content.Invoke(this)
            : null;
    }

    object? ITypeShapeFunc.Invoke<TValue>(ITypeShape<TValue> typeShape, object? state) => new TextDictionaryConverter<TValue>(typeShape);
}
