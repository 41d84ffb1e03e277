#:project ../../src/ManyHands/ManyHands.csproj

// Two threads from one function: the tutorial's "threading" example. Run it with: dotnet run samples/tutorial/threads.cs

using ManyHands;

// The code of the new threads, in a function.
static void ThreadRun(string[] args)
{
    Console.WriteLine($"{Worker.Current.Name} is running...");
    foreach (string i in args)
    {
        Console.WriteLine($"{Worker.Current.Name} args: {i}");
        Thread.Sleep(Random.Shared.Next(1000));
    }

    Console.WriteLine($"{Worker.Current.Name} ended.");
}

Console.WriteLine($"{Worker.Current.Name} is running...");
WorkerThread t1 = WorkerThread.Start<string[]>(ThreadRun, ["a", "b", "c"], name: "Thread_1");
WorkerThread t2 = WorkerThread.Start<string[]>(ThreadRun, ["aa", "bb", "cc"], name: "Thread_2");
await t1.JoinAsync();
await t2.JoinAsync();
Console.WriteLine($"{Worker.Current.Name} ended.");
