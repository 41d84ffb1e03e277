namespace ManyHands;

/// <summary>
/// What a lock can do wherever it is: in memory that processes share (<see cref="SharedLock"/>), or with a manager. Code that takes this takes both.
/// </summary>
public interface ISharedLock : IDisposable
{
    /// <inheritdoc cref="SharedLock.IsReentrant"/>
    bool IsReentrant { get; }

    /// <inheritdoc cref="SharedLock.IsHeldHere"/>
    bool IsHeldHere { get; }

    /// <inheritdoc cref="SharedLock.WasAbandoned"/>
    bool WasAbandoned { get; }

    /// <inheritdoc cref="SharedLock.Enter(CancellationToken)"/>
    SharedLock.Scope Enter(CancellationToken token = default);

    /// <inheritdoc cref="SharedLock.TryEnter(out SharedLock.Scope)"/>
    bool TryEnter(out SharedLock.Scope scope);

    /// <inheritdoc cref="SharedLock.TryEnter(TimeSpan, out SharedLock.Scope, CancellationToken)"/>
    bool TryEnter(TimeSpan timeout, out SharedLock.Scope scope, CancellationToken token = default);

    /// <inheritdoc cref="SharedLock.EnterAsync(CancellationToken)"/>
    ValueTask<SharedLock.Scope> EnterAsync(CancellationToken token = default);

    /// <inheritdoc cref="SharedLock.TryEnterAsync(TimeSpan, CancellationToken)"/>
    ValueTask<SharedLock.Scope?> TryEnterAsync(TimeSpan timeout, CancellationToken token = default);

    /// <inheritdoc cref="SharedLock.Exit"/>
    void Exit();
}

/// <summary>What a <see cref="SharedLock.Scope"/> leaves.</summary>
internal interface ILockOwner
{
    /// <summary>Ends that stay, unless it has ended.</summary>
    void Leave(in SharedLock.Scope scope);
}
