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
    /// <summary>
    /// Runs once in each worker process, before its first call: load a model, open a connection, set a culture. Captured variables travel
    /// like those of any call. Default: none.
    /// </summary>
    /// <remarks>If it keeps failing, the calls end with <see cref="PoolBrokenException"/>.</remarks>
    public Action? Initializer { get; init; }

    /// <summary>Environment variables that workers get in addition to, or instead of, this process's own; a null value takes one away. Default: none.</summary>
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

    /// <summary>Starts workers in the way that works on every platform; for tests of it on Linux.</summary>
    internal bool Portable { get; init; }

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Environment);
        TimeLimits.CheckOrInfinite(ShutdownTimeout, nameof(ShutdownTimeout));
        TimeLimits.Check(StartTimeout, nameof(StartTimeout));
        if (WorkingDirectory is not null && !Directory.Exists(WorkingDirectory))
            throw new DirectoryNotFoundException($"{nameof(WorkingDirectory)} '{WorkingDirectory}' doesn't exist.");
    }
}
