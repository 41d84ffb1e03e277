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

    /// <summary>Told, on the storage's own thread, of each change that nobody waits for and that couldn't be kept, with the reason. Must be short. Set before anything is written.</summary>
    internal Action<StorageChange, Exception>? Lost { get; set; }

    /// <summary>
    /// Keeps changes, all of them or none. They are kept in the order of the calls, many calls in one transaction. Takes as long as an append to memory, and never waits, as its callers hold gates; see <see cref="RoomAsync"/>.
    /// </summary>
    /// <param name="changes">What to keep. Their arrays are not changed any more.</param>
    /// <param name="committed">
    /// Called once, on the storage's own thread, when the changes will survive the death of the process; with the reason if they can't be kept. Must be short. Null if nobody waits for them; <see cref="Lost"/> then hears of a failure.
    /// </param>
    /// <exception cref="Exception">They were not taken, and nobody is called.</exception>
    internal abstract void WriteAll(ReadOnlySpan<StorageChange> changes, Action<Exception?>? committed);

    /// <summary>Keeps one change.</summary>
    /// <inheritdoc cref="WriteAll(ReadOnlySpan{StorageChange}, Action{Exception})"/>
    internal void Write(in StorageChange change, Action<Exception?>? committed) => WriteAll(new ReadOnlySpan<StorageChange>(in change), committed);

    /// <summary>Ends when little enough waits to be kept (<c>ManyHands.Sqlite</c>: less than 64 MiB) for more to be asked for; also when the storage ends. Whoever asks for changes waits for that first, without holding anything.</summary>
    internal abstract Task RoomAsync();
}
