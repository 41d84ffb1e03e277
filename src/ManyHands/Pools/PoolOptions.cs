using ManyHands.Platform;

namespace ManyHands;

/// <summary>Options of <see cref="Pool.Inline"/>.</summary>
public sealed record InlinePoolOptions
{
    /// <summary>Runs once, before the first call. Default: none.</summary>
    public Action? Initializer { get; init; }

    /// <summary>How long <see cref="Pool.DisposeAsync"/> waits for asynchronous calls that were accepted. Default: 30 seconds.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate() => TimeLimits.CheckOrInfinite(ShutdownTimeout, nameof(ShutdownTimeout));
}

/// <summary>Options of <see cref="Pool.Threads"/>.</summary>
public sealed record ThreadPoolOptions
{
    /// <summary>Runs once in each worker thread, before its first call. If it throws, the pool is broken. Default: none.</summary>
    public Action? Initializer { get; init; }

    /// <summary>How long <see cref="Pool.DisposeAsync"/> waits for calls that were accepted. Default: 30 seconds.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate() => TimeLimits.CheckOrInfinite(ShutdownTimeout, nameof(ShutdownTimeout));
}

/// <summary>Options of <see cref="Pool.Coroutines"/>.</summary>
public sealed record CoroutinePoolOptions
{
    /// <summary>Runs once on the coroutines' thread, before the first call. If it throws, the pool is broken. Default: none.</summary>
    public Action? Initializer { get; init; }

    /// <summary>How long <see cref="Pool.DisposeAsync"/> waits for calls that were accepted. Default: 30 seconds.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate() => TimeLimits.CheckOrInfinite(ShutdownTimeout, nameof(ShutdownTimeout));
}

/// <summary>Options of <see cref="Pool.Processes"/>.</summary>
public sealed record ProcessPoolOptions
{
    private const int MostSpares = 100;
    private const long SmallestMemory = 32 * 1024 * 1024;

    /// <summary>
    /// Runs once in each worker process, before its first call: load a model, open a connection, set a culture. Captured variables travel
    /// like those of any call. Default: none.
    /// </summary>
    /// <remarks>If it keeps failing, the calls end with <see cref="PoolBrokenException"/>.</remarks>
    public Action? Initializer { get; init; }

    /// <summary>Environment variables that workers get in addition to, or instead of, this process's own; a null value takes one away. Default: none.</summary>
    /// <remarks>Names are not empty and have neither <c>=</c> nor a null character in them, values no null character; other ones are refused with <see cref="ArgumentException"/> when the pool is made.</remarks>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>The directory workers start in. Default: null, this process's own.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>
    /// How long <see cref="Pool.DisposeAsync"/> waits for calls that were accepted; then the workers are killed and the calls left fail
    /// with <see cref="ObjectDisposedException"/>. Default: 30 seconds.
    /// </summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a worker may take from its start until it is ready, without its initializer. Default: 30 seconds.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Receives each whole line that a worker writes to its standard output or error, one at a time. Default: null, which writes the lines
    /// to this process's own <see cref="Console.Out"/> and <see cref="Console.Error"/>.
    /// </summary>
    public Action<WorkerOutputLine>? Output { get; init; }

    /// <summary>How calls reach the workers. Default: <see cref="WorkerTransport.Automatic"/>.</summary>
    public WorkerTransport Transport { get; init; }

    /// <summary>Workers that stay however idle the pool is; they start on demand like all others. Default: 1.</summary>
    public int MinWorkers { get; init; } = 1;

    /// <summary>
    /// Ready workers that the pool keeps beyond those at work, over its number of workers if need be: more work and the death of a worker find one waiting instead of a start
    /// of some tens of milliseconds. They never make more calls run at a time. At most 100. Default: 0.
    /// </summary>
    public int SpareWorkers { get; init; }

    /// <summary>
    /// After how long without a call a worker ends, down to <see cref="MinWorkers"/> and <see cref="SpareWorkers"/>. Default: one minute. <see cref="Timeout.InfiniteTimeSpan"/> keeps all.
    /// </summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>After how many calls a worker is replaced, between two calls; items of maps count as calls. Default: null, never.</summary>
    public int? MaxCallsPerWorker { get; init; }

    /// <summary>After how long since its start a worker is replaced, when its next call has ended. Default: null, never.</summary>
    public TimeSpan? MaxWorkerAge { get; init; }

    /// <summary>
    /// How many bytes of resident memory a worker may hold between calls; one that holds more is replaced, which is how memory leaked by a library comes back. Looked at
    /// after a call, at most every 50 ms. Default: null, any.
    /// </summary>
    public long? RecycleMemory { get; init; }

    /// <summary>
    /// How many bytes of memory a worker may use at any time, at least 32 MiB. A call that needs more fails: with <see cref="OutOfMemoryException"/> when the garbage collector
    /// finds out, with <see cref="WorkerCrashedException"/> when the system or this process does and ends the worker. Its process is replaced either way.
    /// <see cref="PoolStatistics.MemoryLimits"/> says what enforces it here. Default: null, no limit.
    /// </summary>
    public long? MaxWorkerMemory { get; init; }

    /// <summary>Starts workers in the way that works on every platform; for tests of it on Linux.</summary>
    internal bool Portable { get; init; }

    /// <summary>
    /// How many calls a worker has at a time, and how many items of a map travel together. Null is what the pool learns from how long they take; a number is for tests, which can't
    /// count on that.
    /// </summary>
    internal int? SentAhead { get; init; }

    internal void Validate()
    {
        SystemText.CheckEnvironment(Environment, nameof(Environment));
        TimeLimits.CheckOrInfinite(ShutdownTimeout, nameof(ShutdownTimeout));
        TimeLimits.Check(StartTimeout, nameof(StartTimeout));
        TimeLimits.CheckOrInfinite(IdleTimeout, nameof(IdleTimeout));
        if (MaxWorkerAge is { } age)
            TimeLimits.Check(age, nameof(MaxWorkerAge));
        ArgumentOutOfRangeException.ThrowIfNegative(MinWorkers);
        if (SpareWorkers is < 0 or > MostSpares)
            throw new ArgumentOutOfRangeException(nameof(SpareWorkers), SpareWorkers, $"{nameof(SpareWorkers)} must lie between 0 and {MostSpares}.");
        if (MaxCallsPerWorker is { } calls)
            ArgumentOutOfRangeException.ThrowIfLessThan(calls, 1, nameof(MaxCallsPerWorker));
        if (RecycleMemory is { } recycle)
            ArgumentOutOfRangeException.ThrowIfLessThan(recycle, 1, nameof(RecycleMemory));
        if (MaxWorkerMemory is < SmallestMemory)
            throw new ArgumentOutOfRangeException(nameof(MaxWorkerMemory), MaxWorkerMemory, $"{nameof(MaxWorkerMemory)} must be at least {SmallestMemory:N0} bytes: an idle worker needs about that much.");
        if (!Enum.IsDefined(Transport))
            throw new ArgumentOutOfRangeException(nameof(Transport), Transport, $"{Transport} is no way to reach a worker.");
        if (WorkingDirectory is not null)
            SystemText.Check(WorkingDirectory, nameof(WorkingDirectory), nameof(WorkingDirectory));
        if (WorkingDirectory is not null && !Directory.Exists(WorkingDirectory))
            throw new DirectoryNotFoundException($"{nameof(WorkingDirectory)} '{WorkingDirectory}' doesn't exist.");
    }
}
