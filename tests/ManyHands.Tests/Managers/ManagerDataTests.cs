using System.Globalization;
using System.Net;
using ManyHands.Platform;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>A manager's dictionaries, lists and values: through clients, in the manager's own process, and from other processes.</summary>
public sealed class ManagerDataTests : LeakChecked
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Dictionary_ThroughAClient_IsTheOneOfTheManager()
    {
        await using ManagerServer server = new();
        using ISharedDictionary<string, int> own = server.RegisterDictionary<string, int>("stock");
        server.Start();
        await using ManagerClient client = await ConnectAsync(server);
        ISharedDictionary<string, int> stock = client.GetDictionary<string, int>("stock");
        Assert.Same(stock, client.GetDictionary<string, int>("stock"));

        stock["apples"] = 3;
        await stock.SetAsync("pears", 5, Token);
        Assert.Equal(3, own["apples"]);
        Assert.Equal(5, await own.GetAsync("pears", Token));
        Assert.Throws<KeyNotFoundException>(() => stock["plums"]);
        await Assert.ThrowsAsync<KeyNotFoundException>(async () => await stock.GetAsync("plums", Token));
        Assert.False(stock.TryGet("plums", out _, Token));
        Assert.Equal((false, 0), await stock.TryGetAsync("plums", Token));
        Assert.Equal((true, 3), await stock.TryGetAsync("apples", Token));

        Assert.False(stock.TryAdd("apples", 9, Token));
        Assert.True(await stock.TryAddAsync("plums", 7, Token));
        Assert.Equal(7, stock.GetOrAdd("plums", 8, Token));
        Assert.Equal(1, await stock.GetOrAddAsync("figs", 1, Token));
        Assert.Equal(1, stock.GetOrAdd("figs", _ => throw new InvalidOperationException("It is there."), Token));
        Assert.Equal(4, await stock.GetOrAddAsync("kiwi", key => key.Length, Token));

        Assert.False(stock.TryReplace("apples", 10, comparand: 4, Token));
        Assert.False(await stock.TryReplaceAsync("nothing", 10, comparand: 4, Token));
        Assert.True(await stock.TryReplaceAsync("apples", 10, comparand: 3, Token));
        Assert.Equal(11, stock.Update("apples", count => count + 1, Token));
        Assert.Equal(12, await stock.UpdateAsync("apples", count => count + 1, Token));
        Assert.Throws<KeyNotFoundException>(() => stock.Update("nothing", count => count + 1, Token));
        await Assert.ThrowsAsync<KeyNotFoundException>(async () => await stock.UpdateAsync("nothing", count => count + 1, Token));
        Assert.Equal(1, stock.AddOrUpdate("limes", 1, count => count + 1, Token));
        Assert.Equal(2, await stock.AddOrUpdateAsync("limes", 1, count => count + 1, Token));

        Assert.Equal(6, own.Count);
        Assert.Equal(["apples", "pears", "plums", "figs", "kiwi", "limes"], stock.GetEntries(Token).Select(entry => entry.Key));
        Assert.True(stock.Remove("pears", Token));
        Assert.False(await stock.RemoveAsync("pears", Token));
        Assert.True(stock.TryTake("plums", out int taken, Token));
        Assert.Equal(7, taken);
        Assert.Equal((false, 0), await stock.TryTakeAsync("plums", Token));
        Assert.Equal([new("apples", 12), new("figs", 1), new("kiwi", 4), new("limes", 2)], await stock.GetEntriesAsync(Token).ToArrayAsync(Token));
        Assert.Equal(4, await stock.CountAsync(Token));
        stock.Clear(Token);
        Assert.Equal(0, own.Count);
        Assert.Empty(own.GetEntries(Token));
        await stock.ClearAsync(Token);
        Assert.Equal(0, server.Statistics.StoredBytes);
    }

    [Fact]
    public async Task Entries_OverManyPages_ComeOnceEach_WhileOthersComeAndGo()
    {
        await using ManagerServer server = new();
        using ISharedDictionary<int, byte[]> own = server.RegisterDictionary<int, byte[]>("pages");
        server.Start();
        await using ManagerClient client = await ConnectAsync(server);
        ISharedDictionary<int, byte[]> pages = client.GetDictionary<int, byte[]>("pages");
        for (int i = 0; i < 2_000; i++)
            own.Set(i, new byte[1_000], Token);
        own.Set(2_000, new byte[1 << 20], Token);
        List<int> seen = [];
        foreach ((int key, byte[] value) in pages.GetEntries(Token))
        {
            Assert.Equal(key == 2_000 ? 1 << 20 : 1_000, value.Length);
            seen.Add(key);

            // Those that were read go, so that the places of the others change.
            own.Remove(key, Token);
        }

        Assert.Equal(Enumerable.Range(0, 2_001), seen);
        Assert.Equal(0, pages.Count);
    }

    [Fact]
    public async Task Keys_AreEqualAsTheyTravel_AndPlainOnesAsInPython()
    {
        await using ManagerServer server = new();
        using ISharedDictionary<Point, string> points = server.RegisterDictionary<Point, string>("points");
        points[new(1, 2)] = "there";
        Assert.Equal("there", points[new(1, 2)]);
        Assert.False(points.TryGet(new(2, 1), out _, Token));

        using ISharedDictionary<object, object?> plain = server.RegisterDictionary<object, object?>("plain");
        plain[1] = "int";
        plain[1.0] = "float";
        plain[true] = "bool";
        plain["1"] = "text";
        plain[new PythonTuple(1L, "a")] = null;
        Assert.Equal(3, plain.Count);
        Assert.Equal("bool", plain[1L]);
        Assert.Null(plain[new PythonTuple(1.0, "a")]);
        Assert.Equal([1L, "1", new PythonTuple(1L, "a")], plain.GetEntries(Token).Select(entry => entry.Key));
        Assert.Throws<UnsendableCallException>(() => plain[new List<object?> { 1 }] = "list");
        Assert.True(plain.Remove(1m, Token));
        Assert.Equal(2, plain.Count);
    }

    [Fact]
    public async Task List_ThroughAClient_IsTheOneOfTheManager()
    {
        await using ManagerServer server = new();
        using ISharedList<string> own = server.RegisterList<string>("names");
        server.Start();
        await using ManagerClient client = await ConnectAsync(server);
        ISharedList<string> names = client.GetList<string>("names");
        Assert.Equal(0, names.Add("a", Token));
        Assert.Equal(1, await names.AddAsync("c", Token));
        names.Insert(1, "b", Token);
        await names.InsertAsync(3, "d", Token);
        Assert.Equal(["a", "b", "c", "d"], own.GetItems(Token));
        Assert.Equal("c", names[2]);
        Assert.Equal("d", await names.GetAsync(3, Token));
        names[0] = "A";
        await names.SetAsync(1, "B", Token);
        Assert.Equal(["B", "c"], names.GetRange(1, 2, Token));
        Assert.Equal(["c", "d"], await names.GetRangeAsync(2, 10, Token));
        Assert.Empty(names.GetRange(4, 10, Token));
        Assert.Equal("A", names.RemoveAt(0, Token));
        Assert.Equal("d", await names.RemoveAtAsync(2, Token));
        Assert.Equal(2, await names.CountAsync(Token));
        Assert.Equal(["B", "c"], await names.GetItemsAsync(Token).ToArrayAsync(Token));

        foreach (long index in (long[])[-1, 2, long.MaxValue])
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => names[index]);
            Assert.Throws<ArgumentOutOfRangeException>(() => names[index] = "x");
            Assert.Throws<ArgumentOutOfRangeException>(() => names.RemoveAt(index, Token));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await names.GetAsync(index, Token));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => names.Insert(3, "x", Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => names.GetRange(3, 1, Token));
        Assert.Throws<ArgumentOutOfRangeException>(() => names.GetRange(0, -1, Token));
        for (int i = 0; i < 1_000; i++)
            own.Add(new string('x', 1_000), Token);
        Assert.Equal(1_002, names.GetItems(Token).Count());
        Assert.Equal(1_000, (await names.GetRangeAsync(2, 5_000, Token)).Length);
        names.Clear(Token);
        Assert.Empty(names.GetItems(Token));
        await names.ClearAsync(Token);
        Assert.Equal(0, server.Statistics.StoredBytes);
    }

    [Fact]
    public async Task Value_ThroughAClient_IsTheOneOfTheManager()
    {
        await using ManagerServer server = new();
        using ISharedValue<string> own = server.RegisterValue("title", "first");
        server.Start();
        await using ManagerClient client = await ConnectAsync(server);
        ISharedValue<string> title = client.GetValue<string>("title");
        Assert.Equal("first", title.Value);
        title.Value = "second";
        Assert.Equal("second", own.Exchange("third"));
        Assert.Equal("third", title.CompareExchange("fourth", "second"));
        Assert.Equal("third", title.CompareExchange("fourth", "third"));
        Assert.Equal("fourth!", title.Update(text => text + "!"));
        Assert.Equal("fourth!", own.Value);
    }

    [Fact]
    public async Task Update_OfClientsThatRace_LosesNoChange()
    {
        const int Each = 300;
        await using ManagerServer server = new();
        using ISharedDictionary<string, int> counts = server.RegisterDictionary<string, int>("counts");
        using ISharedValue<int> total = server.RegisterValue("total", 0);
        server.Start();
        counts["own"] = 0;
        await using WorkerProcess one = WorkerProcess.Start(ManagerWork.CountAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), Each);
        await using WorkerProcess other = WorkerProcess.Start(ManagerWork.CountAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), Each);
        for (int i = 0; i < Each; i++)
        {
            await counts.UpdateAsync("own", count => count + 1, Token);
            counts.AddOrUpdate("new", 1, count => count + 1, Token);
            total.Update(count => count + 1);
        }

        await one.JoinAsync(Token);
        await other.JoinAsync(Token);
        Assert.Equal((3 * Each, 3 * Each, 3 * Each), (counts["own"], counts["new"], total.Value));
    }

    [Fact]
    public async Task OtherTypesAndKinds_AreRefused_WithBothNames()
    {
        await using ManagerServer server = new();
        server.RegisterDictionary<string, int>("stock");
        server.RegisterList<int>("numbers");
        server.RegisterValue("total", 1.5);
        server.Start();
        await using ManagerClient client = await ConnectAsync(server);
        Refused(ManagerError.OtherType, () => client.GetDictionary<string, long>("stock"), "string to int", "string to long");
        Refused(ManagerError.OtherType, () => client.GetDictionary<int, int>("stock"), "string to int");
        Refused(ManagerError.OtherType, () => client.GetList<long>("numbers"), "int", "long");
        Refused(ManagerError.OtherType, () => client.GetValue<int>("total"), "double");
        Refused(ManagerError.OtherType, () => client.GetList<int>("stock"), "Dictionary", "List");
        Refused(ManagerError.NotFound, () => client.GetList<int>("nothing"), "nothing", "numbers");
        Assert.Throws<ArgumentException>(() => server.RegisterList<int>("stock"));
        Assert.Throws<UnsendableCallException>(() => server.RegisterDictionary<string, Stream>("streams").Set("a", Stream.Null, Token));
        Assert.Throws<UnsendableCallException>(() => server.RegisterValue<Stream>("stream", Stream.Null));

        static void Refused(ManagerError error, Action ask, params string[] words)
        {
            ManagerException refusal = Assert.Throws<ManagerException>(ask);
            Assert.Equal(error, refusal.Error);
            Assert.All(words, word => Assert.Contains(word, refusal.Message, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task WhatDoesntFit_IsRefused_AndLeavesEverythingAsItWas()
    {
        await using ManagerServer server = new(new() { MaxStoredBytes = 10_000 });
        using ISharedDictionary<string, byte[]> dictionary = server.RegisterDictionary<string, byte[]>("dictionary");
        using ISharedList<byte[]> list = server.RegisterList<byte[]>("list");
        using ISharedValue<byte[]> value = server.RegisterValue<byte[]>("value", []);
        dictionary["a"] = new byte[4_000];
        list.Add(new byte[4_000], Token);
        long held = server.Statistics.StoredBytes;
        Full(() => dictionary["b"] = new byte[4_000]);
        Full(() => dictionary["a"] = new byte[8_000]);
        Full(() => dictionary.TryAdd("b", new byte[4_000], Token));
        Full(() => dictionary.TryReplace("a", new byte[8_000], new byte[4_000], Token));
        Full(() => list.Add(new byte[4_000], Token));
        Full(() => list.Insert(0, new byte[4_000], Token));
        Full(() => list[0] = new byte[8_000]);
        Full(() => value.Value = new byte[4_000]);
        Assert.Equal(held, server.Statistics.StoredBytes);
        Assert.Equal((1, 1, 0), (dictionary.Count, list.Count, value.Value.Length));
        Assert.Equal(4_000, dictionary["a"].Length);

        // Replacing takes no more than the difference.
        dictionary["a"] = new byte[4_100];
        dictionary["a"] = new byte[100];
        value.Value = new byte[4_000];
        list[0] = [];
        Assert.True(server.Statistics.StoredBytes < 4_400);

        void Full(Action act)
        {
            ManagerException refusal = Assert.Throws<ManagerException>(act);
            Assert.Equal(ManagerError.Quota, refusal.Error);
            Assert.Contains("MaxStoredBytes", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Calls_OfAManagerThatIsStopped_EndInTime_AndCanceledOnesAtOnce()
    {
        using Gate gate = new();
        string key = ManagerKey.Generate().ToBase64();
        await using WorkerProcess manager = WorkerProcess.Start(ManagerWork.ServeDataAsync, key, gate.Path);
        await gate.WaitAsync();
        int port = int.Parse(await File.ReadAllTextAsync(gate.Path, Token), CultureInfo.InvariantCulture);
        await using ManagerClient client = await ManagerClient.ConnectAsync(
            new IPEndPoint(IPAddress.Loopback, port), ManagerKey.FromBytes(Convert.FromBase64String(key)), new() { CallTimeout = TimeSpan.FromMilliseconds(300) }, Token);
        ISharedDictionary<string, int> stock = client.GetDictionary<string, int>("stock");
        stock["a"] = 1;
        Assert.Equal(0, Linux.Kill(manager.Id, Linux.Sigstop));
        await Eventually.True(() => ProcessInventory.IsStopped(manager.Id), "it is stopped");
        Assert.Throws<TimeoutException>(() => stock["a"] = 2);
        using CancellationTokenSource cancel = new();
        ValueTask<int> canceled = stock.GetAsync("a", cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await canceled);
        manager.Kill();
    }

    [Fact]
    public async Task ManagerKilledAndStartedAgain_WithStorage_HasEveryAcknowledgedEntry()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("manager-");
        try
        {
            string database = Path.Combine(folder.FullName, "manager.db");
            string key = ManagerKey.Generate().ToBase64();
            int port = ManagerSurvivalTests.FreePort();
            await using (WorkerProcess server = WorkerProcess.Start(ManagerWork.ServeAsync, port, key, database))
            {
                await using ManagerClient client = await ManagerSurvivalTests.ConnectWhenThereAsync(port, key);
                ISharedDictionary<string, int> stock = client.GetDictionary<string, int>("stock");
                ISharedDictionary<object, object?> plain = client.GetDictionary<object, object?>("plain");
                stock["gone"] = 1;
                stock.Clear(Token);
                for (int i = 0; i < 100; i++)
                    await stock.SetAsync($"key {i}", i, Token);
                for (int i = 0; i < 50; i++)
                    Assert.True(await stock.RemoveAsync($"key {i}", Token));
                stock.Update("key 60", value => value + 1_000, Token);
                Assert.True(stock.TryAdd("added", -1, Token));
                plain[1] = "one";
                plain[true] = "replaced";
                server.Kill();
                await server.JoinAsync(Token);
            }

            await using WorkerProcess second = WorkerProcess.Start(ManagerWork.ServeAsync, port, key, database);
            await using ManagerClient later = await ManagerSurvivalTests.ConnectWhenThereAsync(port, key);
            KeyValuePair<string, int>[] entries = [.. later.GetDictionary<string, int>("stock").GetEntries(Token)];
            Assert.Equal([.. Enumerable.Range(50, 50).Select(i => KeyValuePair.Create($"key {i}", i == 60 ? 1_060 : i)), new("added", -1)], entries);
            Assert.Equal([new(1L, "replaced")], later.GetDictionary<object, object?>("plain").GetEntries(Token));
            second.Kill();
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Task<ManagerClient> ConnectAsync(ManagerServer server) => ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);

    public sealed record Point(int X, int Y);
}
