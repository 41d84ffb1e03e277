using ManyHands.Platform;

namespace ManyHands.Managers;

/// <summary>What is particular about a request.</summary>
[Flags]
internal enum RequestTraits
{
    None = 0,

    /// <summary>If the connection is lost it can be asked for again: it changes nothing, or only waits for what the manager takes back when the connection ends.</summary>
    Repeatable = 1,

    /// <summary>When it is cancelled, its caller has to wait for the answer all the same.</summary>
    AnswerIsAwaited = 2,

    /// <summary>However long that takes: the answer brings what the caller must have, and its time to wait isn't a bound for it.</summary>
    AnswerIsOwed = 4,
}

/// <summary>The way from an object's user to the manager that has it: a connection, or none if the manager is in this process.</summary>
internal abstract class ManagerLink
{
    /// <summary>Asks for something.</summary>
    /// <param name="wait">How long the manager may let it wait.</param>
    /// <param name="body">What the operation says; read before this returns.</param>
    /// <param name="undo">Gives back what an answer brought that nobody waits for any more; null if there is nothing to give back.</param>
    /// <returns>The answer's body.</returns>
    public abstract Task<ReadOnlyMemory<byte>> SendAsync(
        RemoteObject target, Operation operation, TimeSpan wait, ReadOnlyMemory<byte> body, RequestTraits traits, Action<ReadOnlyMemory<byte>>? undo, CancellationToken token);

    /// <summary>Says something that needs no answer; lost with the connection.</summary>
    public abstract void Post(RemoteObject target, Operation operation, ReadOnlyMemory<byte> body);

    /// <summary>Ends when all that was said so far is out of this process's hands: its end does not take it back.</summary>
    public abstract Task SentAsync();

    /// <summary>Gets a named object ready for use.</summary>
    /// <exception cref="ManagerException">There is none, or it is something else.</exception>
    public abstract ReadOnlyMemory<byte> Open(RemoteObject target);

    /// <summary>Whether what was got under that epoch is still ours: a new connection is a new user to the manager.</summary>
    public abstract bool IsCurrent(object? epoch);

    /// <summary>Stands for the connection of this moment.</summary>
    public abstract object? Epoch { get; }

    /// <summary>Asks and waits on this thread.</summary>
    public ReadOnlyMemory<byte> Send(RemoteObject target, Operation operation, TimeSpan wait, ReadOnlyMemory<byte> body, RequestTraits traits, Action<ReadOnlyMemory<byte>>? undo, CancellationToken token) =>
        SendAsync(target, operation, wait, body, traits, undo, token).GetAwaiter().GetResult();

    protected static TimeSpan CheckedWait(TimeSpan wait) => WaitAttempt.Checked(wait);
}
