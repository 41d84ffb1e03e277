using System.Net;
using Microsoft.Extensions.Logging;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>Stock Python clients of every version that is here use a manager's queues.</summary>
public sealed class PythonListenerTests : LeakChecked
{
    /// <summary>What every script begins with: the manager's registration, and a check of what raises.</summary>
    internal const string Client = """
        import sys, time, threading, queue, os, signal
        from multiprocessing.managers import BaseManager, RemoteError
        import multiprocessing.managers as managers
        from multiprocessing.connection import Client
        class M(BaseManager): pass
        def connect(*names, **proxies):
            for name in names: M.register(name)
            for name, proxy in proxies.items(): M.register(name, proxytype=proxy)
            m = M(address=('127.0.0.1', int(sys.argv[1])), authkey=sys.argv[2].encode())
            m.connect()
            return m
        def raises(kind, call, *args, **kwds):
            try:
                value = call(*args, **kwds)
            except BaseException as e:
                assert type(e) is kind, (kind, type(e), e)
                return e
            raise AssertionError('%s was not raised, but %r returned' % (kind, value))

        """;

    internal const string Key = "sixteen bytes and more";

    public static TheoryData<string?> Versions => PythonInterpreters.Versions;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A listener that clients of all versions may join.</summary>
    internal static PythonListener Listen(ManagerServer server, PythonListenerOptions? options = null) => server.ListenPython((options ?? new()) with { Key = ManagerKey.FromText(Key), AllowLegacyMd5 = true });

    internal static string Port(PythonListener listener) => $"{((IPEndPoint)listener.EndPoint).Port}";

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Queues_OfAStockClient_BehaveAsPythonsOwn(string? version)
    {
        PythonInterpreter python = PythonInterpreters.Of(version);
        await using ManagerServer server = new();
        using ISharedQueue<object> any = server.RegisterQueue<object>("any");
        using ISharedQueue<string> texts = server.RegisterQueue<string>("tasks");
        server.RegisterQueue<int>("small", capacity: 2);
        PythonListener listener = Listen(server, new() { Names = { ["get_task_queue"] = "tasks" } });
        any.Enqueue(new Dictionary<string, object?> { ["from"] = "C#", ["numbers"] = new List<object?> { 1L, 2.5, null, true } }, Token);
        string output = await python.RunAsync(Client + QueueScript, Port(listener), Key);
        Assert.Equal("ok", output.Trim());
        Assert.Equal("for C# ü€😀", texts.Dequeue(Token));
        Assert.Equal(2, server.Statistics.Objects.Single(one => one.Name == "any").Count);
        Assert.Equal(12L, any.Dequeue(Token));
        IEnumerable<object?> list = Assert.IsAssignableFrom<IEnumerable<object?>>(any.Dequeue(Token));
        Assert.Equal(["a", null, 1.5], list);
    }

    /// <summary>The worker of the tutorial, in Python 3: its key is bytes there. It sleeps less.</summary>
    private const string TutorialWorker = """
        import sys
        import time
        from multiprocessing.managers import BaseManager
        # 创建类似的QueueManager:
        class QueueManager(BaseManager):
            pass
        # 实现第一步:使用QueueManager注册获取Queue的方法名称
        QueueManager.register('get_task_queue')
        QueueManager.register('get_result_queue')
        # 实现第二步:连接到服务器:
        server_addr = '127.0.0.1'
        print('Connect to server %s...' % server_addr)
        # 端口和验证口令注意保持与服务进程设置的完全一致:
        m = QueueManager(address=(server_addr, int(sys.argv[1])), authkey=b'qiye')
        # 从网络连接:
        m.connect()
        # 实现第三步:获取Queue的对象:
        task = m.get_task_queue()
        result = m.get_result_queue()
        # 实现第四步:从task队列取任务,并把结果写入result队列:
        while(not task.empty()):
            image_url = task.get(True,timeout=5)
            print('run task download %s...' % image_url)
            time.sleep(0.01)
            result.put('%s--->success'%image_url)
        # 处理结束:
        print('worker exit.')
        """;

    [Fact]
    public async Task TheTutorialsWorker_OfEveryVersion_DoesTheTasksOfAnotherLanguage()
    {
        Assert.SkipWhen(PythonInterpreters.All.Count == 0, "No Python from 3.8 is on this machine: nothing was tested against a real one.");
        Console.Out.WriteLine($"Stock Python clients: {string.Join(", ", PythonInterpreters.All.Select(python => python.Version))}.");
        await Task.WhenAll(PythonInterpreters.All.Select(async python =>
        {
            Warnings warnings = new();
            await using ManagerServer server = new(new() { Logger = warnings });
            using ISharedQueue<string> tasks = server.RegisterQueue<string>("get_task_queue");
            using ISharedQueue<string> results = server.RegisterQueue<string>("get_result_queue");
            PythonListener listener = server.ListenPython(new() { Key = ManagerKey.FromText("qiye"), AllowLegacyMd5 = python.Minor < 12 });
            Assert.Contains("4 bytes", Assert.Single(warnings.All), StringComparison.Ordinal);
            for (int i = 0; i < 10; i++)
                tasks.Enqueue($"ImageUrl_{i}", Token);
            string output = await python.RunAsync(TutorialWorker, Port(listener));
            Assert.EndsWith("worker exit.", output.Trim(), StringComparison.Ordinal);
            for (int i = 0; i < 10; i++)
                Assert.Equal($"ImageUrl_{i}--->success", results.Dequeue(Token));
            Assert.True(tasks.Join(TimeSpan.FromSeconds(5), Token));
        }));
    }

    /// <summary>The server of the tutorial, in Python 3: its queue has another name there, and its key is bytes.</summary>
    private const string TutorialServer = """
        import random,time,queue as Queue
        import sys
        from multiprocessing.managers import BaseManager
        #实现第一步:建立task_queue和result_queue,用来存放任务和结果
        task_queue=Queue.Queue()
        result_queue=Queue.Queue()
        class Queuemanager(BaseManager):
            pass
        #实现第二步:把创建的两个队列注册在网络上,利用register方法,callable参数关联了Queue对象,
        # 将Queue对象在网络中暴露
        Queuemanager.register('get_task_queue',callable=lambda:task_queue)
        Queuemanager.register('get_result_queue',callable=lambda:result_queue)
        #实现第三步:绑定端口8001,设置验证口令‘qiye’。这个相当于对象的初始化,并启动
        manager=Queuemanager(address=('127.0.0.1',int(sys.argv[1])),authkey=b'qiye')
        manager.start()
        #实现第四步:通过管理实例的方法获得通过网络访问的Queue对象
        task=manager.get_task_queue()
        result=manager.get_result_queue()
        #实现第五步:添加任务
        for url in ["ImageUrl_"+str(i) for i in range(10)]:
            print ('put task %s ...' %url)
            task.put(url)
        #获取返回结果
        print ('try get result...')
        for i in range(10):
            print ('result is %s' %result.get(timeout=10))
        #关闭管理
        manager.shutdown()
        """;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task TheTutorialsServer_HasItsTasksDoneByAnotherLanguage(string? version)
    {
        int port = ManagerSurvivalTests.FreePort();
        using PythonProcess server = PythonInterpreters.Of(version).Start(TutorialServer, $"{port}");
        for (int i = 0; i < 10; i++)
            Assert.Equal($"put task ImageUrl_{i} ...", await server.ReadLineAsync());
        Assert.Equal("try get result...", await server.ReadLineAsync());
        await using PythonManagerClient client = await PythonManagerClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), "qiye"u8.ToArray(), cancellationToken: Token);
        PythonQueue<string> task = await client.GetQueueAsync<string>("get_task_queue", Token);
        PythonQueue<string> result = await client.GetQueueAsync<string>("get_result_queue", Token);
        while (await task.CountAsync(Token) > 0)
        {
            (bool hasItem, string url) = await task.TryDequeueAsync(TimeSpan.FromSeconds(5), Token);
            Assert.True(hasItem);
            await result.EnqueueAsync($"{url}--->success", Token);
        }

        for (int i = 0; i < 10; i++)
            Assert.Equal($"result is ImageUrl_{i}--->success", await server.ReadLineAsync());
        Assert.Equal("", await server.EndAsync());
    }

    [Fact]
    public async Task Connections_AThousandOfThem_LeaveNothing()
    {
        PythonInterpreter python = PythonInterpreters.Of(PythonInterpreters.Newest);
        await using ManagerServer server = new();
        server.RegisterQueue<object>("any");
        PythonListener listener = Listen(server);
        string output = await python.RunAsync(
            Client + """
            m = connect('any')
            for i in range(250):
                any = m.any()
                ident = any._id
                del any
            again = m.any()
            assert again._id == ident
            with Client(('127.0.0.1', int(sys.argv[1])), authkey=sys.argv[2].encode()) as c:
                assert managers.dispatch(c, None, 'number_of_objects') == 1
            with Client(('127.0.0.1', int(sys.argv[1])), authkey=sys.argv[2].encode()) as c:
                assert 'refcount=1' in managers.dispatch(c, None, 'debug_info')
            with Client(('127.0.0.1', int(sys.argv[1])), authkey=sys.argv[2].encode()) as c:
                assert set(managers.dispatch(c, None, 'get_methods', (again._token,))) == {'put', 'get', 'put_nowait', 'get_nowait', 'qsize', 'empty', 'full', 'task_done', 'join'}
            # unused connections that stay, and what goes on beside them
            kept = [Client(('127.0.0.1', int(sys.argv[1])), authkey=sys.argv[2].encode()) for _ in range(200)]
            again.put(1); assert again.get() == 1
            print('ok')
            """,
            Port(listener),
            Key);
        Assert.Equal("ok", output.Trim());
        Assert.Equal(0, listener.RefusedConnections);
        await Eventually.True(() => listener.ConnectionCount == 0, "all connections have ended");
    }

    private const string QueueScript = """
        m = connect('any', 'small', 'get_task_queue', 'tasks', 'nothing')
        any, small, tasks = m.any(), m.small(), m.get_task_queue()
        assert any.get() == {'from': 'C#', 'numbers': [1, 2.5, None, True]}
        # the same object each time, under each of its names
        assert m.tasks()._id == tasks._id and m.get_task_queue()._id == tasks._id != any._id
        # every plain type, nested, back as it went
        import collections, datetime, decimal, uuid, array
        values = [None, True, 0, -1, 2**31, 2**63, -2**200, 1.5, float('inf'), '', 'ü€😀', '\ud800', b'', b'\x00\xff', bytearray(b'ab'), (), (1,), (1, (2, [3])), [], {}, {'k': {'n': (1,)}, 2: [None], (1, 'x'): b''},
            {1, 'a'}, frozenset([2]), 1+2j, range(1, 9, 2), datetime.datetime(2024, 1, 2, 3, 4, 5, 6), datetime.date(2024, 1, 2), datetime.timedelta(1, 2, 3), decimal.Decimal('1.50'), uuid.UUID(int=7), array.array('i', [1, -2]), 'x' * 100000, b'y' * 300000]
        for value in values:
            any.put(value)
        for value in values:
            back = any.get()
            assert type(back) is type(value) and back == value, (value, back)
        any.put(ValueError('x', 7)); e = any.get(); assert type(e) is ValueError and e.args == ('x', 7)
        # sizes and times
        assert any.empty() is True and any.full() is False and any.qsize() == 0 and {'put', 'get', 'join'} < set(dir(any))
        raises(queue.Empty, any.get_nowait); raises(queue.Empty, any.get, False); raises(queue.Empty, any.get, block=False)
        start = time.monotonic(); raises(queue.Empty, any.get, True, 0.2); assert 0.19 < time.monotonic() - start < 5
        start = time.monotonic(); raises(queue.Empty, any.get, timeout=0.1); assert 0.09 < time.monotonic() - start < 5
        raises(queue.Empty, any.get, True, 0)
        small.put(1); small.put(item=2, timeout=2.5)
        assert small.full() is True and small.qsize() == 2
        raises(queue.Full, small.put, 3, False); raises(queue.Full, small.put_nowait, 3)
        start = time.monotonic(); raises(queue.Full, small.put, 3, True, 0.2); assert 0.19 < time.monotonic() - start < 5
        done = []
        t = threading.Thread(target=lambda: (small.put(3), done.append(1))); t.start()
        assert small.get() == 1; t.join(10); assert done == [1] and small.get() == 2 and small.get() == 3
        for _ in range(3): small.task_done()
        raises(ValueError, small.task_done)
        # a get that waits for a put of another thread
        t = threading.Timer(0.1, lambda: small.put(9)); t.start(); assert small.get() == 9; small.task_done(); t.join()
        # join waits for task_done
        small.put(0); small.put(1)
        order = []
        def work():
            for _ in range(2):
                small.get(); time.sleep(0.05); order.append('done'); small.task_done()
        t = threading.Thread(target=work); t.start(); small.join(); order.append('joined'); t.join()
        assert order == ['done', 'done', 'joined'], order
        # bad calls
        raises(TypeError, small.put, 'text'); raises(TypeError, small.put, 2**40); raises(TypeError, small.put, None); raises(TypeError, tasks.put, b'bytes'); raises(TypeError, tasks.put, 1)
        raises(TypeError, small.put); raises(TypeError, small.put, 1, True, 1, 1); raises(TypeError, small.get, nonsense=1); raises(TypeError, small.get, True, block=True); raises(TypeError, small.get, True, 'soon'); raises(TypeError, small.qsize, 1)
        raises(ValueError, small.get, True, -1); raises(ValueError, small.get, True, float('nan')); raises(OverflowError, small.get, True, float('inf')); raises(OverflowError, small.get, True, 1e308)
        for name in ['__class__', '__reduce__', '__init_subclass__', '_x', 'GetType', '', 'ToString', 'x' * 1000000, 'shutdown', 'Clear', '__getattribute__']:
            e = raises(RemoteError, small._callmethod, name); assert 'not exposed' in str(e) and len(str(e)) < 2000, e
        assert 'small' in str(small) and 'Traceback' not in str(small)
        assert 'Unserializable' in str(raises(RemoteError, small._callmethod, '#GETVALUE'))
        e = raises(RemoteError, m.nothing); assert "KeyError: 'nothing'" in str(e) and '.cs' not in str(e), e
        class Odd: pass
        raises(RemoteError, any.put, Odd()); raises(RemoteError, any.put, os.system)
        loop = []; loop.append(loop); any.put(loop); back = any.get(); assert back[0] is back
        assert small.qsize() == 0 and any.qsize() == 0
        # a big one
        big = os.urandom(1 << 20) * 16; any.put(big); assert any.get() == big; any.put('€' * (5 << 20)); assert any.get() == '€' * (5 << 20)
        tasks.put('for C# ü€😀'); any.put(12); any.put(['a', None, 1.5])
        print('ok')
        """;

    private sealed class Warnings : ILogger
    {
        public List<string> All { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel < LogLevel.Warning)
                return;
            lock (All)
                All.Add(formatter(state, exception));
        }
    }
}
