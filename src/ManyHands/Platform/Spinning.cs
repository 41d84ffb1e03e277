using System.Diagnostics;

namespace ManyHands.Platform;

/// <summary>
/// Looking again and again for a while instead of sleeping at once. The caller decides whether it pays, and tells the worker to do the same. Where it doesn't pay it is done ever more
/// seldom: with more to do than there are cores, and where the other side usually takes longer. With one processor for both, each look gives it to the other.
/// </summary>
internal sealed class Spinning
{
    private const int FailuresAllowed = 2;
    private const int MostSkipped = 64;
    private static readonly bool HasOneProcessor = Environment.ProcessorCount == 1;

    /// <summary>A worker that sleeps on another core needs about half of that to answer.</summary>
    private static readonly long CallersLongest = Stopwatch.Frequency / 20_000;
    private static readonly long WorkersLongest = Stopwatch.Frequency / 50_000;

    private int failures;
    private int skip;

    /// <summary>Whether it is worth a try this time; ask once for each time there is something to wait for.</summary>
    public bool IsWorthwhile
    {
        get
        {
            if (skip == 0)
                return true;
            skip--;
            return false;
        }
    }

    /// <summary>When a caller gives up.</summary>
    public static long CallersDeadline => Stopwatch.GetTimestamp() + CallersLongest;

    /// <summary>When a worker gives up, whose next call would be there by then if there were one.</summary>
    public static long WorkersDeadline => Stopwatch.GetTimestamp() + WorkersLongest;

    /// <summary>One look's pause; false when it is time to give up. Only every few rounds does it look at the clock.</summary>
    public static bool Pause(ref int rounds, long deadline)
    {
        if (HasOneProcessor)
        {
            // The other side can only go on if this one steps back.
            Thread.Yield();
            return Stopwatch.GetTimestamp() < deadline;
        }

        Thread.SpinWait(1);
        return (++rounds & 7) != 0 || Stopwatch.GetTimestamp() < deadline;
    }

    public void Succeeded() => failures = 0;

    public void Failed()
    {
        if (++failures > FailuresAllowed)
            skip = Math.Min(MostSkipped, 1 << Math.Min(failures, 10));
    }
}
