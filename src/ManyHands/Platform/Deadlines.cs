using System.Diagnostics;

namespace ManyHands.Platform;

/// <summary>
/// Runs short callbacks when their time has come, on one thread of its own: a thread pool whose threads are all taken delays no deadline.
/// The thread starts with the first deadline and ends when there have been none for a while.
/// </summary>
internal static class Deadlines
{
    private static readonly Lock Gate = new();
    private static readonly PriorityQueue<Deadline, long> Waiting = new();
    private static readonly AutoResetEvent Changed = new(false);
    private const int FewCanceled = 1000;
    private static int canceled;
    private static Thread? thread;

    /// <summary>Calls back once, not before the time is over. The callback must be short.</summary>
    /// <param name="time">From now.</param>
    /// <param name="callback">What to do.</param>
    /// <param name="failed">Fails what it was about, should it throw; null if nobody waits for anything of it.</param>
    /// <exception cref="OutOfMemoryException">The system refuses the thread.</exception>
    public static Deadline After(TimeSpan time, Action callback, Action<Exception>? failed = null)
    {
        Deadline deadline = new(Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency), callback, failed);
        lock (Gate)
        {
            // Most deadlines are cancelled long before they are due; what is left of them must not pile up.
            if (Volatile.Read(ref canceled) is var many && many > FewCanceled && many > Waiting.Count / 2)
                ForgetCanceled();
            Waiting.Enqueue(deadline, deadline.Due);
            if (thread is null)
            {
                thread = Guarded.StartService(GuardedEntry.Deadlines, "ManyHands deadlines", Run);
            }
            else if (Waiting.Peek() == deadline)
            {
                Changed.Set();
            }
        }

        return deadline;
    }

    /// <summary>Told by a deadline that it was cancelled.</summary>
    public static void CountCanceled() => Interlocked.Increment(ref canceled);

    private static void ForgetCanceled()
    {
        (Deadline, long)[] live = [.. Waiting.UnorderedItems.Where(item => !item.Element.IsCanceled)];
        Waiting.Clear();
        Waiting.EnqueueRange(live);
        Volatile.Write(ref canceled, 0);
    }

    private static void Run()
    {
        while (true)
        {
            TimeSpan wait = IdleThreads.Time;
            Deadline? due = null;
            lock (Gate)
            {
                while (Waiting.TryPeek(out Deadline? next, out long time))
                {
                    if (next.IsCanceled)
                    {
                        Waiting.Dequeue();
                        continue;
                    }

                    long left = time - Stopwatch.GetTimestamp();
                    if (left <= 0)
                        due = Waiting.Dequeue();
                    else
                        wait = TimeSpan.FromSeconds((double)left / Stopwatch.Frequency) + TimeSpan.FromMilliseconds(0.5);
                    break;
                }
            }

            if (due is not null)
            {
                due.Fire();
                continue;
            }

            // Longer waits are cut into pieces, so that deadlines cancelled meanwhile don't keep the thread for hours.
            bool changed = Changed.WaitOne(wait < IdleThreads.Time ? wait : IdleThreads.Time);
            lock (Gate)
            {
                if (changed || HasLiveDeadline())
                    continue;
                thread = null;
                return;
            }
        }
    }

    private static bool HasLiveDeadline()
    {
        while (Waiting.TryPeek(out Deadline? next, out _))
        {
            if (!next.IsCanceled)
                return true;
            Waiting.Dequeue();
        }

        return false;
    }
}

/// <summary>One callback that waits for its time.</summary>
internal sealed class Deadline(long due, Action callback, Action<Exception>? failed)
{
    private Action? callback = callback;

    public long Due { get; } = due;

    public bool IsCanceled => Volatile.Read(ref callback) is null;

    public void Cancel()
    {
        if (Interlocked.Exchange(ref callback, null) is not null)
            Deadlines.CountCanceled();
    }

    public void Fire()
    {
        if (Interlocked.Exchange(ref callback, null) is { } due)
            Guarded.Run(GuardedEntry.DeadlineCallback, (due, failed), static one => one.due(), static one => $"{one.due.Method.DeclaringType?.Name}.{one.due.Method.Name}", static (one, unforeseen) => one.failed?.Invoke(unforeseen));
    }
}
