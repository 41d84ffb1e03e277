using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ManyHands.Fuzz;
using ManyHands.Managers;
using ManyHands.Platform;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>What nobody foresaw fails the request or the connection that it is about. Whoever else is there notices nothing, and no place is taken for ever.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class ManagerFaultTests : LeakChecked
{
    private static readonly Func<Exception>[] Exceptions = [.. FindExceptions(), static () => new UnreadableException()];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static ObjectKind[] Kinds => [.. Enum.GetValues<ObjectKind>().Where(static kind => kind != ObjectKind.Manager)];

    [Fact]
    public async Task AnyException_OfAnyOperation_FailsTheRequestAlone()
    {
        await using Site site = await Site.StartAsync();
        await using ManagerClient bad = await site.ConnectAsync();
        ManagerLink link = ((RemoteObject)bad.GetLock("lock")).Link;
        int next = 0;
        List<Task<ReadOnlyMemory<byte>>> answers = [];
        foreach (ObjectKind kind in Kinds)
        {
            string name = $"thrower_{kind}";
            site.Server.Objects.Add(name, kind, "", (_, _) => new Thrower(name, kind, () => Exceptions[next++ % Exceptions.Length]()));
            Probe probe = new(link, name, kind);
            answers.AddRange(Enum.GetValues<Operation>().Select(operation => probe.AskAsync(operation, Timeout.InfiniteTimeSpan)));
        }

        Assert.InRange(answers.Count, Exceptions.Length, int.MaxValue);
        foreach (Task<ReadOnlyMemory<byte>> answer in answers)
        {
            ManagerException failure = await Assert.ThrowsAsync<ManagerException>(() => answer.WaitAsync(TimeSpan.FromSeconds(30), Token));
            Assert.True(failure.Error is ManagerError.Failed or ManagerError.BadRequest, failure.ToString());
        }

        Assert.Equal(0, bad.Reconnects);
        await site.UnharmedAsync(clients: 2);
        await Eventually.True(() => site.Faults >= answers.Count - 5, "each was reported");
    }

    [Fact]
    public async Task AnythingThatIsNoMessage_EndsItsConnection_AndKeepsNoPlace()
    {
        await using Site site = await Site.StartAsync(maxClients: 2);
        byte[][] bodies = [[], [1], [.. Enumerable.Repeat((byte)0xFF, 8)], [.. Enumerable.Repeat((byte)0xFF, 40)], new byte[40]];
        foreach (byte kind in Enum.GetValues<MessageKind>().Select(static kind => (byte)kind).Concat((byte[])[0, 7, 255]))
        {
            foreach (byte[] body in bodies)
            {
                using RawClient raw = await RawClient.ConnectAsync(site.Server);
                await raw.SendAsync([kind, .. body]);
                raw.EndSending();
                await raw.ReadToEndAsync();
                await Eventually.True(() => site.Server.Statistics.Clients.Count == 1, $"the connection that said {kind} is gone");
            }
        }

        await site.UnharmedAsync(clients: 1);
    }

    [Fact]
    public async Task ObjectThatThrowsAtASessionsEnd_KeepsNothingOfIt()
    {
        foreach (Func<Exception> exception in Exceptions)
        {
            await using Site site = await Site.StartAsync(maxClients: 2, withRounds: false);
            site.Server.Objects.Add("thrower", ObjectKind.Event, "", (_, _) => new Thrower("thrower", ObjectKind.Event, exception) { Waits = true });
            site.Server.RegisterLock("other");
            ManagerClient bad = await site.ConnectAsync();
            Probe probe = new(((RemoteObject)bad.GetLock("lock")).Link, "thrower", ObjectKind.Event);
            Task waiting = probe.AskAsync(Operation.Await, Timeout.InfiniteTimeSpan);
            Task delivered = probe.AskAsync(Operation.Set, TimeSpan.Zero);
            await delivered;
            bad.GetLock("other").Enter(Token);
            await bad.DisposeAsync();
            await Assert.ThrowsAnyAsync<Exception>(() => waiting);
            await Eventually.True(() => site.Server.Statistics.Clients.Count == 1, "it is gone");
            using SharedLock.Scope scope = site.Good.GetLock("other").Enter(Token);
            await site.UnharmedAsync(clients: 1);
            if (exception == Exceptions[7])
                break;
        }
    }

    /// <summary>A waiter that can't be answered, for any reason, is passed over; whoever has just brought what it waited for has an answer, and the next in line gets it.</summary>
    [Theory]
    [InlineData(nameof(ObjectKind.Queue), nameof(Operation.Dequeue), nameof(Operation.Enqueue))]
    [InlineData(nameof(ObjectKind.Queue), nameof(Operation.Lease), nameof(Operation.Enqueue))]
    [InlineData(nameof(ObjectKind.Lock), nameof(Operation.Enter), nameof(Operation.Exit))]
    [InlineData(nameof(ObjectKind.Semaphore), nameof(Operation.Acquire), nameof(Operation.Release))]
    [InlineData(nameof(ObjectKind.Event), nameof(Operation.Await), nameof(Operation.Set))]
    [InlineData(nameof(ObjectKind.Barrier), nameof(Operation.Arrive), nameof(Operation.Arrive))]
    [InlineData(nameof(ObjectKind.Pool), nameof(Operation.PoolAwait), nameof(Operation.PoolJoin))]
    public async Task WhoCannotBeAnswered_CostsNobodyElse(string kindName, string waitName, string serveName)
    {
        ObjectKind kind = Enum.Parse<ObjectKind>(kindName);
        Operation wait = Enum.Parse<Operation>(waitName), serve = Enum.Parse<Operation>(serveName);
        using Silence silence = new();
        foreach (Func<Exception> exception in Exceptions)
        {
            await using ManagerServer server = new();
            HostedObject target = Make(server, kind);
            TestSession first = new("first"), bad = new("bad"), last = new("last");
            byte[] held = kind is ObjectKind.Lock or ObjectKind.Semaphore ? first.Ask(target, wait, []).Answered! : [];
            TestRequest lost = bad.Ask(target, wait, BodyOf(wait), exception), waiting = last.Ask(target, wait, BodyOf(wait));
            Assert.Null(waiting.Answered);
            TestRequest served = first.Ask(target, serve, serve == Operation.Exit ? [.. held[1..9], 0] : BodyOf(serve));
            Assert.True(served.Answered is not null, $"{served.Failure}");
            Assert.True(waiting.Answered is not null, $"{waiting.Failure}");
            Assert.Null(lost.Answered);
            Assert.True(bad.IsBroken);
            first.End();
            bad.End();
            last.End();
        }
    }

    /// <summary>Over the wire, and for the storage's thread, which was ended by a lease of a time that no deadline can have.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AnyNumber_OfAnyRequest_HarmsNobody(bool isStored)
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("numbers-");
        try
        {
            await using (Site site = await Site.StartAsync(maxClients: 2, storage: isStored ? ManagerStorage.Sqlite(Path.Combine(directory.FullName, "manager.db")) : null))
            {
                foreach (Operation operation in Enum.GetValues<Operation>())
                {
                    using RawClient raw = await RawClient.ConnectAsync(site.Server);
                    int opened = await raw.OpenAllAsync(site.Server.Objects);
                    List<byte[]> requests = [];
                    for (int field = 0; field <= RequestLayout.Of(operation).Length + 1; field++)
                    {
                        foreach (long number in RequestLayout.Numbers)
                        {
                            int at = 0, hostile = field;
                            byte[] body = RequestLayout.Body(operation, _ => at++ == hostile ? number : 1);
                            requests.AddRange(Enumerable.Range(0, opened + 1).Where(one => RequestLayout.IsOf(operation, raw.Kinds[one])).Select(one => RawClient.Request(2, one, operation, 0, body)));
                        }
                    }

                    await raw.SendAllAsync(requests);
                    await raw.PingAsync();
                    raw.EndSending();
                    await raw.ReadToEndAsync();
                    await Eventually.True(() => site.Server.Statistics.Clients.Count == 1, $"the client that asked for {operation} is gone");
                }

                await site.UnharmedAsync(clients: 1);
                Assert.Equal(0, site.Faults);
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task ListenerThatThrows_KeepsNoClientFromItsManager()
    {
        using Silence silence = new();
        ManagerKey key = ManagerKey.Generate();
        IPEndPoint endPoint;
        ManagerClient client;
        int told = 0;
        await using (ManagerServer server = new(new() { Key = key }))
        {
            server.RegisterQueue<int>("queue");
            server.Start();
            endPoint = (IPEndPoint)server.EndPoint;
            client = await ManagerClient.ConnectAsync(endPoint, key, cancellationToken: Token);
        }

        await using (client)
        {
            client.StateChanged += (_, _) => throw new UnreadableException();
            client.StateChanged += (_, _) => Interlocked.Increment(ref told);
            await using ManagerServer next = new(new() { Key = key, EndPoint = endPoint });
            next.RegisterQueue<int>("queue").Enqueue(7, Token);
            next.Start();
            await Eventually.True(() => client.State == ManagerClientState.Connected && client.Reconnects > 0, "it is connected again", seconds: 20);
            Assert.Equal(7, client.GetQueue<int>("queue").Dequeue(Token));
        }

        await Eventually.True(() => Volatile.Read(ref told) > 0, "the other listener was told");
    }

#if DEBUG
    public static TheoryData<string> Entries() => [.. Enum.GetNames<GuardedEntry>().Where(static name => name.StartsWith("Manager", StringComparison.Ordinal) || name.StartsWith("Remote", StringComparison.Ordinal) || name.StartsWith("Storage", StringComparison.Ordinal))];

    /// <summary>Each place of the managers' where code of ours begins without a caller throws once. The process is this one: it goes on, and a client that comes then has everything.</summary>
    [Theory]
    [MemberData(nameof(Entries))]
    public async Task EntryThatThrows_CostsWhatItIsAboutAndNoMore(string entry)
    {
        // These have no callback of their own to throw in: what they report is thrown in what they call, and is tried above.
        if (entry is nameof(GuardedEntry.ManagerSending) or nameof(GuardedEntry.ManagerRequest) or nameof(GuardedEntry.ManagerReconnect) or nameof(GuardedEntry.StorageReport) or nameof(GuardedEntry.Storage))
            return;
        using Silence silence = new();

        // A connection may end at any moment of what goes on over it.
        foreach (int hits in entry == nameof(GuardedEntry.ManagerClient) ? [1, 2, 3, 4, 6, 9, 13] : (int[])[1])
        {
            await using ManagerServer server = new();
            server.RegisterQueue<int>("before");
            server.RegisterQueue<int>("queue");
            server.RegisterPool("pool");
            server.Start();
            try
            {
                FaultPoint.ArmThrow(Enum.Parse<GuardedEntry>(entry), static () => new UnreadableException(), hits);
                await RoundAsync(server, "before", mayFail: true).WaitAsync(TimeSpan.FromSeconds(60), Token);
                Assert.False(FaultPoint.IsArmed, $"nothing comes by {entry}");
            }
            finally
            {
                FaultPoint.Disarm();
            }

            await RoundAsync(server, "queue", mayFail: false).WaitAsync(TimeSpan.FromSeconds(60), Token);
            await Eventually.True(() => server.Statistics.Clients.Count == 0, "no place is taken");
        }
    }

    /// <summary>Without its thread a storage keeps nothing more, and says so to everyone; what it has is there for the next manager.</summary>
    [Fact]
    public async Task StorageThreadThatThrows_RefusesWhatItCannotKeep()
    {
        using Silence silence = new();
        string path = Path.Combine(Path.GetTempPath(), $"storage-{Guid.NewGuid():N}.db");
        try
        {
            await using (ManagerServer server = new(new() { Storage = ManagerStorage.Sqlite(path) }))
                await server.RegisterQueue<int>("queue").EnqueueAsync(7, Token);
            try
            {
                FaultPoint.ArmThrow(GuardedEntry.Storage, static () => new UnreadableException());
                await using ManagerServer server = new(new() { Storage = ManagerStorage.Sqlite(path) });
                ISharedQueue<int> queue = server.RegisterQueue<int>("queue");
                await Eventually.True(static () => !FaultPoint.IsArmed, "it has thrown");
                await Eventually.True(() => Refuses(() => queue.Enqueue(8, Token)), "it keeps nothing more");
                Assert.True(Refuses(() => server.RegisterDictionary<string, int>("dictionary")));
            }
            finally
            {
                FaultPoint.Disarm();
            }

            await using ManagerServer next = new(new() { Storage = ManagerStorage.Sqlite(path) });
            Assert.Equal(7, await next.RegisterQueue<int>("queue").DequeueAsync(Token));
        }
        finally
        {
            foreach (string file in Directory.EnumerateFiles(Path.GetTempPath(), Path.GetFileName(path) + "*"))
                File.Delete(file);
        }

        static bool Refuses(Action change)
        {
            try
            {
                change();
                return false;
            }
            catch (Exception refusal) when (refusal is ManagerException { Error: ManagerError.NotStored } or IOException)
            {
                return true;
            }
        }
    }

    private static int Double(int number) => 2 * number;

    private static async Task RoundAsync(ManagerServer server, string name, bool mayFail)
    {
        try
        {
            await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, new() { CallTimeout = TimeSpan.FromSeconds(10) }, Token);
            RemoteFunctions functions = new();
            functions.Add("Double", (Func<int, int>)Double);
            await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", functions, Pool.Threads(1), cancellationToken: Token);
            await using Pool pool = Pool.Remote(client, "pool", functions);
            foreach (Func<Task> step in (Func<Task>[])[
                async () =>
                {
                    ISharedQueue<int> queue = client.GetQueue<int>(name);
                    await queue.EnqueueAsync(1, Token);
                    Assert.Equal(1, await queue.DequeueAsync(Token));
                },
                async () =>
                {
                    using CancellationTokenSource cancellation = new(TimeSpan.FromMilliseconds(50));
                    await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await client.GetQueue<int>(name).DequeueAsync(cancellation.Token));
                },
                async () => Assert.False(client.GetQueue<int>(name).TryDequeue(out _, TimeSpan.FromMilliseconds(20), Token)),
                async () => Assert.Equal(42, await pool.RunAsync(Double, 21)),
            ])
            {
                try
                {
                    await step().WaitAsync(TimeSpan.FromSeconds(20), Token);
                }
                catch (Exception failure) when (mayFail && failure is not TimeoutException)
                {
                    // Whoever it was about is told.
                }
            }
        }
        catch (Exception failure) when (mayFail && failure is ConnectionLostException or ManagerException)
        {
            // Its connection was.
        }
    }
#endif

    private static HostedObject Make(ManagerServer server, ObjectKind kind)
    {
        const string Name = "one";
        switch (kind)
        {
            case ObjectKind.Queue:
                server.RegisterQueue<int>(Name);
                break;
            case ObjectKind.Lock:
                server.RegisterLock(Name);
                break;
            case ObjectKind.Semaphore:
                server.RegisterSemaphore(Name, 1, 1);
                break;
            case ObjectKind.Event:
                server.RegisterEvent(Name, SharedEventMode.AutoReset);
                break;
            case ObjectKind.Barrier:
                server.RegisterBarrier(Name, 3);
                break;
            default:
                server.RegisterPool(Name);
                break;
        }

        return server.Objects.Find(Name)!;
    }

    private static byte[] BodyOf(Operation operation) => RequestLayout.Body(operation, static field => field == RequestField.Byte ? 0 : 1)[..Length(operation)];

    // One item is enough.
    private static Index Length(Operation operation) => operation == Operation.Enqueue ? new(4 + 4) : new(0, fromEnd: true);

    private static IEnumerable<Func<Exception>> FindExceptions()
    {
        foreach (Type type in (IEnumerable<Type>)[.. typeof(Exception).Assembly.GetTypes(), .. typeof(ManagerServer).Assembly.GetTypes(), typeof(SocketException)])
        {
            if (!typeof(Exception).IsAssignableFrom(type) || type.IsAbstract || type.ContainsGenericParameters)
                continue;
            ConstructorInfo? constructor = type.GetConstructor(Type.EmptyTypes);
            yield return () => (Exception)(constructor?.Invoke([]) ?? RuntimeHelpers.GetUninitializedObject(type));
        }
    }

    private sealed class UnreadableException : Exception
    {
        public override string Message => throw new InvalidOperationException("Nobody reads this.");
    }

    /// <summary>Counts what is reported, and keeps it from the console.</summary>
    private sealed class Silence : IDisposable
    {
        private int count;

        public Silence() => Pool.InternalFault += Hear;

        public int Count => Volatile.Read(ref count);

        public void Dispose() => Pool.InternalFault -= Hear;

        private void Hear(InternalFaultReport report) => Interlocked.Increment(ref count);
    }

    /// <summary>An object that throws at whatever is asked of it, but for one thing for which it has a client wait and hold something.</summary>
    private sealed class Thrower(string name, ObjectKind kind, Func<Exception> next) : HostedObject(name, kind, "")
    {
        public bool Waits { get; init; }

        public override int Waiting => 0;

        public override void Handle(HostedRequest request, ref PayloadReader body)
        {
            if (!Waits)
                throw next();
            request.Session.Touch(this);
            if (request.Operation == Operation.Await)
                request.BeginWait(this);
            else
                request.Session.AnswerDelivering(request, this, 1, [1]);
        }

        public override void Withdraw(HostedRequest request, WithdrawalReason reason) => throw next();

        public override void Leave(ManagerSession session) => throw next();

        public override void Arrived(object? item, long ticket, ManagerSession session) => throw next();

        public override void Stop() => throw next();
    }

    private sealed class TestSession(string name) : ManagerSession(name)
    {
        public bool IsBroken { get; private set; }

        public TestRequest Ask(HostedObject target, Operation operation, byte[] body, Func<Exception>? failure = null)
        {
            TestRequest request = new(this, operation, failure);
            PayloadReader reader = new(body);
            target.Handle(request, ref reader);
            return request;
        }

        protected override void Break() => IsBroken = true;
    }

    private sealed class TestRequest(ManagerSession session, Operation operation, Func<Exception>? failure) : HostedRequest(session, operation, System.Threading.Timeout.InfiniteTimeSpan)
    {
        public byte[]? Answered { get; private set; }

        public string? Failure { get; private set; }

        protected override void Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
        {
            if (failure is not null)
                throw failure();
            Answered = [.. head, .. first, .. second];
        }

        protected override void SendFailure(FailureKind kind, string message)
        {
            if (failure is not null)
                throw failure();
            Failure = message;
        }

        protected override void SendFailure(Exception thrown) => Failure = thrown.Message;
    }

    /// <summary>A manager with a client that uses it all the time.</summary>
    private sealed class Site : IAsyncDisposable
    {
        private readonly Silence silence = new();
        private readonly CancellationTokenSource ending = new();
        private Task rounds = Task.CompletedTask;
        private int made;

        private Site(ManagerServer server, ManagerClient good)
        {
            Server = server;
            Good = good;
        }

        public ManagerServer Server { get; }

        public ManagerClient Good { get; }

        public int Faults => silence.Count;

        public static async Task<Site> StartAsync(int maxClients = 3, bool withRounds = true, ManagerStorage? storage = null)
        {
            ManagerServer server = new(new() { MaxClients = maxClients, Storage = storage });
            server.RegisterQueue<int>("good");
            server.RegisterLock("lock");
            if (storage is not null || maxClients == 2)
                RegisterAll(server);
            server.Start();
            Site site = new(server, await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token));
            if (withRounds)
                site.rounds = Task.Run(site.UseAsync, Token);
            return site;
        }

        public Task<ManagerClient> ConnectAsync() => ManagerClient.ConnectAsync(Server.EndPoint, Server.Key, cancellationToken: Token);

        /// <summary>The client has gone on, and another can come.</summary>
        public async Task UnharmedAsync(int clients)
        {
            int before = Volatile.Read(ref made);
            if (!ReferenceEquals(rounds, Task.CompletedTask))
                await Eventually.True(() => Volatile.Read(ref made) > before + 3 || rounds.IsCompleted, "the other client goes on");
            Assert.False(rounds.IsFaulted, rounds.Exception?.ToString());
            Assert.Equal(0, Good.Reconnects);
            Assert.Equal(clients, Server.Statistics.Clients.Count);
            await using ManagerClient another = await ConnectAsync();
            another.GetQueue<int>("good");
        }

        public async ValueTask DisposeAsync()
        {
            await ending.CancelAsync();
            await rounds.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await Good.DisposeAsync();
            await Server.DisposeAsync();
            silence.Dispose();
            ending.Dispose();
        }

        private static void RegisterAll(ManagerServer server)
        {
            server.RegisterQueue<string>("queue");
            server.RegisterQueue<object>("bounded", 2);
            server.RegisterDictionary<string, int>("dictionary");
            server.RegisterDictionary<object, object>("anything");
            server.RegisterList<string>("list");
            server.RegisterValue<long>("value", 7);
            server.RegisterSemaphore("semaphore", 1, 2);
            server.RegisterEvent("event", SharedEventMode.AutoReset);
            server.RegisterCondition("condition");
            server.RegisterBarrier("barrier", 2);
            server.RegisterPool("pool");
        }

        private async Task UseAsync()
        {
            ISharedQueue<int> queue = Good.GetQueue<int>("good");
            for (; !ending.IsCancellationRequested; Interlocked.Increment(ref made))
            {
                await queue.EnqueueAsync(made, Token);
                Assert.Equal(made, await queue.DequeueAsync(Token));
            }
        }
    }

    /// <summary>A client that has the key, and says anything.</summary>
    private sealed class RawClient(Socket socket) : IDisposable
    {
        /// <summary>Of the objects that it has opened, by number.</summary>
        public List<ObjectKind> Kinds { get; } = [ObjectKind.Manager];

        public static async Task<RawClient> ConnectAsync(ManagerServer server)
        {
            Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(server.EndPoint, Token);
            await Handshake.AsClientAsync(
                async target =>
                {
                    while (target.Length > 0)
                    {
                        int count = await socket.ReceiveAsync(target, SocketFlags.None, Token);
                        Assert.NotEqual(0, count);
                        target = target[count..];
                    }
                },
                async bytes => await socket.SendAsync(bytes, SocketFlags.None, Token),
                server.Key,
                new byte[32],
                "raw");
            return new(socket);
        }

        public static byte[] Request(uint id, int number, Operation operation, long wait, byte[] body)
        {
            byte[] message = new byte[26 + body.Length];
            message[0] = (byte)MessageKind.Request;
            BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(1), id);
            BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(5), number);
            message[9] = (byte)operation;
            BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(10), wait);
            body.CopyTo(message, 26);
            return message;
        }

        public Task SendAsync(byte[] message) => SendAllAsync([message]);

        public async Task SendAllAsync(IEnumerable<byte[]> messages)
        {
            byte[] bytes = [.. messages.SelectMany(message => (byte[])[.. BitConverter.GetBytes(message.Length), .. message])];
            for (int sent = 0; sent < bytes.Length;)
            {
                // What it is answered has to go somewhere meanwhile.
                while (socket.Available > 0)
                    await socket.ReceiveAsync(new byte[64 * 1024], SocketFlags.None, Token);
                sent += await socket.SendAsync(bytes.AsMemory(sent, Math.Min(32 * 1024, bytes.Length - sent)), SocketFlags.None, Token);
            }
        }

        public async Task<int> OpenAllAsync(HostedObjects objects)
        {
            List<byte[]> requests = [];
            foreach (HostedObject one in objects.All.Where(one => one.Name is not ("good" or "lock")))
            {
                using PayloadWriter writer = new();
                writer.WriteByte((byte)one.Kind);
                writer.WriteString(one.Name);
                writer.WriteString(one.TypeName);
                requests.Add(Request(1, 0, Operation.Open, 0, writer.WrittenSpan.ToArray()));
                Kinds.Add(one.Kind);
            }

            await SendAllAsync(requests);
            return requests.Count;
        }

        /// <summary>Ends when everything before was answered or waits.</summary>
        public async Task PingAsync()
        {
            await SendAsync(Request(0x1234, 0, Operation.Ping, 0, []));
            byte[] sought = [5, 0, 0, 0, (byte)MessageKind.Result, 0x34, 0x12, 0, 0];
            List<byte> tail = [];
            byte[] buffer = new byte[64 * 1024];
            while (CollectionsMarshal.AsSpan(tail).IndexOf(sought) < 0)
            {
                int count = await socket.ReceiveAsync(buffer, SocketFlags.None, Token).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Token);
                Assert.NotEqual(0, count);
                tail.AddRange(buffer.AsSpan(0, count));
            }
        }

        public void EndSending() => socket.Shutdown(SocketShutdown.Send);

        public async Task ReadToEndAsync()
        {
            try
            {
                while (await socket.ReceiveAsync(new byte[64 * 1024], SocketFlags.None, Token).AsTask().WaitAsync(TimeSpan.FromSeconds(20), Token) > 0)
                {
                }
            }
            catch (SocketException)
            {
                // Reset, as there was something that nobody read.
            }
        }

        public void Dispose() => socket.Dispose();
    }
}
