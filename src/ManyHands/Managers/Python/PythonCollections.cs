using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace ManyHands.Managers;

/// <summary>A list that knows how deep it is; what was put into its items later isn't counted.</summary>
internal sealed class PythonList : List<object?>
{
    public int Depth { get; private set; } = 1;

    public void Append(object? item)
    {
        Depth = Math.Max(Depth, PythonEquality.DepthOf(item) + 1);
        Add(item);
    }

    public override string ToString() => PythonText.Of(this);
}

/// <summary>A dictionary with Python's keys: any hashable value, None too, in the order of their arrival.</summary>
internal sealed class PythonDictionary : IReadOnlyDictionary<object?, object?>
{
    // Made for the first key: a byte of a pickle stands for an empty one.
    private OrderedDictionary<PythonKey, object?>? entries;

    /// <summary>Whether it is an <c>OrderedDict</c>.</summary>
    public bool IsOrdered { get; init; }

    /// <summary>Whether it is a <c>defaultdict</c>.</summary>
    public bool HasDefaults { get; init; }

    /// <summary>The class whose objects a <c>defaultdict</c> makes; null for none.</summary>
    public PickleGlobal? Factory { get; init; }

    public int Depth { get; private set; } = 1;

    public int Count => entries?.Count ?? 0;

    public IEnumerable<object?> Keys => entries is null ? [] : entries.Keys.Select(static key => key.Value);

    public IEnumerable<object?> Values => entries is null ? [] : entries.Values;

    /// <summary>The value of this key.</summary>
    /// <exception cref="KeyNotFoundException">It is not there.</exception>
    /// <exception cref="ArgumentException">It can't be a key: it is a list, say, or far too large.</exception>
    public object? this[object? key]
    {
        get => TryGetValue(key, out object? value) ? value : throw new KeyNotFoundException($"The key {PythonText.Of(key)} is not in the dictionary.");
        set
        {
            PythonKey checkedKey = Checked(key);
            Depth = Math.Max(Depth, 1 + Math.Max(PythonEquality.DepthOf(key), PythonEquality.DepthOf(value)));
            (entries ??= [])[checkedKey] = value;
        }
    }

    /// <summary>Adds a key that isn't there yet.</summary>
    /// <exception cref="ArgumentException">It is there, or equal to one that is; or it can't be a key.</exception>
    public void Add(object? key, object? value)
    {
        if (ContainsKey(key))
            throw new ArgumentException($"{PythonText.Of(key)} and another of its keys are one in Python", nameof(key));
        this[key] = value;
    }

    public bool TryGetValue(object? key, [MaybeNullWhen(false)] out object? value)
    {
        value = null;
        PythonKey checkedKey = Checked(key);
        return entries is not null && entries.TryGetValue(checkedKey, out value);
    }

    public bool ContainsKey(object? key) => TryGetValue(key, out _);

    public bool Remove(object? key)
    {
        PythonKey checkedKey = Checked(key);
        return entries is not null && entries.Remove(checkedKey);
    }

    public void Clear() => entries = null;

    public override string ToString() => PythonText.Of(this);

    public IEnumerator<KeyValuePair<object?, object?>> GetEnumerator()
    {
        if (entries is null)
            yield break;
        foreach ((PythonKey key, object? value) in entries)
            yield return new(key.Value, value);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static PythonKey Checked(object? key) =>
        PythonEquality.RefusalAsKey(key) is { } refusal ? throw new ArgumentException(refusal, nameof(key)) : new(key);
}

/// <summary>A set or a frozenset.</summary>
internal sealed class PythonSet(bool isFrozen = false) : IReadOnlyCollection<object?>
{
    private HashSet<PythonKey>? items;
    private int hash;

    public bool IsFrozen { get; } = isFrozen;

    public int Depth { get; private set; } = 1;

    public long Weight { get; private set; } = 1;

    public int Count => items?.Count ?? 0;

    /// <summary>Adds an item, to a frozen one only while it is made.</summary>
    /// <exception cref="ArgumentException">It can't be an item: it is a list, say, or far too large.</exception>
    public bool Add(object? item)
    {
        if (PythonEquality.RefusalAsKey(item) is { } refusal)
            throw new ArgumentException(refusal, nameof(item));
        if (!(items ??= []).Add(new(item)))
            return false;
        Depth = Math.Max(Depth, PythonEquality.DepthOf(item) + 1);
        Weight = Math.Min(Weight + PythonEquality.WeightOf(item), PythonEquality.Heaviest);
        return true;
    }

    public bool Contains(object? item) => items is not null && PythonEquality.RefusalAsKey(item) is null && items.Contains(new(item));

    public bool HasSameItems(PythonSet other)
    {
        if (Count != other.Count)
            return false;
        return items is null || items.SetEquals(other.items!);
    }

    public int HashOfItems()
    {
        if (hash == 0 && items is not null)
        {
            // The order is nobody's business, and one item's hash must not undo another's.
            int sum = 1;
            foreach (PythonKey item in items)
                sum += PythonEquality.HashOf((long)item.GetHashCode());
            hash = sum;
        }

        return hash;
    }

    public override string ToString() => PythonText.Of(this);

    public IEnumerator<object?> GetEnumerator()
    {
        if (items is null)
            yield break;
        foreach (PythonKey item in items)
            yield return item.Value;
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
