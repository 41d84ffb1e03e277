using System.Net;
using ManyHands.Managers;

namespace ManyHands;

/// <summary>An object of a Python manager. Disposing of it gives it back; Python keeps it as long as somebody has it.</summary>
/// <remarks>May be sent as an argument to an object of the same manager: there it is the object itself. May be used by many threads at a time.</remarks>
public sealed class PythonProxy : IAsyncDisposable
{
    private readonly PythonManagerClient client;

    internal PythonProxy(PythonManagerClient client, string typeId, string id, IReadOnlyList<string> methods)
    {
        this.client = client;
        TypeId = typeId;
        Id = id;
        Methods = methods;
    }

    /// <summary>The name that its type is registered under.</summary>
    public string TypeId { get; }

    /// <summary>What the manager calls it.</summary>
    public string Id { get; }

    /// <summary>The names of the methods that may be called; empty if the manager didn't tell.</summary>
    public IReadOnlyList<string> Methods { get; }

    /// <summary>By the class that Python itself would send: an AutoProxy of an own object is something that older servers trip over.</summary>
    internal PythonProxyReference Reference
    {
        get
        {
            string? type = TypeId switch
            {
                "list" => "ListProxy",
                "dict" => "DictProxy",
                "Value" => "ValueProxy",
                "Array" => "ArrayProxy",
                "Namespace" => "NamespaceProxy",
                "Lock" or "RLock" or "Semaphore" or "BoundedSemaphore" => "AcquirerProxy",
                "Condition" => "ConditionProxy",
                "Event" => "EventProxy",
                "Barrier" => "BarrierProxy",
                "Iterator" => "IteratorProxy",
                _ => null,
            };
            return new(type ?? "AutoProxy", new PythonToken(TypeId, Address(client.EndPoint), Id), type is null ? Methods : null);
        }
    }

    /// <summary>Calls a method and waits for its result.</summary>
    /// <param name="method">Its name: <c>append</c>, <c>__getitem__</c>.</param>
    /// <param name="arguments">Its arguments, in their order; a <see cref="Range"/> is a slice.</param>
    /// <param name="cancellationToken">Ends the waiting and closes the connection; in Python the call goes on, and what it returns is lost.</param>
    /// <typeparam name="T">What it returns. <see cref="PythonProxy"/> for what returns an object of the manager's; <see cref="object"/> for whatever it is.</typeparam>
    /// <exception cref="PythonException">The method raised an exception, or may not be called.</exception>
    /// <exception cref="PythonConversionException">An argument has no counterpart in Python, or the result none in <typeparamref name="T"/>; in the second case the call was made, and the exception has what it returned.</exception>
    /// <exception cref="IOException">The connection is lost. Whether the call was made is not known.</exception>
    /// <exception cref="TimeoutException">It took longer than <see cref="PythonManagerClientOptions.CallTimeout"/>.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public async Task<T> CallAsync<T>(string method, IReadOnlyList<object?>? arguments = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(method);
        object? result = await client.CallAsync(Id, method, PythonManagerClient.Converted(arguments), null, cancellationToken).ConfigureAwait(false);
        return await client.ResultAsync<T>(result, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Calls a method whose result is of no interest.</summary>
    /// <inheritdoc cref="CallAsync{T}"/>
    public async Task CallAsync(string method, IReadOnlyList<object?>? arguments = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(method);
        await client.CallAsync(Id, method, PythonManagerClient.Converted(arguments), null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A copy of the object itself, as far as it is one of Python's plain values: a list, a dictionary.</summary>
    /// <inheritdoc cref="CallAsync{T}"/>
    public Task<T> GetValueAsync<T>(CancellationToken cancellationToken = default) => CallAsync<T>("#GETVALUE", null, cancellationToken);

    /// <summary>Gives it back to the manager. Does not throw if the manager has gone.</summary>
    public ValueTask DisposeAsync() => client.LetGoAsync(this);

    /// <inheritdoc/>
    public override string ToString() => $"PythonProxy of {TypeId} {Id}";

    internal async Task<object?> AskAsync(string method, object?[] arguments, TimeSpan timeout) =>
        await client.CallAsync(Id, method, new PythonTuple(arguments, isOurs: true), timeout, CancellationToken.None).ConfigureAwait(false);

    private static object Address(EndPoint endPoint) => endPoint switch
    {
        IPEndPoint ip => new PythonTuple(ip.Address.ToString(), (long)ip.Port),
        DnsEndPoint dns => new PythonTuple(dns.Host, (long)dns.Port),
        _ => endPoint.ToString()!,
    };
}
