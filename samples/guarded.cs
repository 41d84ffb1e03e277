#:project ../src/ManyHands/ManyHands.csproj

// Workers move money between accounts under a lock that belongs to them. One is killed in the middle of it; the next is told, and repairs what was left. Run it with: dotnet run samples/guarded.cs

using ManyHands;

using SharedGuarded<SharedArray<long>> accounts = SharedGuarded.Create(new SharedArray<long>([1000, 1000, 1000, 1000]));

await using WorkerProcess thief = WorkerProcess.Start(Bank.TakeAndDie, accounts);
await thief.JoinAsync();
using (var hold = accounts.Enter())
{
    // Told once, to whoever enters first after it.
    Console.WriteLine($"Left by a dead worker: {hold.WasAbandoned}; there are {Bank.Total(hold.Content)}.");
    hold.Content[0] += Bank.Everything - Bank.Total(hold.Content);
}

await using Pool pool = Pool.Processes(2);
await pool.ForEachAsync((int seed) => Bank.Move(accounts, seed), Enumerable.Range(1, 8));

using (var hold = accounts.Enter())
    Console.WriteLine($"Left by a dead worker: {hold.WasAbandoned}; there are {Bank.Total(hold.Content)}.");

internal static class Bank
{
    public const long Everything = 4000;

    public static void TakeAndDie(SharedGuarded<SharedArray<long>> accounts)
    {
        using var hold = accounts.Enter();
        hold.Content[0] -= 500;
        Environment.FailFast("Between the two accounts.");
    }

    public static void Move(SharedGuarded<SharedArray<long>> accounts, int seed)
    {
        Random random = new(seed);
        for (int i = 0; i < 1000; i++)
        {
            (int from, int to, int amount) = (random.Next(4), random.Next(4), random.Next(100));
            using var hold = accounts.Enter();
            hold.Content[from] -= amount;
            hold.Content[to] += amount;
        }
    }

    public static long Total(SharedArray<long> accounts)
    {
        long total = 0;
        foreach (long account in accounts.Span)
            total += account;
        return total;
    }
}
