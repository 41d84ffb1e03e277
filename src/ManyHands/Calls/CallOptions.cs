namespace ManyHands;

/// <summary>What holds for one call. Immutable; use <see langword="with"/> to change a copy.</summary>
/// <example><code>await pool.RunAsync(Render, path, new CallOptions { Timeout = TimeSpan.FromSeconds(2) });</code></example>
public sealed record CallOptions
{
    private const int MostRetries = 100;

    internal static CallOptions Default { get; } = new();

    /// <summary>
    /// How long the function may run, counted from its start in the worker (waiting for a free worker doesn't count).
    /// Null, the default, and <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> mean no limit.
    /// </summary>
    /// <remarks>
    /// When it is over, the function's <see cref="CancellationToken"/> is cancelled; a function that hasn't ended when
    /// <see cref="Grace"/> is over as well is killed with its process and all that process has started (<c>Pool.Processes</c>). The other engines
    /// can't kill: there the call ends with its exception and the function runs on unobserved, in the place it has.
    /// Either way the call ends with <see cref="CallTimeoutException"/>.
    /// </remarks>
    public TimeSpan? Timeout { get; init; }

    /// <summary>
    /// How long a function may take to end by itself after it was told to stop, by <see cref="Timeout"/> or by the caller's token.
    /// Zero kills at once. Default: 500 ms.
    /// </summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// How often the call may run again when its worker's process ends under it, at most 100. Set it only for functions that may run twice: what the first attempt did
    /// stays done. Exceptions of the function, timeouts and cancellations are never retried. Engines without processes have nothing to retry. Default: 0.
    /// </summary>
    public int Retries { get; init; }

    /// <summary>A name for statistics and error messages. Default: the function's own.</summary>
    public string? Name { get; init; }

    internal bool HasTimeout => Timeout is { } timeout && timeout != System.Threading.Timeout.InfiniteTimeSpan;

    /// <summary>Throws for values out of range, naming the value; called once where the options come in.</summary>
    internal void Validate()
    {
        if (HasTimeout)
            TimeLimits.Check(Timeout!.Value, nameof(Timeout));
        TimeLimits.Check(Grace, nameof(Grace));
        if (Retries is < 0 or > MostRetries)
            throw new ArgumentOutOfRangeException(nameof(Retries), Retries, $"{nameof(Retries)} must lie between 0 and {MostRetries}.");
    }
}

/// <summary>The range that every duration in our options must lie in.</summary>
internal static class TimeLimits
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(24);

    public static void Check(TimeSpan value, string name)
    {
        if (value < TimeSpan.Zero || value > Longest)
            throw new ArgumentOutOfRangeException(name, value, $"{name} must lie between zero and {Longest.TotalDays:0} days.");
    }

    /// <summary>The same, where "without limit" makes sense as well.</summary>
    public static void CheckOrInfinite(TimeSpan value, string name)
    {
        if (value != System.Threading.Timeout.InfiniteTimeSpan)
            Check(value, name);
    }
}
