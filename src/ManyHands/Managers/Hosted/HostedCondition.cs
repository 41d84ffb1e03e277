using System.Buffers.Binary;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// A condition that a manager has. Who waits is in its line, and when told or out of time in its lock's; both are guarded by the lock's gate. It takes its lock's operations too, so that one that was registered without a
/// lock has one that can be entered under the condition's name.
/// </summary>
internal sealed class HostedCondition(string name, HostedLock sharedLock, bool ownsLock) : WaitingObject(name, ObjectKind.Condition, "")
{
    private const int All = -1;

    public HostedLock Lock => sharedLock;

    public override Lock Gate => sharedLock.Gate;

    /// <summary>How many wait to be told.</summary>
    public override long Count => base.Waiting;

    public override int Waiting => ownsLock ? base.Waiting + sharedLock.Waiting : base.Waiting;

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.Enter or Operation.Exit:
                sharedLock.Handle(request, ref body);
                break;
            case Operation.WaitFor:
                WaitFor(request, body.ReadUnmanaged<long>());
                break;
            case Operation.Notify:
                Notify(request, body.ReadUnmanaged<long>(), body.ReadUnmanaged<int>());
                break;
            case Operation.State:
                Span<byte> waiting = stackalloc byte[4];
                lock (Gate)
                {
                    BinaryPrimitives.WriteInt32LittleEndian(waiting, Line.Count);
                    request.Answer(waiting);
                }

                break;
            default:
                Unknown(request, Kind);
                break;
        }
    }

    public override void Describe(PayloadWriter writer)
    {
        sharedLock.Describe(writer);
        writer.WriteString(ownsLock ? null : sharedLock.Name);
    }

    public override void Withdraw(HostedRequest request, WithdrawalReason reason)
    {
        using FlushScope scope = FlushScope.Enter();
        lock (Gate)
        {
            if (request.Place is not { } place)
                return;
            if (reason == WithdrawalReason.SessionEnded)
            {
                TakeOut(request);
                request.Refuse(FailureKind.Canceled, "");
            }
            else if (place.List == Line)
            {
                // Told or not, it ends with the lock.
                TakeOut(request);
                sharedLock.EnterAgain(request, this, wasNotified: false);
            }
        }
    }

    public override void Stop()
    {
        base.Stop();
        if (ownsLock)
            sharedLock.Stop();
    }

    private void WaitFor(HostedRequest request, long number)
    {
        lock (Gate)
        {
            if (!sharedLock.IsHeldBy(request.Session, number))
            {
                HostedLock.RefuseStranger(request, sharedLock.Name);
                return;
            }

            if (request.Timeout == TimeSpan.Zero)
            {
                sharedLock.Free(abandoned: false);
                sharedLock.EnterAgain(request, this, wasNotified: false);
                return;
            }

            Wait(request);
            sharedLock.Free(abandoned: false);
        }
    }

    private void Notify(HostedRequest request, long number, int count)
    {
        lock (Gate)
        {
            if (!sharedLock.IsHeldBy(request.Session, number))
            {
                HostedLock.RefuseStranger(request, sharedLock.Name);
                return;
            }

            if (count is < 1 and not All)
            {
                request.Refuse(FailureKind.OutOfRange, $"{count} can't be notified: 1 or more, or all.");
                return;
            }

            for (int told = 0; (count == All || told < count) && Line.First is { Value: var waiter }; told++)
            {
                TakeOut(waiter);
                sharedLock.EnterAgain(waiter, this, wasNotified: true);
            }

            request.Answer();
        }
    }
}
