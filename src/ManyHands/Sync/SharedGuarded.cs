using System.Reflection;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>Makes objects of <see cref="SharedGuarded{T}"/>.</summary>
public static class SharedGuarded
{
    /// <summary>Guards an object with a new lock that isn't reentrant.</summary>
    /// <param name="content">What to guard: a shared object, or a record of several.</param>
    /// <exception cref="ArgumentException">It is something that travels by value, or has a part that does: each process would have a copy of its own, which the lock guards from nobody. The message says what to do.</exception>
    /// <exception cref="IOException">The machine has no memory or descriptor left.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public static SharedGuarded<T> Create<T>(T content)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(content);
        return GuardedContent<T>.Refusal is { } refusal ? throw new ArgumentException(refusal, nameof(content)) : new(content, new SharedLock());
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
/// <typeparam name="T">
/// What it guards, such as a <see cref="SharedArray{T}"/>, <see cref="SharedMemory"/>, or a record of several, which may have constants beside them: numbers, text. Anything else is refused, as each process would have its own.
/// </typeparam>
/// <param name="Content">What it guards. Taken from here it is not guarded.</param>
/// <param name="Lock">What it is guarded with.</param>
public sealed record SharedGuarded<T>(T Content, SharedLock Lock) : IDisposable
    where T : class
{
    /// <summary>Enters the lock, however long that takes.</summary>
    /// <returns>The object; to be disposed of to leave the lock.</returns>
    /// <inheritdoc cref="SharedLock.Enter(CancellationToken)"/>
    public Hold Enter(CancellationToken token = default) => new(Guarded, Lock.Enter(token));

    /// <summary>Enters the lock, or gives up when the time is over.</summary>
    /// <param name="timeout">How long to wait, never less; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="hold">The object; to be disposed of to leave the lock.</param>
    /// <param name="token">Ends the wait.</param>
    /// <returns>False if the time was over.</returns>
    /// <inheritdoc cref="SharedLock.TryEnter(TimeSpan, out SharedLock.Scope, CancellationToken)"/>
    public bool TryEnter(TimeSpan timeout, out Hold hold, CancellationToken token = default)
    {
        T content = Guarded;
        bool entered = Lock.TryEnter(timeout, out SharedLock.Scope scope, token);
        hold = entered ? new(content, scope) : default;
        return entered;
    }

    /// <summary>Enters the lock, holding no thread while it waits.</summary>
    /// <returns>The object; to be disposed of to leave the lock, on any thread.</returns>
    /// <inheritdoc cref="SharedLock.EnterAsync(CancellationToken)"/>
    public async ValueTask<Hold> EnterAsync(CancellationToken token = default) => new(Guarded, await Lock.EnterAsync(token).ConfigureAwait(false));

    /// <summary>This process has no more use for either: disposes of the lock, and of the object if it can be.</summary>
    public void Dispose()
    {
        Lock.Dispose();
        (Content as IDisposable)?.Dispose();
    }

    // However it was made: a constructor that looks would count as one that changes what it is given.
    private T Guarded => GuardedContent<T>.Refusal is { } refusal ? throw new InvalidOperationException(refusal) : Content;

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

/// <summary>Whether all processes have the same of it, so that a lock can guard it.</summary>
internal static class GuardedContent<T>
    where T : class
{
    /// <summary>Why they don't; null if they do.</summary>
    public static readonly string? Refusal = Find();

    private static string? Find()
    {
        bool hasShared = false;
        if (Find(typeof(T), "", [], ref hasShared) is { } why)
            return $"A {ReadableName.Of(typeof(T))} can't be guarded between processes, as it travels by value: {why}. Guard a shared object, such as a SharedArray or a SharedValue, or a record of several.";
        return hasShared
            ? null
            : $"A {ReadableName.Of(typeof(T))} can't be guarded between processes, as it travels by value: each process has a copy of its own. Guard a shared object, such as a SharedArray or a SharedValue, or a record of several.";
    }

    // Beside shared objects there may be what nobody can change.
    private static string? Find(Type type, string path, HashSet<Type> seen, ref bool hasShared)
    {
        if (SharedObjects.Is(type))
        {
            hasShared = true;
            return null;
        }

        if (type.IsPrimitive || type.IsEnum || type == typeof(string) || !seen.Add(type))
            return null;
        if (type.IsArray || type.IsInterface || type.IsAbstract || type == typeof(object))
            return $"{(path.Length == 0 ? "it" : path)} is a {ReadableName.Of(type)}, of which each process has a copy of its own";
        for (Type? declaring = type; declaring is not null; declaring = declaring.BaseType)
        {
            foreach (FieldInfo field in declaring.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                string at = $"{path}.{RestoredMembers.FindProperty(field)?.Name ?? field.Name}";
                if (!type.IsValueType && !field.IsInitOnly)
                    return $"{at} can be set, and each process would have its own";
                if (Find(field.FieldType, at, seen, ref hasShared) is { } why)
                    return why;
            }
        }

        return null;
    }
}
