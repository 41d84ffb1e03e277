using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A client's connection, at the server, after the handshake.</summary>
internal sealed class ServerConnection : ManagerSession, IFlushed, IDisposable
{
    /// <summary>Answers that a client doesn't take stop the reading of its requests beyond this.</summary>
    private const int MostUnsent = 4 << 20;

    private readonly HostedObjects objects;
    private readonly WireStream stream;
    private readonly OutgoingFrames outgoing;
    private readonly FrameBuffer incoming;
    private readonly CancellationTokenSource ending = new();
    private readonly Spinning spinning = new();
    private readonly List<HostedObject> opened = [];
    private readonly ConcurrentDictionary<uint, ConnectionRequest> waitingById = new();
    private readonly int mostRequests;
    private bool wasHeardOut;

    public ServerConnection(string name, EndPoint? peer, WireStream stream, HostedObjects objects, ManagerOptions options)
        : base(name)
    {
        this.stream = stream;
        this.objects = objects;
        Peer = peer;
        mostRequests = options.MaxRequestsPerClient;
        outgoing = new(stream, _ => Stop());
        incoming = new(options.MaxMessageSize);
    }

    public EndPoint? Peer { get; }

    /// <summary>Why it ended, if not by the client's own will.</summary>
    public string? Reason { get; private set; }

    public long Requests { get; private set; }

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
            }

            wasHeardOut = true;
        }
        catch (Exception reason) when (reason is SocketException or IOException or ObjectDisposedException or OperationCanceledException)
        {
            wasHeardOut = IsOfThisMachine && (reason as SocketException ?? reason.InnerException as SocketException)?.SocketErrorCode == SocketError.ConnectionReset;
            Reason ??= reason.Message;
        }
        catch (Exception reason) when (reason is InvalidDataException or InvalidPayloadException)
        {
            Reason ??= $"It sent what is no message: {reason.Message}";
        }
    }

    public void Flush() => outgoing.Flush();

    /// <summary>Ends the connection; the reading ends with it.</summary>
    public void Stop()
    {
        ending.Cancel();
        stream.Shutdown();
    }

    /// <summary>Tells the client that no more answers come.</summary>
    public Task SayFarewellAsync()
    {
        outgoing.Add(MessageKind.Farewell, default);
        outgoing.Flush();
        return outgoing.DrainedAsync();
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

    private bool Handle(ReadOnlyMemory<byte> message)
    {
        PayloadReader reader = new(message);
        switch ((MessageKind)reader.ReadByte())
        {
            case MessageKind.Request:
                HandleRequest(ref reader);
                return true;
            case MessageKind.Cancel:
                if (waitingById.TryGetValue(reader.ReadUnmanaged<uint>(), out ConnectionRequest? request))
                    request.Target?.Withdraw(request, WithdrawalReason.Canceled);
                return true;
            case MessageKind.Received:
                Arrived(reader.ReadUnmanaged<long>());
                return true;
            case MessageKind.Farewell:
                return false;
            case var other:
                throw new InvalidDataException($"It said {(int)other}, which is nothing that a client says.");
        }
    }

    private void HandleRequest(ref PayloadReader reader)
    {
        Requests++;
        uint id = reader.ReadUnmanaged<uint>();
        int number = reader.ReadUnmanaged<int>();
        Operation operation = (Operation)reader.ReadByte();
        long milliseconds = reader.ReadUnmanaged<long>();
        long arrived = reader.ReadUnmanaged<long>();
        Arrived(arrived);

        TimeSpan timeout = milliseconds switch
        {
            < 0 => Timeout.InfiniteTimeSpan,
            > int.MaxValue => Timeout.InfiniteTimeSpan,
            _ => TimeSpan.FromMilliseconds(milliseconds),
        };
        ConnectionRequest request = new(this, id, operation, timeout);
        try
        {
            if (number == 0)
                HandleOwn(request, ref reader);
            else if ((uint)(number - 1) >= (uint)opened.Count)
                request.Refuse(FailureKind.BadRequest, $"No object was opened under the number {number}.");
            else if (WaitingRequests >= mostRequests)
                request.Refuse(FailureKind.Quota, $"This client has {WaitingRequests:N0} requests under way, and ManagerOptions.MaxRequestsPerClient allows {mostRequests:N0}.");
            else
                opened[number - 1].Handle(request, ref reader);
        }
        catch (InvalidPayloadException damage)
        {
            request.Refuse(FailureKind.BadRequest, damage.Message);
        }
    }

    private void HandleOwn(ConnectionRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.Open:
                ObjectKind kind = (ObjectKind)body.ReadByte();
                string name = body.ReadRequiredString();
                string typeName = body.ReadRequiredString();
                if (objects.Find(name, kind, typeName, out FailureKind failure, out string message) is not { } found)
                {
                    request.Refuse(failure, message);
                    return;
                }

                int number = opened.IndexOf(found) + 1;
                if (number == 0)
                {
                    opened.Add(found);
                    number = opened.Count;
                }

                using (PayloadWriter writer = new(64))
                {
                    writer.WriteUnmanaged(number);
                    found.Describe(writer);
                    request.Answer(writer.WrittenSpan);
                }

                break;
            case Operation.Ping:
                request.Answer();
                break;
            default:
                request.Refuse(FailureKind.BadRequest, $"The manager itself has no operation {request.Operation}; the client is of another version.");
                break;
        }
    }

    private sealed class ConnectionRequest(ServerConnection connection, uint id, Operation operation, TimeSpan timeout) : HostedRequest(connection, operation, timeout)
    {
        public override void BeginWait(HostedObject target)
        {
            connection.waitingById[id] = this;
            base.BeginWait(target);
        }

        protected override void EndWait()
        {
            connection.waitingById.TryRemove(new(id, this));
            base.EndWait();
        }

        protected override void Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
        {
            if (id == 0)
                return;
            Span<byte> start = stackalloc byte[4];
            BinaryPrimitives.WriteUInt32LittleEndian(start, id);
            connection.outgoing.Add(MessageKind.Result, start, head, first, second);
            FlushScope.Needs(connection);
        }

        protected override void SendFailure(FailureKind kind, string message)
        {
            if (id == 0)
                return;
            Span<byte> start = [0, 0, 0, 0, (byte)kind];
            BinaryPrimitives.WriteUInt32LittleEndian(start, id);
            connection.outgoing.Add(MessageKind.Failure, start, Encoding.UTF8.GetBytes(message));
            FlushScope.Needs(connection);
        }

        protected override void SendFailure(Exception thrown)
        {
            if (id == 0)
                return;
            using PayloadWriter writer = new();
            RemoteFailure.Write(writer, thrown);
            Span<byte> start = [0, 0, 0, 0, (byte)FailureKind.Thrown];
            BinaryPrimitives.WriteUInt32LittleEndian(start, id);
            connection.outgoing.Add(MessageKind.Failure, start, writer.WrittenSpan);
            FlushScope.Needs(connection);
        }
    }
}
