#:project ../src/ManyHands/ManyHands.csproj

// A worker is killed with an item in its hands; the item goes to another, and whoever waits for all of them waits for that one too. Run it with: dotnet run samples/leases.cs

using ManyHands;

using SharedQueue<string> tasks = new();
using SharedQueue<string> done = new();
tasks.EnqueueBatch(["bread", "salt", "poison", "milk", "honey"]);

await using WorkerProcess first = WorkerProcess.Start(Kitchen.Taste, tasks, done);
await first.JoinAsync();
Console.WriteLine($"The first taster has ended: {first.Exception?.GetType().Name}.");

// It had not completed the item, so that is here again; and the second one sees that somebody had it before.
await using WorkerProcess second = WorkerProcess.Start(Kitchen.Taste, tasks, done);
await tasks.JoinAsync();
tasks.Complete();
await second.JoinAsync();

done.Complete();
Console.WriteLine(string.Join(", ", done.ReadAll().Order(StringComparer.Ordinal)));

internal static class Kitchen
{
    public static async Task Taste(SharedQueue<string> tasks, SharedQueue<string> done)
    {
        await foreach (QueueLease<string> lease in tasks.LeaseAllAsync())
        {
            if (lease.Item == "poison" && !lease.IsRedelivered)
                Environment.FailFast("That was poison.");
            done.Enqueue(lease.IsRedelivered ? $"{lease.Item} (thrown away)" : lease.Item);
            lease.Complete();
        }
    }
}
