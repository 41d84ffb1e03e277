namespace ManyHands;

/// <summary>How calls reach a worker process.</summary>
public enum WorkerTransport
{
    /// <summary>The best that the platform has: <see cref="SharedMemory"/> on Linux, where the kernel allows it, else <see cref="Sockets"/>.</summary>
    Automatic,

    /// <summary>
    /// Rings in memory that the parent shares with this one worker: a call costs about a microsecond. Linux only; elsewhere the pool can't start workers.
    /// </summary>
    SharedMemory,

    /// <summary>A socket pair: everywhere, and slower by some tens of microseconds a call.</summary>
    Sockets,
}
