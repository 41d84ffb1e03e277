using System.Buffers.Binary;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// An object that a manager has. It knows nothing of connections: sessions ask, it answers, at once or later. Everything it has is guarded by its gate, under which it also answers, so that answers leave in the order of what happened.
/// </summary>
internal abstract class HostedObject(string name, ObjectKind kind, string typeName)
{
    public string Name => name;

    public ObjectKind Kind => kind;

    /// <summary>Of what it holds; both sides must mean the same.</summary>
    public string TypeName => typeName;

    /// <summary>Where what nobody foresaw is told; set when it is registered.</summary>
    public ManagerFaults Faults { get; set; } = ManagerFaults.Unheard;

    /// <summary>What keeps it, if anything does; set when it is registered.</summary>
    public StorageWriter? Storage { get; set; }

    /// <summary>What it holds, as Python has it; null where it holds nothing. Of a dictionary, its values.</summary>
    public PythonItems? Items { get; init; }

    /// <summary>Guards it. A condition has its lock's.</summary>
    public virtual Lock Gate { get; } = new();

    /// <summary>Waits until changes may be asked for. Whoever asks does that first, without holding anything.</summary>
    public void AwaitRoom()
    {
        if (Storage?.RoomAsync() is { IsCompleted: false } room)
            room.GetAwaiter().GetResult();
    }

    /// <summary>Does what is asked for. The body is valid only until this returns; what is kept of it is copied.</summary>
    /// <exception cref="InvalidPayloadException">The body is no such request; nothing was done.</exception>
    public abstract void Handle(HostedRequest request, ref PayloadReader body);

    /// <summary>The request stops waiting, if it still does.</summary>
    public abstract void Withdraw(HostedRequest request, WithdrawalReason reason);

    /// <summary>The session has ended: what it holds becomes free.</summary>
    public virtual void Leave(ManagerSession session)
    {
    }

    /// <summary>What the session was given under that ticket has arrived.</summary>
    public virtual void Arrived(object? item, long ticket, ManagerSession session)
    {
    }

    /// <summary>The manager stops: whoever waits is told.</summary>
    public abstract void Stop();

    /// <summary>What a client has to know when it opens the object.</summary>
    public virtual void Describe(PayloadWriter writer)
    {
    }

    /// <summary>What it holds, for statistics.</summary>
    public virtual long Count => 0;

    /// <summary>How many requests wait with it.</summary>
    public abstract int Waiting { get; }

    public override string ToString() => $"the {kind} '{name}'";

    protected static void Unknown(HostedRequest request, ObjectKind kind) =>
        request.Refuse(FailureKind.BadRequest, $"A {kind} has no operation {request.Operation}; the client is of another version.");

    /// <summary>A block's bytes, its length checked against what is there.</summary>
    public static byte[] ReadBlock(ref PayloadReader body) => body.ReadBytes(body.ReadCount(1)).ToArray();

    public static void WriteBlock(PayloadWriter writer, ReadOnlySpan<byte> block)
    {
        writer.WriteUnmanaged(block.Length);
        writer.WriteBytes(block);
    }

    /// <summary>Answers with one byte.</summary>
    protected static bool AnswerByte(HostedRequest request, byte value) => request.Answer([value]);

    protected static bool AnswerBool(HostedRequest request, bool value) => request.Answer([value ? (byte)1 : (byte)0]);

    protected static void AnswerLong(HostedRequest request, long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        request.Answer(bytes);
    }

    /// <summary>Ends a request that can't be had in time.</summary>
    protected static void AnswerWithdrawn(HostedRequest request, WithdrawalReason reason)
    {
        // A zero is what every operation that waits answers when the time was over.
        if (reason == WithdrawalReason.TimeOver)
            AnswerByte(request, 0);
        else
            request.Refuse(FailureKind.Canceled, "Taken back before it was done.");
    }
}

/// <summary>One whose requests wait in one line.</summary>
internal abstract class WaitingObject(string name, ObjectKind kind, string typeName) : HostedObject(name, kind, typeName)
{
    protected LinkedList<HostedRequest> Line { get; } = new();

    public override int Waiting
    {
        get
        {
            lock (Gate)
                return Line.Count;
        }
    }

    public override void Withdraw(HostedRequest request, WithdrawalReason reason)
    {
        lock (Gate)
        {
            if (request.Place is not { } place)
                return;
            place.List!.Remove(place);
            request.Place = null;
            AnswerWithdrawn(request, reason);
            Withdrawn(request);
        }
    }

    public override void Stop()
    {
        lock (Gate)
        {
            while (Line.First is { Value: var request })
            {
                Line.RemoveFirst();
                request.Place = null;
                request.Refuse(FailureKind.Gone, $"The manager has stopped, and '{Name}' with it.");
            }
        }
    }

    /// <summary>Has it wait at the end of the line, or ends it if it must not. Under the gate.</summary>
    protected void Wait(HostedRequest request, LinkedList<HostedRequest>? line = null)
    {
        if (request.Timeout == TimeSpan.Zero)
        {
            AnswerWithdrawn(request, WithdrawalReason.TimeOver);
            return;
        }

        request.Place = (line ?? Line).AddLast(request);
        request.BeginWait(this);

        // The session may have ended in between, and looked before this one was there.
        if (request.Session.IsEnded && request.Place is { } place)
        {
            place.List!.Remove(place);
            request.Place = null;
            request.Refuse(FailureKind.Canceled, "");
        }
    }

    /// <summary>Takes one out of its line, to answer it. Under the gate.</summary>
    protected static void TakeOut(HostedRequest request)
    {
        if (request.Place is not { } place)
            return;
        place.List!.Remove(place);
        request.Place = null;
    }

    /// <summary>Under the gate: one has stopped waiting, which may be good for others.</summary>
    protected virtual void Withdrawn(HostedRequest request)
    {
    }
}
