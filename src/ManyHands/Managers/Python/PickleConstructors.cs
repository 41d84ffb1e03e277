using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace ManyHands.Managers;

/// <summary>What we make of calls of the classes in <see cref="PickleGlobals"/>.</summary>
internal static class PickleConstructors
{
    private const int LongestTokenText = 1024;
    private const long TicksPerDay = System.TimeSpan.TicksPerDay;

    public static object ByteArray(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => arguments switch
    {
        [] => new PythonByteArray([]),
        [byte[] bytes] => new PythonByteArray([.. bytes]),
        [string text, "latin-1"] => new PythonByteArray(Latin1(global, text)),
        _ => throw Wrong(global),
    };

    public static object Bytes(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => arguments is [] ? System.Array.Empty<byte>() : throw Wrong(global);

    public static object Encoded(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => arguments is [string text, "latin1"] ? Latin1(global, text) : throw Wrong(global);

    public static object Complex(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => arguments is [double real, double imaginary] ? new Complex(real, imaginary) : throw Wrong(global);

    public static object Slice(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) =>
        arguments is [var start, var stop, var step] && IsBound(start) && IsBound(stop) && IsBound(step) ? new PythonSlice(start, stop, step) : throw Wrong(global);

    public static object Range(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => arguments is [long start, long stop, long step and not 0] ? new PythonRange(start, stop, step) : throw Wrong(global);

    public static object List(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work)
    {
        PythonList list = new();
        foreach (object? item in Listed(global, arguments))
            list.Append(item);
        return list;
    }

    /// <summary>What goes through a list, from its beginning.</summary>
    public static object Iterator(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => arguments is [PythonList list] ? new PythonIterator(list) : throw Wrong(global);

    public static object Set(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => SetOf(new PythonSet(), Listed(global, arguments), work);

    public static object FrozenSet(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => SetOf(new PythonSet(isFrozen: true), Listed(global, arguments), work);

    public static object Dictionary(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work)
    {
        PythonDictionary dictionary = new() { IsOrdered = global.Name == "OrderedDict" };
        foreach (object? pair in Listed(global, arguments))
        {
            (object? key, object? value) = pair switch
            {
                PythonList { Count: 2 } list => (list[0], list[1]),
                PythonTuple { Count: 2 } tuple => (tuple[0], tuple[1]),
                _ => throw Wrong(global),
            };
            work.Add(dictionary, key, value);
        }

        return dictionary;
    }

    public static object DefaultDictionary(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => arguments switch
    {
        [] or [null] => new PythonDictionary { HasDefaults = true },
        [PickleGlobal made] when PickleGlobals.FindFactory(made) is { } factory => new PythonDictionary { HasDefaults = true, Factory = factory },
        _ => throw Wrong(global, "a factory that is no plain class of builtins; send dict(d)"),
    };

    /// <summary>How protocols 0 and 1 make an object whose state comes later.</summary>
    public static object Reconstructed(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => arguments is [PickleGlobal made, PickleGlobal { Name: "object" }, null] ? made.New() : throw Wrong(global);

    public static object Array(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => arguments switch
    {
        [string code, byte[] bytes] => PythonArrays.Of(code, bytes) ?? throw Wrong(global),
        [string code, PythonList items] => PythonArrays.Of(code, items) ?? throw Wrong(global),
        _ => throw Wrong(global),
    };

    public static object MachineArray(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) =>
        arguments is [PickleGlobal { Name: "array" }, string code, long format, byte[] bytes] ? PythonArrays.Of(code, format, bytes) ?? throw Wrong(global) : throw Wrong(global);

    public static object DateTime(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work)
    {
        ReadOnlySpan<byte> bytes = arguments is [var packed, ..] ? Packed(global, packed, 10) : throw Wrong(global);

        // The highest bit of the month says which of two equal times at the end of summer time it is.
        DateOnly date = DateOf(global, BinaryPrimitives.ReadUInt16BigEndian(bytes), bytes[2] & 0x7F, bytes[3]);
        System.DateTime time = date.ToDateTime(TimeOf(global, bytes[4..]));
        bool isFolded = (bytes[2] & 0x80) != 0;
        PythonZone? zone = ZoneOf(global, arguments);
        if (isFolded)
            return new PythonDateTime(time, zone, isFolded);
        if (zone is null)
            return time;
        return zone.Name is null && zone.Offset.Ticks % System.TimeSpan.TicksPerMinute == 0 && zone.Offset.Duration() <= System.TimeSpan.FromHours(14)
            && time.Ticks - zone.Offset.Ticks is >= 0 and var universal && universal <= System.DateTime.MaxValue.Ticks
            ? new DateTimeOffset(time, zone.Offset)
            : new PythonDateTime(time, zone, isFolded);
    }

    public static object Date(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work)
    {
        ReadOnlySpan<byte> bytes = arguments is [var packed] ? Packed(global, packed, 4) : throw Wrong(global);
        return DateOf(global, BinaryPrimitives.ReadUInt16BigEndian(bytes), bytes[2], bytes[3]);
    }

    public static object Time(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work)
    {
        ReadOnlySpan<byte> bytes = arguments is [var packed, ..] ? Packed(global, packed, 6) : throw Wrong(global);
        Span<byte> plain = stackalloc byte[6];
        bytes.CopyTo(plain);
        plain[0] &= 0x7F;
        bool isFolded = (bytes[0] & 0x80) != 0;
        PythonZone? zone = ZoneOf(global, arguments);
        TimeOnly time = TimeOf(global, plain);
        return zone is null && !isFolded ? time : new PythonTime(time, zone, isFolded);
    }

    public static object TimeDelta(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work)
    {
        if (arguments is not [long days and >= -999_999_999 and <= 999_999_999, long seconds and >= 0 and < 86_400, long microseconds and >= 0 and < 1_000_000])
            throw Wrong(global);

        // Python's days reach further than .NET's.
        Int128 ticks = ((Int128)days * TicksPerDay) + (seconds * System.TimeSpan.TicksPerSecond) + (microseconds * System.TimeSpan.TicksPerMicrosecond);
        return ticks >= long.MinValue && ticks <= long.MaxValue ? new TimeSpan((long)ticks) : throw Wrong(global, $"{days:N0} days, and .NET's TimeSpan reaches 10,675,199; send the days as an int");
    }

    public static object TimeZone(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => arguments switch
    {
        [TimeSpan offset] when PythonZone.IsOffset(offset) => new PickleTimeZone(new(offset, null)),
        [TimeSpan offset, string name] when PythonZone.IsOffset(offset) => new PickleTimeZone(new(offset, name)),
        _ => throw Wrong(global),
    };

    public static object Decimal(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work)
    {
        if (arguments is not [string { Length: > 0 and <= 5000 } text])
            throw Wrong(global);
        return PythonDecimal.Read(text) ?? throw Wrong(global);
    }

    public static object Uuid(object? state)
    {
        BigInteger number = state is PythonDictionary fields && fields.TryGetValue("int", out object? value)
            ? value switch { long small => small, BigInteger large => large, _ => -1 }
            : -1;
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        if (number.Sign < 0 || number.GetByteCount(isUnsigned: true) > 16)
            throw PickleReader.Invalid("a UUID without its number");
        int count = number.GetByteCount(isUnsigned: true);
        number.TryWriteBytes(bytes[(16 - count)..], out _, isUnsigned: true, isBigEndian: true);
        return new Guid(bytes, bigEndian: true);
    }

    public static object Error(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => ErrorOf(global.Module, global.Name, arguments);

    public static object BuiltinError(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => ErrorOf("builtins", global.Name, arguments);

    public static object QueueError(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work) => ErrorOf("queue", global.Name, arguments);

    public static object Token(object? state)
    {
        if (state is PythonTuple { Count: 3 } parts && parts[0] is string typeId && parts[2] is string id && typeId.Length <= LongestTokenText && id.Length <= LongestTokenText && IsAddress(parts[1]))
            return new PythonToken(typeId, parts[1], id);
        throw PickleReader.Invalid("a Token that is not of a type, an address and an identity");
    }

    public static object Proxy(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work)
    {
        if (arguments is not [PickleGlobal { Module: "multiprocessing.managers", OnCall: null, OnState: null } type, PythonToken token, "pickle", PythonDictionary options])
            throw Wrong(global);
        if (options.Count == 0)
            return new PythonProxyReference(type.Name, token, null);

        // A key or a claim to be counted already is none of a sender's business.
        if (options.Count != 1 || !options.TryGetValue("exposed", out object? exposed))
            throw Wrong(global);
        IReadOnlyList<object?> names = exposed switch { PythonTuple tuple => tuple, PythonList list => list, _ => throw Wrong(global) };
        return new PythonProxyReference(type.Name, token, [.. names.Select(name => name as string ?? throw Wrong(global))]);
    }

    private static PythonError ErrorOf(string module, string name, ReadOnlySpan<object?> arguments)
    {
        foreach (object? argument in arguments)
        {
            if (argument is NotAValue)
                throw PickleReader.Invalid($"an exception with {argument} as an argument");
        }

        return new PythonError(module, name, new PythonTuple(arguments.ToArray(), isOurs: true));
    }

    private static bool IsAddress(object? address) => address switch
    {
        null => true,
        string path => path.Length <= LongestTokenText,
        byte[] path => path.Length <= LongestTokenText,
        PythonTuple { Count: 2 } pair => pair[0] is string host && host.Length <= LongestTokenText && pair[1] is long port and >= 0 and <= 65535,
        _ => false,
    };

    private static bool IsBound(object? value) => value is null or long or BigInteger or double or string or bool;

    private static IReadOnlyList<object?> Listed(PickleGlobal global, ReadOnlySpan<object?> arguments) => arguments switch
    {
        [] => [],
        [PythonList items] => items,
        [PythonTuple items] => items,
        _ => throw Wrong(global),
    };

    private static PythonSet SetOf(PythonSet set, IReadOnlyList<object?> items, PickleWork work)
    {
        foreach (object? item in items)
            work.Add(set, item);
        return set;
    }

    private static byte[] Latin1(PickleGlobal global, string text)
    {
        foreach (char letter in text)
        {
            if (letter > 0xFF)
                throw Wrong(global);
        }

        return Encoding.Latin1.GetBytes(text);
    }

    /// <summary>Packed bytes; Python 2 has them as a text.</summary>
    private static byte[] Packed(PickleGlobal global, object? packed, int length)
    {
        byte[] bytes = packed switch { byte[] already => already, string text => Latin1(global, text), _ => throw Wrong(global) };
        return bytes.Length == length ? bytes : throw Wrong(global);
    }

    private static DateOnly DateOf(PickleGlobal global, int year, int month, int day)
    {
        if (year is < 1 or > 9999 || month is < 1 or > 12 || day < 1 || day > System.DateTime.DaysInMonth(year, month))
            throw Wrong(global);
        return new(year, month, day);
    }

    private static TimeOnly TimeOf(PickleGlobal global, ReadOnlySpan<byte> bytes)
    {
        int microseconds = (bytes[3] << 16) | (bytes[4] << 8) | bytes[5];
        if (bytes[0] > 23 || bytes[1] > 59 || bytes[2] > 59 || microseconds > 999_999)
            throw Wrong(global);
        return new TimeOnly(bytes[0], bytes[1], bytes[2]).Add(System.TimeSpan.FromMicroseconds(microseconds));
    }

    private static PythonZone? ZoneOf(PickleGlobal global, ReadOnlySpan<object?> arguments) => arguments switch
    {
        [_] => null,
        [_, PickleTimeZone time] => time.Zone,
        _ => throw Wrong(global, "a zone that is none of a fixed offset; send value.astimezone(datetime.timezone.utc)"),
    };

    private static InvalidPickleException Wrong(PickleGlobal global) => PickleReader.Invalid($"{global} is called with arguments that make no value of .NET");

    private static InvalidPickleException Wrong(PickleGlobal global, string why) => PickleReader.Invalid($"{global} is called with {why}");
}

/// <summary>Python's arrays of numbers, as .NET's; those of unsigned bytes are a bytearray.</summary>
internal static class PythonArrays
{
    public static object? Of(string code, byte[] bytes) => code switch
    {
        "b" => Of<sbyte>(bytes),
        "B" => new PythonByteArray([.. bytes]) { IsArray = true },
        "h" => Of<short>(bytes),
        "H" => Of<ushort>(bytes),
        "i" => Of<int>(bytes),
        "I" => Of<uint>(bytes),
        "l" => Of<nint>(bytes),
        "L" => Of<nuint>(bytes),
        "q" => Of<long>(bytes),
        "Q" => Of<ulong>(bytes),
        "f" => Of<float>(bytes),
        "d" => Of<double>(bytes),
        _ => null,
    };

    /// <summary>By the format that says how wide the numbers are; those with the highest byte first are not taken, nor those that are as wide on no machine of ours.</summary>
    public static object? Of(string code, long format, byte[] bytes) => (format, code) is (0, "B") or (1, "b") or (2, "H") or (4, "h") or (6, "I") or (8, "i") or (10, "Q" or "L") or (12, "q" or "l") or (14, "f") or (16, "d")
        ? Of(code, bytes)
        : null;

    public static object? Of(string code, PythonList items) => code switch
    {
        "b" => Integers<sbyte>(items),
        "B" => Integers<byte>(items) is { } bytes ? new PythonByteArray(bytes) { IsArray = true } : null,
        "h" => Integers<short>(items),
        "H" => Integers<ushort>(items),
        "i" => Integers<int>(items),
        "I" => Integers<uint>(items),
        "l" => Integers<nint>(items),
        "L" => Integers<nuint>(items),
        "q" => Integers<long>(items),
        "Q" => Integers<ulong>(items),
        "f" => Reals<float>(items),
        "d" => Reals<double>(items),
        _ => null,
    };

    /// <summary>The numbers of an array as Python's.</summary>
    public static IEnumerable<object?> Items(object array) => array is PythonByteArray bytes ? bytes.Bytes.ToArray().Select(static one => (object?)(long)one) : ((Array)array).Cast<object>().Select(static number => (object?)(number switch
    {
        double or long => number,
        float real => (double)real,
        nint native => (long)native,
        nuint native when native <= long.MaxValue => (long)native,
        nuint native => (BigInteger)native,
        ulong large when large <= long.MaxValue => (long)large,
        ulong large => (BigInteger)large,
        _ => Convert.ToInt64(number, CultureInfo.InvariantCulture),
    }));

    /// <summary>The type code of an array, and its bytes.</summary>
    public static (string Code, byte[] Bytes)? Packed(Array array)
    {
        // By the exact type: for the runtime an int[] is a uint[] as well.
        Type type = array.GetType();
        string? code = type == typeof(sbyte[]) ? "b" : type == typeof(short[]) ? "h" : type == typeof(ushort[]) ? "H" : type == typeof(int[]) ? "i" : type == typeof(uint[]) ? "I"
            : type == typeof(nint[]) ? "l" : type == typeof(nuint[]) ? "L" : type == typeof(long[]) ? "q" : type == typeof(ulong[]) ? "Q" : type == typeof(float[]) ? "f" : type == typeof(double[]) ? "d" : null;
        if (code is null)
            return null;
        byte[] bytes = new byte[Buffer.ByteLength(array)];
        Buffer.BlockCopy(array, 0, bytes, 0, bytes.Length);
        return (code, bytes);
    }

    private static unsafe T[]? Of<T>(byte[] bytes)
        where T : unmanaged => bytes.Length % sizeof(T) == 0 ? MemoryMarshal.Cast<byte, T>(bytes).ToArray() : null;

    private static T[]? Integers<T>(PythonList items)
        where T : unmanaged, IBinaryInteger<T>
    {
        T[] numbers = new T[items.Count];
        for (int index = 0; index < numbers.Length; index++)
        {
            BigInteger number = items[index] switch { long small => small, BigInteger large => large, _ => BigInteger.Pow(2, 65) };
            T taken = T.CreateTruncating(number);
            if (BigInteger.CreateChecked(taken) != number)
                return null;
            numbers[index] = taken;
        }

        return numbers;
    }

    private static T[]? Reals<T>(PythonList items)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T[] numbers = new T[items.Count];
        for (int index = 0; index < numbers.Length; index++)
        {
            if (items[index] is not double number)
                return null;
            numbers[index] = T.CreateTruncating(number);
        }

        return numbers;
    }
}
