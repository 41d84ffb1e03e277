using ManyHands.Managers;

namespace ManyHands;

public sealed partial class ManagerClient
{
    /// <summary>The manager's queue of that name.</summary>
    /// <typeparam name="T">What its items are, as the manager registered it.</typeparam>
    /// <exception cref="ManagerException">The manager has no such queue, or its items are of another type.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public ISharedQueue<T> GetQueue<T>(string name) => Get(name, ObjectKind.Queue, () => new RemoteQueue<T>(link, name));
}
