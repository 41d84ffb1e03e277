using System.Net;
using System.Security.Authentication;
using ManyHands.Managers;

namespace ManyHands;

/// <summary>
/// A client of a manager that a Python program serves with <c>multiprocessing.managers</c>: a <c>BaseManager</c> or <c>SyncManager</c> of Python 3.8 and later, as it is.
/// </summary>
/// <remarks>
/// <para>
/// Values travel as what they are: numbers, texts, bytes, tuples, lists, dictionaries, sets, times, Decimals, UUIDs; records and classes with public properties as dictionaries. Objects of Python's own classes don't: nothing
/// that arrives is ever run or looked up.
/// </para>
/// <para>
/// Whoever has the key can run any code in Python's server; and what goes over the connection is neither encrypted nor protected from changes. So: one machine, a network of one's own, or a tunnel.
/// </para>
/// <para>May be used by many threads at a time. Each call that is under way has a connection to itself, so an <c>RLock</c> or a <c>Condition</c>, which belong to one connection, can't be held over several calls.</para>
/// </remarks>
public sealed class PythonManagerClient : IAsyncDisposable
{
    private const int MostIdle = 16;

    private readonly byte[] key;
    private readonly PythonManagerClientOptions options;
    private readonly Lock gate = new();
    private readonly Stack<PythonConnection> idle = new();
    private readonly HashSet<PythonConnection> busy = [];
    private readonly HashSet<PythonProxy> proxies = [];
    private bool isDisposed;

    private PythonManagerClient(EndPoint endPoint, ReadOnlyMemory<byte> key, PythonManagerClientOptions options)
    {
        EndPoint = endPoint;
        this.key = key.ToArray();
        this.options = options;
    }

    /// <summary>Where the manager is.</summary>
    public EndPoint EndPoint { get; }

    /// <summary>Connects to a manager and has both sides prove that they have the key.</summary>
    /// <param name="endPoint">An <see cref="IPEndPoint"/>, a <see cref="DnsEndPoint"/> or a <see cref="System.Net.Sockets.UnixDomainSocketEndPoint"/>.</param>
    /// <param name="key">Python's <c>authkey</c>.</param>
    /// <exception cref="AuthenticationException">The server has another key, or knows HMAC-MD5 only and that isn't allowed.</exception>
    /// <exception cref="IOException">Nobody is there, or no manager of Python's.</exception>
    /// <exception cref="TimeoutException">It took longer than <see cref="PythonManagerClientOptions.ConnectTimeout"/>.</exception>
    /// <exception cref="ArgumentException">The key is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static async Task<PythonManagerClient> ConnectAsync(EndPoint endPoint, ReadOnlyMemory<byte> key, PythonManagerClientOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        PythonManagerClient client = new(endPoint, key, (options ?? PythonManagerClientOptions.Default).Checked());
        await client.ControlAsync("dummy", [], cancellationToken).ConfigureAwait(false);
        return client;
    }

    /// <summary>Has the manager make an object of a type that is registered there, or hand out the one that its callable returns.</summary>
    /// <param name="typeId">The name that it is registered under: <c>get_queue</c>, or <c>list</c>, <c>dict</c>, <c>Queue</c> and so on of a <c>SyncManager</c>.</param>
    /// <param name="arguments">What to make it with.</param>
    /// <exception cref="PythonException">Nothing is registered under that name, or making it failed.</exception>
    /// <exception cref="PythonConversionException">An argument has no counterpart in Python.</exception>
    /// <exception cref="IOException">The connection is lost.</exception>
    /// <exception cref="TimeoutException">It took longer than <see cref="PythonManagerClientOptions.CallTimeout"/>.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public async Task<PythonProxy> CreateAsync(string typeId, IReadOnlyList<object?>? arguments = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(typeId);
        object? created = await ControlAsync("create", [typeId, .. Converted(arguments).Items], cancellationToken).ConfigureAwait(false);
        if (created is not PythonTuple { Count: 2 } pair || pair[0] is not string id)
            throw new PythonProtocolException($"The manager answered with {PythonText.Of(created)} instead of an object.");

        // It counts one reference to it, which is ours now.
        return Hold(typeId, id, PythonConnection.Names(pair[1]) ?? []);
    }

    /// <summary>Gets a queue by the name that it is registered under.</summary>
    /// <typeparam name="T">What its items are.</typeparam>
    /// <inheritdoc cref="CreateAsync"/>
    public async Task<PythonQueue<T>> GetQueueAsync<T>(string typeId, CancellationToken cancellationToken = default) =>
        new(await CreateAsync(typeId, null, cancellationToken).ConfigureAwait(false));

    /// <summary>Ends the manager's server, as <c>shutdown</c> does in Python. Clients that are connected lose their connections.</summary>
    /// <inheritdoc cref="CreateAsync" path="exception"/>
    public async Task ShutdownServerAsync(CancellationToken cancellationToken = default) => await ControlAsync("shutdown", [], cancellationToken).ConfigureAwait(false);

    /// <summary>Gives back every object that was created or received, and closes all connections. Calls that are under way fail with <see cref="ObjectDisposedException"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        PythonProxy[] held;
        PythonConnection[] open;
        lock (gate)
        {
            if (isDisposed)
                return;
            isDisposed = true;
            held = [.. proxies];
            proxies.Clear();
            open = [.. idle, .. busy];
        }

        foreach (PythonConnection connection in open)
            connection.Dispose();
        foreach (PythonProxy proxy in held)
        {
            // The first that can't be given back says that nobody takes them any more.
            if (!await TryGiveBackAsync(proxy.Id).ConfigureAwait(false))
                break;
        }
    }

    /// <summary>Calls a method of an object of the manager's.</summary>
    internal async Task<object?> CallAsync(string id, string method, PythonTuple arguments, TimeSpan? timeout, CancellationToken token)
    {
        TimeSpan limit = timeout ?? options.CallTimeout;
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(token);
        if (limit != Timeout.InfiniteTimeSpan)
            deadline.CancelAfter(limit);
        PythonConnection? connection = null;
        bool isGood = false;
        try
        {
            connection = await RentAsync(deadline.Token).ConfigureAwait(false);
            object? result = await connection.AskAsync(id, method, arguments, deadline.Token).ConfigureAwait(false);
            isGood = true;
            return result;
        }
        catch (Exception answer) when (answer is PythonException or PythonConversionException)
        {
            isGood = true;
            throw;
        }
        catch (Exception failure)
        {
            token.ThrowIfCancellationRequested();
            ThrowIfDisposed();
            if (failure is OperationCanceledException)
                throw new TimeoutException($"{method} didn't return within {limit.TotalSeconds} s. It goes on in Python; only the connection is closed.", failure);
            throw;
        }
        finally
        {
            if (connection is not null)
                Return(connection, isGood);
        }
    }

    /// <summary>A result that may be an object of the manager's, as the type that is asked for.</summary>
    internal async Task<T> ResultAsync<T>(object? result, CancellationToken token)
    {
        if (result is not PythonProxyReference reference || (typeof(T) != typeof(PythonProxy) && typeof(T) != typeof(object)))
            return PythonConversion.FromPython<T>(result, "result");

        // Whatever address it names, nobody is dialled: it is an object of this manager, or of none that we know.
        await ControlAsync("incref", [reference.Token.Id], token).ConfigureAwait(false);
        return (T)(object)Hold(reference.Token.TypeId, reference.Token.Id, reference.Exposed ?? []);
    }

    /// <summary>A proxy that a call has returned: it is counted there already.</summary>
    internal PythonProxy Hold(string typeId, string id, IReadOnlyList<string> methods)
    {
        lock (gate)
        {
            ThrowIfDisposed();
            PythonProxy proxy = new(this, typeId, id, methods);
            proxies.Add(proxy);
            return proxy;
        }
    }

    internal async ValueTask LetGoAsync(PythonProxy proxy)
    {
        lock (gate)
        {
            if (!proxies.Remove(proxy))
                return;
        }

        await TryGiveBackAsync(proxy.Id).ConfigureAwait(false);
    }

    /// <summary>Arguments as Python's values.</summary>
    internal static PythonTuple Converted(IReadOnlyList<object?>? arguments)
    {
        if (arguments is null or { Count: 0 })
            return PythonTuple.Empty;
        object?[] converted = new object?[arguments.Count];
        for (int index = 0; index < converted.Length; index++)
        {
            try
            {
                converted[index] = PythonConversion.ToPython(arguments[index]);
            }
            catch (PythonConversionException problem)
            {
                throw problem.Within($"arguments[{index}]");
            }
        }

        return new PythonTuple(converted, isOurs: true);
    }

    /// <summary>Makes a control request, which has a connection of its own.</summary>
    private async Task<object?> ControlAsync(string name, object?[] arguments, CancellationToken token)
    {
        ThrowIfDisposed();
        return await ControlOnceAsync(name, arguments, token).ConfigureAwait(false);
    }

    private async Task<object?> ControlOnceAsync(string name, object?[] arguments, CancellationToken token)
    {
        using PythonConnection connection = await PythonConnection.OpenAsync(EndPoint, key, options, token).ConfigureAwait(false);
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(token);
        if (options.CallTimeout != Timeout.InfiniteTimeSpan)
            deadline.CancelAfter(options.CallTimeout);
        try
        {
            return await connection.AskAsync(null, name, new PythonTuple(arguments, isOurs: true), deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException late) when (!token.IsCancellationRequested)
        {
            throw new TimeoutException($"{name} didn't return within {options.CallTimeout.TotalSeconds} s.", late);
        }
    }

    private async Task<bool> TryGiveBackAsync(string id)
    {
        using CancellationTokenSource deadline = new(options.ConnectTimeout);
        try
        {
            await ControlOnceAsync("decref", [id], deadline.Token).ConfigureAwait(false);
            return true;
        }
        catch (PythonException)
        {
            // It is gone already.
            return true;
        }
        catch (Exception failure) when (failure is IOException or AuthenticationException or TimeoutException or OperationCanceledException)
        {
            return false;
        }
    }

    private async Task<PythonConnection> RentAsync(CancellationToken token)
    {
        while (true)
        {
            PythonConnection? kept;
            lock (gate)
            {
                ThrowIfDisposed();
                if (!idle.TryPop(out kept))
                    break;
                busy.Add(kept);
            }

            if (kept.IsAlive)
                return kept;
            Return(kept, isGood: false);
        }

        PythonConnection opened = await PythonConnection.OpenAsync(EndPoint, key, options, token).ConfigureAwait(false);
        try
        {
            await opened.AskAsync(null, "accept_connection", new PythonTuple($"ManyHands-{Environment.ProcessId}"), token).ConfigureAwait(false);
            lock (gate)
            {
                ThrowIfDisposed();
                busy.Add(opened);
            }

            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    private void Return(PythonConnection connection, bool isGood)
    {
        lock (gate)
        {
            busy.Remove(connection);
            if (isGood && !isDisposed && idle.Count < MostIdle)
            {
                idle.Push(connection);
                return;
            }
        }

        connection.Dispose();
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref isDisposed), this);
}
