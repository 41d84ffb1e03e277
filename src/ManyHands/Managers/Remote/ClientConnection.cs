using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// One connection of a client. A thread of its own reads from it while answers are due; a caller that waits looks for its answer itself for some microseconds first, as being woken takes longer than most answers.
/// Only one of them reads at a time.
/// </summary>
internal sealed class ClientConnection : IDisposable
{
    private const int HeadSize = 4 + 4 + 1 + 8 + 8;

    /// <summary>How long the thread sleeps when nothing is due. It then says what has arrived, and sees whether the connection is still there.</summary>
    private static readonly TimeSpan Nap = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongNap = TimeSpan.FromMilliseconds(250);
    private static readonly long Restless = Stopwatch.Frequency;

    private readonly WireStream stream;
    private readonly OutgoingFrames outgoing;
    private readonly FrameBuffer incoming;
    private readonly Action<ClientConnection, Exception?> ended;
    private readonly Dictionary<uint, PendingRequest> pending = [];
    private readonly Lock gate = new();
#pragma warning disable CA2213 // A caller that looks may set it after the end, and it has nothing of the system's.
    private readonly AutoResetEvent due = new(false);
#pragma warning restore CA2213
    private readonly Lock disposing = new();
    private readonly Spinning spinning = new();
    private readonly Thread reader;
    private Task<int>? tlsRead;
    private uint lastId;
    private int reading;
    private int isOver;
    private long arrived;
    private long saidArrived;
    private long lastUse;
    private bool isDisposed;

    public ClientConnection(WireStream stream, int largest, Action<ClientConnection, Exception?> ended)
    {
        this.stream = stream;
        this.ended = ended;
        incoming = new(largest);
        outgoing = new(stream, reason => Fail(reason));
        reader = Guarded.NewThread(GuardedEntry.ManagerClient, "ManyHands manager client", Read, Fail);
    }

    public bool IsOver => Volatile.Read(ref isOver) != 0;

    /// <summary>What is not answered yet. When the connection has ended: what it leaves.</summary>
    public PendingRequest[] Unanswered
    {
        get
        {
            lock (gate)
                return [.. pending.Values];
        }
    }

    public int PendingCount
    {
        get
        {
            lock (gate)
                return pending.Count;
        }
    }

    public void Start() => reader.Start();

    /// <summary>Sends a request.</summary>
    /// <returns>False if the connection is over; the request is as it was.</returns>
    public bool TrySend(PendingRequest request, int number, ReadOnlySpan<byte> body)
    {
        lock (gate)
        {
            if (IsOver)
                return false;
            do
                lastId++;
            while (lastId == 0 || pending.ContainsKey(lastId));
            request.Id = lastId;
            pending.Add(lastId, request);
        }

        lastUse = Stopwatch.GetTimestamp();
        Add(request.Id, number, request.Operation, request.MillisecondsLeft, body);
        outgoing.Flush();
        return true;
    }

    /// <summary>Sends what needs no answer.</summary>
    public void Post(int number, Operation operation, ReadOnlySpan<byte> body)
    {
        Add(0, number, operation, 0, body);
        outgoing.Flush();
    }

    /// <summary>Ends when requests can be sent without piling up here.</summary>
    public Task RoomAsync() => outgoing.Waiting > 8 << 20 ? outgoing.DrainedAsync() : Task.CompletedTask;

    /// <summary>Ends when all that was said so far is with the kernel.</summary>
    public Task SentAsync() => outgoing.DrainedAsync();

    /// <summary>The manager need not go on with it.</summary>
    public void Cancel(PendingRequest request)
    {
        lock (gate)
        {
            if (!pending.TryGetValue(request.Id, out PendingRequest? known) || known != request)
                return;
        }

        Span<byte> id = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(id, request.Id);
        outgoing.Add(MessageKind.Cancel, id);
        outgoing.Flush();
    }

    /// <summary>Looks for the answer for some microseconds; then it comes by itself.</summary>
    public void Look(PendingRequest request)
    {
        if (Interlocked.CompareExchange(ref reading, 1, 0) != 0)
            return;
        try
        {
            if (stream.CanTry && spinning.IsWorthwhile)
            {
                int rounds = 0;
                long deadline = Spinning.CallersDeadline;
                do
                {
                    if (Receive(TimeSpan.Zero) < 0)
                        continue;
                    if (request.IsCompleted)
                    {
                        spinning.Succeeded();
                        return;
                    }
                }
                while (!IsOver && Spinning.Pause(ref rounds, deadline));
                spinning.Failed();
            }
        }
        finally
        {
            Volatile.Write(ref reading, 0);
            Interlocked.MemoryBarrier();
            if (IsDue)
                due.Set();
        }
    }

    /// <summary>Leaves in good order.</summary>
    public void Leave()
    {
        SayArrived();
        outgoing.Add(MessageKind.Farewell, default);
        outgoing.Flush();
        Fail(null);
    }

    public void Dispose()
    {
        Fail(null);

        // Who has lost it and who disposes of the client may come at the same time; both rely on its end.
        lock (disposing)
        {
            if (isDisposed)
                return;
            isDisposed = true;
            if (reader != Thread.CurrentThread && reader.ThreadState != System.Threading.ThreadState.Unstarted)
                reader.Join();
            outgoing.Dispose();
            stream.Dispose();
            if (tlsRead is null)
                incoming.Dispose();
        }
    }

    private bool IsDue
    {
        get
        {
            lock (gate)
                return pending.Count > 0;
        }
    }

    private void Read()
    {
        while (!IsOver)
        {
            bool isRestless = Stopwatch.GetTimestamp() - lastUse < Restless;
            if (!IsDue)
                due.WaitOne(isRestless ? Nap : LongNap);
            if (Interlocked.CompareExchange(ref reading, 1, 0) != 0)
            {
                // A caller looks, and wakes this thread if that takes it too long.
                due.WaitOne(Nap);
                continue;
            }

            do
            {
                // Without anything due, a look whether the other side is still there.
                Receive(IsDue ? Nap : TimeSpan.Zero);
                EndOverdue();
            }
            while (!IsOver && IsDue);
            Volatile.Write(ref reading, 0);
            Interlocked.MemoryBarrier();
            SayArrived();
        }
    }

    private void SayArrived()
    {
        long count = Volatile.Read(ref arrived);
        if (count == Volatile.Read(ref saidArrived))
            return;
        Volatile.Write(ref saidArrived, count);
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, count);
        outgoing.Add(MessageKind.Received, bytes);
        outgoing.Flush();
    }

    private void EndOverdue()
    {
        long now = Stopwatch.GetTimestamp();
        PendingRequest[] overdue;
        lock (gate)
            overdue = [.. pending.Values.Where(request => request.Due <= now)];
        foreach (PendingRequest request in overdue)
        {
            request.TimeOut($"The manager didn't answer {request.Operation} of {request.Target} in time. It may be stopped or overloaded; whether it was done isn't known.");
            request.Due = long.MaxValue;
        }
    }

    // By whoever has the right to read. How many bytes came; -1 for none.
    private int Receive(TimeSpan most)
    {
        try
        {
            FaultPoint.Enter(GuardedEntry.ManagerClient);
            int count = stream.CanTry ? stream.Receive(incoming.Free.Span, most) : ReceiveTls(most);
            if (count < 0)
                return count;
            if (count == 0)
                throw new EndOfStreamException("The manager closed the connection.");
            incoming.Added(count);
            while (incoming.TryTake(out ReadOnlyMemory<byte> message))
                Handle(message);
            return count;
        }
        catch (Exception reason) when (reason is SocketException or IOException or ObjectDisposedException or InvalidDataException or InvalidPayloadException)
        {
            Fail(reason);
            return 0;
        }
        catch (Exception reason)
        {
            // The thread may be a caller's that looks for its own answer.
            Guarded.Fail(GuardedEntry.ManagerClient, this, reason, static _ => "a connection to a manager, which has ended", static (connection, reason) => connection.Fail(reason));
            return 0;
        }
    }

    private int ReceiveTls(TimeSpan most)
    {
        tlsRead ??= stream.ReceiveAsync(incoming.Free, CancellationToken.None).AsTask();
        try
        {
            if (!tlsRead.Wait(most < Nap ? Nap : most))
                return -1;
        }
        catch (AggregateException failure)
        {
            throw failure.InnerException as IOException ?? new IOException(ExceptionText.MessageOf(failure.InnerException), failure.InnerException);
        }

        int count = tlsRead.Result;
        tlsRead = null;
        return count;
    }

    private void Handle(ReadOnlyMemory<byte> message)
    {
        PayloadReader body = new(message);
        MessageKind kind = (MessageKind)body.ReadByte();
        switch (kind)
        {
            case MessageKind.Result or MessageKind.Failure:
                PendingRequest? request;
                uint id = body.ReadUnmanaged<uint>();
                lock (gate)
                    pending.Remove(id, out request);
                if (request is null)
                    return;
                byte[] answer = message.Span[body.Position..].ToArray();
                Hand(request, kind, answer);
                if (kind == MessageKind.Result)
                    CountDeliveries(request.Operation, answer);
                break;
            case MessageKind.Farewell:
                throw new EndOfStreamException("The manager has stopped.");
            default:
                throw new InvalidDataException($"The manager said {(int)kind}, which is nothing that a manager says.");
        }
    }

    // What one answer brings concerns nobody but who has asked for it.
    private void Hand(PendingRequest request, MessageKind kind, byte[] answer)
    {
        try
        {
            FaultPoint.Enter(GuardedEntry.ManagerAnswer);

            // Nobody may wait for it any more; then it is given back, which has to be said before it is said that it has arrived.
            if (kind == MessageKind.Result)
                request.Answer(answer, this);
            else
                request.Refuse(Failures.Read(answer));
        }
        catch (Exception reason)
        {
            Guarded.Fail(
                GuardedEntry.ManagerAnswer,
                request,
                reason,
                static request => $"the answer to {request.Operation} of {request.Target}, which failed",
                static (request, reason) => request.Refuse(new ManagerException(ManagerError.BadRequest, $"The manager's answer to {request.Operation} of {request.Target} can't be taken: {ExceptionText.MessageOf(reason)}", reason)));
        }
    }

    private void CountDeliveries(Operation operation, ReadOnlySpan<byte> answer)
    {
        if (operation == Operation.Await && answer is [1])
            Interlocked.Increment(ref arrived);
        else if (operation == Operation.Dequeue && answer.Length >= 5 && answer[0] == (byte)TakeResult.Taken)
            Interlocked.Add(ref arrived, BinaryPrimitives.ReadInt32LittleEndian(answer[1..]));
    }

    private void Add(uint id, int number, Operation operation, long milliseconds, ReadOnlySpan<byte> body)
    {
        long count = Volatile.Read(ref arrived);
        Volatile.Write(ref saidArrived, count);
        Span<byte> head = stackalloc byte[HeadSize];
        BinaryPrimitives.WriteUInt32LittleEndian(head, id);
        BinaryPrimitives.WriteInt32LittleEndian(head[4..], number);
        head[8] = (byte)operation;
        BinaryPrimitives.WriteInt64LittleEndian(head[9..], milliseconds);
        BinaryPrimitives.WriteInt64LittleEndian(head[17..], count);
        outgoing.Add(MessageKind.Request, head, body);
    }

    private void Fail(Exception? reason)
    {
        if (Interlocked.Exchange(ref isOver, 1) != 0)
            return;
        stream.Shutdown();
        due.Set();
        ended(this, reason);
    }
}
