using ManyHands.Managers;

namespace ManyHands;

public sealed partial class ManagerClient
{
    /// <summary>The manager's dictionary of that name.</summary>
    /// <typeparam name="TKey">What its keys are, as the manager registered it.</typeparam>
    /// <typeparam name="TValue">What its values are, as the manager registered it.</typeparam>
    /// <exception cref="ManagerException">The manager has no such dictionary, or it holds other types.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public ISharedDictionary<TKey, TValue> GetDictionary<TKey, TValue>(string name) => Get(name, ObjectKind.Dictionary, () => new RemoteDictionary<TKey, TValue>(link, name));

    /// <summary>The manager's list of that name.</summary>
    /// <typeparam name="T">What its items are, as the manager registered it.</typeparam>
    /// <exception cref="ManagerException">The manager has no such list, or its items are of another type.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public ISharedList<T> GetList<T>(string name) => Get(name, ObjectKind.List, () => new RemoteList<T>(link, name));

    /// <summary>The manager's value of that name. Each use of it goes there and back.</summary>
    /// <typeparam name="T">What it is, as the manager registered it.</typeparam>
    /// <exception cref="ManagerException">The manager has no such value, or it is of another type.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public ISharedValue<T> GetValue<T>(string name) => Get(name, ObjectKind.Value, () => new RemoteValue<T>(link, name));
}
