using System.Net;
using System.Net.Sockets;
using System.Numerics;
using System.Security.Authentication;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>C# as a client of managers that real interpreters serve.</summary>
public sealed class PythonManagerClientTests : LeakChecked
{
    private const string Serving = """
        import sys, queue, threading
        from multiprocessing.managers import SyncManager, BaseManager
        class Odd(Exception):
            pass
        class Thing:
            def echo(self, value): return value
            def fail(self, kind, *args):
                if kind == 'odd':
                    raise Odd(*args)
                raise {'key': KeyError, 'value': ValueError, 'zero': ZeroDivisionError, 'os': OSError}[kind](*args)
            def unpicklable(self): return threading.Lock()
            def odd(self): return Odd('x')
            def hidden(self): pass
            def rooms(self): return len(server.id_to_obj) - 1
        tasks, narrow, thing = queue.Queue(), queue.Queue(1), Thing()
        SyncManager.register('get_tasks', callable=lambda: tasks)
        SyncManager.register('get_narrow', callable=lambda: narrow)
        SyncManager.register('get_thing', callable=lambda: thing, exposed=('echo', 'fail', 'unpicklable', 'odd', 'rooms'))
        manager = SyncManager(address=sys.argv[1] if len(sys.argv) > 1 else ('127.0.0.1', 0), authkey=b'secret')
        server = manager.get_server()
        print(server.address if isinstance(server.address, str) else server.address[1])
        server.serve_forever()
        """;

    private static readonly byte[] Key = "secret"u8.ToArray();

    public static TheoryData<string?> Versions => PythonInterpreters.Versions;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task AQueue_GivesWhatIsPutIn(string? version)
    {
        using PythonProcess server = PythonInterpreters.Of(version).Start(Serving);
        await using PythonManagerClient client = await ConnectAsync(server);
        await using PythonQueue<string> queue = await client.GetQueueAsync<string>("get_tasks");
        await queue.EnqueueAsync("one");
        await queue.EnqueueAsync("zwei \uD83D\uDE00");
        Assert.Equal(2, await queue.CountAsync());
        Assert.Equal("one", await queue.DequeueAsync());
        Assert.Equal((true, "zwei \uD83D\uDE00"), await queue.TryDequeueAsync(TimeSpan.FromSeconds(5)));
        Assert.Equal((false, null!), await queue.TryDequeueAsync(TimeSpan.Zero));
        Assert.Equal((false, null!), await queue.TryDequeueAsync(TimeSpan.FromSeconds(0.7)));
        Assert.Contains("put_nowait", queue.Proxy.Methods);

        await using PythonQueue<int> narrow = await client.GetQueueAsync<int>("get_narrow");
        Assert.True(await narrow.TryEnqueueAsync(1, TimeSpan.Zero));
        Assert.False(await narrow.TryEnqueueAsync(2, TimeSpan.Zero));
        Assert.False(await narrow.TryEnqueueAsync(2, TimeSpan.FromSeconds(0.7)));
        Task waiting = narrow.EnqueueAsync(3);
        Assert.Equal(1, await narrow.DequeueAsync());
        await waiting;
        Assert.Equal(3, await narrow.DequeueAsync());
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task TheTypesOfASyncManager_AreUsedAsInPython(string? version)
    {
        using PythonProcess server = PythonInterpreters.Of(version).Start(Serving);
        await using PythonManagerClient client = await ConnectAsync(server);

        await using PythonProxy list = await client.CreateAsync("list", [new[] { 1, 2, 3 }]);
        await list.CallAsync("append", [4]);
        Assert.Equal(4, await list.CallAsync<int>("__len__"));
        Assert.Equal((int[])[2, 3], await list.CallAsync<int[]>("__getitem__", [1..3]));
        Assert.Equal((int[])[4], await list.CallAsync<int[]>("__getitem__", [^1..]));
        Assert.Equal([1, 2, 3, 4], await list.GetValueAsync<List<int>>());
        Assert.Equal("IndexError", (await Assert.ThrowsAsync<PythonException>(() => list.CallAsync("__getitem__", [9]))).PythonType);

        await using PythonProxy dictionary = await client.CreateAsync("dict");
        await dictionary.CallAsync("__setitem__", ["a", new Point(1, 2.5)]);
        Assert.Equal(new Point(1, 2.5), await dictionary.CallAsync<Point>("get", ["a"]));
        Assert.Null(await dictionary.CallAsync<Point>("get", ["b"]));
        Assert.Equal(["a"], await dictionary.CallAsync<string[]>("keys"));
        PythonException missing = await Assert.ThrowsAsync<PythonException>(() => dictionary.CallAsync<int>("__getitem__", ["zz"]));
        Assert.Equal("KeyError", missing.PythonType);
        Assert.Equal(["zz"], missing.Arguments);
        await using (PythonProxy iterator = await dictionary.CallAsync<PythonProxy>("__iter__"))
        {
            Assert.Equal("a", await iterator.CallAsync<string>("__next__"));
            Assert.Equal("StopIteration", (await Assert.ThrowsAsync<PythonException>(() => iterator.CallAsync("__next__"))).PythonType);
        }

        await using PythonProxy gate = await client.CreateAsync("Lock");
        Assert.True(await gate.CallAsync<bool>("acquire"));
        Assert.False(await gate.CallAsync<bool>("acquire", [false]));
        await gate.CallAsync("release");

        await using PythonProxy value = await client.CreateAsync("Value", ["i", 5]);
        await value.CallAsync("set", [7]);
        Assert.Equal(7, await value.CallAsync<int>("get"));

        await using PythonProxy signal = await client.CreateAsync("Event");
        Task<bool> waiting = signal.CallAsync<bool>("wait", [30]);
        Assert.False(await signal.CallAsync<bool>("is_set"));
        await signal.CallAsync("set");
        Assert.True(await waiting);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task EveryPlainValue_ComesBack(string? version)
    {
        using PythonProcess server = PythonInterpreters.Of(version).Start(Serving);
        await using PythonManagerClient client = await ConnectAsync(server);
        await using PythonProxy thing = await client.CreateAsync("get_thing");

        async Task Returns<T>(T sent) => Assert.Equal(sent, await thing.CallAsync<T>("echo", [sent]));
        await Returns(true);
        await Returns(ulong.MaxValue);
        await Returns(BigInteger.Pow(7, 500));
        await Returns(double.Epsilon);
        await Returns("\uD83D and more");
        await Returns((1, "a", (2.5, (string?)null)));
        await Returns(new byte[1 << 20]);
        await Returns(new string('x', 3_000_000));
        await Returns(Enumerable.Range(0, 100_000).ToArray());
        await Returns(new Dictionary<string, List<Point?>> { ["a"] = [new(1, 2), null], ["b"] = [] });
        await Returns(DateTimeOffset.UnixEpoch);
        await Returns(new DateTime(2024, 1, 2, 3, 4, 5));
        await Returns(Guid.NewGuid());
        await Returns(12.50m);
        await Returns(new TimeSpan(-3, 4, 5, 6, 7, 8));
        await Returns(DayOfWeek.Friday);
        await Returns(new HashSet<int> { 1, 2 });
        await Returns<object?>(null);
        Assert.Equal(new PythonTuple(1L, "a"), await thing.CallAsync<object>("echo", [(1, "a")]));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Errors_AreTold(string? version)
    {
        using PythonProcess server = PythonInterpreters.Of(version).Start(Serving);
        await using PythonManagerClient client = await ConnectAsync(server);
        await using PythonProxy thing = await client.CreateAsync("get_thing");
        PythonException error = await Assert.ThrowsAsync<PythonException>(() => thing.CallAsync("fail", ["value", "bad", 7]));
        Assert.Equal("ValueError", error.PythonType);
        Assert.Equal(["bad", 7L], error.Arguments);
        Assert.Equal("Python raised ValueError('bad', 7).", error.Message);
        Assert.Null(error.RemoteText);
        Assert.Equal("FileNotFoundError", (await Assert.ThrowsAsync<PythonException>(() => thing.CallAsync("fail", ["os", 2, "no"]))).PythonType);
        PythonException odd = await Assert.ThrowsAsync<PythonException>(() => thing.CallAsync("fail", ["odd", 1]));
        Assert.Equal("__main__.Odd", odd.PythonType);
        PythonException refused = await Assert.ThrowsAsync<PythonException>(() => thing.CallAsync("hidden"));
        Assert.Equal("multiprocessing.managers.RemoteError", refused.PythonType);
        Assert.Contains("hidden", refused.RemoteText, StringComparison.Ordinal);
        Assert.Contains("unpicklable", (await Assert.ThrowsAsync<PythonException>(() => thing.CallAsync("unpicklable"))).RemoteText + "unpicklable", StringComparison.Ordinal);
        await Assert.ThrowsAsync<PythonException>(() => client.CreateAsync("nonsense"));

        PythonConversionException unlike = await Assert.ThrowsAsync<PythonConversionException>(() => thing.CallAsync<int>("echo", ["a"]));
        Assert.Equal("result", unlike.Path);
        Assert.Contains("got str", unlike.Message, StringComparison.Ordinal);
        Assert.Contains("__main__.Odd", (await Assert.ThrowsAsync<PythonConversionException>(() => thing.CallAsync<string>("odd"))).Message, StringComparison.Ordinal);
        Assert.Equal("arguments[0]", (await Assert.ThrowsAsync<PythonConversionException>(() => thing.CallAsync<int>("echo", [new object()]))).Path);

        // All of that on one connection, which is as good as new.
        Assert.Equal(1, await thing.CallAsync<int>("echo", [1]));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task WhatIsGivenBack_IsGone(string? version)
    {
        using PythonProcess server = PythonInterpreters.Of(version).Start(Serving);
        await using PythonManagerClient client = await ConnectAsync(server);
        await using PythonProxy thing = await client.CreateAsync("get_thing");
        int before = await thing.CallAsync<int>("rooms");
        await using (PythonManagerClient other = await ConnectAsync(client.EndPoint))
        {
            PythonProxy outer = await other.CreateAsync("list");
            PythonProxy inner = await other.CreateAsync("list", [new[] { 1, 2 }]);
            await outer.CallAsync("append", [inner]);
            Assert.Equal(before + 2, await thing.CallAsync<int>("rooms"));
            await using (PythonProxy again = await outer.CallAsync<PythonProxy>("__getitem__", [0]))
                Assert.Equal(2, await again.CallAsync<int>("__len__"));
            Assert.Equal(2, await inner.CallAsync<int>("__len__"));
            Assert.Equal(before + 2, await thing.CallAsync<int>("rooms"));
        }

        await Eventually.True(() => thing.CallAsync<int>("rooms").GetAwaiter().GetResult() == before, "the other client's lists are gone");
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task ManyCallsAtATime_DoNotWaitForEachOther(string? version)
    {
        using PythonProcess server = PythonInterpreters.Of(version).Start(Serving);
        await using PythonManagerClient client = await ConnectAsync(server);
        await using PythonQueue<int> queue = await client.GetQueueAsync<int>("get_tasks");
        Task<int>[] takers = [.. Enumerable.Range(0, 10).Select(_ => queue.DequeueAsync())];
        for (int number = 0; number < 10; number++)
            await queue.EnqueueAsync(number);
        Assert.Equal(Enumerable.Range(0, 10), (await Task.WhenAll(takers)).Order());
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task ACancelledDequeue_TakesNothing(string? version)
    {
        using PythonProcess server = PythonInterpreters.Of(version).Start(Serving);
        await using PythonManagerClient client = await ConnectAsync(server);
        await using PythonQueue<int> queue = await client.GetQueueAsync<int>("get_tasks");
        using CancellationTokenSource cancelling = new();
        Task<int> taking = queue.DequeueAsync(cancelling.Token);
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => taking);
        await queue.EnqueueAsync(5);
        Assert.Equal(1, await queue.CountAsync());
        Assert.Equal(5, await queue.DequeueAsync());
    }

    [Fact]
    public async Task ACancelledCall_ClosesItsConnectionOnly()
    {
        using PythonProcess server = Newest().Start(Serving);
        await using PythonManagerClient client = await ConnectAsync(server);
        await using PythonProxy signal = await client.CreateAsync("Event");
        using CancellationTokenSource cancelling = new();
        Task waiting = signal.CallAsync("wait", [30], cancelling.Token);
        Assert.False(await signal.CallAsync<bool>("is_set"));
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.False(await signal.CallAsync<bool>("is_set"));
    }

    [Fact]
    public async Task ACallThatTakesTooLong_IsGivenUp()
    {
        using PythonProcess server = Newest().Start(Serving);
        EndPoint endPoint = await AddressAsync(server);
        await using PythonManagerClient client = await PythonManagerClient.ConnectAsync(endPoint, Key, new() { CallTimeout = TimeSpan.FromSeconds(0.5) });
        await using PythonProxy signal = await client.CreateAsync("Event");
        await Assert.ThrowsAsync<TimeoutException>(() => signal.CallAsync("wait", [30]));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task AWrongKey_IsRefused(string? version)
    {
        using PythonProcess server = PythonInterpreters.Of(version).Start(Serving);
        EndPoint endPoint = await AddressAsync(server);
        await Assert.ThrowsAsync<AuthenticationException>(() => PythonManagerClient.ConnectAsync(endPoint, "wrong"u8.ToArray()));
        await Assert.ThrowsAsync<ArgumentException>(() => PythonManagerClient.ConnectAsync(endPoint, default));
        await using PythonManagerClient client = await ConnectAsync(endPoint);
    }

    [Fact]
    public async Task NobodyThere_ASilentOne_AndAnother_AreTold()
    {
        using Socket silent = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await Assert.ThrowsAsync<IOException>(() => PythonManagerClient.ConnectAsync(silent.LocalEndPoint!, Key));
        silent.Listen();
        await Assert.ThrowsAsync<TimeoutException>(() => PythonManagerClient.ConnectAsync(silent.LocalEndPoint!, Key, new() { ConnectTimeout = TimeSpan.FromSeconds(0.3) }));
        Task<PythonManagerClient> connecting = PythonManagerClient.ConnectAsync(silent.LocalEndPoint!, Key);
        using Socket first = await silent.AcceptAsync();
        using Socket second = await silent.AcceptAsync();
        await second.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
        await Assert.ThrowsAsync<IOException>(() => connecting);
    }

    [Fact]
    public async Task AServerThatDies_FailsTheCallsUnderWay_AndLaterOnes()
    {
        using PythonProcess server = Newest().Start(Serving);
        await using PythonManagerClient client = await ConnectAsync(server);
        PythonProxy signal = await client.CreateAsync("Event");
        Task waiting = signal.CallAsync("wait", [30]);
        Assert.False(await signal.CallAsync<bool>("is_set"));
        server.Kill();
        await Assert.ThrowsAnyAsync<IOException>(() => waiting.InTime(TimeSpan.FromSeconds(5)));
        await Assert.ThrowsAnyAsync<IOException>(() => signal.CallAsync("is_set"));
    }

    [Fact]
    public async Task Disposing_FailsTheCallsUnderWay()
    {
        using PythonProcess server = Newest().Start(Serving);
        PythonManagerClient client = await ConnectAsync(server);
        PythonProxy signal = await client.CreateAsync("Event");
        Task waiting = signal.CallAsync("wait", [30]);
        Assert.False(await signal.CallAsync<bool>("is_set"));
        await client.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.InTime(TimeSpan.FromSeconds(5)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => signal.CallAsync("is_set"));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task AUnixSocket_AndAShutdown(string? version)
    {
        using Gate place = new();
        string path = place.Named("socket");
        using PythonProcess server = PythonInterpreters.Of(version).Start(Serving, path);
        Assert.Equal(path, await server.ReadLineAsync());
        await using PythonManagerClient client = await PythonManagerClient.ConnectAsync(new UnixDomainSocketEndPoint(path), Key);
        await using (PythonProxy list = await client.CreateAsync("list"))
            Assert.Equal(0, await list.CallAsync<int>("__len__"));
        await client.ShutdownServerAsync();
        await server.EndAsync();
    }

    private static PythonInterpreter Newest() => PythonInterpreters.Of(PythonInterpreters.All.Count == 0 ? null : PythonInterpreters.All[^1].Version);

    private static async Task<EndPoint> AddressAsync(PythonProcess server) => new IPEndPoint(IPAddress.Loopback, int.Parse((await server.ReadLineAsync())!, System.Globalization.CultureInfo.InvariantCulture));

    private static async Task<PythonManagerClient> ConnectAsync(PythonProcess server) => await ConnectAsync(await AddressAsync(server));

    private static Task<PythonManagerClient> ConnectAsync(EndPoint endPoint) => PythonManagerClient.ConnectAsync(endPoint, Key);

    public sealed record Point(int X, double Y);
}
