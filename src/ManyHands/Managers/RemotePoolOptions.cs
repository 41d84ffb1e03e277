namespace ManyHands;

/// <summary>Options of <c>Pool.Remote</c>.</summary>
public sealed record RemotePoolOptions
{
    /// <summary>
    /// How long a call waits where there is no worker at all before it fails with <see cref="PoolBrokenException"/>; it doesn't count while there is one, however busy. Default: <see cref="Timeout.InfiniteTimeSpan"/>, until one comes.
    /// </summary>
    public TimeSpan NoWorkerTimeout { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>
    /// How long <see cref="Pool.DisposeAsync"/> waits for calls that were accepted; then they are cancelled in their workers and fail with <see cref="ObjectDisposedException"/>. Default: 30 seconds.
    /// </summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate()
    {
        TimeLimits.CheckOrInfinite(NoWorkerTimeout, nameof(NoWorkerTimeout));
        TimeLimits.CheckOrInfinite(ShutdownTimeout, nameof(ShutdownTimeout));
    }
}

/// <summary>Options of a <see cref="RemoteWorker"/>.</summary>
public sealed record RemoteWorkerOptions
{
    /// <summary>How the worker is called in statistics and messages, at most 200 characters. Default: the machine, and the process's name and id.</summary>
    public string Name { get; init; } = $"{Environment.MachineName}/{Path.GetFileNameWithoutExtension(Environment.ProcessPath) ?? "process"}-{Environment.ProcessId}";

    /// <summary>How many calls it runs at a time, from 1 to 10,000. Default: null, as many as its pool has workers.</summary>
    public int? Capacity { get; init; }

    /// <summary>How long <see cref="RemoteWorker.DisposeAsync"/> waits for calls that it has begun; then they are cancelled, and lost to their callers. Default: 30 seconds.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Name);
        if (Name.Length > 200)
            throw new ArgumentException($"The worker's name has {Name.Length} characters, and 200 are allowed.", nameof(Name));
        if (Capacity is < 1 or > 10_000)
            throw new ArgumentOutOfRangeException(nameof(Capacity), Capacity, $"{nameof(Capacity)} lies between 1 and 10,000.");
        TimeLimits.CheckOrInfinite(ShutdownTimeout, nameof(ShutdownTimeout));
    }
}
