using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A client as its messages show it: objects that it has opened, requests under way. How messages come and go is the derived class's matter.</summary>
internal abstract class ClientSession(string name, HostedObjects objects, int mostRequests) : ManagerSession(name)
{
    private readonly List<HostedObject> opened = [];
    private readonly ConcurrentDictionary<uint, ClientRequest> waitingById = new();

    public long Requests { get; private set; }

    /// <summary>Sends a message, or has it sent when the thread leaves its <see cref="FlushScope"/>.</summary>
    protected abstract void Write(MessageKind kind, ReadOnlySpan<byte> id, ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second);

    /// <summary>Does what the client says.</summary>
    /// <returns>False if it says that it leaves.</returns>
    /// <exception cref="InvalidPayloadException">It is no message.</exception>
    /// <exception cref="InvalidDataException">It is no message that a client says.</exception>
    protected bool Handle(ReadOnlyMemory<byte> message)
    {
        PayloadReader reader = new(message);
        switch ((MessageKind)reader.ReadByte())
        {
            case MessageKind.Request:
                HandleRequest(ref reader);
                return true;
            case MessageKind.Cancel:
                if (waitingById.TryGetValue(reader.ReadUnmanaged<uint>(), out ClientRequest? request))
                    request.Withdraw(WithdrawalReason.Canceled);
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
        TimeSpan timeout = WireNumber.ReadWait(ref reader);
        long arrived = reader.ReadUnmanaged<long>();
        Arrived(arrived);

        ClientRequest request = new(this, id, operation, timeout);
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
            request.Refuse(FailureKind.BadRequest, ExceptionText.MessageOf(damage));
        }
        catch (Exception reason)
        {
            request.Fail(reason);
        }
    }

    private void HandleOwn(ClientRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.Open:
                ObjectKind kind = WireNumber.ReadEnum<ObjectKind>(ref body);
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

    private sealed class ClientRequest(ClientSession client, uint id, Operation operation, TimeSpan timeout) : HostedRequest(client, operation, timeout)
    {
        public override void BeginWait(HostedObject target)
        {
            client.waitingById[id] = this;
            base.BeginWait(target);
        }

        protected override void EndWait()
        {
            client.waitingById.TryRemove(new(id, this));
            base.EndWait();
        }

        protected override void Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
        {
            if (id == 0)
                return;
            Span<byte> start = stackalloc byte[4];
            BinaryPrimitives.WriteUInt32LittleEndian(start, id);
            client.Write(MessageKind.Result, start, head, first, second);
        }

        protected override void SendFailure(FailureKind kind, string message)
        {
            if (id == 0)
                return;
            Span<byte> start = [0, 0, 0, 0, (byte)kind];
            BinaryPrimitives.WriteUInt32LittleEndian(start, id);
            client.Write(MessageKind.Failure, start, Encoding.UTF8.GetBytes(message), default, default);
        }

        protected override void SendFailure(Exception thrown)
        {
            if (id == 0)
                return;
            using PayloadWriter writer = new();
            RemoteFailure.Write(writer, thrown);
            Span<byte> start = [0, 0, 0, 0, (byte)FailureKind.Thrown];
            BinaryPrimitives.WriteUInt32LittleEndian(start, id);
            client.Write(MessageKind.Failure, start, writer.WrittenSpan, default, default);
        }
    }
}
