namespace ManyHands;

/// <summary>
/// What an event can do wherever it is: in memory that processes share (<see cref="SharedEvent"/>), or with a manager. Code that takes this takes both.
/// </summary>
public interface ISharedEvent : IDisposable
{
    /// <inheritdoc cref="SharedEvent.IsSet"/>
    bool IsSet { get; }

    /// <inheritdoc cref="SharedEvent.Mode"/>
    SharedEventMode Mode { get; }

    /// <inheritdoc cref="SharedEvent.Set"/>
    void Set();

    /// <inheritdoc cref="SharedEvent.Reset"/>
    void Reset();

    /// <inheritdoc cref="SharedEvent.Wait(CancellationToken)"/>
    void Wait(CancellationToken token = default);

    /// <inheritdoc cref="SharedEvent.TryWait(TimeSpan, CancellationToken)"/>
    bool TryWait(TimeSpan timeout, CancellationToken token = default);

    /// <inheritdoc cref="SharedEvent.WaitAsync(CancellationToken)"/>
    ValueTask WaitAsync(CancellationToken token = default);

    /// <inheritdoc cref="SharedEvent.TryWaitAsync(TimeSpan, CancellationToken)"/>
    ValueTask<bool> TryWaitAsync(TimeSpan timeout, CancellationToken token = default);
}
