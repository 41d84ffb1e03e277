using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>Stock Python clients of every version that is here use a manager's dictionaries, lists, values, locks and objects, as they use Python's own; most of it is done to one of Python's own beside it, and must come to the same.</summary>
public sealed class PythonObjectTests : LeakChecked
{
    public static TheoryData<string?> Versions => PythonInterpreters.Versions;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Dictionary_OfAStockClient_BehavesAsPythonsOwn(string? version)
    {
        await using ManagerServer server = new();
        using ISharedDictionary<object, object?> plain = server.RegisterDictionary<object, object?>("plain");
        using ISharedDictionary<string, int> stock = server.RegisterDictionary<string, int>("stock");
        stock["from C#"] = 1;
        await RunAsync(version, server, DictionaryScript);
        Assert.Equal([new("from C#", 1), new("from Python", 7)], stock.GetEntries(Token));

        // What one puts in the other finds, by Python's rule.
        Assert.Equal("int", plain[1.0]);
        Assert.Equal(new PythonTuple(1L, "x"), plain["True"]);
        Assert.Equal(2, plain.Count);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task List_OfAStockClient_BehavesAsPythonsOwn(string? version)
    {
        await using ManagerServer server = new();
        using ISharedList<object?> items = server.RegisterList<object?>("items");
        using ISharedList<int> numbers = server.RegisterList<int>("numbers");
        await RunAsync(version, server, ListScript);
        Assert.Equal([1, 2], numbers.GetItems(Token));
        Assert.Equal(0, items.Count);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task ValuesAndObjects_OfAStockClient_AreTheManagers(string? version)
    {
        Board board = new();
        await using ManagerServer server = new();
        server.RegisterValue<object?>("anything", null);
        using ISharedValue<double> total = server.RegisterValue("total", 1.5);
        server.RegisterObject<IBoard>("board", board);
        await RunAsync(version, server, ValueScript);
        Assert.Equal(7.25, total.Value);
        Assert.Equal([new Move(1, 2, null)], board.Moves());

        // The call of the process that ended was told so.
        await Eventually.True(() => board.Canceled == 1 && server.Statistics.Objects.Single(one => one.Name == "board").Count == 0, "the call has ended");
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Objects_ThatASyncManagersClientMakes_AreAsPythonsOwn(string? version)
    {
        await using ManagerServer server = new();
        await RunAsync(version, server, MakeScript, new() { AllowCreation = true });
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task LocksAndSignals_OfAStockClient_BehaveAsPythonsOwn(string? version)
    {
        await using ManagerServer server = new();
        await RunAsync(version, server, LockScript, new() { AllowCreation = true });
    }

    [Fact]
    public async Task Lock_OfAClientThatIsKilled_IsFree_AndTheNextIsTold()
    {
        await using ManagerServer server = new();
        using ISharedLock gate = server.RegisterLock("gate");
        using PythonProcess python = PythonInterpreters.Of(PythonInterpreters.Newest).Start(
            PythonListenerTests.Client + """
            gate = connect('gate').gate()
            assert gate.acquire()
            print('held'); sys.stdin.readline()
            """,
            PythonListenerTests.Port(PythonListenerTests.Listen(server)),
            PythonListenerTests.Key);
        Assert.Equal("held", await python.ReadLineAsync());
        Assert.False(gate.TryEnter(out _));
        python.Kill();
        using (await gate.EnterAsync(Token))
            Assert.True(gate.WasAbandoned);
    }

    [Fact]
    public async Task WhatIsTooMuch_IsRefused_AndWhatIsLargePasses()
    {
        await using ManagerServer server = new(new() { MaxStoredBytes = 64 << 20 });
        server.RegisterList<object?>("items");
        server.RegisterDictionary<object, object?>("plain");
        server.RegisterValue<object?>("anything", null);
        await RunAsync(
            PythonInterpreters.Newest,
            server,
            """
            m = connect('items', 'plain', 'anything')
            items, plain, anything = m.items(), m.plain(), m.anything()
            big = os.urandom(1 << 20) * 40
            items.append(big); assert items.__getitem__(0) == big
            for full in [items.append, anything.set, lambda x: plain.__setitem__('k', x), lambda x: plain.update({'k': x}), lambda x: plain.setdefault('k', x), lambda x: items.__setitem__(slice(0, 0), [x])]:
                assert 'MaxStoredBytes' in str(raises(MemoryError, full, big))
            raises(MemoryError, items._callmethod, '__imul__', (1 << 24,)); raises(MemoryError, items._callmethod, '__imul__', (2,))
            assert items.pop() == big; anything.set(big); assert anything.get() == big; anything.set(None)
            plain.update({'text': 'e' * (30 << 20)}); assert plain.pop('text') == 'e' * (30 << 20)
            print('ok')
            """);
        Assert.InRange(server.Statistics.StoredBytes, 0, 100);
    }

    private static async Task RunAsync(string? version, ManagerServer server, string script, PythonListenerOptions? options = null)
    {
        PythonInterpreter python = PythonInterpreters.Of(version);
        TestContext.Current.TestOutputHelper?.WriteLine($"Ran with Python {python.Version}.");
        PythonListener listener = PythonListenerTests.Listen(server, options);
        Assert.Equal("ok", (await python.RunAsync(PythonListenerTests.Client + script, PythonListenerTests.Port(listener), PythonListenerTests.Key)).Trim());
    }

    public interface IBoard
    {
        string Title { get; set; }

        int Players { get; }

        int Add(int a, int b = 10);

        string Add(string a);

        Task<Move> PlayAsync(Move move, CancellationToken token = default);

        void Fail(string how);

        Task WaitAsync(CancellationToken token);

        IReadOnlyList<Move> Moves();

        Dictionary<string, int[]> Nested(IReadOnlyList<double> values);
    }

    public sealed record Move(int X, int Y, string? Note);

    private sealed class Board : IBoard
    {
        private readonly List<Move> moves = [];

        public string Title { get; set; } = "board";

        public int Players => 2;

        public int Canceled { get; private set; }

        public int Add(int a, int b) => a + b;

        public string Add(string a) => a + "!";

        public async Task<Move> PlayAsync(Move move, CancellationToken token)
        {
            await Task.Yield();
            moves.Add(move);
            return move with { Note = "played" };
        }

        public void Fail(string how) => throw (how switch
        {
            "key" => new KeyNotFoundException("no such key"),
            "arg" => new ArgumentException("bad"),
            "zero" => new DivideByZeroException(),
            _ => new InvalidOperationException("can't"),
        });

        public async Task WaitAsync(CancellationToken token)
        {
            await Task.Delay(Timeout.Infinite, token).ContinueWith(_ => Canceled++, TaskScheduler.Default);
            token.ThrowIfCancellationRequested();
        }

        public IReadOnlyList<Move> Moves() => moves;

        public Dictionary<string, int[]> Nested(IReadOnlyList<double> values) => new() { ["all"] = [.. values.Select(value => (int)value)] };
    }

    private const string DictionaryScript = """
        m = connect('stock', plain=managers.DictProxy)
        plain, stock = m.plain(), m.stock()
        assert isinstance(plain, managers.DictProxy) and len(plain) == 0 and dict(plain.items()) == {}
        model = {}
        def both(call):
            def outcome(d):
                try: return ('ok', call(d))
                except Exception as e: return (type(e), e.args)
            mine, theirs = outcome(model), outcome(plain)
            if mine[0] is not TypeError: assert mine == theirs, (mine, theirs)
            else: assert theirs[0] is TypeError, (mine, theirs)
            assert plain.copy() == model and list(plain.keys()) == list(model), (plain.copy(), model)
        both(lambda d: d.__setitem__('a', 1)); both(lambda d: d.__setitem__(1, 'int')); both(lambda d: d.__setitem__(1.0, 'float')); both(lambda d: d.__setitem__(True, [1, {'deep': (2,)}]))
        both(lambda d: d[1]); both(lambda d: d['zz']); both(lambda d: d[(1, 2)]); both(lambda d: d.__setitem__((1, 'x'), b'tuple')); both(lambda d: d[(1.0, 'x')]); both(lambda d: d.__setitem__(None, None)); both(lambda d: d[None])
        both(lambda d: d.__setitem__([], 1)); both(lambda d: d.__setitem__({}, 1)); both(lambda d: d[[1]]); both(lambda d: d.__setitem__(frozenset([1]), 'f')); both(lambda d: d[frozenset([1])])
        both(lambda d: 1 in d); both(lambda d: 2 in d); both(lambda d: True in d); both(lambda d: None in d); both(lambda d: [] in d)
        both(lambda d: d.get('a')); both(lambda d: d.get('b')); both(lambda d: d.get('b', 5)); both(lambda d: len(d)); both(lambda d: list(d)); both(lambda d: sorted(map(str, d.values()))); both(lambda d: list(d.items())); both(lambda d: list(d.values()))
        both(lambda d: d.setdefault('a', 9)); both(lambda d: d.setdefault('new', 9)); both(lambda d: d.setdefault('none'))
        both(lambda d: d.update({'u': 1, 'v': 2})); both(lambda d: d.update([('w', 3), ['x', 4]])); both(lambda d: d.update(y=5)); both(lambda d: d.update({'z': 6}, zz=7)); both(lambda d: d.update()); both(lambda d: d.update(1)); both(lambda d: d.update({'a': 1}, {'b': 1}))
        both(lambda d: d.pop('u')); both(lambda d: d.pop('u')); both(lambda d: d.pop('u', None)); both(lambda d: d.pop('u', 'default')); both(lambda d: d.popitem()); both(lambda d: d.popitem())
        both(lambda d: d.__delitem__('v')); both(lambda d: d.__delitem__('v')); both(lambda d: d.__setitem__('v', 'again')); both(lambda d: d.__setitem__(2**200, 2**200)); both(lambda d: d[2.0**200]); both(lambda d: d.__setitem__('', '')); both(lambda d: d.__setitem__(b'', 1.5)); both(lambda d: d[b''])
        assert str(plain) == str(model) or len(str(plain)) > 50, (str(plain), str(model))
        assert plain._getvalue() == model
        raises(ValueError, plain.update, [(1, 2, 3)])
        both(lambda d: d.clear()); both(lambda d: d.popitem()); both(lambda d: len(d))
        # a typed one: what fits goes in, what doesn't is refused
        assert stock.get('from C#') == 1
        stock.__setitem__('pears', 2); assert stock.keys() == ['from C#', 'pears'] and stock.values() == [1, 2] and list(stock.__iter__()) == stock.keys()
        assert [k for k in stock] == ['from C#', 'pears']
        e = raises(TypeError, stock.update, {'figs': 'many'}); assert 'value' in str(e), e
        raises(TypeError, stock.__setitem__, 1, 1); raises(TypeError, stock.get, 1); raises(TypeError, stock.__setitem__, 'a', 1.5); raises(TypeError, stock.__setitem__, 'a'); raises(KeyError, stock.pop, 'nothing')
        assert stock.__len__() == 2 and stock.__contains__('pears') and not stock.__contains__('plums')
        for name in ['fromkeys', '__class__', '__init__', '__setattr__', '__reduce__', 'Snapshot', 'KeyItems']:
            assert 'not exposed' in str(raises(RemoteError, stock._callmethod, name))
        class Odd: pass
        assert 'UnpicklingError' in str(raises(RemoteError, plain.__setitem__, 'odd', Odd()))
        big = {'text': 'x' * (3 << 20), 'bytes': os.urandom(10 << 20)}
        plain.update(big); assert plain.copy() == big; plain.clear()
        # threads that race
        def work():
            for i in range(100):
                plain.__setitem__((threading.get_ident(), i), i)
        threads = [threading.Thread(target=work) for _ in range(4)]
        [t.start() for t in threads]; [t.join() for t in threads]
        assert len(plain) == 400; plain.clear()
        stock.pop('pears'); stock.setdefault('from Python', 7)
        # what one side puts in the other finds
        plain[True] = 'bool'; plain[1] = 'int'; plain['True'] = (1, 'x')
        print('ok')
        """;

    private const string ListScript = """
        m = connect('numbers', items=managers.ListProxy)
        items, numbers = m.items(), m.numbers()
        model = []
        def both(call):
            def outcome(x):
                try: return ('ok', call(x))
                except Exception as e: return (type(e), e.args)
            mine, theirs = outcome(model), outcome(items)
            if isinstance(theirs[1], managers.ListProxy): theirs = (theirs[0], None); mine = (mine[0], None)
            if mine[0] is TypeError: assert theirs[0] is TypeError, (mine, theirs)
            else: assert mine == theirs, (mine, theirs)
            assert items._getvalue() == model, (items._getvalue(), model)
        both(lambda x: x.append(1)); both(lambda x: x.append([1, {'a': (2,)}])); both(lambda x: x.extend([3, 4, None])); both(lambda x: x.extend('ab')); both(lambda x: x.extend(range(2))); both(lambda x: x.extend(5)); both(lambda x: x.extend({'k': 1}))
        both(lambda x: len(x)); both(lambda x: x[0]); both(lambda x: x[-1]); both(lambda x: x[99]); both(lambda x: x[-99]); both(lambda x: x['a']); both(lambda x: x[1:3]); both(lambda x: x[::-1]); both(lambda x: x[::2]); both(lambda x: x[5:1:-2]); both(lambda x: x[-3:]); both(lambda x: x[100:]); both(lambda x: x[::0]); both(lambda x: x[:2**70]); both(lambda x: x[True])
        both(lambda x: 4 in x); both(lambda x: 4.0 in x); both(lambda x: 'zz' in x); both(lambda x: [1, {'a': (2,)}] in x); both(lambda x: x.index(3)); both(lambda x: x.index(3, 3)); both(lambda x: x.index(3, 1, 4)); both(lambda x: x.index(3, -99, -1)); both(lambda x: x.count(1)); both(lambda x: x.count(True)); both(lambda x: x.count([1, {'a': (2.0,)}]))
        both(lambda x: x.insert(0, 'first')); both(lambda x: x.insert(-1, 'last but one')); both(lambda x: x.insert(99, 'end')); both(lambda x: x.insert(-99, 'begin'))
        both(lambda x: x.__setitem__(0, 'B')); both(lambda x: x.__setitem__(-1, 'E')); both(lambda x: x.__setitem__(99, 1)); both(lambda x: x.__setitem__(slice(1, 3), ['x', 'y', 'z'])); both(lambda x: x.__setitem__(slice(None, None, 3), [0])); both(lambda x: x.__setitem__(slice(0, 4, 2), [10, 20])); both(lambda x: x.__setitem__(slice(5, 2), ['mid']))
        both(lambda x: x.__delitem__(0)); both(lambda x: x.__delitem__(99)); both(lambda x: x.__delitem__(slice(0, 2))); both(lambda x: x.__delitem__(slice(None, None, 2)))
        both(lambda x: x.pop()); both(lambda x: x.pop(0)); both(lambda x: x.pop(99)); both(lambda x: x.pop(-1)); both(lambda x: x.remove('zz')); both(lambda x: x.append('r')); both(lambda x: x.remove('r'))
        both(lambda x: x.__add__([1])); both(lambda x: x.__add__((1,))); both(lambda x: x.__mul__(2)); both(lambda x: x.__rmul__(2)); both(lambda x: x.__mul__(-1)); both(lambda x: x.__mul__('a')); both(lambda x: list(x.__reversed__())); both(lambda x: [y for y in x]); both(lambda x: list(x))
        def iadd(x): x += [7, 8]
        def imul(x): x *= 2
        both(iadd); both(imul); both(lambda x: x.reverse()); both(lambda x: x.sort())
        assert str(items) == str(model), (str(items), str(model))
        both(lambda x: x.__setitem__(slice(None), [3, 1.5, True, 2**80, -1, 2, 1]))
        both(lambda x: x.sort()); both(lambda x: x.sort(reverse=True)); both(lambda x: x.sort(1))
        both(lambda x: x.__setitem__(slice(None), ['b', 'a', '\U0001F600', '\uFFFF', '', 'ab'])); both(lambda x: x.sort())
        both(lambda x: x.__setitem__(slice(None), [(2, 'a'), (1, 'b'), (1, 'a'), (1,)])); both(lambda x: x.sort()); both(lambda x: x.sort(reverse=True))
        raises(RemoteError, items.sort, key=len)
        both(lambda x: x.__imul__(0)); both(lambda x: x.pop()); both(lambda x: x.remove(1)); both(lambda x: x.index(1)); both(lambda x: x[0]); both(lambda x: x[:]); both(lambda x: len(x))
        # a typed one, without a class for lists
        numbers.extend([3, 1, 2]); numbers.sort(); assert numbers.copy() == [1, 2, 3] and [n for n in numbers] == [1, 2, 3] and numbers.__len__() == 3
        raises(TypeError, numbers.append, 'a'); raises(TypeError, numbers.extend, [4, None]); raises(TypeError, numbers.append, 2**40); assert numbers.copy() == [1, 2, 3]
        raises(TypeError, numbers.append); raises(TypeError, numbers.append, 1, 2)
        e = raises(MemoryError, numbers.extend, range(10**12)); raises(MemoryError, numbers.__mul__, 10**9)
        numbers.clear(); assert numbers.copy() == []; numbers.extend((1, 2))
        print('ok')
        """;

    private const string ValueScript = """
        m = connect('total', 'board', anything=managers.ValueProxy)
        anything, total, board = m.anything(), m.total(), m.board()
        import datetime, decimal, uuid
        assert anything.value is None
        for value in [1, 'a', [1, {'k': (2, None)}], {1, 2}, b'x' * 100000, datetime.timedelta(1), decimal.Decimal('1.5'), uuid.UUID(int=3), 2**100]:
            anything.value = value; assert anything.value == value and anything.get() == value and type(anything.get()) is type(value)
        anything.set(None); assert str(anything) == 'None'
        assert total.get() == 1.5; total.set(2); assert total.get() == 2.0; raises(TypeError, total.set, 'a'); raises(TypeError, total.set); assert str(total) == '2.0'; total.set(7.25)
        # an object behind an interface
        names = [n for n in dir(board) if not n.startswith('_')]
        assert names == ['Add', 'Fail', 'Moves', 'Nested', 'PlayAsync', 'WaitAsync', 'get_Players', 'get_Title'], names
        assert board.Add(2, 3) == 5 and board.Add(2) == 12 and board.Add(a=1, b=2) == 3 and board.Add(b=2, a=1) == 3 and board.Add('x') == 'x!'
        assert board.get_Title() == 'board' and board.get_Players() == 2
        assert board.PlayAsync({'X': 1, 'Y': 2, 'Note': None}) == {'X': 1, 'Y': 2, 'Note': 'played'}
        assert board.Moves()[-1] == {'X': 1, 'Y': 2, 'Note': None}, board.Moves()
        assert board.Nested([1, 2.5]) == {'all': [1, 2]}, board.Nested([1, 2.5])
        e = raises(TypeError, board.Add, 1.5); assert 'Add' in str(e), e
        e = raises(TypeError, board.PlayAsync, {'X': 'a', 'Y': 2}); assert 'move' in str(e), e
        raises(TypeError, board.PlayAsync); raises(TypeError, board.PlayAsync, {'X': 1, 'Y': 2, 'Note': ''}, token=1); raises(TypeError, board.get_Title, 1)
        e = raises(KeyError, board.Fail, 'key'); assert 'no such key' in str(e) and 'KeyNotFoundException' in str(e) and ' at ' not in str(e), e
        raises(ValueError, board.Fail, 'arg'); raises(ZeroDivisionError, board.Fail, 'zero')
        e = raises(RuntimeError, board.Fail, 'other'); assert 'InvalidOperationException: can\'t' in str(e), e
        for name in ['set_Title', 'GetType', 'ToString', 'GetHashCode', '__init__', 'moves', 'MemberwiseClone']:
            assert 'not exposed' in str(raises(RemoteError, board._callmethod, name, ('x',)))
        # another object's call goes on beside one that waits, and one that waits ends with its client
        if os.fork() == 0:
            m = connect('board'); threading.Timer(0.3, lambda: os._exit(0)).start(); m.board().WaitAsync(); os._exit(1)
        assert board.Add(1) == 11
        assert os.wait()[1] == 0
        print('ok')
        """;

    private const string MakeScript = """
        from multiprocessing.managers import SyncManager
        m = SyncManager(address=('127.0.0.1', int(sys.argv[1])), authkey=sys.argv[2].encode()); m.connect()
        d = m.dict({'a': 1}, b=2); assert d.copy() == {'a': 1, 'b': 2} and [k for k in d] == ['a', 'b'] and isinstance(d, managers.DictProxy)
        assert m.dict().copy() == {} and m.dict([(1, 2)]).copy() == {1: 2} and m.list().copy() if hasattr(managers.ListProxy, 'copy') else True
        l = m.list([3, 1, 2]); l.sort(); l += [9]; assert list(l) == [1, 2, 3, 9] and l._getvalue() == [1, 2, 3, 9] and l[1:3] == [2, 3]
        l *= 2; assert len(l) == 8 and isinstance(l, managers.ListProxy)
        assert list(m.list(range(3))) == [0, 1, 2] and list(m.list('ab')) == ['a', 'b']
        raises(TypeError, m.list, 5); raises(TypeError, m.list, [], []); raises(TypeError, m.dict, 5)
        v = m.Value('i', 5); v.value += 1; assert v.value == 6
        a = m.Array('i', [1, 2, 3]); a[1] = 7; assert len(a) == 3 and list(a) == [1, 7, 3]
        n = m.Namespace(x=1); n.y = 'z'; assert n.x == 1 and n.y == 'z'; del n.x; raises(AttributeError, lambda: n.x); raises(AttributeError, lambda: n.nothing); assert 'y=' in str(n), str(n)
        q = m.Queue(2); q.put(1); assert q.get() == 1
        for unknown in ['Pool', 'os.system', '', '__class__']:
            assert 'KeyError' in str(raises(RemoteError, m._create, unknown))
        print('ok')
        """;

    private const string LockScript = """
        from multiprocessing.managers import SyncManager
        m = SyncManager(address=('127.0.0.1', int(sys.argv[1])), authkey=sys.argv[2].encode()); m.connect()
        def elsewhere(call, *args):
            result = []
            t = threading.Thread(target=lambda: result.append(call(*args))); t.start(); t.join(20)
            assert not t.is_alive(); return result[0]
        def takes(least, call, *args):
            start = time.monotonic(); value = call(*args); took = time.monotonic() - start
            assert least <= took < least + 5, took
            return value
        k = m.Lock()
        assert k.acquire() is True and k.acquire(False) is False and elsewhere(k.acquire, False) is False
        assert takes(0.19, k.acquire, True, 0.2) is False and takes(0, k.acquire, True, 0) is False and takes(0, k.acquire, True, -0.5) is False
        elsewhere(k.release); assert k._callmethod('locked') is False
        raises(RuntimeError, k.release)
        with k: assert k._callmethod('locked') is True
        t = threading.Timer(0.2, k.release); k.acquire(); t.start(); assert k.acquire(timeout=10) is True; k.release(); t.join()
        count = [0]
        def add():
            for _ in range(50):
                with k: n = count[0]; time.sleep(0); count[0] = n + 1
        ts = [threading.Thread(target=add) for _ in range(4)]; [t.start() for t in ts]; [t.join() for t in ts]; assert count == [200]
        r = m.RLock()
        assert r.acquire() and r.acquire() and elsewhere(r.acquire, False) is False
        def other():
            try: r.release()
            except RuntimeError as e: return str(e)
        assert 'un-acquired' in elsewhere(other)
        r.release(); assert elsewhere(r.acquire, False) is False; r.release(); raises(RuntimeError, r.release)
        def briefly():
            got = r.acquire(False)
            if got: r.release()
            return got
        assert elsewhere(briefly) is True
        s = m.Semaphore(2)
        assert s.acquire() and s.acquire() and not s.acquire(False); s.release(); assert s.acquire(True, 1); s.release(); s.release(); s.release()
        b = m.BoundedSemaphore(1); assert b.acquire(); b.release(); raises(ValueError, b.release)
        z = m.Semaphore(0); threading.Timer(0.1, z.release).start(); assert z.acquire() is True
        raises(ValueError, m.Semaphore, -1)
        ev = m.Event()
        assert ev.is_set() is False and takes(0.1, ev.wait, 0.1) is False; threading.Timer(0.1, ev.set).start(); assert ev.wait() is True and ev.is_set() is True and ev.wait(0) is True
        ev.clear(); assert ev.is_set() is False
        c = m.Condition()
        raises(RuntimeError, c.notify); raises(RuntimeError, c.wait, 0.1)
        with c: assert takes(0.1, c.wait, 0.1) is False
        state = []
        def waiter():
            with c:
                while not state: c.wait()
                state.append('seen')
        ts = [threading.Thread(target=waiter) for _ in range(3)]; [t.start() for t in ts]
        time.sleep(0.2)
        with c: state.append('go'); c.notify_all()
        [t.join(20) for t in ts]; assert state == ['go', 'seen', 'seen', 'seen'], state
        with c: assert c.wait_for(lambda: True) is True and c.wait_for(lambda: False, 0.1) is False
        with c: c.acquire(); threading.Timer(0.1, lambda: (c.acquire(), c.notify(), c.release())).start(); assert c.wait(10) is True; c.release()
        raises(TypeError, m.Condition, k)
        p = m.Barrier(3)
        assert p.parties == 3 and p.n_waiting == 0 and p.broken is False
        places = []
        def come(): places.append(p.wait())
        ts = [threading.Thread(target=come) for _ in range(2)]; [t.start() for t in ts]; places.append(p.wait(20)); [t.join(20) for t in ts]; assert sorted(places) == [0, 1, 2]
        raises(threading.BrokenBarrierError, p.wait, 0.1); assert p.broken is True; raises(threading.BrokenBarrierError, p.wait); p.reset(); assert p.broken is False
        p.abort(); raises(threading.BrokenBarrierError, p.wait); assert p.broken
        raises(threading.BrokenBarrierError, m.Barrier(2, timeout=0.1).wait)
        raises(TypeError, m.Barrier, 2, 'action'); raises(ValueError, m.Barrier, 0)
        # a holder that is killed frees what it holds
        gone = m.Lock()
        if os.fork() == 0:
            m = SyncManager(address=('127.0.0.1', int(sys.argv[1])), authkey=sys.argv[2].encode()); m.connect()
            gone._tls = type(gone._tls)(); gone.acquire(); os.kill(os.getpid(), signal.SIGKILL)
        os.wait(); assert gone.acquire(True, 20) is True
        print('ok')
        """;
}
