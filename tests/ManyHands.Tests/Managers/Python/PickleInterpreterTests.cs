using System.Buffers;
using System.Numerics;
using ManyHands.Managers;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>Real interpreters write in every protocol what we read, and read what we write.</summary>
public sealed class PickleInterpreterTests : LeakChecked
{
    private const string Values = """
        import array, collections, datetime, decimal, math, pickle, queue, sys, threading, uuid
        zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
        shared = [1, 2]
        looped = [1]; looped.append(looped)
        values = [
            None, True, False, 0, 1, -1, 255, 256, 65535, 65536, 2**31-1, 2**31, -2**31, -2**31-1, 2**63-1, -2**63, 2**63, 2**100, -2**100, 2**3000,
            0.0, -0.0, 1.5, -1e300, 5e-324, math.inf, -math.inf,
            '', 'a', 'é', '\u20ac', '\U0001F600', '\ud83d', 'a\ud83d', '\x00', 'line\nline\\ \u005cu0041', "quote'\"", 'x' * 70000,
            b'', b'a', bytes(range(256)), b'y' * 70000, bytearray(), bytearray(b'ab\xff'),
            (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ((),)), [], [1], [1, [2, [3]]], list(range(2500)),
            {}, {'a': 1}, {1: 'a', None: 2, (1, 2): [3], 2.5: 4, b'k': 5}, {i: str(i) for i in range(2500)},
            set(), {1}, {1, 'a', (2, 3)}, frozenset(), frozenset([1, frozenset([2])]),
            1+2j, slice(1, 3), slice(None, None, -1), range(0, 10, 3),
            array.array('i', [1, -2]), array.array('d', [0.5]), array.array('b', [-1]), array.array('B', [255]), array.array('q', [2**62]), array.array('H', [65535]), array.array('f', [0.25]),
            datetime.datetime(2024, 1, 2, 3, 4, 5, 678901), datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
            datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=zone),
            datetime.date(2024, 2, 29), datetime.time(23, 59, 58, 123456), datetime.timedelta(days=-1, seconds=5, microseconds=7), datetime.timedelta(days=400),
            decimal.Decimal('1.50'), decimal.Decimal('-79228162514264337593543950335'), decimal.Decimal('1E+100'), decimal.Decimal('NaN'), decimal.Decimal('-Infinity'),
            uuid.UUID('12345678-9abc-def0-1234-56789abcdef0'), uuid.UUID(int=5),
            collections.OrderedDict([('z', 1), ('a', 2)]), collections.defaultdict(list, {'k': [1]}), collections.defaultdict(None),
            ValueError('bad', 7), KeyError('zz'), queue.Empty(), queue.Full(), StopIteration(), threading.BrokenBarrierError(), OSError(2, 'no'),
            [shared, shared], {'deep': [{'er': ({'still': [None]},)}]},
        ]
        def same(a, b):
            if isinstance(a, BaseException):
                return type(a) is type(b) and a.args == b.args
            if isinstance(a, decimal.Decimal) and a.is_nan():
                return b.is_nan()
            if isinstance(a, float):
                return type(b) is float and math.copysign(1, a) == math.copysign(1, b) and a == b
            if isinstance(a, array.array) and a.typecode == 'B':
                return bytes(a) == bytes(b)
            if isinstance(a, dict):
                return list(a.items()) == list(b.items())
            return a == b and (type(a) is type(b) or isinstance(a, dict))

        """;

    private const string Exchange = Values + """
        protocol = int(sys.argv[1])
        for value in values:
            print(pickle.dumps(value, protocol).hex())
        print(pickle.dumps(looped, protocol).hex())
        for value in values:
            line = sys.stdin.readline().strip()
            back = pickle.loads(bytes.fromhex(line))
            assert same(value, back), (value, type(back), back)
        back = pickle.loads(bytes.fromhex(sys.stdin.readline().strip()))
        assert back[0] == 1 and back[1] is back
        assert pickle.loads(bytes.fromhex(sys.stdin.readline().strip()))[0:1] == [(2, 3)]
        print('all read')
        """;

    public static TheoryData<string?, int> VersionsAndProtocols
    {
        get
        {
            TheoryData<string?, int> cells = [];
            foreach (string? version in PythonInterpreters.Versions.Select(static row => row.Data))
            {
                for (int protocol = 0; protocol <= 5; protocol++)
                    cells.Add(version, protocol);
            }

            return cells;
        }
    }

    [Theory]
    [MemberData(nameof(VersionsAndProtocols))]
    public async Task EveryPlainValue_TravelsBothWays(string? version, int protocol)
    {
        using PythonProcess python = PythonInterpreters.Of(version).Start(Exchange, protocol.ToString(System.Globalization.CultureInfo.InvariantCulture));
        List<object?> values = [];
        while (true)
        {
            byte[] pickle = Convert.FromHexString((await python.ReadLineAsync())!);
            object? value = PickleReader.Read(pickle);
            values.Add(value);
            if (value is PythonList { Count: 2 } list && ReferenceEquals(list[1], list))
                break;
        }

        Assert.Equal(BigInteger.Pow(2, 100), values[17]);
        Assert.Contains("\uD83D", values);
        Assert.Contains(new DateTimeOffset(2024, 1, 2, 3, 4, 5, TimeSpan.FromMinutes(330)), values);
        Assert.Contains(Guid.Parse("12345678-9abc-def0-1234-56789abcdef0"), values);
        Assert.Contains(values, static value => value is PythonList { Count: 2 } pair && pair[0] is PythonList && ReferenceEquals(pair[0], pair[1]));
        values.Add(new List<object?> { new PythonTuple(2, 3) });
        foreach (object? value in values)
            await python.WriteLineAsync(Written(value, protocol < 4 ? 2 : 4));
        Assert.Equal("all read", (await python.EndAsync()).Trim());
    }

    [Theory]
    [MemberData(nameof(PythonInterpreters.Versions), MemberType = typeof(PythonInterpreters))]
    public async Task ATokenAndAProxy_AreWhatPythonBuildsThemFrom(string? version)
    {
        const string Script = """
            import pickle, sys
            from multiprocessing import managers
            token = pickle.loads(bytes.fromhex(sys.argv[1]))
            assert type(token) is managers.Token and (token.typeid, token.address, token.id) == ('get', ('127.0.0.1', 5000), 'x1'), token
            class Seen(pickle.Unpickler):
                def find_class(self, module, name):
                    assert module == 'multiprocessing.managers', module
                    if name == 'RebuildProxy':
                        return lambda func, token, serializer, kwds: (func.__name__, token.id, serializer, kwds)
                    return super().find_class(module, name)
            import io
            assert Seen(io.BytesIO(bytes.fromhex(sys.argv[2]))).load() == ('AutoProxy', 'x1', 'pickle', {'exposed': ('get', 'put')})
            print(pickle.dumps(token).hex())
            """;
        PythonToken token = new("get", new PythonTuple("127.0.0.1", 5000L), "x1");
        string output = await PythonInterpreters.Of(version).RunAsync(Script, Written(token, 4), Written(new PythonProxyReference("AutoProxy", token, ["get", "put"]), 4));
        Assert.Equal(token, PickleReader.Read(Convert.FromHexString(output.Trim())));
    }

    private static string Written(object? value, int protocol)
    {
        ArrayBufferWriter<byte> written = new();
        PickleWriter.Write(written, value, protocol);
        return Convert.ToHexStringLower(written.WrittenSpan);
    }
}
