using System.Numerics;

namespace ManyHands.Managers;

/// <summary>Types without parts of their own.</summary>
internal static class PythonLeafConverters
{
    private static readonly Dictionary<Type, PythonConverter> Known = new PythonConverter[]
    {
        new Leaf<bool>("bool", static value => value, static value => value is bool truth ? (true, truth) : default),
        Small<byte>(), Small<sbyte>(), Small<short>(), Small<ushort>(), Small<int>(), Small<uint>(), Small<long>(), Integer<ulong>(), Integer<Int128>(), Integer<UInt128>(),
        new Leaf<BigInteger>("int", static value => Shortest(value), static value => value switch { long small => (true, small), BigInteger large => (true, large), _ => default }),
        new Leaf<double>("float", static value => value, static value => PythonNumbers.Real(value) is { } real ? (true, real) : default),
        new Leaf<float>("float that is exact in 32 bits (declare it double)", static value => PythonNumbers.Widened(value), static value => PythonNumbers.Real(value) is { } real && PythonNumbers.Narrowed(real) is { } narrow ? (true, narrow) : default),
        new Leaf<decimal>("Decimal or int", static value => value, Decimal),
        new Leaf<Complex>("complex", static value => value, static value => value switch { Complex complex => (true, complex), _ => PythonNumbers.Real(value) is { } real ? (true, real) : default }),
        new Leaf<string>("str", static value => value, static value => value is null or string ? (true, (string)value!) : default),
        new Leaf<char>("str of one character", static value => value.ToString(), static value => value is string { Length: 1 } text ? (true, text[0]) : default),
        new Leaf<byte[]>("bytes", static value => value, static value => value switch
        {
            null => (true, null!),
            byte[] bytes when value.GetType() == typeof(byte[]) => (true, bytes),
            PythonByteArray bytes => (true, bytes.Bytes.ToArray()),
            _ => default,
        }),
        new Leaf<PythonByteArray>("bytearray", static value => value, static value => value is null or PythonByteArray ? (true, (PythonByteArray)value!) : default),
        new Leaf<PythonTuple>("tuple", static value => value, static value => value is null or PythonTuple ? (true, (PythonTuple)value!) : default),
        new Leaf<PythonProxy>("a proxy as the result itself", static value => value?.Reference, static value => value is null ? (true, null!) : default),
        new Leaf<Guid>("UUID", static value => value, static value => value is Guid id ? (true, id) : default),
        new Leaf<DateTime>("datetime in UTC or without a zone (a DateTimeOffset keeps others)", static value => Whole(PythonTimes.Known(value), value.Ticks), static value => value switch
        {
            DateTime time => (true, time),
            DateTimeOffset time when time.Offset == TimeSpan.Zero => (true, time.UtcDateTime),
            _ => default,
        }),
        new Leaf<DateTimeOffset>("datetime with a zone of whole minutes, without a name and without fold=1", static value => Whole(value, value.Ticks), static value => value is DateTimeOffset time ? (true, time) : default),
        new Leaf<DateOnly>("date", static value => value, static value => value is DateOnly date ? (true, date) : default),
        new Leaf<TimeOnly>("time without a zone", static value => Whole(value, value.Ticks), static value => value is TimeOnly time ? (true, time) : default),
        new Leaf<TimeSpan>("timedelta", static value => Whole(value, value.Ticks), static value => value is TimeSpan span ? (true, span) : default),
        new Leaf<Range>("slice", static value => new PythonSlice(Bound(value.Start) ?? long.MaxValue, Bound(value.End), null), static _ => default),
    }.ToDictionary(static converter => converter.GetType().GetGenericArguments()[0]);

    public static PythonConverter? Find(Type type) => Known.GetValueOrDefault(type);

    /// <summary>What fits in a long, without the detour.</summary>
    private static Leaf<T> Small<T>()
        where T : IBinaryInteger<T>, IMinMaxValue<T>
    {
        (long lowest, long highest) = (long.CreateChecked(T.MinValue), long.CreateChecked(T.MaxValue));
        return new(
            $"int from {lowest} to {highest}",
            static value => PickleBoxes.Of(long.CreateTruncating(value)),
            value => value is long number && number >= lowest && number <= highest ? (true, T.CreateTruncating(number)) : default);
    }

    private static Leaf<T> Integer<T>()
        where T : IBinaryInteger<T>, IMinMaxValue<T> => new(
            $"int from {T.MinValue} to {T.MaxValue}",
            static value => Shortest(BigInteger.CreateChecked(value)),
            static value => value switch
            {
                long small when BigInteger.CreateChecked(T.MinValue) <= small && BigInteger.CreateChecked(T.MaxValue) >= small => (true, T.CreateTruncating(small)),
                BigInteger large when BigInteger.CreateChecked(T.MinValue) <= large && BigInteger.CreateChecked(T.MaxValue) >= large => (true, T.CreateTruncating(large)),
                _ => default,
            });

    private static object Shortest(BigInteger number) => number >= long.MinValue && number <= long.MaxValue ? PickleBoxes.Of((long)number) : number;

    // What Python's would round is refused before it is put anywhere.
    private static object Whole(object time, long ticks)
    {
        PythonTimes.ThrowIfFiner(ticks, time);
        return time;
    }

    // Null for the end: there is no number for it.
    private static long? Bound(Index index) => index.IsFromEnd ? index.Value == 0 ? null : -index.Value : index.Value;

    private static (bool, decimal) Decimal(object? value)
    {
        switch (value)
        {
            case decimal exact:
                return (true, exact);
            case long integer:
                return (true, integer);
            case BigInteger large when BigInteger.Abs(large) <= (BigInteger)decimal.MaxValue:
                return (true, (decimal)large);

            // One that .NET writes otherwise, but not one that it would round.
            case PythonDecimal other when other.ToDecimal() is { } equal:
                return (true, equal);
            default:
                return default;
        }
    }

    private sealed class Leaf<T>(string expected, Func<T, object?> to, Func<object?, (bool IsRight, T Value)> from) : PythonConverter<T>
    {
        public override object? To(T value, ConversionWork work) => to(value);

        public override T From(object? value, ConversionWork work)
        {
            (bool isRight, T taken) = from(value);
            if (isRight)
                return taken;
            throw value is long or BigInteger or PythonDecimal or PythonDateTime or PythonTime or DateTimeOffset || (value is double && typeof(T) == typeof(float)) ? new PythonConversionException("", $"expected {expected}, got {PythonText.Of(value)}") : Expected(expected, value);
        }
    }
}

/// <summary>Numbers as floats, exactly or not at all.</summary>
internal static class PythonNumbers
{
    /// <summary>The number as a double; null if it is none, or would be rounded.</summary>
    public static double? Real(object? value) => value switch
    {
        double real => real,
        long integer when (Int128)(double)integer == integer => integer,
        BigInteger large when double.IsFinite((double)large) && new BigInteger((double)large) == large => (double)large,
        _ => null,
    };

    /// <summary>The same in 32 bits; null if it would be rounded.</summary>
    public static float? Narrowed(double real) => BitConverter.DoubleToInt64Bits((float)real) == BitConverter.DoubleToInt64Bits(real) ? (float)real : null;

    /// <exception cref="PythonConversionException">It is a signaling NaN, which is another in 64 bits.</exception>
    public static double Widened(float number) => BitConverter.SingleToInt32Bits((float)(double)number) == BitConverter.SingleToInt32Bits(number)
        ? number
        : throw new PythonConversionException("", "a signaling NaN of 32 bits has no counterpart in Python; send float.NaN");
}
