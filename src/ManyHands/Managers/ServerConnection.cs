using System.Net;
using System.Net.Sockets;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A client's connection, at the server, after the handshake.</summary>
internal sealed class ServerConnection : ClientSession, IFlushed, IDisposable
{
    /// <summary>Answers that a client doesn't take stop the reading of its requests beyond this.</summary>
    private const int MostUnsent = 4 << 20;

    private readonly HostedObjects objects;
    private readonly WireStream stream;
    private readonly OutgoingFrames outgoing;
    private readonly FrameBuffer incoming;
    private readonly CancellationTokenSource ending = new();
    private readonly Spinning spinning = new();
    private bool wasHeardOut;

    public ServerConnection(string name, EndPoint? peer, WireStream stream, HostedObjects objects, ManagerOptions options)
        : base(name, objects, options.MaxRequestsPerClient)
    {
        this.objects = objects;
        this.stream = stream;
        Faults = objects.Faults;
        Peer = peer;
        outgoing = new(stream, _ => Stop());
        incoming = new(options.MaxMessageSize);
    }

    public EndPoint? Peer { get; }

    /// <summary>Why it ended, if not by the client's own will.</summary>
    public string? Reason { get; private set; }

    /// <summary>
    /// A connection that was closed was read to its end, also if the client's process was killed. If that had something unread, the connection is reset; then what it had said is there only if it had no network to pass.
    /// One that fell silent may have lost anything.
    /// </summary>
    public override bool WasHeardOut => wasHeardOut;

    /// <summary>Reads and does what the client asks for, until one side ends it.</summary>
    public async Task RunAsync()
    {
        try
        {
            while (await ReceiveAsync().ConfigureAwait(false))
            {
                using (FlushScope.Enter())
                {
                    while (incoming.TryTake(out ReadOnlyMemory<byte> message))
                    {
                        if (!Handle(message))
                        {
                            wasHeardOut = true;
                            return;
                        }
                    }
                }

                if (outgoing.Waiting > MostUnsent)
                    await outgoing.DrainedAsync().ConfigureAwait(false);
                await objects.RoomAsync().ConfigureAwait(false);
            }

            wasHeardOut = true;
        }
        catch (Exception reason) when (reason is SocketException or IOException or ObjectDisposedException or OperationCanceledException)
        {
            wasHeardOut = IsOfThisMachine && (reason as SocketException ?? reason.InnerException as SocketException)?.SocketErrorCode == SocketError.ConnectionReset;
            Reason ??= ExceptionText.MessageOf(reason);
        }
        catch (Exception reason) when (reason is InvalidDataException or InvalidPayloadException)
        {
            Reason ??= $"It sent what is no message: {ExceptionText.MessageOf(reason)}";
        }
    }

    public override string ToString() => $"{Name} at {Peer}";

    public void Flush() => outgoing.Flush();

    /// <summary>Ends the connection; the reading ends with it.</summary>
    public void Stop()
    {
        try
        {
            ending.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The client left in this moment.
        }

        stream.Shutdown();
    }

    protected override void Break()
    {
        Reason ??= "An answer to it couldn't be sent.";
        Stop();
    }

    /// <summary>Tells the client that no more answers come.</summary>
    public Task SayFarewellAsync()
    {
        outgoing.Add(MessageKind.Farewell, default);
        outgoing.Flush();
        return outgoing.DrainedAsync();
    }

    protected override void Write(MessageKind kind, ReadOnlySpan<byte> id, ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        outgoing.Add(kind, id, head, first, second);
        FlushScope.Needs(this);
    }

    public void Dispose()
    {
        End();
        outgoing.Dispose();
        stream.Dispose();
        incoming.Dispose();
        ending.Dispose();
    }

    private bool IsOfThisMachine => Peer is not IPEndPoint { Address: var address } || IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);

    private async ValueTask<bool> ReceiveAsync()
    {
        Memory<byte> free = incoming.Free;
        int count = Look(free.Span);
        if (count < 0)
            count = await stream.ReceiveAsync(free, ending.Token).ConfigureAwait(false);
        incoming.Added(count);
        return count > 0;
    }

    // A client that calls one at a time sends the next soon after its answer: looking for it some microseconds costs less than to be woken.
    private int Look(Span<byte> free)
    {
        if (!stream.CanTry)
            return -1;
        int count = stream.TryReceive(free);
        if (count >= 0 || !spinning.IsWorthwhile)
            return count;
        int rounds = 0;
        long deadline = Spinning.WorkersDeadline;
        do
        {
            count = stream.TryReceive(free);
            if (count >= 0)
            {
                spinning.Succeeded();
                return count;
            }
        }
        while (Spinning.Pause(ref rounds, deadline));
        spinning.Failed();
        return -1;
    }
}
