using ManyHands.Managers;

namespace ManyHands.Tests.Managers;

/// <summary>How a storage can fail.</summary>
public enum StorageFault
{
    /// <summary>It throws, and takes nothing.</summary>
    Throws,

    /// <summary>It says so at once, on the thread of whoever asks.</summary>
    SaysAtOnce,

    /// <summary>It says so later, on a thread of its own.</summary>
    SaysLater,
}

/// <summary>Another storage that fails when it is asked for the n-th time, or as long as it is told to.</summary>
internal sealed class FailingStorage(ManagerStorage storage, StorageFault fault, int failAt) : ManagerStorage
{
    private int asked;

    /// <summary>How often it was asked.</summary>
    public int Asked => Volatile.Read(ref asked);

    /// <summary>What it fails with.</summary>
    public Func<Exception> Reason { get; init; } = static () => new IOException("There is no room.");

    /// <summary>Whether it can't keep anything now.</summary>
    public bool FailsNow { get; set; }

    /// <summary>Whether it is over with failing.</summary>
    public bool IsMended { get; set; }

    public override ValueTask DisposeAsync() => storage.DisposeAsync();

    internal override IReadOnlyList<StoredObject> Load()
    {
        storage.Lost = (change, reason) => Lost!(change, reason);
        return storage.Load();
    }

    internal override void WriteAll(ReadOnlySpan<StorageChange> changes, Action<Exception?>? committed)
    {
        if ((Interlocked.Increment(ref asked) != failAt && !FailsNow) || IsMended)
        {
            storage.WriteAll(changes, committed);
            return;
        }

        Exception reason = Reason();
        StorageChange[] lost = changes.ToArray();
        switch (fault)
        {
            case StorageFault.Throws:
                throw reason;
            case StorageFault.SaysAtOnce:
                Tell();
                break;
            default:
                ThreadPool.QueueUserWorkItem(_ => Tell());
                break;
        }

        void Tell()
        {
            if (committed is not null)
                committed(reason);
            else
                Array.ForEach(lost, change => Lost!(change, reason));
        }
    }

    internal override Task RoomAsync() => storage.RoomAsync();
}
