using System.Collections.Concurrent;
using System.Reflection;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A manager's object behind an interface, as its users call it.</summary>
/// <param name="callTimeout">How long a method may run before its caller is let go.</param>
internal abstract class RemoteService(ManagerLink link, string name, Type contract, TimeSpan callTimeout)
    : RemoteObject(link, name, ObjectKind.Service, TypeNames.Of(contract))
{
    private readonly ServiceContract members = ServiceContract.Of(contract);
    private readonly ConcurrentDictionary<MethodInfo, RemoteMethod> methods = new();

    public object? Call(MethodInfo method, object?[] arguments) => methods.GetOrAdd(method, Find).Call(this, arguments);

    public ReadOnlyMemory<byte> Invoke(ReadOnlyMemory<byte> body, CancellationToken token) => Ask(Operation.Invoke, body, callTimeout, token: token);

    public Task<ReadOnlyMemory<byte>> InvokeAsync(ReadOnlyMemory<byte> body, CancellationToken token) => AskAsync(Operation.Invoke, body, callTimeout, token: token);

    private RemoteMethod Find(MethodInfo method) =>
        RemoteMethod.Create(members.Find(method) ?? throw new MissingMethodException(TypeName, method.Name));
}

/// <inheritdoc/>
internal sealed class RemoteService<TInterface> : RemoteService
    where TInterface : class
{
    public RemoteService(ManagerLink link, string name, TimeSpan callTimeout)
        : base(link, name, typeof(TInterface), callTimeout) => Proxy = ServiceProxy.Create<TInterface>(this);

    public TInterface Proxy { get; }
}

/// <summary>Stands for the object: each call of a member comes in here.</summary>
#pragma warning disable CA1852 // The runtime derives from it.
internal class ServiceProxy : DispatchProxy
#pragma warning restore CA1852
{
    private RemoteService service = null!;

    public static TInterface Create<TInterface>(RemoteService service)
        where TInterface : class
    {
        TInterface proxy = Create<TInterface, ServiceProxy>();
        ((ServiceProxy)(object)proxy).service = service;
        return proxy;
    }

    public override string ToString() => service.ToString();

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => service.Call(targetMethod!, args ?? []);
}
