using System.Buffers.Binary;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A semaphore that a manager has. It is remembered how many permits each session has taken, which are there again when it ends. What is given back counts for who does it, and beyond that for others that have some.</summary>
internal sealed class HostedSemaphore(string name, int initial, int maximum) : WaitingObject(name, ObjectKind.Semaphore, "")
{
    private readonly Dictionary<ManagerSession, int> held = [];
    private int available = initial;

    public int Maximum => maximum;

    /// <summary>How many permits are there.</summary>
    public override long Count
    {
        get
        {
            lock (Gate)
                return available;
        }
    }

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.Acquire:
                lock (Gate)
                {
                    if (available > 0 && Line.Count == 0)
                        Grant(request);
                    else
                        Wait(request);
                }

                break;
            case Operation.Release:
                Release(request, body.ReadUnmanaged<int>());
                break;
            case Operation.State:
                lock (Gate)
                    AnswerInt(request, available);
                break;
            default:
                Unknown(request, Kind);
                break;
        }
    }

    public override void Describe(PayloadWriter writer) => writer.WriteUnmanaged(maximum);

    public override void Leave(ManagerSession session)
    {
        using FlushScope scope = FlushScope.Enter();
        lock (Gate)
        {
            if (!held.Remove(session, out int permits))
                return;
            available += permits;
            Serve();
        }
    }

    private void Release(HostedRequest request, int count)
    {
        lock (Gate)
        {
            if (count < 1)
            {
                request.Refuse(FailureKind.OutOfRange, $"{count} permits can't be given back: 1 or more.");
                return;
            }

            if (count > maximum - available)
            {
                request.Refuse(FailureKind.NotHeld, $"{available} of at most {maximum} permits of '{Name}' are there, and {count} more can't be: more were given back than taken.");
                return;
            }

            GiveBack(request.Session, count);
            AnswerInt(request, available);
            available += count;
            Serve();
        }
    }

    private void GiveBack(ManagerSession session, int count)
    {
        count -= TakeFrom(session, count);
        while (count > 0 && held.Count > 0)
            count -= TakeFrom(held.Keys.First(), count);
    }

    private int TakeFrom(ManagerSession session, int count)
    {
        if (!held.TryGetValue(session, out int has))
            return 0;
        int taken = Math.Min(has, count);
        if (taken == has)
            held.Remove(session);
        else
            held[session] = has - taken;
        return taken;
    }

    private void Serve()
    {
        while (available > 0 && Line.First is { Value: var request })
        {
            TakeOut(request);
            Grant(request);
        }
    }

    private void Grant(HostedRequest request)
    {
        if (request.Session.Touch(this))
        {
            available--;
            held[request.Session] = held.GetValueOrDefault(request.Session) + 1;
            if (AnswerByte(request, 1))
                return;
            TakeFrom(request.Session, 1);
            available++;
        }

        request.Refuse(FailureKind.Canceled, "");
    }

    private static void AnswerInt(HostedRequest request, int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        request.Answer(bytes);
    }
}
