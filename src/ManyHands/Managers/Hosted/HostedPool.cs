using System.Buffers.Binary;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// Calls that wait for workers, and workers that wait for calls: the callers' side. A call's request is answered with its outcome. Which worker gets what is in the other part.
/// </summary>
/// <param name="bytes">Limits what waits.</param>
/// <param name="largest">How many bytes a message may have.</param>
internal sealed partial class HostedPool(string name, StoredBytes bytes, int largest) : WaitingObject(name, ObjectKind.Pool, "")
{
    /// <summary>How long a worker may take beyond a call's time and grace to say how it ended. Then it is stopped or cut off, and the caller learns without it.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(5);

    private readonly Dictionary<(ManagerSession Session, long Key), HostedCall> byKey = [];
    private readonly LinkedList<HostedCall> queue = new();
    private int unsettled;
    private bool isStopped;

    // A manager that was started again must give no ticket that a worker has from before.
    private long lastTicket = TimeProvider.System.GetUtcNow().UtcTicks;

    /// <summary>How many calls haven't ended.</summary>
    public override long Count
    {
        get
        {
            lock (Gate)
                return unsettled;
        }
    }

    /// <summary>How many calls no worker has started.</summary>
    public override int Waiting
    {
        get
        {
            lock (Gate)
                return queue.Count + workers.Values.Sum(worker => worker.Calls.Values.Count(call => call.State == HostedCallState.Sent));
        }
    }

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.PoolRun:
                Run(request, ref body);
                break;
            case Operation.PoolCancel:
                Cancel(request, body.ReadUnmanaged<long>());
                break;
            case Operation.PoolReports:
                Listen(request, body.ReadUnmanaged<long>());
                break;
            case Operation.PoolAwait:
                AwaitWorker(request);
                break;
            case Operation.PoolState:
                State(request);
                break;
            case Operation.PoolJoin:
                Join(request, ref body);
                break;
            case Operation.PoolTake:
                Take(request, body.ReadUnmanaged<long>());
                break;
            case Operation.PoolTell:
                Hear(request, ref body);
                break;
            case Operation.PoolLeave:
                LeaveOne(request, body.ReadUnmanaged<long>(), body.ReadByte() != 0);
                break;
            default:
                Unknown(request, Kind);
                break;
        }
    }

    public override void Describe(PayloadWriter writer)
    {
        lock (Gate)
            writer.WriteUnmanaged(Room);
    }

    public override void Withdraw(HostedRequest request, WithdrawalReason reason)
    {
        lock (Gate)
        {
            switch (request.State)
            {
                case HostedCall call when call.Request == request:
                    Abandon(call);
                    Feed();
                    request.Refuse(FailureKind.Canceled, $"{call.Head.Name} was taken back.");
                    return;
                case HostedCall call:
                    if (call.Listener == request)
                        call.Listener = null;
                    request.Refuse(FailureKind.Canceled, "Taken back.");
                    return;
                case HostedWorker worker:
                    if (worker.Take == request)
                        worker.Take = null;
                    request.Refuse(FailureKind.Canceled, "Taken back.");
                    return;
            }
        }

        base.Withdraw(request, reason);
    }

    /// <summary>Its calls were withdrawn before; what is left are workers and reports.</summary>
    public override void Leave(ManagerSession session)
    {
        lock (Gate)
        {
            foreach (HostedCall call in byKey.Values.Where(one => one.Request.Session == session).ToArray())
                Forget(call);
            foreach (HostedWorker worker in workers.Values.Where(one => one.Session == session).ToArray())
                Lose(worker, session.WasHeardOut, hasLeft: false);
            Feed();
        }
    }

    public override void Stop()
    {
        lock (Gate)
        {
            isStopped = true;
            HostedRequest[] waiting =
            [
                .. byKey.Values.Where(one => !one.IsSettled).Select(one => one.Request),
                .. byKey.Values.Select(one => one.Listener).OfType<HostedRequest>(),
                .. workers.Values.Select(one => one.Take).OfType<HostedRequest>(),
            ];
            foreach (HostedCall call in byKey.Values)
                call.Deadline?.Cancel();
            foreach (HostedCall call in byKey.Values)
                Release(call, call.Held);
            byKey.Clear();
            queue.Clear();
            workers.Clear();
            free.Clear();
            roomy.Clear();
            foreach (HostedRequest request in waiting)
                request.Refuse(FailureKind.Gone, $"The manager has stopped, and '{Name}' with it; how far the call came isn't known.");
        }

        base.Stop();
    }

    private void Run(HostedRequest request, ref PayloadReader body)
    {
        long key = body.ReadUnmanaged<long>();
        int retries = WireNumber.ReadTimes(ref body);
        TimeSpan patience = WireNumber.ReadWait(ref body);
        bool hasReceivers = body.ReadByte() != 0;
        HostedCall call = new(request, key, retries, patience, hasReceivers, body.ReadBytes(body.Remaining).ToArray());
        lock (Gate)
        {
            if (!TryHold(call, StoredBytes.SizeOf(call.Message)))
            {
                request.Refuse(FailureKind.Quota, bytes.Full(Name));
                return;
            }

            if (isStopped || !byKey.TryAdd((request.Session, key), call))
            {
                Release(call, call.Held);
                if (isStopped)
                    request.Refuse(FailureKind.Gone, $"The manager has stopped, and '{Name}' with it.");
                else
                    request.Refuse(FailureKind.BadRequest, $"A call {key} of this client is under way already.");
                return;
            }

            unsettled++;
            call.Ticket = ++lastTicket;
            call.Place = queue.AddLast(call);
            request.State = call;
            request.BeginWait(this);

            // The session may have ended in between, and looked before this one was there.
            if (request.Session.IsEnded || (hasReceivers && !request.Session.Touch(this)))
                Abandon(call);
            else if (workers.Count == 0)
                Bear(call);
            else if (!EndIfHopeless(call))
                Feed();
        }
    }

    private void Cancel(HostedRequest request, long key)
    {
        lock (Gate)
        {
            if (!byKey.TryGetValue((request.Session, key), out HostedCall? call) || call.IsSettled)
                return;
            call.CancelRequested = true;
            bool hasBegun = call.IsHanded;
            HaveCanceled(call);
            if (!hasBegun)
                Settle(call, PoolOutcome.Canceled);
            Feed();
        }
    }

    private void Listen(HostedRequest request, long key)
    {
        lock (Gate)
        {
            if (!byKey.TryGetValue((request.Session, key), out HostedCall? call))
            {
                AnswerReports(request, [], isEnd: true);
            }
            else if (call.IsSettled || call.Reports.Count > 0)
            {
                AnswerReports(request, call.Reports, call.IsSettled);
                if (call.IsSettled)
                    Forget(call);
                else
                    ForgetReports(call);
            }
            else
            {
                call.Listener = request;
                request.State = call;
                request.BeginWait(this);
                if (request.Session.IsEnded)
                    Withdraw(request, WithdrawalReason.SessionEnded);
            }
        }
    }

    private static void AnswerReports(HostedRequest listener, List<(int Receiver, byte[] Value)> reports, bool isEnd)
    {
        using PayloadWriter writer = new();
        writer.WriteByte(isEnd ? (byte)1 : (byte)0);
        writer.WriteUnmanaged(reports.Count);
        foreach ((int receiver, byte[] value) in reports)
        {
            writer.WriteUnmanaged(receiver);
            WriteBlock(writer, value);
        }

        listener.Answer(writer.WrittenSpan);
    }

    private void AwaitWorker(HostedRequest request)
    {
        lock (Gate)
        {
            if (workers.Count > 0)
                AnswerBool(request, true);
            else
                Wait(request);
        }
    }

    private void State(HostedRequest request)
    {
        using PayloadWriter writer = new();
        lock (Gate)
        {
            writer.WriteUnmanaged((int)Math.Min(int.MaxValue, workers.Values.Sum(worker => (long)worker.Capacity)));
            writer.WriteUnmanaged(workers.Values.Sum(worker => worker.Calls.Values.Count(call => call.State == HostedCallState.Started && !call.IsSettled && call.Request.Session == request.Session)));
            writer.WriteUnmanaged(joined);
            writer.WriteUnmanaged(lost);
            writer.WriteUnmanaged(workers.Count);
            foreach (HostedWorker worker in workers.Values)
            {
                HostedCall[] running = [.. worker.Calls.Values.Where(call => call.State == HostedCallState.Started)];
                writer.WriteUnmanaged(worker.Number);
                writer.WriteString(worker.Name);
                writer.WriteUnmanaged(running.Length);
                writer.WriteString(running.FirstOrDefault()?.Head.Name);
                writer.WriteUnmanaged(worker.Ended);
            }
        }

        request.Answer(writer.WrittenSpan);
    }

    // What follows is under the gate.

    /// <summary>Its caller has no use for it any more.</summary>
    private void Abandon(HostedCall call)
    {
        EndForCaller(call);
        Forget(call);
        HaveCanceled(call);
    }

    /// <summary>Hands the outcome to the caller, if it has none.</summary>
    private void Settle(HostedCall call, PoolOutcome outcome, ReadOnlySpan<byte> payload = default)
    {
        if (!EndForCaller(call))
            return;
        Span<byte> head = stackalloc byte[5];
        BinaryPrimitives.WriteInt32LittleEndian(head, Room);
        head[4] = (byte)outcome;
        call.Request.Answer(head, payload);
    }

    private void Settle(HostedCall call, PoolOutcome outcome, string text)
    {
        using PayloadWriter writer = new();
        writer.WriteString(text);
        Settle(call, outcome, writer.WrittenSpan);
    }

    private bool EndForCaller(HostedCall call)
    {
        if (call.IsSettled)
            return false;
        call.IsSettled = true;
        unsettled--;
        Release(call, call.Message.Length);
        call.Message = [];
        call.Deadline?.Cancel();
        TakeFromQueue(call);
        if (call.Listener is { } listener)
        {
            call.Listener = null;
            AnswerReports(listener, call.Reports, isEnd: true);
            Forget(call);
        }
        else if (!call.HasReceivers)
        {
            Forget(call);
        }

        return true;
    }

    private bool TryHold(HostedCall call, long size)
    {
        if (!bytes.TryTake(size))
            return false;
        call.Held += size;
        return true;
    }

    private void Release(HostedCall call, long size)
    {
        bytes.Free(size);
        call.Held -= size;
    }

    private void ForgetReports(HostedCall call)
    {
        Release(call, call.Reports.Sum(static report => StoredBytes.SizeOf(report.Value)));
        call.Reports.Clear();
    }

    /// <summary>Its caller can't ask for it any more.</summary>
    private void Forget(HostedCall call)
    {
        if (byKey.TryGetValue((call.Request.Session, call.Key), out HostedCall? known) && known == call)
            byKey.Remove((call.Request.Session, call.Key));
        call.Reports.Clear();
        Release(call, call.Held);
    }

    private void TakeFromQueue(HostedCall call)
    {
        if (call.Place is not { } place)
            return;
        queue.Remove(place);
        call.Place = null;
    }

    /// <summary>It waits where there is no worker, for as long as its caller would have it wait.</summary>
    private void Bear(HostedCall call)
    {
        call.Deadline?.Cancel();
        if (call.Patience == Timeout.InfiniteTimeSpan)
            return;
        long came = joined;
        call.Deadline = Deadlines.After(call.Patience, () =>
        {
            lock (Gate)
            {
                // Had there been one in between, its patience would have begun anew.
                if (call.Place is not null && workers.Count == 0 && came == joined)
                    Settle(call, PoolOutcome.Broken, $"There is no worker at the pool '{Name}', and none came within {call.Patience.TotalSeconds:0.###} s (RemotePoolOptions.NoWorkerTimeout). Start one: RemoteWorker.StartAsync(client, \"{Name}\", functions, Pool.Processes()).");
            }
        });
    }

    /// <summary>Fails a call that none of the workers has the function of.</summary>
    private bool EndIfHopeless(HostedCall call)
    {
        if (lacking == 0 || workers.Count == 0 || !workers.Values.All(worker => worker.Lacks(call)))
            return false;
        HostedWorker any = workers.Values.First();
        Settle(call, PoolOutcome.FunctionNotFound, any.Lacking![call.Wanted]);
        return true;
    }
}
