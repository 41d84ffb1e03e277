using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace ManyHands.Managers;

/// <summary>
/// Writes plain values as a pickle that every Python 3 reads: with the opcodes and classes that <see cref="PickleReader"/> knows, and no others. What is shared is written once; lists and dictionaries that contain themselves
/// arrive as such.
/// </summary>
internal ref struct PickleWriter
{
    public const int DefaultProtocol = 4;

    /// <summary>How deep values may stand in each other. Python itself reads no deeper than some hundred.</summary>
    public const int DeepestNesting = 250;

    /// <summary>From this length texts and bytes are remembered: naming them again takes fewer bytes than the memory of it.</summary>
    private const int WorthRemembering = 32;

    private readonly IBufferWriter<byte> output;
    private readonly bool isOld;
    private readonly long maximumLength;
    private Dictionary<object, int>? memo;
    private int memoCount;
    private long length;
    private int depth;

    private PickleWriter(IBufferWriter<byte> output, int protocol, long maximumLength)
    {
        this.output = output;
        this.maximumLength = maximumLength;
        isOld = protocol < 4;
    }

    /// <summary>Writes one value as a whole pickle.</summary>
    /// <param name="protocol">4, or 2 for readers before Python 3.4.</param>
    /// <param name="maximumLength">How many bytes it may take.</param>
    /// <exception cref="PythonConversionException">There is something in it that is none of Python's values, or it is too deep or too long. Something may be written already.</exception>
    public static void Write(IBufferWriter<byte> output, object? value, int protocol = DefaultProtocol, long maximumLength = int.MaxValue)
    {
        if (protocol is not (2 or 4))
            throw new ArgumentOutOfRangeException(nameof(protocol), protocol, "Pickles are written in protocol 2 or 4.");
        PickleWriter writer = new(output, protocol, maximumLength);
        writer.Write((byte)PickleOpcode.Proto, (byte)protocol);
        writer.Write(value);
        writer.Write(PickleOpcode.Stop);
    }

    private void Write(object? value)
    {
        switch (value)
        {
            case null: Write(PickleOpcode.None); break;
            case bool truth: Write(truth ? PickleOpcode.NewTrue : PickleOpcode.NewFalse); break;
            case long number: Write(number); break;
            case int number: Write((long)number); break;
            case double number: Write(number); break;
            case float number: Write(PythonNumbers.Widened(number)); break;
            case string text: Write(text); break;
            case byte[] bytes when value.GetType() == typeof(byte[]): Write(bytes); break;
            case PythonTuple tuple: Write(tuple); break;
            case PythonList list: WriteList(list); break;
            case PythonDictionary dictionary: Write(dictionary); break;
            default: WriteRarer(value); break;
        }
    }

    private void WriteRarer(object value)
    {
        switch (value)
        {
            case BigInteger number: Write(number); break;
            case byte or sbyte or short or ushort or uint: Write(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
            case ulong number: Write((BigInteger)number); break;
            case List<object?> list: WriteList(list); break;
            case PythonSet set: Write(set); break;
            case PythonByteArray bytes: WriteShared(bytes, bytes.IsArray ? ("array", "array") : ("builtins", "bytearray"), bytes.IsArray ? ["B", bytes.Bytes.ToArray()] : [bytes.Bytes.ToArray()]); break;
            case Complex number: WriteCall("builtins", "complex", number.Real, number.Imaginary); break;
            case PythonSlice slice: WriteCall("builtins", "slice", slice.Start, slice.Stop, slice.Step); break;
            case PythonIterator iterator: WriteCall("builtins", "iter", iterator.Items); break;
            case PythonRange range: WriteCall("builtins", "range", range.Start, range.Stop, range.Step); break;
            case decimal number: WriteCall("decimal", "Decimal", PythonDecimal.Write(number)); break;
            case PythonDecimal number: WriteCall("decimal", "Decimal", number.Text); break;
            case Guid id: Write(id); break;
            case DateTime time: Write("datetime", PythonTimes.Pack(PythonTimes.Known(time)), time.Kind == DateTimeKind.Utc ? new(TimeSpan.Zero, null) : null); break;
            case DateTimeOffset time: Write("datetime", PythonTimes.Pack(time.DateTime), new(time.Offset, null)); break;
            case PythonDateTime time: Write("datetime", PythonTimes.Pack(time.Time, time.IsFolded), time.Zone); break;
            case DateOnly date: WriteCall("datetime", "date", PythonTimes.Pack(date)); break;
            case TimeOnly time: Write("time", PythonTimes.Pack(time), null); break;
            case PythonTime time: Write("time", PythonTimes.Pack(time.Time, time.IsFolded), time.Zone); break;
            case TimeSpan span: Write(span); break;
            case PythonError error: Write(error); break;
            case PythonToken token: Write(token); break;
            case PythonProxyReference proxy: Write(proxy); break;
            case Array array when PythonArrays.Packed(array) is ({ } code, { } bytes): WriteShared(array, ("array", "array"), code, bytes); break;
            default: throw new PythonConversionException("", $"{value.GetType()} is none of Python's values");
        }
    }

    // ---- numbers, texts, bytes ----

    private void Write(long number)
    {
        switch (number)
        {
            case >= 0 and <= byte.MaxValue:
                Write((byte)PickleOpcode.BinInt1, (byte)number);
                break;
            case >= 0 and <= ushort.MaxValue:
                Span<byte> two = Take(3);
                two[0] = (byte)PickleOpcode.BinInt2;
                BinaryPrimitives.WriteUInt16LittleEndian(two[1..], (ushort)number);
                Advance(3);
                break;
            case >= int.MinValue and <= int.MaxValue:
                Span<byte> four = Take(5);
                four[0] = (byte)PickleOpcode.BinInt;
                BinaryPrimitives.WriteInt32LittleEndian(four[1..], (int)number);
                Advance(5);
                break;
            default:
                Span<byte> eight = Take(10);
                eight[0] = (byte)PickleOpcode.Long1;
                BinaryPrimitives.WriteInt64LittleEndian(eight[2..], number);
                int size = 8;
                while (size > 1 && eight[size + 1] == (number < 0 ? 0xFF : 0) && (eight[size] & 0x80) == (number < 0 ? 0x80 : 0))
                    size--;
                eight[1] = (byte)size;
                Advance(2 + size);
                break;
        }
    }

    private void Write(BigInteger number)
    {
        if (number >= long.MinValue && number <= long.MaxValue)
        {
            Write((long)number);
            return;
        }

        int size = number.GetByteCount();
        if (size <= byte.MaxValue)
            Write((byte)PickleOpcode.Long1, (byte)size);
        else
            WriteLength(PickleOpcode.Long4, size);
        number.TryWriteBytes(Take(size), out _);
        Advance(size);
    }

    private void Write(double number)
    {
        Span<byte> bytes = Take(9);
        bytes[0] = (byte)PickleOpcode.BinFloat;
        BinaryPrimitives.WriteDoubleBigEndian(bytes[1..], number);
        Advance(9);
    }

    private void Write(string text)
    {
        if (text.Length >= WorthRemembering && WriteKnown(text))
            return;

        // The length goes before the bytes and is known after them. A short text surely is short as bytes.
        if (text.Length <= 85 && !isOld)
        {
            Span<byte> bytes = Take(2 + (text.Length * 3));
            int size = PickleEncodings.WriteUtf8(text, bytes[2..]);
            bytes[0] = (byte)PickleOpcode.ShortBinUnicode;
            bytes[1] = (byte)size;
            Advance(2 + size);
        }
        else
        {
            Require((long)text.Length + 5);
            byte[] rented = ArrayPool<byte>.Shared.Rent(checked(text.Length * 3));
            int size = PickleEncodings.WriteUtf8(text, rented);
            WriteLength(PickleOpcode.BinUnicode, size);
            Write(rented.AsSpan(0, size));
            ArrayPool<byte>.Shared.Return(rented);
        }

        if (text.Length >= WorthRemembering)
            Remember(text);
    }

    private void Write(byte[] bytes)
    {
        if (isOld)
        {
            // Protocol 2 has no bytes but those of a text.
            if (bytes.Length == 0)
                WriteCall("builtins", "bytes");
            else
                WriteCall("_codecs", "encode", System.Text.Encoding.Latin1.GetString(bytes), "latin1");
            return;
        }

        if (bytes.Length >= WorthRemembering && WriteKnown(bytes))
            return;
        if (bytes.Length <= byte.MaxValue)
            Write((byte)PickleOpcode.ShortBinBytes, (byte)bytes.Length);
        else
            WriteLength(PickleOpcode.BinBytes, bytes.Length);
        Write(bytes.AsSpan());
        if (bytes.Length >= WorthRemembering)
            Remember(bytes);
    }

    // ---- containers ----

    private void Write(PythonTuple tuple)
    {
        if (tuple.Count == 0)
        {
            Write(PickleOpcode.EmptyTuple);
            return;
        }

        if (WriteKnown(tuple))
            return;
        Enter();
        if (tuple.Count > 3)
            Write(PickleOpcode.Mark);
        foreach (object? item in tuple.Items)
            Write(item);
        if (memo is not null && memo.ContainsKey(tuple))
        {
            // It contains itself, by way of a list: the one that was made in there is the one.
            if (tuple.Count > 3)
                Write(PickleOpcode.PopMark);
            for (int count = tuple.Count; count is > 0 and <= 3; count--)
                Write(PickleOpcode.Pop);
            WriteKnown(tuple);
            depth--;
            return;
        }

        Write(tuple.Count switch { 1 => PickleOpcode.Tuple1, 2 => PickleOpcode.Tuple2, 3 => PickleOpcode.Tuple3, _ => PickleOpcode.Tuple });
        depth--;
        Remember(tuple);
    }

    private void WriteList(List<object?> list)
    {
        if (WriteKnown(list))
            return;
        Enter();
        Write(PickleOpcode.EmptyList);
        Remember(list);
        if (list.Count > 0)
        {
            Write(PickleOpcode.Mark);
            foreach (object? item in list)
                Write(item);
            Write(PickleOpcode.Appends);
        }

        depth--;
    }

    private void Write(PythonDictionary dictionary)
    {
        if (WriteKnown(dictionary))
            return;
        Enter();
        WriteEmpty(dictionary);
        Remember(dictionary);
        if (dictionary.Count > 0)
        {
            Write(PickleOpcode.Mark);
            foreach ((object? key, object? value) in dictionary)
            {
                Write(key);
                Write(value);
            }

            Write(PickleOpcode.SetItems);
        }

        depth--;
    }

    private void WriteEmpty(PythonDictionary dictionary)
    {
        if (!dictionary.IsOrdered && !dictionary.HasDefaults)
        {
            Write(PickleOpcode.EmptyDict);
            return;
        }

        WriteGlobal("collections", dictionary.IsOrdered ? "OrderedDict" : "defaultdict");
        if (dictionary.Factory is { } factory)
            WriteGlobal(factory.Module, factory.Name);
        Write(dictionary.Factory is null ? PickleOpcode.EmptyTuple : PickleOpcode.Tuple1);
        Write(PickleOpcode.Reduce);
    }

    private void Write(PythonSet set)
    {
        if (WriteKnown(set))
            return;
        Enter();
        if (isOld)
        {
            PythonList items = new();
            items.AddRange(set);
            WriteCall("builtins", set.IsFrozen ? "frozenset" : "set", items);
        }
        else
        {
            if (!set.IsFrozen)
                Write(PickleOpcode.EmptySet);
            Write(PickleOpcode.Mark);
            foreach (object? item in set)
                Write(item);
            Write(set.IsFrozen ? PickleOpcode.FrozenSet : PickleOpcode.AddItems);
        }

        depth--;
        Remember(set);
    }

    // ---- objects ----

    private void Write(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        WriteGlobal("uuid", "UUID");
        Write(PickleOpcode.EmptyTuple);
        Write(PickleOpcode.NewObj);
        Write(PickleOpcode.EmptyDict);
        Write("int");
        Write(new BigInteger(bytes, isUnsigned: true, isBigEndian: true));
        Write(PickleOpcode.SetItem);
        Write(PickleOpcode.Build);
    }

    // What knows its offset keeps it; what doesn't is naive in Python too.
    private void Write(string type, byte[] packed, PythonZone? zone)
    {
        WriteGlobal("datetime", type);
        Write(packed);
        if (zone is not null)
        {
            WriteGlobal("datetime", "timezone");
            Write(zone.Offset);
            if (zone.Name is not null)
                Write(zone.Name);
            Write(zone.Name is null ? PickleOpcode.Tuple1 : PickleOpcode.Tuple2);
            Write(PickleOpcode.Reduce);
        }

        Write(zone is null ? PickleOpcode.Tuple1 : PickleOpcode.Tuple2);
        Write(PickleOpcode.Reduce);
    }

    private void Write(TimeSpan span)
    {
        PythonTimes.ThrowIfFiner(span.Ticks, span);
        (long days, long rest) = Math.DivRem(span.Ticks, TimeSpan.TicksPerDay);
        if (rest < 0)
            (days, rest) = (days - 1, rest + TimeSpan.TicksPerDay);
        WriteCall("datetime", "timedelta", days, rest / TimeSpan.TicksPerSecond, rest % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond);
    }

    private void Write(PythonError error)
    {
        if (WriteKnown(error))
            return;
        WriteGlobal(error.Module, error.Name);
        Enter();
        Write(error.Arguments);
        Write(PickleOpcode.Reduce);
        Remember(error);
        if (error.State is { Count: > 0 } state)
        {
            Write(state);
            Write(PickleOpcode.Build);
        }

        depth--;
    }

    private void Write(PythonToken token)
    {
        WriteGlobal("multiprocessing.managers", "Token");
        Write(new PythonTuple(token.TypeId, token.Address, token.Id));
        Write(PickleOpcode.Reduce);
    }

    private void Write(PythonProxyReference proxy)
    {
        WriteGlobal("multiprocessing.managers", "RebuildProxy");
        Write(PickleOpcode.Mark);
        WriteGlobal("multiprocessing.managers", proxy.ProxyType);
        Write(proxy.Token);
        Write("pickle");
        Write(PickleOpcode.EmptyDict);
        if (proxy.Exposed is { } exposed)
        {
            Write("exposed");
            Write(new PythonTuple([.. exposed], isOurs: true));
            Write(PickleOpcode.SetItem);
        }

        Write(PickleOpcode.Tuple);
        Write(PickleOpcode.Reduce);
    }

    // What can be changed in Python must be one there too where it is one here.
    private void WriteShared(object value, (string Module, string Name) type, params ReadOnlySpan<object?> arguments)
    {
        if (WriteKnown(value))
            return;
        WriteCall(type.Module, type.Name, arguments);
        Remember(value);
    }

    private void WriteCall(string module, string name, params ReadOnlySpan<object?> arguments)
    {
        WriteGlobal(module, name);
        foreach (object? argument in arguments)
            Write(argument);
        Write(arguments.Length switch { 0 => PickleOpcode.EmptyTuple, 1 => PickleOpcode.Tuple1, 2 => PickleOpcode.Tuple2, _ => PickleOpcode.Tuple3 });
        Write(PickleOpcode.Reduce);
    }

    private void WriteGlobal(string module, string name)
    {
        if (!isOld)
        {
            Write(module);
            Write(name);
            Write(PickleOpcode.StackGlobal);
            return;
        }

        Write(PickleOpcode.Global);
        Write(System.Text.Encoding.ASCII.GetBytes($"{module}\n{name}\n").AsSpan());
    }

    // ---- the memo ----

    private bool WriteKnown(object value)
    {
        if (memo is null || !memo.TryGetValue(value, out int index))
            return false;
        if (index <= byte.MaxValue)
            Write((byte)PickleOpcode.BinGet, (byte)index);
        else
            WriteLength(PickleOpcode.LongBinGet, index);
        return true;
    }

    private void Remember(object value)
    {
        int index = memoCount++;
        (memo ??= new(ReferenceEqualityComparer.Instance)).TryAdd(value, index);
        if (!isOld)
            Write(PickleOpcode.Memoize);
        else if (index <= byte.MaxValue)
            Write((byte)PickleOpcode.BinPut, (byte)index);
        else
            WriteLength(PickleOpcode.LongBinPut, index);
    }

    // ---- bytes ----

    private void Enter()
    {
        if (++depth > DeepestNesting)
            throw new PythonConversionException("", $"more than {DeepestNesting} values stand in each other");
    }

    private void Write(PickleOpcode opcode)
    {
        Take(1)[0] = (byte)opcode;
        Advance(1);
    }

    private void Write(byte one, byte two)
    {
        Span<byte> bytes = Take(2);
        bytes[0] = one;
        bytes[1] = two;
        Advance(2);
    }

    private void WriteLength(PickleOpcode opcode, int value)
    {
        Span<byte> bytes = Take(5);
        bytes[0] = (byte)opcode;
        BinaryPrimitives.WriteInt32LittleEndian(bytes[1..], value);
        Advance(5);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        Require(bytes.Length);
        output.Write(bytes);
        length += bytes.Length;
    }

    private readonly Span<byte> Take(int count)
    {
        Require(count);
        return output.GetSpan(count);
    }

    private readonly void Require(long count)
    {
        if (length + count > maximumLength)
            throw new PythonConversionException("", $"it takes more than {maximumLength:N0} bytes");
    }

    private void Advance(int count)
    {
        output.Advance(count);
        length += count;
    }
}

/// <summary>Python's packed times: the highest byte first, microseconds in three.</summary>
internal static class PythonTimes
{
    private const byte Fold = 0x80;

    /// <summary>Whether it knows its offset, and when it is by that.</summary>
    public static (bool IsAware, long Ticks) Instant(object time) => time switch
    {
        DateTime { Kind: DateTimeKind.Unspecified } plain => (false, plain.Ticks),
        DateTime plain => (true, plain.ToUniversalTime().Ticks),
        DateTimeOffset exact => (true, exact.UtcTicks),
        PythonDateTime { Zone: { } zone } other => (true, other.Time.Ticks - zone.Offset.Ticks),
        _ => (false, ((PythonDateTime)time).Time.Ticks),
    };

    /// <inheritdoc cref="Instant"/>
    public static (bool IsAware, long Ticks) OfDay(object time) => time switch
    {
        TimeOnly plain => (false, plain.Ticks),
        PythonTime { Zone: { } zone } other => (true, other.Time.Ticks - zone.Offset.Ticks),
        _ => (false, ((PythonTime)time).Time.Ticks),
    };

    /// <summary>Times have whole microseconds in Python.</summary>
    /// <exception cref="PythonConversionException">This one is finer.</exception>
    public static void ThrowIfFiner(long ticks, object value)
    {
        if (ticks % TimeSpan.TicksPerMicrosecond == 0)
            return;
        string type = value.GetType().Name;
        string cut = value is DateTime or DateTimeOffset ? "value.AddTicks(-(value.Ticks % 10))" : $"new {type}(value.Ticks / 10 * 10)";
        throw new PythonConversionException("", $"a {type} of {ticks} ticks is finer than Python's times, which are whole microseconds; send {cut}");
    }

    /// <summary>A time that means the same on another machine.</summary>
    /// <exception cref="PythonConversionException">It is a local one, which doesn't say of where.</exception>
    public static DateTime Known(DateTime time) => time.Kind != DateTimeKind.Local
        ? time
        : throw new PythonConversionException("", "a DateTime of kind Local means another time elsewhere; send value.ToUniversalTime(), or a DateTimeOffset, which keeps the offset");

    public static byte[] Pack(DateOnly date) => [(byte)(date.Year >> 8), (byte)date.Year, (byte)date.Month, (byte)date.Day];

    public static byte[] Pack(TimeOnly time, bool isFolded = false)
    {
        ThrowIfFiner(time.Ticks, time);
        int microseconds = (int)(time.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond);
        return [(byte)(time.Hour | (isFolded ? Fold : 0)), (byte)time.Minute, (byte)time.Second, (byte)(microseconds >> 16), (byte)(microseconds >> 8), (byte)microseconds];
    }

    public static byte[] Pack(DateTime time, bool isFolded = false)
    {
        ThrowIfFiner(time.Ticks, time);
        byte[] packed = [.. Pack(DateOnly.FromDateTime(time)), .. Pack(TimeOnly.FromDateTime(time))];
        if (isFolded)
            packed[2] |= Fold;
        return packed;
    }
}
