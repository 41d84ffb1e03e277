using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using ManyHands.Managers;
using ManyHands.Platform;
using Microsoft.Extensions.Logging;

namespace ManyHands;

/// <summary>
/// Has objects under names, on a port: queues, dictionaries, locks and more, which clients of this and other machines use as if they had them. Nothing is lost when a client dies: what it had on lease comes back,
/// what it held is freed, and the next holder is told.
/// </summary>
/// <remarks>
/// <para>Register what it is to have, then start it. More can be registered later. This process uses the objects through what <c>Register…</c> returns; it needs no client.</para>
/// <para>Thread-safe. To have it in a process of its own, run it in a <see cref="WorkerProcess"/>.</para>
/// </remarks>
/// <example><code>
/// await using ManagerServer server = new(new() { Key = ManagerKey.FromFileOrNew("manager.key") });
/// ISharedQueue&lt;string&gt; tasks = server.RegisterQueue&lt;string&gt;("tasks");
/// server.Start();
/// </code></example>
[DebuggerDisplay("{EndPoint}: {Statistics.Clients.Count} clients")]
public sealed partial class ManagerServer : IAsyncDisposable
{
    private readonly ManagerOptions options;
    private readonly StoredBytes bytes;
    private readonly HostedObjects objects;
    private readonly StorageWriter? storage;
    private readonly LocalSession local;
    private readonly ConcurrentDictionary<ServerConnection, bool> connections = new();
    private readonly LinkedList<(Socket Socket, long Since)> handshakes = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock gate = new();
    private readonly AddressThrottle throttle = new(TimeProvider.System);
    private readonly byte[] binding = new byte[32];
    private Socket? listener;
    private Task accepting = Task.CompletedTask;
    private string? socketPath;
    private bool isStopping;
    private long refused;
    private long accepted;
    private int serving;

    /// <summary>Makes a manager that doesn't listen yet.</summary>
    /// <param name="options">Null for the defaults: a free port of this machine only, and a new key.</param>
    /// <exception cref="ArgumentException">An option is out of range, or would expose the manager; the message says what to do.</exception>
    /// <exception cref="IOException">The storage can't be read.</exception>
    public ManagerServer(ManagerOptions? options = null)
    {
        this.options = options ?? new();
        this.options.Validate();
        Key = this.options.Key ?? ManagerKey.Generate();
        bytes = new(this.options.MaxStoredBytes);
        ManagerFaults faults = new(Log);
        storage = this.options.Storage is { } given ? new(given, Log) : null;
        objects = new(bytes, storage, faults);
        local = new(faults);
        EndPoint = this.options.EndPoint;
        if (this.options.Certificate is { } certificate)
            SHA256.HashData(certificate.RawData, binding);
    }

    /// <summary>Where it listens; with the port that it got, once it is started.</summary>
    public EndPoint EndPoint { get; private set; }

    /// <summary>What clients must know.</summary>
    public ManagerKey Key { get; }

    /// <summary>What it has and who uses it, at this moment.</summary>
    public ManagerStatistics Statistics => new()
    {
        EndPoint = EndPoint,
        Clients = [.. connections.Keys.Select(client => new ManagerClientStatistics
        {
            Name = client.Name,
            EndPoint = client.Peer,
            Since = client.Since,
            Requests = client.Requests,
            WaitingRequests = client.WaitingRequests,
        })],
        Objects = [.. objects.All.Select(one => new ManagerObjectStatistics { Name = one.Name, Kind = one.Kind.ToString(), TypeName = one.TypeName, Count = one.Count, WaitingRequests = one.Waiting }).OrderBy(one => one.Name, StringComparer.Ordinal)],
        StoredBytes = bytes.Held,
        StorageFailure = storage?.Failure is { } failure ? ExceptionText.MessageOf(failure) : null,
        AcceptedClients = Interlocked.Read(ref accepted),
        RefusedClients = Interlocked.Read(ref refused),
    };

    internal HostedObjects Objects => objects;

    internal ManagerOptions Options => options;

    internal ManagerLink Local => local;

    /// <summary>Begins to listen. A port that a manager has left a moment ago can be had at once.</summary>
    /// <exception cref="InvalidOperationException">It was started or stopped before.</exception>
    /// <exception cref="IOException">The address is in use or isn't this machine's; or the socket's folder could be changed by others.</exception>
    public void Start()
    {
        lock (gate)
        {
            if (listener is not null || isStopping)
                throw new InvalidOperationException("A manager is started once. Make another.");
            listener = Listening.Open(options.EndPoint, out socketPath);
            EndPoint = socketPath is null ? listener.LocalEndPoint! : options.EndPoint;
            accepting = Task.Run(AcceptAsync);
        }

        Log(LogLevel.Information, $"The manager listens on {EndPoint}.");
    }

    /// <summary>Starts it unless it was, and ends when the token says so: the whole life of a manager in a process of its own.</summary>
    public async Task RunAsync(CancellationToken cancellationToken = default)
    {
        bool isStarted;
        lock (gate)
            isStarted = listener is not null;
        if (!isStarted)
            Start();
        await using (this.ConfigureAwait(false))
            await stopped.Task.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Stops: clients are told, those that wait get <see cref="ManagerException"/>, the port is free, and what is to be kept is. Safe to call more than once.</summary>
    public async ValueTask DisposeAsync()
    {
        bool isFirst;
        lock (gate)
        {
            isFirst = !isStopping;
            isStopping = true;
        }

        if (!isFirst)
        {
            await stopped.Task.ConfigureAwait(false);
            return;
        }

        try
        {
            await stopping.CancelAsync().ConfigureAwait(false);
            listener?.Dispose();
            if (socketPath is not null)
                Listening.Remove(socketPath);
            await accepting.ConfigureAwait(false);
            foreach (PythonListener python in PythonListeners())
                await python.DisposeAsync().ConfigureAwait(false);
            objects.Stop();
            await Task.WhenAll(connections.Keys.Select(client => client.SayFarewellAsync())).WaitAsync(TimeSpan.FromSeconds(1)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (ServerConnection client in connections.Keys)
                client.Stop();
            lock (handshakes)
            {
                foreach ((Socket socket, _) in handshakes)
                    socket.Dispose();
            }

            while (Volatile.Read(ref serving) > 0)
                await Task.Delay(1).ConfigureAwait(false);
            local.End();
            if (storage is not null)
                await storage.CloseAsync().ConfigureAwait(false);
        }
        finally
        {
            stopping.Dispose();
            stopped.TrySetResult();
            Log(LogLevel.Information, $"The manager on {EndPoint} has stopped.");
        }
    }

    internal void Log(LogLevel level, string message)
    {
        try
        {
            Tell(level, message);
        }
        catch (Exception failure)
        {
            // The application's logger. What it was to be told isn't the worse for it.
            InternalFaults.Report(GuardedEntry.ManagerConnection, $"the manager's logger, which was told: {message}", failure);
        }
    }

    private void Tell(LogLevel level, string message)
    {
        if (options.Logger is { } logger)
#pragma warning disable CA1848, CA2254 // A few lines per client; each message is its own.
            logger.Log(level, message);
#pragma warning restore CA1848, CA2254
        else if (level >= LogLevel.Warning)
            Trace.TraceWarning(message);
    }

    private async Task AcceptAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                FaultPoint.Enter(GuardedEntry.ManagerAccept);
                Socket socket = await listener!.AcceptAsync(stopping.Token).ConfigureAwait(false);
                Interlocked.Increment(ref serving);
                Guarded.Queue(
                    GuardedEntry.ManagerConnection,
                    (Server: this, Socket: socket),
                    static one => _ = one.Server.ServeAsync(one.Socket),
                    static _ => "a connection that was accepted, and is closed",
                    static (one, _) => one.Server.EndServing(one.Socket));
                continue;
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException reason)
            {
                // The connection ended before it was accepted, or there are no descriptors left: those who are there go on.
                Log(LogLevel.Warning, $"A connection couldn't be accepted: {ExceptionText.MessageOf(reason)}");
            }
            catch (Exception reason)
            {
                objects.Faults.Fail(GuardedEntry.ManagerAccept, EndPoint, reason, static endPoint => $"a connection to {endPoint} that was to be accepted; the next is");
            }

            await Task.Delay(10, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Serves a connection from its beginning to its end. Never throws.</summary>
    private async Task ServeAsync(Socket socket)
    {
        LinkedListNode<(Socket, long)>? place = null;
        EndPoint? peer = null;
        try
        {
            peer = socket.RemoteEndPoint;
            WireStream.SetUp(socket);
            place = BeginHandshake(socket);
            await throttle.DelayAsync(peer, stopping.Token).ConfigureAwait(false);
            (WireStream Stream, string Name)? proved = await ProveAsync(socket).ConfigureAwait(false);
            EndHandshake(place);
            place = null;
            if (proved is { } client)
            {
                await ServeClientAsync(client.Stream, client.Name, peer).ConfigureAwait(false);
                return;
            }

            throttle.Failed(peer);
            Interlocked.Increment(ref refused);
            Log(LogLevel.Warning, $"A connection from {peer} was refused: it didn't show that it has the key.");
        }
        catch (Exception reason)
        {
            Interlocked.Increment(ref refused);
            throttle.Failed(peer);

            // Anything else is no stranger that came and went.
            if (reason is not (SocketException or IOException or ObjectDisposedException or OperationCanceledException or AuthenticationException or InvalidOperationException))
                objects.Faults.Fail(GuardedEntry.ManagerConnection, peer, reason, static peer => $"a connection from {peer}, which was refused");
        }
        finally
        {
            EndHandshake(place);
            EndServing(socket);
        }
    }

    private void EndServing(Socket socket)
    {
        socket.Dispose();
        Interlocked.Decrement(ref serving);
    }

    /// <summary>Serves a client that has shown that it has the key. Whatever happens, it counts as one only until this ends.</summary>
    private async Task ServeClientAsync(WireStream stream, string name, EndPoint? peer)
    {
        if (connections.Count >= options.MaxClients)
        {
            Interlocked.Increment(ref refused);
            Log(LogLevel.Warning, $"{name} at {peer} was refused: there are {options.MaxClients:N0} clients already (ManagerOptions.MaxClients).");
            stream.Dispose();
            return;
        }

        ServerConnection connection = new(name, peer, stream, objects, options);
        try
        {
            connections[connection] = true;
            Interlocked.Increment(ref accepted);
            Log(LogLevel.Information, $"{name} has come from {peer}.");
            if (stopping.IsCancellationRequested)
                connection.Stop();
            await connection.RunAsync().ConfigureAwait(false);
            Log(LogLevel.Information, $"{name} has gone{(connection.Reason is { } reason ? $": {reason}" : ".")}");
        }
        catch (Exception reason)
        {
            objects.Faults.Fail(GuardedEntry.ManagerConnection, connection, reason, static connection => $"the connection of {connection}, which was ended");
        }
        finally
        {
            connections.TryRemove(connection, out _);
            objects.Faults.Run(GuardedEntry.ManagerConnection, connection, static connection => connection.Dispose(), static connection => $"the end of the connection of {connection}");
        }
    }

    private LinkedListNode<(Socket, long)> BeginHandshake(Socket socket)
    {
        lock (handshakes)
        {
            // Silent peers must not keep others out: the oldest has had the most time.
            if (handshakes.Count >= options.MaxHandshakes && handshakes.First is { } oldest)
            {
                handshakes.RemoveFirst();
                oldest.Value.Socket.Dispose();
            }

            return handshakes.AddLast((socket, Stopwatch.GetTimestamp()));
        }
    }

    private void EndHandshake(LinkedListNode<(Socket, long)>? place)
    {
        lock (handshakes)
        {
            if (place?.List is not null)
                handshakes.Remove(place);
        }
    }

    private async Task<(WireStream Stream, string Name)?> ProveAsync(Socket socket)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
        limit.CancelAfter(options.HandshakeTimeout);
        SslStream? tls = null;
        if (options.Certificate is { } certificate)
        {
            tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate, EnabledSslProtocols = System.Security.Authentication.SslProtocols.None }, limit.Token).ConfigureAwait(false);
        }

        WireStream stream = new(socket, tls);
        string? name = await Handshake.AsServerAsync(
            async target =>
            {
                while (target.Length > 0)
                {
                    int count = await stream.ReceiveAsync(target, limit.Token).ConfigureAwait(false);
                    if (count == 0)
                        throw new EndOfStreamException("The peer left during the handshake.");
                    target = target[count..];
                }
            },
            stream.SendAsync,
            Key,
            binding).ConfigureAwait(false);
        if (name is null)
        {
            tls?.Dispose();
            return null;
        }

        await stream.SendAsync(new[] { Handshake.Welcome }).ConfigureAwait(false);
        return (stream, name);
    }
}
