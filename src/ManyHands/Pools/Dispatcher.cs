using System.Diagnostics;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Transport;
using ManyHands.Workers;

namespace ManyHands.Pools;

/// <summary>
/// Keeps the calls of a process pool from the moment they are accepted until they are settled: here who accepts, cancels and settles; in Dispatcher.Feeding.cs which worker gets
/// what; in Dispatcher.Workers.cs when workers start and end.
/// </summary>
internal sealed partial class Dispatcher
{
    /// <summary>After so many workers have died with a call unstarted, it is the call that kills them.</summary>
    private const int MostReturns = 3;

    private readonly int limit;
    private readonly ProcessPoolOptions options;
    private readonly PendingCall? initializer;
    private readonly ProcessPool pool;
    private readonly Lock gate = new();
    private readonly Queue<PoolCall> queue = new();
    private readonly Queue<PoolCall> returned = new();
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool closed;
    private int unsettled;

    public Dispatcher(int limit, ProcessPoolOptions options, PendingCall? initializer, SegmentPool? segments, ProcessPool pool)
    {
        this.limit = limit;
        this.options = options;
        this.initializer = initializer;
        this.pool = pool;
        settings = new WorkerSettings
        {
            Name = "",
            // A copy: the caller's may change, or tell names apart as the system doesn't.
            Environment = new Dictionary<string, string?>(options.Environment, StringComparer.Ordinal),
            WorkingDirectory = options.WorkingDirectory,
            Output = options.Output,
            StartTimeout = options.StartTimeout,
            Initializer = initializer,
            Portable = options.Portable,
            Transport = options.Transport,
            Segments = segments,
            MemoryLimit = options.MaxWorkerMemory,
        };
    }

    public bool IsClosed => Volatile.Read(ref closed);

    /// <summary>Enough for every worker to have its depth and the same again waiting.</summary>
    public int MapWidth => limit * (1 + Volatile.Read(ref deepest));

    private int QueuedCount => queue.Count + returned.Count;

    /// <summary>Takes a call. The worker is the one to look at for the outcome, if one was idle and it is worth it.</summary>
    public bool TryEnqueue(PoolCall call, bool callerCanLook, out PoolBrokenException? reason, out WorkerLink? sentTo)
    {
        PoolWorker? worker;
        sentTo = null;
        lock (gate)
        {
            reason = broken;
            if (closed || broken is not null)
                return false;
            queue.Enqueue(call);
            unsettled++;
            worker = null;
            if (busy >= limit || !TryTakeIdle(out worker))
                StartIfNeeded();
        }

        if (worker is null)
        {
            FaultPoint.Reach(FaultStep.CallQueued);
            return true;
        }

        if (callerCanLook && worker.Link.IsLookingWorthwhile)
        {
            call.CallerLooks = true;
            sentTo = worker.Link;
        }

        Feed(worker);
        return true;
    }

    /// <summary>Remembers how to forget about the caller's token; false if the call is over already.</summary>
    public bool KeepRegistration(PoolCall call, CancellationTokenRegistration registration)
    {
        lock (gate)
        {
            if (call.State == PoolCallState.Done)
                return false;
            call.Registration = registration;
            return true;
        }
    }

    /// <summary>Has the call's next deadline end with it, be it over already. Once it was told to end, its grace is what counts.</summary>
    public void KeepDeadline(PoolCall call, Deadline deadline, bool isGrace)
    {
        lock (gate)
        {
            if (call.State == PoolCallState.Done || (call.CancelRequested && !isGrace))
            {
                deadline.Cancel();
                return;
            }

            call.Deadline?.Cancel();
            call.Deadline = deadline;
        }
    }

    /// <summary>The first to settle a call may tell its caller; all others come too late.</summary>
    public bool TrySettle(PoolCall call)
    {
        lock (gate)
        {
            if (call.State == PoolCallState.Done)
                return false;
            MarkSettled(call);
        }

        AfterSettled(call);
        return true;
    }

    /// <summary>Passes a cancellation on to where the call is, and says where that is.</summary>
    public PoolCallState RequestCancel(PoolCall call)
    {
        PoolCallState state;
        WorkerLink? link;
        lock (gate)
        {
            state = call.State;
            if (state is PoolCallState.Done)
                return state;
            call.CancelRequested = true;
            link = call.Worker?.Link;
        }

        FaultPoint.Reach(FaultStep.CancelRequested);
        link?.Cancel(call.First);
        return state;
    }

    /// <summary>Asks a call whose time is over to stop; false if it has ended meanwhile, or has time left and is looked at again later.</summary>
    public bool RequestTimeout(PoolCall call)
    {
        WorkerLink link;
        TimeSpan timeout = call.Options.Timeout!.Value;
        lock (gate)
        {
            if (call.State != PoolCallState.Sent || call.Worker is null)
                return false;
            link = call.Worker.Link;
            StartedCall started = link.Started;

            // The time counts from the start. What has not started yet can't be due before its whole time has passed from now.
            TimeSpan left = started.Sequence >= call.First + call.Ended && started.Sequence < call.First + call.Count
                ? timeout - Stopwatch.GetElapsedTime(started.At)
                : timeout;
            if (left > TimeSpan.Zero)
            {
                call.Deadline = Deadlines.After(left, () => pool.OnTimeout(call), failed: unforeseen => pool.FailAtDeadline(call, unforeseen));
                return false;
            }

            call.TimedOut = true;
        }

        FaultPoint.Reach(FaultStep.TimeoutRequested);
        link.Cancel(call.First);
        return true;
    }

    /// <summary>Kills the worker that has a call, unless the call has left it meanwhile.</summary>
    public void KillWorkerOf(PoolCall call, string why)
    {
        WorkerLink? link = null;
        lock (gate)
        {
            if (call.Worker is { } worker && worker.Running == call)
                link = worker.Link;
        }

        if (link is not null)
            FaultPoint.Reach(FaultStep.KillDecided);
        link?.Kill(why);
    }

    /// <summary>Kills the worker that was sent a call, be it running or not: nobody would end it later.</summary>
    public void KillWorkerWith(PoolCall call, string why)
    {
        WorkerLink? link;
        lock (gate)
            link = call.Worker?.Link;
        link?.Kill(why);
    }

    /// <summary>Takes no more calls. The task ends when the last accepted one is settled.</summary>
    public Task Close()
    {
        lock (gate)
        {
            closed = true;
            if (unsettled == 0)
                drained.TrySetResult();
            allReady?.TrySetException(new ObjectDisposedException(nameof(Pool), "The pool was closed while its workers started."));
        }

        return drained.Task;
    }

    public PoolStatistics Snapshot(CallCounters counters)
    {
        lock (gate)
        {
            // Who has no process yet would have the number 0, which means a caller's own process group where a signal is sent to it.
            PoolWorkerStatistics[] snapshot = [.. workers.Where(worker => !worker.IsLeaving && worker.Link.ProcessId != 0).Select(worker => new PoolWorkerStatistics
            {
                Name = worker.Link.Name,
                Id = worker.Link.ProcessId,
                IsBusy = worker.Calls.Count > 0,
                CurrentCall = worker.Running?.Name,
                EndedCalls = worker.EndedCalls,
            })];
            return counters.Snapshot(
                "processes",
                limit,
                snapshot,
                CountQueued(queue) + CountQueued(returned),
                workers.Sum(worker => worker.Calls.Sum(call => call.Count - call.Ended)),
                started,
                lost) with
            {
                WorkersRecycled = recycled,
                MemoryLimits = options.MaxWorkerMemory is null ? MemoryLimitMechanisms.None : workers.Aggregate(MemoryLimitMechanisms.None, (all, worker) => all | worker.Link.MemoryLimits),
                Transport = workers.Find(worker => worker.IsReady)?.Link.Transport ?? options.Transport,
            };
        }

        static long CountQueued(Queue<PoolCall> calls) => calls.Sum(call => call.State == PoolCallState.Queued ? (long)call.Count : 0);
    }

    public void OnEnded(PoolWorker worker, long sequence, OutcomeKind kind, ReadOnlyMemory<byte> payload, TimeSpan runTime, bool isUnwell)
    {
        // The worker answers in order, so it is the first; and who is here is the only one that reads from it.
        PoolCall? call = Volatile.Read(ref worker.First);
        if (call is null || sequence != call.First + call.Ended)
            throw new InvalidDataException($"The worker answers call {sequence}, which it was not to run now.");
        int index = call.Ended;
        if (kind == OutcomeKind.Result && (index < call.Count - 1 || runTime == TimeSpan.Zero))
        {
            // One in the middle, at least when it was sent.
            call.Ended = index + 1;
            if (call.State != PoolCallState.Done)
                call.Complete(index, kind, payload);
            if (call.Ended == call.Count)
                EndAfterResults(worker, call);
            return;
        }

        bool isFirstToSettle;
        lock (gate)
        {
            call.Ended = index + 1;
            if (call.Ended == call.Count)
                Leave(worker, call);
            worker.EndedCalls += call.Ended;
            worker.IsHeldUp = false;
            worker.IsUnwell |= isUnwell;
            if (runTime > TimeSpan.Zero)
            {
                call.RunTime = runTime;
                worker.CountRunTime(runTime);
            }

            if (worker.Depth != deepest)
                Volatile.Write(ref deepest, workers.Max(one => one.Depth));
            isFirstToSettle = call.State != PoolCallState.Done;
            if (isFirstToSettle && !call.TimedOut)
                MarkSettled(call);
        }

        // The next call is on its way before this one's caller is told.
        Feed(worker);
        if (isFirstToSettle)
            pool.OnEnded(call, index, kind, payload);
        AfterSettled(call);
    }

    /// <summary>Results of items in the middle of a call. If the items behind them were taken back, they are its end.</summary>
    public void OnResults(PoolWorker worker, long sequence, int count, ReadOnlyMemory<byte> payload)
    {
        PoolCall? call = Volatile.Read(ref worker.First);
        if (call is null || sequence != call.First + call.Ended || count < 1 || count > call.Count - call.Ended)
            throw new InvalidDataException($"The worker answers {count} calls from {sequence} on, which it was not to run now.");
        int index = call.Ended;
        call.Ended = index + count;
        if (call.State != PoolCallState.Done)
            call.CompleteMany(index, count, payload);
        if (call.Ended == call.Count)
            EndAfterResults(worker, call);
    }

    private void EndAfterResults(PoolWorker worker, PoolCall call)
    {
        lock (gate)
        {
            Leave(worker, call);
            worker.EndedCalls += call.Count;
            worker.IsHeldUp = false;
            if (call.State != PoolCallState.Done)
            {
                MarkSettled(call);
                pool.OnAllCompleted(call);
            }
        }

        call.Finish();
        Feed(worker);
        AfterSettled(call);
    }

    public void OnProgress(PoolWorker worker, long sequence, int receiver, ReadOnlyMemory<byte> value)
    {
        PoolCall? call;
        lock (gate)
            call = worker.Find(sequence);
        call?.Report(receiver, value);
    }

    public void OnUnreadableReport(PoolWorker worker, long sequence, Exception reason)
    {
        PoolCall? call;
        lock (gate)
            call = worker.Find(sequence);
        call?.LoseReport(reason);
    }

    public static void OnAllRead(PoolWorker worker)
    {
        PoolCall? call = Volatile.Read(ref worker.First);
        if (call is { Ended: > 0 })
            call.Announce();
    }

    public void OnReturned(PoolWorker worker, long sequence)
    {
        PoolCall? rest;
        PoolCall? ended = null;
        bool isCanceled;
        bool isSplit = false;
        lock (gate)
        {
            rest = worker.Find(sequence) ?? throw new InvalidDataException($"The worker gives back call {sequence}, which it hasn't got.");
            int index = (int)(sequence - rest.First);
            if (index > 0)
            {
                // Those before it stay; one of them may run now.
                isSplit = true;
                PoolCall front = rest;
                rest = front.SplitAt(index);
                if (front.State != PoolCallState.Done)
                    unsettled++;
                if (front.Ended == front.Count)
                {
                    Leave(worker, front);
                    ended = front;
                    if (front.State != PoolCallState.Done)
                        MarkSettled(front);
                }
            }
            else
            {
                Leave(worker, rest);
            }

            isCanceled = rest.CancelRequested && !rest.TimedOut;
            if (!isCanceled)
                PutBack(rest);
        }

        if (ended is not null)
        {
            ended.Finish();
            AfterSettled(ended);
        }

        if (isCanceled)
            pool.Cancel(rest);
        else if (isSplit)
            pool.OnSplitOff(rest);
        AfterSettled(rest);
        Feed(worker);
        FeedAll();
    }

    private void Leave(PoolWorker worker, PoolCall call)
    {
        worker.Calls.Remove(call);
        Volatile.Write(ref worker.First, worker.Calls.Count > 0 ? worker.Calls[0] : null);
        if (worker.Calls.Count == 0)
            busy--;
        call.Worker = null;
    }

    private void MarkSettled(PoolCall call)
    {
        call.State = PoolCallState.Done;
        call.Deadline?.Cancel();
        if (--unsettled == 0 && closed)
            drained.TrySetResult();
    }

    /// <summary>Gives back what a settled call held, once no worker can need it any more.</summary>
    private static void AfterSettled(PoolCall call)
    {
        if (call.State != PoolCallState.Done)
            return;

        // Called between the settling and the telling: whatever happens here, the caller is told.
        Guarded.Run(
            GuardedEntry.Settling,
            call,
            static call =>
            {
                FaultPoint.Reach(FaultStep.CallSettled);
                call.Registration.Unregister();
                if (call.Worker is null)
                    call.ReleasePayload();
            },
            static call => $"what {call.Name} held");
    }

    // Waits for a worker again, with what of it has no outcome yet.
    private void PutBack(PoolCall call)
    {
        call.Worker = null;
        if (call.State is PoolCallState.Done)
            return;
        call.ForgetEnded();
        call.State = PoolCallState.Queued;
        call.Deadline?.Cancel();
        call.Deadline = null;
        returned.Enqueue(call);
        FaultPoint.Reach(FaultStep.CallPutBack);
    }
}
