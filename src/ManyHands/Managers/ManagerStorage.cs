using ManyHands.Managers;

namespace ManyHands;

/// <summary>
/// Where a manager keeps its queues and dictionaries, so that what it has acknowledged is there again after its process was killed. The package <c>ManyHands.Sqlite</c> has one: <c>ManagerStorage.Sqlite(path)</c>.
/// </summary>
/// <remarks>One storage belongs to one running manager at a time, which disposes of it.</remarks>
public abstract class ManagerStorage : IAsyncDisposable
{
    private protected ManagerStorage()
    {
    }

    /// <summary>Writes what is left and closes.</summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>Reads all that was kept. Called once, before anything is written.</summary>
    /// <exception cref="IOException">It can't be read, or another manager has it open.</exception>
    internal abstract IReadOnlyList<StoredObject> Load();

    /// <summary>
    /// Keeps a change. Changes are kept in the order of the calls, many in one transaction. Takes as long as an append to memory, unless so many bytes wait to be kept that the storage lets the caller wait for room (<c>ManyHands.Sqlite</c>: 64 MiB); never on the storage's own thread.
    /// </summary>
    /// <param name="change">What to keep. Its arrays are not changed any more.</param>
    /// <param name="committed">Called once, on the storage's own thread, when the change will survive the death of the process; with the reason if it can't be kept. Must be short. Null if nobody waits for it.</param>
    internal abstract void Write(in StorageChange change, Action<Exception?>? committed);
}
