using System.Collections;
using ManyHands.Managers;

namespace ManyHands;

/// <summary>A Python tuple: a fixed row of values, equal to another one with equal items.</summary>
/// <remarks>
/// Items are what Python's values are in .NET: null, <see cref="bool"/>, <see cref="long"/>, <see cref="System.Numerics.BigInteger"/>, <see cref="double"/>, <see cref="string"/>, byte arrays, tuples, lists and so on.
/// They compare as in Python, where 1, 1.0 and True are equal; lists and dictionaries are equal only to themselves here.
/// </remarks>
public sealed class PythonTuple : IReadOnlyList<object?>, IEquatable<PythonTuple>
{
    /// <summary>The tuple without items.</summary>
    public static readonly PythonTuple Empty = new();

    /// <summary>How deep tuples may stand in each other, so that comparing them needs no endless stack.</summary>
    internal const int DeepestNesting = 1000;

    private readonly object?[] items;
    private int hash;
    private bool isHashed;

    /// <summary>Makes a tuple of these values.</summary>
    /// <exception cref="ArgumentNullException">There is no array; a tuple of one null is <c>new PythonTuple([null])</c>.</exception>
    /// <exception cref="ArgumentException">More than 1,000 tuples stand in each other.</exception>
    public PythonTuple(params object?[] items)
        : this(items, isOurs: false)
    {
    }

    internal PythonTuple(object?[] items, bool isOurs)
    {
        ArgumentNullException.ThrowIfNull(items);
        this.items = isOurs ? items : [.. items];
        long weight = 1;
        foreach (object? item in this.items)
        {
            Depth = Math.Max(Depth, PythonEquality.DepthOf(item));
            weight = Math.Min(weight + PythonEquality.WeightOf(item), PythonEquality.Heaviest);
            HoldsNaN |= PythonEquality.HoldsNaN(item);
        }

        Depth++;
        Weight = weight;
        if (Depth > DeepestNesting)
            throw new ArgumentException($"More than {DeepestNesting:N0} values stand in each other.", nameof(items));
    }

    /// <summary>How many items it has.</summary>
    public int Count => items.Length;

    /// <summary>The item at this place, from 0.</summary>
    /// <exception cref="IndexOutOfRangeException">It has no such place.</exception>
    public object? this[int index] => items[index];

    /// <summary>1, and what its deepest item has more.</summary>
    internal int Depth { get; }

    /// <summary>How much there is to compare if no part of it is known to be the same. A few bytes of a pickle can stand for a tuple of 2^30 items that share their parts.</summary>
    internal long Weight { get; }

    /// <summary>Whether a NaN is among its items, or theirs.</summary>
    internal bool HoldsNaN { get; }

    internal ReadOnlySpan<object?> Items => items;

    /// <summary>Whether the other one has equal items in the same order.</summary>
    public bool Equals(PythonTuple? other) => other is not null && PythonEquality.Equal(this, other);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PythonTuple);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        if (!isHashed)
        {
            hash = PythonEquality.HashOf(items);
            Volatile.Write(ref isHashed, true);
        }

        return hash;
    }

    /// <summary>Its items as Python would write them, cut off where that gets long.</summary>
    public override string ToString() => PythonText.Of(this);

    /// <inheritdoc/>
    public IEnumerator<object?> GetEnumerator() => ((IEnumerable<object?>)items).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
