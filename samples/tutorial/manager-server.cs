#:project ../../src/ManyHands/ManyHands.csproj

// A server with a task queue and a result queue on a port, for workers on any machine: the tutorial's distributed chapter. Run it with: dotnet run samples/tutorial/manager-server.cs
// and then, in another terminal, a worker or several: dotnet run samples/tutorial/manager-worker.cs

using System.Globalization;
using System.Net;
using ManyHands;

int port = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 8001;
string keyFile = args.Length > 1 ? args[1] : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".manyhands-tutorial.key");

// Bind the port and set the key. The key is in a file that only you can read; a worker on another machine gets a copy of it.
await using ManagerServer manager = new(new ManagerOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, port), Key = ManagerKey.FromFileOrNew(keyFile) });

// Register the two queues on the network under their names. What is returned is the queue itself, for this process.
ISharedQueue<string> task = manager.RegisterQueue<string>("get_task_queue");
ISharedQueue<string> result = manager.RegisterQueue<string>("get_result_queue");
manager.Start();

// Add the tasks.
foreach (string url in Enumerable.Range(0, 10).Select(i => $"ImageUrl_{i}"))
{
    Console.WriteLine($"put task {url} ...");
    await task.EnqueueAsync(url);
}

// No more will come, so a worker that has found the queue empty can go home.
task.Complete();

// Get the results.
Console.WriteLine("try get result...");
for (int i = 0; i < 10; i++)
    Console.WriteLine(result.TryDequeue(out string? text, TimeSpan.FromMinutes(2)) ? $"result is {text}" : "no worker has come");

// Let the workers go home, then shut the manager down: that is the end of its scope.
while (manager.Statistics.Clients.Count > 0)
    await Task.Delay(10);
