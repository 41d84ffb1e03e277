using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using ManyHands.Managers;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>Who hasn't got the key gets nothing, and what makes no sense hurts nobody.</summary>
public sealed class PythonListenerSecurityTests : LeakChecked
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Options_ThatWouldExposeTheManager_AreRefused()
    {
        ManagerKey own = ManagerKey.Generate();
        await using ManagerServer server = new(new() { Key = own });
        Assert.Contains("another key", Assert.Throws<ArgumentException>(() => server.ListenPython(new() { Key = ManagerKey.FromBytes(Convert.FromBase64String(own.ToBase64())) })).Message, StringComparison.Ordinal);
        IPEndPoint everywhere = new(IPAddress.Any, 0);
        Assert.Contains("AllowPlaintext", Assert.Throws<ArgumentException>(() => server.ListenPython(new() { EndPoint = everywhere })).Message, StringComparison.Ordinal);
        Assert.Contains("16", Assert.Throws<ArgumentException>(() => server.ListenPython(new() { EndPoint = everywhere, AllowPlaintext = true, Key = ManagerKey.FromText("qiye") })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => server.ListenPython(new() { Names = { ["class"] = "tasks" } }));
        Assert.Throws<ArgumentException>(() => server.ListenPython(new() { Names = { ["a b"] = "tasks" } }));
        Assert.Throws<ArgumentOutOfRangeException>(() => server.ListenPython(new() { MaxMessageSize = 1 }));
        PythonListener open = server.ListenPython(new() { EndPoint = everywhere, AllowPlaintext = true });
        Assert.NotEqual(own.ToBase64(), open.Key.ToBase64());
        PythonListener second = server.ListenPython();
        await second.DisposeAsync();
        await server.DisposeAsync();
        Assert.Throws<InvalidOperationException>(() => server.ListenPython());
    }

    [Fact]
    public async Task Clients_WithTheWrongKeyOrDigest_AreRefusedAndToldNothing()
    {
        Assert.SkipWhen(PythonInterpreters.All.Count == 0, "No Python from 3.8 is on this machine: nothing was tested against a real one.");
        await using ManagerServer server = new();
        server.RegisterQueue<object>("any");
        PythonListener strict = server.ListenPython(new() { Key = ManagerKey.FromText(PythonListenerTests.Key) });
        await Task.WhenAll(PythonInterpreters.All.Select(async python =>
        {
            string script = PythonListenerTests.Client + """
                from multiprocessing import AuthenticationError
                e = raises(AuthenticationError, connect, 'any')
                print('refused', e)
                """;
            string wrong = await python.RunAsync(script, PythonListenerTests.Port(strict), "another key, as long");
            Assert.StartsWith("refused", wrong, StringComparison.Ordinal);
            Assert.DoesNotContain("ManyHands", wrong, StringComparison.Ordinal);
            if (python.Minor < 12)
                Assert.StartsWith("refused", await python.RunAsync(script, PythonListenerTests.Port(strict), PythonListenerTests.Key), StringComparison.Ordinal);
            else
                Assert.Equal("ok", (await python.RunAsync(PythonListenerTests.Client + "connect('any').any().put(1); print('ok')", PythonListenerTests.Port(strict), PythonListenerTests.Key)).Trim());
        }));
        Assert.True(strict.RefusedConnections >= PythonInterpreters.All.Count);
    }

    [Fact]
    public async Task SilentPeers_AreSentAway_AndKeepNobodyOut()
    {
        await using ManagerServer server = new();
        using ISharedQueue<object> any = server.RegisterQueue<object>("any");
        PythonListener listener = PythonListenerTests.Listen(server, new() { HandshakeTimeout = TimeSpan.FromSeconds(1), MaxHandshakes = 8 });
        List<Socket> silent = [];
        for (int i = 0; i < 30; i++)
        {
            Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(listener.EndPoint, Token);
            silent.Add(socket);
        }

        // It comes after all of them.
        using (RawClient client = await RawClient.JoinAsync(listener))
            Assert.Equal("#RETURN", (await client.AskAsync(null, "dummy"))[0]);
        foreach (Socket socket in silent)
        {
            // A challenge at most, and then the end.
            byte[] bytes = new byte[1000];
            using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
            int got = 0;
            try
            {
                for (int count; (count = await socket.ReceiveAsync(bytes.AsMemory(got), limit.Token)) > 0; got += count)
                    Assert.True(got < 100);
            }
            catch (SocketException)
            {
                // It was sent away before it was looked at.
            }

            socket.Dispose();
        }
    }

    // All at a time, as each waits until its time is over.
    [Fact]
    public Task FramesBeforeTheProof_ThatAreNone_GetNothing() => Task.WhenAll(
        new[]
        {
            "",
            "00",
            "00000000",
            "ffffffff",
            "ffffffffffffffffffffffff",
            "fffffffe",
            "80000000",
            "7fffffff",
            "00000101",
            "474554202f20485454502f312e310d0a0d0a",
            "16030100ff010000fb0303",
            "00000010000102030405060708090a0b0c0d0e0f",
            "00000009234641494c55524523",
            "000000092357454c434f4d4523",
            "000000187b6d64357d000102030405060708090a0b0c0d0e0f0000",
        }.Select(FrameBeforeTheProofGetsNothing));

    private static async Task FrameBeforeTheProofGetsNothing(string hex)
    {
        await using ManagerServer server = new();
        PythonListener listener = PythonListenerTests.Listen(server, new() { HandshakeTimeout = TimeSpan.FromSeconds(1) });
        using Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.EndPoint, Token);
        await socket.SendAsync(Convert.FromHexString(hex), Token);
        if (hex.Length == 0)
            socket.Shutdown(SocketShutdown.Send);
        using MemoryStream all = new();
        byte[] bytes = new byte[1000];
        try
        {
            for (int count; (count = await socket.ReceiveAsync(bytes, Token).AsTask().InTime(TimeSpan.FromSeconds(10), Token)) > 0;)
                all.Write(bytes, 0, count);
        }
        catch (SocketException)
        {
            // Reset: it left something unread.
        }

        // The challenge, and at most that it has failed.
        string text = Encoding.Latin1.GetString(all.ToArray());
        Assert.True(text.Length is 0 or 63 or 76, $"'{hex}': {text.Length}: {text}");
        Assert.DoesNotContain("#WELCOME#", text, StringComparison.Ordinal);
        await Eventually.True(() => listener.RefusedConnections == 1, "it was refused");
        using RawClient client = await RawClient.JoinAsync(listener);
        Assert.Equal("#RETURN", (await client.AskAsync(null, "dummy"))[0]);
    }

    [Fact]
    public async Task RequestsThatMakeNoSense_AreRefused_AndTheConnectionGoesOn()
    {
        await using ManagerServer server = new();
        using ISharedQueue<object> any = server.RegisterQueue<object>("any");
        PythonListener listener = PythonListenerTests.Listen(server);
        string[] pickles =
        [
            "80042e", "80044e4e2e", "4e2e", "80ff4e2e", "8004", "80048c", "80048cff61", "800495ffffffffffffffff4e2e", "8004580000008061", "80048bffffffff2e", "80048b00000040", "80048effffffffffffffff", "8004742e", "80048651",
            "800468ff2e", "80046affffff7f2e", "80048c05706f736978948c0673797374656d93948c046563686f85522e", "80048c086275696c74696e738c0767657461747472932e", "636f730a73797374656d0a2e", "80042892e", "80045d9468006" + "12e", "80049530" ,
            "80044b0186" + "2e", "", "80044e2e", "80045d2e", "80042928742e", "80045d5d5d87" + "2e",
        ];
        object?[] requests =
        [
            new PythonTuple(null, "dummy", PythonTuple.Empty), new PythonTuple(null, "dummy", PythonTuple.Empty, new PythonDictionary(), null), 12L, null,
            new PythonTuple(5L, "put", PythonTuple.Empty, new PythonDictionary()), new PythonTuple("0", "put", PythonTuple.Empty, new PythonDictionary()), new PythonTuple(null, "accept_connection", new PythonTuple("x"), new PythonDictionary()),
            new PythonTuple("x", null, PythonTuple.Empty, new PythonDictionary()), new PythonTuple("x", "put", new PythonList(), new PythonDictionary()), new PythonTuple("x", "put", PythonTuple.Empty, null), new PythonTuple(new PythonList(), "put", PythonTuple.Empty, new PythonDictionary()),
        ];
        using RawClient client = await RawClient.JoinAsync(listener);
        string ident = await RawClient.IdentOfAsync(listener, "any");
        Assert.Equal("#RETURN", (await client.AskAsync(null, "accept_connection", "it"))[0]);
        foreach (string hex in pickles)
            AssertTraceback(await client.SendAsync(Convert.FromHexString(hex.Length % 2 == 0 ? hex : hex + "0")), hex);
        foreach (object? request in requests)
            AssertTraceback(await client.SendAsync(RawClient.Pickle(request)), PythonText.Of(request));
        PythonDictionary oddKeys = new() { [1L] = 2L };
        AssertTraceback(await client.SendAsync(RawClient.Pickle(new PythonTuple(ident, "get", PythonTuple.Empty, oddKeys))), "keys");
        AssertTraceback(await client.SendAsync([0x80, 4, .. Enumerable.Repeat((byte)'(', 1_000_000)]), "marks");
        AssertTraceback(await client.SendAsync([0x80, 4, .. Enumerable.Repeat((byte)']', 100_000), .. Enumerable.Repeat((byte)'a', 99_999), (byte)'.']), "depth");

        // A token with an address of somebody else's is a value like others.
        await client.AskAsync(ident, "put", new PythonToken("x", new PythonTuple("169.254.169.254", 80L), "0"));
        Assert.Equal("169.254.169.254", Assert.IsType<PythonTuple>(Assert.IsType<PythonToken>((await client.AskAsync(ident, "get"))[1]).Address)[0]);
        Assert.Equal("#RETURN", (await client.AskAsync(ident, "qsize"))[0]);
        Assert.Equal(0, listener.RefusedConnections);
    }

    [Fact]
    public async Task ControlRequestsThatMakeNoSense_AreRefused()
    {
        await using ManagerServer server = new();
        using ISharedQueue<object> any = server.RegisterQueue<object>("any");
        PythonListener listener = PythonListenerTests.Listen(server);
        string ident = await RawClient.IdentOfAsync(listener, "any");
        (string Function, object?[] Arguments, string Part)[] bad =
        [
            ("create", [], "TypeError"), ("create", [5L], "TypeError"), ("create", ["nothing"], "KeyError"), ("create", ["any", 5L], "TypeError"), ("create", ["Queue"], "PermissionError"), ("create", [.. Enumerable.Repeat<object?>("any", 100_000)], "TypeError"),
            ("incref", ["0"], "KeyError"), ("incref", [], "TypeError"), ("decref", [null], "KeyError"), ("get_methods", ["any"], "TypeError"), ("accept_connection", [], "TypeError"), ("accept_connection", [1L], "TypeError"), ("track_segment", ["x"], "AssertionError"),
            ("nonsense", [], "AssertionError"), ("__init__", [], "AssertionError"), (new string('x', 1_000_000), [], "AssertionError"),
        ];
        foreach ((string function, object?[] arguments, string part) in bad)
        {
            using RawClient client = await RawClient.JoinAsync(listener);
            PythonTuple reply = await client.AskAsync(null, function, arguments);
            AssertTraceback(reply, function);
            Assert.StartsWith(part, (string)reply[1]!, StringComparison.Ordinal);
            Assert.True(((string)reply[1]!).Length < 2000);
            Assert.Null(await client.TryReadAsync());
        }

        using (RawClient client = await RawClient.JoinAsync(listener))
        {
            PythonTuple reply = await client.AskAsync(null, "shutdown");
            Assert.Equal("#ERROR", reply[0]);
            Assert.Equal("PermissionError", Assert.IsType<PythonError>(reply[1]).Name);
        }

        // References are counted, but never so that a registered object would go.
        for (int i = 0; i < 5; i++)
        {
            using RawClient client = await RawClient.JoinAsync(listener);
            Assert.Equal("#RETURN", (await client.AskAsync(null, "decref", ident))[0]);
        }

        Assert.Equal(ident, await RawClient.IdentOfAsync(listener, "any"));
    }

    [Fact]
    public async Task FramesOfAClient_ThatAreTooLongOrOutOfTurn_EndItsConnectionOnly()
    {
        await using ManagerServer server = new();
        using ISharedQueue<object> any = server.RegisterQueue<object>("any");
        PythonListener listener = PythonListenerTests.Listen(server, new() { MaxMessageSize = 64 << 10 });
        string ident = await RawClient.IdentOfAsync(listener, "any");
        foreach (string hex in new[] { "7fffffff", "ffffffff", "ffffffff7fffffffffffffff", "fffffffb", "00010001" })
        {
            using RawClient client = await RawClient.JoinAsync(listener);
            await client.AskAsync(null, "accept_connection", "it");
            await client.SendRawAsync(Convert.FromHexString(hex));
            if (hex != "ffffffff")
                Assert.Null(await client.TryReadAsync());
        }

        // Two at a time, where one waits.
        using (RawClient client = await RawClient.JoinAsync(listener))
        {
            await client.AskAsync(null, "accept_connection", "it");
            await client.PostAsync(ident, "get");
            await Eventually.True(() => server.Statistics.Objects.Single().WaitingRequests == 1, "it waits");
            await client.PostAsync(ident, "qsize");
            Assert.Null(await client.TryReadAsync());
            await Eventually.True(() => server.Statistics.Objects.Single().WaitingRequests == 0, "nobody waits");
        }

        // The long form of a length is as good.
        using (RawClient client = await RawClient.JoinAsync(listener))
        {
            byte[] request = RawClient.Pickle(new PythonTuple(null, "dummy", PythonTuple.Empty, new PythonDictionary()));
            await client.SendRawAsync([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, (byte)request.Length, .. request]);
            Assert.Equal("#RETURN", (await client.TryReadAsync())![0]);
        }

        await Eventually.True(() => listener.ConnectionCount == 0, "all have ended");
    }

    [Fact]
    public async Task Shutdown_WhereItIsAllowed_StopsTheManager()
    {
        ManagerServer server = new();
        PythonListener listener = PythonListenerTests.Listen(server, new() { AllowShutdown = true });
        Task running = server.RunAsync(Token);
        using (RawClient client = await RawClient.JoinAsync(listener))
            Assert.Equal("#RETURN", (await client.AskAsync(null, "shutdown"))[0]);
        await running.InTime(TimeSpan.FromSeconds(10), Token);
    }

    private static void AssertTraceback(PythonTuple reply, string what)
    {
        Assert.True(reply[0] is "#TRACEBACK", $"{what}: {reply}");
        string text = Assert.IsType<string>(reply[1]);
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain(".cs", text, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
    }

    /// <summary>A client that says what it likes.</summary>
    private sealed class RawClient : IDisposable
    {
        private readonly Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        private readonly NetworkStream stream;
        private readonly PythonFraming framing;

        private RawClient(EndPoint endPoint)
        {
            socket.Connect(endPoint);
            stream = new(socket, ownsSocket: false);
            framing = new(stream);
        }

        // The listener's time for that is short in some tests, and may be too short on a busy machine; then once more.
        public static async Task<RawClient> JoinAsync(PythonListener listener)
        {
            long startedAt = Stopwatch.GetTimestamp();
            while (true)
            {
                RawClient client = new(listener.EndPoint);
                using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
                try
                {
                    await PythonHandshake.JoinAsync(client.framing, Encoding.UTF8.GetBytes(PythonListenerTests.Key), allowsMd5: false, limit.Token);
                    return client;
                }
                catch (IOException) when (FairClock.Since(startedAt) < TimeSpan.FromSeconds(10))
                {
                    client.Dispose();
                }
            }
        }

        public static async Task<string> IdentOfAsync(PythonListener listener, string name)
        {
            using RawClient client = await JoinAsync(listener);
            PythonTuple reply = await client.AskAsync(null, "create", name);
            return (string)Assert.IsType<PythonTuple>(reply[1])[0]!;
        }

        public static byte[] Pickle(object? value)
        {
            PythonFrameBuffer buffer = new();
            PickleWriter.Write(buffer, value);
            return buffer.Finish()[4..].ToArray();
        }

        public async Task PostAsync(string? ident, string method, params object?[] arguments) =>
            await framing.WriteAsync(Pickle(new PythonTuple(ident, method, new PythonTuple(arguments), new PythonDictionary())));

        public async Task<PythonTuple> AskAsync(string? ident, string method, params object?[] arguments)
        {
            await PostAsync(ident, method, arguments);
            return await TryReadAsync() ?? throw new EndOfStreamException($"No answer to {method[..Math.Min(method.Length, 50)]}.");
        }

        public async Task<PythonTuple> SendAsync(byte[] frame)
        {
            await framing.WriteAsync(frame);
            return await TryReadAsync() ?? throw new EndOfStreamException($"No answer to {Convert.ToHexString(frame.AsSpan(0, Math.Min(frame.Length, 50)))}.");
        }

        public async Task SendRawAsync(byte[] bytes) => await stream.WriteAsync(bytes);

        /// <summary>Null at the end.</summary>
        public async Task<PythonTuple?> TryReadAsync()
        {
            using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
            try
            {
                return await framing.ReadAsync(int.MaxValue, limit.Token) is { } frame ? (PythonTuple)PickleReader.Read(frame.Span)! : null;
            }
            catch (IOException)
            {
                return null;
            }
        }

        public void Dispose()
        {
            stream.Dispose();
            socket.Dispose();
        }
    }
}
