using System.Diagnostics;
using ManyHands.Workers;

namespace ManyHands.Pools;

/// <summary>A worker as its pool sees it. Guarded by the pool's gate.</summary>
internal sealed class PoolWorker
{
    private static readonly TimeSpan WorkAhead = TimeSpan.FromMilliseconds(0.5);
    private const int MostAhead = 64;

    private TimeSpan usualRunTime = Timeout.InfiniteTimeSpan;

    public required WorkerLink Link { get; init; }

    public bool IsReady { get; set; }

    /// <summary>All calls that were sent to it and have not come back, by number.</summary>
    public Dictionary<long, PoolCall> Calls { get; } = [];

    public PoolCall? Running { get; set; }

    public long EndedCalls { get; private set; }

    /// <summary>A look at whether the running call holds up those behind it is due.</summary>
    public bool IsWatched { get; set; }

    /// <summary>
    /// How many calls may be with it at a time: one, and for calls so short that the way to the worker would cost more than they do, as many as
    /// make up half a millisecond. Unknown calls count as long.
    /// </summary>
    public int Depth => usualRunTime == Timeout.InfiniteTimeSpan
        ? 1
        : 1 + (int)Math.Min(MostAhead, WorkAhead / Max(usualRunTime, TimeSpan.FromMicroseconds(5)));

    public void CountEnded(TimeSpan runTime)
    {
        EndedCalls++;

        // Slower calls count at once, quicker ones bit by bit: sending too few ahead costs little, too many holds calls up.
        usualRunTime = usualRunTime == Timeout.InfiniteTimeSpan || runTime > usualRunTime
            ? runTime
            : usualRunTime + ((runTime - usualRunTime) / 8);
    }

    public TimeSpan RunningFor => Running is null ? TimeSpan.Zero : Stopwatch.GetElapsedTime(Running.StartedAt);

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
