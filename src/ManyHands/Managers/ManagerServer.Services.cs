using ManyHands.Managers;

namespace ManyHands;

public sealed partial class ManagerServer
{
    /// <summary>Lets clients call an object of this process, through an interface: what the interface and its base interfaces declare, and nothing else of the object.</summary>
    /// <remarks>
    /// <para>Arguments and results are copied, by the rules for arguments of a pool's calls. Members that return a <see cref="Task"/> or a <see cref="ValueTask"/> are waited for without a thread.
    /// A <see cref="CancellationToken"/> parameter is the call's own token: it is cancelled when the caller's is, when the caller's process ends or its connection is lost, when its call takes longer than
    /// <see cref="ManagerClientOptions.CallTimeout"/>, and when the manager stops.</para>
    /// <para>Calls run on the thread pool, several at a time, so the object must stand that; or <see cref="ProxyOptions.MaxConcurrentCalls"/> is 1. The manager doesn't dispose of the object; but if the interface has a
    /// <c>Dispose</c>, clients can call it like any other member.</para>
    /// </remarks>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <param name="target">The object.</param>
    /// <param name="options">Null for the defaults: properties can be read and not set.</param>
    /// <typeparam name="TInterface">What clients may use of it, and ask for it by. No events, generic methods, <c>ref</c> parameters, and nothing of type <see cref="object"/>, of a delegate's or an <see cref="IProgress{T}"/>.</typeparam>
    /// <returns>What clients have, for this process: calls go the same way, with copies and in their turn.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken; or the interface has a member that can't be used from another process, and the message says what to write instead.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <example><code>
    /// server.RegisterObject&lt;ICalculator&gt;("calculator", new Calculator());
    /// // elsewhere
    /// int sum = client.GetProxy&lt;ICalculator&gt;("calculator").Add(2, 3);
    /// </code></example>
    public TInterface RegisterObject<TInterface>(string name, TInterface target, ProxyOptions? options = null)
        where TInterface : class
    {
        ArgumentNullException.ThrowIfNull(target);
        options ??= new();
        options.Validate();
        HostedService service = objects.Add(name, ObjectKind.Service, "", (_, _) => new HostedService(name, typeof(TInterface), target, options, this.options.MaxMessageSize - 64));
        return new RemoteService<TInterface>(local, name, Timeout.InfiniteTimeSpan) { Hosted = service }.Proxy;
    }
}
