using System.Diagnostics;
using System.Globalization;

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
    private static readonly List<(long At, double Seconds)> Looks = [(Stopwatch.GetTimestamp(), 0)];
    private static double share = 1;

    static FairClock() => new Thread(Look) { Name = "fair clock", IsBackground = true }.UnsafeStart();

    /// <summary>Begins to look. What has passed before counts as on the ordinary clock.</summary>
    public static void Start() => _ = Looks;

    /// <summary>How much has passed since an ordinary timestamp, at most what the ordinary clock says.</summary>
    public static TimeSpan Since(long timestamp)
    {
        lock (Looks)
            return TimeSpan.FromSeconds(Math.Max(0, At(Stopwatch.GetTimestamp()) - At(timestamp)));
    }

    /// <summary>How much has passed between two times of day.</summary>
    public static TimeSpan Between(DateTime from, DateTime to)
    {
        lock (Looks)
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

    // Between two looks in proportion; before the first as on the ordinary clock. After the last as slowly as before it, which the next look may find to have been too fast.
    private static double At(long timestamp)
    {
        (long at, double seconds) = Looks[^1];
        if (timestamp >= at)
            return seconds + (share * Math.Min(LongestInterval.TotalSeconds, Stopwatch.GetElapsedTime(at, timestamp).TotalSeconds));
        (at, seconds) = Looks[0];
        if (timestamp <= at)
            return seconds - Stopwatch.GetElapsedTime(timestamp, at).TotalSeconds;
        int low = 0, high = Looks.Count - 1;
        while (high - low > 1)
        {
            int middle = (low + high) / 2;
            (low, high) = Looks[middle].At <= timestamp ? (middle, high) : (low, middle);
        }

        double part = (timestamp - Looks[low].At) / (double)(Looks[high].At - Looks[low].At);
        return Looks[low].Seconds + (part * (Looks[high].Seconds - Looks[low].Seconds));
    }

    private static void Look()
    {
        while (true)
        {
            Thread.Sleep(Interval);
            double found = Math.Min(1, Environment.ProcessorCount / (double)Math.Max(1, WantToRun() - 1));
            lock (Looks)
            {
                share = found;
                long now = Stopwatch.GetTimestamp();
                (long at, double seconds) = Looks[^1];
                Looks.Add((now, seconds + (share * Math.Min(LongestInterval.TotalSeconds, Stopwatch.GetElapsedTime(at, now).TotalSeconds))));
            }
        }
    }

    // On the whole machine, this thread with them; none where nobody says so.
    private static int WantToRun()
    {
        try
        {
            string text = File.ReadAllText("/proc/loadavg");
            string running = text.Split(' ')[3].Split('/')[0];
            return int.Parse(running, CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
