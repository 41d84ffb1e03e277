using System.Buffers;
using System.Numerics;
using ManyHands.Managers;
using ManyHands.Tests.Managers;

namespace ManyHands.Fuzz;

/// <summary>A pickle is read, and what it stands for is gone through in every way that we have: as text, hashed, written and read again, converted.</summary>
internal sealed class PickleTarget : FuzzTarget
{
    private static readonly PickleLimits Limits = new() { KeepsUnknownClasses = true };

    public override string Name => "pickle";

    public override IReadOnlyList<byte[]> Seeds { get; } = [.. HostilePickles.Refused.Values.Select(static make => make()), .. HostilePickles.Laughing.Values.Select(static make => make()), .. Valid()];

    public override IReadOnlyList<byte[]> Tokens { get; } =
    [
        .. Enum.GetValues<PickleOpcode>().Select(static opcode => (byte[])[(byte)opcode]),
        .. Enumerable.Range(0, 8).SelectMany(static place => (byte[][])[[(byte)PickleOpcode.BinGet, (byte)place], [(byte)PickleOpcode.BinPut, (byte)place]]),
        [0x8C, 1, (byte)'a'], [(byte)'C', 2, 1, 2], [(byte)'K', 7], [0x8A, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0x95, 3, 0, 0, 0, 0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0x7F], [0xFF, 0xFF, 0xFF, 0xFF], [(byte)'I', (byte)'1', (byte)'\n'],
        [(byte)'}', (byte)'(', (byte)'K', 1, (byte)'N', (byte)'u'], [0x8F, (byte)'(', (byte)'K', 1, 0x90], [(byte)'(', (byte)'K', 1, 0x91], [0x85, 0x94], [(byte)'h', 0, (byte)'h', 0, 0x86, 0x94],
        .. Classes().Select(static name => (byte[])[0x8C, (byte)name.Module.Length, .. System.Text.Encoding.ASCII.GetBytes(name.Module), 0x8C, (byte)name.Name.Length, .. System.Text.Encoding.ASCII.GetBytes(name.Name), 0x93]),
        .. Classes().Select(static name => System.Text.Encoding.ASCII.GetBytes($"c{name.Module}\n{name.Name}\n")),
    ];

    public override bool IsRefusal(Exception failure) => failure is InvalidPickleException;

    public override void Run(byte[] input)
    {
        object? value = Read(input);
        string text = PythonText.Of(value);
        if (text.Length > 1001)
            throw new InvalidOperationException($"A text of {text.Length} characters.");
        int hash = PythonEquality.HashOf(value);
        if (value is PythonTuple or string or BigInteger && PythonEquality.HashOf(value) != hash)
            throw new InvalidOperationException("Two hashes of one value.");
        WriteAndRead(value, text, 4);
        WriteAndRead(value, text, 2);
        Convert<List<Dictionary<string, int>>>(value);
        Convert<Node>(value);
        Convert<(int, string, byte[])>(value);
        Convert<object>(value);
    }

    /// <summary>A byte can be an empty set, and the value is written twice and read again, beside other ways through it. What reading alone may take is in <see cref="Read"/>.</summary>
    public override long MostAllocated(int length) => (3L << 20) + (1500L * length);

    private static object? Read(byte[] input)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        object? value = PickleReader.Read(input, (input.Length & 1) == 0 ? null : Limits);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return allocated <= (3L << 20) + (300L * input.Length) ? value : throw new InvalidOperationException($"Reading {input.Length:N0} bytes allocates {allocated:N0}.");
    }

    private static void WriteAndRead(object? value, string text, int protocol)
    {
        ArrayBufferWriter<byte> written = new();
        try
        {
            PickleWriter.Write(written, value, protocol, 1 << 20);
        }
        catch (PythonConversionException)
        {
            // Too deep, in a way that only going through it shows.
            return;
        }

        string again;
        try
        {
            again = PythonText.Of(PickleReader.Read(written.WrittenSpan, Limits));
        }
        catch (InvalidPickleException refusal)
        {
            throw new InvalidOperationException($"We refuse what we wrote in protocol {protocol}: {refusal.Message}");
        }

        if (again != text)
            throw new InvalidOperationException($"{text} arrives as {again} in protocol {protocol}.");
    }

    private static void Convert<T>(object? value)
    {
        try
        {
            PythonConversion.ToPython(PythonConversion.FromPython<T>(value));
        }
        catch (PythonConversionException)
        {
        }
    }

    private static IEnumerable<byte[]> Valid()
    {
        PythonList list = [1L, "two", 3.0, null, true, new byte[] { 4 }, BigInteger.Pow(5, 40)];
        PythonDictionary dictionary = new();
        dictionary["k"] = list;
        dictionary[new PythonTuple(1L, "x")] = new PythonTuple();
        PythonSet set = new();
        set.Add(1L);
        set.Add("a");
        PythonToken token = new("get", new PythonTuple("127.0.0.1", 5000L), "x1");
        object?[] values =
        [
            list, dictionary, set, token, new PythonProxyReference("AutoProxy", token, ["get", "put"]), new PythonTuple("#ERROR", PythonError.Builtin("KeyError", "k")), new PythonTuple(null, "create", new PythonTuple("get_queue"), new PythonDictionary()),
            Guid.Parse("12345678-9abc-def0-1234-56789abcdef0"), DateTimeOffset.UnixEpoch, new DateTime(2024, 1, 2), new DateOnly(2024, 1, 2), new TimeOnly(1, 2, 3), TimeSpan.FromDays(-1.5), 1.50m, new Complex(1, 2),
            new PythonSlice(1L, null, -1L), new PythonRange(0, 10, 2), new[] { 1, 2 }, new[] { 0.5 }, new PythonByteArray([1, 2]), new string('x', 300), new byte[300], new PythonDecimal("1E+100"),
        ];
        foreach (object? value in values)
        {
            foreach (int protocol in (int[])[4, 2])
            {
                ArrayBufferWriter<byte> written = new();
                PickleWriter.Write(written, value, protocol);
                yield return written.WrittenSpan.ToArray();
            }
        }

        // Protocol 0, as Python writes [1, 'a', 2.5, {True: None}, (3,)].
        yield return "(lp0\nI1\naVa\np1\naF2.5\na(dp2\nI01\nNsa(I3\ntp3\na."u8.ToArray();
        yield return "cuuid\nUUID\np0\n(tR."u8.ToArray();
        yield return "ccopy_reg\n_reconstructor\n(cuuid\nUUID\nc__builtin__\nobject\nNtR(dVint\nL5L\nsb."u8.ToArray();
    }

    private static (string Module, string Name)[] Classes() =>
    [
        ("builtins", "bytearray"), ("builtins", "complex"), ("builtins", "slice"), ("builtins", "range"), ("builtins", "list"), ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "ValueError"), ("builtins", "eval"),
        ("array", "array"), ("array", "_array_reconstructor"), ("datetime", "datetime"), ("datetime", "timezone"), ("datetime", "timedelta"), ("decimal", "Decimal"), ("uuid", "UUID"), ("collections", "OrderedDict"),
        ("collections", "defaultdict"), ("_codecs", "encode"), ("queue", "Empty"), ("multiprocessing.managers", "Token"), ("multiprocessing.managers", "RebuildProxy"), ("multiprocessing.managers", "AutoProxy"), ("posix", "system"),
    ];

    private sealed class Node
    {
        public object? K { get; set; }

        public List<Node>? Items { get; set; }
    }
}
