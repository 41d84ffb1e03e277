namespace ManyHands;

/// <summary>
/// What a semaphore can do wherever it is: in memory that processes share (<see cref="SharedSemaphore"/>), or with a manager. Code that takes this takes both.
/// </summary>
public interface ISharedSemaphore : IDisposable
{
    /// <inheritdoc cref="SharedSemaphore.CurrentCount"/>
    int CurrentCount { get; }

    /// <inheritdoc cref="SharedSemaphore.Maximum"/>
    int Maximum { get; }

    /// <inheritdoc cref="SharedSemaphore.Wait(CancellationToken)"/>
    void Wait(CancellationToken token = default);

    /// <inheritdoc cref="SharedSemaphore.TryWait(TimeSpan, CancellationToken)"/>
    bool TryWait(TimeSpan timeout, CancellationToken token = default);

    /// <inheritdoc cref="SharedSemaphore.WaitAsync(CancellationToken)"/>
    ValueTask WaitAsync(CancellationToken token = default);

    /// <inheritdoc cref="SharedSemaphore.TryWaitAsync(TimeSpan, CancellationToken)"/>
    ValueTask<bool> TryWaitAsync(TimeSpan timeout, CancellationToken token = default);

    /// <inheritdoc cref="SharedSemaphore.Release(int)"/>
    int Release(int count = 1);
}
