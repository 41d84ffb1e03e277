using ManyHands.Platform;

namespace ManyHands.Managers;

/// <summary>Something that collects answers and sends them together.</summary>
internal interface IFlushed
{
    void Flush();
}

/// <summary>
/// While a thread is in one, what it answers is collected, and sent when it leaves: a batch of requests that came together costs one system call for each connection that hears of it. Outside of any, answers are sent one by one.
/// </summary>
internal readonly ref struct FlushScope
{
    [ThreadStatic]
    private static List<IFlushed>? unsent;

    [ThreadStatic]
    private static int depth;

    public static FlushScope Enter()
    {
        depth++;
        return default;
    }

    /// <summary>It has something to send: now, or when the thread leaves its scope.</summary>
    public static void Needs(IFlushed connection)
    {
        if (depth == 0)
        {
            connection.Flush();
            return;
        }

        unsent ??= [];
        if (unsent.Count == 0 || unsent[^1] != connection)
            unsent.Add(connection);
    }

#pragma warning disable CA1822 // What it ends is the thread's.
    public void Dispose()
#pragma warning restore CA1822
    {
        if (--depth > 0 || unsent is not { Count: > 0 } connections)
            return;
        foreach (IFlushed connection in connections)
            Guarded.Run(GuardedEntry.ManagerSending, connection, static connection => connection.Flush(), static connection => $"answers to {connection}, which may not have been sent");
        connections.Clear();
    }
}
