using System.Diagnostics.CodeAnalysis;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Transport;
using ManyHands.Workers;

namespace ManyHands.Pools;

/// <content>
/// Which worker gets which call: the hottest idle one; short calls are sent ahead, and taken back when one turns out long.
/// </content>
internal sealed partial class Dispatcher
{
    private static readonly TimeSpan HoldUp = TimeSpan.FromMilliseconds(5);

    private readonly Stack<PoolWorker> idle = new();
    private int deepest = 1;
    private int busy;

    /// <summary>Sends a worker what it can take now. With nothing to send it becomes idle.</summary>
    private void Feed(PoolWorker worker)
    {
        lock (worker.Feeding)
        {
            while (true)
            {
                PoolCall? next = null;
                PoolCall? rest = null;
                try
                {
                    FaultPoint.Enter(GuardedEntry.Feeding);
                    lock (gate)
                    {
                        if (!TakeFor(worker, ref next, ref rest))
                            next = null;
                    }

                    if (rest is not null)
                        pool.OnSplitOff(rest);
                    if (next is null)
                        return;
                    if (next.Options.HasTimeout)
                        pool.StartTimeout(next);
                    if (!Send(next, worker))
                        return;
                }
                catch (Exception unforeseen)
                {
                    // Who feeds may be in the middle of another call's business, which isn't to suffer.
                    FailFeeding(worker, next, unforeseen);
                    return;
                }
            }
        }
    }

    // What the worker has of the call isn't known, so it can't go on.
    private void FailFeeding(PoolWorker worker, PoolCall? call, Exception unforeseen) => Guarded.Fail(
        GuardedEntry.Feeding,
        (Dispatcher: this, Worker: worker, Call: call),
        unforeseen,
        static feeding => $"{feeding.Call?.Name ?? "calls"} on the way to {feeding.Worker.Link.Name}; the call fails and the worker is ended",
        static (feeding, unforeseen) =>
        {
            if (feeding.Call is { } call)
                feeding.Dispatcher.pool.Fail(call, CallOutcome.Unforeseen(call.Name, unforeseen));
            feeding.Worker.Link.Kill($"something unforeseen happened while it was sent a call: {ExceptionText.MessageOf(unforeseen)}");
        });

    private bool TakeFor(PoolWorker worker, ref PoolCall? call, ref PoolCall? rest)
    {
        worker.IsIdle = false;
        if (!worker.IsReady || worker.IsLeaving || worker.IsGone)
            return false;
        if (MustLeave(worker))
        {
            if (worker.Calls.Count == 0)
                Retire(worker, isRecycled: true);
            return false;
        }

        // Ahead only the worker's fair share, so that none waits behind another while a worker is about to be free.
        int most = Math.Min(worker.Depth, 1 + (QueuedCount / Math.Max(1, workers.Count)));
        if (worker.Calls.Count < most && (worker.Calls.Count == 0 ? busy < limit : !worker.IsHeldUp))
            call = TakeQueued();
        if (call is null)
        {
            if (worker.Calls.Count == 0)
                BecomeIdle(worker);
            return false;
        }

        if (options.MaxCallsPerWorker is { } mostCalls && worker.NextSequence - WorkerLink.FirstSequence + call.Count > mostCalls)
        {
            int left = (int)(mostCalls - (worker.NextSequence - WorkerLink.FirstSequence));
            rest = call.SplitAt(left);
            unsettled++;
            PutBack(rest);
        }

        Assign(call, worker);
        if (worker.Calls.Count > 1 || call.Count > 1)
            Watch(worker);
        return true;
    }

    private void Assign(PoolCall call, PoolWorker worker)
    {
        call.State = PoolCallState.Sent;
        call.Worker = worker;
        call.First = worker.NextSequence;
        worker.NextSequence += call.Count;
        worker.Calls.Add(call);
        if (worker.Calls.Count > 1)
            return;
        Volatile.Write(ref worker.First, call);
        busy++;
        StartIfNeeded();
    }

    // Outside the gate: sending may be a system call. False if the worker can't be sent to any more.
    private bool Send(PoolCall call, PoolWorker worker)
    {
        EncodedPayload payload = call.Payload;
        FaultPoint.Reach(FaultStep.CallAssigned);
        IOException? refusal = null;
        if (!payload.IsGone && TrySend(call, payload, worker, out refusal))
        {
            // A cancellation that came before the worker had the call found nothing there to cancel.
            if (Volatile.Read(ref call.CancelRequested))
                worker.Link.Cancel(call.First);
            return true;
        }

        // The call was settled before it could be sent, or the worker is gone: then OnGone settles what it finds, unless it ran before the assignment.
        // Its numbers were not used; whoever feeds the worker gives them to the next.
        lock (gate)
        {
            if (worker.Calls.Contains(call))
            {
                Leave(worker, call);
                worker.NextSequence = call.First;
                if (refusal is null)
                    PutBack(call);
            }
        }

        if (refusal is not null)
        {
            pool.Fail(call, refusal);
            return true;
        }

        AfterSettled(call);
        if (payload.IsGone)
            return true;
        FeedAll();
        return false;
    }

    // The system may have no descriptor for a large payload; then nothing was sent, and the worker is as it was.
    private static bool TrySend(PoolCall call, in EncodedPayload payload, PoolWorker worker, out IOException? refusal)
    {
        refusal = null;
        try
        {
            return worker.Link.Send(call.Function, payload, call.First, call.Count, call.HasLengths, call.CallerLooks, call.Options.HasTimeout);
        }
        catch (PayloadNotSentException reason)
        {
            refusal = reason;
            return false;
        }
    }

    private void FeedAll()
    {
        while (true)
        {
            PoolWorker? worker;
            lock (gate)
            {
                if (QueuedCount == 0)
                    return;
                if (busy >= limit || !TryTakeIdle(out worker))
                {
                    StartIfNeeded();
                    return;
                }
            }

            Feed(worker);
        }
    }

    private bool TryTakeIdle([NotNullWhen(true)] out PoolWorker? worker)
    {
        while (idle.TryPop(out worker))
        {
            if (!worker.IsIdle)
                continue;
            worker.IsIdle = false;
            if (!worker.IsGone && !worker.IsLeaving)
                return true;
        }

        return false;
    }

    private PoolCall? TakeQueued()
    {
        while (returned.TryDequeue(out PoolCall? call) || queue.TryDequeue(out call))
        {
            if (call.State == PoolCallState.Queued)
                return call;
        }

        return null;
    }

    // A call that was expected to be short and isn't: what was sent behind it goes to others.
    private void Watch(PoolWorker worker)
    {
        if (worker.IsWatched)
            return;
        worker.IsWatched = true;
        worker.WatchedSequence = -1;
        LookLater(worker);
    }

    private void LookLater(PoolWorker worker) =>
        Deadlines.After(HoldUp, () => LookAgain(worker), failed: unforeseen => worker.Link.Kill($"something unforeseen happened while it was watched: {ExceptionText.MessageOf(unforeseen)}"));

    // On the deadlines' thread.
    private void LookAgain(PoolWorker worker)
    {
        bool recall = false;
        lock (gate)
        {
            worker.IsWatched = false;
            if (worker.IsGone || worker.Calls.Count == 0 || (worker.Calls.Count == 1 && worker.Calls[0].Ended + 1 >= worker.Calls[0].Count))
                return;
            long running = worker.Link.Started.Sequence;
            recall = running == worker.WatchedSequence && running >= worker.Calls[0].First + worker.Calls[0].Ended;
            worker.IsWatched = true;
            worker.WatchedSequence = recall ? -1 : running;
            worker.IsHeldUp |= recall;
            LookLater(worker);
        }

        // Also what it has sent without saying so: it says so when its next call has ended, and that may take long.
        worker.Link.Nudge();
        if (recall)
            FaultPoint.Reach(FaultStep.RecallDecided);
        if (recall)
            worker.Link.Recall();
    }
}
