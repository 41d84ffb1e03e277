using System.Diagnostics;

namespace ManyHands.Platform;

/// <summary>
/// Runs short callbacks when their time has come, on one thread of its own: a thread pool whose threads are all taken delays no deadline.
/// The thread starts with the first deadline and ends when there have been none for a while, unless somebody has it kept (<see cref="Keep"/>).
/// </summary>
internal static class Deadlines
{
    private static readonly Lock Gate = new();
    private static readonly PriorityQueue<Deadline, long> Waiting = new();
    private static readonly AutoResetEvent Changed = new(false);
    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(1);
    private const int FewCanceled = 1000;
    private static int canceled;
    private static int kept;
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

    /// <summary>
    /// Has the thread stay, once it runs, until this is disposed of: whoever will surely have more deadlines can't rely on another start of it. A thread takes two descriptors
    /// for its start, and memory.
    /// </summary>
    public static IDisposable Keep()
    {
        Interlocked.Increment(ref kept);
        return new Kept();
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
            TimeSpan longest = Volatile.Read(ref kept) > 0 ? LongestWait : IdleThreads.Time;
            TimeSpan wait = longest;
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
            bool changed = Changed.WaitOne(wait < longest ? wait : longest);
            lock (Gate)
            {
                if (changed || HasLiveDeadline() || Volatile.Read(ref kept) > 0)
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

    private sealed class Kept : IDisposable
    {
        private int ended;

        public void Dispose()
        {
            // The thread's idle time begins.
            if (Interlocked.Exchange(ref ended, 1) == 0 && Interlocked.Decrement(ref kept) == 0)
                Changed.Set();
        }
    }
}

/// <summary>One callback that waits for its time.</summary>
internal sealed class Deadline(long due, Action callback, Action<Exception>? failed)
{
    private Action? callback = callback;
    private Action<Exception>? failed = failed;

    public long Due { get; } = due;

    public bool IsCanceled => Volatile.Read(ref callback) is null;

    public void Cancel()
    {
        if (Interlocked.Exchange(ref callback, null) is null)
            return;

        // It may lie there until it would have been due, and needn't keep what it was about.
        failed = null;
        Deadlines.CountCanceled();
    }

    public void Fire()
    {
        if (Interlocked.Exchange(ref callback, null) is { } due)
            Guarded.Run(GuardedEntry.DeadlineCallback, (due, failed), static one => one.due(), static one => $"{one.due.Method.DeclaringType?.Name}.{one.due.Method.Name}", static (one, unforeseen) => one.failed?.Invoke(unforeseen));
    }
}
