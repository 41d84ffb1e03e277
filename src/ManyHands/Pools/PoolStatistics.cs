namespace ManyHands;

/// <summary>What a pool was doing at one moment. A snapshot: it never changes.</summary>
public sealed record PoolStatistics
{
    /// <summary>The engine: <c>inline</c>, <c>threads</c>, <c>coroutines</c>, <c>processes</c> or <c>remote</c>.</summary>
    public required string Engine { get; init; }

    /// <summary>The most workers the pool will have.</summary>
    public required int WorkerLimit { get; init; }

    /// <summary>The workers it has; they start on demand.</summary>
    public required IReadOnlyList<PoolWorkerStatistics> Workers { get; init; }

    /// <summary>Calls that wait for a worker.</summary>
    public required long QueuedCalls { get; init; }

    /// <summary>Calls that run.</summary>
    public required long RunningCalls { get; init; }

    /// <summary>Calls that ended with a result.</summary>
    public required long CompletedCalls { get; init; }

    /// <summary>Calls whose function threw, or whose result could not travel.</summary>
    public required long FailedCalls { get; init; }

    /// <summary>Calls that were cancelled by their caller.</summary>
    public required long CanceledCalls { get; init; }

    /// <summary>Calls that exceeded their <see cref="CallOptions.Timeout"/>.</summary>
    public required long TimedOutCalls { get; init; }

    /// <summary>Calls whose worker process ended under them.</summary>
    public required long CrashedCalls { get; init; }

    /// <summary>Workers started since the pool was made, replacements included.</summary>
    public required long WorkersStarted { get; init; }

    /// <summary>Workers that ended other than by our wish.</summary>
    public required long WorkersLost { get; init; }

    /// <summary>Workers that were replaced because they had run enough calls, were old enough, or held too much memory.</summary>
    public long WorkersRecycled { get; init; }

    /// <summary>What enforces <see cref="ProcessPoolOptions.MaxWorkerMemory"/> in the workers there are now.</summary>
    public MemoryLimitMechanisms MemoryLimits { get; init; }

    /// <summary>How calls reach the workers; the pool's option until the first is ready. Of no meaning for engines without processes.</summary>
    public WorkerTransport Transport { get; init; }
}

/// <summary>One worker of a pool at one moment.</summary>
public sealed record PoolWorkerStatistics
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its process id (processes; a worker is listed from when its process is there), or a number that is unique in this process. Above 0.</summary>
    public required int Id { get; init; }

    /// <summary>Whether it runs a call.</summary>
    public required bool IsBusy { get; init; }

    /// <summary>The name of the call it runs; null if none.</summary>
    public string? CurrentCall { get; init; }

    /// <summary>How many calls it has ended.</summary>
    public required long EndedCalls { get; init; }
}
