using ManyHands.Managers;

namespace ManyHands;

public sealed partial class ManagerClient
{
    /// <summary>For requests that no public member makes.</summary>
    internal ManagerLink ObjectLink => link;

    /// <summary>The manager's object of that name: each member of the interface, called here, runs there.</summary>
    /// <remarks>
    /// <para>Members without a task hold their thread until the answer is there. Arguments and results are copied. An exception of the object's comes here as the exceptions of a pool's calls do: those of .NET as themselves,
    /// others as <see cref="RemoteException"/>.</para>
    /// <para>A call that is cancelled ends here at once; the object's method hears of it by its token. A call takes as long as the method does, but at most <see cref="ManagerClientOptions.CallTimeout"/>, after which it
    /// fails with <see cref="TimeoutException"/> and the method's token is cancelled. If the connection is lost during a call, it fails with <see cref="ConnectionLostException"/>: nobody knows how far it came.</para>
    /// </remarks>
    /// <typeparam name="TInterface">What the object was registered as. Members that the manager's version of it lacks fail with <see cref="ManagerException"/> when they are called.</typeparam>
    /// <returns>The proxy, the same for all who ask. It needs no disposal.</returns>
    /// <exception cref="ArgumentException">The interface has a member that can't be used from another process.</exception>
    /// <exception cref="ManagerException">The manager has no such object, or it is behind another interface.</exception>
    /// <exception cref="ConnectionLostException">There is no connection.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public TInterface GetProxy<TInterface>(string name)
        where TInterface : class => Get(name, ObjectKind.Service, () => new RemoteService<TInterface>(link, name, options.CallTimeout)).Proxy;
}
