using System.Buffers.Binary;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// A barrier that a manager has. Who has come is in the line, in that order, until the last one comes; then all are answered. If that one has an action, the phase ends with it; who comes meanwhile comes to the next phase.
/// </summary>
internal sealed class HostedBarrier(string name, int parties) : WaitingObject(name, ObjectKind.Barrier, "")
{
    private readonly LinkedList<HostedRequest> early = new();
    private ManagerSession? runner;
    private long phase;
    private bool isBroken;

    public int Parties => parties;

    /// <summary>How many have come.</summary>
    public override long Count
    {
        get
        {
            lock (Gate)
                return HaveCome;
        }
    }

    public override int Waiting
    {
        get
        {
            lock (Gate)
                return Line.Count + early.Count;
        }
    }

    private int HaveCome => Line.Count + (runner is null ? 0 : 1);

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.Arrive:
                bool hasAction = body.ReadByte() != 0;
                request.State = hasAction;
                lock (Gate)
                    Arrive(request, hasAction);
                break;
            case Operation.ActionDone:
                EndAction(request, body.ReadByte() != 0, body.ReadUnmanaged<long>());
                break;
            case Operation.Abort:
                lock (Gate)
                {
                    request.Answer();
                    EndPhase(passed: false);
                }

                break;
            case Operation.Reset:
                lock (Gate)
                {
                    request.Answer();
                    Reset();
                }

                break;
            case Operation.State:
                Span<byte> state = stackalloc byte[4 + 1];
                lock (Gate)
                {
                    BinaryPrimitives.WriteInt32LittleEndian(state, HaveCome);
                    state[4] = isBroken ? (byte)1 : (byte)0;
                    request.Answer(state);
                }

                break;
            default:
                Unknown(request, Kind);
                break;
        }
    }

    public override void Describe(PayloadWriter writer) => writer.WriteUnmanaged(parties);

    public override void Withdraw(HostedRequest request, WithdrawalReason reason)
    {
        using FlushScope scope = FlushScope.Enter();
        lock (Gate)
        {
            if (request.Place is not { } place)
                return;
            bool hadCome = place.List == Line;
            TakeOut(request);
            AnswerWithdrawn(request, reason);
            if (hadCome)
                EndPhase(passed: false);
        }
    }

    /// <summary>Those who wait are withdrawn; who runs the action isn't one of them.</summary>
    public override void Leave(ManagerSession session)
    {
        using FlushScope scope = FlushScope.Enter();
        lock (Gate)
        {
            if (runner == session)
                EndPhase(passed: false);
        }
    }

    public override void Stop()
    {
        base.Stop();
        lock (Gate)
        {
            while (early.First is { Value: var request })
            {
                TakeOut(request);
                request.Refuse(FailureKind.Gone, $"The manager has stopped, and '{Name}' with it.");
            }
        }
    }

    private void Arrive(HostedRequest request, bool hasAction)
    {
        if (isBroken)
            RefuseBroken(request);
        else if (runner is not null)
            StayIn(early, request);
        else if (Line.Count + 1 < parties)
            Come(request);
        else if (hasAction)
            BeginAction(request);
        else if (AnswerPassage(request, PassageResult.Passed, Line.Count))
            EndPhase(passed: true);
    }

    private void Come(HostedRequest request)
    {
        if (request.Timeout != TimeSpan.Zero)
        {
            StayIn(Line, request);
            return;
        }

        // It has come, and doesn't stay.
        AnswerWithdrawn(request, WithdrawalReason.TimeOver);
        EndPhase(passed: false);
    }

    private void StayIn(LinkedList<HostedRequest> line, HostedRequest request)
    {
        if (request.Target is null)
            Wait(request, line);
        else
            request.Place = line.AddLast(request);
    }

    private void BeginAction(HostedRequest request)
    {
        if (!request.Session.Touch(this))
            return;
        runner = request.Session;
        if (!AnswerPassage(request, PassageResult.RunAction, Line.Count))
            runner = null;
    }

    private void EndAction(HostedRequest request, bool succeeded, long ofPhase)
    {
        lock (Gate)
        {
            if (runner != request.Session || phase != ofPhase)
            {
                RefuseBroken(request);
                return;
            }

            request.Answer();
            EndPhase(succeeded);
        }
    }

    private void Reset()
    {
        // Who came too early for this phase comes to the next, and not to a broken one.
        HostedRequest[] waiting = [.. early];
        foreach (HostedRequest request in waiting)
            TakeOut(request);
        if (HaveCome > 0)
            EndPhase(passed: false);
        isBroken = false;
        Admit(waiting);
    }

    private void EndPhase(bool passed)
    {
        int index = 0;
        runner = null;
        isBroken |= !passed;
        HostedRequest[] waiting = [.. early];
        HostedRequest[] come = [.. Line];
        foreach (HostedRequest request in (HostedRequest[])[.. come, .. waiting])
            TakeOut(request);
        foreach (HostedRequest request in come)
        {
            if (passed)
                AnswerPassage(request, PassageResult.Passed, index++);
            else
                RefuseBroken(request);
        }

        phase++;
        Admit(waiting);
    }

    private void Admit(HostedRequest[] waiting)
    {
        foreach (HostedRequest request in waiting)
            Arrive(request, (bool)request.State!);
    }

    private bool AnswerPassage(HostedRequest request, PassageResult result, int index)
    {
        Span<byte> answer = stackalloc byte[1 + 4 + 8];
        answer[0] = (byte)result;
        BinaryPrimitives.WriteInt32LittleEndian(answer[1..], index);
        BinaryPrimitives.WriteInt64LittleEndian(answer[5..], phase);
        return request.Answer(answer);
    }

    private static void RefuseBroken(HostedRequest request) =>
        request.Refuse(FailureKind.Broken, "The barrier is broken: one of those who waited died, ran out of time, was cancelled, or aborted it. Call Reset when all know.");
}
