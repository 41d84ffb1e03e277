#:project ../../src/ManyHands/ManyHands.csproj

// A worker that takes tasks from the server of manager-server.cs and puts results. Run it with: dotnet run samples/tutorial/manager-worker.cs
// Kill one in the middle, and another does its task.

using System.Globalization;
using System.Net;
using ManyHands;

string host = args.Length > 0 ? args[0] : "127.0.0.1";
int port = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 8001;
string keyFile = args.Length > 2 ? args[2] : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".manyhands-tutorial.key");

// Connect to the server, with the same port and key.
Console.WriteLine($"Connect to server {host}...");
await using ManagerClient manager = await ManagerClient.ConnectAsync(new DnsEndPoint(host, port), ManagerKey.FromFile(keyFile));

// Get the queues by their names.
ISharedQueue<string> task = manager.GetQueue<string>("get_task_queue");
ISharedQueue<string> result = manager.GetQueue<string>("get_result_queue");

// Take tasks from one and put results into the other, until no task is left and no other worker has one that could come back. Each is only on lease: it is done when its result is there.
await foreach (QueueLease<string> lease in task.LeaseAllAsync())
{
    Console.WriteLine($"run task download {lease.Item}...");
    await Task.Delay(1000);
    await result.EnqueueAsync($"{lease.Item}--->success");
    await lease.CompleteAsync();
}

// The end.
Console.WriteLine("worker exit.");
