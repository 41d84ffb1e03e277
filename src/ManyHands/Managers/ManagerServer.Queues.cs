using ManyHands.Managers;

namespace ManyHands;

public sealed partial class ManagerServer
{
    /// <summary>Makes a queue for clients to find under that name. With a storage, it begins with what was kept of it.</summary>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <param name="capacity">How many items it takes before those that enqueue have to wait; 0 for no bound but <see cref="ManagerOptions.MaxStoredBytes"/>.</param>
    /// <typeparam name="T">What its items are: what may be an argument. With <see cref="object"/>, plain data of any kind, as Python has it.</typeparam>
    /// <returns>The queue, for this process.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken, or the storage has something else under it.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is negative.</exception>
    public ISharedQueue<T> RegisterQueue<T>(string name, long capacity = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        HostedQueue queue = objects.Add(name, ObjectKind.Queue, ItemFormat<T>.TypeName, (stored, storage) => new HostedQueue(name, ItemFormat<T>.TypeName, capacity, bytes, storage, stored) { Items = PythonItems<T>.Instance });
        return new RemoteQueue<T>(local, name) { Hosted = queue };
    }
}
