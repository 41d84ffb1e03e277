#:project ../../src/ManyHands/ManyHands.csproj

// Eight calls on five processes: the tutorial's "multiprocessing.Pool". Run it with: dotnet run samples/tutorial/pool.cs

using ManyHands;

static void RunTask(int name)
{
    Console.WriteLine($"task {name} (pid = {Environment.ProcessId}) is running...");
    Thread.Sleep(Random.Shared.Next(2000));
    Console.WriteLine($"task {name} ended.");
}

Console.WriteLine($"main process {Environment.ProcessId}.");
List<Task> calls = [];
await using (Pool p = Pool.Processes(5))
{
    for (int i = 0; i < 8; i++)
        calls.Add(p.RunAsync(RunTask, i));
    Console.WriteLine("Waiting for all subprocesses ended...");
}

// The end of the block was close and join in one. This throws what a call threw, which Python's apply_async would never have told.
await Task.WhenAll(calls);
Console.WriteLine("all subprocesses ended.");
