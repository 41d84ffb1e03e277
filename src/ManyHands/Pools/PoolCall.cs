using ManyHands.Calls;
using ManyHands.Platform;

namespace ManyHands.Pools;

/// <summary>Where a call of a process pool is. Guarded by the pool's gate.</summary>
internal enum PoolCallState
{
    /// <summary>Waits for a worker.</summary>
    Queued,

    /// <summary>Sent to a worker that has not started it: it can go to another.</summary>
    Sent,

    /// <summary>Its function was called: it will not run again.</summary>
    Started,

    /// <summary>Its caller has the outcome.</summary>
    Done,
}

/// <summary>A call on its way through a process pool.</summary>
internal sealed class PoolCall(PendingCall call)
{
    public PendingCall Call => call;

    public PoolCallState State { get; set; }

    public PoolWorker? Worker { get; set; }

    public CancellationTokenRegistration Registration { get; set; }

    /// <summary>The end of its timeout, or of its grace.</summary>
    public Deadline? Deadline { get; set; }

    public long StartedAt { get; set; }

    public bool TimedOut { get; set; }

    public bool CancelRequested { get; set; }

    /// <summary>How many workers died with the call sent to them but not started. A call that kills whoever reads it must not go round for ever.</summary>
    public int Returns { get; set; }
}
