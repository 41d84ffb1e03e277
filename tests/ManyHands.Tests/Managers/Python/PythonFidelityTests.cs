using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Numerics;
using System.Reflection;
using ManyHands.Managers;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>
/// Whatever goes from Python to us and back, or from us to Python and back, is the same afterwards, type and all, or is refused by name. Every class that pickles may name and every converter must have a case here.
/// </summary>
public sealed class PythonFidelityTests : LeakChecked
{
    // A case is an expression; "!" before it says that it must be refused.
    private const string Cases = """
        import array, builtins, collections, datetime, decimal, enum, fractions, io, math, multiprocessing.managers, pickle, queue, socket, struct, sys, threading, uuid
        from datetime import timedelta, timezone
        from decimal import Decimal
        from multiprocessing.managers import Token
        from multiprocessing.reduction import ForkingPickler
        nan = float('nan')
        strange = struct.unpack('>d', bytes.fromhex('7ff8dead0000beef'))[0]
        def zone(*args, **kwds): return timezone(timedelta(**kwds), *args)
        def at(*args, **kwds): return datetime.datetime(*args, **kwds)
        def noted(e, **state):
            e.__dict__.update(state)
            return e
        def twice(x): return [x, x, {'again': x}]
        def ring():
            x = []; t = (x,); x.append(t); return t
        def wide_ring():
            x = []; t = (1, 2, 3, 4, x); x.append(t); return t
        def dict_ring():
            d = {}; d['me'] = [d]; return d
        def own(cls, *args, **state): return noted(cls(*args), **state)
        class Color(enum.Enum): Red = 1
        Point = collections.namedtuple('Point', 'x y')
        for c in (Color, Point): c.__module__ = '__main__'
        texts = '''
        None
        True
        False
        [0, 1, -1, 2**31, 2**63, -2**63, 2**64, -2**200, 2**3000]
        [0.0, -0.0, 1e308, 5e-324, math.inf, -math.inf, nan, -nan, strange]
        ['', 'a', '\\0', '\\ud83d', '\\ude00\\ud83d', '\\U0001F600', '\\ud83dx\\ude00', 'x' * 300]
        !'\\ud83d\\ude00'
        !'\\U0001F600\\ud83d\\ude00'
        [b'', b'a', bytearray(), bytearray(b'ab'), b'x' * 300]
        [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [()], ((),)]
        {1: 'a', None: 2, (1, 2.5): [3], b'k': 5, 'z': 1, frozenset([1]): 2, 2**70: 3}
        [{True: 1}, {1.0: 1}, {1: True, 'b': False}]
        [{nan: 1}, {nan}, {(1, nan): 2}]
        !{float('nan'): 1, float('nan'): 2}
        !{float('nan'), float('nan')}
        !frozenset([float('nan'), float('nan')])
        !{(1, float('nan')): 1, (1, float('nan')): 2}
        !{Decimal('NaN'): 1, Decimal('NaN'): 2}
        !{complex(float('nan'), 0): 1, complex(float('nan'), 0): 2}
        [set(), {1}, {'a', (2, 3)}, frozenset(), frozenset([1, frozenset([2])])]
        [1+2j, complex(-0.0, 0.0), complex(nan, -0.0), complex(math.inf, -math.inf)]
        [slice(1, 3), slice(None, None, -1), slice('a', 2.5, None), slice(2**70)]
        [range(0, 10, 3), range(0), range(5, 1, -2)]
        !range(2**70)
        !Ellipsis
        !NotImplemented
        !type(None)
        !int
        [array.array('i', [1, -2]), array.array('d', [0.5, nan]), array.array('b', [-1]), array.array('B', [255]), array.array('h', [-1]), array.array('H', [65535]), array.array('f', [0.25]), array.array('B')]
        [array.array('q', [2**62]), array.array('Q', [2**63]), array.array('l', [-2**62]), array.array('L', [2**63]), array.array('I', [2**32-1])]
        !array.array('u', 'ab')
        at(2024, 1, 2, 3, 4, 5, 678901)
        [at(1, 1, 1), at(9999, 12, 31, 23, 59, 59, 999999)]
        at(2024, 11, 3, 1, 30, fold=1)
        [at(2024, 1, 2, tzinfo=timezone.utc), at(2024, 1, 2, tzinfo=zone(hours=5, minutes=30)), at(2024, 1, 2, tzinfo=zone(hours=-14))]
        at(2024, 11, 3, 1, 30, tzinfo=zone(hours=1), fold=1)
        [at(2024, 1, 2, tzinfo=zone(minutes=53, seconds=28)), at(2024, 1, 2, tzinfo=zone(microseconds=1)), at(2024, 1, 2, tzinfo=zone(seconds=-1))]
        [at(2024, 1, 2, tzinfo=zone(hours=23, minutes=59)), at(2024, 1, 2, tzinfo=zone(hours=-20))]
        [at(1, 1, 1, tzinfo=zone(hours=1)), at(9999, 12, 31, 23, 59, tzinfo=zone(hours=-1))]
        [at(2024, 1, 2, tzinfo=zone('CET', hours=1)), at(2024, 1, 2, tzinfo=zone('UTC', hours=0))]
        {at(2024, 1, 2, tzinfo=zone('CET', hours=1)): 1, at(2024, 11, 3, fold=1): 2}
        !timezone.utc
        datetime.date(2024, 2, 29)
        [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]
        [datetime.time(), datetime.time(23, 59, 58, 123456)]
        [datetime.time(1, 2, 3, fold=1), datetime.time(1, 2, tzinfo=timezone.utc), datetime.time(1, 2, tzinfo=zone('X', seconds=-5), fold=1)]
        [timedelta(days=-1, seconds=5, microseconds=7), timedelta(days=400), timedelta(microseconds=-1), timedelta(days=10675199), timedelta(days=-10675199, microseconds=1)]
        !timedelta.max
        !timedelta.min
        [Decimal('1.50'), Decimal('1.5'), Decimal('-79228162514264337593543950335'), Decimal('0'), Decimal('-0'), Decimal('-0.00'), Decimal('0E-10'), Decimal('0.0000001'), Decimal('1E-28')]
        [Decimal('1E+100'), Decimal('1E+2'), Decimal('0E+3'), Decimal('1E-29'), Decimal('1.' + '1' * 50), Decimal('-1E-999999')]
        [Decimal('NaN'), Decimal('-NaN'), Decimal('sNaN'), Decimal('NaN123'), Decimal('Infinity'), Decimal('-Infinity')]
        [uuid.UUID('12345678-9abc-def0-1234-56789abcdef0'), uuid.UUID(int=0), uuid.UUID(int=2**128-1)]
        collections.OrderedDict([('z', 1), ('a', 2)])
        twice(collections.OrderedDict())
        [collections.defaultdict(list, {'k': [1]}), collections.defaultdict(None, a=1), twice(collections.defaultdict(int)), collections.defaultdict(float), collections.defaultdict(str), collections.defaultdict(bool), collections.defaultdict(tuple), collections.defaultdict(dict), collections.defaultdict(set), collections.defaultdict(frozenset), collections.defaultdict(bytes), collections.defaultdict(bytearray), collections.defaultdict(complex), collections.defaultdict(object)]
        !collections.defaultdict(uuid.uuid4)
        !collections.deque([1], maxlen=3)
        !collections.Counter('aab')
        !Point(1, 2)
        !Color.Red
        !fractions.Fraction(1, 3)
        !own
        [{}.keys() and 1, list({'a': 1}.values())]
        iter([1, [2]])
        twice([1])
        twice({'a': 1})
        twice({1})
        twice(bytearray(b'ab'))
        twice(array.array('i', [1]))
        twice(array.array('B', [1]))
        twice(ValueError('x'))
        twice((1, [2]))
        ring()
        wide_ring()
        dict_ring()
        [ring(), ring(), dict_ring()]
        ValueError('bad', 7, [1, (2,)])
        own(ValueError, 'x', note='y', __notes__=['n'])
        ImportError('x', name='y')
        OSError(2, 'no')
        OSError(2, 'no', 'file')
        queue.Empty()
        queue.Full('x')
        threading.BrokenBarrierError()
        socket.timeout('x')
        multiprocessing.managers.RemoteError('x')
        [multiprocessing.AuthenticationError('x'), multiprocessing.BufferTooShort('x'), multiprocessing.ProcessError('x'), multiprocessing.TimeoutError('x')]
        UnicodeDecodeError('utf-8', b'a', 0, 1, 'why')
        UnicodeEncodeError('utf-8', 'a', 0, 1, 'why')
        UnicodeTranslateError('a', 0, 1, 'why')
        Token('get', ('127.0.0.1', 5000), 'x1')
        [Token('get', '/tmp/x', 'x1'), Token('get', None, 'x1')]
        '''
        def sig(v, seen=None):
            seen = {} if seen is None else seen
            if isinstance(v, (list, tuple, dict, set, bytearray, array.array, BaseException)) and v != ():
                if id(v) in seen: return 'the same as %d' % seen[id(v)]
                seen[id(v)] = len(seen)
            name = type(v).__module__ + '.' + type(v).__name__
            if isinstance(v, float): return (name, struct.pack('>d', v).hex())
            if isinstance(v, complex): return (name, sig(v.real), sig(v.imag))
            if isinstance(v, str): return (name, [ord(c) for c in v])
            if isinstance(v, collections.defaultdict): return (name, repr(v.default_factory), [(sig(a, seen), sig(b, seen)) for a, b in v.items()])
            if isinstance(v, dict): return (name, [(sig(a, seen), sig(b, seen)) for a, b in v.items()])
            if isinstance(v, (list, tuple)): return (name, [sig(x, seen) for x in v])
            if isinstance(v, (set, frozenset)): return (name, sorted(repr(sig(x)) for x in v))
            if isinstance(v, slice): return (name, sig(v.start), sig(v.stop), sig(v.step))
            if isinstance(v, array.array): return (name, v.typecode, v.tobytes().hex())
            if isinstance(v, BaseException): return (name, sig(v.args, seen), sig({k: x for k, x in v.__dict__.items()}, seen), repr(v), repr(getattr(v, 'name', None)), repr(getattr(v, 'filename', None)))
            if isinstance(v, uuid.UUID): return (name, v.int)
            if type(v) is type(iter([])): return (name, sig(list(pickle.loads(pickle.dumps(v)))))
            if isinstance(v, (datetime.datetime, datetime.time)): return (name, repr(v), v.fold, v.tzinfo and v.tzname())
            return (name, repr(v))

        """;

    private const string There = Cases + """
        def globals_of(data):
            found = []
            class Seen(pickle.Unpickler):
                def find_class(self, module, name):
                    found.append(module + ' ' + name)
                    return super().find_class(module, name)
            Seen(io.BytesIO(data), fix_imports=False).load() if data[1:2] >= b'\x03' and data[:1] == b'\x80' else None
            import pickletools
            for op, arg, pos in pickletools.genops(data):
                if op.name == 'GLOBAL': found.append(arg)
            return ','.join(sorted(set(found)))
        lines = [line.strip() for line in texts.strip().splitlines()] + sys.stdin.readline().strip().split(';')
        for text in lines:
            must = text.startswith('!')
            value = eval(text.lstrip('!'))
            expected = sig(eval(text.lstrip('!')))
            for protocol in [0, 1, 2, 3, 4, 5, -4]:
                try:
                    data = bytes(ForkingPickler.dumps(value)) if protocol == -4 else pickle.dumps(value, protocol)
                except Exception as e:
                    continue
                by_python = sig(pickle.loads(data))
                if protocol >= 0 and protocol < 4 and by_python != expected: continue
                print('%s|%s|%s' % (text, globals_of(data), data.hex()))
                answer = sys.stdin.readline().strip()
                if answer.startswith('refused'):
                    if not must: print('wrong: %s at protocol %d is %s' % (text, protocol, answer))
                    continue
                if must: print('wrong: %s at protocol %d is not refused but %r' % (text, protocol, pickle.loads(bytes.fromhex(answer))))
                else:
                    back = sig(pickle.loads(bytes.fromhex(answer)))
                    if back != by_python: print('wrong: %s at protocol %d arrives as %s and not as %s' % (text, protocol, back, by_python))
        print('end')
        """;

    /// <summary>Classes of the table that have no case, as no value of Python's is pickled by them alone.</summary>
    private static readonly HashSet<string> Elsewhere =
    [
        "multiprocessing.managers RebuildProxy", // ATokenAndAProxy_AreWhatPythonBuildsThemFrom
        "builtins xrange", "__builtin__ range", "__builtin__ int", "__builtin__ str", "copyreg _reconstructor", // The name goes with another version's module.
        "builtins EnvironmentError", "builtins IOError", "select error", "socket timeout", // Other names of OSError and TimeoutError, in newer versions.
        "queue Empty", "queue ShutDown", "_queue Full", "_queue ShutDown", "Queue Empty", "Queue ShutDown", // Each version has its own.
    ];

    public static TheoryData<string?> Versions => PythonInterpreters.Versions;

    private static IEnumerable<PickleGlobal> Classes => (IEnumerable<PickleGlobal>)((IDictionary)typeof(PickleGlobals).GetField("Table", BindingFlags.Static | BindingFlags.NonPublic)!.GetValue(null)!).Values;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task WhatPythonSends_ComesBackAsItWas_OrIsRefused(string? version)
    {
        PythonInterpreter interpreter = PythonInterpreters.Of(version);
        using PythonProcess python = interpreter.Start(There);

        // Of exceptions there are too many to write them all down.
        string[] needsMore = ["UnicodeDecodeError", "UnicodeEncodeError", "UnicodeTranslateError"];
        await python.WriteLineAsync(string.Join(';', Classes.Where(one => one.Module == "builtins" && one.OnCall is { } call && call.Method.Name == nameof(PickleConstructors.BuiltinError) && !needsMore.Contains(one.Name)).Select(one => $"{one.Name}('x')")));
        HashSet<string> seen = [];
        List<string> wrong = [];
        while (await python.ReadLineAsync() is { } line && line != "end")
        {
            if (line.StartsWith("wrong: ", StringComparison.Ordinal))
            {
                wrong.Add(line);
                continue;
            }

            string[] parts = line.Split('|');
            seen.UnionWith(parts[^2].Split(','));
            string answer;
            try
            {
                ArrayBufferWriter<byte> written = new();
                PickleWriter.Write(written, PickleReader.Read(Convert.FromHexString(parts[^1])));
                answer = Convert.ToHexStringLower(written.WrittenSpan);
            }
            catch (Exception refusal) when (refusal is InvalidPickleException or PythonConversionException)
            {
                answer = $"refused: {refusal.Message}";
            }

            await python.WriteLineAsync(answer);
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal("", (await python.EndAsync()).Trim());
        string[] missing = [.. Classes.Where(one => !one.Name.EndsWith("Proxy", StringComparison.Ordinal)).Select(one => $"{one.Module} {one.Name}").Where(name => !seen.Contains(name) && !Elsewhere.Contains(name) && !IsOldError(name))];
        if (interpreter.Version == PythonInterpreters.Newest)
            Assert.True(missing.Length == 0, $"Write a case for {string.Join(", ", missing)}.");
    }

    private static readonly Dictionary<Type, Array> Values = new Array[]
    {
        Of(true, false), Of<byte>(0, 255), Of<sbyte>(-128, 127), Of<short>(short.MinValue), Of<ushort>(ushort.MaxValue), Of(int.MinValue, int.MaxValue), Of(uint.MaxValue), Of(long.MinValue, long.MaxValue), Of(0UL, ulong.MaxValue),
        Of(Int128.MinValue, Int128.MaxValue), Of(UInt128.MaxValue), Of(BigInteger.Zero, BigInteger.Pow(-3, 501)),
        Of(0.0, -0.0, 0.1, double.Epsilon, double.MaxValue, double.NaN, double.NegativeInfinity, BitConverter.Int64BitsToDouble(0x7FF8DEAD0000BEEF)),
        Of(0f, -0f, 0.1f, float.Epsilon, float.MaxValue, float.NaN, float.PositiveInfinity), Of((Half)0.1f, Half.NaN),
        Of(0m, 1.0m, 1.00m, decimal.MinValue, 0.0000001m, 0.0000000000000000000000000001m, new decimal(0, 0, 0, true, 0), new decimal(0, 0, 0, true, 2), -1.50m),
        Of(new Complex(1, -0.0), new Complex(double.NaN, double.NegativeInfinity)), Of("", "a\0\uD83D", null), Of('a', '\uD83D', '\0'), Of<byte[]?>([], [0, 255], null), Of(new PythonByteArray([1, 2])),
        Of(new PythonTuple(1L, "x", null), new PythonTuple()), Of(Guid.Empty, Guid.Parse("12345678-9abc-def0-1234-56789abcdef0")),
        Of(new DateTime(2024, 1, 2, 3, 4, 5, 678, 901), new DateTime(2024, 1, 2, 3, 4, 5, DateTimeKind.Utc), DateTime.MinValue, new DateTime(2024, 1, 2, 3, 4, 5, DateTimeKind.Local), new DateTime(638_000_000_000_000_001)),
        Of(new DateTimeOffset(2024, 1, 2, 3, 4, 5, TimeSpan.FromMinutes(-330)), DateTimeOffset.MinValue, DateTimeOffset.MaxValue, new DateTimeOffset(2024, 1, 1, 0, 0, 0, TimeSpan.FromHours(14)), new DateTimeOffset(638_000_000_000_000_001, TimeSpan.Zero)),
        Of(DateOnly.MinValue, DateOnly.MaxValue), Of(TimeOnly.MinValue, new TimeOnly(23, 59, 59, 999, 999), TimeOnly.MaxValue), Of(TimeSpan.Zero, new TimeSpan(-10), new TimeSpan(long.MaxValue / 10 * 10), new TimeSpan(long.MinValue / 10 * 10), new TimeSpan(1), TimeSpan.MaxValue),
        Of<int?>(null, 7), Of(DayOfWeek.Friday, (DayOfWeek)77), Of(ULong.Highest),
        Of<int[]?>([], [1, 2], null), Of<string?[]>(["a", null]), Of(new object[] { 1L, "a" }, new string[] { "a" }), Of(new int[,] { { 1 } }), Of<int[][]>([[1], []]), Of(new List<int> { 1, 2 }, new Page { 1, 2 }), Of<IReadOnlyList<int>>(new List<int> { 1 }, new Page { 1 }),
        Of(new HashSet<string> { "b", "a" }, new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "a" }), Of(new HashSet<double> { 0.5, double.NaN }), Of(new HashSet<object> { 1L, 1.0 }, new HashSet<object> { 1L, "a" }), Of<IReadOnlySet<int>>(new SortedSet<int> { 1 }),
        Of(new Dictionary<string, int> { ["b"] = 1, ["a"] = 2 }, new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase) { ["a"] = 1 }), Of(new Dictionary<object, int> { [1L] = 1, [1.0] = 2 }), Of(new SortedDictionary<int, int> { [1] = 2 }),
        Of((1, "a", 2.5)), Of(Tuple.Create(1, "a")), Of(ValueTuple.Create(1)), Of(new Queue<int>([1])), Of(new Stack<int>([1])),
        Of(new Plain("a", 1)), Of(new Pair { X = 1, Y = 2 }), Of(new WithField { Name = "a", Count = 3 }), Of(new WithSetter("a")), Of(new WithSecret("a", 3)), Of(new Cased(1, 2)), Of(new Empty()), Of(new Throwing()), Of(new KeyValuePair<string, int>("a", 1)),
        Of(new Uri("https://example.org")), Of(new Version(1, 2), new Version(1, 2, 3, 4)), Of(new System.Text.StringBuilder("abc")), Of(1..2), Of<Stream>(Stream.Null), Of<Action>(static () => { }), Of((nint)5), Of(new System.Drawing.Point(1, 2)),
    }.ToDictionary(static values => values.GetType().GetElementType()!);

    /// <summary>Which of them are refused, where it is not every value of the type.</summary>
    private static readonly HashSet<(Type, int)> Refused =
    [
        (typeof(DateTime), 3), (typeof(DateTime), 4), (typeof(DateTimeOffset), 2), (typeof(DateTimeOffset), 4), (typeof(TimeOnly), 2), (typeof(TimeSpan), 4), (typeof(TimeSpan), 5), (typeof(object[]), 1), (typeof(List<int>), 1),
        (typeof(IReadOnlyList<int>), 1), (typeof(HashSet<string>), 1), (typeof(HashSet<object>), 0), (typeof(Dictionary<string, int>), 1), (typeof(Dictionary<object, int>), 0),
    ];

    private static readonly HashSet<Type> RefusedAltogether =
    [
        typeof(Half), typeof(int[,]), typeof(IReadOnlySet<int>), typeof(SortedDictionary<int, int>), typeof(Queue<int>), typeof(Stack<int>), typeof(WithField), typeof(WithSetter), typeof(WithSecret), typeof(Empty), typeof(Throwing), typeof(Uri),
        typeof(System.Text.StringBuilder), typeof(Stream), typeof(Action), typeof(nint), typeof(Range), typeof(Version), typeof(System.Drawing.Point),
    ];

    [Fact]
    public async Task WhatWeSend_ComesBackAsItWas_OrIsRefused()
    {
        using PythonProcess python = PythonInterpreters.Of(PythonInterpreters.Newest).Start("import pickle, sys\nfor line in sys.stdin: print(pickle.dumps(pickle.loads(bytes.fromhex(line)), 4).hex())");
        List<string> wrong = [];
        foreach ((Type type, Array values) in Values)
        {
            for (int index = 0; index < values.Length; index++)
            {
                object? value = values.GetValue(index);
                bool mustRefuse = RefusedAltogether.Contains(type) || Refused.Contains((type, index));
                string what = $"{type} {index}: {value}";
                try
                {
                    ArrayBufferWriter<byte> written = new();
                    PickleWriter.Write(written, PythonConversion.Of(type).ToAny(value, new ConversionWork()));
                    await python.WriteLineAsync(Convert.ToHexStringLower(written.WrittenSpan));
                    object? back = PythonConversion.Of(type).FromAny(PickleReader.Read(Convert.FromHexString((await python.ReadLineAsync())!)), new ConversionWork());
                    if (mustRefuse)
                        wrong.Add($"{what} is not refused but arrives as {back}");
                    else if (!IsSame(value, back))
                        wrong.Add($"{what} arrives as {back}");
                }
                catch (PythonConversionException refusal)
                {
                    if (!mustRefuse)
                        wrong.Add($"{what} is refused: {refusal.Message}");
                }
                catch (Exception failure)
                {
                    wrong.Add($"{what} fails: {failure}");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void EveryConverter_HasACase()
    {
        IDictionary leaves = (IDictionary)typeof(PythonLeafConverters).GetField("Known", BindingFlags.Static | BindingFlags.NonPublic)!.GetValue(null)!;
        Assert.DoesNotContain(leaves.Keys.Cast<Type>(), type => type != typeof(PythonProxy) && !Values.ContainsKey(type));
        HashSet<Type> met = [];
        foreach (Type type in Values.Keys.Append(typeof(object)))
        {
            try
            {
                met.Add(Definition(PythonConversion.Of(type).GetType()));
            }
            catch (PythonConversionException)
            {
            }
        }

        Assert.Empty(typeof(PythonConverter).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(PythonConverter)) && !type.IsAbstract).Select(Definition).Except(met));
    }

    [Theory]
    [InlineData(3L, typeof(double), true)]
    [InlineData((1L << 53) + 1, typeof(double), false)]
    [InlineData(0.1, typeof(float), false)]
    [InlineData(0.5, typeof(float), true)]
    [InlineData((1L << 24) + 1, typeof(float), false)]
    [InlineData((1L << 53) + 1, typeof(Complex), false)]
    public void ANumber_IsConvertedExactly_OrRefused(object number, Type type, bool fits)
    {
        if (fits)
            Assert.Equal(Convert.ToDouble(number, CultureInfo.InvariantCulture), Convert.ToDouble(PythonConversion.Of(type).FromAny(number, new ConversionWork()), CultureInfo.InvariantCulture));
        else
            Assert.Throws<PythonConversionException>(() => PythonConversion.Of(type).FromAny(number, new ConversionWork()));
    }

    [Fact]
    public void WhatWouldLoseItems_IsRefused()
    {
        Assert.Throws<PythonConversionException>(() => PythonConversion.FromPython<HashSet<int>>(new PythonTuple(1L, 1L)));
        Assert.Throws<PythonConversionException>(() => PythonConversion.FromPython<DateTime>(new DateTimeOffset(2024, 1, 2, 3, 4, 5, TimeSpan.FromHours(2))));
        foreach (string text in (string[])["1234567E-30", "1E+29", "NaN", "1.00000000000000000000000000000000001"])
            Assert.Throws<PythonConversionException>(() => PythonConversion.FromPython<decimal>(new PythonDecimal(text)));
        Assert.Equal(100m, PythonConversion.FromPython<decimal>(new PythonDecimal("1E+2")));

        // From the end on, nothing is left.
        Assert.Equal(long.MaxValue, Assert.IsType<PythonSlice>(PythonConversion.ToPython(^0..)).Start);
    }

    // Names that only old protocols have for what is under its name of today too.
    private static bool IsOldError(string name) =>
        name.StartsWith("exceptions ", StringComparison.Ordinal) || (name.StartsWith("__builtin__ ", StringComparison.Ordinal) && Classes.Single(one => $"{one.Module} {one.Name}" == name).OnCall?.Method.Name == nameof(PickleConstructors.BuiltinError));

    private static T[] Of<T>(params T[] values) => values;

    private static Type Definition(Type type) => type.IsGenericType ? type.GetGenericTypeDefinition() : type;

    // Field by field, bit by bit.
    private static bool IsSame(object? one, object? other)
    {
        if (one is null || other is null)
            return one is null && other is null;
        Type type = one.GetType();
        if (type != other.GetType())
            return false;
        switch (one)
        {
            case double number:
                return BitConverter.DoubleToInt64Bits(number) == BitConverter.DoubleToInt64Bits((double)other);
            case float number:
                return BitConverter.SingleToInt32Bits(number) == BitConverter.SingleToInt32Bits((float)other);
            case decimal number:
                return decimal.GetBits(number).SequenceEqual(decimal.GetBits((decimal)other));
            case DateTime time:
                return time.ToBinary() == ((DateTime)other).ToBinary();
            case DateTimeOffset time:
                return time.EqualsExact((DateTimeOffset)other);
            case PythonByteArray bytes:
                return bytes.Bytes.Span.SequenceEqual(((PythonByteArray)other).Bytes.Span);
            case string:
                return string.Equals((string)one, (string)other, StringComparison.Ordinal);
            case IEnumerable items:
                List<object?> left = [.. items.Cast<object?>()];
                List<object?> right = [.. ((IEnumerable)other).Cast<object?>()];

                // Python gives out a set in another order each time it runs.
                if (Definition(type) == typeof(HashSet<>))
                    return left.Count == right.Count && left.All(item => right.Exists(again => IsSame(item, again)));
                return left.Count == right.Count && left.Zip(right).All(static pair => IsSame(pair.First, pair.Second));
        }

        return type.IsPrimitive || type.IsEnum || type.Namespace == "System" && !type.Name.StartsWith("ValueTuple", StringComparison.Ordinal) && !type.Name.StartsWith("Tuple", StringComparison.Ordinal)
            ? one.Equals(other)
            : type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).All(field => IsSame(field.GetValue(one), field.GetValue(other)));
    }

    public enum ULong : ulong
    {
        Highest = ulong.MaxValue,
    }

    public sealed record Plain(string Name, int Number);

    public struct Pair
    {
        public int X { get; set; }

        public int Y { get; set; }
    }

    public sealed class Page : List<int>
    {
        public int Total { get; set; } = 100;
    }

#pragma warning disable CA1051, CA1708, CA1822 // That is what they are here for.
    public sealed class WithField
    {
        public int Count;

        public string? Name { get; set; }
    }

    public sealed class WithSetter
    {
        public WithSetter()
        {
        }

        public WithSetter(string name) => Name = name;

        public string? Name { get; private set; }

        public int Other { get; set; }
    }

    public sealed class WithSecret(string name, int secret)
    {
        public string Name { get; } = name;

        public int Twice() => 2 * secret;
    }

    public sealed class Cased(int id, int ID)
    {
        public int id { get; } = id;

        public int ID { get; } = ID;
    }

    public sealed class Empty;

    public sealed class Throwing
    {
        public int Number { get => throw new InvalidOperationException("not now"); set => _ = value; }
    }
#pragma warning restore CA1051, CA1708, CA1822
}
