using System.Net;
using ManyHands.Managers;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>An object of one process, called from others through an interface.</summary>
public sealed class ManagerProxyTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Proxy_EveryForm_HandsBackTheResult(bool isLocal)
    {
        await using ManagerServer server = new();
        Desk target = new();
        IDesk own = server.RegisterObject<IDesk>("desk", target, new() { WritableProperties = ["Label"] });
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        IDesk desk = isLocal ? own : client.GetProxy<IDesk>("desk");
        Assert.Equal(5, desk.Add(2, 3));
        Assert.Equal("2+3", desk.Add("2", "+3"));
        desk.Put(new Note("a", [1, 2], null));
        Assert.Equal(new Note("a", [1, 2], null).Text, desk.Last()!.Text);
        Assert.NotSame(target.Last(), desk.Last());
        Assert.Equal(5, await desk.AddAsync(2, 3));
        await desk.PutAsync(null);
        Assert.Null(desk.Last());
        Assert.Equal(7, await desk.AddSoon(3, 4));
        await desk.Nothing();
        Assert.Equal("desk", desk.Label);
        desk.Label = "other";
        Assert.Equal("other", desk.Label);
        Assert.Equal(10, desk[5]);
        Assert.Equal("base", desk.OfTheBase());
        Assert.Equal("default of other", desk.ByDefault());
        Assert.Equal("sealed with 5", desk.Sealed());
        Assert.Equal(3, desk.Count([1, 2, 3], Token));
        Assert.Equal("Service 'desk' of IDesk", desk.ToString());
        Assert.Same(desk, isLocal ? own : client.GetProxy<IDesk>("desk"));
    }

    [Fact]
    public async Task Proxy_ExceptionsOfTheObject_ComeBack()
    {
        await using ManagerServer server = new();
        server.RegisterObject<IDesk>("desk", new Desk());
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        IDesk desk = client.GetProxy<IDesk>("desk");
        InvalidOperationException known = Assert.Throws<InvalidOperationException>(() => desk.Fail("known"));
        Assert.Equal("known", known.Message);
        Assert.Contains(nameof(Desk.Fail), known.ToString(), StringComparison.Ordinal);
        RemoteException own = Assert.Throws<RemoteException>(() => desk.Fail("own"));
        Assert.True(own.Is<DeskException>());
        await Assert.ThrowsAsync<KeyNotFoundException>(() => desk.FailLater());
        InvalidOperationException none = await Assert.ThrowsAsync<InvalidOperationException>(() => desk.NoTask()!);
        Assert.Contains("null instead of a task", none.Message, StringComparison.Ordinal);
        UnsendableCallException argument = Assert.Throws<UnsendableCallException>(() => desk.Put(new SecretNote("x")));
        Assert.Contains("IDesk.Put: the argument 'note' (Note)", argument.Message, StringComparison.Ordinal);
        UnsendableCallException result = Assert.Throws<UnsendableCallException>(desk.Secret);
        Assert.Contains("IDesk.Secret: the result (Note)", result.Message, StringComparison.Ordinal);
        Assert.Equal(5, desk.Add(2, 3));
    }

    [Fact]
    public async Task Proxy_ResultLargerThanAMessage_IsRefusedAndTheConnectionHolds()
    {
        await using ManagerServer server = new(new() { MaxMessageSize = 64 << 10 });
        server.RegisterObject<IDesk>("desk", new Desk());
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        IDesk desk = client.GetProxy<IDesk>("desk");
        Assert.Equal(60_000, desk.Large(60_000).Length);
        UnsendableCallException large = Assert.Throws<UnsendableCallException>(() => desk.Large(70_000));
        Assert.Contains("MaxMessageSize", large.Message, StringComparison.Ordinal);
        Assert.Equal(0, client.Reconnects);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Token_Cancelled_EndsTheCallAndReachesTheMethod(bool isLocal)
    {
        await using ManagerServer server = new();
        Desk target = new();
        IDesk own = server.RegisterObject<IDesk>("desk", target);
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        IDesk desk = isLocal ? own : client.GetProxy<IDesk>("desk");
        using CancellationTokenSource cancel = new();
        Task<int> waiting = desk.WaitAsync(cancel.Token);
        await target.Begun.InTime(Deadline, Token);
        await cancel.CancelAsync();
        OperationCanceledException canceled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.InTime(Deadline, Token));
        Assert.Equal(cancel.Token, canceled.CancellationToken);
        await target.Canceled.InTime(Deadline, Token);
        Assert.Throws<OperationCanceledException>(() => desk.Count([1], cancel.Token));
        await Eventually.True(() => server.Statistics.Objects[0].WaitingRequests == 0, "nothing runs any more");
    }

    [Fact]
    public async Task CallTimeout_Over_FailsAndReachesTheMethod()
    {
        await using ManagerServer server = new();
        Desk target = new();
        server.RegisterObject<IDesk>("desk", target);
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, new() { CallTimeout = TimeSpan.FromMilliseconds(200) }, Token);
        IDesk desk = client.GetProxy<IDesk>("desk");
        TimeoutException late = await Assert.ThrowsAsync<TimeoutException>(() => desk.WaitAsync(default).InTime(Deadline, Token));
        Assert.Contains("CallTimeout", late.Message, StringComparison.Ordinal);
        await target.Canceled.InTime(Deadline, Token);
        Assert.Equal(5, desk.Add(2, 3));
    }

    [Fact]
    public async Task Client_KilledDuringACall_HasItCancelled()
    {
        await using ManagerServer server = new();
        Desk target = new();
        server.RegisterObject<IDesk>("desk", target);
        server.Start();
        int port = ((IPEndPoint)server.EndPoint).Port;
        await using Pool pool = Pool.Processes(1);
        Task call = pool.RunAsync(WaitFromElsewhere, port, server.Key.ToBase64());
        await target.Begun.InTime(Deadline, Token);
        pool.Kill();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => call.InTime(Deadline, Token));
        await target.Canceled.InTime(Deadline, Token);
        await Eventually.True(() => server.Statistics.Clients.Count == 0, "the client is gone");
    }

    [Fact]
    public async Task Client_DisposedDuringACall_HasItCancelled()
    {
        await using ManagerServer server = new();
        Desk target = new();
        server.RegisterObject<IDesk>("desk", target);
        server.Start();
        ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        Task<int> call = client.GetProxy<IDesk>("desk").WaitAsync(default);
        await target.Begun.InTime(Deadline, Token);
        await client.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => call.InTime(Deadline, Token));
        await target.Canceled.InTime(Deadline, Token);
    }

    [Fact]
    public async Task Server_StopsDuringACall_CallerAndMethodHearOfIt()
    {
        Desk target = new();
        ManagerServer server = new();
        server.RegisterObject<IDesk>("desk", target);
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        Task<int> call = client.GetProxy<IDesk>("desk").WaitAsync(default);
        await target.Begun.InTime(Deadline, Token);
        await server.DisposeAsync();
        ManagerException gone = await Assert.ThrowsAsync<ManagerException>(() => call.InTime(Deadline, Token));
        Assert.Equal(ManagerError.Gone, gone.Error);
        await target.Canceled.InTime(Deadline, Token);
    }

    [Fact]
    public async Task Proxy_AThousandCallsAtOnce_EachGetsItsOwnResult()
    {
        await using ManagerServer server = new();
        Desk target = new();
        server.RegisterObject<IDesk>("desk", target);
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        IDesk desk = client.GetProxy<IDesk>("desk");

        // None ends before all have begun.
        int[] results = await Task.WhenAll(Enumerable.Range(0, 1000).Select(i => desk.MeetAsync(i, 1000))).InTime(Deadline, Token);
        Assert.Equal(Enumerable.Range(0, 1000), results);
    }

    [Fact]
    public async Task MaxConcurrentCalls_IsHeldAndTheTurnIsTheOrderOfTheCalls()
    {
        await using ManagerServer server = new();
        Desk target = new();
        server.RegisterObject<IDesk>("desk", target, new() { MaxConcurrentCalls = 1 });
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        IDesk desk = client.GetProxy<IDesk>("desk");
        using CancellationTokenSource first = new();
        using CancellationTokenSource third = new();
        Task<int> holder = desk.WaitAsync(first.Token);
        await target.Begun.InTime(Deadline, Token);
        Task<int>[] behind = [.. Enumerable.Range(0, 50).Select(i => desk.NoteOrderAsync(i, i == 20 ? third.Token : default))];
        await Eventually.True(() => server.Statistics.Objects[0].WaitingRequests == 51, "all wait");
        Assert.Equal(1, server.Statistics.Objects[0].Count);
        await third.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => behind[20].InTime(Deadline, Token));
        await Eventually.True(() => server.Statistics.Objects[0].WaitingRequests == 50, "the cancelled one has left the line");
        await first.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => holder.InTime(Deadline, Token));
        await Task.WhenAll(behind.Where((_, i) => i != 20)).InTime(Deadline, Token);
        Assert.Equal(Enumerable.Range(0, 50).Where(i => i != 20), target.Order);
    }

    [Fact]
    public async Task MaxRequestsPerClient_HoldsForCallsThatRun()
    {
        await using ManagerServer server = new(new() { MaxRequestsPerClient = 10 });
        Desk target = new();
        server.RegisterObject<IDesk>("desk", target);
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        IDesk desk = client.GetProxy<IDesk>("desk");
        using CancellationTokenSource cancel = new();
        Task[] calls = [.. Enumerable.Range(0, 10).Select(_ => desk.WaitAsync(cancel.Token))];
        ManagerException quota = Assert.Throws<ManagerException>(() => desk.Add(1, 2));
        Assert.Equal(ManagerError.Quota, quota.Error);
        await cancel.CancelAsync();
        await Task.WhenAll(calls).ContinueWith(_ => { }, Token, TaskContinuationOptions.None, TaskScheduler.Default).InTime(Deadline, Token);
        await Eventually.True(() => server.Statistics.Objects[0].WaitingRequests == 0, "nothing runs any more");
        Assert.Equal(3, desk.Add(1, 2));
    }

    [Theory]
    [InlineData("GetType(): Type")]
    [InlineData("ToString(): string")]
    [InlineData("Hidden(): string")]
    [InlineData("BesideTheInterface(): string")]
    [InlineData("get_BesideTheInterface(): string")]
    [InlineData("Sealed(): string")]
    [InlineData("System.Environment.Exit(int): void")]
    [InlineData("add(int, int): int")]
    [InlineData("")]
    public async Task HandMadeRequest_ForWhatTheInterfaceDoesNotHave_IsRefused(string signature)
    {
        await using ManagerServer server = new();
        IDesk own = server.RegisterObject<IDesk>("desk", new Desk());
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        HandMade desk = new(client.ObjectLink, "desk", "IDesk");
        ManagerException refused = await Assert.ThrowsAsync<ManagerException>(() => desk.InvokeAsync(signature));
        Assert.Equal(ManagerError.BadRequest, refused.Error);
        Assert.Contains($"has no {signature}", refused.Message, StringComparison.Ordinal);
        Assert.Equal(5, own.Add(2, 3));
    }

    [Fact]
    public async Task HandMadeRequest_ForASetterThatIsNotListed_IsRefused()
    {
        await using ManagerServer server = new();
        Desk target = new();
        server.RegisterObject<IDesk>("desk", target);
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        ManagerException refused = Assert.Throws<ManagerException>(() => client.GetProxy<IDesk>("desk").Label = "x");
        Assert.Contains("WritableProperties", refused.Message, StringComparison.Ordinal);
        HandMade desk = new(client.ObjectLink, "desk", "IDesk");
        await Assert.ThrowsAsync<ManagerException>(() => desk.InvokeAsync("set_Label(string): void", "x"));
        Assert.Equal("desk", target.Label);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(12)]
    public async Task HandMadeRequest_WithDamagedArguments_IsRefused(int length)
    {
        await using ManagerServer server = new();
        Desk target = new();
        server.RegisterObject<IDesk>("desk", target);
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        HandMade desk = new(client.ObjectLink, "desk", "IDesk");
        ManagerException refused = await Assert.ThrowsAsync<ManagerException>(() => desk.InvokeAsync("Add(int, int): int", new byte[length]));
        Assert.Contains("can't be read", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, target.Additions);
    }

    [Fact]
    public async Task GetProxy_OfAnotherInterface_IsRefused()
    {
        await using ManagerServer server = new();
        server.RegisterObject<IDesk>("desk", new Desk());
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        Assert.Equal(ManagerError.OtherType, Assert.Throws<ManagerException>(() => client.GetProxy<IBase>("desk")).Error);
        Assert.Equal(ManagerError.NotFound, Assert.Throws<ManagerException>(() => client.GetProxy<IDesk>("table")).Error);
        Assert.Equal(ManagerError.OtherType, Assert.Throws<ManagerException>(() => client.GetQueue<int>("desk")).Error);
        Assert.Throws<ArgumentException>(() => server.RegisterObject<IDesk>("other", new Desk(), new() { WritableProperties = ["Colour"] }));
        Assert.Throws<ArgumentOutOfRangeException>(() => server.RegisterObject<IDesk>("other", new Desk(), new() { MaxConcurrentCalls = 0 }));
    }

    [Fact]
    public async Task GetProxy_OfALaterVersionOfTheInterface_LacksOnlyWhatIsNew()
    {
        await using ManagerServer server = new();
        server.RegisterObject<Old.IVersioned>("desk", new Old.Versioned());
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        New.IVersioned desk = client.GetProxy<New.IVersioned>("desk");
        Assert.Equal(3, desk.One(3));
        ManagerException missing = Assert.Throws<ManagerException>(() => desk.Two(3));
        Assert.Equal(ManagerError.BadRequest, missing.Error);
        Assert.Contains("has no Two(int): int", missing.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(typeof(Refused.IEvent), "IEvent.Changed", "queue")]
    [InlineData(typeof(Refused.IGeneric), "IGeneric.Do", "generic")]
    [InlineData(typeof(Refused.IOut), "IOut.Do", "out")]
    [InlineData(typeof(Refused.IRef), "IRef.Do", "ref")]
    [InlineData(typeof(Refused.IIn), "IIn.Do", "by value")]
    [InlineData(typeof(Refused.IObject), "IObject.Do", "may be anything")]
    [InlineData(typeof(Refused.IDynamicResult), "IDynamicResult.Do", "may be anything")]
    [InlineData(typeof(Refused.IObjects), "IObjects.Do", "List<object>")]
    [InlineData(typeof(Refused.IDelegate), "IDelegate.Do", "choose the function on the other side")]
    [InlineData(typeof(Refused.IDelegateResult), "IDelegateResult.Do", "choose the function on the other side")]
    [InlineData(typeof(Refused.IReports), "IReports.Do", "IProgress<int>")]
    [InlineData(typeof(Refused.ISpan), "ISpan.Do", "array")]
    [InlineData(typeof(Refused.IStream), "IStream.Do", "stream")]
    [InlineData(typeof(Refused.IShared), "IShared.Do", "one machine")]
    [InlineData(typeof(Refused.ITokens), "ITokens.Do", "several CancellationToken")]
    [InlineData(typeof(Refused.ITokenResult), "ITokenResult.Do", "CancellationToken")]
    [InlineData(typeof(Refused.IStatic), "IStatic.Do", "static")]
    [InlineData(typeof(Refused.IInternal), "IInternal.Do", "public")]
    [InlineData(typeof(Refused.ITwice), "Do", "declares Do(): void as well")]
    [InlineData(typeof(Refused.IReference), "IReference.Do", "reference")]
    [InlineData(typeof(Desk), "Desk", "no interface")]
    public async Task Interface_WithWhatCannotTravel_IsRefusedByBothSides(Type type, string member, string advice)
    {
        await using ManagerServer server = new();
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        Exception atClient = Assert.Throws<System.Reflection.TargetInvocationException>(
            () => typeof(ManagerClient).GetMethod(nameof(ManagerClient.GetProxy))!.MakeGenericMethod(type).Invoke(client, ["x"])).InnerException!;
        ArgumentException refused = Assert.IsType<ArgumentException>(atClient);
        Assert.Contains(member, refused.Message, StringComparison.Ordinal);
        Assert.Contains(advice, refused.Message, StringComparison.Ordinal);
        ArgumentException atServer = Assert.Throws<ArgumentException>(() => new HostedService("x", type, new object(), new(), 1000));
        Assert.Equal(refused.Message, atServer.Message);
    }

    private static async Task WaitFromElsewhere(int port, string key)
    {
        await using ManagerClient client = await ManagerClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), ManagerKey.FromBytes(Convert.FromBase64String(key)));
        await client.GetProxy<IDesk>("desk").WaitAsync(default);
    }

    /// <summary>Says what no proxy would.</summary>
    private sealed class HandMade(ManagerLink link, string name, string typeName) : RemoteObject(link, name, ObjectKind.Service, typeName)
    {
        public Task<ReadOnlyMemory<byte>> InvokeAsync(string signature, string? text = null)
        {
            using PayloadWriter writer = new();
            writer.WriteString(signature);
            if (text is not null)
                writer.WriteString(text);
            return AskAsync(Operation.Invoke, writer.WrittenSpan.ToArray(), Timeout.InfiniteTimeSpan);
        }

        public Task<ReadOnlyMemory<byte>> InvokeAsync(string signature, byte[] arguments)
        {
            using PayloadWriter writer = new();
            writer.WriteString(signature);
            writer.WriteBytes(arguments);
            return AskAsync(Operation.Invoke, writer.WrittenSpan.ToArray(), Timeout.InfiniteTimeSpan);
        }
    }
}
