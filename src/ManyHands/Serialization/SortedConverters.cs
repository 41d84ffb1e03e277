using System.Collections.Immutable;
using System.Globalization;
using Nerdbank.MessagePack;
using PolyType;
using PolyType.Abstractions;

// The analyzer doesn't follow the helpers, which each write and read the one structure it looks for.
#pragma warning disable NBMsgPack031

namespace ManyHands.Serialization;

/// <summary>What decides the order of a sorted collection of such keys, and whether that is the same in every process.</summary>
internal static class SortedKeys
{
    /// <summary>Texts are sorted by the culture of the process, and types of the user's own by whatever they please.</summary>
    public static bool AreSortedAlikeEverywhere(Type key) =>
        key != typeof(string) && (TravellingTypes.AreEqualByValue(key) || (key.IsGenericType && StableKeys.IsTuple(key) && key.GetGenericArguments().All(AreSortedAlikeEverywhere)));
}

/// <summary>
/// Takes the order along: which comparer it is, of those that every process has, and at the other end whether the keys come in its order. Otherwise
/// the receiver's culture would sort them anew, and what was the first is no longer.
/// </summary>
internal static class SortedOrder
{
    public static void Write<TKey>(ref MessagePackWriter writer, IComparer<TKey>? comparer)
    {
        if (ReferenceEquals(comparer, StringComparer.Ordinal))
            writer.Write((byte)Kind.Ordinal);
        else if (ReferenceEquals(comparer, StringComparer.OrdinalIgnoreCase))
            writer.Write((byte)Kind.OrdinalIgnoreCase);
        else
            writer.Write((byte)Kind.Default);
    }

    /// <returns>Null for the default order.</returns>
    public static IComparer<TKey>? Read<TKey>(ref MessagePackReader reader)
    {
        Kind kind = (Kind)reader.ReadByte();
        if (kind == Kind.Default)
            return null;
        StringComparer comparer = kind switch
        {
            Kind.Ordinal => StringComparer.Ordinal,
            Kind.OrdinalIgnoreCase => StringComparer.OrdinalIgnoreCase,
            _ => throw new MessagePackSerializationException($"{(byte)kind} is no order of keys."),
        };
        return comparer as IComparer<TKey> ?? throw new MessagePackSerializationException($"{ReadableName.Of(typeof(TKey))} isn't sorted as texts are.");
    }

    /// <summary>Whether such a comparer is one of those that every process has.</summary>
    public static bool Travels<TKey>(IComparer<TKey> comparer) => ReferenceEquals(comparer, StringComparer.Ordinal) || ReferenceEquals(comparer, StringComparer.OrdinalIgnoreCase);

    public static void RequireAscending<TKey>(IComparer<TKey>? comparer, TKey previous, TKey next)
    {
        if ((comparer ?? Comparer<TKey>.Default).Compare(previous, next) < 0)
            return;
        throw new MessagePackSerializationException(SortedKeys.AreSortedAlikeEverywhere(typeof(TKey))
            ? "its keys aren't in order."
            : $"its keys come in another order than that of this process, whose culture is '{CultureInfo.CurrentCulture.Name}', so it would arrive changed; sort texts with StringComparer.Ordinal, which travels, or send a List.");
    }

    private enum Kind : byte
    {
        Default,
        Ordinal,
        OrdinalIgnoreCase,
    }
}

/// <summary>Sorted sets.</summary>
internal abstract class SortedItemsConverter<TSet, TItem>(ITypeShape<TItem> shape) : MessagePackConverter<TSet>
    where TSet : class, IReadOnlyCollection<TItem>
{
    private const int TrustedCapacity = 1024;

    // Found at first use and not before: a type may hold a set of itself.
    private MessagePackConverter<TItem>? item;

    public override void Write(ref MessagePackWriter writer, in TSet? value, SerializationContext context)
    {
        if (value is null)
        {
            writer.WriteNil();
            return;
        }

        context.DepthStep();
        item ??= context.GetConverter(shape);
        writer.WriteArrayHeader(2);
        SortedOrder.Write(ref writer, ComparerOf(value));
        writer.WriteArrayHeader(value.Count);
        foreach (TItem each in value)
            item.Write(ref writer, each, context);
    }

    public override TSet? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return null;
        context.DepthStep();
        item ??= context.GetConverter(shape);
        FrameworkValue.RequireParts(ref reader, 2);
        IComparer<TItem>? comparer = SortedOrder.Read<TItem>(ref reader);
        int count = reader.ReadArrayHeader();
        List<TItem> items = new(Math.Min(count, TrustedCapacity));
        for (int index = 0; index < count; index++)
        {
            TItem next = item.Read(ref reader, context)!;
            if (index > 0)
                SortedOrder.RequireAscending(comparer, items[index - 1], next);
            items.Add(next);
        }

        return Make(comparer, items);
    }

    protected abstract IComparer<TItem> ComparerOf(TSet value);

    protected abstract TSet Make(IComparer<TItem>? comparer, List<TItem> items);
}

internal sealed class SortedSetConverter<TItem>(ITypeShape<TItem> shape) : SortedItemsConverter<SortedSet<TItem>, TItem>(shape)
{
    protected override IComparer<TItem> ComparerOf(SortedSet<TItem> value) => value.Comparer;

    protected override SortedSet<TItem> Make(IComparer<TItem>? comparer, List<TItem> items) => new(items, comparer);
}

internal sealed class ImmutableSortedSetConverter<TItem>(ITypeShape<TItem> shape) : SortedItemsConverter<ImmutableSortedSet<TItem>, TItem>(shape)
{
    protected override IComparer<TItem> ComparerOf(ImmutableSortedSet<TItem> value) => value.KeyComparer;

    protected override ImmutableSortedSet<TItem> Make(IComparer<TItem>? comparer, List<TItem> items) => ImmutableSortedSet.CreateRange(comparer, items);
}

/// <summary>Sorted dictionaries.</summary>
internal abstract class SortedPairsConverter<TDictionary, TKey, TValue>(ITypeShape<TKey> keyShape, ITypeShape<TValue> valueShape) : MessagePackConverter<TDictionary>
    where TDictionary : class, IReadOnlyDictionary<TKey, TValue>
    where TKey : notnull
{
    private const int TrustedCapacity = 1024;

    // Found at first use and not before: a type may hold a dictionary of itself.
    private MessagePackConverter<TKey>? key;
    private MessagePackConverter<TValue>? content;

    public override void Write(ref MessagePackWriter writer, in TDictionary? value, SerializationContext context)
    {
        if (value is null)
        {
            writer.WriteNil();
            return;
        }

        context.DepthStep();
        key ??= context.GetConverter(keyShape);
        content ??= context.GetConverter(valueShape);
        writer.WriteArrayHeader(2);
        SortedOrder.Write(ref writer, ComparerOf(value));
        writer.WriteMapHeader(value.Count);
        foreach ((TKey name, TValue item) in value)
        {
            key.Write(ref writer, name, context);
            content.Write(ref writer, item, context);
        }
    }

    public override TDictionary? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return null;
        context.DepthStep();
        key ??= context.GetConverter(keyShape);
        content ??= context.GetConverter(valueShape);
        FrameworkValue.RequireParts(ref reader, 2);
        IComparer<TKey>? comparer = SortedOrder.Read<TKey>(ref reader);
        int count = reader.ReadMapHeader();
        List<KeyValuePair<TKey, TValue>> pairs = new(Math.Min(count, TrustedCapacity));
        for (int index = 0; index < count; index++)
        {
            TKey name = key.Read(ref reader, context) ?? throw new MessagePackSerializationException("A key that must be there is missing.");
            if (index > 0)
                SortedOrder.RequireAscending(comparer, pairs[index - 1].Key, name);
            pairs.Add(new(name, content.Read(ref reader, context)!));
        }

        return Make(comparer, pairs);
    }

    protected abstract IComparer<TKey> ComparerOf(TDictionary value);

    protected abstract TDictionary Make(IComparer<TKey>? comparer, List<KeyValuePair<TKey, TValue>> pairs);
}

internal sealed class SortedDictionaryConverter<TKey, TValue>(ITypeShape<TKey> keyShape, ITypeShape<TValue> valueShape)
    : SortedPairsConverter<SortedDictionary<TKey, TValue>, TKey, TValue>(keyShape, valueShape)
    where TKey : notnull
{
    protected override IComparer<TKey> ComparerOf(SortedDictionary<TKey, TValue> value) => value.Comparer;

    protected override SortedDictionary<TKey, TValue> Make(IComparer<TKey>? comparer, List<KeyValuePair<TKey, TValue>> pairs)
    {
        SortedDictionary<TKey, TValue> value = new(comparer);
        foreach ((TKey name, TValue item) in pairs)
            value.Add(name, item);
        return value;
    }
}

internal sealed class SortedListConverter<TKey, TValue>(ITypeShape<TKey> keyShape, ITypeShape<TValue> valueShape)
    : SortedPairsConverter<SortedList<TKey, TValue>, TKey, TValue>(keyShape, valueShape)
    where TKey : notnull
{
    protected override IComparer<TKey> ComparerOf(SortedList<TKey, TValue> value) => value.Comparer;

    protected override SortedList<TKey, TValue> Make(IComparer<TKey>? comparer, List<KeyValuePair<TKey, TValue>> pairs)
    {
        SortedList<TKey, TValue> value = new(pairs.Count, comparer);
        foreach ((TKey name, TValue item) in pairs)
            value.Add(name, item);
        return value;
    }
}

internal sealed class ImmutableSortedDictionaryConverter<TKey, TValue>(ITypeShape<TKey> keyShape, ITypeShape<TValue> valueShape)
    : SortedPairsConverter<ImmutableSortedDictionary<TKey, TValue>, TKey, TValue>(keyShape, valueShape)
    where TKey : notnull
{
    protected override IComparer<TKey> ComparerOf(ImmutableSortedDictionary<TKey, TValue> value) => value.KeyComparer;

    protected override ImmutableSortedDictionary<TKey, TValue> Make(IComparer<TKey>? comparer, List<KeyValuePair<TKey, TValue>> pairs) =>
        ImmutableSortedDictionary.CreateRange(comparer, pairs);
}

internal sealed class SortedConverterFactory : IMessagePackConverterFactory
{
    private static readonly Dictionary<Type, Type> Converters = new()
    {
        [typeof(SortedSet<>)] = typeof(SortedSetConverter<>),
        [typeof(ImmutableSortedSet<>)] = typeof(ImmutableSortedSetConverter<>),
        [typeof(SortedDictionary<,>)] = typeof(SortedDictionaryConverter<,>),
        [typeof(SortedList<,>)] = typeof(SortedListConverter<,>),
        [typeof(ImmutableSortedDictionary<,>)] = typeof(ImmutableSortedDictionaryConverter<,>),
    };

    public MessagePackConverter? CreateConverter(Type type, ITypeShape? shape, in ConverterContext context)
    {
        if (!type.IsGenericType || !Converters.TryGetValue(type.GetGenericTypeDefinition(), out Type? definition))
            return null;
        object[] parts = shape switch
        {
            IEnumerableTypeShape items => [items.ElementType],
            IDictionaryTypeShape pairs => [pairs.KeyType, pairs.ValueType],
            _ => [],
        };
        return parts.Length == 0 ? null : (MessagePackConverter)Activator.CreateInstance(definition.MakeGenericType(type.GetGenericArguments()), parts)!;
    }
}
