#:project ../../src/ManyHands/ManyHands.csproj

// Two processes at the two ends of a pipe: the tutorial's "multiprocessing.Pipe". Run it with: dotnet run samples/tutorial/pipe.cs

using ManyHands;

// The code of the sending process.
static void ProcSend(SharedPipeEnd<string> pipe, string[] args)
{
    foreach (string arg in args)
    {
        Console.WriteLine($"process({Environment.ProcessId}) send: {arg}");
        pipe.Send(arg);
        Thread.Sleep(Random.Shared.Next(0, 300));
    }
}

// The code of the receiving process. Python's receives for ever; this one ends when nobody has the other end any more.
static void ProcRecv(SharedPipeEnd<string> pipe)
{
    foreach (string arg in pipe.ReceiveAll())
    {
        Console.WriteLine($"process({Environment.ProcessId}) rev:{arg}");
        Thread.Sleep(Random.Shared.Next(0, 300));
    }
}

(SharedPipeEnd<string> first, SharedPipeEnd<string> second) = SharedPipe.CreateDuplex<string>();
await using WorkerProcess p1 = WorkerProcess.Start(ProcSend, first, (string[])[.. Enumerable.Range(0, 10).Select(i => $"aa{i}")]);
await using WorkerProcess p2 = WorkerProcess.Start(ProcRecv, second);

// The children have the ends now, or they are on their way. As long as this process had the first, the receiver would wait for it.
first.Dispose();
second.Dispose();

await p1.JoinAsync();
await p2.JoinAsync();
