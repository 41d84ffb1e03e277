#:project ../../src/ManyHands/ManyHands.csproj

// A child process that goes on with the parent's variables: the tutorial's "os.fork". Run it with: dotnet run samples/tutorial/fork.cs

using ManyHands;

int parent = Environment.ProcessId;
Console.WriteLine($"this is main progress ({parent}) start ...");

// A fork returns twice, and the program has to ask which of the two it is. Here the lambda is the child's side and what follows is the parent's.
// The child gets a copy of the variables that the lambda uses, as a fork does.
WorkerProcess child = WorkerProcess.Start(() =>
    Console.WriteLine($"child process: {Environment.ProcessId} and parent process is ({parent})"));

Console.WriteLine($"parent process: {parent} created a child process ({child.Id}).");
await child.JoinAsync();
