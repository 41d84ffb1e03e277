#:project ../src/ManyHands/ManyHands.csproj

// A pool whose workers are programs of their own: they connect to a manager, on this machine or from others, and run what it gives them. Here one of two workers is killed in the middle of a call.
// Run it with: dotnet run samples/remote-pool.cs
// Or each part by itself, in a terminal for each, with a file for the key: dotnet run samples/remote-pool.cs manager|worker|caller 8002 ~/pool.key

using System.Globalization;
using System.Net;
using ManyHands;

if (args is [string part, string portText, string keyFile])
{
    int port = int.Parse(portText, CultureInfo.InvariantCulture);
    using CancellationTokenSource stop = new();
    Console.CancelKeyPress += (_, pressed) =>
    {
        pressed.Cancel = true;
        stop.Cancel();
    };
    switch (part)
    {
        case "manager":
            await Parts.ServeAsync(port, ManagerKey.FromFileOrNew(keyFile), stop.Token);
            break;
        case "worker":
            await Parts.WorkAsync(port, ManagerKey.FromFile(keyFile), stop.Token);
            break;
        case "caller":
            await Parts.CallAsync(port, ManagerKey.FromFile(keyFile));
            break;
    }

    return;
}

// All of it in one: the manager in this process, two workers in children.
await using ManagerServer manager = new();
manager.RegisterPool("counting");
manager.Start();
int ownPort = ((IPEndPoint)manager.EndPoint).Port;
string key = manager.Key.ToBase64();
await using WorkerProcess one = WorkerProcess.Start(Parts.WorkUntilKilled, ownPort, key);
await using WorkerProcess two = WorkerProcess.Start(Parts.WorkUntilKilled, ownPort, key);
while (manager.Statistics.Clients.Count < 2)
    await Task.Delay(5);
await Parts.CallAsync(ownPort, manager.Key);

// Whichever worker has the call kills itself with it; the other one runs it again, as the call says that it may. A third attempt would have nobody to go to.
await using ManagerClient client = await ManagerClient.ConnectAsync(manager.EndPoint, manager.Key);
await using Pool pool = Pool.Remote(client, "counting", Primes.Functions);
string lockFile = Path.GetTempFileName();
Console.WriteLine(await pool.RunAsync(Primes.DieOnce, lockFile, new CallOptions { Retries = 1 }));
Console.WriteLine($"Workers left: {pool.Statistics.Workers.Count}.");

internal static class Parts
{
    public static async Task ServeAsync(int port, ManagerKey key, CancellationToken token)
    {
        await using ManagerServer server = new(new ManagerOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, port), Key = key });
        server.RegisterPool("counting");
        await server.RunAsync(token);
    }

    public static async Task WorkAsync(int port, ManagerKey key, CancellationToken token)
    {
        await using ManagerClient client = await ManagerClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), key, cancellationToken: token);

        // With Pool.Processes, a call that crashes would cost a child of the worker and not the worker.
        await RemoteWorker.RunAsync(client, "counting", Primes.Functions, Pool.Threads(2), cancellationToken: token);
    }

    public static Task WorkUntilKilled(int port, string key) => WorkAsync(port, ManagerKey.FromBytes(Convert.FromBase64String(key)), CancellationToken.None);

    public static async Task CallAsync(int port, ManagerKey key)
    {
        await using ManagerClient client = await ManagerClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), key);
        await using Pool pool = Pool.Remote(client, "counting", Primes.Functions);
        int sum = 0;
        await foreach (int count in pool.MapAsync(Primes.CountInThousand, Enumerable.Range(0, 100)))
            sum += count;
        Console.WriteLine($"Primes below 100,000: {sum}.");
    }
}

internal static class Primes
{
    // What callers and workers call them by. Another program may register its own functions under these names.
    public static RemoteFunctions Functions { get; } = new RemoteFunctions().Add("count primes", CountInThousand).Add("die once", DieOnce);

    public static int CountInThousand(int thousand) => Enumerable.Range(thousand * 1000, 1000).Count(static n => n > 1 && Enumerable.Range(2, (int)Math.Sqrt(n)).TakeWhile(d => d * d <= n).All(d => n % d != 0));

    public static string DieOnce(string file)
    {
        if (!File.Exists(file))
            return "It was done by the other worker.";
        File.Delete(file);
        System.Diagnostics.Process.GetCurrentProcess().Kill();
        return "";
    }
}
