namespace ManyHands;

/// <summary>Makes objects of <see cref="SharedGuarded{T}"/>.</summary>
public static class SharedGuarded
{
    /// <summary>Guards an object with a new lock that isn't reentrant.</summary>
    /// <param name="content">What to guard.</param>
    /// <exception cref="IOException">The machine has no memory or descriptor left.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public static SharedGuarded<T> Create<T>(T content)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(content);
        return new(content, new SharedLock());
    }
}

/// <summary>
/// A shared object and the lock that belongs to it. The two travel together, and one comes to the object by entering the lock.
/// </summary>
/// <remarks>
/// <code>
/// using SharedGuarded&lt;SharedArray&lt;int&gt;&gt; counts = SharedGuarded.Create(new SharedArray&lt;int&gt;(256));
/// …
/// using (var hold = counts.Enter())
///     hold.Content[letter]++;
/// </code>
/// </remarks>
/// <typeparam name="T">What it guards, such as a <see cref="SharedArray{T}"/>, <see cref="SharedMemory"/>, or a record of several.</typeparam>
/// <param name="Content">What it guards. Taken from here it is not guarded.</param>
/// <param name="Lock">What it is guarded with.</param>
public sealed record SharedGuarded<T>(T Content, SharedLock Lock) : IDisposable
    where T : class
{
    /// <summary>Enters the lock, however long that takes.</summary>
    /// <returns>The object; to be disposed of to leave the lock.</returns>
    /// <inheritdoc cref="SharedLock.Enter(CancellationToken)"/>
    public Hold Enter(CancellationToken token = default) => new(Content, Lock.Enter(token));

    /// <summary>Enters the lock, or gives up when the time is over.</summary>
    /// <param name="timeout">How long to wait, never less; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="hold">The object; to be disposed of to leave the lock.</param>
    /// <param name="token">Ends the wait.</param>
    /// <returns>False if the time was over.</returns>
    /// <inheritdoc cref="SharedLock.TryEnter(TimeSpan, out SharedLock.Scope, CancellationToken)"/>
    public bool TryEnter(TimeSpan timeout, out Hold hold, CancellationToken token = default)
    {
        bool entered = Lock.TryEnter(timeout, out SharedLock.Scope scope, token);
        hold = entered ? new(Content, scope) : default;
        return entered;
    }

    /// <summary>Enters the lock, holding no thread while it waits.</summary>
    /// <returns>The object; to be disposed of to leave the lock, on any thread.</returns>
    /// <inheritdoc cref="SharedLock.EnterAsync(CancellationToken)"/>
    public async ValueTask<Hold> EnterAsync(CancellationToken token = default) => new(Content, await Lock.EnterAsync(token).ConfigureAwait(false));

    /// <summary>This process has no more use for either: disposes of the lock, and of the object if it can be.</summary>
    public void Dispose()
    {
        Lock.Dispose();
        (Content as IDisposable)?.Dispose();
    }

    /// <summary>One stay in the lock; disposing of it leaves. Disposing of it again, or of a copy, does nothing.</summary>
    public readonly record struct Hold : IDisposable
    {
        private readonly SharedLock.Scope scope;

        internal Hold(T content, SharedLock.Scope scope)
        {
            Content = content;
            this.scope = scope;
        }

        /// <summary>What is guarded; nobody else has it until this is disposed of.</summary>
        public T Content { get; }

        /// <inheritdoc cref="SharedLock.Scope.WasAbandoned"/>
        public bool WasAbandoned => scope.WasAbandoned;

        /// <summary>Leaves, if it hasn't been left.</summary>
        public void Dispose() => scope.Dispose();
    }
}
