using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ManyHands.Managers;

/// <summary>
/// When two of Python's values are equal, and their hashes. Hashes are seeded at random for this process, whatever the type, so that nobody can send keys that collide.
/// </summary>
/// <remarks>
/// One difference to Python, where every NaN is a key of its own: here all are one, or a million of them would be a million comparisons each. So what would be two such keys is refused (<see cref="HoldsNaN"/>).
/// </remarks>
internal static class PythonEquality
{
    /// <summary>Weights are counted up to here.</summary>
    public const long Heaviest = 1L << 40;

    /// <summary>The weight up to which a value may be a key: two such are compared in some milliseconds.</summary>
    public const long HeaviestKey = 1L << 20;

    /// <summary>How deep values stand in this one; 0 for what has no items.</summary>
    public static int DepthOf(object? value) => value switch
    {
        PythonTuple tuple => tuple.Depth,
        PythonList list => list.Depth,
        PythonDictionary dictionary => dictionary.Depth,
        PythonSet set => set.Depth,
        PythonError error => Math.Max(error.Arguments.Depth, error.State?.Depth ?? 0) + 1,
        PythonIterator iterator => iterator.Items.Depth + 1,
        PythonSlice => 1,
        _ => 0,
    };

    /// <summary>How much there is to compare in it.</summary>
    public static long WeightOf(object? value) => value switch
    {
        string text => 1 + (text.Length >> 4),
        byte[] bytes => 1 + (bytes.Length >> 4),
        BigInteger number => 1 + (number.GetByteCount() >> 4),
        PythonTuple tuple => tuple.Weight,
        PythonSet set => set.Weight,
        _ => 1,
    };

    /// <summary>Why it can't be a key of a dictionary or an item of a set, or null if it can.</summary>
    public static string? RefusalAsKey(object? value)
    {
        if (WeightOf(value) > HeaviestKey)
            return "it is too large for a key";
        return UnhashablePart(value) is { } part ? $"unhashable type: '{PythonText.TypeOf(part)}'" : null;
    }

    /// <summary>Whether it, or a part of it by which it would be found as a key, is a NaN.</summary>
    public static bool HoldsNaN(object? key) => key switch
    {
        double number => double.IsNaN(number),
        Complex number => double.IsNaN(number.Real) || double.IsNaN(number.Imaginary),
        PythonDecimal number => number.IsNaN,
        PythonTuple tuple when tuple.Weight <= HeaviestKey => AnyHoldsNaN(tuple.Items),
        PythonSet { IsFrozen: true } set when set.Weight <= HeaviestKey => set.Any(HoldsNaN),
        _ => false,
    };

    public static bool Equal(object? one, object? other)
    {
        if (ReferenceEquals(one, other))
            return true;
        if (one is null || other is null)
            return false;

        // Parts that are shared are compared once: there can be more ways to them than anybody can go.
        HashSet<(object, object)>? seen = Math.Min(WeightOf(one), WeightOf(other)) > HeaviestKey ? new(PairComparer.Instance) : null;
        return Equal(one, other, seen);
    }

    /// <summary>Whether Python's <c>==</c> says so: lists and dictionaries by what they hold too.</summary>
    /// <exception cref="PythonConversionException">They are too deep or too large for that.</exception>
    public static bool Same(object? one, object? other) => Same(one, other, new ConversionWork());

    public static int HashOf(object? value) => value switch
    {
        null => 0x5F3759DF,
        string text => text.GetHashCode(StringComparison.Ordinal),
        long number => HashOf(number),
        bool truth => HashOf(truth ? 1L : 0L),
        double number => HashOf(number),
        BigInteger number => HashOf(number),
        decimal number => HashOf(number),
        Complex { Imaginary: 0 } number => HashOf(number.Real),
        Complex number => HashOfBytes(number),
        byte[] bytes => HashOf(bytes.AsSpan()),
        PythonTuple tuple => tuple.GetHashCode(),
        PythonSet { IsFrozen: true } set => set.HashOfItems(),
        PythonRange range => HashOfBytes((range.Start, range.Stop, range.Step)),
        PythonDecimal number => number.Text.GetHashCode(StringComparison.Ordinal),
        DateTime or DateTimeOffset or PythonDateTime => HashOf(PythonTimes.Instant(value).Ticks),
        DateOnly date => HashOf((long)date.DayNumber),
        TimeOnly or PythonTime => HashOf(PythonTimes.OfDay(value).Ticks),
        TimeSpan span => HashOf(span.Ticks),
        Guid id => HashOfBytes(id),
        _ => RuntimeHelpers.GetHashCode(value),
    };

    public static int HashOf(ReadOnlySpan<object?> items)
    {
        int[]? rented = null;
        Span<int> hashes = items.Length <= 64 ? stackalloc int[64] : rented = new int[items.Length];
        for (int index = 0; index < items.Length; index++)
            hashes[index] = HashOf(items[index]);
        return HashOf(MemoryMarshal.AsBytes(hashes[..items.Length]));
    }

    private static bool AnyHoldsNaN(ReadOnlySpan<object?> items)
    {
        foreach (object? item in items)
        {
            if (HoldsNaN(item))
                return true;
        }

        return false;
    }

    private static bool Same(object? one, object? other, ConversionWork work)
    {
        if (ReferenceEquals(one, other))
            return true;
        switch (one, other)
        {
            case (List<object?> or PythonTuple, List<object?> or PythonTuple):
                return one is PythonTuple == other is PythonTuple && SameItems((IReadOnlyList<object?>)one, (IReadOnlyList<object?>)other, work);
            case (PythonDictionary entries, PythonDictionary others):
                if (entries.Count != others.Count)
                    return false;
                work.Enter(entries.Count);
                bool areSame = entries.All(entry => others.TryGetValue(entry.Key, out object? value) && Same(entry.Value, value, work))
                    && (!entries.IsOrdered || !others.IsOrdered || entries.Keys.Zip(others.Keys).All(static pair => Equal(pair.First, pair.Second)))
                    && !entries.Keys.Any(HoldsNaN);
                work.Leave();
                return areSame;
            case (PythonSet set, PythonSet otherSet):
                return set.HasSameItems(otherSet) && !set.Any(HoldsNaN);
            case (byte[] or PythonByteArray { IsArray: false }, byte[] or PythonByteArray { IsArray: false }):
                return Bytes(one).SequenceEqual(Bytes(other));
            case (Array or PythonByteArray { IsArray: true }, Array or PythonByteArray { IsArray: true }) when one is not byte[] && other is not byte[]:
                return PythonArrays.Items(one).SequenceEqual(PythonArrays.Items(other), NumberComparer.Instance);
            default:
                return Equal(one, other) && !HoldsNaN(one);
        }
    }

    private static bool SameItems(IReadOnlyList<object?> one, IReadOnlyList<object?> other, ConversionWork work)
    {
        if (one.Count != other.Count)
            return false;
        work.Enter(one.Count);
        for (int i = 0; i < one.Count; i++)
        {
            if (!Same(one[i], other[i], work))
                return false;
        }

        work.Leave();
        return true;
    }

    private static ReadOnlySpan<byte> Bytes(object value) => value is PythonByteArray bytes ? bytes.Bytes.Span : (byte[])value;

    private static bool Equal(object? one, object? other, HashSet<(object, object)>? seen)
    {
        if (ReferenceEquals(one, other))
            return true;
        if (one is null || other is null)
            return false;
        switch (one)
        {
            case string text:
                return other is string otherText && string.Equals(text, otherText, StringComparison.Ordinal);
            case byte[] bytes:
                return other is byte[] otherBytes && bytes.AsSpan().SequenceEqual(otherBytes);
            case PythonTuple tuple:
                return other is PythonTuple otherTuple && EqualItems(tuple, otherTuple, seen);
            case PythonSet { IsFrozen: true } set:
                return other is PythonSet { IsFrozen: true } otherSet && set.HasSameItems(otherSet);
            case long or bool or double or BigInteger or decimal or Complex:
                return other is long or bool or double or BigInteger or decimal or Complex && EqualNumbers(one, other);
            case DateTime or DateTimeOffset or PythonDateTime:
                return other is DateTime or DateTimeOffset or PythonDateTime && PythonTimes.Instant(one) == PythonTimes.Instant(other);
            case TimeOnly or PythonTime:
                return other is TimeOnly or PythonTime && PythonTimes.OfDay(one) == PythonTimes.OfDay(other);
            case PythonList or PythonDictionary or PythonSet or List<object?>:
                return false;
            default:
                return one.Equals(other);
        }
    }

    private static bool EqualItems(PythonTuple one, PythonTuple other, HashSet<(object, object)>? seen)
    {
        if (one.Count != other.Count)
            return false;
        if (seen is not null && !seen.Add((one, other)))
            return true;
        for (int index = 0; index < one.Count; index++)
        {
            if (!Equal(one[index], other[index], seen))
                return false;
        }

        return true;
    }

    private static bool EqualNumbers(object one, object other)
    {
        if (one is long number && other is long otherNumber)
            return number == otherNumber;
        if (one is double real && other is double otherReal)
            return real == otherReal || (double.IsNaN(real) && double.IsNaN(otherReal));
        if (one is decimal exact && other is decimal otherExact)
            return exact == otherExact;
        if (one is Complex { Imaginary: not 0 } || other is Complex { Imaginary: not 0 })
            return one is Complex complex && other is Complex otherComplex && complex.Equals(otherComplex);
        one = one is Complex { Real: var part } ? part : one;
        other = other is Complex { Real: var otherPart } ? otherPart : other;
        BigInteger? whole = Whole(one);
        BigInteger? otherWhole = Whole(other);
        if (whole is not null || otherWhole is not null)
            return whole == otherWhole;
        return (one, other) switch
        {
            (double left, double right) => left == right || (double.IsNaN(left) && double.IsNaN(right)),
            (decimal left, decimal right) => left == right,
            (double left, decimal right) => IsExactly(right, left),
            (decimal left, double right) => IsExactly(left, right),
            _ => false,
        };
    }

    private static BigInteger? Whole(object number) => number switch
    {
        long integer => integer,
        bool truth => truth ? 1 : 0,
        BigInteger integer => integer,
        double real when double.IsInteger(real) => new BigInteger(real),
        decimal exact when decimal.IsInteger(exact) => new BigInteger(exact),
        _ => null,
    };

    /// <summary>Whether a number with digits behind the point is this double, and not only near it.</summary>
    private static bool IsExactly(decimal exact, double real)
    {
        if (!double.IsFinite(real))
            return false;
        long bits = BitConverter.DoubleToInt64Bits(real);
        int exponent = (int)((bits >> 52) & 0x7FF) - 1075;
        if (exponent is < -256 or >= 0)
            return false;
        BigInteger mantissa = (bits & 0xFFFFFFFFFFFFF) | 0x10000000000000;
        Span<int> parts = stackalloc int[4];
        decimal.GetBits(exact, parts);
        BigInteger digits = new(MemoryMarshal.AsBytes(parts[..3]), isUnsigned: true);
        return decimal.IsNegative(exact) == real < 0 && digits << -exponent == mantissa * BigInteger.Pow(10, exact.Scale);
    }

    private static object? UnhashablePart(object? value)
    {
        switch (value)
        {
            case PythonTuple tuple:
                // Its weight is bounded, so there are not too many ways to its parts.
                foreach (object? item in tuple.Items)
                {
                    if (UnhashablePart(item) is { } part)
                        return part;
                }

                return null;
            case null or string or long or bool or double or BigInteger or decimal or Complex or byte[] or PythonRange or PythonDecimal:
            case DateTime or DateTimeOffset or PythonDateTime or DateOnly or TimeOnly or PythonTime or TimeSpan or Guid or PythonSet { IsFrozen: true }:
                return null;
            default:
                return value;
        }
    }

    private static int HashOf(double number)
    {
        if (double.IsInteger(number))
            return number is >= long.MinValue and < 9223372036854775808.0 ? HashOf((long)number) : HashOf(new BigInteger(number));
        return HashOfBytes(double.IsNaN(number) ? double.NaN : number);
    }

    private static int HashOf(decimal number)
    {
        if (decimal.IsInteger(number))
            return HashOf(new BigInteger(number));
        double near = (double)number;
        if (IsExactly(number, near))
            return HashOf(near);

        // Dividing by one of the largest scale takes the zeros off the end: 1.10 and 1.1 are one number.
        Span<int> parts = stackalloc int[4];
        decimal.GetBits(number / 1.0000000000000000000000000000m, parts);
        return HashOf(MemoryMarshal.AsBytes(parts));
    }

    private static int HashOf(BigInteger number)
    {
        if (number >= long.MinValue && number <= long.MaxValue)
            return HashOf((long)number);
        return HashOf(number.ToByteArray());
    }

    private static int HashOf(long number) => HashOfBytes(number);

    private static int HashOfBytes<T>(T value)
        where T : unmanaged => HashOf(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    /// <summary>The hash of strings is the one of the framework that has a random seed and is made for hostile keys.</summary>
    private static int HashOf(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<char> pairs = MemoryMarshal.Cast<byte, char>(bytes);
        int hash = string.GetHashCode(pairs);
        return (bytes.Length & 1) == 0 ? hash : HashOf((long)hash << 8 | bytes[^1]);
    }

    private sealed class NumberComparer : IEqualityComparer<object?>
    {
        public static readonly NumberComparer Instance = new();

        public new bool Equals(object? x, object? y) => Equal(x, y) && !HoldsNaN(x);

        public int GetHashCode(object? obj) => HashOf(obj);
    }

    private sealed class PairComparer : IEqualityComparer<(object One, object Other)>
    {
        public static readonly PairComparer Instance = new();

        public bool Equals((object One, object Other) x, (object One, object Other) y) => ReferenceEquals(x.One, y.One) && ReferenceEquals(x.Other, y.Other);

        public int GetHashCode((object One, object Other) pair) => HashCode.Combine(RuntimeHelpers.GetHashCode(pair.One), RuntimeHelpers.GetHashCode(pair.Other));
    }
}

/// <summary>A value that stands as a key; null too can.</summary>
internal readonly struct PythonKey(object? value) : IEquatable<PythonKey>
{
    public object? Value { get; } = value;

    public bool Equals(PythonKey other) => PythonEquality.Equal(Value, other.Value);

    public override bool Equals(object? obj) => obj is PythonKey other && Equals(other);

    public override int GetHashCode() => PythonEquality.HashOf(Value);
}
