using ManyHands.Calls;
using ManyHands.Workers;

namespace ManyHands.Pools;

/// <summary>A worker as its pool sees it. Guarded by the dispatcher's gate, but for what says otherwise.</summary>
internal sealed class PoolWorker : IWorkerLinkOwner
{
    private static readonly TimeSpan WorkAhead = TimeSpan.FromMilliseconds(0.5);
    private const int MostAhead = 64;

    private readonly Dispatcher dispatcher;
    private readonly int? fixedDepth;
    private TimeSpan usualRunTime = Timeout.InfiniteTimeSpan;

    /// <param name="dispatcher">Hears what becomes of its calls.</param>
    /// <param name="settings">What it is started with.</param>
    /// <param name="fixedDepth">Its <see cref="Depth"/>, whatever its calls take; null for what they say.</param>
    public PoolWorker(Dispatcher dispatcher, WorkerSettings settings, int? fixedDepth)
    {
        this.dispatcher = dispatcher;
        this.fixedDepth = fixedDepth;
        Link = new WorkerLink(settings, this);
    }

    public WorkerLink Link { get; }

    /// <summary>Held by who sends to it, so that what is sent comes in the order of its numbers. Taken before the dispatcher's gate.</summary>
    public Lock Feeding { get; } = new();

    /// <summary>The first of its <see cref="Calls"/>; read without the gate by who reads from it.</summary>
    public PoolCall? First;

    public bool IsGone { get; set; }

    public bool IsReady { get; set; }

    public long ReadyAt { get; set; }

    /// <summary>Gets no more calls and ends when its last has ended.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>Its heap or its memory is in a state in which it should run nothing more.</summary>
    public bool IsUnwell { get; set; }

    public bool IsIdle { get; set; }

    public long IdleSince { get; set; }

    /// <summary>All calls that were sent to it and have not come back, in the order of their numbers. The first is the one it runs, if it runs any.</summary>
    public List<PoolCall> Calls { get; } = [];

    public long NextSequence { get; set; } = WorkerLink.FirstSequence;

    public long EndedCalls { get; set; }

    public long MemoryCheckedAt { get; set; }

    /// <summary>A look at whether the running call holds up those behind it is due.</summary>
    public bool IsWatched { get; set; }

    /// <summary>What it had started at the last look.</summary>
    public long WatchedSequence { get; set; }

    /// <summary>It has run one call for long, and is sent none ahead until that has ended.</summary>
    public bool IsHeldUp { get; set; }

    /// <summary>
    /// How many calls may be with it at a time: one, and for calls so short that the way to the worker would cost more than they do, as many as
    /// make up half a millisecond. Unknown calls count as long.
    /// </summary>
    public int Depth => fixedDepth ?? (usualRunTime == Timeout.InfiniteTimeSpan
        ? 1
        : 1 + (int)Math.Min(MostAhead, WorkAhead / Max(usualRunTime, TimeSpan.FromMicroseconds(5))));

    /// <summary>The call that runs there now, as far as the worker has said; null if none.</summary>
    public PoolCall? Running => Calls.Count > 0 && Link.Started.Sequence >= Calls[0].First + Calls[0].Ended ? Calls[0] : null;

    public void CountRunTime(TimeSpan runTime)
    {
        // Slower calls count at once, quicker ones bit by bit: sending too few ahead costs little, too many holds calls up.
        usualRunTime = usualRunTime == Timeout.InfiniteTimeSpan || runTime > usualRunTime
            ? runTime
            : usualRunTime + ((runTime - usualRunTime) / 8);
    }

    /// <summary>The call that a sequence number belongs to; null if the worker has no business with it.</summary>
    public PoolCall? Find(long sequence)
    {
        foreach (PoolCall call in Calls)
        {
            if (sequence >= call.First && sequence < call.First + call.Count)
                return call;
        }

        return null;
    }

    public void OnSpawned(WorkerLink link)
    {
    }

    public void OnReady(WorkerLink link) => dispatcher.OnReady(this);

    public void OnEnded(WorkerLink link, long sequence, OutcomeKind kind, ReadOnlyMemory<byte> payload, TimeSpan runTime, bool isUnwell) =>
        dispatcher.OnEnded(this, sequence, kind, payload, runTime, isUnwell);

    public void OnResults(WorkerLink link, long sequence, int count, ReadOnlyMemory<byte> payload) => dispatcher.OnResults(this, sequence, count, payload);

    public void OnProgress(WorkerLink link, long sequence, int receiver, ReadOnlyMemory<byte> value) => dispatcher.OnProgress(this, sequence, receiver, value);

    public void OnUnreadableReport(WorkerLink link, long sequence, Exception reason) => dispatcher.OnUnreadableReport(this, sequence, reason);

    public void OnReturned(WorkerLink link, long sequence) => dispatcher.OnReturned(this, sequence);

    public void OnAllRead(WorkerLink link) => Dispatcher.OnAllRead(this);

    public void OnGone(WorkerLink link, WorkerGone gone) => dispatcher.OnGone(this, gone);

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
