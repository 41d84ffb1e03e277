namespace ManyHands;

/// <summary>
/// What a condition can do wherever it is: in memory that processes share (<see cref="SharedCondition"/>), or with a manager. Code that takes this takes both.
/// </summary>
public interface ISharedCondition : IDisposable
{
    /// <summary>The lock that is held to wait and to notify.</summary>
    ISharedLock Lock { get; }

    /// <inheritdoc cref="SharedCondition.Wait(CancellationToken)"/>
    void Wait(CancellationToken token = default);

    /// <inheritdoc cref="SharedCondition.TryWait(TimeSpan, CancellationToken)"/>
    bool TryWait(TimeSpan timeout, CancellationToken token = default);

    /// <inheritdoc cref="SharedCondition.WaitAsync(CancellationToken)"/>
    ValueTask WaitAsync(CancellationToken token = default);

    /// <inheritdoc cref="SharedCondition.TryWaitAsync(TimeSpan, CancellationToken)"/>
    ValueTask<bool> TryWaitAsync(TimeSpan timeout, CancellationToken token = default);

    /// <inheritdoc cref="SharedCondition.Notify(int)"/>
    void Notify(int count = 1);

    /// <inheritdoc cref="SharedCondition.NotifyAll"/>
    void NotifyAll();
}
