#:project ../../src/ManyHands/ManyHands.csproj

// Two threads from a class of one's own: the tutorial's "class myThread(threading.Thread)". Run it with: dotnet run samples/tutorial/threads-subclass.cs

using ManyHands;

Console.WriteLine($"{Worker.Current.Name} is running...");
MyThread t1 = new("Thread_1", ["a", "b", "c"]);
MyThread t2 = new("Thread_2", ["aa", "bb", "cc"]);
t1.Start();
t2.Start();
await t1.JoinAsync();
await t2.JoinAsync();
Console.WriteLine($"{Worker.Current.Name} ended.");

internal sealed class MyThread(string name, string[] args) : WorkerThread(name)
{
    protected override void Run()
    {
        Console.WriteLine($"{Current.Name} is running...");
        foreach (string a in args)
        {
            Console.WriteLine($"{Current.Name} args: {a}");
            Thread.Sleep(Random.Shared.Next(1000));
        }

        Console.WriteLine($"{Current.Name} ended.");
    }
}
