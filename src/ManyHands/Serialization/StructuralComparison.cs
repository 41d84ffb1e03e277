using System.Collections;
using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Nerdbank.MessagePack;
using PolyType;

namespace ManyHands.Serialization;

/// <summary>Where a value and a copy of it differ, and how.</summary>
/// <param name="Path">From the value to the difference, as in <see cref="Refusal"/>.</param>
/// <param name="Description">Begins with a verb, as the path precedes it.</param>
/// <param name="Owners">The types on the way there, the innermost first.</param>
internal sealed record Difference(string Path, string Description, IReadOnlyList<Type> Owners)
{
    public static Difference Here(string description) => new("", description, []);

    public Difference Under(string segment, Type owner) => new(segment + Path, Description, [.. Owners, owner]);
}

/// <summary>
/// Compares a value with what arrived of it, field by field and bit by bit, private fields included, whatever the types' own Equals says. Of
/// collections the items count, in their order unless that comes from hashes, and not how they are kept.
/// </summary>
internal abstract class StructuralComparison
{
    private static readonly ConcurrentDictionary<Type, StructuralComparison> Known = new();

    public static Difference? Find(object? sent, object? arrived)
    {
        if (ReferenceEquals(sent, arrived))
            return null;
        if (sent is null || arrived is null)
            return Difference.Here($"is {Show(sent)} and becomes {Show(arrived)}");
        StructuralComparison comparison = Of(sent.GetType());
        // What is declared as an interface arrives as another class with the same items; everything else as what it was.
        if (sent.GetType() != arrived.GetType() && !(comparison is ComparisonOfItems && Of(arrived.GetType()) is ComparisonOfItems))
            return Difference.Here($"is of type {ReadableName.Of(sent.GetType())} and becomes one of type {ReadableName.Of(arrived.GetType())}");
        return comparison.Compare(sent, arrived);
    }

    protected abstract Difference? Compare(object sent, object arrived);

    private static StructuralComparison Of(Type type) => Known.GetOrAdd(type, Make);

    private static StructuralComparison Make(Type type)
    {
        if (type.IsPrimitive || type.IsEnum)
            return new ComparisonOfNumbers();
        if (type == typeof(string))
            return new ComparisonOfTexts();
        // Converters of ours that are known to be exact, and those that the types' authors answer for.
        if (type == typeof(System.Text.Json.JsonElement) || (!type.IsValueType && TravellingTypes.Contains(type)) || IsInItsAuthorsHands(type))
            return new NoComparison();
        if (type.IsGenericType && (type.GetGenericTypeDefinition() == typeof(Memory<>) || type.GetGenericTypeDefinition() == typeof(ReadOnlyMemory<>)))
            return new ComparisonOfMemory(type);
        if (CollectionKinds.IsInlineArray(type))
            return new ComparisonOfInlineArrays(type);
        if (type.IsArray && type.GetElementType()!.IsPrimitive)
            return new ComparisonOfBlocks();
        return typeof(IEnumerable).IsAssignableFrom(type) ? new ComparisonOfItems(type) : new ComparisonOfFields(type);
    }

    private static bool IsInItsAuthorsHands(Type type) =>
        type.GetCustomAttribute<TypeShapeAttribute>() is { Marshaler: not null } || type.IsDefined(typeof(MessagePackConverterAttribute), inherit: false);

    private static string Show(object? value) => value switch
    {
        null => "null",
        string text => $"\"{(text.Length <= 40 ? text : text[..40] + "…")}\"",
        bool truth => Unsafe.BitCast<bool, byte>(truth) is 0 or 1 ? (truth ? "true" : "false") : $"a bool of the bits {Unsafe.BitCast<bool, byte>(truth)}",
        char unit => $"'{unit}'",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => $"a {ReadableName.Of(value.GetType())}",
    };

    private sealed class NoComparison : StructuralComparison
    {
        protected override Difference? Compare(object sent, object arrived) => null;
    }

    private sealed class ComparisonOfTexts : StructuralComparison
    {
        protected override Difference? Compare(object sent, object arrived) =>
            string.Equals((string)sent, (string)arrived, StringComparison.Ordinal) ? null : Difference.Here($"is {Show(sent)} and becomes {Show(arrived)}");
    }

    private sealed class ComparisonOfNumbers : StructuralComparison
    {
        // Zero has a sign, what is no number has bits, and true may be any byte but 0.
        protected override Difference? Compare(object sent, object arrived)
        {
            bool isSame = sent switch
            {
                double number => BitConverter.DoubleToInt64Bits(number) == BitConverter.DoubleToInt64Bits((double)arrived),
                float number => BitConverter.SingleToInt32Bits(number) == BitConverter.SingleToInt32Bits((float)arrived),
                bool truth => Unsafe.BitCast<bool, byte>(truth) == Unsafe.BitCast<bool, byte>((bool)arrived),
                _ => sent.Equals(arrived),
            };
            return isSame ? null : Difference.Here($"is {Show(sent)} and becomes {Show(arrived)}");
        }
    }

    private sealed class ComparisonOfFields(Type type) : StructuralComparison
    {
        private readonly (FieldInfo Field, string Segment)[] fields = [.. FieldsOf(type)];

        protected override Difference? Compare(object sent, object arrived)
        {
            foreach ((FieldInfo field, string segment) in fields)
            {
                if (Find(field.GetValue(sent), field.GetValue(arrived)) is { } difference)
                    return difference.Under(segment, type);
            }

            return null;
        }

        private static IEnumerable<(FieldInfo Field, string Segment)> FieldsOf(Type type)
        {
            for (Type? declaring = type; declaring is not null; declaring = declaring.BaseType)
            {
                foreach (FieldInfo field in declaring.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                {
                    PropertyInfo? property = RestoredMembers.FindProperty(field);
                    bool isConverted = field.IsDefined(typeof(MessagePackConverterAttribute)) || property?.IsDefined(typeof(MessagePackConverterAttribute)) == true;
                    if (!isConverted && !HiddenState.IsExcludedByUser(field))
                        yield return (field, "." + (property?.Name ?? field.Name));
                }
            }
        }
    }

    /// <summary>Arrays of numbers, in one look.</summary>
    private sealed class ComparisonOfBlocks : StructuralComparison
    {
        protected override Difference? Compare(object sent, object arrived)
        {
            Array one = (Array)sent, other = (Array)arrived;
            if (DifferenceOfShape(one, other) is { } difference)
                return difference;
            return BytesOf(one).SequenceEqual(BytesOf(other)) ? null : CompareInOrder(one, other);
        }

        private static ReadOnlySpan<byte> BytesOf(Array array) =>
            MemoryMarshal.CreateReadOnlySpan(ref MemoryMarshal.GetArrayDataReference(array), checked((int)Math.Min(int.MaxValue, (long)Buffer.ByteLength(array))));
    }

    private sealed class ComparisonOfMemory(Type type) : StructuralComparison
    {
        private readonly MethodInfo toArray = type.GetMethod(nameof(Memory<>.ToArray))!;

        protected override Difference? Compare(object sent, object arrived) => Find(toArray.Invoke(sent, null), toArray.Invoke(arrived, null));
    }

    private sealed class ComparisonOfInlineArrays(Type type) : StructuralComparison
    {
        private readonly Func<object, object?[]> items = typeof(ComparisonOfInlineArrays)
            .GetMethod(nameof(ItemsOf), BindingFlags.Static | BindingFlags.NonPublic)!
            .MakeGenericMethod(type, type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)[0].FieldType)
            .CreateDelegate<Func<object, object?[]>>();

        protected override Difference? Compare(object sent, object arrived) => CompareInOrder(items(sent), items(arrived));

        private static object?[] ItemsOf<TArray, TItem>(object boxed)
            where TArray : struct
        {
            TArray array = (TArray)boxed;
            int length = typeof(TArray).GetCustomAttribute<InlineArrayAttribute>()!.Length;
            object?[] items = new object?[length];
            ReadOnlySpan<TItem> span = MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<TArray, TItem>(ref array), length);
            for (int index = 0; index < length; index++)
                items[index] = span[index];
            return items;
        }
    }

    private sealed class ComparisonOfItems : StructuralComparison
    {
        private readonly Type type;
        private readonly PairReader? pairs;
        private readonly KeyEquality? keys;
        private readonly bool isOrderedByHash;

        public ComparisonOfItems(Type type)
        {
            this.type = type;
            isOrderedByHash = CollectionKinds.IsOrderedByHash(type);
            Type[] interfaces = type.GetInterfaces();
            Type? item = ArgumentOf(interfaces, typeof(IEnumerable<>));
            if (item is { IsGenericType: true } && item.GetGenericTypeDefinition() == typeof(KeyValuePair<,>))
                pairs = new PairReader(item);
            Type? key = ArgumentOf(interfaces, typeof(IReadOnlyDictionary<,>)) ?? ArgumentOf(interfaces, typeof(IDictionary<,>))
                ?? ArgumentOf(interfaces, typeof(IReadOnlySet<>)) ?? ArgumentOf(interfaces, typeof(ISet<>));
            if (key is not null && (isOrderedByHash || !StableKeys.Contains(key)))
                keys = (KeyEquality)Activator.CreateInstance(typeof(KeyEquality<>).MakeGenericType(key), [CollectionKinds.IsSorted(type)])!;
        }

        protected override Difference? Compare(object sent, object arrived)
        {
            if (sent is Array one && arrived is Array other && DifferenceOfShape(one, other) is { } shape)
                return shape;
            Difference? difference = isOrderedByHash && arrived.GetType() == sent.GetType()
                ? CompareByKey((IEnumerable)sent, (IEnumerable)arrived)
                : CompareInTurn((IEnumerable)sent, (IEnumerable)arrived);
            return difference is null ? null : difference with { Owners = [.. difference.Owners, type] };
        }

        private Difference? CompareInTurn(IEnumerable sent, IEnumerable arrived)
        {
            IEnumerator others = arrived.GetEnumerator();
            using IDisposable? disposed = others as IDisposable;
            int index = 0;
            foreach (object? item in sent)
            {
                if (!others.MoveNext())
                    return DifferenceOfCount(sent, arrived);
                if (CompareItem(item, others.Current, index) is { } difference)
                    return difference;
                index++;
            }

            return others.MoveNext() ? DifferenceOfCount(sent, arrived) : null;
        }

        private Difference? CompareByKey(IEnumerable sent, IEnumerable arrived)
        {
            KeyEquality equality = keys!;
            Dictionary<object, object?> copies = new(equality);
            int count = 0;
            foreach (object? item in arrived)
                copies[pairs?.KeyOf(item!) ?? item ?? KeyEquality.Null] = item;
            foreach (object? item in sent)
            {
                if (!copies.TryGetValue(pairs?.KeyOf(item!) ?? item ?? KeyEquality.Null, out object? copy))
                    return Difference.Here($"has the key {Show(pairs?.KeyOf(item!) ?? item)}, which isn't equal to its own copy");
                if (CompareItem(item, copy, count) is { } difference)
                    return difference;
                count++;
            }

            return count == copies.Count ? null : DifferenceOfCount(sent, arrived);
        }

        private Difference? CompareItem(object? item, object? copy, int index)
        {
            object? key = pairs is null ? item : pairs.KeyOf(item!);
            object? copiedKey = pairs is null || copy is null ? copy : pairs.KeyOf(copy);
            string segment = pairs is null ? $"[{index}]" : $"[key {index}]";
            if (Find(key, copiedKey) is { } difference)
                return difference.Under(segment, type);
            if (keys is not null && !keys.AreEqual(key, copiedKey))
                return Difference.Here("isn't equal to its own copy").Under(segment, type);
            return pairs is null ? null : Find(pairs.ValueOf(item!), pairs.ValueOf(copy!))?.Under(key is string name ? $"[{name}]" : $"[{index}]", type);
        }

        private static Type? ArgumentOf(Type[] interfaces, Type definition) =>
            Array.Find(interfaces, one => one.IsGenericType && one.GetGenericTypeDefinition() == definition)?.GetGenericArguments()[0];
    }

    private sealed class PairReader(Type pair)
    {
        private readonly FieldInfo key = pair.GetField("key", BindingFlags.Instance | BindingFlags.NonPublic)!;
        private readonly FieldInfo value = pair.GetField("value", BindingFlags.Instance | BindingFlags.NonPublic)!;

        public object KeyOf(object item) => key.GetValue(item)!;

        public object? ValueOf(object item) => value.GetValue(item);
    }

    /// <summary>The keys' own equality, by which a copy of a dictionary or set finds them.</summary>
    private abstract class KeyEquality : IEqualityComparer<object>
    {
        public static readonly object Null = new();

        public abstract bool AreEqual(object? one, object? other);

        public abstract int GetHashCode(object key);

        bool IEqualityComparer<object>.Equals(object? one, object? other) => AreEqual(one, other);
    }

    private sealed class KeyEquality<TKey>(bool isSorted) : KeyEquality
    {
        public override bool AreEqual(object? one, object? other)
        {
            if (one is not TKey key || other is not TKey otherKey)
                return ReferenceEquals(one, other);
            return isSorted ? Comparer<TKey>.Default.Compare(key, otherKey) == 0 : EqualityComparer<TKey>.Default.Equals(key, otherKey);
        }

        public override int GetHashCode(object key) => key is TKey known ? EqualityComparer<TKey>.Default.GetHashCode(known) : 0;
    }

    private static Difference? DifferenceOfShape(Array sent, Array arrived)
    {
        for (int dimension = 0; dimension < sent.Rank; dimension++)
        {
            if (dimension >= arrived.Rank || sent.GetLength(dimension) != arrived.GetLength(dimension) || sent.GetLowerBound(dimension) != arrived.GetLowerBound(dimension))
                return Difference.Here("has other dimensions than its copy");
        }

        return null;
    }

    private static Difference? CompareInOrder(IEnumerable sent, IEnumerable arrived)
    {
        IEnumerator others = arrived.GetEnumerator();
        int index = 0;
        foreach (object? item in sent)
        {
            others.MoveNext();
            if (Find(item, others.Current) is { } difference)
                return difference.Under($"[{index}]", sent.GetType());
            index++;
        }

        return null;
    }

    private static Difference DifferenceOfCount(IEnumerable sent, IEnumerable arrived) =>
        Difference.Here($"has {sent.Cast<object?>().Count():N0} items and a copy of it {arrived.Cast<object?>().Count():N0}");
}
