using System.Buffers.Binary;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// A lock that a manager has. A session holds it; whose threads share a session, the next of them waits like anyone else. Levels of a reentrant one are counted by its users, as only they know threads.
/// If a session ends holding it, the next to enter is told.
/// </summary>
internal sealed class HostedLock(string name, bool isReentrant) : WaitingObject(name, ObjectKind.Lock, "")
{
    private ManagerSession? holder;

    // Never one that a manager before this one has given for the same name.
    private long stay = DateTime.UtcNow.Ticks;
    private bool isAbandoned;

    public bool IsReentrant => isReentrant;

    /// <summary>Whether it is held.</summary>
    public override long Count
    {
        get
        {
            lock (Gate)
                return holder is null ? 0 : 1;
        }
    }

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.Enter:
                lock (Gate)
                {
                    if (holder is null && Line.Count == 0)
                        Grant(request);
                    else
                        Wait(request);
                }

                break;
            case Operation.Exit:
                Exit(request, body.ReadUnmanaged<long>(), body.Remaining > 0 && body.ReadByte() != 0);
                break;
            case Operation.State:
                lock (Gate)
                    AnswerBool(request, holder is not null);
                break;
            default:
                Unknown(request, Kind);
                break;
        }
    }

    public override void Describe(PayloadWriter writer) => writer.WriteByte(isReentrant ? (byte)1 : (byte)0);

    public override void Leave(ManagerSession session)
    {
        using FlushScope scope = FlushScope.Enter();
        lock (Gate)
        {
            if (holder == session)
                Free(abandoned: true);
        }
    }

    /// <summary>Under the gate: whether that stay is going on.</summary>
    public bool IsHeldBy(ManagerSession session, long number) => holder == session && stay == number;

    /// <summary>Under the gate: the stay ends, and the next in line enters.</summary>
    public void Free(bool abandoned)
    {
        holder = null;
        isAbandoned |= abandoned;
        Serve();
    }

    /// <summary>Under the gate: has a request of a condition's enter as soon as everyone before it has, however long that takes.</summary>
    public void EnterAgain(HostedRequest request, HostedCondition condition, bool wasNotified)
    {
        request.State = new Comeback(wasNotified);
        request.Place = Line.AddLast(request);
        if (request.Target is null && holder is not null)
            request.BeginWait(condition);
        Serve();
    }

    public static void RefuseStranger(HostedRequest request, string name) =>
        request.Refuse(FailureKind.NotHeld, $"This client doesn't hold '{name}', or not any more: it left it, or its connection was lost meanwhile. Enter it first.");

    private void Exit(HostedRequest request, long number, bool abandoned)
    {
        lock (Gate)
        {
            if (!IsHeldBy(request.Session, number))
            {
                RefuseStranger(request, Name);
                return;
            }

            request.Answer();
            Free(abandoned);
        }
    }

    private void Serve()
    {
        while (holder is null && Line.First is { Value: var request })
        {
            TakeOut(request);
            Grant(request);
        }
    }

    private void Grant(HostedRequest request)
    {
        bool wasAbandoned = isAbandoned;
        if (request.Session.Touch(this))
        {
            holder = request.Session;
            stay++;
            isAbandoned = false;
            Span<byte> answer = stackalloc byte[1 + 8 + 1];
            answer[0] = request.State is Comeback { WasNotified: false } ? (byte)0 : (byte)1;
            BinaryPrimitives.WriteInt64LittleEndian(answer[1..], stay);
            answer[9] = wasAbandoned ? (byte)1 : (byte)0;
            if (request.Answer(answer))
                return;
            holder = null;
            isAbandoned = wasAbandoned;
        }

        request.Refuse(FailureKind.Canceled, "");
    }

    /// <summary>What came of a wait for a condition, which ends when the lock is entered again.</summary>
    public sealed record Comeback(bool WasNotified);
}
