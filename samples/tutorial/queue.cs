#:project ../../src/ManyHands/ManyHands.csproj

// Two writers and a reader in three processes, with a queue between them: the tutorial's "multiprocessing.Queue". Run it with: dotnet run samples/tutorial/queue.cs

using ManyHands;

// The code of the writing processes.
static void ProcWrite(SharedQueue<string> q, string[] args)
{
    Console.WriteLine($"process({Environment.ProcessId}) is writing...");
    foreach (string a in args)
    {
        q.Enqueue(a);
        Console.WriteLine($"put {a} to queue...");
        Thread.Sleep(Random.Shared.Next(0, 300));
    }
}

// The code of the reading process, which never ends by itself.
static void ProcRead(SharedQueue<string> q)
{
    Console.WriteLine($"process({Environment.ProcessId}) is reading...");
    while (true)
    {
        string a = q.Dequeue();
        Console.WriteLine($"get {a} from queue.");
    }
}

// The parent makes the queue and passes it to the children like any other argument.
using SharedQueue<string> q = new();
await using WorkerProcess procWriter1 = WorkerProcess.Start(ProcWrite, q, (string[])["a", "b", "c"]);
await using WorkerProcess procWriter2 = WorkerProcess.Start(ProcWrite, q, (string[])["aa", "bb", "cc"]);
await using WorkerProcess procReader = WorkerProcess.Start(ProcRead, q);

await procWriter1.JoinAsync();
await procWriter2.JoinAsync();

// Nobody would tell a killed reader from a slow one, so let it have what is there first.
while (q.Count > 0)
    await Task.Delay(10);

// The reader is in an endless loop: all that can be done is to end it. Whoever is killed, and wherever, the queue stays whole.
procReader.Terminate();
await procReader.JoinAsync();
