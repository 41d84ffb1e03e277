using ManyHands.Platform;
using Microsoft.Extensions.Logging;

namespace ManyHands.Managers;

/// <summary>
/// The manager's way to its storage. A change that somebody waits for is made when it is kept; if it can't be, that one is told, and nothing has changed. What has happened already (an item has arrived where it was sent to) can't be
/// taken back: it is owed until it is kept, and meanwhile every other change is refused, so that what was acknowledged is what the next manager finds.
/// </summary>
internal sealed class StorageWriter(ManagerStorage storage, Action<LogLevel, string> log)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly Lock gate = new();
    private readonly List<StorageChange> owed = [];
    private volatile Exception? failure;
    private bool isClosed;

    /// <summary>Why something is owed; null if nothing is.</summary>
    public Exception? Failure => failure;

    /// <summary>Ends when more may be asked for.</summary>
    public Task RoomAsync() => storage.RoomAsync();

    /// <summary>Reads all that was kept. Called once, first.</summary>
    public IReadOnlyList<StoredObject> Load()
    {
        storage.Lost = Owe;
        return storage.Load();
    }

    /// <summary>Keeps changes, all of them or none.</summary>
    /// <param name="changes">What to keep.</param>
    /// <param name="done">Called once, later or at once, by any thread, with the reason if nothing was kept.</param>
    /// <param name="failed">Told what <paramref name="done"/> throws: the storage's thread serves others too.</param>
    public void Keep(ReadOnlySpan<StorageChange> changes, Action<Exception?> done, Action<Exception> failed)
    {
        if (changes.IsEmpty)
        {
            done(null);
            return;
        }

        Awaited awaited = new(done, failed);
        try
        {
            storage.WriteAll(changes, awaited.End);
        }
        catch (Exception reason)
        {
            awaited.End(reason);
        }
    }

    /// <summary>Keeps what has happened, now or as soon as that is possible.</summary>
    public void Record(in StorageChange fact)
    {
        if (failure is not null)
        {
            lock (gate)
            {
                if (failure is not null)
                {
                    owed.Add(fact);
                    return;
                }
            }
        }

        try
        {
            storage.Write(fact, committed: null);
        }
        catch (Exception reason)
        {
            Owe(fact, reason);
        }
    }

    /// <summary>Writes what is left, closes the storage, and says what is lost with it.</summary>
    public async Task CloseAsync()
    {
        StorageChange[] last;
        lock (gate)
        {
            isClosed = true;
            last = [.. owed];
        }

        if (last.Length > 0)
            Keep(last, reason => Forget(last.Length, reason), static _ => { });
        await storage.DisposeAsync().ConfigureAwait(false);
        lock (gate)
        {
            if (owed.Count > 0)
                log(LogLevel.Error, $"The storage was closed without {owed.Count:N0} changes that it couldn't keep: items that were taken are there again at the next start, or aren't marked as given before. {ExceptionText.MessageOf(failure)}");
        }
    }

    private void Owe(StorageChange fact, Exception reason)
    {
        bool isFirst;
        reason = Readable(reason);
        lock (gate)
        {
            owed.Add(fact);
            isFirst = failure is null;
            failure = reason;
        }

        if (!isFirst)
            return;
        log(LogLevel.Error, $"The storage can't keep what has happened. Until it can, changes are refused. {ExceptionText.MessageOf(reason)}");
        TryLater();
    }

    private void TryLater()
    {
        if (!isClosed)
            Deadlines.After(Pause, TryAgain);
    }

    private void TryAgain()
    {
        StorageChange[] facts;
        lock (gate)
        {
            if (isClosed)
                return;
            facts = [.. owed];
        }

        Keep(facts, reason =>
        {
            if (!Forget(facts.Length, reason))
                TryLater();
        }, static _ => { });
    }

    // True if nothing is owed any more.
    private bool Forget(int count, Exception? reason)
    {
        lock (gate)
        {
            if (reason is not null)
            {
                failure = reason;
                return false;
            }

            owed.RemoveRange(0, count);
            if (owed.Count > 0)
                return false;
            failure = null;
        }

        log(LogLevel.Information, "The storage has kept what it owed; changes are taken again.");
        return true;
    }

    // A storage's exception may be anybody's, and many are told of it.
    private static IOException Readable(Exception reason) => reason as IOException ?? new IOException($"{reason.GetType().Name}: {ExceptionText.MessageOf(reason)}", reason);

    /// <summary>Whoever waits for changes, who is called once.</summary>
    private sealed class Awaited(Action<Exception?> done, Action<Exception> failed)
    {
        private Action<Exception?>? done = done;

        public void End(Exception? failure)
        {
            if (Interlocked.Exchange(ref done, null) is not { } callback)
                return;
            using FlushScope scope = FlushScope.Enter();
            try
            {
                callback(failure is null ? null : Readable(failure));
            }
            catch (Exception reason)
            {
                failed(reason);
            }
        }
    }
}
