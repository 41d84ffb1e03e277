using ManyHands.Managers;

namespace ManyHands;

public sealed partial class ManagerClient
{
    /// <summary>The manager's lock of that name. It is this client's as a whole: its threads exclude each other, and if it is reentrant, it is one thread's.</summary>
    /// <remarks>
    /// If the connection is lost, what this client held is free, and the next to enter is told; that includes this client. <see cref="ISharedLock.IsHeldHere"/> is false then, <see cref="ISharedLock.Exit"/> throws
    /// <see cref="SynchronizationLockException"/>, and disposing of the scope does nothing.
    /// </remarks>
    /// <returns>The lock, the same for all who ask. Disposing of it is for all of them.</returns>
    /// <exception cref="ManagerException">The manager has no such lock.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public ISharedLock GetLock(string name) => GetRemoteLock(name);

    /// <summary>The manager's semaphore of that name.</summary>
    /// <remarks>If the connection is lost, the permits that this client has are there again. Giving them back afterwards changes nothing.</remarks>
    /// <returns>The semaphore, the same for all who ask. Disposing of it is for all of them, and gives no permit back.</returns>
    /// <exception cref="ManagerException">The manager has no such semaphore.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public ISharedSemaphore GetSemaphore(string name) => Get(name, ObjectKind.Semaphore, () => new RemoteSemaphore(link, name));

    /// <summary>The manager's event of that name.</summary>
    /// <returns>The event, the same for all who ask. Disposing of it is for all of them.</returns>
    /// <exception cref="ManagerException">The manager has no such event.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public ISharedEvent GetEvent(string name) => Get(name, ObjectKind.Event, () => new RemoteEvent(link, name));

    /// <summary>The manager's condition of that name, with its lock, which is the one that <see cref="GetLock"/> gives if it has a name.</summary>
    /// <remarks>If the connection is lost during a wait, the wait ends with <see cref="ConnectionLostException"/>, and the lock isn't held: what was notified meanwhile can't be known.</remarks>
    /// <returns>The condition, the same for all who ask. Disposing of it is for all of them.</returns>
    /// <exception cref="ManagerException">The manager has no such condition.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public ISharedCondition GetCondition(string name) => Get(name, ObjectKind.Condition, () => new RemoteCondition(
        link, name, lockName => lockName is null ? Get(name, ObjectKind.Condition, () => new RemoteLock(link, name, ObjectKind.Condition)) : GetRemoteLock(lockName)));

    /// <summary>The manager's barrier of that name.</summary>
    /// <remarks>If the connection is lost during a wait, the barrier breaks for the others, and the wait ends with <see cref="ConnectionLostException"/>.</remarks>
    /// <returns>The barrier, the same for all who ask. Disposing of it is for all of them.</returns>
    /// <exception cref="ManagerException">The manager has no such barrier.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public ISharedBarrier GetBarrier(string name) => Get(name, ObjectKind.Barrier, () => new RemoteBarrier(link, name));

    private RemoteLock GetRemoteLock(string name) => Get(name, ObjectKind.Lock, () => new RemoteLock(link, name));
}
