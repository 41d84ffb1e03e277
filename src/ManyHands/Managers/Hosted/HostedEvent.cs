using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// An event that a manager has. The signal of one that resets itself is one waiter's: until it is known to have arrived there it is on its way, and if the session ends before, the next has it.
/// </summary>
internal sealed class HostedEvent(string name, SharedEventMode mode, bool isSet) : WaitingObject(name, ObjectKind.Event, "")
{
    private readonly Dictionary<long, ManagerSession> underWay = [];
    private bool isSet = isSet;
    private long lastTicket;

    public SharedEventMode Mode => mode;

    /// <summary>Whether it is set.</summary>
    public override long Count
    {
        get
        {
            lock (Gate)
                return isSet ? 1 : 0;
        }
    }

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        lock (Gate)
        {
            switch (request.Operation)
            {
                case Operation.Await:
                    if (!isSet)
                        Wait(request);
                    else if (Tell(request))
                        isSet = mode == SharedEventMode.ManualReset;
                    break;
                case Operation.Set:
                    request.Answer();
                    Signal();
                    break;
                case Operation.Reset:
                    isSet = false;
                    request.Answer();
                    break;
                case Operation.State:
                    AnswerBool(request, isSet);
                    break;
                default:
                    Unknown(request, Kind);
                    break;
            }
        }
    }

    public override void Describe(PayloadWriter writer) => writer.WriteByte((byte)mode);

    public override void Arrived(object? item, long ticket, ManagerSession session)
    {
        lock (Gate)
            underWay.Remove(ticket);
    }

    public override void Leave(ManagerSession session)
    {
        using FlushScope scope = FlushScope.Enter();
        lock (Gate)
        {
            foreach (long ticket in underWay.Where(one => one.Value == session).Select(one => one.Key).ToArray())
            {
                underWay.Remove(ticket);
                Signal();
            }
        }
    }

    private void Signal()
    {
        while (Line.First is { Value: var request })
        {
            TakeOut(request);
            if (Tell(request) && mode == SharedEventMode.AutoReset)
                return;
        }

        isSet = true;
    }

    // False if nobody is there to hear it.
    private bool Tell(HostedRequest request)
    {
        if (!request.Session.ConfirmsDeliveries)
            return AnswerByte(request, 1);
        long ticket = ++lastTicket;
        if (mode == SharedEventMode.AutoReset && request.Session.Touch(this))
            underWay[ticket] = request.Session;
        if (request.Session.AnswerDelivering(request, this, ticket, [1]))
            return true;
        underWay.Remove(ticket);
        return false;
    }
}
