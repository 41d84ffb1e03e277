using ManyHands.Managers;

namespace ManyHands;

public sealed partial class ManagerServer
{
    /// <summary>Makes a lock for clients to find under that name. To the manager each client is one holder, and so is this process; if a client ends holding it, whoever enters next is told.</summary>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <param name="isReentrant">Whether a thread that holds it may enter again; it leaves as often.</param>
    /// <returns>The lock, for this process. Those who wait enter in the order in which they came.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken.</exception>
    public ISharedLock RegisterLock(string name, bool isReentrant = false)
    {
        HostedLock hosted = objects.Add(name, ObjectKind.Lock, "", (_, _) => new HostedLock(name, isReentrant));
        return ForThisProcess(new RemoteLock(local, name) { Hosted = hosted });
    }

    /// <summary>Makes a semaphore for clients to find under that name. When a client ends, the permits that it took and nobody gave back are there again.</summary>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <param name="initial">How many permits there are at first, from 0 to the maximum.</param>
    /// <param name="maximum">How many there can be, at least 1.</param>
    /// <returns>The semaphore, for this process. Those who wait get theirs in the order in which they came.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public ISharedSemaphore RegisterSemaphore(string name, int initial, int maximum)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maximum, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(initial);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(initial, maximum);
        HostedSemaphore hosted = objects.Add(name, ObjectKind.Semaphore, "", (_, _) => new HostedSemaphore(name, initial, maximum));
        return ForThisProcess(new RemoteSemaphore(local, name) { Hosted = hosted });
    }

    /// <summary>Makes an event for clients to find under that name. A signal that a client was given and had not got when it ended is the next waiter's.</summary>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <param name="mode">Whom it lets go on.</param>
    /// <param name="isSet">Whether it is set from the start.</param>
    /// <returns>The event, for this process.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such mode.</exception>
    public ISharedEvent RegisterEvent(string name, SharedEventMode mode = SharedEventMode.ManualReset, bool isSet = false)
    {
        if (mode is not (SharedEventMode.ManualReset or SharedEventMode.AutoReset))
            throw new ArgumentOutOfRangeException(nameof(mode), mode, "It is neither ManualReset nor AutoReset.");
        HostedEvent hosted = objects.Add(name, ObjectKind.Event, "", (_, _) => new HostedEvent(name, mode, isSet));
        return ForThisProcess(new RemoteEvent(local, name) { Hosted = hosted });
    }

    /// <summary>Makes a condition for clients to find under that name. Its lock is its <see cref="ISharedCondition.Lock"/>, at clients too.</summary>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <param name="sharedLock">What <see cref="RegisterLock"/> of this manager has returned; null for a lock of its own, which is not reentrant.</param>
    /// <returns>The condition, for this process. Who waits and whose client ends takes no notification from others.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken, or the lock isn't one of this manager's.</exception>
    public ISharedCondition RegisterCondition(string name, ISharedLock? sharedLock = null)
    {
        RemoteLock? registered = sharedLock as RemoteLock;
        if (sharedLock is not null && (registered?.Link != local || registered.Hosted is not HostedLock))
            throw new ArgumentException("The lock must be one that RegisterLock of this manager has returned, as who waits leaves it and enters it again in one step here.", nameof(sharedLock));
        bool ownsLock = registered is null;
        HostedLock itsLock = registered?.Hosted as HostedLock ?? new HostedLock(name, isReentrant: false);
        HostedCondition hosted = objects.Add(name, ObjectKind.Condition, "", (_, _) => new HostedCondition(name, itsLock, ownsLock));
        registered ??= new RemoteLock(local, name, ObjectKind.Condition) { Hosted = hosted };
        return ForThisProcess(new RemoteCondition(local, name, _ => registered) { Hosted = hosted });
    }

    /// <summary>Makes a barrier for clients to find under that name. If a client ends while it waits there, it breaks for the others.</summary>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <param name="parties">How many have to come, at least 1; several may be threads of one client.</param>
    /// <returns>The barrier, for this process.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number is less than 1.</exception>
    public ISharedBarrier RegisterBarrier(string name, int parties)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parties, 1);
        HostedBarrier hosted = objects.Add(name, ObjectKind.Barrier, "", (_, _) => new HostedBarrier(name, parties));
        return ForThisProcess(new RemoteBarrier(local, name) { Hosted = hosted });
    }

    private T ForThisProcess<T>(T made)
        where T : RemoteObject
    {
        made.Learn(local.Open(made));
        return made;
    }
}
