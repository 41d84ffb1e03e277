using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ManyHands.Managers;
using ManyHands.Platform;

namespace ManyHands.Sqlite;

/// <summary>A manager's objects in a file of SQLite. Changes are put into a list; one thread takes what is there and writes it, in transactions of many.</summary>
internal sealed class SqliteStorage : ManagerStorage
{
    /// <summary>How many bytes may wait to be written before who writes more has to wait.</summary>
    public const long MostWaiting = 64 << 20;

    /// <summary>Of one transaction: enough for its own cost not to count, and not so much that the first change in it waits long for the last.</summary>
    private const long MostInTransaction = 1 << 20;

    /// <summary>What a change takes in memory beside its texts and bytes.</summary>
    private const int ChangeSize = 96;

    /// <summary>A list that was longer than that is not kept.</summary>
    private const int MostKept = 1 << 16;

    // Also says that there are changes.
    private readonly object gate = new();
    private readonly Database database;
    private readonly Dictionary<string, StoredTable> tables = [];
    private readonly List<StoredTable> newTables = [];
    private readonly Dictionary<(StoredTable Table, long Number), bool> removed = [];
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Thread? thread;
    private List<Waiting> waiting = [];
    private TaskCompletionSource? room;
    private long waitingBytes;
    private long lastId;
    private bool isEnding;

    /// <exception cref="IOException">See <see cref="SqliteManagerStorage.Sqlite"/>.</exception>
    public SqliteStorage(string path, SqliteStorageOptions options) => database = new(path, options.IsDurable);

    public override async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            if (!isEnding && thread is null)
                Close();
            isEnding = true;
            room?.TrySetResult();
            Monitor.PulseAll(gate);
        }

        await ended.Task.ConfigureAwait(false);
        thread?.Join();
    }

    internal override IReadOnlyList<StoredObject> Load()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(isEnding, this);
            if (thread is not null)
                throw new InvalidOperationException($"The manager's storage {database.Path} was read before. One storage belongs to one running manager; open it anew for the next.");
            List<StoredObject> objects = [];
            try
            {
                LoadInto(objects);
            }
            catch (DatabaseException failure)
            {
                tables.Clear();
                throw database.Explained(failure);
            }

            thread = Guarded.StartThread(GuardedEntry.Storage, "ManyHands storage", Run, _ => EndAbruptly());
            return objects;
        }
    }

    internal override void WriteAll(ReadOnlySpan<StorageChange> changes, Action<Exception?>? committed)
    {
        lock (gate)
        {
            if (thread is null)
                throw new InvalidOperationException($"The manager's storage {database.Path} is written to before it was read.");
            ObjectDisposedException.ThrowIf(isEnding, this);
            int first = waiting.Count;
            try
            {
                for (int i = 0; i < changes.Length; i++)
                {
                    StorageChange change = changes[i];
                    long size = ChangeSize + (change.Key?.Length ?? 0) + (change.Value?.Length ?? 0);
                    waiting.Add(new(change, TableOf(change), committed, i == changes.Length - 1, size));
                    waitingBytes += size;
                }
            }
            catch
            {
                // All or none of them.
                foreach (Waiting taken in waiting[first..])
                    waitingBytes -= taken.Size;
                waiting.RemoveRange(first, waiting.Count - first);
                throw;
            }

            if (first == 0)
                Monitor.PulseAll(gate);
        }
    }

    internal override Task RoomAsync()
    {
        if (Volatile.Read(ref waitingBytes) < MostWaiting)
            return Task.CompletedTask;
        lock (gate)
        {
            if (waitingBytes < MostWaiting || isEnding)
                return Task.CompletedTask;
            return (room ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    private void LoadInto(List<StoredObject> objects)
    {
        using Statement lines = new(database, "SELECT id, name, kind, type, completed FROM objects ORDER BY id");
        while (lines.Read())
        {
            StoredObject stored = new(lines.Text(1), (ObjectKind)lines.Integer(2), lines.Text(3)) { IsCompleted = lines.Integer(4) != 0 };
            lastId = lines.Integer(0);
            StoredTable table = new(stored.Name, stored.Kind, lastId, null) { TypeName = stored.TypeName, IsKept = true };
            table.Load(database, stored);
            tables[stored.Name] = table;
            objects.Add(stored);
        }
    }

    private StoredTable TableOf(in StorageChange change)
    {
        StoredTable? table = tables.GetValueOrDefault(change.Name);
        ObjectKind kind = change.Kind == StorageChangeKind.Declared ? (ObjectKind)change.Number : table?.Kind ?? ObjectKind.Manager;
        if (!StoredTable.Takes(kind, change.Kind))
            throw new ArgumentException($"The object '{change.Name}' of the kind {kind} can't have the change {change.Kind} in a storage.", nameof(change));
        if (change.Kind != StorageChangeKind.Declared)
            return table!;
        if (table?.Kind != kind)
            tables[change.Name] = table = new(change.Name, kind, ++lastId, table) { TypeName = "" };
        table.TypeName = change.Text ?? "";
        return table;
    }

    private void Run()
    {
        List<Waiting> taken = [];
        while (true)
        {
            lock (gate)
            {
                while (waiting.Count == 0 && !isEnding)
                    Monitor.Wait(gate);
                if (waiting.Count == 0)
                    break;
                (taken, waiting) = (waiting, taken);
            }

            for (ReadOnlySpan<Waiting> rest = CollectionsMarshal.AsSpan(taken); !rest.IsEmpty;)
            {
                int count = 0;
                long bytes = 0;
                while (count < rest.Length && (bytes < MostInTransaction || !rest[count - 1].IsLast))
                    bytes += rest[count++].Size;
                Keep(rest[..count]);
                rest = rest[count..];
            }

            taken.Clear();
            if (taken.Capacity > MostKept)
                taken.Capacity = 0;
        }

        Close();
    }

    /// <summary>Writes changes in one transaction, and tells those who wait for them. If that fails, what is asked for together is tried by itself: one that can't be kept must not cost the others.</summary>
    private void Keep(ReadOnlySpan<Waiting> changes)
    {
        int end = EndOfFirst(changes);
        if (end == changes.Length || TryKeep(changes) is null)
        {
            Report(changes, end == changes.Length ? TryKeep(changes) : null);
            return;
        }

        while (!changes.IsEmpty)
        {
            ReadOnlySpan<Waiting> together = changes[..EndOfFirst(changes)];
            Report(together, TryKeep(together));
            changes = changes[together.Length..];
        }
    }

    private static int EndOfFirst(ReadOnlySpan<Waiting> changes)
    {
        int end = 0;
        while (!changes[end++].IsLast)
        {
        }

        return end;
    }

    private Exception? TryKeep(ReadOnlySpan<Waiting> changes)
    {
        Exception? failure = null;
        try
        {
            database.Begin();
            Apply(changes);
            database.Commit();
        }
        catch (Exception reason)
        {
            failure = reason is DatabaseException ? database.Explained(reason) : reason;
            database.RollBack();
        }

        foreach (StoredTable table in newTables)
            table.EndNew(failure is null);
        newTables.Clear();
        return failure;
    }

    private void Report(ReadOnlySpan<Waiting> changes, Exception? failure)
    {
        // First, as whoever is told may be waited for by one who waits for room.
        lock (gate)
        {
            foreach (ref readonly Waiting change in changes)
                waitingBytes -= change.Size;
            if (waitingBytes < MostWaiting)
            {
                room?.TrySetResult();
                room = null;
            }
        }

        foreach (ref readonly Waiting change in changes)
        {
            if (change.Committed is null && failure is not null && Lost is not null)
                Guarded.Run(GuardedEntry.StorageReport, (Storage: this, change.Change, Failure: failure), static one => one.Storage.Lost!(one.Change, one.Failure), static one => $"a change of '{one.Change.Name}' that couldn't be kept");
            else if (change.IsLast && change.Committed is not null)
                Guarded.Run(GuardedEntry.StorageReport, (change.Committed, Failure: failure, change.Change), static one => one.Committed(one.Failure), static one => $"a change of '{one.Change.Name}', whose maker may not know of its end");
        }
    }

    private void Apply(ReadOnlySpan<Waiting> changes)
    {
        FindRemoved(changes);
        foreach (ref readonly Waiting waiting in changes)
        {
            if (removed.Count != 0 && IsPassing(waiting))
                continue;
            bool wasNew = waiting.Table.IsNew;
            try
            {
                waiting.Table.Apply(database, waiting.Change);
            }
            finally
            {
                if (!wasNew && waiting.Table.IsNew)
                    newTables.Add(waiting.Table);
            }
        }
    }

    private void FindRemoved(ReadOnlySpan<Waiting> changes)
    {
        removed.Clear();
        foreach (ref readonly Waiting waiting in changes)
        {
            if (waiting.Change.Kind == StorageChangeKind.ItemRemoved)
                removed[(waiting.Table, waiting.Change.Number)] = false;
        }
    }

    /// <summary>Whether the change is of an item that is added and removed within the transaction, or goes before a removal in it: nobody would see it. A number is used for one item only.</summary>
    private bool IsPassing(in Waiting waiting)
    {
        if (waiting.Change.Kind is not (StorageChangeKind.ItemAdded or StorageChangeKind.ItemDelivered or StorageChangeKind.ItemRemoved))
            return false;
        ref bool isAdded = ref CollectionsMarshal.GetValueRefOrNullRef(removed, (waiting.Table, waiting.Change.Number));
        if (Unsafe.IsNullRef(ref isAdded))
            return false;
        isAdded |= waiting.Change.Kind == StorageChangeKind.ItemAdded;
        return waiting.Change.Kind != StorageChangeKind.ItemRemoved || isAdded;
    }

    private void Close()
    {
        try
        {
            foreach (StoredTable table in tables.Values)
                table.Dispose();

            // Copies the log into the file and deletes it. If that can't be done, both stay, and the next to open them goes on from there.
            database.Dispose();
        }
        finally
        {
            ended.TrySetResult();
        }
    }

    // The thread is gone: nothing more is taken, and whoever waits for what was is told.
    private void EndAbruptly()
    {
        List<Waiting> left;
        lock (gate)
        {
            isEnding = true;
            room?.TrySetResult();
            (left, waiting) = (waiting, []);
        }

        Report(CollectionsMarshal.AsSpan(left), new IOException($"The manager's storage {database.Path} has stopped after an unforeseen exception. Start the manager anew."));
        Close();
    }

    private readonly record struct Waiting(StorageChange Change, StoredTable Table, Action<Exception?>? Committed, bool IsLast, long Size);
}
