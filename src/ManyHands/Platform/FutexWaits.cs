using System.Diagnostics;

namespace ManyHands.Platform;

/// <summary>A word in shared memory, and what it holds while there is nothing to do but sleep.</summary>
internal readonly record struct WaitWord(nint Address, uint Value);

/// <summary>
/// Sleeps on words in shared memory for all tasks of the process that wait for one, on one thread. It starts with the first wait and ends when there have been none for a while.
/// </summary>
/// <remarks>
/// One system call sleeps on all words (futex_waitv). Where the system has none, the thread looks every two milliseconds instead. All tasks that wait on a word are woken together and try again.
/// A word is read by this thread only while its task waits.
/// </remarks>
internal static class FutexWaits
{
    private const long Millisecond = 1_000_000;
    private const long PollEvery = 2 * Millisecond;

    /// <summary>With more words than one call can sleep on, each has its turn.</summary>
    private const long TurnTime = 10 * Millisecond;

    private static readonly Lock Gate = new();
    private static readonly List<Entry> Waiting = [];

    // Counts changes of the list; the thread sleeps on it too. Never freed.
    private static readonly unsafe uint* Changes = (uint*)System.Runtime.InteropServices.NativeMemory.AllocZeroed(sizeof(uint));
    private static Thread? thread;

    /// <summary>Whether one call can sleep on several words; until it is known, yes.</summary>
    public static bool IsAnySupported { get; private set; } = true;

    /// <summary>Now, in nanoseconds of the monotonic clock that futexes have too.</summary>
    public static long Now => Stopwatch.GetTimestamp();

    /// <summary>
    /// Completes when somebody wakes at the word, when it holds something else, at the due time at the latest, or when cancelled: look again in any case. Its continuation never runs on the thread that waits.
    /// </summary>
    public static async Task WaitAsync(WaitWord until, long due, CancellationToken token)
    {
        Entry entry = new(until, due);
        Add(entry);
        using CancellationTokenRegistration registration = Guarded.OnCanceled(GuardedEntry.WaitCancellation, token, entry, Cancel, static _ => "a wait", static (entry, unforeseen) => entry.TrySetException(unforeseen));
        await entry.Task.ConfigureAwait(false);
    }

    /// <summary>Sleeps on a word, on the caller's thread, and also on one of the caller's own; may return for no reason.</summary>
    public static unsafe void Sleep(WaitWord until, uint* own, uint ownValue, long due)
    {
        if (IsAnySupported)
        {
            Linux.FutexWaiter* words = stackalloc Linux.FutexWaiter[] { new((uint*)until.Address, until.Value), new(own, ownValue) };
            NoteSupport(Linux.FutexWaitAny(words, 2, due));
        }
        else
        {
            Sleep(until, Math.Min(due, Now + (PollEvery * 10)));
        }
    }

    /// <summary>Sleeps on a word, on the caller's thread; may return for no reason.</summary>
    public static unsafe void Sleep(WaitWord until, long due)
    {
        long left = due - Now;
        if (left > 0)
            Linux.FutexWait((uint*)until.Address, until.Value, TimeSpan.FromTicks((left / 100) + 1));
    }

    /// <summary>Sleeps on several words, on the caller's thread, and also on one of the caller's own that holds 0, if any; may return for no reason.</summary>
    public static unsafe void SleepOnAny(ReadOnlySpan<WaitWord> words, uint* own, long due)
    {
        if (!IsAnySupported)
        {
            Sleep(words[0], Math.Min(due, Now + PollEvery));
            return;
        }

        Linux.FutexWaiter* waiters = stackalloc Linux.FutexWaiter[Linux.MostFutexes];
        int count = 0;
        if (own is not null)
            waiters[count++] = new(own, 0);
        if (words.Length > Linux.MostFutexes - count)
        {
            due = Math.Min(due, Now + TurnTime);
            words = words[..(Linux.MostFutexes - count)];
        }

        foreach (WaitWord word in words)
            waiters[count++] = new((uint*)word.Address, word.Value);
        NoteSupport(Linux.FutexWaitAny(waiters, count, due));
    }

    /// <summary>The same without a thread.</summary>
    /// <inheritdoc cref="WaitAsync"/>
    public static async Task WaitAnyAsync(IReadOnlyList<WaitWord> words, long due, CancellationToken token)
    {
        using CancellationTokenSource enough = CancellationTokenSource.CreateLinkedTokenSource(token);
        Task[] waits = [.. words.Select(word => WaitAsync(word, due, enough.Token))];
        await Task.WhenAny(waits).ConfigureAwait(false);
        await enough.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(waits).ConfigureAwait(false);
    }

    private static unsafe void Add(Entry entry)
    {
        lock (Gate)
        {
            entry.Place = Waiting.Count;
            Waiting.Add(entry);
            if (thread is null)
            {
                thread = Guarded.StartService(GuardedEntry.Waits, "ManyHands waits", Run);
            }
            else
            {
                Volatile.Write(ref *Changes, *Changes + 1);
                Linux.FutexWake(Changes, 1);
            }
        }
    }

    private static void NoteSupport(int result)
    {
        if (result is -Linux.ErrorNoSuchCall or -Linux.ErrorNotPermitted)
            IsAnySupported = false;
    }

    private static void Cancel(Entry entry)
    {
        lock (Gate)
            Complete(entry);
    }

    private static unsafe void Run()
    {
        Linux.FutexWaiter* words = stackalloc Linux.FutexWaiter[Linux.MostFutexes];
        HashSet<WaitWord> distinct = [];
        int turn = 0;
        long idleUntil = long.MaxValue;
        while (true)
        {
            int count = 1;
            long due;
            uint changes;
            lock (Gate)
            {
                due = CompleteAll();
                if (Waiting.Count == 0)
                {
                    if (idleUntil == long.MaxValue)
                        idleUntil = Now + (long)(IdleThreads.Time.TotalMilliseconds * Millisecond);
                    if (Now >= idleUntil)
                    {
                        thread = null;
                        return;
                    }

                    due = idleUntil;
                }
                else
                {
                    idleUntil = long.MaxValue;
                }

                changes = *Changes;
                words[0] = new(Changes, changes);
                distinct.Clear();
                int looked = 0;
                for (; looked < Waiting.Count && count < Linux.MostFutexes; looked++)
                {
                    WaitWord until = Waiting[(turn + looked) % Waiting.Count].Until;
                    if (distinct.Add(until))
                        words[count++] = new((uint*)until.Address, until.Value);
                }

                if (looked < Waiting.Count)
                {
                    turn = (turn + looked) % Waiting.Count;
                    due = Math.Min(due, Now + TurnTime);
                }
            }

            if (!IsAnySupported)
            {
                Sleep(new((nint)Changes, changes), Waiting.Count == 0 ? due : Math.Min(due, Now + PollEvery));
                continue;
            }

            int result = Linux.FutexWaitAny(words, count, due);
            if (result > 0)
            {
                lock (Gate)
                    CompleteAt((nint)words[result].Address);
            }
            else if (result < 0 && result is not (-Linux.ErrorAgain or -Linux.ErrorInterrupted or -Linux.ErrorTimedOut))
            {
                // A word whose memory went away with its wait just now, or a kernel that has no such call: not a loop without rest.
                NoteSupport(result);
                Sleep(new((nint)Changes, changes), Now + PollEvery);
            }
        }
    }

    // Those whose word has changed or whose time is over. The time of the next.
    private static unsafe long CompleteAll()
    {
        long now = Now;
        long next = long.MaxValue;
        for (int i = Waiting.Count - 1; i >= 0; i--)
        {
            Entry entry = Waiting[i];
            if (Volatile.Read(ref *(uint*)entry.Until.Address) != entry.Until.Value || entry.Due <= now)
                Complete(entry);
            else
                next = Math.Min(next, entry.Due);
        }

        return next;
    }

    private static void CompleteAt(nint address)
    {
        for (int i = Waiting.Count - 1; i >= 0; i--)
        {
            if (Waiting[i].Until.Address == address)
                Complete(Waiting[i]);
        }
    }

    private static void Complete(Entry entry)
    {
        if (entry.Place < 0)
            return;
        Entry last = Waiting[^1];
        Waiting[entry.Place] = last;
        last.Place = entry.Place;
        Waiting.RemoveAt(Waiting.Count - 1);
        entry.Place = -1;
        entry.TrySetResult();
    }

    private sealed class Entry(WaitWord until, long due) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public WaitWord Until { get; } = until;

        public long Due { get; } = due;

        public int Place { get; set; }
    }
}
