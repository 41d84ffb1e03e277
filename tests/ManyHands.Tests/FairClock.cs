using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace ManyHands.Tests;

/// <summary>
/// Time that passes the more slowly the more threads want a processor: a second of it is a second of which a thread could have run all. A promise of "within a second" is about this library, and not about what else
/// the machine does; so it is measured by this clock, and "not before" by the ordinary one. On a machine with nothing else to do the two are the same.
/// </summary>
/// <remarks>
/// A thread looks every 20 ms how many threads want to run. What it wakes up late by doesn't count either: whoever it measures was held up as well.
/// </remarks>
public static class FairClock
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromMilliseconds(25);
    // Of the last twenty minutes, in room that is there from the start: what is measured beside it may be the memory or the descriptors of this process.
    private static readonly (long At, double Seconds)[] Looks = new (long, double)[1 << 16];
    private static readonly SafeFileHandle? Load = OperatingSystem.IsLinux() ? File.OpenHandle("/proc/loadavg") : null;
    private static readonly Lock Gate = new();
    private static long looks = 1;
    private static double share = 1;

    static FairClock()
    {
        Looks[0] = (Stopwatch.GetTimestamp(), 0);
        new Thread(Look) { Name = "fair clock", IsBackground = true }.UnsafeStart();
    }

    /// <summary>Begins to look. What has passed before counts as on the ordinary clock.</summary>
    public static void Start() => _ = Looks;

    /// <summary>How much has passed since an ordinary timestamp, at most what the ordinary clock says.</summary>
    public static TimeSpan Since(long timestamp)
    {
        lock (Gate)
            return TimeSpan.FromSeconds(Math.Max(0, At(Stopwatch.GetTimestamp()) - At(timestamp)));
    }

    /// <summary>How long so much takes on the ordinary clock, if it goes on as in the last second: for time limits that something has to be done within.</summary>
    public static TimeSpan Ordinary(TimeSpan time)
    {
        long now = Stopwatch.GetTimestamp();
        lock (Gate)
            return time / Math.Clamp(At(now) - At(now - Stopwatch.Frequency), 0.05, 1);
    }

    /// <summary>How much has passed between two times of day.</summary>
    public static TimeSpan Between(DateTime from, DateTime to)
    {
        lock (Gate)
            return TimeSpan.FromSeconds(At(Timestamp(to)) - At(Timestamp(from)));

        static long Timestamp(DateTime time) => Stopwatch.GetTimestamp() - (long)((DateTime.Now - time).TotalSeconds * Stopwatch.Frequency);
    }

    /// <summary>Waits for a task, by this clock.</summary>
    /// <exception cref="TimeoutException">It isn't over by then.</exception>
    public static async Task InTime(this Task task, TimeSpan time, CancellationToken cancellationToken = default)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!task.IsCompleted)
        {
            TimeSpan left = time - Since(startedAt);
            if (left <= TimeSpan.Zero)
                throw new TimeoutException(string.Create(CultureInfo.InvariantCulture, $"Not over within {time.TotalSeconds} s, which took {Stopwatch.GetElapsedTime(startedAt).TotalSeconds:0.0} s here."));
            try
            {
                await task.WaitAsync(left < Interval ? Interval : left, cancellationToken);
            }
            catch (TimeoutException) when (!task.IsCompleted)
            {
                // By the ordinary clock.
            }
        }

        await task;
    }

    /// <inheritdoc cref="InTime(Task, TimeSpan, CancellationToken)"/>
    public static async Task<T> InTime<T>(this Task<T> task, TimeSpan time, CancellationToken cancellationToken = default)
    {
        await InTime((Task)task, time, cancellationToken);
        return await task;
    }

    // Between two looks in proportion; before the first that is kept as on the ordinary clock. After the last as slowly as before it, which the next look may find to have been too fast.
    private static double At(long timestamp)
    {
        (long at, double seconds) = Kept(looks - 1);
        if (timestamp >= at)
            return seconds + (share * Math.Min(LongestInterval.TotalSeconds, Stopwatch.GetElapsedTime(at, timestamp).TotalSeconds));
        long low = Math.Max(0, looks - Looks.Length), high = looks - 1;
        (at, seconds) = Kept(low);
        if (timestamp <= at)
            return seconds - Stopwatch.GetElapsedTime(timestamp, at).TotalSeconds;
        while (high - low > 1)
        {
            long middle = (low + high) / 2;
            (low, high) = Kept(middle).At <= timestamp ? (middle, high) : (low, middle);
        }

        (at, seconds) = Kept(low);
        (long next, double then) = Kept(high);
        return seconds + ((timestamp - at) / (double)(next - at) * (then - seconds));
    }

    private static (long At, double Seconds) Kept(long look) => Looks[look % Looks.Length];

    private static void Look()
    {
        while (true)
        {
            Thread.Sleep(Interval);
            double found = Math.Min(1, Environment.ProcessorCount / (double)Math.Max(1, WantToRun() - 1));
            lock (Gate)
            {
                share = found;
                long now = Stopwatch.GetTimestamp();
                (long at, double seconds) = Kept(looks - 1);
                Looks[looks++ % Looks.Length] = (now, seconds + (share * Math.Min(LongestInterval.TotalSeconds, Stopwatch.GetElapsedTime(at, now).TotalSeconds)));
            }
        }
    }

    // On the whole machine, this thread with them: the number before the stroke. None where nobody says so.
    private static int WantToRun()
    {
        Span<byte> text = stackalloc byte[128];
        if (Load is null)
            return 0;
        text = text[..RandomAccess.Read(Load, text, 0)];
        int stroke = text.IndexOf((byte)'/');
        return stroke > 0 && int.TryParse(text[(text[..stroke].LastIndexOf((byte)' ') + 1)..stroke], CultureInfo.InvariantCulture, out int running) ? running : 0;
    }
}
