using System.Diagnostics;
using ManyHands.Platform;
using ManyHands.Tests.Contracts;

namespace ManyHands.Tests.Managers;

/// <summary>What workers and callers of a remote pool do, in the test's process and in others.</summary>
public static class RemotePoolWork
{
    public static RemoteFunctions Functions { get; } = new RemoteFunctions()
        .Add("answer", Work.Answer)
        .Add("double", Work.Double)
        .Add("touch", Work.Touch)
        .Add("open then wait", Work.OpenThenWait)
        .Add("wait forever", Work.WaitForever)
        .Add("note cancellation", NoteCancellation)
        .Add("meet", Meet)
        .Add("note", Note)
        .Add("die", Die)
        .Add("die noting", DieNoting)
        .Add("loop", Loop)
        .Add("process", Process);

    /// <summary>Notes in a file that it was cancelled.</summary>
    public static async Task<int> NoteCancellation(string opens, CancellationToken token)
    {
        try
        {
            return await Work.WaitForever(opens, token);
        }
        catch (OperationCanceledException)
        {
            Gate.Open(opens + "-cancelled");
            throw;
        }
    }

    /// <summary>Ends when another does the same.</summary>
    public static async Task<int> Meet(string mine, string other)
    {
        Gate.Open(mine);
        await Gate.WaitAsync(other);
        return Environment.ProcessId;
    }

    /// <summary>Notes each run in a file of its own.</summary>
    public static void Note(string path) => Gate.Open($"{path}-{Guid.NewGuid()}");

    public static void Die(int signal)
    {
        Console.Error.WriteLine("last words");
        Console.Error.Flush();
        _ = Linux.Kill(Environment.ProcessId, signal);
        Thread.Sleep(Timeout.Infinite);
    }

    public static void DieNoting(string path)
    {
        Note(path);
        Die(9);
    }

    public static void Loop(string opens)
    {
        Gate.Open(opens);
        while (true)
        {
            // As a call that nobody can talk to.
        }
    }

    public static int Process() => Environment.ProcessId;

    /// <summary>A worker in a process of its own, until it is killed.</summary>
    public static async Task WorkAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ManagerWork.ConnectAsync(port, key);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Threads(1));
        Gate.Open(ready);
        await Task.Delay(Timeout.Infinite);
    }

    /// <summary>A caller in a process of its own, until it is killed: one call runs, others wait.</summary>
    public static async Task CallAsync(int port, string key, string path)
    {
        await using ManagerClient client = await ManagerWork.ConnectAsync(port, key);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => pool.RunAsync(NoteCancellation, path)));
    }

    /// <summary>Registers the same names for other functions, as another build might.</summary>
    public static RemoteFunctions OtherBuild() => new RemoteFunctions().Add("double", (long x) => 2 * x).Add("extra", () => Debug.WriteLine("extra"));
}
