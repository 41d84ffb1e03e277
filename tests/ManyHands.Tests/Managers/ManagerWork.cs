using System.Net;

namespace ManyHands.Tests.Managers;

/// <summary>What clients of a manager do in processes of their own.</summary>
internal static class ManagerWork
{
    /// <summary>A client of a manager that a test has told where it is.</summary>
    public static async Task<ManagerClient> ConnectAsync(int port, string key) =>
        await ManagerClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), ManagerKey.FromBytes(Convert.FromBase64String(key)));

    public static int PortOf(ManagerServer server) => ((IPEndPoint)server.EndPoint).Port;

    /// <summary>Takes items and squares them until it is killed or the queue is completed.</summary>
    public static async Task SquareAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ConnectAsync(port, key);
        ISharedQueue<int> tasks = client.GetQueue<int>("tasks");
        ISharedQueue<long> results = client.GetQueue<long>("results");
        Gate.Open(ready);
        await foreach (QueueLease<int> lease in tasks.LeaseAllAsync())
        {
            await results.EnqueueAsync((long)lease.Item * lease.Item);
            await lease.CompleteAsync();
        }
    }

    /// <summary>Waits for an item, which then is all it does.</summary>
    public static async Task WaitForItemAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ConnectAsync(port, key);
        ISharedQueue<int> tasks = client.GetQueue<int>("tasks");
        ValueTask<int> waiting = tasks.DequeueAsync();
        Gate.Open(ready);
        Gate.Open(ready + "-" + await waiting);
    }

    /// <summary>Takes an item on lease and keeps it.</summary>
    public static async Task KeepItemAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ConnectAsync(port, key);
        QueueLease<int> lease = await client.GetQueue<int>("tasks").LeaseAsync();
        Gate.Open(ready);
        await Task.Delay(Timeout.Infinite);
        GC.KeepAlive(lease);
    }

    /// <summary>Takes items as they come and notes each in a file, until the queue is completed.</summary>
    public static async Task NoteItemsAsync(int port, string key, string file)
    {
        await using ManagerClient client = await ConnectAsync(port, key);
        await using StreamWriter notes = new(file) { AutoFlush = true };
        await foreach (int item in client.GetQueue<int>("tasks").ReadAllAsync())
            await notes.WriteLineAsync(item.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>A manager with storage, until it is killed.</summary>
    public static async Task ServeAsync(int port, string key, string database)
    {
        await using ManagerServer server = new(new ManagerOptions
        {
            EndPoint = new IPEndPoint(IPAddress.Loopback, port),
            Key = ManagerKey.FromBytes(Convert.FromBase64String(key)),
            Storage = ManagerStorage.Sqlite(database),
        });
        server.RegisterQueue<int>("tasks");
        server.RegisterQueue<long>("results");
        server.RegisterDictionary<string, int>("stock");
        server.RegisterDictionary<object, object?>("plain");
        await server.RunAsync();
    }

    /// <summary>A manager with a dictionary; writes its port into the gate's file.</summary>
    public static async Task ServeDataAsync(string key, string portFile)
    {
        await using ManagerServer server = new(new ManagerOptions { Key = ManagerKey.FromBytes(Convert.FromBase64String(key)) });
        server.RegisterDictionary<string, int>("stock");
        server.Start();
        await File.WriteAllTextAsync(portFile + ".new", PortOf(server).ToString(System.Globalization.CultureInfo.InvariantCulture));
        File.Move(portFile + ".new", portFile);
        await server.RunAsync();
    }

    /// <summary>Changes what others change too.</summary>
    public static async Task CountAsync(int port, string key, int times)
    {
        await using ManagerClient client = await ConnectAsync(port, key);
        ISharedDictionary<string, int> counts = client.GetDictionary<string, int>("counts");
        ISharedValue<int> total = client.GetValue<int>("total");
        for (int i = 0; i < times; i++)
        {
            counts.Update("own", count => count + 1);
            await counts.AddOrUpdateAsync("new", 1, count => count + 1);
            total.Update(count => count + 1);
        }
    }
}
