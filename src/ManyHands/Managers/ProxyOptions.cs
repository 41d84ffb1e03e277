namespace ManyHands;

/// <summary>What the users of an object that a <see cref="ManagerServer"/> has may do with it.</summary>
public sealed record ProxyOptions
{
    /// <summary>The properties that may be set; all others can only be read. Default: none.</summary>
    public IReadOnlyCollection<string> WritableProperties { get; init; } = [];

    /// <summary>
    /// How many calls may run on the object at a time; further ones wait, in the order in which they came. With 1 the object needs no locks of its own, and a method that calls its own proxy waits for ever.
    /// Default: null, no limit but <see cref="ManagerOptions.MaxRequestsPerClient"/>.
    /// </summary>
    public int? MaxConcurrentCalls { get; init; }

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(WritableProperties);
        if (MaxConcurrentCalls is { } calls)
            ArgumentOutOfRangeException.ThrowIfLessThan(calls, 1, nameof(MaxConcurrentCalls));
    }
}
