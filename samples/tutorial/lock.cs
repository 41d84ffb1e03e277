#:project ../../src/ManyHands/ManyHands.csproj

// Two threads count to five together: the tutorial's "threading.RLock". Run it with: dotnet run samples/tutorial/lock.cs

using ManyHands;

MyThread thread1 = new("Thread_1");
MyThread thread2 = new("Thread_2");
thread1.Start();
thread2.Start();
await thread1.JoinAsync();
await thread2.JoinAsync();

internal sealed class MyThread(string name) : WorkerThread(name)
{
    // A lock in C# is reentrant like an RLock, and let go of however the block is left.
    private static readonly Lock MyLock = new();
    private static int num;

    protected override void Run()
    {
        while (true)
        {
            lock (MyLock)
            {
                Console.WriteLine($"{Current.Name} locked, Number: {num}");
                if (num >= 5)
                {
                    // The tutorial prints this after the release, where the other thread's line may come in between. Here nothing can.
                    Console.WriteLine($"{Current.Name} released, Number: {num}");
                    break;
                }

                num += 1;
                Console.WriteLine($"{Current.Name} released, Number: {num}");
            }
        }
    }
}
