using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using ManyHands.Managers;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>What a client's connection is doing.</summary>
public enum ManagerClientState
{
    /// <summary>It is there.</summary>
    Connected,

    /// <summary>It was lost; another one is being tried for. Calls wait.</summary>
    Reconnecting,

    /// <summary>It was lost, and none was to be had in time. The next call tries again.</summary>
    Disconnected,

    /// <summary>The client was disposed of.</summary>
    Closed,
}

/// <summary>
/// Uses the objects of a <see cref="ManagerServer"/> from another process, on this machine or another. One connection serves everything; give one client to all who need it.
/// </summary>
/// <remarks>
/// <para>Thread-safe. If the connection is lost, the client tries for another, at ever longer intervals up to a second. What only waited (for an item, a lock, an event) goes on waiting;
/// what may have been done or not fails with <see cref="ConnectionLostException"/>. To the manager a new connection is a new client: what the old one had on lease has come back, what it held is free.</para>
/// <para>Methods without <c>Async</c> hold their thread for the way there and back.</para>
/// </remarks>
/// <example><code>
/// await using ManagerClient client = await ManagerClient.ConnectAsync(endPoint, ManagerKey.FromFile("manager.key"));
/// ISharedQueue&lt;string&gt; tasks = client.GetQueue&lt;string&gt;("tasks");
/// </code></example>
[DebuggerDisplay("{EndPoint}: {State}")]
public sealed partial class ManagerClient : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly ManagerClientOptions options;
    private readonly ManagerKey key;
    private readonly Link link;
    private readonly Lock gate = new();
    private readonly List<PendingRequest> parked = [];
    private readonly CancellationTokenSource closing = new();
    private readonly Dictionary<(string, ObjectKind, Type), RemoteObject> known = [];
    private ClientConnection? connection;
    private ClientConnection? beginning;
    private Task reconnecting = Task.CompletedTask;
    private ManagerClientState state = ManagerClientState.Reconnecting;
    private int reconnects;

    private ManagerClient(EndPoint endPoint, ManagerKey key, ManagerClientOptions options)
    {
        EndPoint = endPoint;
        this.key = key;
        this.options = options;
        link = new(this);
    }

    /// <summary>Told of each change of <see cref="State"/>, one after the other, on a thread of the pool: of the new state, and what has caused it, if that was a failure.</summary>
    public event Action<ManagerClientState, Exception?>? StateChanged;

    /// <summary>Where the manager is.</summary>
    public EndPoint EndPoint { get; }

    /// <summary>Whether the connection is there.</summary>
    public ManagerClientState State
    {
        get
        {
            lock (gate)
                return state;
        }
    }

    /// <summary>How often it was lost and another was made.</summary>
    public int Reconnects => Volatile.Read(ref reconnects);

    /// <summary>Connects, and shows the manager that both have the key.</summary>
    /// <param name="endPoint">Where the manager listens: an <see cref="IPEndPoint"/>, a <see cref="DnsEndPoint"/> or a <see cref="UnixDomainSocketEndPoint"/>.</param>
    /// <param name="key">The manager's key.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="ManagerException">The manager has another key, or is no manager.</exception>
    /// <exception cref="ConnectionLostException">Nobody answers there in time; the message says who and why.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static async Task<ManagerClient> ConnectAsync(EndPoint endPoint, ManagerKey key, ManagerClientOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        ArgumentNullException.ThrowIfNull(key);
        options ??= new();
        options.Validate();
        if (endPoint is not (IPEndPoint or DnsEndPoint or UnixDomainSocketEndPoint))
            throw new ArgumentException($"A manager is reached at an IPEndPoint, a DnsEndPoint or a UnixDomainSocketEndPoint, not at '{endPoint}'.", nameof(endPoint));
        ManagerClient client = new(endPoint, key, options);
        try
        {
            client.Begin(await client.OpenAsync(cancellationToken).ConfigureAwait(false));
            return client;
        }
        catch
        {
            client.closing.Dispose();
            throw;
        }
    }

    /// <summary>Leaves the manager. Calls that are under way fail with <see cref="ObjectDisposedException"/>; what this client has on lease comes back, what it holds becomes free.</summary>
    public async ValueTask DisposeAsync()
    {
        ClientConnection? last;
        PendingRequest[] waiting;
        lock (gate)
        {
            if (state == ManagerClientState.Closed)
                return;
            state = ManagerClientState.Closed;
            last = connection ?? beginning;
            connection = null;
            waiting = [.. parked, .. last?.Unanswered ?? []];
            parked.Clear();
        }

        await closing.CancelAsync().ConfigureAwait(false);

        // Before the connection ends, which would tell them that it was lost.
        foreach (PendingRequest request in waiting)
            request.Refuse(new ObjectDisposedException(nameof(ManagerClient)));
        last?.Leave();
        await reconnecting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (last is not null)
            await Task.Run(last.Dispose).ConfigureAwait(false);

        closing.Dispose();
        Tell(ManagerClientState.Closed, null);
    }

    /// <summary>The manager's object of that name, the same for all who ask.</summary>
    private T Get<T>(string name, ObjectKind kind, Func<T> make)
        where T : RemoteObject
    {
        ArgumentNullException.ThrowIfNull(name);
        RemoteObject? found;
        lock (known)
            known.TryGetValue((name, kind, typeof(T)), out found);
        if (found is T { IsForgotten: false } same)
            return same;
        T made = make();
        made.Learn(link.Open(made));
        lock (known)
        {
            if (known.TryGetValue((name, kind, typeof(T)), out found) && found is T { IsForgotten: false } quicker)
                return quicker;
            known[(name, kind, typeof(T))] = made;
        }

        return made;
    }

    private async Task<ClientConnection> OpenAsync(CancellationToken token)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(token, closing.Token);
        if (options.ConnectTimeout != Timeout.InfiniteTimeSpan)
            limit.CancelAfter(options.ConnectTimeout);
        Socket socket = EndPoint switch
        {
            UnixDomainSocketEndPoint => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified),
            IPEndPoint => new(EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp),
            _ => new(SocketType.Stream, ProtocolType.Tcp),
        };
        SslStream? tls = null;
        try
        {
            await socket.ConnectAsync(EndPoint, limit.Token).ConfigureAwait(false);
            WireStream.SetUp(socket);
            byte[] binding = new byte[32];
            if (options.IsEncrypted)
                tls = await EncryptAsync(socket, binding, limit.Token).ConfigureAwait(false);
            WireStream stream = new(socket, tls);
            await Handshake.AsClientAsync(
                async target =>
                {
                    while (target.Length > 0)
                    {
                        int count = await stream.ReceiveAsync(target, limit.Token).ConfigureAwait(false);
                        if (count == 0)
                            throw new ManagerException(ManagerError.WrongKey, $"What listens at {EndPoint} closed the connection during the handshake: it has another key, has too many clients, or is no manager (or one with TLS, which ManagerClientOptions.ServerCertificate or ServerName switches on).");
                        target = target[count..];
                    }
                },
                stream.SendAsync,
                key,
                binding,
                options.Name).ConfigureAwait(false);
            return new ClientConnection(stream, options.MaxMessageSize, Lost);
        }
        catch (Exception reason)
        {
            tls?.Dispose();
            socket.Dispose();
            token.ThrowIfCancellationRequested();
            throw reason switch
            {
                OperationCanceledException => new ConnectionLostException($"No manager answered at {EndPoint} within {options.ConnectTimeout.TotalSeconds:0.#} s.", reason),
                SocketException or IOException => new ConnectionLostException($"There is no connection to a manager at {EndPoint}: {ExceptionText.MessageOf(reason)}", reason),
                AuthenticationException => new ManagerException(ManagerError.WrongKey, $"What listens at {EndPoint} has not the certificate that it should have, or doesn't speak TLS: {ExceptionText.MessageOf(reason)}", reason),
                _ => reason,
            };
        }
    }

    private async Task<SslStream> EncryptAsync(Socket socket, byte[] binding, CancellationToken token)
    {
        SslStream tls = new(new NetworkStream(socket, ownsSocket: false));
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = options.ServerName ?? "",
#pragma warning disable CA5359 // One certificate is accepted, by its very bytes; or else what the system accepts.
                    RemoteCertificateValidationCallback = (_, certificate, _, errors) => certificate is not null && (options.ServerCertificate is { } expected
                        ? CryptographicOperations.FixedTimeEquals(certificate.GetRawCertData(), expected.RawData)
                        : errors == SslPolicyErrors.None),
#pragma warning restore CA5359
                },
                token).ConfigureAwait(false);
            SHA256.HashData(tls.RemoteCertificate!.GetRawCertData(), binding);
            return tls;
        }
        catch
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Has requests go by a connection: first those that wait for one, in their order, then new ones.</summary>
    /// <exception cref="ConnectionLostException">It has ended already.</exception>
    private void Begin(ClientConnection opened)
    {
        lock (gate)
            beginning = opened;
        opened.Start();
        while (true)
        {
            PendingRequest[] waiting;
            lock (gate)
            {
                if (state == ManagerClientState.Closed || opened.IsOver)
                {
                    beginning = null;
                    break;
                }

                waiting = [.. parked];
                parked.Clear();
                if (waiting.Length == 0)
                {
                    beginning = null;
                    connection = opened;
                    state = ManagerClientState.Connected;
                    return;
                }
            }

            foreach (PendingRequest request in waiting)
                Resend(opened, request);
        }

        opened.Leave();
        if (State != ManagerClientState.Closed)
            throw new ConnectionLostException($"The connection to the manager at {EndPoint} ended as soon as it was made.");
    }

    private void Resend(ClientConnection opened, PendingRequest request)
    {
        try
        {
            if (!opened.TrySend(request, Link.NumberOn(opened, request.Target), request.Body))
                Park(request);
        }
        catch (Exception reason)
        {
            request.Refuse(reason);
        }
    }

    private void Lost(ClientConnection lost, Exception? reason)
    {
        bool isCurrent;
        lock (gate)
        {
            isCurrent = connection == lost && state == ManagerClientState.Connected;
            if (isCurrent)
            {
                connection = null;
                state = ManagerClientState.Reconnecting;
                reconnecting = Task.Run(() => ReconnectAsync(reason));
            }
        }

        foreach (PendingRequest request in lost.Unanswered)
        {
            if (request.IsCompleted)
                continue;
            if (request.IsRepeatable && !request.Token.IsCancellationRequested)
                Park(request);
            else
                request.Refuse(new ConnectionLostException($"The connection to the manager at {EndPoint} was lost before the answer to {request.Operation} of {request.Target} came; whether it was done isn't known. {ExceptionText.MessageOf(reason)}", reason));
        }

        Guarded.Queue(GuardedEntry.ManagerClient, lost, static lost => lost.Dispose(), static _ => "what a lost connection to a manager leaves behind");
    }

    private async Task ReconnectAsync(Exception? reason)
    {
        Tell(ManagerClientState.Reconnecting, reason);
        long startedAt = Stopwatch.GetTimestamp();
        TimeSpan pause = FirstPause;
        while (options.ReconnectTimeout == Timeout.InfiniteTimeSpan || Stopwatch.GetElapsedTime(startedAt) < options.ReconnectTimeout)
        {
            try
            {
                ClientConnection opened = await OpenAsync(closing.Token).ConfigureAwait(false);
                Interlocked.Increment(ref reconnects);
                Begin(opened);
                Tell(ManagerClientState.Connected, null);
                return;
            }
            catch (OperationCanceledException) when (closing.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure)
            {
                // A wrong key too: a manager that starts on the port again may have been another program for a moment. Whatever it is, callers wait for this.
                reason = failure;
                if (failure is not (ConnectionLostException or ManagerException or OperationCanceledException or ObjectDisposedException))
                    Guarded.Fail(GuardedEntry.ManagerReconnect, this, failure, static client => $"the connection to the manager at {client.EndPoint}, which is tried for again");
            }

            // Many clients of one manager must not come all at once.
            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }

        PendingRequest[] waiting;
        lock (gate)
        {
            if (state != ManagerClientState.Reconnecting)
                return;
            state = ManagerClientState.Disconnected;
            waiting = [.. parked];
            parked.Clear();
        }

        foreach (PendingRequest request in waiting)
            request.Refuse(NoConnection(reason));
        Tell(ManagerClientState.Disconnected, reason);
    }

    /// <summary>Whatever a listener does, the client goes on, and the next listener is told.</summary>
    private void Tell(ManagerClientState now, Exception? reason)
    {
        foreach (Action<ManagerClientState, Exception?> listener in Delegate.EnumerateInvocationList(StateChanged))
            Guarded.Run(GuardedEntry.ManagerReconnect, (Listener: listener, Now: now, Reason: reason), static one => one.Listener(one.Now, one.Reason), static one => $"a listener of ManagerClient.StateChanged, which was told of {one.Now}");
    }

    private ConnectionLostException NoConnection(Exception? reason) =>
        new($"The connection to the manager at {EndPoint} was lost, and none was to be had within {options.ReconnectTimeout.TotalSeconds:0.#} s (ManagerClientOptions.ReconnectTimeout); this was not done. {ExceptionText.MessageOf(reason)}", reason);

    /// <summary>Has it wait for a connection.</summary>
    private void Park(PendingRequest request)
    {
        lock (gate)
        {
            if (state == ManagerClientState.Closed)
            {
                request.Refuse(new ObjectDisposedException(nameof(ManagerClient)));
                return;
            }

            if (connection is { IsOver: false } current)
            {
                Guarded.Queue(
                    GuardedEntry.ManagerAnswer,
                    (Client: this, Connection: current, Request: request),
                    static one => one.Client.Resend(one.Connection, one.Request),
                    static one => $"the request {one.Request.Operation} of {one.Request.Target}, which failed",
                    static (one, reason) => one.Request.Refuse(reason));
                return;
            }

            parked.Add(request);
            if (state == ManagerClientState.Disconnected)
            {
                state = ManagerClientState.Reconnecting;
                reconnecting = Task.Run(() => ReconnectAsync(null));
            }
        }
    }

    private void Canceled(PendingRequest request)
    {
        request.Cancel();
        ClientConnection? current;
        bool wasParked;
        lock (gate)
        {
            wasParked = parked.Remove(request);
            current = connection ?? beginning;
        }

        // No answer can come to what was not sent.
        if (wasParked)
            request.Refuse(new OperationCanceledException(request.Token));
        else
            current?.Cancel(request);
    }

    /// <summary>The way of requests over whatever connection there is.</summary>
    private sealed class Link(ManagerClient client) : ManagerLink
    {
        private static readonly ManagerItself Opener = new();

        public override object? Epoch
        {
            get
            {
                lock (client.gate)
                    return client.connection ?? client.beginning;
            }
        }

        /// <summary>The one that new requests go by; null while there is none, and while those that waited for one go first.</summary>
        private ClientConnection? Current
        {
            get
            {
                lock (client.gate)
                    return client.connection;
            }
        }

        public override bool IsCurrent(object? epoch) => epoch is ClientConnection { IsOver: false } connection && Epoch == connection;

        public override Task<ReadOnlyMemory<byte>> SendAsync(
            RemoteObject target, Operation operation, TimeSpan wait, ReadOnlyMemory<byte> body, RequestTraits traits, Action<ReadOnlyMemory<byte>>? undo, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(client.State == ManagerClientState.Closed, client);
            if (body.Length + 64 > client.options.MaxMessageSize)
                throw new UnsendableCallException($"{target}: {body.Length:N0} bytes are more than one message may have ({client.options.MaxMessageSize:N0}, ManagerClientOptions.MaxMessageSize). Send it in parts, or put it into a file and send its name.");
            PendingRequest request = new(target, operation, wait, traits, undo, token);
            if (client.options.CallTimeout != Timeout.InfiniteTimeSpan && request.WaitEnd != long.MaxValue && !request.AnswerIsOwed)
                request.Due = request.WaitEnd + (long)(client.options.CallTimeout.TotalSeconds * Stopwatch.Frequency);
            request.Watch(client.Canceled);
            if (request.IsRepeatable)
                request.Body = body.ToArray();
            if (Current is { } connection && connection.TrySend(request, NumberOn(connection, target), body.Span))
            {
                // Cancelled before it had an id, so that nobody could be told.
                if (token.IsCancellationRequested)
                    connection.Cancel(request);
                else
                    connection.Look(request);
                return request.Task;
            }

            request.Body ??= body.ToArray();
            client.Park(request);
            return request.Task;
        }

        public override void Post(RemoteObject target, Operation operation, ReadOnlyMemory<byte> body)
        {
            if (Epoch is ClientConnection { IsOver: false } connection && target.Opened is { } opened && opened.Epoch == connection)
                connection.Post(opened.Number, operation, body.Span);
        }

        public override Task SentAsync() => Epoch is ClientConnection connection ? connection.SentAsync() : Task.CompletedTask;

        public override ReadOnlyMemory<byte> Open(RemoteObject target)
        {
            ObjectDisposedException.ThrowIf(client.State == ManagerClientState.Closed, client);
            PendingRequest request = OpenRequest(target, RequestTraits.Repeatable, out byte[] body);
            request.Body = body;
            if (Current is not { } connection || !connection.TrySend(request, 0, body))
                client.Park(request);
            else
                connection.Look(request);
            return request.Task.GetAwaiter().GetResult()[sizeof(int)..];
        }

        /// <summary>Under which number that connection knows it; asks if it doesn't know it yet.</summary>
        public static int NumberOn(ClientConnection connection, RemoteObject target)
        {
            if (target.Opened is { } opened && opened.Epoch == connection)
                return opened.Number;
            if (target == Opener)
                return 0;
            PendingRequest request = OpenRequest(target, RequestTraits.None, out byte[] body);
            if (!connection.TrySend(request, 0, body))
                return 0;
            connection.Look(request);
            try
            {
                PayloadReader reader = new(request.Task.GetAwaiter().GetResult());
                int number = reader.ReadUnmanaged<int>();
                target.Opened = new(connection, number);
                return number;
            }
            catch (ConnectionLostException)
            {
                // What was to be sent finds that out too, and waits for the next one.
                return 0;
            }
        }

        private static PendingRequest OpenRequest(RemoteObject target, RequestTraits traits, out byte[] body)
        {
            using PayloadWriter writer = new(64);
            writer.WriteByte((byte)target.Kind);
            writer.WriteString(target.Name);
            writer.WriteString(target.TypeName);
            body = writer.WrittenSpan.ToArray();
            return new PendingRequest(Opener, Operation.Open, Timeout.InfiniteTimeSpan, traits, null, default);
        }

        private sealed class ManagerItself() : RemoteObject(null!, "", ObjectKind.Manager, "");
    }
}
