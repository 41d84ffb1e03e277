using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>
/// What a Python client asks for and can't be given, because Python has no counterpart for it or the answer can't be made, is not taken: it stays where it is, in its place, for whoever can use it.
/// </summary>
public sealed class PythonTakingTests : LeakChecked
{
    // Each method that an object has is called while all it holds are addresses, which Python has no counterpart for. What raises must have changed nothing.
    private const string Script = """
        import multiprocessing.managers as managers
        m = connect('queue', 'dictionary', 'list', 'value')
        arguments = {
            'get': {'queue': [(), (False,), (True, 0.1)], 'dictionary': [('a',)], 'value': [()]}, 'get_nowait': [()], 'pop': {'dictionary': [('a',), ('a', None)], 'list': [(), (0,), (-1,)]}, 'popitem': [()], 'setdefault': [('a', None), ('a',)],
            'put': [(1,)], 'put_nowait': [(1,)], 'set': [(1,)], 'update': [({'a': 1},), ([('b', 1)],)], '__setitem__': {'dictionary': [('a', 1)], 'list': [(0, 1), (slice(0, 2), [1])]},
            '__getitem__': {'dictionary': [('a',)], 'list': [(0,), (slice(0, 2),)]}, '__contains__': [('a',)], 'append': [(1,)], 'extend': [([1],)], 'insert': [(0, 1)], 'remove': [(1,)], 'count': [(1,)], 'index': [(1,)],
            '__add__': [([1],)], '__mul__': [(2,)], '__rmul__': [(2,)], 'sort': [()], 'task_done': [()], 'copy': [()], 'items': [()], 'keys': [()], 'values': [()], '__iter__': [()], '__reversed__': [()], '__len__': [()],
            'qsize': [()], 'empty': [()], 'full': [()],
        }
        # what works without looking at the items, and is looked at elsewhere
        works = {'clear', '__delitem__', 'reverse', '__imul__', 'join'}
        for kind in ['queue', 'dictionary', 'list', 'value']:
            proxy = getattr(m, kind)()
            for name in [n for n in dir(type(proxy)) if n in proxy._exposed_]:
                if name in works: continue
                given = arguments[name]
                for args in given[kind] if isinstance(given, dict) else given:
                    try:
                        proxy._callmethod(name, args)
                        print('%s|%s|ok' % (kind, name))
                    except Exception as e:
                        print('%s|%s|%s' % (kind, name, ' '.join(str(e).split())))
                    assert sys.stdin.readline().strip() == 'same', (kind, name, args)
        dictionary = m.dictionary()
        dictionary._callmethod('__delitem__', ('a',))
        m.list()._callmethod('__delitem__', (0,))
        print('end')
        """;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task WhatCannotBeHandedOver_StaysInItsPlace()
    {
        await using ManagerServer server = new();
        using ISharedQueue<Uri> queue = server.RegisterQueue<Uri>("queue");
        using ISharedDictionary<string, Uri> dictionary = server.RegisterDictionary<string, Uri>("dictionary");
        using ISharedList<Uri> list = server.RegisterList<Uri>("list");
        server.RegisterValue("value", Of(0));
        for (int i = 0; i < 3; i++)
        {
            queue.Enqueue(Of(i), Token);
            list.Add(Of(i));
        }

        dictionary["a"] = Of(0);
        dictionary["b"] = Of(1);
        PythonListener listener = PythonListenerTests.Listen(server);
        using PythonProcess python = PythonInterpreters.Of(PythonInterpreters.Newest).Start(PythonListenerTests.Client + Script, PythonListenerTests.Port(listener), PythonListenerTests.Key);
        HashSet<string> taking = ["queue|get", "queue|get_nowait", "dictionary|pop", "dictionary|popitem", "dictionary|setdefault", "list|pop"];
        HashSet<string> refused = [];
        while (await python.ReadLineAsync() is { } line && line != "end")
        {
            if (line.Contains('|', StringComparison.Ordinal))
            {
                string[] parts = line.Split('|', 3);
                if (taking.Contains($"{parts[0]}|{parts[1]}"))
                {
                    Assert.Contains("Uri", parts[2], StringComparison.Ordinal);
                    Assert.Contains("string", parts[2], StringComparison.Ordinal);
                    refused.Add($"{parts[0]}|{parts[1]}");
                }
            }

            bool isSame = queue.Count == 3 && list.GetItems(Token).SequenceEqual([Of(0), Of(1), Of(2)]) && dictionary.GetEntries(Token).Select(entry => entry.Value).SequenceEqual([Of(0), Of(1)]);
            await python.WriteLineAsync(isSame ? "same" : $"{queue.Count} {list.Count} {dictionary.Count}");
            if (line.EndsWith("__delitem__", StringComparison.Ordinal))
                break;
        }

        Assert.Equal(taking.Order(), refused.Order());
        await python.EndAsync();

        // What is deleted goes, whatever it is: nobody is handed it.
        Assert.Equal(1, dictionary.Count);
        Assert.Equal(2, list.Count);
        for (int i = 0; i < 3; i++)
        {
            using QueueLease<Uri> lease = queue.Lease(cancellationToken: Token);
            Assert.Equal(Of(i), lease.Item);
            Assert.False(lease.IsRedelivered);
            lease.Complete();
        }
    }

    [Fact]
    public async Task WhatIsTooDeepForAnAnswer_StaysToo_AndWhoWaitsBehindGetsIt()
    {
        await using ManagerServer server = new();
        using ISharedQueue<object> queue = server.RegisterQueue<object>("queue");
        using ISharedList<object?> list = server.RegisterList<object?>("list");
        object deep = "the end";
        for (int level = 0; level < 250; level++)
            deep = new List<object> { deep };
        list.Add(deep);
        PythonListener listener = PythonListenerTests.Listen(server);
        using PythonProcess python = PythonInterpreters.Of(PythonInterpreters.Newest).Start(
            PythonListenerTests.Client + """
            m = connect('queue', 'list')
            q = m.queue()
            print('waiting'); assert '250' in str(raises(RemoteError, q.get))
            assert '250' in str(raises(RemoteError, m.list().pop)) and m.list().__len__() == 1
            print('refused'); assert sys.stdin.readline() == 'go on\n'
            assert q.get() == 7
            print('ok')
            """,
            PythonListenerTests.Port(listener),
            PythonListenerTests.Key);
        Assert.Equal("waiting", await python.ReadLineAsync());
        await Eventually.True(() => server.Statistics.Objects.Single(one => one.Name == "queue").WaitingRequests == 1, "it waits");
        queue.Enqueue(deep, Token);
        queue.Enqueue(7, Token);
        Assert.Equal("refused", await python.ReadLineAsync());
        using (QueueLease<object> lease = queue.Lease(cancellationToken: Token))
        {
            Assert.False(lease.IsRedelivered);
            Assert.IsAssignableFrom<IEnumerable<object?>>(lease.Item);
            lease.Complete();
        }

        await python.WriteLineAsync("go on");
        Assert.Equal("ok", (await python.EndAsync()).Trim());
    }

    private static Uri Of(int number) => new($"https://example.org/{number}");
}
