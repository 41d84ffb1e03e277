#:project ../../src/ManyHands/ManyHands.csproj

// Five processes from one function: the tutorial's "multiprocessing.Process". Run it with: dotnet run samples/tutorial/processes.cs

using ManyHands;

// The code of the child processes, in a function.
static void RunProc(string name) => Console.WriteLine($"child process {name} ({Environment.ProcessId}) is running...");

// No "if __name__ == '__main__'" is needed: the children run the function and never this program from its start.
Console.WriteLine($"parent process {Environment.ProcessId}.");
List<WorkerProcess> pList = [];
for (int i = 0; i < 5; i++)
{
    Console.WriteLine("process will start.");
    pList.Add(WorkerProcess.Start(RunProc, $"{i}"));
}

foreach (WorkerProcess p in pList)
    await p.JoinAsync();
Console.WriteLine("process end.");
