using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using ManyHands.Managers;
using ManyHands.Platform;
using Microsoft.Extensions.Logging;

namespace ManyHands;

/// <summary>Where a manager serves Python programs; made by <see cref="ManagerServer.ListenPython"/>. Stops with the manager, or when it is disposed of.</summary>
[DebuggerDisplay("{EndPoint}: {ConnectionCount} connections")]
public sealed class PythonListener : IAsyncDisposable
{
    /// <summary>Who is at its handshake for less than this isn't sent away for others.</summary>
    private static readonly TimeSpan HandshakePatience = TimeSpan.FromMilliseconds(500);

    private const int TcpQuickAck = 12;

    private readonly ManagerServer server;
    private readonly PythonListenerOptions options;
    private readonly PythonExports exports;
    private readonly ConcurrentDictionary<PythonServerConnection, bool> connections = new();
    private readonly LinkedList<(Socket Socket, long Since)> handshakes = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly AddressThrottle throttle = new(TimeProvider.System);
    private readonly Socket listener;
    private readonly string? socketPath;
    private readonly Task accepting;
    private int isStopping;
    private int serving;
    private long refused;

    internal PythonListener(ManagerServer server, PythonListenerOptions options)
    {
        this.server = server;
        this.options = options;
        Key = options.Key ?? ManagerKey.Generate();
        exports = new(server.Objects, options);
        listener = Listening.Open(options.EndPoint, out socketPath);
        EndPoint = socketPath is null ? listener.LocalEndPoint! : options.EndPoint;
        accepting = Task.Run(AcceptAsync);
    }

    /// <summary>Where it listens, with the port that it got.</summary>
    public EndPoint EndPoint { get; }

    /// <summary>What clients must have as their <c>authkey</c>: its bytes.</summary>
    public ManagerKey Key { get; }

    /// <summary>How many connections there are: one for each thread of a client that has called something, and those that are made for a moment only.</summary>
    public int ConnectionCount => connections.Count;

    /// <summary>How many connections were refused so far: without the key, too slow, too many.</summary>
    public long RefusedConnections => Interlocked.Read(ref refused);

    /// <summary>Stops listening and ends all connections; what they have taken and not confirmed returns. Safe to call more than once.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref isStopping, 1) != 0)
        {
            await stopped.Task.ConfigureAwait(false);
            return;
        }

        try
        {
            await stopping.CancelAsync().ConfigureAwait(false);
            listener.Dispose();
            if (socketPath is not null)
                Listening.Remove(socketPath);
            await accepting.ConfigureAwait(false);
            foreach (PythonServerConnection connection in connections.Keys)
                connection.Stop();
            lock (handshakes)
            {
                foreach ((Socket socket, _) in handshakes)
                    socket.Dispose();
            }

            while (Volatile.Read(ref serving) > 0)
                await Task.Delay(1).ConfigureAwait(false);
            exports.Dispose();
        }
        finally
        {
            stopping.Dispose();
            server.Forget(this);
            stopped.TrySetResult();
        }
    }

    private async Task AcceptAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            Socket socket;
            LinkedListNode<(Socket, long)> place;
            try
            {
                socket = await listener.AcceptAsync(stopping.Token).ConfigureAwait(false);
                place = await BeginHandshakeAsync(socket).ConfigureAwait(false);
            }
            catch (Exception reason) when (reason is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException reason)
            {
                // The connection ended before it was accepted, or there are no descriptors left: those who are there go on.
                server.Log(LogLevel.Warning, $"A Python client's connection couldn't be accepted: {ExceptionText.MessageOf(reason)}");
                await Task.Delay(10, CancellationToken.None).ConfigureAwait(false);
                continue;
            }

            Interlocked.Increment(ref serving);
            _ = Task.Run(() => ServeAsync(socket, place));
        }
    }

    private async Task ServeAsync(Socket socket, LinkedListNode<(Socket, long)> place)
    {
        EndPoint? peer = null;
        try
        {
            peer = socket.RemoteEndPoint;
            WireStream.SetUp(socket);
            await throttle.DelayAsync(peer, stopping.Token).ConfigureAwait(false);
            using NetworkStream stream = new(socket, ownsSocket: false);
            PythonFraming framing = new(stream);
            using (CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token))
            {
                limit.CancelAfter(options.HandshakeTimeout);
                await PythonHandshake.ServeAsync(framing, Key.Memory, options.AllowLegacyMd5, limit.Token).ConfigureAwait(false);
            }

            EndHandshake(place);
            AcknowledgeAtOnce(socket);
            if (connections.Count >= options.MaxConnections)
            {
                Interlocked.Increment(ref refused);
                server.Log(LogLevel.Warning, $"A Python client at {peer} was refused: there are {options.MaxConnections:N0} connections already (PythonListenerOptions.MaxConnections).");
                return;
            }

            using PythonServerConnection connection = new(socket, framing, peer, exports, options, server);
            connections[connection] = true;
            if (stopping.IsCancellationRequested)
                connection.Stop();
            try
            {
                await connection.RunAsync().ConfigureAwait(false);
            }
            finally
            {
                connections.TryRemove(connection, out _);
            }
        }
        catch (Exception reason) when (reason is SocketException or IOException or ObjectDisposedException or OperationCanceledException or AuthenticationException)
        {
            // A stranger that came and went.
            Interlocked.Increment(ref refused);
            throttle.Failed(peer);
            if (reason is AuthenticationException)
                server.Log(LogLevel.Warning, $"A Python client at {peer} was refused: {ExceptionText.MessageOf(reason)}");
        }
        finally
        {
            EndHandshake(place);
            socket.Dispose();
            Interlocked.Decrement(ref serving);
        }
    }

    // Python ends its handshake and sends its request in two small writes; its kernel keeps the second until the first is acknowledged, which ours would do 40 ms later.
    private static void AcknowledgeAtOnce(Socket socket)
    {
        if (OperatingSystem.IsLinux() && socket.AddressFamily is (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6))
            socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TcpQuickAck, BitConverter.GetBytes(1));
    }

    // Silent peers must not keep others out: the oldest has had the most time. But who is at it for a moment only is most likely one of many that come together; the others wait in the kernel.
    private async Task<LinkedListNode<(Socket, long)>> BeginHandshakeAsync(Socket socket)
    {
        while (true)
        {
            TimeSpan wait;
            lock (handshakes)
            {
                if (handshakes.Count < options.MaxHandshakes)
                    return handshakes.AddLast((socket, Stopwatch.GetTimestamp()));
                LinkedListNode<(Socket Socket, long Since)> oldest = handshakes.First!;
                wait = HandshakePatience - Stopwatch.GetElapsedTime(oldest.Value.Since);
                if (wait <= TimeSpan.Zero)
                {
                    handshakes.RemoveFirst();
                    oldest.Value.Socket.Dispose();
                    continue;
                }
            }

            try
            {
                await Task.Delay(wait < TimeSpan.FromMilliseconds(5) ? wait : TimeSpan.FromMilliseconds(5), stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                socket.Dispose();
                throw;
            }
        }
    }

    private void EndHandshake(LinkedListNode<(Socket, long)> place)
    {
        lock (handshakes)
        {
            if (place.List is not null)
                handshakes.Remove(place);
        }
    }
}
