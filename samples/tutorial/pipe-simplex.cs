#:project ../../src/ManyHands/ManyHands.csproj

// A pipe that goes one way: the tutorial's "multiprocessing.Pipe(duplex=False)". Run it with: dotnet run samples/tutorial/pipe-simplex.cs

using ManyHands;

// The first only receives, the second only sends.
(SharedPipeEnd<string> receiver, SharedPipeEnd<string> sender) = SharedPipe.CreateSimplex<string>();
Console.WriteLine($"receiver: receives {receiver.CanReceive}, sends {receiver.CanSend}");
Console.WriteLine($"sender: receives {sender.CanReceive}, sends {sender.CanSend}");

await using WorkerProcess child = WorkerProcess.Start(
    static (SharedPipeEnd<string> sender) =>
    {
        foreach (string message in (string[])["a", "b", "c"])
            sender.Send(message);
    },
    sender);
sender.Dispose();

// Ends when the child has: nobody has the sender any more.
await foreach (string message in receiver.ReceiveAllAsync())
    Console.WriteLine($"received {message}");
Console.WriteLine("end of stream.");
receiver.Dispose();
