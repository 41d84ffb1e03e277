using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>Which generic types are rows of items.</summary>
internal static class SequenceKinds
{
    private static readonly HashSet<Type> Lists = [typeof(List<>), typeof(IList<>), typeof(ICollection<>), typeof(IReadOnlyList<>), typeof(IReadOnlyCollection<>), typeof(IEnumerable<>)];
    private static readonly HashSet<Type> Sets = [typeof(HashSet<>), typeof(ISet<>), typeof(IReadOnlySet<>)];

    public static bool IsSequence(Type definition) => Lists.Contains(definition) || IsSet(definition);

    public static bool IsSet(Type definition) => Sets.Contains(definition);
}

/// <summary>What a container has beside its items, which would be left behind.</summary>
internal static class ContainerFidelity
{
    /// <exception cref="PythonConversionException">It is of another type than declared, or compares its keys in a way of its own.</exception>
    public static void ThrowIfMore<TElement>(object value, Type declared, bool comparesKeys)
    {
        if (!declared.IsInterface && value.GetType() != declared)
            throw new PythonConversionException("", $"a {ReadableName.Of(value.GetType())} stands where a {ReadableName.Of(declared)} is declared, and what it has more would be lost; send new {ReadableName.Of(declared)}(value)");
        Refusal? refusal = declared.IsInterface ? ExamineBehindInterface<TElement>(value, declared, comparesKeys) : comparesKeys ? ComparerFidelity.Examine(value) : null;
        if (refusal is not null)
            throw new PythonConversionException(refusal.Path, $"a {ReadableName.Of(value.GetType())} {refusal.Reason}; {refusal.Remedy}");
    }

    // It arrives as an array, a List, a HashSet or a Dictionary; whatever else it is has an order, a comparer or fields of its own.
    private static Refusal? ExamineBehindInterface<TElement>(object value, Type declared, bool comparesKeys)
    {
        Type type = value.GetType();
        Type definition = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
        bool isPlain = comparesKeys
            ? definition == typeof(HashSet<>) || definition == typeof(Dictionary<,>)
            : type == typeof(TElement[]) || definition == typeof(List<>) || (type.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false) && value is ICollection<TElement>);
        return isPlain
            ? CollectionKinds.ExamineBehindInterface<TElement>(value, declared)
            : Refusal.Here($"stands where the interface {ReadableName.Of(declared)} is declared, and only its items would travel", $"send its items as a {(comparesKeys ? "HashSet or Dictionary" : "List or an array")}");
    }
}

/// <summary>Arrays and lists are lists in Python, sets are sets; tuples, sets and arrays of numbers are taken as lists too.</summary>
internal sealed class SequenceConverter<TSequence, TItem> : PythonConverter<TSequence>
{
    private static readonly bool IsSet = typeof(TSequence).IsGenericType && SequenceKinds.IsSet(typeof(TSequence).GetGenericTypeDefinition());

    // Found when it is needed: a type may have a list of itself.
    private PythonConverter<TItem>? item;

    private PythonConverter<TItem> Item => item ??= (PythonConverter<TItem>)PythonConversion.Of(typeof(TItem));

    public override object? To(TSequence value, ConversionWork work)
    {
        if (value is null)
            return null;
        ContainerFidelity.ThrowIfMore<TItem>(value, typeof(TSequence), IsSet);
        IEnumerable<TItem> items = (IEnumerable<TItem>)value;
        work.Enter(items.TryGetNonEnumeratedCount(out int count) ? count : 0);
        PythonList list = new();
        PythonSet set = new();
        int index = 0;
        try
        {
            foreach (TItem one in items)
            {
                object? converted = Item.To(one, work);
                if (IsSet && !set.Add(converted))
                    throw new PythonConversionException("", $"{PythonText.Of(converted)} and another item of the set are one in Python; send a list");
                if (!IsSet)
                    list.Append(converted);
                index++;
            }
        }
        catch (PythonConversionException problem)
        {
            throw problem.Within($"[{index}]");
        }
        catch (ArgumentException refusal) when (IsSet)
        {
            throw new PythonConversionException($"[{index}]", ExceptionText.MessageOf(refusal), refusal);
        }

        work.Leave();
        return IsSet ? set : list;
    }

    public override TSequence From(object? value, ConversionWork work)
    {
        if (value is null)
            return default!;
        if (value is Array same && typeof(TSequence) == typeof(TItem[]) && value.GetType() == typeof(TSequence) && value is not byte[])
            return (TSequence)same.Clone();
        (IEnumerable items, int count) = value switch
        {
            List<object?> list => (list, list.Count),
            PythonTuple tuple => (tuple, tuple.Count),
            PythonSet set => ((IEnumerable)set, set.Count),
            PythonIterator iterator => (iterator.Items, iterator.Items.Count),
            Array array when PythonArrays.Packed(array) is not null => (PythonArrays.Items(array), array.Length),
            _ => throw Expected(IsSet ? "set" : "list", value),
        };
        work.Enter(count);
        List<TItem> taken = new(count);
        try
        {
            foreach (object? one in items)
                taken.Add(Item.From(one, work));
        }
        catch (PythonConversionException problem)
        {
            throw problem.Within($"[{taken.Count}]");
        }

        work.Leave();
        if (IsSet && taken.Distinct().Count() != taken.Count)
            throw new PythonConversionException("", "two of its items are one in .NET; declare a List");
        return typeof(TSequence) == typeof(TItem[]) ? (TSequence)(object)taken.ToArray() : IsSet ? (TSequence)(object)new HashSet<TItem>(taken) : (TSequence)(object)taken;
    }
}

internal sealed class DictionaryConverter<TDictionary, TKey, TValue> : PythonConverter<TDictionary>
    where TKey : notnull
{
    private PythonConverter<TKey>? key;
    private PythonConverter<TValue>? item;

    private PythonConverter<TKey> Key => key ??= (PythonConverter<TKey>)PythonConversion.Of(typeof(TKey));

    private PythonConverter<TValue> Item => item ??= (PythonConverter<TValue>)PythonConversion.Of(typeof(TValue));

    public override object? To(TDictionary value, ConversionWork work)
    {
        if (value is null)
            return null;
        ContainerFidelity.ThrowIfMore<KeyValuePair<TKey, TValue>>(value, typeof(TDictionary), comparesKeys: true);
        IEnumerable<KeyValuePair<TKey, TValue>> entries = (IEnumerable<KeyValuePair<TKey, TValue>>)value;
        work.Enter(entries.TryGetNonEnumeratedCount(out int count) ? count : 0);
        PythonDictionary dictionary = new();
        foreach ((TKey one, TValue other) in entries)
        {
            try
            {
                // 1 and 1.0 are two keys of a Dictionary<object, …> and one in Python.
                dictionary.Add(Key.To(one, work), Item.To(other, work));
            }
            catch (PythonConversionException problem)
            {
                throw problem.Within($"[{one}]");
            }
            catch (ArgumentException refusal)
            {
                throw new PythonConversionException($"[{one}]", ExceptionText.MessageOf(refusal), refusal);
            }
        }

        work.Leave();
        return dictionary;
    }

    public override TDictionary From(object? value, ConversionWork work)
    {
        if (value is null)
            return default!;
        PythonDictionary dictionary = value as PythonDictionary ?? throw Expected("dict", value);
        work.Enter(dictionary.Count);
        Dictionary<TKey, TValue> taken = new(dictionary.Count);
        foreach ((object? one, object? other) in dictionary)
        {
            try
            {
                TKey known = Key.From(one, work) ?? throw Expected("a key", null);
                if (!taken.TryAdd(known, Item.From(other, work)))
                    throw new PythonConversionException("", "two of its keys are one in .NET");
            }
            catch (PythonConversionException problem)
            {
                throw problem.Within($"[{PythonText.Of(one)}]");
            }
        }

        work.Leave();
        return (TDictionary)(object)taken;
    }
}

/// <summary>ValueTuple and Tuple are Python's tuples.</summary>
internal sealed class RowConverter<TRow> : PythonConverter<TRow>
{
    private readonly Type[] types = typeof(TRow).GetGenericArguments();
    private readonly ConstructorInvoker make = ConstructorInvoker.Create(typeof(TRow).GetConstructor(typeof(TRow).GetGenericArguments())!);
    private PythonConverter[]? converters;

    private PythonConverter[] Converters => converters ??= [.. types.Select(PythonConversion.Of)];

    public override object? To(TRow value, ConversionWork work)
    {
        if (value is null)
            return null;
        ITuple row = (ITuple)value;
        work.Enter(row.Length);
        object?[] items = new object?[row.Length];
        for (int index = 0; index < items.Length; index++)
        {
            try
            {
                items[index] = Converters[index].ToAny(row[index], work);
            }
            catch (PythonConversionException problem)
            {
                throw problem.Within($".Item{index + 1}");
            }
        }

        work.Leave();
        return new PythonTuple(items, isOurs: true);
    }

    public override TRow From(object? value, ConversionWork work)
    {
        if (value is null && !typeof(TRow).IsValueType)
            return default!;
        IReadOnlyList<object?> row = value switch { PythonTuple tuple => tuple, List<object?> list => list, _ => throw Expected("tuple", value) };
        if (row.Count != types.Length)
            throw new PythonConversionException("", $"expected a tuple of {types.Length}, got one of {row.Count}");
        work.Enter(row.Count);
        object?[] items = new object?[row.Count];
        for (int index = 0; index < items.Length; index++)
        {
            try
            {
                items[index] = Converters[index].FromAny(row[index], work);
            }
            catch (PythonConversionException problem)
            {
                throw problem.Within($".Item{index + 1}");
            }
        }

        work.Leave();
        return (TRow)make.Invoke(items.AsSpan());
    }
}
